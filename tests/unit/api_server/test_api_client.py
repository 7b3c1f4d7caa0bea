"""Requests, over real sockets, to a fake API server."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rdma_dp.api_server.api_client import ApiClient
from rdma_dp.api_server.api_errors import (
    ApiError,
    BusyError,
    ConflictError,
    NoCredentialsError,
    NotFoundError,
    UnauthorizedError,
    UnreachableError,
)
from rdma_dp.api_server.api_request import Request
from rdma_dp.api_server.credentials import Credentials
from rdma_dp.api_server.dra_api import DraApi
from rdma_dp.metrics import Tally
from simulator.api_server import ApiFault, FakeApiServer

NODE = Request("get", "", "v1", "nodes", "n")
SPEC = {
    "driver": "d.example.com",
    "nodeName": "n",
    "pool": {"name": "n", "generation": 1, "resourceSliceCount": 1},
    "devices": [],
}
SLICE = {"metadata": {"generateName": "x-"}, "spec": SPEC}


@pytest.fixture
async def server() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as running:
        running.add_node("n")
        yield running


@pytest.fixture
def account(server: FakeApiServer, tmp_path: Path) -> Path:
    return server.write_service_account(tmp_path)


@pytest.fixture
async def client(server: FakeApiServer, account: Path) -> AsyncIterator[ApiClient]:
    async with ApiClient(lambda: Credentials(server.url, account)) as entered:
        yield entered


@pytest.fixture
def api(client: ApiClient) -> DraApi:
    return DraApi(client, "n", "d.example.com")


@pytest.mark.parametrize(
    "fault",
    [
        ApiFault(429, retry_after=0, times=2),
        ApiFault(500, times=2),
        ApiFault(None, times=2),
        ApiFault(401),
    ],
    ids=str,
)
async def test_what_passes_is_tried_again(
    server: FakeApiServer, client: ApiClient, fault: ApiFault
) -> None:
    server.faults.append(fault)
    assert (await client.call(NODE, patience=60.0))["metadata"]["name"] == "n"
    assert fault.times == 0


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422])
async def test_what_does_not_pass_is_not_tried_again(
    server: FakeApiServer, client: ApiClient, status: int
) -> None:
    server.faults.append(ApiFault(status, times=2))
    with pytest.raises(ApiError, match=f"answers {status} to get nodes n: a fault of the test"):
        await client.call(NODE, patience=60.0)
    assert len(server.answered) == 1


async def test_without_patience_there_is_one_try(server: FakeApiServer, client: ApiClient) -> None:
    server.faults.append(ApiFault(503, retry_after=7))
    with pytest.raises(BusyError) as raised:
        await client.call(NODE)
    assert raised.value.retry_after == 7
    assert len(server.answered) == 1


async def test_a_delay_beyond_the_patience_is_not_waited_for(
    server: FakeApiServer, client: ApiClient
) -> None:
    server.faults.append(ApiFault(429, retry_after=3600))
    with pytest.raises(BusyError):
        await client.call(NODE, patience=30.0)


async def test_the_token_is_checked_and_read_again(
    server: FakeApiServer, client: ApiClient, account: Path
) -> None:
    server.tokens = {"second"}
    with pytest.raises(UnauthorizedError):
        await client.call(NODE)
    server.write_service_account(account, "second")
    await client.call(NODE)


async def test_errors_are_counted_by_kind(server: FakeApiServer, account: Path) -> None:
    errors = Tally()
    async with ApiClient(lambda: Credentials(server.url, account), errors) as client:
        # aiohttp itself tries once more on a kept connection that breaks.
        server.faults += [ApiFault(503), ApiFault(None, times=2), ApiFault(409)]
        for error in (BusyError, UnreachableError, ConflictError):
            with pytest.raises(error):
                await client.call(NODE)
        (account / "token").unlink()
        with pytest.raises(NoCredentialsError):
            await client.call(NODE)
    assert errors.values == {
        ("busy",): 1,
        ("unreachable",): 1,
        ("conflict",): 1,
        ("no-credentials",): 1,
    }


async def test_no_server_listens(server: FakeApiServer, client: ApiClient) -> None:
    await server.stop()
    with pytest.raises(UnreachableError, match="cannot be reached to get nodes n"):
        await client.call(NODE)


async def test_a_server_that_does_not_answer(account: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1")
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, ApiClient(lambda: Credentials(url, account), timeout=0.2) as client:
        with pytest.raises(UnreachableError, match="no answer in time"):
            await client.call(NODE)


@pytest.mark.parametrize("body", ["[]", "7", "no json", "[" * 100_000])
async def test_an_answer_that_is_no_object(account: Path, body: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write((head + body).encode())
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(answer, "127.0.0.1")
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener, ApiClient(lambda: Credentials(url, account)) as client:
        with pytest.raises(ApiError, match="no JSON object"):
            await client.call(NODE)


async def test_a_call_that_is_cancelled_leaves_the_client_usable(
    server: FakeApiServer, client: ApiClient
) -> None:
    server.faults.append(ApiFault(503, times=1000))
    waiting = asyncio.create_task(client.call(NODE, patience=600.0))
    await server.until(lambda: len(server.answered) >= 2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    server.faults.clear()
    await client.call(NODE)


async def test_a_slice_is_created_changed_and_deleted(server: FakeApiServer, api: DraApi) -> None:
    made = await api.create_slice(SLICE)
    changed = {**made, "spec": {**SPEC, "devices": [{"name": "one"}]}}
    newer = await api.update_slice(changed)
    with pytest.raises(ConflictError):
        await api.update_slice(changed)
    with pytest.raises(ConflictError):
        await api.delete_slice(made)
    assert [each["metadata"]["uid"] for each in (await api.slices()).items] == [
        made["metadata"]["uid"]
    ]
    await api.delete_slice(newer)
    with pytest.raises(NotFoundError):
        await api.delete_slice(newer)
    assert server.slices() == []


async def test_a_slice_that_is_only_tried_is_not_stored(server: FakeApiServer, api: DraApi) -> None:
    assert (await api.try_slice(SLICE))["spec"] == SPEC
    assert server.slices() == []


async def test_claims(server: FakeApiServer, api: DraApi) -> None:
    claim = server.add("resourceclaims", {"metadata": {"name": "c", "namespace": "ns"}})
    uid = claim["metadata"]["uid"]
    assert (await api.claim("ns", "c"))["metadata"]["uid"] == uid
    with pytest.raises(NotFoundError):
        await api.claim("ns", "d")
    status = {"devices": [{"driver": "d.example.com", "device": "x", "pool": "n"}]}
    await api.apply_claim_status("ns", "c", uid, status)
    assert (await api.claim("ns", "c"))["status"] == status
    with pytest.raises(ConflictError):
        await api.apply_claim_status("ns", "c", "another", status)


async def test_the_node(server: FakeApiServer, api: DraApi) -> None:
    assert await api.node_uid() == server.store.all("nodes")[0]["metadata"]["uid"]


class Odd:
    """A client to which a proxy answers with JSON of its own."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer

    async def call(self, *_: object, **__: object) -> Mapping[str, Any]:
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"metadata": None, "items": 7},
        {"metadata": 5, "items": [{}]},
        {"metadata": {"uid": 5}, "items": [5]},
        {"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {}}]},
        {
            "metadata": {"resourceVersion": "1"},
            "items": [{"metadata": {"name": "a", "uid": "b", "resourceVersion": "1"}}],
        },
    ],
)
async def test_what_no_api_server_answers_is_an_error_in_words(answer: Mapping[str, Any]) -> None:
    odd = DraApi(Odd(answer), "n", "d.example.com")  # type: ignore[arg-type]
    with pytest.raises(ApiError):
        await odd.node_uid()
    with pytest.raises(ApiError):
        await odd.slices()


async def test_a_cluster_before_1_34_is_named(server: FakeApiServer, api: DraApi) -> None:
    server.faults.append(ApiFault(404, "list", "resourceslices"))
    with pytest.raises(NotFoundError, match=r"since Kubernetes 1\.34"):
        await api.slices()
