"""The verbs: what each reads, what it prints, and its exit code. A docstring is the verb's help.

Each verb imports what it needs in its body. So the daemon does not load the tables, and a verb
that shows a table does not load gRPC.
"""

import argparse
import asyncio
import logging
import signal
import sys

from rdma_dp import __version__
from rdma_dp.cli.config_input import found_config, loaded_config, log_problems, say_warnings
from rdma_dp.cli.output import FAILED, OK, complain, print_json, print_lines, say
from rdma_dp.errors import RdmaDpError

logger = logging.getLogger("rdma_dp")


def run(options: argparse.Namespace) -> int:
    """Run the device plugin: advertise the HCAs to kubelet until SIGTERM."""
    # The kernel ignores SIGTERM for a container's first process unless the process handles it.
    # The daemon sets its own handler later.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(OK))
    from rdma_dp import log
    from rdma_dp.config import Defaults
    from rdma_dp.daemon.run import run as run_daemon
    from rdma_dp.daemon.settings import Settings
    from rdma_dp.host.root import check_tree
    from rdma_dp.kubelet.directories import KUBELET_SOCKET, KubeletDirectories
    from rdma_dp.kubelet.registration.choice import RegistrationMode

    if str(options.config_file) == "-":
        complain("--config-file takes a file that can change, not standard input")
        return FAILED
    check_tree(options.root)  # report a wrong --root before anything starts
    log.configure(options.log_level, options.log_format)
    logger.info("rdma-dp %s", __version__)
    settings = Settings(
        config_file=options.config_file,
        directories=KubeletDirectories.below(options.kubelet_root_dir, options.device_plugins_dir),
        mode=RegistrationMode(options.registration),
        root=options.root,
        defaults=Defaults(options.use_cdi, options.set_links_up),
        cdi_directory=options.cdi_dir,
        device_info_directory=options.device_info_dir,
        metrics=options.metrics,
        pod_resources=options.kubelet_root_dir / "pod-resources" / KUBELET_SOCKET,
        probe_socket=options.probe_socket,
    )
    try:
        asyncio.run(run_daemon(settings))
    except RdmaDpError as error:
        log_problems(logger, error, options.config_file)
        return FAILED
    return OK


def check_config(options: argparse.Namespace) -> int:
    """Check a config file.

    Each problem is one line: `file:path: message (hint)`.
    """
    found = found_config(options.file, quiet=True)
    loaded = loaded_config(found)
    if loaded is None:
        return FAILED
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
