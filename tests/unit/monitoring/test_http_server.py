"""Requests are parsed from any bytes, and no client holds a connection."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.monitoring.http_server import Pages, Request, Response, parse

TOKENS = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12)
VALUES = st.text("abc123 ;=,/*", max_size=20).map(str.strip)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_none(head: bytes) -> None:
    request = parse(head.decode("latin-1"))
    assert request is None or request.path.startswith("/")


@given(TOKENS, st.dictionaries(TOKENS, VALUES, max_size=5), st.text("a=&1", max_size=9))
def test_a_request_keeps_its_path_and_headers(
    name: str, headers: dict[str, str], query: str
) -> None:
    lines = [f"GET /{name}?{query} HTTP/1.1", *(f"{k.title()}: {v}" for k, v in headers.items())]
    assert parse("\r\n".join([*lines, "", ""])) == Request("GET", f"/{name}", headers)


BODY = b"x" * 1_000_000


async def large(_: Request) -> Response:
    return Response(BODY)


@asynccontextmanager
async def clients(pages: Pages, count: int) -> AsyncIterator[list[socket.socket]]:
    """Connections whose buffers are too small for a page, each served by `pages`."""
    ends: list[socket.socket] = []
    serving = []
    for _ in range(count):
        ours, theirs = socket.socketpair()
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        reader, writer = await asyncio.open_connection(sock=theirs)
        serving.append(asyncio.create_task(pages.serve(reader, writer)))
        ends.append(ours)
    try:
        yield ends
        async with asyncio.timeout(60):
            await asyncio.gather(*serving)
    finally:
        for end in ends:
            end.close()


async def test_a_client_that_does_not_read_loses_its_connection() -> None:
    pages = Pages({"/": large}, deadline=0.2)
    async with clients(pages, 3) as ends:
        for end in ends:
            end.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert pages.open_connections == 0


async def test_all_connections_end_with_the_server() -> None:
    """From Python 3.12 on, a server waits for its connections when it is closed."""
    pages = Pages({"/": large})
    async with clients(pages, 3) as ends:
        for _ in range(10):  # turns of the loop, in which the requests are awaited
            await asyncio.sleep(0)
        assert pages.open_connections == len(ends)
        pages.abort()
    assert pages.open_connections == 0


async def test_a_page_that_fails_is_an_error_and_not_an_empty_answer() -> None:
    async def fails(_: Request) -> Response:
        raise ValueError("no page")

    pages = Pages({"/": fails})
    async with clients(pages, 1) as ends:
        ends[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert pages.open_connections == 0
