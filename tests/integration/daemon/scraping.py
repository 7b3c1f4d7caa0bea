"""A scrape of the daemon's metrics, as Prometheus makes it."""

import asyncio
import gzip
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.daemon.process import DEADLINE

LOOPBACK = "127.0.0.1"
TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        zipped = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if zipped else self.body).decode()


class Samples:
    """The samples of one scrape."""

    def __init__(self, text: str, content_type: str = TEXT) -> None:
        parse = (
            openmetrics.text_string_to_metric_families
            if "openmetrics" in content_type
            else text_string_to_metric_families
        )
        self.families = list(parse(text))
        self.numbers = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in self.families
            for sample in family.samples
        }

    def get(self, name: str, **labels: str) -> float | None:
        return self.numbers.get((f"rdma_dp_{name}", frozenset(labels.items())))

    def labels(self, name: str) -> list[dict[str, str]]:
        return [dict(labels) for each, labels in self.numbers if each == f"rdma_dp_{name}"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


async def raw(port: int, request: bytes) -> bytes:
    """The whole answer to these bytes; b"" if the connection is closed without one."""
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()


async def get(port: int, path: str = "/metrics", *, method: str = "GET", **headers: str) -> Answer:
    lines = [f"{method} {path} HTTP/1.1", "Host: node", *(f"{k}: {v}" for k, v in headers.items())]
    head, _, body = (await raw(port, "\r\n".join([*lines, "", ""]).encode())).partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    pairs = (field.split(": ", 1) for field in fields)
    return Answer(int(first.split()[1]), {name.lower(): value for name, value in pairs}, body)


async def scrape(port: int) -> Samples:
    """The samples now. Waits for the listener."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return Samples((await get(port)).text)
            except ConnectionRefusedError:
                await asyncio.sleep(0.05)


async def shows(port: int, name: str, value: float | None, /, **labels: str) -> Samples:
    """The first scrape with this value of the sample; None for a scrape without the sample."""
    samples = await scrape(port)
    async with asyncio.timeout(DEADLINE):
        while samples.get(name, **labels) != value:
            await asyncio.sleep(0.05)
            samples = await scrape(port)
    return samples
