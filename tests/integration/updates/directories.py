"""A directory with files of the daemon and foreign files, and its faults."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

_WRITERS = {"_prepare", "tidy"}  # the names of the threads that write files
DEADLINE = 60.0  # seconds; only a failing test waits that long


class SharedDirectory:
    """Everything inside happens between two writes of the daemon."""

    def __init__(self, path: Path, foreign: Mapping[str, str]) -> None:
        self.path = path
        self._aside = path.with_name(f"{path.name}.aside")
        self._foreign: dict[str, tuple[int, int]] = {}
        path.mkdir(parents=True)
        for name, text in foreign.items():
            (path / name).write_text(text)
            self._note(name)

    def ours(self) -> dict[str, str]:
        """The files that are not foreign, with their texts. The foreign files are unchanged."""
        self._until_written()
        there = self._aside if self._aside.exists() else self.path
        files = {each.name: each for each in there.iterdir()}
        foreign = {name: _identity(files.pop(name)) for name in self._foreign if name in files}
        assert foreign == self._foreign
        return {name: file.read_text() for name, file in files.items()}

    def replace_by_file(self) -> None:
        """The directory cannot be used, until `back` is called."""
        self._until_written()
        if not self._aside.exists():
            self.path.rename(self._aside)
            self.path.write_text("no directory")

    def bring_back(self) -> None:
        """It has all its files again."""
        self._until_written()
        if self._aside.exists():
            assert self.path.read_text() == "no directory"
            self.path.unlink()
            self._aside.rename(self.path)

    def occupy(self, name: str, text: str | None) -> None:
        """A foreign file has a name of ours. Without a text, a directory has it."""
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
        """Remove these foreign files."""
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
        """Wait until no thread of a daemon writes. The event loop is stopped, so it starts none."""
        for thread in threading.enumerate():
            if thread.name in _WRITERS:
                thread.join(DEADLINE)
                assert not thread.is_alive()


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_ino, status.st_mtime_ns
