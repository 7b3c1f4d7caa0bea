"""The slices that are held: listed, watched, and listed again when the watch cannot go on."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.api_server.api_client import ApiClient
from rdma_dp.api_server.credentials import Credentials
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.api_server.slice_watch import SliceWatch
from simulator.api_server import ApiFault, FakeApiServer

DRIVER = "d.example.com"
DEADLINE = 60.0


def a_slice(name: str, devices: int = 0, node: str = "n") -> dict[str, Any]:
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    every = [
        {
            "name": f"d-{number}",
            "attributes": {f"a{each}": {"string": "x" * 64} for each in range(30)},
        }
        for number in range(devices)
    ]
    spec = {"driver": DRIVER, "nodeName": node, "pool": pool, "devices": every}
    return {"metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as running:
        yield running


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as running:
        yield running


async def watching(stack: AsyncExitStack, url: str, account: Path, **more: Any) -> SliceWatch:
    """A watch that runs until the end of the test."""
    client = await stack.enter_async_context(ApiClient(lambda: Credentials(url, account)))
    watch = SliceWatch(DraApi(client, "n", DRIVER), **more)
    task = asyncio.create_task(watch.run())

    async def end() -> None:
        task.cancel()
        await asyncio.wait([task])

    stack.push_async_callback(end)
    return watch


@pytest.fixture
async def watch(server: FakeApiServer, stack: AsyncExitStack, tmp_path: Path) -> SliceWatch:
    return await watching(stack, server.url, server.write_service_account(tmp_path))


async def shows(watch: SliceWatch, *names: str) -> None:
    async with asyncio.timeout(DEADLINE):
        await watch.held.until(lambda held: held is not None and {*held} == {*names})


async def test_what_comes_and_goes_is_seen(server: FakeApiServer, watch: SliceWatch) -> None:
    server.add("resourceslices", a_slice("one"))
    server.add("resourceslices", a_slice("foreign", node="m"))
    await shows(watch, "one")
    server.add("resourceslices", a_slice("two", devices=64))  # an event of 200 KB
    await shows(watch, "one", "two")
    server.delete_slices("n")
    await shows(watch)
    assert server.count("list", "resourceslices") == server.count("watch", "resourceslices") == 1


async def test_a_watch_that_breaks_goes_on_where_it_was(
    server: FakeApiServer, watch: SliceWatch
) -> None:
    server.add("resourceslices", a_slice("one"))
    await shows(watch, "one")
    for number in range(3):
        server.break_watches()
        server.add("resourceslices", a_slice(f"more-{number}"))
        await shows(watch, "one", *(f"more-{each}" for each in range(number + 1)))
    assert server.count("list", "resourceslices") == 1


async def test_a_version_that_is_too_old_is_listed_again(
    server: FakeApiServer, watch: SliceWatch
) -> None:
    server.add("resourceslices", a_slice("one"))
    await shows(watch, "one")
    server.store.compact()
    server.add("resourceslices", a_slice("two"))
    await shows(watch, "one", "two")
    assert server.count("list", "resourceslices") == 2


@pytest.mark.parametrize("status", [410, 403, 401, 429, 500, None])
async def test_after_any_failure_the_watch_comes_back(
    server: FakeApiServer, stack: AsyncExitStack, tmp_path: Path, status: int | None
) -> None:
    fault = ApiFault(status, "watch", times=2)
    server.faults += [ApiFault(status, "list", times=2), fault]
    watch = await watching(stack, server.url, server.write_service_account(tmp_path))
    await server.until(lambda: fault.times == 0 and server.count("watch", "resourceslices") == 1)
    server.add("resourceslices", a_slice("one"))
    await shows(watch, "one")
    assert watch.failure.text is None


async def test_a_watch_that_the_server_ends_is_opened_again(
    server: FakeApiServer, stack: AsyncExitStack, tmp_path: Path
) -> None:
    account = server.write_service_account(tmp_path)
    watch = await watching(stack, server.url, account, seconds=1)
    await server.until(lambda: server.count("watch", "resourceslices") >= 3)
    server.add("resourceslices", a_slice("one"))
    await shows(watch, "one")
    assert server.count("list", "resourceslices") == 1


async def test_an_own_write_is_newer_than_the_watch(
    server: FakeApiServer, watch: SliceWatch
) -> None:
    await server.until(lambda: server.count("watch", "resourceslices") == 1)
    made = server.add("resourceslices", a_slice("one"))
    await shows(watch, "one")
    newer = {**made, "metadata": {**made["metadata"], "resourceVersion": "100000"}}
    watch.wrote(newer)
    watch.wrote(made)
    assert watch.held.value == {"one": newer}


async def test_an_answer_after_the_deletion_brings_nothing_back(
    server: FakeApiServer, watch: SliceWatch
) -> None:
    made = server.add("resourceslices", a_slice("one"))
    await shows(watch, "one")
    server.delete_slices("n")
    await shows(watch)
    watch.wrote(made)
    assert watch.held.value == {}
    server.add("resourceslices", a_slice("one"))
    await shows(watch, "one")


class Scripted:
    """A server that sends these lines to each watch, and an empty list."""

    def __init__(self, *lines: bytes, hold: bool = False) -> None:
        self.lines = lines
        self.hold = hold
        self.watches = 0
        self.lists = 0
        self.asked = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        watch = b"watch=true" in head
        body = json.dumps({"metadata": {"resourceVersion": "7"}, "items": None}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        writer.write(b"".join(self.lines) if watch else body)
        async with self.asked:
            self.watches += watch
            self.lists += not watch
            self.asked.notify_all()
        if watch and self.hold:
            await reader.read()
        writer.close()

    async def until_watched(self, times: int) -> None:
        async with asyncio.timeout(DEADLINE), self.asked:
            await self.asked.wait_for(lambda: self.watches >= times)


async def scripted(
    stack: AsyncExitStack, account: Path, script: Scripted, **more: Any
) -> SliceWatch:
    listener = await asyncio.start_server(script.serve, "127.0.0.1")
    await stack.enter_async_context(listener)
    (account / "token").write_text("x")
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    return await watching(stack, url, account, **more)


@pytest.mark.parametrize(
    "line",
    [
        b"no json\n",
        b"[]\n",
        b"{}\n",
        b'{"type":"ADDED"}\n',
        b'{"type":"ADDED","object":{}}\n',
        b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"8"}}}\n',
        b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":8}}}\n',
        b'{"type":"ERROR","object":{"code":"x"}}\n',
        b'{"type":"ERROR","object":{"code":410,"message":"too old"}}\n',
        b'{"type":"ADDED"',
    ],
)
async def test_a_broken_event_ends_the_watch_and_no_more(
    stack: AsyncExitStack, tmp_path: Path, line: bytes
) -> None:
    script = Scripted(line)
    await scripted(stack, tmp_path, script)
    await script.until_watched(3)


async def test_a_silent_watch_is_given_up(stack: AsyncExitStack, tmp_path: Path) -> None:
    script = Scripted(hold=True)
    watch = await scripted(stack, tmp_path, script, seconds=0, grace=0.1)
    await script.until_watched(3)
    assert script.lists == 1
    assert watch.held.value == {}
