"""CDI, from the config to the names in kubelet's answer and the specs that define them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from simulator import host as simulated_host
from simulator.host.manifest import Hca
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, appears, entry, healthy, two_hcas

FOREIGN = "nvidia.com-gpu.yaml"
GO_PLUGIN_NAMES = "nvidia.com_rdma-dp.json"
FIRST, SECOND = two_hcas().functions  # PCI addresses


def devices(node: Node) -> dict[str, list[str]]:
    """The device nodes of each qualified name in the directory, as a runtime reads them."""
    found = {}
    for path in node.cdi.glob("*.json"):
        try:
            spec = json.loads(path.read_text())
        except FileNotFoundError:
            continue  # removed in the meantime: its HCAs are gone for a moment
        for device in spec["devices"]:
            nodes = [each["path"] for each in device["containerEdits"]["deviceNodes"]]
            found[f"{spec['kind']}={device['name']}"] = nodes
    return found


def names(allocation: Any) -> list[str]:
    return [device.name for device in allocation.answer.cdi_devices]


@pytest.mark.parametrize("slots_per", ["resource", "hca"])
async def test_every_name_that_a_container_gets_is_in_a_spec(
    node: Node, kubelet: SimulatedKubelet, slots_per: str
) -> None:
    node.configure(entry(slots=1, slotsPer=slots_per), cdi="cri")
    total = 2 if slots_per == "hca" else 1
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(total))
        answer = await kubelet.allocate(NAME)
        known = devices(node)
        nodes = [path for name in names(answer) for path in known[name]]
        assert not answer.answer.devices
        assert sorted(nodes) == [
            "/dev/infiniband/rdma_cm",
            *(f"/dev/infiniband/umad{n}" for n in range(3 - total)),
            *(f"/dev/infiniband/uverbs{n}" for n in range(3 - total)),
        ]


async def test_the_config_wins_over_the_switch(node: Node, kubelet: SimulatedKubelet) -> None:
    node.configure(entry(), cdi="off")
    async with node.daemon("--use-cdi"):
        await kubelet.wait_for(NAME, healthy(4))
        assert not node.cdi.exists()


async def test_annotations_are_for_kubelets_that_know_no_cdi(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry("a"), entry("b"), cdi="annotations")
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        await kubelet.wait_for("rdma/b", healthy(4))
        one, other = await kubelet.allocate(NAME), await kubelet.allocate("rdma/b")
        keys = {*one.answer.annotations, *other.answer.annotations}
        assert len(keys) == 2, "two resources in one container"
        for allocation in (one, other):
            (value,) = allocation.answer.annotations.values()
            assert set(value.split(",")) <= set(devices(node))
            assert not names(allocation)


async def test_the_specs_stay_when_the_daemon_stops_and_others_are_never_touched(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.cdi.mkdir()
    (node.cdi / FOREIGN).write_text("cdiVersion: 0.5.0\n")
    node.configure(entry("a"), entry("b"), cdi="cri")
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        await kubelet.wait_for("rdma/b", healthy(4))
        node.configure(entry("a"), cdi="cri")
        await appears(node.cdi, lambda: len(files(node)) == 2)
    left = sorted(path.name for path in files(node))
    assert left == [FOREIGN, "rdma-dp-rdma_a.json"]
    assert (node.cdi / FOREIGN).read_text() == "cdiVersion: 0.5.0\n"


def files(node: Node) -> list[Path]:
    """All files but the one with the Go plugin's names, which belongs to no resource."""
    found = (path for path in node.cdi.iterdir() if not path.name.startswith("."))
    return [path for path in found if path.name != GO_PLUGIN_NAMES]


