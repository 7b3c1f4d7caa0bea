"""The daemon with resources via DRA and a fake API server: what is published, and when."""

from pathlib import Path
from typing import Any

import pytest

from simulator.api_server import ApiFault, FakeApiServer
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.claiming import DRIVER, NODE
from tests.integration.daemon.process import NAME, Node, entry, healthy
from tests.integration.daemon.scraping import LOOPBACK, free_port, shows


def a_slice(name: str, node: str, driver: str) -> dict[str, Any]:
    """A slice without devices."""
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": driver, "nodeName": node, "pool": pool, "devices": []}
    return {"metadata": {"name": name}, "spec": spec}


def drivers(api: FakeApiServer) -> list[str]:
    """The driver of each slice."""
    return [each["spec"]["driver"] for each in api.slices()]


def tainted(api: FakeApiServer) -> list[str]:
    """The names of the devices with a taint."""
    return [name for name, device in api.devices().items() if device.get("taints")]


async def test_a_slice_has_the_devices_of_the_resource(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon():
        await api.until(lambda: len(api.devices()) == 2)
        (held,) = api.slices()
        assert held["spec"]["nodeName"] == NODE
        assert held["metadata"]["ownerReferences"][0]["uid"]
        assert [each.verb for each in api.writes()] == ["create"]
        assert not kubelet.resources()


async def test_aiohttp_is_loaded_only_by_dra(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    async with node.daemon() as daemon:
        maps = Path(f"/proc/{daemon.process.pid}/maps")
        await kubelet.wait_for(NAME, healthy(4))
        assert "/aiohttp/" not in maps.read_text()
        node.configure(entry(via="dra"))
        await api.until(lambda: len(api.devices()) == 1)
        assert "/aiohttp/" in maps.read_text()


async def test_a_restart_writes_nothing(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon():
        await api.until(lambda: len(api.devices()) == 2)
    before = len(api.writes())
    async with node.daemon():
        await api.until(lambda: api.count("watch", "resourceslices") == 2)
        node.host.unplug("mlx5_1")
        await api.until(lambda: len(api.devices()) == 1)
    assert [each.verb for each in api.writes()[before:]] == ["update"]


async def test_slices_that_kubelet_deletes_come_back(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon():
        for times in range(1, 4):
            await api.until(lambda: len(api.devices()) == 2)
            assert api.count("create", "resourceslices") == times
            api.delete_slices(NODE)
        await api.until(lambda: len(api.devices()) == 2)


async def test_slices_of_others_are_left_alone(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    for name, at, driver in (("one", "node-2", DRIVER), ("two", NODE, "gpu.example.com")):
        api.add("resourceslices", a_slice(name, at, driver))
    node.configure(entry(via="dra"))
    async with node.daemon():
        await api.until(lambda: len(api.slices()) == 3)
        node.configure(entry())
        await api.until(lambda: len(api.slices()) == 2)
    assert {each["metadata"]["name"] for each in api.slices()} == {"one", "two"}


async def test_a_resource_changes_to_dra_and_back(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(4))
        assert api.answered == []
        node.configure(entry(via="dra"))
        await api.until(lambda: len(api.devices()) == 1)
        assert kubelet.allocatable(NAME) == 0
        node.configure(entry())
        await kubelet.wait_for(NAME, healthy(4))
        await api.until(lambda: api.slices() == [])
        await daemon.says("the DRA driver", "has ended")
        node.configure(entry(via="dra"))
        await api.until(lambda: len(api.devices()) == 1)


async def test_one_of_two_resources_is_by_dra(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    node.configure(entry(via="dra"), entry("b", via="dra"))
    async with node.daemon():
        await api.until(lambda: len(api.devices()) == 2)
        node.configure(entry(), entry("b", via="dra"))
        await kubelet.wait_for(NAME, healthy(4))
        await api.until(lambda: [*api.devices()] == ["b"])
        node.configure(entry(), entry("b", via="dra"), dra={"driverName": "other.example.com"})
        await api.until(lambda: drivers(api) == ["other.example.com"])


async def test_a_link_that_is_down_is_a_taint(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    health = {"requireActivePort": True, "downSeconds": 0}
    node.configure(entry(via="dra", slotsPer="hca", health=health))
    async with node.daemon():
        await api.until(lambda: len(api.devices()) == 2)
        node.host.set_port("mlx5_1", 1, state="DOWN", phys_state="Polling")
        await api.until(lambda: len(tainted(api)) == 1)
        node.host.set_port("mlx5_1", 1, state="ACTIVE", phys_state="LinkUp")
        await api.until(lambda: tainted(api) == [])
        assert api.count("update", "resourceslices") == 2


async def test_a_server_that_is_away_gets_the_newest_devices(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon() as daemon:
        await api.until(lambda: len(api.devices()) == 2)
        await api.stop()
        await daemon.says("cannot watch the ResourceSlices")
        node.host.unplug("mlx5_1")
        await daemon.says("cannot publish the devices of DRA")
        await api.start()
        await api.until(lambda: len(api.devices()) == 1)
        await daemon.says("can be published again")


@pytest.mark.parametrize(
    "fault",
    [
        ApiFault(429, "create", "resourceslices", times=2, retry_after=0),
        ApiFault(500, "list", "resourceslices", times=2),
        ApiFault(410, "watch", "resourceslices", times=2),
        ApiFault(409, "create", "resourceslices"),
        ApiFault(None, "create", "resourceslices"),
        ApiFault(None, "create", "resourceslices", times=2, carried_out=True),
        ApiFault(503, "get", "nodes"),
    ],
    ids=str,
)
async def test_after_a_fault_there_is_one_slice(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer, fault: ApiFault
) -> None:
    api.faults.append(fault)
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon():
        await api.until(lambda: fault.times == 0 and len(api.slices()) == 1)
        await api.until(lambda: len(api.devices()) == 2)


async def test_two_instances_publish_one_slice(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon(), node.daemon():
        await api.until(lambda: api.count("watch", "resourceslices") == 2)
        await api.until(lambda: len(api.slices()) == 1)
        api.delete_slices(NODE)
        await api.until(lambda: len(api.slices()) == 1)
        node.host.unplug("mlx5_1")
        await api.until(lambda: len(api.devices()) == 1 and len(api.slices()) == 1)


@pytest.mark.parametrize("version", [(1, 34), (1, 35)])
async def test_a_server_without_the_gates_gets_no_shared_device(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer, version: tuple[int, int]
) -> None:
    api.gates = FakeApiServer(version).gates
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon() as daemon:
        await daemon.says("DRAConsumableCapacity")
        await api.until(lambda: len(api.slices()) == 1)
        assert api.devices() == {}
        node.configure(entry(via="dra", slotsPer="hca"), dra={"slots": "each"})
        await api.until(lambda: len(api.devices()) == 8)
        assert daemon.count("DRAConsumableCapacity") == 1


async def test_a_server_that_loses_a_gate_is_noticed(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    """As with several API servers during an update: the dry run was answered by a newer one."""
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon() as daemon:
        await api.until(lambda: len(api.devices()) == 2)
        api.gates = frozenset()
        api.delete_slices(NODE)
        await daemon.says("DRAConsumableCapacity")
        await api.until(lambda: len(api.slices()) == 1 and api.devices() == {})


async def test_what_rbac_forbids_is_named_once(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    api.forbidden = {("create", "resourceslices")}
    node.configure(entry(via="dra"))
    async with node.daemon() as daemon:
        rule = '{apiGroups: ["resource.k8s.io"], resources: [resourceslices], verbs: [create]}'
        await daemon.says(rule)
        assert daemon.count(rule) == 1


async def test_metrics_show_the_slices_and_the_errors(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    port = free_port()
    api.faults.append(ApiFault(503, "create", "resourceslices"))
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon("--metrics", f"{LOOPBACK}:{port}"):
        await api.until(lambda: len(api.devices()) == 2)
        samples = await shows(port, "dra_devices", 2)
        assert samples.get("dra_slices") == 1
        assert samples.get("dra_slice_writes_total", verb="create", result="ok") == 1
        assert samples.get("api_errors_total", kind="busy") == 1
        assert samples.get("api_errors_total", kind="forbidden") == 0
        assert samples.labels("dra_gate_missing") == []


async def test_metrics_name_a_missing_gate(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer
) -> None:
    port = free_port()
    api.gates = frozenset()
    node.configure(entry(via="dra"))
    async with node.daemon("--metrics", f"{LOOPBACK}:{port}"):
        await shows(port, "dra_gate_missing", 1, gate="DRAConsumableCapacity")


async def test_without_the_name_of_the_node_the_log_says_what_to_set(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NODE_NAME")
    node.configure(entry(via="dra"), entry("b"))
    async with node.daemon() as daemon:
        await daemon.says("NODE_NAME", "spec.nodeName")
        await kubelet.wait_for("rdma/b", healthy(4))


async def test_a_rotated_token_is_read_again(
    node: Node, kubelet: SimulatedKubelet, api: FakeApiServer, directory: Path
) -> None:
    node.configure(entry(via="dra", slotsPer="hca"))
    async with node.daemon() as daemon:
        await api.until(lambda: len(api.devices()) == 2)
        api.tokens = {"token-2"}
        api.break_watches()
        await daemon.says("401")
        api.write_service_account(directory / "account", "token-2")
        node.host.unplug("mlx5_1")
        await api.until(lambda: len(api.devices()) == 1)
