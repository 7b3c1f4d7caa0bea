"""The verbs: what each reads, what it prints, and its exit code. A docstring is the verb's help.

Each verb imports what it needs in its body. So the daemon does not load the tables, and a verb
that shows a table does not load gRPC.
"""

import argparse
import gc
from contextlib import ExitStack

from rdma_dp.cli.config_input import (
    complain_of_warnings,
    found_config,
    loaded_config,
    say_warnings,
)
from rdma_dp.cli.output import FAILED, OK, print_json, print_lines, say


def run(options: argparse.Namespace) -> int:
    """Run the device plugin: advertise the HCAs to kubelet until SIGTERM."""
    from rdma_dp.aio.time_limit import limited

    with ExitStack() as starting:
        starting.enter_context(limited("start"))
        starting.callback(_collect_from_now_on)
        from rdma_dp.daemon.first_scan import FirstScan

        first_scan = FirstScan(options.root)
        from rdma_dp.cli.daemon_process import run_daemon

        return run_daemon(options, first_scan, starting.close)


def _collect_from_now_on() -> None:
    """Undoes gc.disable() of main.py, and leaves out what was imported."""
    gc.freeze()
    gc.enable()


def check_config(options: argparse.Namespace) -> int:
    """Check a config file.

    Each problem is one line: `file:path: message (hint)`. --output json prints a config that can be
    used as JSON in one spelling, for a policy of Network Operator; warnings are on stderr then.
    """
    found = found_config(options.file, quiet=True)
    loaded = loaded_config(found)
    if loaded is None:
        return FAILED
    if options.output == "json":
        complain_of_warnings(loaded.warnings, found)
        print_lines(loaded.in_json)
        return OK
    say_warnings(loaded.warnings, found)
    count = len(loaded.config.config_list)
    origin = "" if found.inside is None else f" (in {found.inside})"
    say(f"{found.name}: good, {count} resource{'s' * (count != 1)}{origin}")
    return OK


def schema(options: argparse.Namespace) -> int:  # noqa: ARG001 - the signature of a verb
    """Print the JSON Schema of the config file."""
    from rdma_dp import config

    print_json(config.json_schema())
    return OK


def completion(options: argparse.Namespace) -> int:
    """Print a script that completes rdma-dp's verbs, options and file names in a shell.

    To load it in the current bash: source <(rdma-dp completion bash)
    """
    import shtab

    from rdma_dp.cli.verb_table import parser

    print_lines(shtab.complete(parser(), options.shell))
    return OK
