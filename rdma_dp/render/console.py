"""Tables on a terminal, in a file or in a pipe."""

import io
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table

from rdma_dp.text import printable

WIDTH = 100  # columns
WIDE = 200  # columns of wide output in a file or pipe; on a terminal, the terminal's width


def show(shown: RenderableType, *, wide: bool = False) -> None:
    """Prints to stdout: in colour on a terminal, as plain lines to a file or a pipe."""
    terminal = _console()
    if terminal.is_terminal:
        width = terminal.width if wide else min(terminal.width, WIDTH)
        terminal.print(Printable(shown), width=width)
    else:
        sys.stdout.write(plain(shown, WIDE if wide else WIDTH))


def plain(shown: RenderableType, width: int = WIDTH) -> str:
    """The text without colours and without trailing blanks."""
    buffer = io.StringIO()
    _console(file=buffer, width=width, color_system=None).print(Printable(shown))
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def _console(**options: Any) -> Console:
    """A console without markup: rich would read eth[1] as a style and 0000:cd:00.0 as an emoji."""
    return Console(highlight=False, markup=False, emoji=False, **options)


def plain_table(*columns: str) -> Table:
    """A table without lines and with bold headings."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def labelled_rows() -> Table:
    """Two columns: a label, and wrapped text."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="fold")
    table.add_column(overflow="fold")
    return table


def or_dash(text: str | None) -> str:
    """The text, or a dash for an empty text or None."""
    return text or "-"


@dataclass(frozen=True, slots=True)
class Printable:
    """Shows a renderable with its control characters escaped."""

    shown: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Renders the segments; rich calls this method."""
        for text, style, control in console.render(self.shown, options):
            yield Segment(text if control else printable(text), style, control)
