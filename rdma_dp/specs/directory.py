"""Files that we keep in a directory which others use as well.

Each is written whole or not at all, what is right already is left alone, and what is not ours is
not touched. A link in the place of a file of ours is replaced, never followed.
"""

import errno
import os
import secrets
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rdma_dp.errors import RdmaDpError

# (name, what reads the content) -> whether we made the file, now or before a restart.
IsOurs = Callable[[str, Callable[[], bytes]], bool]

_MODE = 0o644

# Nobody takes these for specs: runtimes read *.json and *.yaml, Multus reads names that it knows.
_TEMPORARY_BEGIN, _TEMPORARY_END = ".rdma-dp-", ".tmp"

# Seconds after which nobody is still writing; during an update two of us do, side by side.
_LEFT_OVER = 60.0

_HINTS = MappingProxyType(
    {
        errno.ENOSPC: "the disk is full: make room",
        errno.EDQUOT: "the disk quota is used up: make room",
        errno.EROFS: "mount the directory writable",
        errno.EACCES: "run as root",
        errno.EPERM: "run as root",
        errno.ENOTDIR: "something else stands where the directory belongs: remove it",
        errno.EEXIST: "something else stands where the directory belongs: remove it",
        errno.ENAMETOOLONG: "choose a shorter resourceName or resourcePrefix",
    }
)


class FileError(RdmaDpError):
    """A file, or the whole directory, cannot be made what it should be."""


class _State(NamedTuple):
    """What one sees of a file without reading it."""

    mode: int
    inode: int
    modified: int  # nanoseconds
    size: int


