"""Requests to the API server: JSON over one connection that is kept.

A request is tried once, or until its `patience` is over: then 401, 429, 5xx and connections that
fail are tried again, with growing delays and jitter, or after the delay that the server asks for.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp

from rdma_dp import __version__
from rdma_dp.aio.backoff import Backoff
from rdma_dp.api_server.api_errors import ApiError, UnreachableError, error_of, message_of
from rdma_dp.api_server.api_request import Request
from rdma_dp.api_server.credentials import Credentials
from rdma_dp.metrics import Tally

Object = dict[str, Any]

_TIMEOUT = 10.0  # seconds for one request with its answer
_LIMIT = 8 << 20  # bytes of an answer; the largest object of etcd has 1.5 MiB

# A connection that breaks silently is noticed after about a minute, without a request: kubelet may
# delete our slices in the meantime. client-go sends HTTP/2 pings after 30 s for the same.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)

JSON = "application/json"
APPLY = "application/apply-patch+yaml"  # server-side apply. JSON is YAML


class ApiClient:
    """A client with the credentials of this node's pod. Use it as an asynchronous context.

    `errors` counts the failed tries by their kind.
    """

    def __init__(
        self,
        credentials: Callable[[], Credentials],
        errors: Tally | None = None,
        timeout: float = _TIMEOUT,
    ) -> None:
        """`credentials` is called for each request. `timeout`: seconds for one with its answer."""
        self._credentials = credentials
        self._errors = errors or Tally()
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._tls: tuple[object, ssl.SSLContext] | None = None

    async def __aenter__(self) -> Self:
        # trust_env stays false: a proxy for the Internet is not for the API server.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=8, socket_factory=_socket),
            headers={"User-Agent": f"rdma-dp/{__version__}", "Accept": "application/json"},
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        request: Request,
        body: Object | None = None,
        content_type: str = JSON,
        patience: float = 0.0,
    ) -> Object:
        """The object that the server answers with.

        `patience`: seconds within which another try may begin. 0 means one try. Raises ApiError.
        """
        loop, backoff = asyncio.get_running_loop(), Backoff()
        end = loop.time() + patience
        while True:
            try:
                return await self._once(request, body, content_type)
            except ApiError as error:
                delay = max(backoff.delay(), error.retry_after or 0.0)
                if not error.passing or loop.time() + delay >= end:
                    raise
                await asyncio.sleep(delay)

    async def _once(self, request: Request, body: Object | None, content_type: str) -> Object:
        limit = aiohttp.ClientTimeout(total=self._timeout)
        content = None if body is None else (content_type, json.dumps(body).encode())
        async with self._answer(request, limit, content) as answer:
            found = _parsed(await _whole(answer, request))
            if not isinstance(found, dict):
                raise ApiError(f"the API server's answer to {request} is no JSON object")
            return found

    @asynccontextmanager
    async def stream(self, request: Request, idle: float) -> AsyncIterator[AsyncIterator[bytes]]:
        """The parts of an answer that goes on until the server ends it.

        `idle`: seconds without a byte after which the connection counts as dead. Raises ApiError,
        also while the parts are read.
        """
        limit = aiohttp.ClientTimeout(
            total=None, connect=self._timeout, sock_connect=self._timeout, sock_read=idle
        )
        async with self._answer(request, limit) as answer:
            yield answer.content.iter_any()

    @asynccontextmanager
    async def _answer(
        self,
        request: Request,
        limit: aiohttp.ClientTimeout,
        content: tuple[str, bytes] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with a status of success. Every failure becomes an ApiError, and is counted.

        `content` is the type of a body, and the body.
        """
        try:
            async with self._sent(request, limit, content) as answer:
                if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
                    text = await _whole(answer, request)
                    after = answer.headers.get("Retry-After")
                    raise error_of(request, answer.status, _parsed(text), after)
                yield answer
        except ApiError as error:
            self._errors.add(error.kind)
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._errors.add(UnreachableError.kind)
            raise _unreachable(request, error) from error

    def _sent(
        self, request: Request, limit: aiohttp.ClientTimeout, content: tuple[str, bytes] | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("ApiClient is not entered")
        credentials = self._credentials()
        headers = {"Authorization": f"Bearer {credentials.token()}"}
        if content is not None:
            headers["Content-Type"] = content[0]
        return self._session.request(
            request.method,
            credentials.url + request.path,
            params=request.query,
            data=content[1] if content is not None else None,
            headers=headers,
            ssl=self._context(credentials),
            timeout=limit,
            allow_redirects=False,
        )

    def _context(self, credentials: Credentials) -> ssl.SSLContext | bool:
        """One context for all requests until the CA certificate is replaced."""
        if not credentials.secure:
            return True  # aiohttp's default; no TLS is used
        version = credentials.ca_version()
        if self._tls is None or self._tls[0] != version:
            self._tls = version, credentials.tls()
        return self._tls[1]


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """A TCP socket that notices a dead connection. `address` is a row of getaddrinfo."""
    made = socket.socket(*address[:3])
    for option in _KEEPALIVE:
        made.setsockopt(*option)
    return made


async def _whole(answer: aiohttp.ClientResponse, request: Request) -> bytes:
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > _LIMIT:
            raise ApiError(f"the API server's answer to {request} has more than {_LIMIT} bytes")
    return bytes(body)


def _parsed(text: bytes) -> Any:
    """JSON, or the text itself when it is none, as of a proxy."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text.decode(errors="replace")


def _unreachable(request: Request, error: BaseException) -> UnreachableError:
    reason = "no answer in time" if isinstance(error, TimeoutError) else message_of(error)
    return UnreachableError(f"the API server cannot be reached to {request}: {reason}")
