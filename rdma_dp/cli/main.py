"""The command line: verbs, what they print and their exit codes.

The only place that prints or exits. 0: all is well; 1: something is wrong, and a line on stderr
says what; 2: the command line itself is wrong; 3: `dry-run` or `cdi` found a resource without an
HCA. `doctor` says by 0, 1 or 2 what the worst is that it found: nothing, a warning, a failure; and
by 3 that it could not look.
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rdma_dp.cli import arguments, verbs
from rdma_dp.cli.output import FAILED, INTERRUPTED, NOT_LOOKED, OK, complain
from rdma_dp.errors import RdmaDpError

# errno: no more descriptors in this process or on the machine, or no memory (host/files.py).
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def main(words: Sequence[str] | None = None) -> int:
    """The entry point `rdma-dp`."""
    return _run_verb(_parser().parse_args(words))


def compat_main(words: Sequence[str] | None = None) -> int:
    """The entry point `k8s-rdma-shared-dp`: the daemon, with the Go plugin's flags."""
    parser = argparse.ArgumentParser(
        prog="k8s-rdma-shared-dp", description=verbs.run.__doc__, allow_abbrev=False
    )
    arguments.add_version(parser)
    arguments.add_daemon_arguments(parser, set_links_up=True)
    parser.set_defaults(verb=verbs.run, failed=FAILED)
    return _run_verb(parser.parse_args(words))


def _run_verb(options: argparse.Namespace) -> int:
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that a kernel or a config has may not be text; it must not end in a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = int(options.verb(options))
        if sys.stdout:  # None when the caller closed it
            sys.stdout.flush()  # a reader that has gone is met here, not at the very end
    except RdmaDpError as error:
        complain(str(error))
        return int(options.failed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `rdma-dp discover | head`
        _drop_output()
        return OK
    except OSError as error:
        if error.errno in _EXHAUSTED:  # even a module of ours cannot be read then
            complain(f"out of file descriptors or memory: {error.strerror}")
            return int(options.failed)
        if error.errno != errno.ENOSPC:
            raise
        complain(f"cannot write the output: {error.strerror}")
        _drop_output()
        return FAILED
    return code


def _drop_output() -> None:
    """What is still in the buffer has nowhere to go, and must not fail again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rdma-dp",
        description="An RDMA shared device plugin for Kubernetes.",
        allow_abbrev=False,
    )
    arguments.add_version(parser)
    subparsers = parser.add_subparsers(metavar="VERB", required=True)

    def verb(name: str, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        text = (run.__doc__ or "").splitlines()[0]
        added = subparsers.add_parser(name, help=text, description=run.__doc__, allow_abbrev=False)
        added.set_defaults(verb=run, failed=FAILED)
        return added

    arguments.add_daemon_arguments(verb("run", verbs.run), set_links_up=False)
    discover = verb("discover", verbs.discover)
    arguments.add_root(discover)
    arguments.add_output(discover)
    text = verb("topo", verbs.topo)
    arguments.add_topo_arguments(text)
    arguments.add_root(text)
    dry_run = verb("dry-run", verbs.dry_run)
    arguments.add_config(dry_run)
    arguments.add_use_cdi(dry_run)
    arguments.add_root(dry_run)
    arguments.add_output(dry_run, "explain")
    cdi = verb("cdi", verbs.cdi)
    arguments.add_config(cdi)
    arguments.add_root(cdi)
    doctor = verb("doctor", verbs.doctor)
    arguments.add_config(doctor)
    arguments.add_use_cdi(doctor)
    arguments.add_root(doctor)
    arguments.add_kubelet_directories(doctor)
    arguments.add_doctor_arguments(doctor)
    doctor.set_defaults(failed=NOT_LOOKED)
    snapshot = verb("snapshot", verbs.snapshot)
    arguments.add_snapshot_arguments(snapshot)
    arguments.add_config(snapshot)
    arguments.add_root(snapshot)
    arguments.add_kubelet_directories(snapshot)
    verb("check-config", verbs.check_config).add_argument("file", type=Path, metavar="FILE")
    verb("schema", verbs.schema)
    return parser
