"""The PCIe links of HCAs."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdma_dp.doctor.check import Verdict
from simulator.host import sample_names
from tests.conftest import Fresh, Sample
from tests.unit.doctor.ailing import ailing, seen
from tests.unit.doctor.twins import config, told

CHECK = "hca-pcie-link"
CARD, SLOT = "0000:3b:00.0", "0000:3a:01.0"  # of the sample host seed


def linked(card: str, slot: str) -> str:
    """Patches the ends of the link of seed's card. Both of its functions show the same."""
    functions = f"{CARD}: {{link: {card}}}, 0000:3b:00.1: {{link: {card}}}"
    return f"functions: {{{functions}, {SLOT}: {{id: '8086:352a', class: '0604', link: {slot}}}}}"


def test_each_slow_link_is_named_with_both_ends(sample: Sample) -> None:
    result = seen(CHECK, sample("slow-links"))
    seated, uplink = told(result)
    assert seated == (
        "warn mlx5_0: its link runs at 16 GT/s x8, and both ends can 32 GT/s x16:"
        " 0000:11:00.0 32 GT/s x16, 0000:10:01.0 32 GT/s x16"
    )
    assert uplink == (
        "warn 0000:31:00.0: its link runs at 16 GT/s x4, and both ends can 16 GT/s x16:"
        " 0000:31:00.0 16 GT/s x16, 0000:30:01.0 32 GT/s x16"
    )
    assert "lspci -vv -s 0000:11:00.0 | grep -E 'LnkCap|LnkSta'" in result.remedy
    assert any("BIOS" in step for step in result.remedy)


def test_no_other_sample_host_has_a_slow_link(sample: Sample) -> None:
    for name in sample_names():
        if name != "slow-links":
            assert seen(CHECK, sample(name)).verdict in (Verdict.OK, Verdict.UNKNOWN)


@pytest.mark.parametrize(
    ("card", "slot"),
    [
        ("32.0 x8 of 32.0 x16", "32.0 x8"),  # a slot with fewer lanes
        ("16.0 x16 of 32.0 x16", "16.0 x16"),  # an older machine
        ("16.0 x16", "16.0 x16 of 64.0 x16"),  # an older card
        ("32.0 x8", "32.0 x8 of 32.0 x16"),  # a card with fewer lanes
    ],
)
def test_a_link_at_what_both_ends_can_is_well(card: str, slot: str, fresh: Fresh) -> None:
    assert seen(CHECK, fresh(ailing("seed", linked(card, slot))).root).verdict is Verdict.OK


@pytest.mark.parametrize("text", ["Unknown", "Unknown speed", "2.5 GT/s PCIe"])
def test_a_vf_shows_no_link_of_its_own(text: str, fresh: Fresh) -> None:
    """Kernels write "Unknown" or "Unknown speed", and some firmware the lowest speed."""
    patch = f"functions: {{0000:5e:00.2: {{files: {{current_link_speed: '{text}'}}}}}}"
    assert seen(CHECK, fresh(ailing("sriov", patch)).root).verdict is Verdict.OK


def test_a_pf_is_judged_for_its_vfs(sample: Sample, tmp_path: Path) -> None:
    """The link of a pool of VFs is that of their PF."""
    vfs = "[{resourceName: a, rdmaHcaMax: 1, selectors: {rdmaDevices: [mlx5_3]}}]"
    file = config(tmp_path, f"configList: {vfs}\n")
    assert [f.subject for f in seen(CHECK, sample("slow-links"), file).findings] == ["mlx5_0"]


@pytest.mark.parametrize(("card", "slot"), [("none", "16.0 x16"), ("16.0 x16", "none")])
def test_a_link_that_one_end_does_not_show_is_unknown(card: str, slot: str, fresh: Fresh) -> None:
    result = seen(CHECK, fresh(ailing("seed", linked(card, slot))).root)
    assert told(result) == ["unknown : the link of mlx5_0, mlx5_1 does not show speed and width"]


def test_a_virtual_machine_is_not_judged(fresh: Fresh) -> None:
    slow = linked("8.0 x1 of 32.0 x16", "8.0 x1 of 32.0 x16")
    cpu = 'files: {proc/cpuinfo: "flags\\t\\t: fpu hypervisor\\n"}'
    result = seen(CHECK, fresh(ailing("seed", f"{slow}\n{cpu}")).root)
    assert (result.verdict, result.remedy) == (Verdict.UNKNOWN, ())


SPEEDS, WIDTHS = ("2.5", "5.0", "8.0", "16.0", "32.0", "64.0"), (1, 2, 4, 8, 12, 16)
RATES = st.tuples(st.sampled_from(range(len(SPEEDS))), st.sampled_from(range(len(WIDTHS))))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RATES, RATES, RATES)
def test_only_a_link_below_what_both_ends_can_is_slow(
    fresh: Fresh, card: tuple[int, int], slot: tuple[int, int], now: tuple[int, int]
) -> None:
    best = tuple(map(min, card, slot))
    real = tuple(map(min, now, best))  # a link is never above its ends

    def text(rate: tuple[int, ...]) -> str:
        return f"{SPEEDS[rate[0]]} x{WIDTHS[rate[1]]}"

    patch = linked(f"{text(real)} of {text(card)}", f"{text(real)} of {text(slot)}")
    result = seen(CHECK, fresh(ailing("seed", patch)).root)
    assert result.verdict is (Verdict.OK if real == best else Verdict.WARN)
