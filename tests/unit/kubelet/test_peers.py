"""Two processes for one resource, and what one does when the other goes."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.kubelet import sockets
from rdma_dp.kubelet.registration import neighbours
from rdma_dp.kubelet.registration.lost import Loss
from rdma_dp.kubelet.registration.peers import Peers
from rdma_dp.kubelet.sockets import SocketServer, socket_name
from tests.unit.kubelet.nodes import DEADLINE

OWN, OTHER, THIRD = (socket_name("rdma/a", instance) for instance in ("aaaaaa", "bbbbbb", "cccccc"))
PAUSE = 7.0  # seconds that no test waits
UNRELATED = socket_name("rdma/b", "bbbbbb")


@asynccontextmanager
async def looking(directory: Path) -> AsyncIterator[asyncio.Task[Loss]]:
    """A look at the peers of OWN that has begun."""
    watch = DirectoryWatch(directory)
    watching = asyncio.create_task(watch.run())
    async with asyncio.timeout(DEADLINE):
        await watch.changes.until(bool)
    task = asyncio.create_task(Peers(directory / OWN, [watch]).gone(0))
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


async def test_a_peer_that_ends_is_noticed(directory: Path) -> None:
    async with serving(directory / OTHER) as other, looking(directory) as task:
        await other.stop()
        async with asyncio.timeout(DEADLINE):
            await task


async def test_a_peer_that_came_later_is_noticed_when_it_ends(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = asyncio.Event()

    def is_dead(path: Path) -> bool:
        seen.set()
        return sockets.is_dead(path)

    monkeypatch.setattr(neighbours, "is_dead", is_dead)
    async with looking(directory) as task, asyncio.timeout(DEADLINE):
        async with serving(directory / OTHER):
            await seen.wait()
        await task


@asynccontextmanager
async def pausing(
    directory: Path, meanwhile: Callable[[DirectoryWatch], Awaitable[None]]
) -> AsyncIterator[tuple[asyncio.Task[Loss], DirectoryWatch]]:
    """A look by a watch that the test rings; `meanwhile` is what happens in its first pause."""
    watch, paused = DirectoryWatch(directory), asyncio.Event()

    class Paused(Peers):
        async def _pause(self, seconds: float) -> None:
            if not paused.is_set():
                waiting = asyncio.create_task(super()._pause(seconds))
                await asyncio.sleep(0)
                await meanwhile(watch)
                waiting.cancel()
                await asyncio.wait([waiting])
                paused.set()
            await asyncio.sleep(0)

    task = asyncio.create_task(Paused(directory / OWN, [watch]).gone(PAUSE))
    await asyncio.sleep(0)
    yield task, watch
    async with asyncio.timeout(DEADLINE):
        await paused.wait()
    task.cancel()
    await asyncio.wait([task])


async def test_a_peer_that_is_back_after_the_pause_is_left_alone(directory: Path) -> None:
    """It registers again, as it must: to answer that would make both do so for ever."""
    async with serving(directory / OTHER) as other:

        async def meanwhile(_: DirectoryWatch) -> None:
            await other.start()

        async with pausing(directory, meanwhile) as (task, watch):
            await other.stop()
            watch.changes.set(1)
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert not task.done()


async def test_one_that_goes_while_another_comes_back_is_not_forgotten(directory: Path) -> None:
    async with serving(directory / THIRD) as third:

        async def meanwhile(_: DirectoryWatch) -> None:
            await third.stop()

        await noticed(directory, meanwhile)


async def test_one_that_comes_and_goes_while_another_comes_back_is_noticed(
    directory: Path,
) -> None:
    async def meanwhile(watch: DirectoryWatch) -> None:
        async with serving(directory / THIRD):
            watch.changes.set(2)
            await asyncio.sleep(0.01)

    await noticed(directory, meanwhile)


async def noticed(directory: Path, meanwhile: Callable[[DirectoryWatch], Awaitable[None]]) -> None:
    """Waits until an end is reported, although the peer that ended has come back."""
    async with serving(directory / OTHER) as other:

        async def and_is_back(watch: DirectoryWatch) -> None:
            await meanwhile(watch)
            await other.start()

        async with pausing(directory, and_is_back) as (task, watch):
            await other.stop()
            watch.changes.set(1)
            async with asyncio.timeout(DEADLINE):
                await task


async def test_neither_its_own_socket_nor_another_resources_is_a_peer(directory: Path) -> None:
    async with (
        serving(directory / OWN) as own,
        serving(directory / UNRELATED) as unrelated,
        serving(directory / OTHER) as other,
    ):
        beside = Peers(directory / OWN, [DirectoryWatch(directory)])
        assert beside.present() == {OTHER: directory / OTHER}
        beside.begin()
        beside.registered()
        await own.stop()
        await unrelated.stop()
        assert not beside.scan()[1]
        await other.stop()
        assert beside.scan() == ({}, frozenset({OTHER}))


async def test_a_socket_that_nobody_serves_is_no_peer(directory: Path) -> None:
    async with serving(directory / "x") as served:
        os.link(directory / "x", directory / OTHER)
        await served.stop()
    async with serving(directory / THIRD):
        beside = Peers(directory / OWN, [DirectoryWatch(directory)])
        assert beside.present() == {THIRD: directory / THIRD}
