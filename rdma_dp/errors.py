"""The base of all errors that are shown to people."""


class RdmaDpError(Exception):
    """An error with a message of one sentence and, if there is one, a hint what to do.

    Only the CLI and the daemon's log turn it into a line of text or an exit code.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


def reason_of(error: BaseException) -> str:
    """What went wrong, in words: the error's text, or its type where it has none."""
    return str(error) or type(error).__name__


# What a read of the node or of a directory can fail with. The daemon logs it and tries again.
# MemoryError: an ENOMEM that Python found first.
FAILED_READ = (RdmaDpError, OSError, MemoryError)
