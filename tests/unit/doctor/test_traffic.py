"""PFC, ECN and counters."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.discovery import scan
from rdma_dp.doctor.catalogue import chosen
from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.examination import Result, examine
from rdma_dp.host.files import Host
from rdma_dp.node.counters import Growth, growth, read, watch
from rdma_dp.node.view import ConfigSeen, NodeView
from simulator.host import SimulatedHost
from tests.conftest import Fresh, Sample
from tests.live_tree import LiveTree
from tests.unit.doctor.ailing import ailing, seen
from tests.unit.doctor.twins import ill, told


def ofed(function: str, netdev: str, np: str, trust: str) -> str:
    """MLNX_OFED's files of one netdev; `np` has a digit for each of the eight priorities."""
    files = {f"ecn/roce_np/enable/{priority}": digit for priority, digit in enumerate(np)}
    lines = ", ".join(f"{path}: '{text}'" for path, text in {**files, "qos/trust": trust}.items())
    return f"{function}: {{net: {{{netdev}: {{files: {{{lines}}}}}}}}}"


def both(np: str, trusts: tuple[str, str] = ("dscp", "dscp")) -> str:
    first = ofed("0000:3b:00.0", "ens1f0np0", np, trusts[0])
    second = ofed("0000:3b:00.1", "ens1f1np1", np, trusts[1])
    return f"functions: {{{first}, {second}}}"


ALIKE = both("11111111")


def test_what_sys_does_not_show_is_unknown_with_the_commands_that_do(sample: Sample) -> None:
    result = seen("fabric-qos", sample("seed"))
    assert told(result) == ["unknown : /sys does not show PFC and ECN of ens1f0np0, ens1f1np1"]
    assert result.remedy == ("mlnx_qos -i ens1f0np0", "dcb pfc show dev ens1f0np0")


def test_what_sys_shows_is_told(fresh: Fresh) -> None:
    assert told(seen("fabric-qos", fresh(ailing("seed", ALIKE)).root)) == [
        "ok : 2 netdevs of RoCE ports; ens1f0np0: roce_np 11111111, trust dscp"
    ]


def test_ecn_off_on_every_priority_is_a_warning(fresh: Fresh) -> None:
    result = ill(fresh, "fabric-qos", "seed", both("00000000"), mended=ALIKE)
    assert told(result) == [
        "warn ens1f0np0: ECN is off on every priority (roce_np)",
        "warn ens1f1np1: ECN is off on every priority (roce_np)",
    ]
    assert result.remedy[0] == "echo 1 > /sys/class/net/ens1f0np0/ecn/roce_np/enable/3"


def test_ports_of_one_resource_that_differ_are_a_warning(fresh: Fresh) -> None:
    differing = both("11111111", ("dscp", "pcp"))
    result = ill(fresh, "fabric-qos", "seed", differing, mended=ALIKE)
    (finding,) = result.findings
    assert (finding.verdict, finding.subject) == (Verdict.WARN, "rdma/hca")
    assert "ens1f0np0: roce_np 11111111, trust dscp" in finding.evidence
    assert "ens1f1np1: roce_np 11111111, trust pcp" in finding.evidence
    assert result.remedy == ("mlnx_qos -i ens1f0np0", "mlnx_qos -i ens1f1np1")


# --- counters -----------------------------------------------------------------------------------

ERROR, MARKS = ("mlx5_0", 1, "symbol_error"), ("mlx5_0", 1, "np_cnp_sent")


def judged(root: Path, found: Growth | None) -> Result:
    host = Host(root)
    node = NodeView(host, scan(host), answers=None, config=ConfigSeen(root), growth=found)  # type: ignore[arg-type]
    (result,) = examine(node, chosen(["fabric-counters"]))
    return result


def test_counters_are_read_only_on_request(sample: Sample) -> None:
    result = judged(sample("seed"), None)
    assert told(result) == ["unknown : not read without --counters"]
    assert result.remedy == ("rdma-dp doctor --counters 10",)


def test_a_captured_host_does_not_count(sample: Sample) -> None:
    assert judged(sample("seed"), Growth(10, False, 5, {})).verdict is Verdict.UNKNOWN


def test_no_counter_to_read_is_unknown(sample: Sample) -> None:
    assert judged(sample("seed"), Growth(10, True, 0, {})).verdict is Verdict.UNKNOWN


def test_an_error_counter_that_grows_is_a_warning(sample: Sample) -> None:
    result = judged(sample("seed"), Growth(10, True, 5, {ERROR: 3, MARKS: 7}))
    assert told(result) == ["warn mlx5_0: port 1 within 10 s: symbol_error +3"]
    assert result.remedy == ("mlxlink -d mlx5_0 -c",)


def test_marks_of_congestion_are_told_and_not_warned_of(sample: Sample) -> None:
    assert told(judged(sample("seed"), Growth(10, True, 5, {MARKS: 7}))) == [
        "ok : 5 counters, no error grew within 10 s; congestion: np_cnp_sent +7"
    ]


def test_counters_of_other_makers_are_judged_as_those_of_nvidia(sample: Sample) -> None:
    grown = {("bnxt_re0", 1, "to_retransmits"): 3, ("bnxt_re0", 1, "rx_cnp_pkts"): 4}
    grown[("bnxt_re0", 1, "rx_bytes")] = 5
    result = judged(sample("bnxt"), Growth(10, True, 5, grown))
    assert told(result) == ["warn bnxt_re0: port 1 within 10 s: to_retransmits +3"]
    assert result.remedy == ("ethtool -S ens4f0np0",)


COUNTING = """
functions:
  0000:3b:00.0:
    hcas:
      mlx5_0:
        files:
          ports/1/counters/symbol_error: "10"
          ports/1/counters/port_xmit_data: "10"
          ports/1/counters/link_downed: "N/A (no PMA)"
          ports/1/hw_counters/np_cnp_sent: "10"
"""


def test_two_readings_of_the_errors_and_the_congestion(fresh: Fresh) -> None:
    host = fresh(ailing("seed", COUNTING))
    hcas = scan(Host(host.root)).hcas
    live = Host(LiveTree(host.root))
    waited: list[float] = []

    def grow(seconds: float) -> None:
        waited.append(seconds)
        _write(host, "counters/symbol_error", "13")

    assert watch(live, hcas, 7.0, grow) == Growth(7.0, True, 2, {ERROR: 3})
    assert waited == [7.0]


def _write(host: SimulatedHost, counter: str, text: str) -> None:
    (host.root / "sys/class/infiniband/mlx5_0/ports/1" / counter).write_text(text)


def test_a_captured_host_is_not_waited_for(fresh: Fresh) -> None:
    host = Host(fresh(ailing("seed", COUNTING)).root)
    waited: list[float] = []
    found = watch(host, scan(host).hcas, 7.0, waited.append)
    assert (found.live, found.by, waited) == (False, {}, [])


NAMES = st.sampled_from(["symbol_error", "np_cnp_sent", "to_retransmits"])
READINGS = st.dictionaries(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 2), NAMES), st.integers(0, 9)
)


@given(READINGS, READINGS)
def test_growth_is_what_both_readings_have_and_the_second_more_of(
    before: dict[Any, int], after: dict[Any, int]
) -> None:
    found = growth(before, after, 1.0, live=True)
    assert all(before[counter] + more == after[counter] for counter, more in found.by.items())
    assert all(more > 0 for more in found.by.values())
    assert set(found.by) <= set(before) & set(after)
    assert len(found.by) <= found.readable


def test_a_host_without_counters_has_none(sample: Sample) -> None:
    host = Host(sample("seed"))
    assert read(host, scan(host).hcas) == {}
