"""Writes a snapshot as a tar.gz. The same snapshot makes the same bytes."""

import gzip
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rdma_dp.errors import RdmaDpError
from rdma_dp.host.root import mode_of
from rdma_dp.node.snapshot import document, limits
from rdma_dp.node.snapshot.contents import (
    CharNode,
    Directory,
    Entry,
    File,
    Special,
    Symlink,
    has_control_character,
    in_order,
)
from rdma_dp.node.snapshot.model import Snapshot

DOCUMENT, CONFIG, HOST = "snapshot.json", "config", "host"

_COMPRESSION = 6
_END = bytes(2 * tarfile.BLOCKSIZE)
_MODE = 0o600  # the owner decides who else may read it


def pack(snapshot: Snapshot) -> bytes:
    """The archive. Raises RdmaDpError when archive_reading would refuse it."""
    for path in filter(has_control_character, snapshot.contents.entries):
        raise RdmaDpError(f"{path!a} has a control character in its name: rename it")
    entries = sorted(snapshot.contents.entries.items(), key=lambda item: in_order(item[0]))
    members = [
        (f"{HOST}/{path}" if path else HOST, entry)
        for path, entry in entries
        if not isinstance(entry, Special) and entry != File(None)
    ]
    text = document.write(snapshot, len(members))
    blocks = [_packed(*each) for each in [(DOCUMENT, File(text)), *_config(snapshot), *members]]
    unpacked = b"".join([*blocks, _END])
    if len(members) > limits.MEMBERS or len(unpacked) > limits.BYTES:
        raise RdmaDpError(f"the snapshot is too large: {len(members)} files, {len(unpacked)} bytes")
    return gzip.compress(unpacked, _COMPRESSION, mtime=0)


def check_place(file: Path, *, replace: bool) -> None:
    """Check before the work that `write` can succeed after it. Raises RdmaDpError."""
    try:
        _check_place(file, replace=replace)
    except OSError as error:
        raise RdmaDpError(f"cannot write {file}: {error.strerror}") from error


def _check_place(file: Path, *, replace: bool) -> None:
    if not stat.S_ISDIR(mode_of(file.parent)):
        raise RdmaDpError(f"cannot write {file}: there is no directory {file.parent}")
    if stat.S_ISDIR(mode_of(file)):
        raise RdmaDpError(f"cannot write {file}: it is a directory")
    if not replace and os.path.lexists(file):
        raise _is_there(file)


def write(packed: bytes, file: Path, *, replace: bool) -> None:
    """Write the whole archive or nothing, readable by its owner only. Raises RdmaDpError."""
    try:
        _write(packed, file, replace=replace)
    except FileExistsError:
        raise _is_there(file) from None
    except OSError as error:
        raise RdmaDpError(f"cannot write {file}: {error.strerror}") from error


def _is_there(file: Path) -> RdmaDpError:
    return RdmaDpError(f"{file} is there already", "--force replaces it")


def _write(packed: bytes, file: Path, *, replace: bool) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=".rdma-dp-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(packed)
            stream.flush()
            os.fchmod(stream.fileno(), _MODE)
            os.fsync(stream.fileno())
        if not replace:  # the file may exist by now
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _MODE))
        Path(temporary).replace(file)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()


def _config(snapshot: Snapshot) -> Iterator[tuple[str, Entry]]:
    if snapshot.config is not None and snapshot.config.content is not None:
        yield CONFIG, File(snapshot.config.content)


def _packed(name: str, entry: Entry) -> bytes:
    """The header, and the content in whole blocks. TarFile.addfile takes twice the time."""
    info, content = _member(name, entry)
    header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    return header + content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _member(name: str, entry: Entry) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)  # of root, from 1970
    content = b""
    match entry:
        case Directory():
            info.type, info.mode = tarfile.DIRTYPE, 0o755
        case Symlink(target):
            info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, target
        case CharNode(major, minor, mode):
            info.type, info.mode = tarfile.CHRTYPE, stat.S_IMODE(mode)
            info.devmajor, info.devminor = major, minor
        case File(known):
            content = known or b""
            info.size = len(content)
    return info, content
