"""Register, with a kubelet that answers it in every way that gRPC knows."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.directory_watch import DirectoryWatch
from rdma_dp.aio.latest import Latest
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.api import deviceplugin_pb2_grpc as rpc
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration import by_call, registrar
from rdma_dp.kubelet.registration.by_call import DevicePluginsRegistration
from rdma_dp.kubelet.registration.registrar import Registrar
from tests.unit.kubelet.nodes import DEADLINE, pool

REFUSALS = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


class ScriptedKubelet(rpc.RegistrationServicer):
    """Answers each Register with the next of its codes, then hangs."""

    def __init__(self, codes: Iterable[grpc.StatusCode], directory: Path) -> None:
        self._codes = iter(codes)
        self._directory = directory
        self.same = True  # whether each path led to the socket own.sock
        self.asked: list[pb.RegisterRequest] = []
        self.over = asyncio.Event()

    async def Register(self, request: pb.RegisterRequest, context: Any) -> pb.Empty:  # noqa: N802
        self.asked.append(request)
        dialled = self._directory / request.endpoint
        self.same &= dialled.samefile(self._directory / "own.sock")
        if (code := next(self._codes, None)) is None:
            self.over.set()
            await asyncio.Event().wait()
        elif code is not grpc.StatusCode.OK:
            await context.abort(code, "not today")
        return pb.Empty()


@asynccontextmanager
async def listening(directory: Path, kubelet: ScriptedKubelet) -> AsyncIterator[None]:
    """This kubelet on its socket."""
    server = grpc.aio.server()
    rpc.add_RegistrationServicer_to_server(kubelet, server)
    server.add_insecure_port(f"unix:{directory}/kubelet.sock")
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)


@asynccontextmanager
async def running(directory: Path, kubelet: ScriptedKubelet) -> AsyncIterator[asyncio.Task[Any]]:
    """The registration of a plugin with this kubelet."""
    watch = DirectoryWatch(directory)
    watching = asyncio.create_task(watch.run())
    plugin = Plugin(Latest(pool(0)))
    registration = DevicePluginsRegistration(plugin, directory / "own.sock", watch)
    async with listening(directory, kubelet):
        task = asyncio.create_task(registration.run())
        try:
            yield task
        finally:
            for each in (task, watching):
                each.cancel()
            await asyncio.gather(task, watching, return_exceptions=True)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Backoff, "delay", lambda _: 0.01)


async def test_no_answer_of_kubelets_ends_the_attempts(directory: Path) -> None:
    kubelet = ScriptedKubelet(REFUSALS, directory)
    async with running(directory, kubelet) as task, asyncio.timeout(DEADLINE):
        await kubelet.over.wait()
        assert not task.done()
    assert len(kubelet.asked) == len(REFUSALS) + 1
    assert {(asked.version, asked.resource_name) for asked in kubelet.asked} == {
        ("v1beta1", "rdma/a")
    }
    assert kubelet.same


async def test_each_call_names_another_path_of_the_socket(directory: Path) -> None:
    """kubelet 1.37 refuses a path that it has connected, and loses track of it then."""
    kubelet = ScriptedKubelet(REFUSALS, directory)
    async with running(directory, kubelet), asyncio.timeout(DEADLINE):
        await kubelet.over.wait()
        assert kubelet.same
    first, *later = [asked.endpoint for asked in kubelet.asked]
    assert first == "own.sock"
    assert len({*later}) == len(later)
    assert all(name.startswith(".") for name in later), "other processes see one socket"
    assert not [path for path in directory.iterdir() if path.name in later]


async def test_a_new_registration_of_a_socket_names_another_path(directory: Path) -> None:
    """kubelet may not have noticed the end of the one before."""
    names = []
    for _ in range(2):
        kubelet = ScriptedKubelet([], directory)
        async with running(directory, kubelet), asyncio.timeout(DEADLINE):
            await kubelet.over.wait()
        names += [asked.endpoint for asked in kubelet.asked]
    assert names[0] == "own.sock"
    assert names[1] != "own.sock"


async def test_the_calls_for_other_resources_do_not_use_up_the_paths(directory: Path) -> None:
    """There are 36 names for links. With many resources, each of them calls once per update."""
    kubelet = ScriptedKubelet([grpc.StatusCode.OK] * 80, directory)
    async with listening(directory, kubelet), asyncio.timeout(DEADLINE):
        address = directory / "kubelet.sock"
        one = Registrar(Plugin(Latest(pool(0))), directory / "own.sock", address, ())
        other = Registrar(Plugin(Latest(pool(0, name="b"))), directory / "other.sock", address, ())
        for name in ("own.sock", "other.sock"):
            (directory / name).touch()
        for _ in range(2):
            await one.register()
        for _ in range(35):
            await other.register()
        await one.register()
    names = [asked.endpoint for asked in kubelet.asked if asked.resource_name == "rdma/a"]
    assert len({*names}) == 3


async def test_without_links_a_socket_made_anew_is_named_itself(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    kubelet = ScriptedKubelet(REFUSALS, directory)
    async with running(directory, kubelet), asyncio.timeout(DEADLINE):
        await kubelet.over.wait()
    assert {asked.endpoint for asked in kubelet.asked} == {"own.sock"}


async def test_a_register_that_is_never_answered_is_given_up_and_tried_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Defect 7 of the Go plugin: it has no deadline."""
    monkeypatch.setattr(registrar, "REGISTER_DEADLINE", 0.05)
    kubelet = ScriptedKubelet([], directory)
    async with running(directory, kubelet), asyncio.timeout(DEADLINE):
        while len(kubelet.asked) < 3:
            kubelet.over.clear()
            await kubelet.over.wait()
    said = [r.message for r in caplog.records if "did not answer Register" in r.message]
    assert len(said) == 1


async def test_a_kubelet_that_accepts_and_never_opens_the_stream_is_asked_again(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(by_call, "STREAM_TIMEOUT", 0.05)
    kubelet = ScriptedKubelet([grpc.StatusCode.OK] * 2, directory)
    async with running(directory, kubelet), asyncio.timeout(DEADLINE):
        await kubelet.over.wait()
    assert "kubelet opened no ListAndWatch" in caplog.text


async def test_a_deadline_is_longer_than_kubelet_takes_to_dial_back() -> None:
    """kubelet answers only after it has dialled back, for which it has ten seconds."""
    assert registrar.REGISTER_DEADLINE > 10
