"""The counts of kubelet while the node changes."""

from rdma_dp.formats.list_size import MOST_SLOTS
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator.kubelet import ListReceived, SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, appears, dialled, entry, healthy, process

EMPTY = pb.Empty()


def states(message: pb.ListAndWatchResponse) -> list[tuple[str, str]]:
    return [(device.ID, device.health) for device in message.devices]


async def test_the_ids_are_those_of_the_go_plugin(node: Node, kubelet: SimulatedKubelet) -> None:
    """So you can replace the Go plugin under running pods."""
    node.configure(entry(slots=63))
    async with node.daemon():
        devices = await kubelet.wait_for(NAME, healthy(63))
        assert list(devices) == [str(number) for number in range(63)]


async def test_without_an_hca_ever_the_resource_is_there_and_empty(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry(selectors={"vendors": ["1dd8"]}))
    async with node.daemon() as daemon:
        await kubelet.wait_until(lambda k: any(isinstance(e, ListReceived) for e in k.events))
        assert NAME in kubelet.resources()
        assert kubelet.capacity(NAME) == 0
        line = await daemon.says("0 of 0 slots healthy")
        assert "vendors wants 1dd8" in line


async def test_hcas_that_come_after_an_empty_start_are_listed(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.unplug_all()
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(0))
        node.host.plug("mlx5_0")
        await kubelet.wait_for(NAME, healthy(4))


async def test_lost_hcas_leave_unhealthy_ids_and_come_back_with_them(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """No id disappears: the simulated kubelet would report a violation."""
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        for _ in range(2):
            node.unplug_all()
            await kubelet.wait_for(NAME, healthy(0, of=4))
            node.plug_all()
            await kubelet.wait_for(NAME, healthy(4))


async def test_one_hca_of_two_is_enough(node: Node, kubelet: SimulatedKubelet) -> None:
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        node.host.unplug("mlx5_0")
        await daemon.says("4 of 4 slots healthy, HCAs mlx5_1 (lost mlx5_0)")
        assert kubelet.allocatable(NAME) == 4


async def test_each_resource_follows_its_own_hcas(node: Node, kubelet: SimulatedKubelet) -> None:
    node.configure(
        entry("a", 3, selectors={"ifNames": ["eth0"]}),
        entry("b", 5, selectors={"ifNames": ["eth1"]}),
    )
    async with node.daemon():
        await kubelet.wait_for("rdma/a", healthy(3))
        await kubelet.wait_for("rdma/b", healthy(5))
        node.host.unplug("mlx5_1")
        await kubelet.wait_for("rdma/b", healthy(0, of=5))
        assert kubelet.allocatable("rdma/a") == 3


async def test_several_readers_each_get_every_list(node: Node) -> None:
    """Defect 11 of the Go plugin: two streams share the updates."""
    node.plugins_registry.mkdir(parents=True)
    good = [(str(number), "Healthy") for number in range(4)]
    bad = [(str(number), "Unhealthy") for number in range(4)]
    async with node.daemon("--registration", "plugins-registry"):
        await appears(node.plugins_registry, lambda: bool(node.visible_sockets()))
        (socket,) = node.visible_sockets()
        async with dialled(socket) as one, dialled(socket) as other:
            streams = [stub.ListAndWatch(EMPTY) for stub in (one, one, other, other)]
            for expected, happening in (
                (good, node.unplug_all),
                (bad, node.plug_all),
                (good, lambda: None),
            ):
                for stream in streams:
                    assert states(await stream.read()) == expected
                happening()


async def test_the_largest_list_that_kubelet_takes_arrives(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Defect 12 of the Go plugin: a list above kubelet's 4 MiB fails silently."""
    node.configure(entry(slots=MOST_SLOTS))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(MOST_SLOTS))
        node.unplug_all()
        await kubelet.wait_for(NAME, healthy(0, of=MOST_SLOTS))


async def test_a_larger_list_is_refused_at_the_start(node: Node) -> None:
    """Defect 12 of the Go plugin: rdmaHcaMax 5,000,000 takes 697 MB."""
    node.configure(entry(slots=5_000_000))
    async with process("run", *node.arguments) as daemon:
        assert await daemon.ended() == 1
        await daemon.says("configList[0].rdmaHcaMax", "must be at most")
