"""The config changes under a running daemon, and kubelet sees only the difference."""

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from simulator.kubelet import Disconnected, ListReceived, Registered, SimulatedKubelet, StreamEnded
from tests.integration.daemon.process import Daemon, Node, appears, entry, healthy, process
from tests.integration.updates.config_maps import ConfigMap

STAYS = "rdma/stays"  # the resource that no test changes


class Life:
    """What kubelet saw of one resource since a moment."""

    def __init__(self, kubelet: SimulatedKubelet, resource: str) -> None:
        self._kubelet = kubelet
        self._resource = resource
        self._begin = len(kubelet.events)

    @property
    def events(self) -> list[Any]:
        new = self._kubelet.events[self._begin :]
        return [e for e in new if getattr(e, "resource", None) == self._resource]

    @property
    def interruptions(self) -> list[Any]:
        broken = (Registered, StreamEnded, Disconnected)
        return [event for event in self.events if isinstance(event, broken)]


def only(*hcas: str) -> dict[str, list[str]]:
    """Selectors for some of the node's HCAs, by their netdevs."""
    return {"ifNames": [hca.replace("mlx5_", "eth") for hca in hcas]}


async def handed_out(kubelet: SimulatedKubelet, resource: str) -> set[str]:
    """The HCAs whose uverbs a new container gets."""
    allocation = await kubelet.allocate(resource)
    kubelet.release(allocation)
    paths = [device.host_path for device in allocation.answer.devices]
    return {path.replace("/dev/infiniband/uverbs", "mlx5_") for path in paths if "uverbs" in path}


def sized(slots: int, **more: Any) -> dict[str, Any]:
    return entry("a", slots, **more)


@asynccontextmanager
async def changing(
    node: Node, kubelet: SimulatedKubelet, *before: dict[str, Any]
) -> AsyncIterator[Daemon]:
    """A daemon with these resources and one more, whose stream stays open all the time."""
    node.configure(entry("stays", 3), *before)
    async with node.daemon() as daemon:
        await kubelet.wait_for(STAYS, healthy(3))
        for one in before:
            await kubelet.wait_for(f"rdma/{one['resourceName']}", healthy(one["rdmaHcaMax"]))
        life = Life(kubelet, STAYS)
        yield daemon
        assert life.events == []


async def test_a_resource_comes(node: Node, kubelet: SimulatedKubelet) -> None:
    async with changing(node, kubelet):
        node.configure(entry("stays", 3), sized(5))
        await kubelet.wait_for("rdma/a", healthy(5))


async def test_a_resource_goes_with_its_socket(node: Node, kubelet: SimulatedKubelet) -> None:
    async with changing(node, kubelet, sized(5)) as daemon:
        assert len(node.sockets()) == 2
        node.configure(entry("stays", 3))
        await kubelet.wait_for("rdma/a", healthy(0, of=5))
        await daemon.says("rdma/a left the config")
        await appears(
            node.plugins_registry,
            lambda: ["stays" in socket.name for socket in node.sockets()] == [True],
        )


async def test_a_resource_grows_on_its_stream(node: Node, kubelet: SimulatedKubelet) -> None:
    async with changing(node, kubelet, sized(5)) as daemon:
        life = Life(kubelet, "rdma/a")
        node.configure(entry("stays", 3), sized(7))
        await kubelet.wait_for("rdma/a", healthy(7))
        assert life.events == [ListReceived("rdma/a", 7, 0)]
        await daemon.says("rdma/a: 7 of 7 slots healthy")


async def test_a_resource_shrinks_and_drops_no_id(node: Node, kubelet: SimulatedKubelet) -> None:
    async with changing(node, kubelet, sized(5)) as daemon:
        life = Life(kubelet, "rdma/a")
        node.configure(entry("stays", 3), sized(2))
        devices = await kubelet.wait_for("rdma/a", healthy(2, of=5))
        assert [id_ for id_, health in devices.items() if health == "Healthy"] == ["0", "1"]
        assert life.events == [ListReceived("rdma/a", 2, 3)]
        await daemon.says("rdma/a: 2 of 5 slots healthy")


