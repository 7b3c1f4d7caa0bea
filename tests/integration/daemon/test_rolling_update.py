"""Two processes for one resource, as a rolling update with surge runs them for a while."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from rdma_dp.aio.latest import Latest
from rdma_dp.kubelet.clients.status_client import status_of
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.kubelet.device_plugin.status_service import services
from rdma_dp.kubelet.registration.handover import MOST_STREAMS
from rdma_dp.kubelet.sockets import SocketServer
from simulator.kubelet import Disconnected, ListReceived, Promoted, Registered, SimulatedKubelet
from simulator.kubelet.client import PluginClient
from simulator.kubelet.manager import DeviceManager
from tests.integration.daemon.process import (
    BOTH_KUBELETS,
    DEADLINE,
    NAME,
    WAYS,
    Daemon,
    Node,
    appears,
    entry,
    healthy,
)
from tests.unit.kubelet.nodes import pool

ONCE_MORE = "another rdma-dp for the same resource ended; registering once more"


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def two(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> AsyncIterator[tuple[Daemon, Daemon]]:
    """The old process, which began with four slots, and the new one. Both have registered seven."""
    async with node.daemon("--registration", way) as old:
        await kubelet.wait_for(NAME, healthy(4))
        node.configure(entry(slots=7))
        await kubelet.wait_for(NAME, healthy(7))
        async with node.daemon("--registration", way) as new:
            await kubelet.wait_for(NAME, healthy(7))
            await streams(kubelet, 2)
            yield old, new


@asynccontextmanager
async def updated(node: Node, kubelet: SimulatedKubelet, way: str) -> AsyncIterator[Daemon]:
    """The new process, after the old one has exited and it has registered again."""
    async with two(node, kubelet, way) as (old, new):
        await old.stop()
        await inherited(kubelet, new)
        yield new


async def inherited(kubelet: SimulatedKubelet, successor: Daemon, registrations: int = 3) -> None:
    """Wait until the process that stays has registered again."""
    await successor.says(ONCE_MORE)
    await streams(kubelet, registrations)


async def streams(kubelet: SimulatedKubelet, number: int) -> None:
    """Wait for this number of registrations, and for the list of the last one."""

    def listed() -> bool:
        events = [type(event) for event in kubelet.events]
        if events.count(Registered) < number:
            return False
        return ListReceived in events[-1 - events[::-1].index(Registered) :]

    await kubelet.wait_until(lambda _: listed(), DEADLINE)


def registered(kubelet: SimulatedKubelet) -> list[Path]:
    """The sockets that registered, in order."""
    return [event.socket for event in kubelet.events if isinstance(event, Registered)]


def dropped(kubelet: SimulatedKubelet) -> bool:
    return any(isinstance(event, Disconnected) for event in kubelet.events)


@BOTH_KUBELETS
async def test_the_count_never_falls_when_the_old_one_goes(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    async with two(node, kubelet, way) as (old, new):
        (socket,) = set(node.sockets()) - {registered(kubelet)[0]}
        await old.stop()
        await old.says("handed over to", socket.name)
        assert (await kubelet.allocate(NAME, 7)).ids  # also before it has registered again
        await inherited(kubelet, new)
        assert not dropped(kubelet)
        assert kubelet.allocatable(NAME) == 7
        assert {path.name for path in node.sockets()} == {socket.name}
        assert new.count("removed") == 0
        assert old.count("WARNING") == new.count("WARNING") == 0


@BOTH_KUBELETS
async def test_the_count_never_falls_when_the_new_one_goes(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    """As when the update is undone. Both processes have read the config by then."""
    async with two(node, kubelet, way) as (old, new):
        await old.says("7 of 7 slots healthy")
        await new.stop()
        await inherited(kubelet, old)
        assert not dropped(kubelet)
        assert (await kubelet.allocate(NAME, 7)).ids


async def test_after_it_the_one_that_stayed_leaves_nothing_behind(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    """With plugins_registry it has a second socket by then, which Register uses."""
    async with updated(node, kubelet, way) as new:
        places = {path.parent for path in node.sockets()}
        assert places >= {node.device_plugins}
        await new.stop()
        assert node.sockets() == []
        await kubelet.wait_for(NAME, healthy(0, of=7))


async def test_by_the_registry_alone_a_new_socket_is_made(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Without kubelet.sock, the count cannot be kept, but nothing is lost permanently."""
    elsewhere = node.directory / "elsewhere"
    arguments = ("--registration", "plugins-registry", "--device-plugins-dir", str(elsewhere))
    async with node.daemon(*arguments) as old:
        await kubelet.wait_for(NAME, healthy(4))
        async with node.daemon(*arguments) as new:
            await new.says("registered with kubelet")
            await old.stop()
            await new.says("making a new socket")
            await kubelet.wait_until(lambda _: dropped(kubelet), DEADLINE)
            await kubelet.wait_for(NAME, healthy(4))


