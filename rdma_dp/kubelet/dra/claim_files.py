"""The prepared claims of this node as files: one for each, below the driver's own directory.

All instances of the driver share them, and they survive a reboot. A file is written whole before
kubelet gets the answer, and stays until the claim is unprepared. The caller holds the ClaimLock.
"""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rdma_dp.host.descriptors import raise_if_exhausted
from rdma_dp.kubelet.dra.claim_record import (
    ClaimFileError,
    ClaimRecord,
    ClaimRef,
    NewerFileError,
    StoreError,
    from_text,
    is_uid,
    to_text,
)
from rdma_dp.specs.directory import FileState, OwnFiles, file_content, file_state
from rdma_dp.specs.file_errors import FileError, raise_first

logger = logging.getLogger(__name__)

_END = ".json"
_OWED_END = ".owed"  # not prepared, but kubelet will unprepare it
_DAMAGED_END = ".damaged"  # what is kept of a file that could not be read

_LARGEST = 4 << 20  # bytes; 32 results with their environment have some 100 KB


@dataclass(frozen=True, slots=True)
class KeptClaim:
    """The files of a claim. `ref` is None if none of them names it.

    `mark` changes with each prepare, in whatever process.
    """

    ref: ClaimRef | None
    mark: tuple[FileState | None, ...]


class ClaimFiles:
    """The claim files of one driver in one directory."""

    def __init__(self, directory: Path, driver: str) -> None:
        self.directory = directory
        self._driver = driver
        self._files = OwnFiles(directory)
        self._read: dict[str, tuple[FileState, ClaimRecord | ClaimFileError]] = {}
        self._owed: set[str] = set()

    def all(self) -> Mapping[str, ClaimRecord]:
        """All claims by UID. A file that cannot be read is logged once and left out.

        Raises StoreError when the directory cannot be read.
        """
        every = self._names()
        uids, self._owed = _uids(every, _END), _uids(every, _OWED_END)
        self._read = {uid: known for uid, known in self._read.items() if uid in uids}
        for uid in uids:
            self._known(uid)
        return self.cached

    @property
    def cached(self) -> Mapping[str, ClaimRecord]:
        """All claims at the last `all`, with what this process has changed since."""
        found = {uid: record for uid, (_, record) in self._read.items()}
        return MappingProxyType(
            {uid: each for uid, each in sorted(found.items()) if isinstance(each, ClaimRecord)}
        )

    @property
    def count(self) -> int:
        """How many files `cached` is from, with those that cannot be read."""
        return len(self._read.keys() | self._owed)

    def get(self, uid: str) -> ClaimRecord | None:
        """The claim's record, None without a file. Raises ClaimFileError and StoreError."""
        record = self._known(uid)
        if isinstance(record, ClaimFileError):
            raise record
        return record

    def put(self, record: ClaimRecord) -> None:
        """Writes the claim's file. A damaged one is kept beside it. Raises StoreError."""
        uid = record.ref.uid
        known = self._known(uid)
        if isinstance(known, NewerFileError):
            raise known
        if isinstance(known, ClaimFileError):
            self._keep_damaged(uid)
        self._write(_name(uid), to_text(record))
        self._known(uid)

    def owe(self, ref: ClaimRef) -> None:
        """Notes that kubelet will unprepare this claim. Raises StoreError."""
        self._write(_owed_name(ref.uid), str(ref))
        self._touch(_owed_name(ref.uid))
        self._owed.add(ref.uid)

    def touch(self, uid: str) -> None:
        """Notes that the claim was prepared again. Raises StoreError."""
        self._touch(_name(uid))
        self._known(uid)

    def kept(self) -> Mapping[str, KeptClaim]:
        """All claims by UID, with those whose file cannot be read. Raises StoreError."""
        self.all()
        return {uid: self.kept_of(uid) for uid in sorted(self._read.keys() | self._owed)}

    def kept_of(self, uid: str) -> KeptClaim:
        """The files of one claim as they are now. Raises StoreError."""
        record = self._known(uid)
        known = record.ref if isinstance(record, ClaimRecord) else self._owed_ref(uid)
        return KeptClaim(known, (self._state(_name(uid)), self._state(_owed_name(uid))))

    def _owed_ref(self, uid: str) -> ClaimRef | None:
        try:
            text = _content(self.directory / _owed_name(uid)).decode()
        except (ClaimFileError, ValueError):
            return None
        namespace, _, name = text.partition("/")
        return ClaimRef(namespace, name, uid) if namespace and name else None

    def _touch(self, name: str) -> None:
        path, now = self.directory / name, time.time_ns()
        try:
            os.utime(path, ns=(now, now))  # finer than the clock of the file system
        except OSError as error:
            raise _failure("write", path, error) from error

    def _state(self, name: str) -> FileState | None:
        path = self.directory / name
        try:
            return file_state(path.lstat())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _failure("read", path, error) from error

    def remove(self, uid: str) -> None:
        """Removes the claim's file, whatever is in it. Raises StoreError."""
        names = {_name(uid), _name(uid) + _DAMAGED_END, _owed_name(uid)}
        with _store_errors():
            failures = self._files.clear((), lambda name, _: name in names)
            self._read.pop(uid, None)
            self._owed.discard(uid)
            raise_first(failures)

    def _write(self, name: str, text: str) -> None:
        with _store_errors():
            raise_first(self._files.write({name: text}, lambda *_: True))

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.directory)  # noqa: PTH208 - names are enough
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _failure("read", self.directory, error) from error

    def _known(self, uid: str) -> ClaimRecord | ClaimFileError | None:
        """The record, or why the file cannot be read; read again only if the file has changed."""
        state = self._state(_name(uid))
        if state is None:
            self._read.pop(uid, None)
            return None
        known = self._read.get(uid)
        if known is None or known[0] != state:
            self._read[uid] = known = state, self._parsed(self.directory / _name(uid), uid)
        return known[1]

    def _parsed(self, path: Path, uid: str) -> ClaimRecord | ClaimFileError:
        try:
            return from_text(_content(path), uid, self._driver)
        except ClaimFileError as error:
            found = type(error)(f"the claim file {path} cannot be used: {error.message}", _HINT)
            logger.warning("%s", found)
            return found

    def _keep_damaged(self, uid: str) -> None:
        path = self.directory / _name(uid)
        kept = path.with_name(path.name + _DAMAGED_END)
        try:
            path.rename(kept)
        except OSError as error:
            raise StoreError(f"cannot rename {path}: {error.strerror}") from error
        logger.warning("%s is kept as %s, and its claim is prepared anew", path, kept.name)


