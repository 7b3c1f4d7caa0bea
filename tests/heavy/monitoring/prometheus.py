"""Debian's Prometheus as a process, and its answers."""

import asyncio
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.integration.daemon.scraping import LOOPBACK, free_port


@asynccontextmanager
async def prometheus(directory: Path, targets: Mapping[str, int]) -> AsyncIterator[int]:
    """Prometheus, which scrapes each second. Yields its port.

    `targets` are the ports of the targets by the names of their nodes.
    """
    port = free_port()
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump(_scrapes(targets)))
    process = await asyncio.create_subprocess_exec(
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={LOOPBACK}:{port}", "--log.level=warn",
        env={**os.environ, "HOME": str(directory)},
    )  # fmt: skip
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


def _scrapes(targets: Mapping[str, int]) -> Any:
    places = [
        {"targets": [f"{LOOPBACK}:{port}"], "labels": {"node": node}}
        for node, port in targets.items()
    ]
    return {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "rdma-dp", "honor_labels": True, "static_configs": places}],
    }


async def asked(port: int, query: str, **window: float) -> list[Any]:
    """The result of a query; [] while Prometheus starts.

    An instant query, or a query of a range with its `start`, `end` and `step` in seconds.
    """
    what = "query_range" if window else "query"
    words = urllib.parse.urlencode({"query": query, **window})
    url = f"http://{LOOPBACK}:{port}/api/v1/{what}?{words}"

    def ask() -> list[Any]:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return list(json.load(answer)["data"]["result"])
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts
                return []
            raise AssertionError(f"{query}: {error.read().decode()}") from error
        except (urllib.error.URLError, ConnectionError):
            return []

    return await asyncio.to_thread(ask)


async def until_answered(port: int, query: str) -> None:
    """Wait for a number: NaN is none."""
    while True:
        if any(each["value"][1] != "NaN" for each in await asked(port, query)):
            return
        await asyncio.sleep(0.5)
