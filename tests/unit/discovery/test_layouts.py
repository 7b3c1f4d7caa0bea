"""Each sample host, as its manifest's "Expected:" and the kernel's layouts say."""

from typing import Any

import pytest

from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.inventory.verdicts import IneligibleCode
from rdma_dp.sharing.selection import select
from simulator.host import parse, sample_names
from tests.conftest import Fresh, Look
from tests.makers import resource


def names(inventory: Inventory) -> list[str]:
    return [hca.name for hca in inventory.hcas]


def shared(inventory: Inventory) -> list[str]:
    return [hca.name for hca in inventory.hcas if hca.shareable]


def code(hca: Hca) -> IneligibleCode | None:
    return hca.ineligible.code if hca.ineligible else None


def named(inventory: Inventory, name: str) -> Hca:
    return next(hca for hca in inventory.hcas if hca.name == name)


def address(hca: Hca) -> str | None:
    return hca.function.address if hca.function else None


def netdevs(hca: Hca) -> list[str]:
    return [netdev.name for netdev in hca.netdevs]


def by_port(hca: Hca) -> dict[int, tuple[str, ...]]:
    return {port.number: port.netdevs for port in hca.ports}


def nodes(hca: Hca) -> list[str]:
    return [device.name for device in hca.char_devices]


def selected(inventory: Inventory, **selectors: Any) -> list[str]:
    return [hca.name for hca in select(inventory, resource(**selectors)).chosen]


def others(inventory: Inventory) -> dict[str, str]:
    return {other.function.address: other.reason.text for other in inventory.unused_functions}


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_is_read_without_an_error(name: str, look: Look) -> None:
    inventory = look(name)
    assert len(set(names(inventory))) == len(inventory.hcas)
    paths = [hca.uverbs.path for hca in inventory.hcas if hca.uverbs]
    assert len(set(paths)) == len(paths)
    assert not any(code(hca) is IneligibleCode.UNREADABLE for hca in inventory.hcas)


# --- one function, one HCA ----------------------------------------------------------------------


def test_a_plain_servers_hcas_have_everything(look: Look) -> None:
    inventory = look("seed")
    first, second = inventory.hcas
    assert (first.name, address(first), netdevs(first)) == ("mlx5_0", "0000:3b:00.0", ["ens1f0np0"])
    assert first.function is not None
    assert (first.function.vendor, first.function.device) == ("15b3", "101b")
    assert (first.function.driver, first.numa_node) == ("mlx5_core", 0)
    (port,) = first.ports
    assert (port.number, port.state, port.phys_state) == (1, "ACTIVE", "LinkUp")
    assert (port.link_layer, port.rate) == ("Ethernet", 200.0)
    assert nodes(first) == ["uverbs0", "umad0"]
    assert first.uverbs is not None
    assert (first.uverbs.path, str(first.uverbs.number)) == ("/dev/infiniband/uverbs0", "231:192")
    assert (first.uverbs.checked, first.uverbs.usable) == (False, True)
    assert nodes(second) == ["uverbs1", "umad1"]
    assert inventory.system.netns_mode == "shared"
    assert inventory.system.rdma_cm is not None
    assert inventory.system.rdma_cm.path == "/dev/infiniband/rdma_cm"
    assert all(inventory.system.modules.values())
    assert inventory.unused_functions == ()


def test_the_seed_configs_select_what_the_go_plugin_selects(look: Look) -> None:
    assert selected(look("seed"), ifNames=["ens1f0np0"]) == ["mlx5_0"]
    assert selected(look("seed"), vendors=["15b3"], deviceIDs=["101b"]) == ["mlx5_0", "mlx5_1"]


def test_a_dgx_h100_has_twelve_hcas_in_the_order_that_people_count_in(look: Look) -> None:
    inventory = look("dgx-h100")
    assert shared(inventory) == [f"mlx5_{number}" for number in range(12)]
    assert [hca.numa_node for hca in inventory.hcas] == [0] * 6 + [1] * 6
    infiniband = selected(inventory, linkTypes=["infiniband"])
    assert infiniband == [f"mlx5_{number}" for number in (0, 3, 4, 5, 6, 9, 10, 11)]
    assert selected(inventory, linkTypes=["ether"]) == ["mlx5_1", "mlx5_2", "mlx5_7", "mlx5_8"]
    assert inventory.unused_functions == ()  # a GPU is no network function


