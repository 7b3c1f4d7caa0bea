"""Our files in a directory that other programs use as well: CDI specs, device-info files.

A file is written whole or not at all, and only if it has changed. Files of other programs are never
changed. A symbolic link that has the name of one of our files is replaced, and never followed.
"""

import os
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rdma_dp.host.files import EXHAUSTED
from rdma_dp.host.root import mode_of
from rdma_dp.specs.file_errors import FileError, failure, unusable

# (name, function that reads the content) -> whether rdma-dp wrote it, now or before a restart.
IsOurs = Callable[[str, Callable[[], bytes]], bool]

# Set explicitly: the umask of the process has no effect on them.
_MODE = 0o644
_DIRECTORY_MODE = 0o755

# Other programs ignore files with these names: runtimes read *.json and *.yaml, and Multus reads
# names that it knows.
_TEMPORARY_BEGIN, _TEMPORARY_END = ".rdma-dp-", ".tmp"

# Seconds. An older temporary file belongs to a process that was killed. A newer one may belong to
# another rdma-dp, because two of them run during a rolling update.
_LEFT_OVER = 60.0


class FileState(NamedTuple):
    """What shows that a file has changed, without reading it."""

    mode: int
    inode: int
    modified: int  # nanoseconds
    size: int


class OwnFiles:
    """Our files in one directory.

    `write` and `clear` are two steps, so that the caller can do something between them. Both return
    errors per file, by file name; an error of one file does not stop the others. Both raise
    FileError if the directory itself cannot be used, and ExhaustedError without descriptors or
    memory, which says nothing about the files.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # The text of each file and its state when it had that text. A file whose state is the same
        # is not read again: there can be thousands.
        self._known: dict[str, tuple[FileState, str]] = {}

    def write(
        self, wanted: Mapping[str, str], is_ours: IsOurs, *, if_there: Collection[str] = ()
    ) -> Mapping[str, FileError]:
        """Writes these files (texts by file name), and creates the directory if it is needed.

        Files named in `if_there` are updated if they exist, and not created. If an outdated file of
        ours cannot be written, it is removed, because its content is wrong. Returns the errors by
        file name.
        """
        with self._opened(is_ours, make=any(n not in if_there for n in wanted)) as directory:
            if directory is None:
                return {}
            found = directory.states(wanted.__contains__)
            texts = {n: text for n, text in wanted.items() if n in found or n not in if_there}
            self._known = {name: self._known[name] for name in texts if name in self._known}
            return directory.each(
                texts, "write", lambda name: self._put(directory, name, texts[name], found)
            )

    def clear(self, wanted: Collection[str], is_ours: IsOurs) -> Mapping[str, FileError]:
        """Removes our files that are not wanted, and temporary files of killed processes.

        Returns the errors by file name.
        """
        with self._opened(is_ours, make=False) as directory:
            if directory is None:
                return {}
            others = directory.states(lambda name: name not in wanted)
            return directory.each(others, "remove", lambda name: directory.drop(name, others[name]))

    def has_written(self, wanted: Mapping[str, str]) -> bool:
        """Whether all of these files (texts by file name) were there when they were last read."""
        known = {name: text for name, (_, text) in self._known.items()}
        return all(known.get(name) == text for name, text in wanted.items())

    @property
    def names(self) -> Collection[str]:
        """The files that had the wanted content after the last `write`."""
        return self._known.keys()

    def intact(self) -> bool:
        """Whether the files are unchanged since they were written; it does not read them."""
        try:
            return all(
                file_state((self._directory / name).lstat()) == state
                for name, (state, _) in list(self._known.items())
            )
        except OSError:
            return False

    def _put(
        self, directory: "_Directory", name: str, text: str, found: Mapping[str, FileState]
    ) -> bool:
        """Writes a file if it does not have this text yet. Returns whether it wrote it."""
        content, state = text.encode(), found.get(name)
        if state is not None:
            if self._known.get(name) == (state, text):
                return False
            if directory.holds(name, state, content):
                self._known[name] = (state, text)
                return False
        self._known.pop(name, None)
        try:
            written = directory.replace(name, content)
        except OSError as error:
            if error.errno not in EXHAUSTED:
                with suppress(OSError):
                    os.unlink(name, dir_fd=directory.descriptor)
            raise
        self._known[name] = (written, text)
        return True

    @contextmanager
    def _opened(self, is_ours: IsOurs, *, make: bool) -> Iterator["_Directory | None"]:
        """The open directory; None if it does not exist and `make` is false."""
        try:
            if make:
                _make(self._directory)
            descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if make:
                raise unusable("use", self._directory, error) from error
            yield None
            return
        except OSError as error:
            raise unusable("use", self._directory, error) from error
        try:
            yield _Directory(self._directory, descriptor, is_ours)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Directory:
    """A directory while it is open. Its descriptor stays valid if the path gets another meaning."""

    path: Path
    descriptor: int
    is_ours: IsOurs

    def each(
        self, names: Iterable[str], verb: str, act: Callable[[str], bool]
    ) -> Mapping[str, FileError]:
        """Calls `act` for each name; it returns whether it changed the file. Collects the errors.

        The changes are synced to disk. The default directories are in /var/run, which is in memory,
        but --cdi-dir and --device-info-dir may be on a disk: there a power failure could otherwise
        leave an empty or an outdated file.
        """
        failures: dict[str, FileError] = {}
        changed = []
        for name in sorted(names):
            try:
                changed += [name] if act(name) else []
            except OSError as error:
                failures[name] = failure(verb, self.path / name, error)
            except FileError as error:
                failures[name] = error
        try:
            if changed:
                os.fsync(self.descriptor)
        except OSError as error:
            failures |= {name: failure(verb, self.path / name, error) for name in changed}
        return failures

    def states(self, of: Callable[[str], bool]) -> dict[str, FileState]:
        """The states of the files whose names `of` accepts."""
        try:
            with os.scandir(self.descriptor) as entries:
                return dict(_states(entry for entry in entries if of(entry.name)))
        except OSError as error:
            raise unusable("read", self.path, error) from error

    def holds(self, name: str, state: FileState, content: bytes) -> bool:
        """Whether the file has this content and our mode. Raises FileError if it is not ours."""
        path = self.path / name
        if stat.S_ISLNK(state.mode):
            return False
        if not stat.S_ISREG(state.mode):
            raise FileError(f"cannot write {path}: it is not a regular file", "remove it")
        try:
            found = self._read(name)
        except FileNotFoundError:
            return False  # removed since its state was read
        if found != content and not self.is_ours(name, lambda: found):
            raise FileError(f"cannot write {path}: its content is not rdma-dp's", "remove it")
        return found == content and stat.S_IMODE(state.mode) == _MODE

    def drop(self, name: str, state: FileState) -> bool:
        """Removes the file if it is ours. Returns whether it removed it."""
        if not stat.S_ISREG(state.mode):
            return False
        try:
            if not (_is_left_over(name, state) or self.is_ours(name, lambda: self._read(name))):
                return False
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return False
        return True

    def replace(self, name: str, content: bytes) -> FileState:
        """Writes the file under a temporary name and renames it, so readers see a whole file."""
        temporary = f"{_TEMPORARY_BEGIN}{os.urandom(8).hex()}{_TEMPORARY_END}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        directory = self.descriptor
        try:
            with os.fdopen(os.open(temporary, flags, _MODE, dir_fd=directory), "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), _MODE)  # the umask may have removed bits
                os.fsync(file.fileno())
                state = file_state(os.fstat(file.fileno()))
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
            raise
        return state

    def _read(self, name: str) -> bytes:
        return file_content(name, within=self.descriptor)


def file_content(path: str | Path, *, most: int = -1, within: int | None = None) -> bytes:
    """What a file holds, up to `most` bytes. `within` is the descriptor of its directory.

    A symbolic link is not followed, and a FIFO does not block. Raises OSError.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, dir_fd=within), "rb") as file:
        return file.read(most)


def _make(directory: Path) -> None:
    """Makes a directory and those above it that are missing. Raises OSError."""
    if not os.path.lexists(directory.parent):
        _make(directory.parent)
    try:
        directory.mkdir(_DIRECTORY_MODE)
    except FileExistsError:
        if not stat.S_ISDIR(mode_of(directory)):
            raise
    else:
        directory.chmod(_DIRECTORY_MODE)


def _states(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[str, FileState]]:
    for entry in entries:
        with suppress(FileNotFoundError):  # another program has renamed or removed it
            yield entry.name, file_state(entry.stat(follow_symlinks=False))


def file_state(status: os.stat_result) -> FileState:
    """The state of a file with this status."""
    return FileState(status.st_mode, status.st_ino, status.st_mtime_ns, status.st_size)


def _is_left_over(name: str, state: FileState) -> bool:
    """Whether a process that was killed while it wrote has left this temporary file."""
    temporary = name.startswith(_TEMPORARY_BEGIN) and name.endswith(_TEMPORARY_END)
    return temporary and time.time() - state.modified / 1e9 > _LEFT_OVER
