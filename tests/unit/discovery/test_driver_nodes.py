"""The character devices of hfi1 and qib outside /dev/infiniband: each goes to its own HCA."""

import os

import pytest

from rdma_dp.discovery import scan
from rdma_dp.discovery.polling import differs, scan_with_fingerprint
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.sharing.advice import resource_warnings
from rdma_dp.sharing.allocation import grant
from simulator.host import Manifest, parse
from tests.conftest import Fresh, Look
from tests.makers import pool

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mknod needs root")


def manifest(*hcas: str) -> Manifest:
    """A host with one Omni-Path function for each of these HCAs."""
    lines = [f"  0000:{at:02x}:00.0: {{id: 8086:24f0, hcas: {hca}}}" for at, hca in enumerate(hcas)]
    return parse("\n".join(["title: Omni-Path", "functions:", *lines]), "this test")


def nodes(inventory: Inventory) -> dict[str, list[str]]:
    return {
        hca.name: [device.path for device in hca.driver_nodes if device.usable]
        for hca in inventory.hcas
    }


def test_each_hfi_has_its_own_node(look: Look) -> None:
    """C12: Omni-Path and CN5000 need /dev/hfi1_N beside uverbs, umad and issm."""
    inventory = look("cn5000")
    assert nodes(inventory) == {"hfi1_0": ["/dev/hfi1_0"], "hfi1_1": ["/dev/hfi1_1"]}
    first, _ = inventory.hcas
    assert grant(pool(first)).devices == (
        "/dev/hfi1_0",
        "/dev/infiniband/issm0",
        "/dev/infiniband/rdma_cm",
        "/dev/infiniband/umad0",
        "/dev/infiniband/uverbs0",
    )


def test_truescale_has_the_node_of_its_unit_only(look: Look) -> None:
    """C12: /dev/ipath opens any unit and ipath_diagpkt sends any packet: no container gets them."""
    assert nodes(look("qib")) == {"qib0": ["/dev/ipath0"]}


def test_other_hcas_have_no_node_of_a_driver(look: Look) -> None:
    assert set(map(tuple, nodes(look("dgx-h100")).values())) == {()}


def test_an_hca_that_was_renamed_has_the_only_node_that_is_left(fresh: Fresh) -> None:
    host = fresh(manifest("[hfi1_0]", "{opap1s0: {unit: 1}}"))
    found = nodes(scan(Host(host.root)))
    assert found == {"hfi1_0": ["/dev/hfi1_0"], "opap1s0": ["/dev/hfi1_1"]}


def test_the_nodes_of_several_renamed_hcas_are_not_guessed(fresh: Fresh) -> None:
    """C12: nothing in sysfs connects them, so a container gets neither, and a warning says why."""
    host = fresh(manifest("{opap0s0: {unit: 1}}", "{opap1s0: {unit: 0}}"))
    inventory = scan(Host(host.root))
    assert nodes(inventory) == {"opap0s0": [], "opap1s0": []}
    warnings = resource_warnings(pool(*inventory.hcas).selection, inventory.system)
    assert (
        "which of /dev/hfi1_0, /dev/hfi1_1 belongs to opap0s0 is unknown, because the HCA was"
        " renamed: restore its name hfi1_N; containers do not get it"
    ) in warnings


def test_a_parent_in_sysfs_counts_more_than_a_name(fresh: Fresh) -> None:
    host = fresh(manifest("{opap0s0: {unit: 1}}", "{opap1s0: {unit: 0}}"))
    for number, function in ((0, "0000:01:00.0"), (1, "0000:00:00.0")):
        link = host.root / f"sys/class/hfi1_user/hfi1_{number}"
        device = (host.root / f"sys/bus/pci/devices/{function}").resolve() / f"hfi1_{number}"
        link.resolve().rename(device)
        link.unlink()
        link.symlink_to(os.path.relpath(device, link.parent))
    found = nodes(scan(Host(host.root)))
    assert found == {"opap0s0": ["/dev/hfi1_1"], "opap1s0": ["/dev/hfi1_0"]}


@needs_root
def test_a_node_that_is_missing_costs_the_node_only(fresh: Fresh) -> None:
    host = fresh("cn5000", dev=True)
    (host.root / "dev/hfi1_0").unlink()
    inventory = scan(Host(host.root))
    first, second = inventory.hcas
    assert first.shareable
    assert [device.fault for device in first.driver_nodes] == [
        "/dev/hfi1_0 is missing: if this is a pod, mount the host's /dev into it"
    ]
    assert [device.checked and device.usable for device in second.driver_nodes] == [True]


def test_a_node_that_appears_later_is_a_change(fresh: Fresh) -> None:
    host = fresh("cn5000")
    link = host.root / "sys/class/hfi1_user/hfi1_1"
    target = link.readlink()
    link.unlink()
    found = scan_with_fingerprint(Host(host.root))
    assert nodes(found.inventory)["hfi1_1"] == []
    link.symlink_to(target)
    assert differs(Host(host.root), found)