def test_infiniband_without_ipoib_has_no_netdev_but_a_link_type(look: Look) -> None:
    inventory = look("dgx-b200")
    compute = [f"mlx5_{number}" for number in range(4, 12)]
    assert all(netdevs(named(inventory, name)) == [] for name in compute)
    assert selected(inventory, linkTypes=["infiniband"]) == compute
    assert netdevs(named(inventory, "mlx5_12")) == ["enp41s0f0np0"]
    assert address(named(inventory, "mlx5_4")) == "0000:18:00.0"  # behind two levels of switch


def test_nvlink_switch_management_is_not_shared_though_it_is_active(look: Look) -> None:
    inventory = look("dgx-b200")
    managers = inventory.hcas[:4]
    assert [hca.name for hca in managers] == ["mlx5_0", "mlx5_1", "mlx5_2", "mlx5_3"]
    assert all(hca.ports[0].state == "ACTIVE" for hca in managers)
    assert all(code(hca) is IneligibleCode.NVLINK_SWITCH_MANAGEMENT for hca in managers)
    assert shared(inventory) == [f"mlx5_{number}" for number in range(4, 14)]


@pytest.mark.parametrize(
    ("name", "hca", "driver", "netdev", "umads"),
    [
        ("irdma", "rocep177s0f0", "ice", "ens5f0np0", 1),
        ("irdma", "rocep177s0f1", "ice", "ens5f1np1", 1),
        ("irdma", "irdma2", "i40e", "eno1", 0),
        ("bnxt", "bnxt_re0", "bnxt_en", "ens4f0np0", 1),
        ("bnxt", "bnxt_re1", "bnxt_en", "ens4f1np1", 1),
    ],
)
def test_hcas_of_auxiliary_drivers_belong_to_the_pci_function(
    name: str, hca: str, driver: str, netdev: str, umads: int, look: Look
) -> None:
    found = named(look(name), hca)
    assert found.function is not None
    assert (found.function.driver, netdevs(found)) == (driver, [netdev])
    assert (len(found.umads), found.shareable) == (umads, True)
    assert found.subfunction is None


def test_a_class_of_serial_buses_hides_no_hca(look: Look) -> None:
    (qib,) = look("qib").hcas
    assert (qib.name, qib.numa_node, qib.link_types) == ("qib0", 2, ("infiniband",))
    assert nodes(qib) == ["uverbs0", "umad0", "issm0", "ipath0"]
    assert netdevs(qib) == ["ib0"]


def test_omni_path_counts_as_infiniband(look: Look) -> None:
    (hfi,) = look("hfi1-opa").hcas
    assert (hfi.link_types, netdevs(hfi)) == (("infiniband",), ["ib0"])
    assert nodes(hfi) == ["uverbs0", "umad0", "issm0", "hfi1_0"]


def test_efa_has_neither_netdev_nor_link_type_nor_umad(look: Look) -> None:
    inventory = look("efa")
    assert shared(inventory) == ["rdmap16s27", "rdmap32s27", "rdmap144s27", "rdmap160s27"]
    for hca in inventory.hcas:
        assert (hca.netdevs, hca.link_types, hca.umads) == ((), (), ())
        assert hca.ports[0].link_layer == "Unknown"
    assert list(others(inventory)) == ["0000:00:05.0"]


def test_random_pci_domains_and_indices_in_no_order(look: Look) -> None:
    inventory = look("azure-vf")
    assert names(inventory) == [f"mlx5_{number}" for number in range(9)]
    assert address(named(inventory, "mlx5_2")) == "c7ca:00:00.0"
    assert [hca.numa_node for hca in inventory.hcas] == [0, 1, 0, 2, 3, 1, 3, 2, 0]
    assert all(hca.function and hca.function.physfn is None for hca in inventory.hcas)
    infiniband = selected(inventory, linkTypes=["infiniband"])
    assert infiniband == [f"mlx5_{number}" for number in range(8)]


def test_names_are_never_read_as_addresses(look: Look) -> None:
    found = {hca.name: address(hca) for hca in look("renamed").hcas}
    assert found == {
        "ibp178s0f1": "0000:c1:00.1",
        "roceP2p1s0": "0002:01:00.0",
        "rocep193s0f0": "0000:c1:00.0",
    }


def test_numbers_with_gaps_belong_to_the_hca_that_they_name(look: Look) -> None:
    inventory = look("gaps")
    assert {hca.name: nodes(hca) for hca in inventory.hcas} == {
        "mlx5_1": ["uverbs40", "umad70"],
        "mlx5_2": ["uverbs7", "umad1", "issm1"],
        "mlx5_10": ["uverbs3", "umad9", "issm9"],
    }
    assert names(inventory) == ["mlx5_1", "mlx5_2", "mlx5_10"]
    uverbs40 = named(inventory, "mlx5_1").uverbs
    assert str(uverbs40.number if uverbs40 else None) == "511:8"  # beyond the 32 fixed minors


