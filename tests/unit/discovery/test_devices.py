"""Character devices: a node counts only when it is there with the number that the kernel says."""

import os
import stat
from pathlib import Path

import pytest

from rdma_dp.discovery import scan
from rdma_dp.discovery.char_devices import char_device
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import DeviceNumber, Inventory
from rdma_dp.sharing.allocation import grant
from tests.conftest import Fresh
from tests.makers import pool

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mknod needs root")


@pytest.fixture
def root(fresh: Fresh) -> Path:
    return fresh("seed", dev=True).root


def make_node(path: Path, major: int, minor: int) -> None:
    path.unlink()
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(major, minor))


def look_at(root: Path) -> Inventory:
    return scan(Host(root))


@needs_root
def test_nodes_with_the_right_numbers_are_checked_and_usable(root: Path) -> None:
    inventory = look_at(root)
    devices = [device for hca in inventory.hcas for device in hca.char_devices]
    assert len(devices) == 4
    assert all(device.checked and device.usable for device in devices)
    assert all(hca.shareable for hca in inventory.hcas)
    assert inventory.system.rdma_cm is not None
    assert inventory.system.rdma_cm.checked


@needs_root
def test_a_missing_uverbs_node_makes_the_hca_unshareable(root: Path) -> None:
    (root / "dev/infiniband/uverbs0").unlink()
    first, second = look_at(root).hcas
    assert str(first.ineligible) == "/dev/infiniband/uverbs0 is missing"
    assert second.shareable


@needs_root
def test_a_node_with_another_number_is_not_this_hcas(root: Path) -> None:
    make_node(root / "dev/infiniband/uverbs0", 231, 200)
    first, _ = look_at(root).hcas
    assert str(first.ineligible) == (
        "/dev/infiniband/uverbs0 is 231:200, but the kernel's uverbs0 is 231:192"
    )


def test_something_else_than_a_node_is_no_node(fresh: Fresh) -> None:
    host = fresh("seed")
    (host.root / "dev/infiniband").mkdir(parents=True)
    (host.root / "dev/infiniband/uverbs0").write_text("")
    first, second = look_at(host.root).hcas
    assert str(first.ineligible) == "/dev/infiniband/uverbs0 is not a character device"
    assert str(second.ineligible) == "/dev/infiniband/uverbs1 is missing"


@needs_root
def test_a_broken_umad_costs_the_umad_only(root: Path) -> None:
    make_node(root / "dev/infiniband/umad0", 1, 3)
    first, second = look_at(root).hcas
    assert first.shareable
    assert [umad.fault for umad in first.umads] == [
        "/dev/infiniband/umad0 is 1:3, but the kernel's umad0 is 231:0"
    ]
    devices = grant(pool(first, second)).devices
    assert "/dev/infiniband/umad0" not in devices
    assert {"/dev/infiniband/uverbs0", "/dev/infiniband/umad1"} <= set(devices)


@needs_root
def test_links_beside_the_nodes_do_no_harm(root: Path) -> None:
    names = {path.name for path in (root / "dev/infiniband").iterdir()}
    assert "by-ibdev" in names
    assert all(hca.shareable for hca in look_at(root).hcas)


@needs_root
def test_a_node_that_came_back_counts_again(root: Path) -> None:
    node = root / "dev/infiniband/uverbs1"
    node.rename(root / "aside")
    assert [hca.shareable for hca in look_at(root).hcas] == [True, False]
    (root / "aside").rename(node)
    assert [hca.shareable for hca in look_at(root).hcas] == [True, True]


def test_a_tree_without_dev_is_not_checked(fresh: Fresh) -> None:
    inventory = look_at(fresh("seed").root)
    devices = [device for hca in inventory.hcas for device in hca.char_devices]
    assert all(device.usable and not device.checked for device in devices)


def test_answers_never_name_a_path_below_another_root(fresh: Fresh) -> None:
    root = fresh("dgx-h100").root
    devices = [device for hca in look_at(root).hcas for device in hca.char_devices]
    assert all(device.path.startswith("/dev/infiniband/") for device in devices)


def test_a_number_that_was_used_again_belongs_to_the_hca_that_has_it_now(fresh: Fresh) -> None:
    root = fresh("seed").root
    for name, owner in (("uverbs0", "mlx5_1"), ("uverbs1", "mlx5_0")):
        (root / f"sys/class/infiniband_verbs/{name}/ibdev").write_text(f"{owner}\n")
    assert {h.name: h.uverbs.name for h in look_at(root).hcas if h.uverbs} == {
        "mlx5_0": "uverbs1",
        "mlx5_1": "uverbs0",
    }


# --- one device ---------------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A sysfs directory sys/a, and no /dev."""
    (tmp_path / "sys/a").mkdir(parents=True)
    return tmp_path


def test_a_character_device_without_dev_is_named_from_sysfs(bare: Path) -> None:
    (bare / "sys/a/dev").write_text("231:192\n")
    device = char_device(Host(bare), "uverbs0", "sys/a")
    assert (device.number, device.checked) == (DeviceNumber(231, 192), False)
    assert (device.path, device.usable) == ("/dev/infiniband/uverbs0", True)


@pytest.mark.parametrize("text", ["", "231", "231:", ":192", "231:192:1", "a:b", "-1:2", "²:1"])
def test_a_device_number_is_major_colon_minor_or_none(text: str, bare: Path) -> None:
    (bare / "sys/a/dev").write_text(text)
    assert char_device(Host(bare), "uverbs0", "sys/a").number is None
