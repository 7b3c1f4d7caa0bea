"""Reads a tree on disk."""

import os
from pathlib import Path


def snapshot(root: Path) -> dict[str, bytes | str | None]:
    """What is below `root`: a file's content, a link's target ("-> ..."), None for a directory."""
    found: dict[str, bytes | str | None] = {}
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            path = Path(directory, name)
            key = str(path.relative_to(root))
            if path.is_symlink():
                found[key] = f"-> {path.readlink()}"
            else:
                found[key] = None if path.is_dir() else path.read_bytes()
    return found


def links(root: Path, below: str) -> list[Path]:
    """The links in a directory; [] if it does not exist."""
    directory = root / below
    return sorted(p for p in directory.iterdir() if p.is_symlink()) if directory.is_dir() else []


def dangling(root: Path) -> set[str]:
    """Every dangling link below `root`."""
    everything = (Path(d, n) for d, names, files in os.walk(root) for n in [*names, *files])
    return {str(p.relative_to(root)) for p in everything if p.is_symlink() and not p.exists()}


def text(path: Path) -> str:
    """An attribute without its newline."""
    return path.read_text().strip()
