"""Step 6 of the hand-over: the older streams end, and the count of kubelet does not fall."""

import asyncio
from pathlib import Path

import pytest

from rdma_dp.kubelet import sockets
from rdma_dp.kubelet.device_plugin.handover_state import HandoverState
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.registration import by_watcher, handover, neighbours
from rdma_dp.kubelet.registration.registrar import Registrar
from rdma_dp.kubelet.sockets import SocketError, SocketServer, socket_name
from simulator.kubelet import Disconnected, ListReceived, Registered, SimulatedKubelet
from tests.unit.kubelet.nodes import DEADLINE
from tests.unit.kubelet.registering import registering

RESOURCE = "rdma/a"
OWN, PEER = (socket_name(RESOURCE, instance) for instance in ("aaaaaa", "bbbbbb"))
RIVAL = "other.sock"
MOST = 3


@pytest.fixture(autouse=True)
def sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "MOST_STREAMS", MOST)
    monkeypatch.setattr(by_watcher, "UNREGISTER_DELAY", 0.3)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when the plugin sees the socket of a neighbour."""
    event = asyncio.Event()

    def is_dead(path: Path) -> bool:
        if path.name in (PEER, RIVAL):
            event.set()
        return sockets.is_dead(path)

    monkeypatch.setattr(neighbours, "is_dead", is_dead)
    return event


async def a_peer_ends(kubelet: SimulatedKubelet, seen: asyncio.Event, name: str = PEER) -> None:
    """One that has registered nothing. Waits until the plugin has registered once more."""
    before = registrations(kubelet)
    peer = SocketServer(kubelet.device_plugins_dir / name, [])
    try:
        await peer.start()
        seen.clear()
        async with asyncio.timeout(DEADLINE):
            await seen.wait()
    finally:
        await peer.stop()
    await kubelet.wait_until(lambda k: registrations(k) > before)


async def until_in(plugin: Plugin, state: HandoverState) -> None:
    async with asyncio.timeout(DEADLINE):
        await plugin.handover.until(lambda now: now.state is state)


def registrations(kubelet: SimulatedKubelet) -> int:
    """How many of them led to a list."""
    kinds = [type(event) for event in kubelet.events]
    last = max((at for at, kind in enumerate(kinds) if kind is ListReceived), default=0)
    return kinds[:last].count(Registered)


@pytest.mark.parametrize("registry", [False, True])
@pytest.mark.parametrize("per_path", [False, True])
async def test_the_count_never_falls(
    directory: Path, seen: asyncio.Event, registry: bool, per_path: bool
) -> None:
    async with SimulatedKubelet(directory, per_path=per_path) as kubelet:
        async with registering(kubelet, OWN, registry=registry) as plugin:
            await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
            for _ in range(2 * MOST):
                await a_peer_ends(kubelet, seen)
                assert plugin.streams.value.open <= MOST
            assert not [each for each in kubelet.events if isinstance(each, Disconnected)]
            assert (await kubelet.allocate(RESOURCE, 4)).ids
            await kubelet.stop()
            await kubelet.start()
            await kubelet.wait_for(RESOURCE, lambda devices: "Healthy" in devices.values())
        await kubelet.wait_for(RESOURCE, lambda devices: "Healthy" not in devices.values())


@pytest.mark.parametrize("registry", [False, True])
async def test_the_end_of_the_process_counts_also_before_it_has_registered_once_more(
    directory: Path, seen: asyncio.Event, registry: bool
) -> None:
    """It has no peer. What ended is a plugin of others."""
    async with SimulatedKubelet(directory) as kubelet:
        async with registering(kubelet, OWN, registry=registry) as plugin:
            await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
            while plugin.streams.value.open < MOST:
                await a_peer_ends(kubelet, seen, RIVAL)
            last = asyncio.create_task(a_peer_ends(kubelet, seen, RIVAL))
            await until_in(plugin, HandoverState.RENEWING)
            await until_in(plugin, HandoverState.SERVING)
        last.cancel()
        await asyncio.gather(last, return_exceptions=True)
        await kubelet.wait_for(RESOURCE, lambda devices: "Healthy" not in devices.values())


@pytest.mark.parametrize("registry", [False, True])
async def test_no_stream_ends_while_kubelet_has_its_client(
    directory: Path, seen: asyncio.Event, registry: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call that kubelet should refuse does not reach it."""
    register, failed = Registrar.register, asyncio.Event()

    async def fails(registrar: Registrar) -> None:
        if plugin.handover.value.state is HandoverState.RENEWING:
            failed.set()
            raise SocketError("cannot call", "no descriptor is left")
        await register(registrar)

    async with (
        SimulatedKubelet(directory) as kubelet,
        registering(kubelet, OWN, registry=registry) as plugin,
    ):
        monkeypatch.setattr(Registrar, "register", fails)
        await kubelet.wait_for(RESOURCE, lambda devices: len(devices) == 4)
        while not failed.is_set():
            await a_peer_ends(kubelet, seen)
        assert plugin.streams.value.ended == 0
        assert not [each for each in kubelet.events if isinstance(each, Disconnected)]