# --- functions and HCAs that are not one to one -------------------------------------------------


def test_a_physical_function_and_its_vfs_are_hcas_alike(look: Look) -> None:
    inventory = look("sriov")
    assert shared(inventory) == ["mlx5_0", "mlx5_1", "mlx5_2", "mlx5_3"]
    physfns = [hca.function.physfn for hca in inventory.hcas if hca.function]
    assert physfns == [None] + ["0000:5e:00.0"] * 3
    assert selected(inventory, deviceIDs=["101e"]) == ["mlx5_1", "mlx5_2", "mlx5_3"]
    assert named(inventory, "mlx5_2").ports[0].state == "DOWN"


def test_a_vf_whose_netdev_is_in_a_pod_is_still_found_by_its_id(look: Look) -> None:
    lent = named(look("sriov"), "mlx5_3")
    assert (lent.netdevs, lent.link_types, lent.shareable) == ((), ("ether",), True)


def test_subfunctions_have_their_parents_ids_and_their_own_netdev(look: Look) -> None:
    inventory = look("subfunctions")
    of_parent = [hca for hca in inventory.hcas if address(hca) == "0000:03:00.0"]
    found = {
        hca.name: (hca.subfunction.name, hca.subfunction.sfnum) if hca.subfunction else None
        for hca in of_parent
    }
    assert found == {
        "mlx5_0": None,
        "mlx5_2": ("mlx5_core.sf.2", 88),
        "mlx5_3": ("mlx5_core.sf.3", 0),
        "rocep3s0f0S99": ("mlx5_core.sf.5", 99),
    }
    assert all(hca.function and hca.function.device == "101d" for hca in of_parent)
    assert all(hca.numa_node == 0 for hca in of_parent)
    assert selected(inventory, ifNames=["enp3s0f0s88"]) == ["mlx5_2"]
    assert selected(inventory, ifNames=["enp3s0f0np0"]) == ["mlx5_0"]
    assert len(shared(inventory)) == 5


def test_one_function_with_a_port_of_each_kind(look: Look) -> None:
    inventory = look("connectx3")
    (hca,) = inventory.hcas
    assert by_port(hca) == {1: ("ib0",), 2: ("enp5s0d1",)}
    assert hca.link_types == ("infiniband", "ether")
    assert nodes(hca) == ["uverbs0", "umad0", "umad1", "issm0"]
    for selectors in (
        {"ifNames": ["ib0"]},
        {"ifNames": ["enp5s0d1"]},
        {"linkTypes": ["infiniband"]},
        {"linkTypes": ["ether"]},
    ):
        assert selected(inventory, **selectors) == ["mlx4_0"]


def test_a_function_with_two_vnics(look: Look) -> None:
    (hca,) = look("mana").hcas
    assert by_port(hca) == {1: ("enP30832s1",), 2: ("enP30832s1d1",)}


def test_smi_companions_are_shown_with_whom_they_serve_and_not_shared(look: Look) -> None:
    inventory = look("gb300")
    assert shared(inventory) == [f"mlx5_{number}" for number in range(8)]
    for served, companion in (("mlx5_0", "smi0"), ("mlx5_5", "smi5")):
        hca = named(inventory, companion)
        assert hca.ineligible is not None
        assert hca.ineligible.code is IneligibleCode.SMI
        assert f"only serves {served} " in hca.ineligible.text
        assert address(hca) == address(named(inventory, served))
        assert (hca.uverbs, len(hca.ports), len(hca.issms), hca.netdevs) == (None, 4, 4, ())
    mlx5_0 = named(inventory, "mlx5_0")
    assert (len(mlx5_0.umads), len(mlx5_0.issms), netdevs(mlx5_0)) == (1, 0, ["ibp3s0"])
    assert "0009:03:00.0" not in {address(hca) for hca in inventory.hcas}  # Data Direct


@pytest.mark.parametrize(
    "selectors",
    [
        {"ifNames": ["bond0"]},
        {"ifNames": ["ens2f0np0"]},
        {"ifNames": ["ens2f1np1"]},
        {"deviceIDs": ["101d"]},
        {"linkTypes": ["ether"]},
    ],
)
def test_a_roce_bond_is_selected_by_whatever_belongs_to_it(
    selectors: dict[str, list[str]], look: Look
) -> None:
    assert selected(look("roce-bond"), **selectors) == ["mlx5_bond_0"]


