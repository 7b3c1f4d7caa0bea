"""Our slices on the API server: listed once, then watched. At rest it is one open request."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.latest import Latest
from rdma_dp.api_server.api_client import Object
from rdma_dp.api_server.api_errors import ApiError, GoneError, error_of, status_code
from rdma_dp.api_server.api_request import Request
from rdma_dp.api_server.dra_api import GROUP, VERSION, DraApi, checked, version_of
from rdma_dp.log import Notice
from rdma_dp.metrics import SliceFacts

logger = logging.getLogger(__name__)

Slices = Mapping[str, Object]  # by name

# Seconds after which the server ends a watch, and after which one that is silent counts as dead.
# client-go asks for 5 to 10 minutes (tools/cache/reflector.go).
_WATCH = 300
_GRACE = 30

# Seconds. A watch that lasted for less is not opened again at once.
_SHORT = 5.0

_LONGEST_EVENT = 8 << 20  # bytes; an object of etcd has 1.5 MiB at most

_MOST_GONE = 256  # more than a node has slices

_WATCHED = Request("watch", GROUP, VERSION, "resourceslices")


class SliceWatch:
    """Keeps `held`: the slices that the server has, None before the first list.

    While the server cannot be reached, they are the last that were seen. `failure` is why.
    """

    def __init__(
        self,
        api: DraApi,
        facts: SliceFacts | None = None,
        seconds: int = _WATCH,
        grace: float = _GRACE,
    ) -> None:
        """`facts` gets the reason of a failure.

        `seconds`: how long a watch lasts. `grace`: how much later a silent one is given up.
        """
        self._api = api
        self._facts = facts or SliceFacts()
        self._seconds = seconds
        self._grace = grace
        self._version: str | None = None
        self._backoff = Backoff()
        self._gone: dict[object, None] = {}  # the uids that were deleted last
        self.held: Latest[Slices | None] = Latest(None)
        self.failure = Notice(
            lambda text: logger.warning("cannot watch the ResourceSlices: %s", text),
            lambda: logger.info("the ResourceSlices are watched again"),
        )

    async def run(self) -> None:
        """Runs until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            begun, pause, self._opened = loop.time(), 0.0, False
            try:
                await self._follow(self._version or await self._list())
            except GoneError:
                self._version = None
            except ApiError as error:
                self.failure.set(str(error))
                self._facts.problem = str(error)
                pause = error.retry_after or 0.0
                if not error.passing:
                    self._version = None
            if self._opened and loop.time() - begun >= _SHORT:
                self._backoff.reset()
            await asyncio.sleep(max(self._backoff.delay(), pause))

    def wrote(self, answer: Object) -> None:
        """The server's answer to a write of ours: it is newer than what the watch has shown."""
        self._keep(answer)

    def deleted(self, held: Object) -> None:
        """A slice that we have deleted, or that the server does not have any more."""
        self._drop(held)

    async def _list(self) -> str:
        found = await self._api.slices()
        self._version = found.version
        newer = [each for each in self._known.values() if _number(each) > _as_number(found.version)]
        listed = {_name(each): each for each in found.items}
        listed |= {_name(each): each for each in newer}  # written while the list was made
        self.held.set(MappingProxyType(listed))
        return found.version

    async def _follow(self, version: str) -> None:
        """Until the server ends the watch. Raises ApiError."""
        # Not all nodes of a cluster at the same moment.
        seconds = round(self._seconds * random.uniform(0.9, 1.1))  # noqa: S311 - no secret
        async with self._api.slice_changes(version, seconds, seconds + self._grace) as parts:
            self._opened = True
            if self.failure.set(None):
                self._facts.problem = None
            async for line in _lines(parts):
                self._take(_event(line))

    def _take(self, event: Object) -> None:
        kind, found = event.get("type"), event.get("object")
        if not isinstance(found, dict):
            raise ApiError(f"the API server sends an event without an object: {kind}")
        if kind == "ERROR":
            raise error_of(_WATCHED, status_code(found), found)
        self._version = version_of(found)
        if kind in ("ADDED", "MODIFIED"):
            self._keep(checked(found))
        elif kind == "DELETED":
            self._drop(checked(found))

    @property
    def _known(self) -> Slices:
        return self.held.value or {}

    def _keep(self, found: Object) -> None:
        """Takes a slice, unless it is gone or a newer one of the same name is known.

        The answer to a write may come later than what the watch shows of its deletion.
        """
        before = self._known.get(_name(found))
        if _uid(found) in self._gone:
            return
        if before is None or _number(found) > _number(before):
            self.held.set(MappingProxyType({**self._known, _name(found): found}))

    def _drop(self, gone: Object) -> None:
        """Drops a slice, but not a new one of the same name."""
        self._gone[_uid(gone)] = None
        for uid in [*self._gone][:-_MOST_GONE]:
            del self._gone[uid]
        known = {**self._known}
        before = known.get(_name(gone))
        if before is not None and _uid(before) == _uid(gone):
            del known[_name(gone)]
            self.held.set(MappingProxyType(known))


async def _lines(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The lines of a stream; parts end anywhere."""
    rest = bytearray()
    async for part in parts:
        rest += part
        if b"\n" in part:
            *whole, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in whole:
                if line.strip():
                    yield line
        if len(rest) > _LONGEST_EVENT:
            raise ApiError(f"the API server sends an event of more than {_LONGEST_EVENT} bytes")


def _event(line: bytes) -> Object:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ApiError("the API server sends an event that is not JSON") from error
    if not isinstance(event, dict):
        raise ApiError("the API server sends an event that is no JSON object")
    return event


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])


def _uid(found: Object) -> object:
    return found["metadata"].get("uid")


def _number(found: Object) -> int:
    """The resource version as a number: a later one of the same kind is greater (KEP-5504)."""
    return _as_number(found["metadata"].get("resourceVersion", ""))


def _as_number(version: str) -> int:
    return int(version) if version.isascii() and version.isdigit() else 0
