"""Makes calls of the standard library fail in the daemon's process, as a test says.

A plan is a file with the name of a call and of an error ("os.open EMFILE"). As long as it is there,
that call fails with that error. The process prints a line for each of the first failures.
"""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.integration.daemon.process import Arguments, Daemon, Node, python

CALLS = ("os.open", "os.read", "os.stat", "os.readlink", "os.listdir", "os.scandir")
SOCKET = "socket.socket"

ERRORS = ("EMFILE", "ENFILE", "ENOMEM", "EIO", "EACCES", "ENOSPC")
EXHAUSTED = ERRORS[:3]

_CODE = """
import errno, os, socket, sys
import rdma_dp.daemon.run  # before anything fails: only calls of our own shall
plan = sys.argv.pop(1)
opened, read, close = os.open, os.read, os.close
hits = {}

def planned():
    try:
        descriptor = opened(plan, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return read(descriptor, 100).decode()
    finally:
        close(descriptor)

def fail_if_planned(call):
    now = planned()
    if now.partition(" ")[0] == call:
        hits[now] = hits.get(now, 0) + 1
        if hits[now] < 10:
            print("injected", now, file=sys.stderr, flush=True)
        code = getattr(errno, now.split()[1])
        raise OSError(code, os.strerror(code))

def injected(call, real):
    def replaced(*arguments, **more):
        fail_if_planned(call)
        return real(*arguments, **more)
    return replaced

for call in sys.argv.pop(1).split():
    if call == "socket.socket":
        class Socket(socket.socket):
            def __init__(self, *arguments, **more):
                fail_if_planned("socket.socket")
                super().__init__(*arguments, **more)
        socket.socket = Socket
    else:
        name = call.removeprefix("os.")
        setattr(os, name, injected(call, getattr(os, name)))

from rdma_dp.cli.main import main
sys.exit(main())
"""


class Plan:
    """What fails in the daemon's process at the moment."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def begin(self, call: str, error: str) -> None:
        fresh = self.file.with_suffix(".fresh")
        fresh.write_text(f"{call} {error}")
        fresh.rename(self.file)

    def end(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.file.unlink()


@asynccontextmanager
async def failing(node: Node, plan: Plan, call: str, *arguments: str) -> AsyncIterator[Daemon]:
    """The daemon on this node, in which one call can be made to fail."""
    words: Arguments = (plan.file, call, "run", *node.arguments, *arguments)
    async with python(_CODE, *words) as daemon:
        yield daemon
        plan.end()
        if daemon.process.returncode is None:
            await daemon.stop()
