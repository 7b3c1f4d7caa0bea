"""What rich shows, without anything that a terminal would obey but rich's own colours."""

from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment

from rdma_dp.printable import printable


@dataclass(frozen=True, slots=True)
class Printable:
    """Shows something so."""

    shown: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What rich asks for."""
        for text, style, control in console.render(self.shown, options):
            yield Segment(text if control else printable(text), style, control)