@BOTH_KUBELETS
async def test_after_it_the_end_of_the_one_that_stayed_is_noticed(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    async with updated(node, kubelet, way) as new:
        new.send(signal.SIGKILL)
        await new.ended()
        await kubelet.wait_for(NAME, healthy(0, of=7))


@BOTH_KUBELETS
async def test_after_it_a_restart_of_kubelet_is_noticed(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    async with updated(node, kubelet, way):
        for _ in range(2):
            await kubelet.stop()
            await kubelet.start()
            await kubelet.wait_for(NAME, healthy(7))


async def test_after_it_a_stream_that_kubelet_closes_is_noticed(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    """kubelet closes one of two streams, the one that counts. The other stays open."""
    async with updated(node, kubelet, way) as new:
        await kubelet.disconnect(NAME)
        await new.says("kubelet closed ListAndWatch")
        await kubelet.wait_for(NAME, healthy(7))
        assert (await kubelet.allocate(NAME, 7)).ids


async def test_updates_one_after_another(node: Node, kubelet: SimulatedKubelet, way: str) -> None:
    async with AsyncExitStack() as daemons:
        old = await daemons.enter_async_context(node.daemon("--registration", way))
        await kubelet.wait_for(NAME, healthy(4))
        for generation in range(1, 4):
            new = await daemons.enter_async_context(node.daemon("--registration", way))
            await streams(kubelet, 2 * generation)
            await old.stop()
            await inherited(kubelet, new, 2 * generation + 1)
            old = new
        assert not dropped(kubelet)


@BOTH_KUBELETS
@pytest.mark.parametrize("first", [0, 1])
async def test_when_both_end_at_once_kubelet_counts_nothing(
    node: Node, kubelet: SimulatedKubelet, way: str, first: int
) -> None:
    """As when the DaemonSet is deleted during an update: no process may rely on the other one."""
    async with two(node, kubelet, way) as both:
        one, other = both[first], both[1 - first]
        one.send(signal.SIGTERM)
        other.send(signal.SIGTERM)
        assert list(await asyncio.gather(one.ended(), other.ended())) == [0, 0]
    await kubelet.wait_for(NAME, healthy(0, of=7))
    assert node.sockets() == []


@BOTH_KUBELETS
async def test_when_the_successor_ends_before_it_has_registered_once_more(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    """kubelet would not notice its exit, and would keep counting its slots."""
    async with two(node, kubelet, way) as (old, new):
        old_socket = registered(kubelet)[0]
        old.send(signal.SIGTERM)
        await appears(old_socket.parent, lambda: not old_socket.exists())
        await new.stop()
        await old.ended()
    await kubelet.wait_for(NAME, healthy(0, of=7))


async def test_when_the_successor_ends_while_it_registers_once_more(
    node: Node, kubelet: SimulatedKubelet, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, introduce = asyncio.Event(), DeviceManager.introduce

    async def slowly(manager: DeviceManager, resource: str, socket: Path) -> Any:
        # Not the registration with which the old process hands over.
        if socket.name != handing_over and not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        return await introduce(manager, resource, socket)

    async with two(node, kubelet, way) as (old, new):
        handing_over = registered(kubelet)[0].name
        monkeypatch.setattr(DeviceManager, "introduce", slowly)
        await old.stop()
        async with asyncio.timeout(DEADLINE):
            await begun.wait()
        await new.stop()
    await kubelet.wait_for(NAME, healthy(0, of=7))


async def test_when_the_successor_ends_while_the_one_that_left_hangs(
    node: Node, kubelet: SimulatedKubelet, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old process has handed the resource over, and hangs: it neither answers nor exits."""
    left, connect = asyncio.Event(), DeviceManager.connect
    async with two(node, kubelet, way) as (old, new):

        async def stops(*arguments: Any) -> None:
            try:
                await connect(*arguments)
            except grpc.aio.AioRpcError:
                old.send(signal.SIGSTOP)
                left.set()
                raise

        monkeypatch.setattr(DeviceManager, "connect", stops)
        old.send(signal.SIGTERM)
        async with asyncio.timeout(DEADLINE):
            await left.wait()
        await new.stop()
        old.send(signal.SIGCONT)
        await old.ended()
    await kubelet.wait_for(NAME, healthy(0, of=7))


@asynccontextmanager
async def beginning(beside: Path) -> AsyncIterator[None]:
    """Another process for the resource of this socket, which has not registered yet."""
    socket = beside.with_name(f"{beside.name.rpartition('-')[0]}-ffffff.sock")
    server = SocketServer(socket, services(Plugin(Latest(pool(0))), "device-plugins"))
    try:
        await server.start()
        yield
    finally:
        await server.stop()


async def test_one_that_only_begins_is_not_dropped_by_the_end_of_an_successor(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """It will register. kubelet would then drop the resource when the successor's stream ends."""
    async with two(node, kubelet, "device-plugins") as (old, new):
        old_socket = registered(kubelet)[0]
        async with beginning(beside=old_socket):
            old.send(signal.SIGTERM)
            await appears(old_socket.parent, lambda: not old_socket.exists())
            await new.stop()
            await old.ended()
        assert len(registered(kubelet)) == 2


async def test_one_that_kubelet_does_not_listen_to_inherits_nothing(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """It only serves: kubelet must not count slots of a process that it may never connect to."""
    async with node.daemon("--registration", "device-plugins") as old:
        await kubelet.wait_for(NAME, healthy(4))
        async with beginning(beside=node.sockets()[0]):
            await old.stop()
        await kubelet.wait_for(NAME, healthy(0, of=4))
        assert old.count("handed over to") == 0


async def test_after_many_updates_the_streams_do_not_pile_up(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    async with node.daemon("--registration", way) as stays:
        await kubelet.wait_for(NAME, healthy(4))
        for _ in range(MOST_STREAMS + 1):
            before = len(registered(kubelet))
            async with node.daemon("--registration", way):
                await streams(kubelet, before + 1)
            await streams(kubelet, before + 2)
        assert not dropped(kubelet)
        status = await status_of(node.sockets()[0], DEADLINE)
        assert status.streams < MOST_STREAMS
        assert stays.count("WARNING") == 0


async def test_the_old_one_is_killed_before_kubelet_listens_to_the_new_one(
    node: Node, kubelet: SimulatedKubelet, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kubelet has registered it, and drops it before it has opened its stream."""
    killed, listen = asyncio.Event(), PluginClient.listen

    async def late(client: PluginClient, received: Callable[[Sequence[Any]], None]) -> str:
        if not killed.is_set():
            await killed.wait()
        return await listen(client, received)

    async with node.daemon("--registration", way) as old:
        await kubelet.wait_for(NAME, healthy(4))
        monkeypatch.setattr(PluginClient, "listen", late)
        async with node.daemon("--registration", way) as new:
            await new.says("registered with kubelet")
            old.send(signal.SIGKILL)
            await old.ended()
            await kubelet.wait_until(lambda _: dropped(kubelet), DEADLINE)
            killed.set()
            await kubelet.wait_for(NAME, healthy(4))


@pytest.mark.parametrize("per_path", [True], ids=["1.37"])
async def test_a_kill_on_kubelet_1_37_does_not_lower_the_count(
    node: Node, kubelet: SimulatedKubelet, way: str
) -> None:
    """kubelet drops the client that ended only, and the other process allocates at once."""
    async with two(node, kubelet, way) as (old, new):
        node.host.unplug("mlx5_1")
        await old.says("lost mlx5_1")  # this long after it has seen the socket of the other process
        new.send(signal.SIGKILL)
        await new.ended()
        await kubelet.wait_until(
            lambda k: any(isinstance(event, Promoted) for event in k.events), DEADLINE
        )
        assert (await kubelet.allocate(NAME, 7)).ids
        await inherited(kubelet, old)
        assert not dropped(kubelet)


@pytest.mark.parametrize("newer", [True, False])
async def test_a_kill_is_made_good(
    node: Node, kubelet: SimulatedKubelet, way: str, newer: bool
) -> None:
    """kubelet drops the resource at the end of any of its streams, and sends no message."""
    async with two(node, kubelet, way) as both:
        killed, stays = both[newer], both[not newer]
        node.host.unplug("mlx5_1")
        # this long after it has seen the socket of the other process
        await stays.says("lost mlx5_1")
        killed.send(signal.SIGKILL)
        await killed.ended()
        await kubelet.wait_until(lambda _: dropped(kubelet), DEADLINE)
        await kubelet.wait_for(NAME, healthy(7))
        assert (await kubelet.allocate(NAME)).ids
