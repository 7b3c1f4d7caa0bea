"""Changes in kubelet's directories, seen as events that say only: look again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rdma_dp.aio import directory_watch
from rdma_dp.aio.directory_watch import DirectoryWatch
from tests.unit.kubelet.nodes import DEADLINE

# These tests must not be saved by the slow look.
NEVER = 10 * DEADLINE


@asynccontextmanager
async def watching(directory: Path) -> AsyncIterator[DirectoryWatch]:
    """A watch that runs, and is known to look already."""
    watch = DirectoryWatch(directory)
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(DEADLINE):
            await watch.changes.until(bool)
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def seen(watch: DirectoryWatch, happening: Callable[[], object]) -> None:
    """The watch says "look again" after `happening`."""
    before = watch.changes.value
    happening()
    async with asyncio.timeout(DEADLINE):
        await watch.changes.until(lambda count: count > before)


async def test_what_comes_goes_or_is_renamed_is_seen(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_watch, "_SLOW_LOOK", NEVER)
    async with watching(directory) as watch:
        await seen(watch, (directory / "a").touch)
        await seen(watch, (directory / "a").unlink)
        outside = directory.parent / f"{directory.name}-outside"
        outside.touch()
        await seen(watch, lambda: outside.rename(directory / "b"))


async def test_every_observer_sees_a_change(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_watch, "_SLOW_LOOK", NEVER)
    async with watching(directory) as watch:
        before = watch.changes.value
        observers = [watch.changes.until(lambda count: count > before) for _ in range(5)]
        waiting = asyncio.gather(*observers)
        (directory / "a").touch()
        async with asyncio.timeout(DEADLINE):
            assert len(await waiting) == 5


async def test_a_directory_that_comes_later_is_watched_then(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_watch, "_SLOW_LOOK", 0.02)
    late = directory / "late"
    async with watching(late) as watch:
        late.mkdir()
        await seen(watch, (late / "a").touch)


async def test_a_directory_that_is_replaced_is_watched_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_watch, "_SLOW_LOOK", 0.02)
    watched = directory / "d"
    watched.mkdir()
    async with watching(watched) as watch:
        await seen(watch, lambda: watched.rename(directory / "old"))
        watched.mkdir()
        await seen(watch, (watched / "a").touch)


async def test_without_any_event_there_is_still_a_slow_look(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_watch, "_SLOW_LOOK", 0.02)
    async with watching(directory) as watch:
        for _ in range(3):
            await seen(watch, lambda: None)


async def test_where_inotify_cannot_be_had_there_is_still_a_slow_look(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(directory_watch, "Inotify", none_left)
    monkeypatch.setattr(directory_watch, "_SLOW_LOOK", 0.02)
    async with watching(directory) as watch:
        for _ in range(3):
            await seen(watch, lambda: None)
