"""Two processes for one resource, and what one does when the other goes."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rdma_dp.directory_watch import DirectoryWatch
from rdma_dp.kubelet import siblings, sockets
from rdma_dp.kubelet.siblings import Siblings
from rdma_dp.kubelet.sockets import SocketServer, socket_name

from .nodes import DEADLINE

OWN, OTHER, THIRD = (socket_name("rdma/a", instance) for instance in ("aaaaaa", "bbbbbb", "cccccc"))
UNRELATED = socket_name("rdma/b", "bbbbbb")


@asynccontextmanager
async def looking(directory: Path, pauses: list[int]) -> AsyncIterator[asyncio.Task[None]]:
    """A look at the siblings of OWN that has begun; `pauses` grows with each pause it makes."""
    watch = DirectoryWatch(directory)

    async def pause() -> None:
        pauses.append(1)

    watching = asyncio.create_task(watch.run())
    async with asyncio.timeout(DEADLINE):
        await watch.changes.until(bool)
    task = asyncio.create_task(Siblings(directory / OWN, watch).gone(pause))
    await asyncio.sleep(0)
    yield task
    for each in (task, watching):
        each.cancel()
    await asyncio.gather(task, watching, return_exceptions=True)


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[SocketServer]:
    server = SocketServer(path, [])
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


async def test_a_sibling_that_ends_is_noticed(directory: Path) -> None:
    async with serving(directory / OTHER) as other, looking(directory, []) as task:
        await other.stop()
        async with asyncio.timeout(DEADLINE):
            await task


async def test_a_sibling_that_came_later_is_noticed_when_it_ends(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asyncio.Event()

    def is_dead(path: Path) -> bool:
        seen.set()
        return sockets.is_dead(path)

    monkeypatch.setattr(siblings, "is_dead", is_dead)
    async with looking(directory, []) as task, asyncio.timeout(DEADLINE):
        async with serving(directory / OTHER):
            await seen.wait()
        await task


async def test_a_sibling_that_is_back_after_the_pause_is_left_alone(directory: Path) -> None:
    """It registers again, as it must: to answer that would make both do so for ever."""
    watch = DirectoryWatch(directory)
    async with serving(directory / OTHER) as other:
        paused = asyncio.Event()

        async def pause() -> None:
            await other.start()
            paused.set()

        task = asyncio.create_task(Siblings(directory / OWN, watch).gone(pause))
        await asyncio.sleep(0)
        await other.stop()
        watch.changes.set(1)
        async with asyncio.timeout(DEADLINE):
            await paused.wait()
        watch.changes.set(2)
        await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_neither_its_own_socket_nor_another_resources_is_a_sibling(directory: Path) -> None:
    pauses: list[int] = []
    async with (
        serving(directory / OWN) as own,
        serving(directory / UNRELATED) as unrelated,
        serving(directory / OTHER) as other,
        looking(directory, pauses) as task,
    ):
        await own.stop()
        await unrelated.stop()
        await other.stop()
        async with asyncio.timeout(DEADLINE):
            await task
        assert len(pauses) == 1


async def test_a_socket_that_nobody_serves_is_no_sibling(directory: Path) -> None:
    pauses: list[int] = []
    async with serving(directory / "x") as served:
        os.link(directory / "x", directory / OTHER)
        await served.stop()
    async with serving(directory / THIRD) as third, looking(directory, pauses) as task:
        (directory / OTHER).unlink()
        await third.stop()
        async with asyncio.timeout(DEADLINE):
            await task
        assert len(pauses) == 1
