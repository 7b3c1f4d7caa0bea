"""What to do about a resource: a text for people, a command and a code. Pure."""

from dataclasses import dataclass

from rdma_dp.inventory.verdicts import Code


@dataclass(frozen=True, slots=True)
class Step:
    """What is wrong, and the command that fixes it, if there is one.

    `code` is the code of the verdict that the text quotes.
    """

    text: str
    command: str | None = None
    code: Code | None = None

    def __str__(self) -> str:
        return f"{self.text}: try `{self.command}`" if self.command else self.text
