"""A1: no failed call of the operating system ends the daemon."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.injection import CALLS, ERRORS, EXHAUSTED, SOCKET, Plan, failing
from tests.integration.daemon.process import (
    DEADLINE,
    NAME,
    WAYS,
    Daemon,
    Node,
    dialled,
    healthy,
    listening,
)

EMPTY = pb.Empty()


@pytest.fixture
def plan(directory: Path) -> Plan:
    return Plan(directory / "plan")


async def _fails(node: Node, daemon: Daemon, call: str, error: str) -> None:
    """Waits until the call has failed three times. Meanwhile, there is something to read."""
    while daemon.count("injected", call, error) < 3:
        assert daemon.process.returncode is None, f"{call} {error} ended the daemon"
        node.configure(cdi="both")
        for directory in (node.device_plugins, node.plugins_registry, node.cdi):
            (directory / "noise").touch()
            (directory / "noise").unlink()
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("call", [*CALLS, SOCKET])
async def test_a_call_that_fails_while_the_daemon_runs(
    node: Node, kubelet: SimulatedKubelet, plan: Plan, call: str, way: str
) -> None:
    """A1: the lists stay when descriptors or memory are used up, and follow the node afterwards."""
    node.configure(cdi="both")
    async with (
        listening(node.device_plugins / "other.sock"),
        failing(node, plan, call, "--registration", way) as daemon,
        asyncio.timeout(300),
    ):
        await kubelet.wait_for(NAME, healthy(4))
        for error in ERRORS:
            plan.begin(call, error)
            await _fails(node, daemon, call, error)
            if error in EXHAUSTED:
                assert kubelet.allocatable(NAME) == 4
            plan.end()
            await kubelet.wait_for(NAME, healthy(4))
        node.unplug_all()
        await kubelet.wait_for(NAME, healthy(0, of=4))
        node.plug_all()
        await kubelet.wait_for(NAME, healthy(4))
    assert daemon.count("Traceback") == 0


@pytest.mark.parametrize("call", ["os.open", "os.listdir", "os.scandir"])
@pytest.mark.parametrize("error", ERRORS)
async def test_a_call_that_fails_from_the_start_on(
    node: Node, kubelet: SimulatedKubelet, plan: Plan, call: str, error: str
) -> None:
    """A1: the daemon waits and tries again."""
    node.configure(cdi="both")
    plan.begin(call, error)
    async with failing(node, plan, call) as daemon:
        await daemon.says("injected", call, error, times=2)
        plan.end()
        await kubelet.wait_for(NAME, healthy(4))


# --- clients that use up the descriptors ----------------------------------------------------------


@contextmanager
def silent(path: Path, count: int) -> Iterator[None]:
    """Connections on which nothing is sent."""
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect_ex(str(path))
        yield


@pytest.mark.parametrize(("limit", "clients"), [(256, 1000), (1024, 1500)])
async def test_silent_connections_do_not_use_up_the_descriptors(
    node: Node, kubelet: SimulatedKubelet, limit: int, clients: int
) -> None:
    """A1: kubelet's stream goes on, the node is read, and a new client is answered."""
    async with node.daemon() as daemon:
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        await kubelet.wait_for(NAME, healthy(4))
        (path,) = node.visible_sockets()
        with silent(path, clients):
            node.unplug_all()
            await kubelet.wait_for(NAME, healthy(0, of=4))
            node.plug_all()
            await kubelet.wait_for(NAME, healthy(4))
            async with dialled(path) as stub:
                await stub.GetDevicePluginOptions(EMPTY, timeout=DEADLINE, wait_for_ready=True)
