"""A directory that the daemon and others have files in, and what may become of it."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

_WRITERS = {"_prepare", "tidy"}  # as threads that run them are called
DEADLINE = 60.0  # seconds; only a failure waits that long


class SharedDirectory:
    """What is done and seen here falls between two of the daemon's own writings."""

    def __init__(self, path: Path, foreign: Mapping[str, str]) -> None:
        self.path = path
        self._aside = path.with_name(f"{path.name}.aside")
        self._foreign: dict[str, tuple[int, int]] = {}
        path.mkdir(parents=True)
        for name, text in foreign.items():
            (path / name).write_text(text)
            self._note(name)

    def ours(self) -> dict[str, str]:
        """Files that others have not made, with their texts; theirs are as they were."""
        self._until_written()
        there = self._aside if self._aside.exists() else self.path
        files = {each.name: each for each in there.iterdir()}
        foreign = {name: _identity(files.pop(name)) for name in self._foreign if name in files}
        assert foreign == self._foreign
        return {name: file.read_text() for name, file in files.items()}

    def replace_by_file(self) -> None:
        """It cannot be used, until it is back."""
        self._until_written()
        if not self._aside.exists():
            self.path.rename(self._aside)
            self.path.write_text("no directory")

    def bring_back(self) -> None:
        """With all that was in it."""
        self._until_written()
        if self._aside.exists():
            assert self.path.read_text() == "no directory"
            self.path.unlink()
            self._aside.rename(self.path)

    def occupy(self, name: str, text: str | None) -> None:
        """Somebody else's file has a name of ours; without a text, a directory has it."""
        self._until_written()
        place = (self._aside if self._aside.exists() else self.path) / name
        if name in self._foreign:
            return
        place.unlink(missing_ok=True)
        if text is None:
            place.mkdir()
        else:
            place.write_text(text)
        self._note(name)

    def vacate(self, names: Iterable[str]) -> None:
        """The names are free again."""
        self._until_written()
        for name in names:
            place = (self._aside if self._aside.exists() else self.path) / name
            if place.is_dir():
                place.rmdir()
            else:
                place.unlink()
            del self._foreign[name]

    def _note(self, name: str) -> None:
        there = self._aside if self._aside.exists() else self.path
        self._foreign[name] = _identity(there / name)

    @staticmethod
    def _until_written() -> None:
        """Until no thread of a daemon writes; the event loop, which stands still, starts none."""
        for thread in threading.enumerate():
            if thread.name in _WRITERS:
                thread.join(DEADLINE)
                assert not thread.is_alive()


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_ino, status.st_mtime_ns
