"""A foreign plugin serves our resource for a while: a left-over DaemonSet of the Go plugin."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulator.kubelet import Registered, SimulatedKubelet
from simulator.kubelet.foreign import ForeignPlugin
from tests.integration.daemon.process import DEADLINE, NAME, WAYS, Daemon, Node, healthy

# Fewer healthy slots than ours, under the same ids: a missing id would be a violation.
DEVICES = {"0": "Healthy", "1": "Healthy", "2": "Healthy", "3": "Unhealthy"}
SAME_NAME = "a.sock"  # as the Go plugin names its socket for rdma/a


@asynccontextmanager
async def foreign(
    node: Node, kubelet: SimulatedKubelet, mode: str, name: str
) -> AsyncIterator[ForeignPlugin]:
    """A foreign plugin that kubelet has registered after ours."""
    calls = mode == "device-plugins"
    directory = node.device_plugins if calls else node.plugins_registry
    plugin = ForeignPlugin(NAME, DEVICES, directory / name, answers_info=not calls)
    await plugin.start()
    try:
        if calls:
            await plugin.register(kubelet.socket)
        await kubelet.wait_for(NAME, healthy(3, of=4))
        yield plugin
    finally:
        await plugin.end()


async def ours_again(kubelet: SimulatedKubelet, daemon: Daemon, plugin: ForeignPlugin) -> None:
    await daemon.says("the plugin on", str(plugin.socket), "ended", "registering once more")
    await kubelet.wait_for(NAME, healthy(4))
    allocation = await kubelet.allocate(NAME, 4)
    assert "FOREIGN" not in allocation.answer.envs
    kubelet.release(allocation)


@pytest.mark.parametrize("mode", WAYS)
@pytest.mark.parametrize("its_mode", WAYS)
@pytest.mark.parametrize("kill", [False, True])
async def test_after_a_foreign_plugin_ends_kubelet_counts_ours_again(
    node: Node, kubelet: SimulatedKubelet, mode: str, its_mode: str, kill: bool
) -> None:
    """K1: kubelet drops its client when the foreign stream ends, and our stream stays open."""
    async with node.daemon("--registration", mode) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        async with foreign(node, kubelet, its_mode, SAME_NAME) as other:
            line = await daemon.says("another plugin", str(other.socket), NAME)
            assert "delete its DaemonSet" in line
            await other.end(kill=kill)
            await ours_again(kubelet, daemon, other)
            assert daemon.count("another plugin", str(other.socket)) == 1


@pytest.mark.parametrize("mode", WAYS)
async def test_a_socket_that_does_not_say_what_it_serves_may_have_served_ours(
    node: Node, kubelet: SimulatedKubelet, mode: str
) -> None:
    async with node.daemon("--registration", mode) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        async with foreign(node, kubelet, "device-plugins", "anything.sock") as other:
            async with asyncio.timeout(DEADLINE):
                await other.asked.wait()
            await other.end()
            await ours_again(kubelet, daemon, other)
            assert daemon.count("WARNING") == 0


@pytest.mark.parametrize("mode", WAYS)
async def test_a_foreign_plugin_of_another_resource_is_left_alone(
    node: Node, kubelet: SimulatedKubelet, mode: str
) -> None:
    async with node.daemon("--registration", mode) as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        plugin = ForeignPlugin(
            "example.com/b", DEVICES, node.plugins_registry / SAME_NAME, answers_info=True
        )
        await plugin.start()
        await kubelet.wait_for("example.com/b", healthy(3, of=4))
        async with foreign(node, kubelet, "plugins-registry", "own.sock") as other:
            # The daemon has an answer of every earlier socket before it logs this one.
            await daemon.says("another plugin", str(other.socket))
            await plugin.end()
            await kubelet.wait_for("example.com/b", healthy(0, of=4))
            await other.end()
            await ours_again(kubelet, daemon, other)
        assert daemon.count("registering once more") == 1
        names = [event.resource for event in kubelet.events if isinstance(event, Registered)]
        assert names.count(NAME) == 3


async def test_auto_finds_a_registry_that_comes_later(node: Node) -> None:
    """K3: a hook makes the directory as a link, and kubelet has no kubelet.sock here."""
    async with node.daemon() as daemon:
        await daemon.says("waiting for kubelet: there is no")
        root = node.directory / "r"
        async with SimulatedKubelet(root, registration=False) as kubelet:
            node.kubelet_root.mkdir(exist_ok=True)
            node.plugins_registry.symlink_to(kubelet.plugins_registry_dir)
            await kubelet.wait_for(NAME, healthy(4))
            await daemon.stop()
        assert kubelet.violations == []
