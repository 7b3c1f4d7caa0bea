"""The process that parses a config for the daemon. This module loads nothing of the config."""

from rdma_dp.aio.function_process import FunctionProcess


def parser_process() -> FunctionProcess | None:
    """The process for one config; None if none can be started."""
    try:
        return FunctionProcess("rdma_dp.config.reading", "accepted_or_error")
    except (OSError, MemoryError):
        return None