def _failure(verb: str, path: Path, error: OSError) -> StoreError:
    """Raises ExhaustedError."""
    raise_if_exhausted(error, f"{verb} {path}")
    return StoreError(f"cannot {verb} {path}: {error.strerror}")


@contextmanager
def _store_errors() -> Iterator[None]:
    """What fails with a file in here is a StoreError."""
    try:
        yield
    except FileError as error:
        raise StoreError(error.message, error.hint) from error


_HINT = "it stays until its pod is deleted"


def _uids(names: Iterable[str], end: str) -> set[str]:
    """The UIDs in file names with this end. Other names are no files of ours."""
    found = (name.removesuffix(end) for name in names if name.endswith(end))
    return {uid for uid in found if is_uid(uid)}


def _name(uid: str) -> str:
    return f"{uid}{_END}"


def _owed_name(uid: str) -> str:
    return f"{uid}{_OWED_END}"


def _content(path: Path) -> bytes:
    """The content of a regular file. Raises ClaimFileError and ExhaustedError."""
    try:
        content = file_content(path, most=_LARGEST + 1)
    except OSError as error:
        raise_if_exhausted(error, f"read {path}")
        raise ClaimFileError(error.strerror or str(error)) from error
    if len(content) > _LARGEST:
        raise ClaimFileError(f"it has more than {_LARGEST} bytes")
    return content
