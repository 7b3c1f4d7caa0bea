"""Plugins of others, and what is found out of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.kubelet.registration import rivals
from rdma_dp.kubelet.registration.lost import Loss, Lost
from rdma_dp.kubelet.registration.rivals import Rivals
from rdma_dp.kubelet.sockets import SocketServer
from tests.unit.kubelet.nodes import DEADLINE

RESOURCE = "rdma/a"


@asynccontextmanager
async def waiting(directory: Path) -> AsyncIterator[asyncio.Task[Loss]]:
    """A wait for the end of a rival in this directory."""
    watch = DirectoryWatch(directory)
    watching = asyncio.create_task(watch.run())
    task = asyncio.create_task(Rivals(RESOURCE, [watch]).gone(0))
    yield task
    for each in (task, watching):
        each.cancel()
    await asyncio.gather(task, watching, return_exceptions=True)


async def test_one_that_ends_while_it_is_asked_is_noticed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = directory / "x.sock"
    server = SocketServer(socket, [])

    async def ends_as_it_answers(*_: Any) -> tuple[tuple[str, str], bool]:
        await server.stop()
        return (RESOURCE, "DevicePlugin"), False

    monkeypatch.setattr(rivals, "called", ends_as_it_answers)
    await server.start()
    async with waiting(directory) as task, asyncio.timeout(DEADLINE):
        loss = await task
    assert loss.lost is Lost.RIVAL_GONE
    assert str(loss) == f"the plugin on {socket} ended, which served it"


@pytest.mark.parametrize("info", [("rdma/b", "DevicePlugin"), (RESOURCE, "CSIPlugin")])
async def test_one_that_serves_something_else_may_come_and_go(
    directory: Path, monkeypatch: pytest.MonkeyPatch, info: tuple[str, str]
) -> None:
    server, asked = SocketServer(directory / "x.sock", []), asyncio.Event()

    async def answers(*_: Any) -> tuple[tuple[str, str], bool]:
        asked.set()
        return info, False

    monkeypatch.setattr(rivals, "called", answers)
    await server.start()
    async with waiting(directory) as task, asyncio.timeout(DEADLINE):
        await asked.wait()
        await server.stop()
        await asyncio.sleep(0.1)
        assert not task.done()


async def test_a_directory_that_cannot_be_listed_holds_what_it_held(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = SocketServer(directory / "x.sock", [])
    await server.start()
    beside = Rivals(RESOURCE, [DirectoryWatch(directory)])
    before = beside.scan()
    assert [*before[0].values()] == [directory / "x.sock"]

    def fails(*_: Any) -> Any:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(Path, "glob", fails)
    assert beside.scan() == before
    await server.stop()
