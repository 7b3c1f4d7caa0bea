"""The simulated runtimes, built from CDI's own library once for each state of their sources."""

import hashlib
import logging
from pathlib import Path

from tests.heavy import golang

log = logging.getLogger(__name__)

# Name of the program: the file with its modules, and build tags. The first uses the library from
# the time of CDI 0.5.0, the second the newest library.
PROGRAMS = {"oldest": ("oldest.mod", "oldest"), "newest": ("go.mod", "")}


def build(sources: Path, cache: Path) -> Path:
    """A directory with the programs. It is built once for each state of their sources."""
    directory = cache / "bin" / _digest(sources)
    missing = [name for name in PROGRAMS if not (directory / name).exists()]
    if missing:
        go = golang.new_enough(golang.found(), cache)
        directory.mkdir(parents=True, exist_ok=True)
        for name in missing:
            modules, tags = PROGRAMS[name]
            made = directory / f".{name}"
            options = (f"-modfile={modules}", f"-tags={tags}", "-trimpath", "-buildvcs=false")
            log.info("building %s with %s", name, go)
            golang.run(go, cache, "build", *options, "-o", str(made), ".", cwd=sources)
            made.rename(directory / name)
    return directory


def _digest(sources: Path) -> str:
    files = sorted(each for each in sources.iterdir() if each.is_file())
    return hashlib.sha256(b"".join(each.read_bytes() for each in files)).hexdigest()[:16]
