import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.latest import Latest
from rdma_dp.host import events
from tests.logs import DEADLINE, Log

Read = Callable[[socket.socket], bool | None]


class Source:
    """A source of events in which the test plays the kernel."""

    def __init__(self) -> None:
        self.kernel, self.ours = socket.socketpair(type=socket.SOCK_DGRAM)
        self.ours.setblocking(False)
        self.kernel.setblocking(False)
        self.read: Read = lambda ours: bool(ours.recv(100)) or None

    @contextmanager
    def __call__(self, wake: Any, broken: Any) -> Iterator[None]:
        with (
            self.kernel,
            self.ours,
            events.reader(self.ours, lambda: self.read(self.ours), wake, broken),
        ):
            yield

    def happens(self, times: int = 1) -> None:
        for _ in range(times):
            self.kernel.send(b"event")


@contextmanager
def missing(wake: Any, broken: Any) -> Iterator[None]:
    raise PermissionError(errno.EPERM, "not in this user namespace")
    yield


class Follower:
    """A task that follows the events, and the number of its calls of `wake`."""

    def __init__(self, uevents: Any, links: Any) -> None:
        sources = {"uevents": uevents, "link events": links}
        self.wakes = 0
        self._woken = asyncio.Event()
        self.task = asyncio.create_task(events.follow(self._wake, sources))

    def _wake(self) -> None:
        self.wakes += 1
        self._woken.set()

    async def woken(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._woken.wait()
        self._woken.clear()


@asynccontextmanager
async def following(uevents: Any, links: Any) -> AsyncIterator[Follower]:
    follower = Follower(uevents, links)
    await asyncio.sleep(0)
    try:
        yield follower
    finally:
        follower.task.cancel()
        await asyncio.wait([follower.task])


async def test_both_sources_wake() -> None:
    uevents, links = Source(), Source()
    async with following(uevents, links) as follower:
        for source in (uevents, links, uevents):
            source.happens()
            await follower.woken()


async def test_what_came_together_wakes_once() -> None:
    uevents = Source()
    async with following(uevents, Source()) as follower:
        uevents.happens(times=5)
        await follower.woken()
        uevents.happens()
        await follower.woken()
        assert follower.wakes == 2


async def test_a_source_that_cannot_be_opened_is_said_once_and_the_rest_goes_on(lines: Log) -> None:
    links = Source()
    async with following(missing, links) as follower:
        for _ in range(3):
            links.happens()
            await follower.woken()
    assert lines.all == [
        "no uevents: [Errno 1] not in this user namespace; changes are seen by the timer only"
    ]


async def test_without_any_source_it_just_stays_silent(lines: Log) -> None:
    async with following(missing, missing) as follower:
        await asyncio.sleep(0)
        assert not follower.task.done()
    assert len(lines.all) == 2


async def test_a_library_that_is_not_there_is_a_source_that_cannot_be_opened(lines: Log) -> None:
    @contextmanager
    def without_libudev(wake: Any, broken: Any) -> Iterator[None]:
        raise ImportError("No library named udev")
        yield

    async with following(without_libudev, Source()) as follower:
        await asyncio.sleep(0)
        assert not follower.task.done()
    assert lines.count("no uevents: No library named udev") == 1


def overrun_once(code: int | None) -> Read:
    """Fails at the first read as an overrun socket does, or as pyudev does then."""
    failed = False

    def read(ours: socket.socket) -> bool:
        nonlocal failed
        if not failed:
            failed = True
            raise OSError(code, "Error while polling fd") if code else OSError("polling fd")
        return bool(ours.recv(100))

    return read


class _WithPendingError:
    """A socket whose error stays until SO_ERROR is read."""

    def __init__(self, code: int) -> None:
        self.code = code

    def getsockopt(self, level: int, name: int) -> int:
        assert (level, name) == (socket.SOL_SOCKET, socket.SO_ERROR)
        code, self.code = self.code, 0
        return code


async def test_an_overrun_socket_has_lost_something_and_wakes(lines: Log) -> None:
    uevents = Source()
    uevents.read = overrun_once(errno.ENOBUFS)
    async with following(uevents, Source()) as follower:
        uevents.happens()
        await follower.woken()
        uevents.happens()
        await follower.woken()
    assert lines.count("came faster than they were read") == 1


def test_an_overrun_in_pyudev_has_no_errno() -> None:
    """Its poll() fails without errno, again and again until SO_ERROR is read."""
    overrun: Any = _WithPendingError(errno.ENOBUFS)
    answers = iter([True, None])

    def read_one() -> bool | None:
        if overrun.code:
            raise OSError("Error while polling fd: 7")
        return next(answers)

    assert events.drained(overrun, read_one)
    assert overrun.code == 0


async def test_a_source_that_breaks_ends_the_task_with_its_reason_and_is_not_read_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    readings = 0

    def broken(ours: socket.socket) -> bool:
        nonlocal readings
        readings += 1
        raise OSError(errno.ENOMEM, "no memory")

    uevents = Source()
    uevents.read = broken
    async with following(uevents, Source()) as follower:
        uevents.happens()
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(OSError, match="no memory"):
                await follower.task
        assert readings == 1
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_sources_that_break_are_opened_again_and_this_is_said_once(lines: Log) -> None:
    """A1: a source that broke, or could not be opened, ended the daemon."""
    opened = 0

    @contextmanager
    def breaks(wake: Any, broken: Any) -> Iterator[None]:
        nonlocal opened
        opened += 1
        if opened == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        if opened < 4:
            broken.set_exception(OSError(errno.ENOMEM, "Cannot allocate memory"))
        yield

    wakes = Latest(0)
    task = asyncio.create_task(
        events.keep_following(lambda: wakes.set(wakes.value + 1), {"uevents": breaks}, _AtOnce())
    )
    async with asyncio.timeout(DEADLINE):
        await wakes.until(lambda count: count == 3)
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
    assert [line for line in lines.all if "changes are seen by the timer" in line] == lines.all
    assert lines.count("Cannot allocate memory") == 1


class _AtOnce(Backoff):
    def delay(self) -> float:
        return 0.0


async def test_heard_are_the_sources_that_are_open() -> None:
    heard = Latest(frozenset[str]())
    source, woken = Source(), asyncio.Event()
    sources: dict[str, Any] = {"one": source, "two": missing}
    following = asyncio.create_task(
        events.keep_following(woken.set, sources, Backoff(), heard=heard)
    )
    async with asyncio.timeout(DEADLINE):
        assert await heard.until(bool) == {"one"}
        following.cancel()
        await heard.until(lambda names: not names)
    await asyncio.gather(following, return_exceptions=True)