async def test_other_selectors_hand_out_other_hcas_on_the_same_stream(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with changing(node, kubelet, sized(5, selectors=only("mlx5_0"))) as daemon:
        life = Life(kubelet, "rdma/a")
        assert await handed_out(kubelet, "rdma/a") == {"mlx5_0"}
        node.configure(entry("stays", 3), sized(5, selectors=only("mlx5_1")))
        await daemon.says("rdma/a", "lost mlx5_0; found mlx5_1")
        assert await handed_out(kubelet, "rdma/a") == {"mlx5_1"}
        assert life.interruptions == []


async def test_selectors_that_match_nothing_leave_the_ids_unhealthy(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with changing(node, kubelet, sized(5)) as daemon:
        life = Life(kubelet, "rdma/a")
        node.configure(entry("stays", 3), sized(5, selectors={"vendors": ["8086"]}))
        await kubelet.wait_for("rdma/a", healthy(0, of=5))
        await daemon.says("0 of 5 slots healthy", "vendors wants 8086; it has 15b3")
        assert life.interruptions == []


async def test_a_resource_that_comes_back_finds_the_ids_that_kubelet_knows(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with changing(node, kubelet, sized(5)):
        node.configure(entry("stays", 3))
        await kubelet.wait_for("rdma/a", healthy(0, of=5))
        node.configure(entry("stays", 3), sized(2))
        await kubelet.wait_for("rdma/a", healthy(2, of=5))


async def test_everything_at_once(node: Node, kubelet: SimulatedKubelet) -> None:
    before = [entry(name, 4) for name in ("goes", "grows", "shrinks", "turns")]
    async with changing(node, kubelet, *before):
        lives = [Life(kubelet, f"rdma/{name}") for name in ("grows", "shrinks", "turns")]
        node.configure(
            entry("turns", 4, selectors=only("mlx5_1")),
            entry("shrinks", 1),
            entry("comes", 4),
            entry("grows", 9),
            entry("stays", 3),
        )
        await kubelet.wait_for("rdma/comes", healthy(4))
        await kubelet.wait_for("rdma/goes", healthy(0, of=4))
        await kubelet.wait_for("rdma/grows", healthy(9))
        await kubelet.wait_for("rdma/shrinks", healthy(1, of=4))
        assert await handed_out(kubelet, "rdma/turns") == {"mlx5_1"}
        assert [life.interruptions for life in lives] == [[], [], []]


async def test_a_bad_config_changes_nothing_and_is_told_as_check_config_tells_it(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with changing(node, kubelet, sized(5)) as daemon:
        life = Life(kubelet, "rdma/a")
        node.configure(entry("stays", 0), sized(-3, resourcePrefix="Bad Prefix"))
        await daemon.says("the last good config stays in force")
        async with process("check-config", str(node.config)) as check:
            assert await check.ended() == 1
            await check.says("(the log ends)")
        problems = check.log[:-1]
        assert len(problems) == 3
        for problem in problems:
            assert daemon.count("ERROR", problem) == 1
        assert life.events == []
        node.configure(entry("stays", 3), sized(6))
        await kubelet.wait_for("rdma/a", healthy(6))


async def test_a_config_that_is_deleted_goes_on(node: Node, kubelet: SimulatedKubelet) -> None:
    async with changing(node, kubelet, sized(5)) as daemon:
        life = Life(kubelet, "rdma/a")
        node.config.unlink()
        await daemon.says("there is no such file")
        await daemon.says("the last good config stays in force")
        assert life.events == []
        node.configure(entry("stays", 3), sized(6))
        await kubelet.wait_for("rdma/a", healthy(6))
        assert life.interruptions == []


async def test_sighup_is_answered_each_time(node: Node, kubelet: SimulatedKubelet) -> None:
    """Defect 15 of the Go plugin: SIGHUP does not read the config again."""
    async with changing(node, kubelet) as daemon:
        for times in (1, 2):
            daemon.send(signal.SIGHUP)
            await daemon.says("new config from", times=times)
        node.config.write_text("{")
        await daemon.says("the last good config stays in force")
        daemon.send(signal.SIGHUP)
        await daemon.says("the last good config stays in force", times=2)


async def test_sighup_looks_at_the_node_too(node: Node, kubelet: SimulatedKubelet) -> None:
    node.configure(sized(4), periodicUpdateInterval=0)
    async with node.daemon() as daemon:
        await kubelet.wait_for("rdma/a", healthy(4))
        node.unplug_all()
        daemon.send(signal.SIGHUP)
        await kubelet.wait_for("rdma/a", healthy(0, of=4))


async def test_sighup_before_there_is_a_config(node: Node, kubelet: SimulatedKubelet) -> None:
    async with process("run", *node.arguments) as daemon:
        await daemon.says("waiting for a config")
        daemon.send(signal.SIGHUP)
        await daemon.says("waiting for a config", times=2)
        node.configure(sized(4))
        await kubelet.wait_for("rdma/a", healthy(4))
        await daemon.stop()


async def test_a_first_config_that_is_wrong_ends_the_daemon_with_every_problem(node: Node) -> None:
    node.configure(entry("a", 0), entry("a", 4))
    async with process("run", *node.arguments) as daemon:
        assert await daemon.ended() == 1
        await daemon.says("ERROR", f"{node.config}:configList[0].rdmaHcaMax")
        await daemon.says("ERROR", f"{node.config}:configList[1].resourceName")


async def test_a_config_map_is_followed_through_every_swap(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    def text(slots: int) -> str:
        return json.dumps({"configList": [entry("stays", 3), sized(slots)]})

    mount = ConfigMap(node.directory / "mount", text(1))
    node.config = mount.file
    async with node.daemon() as daemon:
        await kubelet.wait_for(STAYS, healthy(3))
        await kubelet.wait_for("rdma/a", healthy(1))
        lives = [Life(kubelet, STAYS), Life(kubelet, "rdma/a")]
        for slots in range(2, 8):
            mount.publish(text(slots))
            await kubelet.wait_for("rdma/a", healthy(slots))
        for slots in range(8, 60):
            mount.publish(text(slots))
        await kubelet.wait_for("rdma/a", healthy(59))
        assert lives[0].events == []
        lists = [(event.healthy, event.unhealthy) for event in lives[1].events]
        assert lists == sorted((slots, 0) for slots, _ in lists), "a moment of emptiness"
        assert daemon.count("ERROR") == 0


async def test_a_file_that_is_written_slowly_never_empties_a_list(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    async with changing(node, kubelet, sized(5)):
        life = Life(kubelet, "rdma/a")
        whole = json.dumps({"configList": [entry("stays", 3), sized(6)]}, indent=1)
        with node.config.open("w") as file:
            for line in whole.splitlines():
                file.write(line)
                file.flush()
                (node.directory / "noise").write_text("")
        await kubelet.wait_for("rdma/a", healthy(6))
        assert life.events == [ListReceived("rdma/a", 6, 0)]
