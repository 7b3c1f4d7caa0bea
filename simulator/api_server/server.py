"""The fake API server itself: HTTP, tokens, rules, watches."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from simulator.api_server import slice_rules
from simulator.api_server.faults import ApiFault
from simulator.api_server.store import KINDS, Key, Object, StatusError, Store, stamped

TOKEN = "token-1"  # noqa: S105 - of a test

_DEADLINE = 60.0  # seconds for a test that waits
_WATCH = 1800.0  # seconds of a watch that names none

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_CORE = "/api/v1"
_GROUP = "/apis/resource.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered: its verb and resource as RBAC names them, and the status.

    A watch is listed when it begins. `status` 0: the connection was closed. `dry_run`: nothing was
    stored.
    """

    verb: str
    resource: str
    name: str
    status: int
    dry_run: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it was carried out."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class FakeApiServer:
    """Runs within an asynchronous context, on a port of the loopback interface.

    `gates` are the feature gates that are on, `tokens` those that are accepted, `forbidden` the
    pairs of verb and resource that RBAC refuses, `answered` all requests so far.
    """

    def __init__(self, version: slice_rules.Version = (1, 36)) -> None:
        self.gates = frozenset(
            gate for gate, since in slice_rules.GATES_SINCE.items() if version >= since
        )
        self.tokens = {TOKEN}
        self.forbidden: set[tuple[str, str]] = set()
        self.faults: list[ApiFault] = []
        self.answered: list[Answered] = []
        self.store = Store()
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._breaks = 0

    @property
    def url(self) -> str:
        """Its URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens; after `stop` on the same port, with the same objects."""
        application = web.Application(client_max_size=8 << 20)
        for base in (_CORE, _GROUP):
            application.router.add_route("*", base + "/{path:.+}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Closes every connection."""
        self.break_watches()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    def break_watches(self) -> None:
        """Closes the connections of all watches, as a load balancer may."""
        self._breaks += 1
        self.store.wake()

    def write_service_account(self, directory: Path, token: str = TOKEN) -> Path:
        """Writes the files of a ServiceAccount; RDMA_DP_SERVICE_ACCOUNT takes the directory."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "token").write_text(token)
        return directory

    def environment(self, directory: Path) -> dict[str, str]:
        """The variables with which a daemon finds this server. `directory` gets its token."""
        account = self.write_service_account(directory)
        return {"RDMA_DP_API_SERVER": self.url, "RDMA_DP_SERVICE_ACCOUNT": str(account)}

    # --- what a test does as another client ---------------------------------------------------

    def add(self, resource: str, wanted: Object) -> Object:
        """Stores an object as an administrator or controller would."""
        metadata = wanted["metadata"]
        return self.store.create(
            (resource, metadata.get("namespace", ""), metadata["name"]), wanted
        )

    def add_node(self, name: str) -> str:
        """Adds a Node. Returns its uid."""
        return str(self.add("nodes", {"metadata": {"name": name}})["metadata"]["uid"])

    def slices(self) -> list[Object]:
        """All ResourceSlices, by name."""
        return self.store.all("resourceslices")

    def devices(self) -> dict[str, Object]:
        """The devices of all slices, by name."""
        every = (device for each in self.slices() for device in each["spec"].get("devices") or ())
        return {device["name"]: device for device in every}

    def delete_slices(self, node: str) -> None:
        """What kubelet does at its start, and 30 s after the last instance of a driver is gone."""
        for each in self.slices():
            if each["spec"].get("nodeName") == node:
                self.store.delete(("resourceslices", "", each["metadata"]["name"]))

    def writes(self) -> list[Answered]:
        """The requests that stored something."""
        return [
            each
            for each in self.answered
            if each.verb in _VERBS.values() and each.succeeded and not each.dry_run
        ]

    def count(self, verb: str, resource: str) -> int:
        """How many such requests succeeded, dry runs not counted."""
        wanted = verb, resource
        found = (each for each in self.answered if (each.verb, each.resource) == wanted)
        return sum(each.succeeded and not each.dry_run for each in found)

    async def until(self, accept: Callable[[], bool], deadline: float = _DEADLINE) -> None:
        """Waits until something holds. It is checked after each request and change."""
        try:
            async with asyncio.timeout(deadline):
                await self.store.until(accept)
        except TimeoutError:
            raise TimeoutError(f"{self.answered[-12:]}") from None

    # --- requests -----------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        key, subresource = _addressed(request)
        resource = f"{key[0]}/{subresource}" if subresource else key[0]
        verb = _verb(request, key)
        dry_run = request.query.get("dryRun") == "All"
        status = 0
        try:
            fault = next((each for each in self.faults if each.concerns(verb, resource)), None)
            if fault is not None:
                fault.times -= 1
                if fault.carried_out and verb in _VERBS.values():
                    await self._carry_out(request, verb, key, subresource, dry_run=dry_run)
                if fault.status is None:
                    _close(request)
                status = fault.status or 0
                return _failed(fault)
            self._authorize(request, verb, resource)
            if verb == "watch":
                status = 200
                self._note(Answered(verb, resource, key[2], status))
                return await self._watch(request, key[0])
            made = await self._carry_out(request, verb, key, subresource, dry_run=dry_run)
            status = HTTPStatus.CREATED if verb == "create" else HTTPStatus.OK
            return web.json_response(made, status=status)
        except StatusError as error:
            status = error.code
            return web.json_response(error.status, status=error.code)
        finally:
            if verb != "watch" or status != 200:
                self._note(Answered(verb, resource, key[2], int(status), dry_run))

    def _note(self, answered: Answered) -> None:
        self.answered.append(answered)
        self.store.wake()

    def _authorize(self, request: web.Request, verb: str, resource: str) -> None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            raise StatusError(401, "Unauthorized", "Unauthorized")
        if (verb, resource) in self.forbidden:
            message = f'User "system:serviceaccount:kube-system:rdma-dp" cannot {verb} resource'
            raise StatusError(403, "Forbidden", f'{resource} is forbidden: {message} "{resource}"')

    async def _carry_out(
        self, request: web.Request, verb: str, key: Key, subresource: str, *, dry_run: bool
    ) -> Object:
        body = json.loads(await request.read() or b"{}")
        if verb == "get":
            return self.store.get(key)
        if verb == "list":
            return self._list(request, key[0])
        if verb == "create":
            return self._created(key, body, dry_run=dry_run)
        if verb == "update":
            return self._replaced(key, body)
        if verb == "delete":
            return self.store.delete(key, body.get("preconditions"))
        if subresource == "status":
            return self._applied(key, body)
        raise StatusError(405, "MethodNotAllowed", f"{verb} is not simulated")

    def _created(self, key: Key, body: Object, *, dry_run: bool) -> Object:
        key = (key[0], key[1], body.get("metadata", {}).get("name", ""))
        return self.store.create(key, self._admitted(key, body, None), dry_run=dry_run)

    def _replaced(self, key: Key, body: Object) -> Object:
        return self.store.replace(key, self._admitted(key, body, self.store.get(key)))

    def _admitted(self, key: Key, body: Object, before: Object | None) -> Object:
        """What is kept of an object. Raises StatusError if it is refused."""
        if key[0] == "resourceslices":
            body = slice_rules.dropped(body, self.gates)
            slice_rules.check(body, before)
            stamped(body, before)
        return body

    def _applied(self, key: Key, body: Object) -> Object:
        """Server-side apply of a status: one manager's devices replace those of before."""
        before = self.store.get(key)
        uid = before["metadata"]["uid"]
        if body.get("metadata", {}).get("uid", uid) != uid:
            raise StatusError(409, "Conflict", "Precondition failed: UID in precondition")
        return self.store.replace(
            key, {**before, "status": {**before.get("status", {}), **body["status"]}}
        )

    def _list(self, request: web.Request, resource: str) -> Object:
        items = [each for each in self.store.all(resource) if _selected(request, each)]
        return {
            "kind": f"{KINDS[resource]}List",
            "metadata": {"resourceVersion": str(self.store.version)},
            "items": items,
        }

    async def _watch(self, request: web.Request, resource: str) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        end = loop.time() + float(request.query.get("timeoutSeconds", _WATCH))
        seen, breaks = int(request.query.get("resourceVersion") or 0), self._breaks
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while loop.time() < end:
            if seen < self.store.oldest and seen:
                gone = StatusError(410, "Expired", f"too old resource version: {seen}").status
                await response.write(_line("ERROR", gone))
                return response
            news = [each for each in self.store.changes if each.version > seen]
            newest = self.store.version  # more changes may come while these are sent
            for change in news:
                if change.key[0] == resource and _selected(request, change.object):
                    await response.write(_line(change.type, change.object))
            if seen < newest:
                seen = newest
                mark = {"kind": KINDS[resource], "metadata": {"resourceVersion": str(seen)}}
                await response.write(_line("BOOKMARK", mark))
            if self._breaks != breaks:
                _close(request)
                return response
            await _within(self.store.changed_after(seen), end - loop.time())
        return response


async def _within(wait: Any, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wait
    except TimeoutError:
        return


def _addressed(request: web.Request) -> tuple[Key, str]:
    """The object or collection of a path, and the subresource."""
    parts = request.match_info["path"].split("/")
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    resource, name, subresource = (*parts, "", "")[:3]
    return (resource, namespace, name), subresource


def _verb(request: web.Request, key: Key) -> str:
    if request.method != "GET":
        return _VERBS.get(request.method, request.method)
    if key[2]:
        return "get"
    return "watch" if request.query.get("watch") == "true" else "list"


def _selected(request: web.Request, found: Object) -> bool:
    """Whether the field selector takes the object."""
    wanted = dict(
        part.split("=", 1) for part in request.query.get("fieldSelector", "").split(",") if part
    )
    for path, value in wanted.items():
        at: Any = found
        for step in path.split("."):
            at = at.get(step, "") if isinstance(at, dict) else ""
        if at != value:
            return False
    return True


def _line(type_: str, found: Object) -> bytes:
    return json.dumps({"type": type_, "object": found}).encode() + b"\n"


def _failed(fault: ApiFault) -> web.Response:
    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
    code = fault.status or 500
    return web.json_response(
        StatusError(code, "Fault", "a fault of the test").status, status=code, headers=headers
    )


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
