"""A small HTTP server for pages that are read: GET and HEAD, one request per connection.

It runs on the daemon's event loop, so that an answer shows that the loop runs, and so that no
client can use up threads. The pages themselves are made elsewhere: a page that takes long is made
in a thread. Each limit below bounds what a client can hold.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

logger = logging.getLogger(__name__)

HEAD_LIMIT = 8192  # bytes of request line and headers
_DEADLINE = 10.0  # seconds for a whole request, the page included
_CONNECTIONS = 16  # at once; Prometheus opens one


@dataclass(frozen=True, slots=True)
class Request:
    """A request: its method, its path without the query, its headers by lowercase names."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `headers` are further headers."""

    body: bytes
    content_type: str = "text/plain; charset=utf-8"
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


Page = Callable[[Request], Awaitable[Response]]


class Pages:
    """Answers connections from pages by their paths. Pass `serve` to asyncio's servers."""

    def __init__(self, pages: Mapping[str, Page], deadline: float = _DEADLINE) -> None:
        self._pages = pages
        self._deadline = deadline
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: reads a request, answers it and closes. Never raises."""
        self._writers.add(writer)
        try:
            async with asyncio.timeout(self._deadline):
                if len(self._writers) <= _CONNECTIONS:
                    await self._answer(reader, writer)
                writer.close()  # sends what is left; a client that does not read delays it
                await writer.wait_closed()
        except (TimeoutError, OSError):
            logger.debug("a client was slow, or closed its connection")
        except Exception:
            logger.exception("a request for metrics or a probe failed")
        finally:
            self._writers.discard(writer)
            writer.transport.abort()  # does nothing to one that is closed

    @property
    def open_connections(self) -> int:
        """How many connections are served now."""
        return len(self._writers)

    def abort(self) -> None:
        """Ends all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = parse((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        except asyncio.IncompleteReadError:
            return  # it closed the connection without a request
        except asyncio.LimitOverrunError:
            request, response = None, _error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        else:
            response = await self._response(request)
        with_body = request is None or request.method != "HEAD"
        writer.write(_encoded(response, with_body=with_body))
        await writer.drain()

    async def _response(self, request: Request | None) -> Response:
        if request is None:
            return _error(HTTPStatus.BAD_REQUEST)
        if request.method not in ("GET", "HEAD"):
            return _error(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
        page = self._pages.get(request.path)
        if page is None:
            return _error(HTTPStatus.NOT_FOUND, body=f"pages: {' '.join(self._pages)}\n")
        try:
            return await page(request)
        except Exception:
            logger.exception("the page %s failed", request.path)
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR)


def parse(head: str) -> Request | None:
    """The request of its first lines; None if they are no HTTP/1 request."""
    first, *lines = head.split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1.") or not words[1].startswith("/"):
        return None
    fields = (line.partition(":") for line in lines if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    return Request(words[0], words[1].partition("?")[0], headers)


def _error(
    status: HTTPStatus, headers: Mapping[str, str] | None = None, body: str = ""
) -> Response:
    text = body or f"{status.phrase}\n"
    return Response(text.encode(), status=status, headers=headers or {})


def _encoded(response: Response, *, with_body: bool) -> bytes:
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "Connection": "close",
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    return head + response.body if with_body else head
