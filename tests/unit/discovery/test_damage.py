"""A host that changes while one looks at it, and one that cannot be read."""

import errno
import os
from pathlib import Path

import pytest

from rdma_dp.discovery import scan
from rdma_dp.host.files import ExhaustedError, Host, HostError
from rdma_dp.host.tree import DiskTree
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.inventory.verdicts import UnusedCode
from rdma_dp.sharing.health import has_active_port
from tests.conftest import Fresh, Look, Sample


class FailingTree(DiskTree):
    """A disk on which one path answers with an error."""

    def __init__(self, root: Path, bad: str) -> None:
        super().__init__(root)
        self._bad: str | None = bad

    def mend(self) -> None:
        """From here on everything can be read."""
        self._bad = None

    def names(self, path: str) -> list[str]:
        self._check(path)
        return super().names(path)

    def target(self, path: str) -> str:
        self._check(path)
        return super().target(path)

    def read(self, path: str, limit: int) -> bytes:
        self._check(path)
        return super().read(path, limit)

    def status(self, path: str) -> os.stat_result:
        self._check(path)
        return super().status(path)

    def _check(self, path: str) -> None:
        if path == self._bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


class VanishingTree(DiskTree):
    """A disk on which the files below one path answer as those of a device that is going away."""

    def __init__(self, root: Path, below: str, code: int) -> None:
        super().__init__(root)
        self._below, self._code = below, code

    def read(self, path: str, limit: int) -> bytes:
        if path.startswith(self._below):
            raise OSError(self._code, "device gone")
        return super().read(path, limit)


def names(inventory: Inventory) -> list[str]:
    return [hca.name for hca in inventory.hcas]


def test_a_damaged_host_shows_what_is_left(look: Look) -> None:
    inventory = look("damaged")
    assert names(inventory) == ["mlx4_0", "mlx5_0", "mlx5_1", "mlx5_4"]
    assert all(hca.shareable for hca in inventory.hcas)


def test_missing_attributes_are_none(look: Look) -> None:
    mlx5_0 = look("damaged").hcas[1]
    (port,) = mlx5_0.ports
    assert (port.rate, port.phys_state) == (None, None)
    assert (port.state, port.link_layer) == ("ACTIVE", "Ethernet")
    assert port.netdevs == ("enp24s0np0",)


def test_attributes_without_a_newline_read_the_same(look: Look) -> None:
    mlx5_1 = look("damaged").hcas[2]
    (port,) = mlx5_1.ports
    assert (port.state, port.link_layer) == ("ACTIVE", "Ethernet")
    assert mlx5_1.link_types == ("ether",)  # from the link layer: the netdev has lost its type


def test_no_numa_node_and_minus_one_are_both_none(look: Look) -> None:
    found = {hca.name: hca.numa_node for hca in look("damaged").hcas}
    assert found == {"mlx4_0": 0, "mlx5_0": 0, "mlx5_1": None, "mlx5_4": None}


def test_a_pci_domain_may_have_five_digits(look: Look) -> None:
    function = look("damaged").hcas[3].function
    assert function is not None
    assert function.address == "10000:e1:00.0"


def test_stray_files_and_dangling_links_are_no_hcas(sample: Sample, look: Look) -> None:
    below = sample("damaged") / "sys/class/infiniband"
    assert {"stray", "mlx5_9"} <= {path.name for path in below.iterdir()}
    assert not {"stray", "mlx5_9"} & set(names(look("damaged")))


@pytest.mark.parametrize(
    "code", [errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.EINVAL, errno.EOPNOTSUPP]
)
def test_attributes_that_vanish_during_the_scan_are_none(code: int, sample: Sample) -> None:
    host = Host(VanishingTree(sample("seed"), "sys/class/infiniband/mlx5_0/ports", code))
    first, second = scan(host).hcas
    (port,) = first.ports
    assert (port.state, port.phys_state, port.link_layer, port.rate) == (None, None, None, None)
    assert second.ports[0].state == "ACTIVE"


@pytest.mark.parametrize("code", [errno.EIO, errno.EACCES, errno.ETIMEDOUT])
def test_a_port_that_cannot_be_read_is_not_active_and_its_hca_stays(
    code: int, sample: Sample
) -> None:
    host = Host(VanishingTree(sample("seed"), "sys/class/infiniband/mlx5_0/ports", code))
    first, second = scan(host).hcas
    assert first.shareable
    assert [port.state for port in first.ports] == ["UNREADABLE"]
    assert not has_active_port(first)
    assert second.ports[0].state == "ACTIVE"


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_failure_of_our_own_is_no_news_of_the_host(code: int, sample: Sample) -> None:
    with pytest.raises(ExhaustedError):
        scan(Host(VanishingTree(sample("seed"), "sys/class/infiniband/mlx5_0/ports", code)))


