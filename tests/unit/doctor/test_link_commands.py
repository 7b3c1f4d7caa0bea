"""The commands for ports that are down or slow, and the health of InfiniBand VFs."""

from pathlib import Path
from typing import Any

import pytest

from rdma_dp.config.loading import find_config
from rdma_dp.discovery import scan
from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.examination import examine
from rdma_dp.doctor.facts import link_commands
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import FunctionType, Inventory
from rdma_dp.node.source import open_source
from rdma_dp.node.view import view_node
from rdma_dp.sharing.health import describe_ports
from simulator import host as simulated
from simulator.host import sample_names
from simulator.host.manifest import Manifest
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ALL_MELLANOX, ailing, seen
from tests.unit.doctor.twins import config, ill, told

MELLANOX_TOOLS = ("mlx", "mst", "mlnx", "cma_")
VFS = frozenset({"1004", "1012", "1014", "1016", "1018", "101a", "101c", "101e", "a2d3"})
FAULTS = {
    "as they are": {},
    "DOWN": {"state": "DOWN"},
    "DOWN and LinkUp": {"state": "DOWN", "phys_state": "LinkUp"},
    "INIT": {"state": "INIT"},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", sample_names())
def test_no_mellanox_tool_is_suggested_for_what_it_does_not_support(
    name: str, fault: str, fresh: Fresh
) -> None:
    """H10: mlxlink and mlnx_qos are for PFs of mlx5 only. Each port of each sample host is down."""
    root = fresh(_with_ports(name, FAULTS[fault])).root
    for file in (ALL_MELLANOX, CONFIGS / "none.yaml"):
        node = view_node(open_source(root), find_config(file))
        supported = _supported(node.inventory)
        for result in examine(node, CATALOGUE):
            for step in result.remedy:
                if step.startswith(MELLANOX_TOOLS):
                    assert supported.intersection(step.split()), (result.check.id, step)


def _with_ports(name: str, changes: dict[str, str]) -> Manifest:
    manifest = simulated.load(name).model_dump(by_alias=True, exclude_unset=True)
    _change_ports(manifest, changes)
    return Manifest.model_validate(manifest)


def _change_ports(part: Any, changes: dict[str, str]) -> None:
    if isinstance(part, dict):
        for hca in (part.get("hcas") or {}).values():
            ports = hca.setdefault("ports", {1: {}})
            for port in ports.values():
                port.update(changes)
        for below in part.values():
            _change_ports(below, changes)


def _supported(inventory: Inventory) -> set[str]:
    """What the tools take: the names, addresses and netdevs of the PFs of mlx5."""
    found = set()
    for hca in inventory.hcas:
        function = hca.function
        if function is None or hca.function_type is not FunctionType.PF:
            continue
        if function.driver == "mlx5_core" and function.device not in VFS:
            found |= {hca.name, function.address, *(netdev.name for netdev in hca.netdevs)}
    return found


def test_each_family_has_a_command_of_its_own(sample: Sample) -> None:
    """H10: the commands of PFs; mlx5 on Ethernet has ethtool, which every node has."""
    found = {
        name: link_commands.inspection(inventory, hca, hca.ports[0])
        for name in ("dgx-h100", "connectx3", "hfi1-opa", "qib", "irdma", "efa", "soft", "renamed")
        for inventory in [scan(Host(sample(name)))]
        for hca in inventory.hcas[:1]
    }
    assert found == {
        "dgx-h100": "mlxlink -d mlx5_0",
        "connectx3": "ibstat mlx4_0",
        "hfi1-opa": "opainfo",
        "qib": "ibstat qib0",
        "irdma": "ethtool eno1",
        "efa": "rdma link show rdmap16s27/1",
        "soft": "ethtool enp0s31f6",
        "renamed": "mlxlink -d 0000:c1:00.1",
    }


def test_counters_of_a_link_have_a_command_of_the_family(sample: Sample) -> None:
    """H10: fabric-counters too."""
    found = {}
    for name in ("dgx-h100", "connectx3", "irdma", "ib-vfs"):
        inventory = scan(Host(sample(name)))
        hca = inventory.hcas[-1]
        found[name] = link_commands.counters_inspection(inventory, hca, hca.ports[0])
    assert found == {
        "dgx-h100": "mlxlink -d mlx5_11 -c",
        "connectx3": "ibstat mlx4_0",
        "irdma": "ethtool -S ens5f1np1",
        "ib-vfs": "mlxlink -d mlx5_0 -c",  # the link of a VF is that of its PF
    }


def test_a_vf_below_a_pf_that_is_down_has_the_commands_of_its_pf(fresh: Fresh) -> None:
    down = "{ports: {1: {state: DOWN}}}"
    patch = f"functions: {{0000:5e:00.0: {{hcas: {{mlx5_0: {down}}}}}}}"
    result = seen("hca-ports", fresh(ailing("sriov", patch)).root)
    assert result.remedy == ("ethtool ens3f0np0",)


def two_ports(protocol: str, of_pf: tuple[str, str], of_vf: tuple[str, str]) -> str:
    """A ConnectX-3 with a VF, and the states of the two ports of each."""

    def hca(name: str, states: tuple[str, str]) -> str:
        ports = (f"{n}: {{protocol: {protocol}, state: {s}}}" for n, s in enumerate(states, 1))
        return f"hcas: {{{name}: {{ports: {{{', '.join(ports)}}}}}}}"

    vf = f"id: '15b3:1004', physfn: 0000:05:00.0, {hca('mlx4_1', of_vf)}"
    return f"functions: {{0000:05:00.0: {{{hca('mlx4_0', of_pf)}}}, 0000:05:00.1: {{{vf}}}}}"


@pytest.mark.parametrize("protocol", ["ib", "roce"])
@pytest.mark.parametrize("port", ["1 is ACTIVE", "2 is ACTIVE"])
def test_a_port_of_a_vf_is_compared_with_the_same_port_of_its_pf(
    protocol: str, port: str, fresh: Fresh
) -> None:
    """H2, H10: a PF with two ports. IPoIB of mlx4 has no link state of VFs."""
    one, two = states = ("ACTIVE", "DOWN") if port.startswith("1") else ("DOWN", "ACTIVE")
    patch = two_ports(protocol, states, (one, "DOWN"))
    inventory = scan(Host(fresh(ailing("connectx3", patch)).root))
    vf = next(hca for hca in inventory.hcas if hca.name == "mlx4_1")
    found = link_commands.remedies(inventory, vf, vf.ports[1])
    if protocol == "ib":
        assert found == ("ibstat mlx4_0",)
    elif two == "ACTIVE":
        assert found == ("ip link set enp5s0d1 vf 0 state auto",)
    else:
        assert found == ("ethtool enp5s0d1",)


def test_the_link_state_of_an_ethernet_vf_is_set_on_its_pf(sample: Sample) -> None:
    """H10: the VF of a PF that is ACTIVE."""
    assert seen("hca-ports", sample("sriov")).remedy == ("ip link set ens3f0np0 vf 1 state auto",)


# --- InfiniBand VFs -----------------------------------------------------------------------------


def test_ib_vfs_that_are_down_have_their_cause(sample: Sample) -> None:
    """H2: no GUID, or a subnet manager without virtualization. Each has its own evidence."""
    result = seen("hca-ib-vfs", sample("ib-vfs"))
    beside = "although its PF mlx5_0 is ACTIVE"
    zero = "it has no GUID (node_guid or its first GID is zero)"
    unserved = (
        "it has a GUID, so the subnet manager does not serve VFs (virtualization is off), or its"
        " link state is not auto"
    )
    assert told(result) == [
        f"warn mlx5_2: port 1 is DOWN, phys state Disabled, {beside}: {zero}",
        f"warn mlx5_3: port 1 is DOWN, phys state LinkUp, {beside}: {unserved}",
        f"warn mlx5_4: port 1 is INIT, phys state LinkUp, {beside}: {unserved}",
    ]
    assert result.findings[0].remedy == (
        "ip link set dev ibs1 vf 1 node_guid GUID",
        "ip link set dev ibs1 vf 1 port_guid GUID",
        "echo 0000:3b:00.2 > /sys/bus/pci/drivers/mlx5_core/unbind",
        "echo 0000:3b:00.2 > /sys/bus/pci/drivers/mlx5_core/bind",
    )
    grep, state = result.findings[1].remedy
    assert grep.startswith("grep virt_enabled /etc/opensm/opensm.conf")
    assert state == "ip link set dev ibs1 vf 2 state auto"


def test_hca_ports_refers_to_the_cause(sample: Sample) -> None:
    """H2: one cause is reported once, with its commands."""
    result = seen("hca-ports", sample("ib-vfs"))
    assert [f.evidence.rpartition(": ")[2] for f in result.findings] == ["see hca-ib-vfs"] * 3
    assert result.remedy == ()


def test_the_state_of_a_vf_does_not_blame_a_missing_subnet_manager(sample: Sample) -> None:
    """H2: dry-run and the log, where the PF beside it is ACTIVE."""
    last = scan(Host(sample("ib-vfs"))).hcas[-1]
    assert describe_ports(last) == "mlx5_4 port 1 is INIT (no subnet manager serves this VF or SF)"


@pytest.mark.parametrize("name", ["azure-vf", "sriov", "switchdev", "dgx-h100"])
def test_vfs_that_are_active_or_ethernet_have_no_finding(name: str, sample: Sample) -> None:
    assert seen("hca-ib-vfs", sample(name)).verdict is Verdict.OK


def test_a_resource_of_vfs_that_are_all_down_fails(sample: Sample, tmp_path: Path) -> None:
    by_id = "{vendors: [15b3], rdmaDevices: [mlx5_2, mlx5_3]}"
    file = config(tmp_path, f"configList: [{{resourceName: a, rdmaHcaMax: 2, selectors: {by_id}}}]")
    result = seen("hca-ib-vfs", sample("ib-vfs"), file)
    assert [(f.verdict, f.subject) for f in result.findings][:2] == [
        (Verdict.FAIL, "mlx5_2"),
        (Verdict.FAIL, "mlx5_3"),
    ]


def test_the_files_of_mlnx_ofed_are_used_where_they_exist(fresh: Fresh) -> None:
    """H2: without IPoIB there is no interface for `ip link`, but MLNX_OFED has files."""
    files = "files: {sriov/1/policy: Down, sriov/2/policy: Down, sriov/3/policy: Follow}"
    host = fresh(ailing("ib-vfs", f"functions: {{0000:3b:00.0: {{{files}}}}}"))
    result = seen("hca-ib-vfs", host.root)
    sriov = "/sys/class/infiniband/mlx5_0/device/sriov"
    assert result.findings[0].remedy[:2] == (
        f"echo GUID > {sriov}/1/node",
        f"echo GUID > {sriov}/1/port",
    )
    assert result.findings[1].evidence.endswith("its policy is Down, so its link is down")
    assert result.findings[1].remedy == (f"echo Follow > {sriov}/2/policy",)


def test_a_vf_whose_pf_is_down_has_another_cause(fresh: Fresh) -> None:
    down = "hcas: {mlx5_0: {ports: {1: {state: DOWN}}}}"
    result = seen(
        "hca-ib-vfs", fresh(ailing("ib-vfs", f"functions: {{0000:3b:00.0: {{{down}}}}}")).root
    )
    assert result.verdict is Verdict.OK


def test_vfs_of_mlx4_have_alias_guids(fresh: Fresh) -> None:
    """H2: their GUIDs are in a table of the PF."""
    vf = """
    functions:
      0000:05:00.1:
        id: 15b3:1004
        class: 0280
        physfn: 0000:05:00.0
        hcas: {mlx4_1: {ports: {1: {protocol: ib, state: DOWN, phys_state: LinkUp}}}}
    """
    host = fresh(ailing("connectx3", vf))
    result = seen("hca-ib-vfs", host.root)
    (finding,) = result.findings
    assert finding.evidence.endswith("the subnet manager has not accepted its alias GUID")
    assert "echo 0 > /sys/class/infiniband/mlx4_0/iov/ports/1/admin_guids/INDEX" in finding.remedy


def test_in_a_virtual_machine_the_commands_are_for_the_host_of_the_pf(fresh: Fresh) -> None:
    """H2: a VF that is passed to a virtual machine has no PF there. Only its id shows a VF."""
    vf = "id: 15b3:101e, class: '0207', hcas: {mlx5_9: {ports: {1: {state: INIT}}}}"
    result = ill(fresh, "hca-ib-vfs", "seed", f"functions: {{0000:07:00.0: {{{vf}}}}}")
    (finding,) = result.findings
    assert finding.subject == "mlx5_9"
    assert finding.remedy[-1].endswith("state auto  # on the host of the PF")
