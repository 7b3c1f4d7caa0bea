"""Whether a suite can run on this machine, and where it keeps what takes long to make."""

import logging
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

Run = tuple[str, Callable[[], tuple[int, str]]]
"""A name, and what returns pytest's exit code and a line about it. It raises CannotRunError."""


class CannotRunError(Exception):
    """Why a suite cannot run here and what to do about it, in one line."""


def cache(name: str) -> Path:
    """A directory outside the tree, for files that are downloaded or built once."""
    own = os.environ.get("RDMA_DP_CACHE")
    return (Path(own) if own else Path.home() / ".cache" / "rdma-dp").absolute() / name


@contextmanager
def unfinished(place: Path) -> Iterator[Path]:
    """A new directory beside `place`. It becomes `place`, or is removed if the block fails."""
    place.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=place.parent, prefix="unfinished-"))
    made.chmod(0o755)
    try:
        yield made
        made.rename(place)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def need_root(what_for: str) -> None:
    """Refuse other users than root: "what_for needs root"."""
    if os.geteuid() != 0:
        raise CannotRunError(f"{what_for} needs root: use sudo")


def not_run(log: logging.Logger, error: CannotRunError) -> int:
    """The exit code. On a developer's machine a suite may be skipped. In CI that is a failure."""
    in_ci = os.environ.get("CI", "").lower() not in ("", "0", "false")
    log.error("%s: %s", "failed" if in_ci else "skipped", error)
    return 1 if in_ci else 0


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The suite's own arguments, and those behind "--", which are pytest's."""
    end = words.index("--") if "--" in words else len(words)
    return [*words[:end]], [*words[end + 1 :]]


def run_each(log: logging.Logger, runs: Iterable[Run]) -> int:
    """Make each run, and print how they ended. Returns 1 if one failed."""
    said: list[str] = []
    counts = Counter[str]()
    for name, run in runs:
        try:
            code, line = run()
        except CannotRunError as error:
            wrong = not_run(log, CannotRunError(f"{name}: {error}"))
            counts["failed" if wrong else "skipped"] += 1
            said.append(f"not run  {name}: {error}")
            continue
        counts["failed" if code else "passed"] += 1
        said.append(f"{'FAILED' if code else 'passed'}   {line}")
    total = ", ".join(f"{counts[each]} {each}" for each in ("passed", "failed", "skipped"))
    print("\n".join(("", *said, total)))  # noqa: T201
    return 1 if counts["failed"] else 0
