"""Events of inotify, as the kernel of this machine sends them."""

import asyncio
from pathlib import Path

import pytest

from rdma_dp.aio.inotify import Event, Inotify, Mask

ALL = Mask.CREATE | Mask.MOVED_FROM | Mask.MOVED_TO | Mask.CLOSE_WRITE | Mask.DELETE
DEADLINE = 30.0


def test_events_come_in_their_order_with_their_paths(directory: Path) -> None:
    first, second = directory / "first", directory / "second"
    first.mkdir()
    second.mkdir()
    with Inotify() as inotify:
        assert inotify.read() == []
        inotify.add_watch(first, ALL)
        inotify.add_watch(second, ALL)
        (first / "a\udcff").write_text("x")
        (first / "a\udcff").rename(second / "b")
        (second / "b").unlink()
        assert inotify.read() == [
            Event(Mask.CREATE, first / "a\udcff"),
            Event(Mask.CLOSE_WRITE, first / "a\udcff"),
            Event(Mask.MOVED_FROM, first / "a\udcff"),
            Event(Mask.MOVED_TO, second / "b"),
            Event(Mask.DELETE, second / "b"),
        ]


def test_more_events_than_one_read_takes(directory: Path) -> None:
    names = [f"{'n' * 200}{number}" for number in range(500)]
    with Inotify() as inotify:
        inotify.add_watch(directory, Mask.CREATE)
        for name in names:
            (directory / name).touch()
        found: list[Event] = []
        while events := inotify.read():
            found += events
    assert [event.path for event in found] == [directory / name for name in names]


def test_a_directory_that_is_removed_says_so(directory: Path) -> None:
    watched = directory / "watched"
    watched.mkdir()
    with Inotify() as inotify:
        inotify.add_watch(watched, Mask.DELETE_SELF)
        watched.rmdir()
        assert [event.mask for event in inotify.read()] == [Mask.DELETE_SELF, Mask.IGNORED]


async def test_waiting_ends_with_an_event(directory: Path) -> None:
    with Inotify() as inotify:
        inotify.add_watch(directory, Mask.CREATE)
        waiting = asyncio.create_task(inotify.readable())
        await asyncio.sleep(0)
        assert not waiting.done()
        (directory / "a").touch()
        async with asyncio.timeout(DEADLINE):
            await waiting


def test_a_directory_that_is_not_there_is_an_error(directory: Path) -> None:
    with Inotify() as inotify, pytest.raises(FileNotFoundError):
        inotify.add_watch(directory / "missing", Mask.CREATE)
