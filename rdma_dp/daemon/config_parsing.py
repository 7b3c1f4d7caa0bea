"""Where a config is parsed: in this process, or in one of its own.

The models of the config take 14 MB and 70 ms. A daemon needs them for a moment only. So each config
is parsed by another process, and at a start both processes import their modules at the same time.
"""

from collections.abc import Callable

from rdma_dp.aio.function_process import FunctionProcess, ProcessError
from rdma_dp.config import Accepted, ConfigError, Defaults, Problem

# What the file holds at one moment, or why it cannot be read.
Content = bytes | ConfigError

Parse = Callable[[Content, Defaults], Accepted]
"""Raises ConfigError."""


def parse_here(content: Content, defaults: Defaults) -> Accepted:
    """Parses in this process. Raises ConfigError."""
    from rdma_dp.config import reading  # noqa: PLC0415 - see above

    if isinstance(content, ConfigError):
        raise content
    return reading.parse_as_daemon(content, defaults)


class SeparateParser:
    """Parses each config in a process of its own, or here if no process can be started."""

    def __init__(
        self, start: Callable[[], FunctionProcess | None], first: FunctionProcess | None
    ) -> None:
        """`start` starts a process for one config. `first` was started already."""
        self._start = start
        self._first = first

    def parse(self, content: Content, defaults: Defaults) -> Accepted:
        """Raises ConfigError."""
        process, self._first = self._first, None
        if isinstance(content, ConfigError):
            if process is not None:
                process.dismiss()  # the daemon may wait for long
            raise content
        process = process or self._start()
        if process is None:
            return parse_here(content, defaults)
        try:
            found: Accepted | ConfigError = process.result(content, defaults)
        except ProcessError as error:
            raise ConfigError([Problem("", f"cannot be parsed: {error}")]) from None
        if isinstance(found, ConfigError):
            raise found
        return found
