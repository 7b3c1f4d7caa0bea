"""Management functions of NVLink switches, whose VPD is not there."""

import pytest

from rdma_dp.doctor.check import Verdict
from rdma_dp.inventory.verdicts import SuspicionCode
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.cli.process import rdma_dp
from tests.unit.doctor.ailing import ALL_MELLANOX, ailing, seen
from tests.unit.doctor.twins import told

CARD = "0000:73:00."


def b200(function: str = "") -> str:
    """Eight B200 GPUs, two ConnectX-7 for the network, and four functions of another one."""
    gpu = "{id: '10de:2901', class: '0302', numa: 0}"
    gpus = [f"  0000:{0x10 + bus:02x}:00.0: {gpu}" for bus in range(8)]
    lines = ["title: B200", "functions:", *gpus]
    for number in range(6):
        address = f"{CARD}{number}" if number < 4 else f"0000:8{number}:00.0"
        own = function if number < 4 else ""
        hca = f"hcas: [mlx5_{number}], numa: 0{own}"
        lines.append(f"  {address}: {{id: '15b3:1021', class: '0207', {hca}}}")
    return "\n".join(lines)


def test_on_a_board_that_has_them_the_four_functions_of_a_card_are_a_warning(fresh: Fresh) -> None:
    """H14: no VPD is not "none": such functions would be handed out."""
    result = seen("hca-management", fresh(ailing("empty", b200())).root)
    assert [f.subject for f in result.findings if f.verdict is Verdict.WARN] == [
        "mlx5_0", "mlx5_1", "mlx5_2", "mlx5_3",
    ]  # fmt: skip
    first = result.findings[0]
    assert first.code is SuspicionCode.MAYBE_NVLINK_SWITCH_MANAGEMENT
    assert first.remedy == (f"lspci -vv -s {CARD}0 | grep SMDL",)
    assert "B200" in first.evidence


def test_the_subsystem_of_such_functions_is_known(fresh: Fresh) -> None:
    """H14: they may have cards of their own."""
    patch = """
    functions:
      0000:05:00.0: {vpd: {}, files: {subsystem_device: "0x0087"}, remove: [vpd]}
      0000:06:00.0: {remove: [vpd]}
      0000:07:00.0: {remove: [vpd]}
      0000:08:00.0: {remove: [vpd]}
    """
    result = seen("hca-management", fresh(ailing("dgx-b200", patch)).root)
    assert [f.subject for f in result.findings if f.verdict is Verdict.WARN] == ["mlx5_0"]


def test_a_board_with_vpds_has_no_finding(fresh: Fresh, sample: Sample) -> None:
    mark = ", vpd: {VA: 'MLX:MODL=CX7:SMDL=SW_MNG'}"
    host = fresh(ailing("empty", b200(mark)))
    for root in (host.root, sample("dgx-b200")):
        assert seen("hca-management", root).verdict is Verdict.OK


def test_without_gpus_of_nvidia_it_does_not_apply(fresh: Fresh) -> None:
    """H14: such a node has no NVLink switch."""
    function = "0000:07:00.0: {id: '15b3:1021', class: '0207', hcas: [mlx5_9]}"
    result = seen("hca-management", fresh(ailing("seed", f"functions: {{{function}}}")).root)
    assert told(result) == ["ok : without GPUs there is no NVLink switch"]


def test_with_other_new_gpus_it_is_unknown(fresh: Fresh) -> None:
    """H14: not read is unknown, and the line names what the VPD would show."""
    function = "0000:07:00.0: {id: '15b3:1021', class: '0207', hcas: [mlx5_9]}"
    gpu = "0000:08:00.0: {id: '10de:2bb5', class: '0302'}"
    result = seen("hca-management", fresh(ailing("seed", f"functions: {{{function}, {gpu}}}")).root)
    why = "which would show a management function of an NVLink switch"
    assert told(result) == [f"unknown : there is no VPD of mlx5_9, {why}"]


@pytest.mark.parametrize("subsystem", ["", ", files: {subsystem_device: '0x0087'}"])
def test_a_function_is_named_once(subsystem: str, fresh: Fresh) -> None:
    """H14: no second line about the same HCA. dry-run and discover name it too."""
    hca = f"{{id: '15b3:1021', class: '0207', hcas: [mlx5_0]{subsystem}}}"
    gpu = "{id: '10de:2901', class: '0302', model: NVIDIA B200}"
    patch = f"functions: {{0000:05:00.0: {hca}, 0000:1b:00.0: {gpu}}}"
    root = fresh(ailing("empty", patch)).root
    (line,) = told(seen("hca-management", root))
    assert line.startswith("warn mlx5_0: it may be a management function of an NVLink switch")
    for words in (("dry-run", "--config", ALL_MELLANOX), ("discover",)):
        out = " ".join(rdma_dp(*words, "--root", root).out.split())
        assert "mlx5_0: it may be a management function of an NVLink switch" in out


def test_older_boards_have_none(sample: Sample) -> None:
    assert told(seen("hca-management", sample("dgx-h100"))) == [
        "ok : a board with the GPUs of this node has no such functions"
    ]


def test_what_no_resource_selects_is_no_warning(fresh: Fresh) -> None:
    host = fresh(ailing("empty", b200()))
    result = seen("hca-management", host.root, CONFIGS / "other-vendors.yaml")
    assert result.verdict is Verdict.UNKNOWN
