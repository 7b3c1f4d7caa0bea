"""Changes of names in a directory are reported, by events or after an interval."""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from rdma_dp.aio import directory_watch
from rdma_dp.aio.directory_watch import DirectoryWatch
from tests.logs import Log
from tests.unit.kubelet.nodes import DEADLINE

# Seconds; longer than any test, so that only an event reports a change.
NEVER = 10 * DEADLINE


@asynccontextmanager
async def watching(
    directory: Path, interval: float = NEVER, file: Path | None = None
) -> AsyncIterator[DirectoryWatch]:
    """A watch that runs and has read the directory once."""
    watch = DirectoryWatch(directory, interval, file)
    task = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(DEADLINE):
            await watch.changes.until(bool)
        yield watch
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def seen(watch: DirectoryWatch, happening: Callable[[], object]) -> None:
    """The watch reports a change after `happening`."""
    before = watch.changes.value
    happening()
    async with asyncio.timeout(DEADLINE):
        await watch.changes.until(lambda count: count > before)


async def test_what_comes_goes_or_is_renamed_is_seen(directory: Path) -> None:
    async with watching(directory) as watch:
        await seen(watch, (directory / "a").touch)
        await seen(watch, lambda: (directory / "a").chmod(0o600))
        await seen(watch, (directory / "a").unlink)
        outside = directory.parent / f"{directory.name}-outside"
        outside.touch()
        await seen(watch, lambda: outside.rename(directory / "b"))


async def test_every_observer_sees_a_change(directory: Path) -> None:
    async with watching(directory) as watch:
        before = watch.changes.value
        observers = [watch.changes.until(lambda count: count > before) for _ in range(5)]
        waiting = asyncio.gather(*observers)
        (directory / "a").touch()
        async with asyncio.timeout(DEADLINE):
            assert len(await waiting) == 5


async def test_a_directory_that_comes_later_is_watched_then(directory: Path) -> None:
    late = directory / "late"
    async with watching(late, 0.02) as watch:
        late.mkdir()
        await seen(watch, (late / "a").touch)


async def test_a_directory_that_is_replaced_is_watched_again(directory: Path) -> None:
    watched = directory / "d"
    watched.mkdir()
    async with watching(watched, 0.02) as watch:
        await seen(watch, lambda: watched.rename(directory / "old"))
        watched.mkdir()
        await seen(watch, (watched / "a").touch)


async def test_a_directory_that_is_replaced_without_an_event_is_watched(directory: Path) -> None:
    """As by a mount: the directory that was watched does not change."""
    first, second, link = directory / "first", directory / "second", directory / "link"
    first.mkdir()
    second.mkdir()
    link.symlink_to(first)
    async with watching(link, 0.02) as watch:
        await seen(watch, lambda: _turned(link, second))
        await seen(watch, (second / "a").touch)


async def test_a_file_that_is_a_link_to_elsewhere_is_checked(directory: Path) -> None:
    elsewhere = directory.parent / f"{directory.name}-elsewhere"
    elsewhere.write_text("one")
    link = directory / "config.json"
    link.symlink_to(elsewhere)
    async with watching(directory, 0.02, link) as watch:
        await seen(watch, lambda: elsewhere.write_text("three"))


async def test_while_nothing_changes_nothing_is_reported(directory: Path) -> None:
    (directory / "config.json").touch()
    async with watching(directory, 0.001, directory / "config.json") as watch:
        before = watch.changes.value
        for _ in range(50):  # checks of the directory
            await asyncio.sleep(0.002)
        assert watch.changes.value == before


async def test_while_there_is_no_directory_nothing_is_reported(directory: Path) -> None:
    async with watching(directory / "missing") as watch:
        before = watch.changes.value
        await asyncio.sleep(2 * directory_watch.UNWATCHED_INTERVAL)
        assert watch.changes.value == before


def _turned(link: Path, target: Path) -> None:
    link.unlink()
    link.symlink_to(target)


async def test_without_inotify_a_change_is_reported_after_an_interval(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(directory_watch, "Inotify", none_left)
    async with watching(directory, 0.02) as watch:
        for _ in range(3):
            await seen(watch, lambda: None)


async def test_without_descriptors_one_warning_names_the_limits(
    directory: Path, lines: Log
) -> None:
    """Really without: all but the last few descriptors of this process are in use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(link.name) for link in Path("/proc/self/fd").iterdir())
    watch = DirectoryWatch(directory, NEVER)
    with ExitStack() as held:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        with suppress(OSError):
            while True:
                held.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        task = asyncio.create_task(watch.run())
        held.callback(task.cancel)
        async with asyncio.timeout(DEADLINE):
            await watch.changes.until(lambda count: count > 1)
        assert not task.done()
    (line,) = lines.all
    assert line.startswith(f"cannot watch {directory}: Too many open files; reading it every 0.5 s")
    assert "limit of open files" in line
    assert "fs.inotify.max_user_instances" in line
