import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rdma_dp import config
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.cli import main as cli
from rdma_dp.config import Accepted, Config, ConfigError, Defaults
from rdma_dp.daemon.config_file import ConfigFile
from rdma_dp.daemon.config_parsing import Content, Parse, parse_here
from tests.integration.updates.config_maps import ConfigMap
from tests.logs import Log

DEADLINE = 60.0  # seconds; only a failing test waits that long


def text(*sizes: int) -> str:
    """A config with a resource for each size."""
    entries = [
        {"resourceName": f"r{i}", "rdmaHcaMax": size, "selectors": {"vendors": ["15b3"]}}
        for i, size in enumerate(sizes)
    ]
    return json.dumps({"configList": entries})


def sizes(config: Config) -> list[int]:
    return [resource.rdma_hca_max for resource in config.config_list]


class Reader:
    """A config file that is watched, and the configs that were read."""

    def __init__(self, file: ConfigFile) -> None:
        self.file = file

    async def first(self) -> list[int]:
        async with asyncio.timeout(DEADLINE):
            return sizes(await self.file.first())

    async def next(self) -> list[int]:
        async with asyncio.timeout(DEADLINE):
            return sizes(await self.file.next())


@asynccontextmanager
async def reading(
    path: Path,
    read: Callable[[Path], bytes] = config.read,
    retry: float = 10 * DEADLINE,
    parse: Parse = parse_here,
) -> AsyncIterator[Reader]:
    watch = DirectoryWatch(path.parent)
    task = asyncio.create_task(watch.run())
    try:
        yield Reader(ConfigFile(path, watch, read=read, parse=parse, retry=retry))
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config.json"


async def test_the_file_that_is_there_is_read_at_once(path: Path) -> None:
    path.write_text(text(1, 2))
    async with reading(path) as reader:
        assert await reader.first() == [1, 2]


async def test_a_file_that_is_not_there_yet_is_waited_for_and_this_is_said_once(
    path: Path, lines: Log
) -> None:
    async with reading(path) as reader:
        waiting = asyncio.create_task(reader.first())
        await lines.until("waiting for a config")
        (path.parent / "another").write_text("")
        path.write_text(text(7))
        assert await waiting == [7]
    assert [line for line in lines.all if "config" in line] == [
        f'{path}: there is no such file (a config begins with {{"configList": [...]}})',
        "waiting for a config",
    ]


async def test_a_directory_that_is_not_there_yet_is_waited_for(tmp_path: Path, lines: Log) -> None:
    path = tmp_path / "later" / "config.json"
    async with reading(path) as reader:
        waiting = asyncio.create_task(reader.first())
        await lines.until("waiting for a config")
        path.parent.mkdir()
        path.write_text(text(7))
        assert await waiting == [7]


async def test_a_first_config_that_is_wrong_is_refused(path: Path) -> None:
    path.write_text(text(0))
    async with reading(path) as reader:
        with pytest.raises(ConfigError, match="rdmaHcaMax"):
            await reader.first()


async def test_a_first_config_that_is_still_being_written_is_waited_for(path: Path) -> None:
    whole = text(3)
    path.write_text(whole[:20])

    async def finish() -> None:
        path.write_text(whole)

    async with reading(path) as reader:
        waiting = asyncio.create_task(reader.first())
        writing = asyncio.create_task(finish())  # while `first` verifies what it has read
        assert await waiting == [3]
        await writing


async def test_a_changed_file_is_read_again(path: Path) -> None:
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        for size in (2, 3, 4):
            path.write_text(text(size))
            assert await reader.next() == [size]


async def test_a_file_that_is_replaced_is_read_again(path: Path) -> None:
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        fresh = path.with_suffix(".fresh")
        fresh.write_text(text(2))
        fresh.rename(path)
        assert await reader.next() == [2]


async def test_the_same_content_is_no_news(path: Path, lines: Log) -> None:
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        path.write_text(text(1))
        waiting = asyncio.create_task(reader.next())
        await asyncio.sleep(0)
        path.write_text(text(2))
        assert await waiting == [2]
    assert lines.all.count(f"new config from {path}") == 1


