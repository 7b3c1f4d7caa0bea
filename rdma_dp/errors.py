"""The one family of errors that people get to read."""


class RdmaDpError(Exception):
    """What went wrong, in one sentence, with what to do about it beside it.

    Only the edge (the CLI, the daemon's log) turns one into a line of text or an exit code.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message