def vendor_of(root: Path, hca: str) -> str:
    """The attribute's real path, as the scan reads it."""
    return str(
        (root / "sys/class/infiniband" / hca).resolve().parents[1].relative_to(root) / "vendor"
    )


def test_an_hca_that_cannot_be_read_does_not_hide_the_others(sample: Sample) -> None:
    root = sample("seed")
    bad = vendor_of(root, "mlx5_0")
    inventory = scan(Host(FailingTree(root, bad)))
    first, second = inventory.hcas
    assert (first.name, first.shareable) == ("mlx5_0", False)
    assert str(first.ineligible) == f"cannot read /{bad}: Input/output error"
    assert second.shareable
    assert inventory.unused_functions == ()  # its function has an HCA, if an unreadable one


@pytest.mark.parametrize(
    "bad",
    [
        "sys/class/infiniband_verbs/uverbs1/ibdev",
        "sys/class/infiniband_verbs/uverbs1/dev",
        "sys/class/infiniband_mad/umad1/ibdev",
        "sys/class/infiniband_mad/umad1/dev",
        "sys/class/misc/rdma_cm/dev",
        "sys/module/ib_core/parameters/netns_mode",
        "sys/bus/pci/devices/0000:3b:00.1/class",
        "sys/class/net/ens1f1np1/type",
    ],
)
def test_one_attribute_that_cannot_be_read_costs_the_other_hca_nothing(
    bad: str, sample: Sample
) -> None:
    hcas = {hca.name: hca for hca in scan(Host(FailingTree(sample("seed"), bad))).hcas}
    assert hcas["mlx5_0"].shareable
    assert hcas["mlx5_0"].char_devices


def test_an_idle_function_that_cannot_be_read_says_so(sample: Sample) -> None:
    bad = "sys/bus/pci/devices/0000:00:1f.6/vendor"
    root = sample("empty")
    others = {o.function.address: o for o in scan(Host(FailingTree(root, bad))).unused_functions}
    assert others["0000:00:1f.6"].reason.text == f"cannot read /{bad}: Input/output error"
    assert others["0000:00:03.0"].reason.code is UnusedCode.DRIVER_WITHOUT_RDMA


def test_a_vpd_that_cannot_be_read_is_a_doubt_and_is_tried_again(sample: Sample) -> None:
    vpd = "sys/bus/pci/devices/0000:05:00.0/vpd"
    tree = FailingTree(sample("dgx-b200"), vpd)
    first = scan(Host(tree)).hcas[0]
    assert first.shareable
    assert first.suspicion is not None
    assert "NVLink switch" in first.suspicion.text
    tree.mend()
    mended = scan(Host(tree)).hcas[0]
    assert (mended.shareable, mended.suspicion) == (False, None)


@pytest.mark.parametrize(
    "path",
    [
        "sys/class/infiniband",
        "sys/class/infiniband_verbs",
        "sys/class/infiniband_mad",
        "sys/class/net",
        "sys/bus/pci/devices",
    ],
)
def test_a_class_that_cannot_be_listed_is_never_an_empty_host(path: str, sample: Sample) -> None:
    with pytest.raises(HostError, match=path):
        scan(Host(FailingTree(sample("seed"), path)))


class SlowVpd(Host):
    """A host whose VPDs fail, as slowly as cards do, and which counts the attempts."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.attempts = 0

    def read_bytes(self, path: str, limit: int) -> bytes | None:
        if path.endswith("/0000:05:00.0/vpd"):
            self.attempts += 1
            raise HostError("cannot read the VPD")
        return super().read_bytes(path, limit)


def test_a_vpd_that_fails_is_read_once_a_scan_and_given_up_after_three(sample: Sample) -> None:
    host = SlowVpd(sample("dgx-b200"))
    attempts = []
    for _ in range(5):
        assert scan(host).hcas[0].suspicion is not None
        attempts.append(host.attempts)
    assert attempts == [1, 2, 3, 3, 3]


def test_an_unplugged_hca_is_gone_and_its_function_says_why(fresh: Fresh) -> None:
    host = fresh("seed")
    host.unplug("mlx5_1")
    inventory = scan(Host(host.root))
    assert names(inventory) == ["mlx5_0"]
    assert [other.reason.text for other in inventory.unused_functions] == ["no driver is bound"]
    host.plug("mlx5_1")
    assert names(scan(Host(host.root))) == ["mlx5_0", "mlx5_1"]


def test_a_port_that_goes_down_says_so_at_the_next_scan(fresh: Fresh) -> None:
    host = fresh("seed")
    host.set_port("mlx5_0", 1, state="DOWN", phys_state="Disabled")
    (port,) = scan(Host(host.root)).hcas[0].ports
    assert (port.state, port.phys_state) == ("DOWN", "Disabled")


def test_an_empty_root_is_an_empty_inventory(tmp_path: Path) -> None:
    assert scan(Host(tmp_path)) == Inventory()