async def test_the_go_plugins_names_come_when_its_file_goes_without_delay(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.cdi.mkdir()
    own = node.cdi / "nvidia.com_a.yaml"
    own.write_text(f"kind: nvidia.com/net-rdma\ndevices: [{{name: {FIRST}}}, {{name: {SECOND}}}]\n")
    node.configure(entry(), cdi="cri", periodicUpdateInterval=0)
    ours = {f"nvidia.com/net-rdma={address}" for address in (FIRST, SECOND)}
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        assert not ours & devices(node).keys()
        own.unlink()  # as the Go plugin does when it ends
        await appears(node.cdi, lambda: ours <= devices(node).keys())
        (node.cdi / GO_PLUGIN_NAMES).unlink()  # as the Go plugin does when it starts
        own.write_text(f"kind: nvidia.com/net-rdma\ndevices: [{{name: {FIRST}}}]\n")
        await appears(node.cdi, lambda: ours & devices(node).keys() == {max(ours)})


async def test_the_go_plugins_names_can_be_left_out(node: Node, kubelet: SimulatedKubelet) -> None:
    node.configure(entry(), cdi="cri", goPluginCdiNames=False)
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        assert not any(name.startswith("nvidia.com") for name in devices(node))


async def test_a_lost_spec_is_written_again(node: Node, kubelet: SimulatedKubelet) -> None:
    """Without delay: no timer is set."""
    node.configure(entry(), cdi="cri", periodicUpdateInterval=0)
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
        (spec,) = files(node)
        spec.unlink()
        await appears(node.cdi, spec.exists)
        assert len([name for name in devices(node) if name.startswith("rdma-dp/")]) == 3


async def test_a_spec_that_another_rdma_dp_overwrites_in_an_update_is_put_right(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    node.configure(entry(slotsPer="hca"), cdi="cri", periodicUpdateInterval=0)
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(8))
        (spec,) = files(node)
        right = spec.read_text()
        document = json.loads(right)
        document["devices"].pop(0)
        other = node.cdi / ".other.tmp"
        other.write_text(json.dumps(document))
        other.rename(spec)
        await appears(node.cdi, lambda: spec.read_text() == right)


async def test_specs_stay_right_when_cdi_is_switched_off(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """Containers that restart still use their names."""
    node.configure(entry(slotsPer="hca"), cdi="cri")
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(8))
        node.configure(entry(slotsPer="hca"))
        await daemon.says("new config")
        node.host.replace(_renumbered())
        name = f"rdma-dp/rdma_a={FIRST}"
        await appears(node.cdi, lambda: "/dev/infiniband/uverbs1" in devices(node).get(name, []))


async def test_while_a_spec_cannot_be_written_no_slot_is_healthy(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """A container would get names that no runtime can resolve."""
    node.cdi.write_text("no directory")
    node.configure(entry(), cdi="cri")
    async with node.daemon() as daemon:
        await kubelet.wait_for(NAME, healthy(0, of=4))
        await daemon.says("0 of 4 slots healthy", str(node.cdi))
        node.cdi.unlink()
        await kubelet.wait_for(NAME, healthy(4))


async def test_after_a_reboot_that_renumbers_uverbs_the_old_names_mean_the_same_hcas(
    node: Node, kubelet: SimulatedKubelet
) -> None:
    """kubelet keeps an answer for as long as the pod lives. It does not call Allocate again."""
    node.configure(entry(slots=1, slotsPer="hca"), cdi="cri")
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(2))
        by_slot = {}
        for _ in range(2):
            allocation = await kubelet.allocate(NAME)
            by_slot[allocation.ids[0]] = names(allocation)
    before = {slot: _uverbs(node, kept) for slot, kept in by_slot.items()}

    shutil.rmtree(node.cdi)
    node.host.replace(_renumbered())
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(2))
        after = {slot: _uverbs(node, kept) for slot, kept in by_slot.items()}
    assert list(after.values()) == list(reversed(before.values())), (
        "the numbers have changed places"
    )
    assert after == {slot: _uverbs_of_function(node, slot) for slot in by_slot}


def _uverbs(node: Node, kept: list[str]) -> str:
    known = devices(node)
    (path,) = (path for name in kept for path in known[name] if "uverbs" in path)
    return path


def _uverbs_of_function(node: Node, slot: str) -> str:
    """From sysfs: the uverbs node of the HCA at the slot's PCI address."""
    address = slot.rpartition("-")[0]
    function = node.host.root / "sys/bus/pci/devices" / address
    (uverbs,) = (path.name for path in (function / "infiniband_verbs").iterdir())
    return f"/dev/infiniband/{uverbs}"


def _renumbered() -> simulated_host.Manifest:
    """The same functions, in the other order."""
    functions = {
        address: function.model_copy(update={"hcas": {name: Hca(uverbs=number, umad=(number,))}})
        for number, (address, function) in zip((1, 0), two_hcas().functions.items(), strict=True)
        for name in function.hcas
    }
    return two_hcas().model_copy(update={"functions": functions})
