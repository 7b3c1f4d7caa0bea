"""The costs of metrics."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bench.calls import allocate_of, caller, timed
from bench.process import TIMEOUT, BenchError
from bench.samples import median
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, latency, megabytes, milliseconds
from bench.workshop import Workshop
from rdma_dp import config, discovery
from rdma_dp.host.files import Host
from rdma_dp.host.tree import DiskTree
from rdma_dp.monitoring.counter_reader import CounterReader
from rdma_dp.sharing.state import next_state

_LOOPBACK = "127.0.0.1"
_INTERVAL = 1.0  # seconds between two scrapes while Allocate is measured
_READINGS_A_MINUTE = 4  # with the default minInterval of 15 s
_SCRAPES_BEFORE_MEMORY = 50  # the heap grows with the first ones
_CPU = re.compile(rb"^process_cpu_seconds_total (\S+)$", re.MULTILINE)


async def scrape(workshop: Workshop, scale: Scale) -> list[Row]:
    """A scrape with the counters that show trouble, and what it costs the others.

    Each port has 25 counters. "Scrape" is a page from the values of the last reading: its duration
    (p50), and the CPU time of the daemon for one. "Reading" is a reading of all counters, at most
    one in 15 s, in this process; the simulated host answers at once, and hardware does not. On a
    real node, netlink replaces the reads of the 13 hw_counters by one question to the kernel. The
    last rows compare the memory of a daemon after 50 scrapes, and Allocate while a scrape comes
    each second, with a daemon without metrics. Memory is RssAnon: the pages of files come and go.
    """
    await _compile(workshop, scale.hcas[0])
    rows = []
    for hcas in scale.hcas:
        rows += await _of_host(workshop, scale, hcas)
        rows += await _reading(workshop, scale, hcas)
    return rows


async def _compile(workshop: Workshop, hcas: int) -> None:
    """The first daemon with metrics compiles their modules, and its heap stays larger for it."""
    address = _free_address()
    async with workshop.daemon(Sharing(hcas)), workshop.daemon(Sharing(hcas), metrics=address):
        await _page(address)


async def _of_host(workshop: Workshop, scale: Scale, hcas: int) -> list[Row]:
    address, request = _free_address(), allocate_of("0")
    async with (
        workshop.daemon(Sharing(hcas)) as plain,
        workshop.daemon(Sharing(hcas), metrics=address) as daemon,
        caller(plain.socket, request) as without,
        caller(daemon.socket, request) as with_metrics,
    ):
        page = await _page(address)
        before = _cpu(page)
        taken = await timed(lambda: _page(address), scale.scrapes)
        cpu = (_cpu(await _page(address)) - before) / (len(taken) + 1)
        for _ in range(_SCRAPES_BEFORE_MEMORY - len(taken)):
            await _page(address)
        memory = daemon.child.own_memory() - plain.child.own_memory()
        plainly = await timed(without, scale.calls)
        async with _scraped(address):
            allocated = await timed(with_metrics, scale.calls)
    case = f"{hcas} HCAs"
    return [
        Row(f"{case}, scrape", milliseconds(median(taken)), f"{len(page):,} bytes"),
        Row(f"{case}, CPU of a scrape", milliseconds(cpu)),
        Row(f"{case}, memory", megabytes(memory), "more than without metrics"),
        latency(f"{case}, Allocate", 99, allocated, plainly, "without"),
    ]


@asynccontextmanager
async def _scraped(address: str) -> AsyncIterator[None]:
    async def scrapes() -> None:
        while True:
            await _page(address)
            await asyncio.sleep(_INTERVAL)

    task = asyncio.create_task(scrapes())
    try:
        yield
    finally:
        task.cancel()


async def _reading(workshop: Workshop, scale: Scale, hcas: int) -> list[Row]:
    host = workshop.host(hcas, counters=True)
    inventory = discovery.scan(Host(host.root))
    sharing = Sharing(hcas)
    state = next_state(config.parse(json.dumps(sharing.config)).config, inventory, 0.0)
    tree = _CountingTree(host.root)

    async def read() -> bytes:
        await CounterReader(Host(tree), lambda: state, wait=TIMEOUT).refreshed()
        return b""

    taken = await timed(read, scale.scans)
    reads = tree.reads // scale.scans
    a_minute = reads * _READINGS_A_MINUTE
    return [
        Row(f"{hcas} HCAs, reading", milliseconds(median(taken))),
        Row(f"{hcas} HCAs, reads in /sys a minute", f"{a_minute:,}", f"{reads:,} for a reading"),
    ]


class _CountingTree(DiskTree):
    """Counts the files that are read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads = 0

    def read(self, path: str, limit: int) -> bytes:
        """As DiskTree."""
        self.reads += 1
        return super().read(path, limit)


def _free_address() -> str:
    with socket.socket() as found:
        found.bind((_LOOPBACK, 0))
        return f"{_LOOPBACK}:{found.getsockname()[1]}"


async def _page(address: str) -> bytes:
    """The answer to one scrape, with its head."""
    host, _, port = address.partition(":")
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        page = await reader.read()
        writer.close()
    if b" 200 " not in page[:20]:
        raise BenchError(f"the answer to a scrape begins with {page[:20]!r}")
    return page


def _cpu(page: bytes) -> float:
    """The CPU time of the daemon in seconds, as its own metric counts it."""
    found = _CPU.search(page)
    if found is None:
        raise BenchError("the metrics have no process_cpu_seconds_total")
    return float(found[1])
