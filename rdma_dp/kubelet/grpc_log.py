"""What gRPC's Python code logs, in the form of our log: one line for one cause."""

import logging

# Loggers of grpc.aio's servers and of the code that both sides share.
_LOGGERS = ("grpc._cython.cygrpc", "grpc._common")

_MOST_CAUSES = 100  # that are remembered

# A message that cannot be parsed is the sender's fault: our stack says nothing about it.
_OF_SENDERS = ("DecodeError",)


class _OncePerCause(logging.Filter):
    """Drops repetitions, and the traceback where it does not help."""

    def __init__(self) -> None:
        super().__init__()
        self._causes: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        cause = record.getMessage()
        if type(error).__name__ in _OF_SENDERS:
            cause, record.exc_info = f"{cause}: {error}", None
        record.msg, record.args = f"gRPC: {cause}", ()
        if cause in self._causes:
            return False
        if len(self._causes) >= _MOST_CAUSES:
            self._causes.clear()
        self._causes.add(cause)
        return True


def report_each_cause_once() -> None:
    """Install this for the whole process."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_OncePerCause())
