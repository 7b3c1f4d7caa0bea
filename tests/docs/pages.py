"""Splits the pages into commands, links and messages."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.paths import REPO

PAGES = (*sorted(REPO.glob("*.md")), *sorted((REPO / "docs").glob("*.md")))

# A block in a list is indented.
_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(
    r"^    (?:\$ )?((?:rdma-dp|\.venv/bin/rdma-dp|make|kubectl|helm) .*)$", re.MULTILINE
)
_LINK = re.compile(r"\[[^]]+\]\(([^)]+)\)")


@dataclass(frozen=True)
class Command:
    """A line that a reader can run."""

    page: str
    line: str

    @property
    def words(self) -> list[str]:
        """The words, without comments and redirections."""
        words = shlex.split(self.line, comments=True)
        return words[: words.index(">")] if ">" in words else words

    def __str__(self) -> str:
        return f"{self.page}: {self.line}"


def commands() -> list[Command]:
    """The lines of `sh` blocks, and the lines of indented blocks that run known programs."""
    return [
        Command(page.name, line)
        for page in PAGES
        for text in (page.read_text(),)
        for line in (*_lines(text), *_INDENTED.findall(_FENCED.sub("", text)))
    ]


def _lines(text: str) -> Iterator[str]:
    for block in blocks(text, "sh"):
        joined = block.replace("\\\n", " ")
        lines = (line.strip() for line in joined.splitlines())
        yield from (line for line in lines if line and not line.startswith("#"))


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks in one language."""
    return [block for name, block in _FENCED.findall(text) if name == language]


def links() -> list[tuple[str, str]]:
    """Page and target of every link to a file of the repository or to a heading."""
    found = [(page.name, target) for page in PAGES for target in _LINK.findall(page.read_text())]
    return [(page, target) for page, target in found if "://" not in target]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def page_of(name: str) -> Path:
    return next(page for page in PAGES if page.name == name)
