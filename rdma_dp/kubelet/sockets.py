"""Sockets in kubelet's directories: their names, their owners, and a gRPC server on one.

kubelet's directories are shared by many plugins. A file is removed only if its inode is that of our
own socket, or if its name is one of ours and no process listens on it.
"""

import contextlib
import errno
import os
import socket
import stat
import string
from collections.abc import Callable, Iterable
from pathlib import Path

import grpc

from rdma_dp.aio.tasks import uninterrupted
from rdma_dp.aio.time_limit import NoThreadError, limited
from rdma_dp.errors import RdmaDpError
from rdma_dp.formats.names import digest
from rdma_dp.kubelet.directories import is_directory
from rdma_dp.kubelet.server_options import server_options
from rdma_dp.kubelet.statuses import SocketState

_MARK = "rdma-dp-"
_TURNS = string.digits + string.ascii_lowercase
LONGEST_PATH = 107  # bytes: sun_path of unix(7) without its closing NUL

# Seconds for calls in progress when a server stops. ListAndWatch never ends by itself, so each stop
# takes this long.
_GRACE = 0.05

# Removed from the mode 0777 that bind(2) gives a socket: kubelet, the peers and the doctor run as
# the same user, and no one else has to connect.
_UMASK = 0o177

_PROC_NET_UNIX = Path("/proc/net/unix")

AddServices = Callable[[grpc.aio.Server], None]


class SocketError(RdmaDpError):
    """A socket that cannot be made."""


def socket_name(resource: str, instance: str) -> str:
    """A file name for one resource of one process.

    The digest differs for equal names under different prefixes. `instance` differs for the two
    processes of a rolling update. The name is short, because some distributions have a long path to
    kubelet's directory.
    """
    return f"{_MARK}{resource.rpartition('/')[2][:12]}-{digest(resource, 6)}-{instance}.sock"


def link_name(socket: str, turn: int) -> str:
    """A hidden name for a link to a socket that `socket_name` named, different for 36 turns.

    It is as short as the hidden name under which the socket is made.
    """
    own = "-".join(socket.removesuffix(".sock").split("-")[-2:])
    return f".{_MARK}{own}-{_TURNS[turn % len(_TURNS)]}.sock"


def is_our_name(name: str) -> bool:
    """Whether `socket_name` may have made this file name."""
    return name.startswith(_MARK) and name.endswith(".sock")


def identity(path: Path) -> tuple[int, int] | None:
    """Identifies a file, so that a new file under the same name is a different one.

    None if there is no file, or if this process may not enter the directory. The inode number is
    not enough: kubelet's new socket often gets the number of the old one. The mtime of a socket is
    the time when it was made. Its ctime is not used, because chmod and link change it.
    """
    try:
        found = path.stat(follow_symlinks=False)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def paths_in(directory: Path) -> list[Path]:
    """What is in a directory; nothing if there is none. Raises OSError when it cannot be read.

    Not Path.glob: it takes a directory that cannot be read for an empty one.
    """
    try:
        return [directory / name for name in os.listdir(directory)]  # noqa: PTH208 - as above
    except (FileNotFoundError, NotADirectoryError):
        return []


def remove_stale(directory: Path, is_ours: Callable[[str], bool] = is_our_name) -> list[str]:
    """Removes the sockets that a killed rdma-dp left in a directory, and returns their names.

    `is_ours` is whether a name is one that rdma-dp gives. A socket that cannot be removed stays. It
    does no harm. A socket on which a process is about to listen refuses connections, too, so one
    that a process still has open stays.
    """
    stale = []
    with contextlib.suppress(OSError):
        dead = [path for path in paths_in(directory) if _is_left_over(path, is_ours)]
        in_use = _bound_names() if dead else frozenset()
        for path in dead:
            if path.name not in in_use:
                with contextlib.suppress(OSError):
                    path.unlink()
                    stale.append(path.name)
    return stale


def _is_left_over(path: Path, is_ours: Callable[[str], bool]) -> bool:
    return is_ours(path.name.removeprefix(".")) and is_dead(path)


def _bound_names() -> frozenset[str]:
    """The file names of all unix sockets that a process of this network namespace has open.

    A name is the one that was given to bind(2) (kernel net/unix/af_unix.c, unix_seq_show). Raises
    OSError.
    """
    lines = _PROC_NET_UNIX.read_text("utf-8", "surrogateescape").splitlines()
    return frozenset(line.rpartition("/")[2] for line in lines if "/" in line)


