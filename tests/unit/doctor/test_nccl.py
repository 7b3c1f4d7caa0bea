"""NCCL's variables: what NCCL makes of them, and pods whose variables do not fit the node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.doctor.check import Check, Verdict
from rdma_dp.doctor.checks import pod_nccl
from rdma_dp.doctor.facts.nccl import allows_gpudirect, hca_list, is_level
from rdma_dp.inventory.hardware import Port
from rdma_dp.inventory.topology import Distance
from tests.conftest import Fresh
from tests.makers import hca
from tests.unit.doctor.ailing import ailing
from tests.unit.doctor.test_pods import MATE, NAME, PID, Node, only
from tests.unit.doctor.twins import told

SECRET = "hunter2-do-not-keep"
OURS = "rocep25s0f0"


@pytest.fixture
def node(fresh: Fresh) -> Node:
    """A pod with one of three HCAs with RoCE, and with a GPU at PIX to it."""
    made = Node(fresh("mixed-boards").root)
    assert made.hca.name == OURS
    made.gid("c0a8:0509")
    made.file(f"{PID}/root/dev/nvidia0", "")
    return made


def sets(node: Node, *variables: str, pid: int = PID) -> None:
    text = "\0".join((f"AWS_SECRET_ACCESS_KEY={SECRET}", *variables, f"NCCL_SECRET={SECRET}", ""))
    node.file(f"{pid}/environ", text)


def evidence(node: Node, check: Check) -> str:
    return only(node.sees(check), Verdict.WARN)


@pytest.mark.parametrize("check", pod_nccl.CHECKS, ids=lambda check: check.id)
@pytest.mark.parametrize(
    "variables",
    [
        (),
        (f"NCCL_IB_HCA={OURS}", "NCCL_IB_GID_INDEX=3", "NCCL_NET_GDR_LEVEL=PIX"),
        (f"NCCL_IB_HCA=={OURS}:1", "NCCL_IB_GID_INDEX=-1", "NCCL_NET_GDR_LEVEL=SYS"),
        ("NCCL_IB_HCA=rocep", "NCCL_IB_GID_INDEX= 3", "NCCL_NET_GDR_LEVEL=5"),
        ("NCCL_IB_HCA=^mlx5", "NCCL_IB_GID_INDEX=", "NCCL_NET_GDR_LEVEL="),
    ],
)
def test_variables_that_fit_are_well(node: Node, check: Check, variables: tuple[str, ...]) -> None:
    sets(node, *variables)
    assert node.sees(check).verdict is Verdict.OK, node.sees(check).findings


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("mlx5_0", "names none of its HCAs, so NCCL uses TCP: the pod has rocep25s0f0"),
        ("=rocep25", "names none of its HCAs, so NCCL uses TCP: the pod has rocep25s0f0"),
        (f"{OURS}:2", "names none of its HCAs, so NCCL uses TCP: the pod has rocep25s0f0"),
        (f'"{OURS}"', "names none of its HCAs, so NCCL uses TCP: the pod has rocep25s0f0"),
        ("^rocep", "excludes every HCA, so NCCL uses TCP: the pod has rocep25s0f0"),
        (f"^={OURS}", "excludes every HCA, so NCCL uses TCP: the pod has rocep25s0f0"),
        (f"{OURS},rocep155s0f0", "names rocep155s0f0, which the pod does not have"),
        (f"={OURS}, {OURS}", "names  rocep25s0f0, which the pod does not have"),
        (f"{OURS}:1,{OURS}:2", f"names {OURS}:2, which the pod does not have"),
    ],
)
def test_hcas_that_the_pod_does_not_have(node: Node, value: str, said: str) -> None:
    sets(node, f"NCCL_IB_HCA={value}")
    (finding,) = node.sees(pod_nccl.hcas).findings
    assert finding.subject == NAME
    assert finding.evidence == " ".join(f"NCCL_IB_HCA={value} {said}".split())
    assert f"NCCL_IB_HCA=={OURS} in the pod's env, or unset" in finding.remedy


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (0, "that GID is RoCE v1"),
        (1, "that GID is link-local"),
        (4, "that index is empty"),
        (9, "there is no index 9: the table has 8"),
    ],
)
def test_an_index_without_a_good_gid(node: Node, index: int, said: str) -> None:
    sets(node, f"NCCL_IB_GID_INDEX={index}")
    assert evidence(node, pod_nccl.gids) == f"NCCL_IB_GID_INDEX={index}, but {said} on {OURS}:1"
    assert node.sees(pod_nccl.gids).remedy == (
        "unset NCCL_IB_GID_INDEX",
        "NCCL_IB_GID_INDEX=3 in the pod's env",
    )


def test_an_index_that_is_no_number(node: Node) -> None:
    sets(node, "NCCL_IB_GID_INDEX='3'")
    assert evidence(node, pod_nccl.gids) == (
        "NCCL_IB_GID_INDEX='3' is not a number, so NCCL ignores it"
    )


def test_only_ports_that_nccl_uses_are_asked_for_the_index(node: Node) -> None:
    sets(node, "NCCL_IB_GID_INDEX=0", "NCCL_IB_HCA=mlx5_0")
    assert node.sees(pod_nccl.gids).verdict is Verdict.OK


def test_infiniband_has_no_index_to_choose(fresh: Fresh) -> None:
    node = Node(fresh("dgx-h100").root)
    sets(node, "NCCL_IB_GID_INDEX=3")
    assert node.sees(pod_nccl.gids).verdict is Verdict.OK


@pytest.mark.parametrize("level", ["LOC", "0", "NVL"])
def test_a_level_below_pix(node: Node, level: str) -> None:
    sets(node, f"NCCL_NET_GDR_LEVEL={level}")
    assert evidence(node, pod_nccl.gdr) == (
        f"NCCL_NET_GDR_LEVEL={level}, but the nearest HCA of GPU0 is at PIX: no GPUDirect RDMA"
    )
    assert "unset NCCL_NET_GDR_LEVEL" in node.sees(pod_nccl.gdr).remedy


def test_a_level_below_the_distance_of_the_pods_own_gpu(node: Node) -> None:
    """GPU1 is on the other NUMA node. Other pods' HCAs do not count."""
    sets(node, "NCCL_NET_GDR_LEVEL=PHB")
    assert node.sees(pod_nccl.gdr).verdict is Verdict.OK
    node.file(f"{PID}/root/dev/nvidia1", "")
    assert "the nearest HCA of GPU1 is at SYS" in evidence(node, pod_nccl.gdr)
    assert node.sees(pod_nccl.gdr).remedy == ("NCCL_NET_GDR_LEVEL=SYS in the pod's env",)


