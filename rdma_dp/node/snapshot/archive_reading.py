"""Reads a tar.gz, made by rdma-dp or by hand, as a snapshot. Nothing is unpacked to a disk.

An archive is refused with one sentence if it can do harm or makes no sense: sizes and numbers above
`limits`, names and links that lead out of it, and members that are not part of a host's tree.
"""

import gzip
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.symlinks import leads_out
from rdma_dp.node.snapshot import document, limits
from rdma_dp.node.snapshot.archive_writing import CONFIG, DOCUMENT, HOST
from rdma_dp.node.snapshot.contents import (
    CharNode,
    Contents,
    Directory,
    Entry,
    File,
    Symlink,
    has_control_character,
    parent_of,
    with_parents,
)
from rdma_dp.node.snapshot.model import Snapshot
from rdma_dp.text import one_line

# What Python's readers raise for damaged archives. RecursionError: nested extended headers.
_DAMAGE = (tarfile.TarError, zlib.error, EOFError, ValueError, OverflowError, RecursionError)

_NAME_SHOWN = 100  # characters of a name in a message


class ArchiveError(RdmaDpError):
    """The file is not a readable archive of a host."""


def read(file: Path) -> Snapshot:
    """The snapshot in a file. Raises ArchiveError, whose message names the file."""
    try:
        with file.open("rb") as stream:
            return _snapshot(_entries(stream))
    except RdmaDpError as error:
        raise ArchiveError(f"{file}: {error.message}", error.hint) from error
    except gzip.BadGzipFile as error:
        raise ArchiveError(f"{file} is not a tar.gz archive: {error}") from error
    except OSError as error:
        raise ArchiveError(f"cannot read {file}: {error.strerror or error}") from error
    except _DAMAGE as error:
        raise ArchiveError(f"{file} is damaged, or not a tar.gz archive: {error}") from error


def _snapshot(entries: Mapping[str, Entry]) -> Snapshot:
    text = entries.get(DOCUMENT)
    if not isinstance(text, File):
        return Snapshot(_made_by_hand(entries))
    found = document.read(text.content or b"")
    host = _below(entries, HOST)
    if len(host) != found.members:
        raise RdmaDpError(f"it holds {len(host)} of {found.members} files: a part is missing")
    config = entries.get(CONFIG)
    return document.restored(found, host, config.content if isinstance(config, File) else None)


def _made_by_hand(entries: Mapping[str, Entry]) -> Contents:
    """A host's tree as tar packs it: at the top level, or in one directory."""
    tops = [path for path in entries if "/" not in path and path]
    roots = [top for top in ["", *tops] if _is_directory(entries, f"{top}/sys".lstrip("/"))]
    if len(roots) != 1:
        what = f"several: {', '.join(roots)}" if roots else "none with a directory sys"
        raise RdmaDpError(
            f"it does not hold one host's tree, but {what}",
            "it must be a snapshot, or a tar.gz that holds sys, and may hold dev and proc",
        )
    found = _below(entries, roots[0]) if roots[0] else dict(entries)
    names: dict[str, list[str]] = {p: [] for p, e in found.items() if isinstance(e, Directory)}
    for path in found:
        if path:
            names[parent_of(path)].append(path.rpartition("/")[2])
    return Contents(found | {path: Directory(tuple(each)) for path, each in names.items()})


def _is_directory(entries: Mapping[str, Entry], path: str) -> bool:
    return isinstance(entries.get(path), Directory)


def _below(entries: Mapping[str, Entry], top: str) -> dict[str, Entry]:
    inside = {p[len(top) + 1 :]: e for p, e in entries.items() if p.startswith(f"{top}/")}
    for path, entry in inside.items():
        if isinstance(entry, Symlink) and leads_out(path, entry.target):
            raise RdmaDpError(f"{path} is a link that leads out of the tree: {entry.target}")
    if isinstance(entries.get(top), Directory):
        inside[""] = entries[top]
    return inside


# --- members ------------------------------------------------------------------------------------


class _Bounded:
    """Unpacks gzip up to a limit: a few kilobytes can become gigabytes."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._unpacked = gzip.GzipFile(fileobj=packed, mode="rb")
        self._count = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes, as a file's read. Raises ArchiveError above the limits."""
        data = self._unpacked.read(size)
        self._count += len(data)
        if self._count > limits.BYTES:
            raise ArchiveError(f"it unpacks to more than {limits.BYTES >> 20} MiB")
        if self._count > limits.RATIO_FREE_BYTES + limits.RATIO * self._packed.tell():
            raise ArchiveError(f"it unpacks to more than {limits.RATIO} times its size: a bomb?")
        return data

    def drain(self) -> None:
        """Read to the end, where gzip stores its checksum."""
        while self.read(1 << 16):
            pass


