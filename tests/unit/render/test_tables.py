"""The tables of `discover` and `dry-run`, and that they fit the width."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp import config
from rdma_dp.config import Preference
from rdma_dp.inventory.hardware import (
    Hca,
    Inventory,
    NetDevice,
    PciFunction,
    Port,
    Subfunction,
    System,
    UnusedFunction,
)
from rdma_dp.inventory.verdicts import Unused, UnusedCode
from rdma_dp.render import console, discover, dry_run
from rdma_dp.sharing.pool import make_pool
from rdma_dp.sharing.selection import Selection, select
from simulator.host import sample_names
from tests.conftest import Look
from tests.makers import SYSTEM, all_selectors, hca, hca_lists, ineligible, per_hca, resource
from tests.paths import CONFIGS

CONFIG_FILES = sorted(CONFIGS.iterdir())


def discovered(
    *hcas: Hca, others: tuple[UnusedFunction, ...] = (), wide: bool = False
) -> list[str]:
    shown = discover.discover(Inventory(hcas, others, SYSTEM), wide=wide)
    return console.plain(shown, console.WIDE if wide else console.WIDTH).splitlines()


def dry_run_shown(
    inventory: Inventory, *selections: Selection, warnings: tuple[str, ...] = ()
) -> str:
    pools = [make_pool(selection, inventory.system) for selection in selections]
    return console.plain(dry_run.dry_run(inventory, pools, warnings))


# --- width --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_with_every_config_fits_a_hundred_columns(name: str, look: Look) -> None:
    inventory = look(name)
    texts = [console.plain(discover.discover(inventory))]
    for path in CONFIG_FILES:
        loaded = config.load(path).config.config_list
        selections = [select(inventory, resource) for resource in loaded]
        texts.append(dry_run_shown(inventory, *selections))
    for text in texts:
        assert "\x1b" not in text
        assert all(len(line) <= 100 for line in text.splitlines())
        assert "None" not in text


@pytest.mark.parametrize("name", sample_names())
def test_every_sample_fits_two_hundred_columns_when_wide(name: str, look: Look) -> None:
    text = console.plain(discover.discover(look(name), wide=True), console.WIDE)
    assert all(len(line) <= 200 for line in text.splitlines())
    assert all(hca.name in text for hca in look(name).hcas)


@given(hca_lists(), all_selectors, st.text(max_size=300))
def test_any_hcas_and_any_reason_fit(
    hcas: tuple[Hca, ...], selectors: dict[str, Any], reason: str
) -> None:
    with_reason = tuple(
        replace(each, ineligible=each.ineligible and ineligible(reason)) for each in hcas
    )
    inventory = Inventory(with_reason, (), SYSTEM)
    found = select(inventory, resource(**selectors))
    text = console.plain(discover.discover(inventory)) + dry_run_shown(inventory, found)
    assert all(len(line) <= 100 for line in text.splitlines() if line.isascii())


# --- discover -----------------------------------------------------------------------------------


def test_an_hca_has_one_line() -> None:
    header, line, *_ = discovered(hca(netdev="ens1f0np0"))
    assert header.split() == ["HCA", "PCI", "DEVICE", "NUMA", "PORTS", "NETDEVS", "SHARE"]
    assert line.split() == [
        "mlx5_0", "0000:00:00.0", "15b3:101b", "-", "ACTIVE", "Eth", "200G", "ens1f0np0", "yes",
    ]  # fmt: skip


def test_each_port_stands_beside_its_netdev() -> None:
    two = hca(
        ports=(
            Port(1, "ACTIVE", "LinkUp", "InfiniBand", 40.0, ("ib0",)),
            Port(2, "DOWN", "Disabled", "Ethernet", 40.0, ("eth1",)),
        ),
        netdevs=(NetDevice("ib0"), NetDevice("eth1")),
    )
    _, first, second, *_ = discovered(two)
    assert "1: ACTIVE IB 40G  ib0" in first
    assert second.split() == ["2:", "DOWN", "Eth", "40G", "eth1"]


def test_ports_that_look_the_same_share_a_line() -> None:
    ports = tuple(Port(number, "ACTIVE", None, "InfiniBand", 800.0) for number in range(1, 5))
    lines = discovered(hca(ports=ports, netdevs=()))
    assert "1-4: ACTIVE IB 800G" in lines[1]
    assert lines[2] == ""


def test_a_netdev_without_a_known_port_is_shown() -> None:
    ports = (Port(1, "ACTIVE"), Port(2, "DOWN"))
    lines = discovered(hca(ports=ports, netdevs=(NetDevice("eth7"),)))
    assert lines[3].split() == ["eth7"]


def test_hcas_with_the_same_reason_share_a_line() -> None:
    lines = discovered(*(hca(number, unshareable="no uverbs") for number in range(2)), hca(2))
    assert "NOT SHARED      WHY" in lines
    assert "mlx5_0, mlx5_1  no uverbs" in lines


def test_a_function_without_ids_has_a_dash() -> None:
    unbound = Unused(UnusedCode.NO_DRIVER, "no driver is bound")
    broken = Unused(UnusedCode.MADE_NO_HCA, "broken", "fix it")
    nothing = UnusedFunction(PciFunction("0000:1c:00.0"), (), unbound)
    half = UnusedFunction(PciFunction("0000:1d:00.0", "15b3"), ("eth0",), broken)
    lines = discovered(others=(nothing, half))
    assert any(line.split()[:2] == ["0000:1c:00.0", "-"] for line in lines if line)
    assert any(line.split()[:3] == ["0000:1d:00.0", "15b3:?", "eth0"] for line in lines if line)
    assert any(line.strip() == "try: fix it" for line in lines)


def test_a_virtual_hca_has_dashes_for_hardware_columns() -> None:
    _, line, *_ = discovered(hca(functions=(), ports=(), netdevs=()))
    assert line.split() == ["mlx5_0", "-", "-", "-", "-", "-", "yes"]


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "pf"),
        ({"functions": (PciFunction("0000:3b:00.2", physfn="0000:3b:00.0", vf=3),)}, "vf 3"),
        ({"functions": (PciFunction("0000:3b:00.2", physfn="0000:3b:00.0"),)}, "vf"),
        ({"subfunction": Subfunction("mlx5_core.sf.2", 88)}, "sf 88"),  # the administrator's number
        ({"subfunction": Subfunction("mlx5_core.sf.2")}, "sf"),
        ({"functions": ()}, "virtual"),
    ],
)
def test_wide_output_shows_the_function_type(changes: dict[str, Any], shown: str) -> None:
    heads, line, *_ = discovered(hca(**changes), wide=True)
    start, end = heads.index("TYPE"), heads.index("DRIVER")
    assert line[start:end].rstrip() == shown


def test_the_last_line_is_about_the_node() -> None:
    missing = System("exclusive", None, {"ib_umad": False, "ib_core": True})
    text = console.plain(discover.discover(Inventory((), (), missing)))
    assert text.splitlines()[-1] == (
        "netns mode: exclusive   rdma_cm: missing   modules not loaded: ib_umad"
    )


# --- dry-run ------------------------------------------------------------------------------------


def test_device_nodes_and_hcas_are_in_natural_order() -> None:
    hcas = (hca(2), hca(10))
    inventory = Inventory(hcas, (), SYSTEM)
    text = dry_run_shown(inventory, select(inventory, resource()))
    assert "/dev/infiniband: rdma_cm umad2 umad10 uverbs2 uverbs10" in text
    assert "RDMA_DP_HCA_HCAS=mlx5_2,mlx5_10" in text


def test_warnings_of_the_config_come_last() -> None:
    inventory = Inventory((hca(),), (), SYSTEM)
    text = dry_run_shown(inventory, select(inventory, resource()), warnings=("a warning",))
    assert text.splitlines()[-1] == "warning  a warning"


def test_an_empty_line_separates_resources() -> None:
    inventory = Inventory((hca(),), (), SYSTEM)
    one, two = (select(inventory, resource(name=name)) for name in ("one", "two"))
    lines = dry_run_shown(inventory, one, two).splitlines()
    assert lines[0] == "rdma/one  3 slots"
    assert lines[lines.index("rdma/two  3 slots") - 1] == ""


def test_slots_that_are_not_healthy_are_counted() -> None:
    inventory = Inventory((hca(state="DOWN"),), (), SYSTEM)
    text = dry_run_shown(inventory, select(inventory, resource()))
    assert text.startswith("rdma/hca  3 slots, 0 healthy\n")
    assert "port 1 is DOWN" in text


@pytest.mark.parametrize("name", ["eth[1]", "[red]eth", "[/red]", "a:cd:b"])
def test_names_are_shown_as_they_are(name: str) -> None:
    assert any(name in line for line in discovered(hca(netdev=name)))


# --- slots per HCA ------------------------------------------------------------------------------


def per_hca_lines(slots: int, **changes: object) -> str:
    inventory = Inventory((hca(0, numa=0), hca(1, numa=1, state="DOWN")), (), SYSTEM)
    return dry_run_shown(inventory, select(inventory, per_hca(slots, **changes)))


def test_slots_per_hca_are_shown_with_their_hca_and_node() -> None:
    lines = per_hca_lines(3).splitlines()
    assert lines[0] == "rdma/hca  6 slots, 3 per HCA, 3 healthy"
    assert "mlx5_0  0000:00:00.0-0..2  NUMA 0" in lines[1]
    assert "mlx5_1  0000:01:00.0-0..2  NUMA 1  not healthy" in lines[2]


def test_the_number_of_slots_is_what_fits() -> None:
    first = per_hca_lines(60_000).splitlines()[0]
    assert "60000" not in first


def test_the_configs_settings_for_slots_are_shown() -> None:
    text = per_hca_lines(3, preference=Preference.PACK, topology=False, device_info=True)
    assert "as few HCAs as possible; without NUMA node; with device-info files" in text


@pytest.mark.parametrize(("node", "shown"), [(0, "on NUMA node 0"), (1, "no NUMA node in common")])
def test_the_common_node_of_slots_per_resource_is_shown_if_configured(
    node: int, shown: str
) -> None:
    inventory = Inventory((hca(0, numa=0), hca(1, numa=node)), (), SYSTEM)
    wanted = replace(resource(3), topology=True)
    assert shown in dry_run_shown(inventory, select(inventory, wanted))


def test_a_reason_of_all_hcas_stands_once() -> None:
    """H17: for several HCAs and several resources."""
    hcas = tuple(hca(at, ineligible=ineligible("exclusive")) for at in range(3))
    inventory = Inventory(hcas, (), SYSTEM)
    one = select(inventory, resource(name="one"))
    two = select(inventory, resource(name="two", rdmaDevices=["mlx5_1"]))
    text = dry_run_shown(inventory, one, two)
    assert text.splitlines()[0].split() == ["all", "HCAs", "exclusive"]
    assert text.count("exclusive") == 1
    assert "rdmaDevices wants mlx5_1; it has mlx5_0" in text


def test_a_reason_of_some_hcas_stands_beside_them() -> None:
    inventory = Inventory((hca(0, ineligible=ineligible("exclusive")), hca(1)), (), SYSTEM)
    text = dry_run_shown(inventory, select(inventory, resource()))
    assert "not chosen  mlx5_0  exclusive" in text


def test_a_selector_that_rules_out_all_others_stands_once() -> None:
    inventory = Inventory((hca(0), hca(1), hca(2)), (), SYSTEM)
    wanted = resource(vendors=["8086"], rdmaDevices=["mlx5_1", "mlx5_2"])
    lines = dry_run_shown(inventory, select(inventory, wanted)).splitlines()
    assert sum("all of these" in line and "vendors wants 8086" in line for line in lines) == 1
    assert any("mlx5_0" in line and "rdmaDevices wants" in line for line in lines)
    assert any(line.strip() == "mlx5_1, mlx5_2  no other reason" for line in lines)