def is_dead(path: Path) -> bool:
    """Whether this is a socket on which no process listens any more."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)  # a process that hangs, with a full backlog, is still alive
            client.connect(os.fspath(path))
    except OSError as error:
        return error.errno == errno.ECONNREFUSED
    return False


class SocketServer:
    """A gRPC server on one unix socket.

    When gRPC stops, it removes the path that it bound, even if another process has made a new file
    there. So gRPC binds a hidden name, which kubelet's plugin watcher ignores. The socket is then
    renamed to its real name, when the server already answers. Only this class removes it there.

    gRPC's server must not be interrupted. Stopping it while it starts causes a segmentation fault
    (grpc_server_start after grpc_server_shutdown_and_notify). Its stop() loses a cancellation that
    comes at its end, as asyncio.wait_for does before Python 3.12.
    """

    def __init__(self, path: Path, services: Iterable[AddServices]) -> None:
        self.path = path
        self._hidden = path.with_name(f".{path.name}")
        self._services = tuple(services)
        self._server: grpc.aio.Server | None = None
        self._inode: int | None = None

    @property
    def in_place(self) -> bool:
        """Whether the file under our name is still ours. One that cannot be read is as it was."""
        if self._inode is None:
            return False
        try:
            return self.path.lstat().st_ino == self._inode
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def withdraw(self) -> None:
        """Remove the socket, if it is still ours. Connections that exist go on until `stop`."""
        with contextlib.suppress(OSError):  # the directory may be gone
            if self.in_place:
                self.path.unlink(missing_ok=True)
        self._inode = None  # another file can get this number from now on

    async def start(self) -> None:
        """Start to serve. Raises SocketError if the socket cannot be made.

        The caller must call `stop` in any case, after an error too.
        """
        if len(os.fsencode(self._hidden)) > LONGEST_PATH:
            raise SocketError(
                f"{self.path} is too long for a unix socket",
                f"the whole path may have {LONGEST_PATH - 1} bytes; use a shorter directory",
            )
        try:
            with limited(f"make the socket {self.path}"):
                await self._serve()
            self._appear()
        except (RuntimeError, OSError, MemoryError, NoThreadError) as error:
            reason = _why(self.path, self._hidden, error)
            raise SocketError(f"cannot make the socket {self.path}", reason) from error

    async def _serve(self) -> None:
        self._server = server = grpc.aio.server(options=server_options())
        for add in self._services:
            add(server)
        before = os.umask(_UMASK)  # not chmod, which comes after the first connection may have come
        try:
            server.add_insecure_port(f"unix:{self._hidden}")
        finally:
            os.umask(before)
        await uninterrupted(server.start())

    def _appear(self) -> None:
        if identity(self.path) is not None:
            raise FileExistsError(self.path)
        self._inode = self._hidden.stat().st_ino
        self._hidden.rename(self.path)

    async def stop(self) -> None:
        """Stop the server, and then remove the socket, if it is still ours.

        In this order, because other processes conclude from a missing name that the streams have
        ended.
        """
        try:
            if self._server is not None:
                await uninterrupted(self._server.stop(_GRACE))
        finally:
            self._server = None
            self.withdraw()
            with contextlib.suppress(OSError):
                self._hidden.unlink(missing_ok=True)  # gRPC does not remove it if it never started


def _why(path: Path, hidden: Path, error: Exception) -> str:
    if (reason := error if isinstance(error, OSError) else _failure_to_bind(hidden)) is not None:
        error = reason
    if isinstance(error, FileNotFoundError | NotADirectoryError) and not is_directory(path.parent):
        return f"the directory {path.parent} is missing; mount it from the host"
    if isinstance(error, FileExistsError):
        return "another file has that name; remove it"
    if isinstance(error, FileNotFoundError):
        return "it vanished at once: kubelet removes every socket when it starts"
    if isinstance(error, PermissionError):
        return f"is {path.parent} writable for this process?"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or "no memory is left"


def _failure_to_bind(path: Path) -> OSError | None:
    """Why no socket can be made at `path`; gRPC does not say it. None when one can be made now."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(os.fspath(path))
        path.unlink()
    except OSError as error:
        return error
    return None


def state_of(path: Path) -> SocketState | None:
    """The result of connecting to a socket. Sends nothing. None if there is no such file."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            client.connect(os.fspath(path))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        if error.errno == errno.ECONNREFUSED:
            return SocketState.STALE
        # EAGAIN: its backlog is full (unix(7)).
        return SocketState.SILENT if error.errno == errno.EAGAIN else SocketState.REFUSED
    return SocketState.ANSWERS
