"""Why an HCA has no network interface: another network namespace, or a module."""

from pathlib import Path

import pytest

from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.verdicts import NoInterface, NoInterfaceCode
from simulator.host import parse
from tests.conftest import Fresh, Look
from tests.unit.doctor.ailing import ailing


def hcas(root: Path) -> dict[str, Hca]:
    return {hca.name: hca for hca in scan(Host(root)).hcas}


def only(fresh: Fresh, functions: str) -> NoInterface | None:
    (hca,) = hcas(fresh(parse(f"title: one HCA\n{functions}", "this test")).root).values()
    assert not hca.netdevs
    return hca.no_interface


def test_the_interface_of_an_hca_is_in_a_pod(look: Look) -> None:
    """C9: sysfs hides the interface, but not the directory that it is in."""
    first, second = look("interface-in-pod").hcas
    assert (first.no_interface, second.netdevs) == (None, ())
    assert second.no_interface is not None
    assert second.no_interface.code is NoInterfaceCode.OTHER_NETNS
    assert second.no_interface.text == (
        "the interface is in another network namespace; a pod can have it, from the host-device or"
        " SR-IOV CNI plugin"
    )


def test_without_host_network_no_interface_of_the_node_is_here(look: Look) -> None:
    """C9: for RoCE and for InfiniBand."""
    for hca in look("no-host-network").hcas:
        assert hca.no_interface is not None
        assert hca.no_interface.code is NoInterfaceCode.NOT_HOST_NETNS
        assert "hostNetwork is missing in the pod of rdma-dp" in hca.no_interface.text


def test_the_gid_table_shows_an_interface_that_is_not_here(fresh: Fresh) -> None:
    host = fresh("interface-in-pod")
    (host.root / "sys/bus/pci/devices/0000:3b:00.1/net").rmdir()
    absent = hcas(host.root)["mlx5_1"].no_interface
    assert absent is not None
    assert absent.text.startswith("the interface is in another network namespace")


def test_a_gid_table_never_gives_the_hca_the_eth0_of_this_pod(fresh: Fresh) -> None:
    """C9: the table names the interface as another namespace calls it, and eth0 is in each."""
    host = fresh("no-host-network")
    for file in host.root.glob("sys/class/infiniband/mlx5_0/ports/1/gid_attrs/ndevs/*"):
        file.write_text("eth0\n")
    mlx5_0 = hcas(host.root)["mlx5_0"]
    assert mlx5_0.netdevs == ()
    assert mlx5_0.no_interface is not None


def test_an_ethernet_port_has_an_interface_somewhere(fresh: Fresh) -> None:
    absent = only(fresh, "functions: {0000:01:00.0: {id: 15b3:1017, hcas: [mlx5_0]}}")
    assert absent is not None
    assert absent.text.startswith("the interface is probably in another network namespace")


@pytest.mark.parametrize(
    ("functions", "module"),
    [
        ("functions: {0000:01:00.0: {id: 15b3:1021, class: 0207, hcas: [mlx5_0]}}", "ib_ipoib"),
        (
            "functions: {0000:01:00.0: {id: 15b3:1003, hcas: {mlx4_0: {protocol: roce}}}}",
            "mlx4_en",
        ),
    ],
)
def test_a_module_makes_the_interface(functions: str, module: str, fresh: Fresh) -> None:
    other = "  0000:02:00.0: {id: 8086:1533, net: [eno1]}"
    absent = only(fresh, functions.replace("functions: {", "functions:\n  ")[:-1] + f"\n{other}")
    assert absent is not None
    assert (absent.code, absent.elsewhere) == (NoInterfaceCode.MODULE, False)
    assert absent.remedy == f"modprobe {module}"


def test_host_network_comes_before_the_module(fresh: Fresh) -> None:
    """C9: modprobe ib_ipoib alone makes an interface that is not here."""
    absent = only(fresh, "functions: {0000:01:00.0: {id: 15b3:1021, class: 0207, hcas: [mlx5_0]}}")
    assert absent is not None
    assert (absent.code, absent.remedy) == (NoInterfaceCode.NOT_HOST_NETNS, None)
    assert absent.text == (
        "no interface of the node is here: hostNetwork is missing in the pod of rdma-dp, or the"
        " node itself is a container. Besides, ib_ipoib, the module that makes the interface, is"
        " not loaded (`modprobe ib_ipoib`)"
    )


@pytest.mark.parametrize("name", ["efa", "soft", "switchdev", "erdma", "exclusive-netns", "bnxt"])
def test_other_hcas_need_no_reason(name: str, look: Look) -> None:
    assert not any(hca.no_interface for hca in look(name).hcas)


def test_a_tree_without_the_class_of_netdevs_shows_nothing(fresh: Fresh) -> None:
    host = fresh(ailing("no-host-network", "remove: [sys/class/net]"))
    assert not any(hca.no_interface for hca in hcas(host.root).values())
