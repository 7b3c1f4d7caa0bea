"""The two programs: `rdma-dp` with its verbs, and `k8s-rdma-shared-dp`.

A daemon first starts the process that parses its config, which imports as much as the daemon
itself. So this module loads everything else after that.
"""

import sys
from collections.abc import Sequence

from rdma_dp.aio.function_process import FunctionProcess
from rdma_dp.cli.parser_process import parser_process

# Beginnings of the options that only print something, in all forms that Go takes.
_PRINTING = ("-h", "--h", "-v", "--v")


def main(words: Sequence[str] | None = None) -> int:
    """The entry point `rdma-dp`."""
    words = sys.argv[1:] if words is None else words
    process = _process_for(words) if [*words[:1]] == ["run"] else None
    from rdma_dp.cli import program  # noqa: PLC0415 - see above

    return program.run(words, process)


def compat_main(words: Sequence[str] | None = None) -> int:
    """The entry point `k8s-rdma-shared-dp`: the daemon, with the Go plugin's flags."""
    words = sys.argv[1:] if words is None else words
    process = _process_for(words)
    from rdma_dp.cli import program  # noqa: PLC0415 - see above

    return program.run_compat(words, process)


def _process_for(words: Sequence[str]) -> FunctionProcess | None:
    """The process for the config of a daemon with these words."""
    return None if any(word.startswith(_PRINTING) for word in words) else parser_process()