class OwnFiles:
    """Our files in one directory.

    `write` and `clear` are two steps, so that something can happen between them. What fails is told
    by file name, and the other files are right all the same; FileError is raised when the directory
    cannot be used at all.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # What holds which text, as we know: thousands of files are not read each time.
        self._known: dict[str, tuple[_State, str]] = {}

    def write(
        self, wanted: Mapping[str, str], is_ours: IsOurs, *, if_there: Collection[str] = ()
    ) -> Mapping[str, FileError]:
        """Makes these files, texts by file name, and the directory if it is needed.

        Those named in `if_there` are only brought up to date. An outdated file of ours that cannot
        be written is removed: what it says is wrong.
        """
        with self._opened(make=any(name not in if_there for name in wanted)) as directory:
            if directory is None:
                return {}
            found = self._states(directory, wanted.__contains__)
            texts = {n: text for n, text in wanted.items() if n in found or n not in if_there}
            self._known = {name: self._known[name] for name in texts if name in self._known}
            return self._each(
                directory,
                texts,
                "write",
                lambda name: self._put(directory, name, texts[name], found.get(name), is_ours),
            )

    def clear(self, wanted: Collection[str], is_ours: IsOurs) -> Mapping[str, FileError]:
        """Removes the files of ours that are not wanted, and what killed processes left behind."""
        with self._opened(make=False) as directory:
            if directory is None:
                return {}
            others = self._states(directory, lambda name: name not in wanted)
            return self._each(
                directory,
                others,
                "remove",
                lambda name: _drop(directory, name, others[name], is_ours),
            )

    @property
    def names(self) -> Collection[str]:
        """The files that were right after the last `write`."""
        return self._known.keys()

    def intact(self) -> bool:
        """Whether the files that we have written are as we left them, as far as a look can tell."""
        try:
            return all(
                _state((self._directory / name).lstat()) == state
                for name, (state, _) in list(self._known.items())
            )
        except OSError:
            return False

    def _each(
        self, directory: int, names: Iterable[str], verb: str, act: Callable[[str], bool]
    ) -> Mapping[str, FileError]:
        """`act` on each name says whether it changed anything."""
        failures: dict[str, FileError] = {}
        changed = []
        for name in sorted(names):
            try:
                changed += [name] if act(name) else []
            except OSError as error:
                failures[name] = self._failure(verb, name, error)
            except FileError as error:
                failures[name] = error
        try:
            if changed:
                os.fsync(directory)
        except OSError as error:
            failures |= {name: self._failure(verb, name, error) for name in changed}
        return failures

    def _put(
        self, directory: int, name: str, text: str, state: _State | None, is_ours: IsOurs
    ) -> bool:
        """Whether the file had to be written."""
        content = text.encode()
        if state is not None:
            if self._known.get(name) == (state, text):
                return False
            if self._holds(directory, name, state, content, is_ours):
                self._known[name] = (state, text)
                return False
        self._known.pop(name, None)
        try:
            written = _write(directory, name, content)
        except OSError:
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)
            raise
        self._known[name] = (written, text)
        return True

    def _holds(
        self, directory: int, name: str, state: _State, content: bytes, is_ours: IsOurs
    ) -> bool:
        """Whether what stands there is the file that is wanted; FileError if it is not ours."""
        path = self._directory / name
        if stat.S_ISLNK(state.mode):
            return False
        if not stat.S_ISREG(state.mode):
            raise FileError(f"cannot write {path}: it is no file", "remove it")
        try:
            found = _read(directory, name)
        except FileNotFoundError:
            return False  # gone since we looked
        if found != content and not is_ours(name, lambda: found):
            raise FileError(
                f"cannot write {path}: it holds something that is not rdma-dp's", "remove it"
            )
        return found == content and stat.S_IMODE(state.mode) == _MODE

    @contextmanager
    def _opened(self, *, make: bool) -> Iterator[int | None]:
        """A descriptor of the directory; None when there is none, and none to make."""
        try:
            if make:
                self._directory.mkdir(parents=True, exist_ok=True)
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if make:
                raise self._failure("use", "", error) from error
            yield None
            return
        except OSError as error:
            raise self._failure("use", "", error) from error
        try:
            yield directory
        finally:
            os.close(directory)

    def _states(self, directory: int, of: Callable[[str], bool]) -> dict[str, _State]:
        try:
            with os.scandir(directory) as entries:
                return dict(_present(entry for entry in entries if of(entry.name)))
        except OSError as error:
            raise self._failure("read", "", error) from error

    def _failure(self, verb: str, name: str, error: OSError) -> FileError:
        return FileError(
            f"cannot {verb} {self._directory / name}: {error.strerror}",
            _HINTS.get(error.errno or 0),
        )


def _present(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[str, _State]]:
    for entry in entries:
        with suppress(FileNotFoundError):  # somebody else's, renamed or removed since
            yield entry.name, _state(entry.stat(follow_symlinks=False))


def _state(status: os.stat_result) -> _State:
    return _State(status.st_mode, status.st_ino, status.st_mtime_ns, status.st_size)


def _drop(directory: int, name: str, state: _State, is_ours: IsOurs) -> bool:
    """Removes a file that nobody wants any more, if it is ours. Whether it did."""
    if not stat.S_ISREG(state.mode):
        return False
    try:
        if not (_is_left_over(name, state) or is_ours(name, lambda: _read(directory, name))):
            return False
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return False
    return True


def _is_left_over(name: str, state: _State) -> bool:
    """Of a process that was killed while it wrote; not of one that writes beside us."""
    temporary = name.startswith(_TEMPORARY_BEGIN) and name.endswith(_TEMPORARY_END)
    return temporary and time.time() - state.modified / 1e9 > _LEFT_OVER


def _read(directory: int, name: str) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, dir_fd=directory), "rb") as file:
        return file.read()


def _write(directory: int, name: str, content: bytes) -> _State:
    temporary = f"{_TEMPORARY_BEGIN}{secrets.token_hex(8)}{_TEMPORARY_END}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, _MODE, dir_fd=directory), "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), _MODE)  # whatever the umask is
            os.fsync(file.fileno())
            state = _state(os.fstat(file.fileno()))
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    return state