def test_a_roce_bond_has_both_functions_of_its_card_and_no_other(look: Look) -> None:
    inventory = look("roce-bond")
    bond = named(inventory, "mlx5_bond_0")
    assert [f.address for f in bond.functions] == ["0000:81:00.0", "0000:81:00.1"]
    assert {n.name: n.bond for n in bond.netdevs} == {
        "ens2f0np0": "bond0", "ens2f1np1": "bond0", "bond0": None,
    }  # fmt: skip
    assert others(inventory) == {
        "0000:81:00.1": "its port is part of mlx5_bond_0, the HCA of bond0"
    }
    assert [f.address for f in named(inventory, "mlx5_0").functions] == ["0000:18:00.0"]


def test_a_bond_over_two_cards_leaves_each_its_hca(look: Look) -> None:
    inventory = look("bond-of-two-cards")
    assert selected(inventory, ifNames=["bond0"]) == ["mlx5_0", "mlx5_1"]
    assert selected(inventory, ifNames=["enp23s0np0"]) == ["mlx5_0"]
    assert selected(inventory, ifNames=["enp101s0np0"]) == ["mlx5_1"]
    assert all(len(hca.functions) == 1 for hca in inventory.hcas)


def test_two_functions_joined_into_one_hca_with_two_ports(look: Look) -> None:
    inventory = look("multiport-roce")
    (hca,) = inventory.hcas
    assert by_port(hca) == {1: ("enp196s0f0np0",), 2: ("enp196s0f1np1",)}
    assert [f.address for f in hca.functions] == ["0000:c4:00.0", "0000:c4:00.1"]
    assert selected(inventory, ifNames=["enp196s0f1np1"]) == ["mlx5_0"]
    assert others(inventory) == {"0000:c4:00.1": "its port is one of the ports of mlx5_0"}


def test_a_switchdev_pf_does_raw_ethernet_only_and_its_vf_and_sf_do_roce(look: Look) -> None:
    inventory = look("switchdev")
    assert shared(inventory) == ["mlx5_1", "mlx5_2"]
    pf = named(inventory, "mlx5_0")
    assert pf.ports[0].state == "ACTIVE"
    assert code(pf) is IneligibleCode.SWITCHDEV
    assert netdevs(named(inventory, "mlx5_2")) == ["enp8s0f0s7"]


@pytest.mark.parametrize("name", ["switchdev", "bluefield-arm"])
def test_no_representor_belongs_to_an_hca(name: str, look: Look) -> None:
    representors = {"enp8s0f0_0", "en8f0pf0sf7", "pf0hpf", "pf1hpf", "en3f0pf0sf0", "en3f1pf1sf0"}
    for hca in look(name).hcas:
        assert not representors & set(netdevs(hca))
        assert not representors & {n for port in hca.ports for n in port.netdevs}


def test_a_dpus_own_side_shares_its_subfunctions_only(look: Look) -> None:
    inventory = look("bluefield-arm")
    assert shared(inventory) == ["mlx5_2", "mlx5_3"]
    assert all(hca.numa_node is None for hca in inventory.hcas)
    assert (
        inventory.unused_functions == ()
    )  # the bridges have the same vendor and are no network functions


def test_a_dpu_seen_from_the_host_is_a_card_with_two_ports(look: Look) -> None:
    inventory = look("bluefield-host")
    assert {hca.name: netdevs(hca) for hca in inventory.hcas} == {
        "mlx5_0": ["ibp193s0f0"],
        "mlx5_1": ["enp193s0f1np1"],
    }
    assert inventory.unused_functions == ()


# --- InfiniBand netdevs -------------------------------------------------------------------------


def test_an_ipoib_child_belongs_to_its_parents_hca(look: Look) -> None:
    inventory = look("ipoib")
    assert {hca.name: netdevs(hca) for hca in inventory.hcas} == {
        "mlx5_0": ["ib1"],
        "mlx5_1": ["ib0", "ib0.8001"],
        "mlx5_2": ["ib2"],
    }
    assert selected(inventory, ifNames=["ib0.8001"]) == ["mlx5_1"]


def test_a_port_that_waits_for_a_subnet_manager_says_so(look: Look) -> None:
    (port,) = named(look("ipoib"), "mlx5_2").ports
    assert (port.state, port.phys_state) == ("INIT", "LinkUp")