def test_all_gpus_count_if_the_driver_shows_no_numbers(node: Node) -> None:
    for file in (node.root / "proc/driver/nvidia/gpus").glob("*/information"):
        file.unlink()
    sets(node, "NCCL_NET_GDR_LEVEL=LOC")
    found = [finding.evidence for finding in node.sees(pod_nccl.gdr).findings]
    assert ["GPU0 is at PIX" in found[0], "GPU1 is at SYS" in found[1]] == [True, True]


@pytest.mark.parametrize("level", ["phb", "PCI", "'PIX'"])
def test_a_level_that_nccl_does_not_know(node: Node, level: str) -> None:
    sets(node, f"NCCL_NET_GDR_LEVEL={level}")
    assert "so NCCL ignores it" in evidence(node, pod_nccl.gdr)


def test_distances_of_a_virtual_machine_are_unknown(fresh: Fresh) -> None:
    node = Node(fresh("vm-switches").root)
    sets(node, "NCCL_NET_GDR_LEVEL=LOC")
    assert "virtual machine" in only(node.sees(pod_nccl.gdr), Verdict.UNKNOWN)


def test_distances_with_data_direct_functions_are_unknown(fresh: Fresh) -> None:
    node = Node(fresh(ailing("gb300", "{}")).root)
    sets(node, "NCCL_NET_GDR_LEVEL=PIX")
    assert "Data Direct" in only(node.sees(pod_nccl.gdr), Verdict.UNKNOWN)


def test_a_rank_with_another_environment_than_the_first_process(node: Node) -> None:
    """A launcher sets the variables for its ranks."""
    sets(node)
    sets(node, "NCCL_IB_HCA=mlx5_0", pid=MATE)
    assert "mlx5_0 names none" in evidence(node, pod_nccl.hcas)


@pytest.mark.parametrize("check", pod_nccl.CHECKS, ids=lambda check: check.id)
def test_an_environment_that_cannot_be_read_is_unknown(node: Node, check: Check) -> None:
    for pid in (PID, MATE):
        (node.root / f"proc/{pid}/environ").unlink()
    assert "cannot be read" in only(node.sees(check), Verdict.UNKNOWN)


@pytest.mark.parametrize("check", pod_nccl.CHECKS, ids=lambda check: check.id)
def test_no_finding_shows_another_variable_or_an_odd_value(node: Node, check: Check) -> None:
    odd = f"https://user:{SECRET}@site/"
    sets(node, *(f"{name}={odd}" for name in NAMES))
    assert not any(SECRET in line for line in told(node.sees(check)))
    assert node.sees(check).verdict is Verdict.WARN


NAMES = ("NCCL_IB_HCA", "NCCL_IB_GID_INDEX", "NCCL_NET_GDR_LEVEL")


# --- what NCCL makes of the values ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "reaches"),
    [
        ("LOC", ""),
        ("PIX", "PIX"),
        ("PXB", "PIX PXB"),
        ("PHB", "PIX PXB PHB NODE"),
        ("SYS", "PIX PXB PHB NODE SYS"),
        ("0", ""),
        ("1", "PIX"),
        ("2", "PIX PXB"),
        ("3", "PIX PXB PHB NODE"),
        ("4", "PIX PXB PHB NODE SYS"),
        ("99", "PIX PXB PHB NODE SYS"),
    ],
)
def test_what_a_level_reaches(level: str, reaches: str) -> None:
    assert [d for d in Distance if allows_gpudirect(level, d)] == reaches.split()
    assert allows_gpudirect(level, Distance.UNKNOWN) is None


@given(st.text(max_size=8))
def test_any_level_is_known_or_ignored(level: str) -> None:
    assert is_level(level) is (allows_gpudirect(level, Distance.SYS) is not None)


PARTS = st.tuples(st.sampled_from(["mlx5_1", "mlx5", "x"]), st.sampled_from(["", ":1", ":2", ":"]))


@given(st.lists(PARTS, min_size=1, max_size=4), st.sampled_from(["", "=", "^", "^="]))
def test_a_list_is_matched_as_nccl_does(parts: list[tuple[str, str]], sign: str) -> None:
    """Prefixes or whole names, each with a port or without; "name:" is port 0, as atoi reads it."""
    one, port = hca(1, name="mlx5_10"), Port(1)
    exact = "=" in sign
    named = any(
        (name == "mlx5_10" if exact else "mlx5_10".startswith(name)) and end in ("", ":1")
        for name, end in parts
    )
    text = sign + ",".join(name + end for name, end in parts)
    assert hca_list(text).uses(one, port) is (named is not sign.startswith("^"))
