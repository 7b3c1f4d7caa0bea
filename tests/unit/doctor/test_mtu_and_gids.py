"""MTUs and GID tables."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.facts.roce import ENOUGH_MTU, roce_mtu
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ailing, seen
from tests.unit.doctor.twins import ill, told

JUMBO = """
functions:
  0000:3b:00.0: {net: {ens1f0np0: {mtu: 9000}}}
  0000:3b:00.1: {net: {ens1f1np1: {mtu: 9000}}}
"""


@pytest.mark.parametrize(
    ("netdev", "roce"),
    [(351, None), (352, 256), (1500, 1024), (2143, 1024), (2144, 2048), (4191, 2048),
     (4192, 4096), (9000, 4096)],
)  # fmt: skip
def test_the_mtu_of_roce_is_the_largest_that_fits(netdev: int, roce: int | None) -> None:
    assert roce_mtu(netdev) == roce


@given(st.integers(-(2**63), 2**63))
def test_any_number_gives_an_mtu_that_fits_or_none(netdev: int) -> None:
    found = roce_mtu(netdev)
    assert found is None or 256 <= found < netdev
    assert (found == 4096) == (netdev >= ENOUGH_MTU)


def test_a_small_mtu_that_is_the_same_everywhere_is_told_and_not_warned_of(
    sample: Sample, fresh: Fresh
) -> None:
    assert told(seen("fabric-mtu", sample("seed"))) == [
        "ok : ens1f0np0, ens1f1np1: MTU 1500 gives RoCE 1024 (4096 needs 4192)"
    ]
    assert told(seen("fabric-mtu", fresh(ailing("seed", JUMBO)).root)) == [
        "ok : ens1f0np0, ens1f1np1: MTU 9000 gives RoCE 4096"
    ]


def test_netdevs_of_one_resource_that_differ_are_a_warning(fresh: Fresh) -> None:
    one = "functions: {0000:3b:00.0: {net: {ens1f0np0: {mtu: 9000}}}}"
    result = ill(fresh, "fabric-mtu", "seed", one, mended=JUMBO)
    small, large = "ens1f1np1: MTU 1500 gives RoCE 1024", "ens1f0np0: MTU 9000 gives RoCE 4096"
    assert told(result) == [
        f"warn rdma/hca: its netdevs differ: {small} (4096 needs 4192); {large}"
    ]
    assert result.remedy == ("ip link set ens1f1np1 mtu 9000",)
    apart = seen("fabric-mtu", fresh(ailing("seed", one)).root, CONFIGS / "seed-ifnames.json")
    assert apart.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("own", "child", "remedy"),
    [
        (4200, 1500, "ip link set macvlan0 mtu 4200"),
        (2200, 9000, "ip link set ens1f0np0 mtu 9000"),
    ],
)
def test_an_interface_over_the_port_whose_mtu_gives_another_is_a_warning(
    own: int, child: int, remedy: str, fresh: Fresh
) -> None:
    result = ill(
        fresh, "fabric-mtu", "seed", over(own, child), over(own, own), CONFIGS / "seed-ifnames.json"
    )
    (finding,) = result.findings
    assert (finding.verdict, finding.subject) == (Verdict.WARN, "ens1f0np0")
    assert finding.evidence == (
        f"MTU {own} gives RoCE {roce_mtu(own)}, but macvlan0 over it has {child}, which gives"
        f" {roce_mtu(child)}"
    )
    assert result.remedy == (remedy,)


def over(own: int, mtu: int, name: str = "macvlan0") -> str:
    """A port with this MTU, and an interface over it with that one."""
    child = f"{name}: {{child_of: ens1f0np0, type: ether, mtu: {mtu}}}"
    return f"functions: {{0000:3b:00.0: {{net: {{ens1f0np0: {{mtu: {own}}}, {child}}}}}}}"


@pytest.mark.parametrize(
    ("own", "name", "mtu"),
    [(9000, "ens1f0np0.5", 8950), (9000, "ovs-system", 1500), (1500, "red", 65575)],
    ids=["as good for RoCE", "Open vSwitch", "VRF"],
)
def test_what_is_over_the_port_and_does_not_narrow_it_is_left_alone(
    own: int, name: str, mtu: int, fresh: Fresh
) -> None:
    host = fresh(ailing("seed", over(own, mtu, name)))
    result = seen("fabric-mtu", host.root, CONFIGS / "seed-ifnames.json")
    assert result.verdict is Verdict.OK, result.findings


def test_a_bond_and_its_slaves_are_compared(fresh: Fresh) -> None:
    patch = "bonds: {bond0: {files: {mtu: '9000'}}}"
    result = ill(fresh, "fabric-mtu", "roce-bond", patch)
    assert any("bond0 over it has 9000" in each.evidence for each in result.findings)


def test_an_mtu_too_small_for_roce_is_a_warning(fresh: Fresh) -> None:
    tiny = "functions: {0000:3b:00.0: {net: {ens1f0np0: {mtu: 300}}}}"
    result = ill(fresh, "fabric-mtu", "seed", tiny, config=CONFIGS / "seed-ifnames.json")
    assert told(result) == ["warn ens1f0np0: an MTU of 300 is too small for RoCE"]


def test_no_mtu_to_be_seen_is_unknown(fresh: Fresh) -> None:
    gone = "functions: {0000:3b:00.0: {net: {ens1f0np0: {remove: [mtu]}}}}"
    result = seen("fabric-mtu", fresh(ailing("seed", gone)).root, CONFIGS / "seed-ifnames.json")
    assert result.verdict is Verdict.UNKNOWN


def first_hca(details: str) -> str:
    """The first HCA with these details, on a host whose ports have two GIDs each."""
    return f"addresses: false\nfunctions: {{0000:3b:00.0: {{hcas: {{mlx5_0: {{{details}}}}}}}}}"


def test_a_port_without_roce_v2_is_a_warning(fresh: Fresh) -> None:
    patch = first_hca("files: {ports/1/gid_attrs/types/1: 'IB/RoCE v1'}")
    result = ill(fresh, "fabric-gids", "seed", patch)
    assert told(result) == [
        "warn mlx5_0: port 1 has 2 GIDs, none of them RoCE v2: no routed traffic"
    ]
    assert result.remedy == ("ip addr show ens1f0np0",)


def test_an_active_port_without_any_gid_fails(fresh: Fresh) -> None:
    zeros = ":".join(["0000"] * 8)
    patch = first_hca(f"files: {{ports/1/gids/0: '{zeros}', ports/1/gids/1: '{zeros}'}}")
    result = ill(fresh, "fabric-gids", "seed", patch)
    assert told(result) == [
        "fail mlx5_0: port 1 is ACTIVE, but none of its 8 GID slots is in use: no connection"
    ]
    assert result.remedy == ("ip addr show ens1f0np0", "ip link set ens1f0np0 up")


def test_a_full_table_is_a_warning(fresh: Fresh) -> None:
    result = ill(fresh, "fabric-gids", "seed", first_hca("ports: {1: {gids: 2}}"))
    assert told(result) == [
        "warn mlx5_0: all 2 GID slots of port 1 are in use: the next pod's interface gets none"
    ]


@pytest.mark.parametrize("part", ["ports/1/gids", "ports/1/gid_attrs"])
def test_a_table_that_cannot_be_seen_is_unknown(part: str, fresh: Fresh) -> None:
    host = fresh(ailing("seed", first_hca(f"remove: [{part}]")))
    assert seen("fabric-gids", host.root).verdict is Verdict.UNKNOWN


def test_ports_whose_netdevs_are_in_another_namespace_are_unknown(fresh: Fresh) -> None:
    """H14: not read is unknown."""
    functions = [f"0000:3b:00.{n}: {{remove: [net]}}" for n in range(2)]
    patch = f"functions: {{{', '.join(functions)}}}\nremove: [sys/class/net]"
    root = fresh(ailing("seed", patch)).root
    for check in ("fabric-mtu", "fabric-gids", "fabric-addresses"):
        assert seen(check, root).verdict is Verdict.UNKNOWN


def test_an_mtu_that_is_not_shown_is_unknown_beside_others(fresh: Fresh) -> None:
    """H14: the netdevs that show an MTU say nothing of the others."""
    gone = "functions: {0000:3b:00.0: {net: {ens1f0np0: {remove: [mtu]}}}}"
    assert told(seen("fabric-mtu", fresh(ailing("seed", gone)).root)) == [
        "unknown : /sys/class/net does not show the MTU of ens1f0np0"
    ]


def test_a_port_without_a_link_layer_is_unknown(fresh: Fresh) -> None:
    """H14: whether it uses RoCE is not known."""
    gone = first_hca("remove: [ports/1/link_layer]")
    for check in ("fabric-mtu", "fabric-gids"):
        result = seen(check, fresh(ailing("seed", gone)).root)
        assert told(result) == ["unknown mlx5_0: a port does not show its link layer"]


def test_a_vf_whose_netdev_a_pod_has_is_left_alone(sample: Sample) -> None:
    assert seen("fabric-gids", sample("sriov")).verdict is Verdict.OK


def test_iwarp_and_infiniband_have_no_roce_gids(sample: Sample) -> None:
    everything = CONFIGS / "none.yaml"
    for name in ("ipoib", "efa", "hfi1-opa"):
        assert told(seen("fabric-gids", sample(name), everything)) == [
            "ok : does not apply to this node"
        ]


def test_an_rdma_cm_that_prefers_roce_v1_is_a_warning(fresh: Fresh, tmp_path: Path) -> None:
    file = "sys/kernel/config/rdma_cm/mlx5_0/ports/1/default_roce_mode"
    result = ill(
        fresh,
        "fabric-gids",
        "seed",
        f"files: {{{file}: 'IB/RoCE v1'}}",
        f"files: {{{file}: 'RoCE v2'}}",
    )
    assert [(each.verdict, each.subject) for each in result.findings] == [(Verdict.WARN, "mlx5_0")]
    assert result.remedy == (f"echo 'RoCE v2' > /{file}",)