def test_a_veth_whose_peer_has_the_same_index_is_no_ipoib_child(fresh: Fresh) -> None:
    root = fresh("ipoib").root
    veth = root / "sys/devices/virtual/net/veth0"
    veth.mkdir(parents=True)
    index = (root / "sys/class/net/ib0/ifindex").read_text()
    (veth / "iflink").write_text(index)  # the peer's, in another network namespace
    (veth / "type").write_text("1\n")
    (root / "sys/class/net/veth0").symlink_to("../../devices/virtual/net/veth0")
    assert netdevs(named(scan(Host(root)), "mlx5_1")) == ["ib0", "ib0.8001"]


def test_two_infiniband_hcas_on_one_function_have_the_netdevs_of_their_own_guids(
    fresh: Fresh,
) -> None:
    manifest = parse(
        """
        title: two HCAs on one function
        functions:
          0000:18:00.0:
            id: 15b3:101b
            class: 0207
            hcas:
              mlx5_0: {ports: {1: {guid: "0015:5dff:fe33:ff01", netdev: ib1}}}
              mlx5_1: {ports: {1: {guid: "0015:5dff:fe33:ff02", netdev: ib0}}}
            net: [ib0, ib1]
        """,
        "this test",
    )
    inventory = scan(Host(fresh(manifest).root))
    assert {hca.name: netdevs(hca) for hca in inventory.hcas} == {
        "mlx5_0": ["ib1"],
        "mlx5_1": ["ib0"],
    }


# --- HCAs without a PCI function ----------------------------------------------------------------


def test_soft_hcas_have_a_netdev_and_nothing_of_a_function(look: Look) -> None:
    inventory = look("soft")
    rxe, siw = inventory.hcas
    assert (rxe.name, rxe.function, rxe.numa_node) == ("rxe0", None, None)
    assert (netdevs(rxe), netdevs(siw)) == (["enp0s31f6"], ["enp0s31f6"])
    assert (len(rxe.umads), len(siw.umads)) == (1, 0)
    assert shared(inventory) == ["rxe0", "siw0"]
    assert selected(inventory, ifNames=["enp0s31f6"]) == ["rxe0", "siw0"]
    assert selected(inventory, vendors=["8086"]) == []
    assert selected(inventory, linkTypes=["ether"]) == ["rxe0", "siw0"]


def test_hardware_whose_hca_names_no_parent(look: Look) -> None:
    inventory = look("erdma")
    (hca,) = inventory.hcas
    assert (hca.function, netdevs(hca), hca.shareable) == (None, ["eth0"], True)
    assert others(inventory)["0000:00:06.0"] == (
        "its HCA names no PCI function; it is among erdma_0"
    )


# --- what the node as a whole says --------------------------------------------------------------


def test_in_exclusive_netns_mode_nothing_is_shared_and_the_reason_says_what_to_do(
    look: Look,
) -> None:
    inventory = look("exclusive-netns")
    assert inventory.system.netns_mode == "exclusive"
    assert names(inventory) == ["mlx5_0", "mlx5_1"]
    assert all(code(hca) is IneligibleCode.NETNS_EXCLUSIVE for hca in inventory.hcas)
    assert all("rdma system set netns shared" in str(h.ineligible) for h in inventory.hcas)


def test_without_ib_umad_hcas_are_shared_without_umad(look: Look) -> None:
    inventory = look("no-umad")
    assert shared(inventory) == ["mlx5_0", "mlx5_1"]
    assert all(nodes(hca) == [f"uverbs{n}"] for n, hca in enumerate(inventory.hcas))
    assert inventory.system.modules["ib_umad"] is False


def test_without_ib_uverbs_nothing_is_shared_and_the_module_is_named(look: Look) -> None:
    inventory = look("no-uverbs")
    assert names(inventory) == ["mlx5_0", "mlx5_1"]
    assert all(code(hca) is IneligibleCode.UVERBS_NOT_LOADED for hca in inventory.hcas)
    assert all("modprobe ib_uverbs" in str(hca.ineligible) for hca in inventory.hcas)
    assert inventory.system.modules["ib_uverbs"] is False
    assert inventory.system.rdma_cm is None


@pytest.mark.parametrize("name", ["empty", "no-modules", "connectx3-no-rdma"])
def test_without_the_class_there_is_nothing_and_no_error(name: str, look: Look) -> None:
    inventory = look(name)
    assert inventory.hcas == ()
    assert (inventory.system.netns_mode, inventory.system.rdma_cm) == (None, None)
    assert inventory.system.modules["ib_core"] is False
