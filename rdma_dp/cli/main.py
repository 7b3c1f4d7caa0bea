"""The two programs: `rdma-dp` with its verbs, and `k8s-rdma-shared-dp`.

A daemon first starts the process that parses its config, which imports as much as the daemon
itself. So this module loads everything else after that.
"""

import gc
import os
import signal
import sys
from collections.abc import Sequence

from rdma_dp.aio.function_process import FunctionProcess
from rdma_dp.cli.parser_process import parser_process

# Beginnings of the options that only print something, in all forms that Go takes.
_PRINTING = ("-h", "--h", "-v", "--v")


def main(words: Sequence[str] | None = None) -> int:
    """The entry point `rdma-dp`."""
    words = sys.argv[1:] if words is None else words
    process = _begin_daemon(words) if [*words[:1]] == ["run"] else None
    from rdma_dp.cli import program  # noqa: PLC0415 - see above

    return program.run(words, process)


def compat_main(words: Sequence[str] | None = None) -> int:
    """The entry point `k8s-rdma-shared-dp`: the daemon, with the Go plugin's flags."""
    words = sys.argv[1:] if words is None else words
    process = _begin_daemon(words)
    from rdma_dp.cli import program  # noqa: PLC0415 - see above

    return program.run_compat(words, process)


def _begin_daemon(words: Sequence[str]) -> FunctionProcess | None:
    """Decides what signals do to a daemon with these words, and starts the process for its config.

    What is imported stays. To search it for cycles takes 10 ms each time, so that begins when the
    event loop runs.

    The kernel ignores signals for a container's first process unless the process handles them. The
    daemon sets its own handlers later. Until then there is nothing to put in order, and an
    exception could be lost: Python ignores those in destructors and in some callbacks of imports.
    """
    gc.disable()
    for number in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # no config was read yet
    return None if any(word.startswith(_PRINTING) for word in words) else parser_process()
