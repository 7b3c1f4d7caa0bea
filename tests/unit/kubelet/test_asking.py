"""What the doctor makes of sockets that answer nonsense: never an error, never a guess."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from rdma_dp.kubelet.clients.survey import survey_kubelet
from rdma_dp.kubelet.directories import KubeletDirectories
from rdma_dp.kubelet.statuses import SocketState
from rdma_dp.kubelet.views import KubeletView

NONSENSE = b"\xff\xff\xff"  # no protobuf
DIRECTORIES = ("device-plugins", "plugins_registry", "pod-resources")


@pytest.fixture
def root(directory: Path) -> Path:
    for name in DIRECTORIES:
        (directory / name).mkdir()
    return directory


async def asked(root: Path) -> KubeletView:
    return await survey_kubelet(root, KubeletDirectories.below(root), ())


class _Anything(grpc.GenericRpcHandler):
    """Answers each call with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def service(self, details: Any) -> Any:  # noqa: ARG002 (grpc calls it so)
        async def answer(request: bytes, context: Any) -> bytes:
            return self._answer

        return grpc.unary_unary_rpc_method_handler(answer)


@asynccontextmanager
async def answering(path: Path, answer: bytes) -> AsyncIterator[None]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Anything(answer),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


@pytest.mark.parametrize("name", ["csi.sock", "rdma-dp-a-0-0.sock"])
async def test_a_plugin_that_answers_nonsense_tells_nothing(name: str, root: Path) -> None:
    async with answering(root / "plugins_registry" / name, NONSENSE):
        (seen,) = (await asked(root)).sockets
    assert (seen.state, seen.status, seen.resource) == (SocketState.ANSWERS, None, None)


async def test_a_book_that_is_nonsense_is_none(root: Path) -> None:
    async with answering(root / "pod-resources/kubelet.sock", NONSENSE):
        view = await asked(root)
    assert view.pod_resources is None
    assert "is not a list of pods" in (view.why_no_pod_resources or "")


async def test_a_socket_whose_name_nobody_can_read_is_passed_over(root: Path) -> None:
    async def leave(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with contextlib.AsyncExitStack() as stack:
        for name in (b"\xff.sock", b"rdma-dp-\xff.sock", b"\x1b[2J.sock"):
            path = root / "plugins_registry" / os.fsdecode(name)
            await stack.enter_async_context(await asyncio.start_unix_server(leave, path))
        assert (await asked(root)).sockets == ()
