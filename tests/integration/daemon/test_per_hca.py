"""Slots that belong to an HCA, from the config to kubelet: `slotsPer: hca`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator import host as simulated_host
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, entry, healthy

COMPUTE: dict[str, Any] = {"selectors": {"vendors": ["15b3"], "linkTypes": ["infiniband"]}}


@pytest.fixture
def dgx(directory: Path) -> Node:
    """Eight HCAs for compute traffic, four on each of two NUMA nodes."""
    return Node(directory / "dgx", simulated_host.load("dgx-h100"))


@asynccontextmanager
async def kubelet_of(node: Node) -> AsyncIterator[SimulatedKubelet]:
    async with SimulatedKubelet(node.kubelet_root) as kubelet:
        yield kubelet


def hcas(allocation: Any) -> list[str]:
    variable: str = allocation.answer.envs["RDMA_DP_A_HCAS"]
    return variable.split(",")


async def test_eight_hcas_with_63_slots_each_are_504(dgx: Node) -> None:
    dgx.configure(entry(slots=63, slotsPer="hca", **COMPUTE))
    async with kubelet_of(dgx) as kubelet, dgx.daemon():
        await kubelet.wait_for(NAME, healthy(504))


async def test_two_containers_of_four_get_a_numa_node_each(dgx: Node) -> None:
    dgx.configure(entry(slots=2, slotsPer="hca", **COMPUTE))
    async with kubelet_of(dgx) as kubelet, dgx.daemon():
        await kubelet.wait_for(NAME, healthy(16))
        first, second = await kubelet.allocate(NAME, 4), await kubelet.allocate(NAME, 4)
        assert [hcas(first), hcas(second)] == [
            ["mlx5_0", "mlx5_3", "mlx5_4", "mlx5_5"],
            ["mlx5_6", "mlx5_9", "mlx5_10", "mlx5_11"],
        ]


async def test_a_container_gets_the_nodes_and_names_of_its_hca_alone(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry(slotsPer="hca", env={"NCCL_IB_HCA": "hcas"}))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(8))
        one = await kubelet.allocate(NAME)
        (name,) = hcas(one)
        number = name.removeprefix("mlx5_")
        assert one.answer.envs["NCCL_IB_HCA"] == f"={name}"
        assert [device.host_path for device in one.answer.devices] == [
            "/dev/infiniband/rdma_cm",
            f"/dev/infiniband/umad{number}",
            f"/dev/infiniband/uverbs{number}",
        ]
        other = await kubelet.allocate(NAME)
        assert hcas(other) != hcas(one), "the freest HCA comes first"


async def test_an_hca_that_goes_takes_its_own_slots_only(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry(slotsPer="hca"))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(8))
        node.host.unplug("mlx5_1")
        await kubelet.wait_for(NAME, healthy(4, of=8))
        assert hcas(await kubelet.allocate(NAME, 4)) == ["mlx5_0"]
        node.host.plug("mlx5_1")
        await kubelet.wait_for(NAME, healthy(8))


async def test_a_port_that_goes_down_takes_its_own_slots_only(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry(slotsPer="hca", health={"downSeconds": 0}))
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(8))
        node.host.set_port("mlx5_1", 1, state="DOWN", phys_state="Disabled")
        await kubelet.wait_for(NAME, healthy(4, of=8))
        await daemon.says("4 of 8 slots healthy", "mlx5_1 port 1 is DOWN")


async def test_another_kind_of_slots_is_registered_anew_with_other_options(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """kubelet asks for the options once. With the old options it would never call
    GetPreferredAllocation.
    """
    node.configure(entry())
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        node.configure(entry(slotsPer="hca"))
        await kubelet.wait_until(lambda k: k.prefers(NAME))
        await kubelet.wait_for(NAME, healthy(8, of=12))
        assert len(hcas(await kubelet.allocate(NAME, 2))) == 2


async def test_device_info_files_are_there_before_the_slots_and_stay(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.device_info.mkdir()
    (node.device_info / "nvidia.com-vf-0000:01:00.2-device.json").write_text("{}")
    node.configure(entry(slots=2, slotsPer="hca", deviceInfo=True))
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        allocation = await kubelet.allocate(NAME)
        (slot,) = allocation.ids
        document = json.loads((node.device_info / f"rdma-a-{slot}-device.json").read_text())
        assert document["pci"]["pci-address"] == slot.rpartition("-")[0]
        assert [document["pci"]["rdma-device"]] == hcas(allocation)
    assert len(list(node.device_info.iterdir())) == 5
