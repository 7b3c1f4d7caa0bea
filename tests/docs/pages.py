"""The pages, taken apart: commands, links and messages."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.paths import REPO

PAGES = (REPO / "README.md", *sorted((REPO / "docs").glob("*.md")))

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(
    r"^    (?:\$ )?((?:rdma-dp|\.venv/bin/rdma-dp|make|kubectl|helm) .*)$", re.MULTILINE
)
_LINK = re.compile(r"\[[^]]+\]\(([^)]+)\)")


@dataclass(frozen=True)
class Command:
    """A line that a reader may type."""

    page: str
    line: str

    @property
    def words(self) -> list[str]:
        """Without comments and redirections."""
        words = shlex.split(self.line, comments=True)
        return words[: words.index(">")] if ">" in words else words

    def __str__(self) -> str:
        return f"{self.page}: {self.line}"


def commands() -> list[Command]:
    """Every line of a block marked `sh`, and of indented blocks what begins as ours do."""
    return [
        Command(page.name, line)
        for page in PAGES
        for text in (page.read_text(),)
        for line in (*_lines(text), *_INDENTED.findall(_FENCED.sub("", text)))
    ]


def _lines(text: str) -> Iterator[str]:
    for block in blocks(text, "sh"):
        joined = block.replace("\\\n", " ")
        yield from (line for line in joined.splitlines() if line and not line.startswith("#"))


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks in one language."""
    return [block for name, block in _FENCED.findall(text) if name == language]


def links() -> list[tuple[str, str]]:
    """Page and target of every link that leads into the repository."""
    found = [(page.name, target) for page in PAGES for target in _LINK.findall(page.read_text())]
    return [(page, target) for page, target in found if "://" not in target]


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def page_of(name: str) -> Path:
    return next(page for page in PAGES if page.name == name)
