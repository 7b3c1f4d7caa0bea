"""A command line from its words to the exit code.

Only this floor prints and sets exit codes. 0: success. 1: an error, with a line on stderr. 2: the
command line is wrong. 3: `dry-run` or `cdi` found a resource without an HCA. `doctor` exits with
the worst result of its checks: 0 for ok, 1 for a warning, 2 for a failure. It exits with 3 if it
could not check the node. With `-o npd` it exits with 0 for ok and for warnings, 1 for a failure,
and 2 if it could not check the node.
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence

from rdma_dp.aio.function_process import FunctionProcess
from rdma_dp.cli import verb_table
from rdma_dp.cli.output import FAILED, INTERRUPTED, OK, complain
from rdma_dp.cli.parsing import parse
from rdma_dp.errors import RdmaDpError

# errno: no more descriptors in this process or on the machine, or no memory (host/files.py).
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def run(words: Sequence[str], parser_process: FunctionProcess | None) -> int:
    """Runs a command line of `rdma-dp`. `parser_process` is for a daemon's config."""
    return _run_verb(parse(verb_table.parser(words), words), parser_process)


def run_compat(words: Sequence[str], parser_process: FunctionProcess | None) -> int:
    """The same for a command line of `k8s-rdma-shared-dp`."""
    return _run_verb(parse(verb_table.compat_parser(), words), parser_process)


def _run_verb(options: argparse.Namespace, parser_process: FunctionProcess | None) -> int:
    options.parser_process = parser_process
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name from the kernel or a config may not be valid text. Show it escaped.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        code = int(options.verb(options))
        if sys.stdout:  # None when the caller closed it
            sys.stdout.flush()  # here, because a closed pipe at interpreter exit cannot be handled
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
    """Send what is still in the buffer to /dev/null, so that the flush at exit does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
