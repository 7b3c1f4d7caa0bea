"""The listeners for metrics (TCP) and probes (a Unix socket).

A listener that cannot be opened is tried again each second, and nothing else waits for it. During a
rolling update with the node's network, the process that ends still has the port: the new one takes
it over when it is free. Both must never have it, or Prometheus would get the counters of one and
the other by turns.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from rdma_dp.aio.threads import in_thread
from rdma_dp.errors import FAILED_READ, reason_of
from rdma_dp.host.files import Host
from rdma_dp.log import Notice
from rdma_dp.monitoring.address import Address
from rdma_dp.monitoring.counter_reader import CounterReader
from rdma_dp.monitoring.exposition import Exposition
from rdma_dp.monitoring.http_server import HEAD_LIMIT, Pages, Request, Response
from rdma_dp.monitoring.observed import Observed
from rdma_dp.monitoring.pod_reader import PodReader
from rdma_dp.monitoring.readiness import why_not_ready

logger = logging.getLogger(__name__)

_AGAIN = 1.0  # seconds until the next try

Open = Callable[[], Awaitable[asyncio.Server]]


async def serve_metrics(
    address: Address, observed: Observed, host: Host, pod_resources: Path
) -> None:
    """Serves /metrics until cancelled.

    `host` has the counters of the HCAs. `pod_resources` is kubelet's socket for its list of pods.
    """
    counters = CounterReader(host, observed.state)
    pods = PodReader(pod_resources, host, observed.state)
    exposition = Exposition(observed, counters, pods)

    turn = asyncio.Lock()  # pages made side by side would take the interpreter from Allocate

    async def metrics(request: Request) -> Response:
        await asyncio.gather(counters.refreshed(), pods.refreshed())
        async with turn:
            page = await in_thread(
                exposition.page,
                request.headers.get("accept", ""),
                request.headers.get("accept-encoding", ""),
            )
        headers = {"Content-Encoding": page.encoding} if page.encoding else {}
        return Response(page.body, page.content_type, headers=headers)

    pages = Pages({"/metrics": metrics})

    async def listen() -> asyncio.Server:
        return await asyncio.start_server(pages.serve, address.host, address.port, limit=HEAD_LIMIT)

    await _keep_open(f"metrics on {address}", listen, pages)


async def serve_probes(path: Path, observed: Observed) -> None:
    """Serves /live and /ready on a Unix socket until cancelled."""

    async def listen() -> asyncio.Server:
        # The socket of a container that ended may be left: the directory outlives it.
        server = await asyncio.start_unix_server(pages.serve, path, limit=HEAD_LIMIT)
        try:
            await in_thread(path.chmod, 0o600)
        except BaseException:
            server.close()
            raise
        return server

    pages = Pages(probe_pages(observed))
    await _keep_open(f"probes on {path}", listen, pages)


def probe_pages(observed: Observed) -> Mapping[str, Callable[[Request], Awaitable[Response]]]:
    """The pages of the probes by their paths. 503 means no; the body has the reasons."""

    async def live(_: Request) -> Response:
        return Response(b"the event loop answers\n")

    async def ready(_: Request) -> Response:
        reasons = list(why_not_ready(observed))
        text = "".join(f"{reason}\n" for reason in reasons) or "ready\n"
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return Response(text.encode(errors="replace"), status=status)

    return {"/live": live, "/ready": ready}


async def _keep_open(what: str, listen: Open, pages: Pages) -> None:
    notice = Notice(lambda text: logger.warning("no %s: %s; trying again", what, text))
    while True:
        try:
            server = await listen()
        except FAILED_READ as error:
            number = getattr(error, "errno", None)
            notice.set(os.strerror(number) if number else reason_of(error))
            await asyncio.sleep(_AGAIN)
            continue
        notice.set(None)
        logger.info("serving %s", what)
        try:
            await asyncio.Event().wait()
        finally:  # not wait_closed(): from Python 3.12 on, it waits for every connection
            server.close()
            pages.abort()