class _Header(tarfile.TarInfo):
    """A member's header. tarfile reads an extended header as a whole, so its size is limited.

    Each Python reads the bytes of a header with another method, but all of them ask for the size.
    """

    _EXTENDED = (
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    )

    _size = 0

    @property
    def size(self) -> int:
        """The size. Raises ArchiveError for an extended header that is too large."""
        if self.type in self._EXTENDED and self._size > limits.HEADER_BYTES:
            raise ArchiveError(f"a header in it is larger than {limits.HEADER_BYTES} bytes")
        return self._size

    @size.setter
    def size(self, size: int) -> None:
        self._size = size


def _entries(stream: IO[bytes]) -> dict[str, Entry]:
    bounded = _Bounded(stream)
    with tarfile.open(  # type: ignore[call-overload]
        fileobj=bounded, mode="r|", encoding="utf-8", tarinfo=_Header
    ) as archive:
        found = dict(_checked(archive))
    bounded.drain()
    for path in found:
        above = found.get(parent_of(path))
        if path and above is not None and not isinstance(above, Directory):
            raise ArchiveError(f"{path} is not below a directory")
    return with_parents(found, Directory())


def _checked(archive: tarfile.TarFile) -> Iterator[tuple[str, Entry]]:
    seen: set[str] = set()
    for number, member in enumerate(archive, 1):
        if number > limits.MEMBERS:
            raise ArchiveError(f"it has more than {limits.MEMBERS} members")
        if len(archive.pax_headers) > limits.GLOBAL_HEADERS:
            raise ArchiveError("it has more global headers than any tar makes")
        path = _path(member.name)
        if path in seen:
            raise ArchiveError(f"{path or '.'} is in it twice")
        seen.add(path)
        yield path, _entry(archive, member, path)
        archive.members.clear()  # type: ignore[attr-defined]  # all of them would be kept


def _path(name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/"):
        raise ArchiveError(
            f"{one_line(name, _NAME_SHOWN)} is an absolute path", "tar stores one only with -P"
        )
    if has_control_character(name):
        raise ArchiveError(f"{one_line(name, _NAME_SHOWN)} has a control character in its name")
    if ".." in parts:
        raise ArchiveError(f"{one_line(name, _NAME_SHOWN)} leads out of the archive")
    size = len(name.encode("utf-8", "surrogateescape"))
    if size > limits.PATH_BYTES or len(parts) > limits.DEPTH:
        raise ArchiveError(f"{one_line(name, _NAME_SHOWN)} is too long or too deep a path")
    return "/".join(parts)


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> Entry:
    if member.issparse():
        raise ArchiveError(f"{path} is a sparse file")
    if member.isdir():
        return Directory()
    if member.issym():
        return _symlink(path, member.linkname)
    if member.ischr():
        return _char_node(member, path)
    if not member.isreg():
        raise ArchiveError(
            f"{path} is neither a file, a directory, a symbolic link nor a character device"
        )
    limit = limits.DOCUMENT_BYTES if path == DOCUMENT else limits.FILE_BYTES
    if member.size > limit:
        raise ArchiveError(f"{path} is larger than {limit} bytes")
    content = archive.extractfile(member)
    return File(content.read() if content else b"")


def _char_node(member: tarfile.TarInfo, path: str) -> CharNode:
    numbers = (member.devmajor, member.devminor)
    if not all(0 <= number < 1 << 20 for number in numbers):  # MINORBITS of linux/kdev_t.h
        raise ArchiveError(f"{path} is a device with invalid numbers: {numbers}")
    return CharNode(*numbers, stat.S_IFCHR | stat.S_IMODE(member.mode))


def _symlink(path: str, target: str) -> Symlink:
    if not target or "\0" in target or len(target) >= limits.PATH_BYTES:
        raise ArchiveError(f"{path} is a link with an invalid target")
    if leads_out(path, target):
        raise ArchiveError(
            f"{path} is a link that leads out of the tree: {one_line(target, _NAME_SHOWN)}"
        )
    return Symlink(target)
