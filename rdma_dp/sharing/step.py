"""What to do about a resource: a text for people, a command and a code. Pure."""

from dataclasses import dataclass

from rdma_dp.inventory.verdicts import Code


@dataclass(frozen=True, slots=True)
class Step:
    """What is wrong, and the command that fixes it, if there is one.

    `reason` is the text of the verdict behind it and `code` the verdict's code.
    """

    claim: str
    command: str | None = None
    code: Code | None = None
    reason: str = ""

    @property
    def text(self) -> str:
        """The claim with its reason."""
        return f"{self.claim}: {self.reason}" if self.reason else self.claim

    def __str__(self) -> str:
        return f"{self.text}: try `{self.command}`" if self.command else self.text