async def test_a_wrong_config_is_told_as_check_config_does_and_the_last_good_one_goes_on(
    path: Path, lines: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        waiting = asyncio.create_task(reader.next())
        path.write_text(text(0, -1))
        await lines.until("the last good config stays in force")
        assert not waiting.done()
        assert cli.main(["check-config", str(path)]) == 1
        printed = capsys.readouterr().out.splitlines()
        assert len(printed) == 2
        assert lines.errors == [*printed, "the last good config stays in force"]
        path.write_text(text(2))
        assert await waiting == [2]


async def test_the_same_problems_are_told_once(path: Path, lines: Log) -> None:
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        waiting = asyncio.create_task(reader.next())
        for blanks in range(3):
            path.write_text(text(0) + " " * blanks)
            await lines.until("the last good config stays in force")
        path.write_text(text(0, 0))
        await lines.until("the last good config stays in force", times=2)
        path.write_text(text(2))
        assert await waiting == [2]
    assert sum("configList[0].rdmaHcaMax" in line for line in lines.errors) == 2
    assert sum("configList[1].rdmaHcaMax" in line for line in lines.errors) == 1


async def test_a_deleted_file_changes_nothing_but_the_log(path: Path, lines: Log) -> None:
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        waiting = asyncio.create_task(reader.next())
        path.unlink()
        await lines.until("the last good config stays in force")
        assert any("there is no such file" in line for line in lines.errors)
        path.write_text(text(1))
        assert await waiting == [1]


async def test_a_file_that_cannot_be_read_changes_nothing_but_the_log(
    path: Path, lines: Log
) -> None:
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        waiting = asyncio.create_task(reader.next())
        path.unlink()
        path.symlink_to(path.name)  # a link to itself
        await lines.until("the last good config stays in force")
        assert any("cannot be read" in line for line in lines.errors)
        path.unlink()
        path.write_text(text(2))
        assert await waiting == [2]


async def test_a_demand_reads_at_once_and_is_answered_though_nothing_changed(
    path: Path, lines: Log
) -> None:
    """SIGHUP. Defect 15 of the Go plugin: it does not read the config again."""
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        for _ in range(2):
            reader.file.demand()
            assert await reader.next() == [1]
    assert lines.all.count(f"new config from {path}") == 2


async def test_a_demand_is_answered_though_the_same_problems_were_told_before(
    path: Path, lines: Log
) -> None:
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        waiting = asyncio.create_task(reader.next())
        path.write_text(text(0))
        for times in (1, 2, 3):
            await lines.until("the last good config stays in force", times)
            reader.file.demand()
        path.write_text(text(2))
        assert await waiting == [2]


async def test_a_file_written_in_pieces_is_believed_when_it_is_whole(
    path: Path, lines: Log
) -> None:
    path.write_text(text(1))
    whole = text(*range(1, 30))
    async with reading(path) as reader:
        await reader.first()
        waiting = asyncio.create_task(reader.next())
        with path.open("w") as file:
            for start in range(0, len(whole), 100):
                file.write(whole[start : start + 100])
                file.flush()
                (path.parent / "noise").write_text("")  # makes the watcher read it
                await asyncio.sleep(0)
        assert await waiting == list(range(1, 30))
    assert lines.errors == []


async def test_what_is_parsed_is_what_was_compared(path: Path) -> None:
    """A writer starts again right after the file was read. What was read is still good."""
    path.write_text(text(1))
    seen = 0

    def read_and_spoil(file: Path) -> bytes:
        nonlocal seen
        content = config.read(file)
        seen += content == text(2).encode()
        if seen == 2:
            path.write_text(text(2)[:20])
        return content

    async with reading(path, read_and_spoil) as reader:
        await reader.first()
        path.write_text(text(2))
        assert await reader.next() == [2]


async def test_a_config_map_that_swaps_its_link_never_gives_a_moment_of_emptiness(
    tmp_path: Path, lines: Log
) -> None:
    config_map = ConfigMap(tmp_path / "mount", text(1))
    async with reading(config_map.file) as reader:
        assert await reader.first() == [1]
        for size in range(2, 8):
            config_map.publish(text(size))
            assert await reader.next() == [size]
    assert lines.errors == []


async def test_a_config_map_that_swaps_its_link_all_the_time_gives_whole_configs_only(
    tmp_path: Path, lines: Log
) -> None:
    config_map = ConfigMap(tmp_path / "mount", text(1))
    seen: list[list[int]] = []

    def swap_often() -> None:
        for size in range(2, 500):
            config_map.publish(text(size, size))
        config_map.publish(text(1000))

    async with reading(config_map.file) as reader:
        seen.append(await reader.first())
        swapping = asyncio.create_task(asyncio.to_thread(swap_often))
        while seen[-1] != [1000]:
            seen.append(await reader.next())
        await swapping
    assert all(len(set(config)) == 1 for config in seen)
    assert lines.errors == []


# --- A2: files that cannot be read at once --------------------------------------------------------


async def test_a_fifo_in_place_of_the_file_holds_nothing_up(path: Path, lines: Log) -> None:
    """A2: opening a FIFO waits for a writer. The loop hung, and so did check-config."""
    path.write_text(text(1))
    async with reading(path) as reader:
        await reader.first()
        waiting = asyncio.create_task(reader.next())
        path.unlink()
        os.mkfifo(path)
        await lines.until("the last good config stays in force")
        assert lines.count("is not a regular file") == 1
        assert cli.main(["check-config", str(path)]) == 1
        path.unlink()
        path.write_text(text(2))
        assert await waiting == [2]


async def test_a_read_that_hangs_does_not_hold_the_loop(path: Path) -> None:
    """A2: as on a network file system whose server is gone."""
    path.write_text(text(1))
    hangs, go_on = threading.Event(), threading.Event()

    def read(file: Path) -> bytes:
        content = config.read(file)
        if content == text(2).encode():
            hangs.set()
            go_on.wait(DEADLINE)
        return content

    async with reading(path, read) as reader:
        await reader.first()
        waiting = asyncio.create_task(reader.next())
        path.write_text(text(2))
        assert await asyncio.to_thread(hangs.wait, DEADLINE)  # the loop runs meanwhile
        assert not waiting.done()
        go_on.set()
        assert await waiting == [2]


async def test_a_first_file_that_cannot_be_read_is_waited_for(path: Path, lines: Log) -> None:
    """A1: a failed read ended the daemon. No event reports that reading works again."""
    path.write_text(text(7))
    fails = True

    def read(file: Path) -> bytes:
        if fails:
            raise config.ConfigUnreadable("Input/output error")
        return config.read(file)

    async with reading(path, read, retry=0.01) as reader:
        waiting = asyncio.create_task(reader.first())
        await lines.until("waiting for a config")
        fails = False
        assert await waiting == [7]
    assert lines.count("cannot be read: Input/output error") == 1


async def test_a_config_that_cannot_be_parsed_now_is_parsed_again(path: Path, lines: Log) -> None:
    """Its modules cannot be loaded without memory. No event reports that they can be."""
    path.write_text(text(1))
    fails = True

    def parse(content: Content, defaults: Defaults) -> Accepted:
        if fails:
            raise config.ConfigUnreadable("Too many open files")
        return parse_here(content, defaults)

    async with reading(path, retry=0.01, parse=parse) as reader:
        waiting = asyncio.create_task(reader.first())
        await lines.until("waiting for a config")
        fails = False
        assert await waiting == [1]
        fails = True
        path.write_text(text(2))
        waiting = asyncio.create_task(reader.next())
        await lines.until("the last good config stays in force")
        fails = False
        assert await waiting == [2]
    assert lines.count("cannot be read: Too many open files") == 2
