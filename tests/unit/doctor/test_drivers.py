"""Modules, drivers, functions that are handed on, firmware."""

from pathlib import Path

import pytest

from rdma_dp.doctor.check import Verdict
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ALL_MELLANOX, ailing, seen
from tests.unit.doctor.twins import config, ill, told


@pytest.mark.parametrize("module", ["ib_umad", "rdma_ucm"])
def test_a_module_that_some_programs_need_is_a_warning(module: str, fresh: Fresh) -> None:
    result = ill(fresh, "hca-modules", "seed", f"not_loaded: [{module}]")
    (finding,) = result.findings
    assert (finding.verdict, finding.subject) == (Verdict.WARN, module)
    assert result.remedy == (f"modprobe {module}",)


def test_efa_needs_neither_management_nor_rdma_cm(fresh: Fresh) -> None:
    host = fresh(ailing("efa", "not_loaded: [ib_umad, rdma_ucm]"))
    (finding,) = seen("hca-modules", host.root).findings
    assert (finding.verdict, finding.evidence) == (Verdict.OK, "loaded: ib_core, ib_uverbs")


def test_umad_is_not_missed_where_no_resource_gives_it(fresh: Fresh, tmp_path: Path) -> None:
    host = fresh(ailing("seed", "not_loaded: [ib_umad]"))
    entry = "{resourceName: a, rdmaHcaMax: 1, selectors: {vendors: [15b3]}, management: SWITCH}"
    for switch, verdict in (("false", Verdict.OK), ("true", Verdict.WARN)):
        file = config(tmp_path, f"configList: [{entry.replace('SWITCH', switch)}]")
        assert seen("hca-modules", host.root, file).verdict is verdict


def test_without_ib_uverbs_nothing_works(fresh: Fresh) -> None:
    result = ill(fresh, "hca-modules", "seed", "not_loaded: [ib_uverbs]")
    assert result.verdict is Verdict.FAIL
    assert result.remedy[0] == "modprobe ib_uverbs"


def test_without_the_vendors_module_there_is_no_hca(sample: Sample) -> None:
    result = seen("hca-modules", sample("no-modules"))
    assert told(result) == [
        "fail mlx5_ib: is not loaded, so mlx5_core made no HCA of 0000:3b:00.0, 0000:3b:00.1"
    ]
    assert result.remedy == ("modprobe mlx5_ib",)
    assert seen("hca-modules", sample("seed")).verdict is Verdict.OK


def test_a_port_whose_rdma_nobody_loaded_is_a_warning_beside_hcas_that_work(fresh: Fresh) -> None:
    port = "{id: 8086:1592, net: [eno1]}"
    patch = f"functions: {{0000:05:00.0: {port}}}\nnot_loaded: [irdma]"
    result = ill(fresh, "hca-modules", "seed", patch)
    assert told(result) == ["warn irdma: is not loaded, so ice made no HCA of 0000:05:00.0"]


def test_a_node_without_rdma_hardware_misses_no_module(fresh: Fresh, sample: Sample) -> None:
    result = seen("hca-modules", sample("empty"))
    assert told(result) == ["ok : the node has no HCA that needs them"]


def test_a_module_that_is_built_in_is_there_by_what_it_makes(fresh: Fresh) -> None:
    host = fresh(ailing("seed", "remove: [sys/module/ib_uverbs, sys/module/mlx5_ib]"))
    assert seen("hca-modules", host.root).verdict is Verdict.OK


def test_without_sys_module_nothing_is_known(fresh: Fresh) -> None:
    host = fresh(ailing("seed", "remove: [sys/module]"))
    assert seen("hca-modules", host.root).verdict is Verdict.UNKNOWN


def test_a_function_without_a_driver_is_told_how_to_bind_it(fresh: Fresh) -> None:
    result = ill(fresh, "hca-driver", "seed", _unbound("0000:3b:00.1"))
    assert told(result) == ["warn 0000:3b:00.1: no driver is bound"]
    assert result.remedy == ("echo 0000:3b:00.1 > /sys/bus/pci/drivers/mlx5_core/bind",)


def test_a_function_without_a_driver_that_no_resource_means_may_wait(fresh: Fresh) -> None:
    host = fresh(ailing("seed", _unbound("0000:3b:00.1")))
    assert seen("hca-driver", host.root, CONFIGS / "seed-ifnames.json").verdict is Verdict.OK
    assert seen("hca-driver", host.root, CONFIGS / "none.yaml").verdict is Verdict.WARN


def test_a_driver_that_made_no_hca_fails_when_there_is_no_other(fresh: Fresh) -> None:
    result = ill(fresh, "hca-driver", "no-modules", "{not_loaded: [], loaded: [mlx5_ib]}")
    assert result.verdict is Verdict.FAIL
    assert result.remedy == ("dmesg | grep -iE 'rdma|infiniband|mlx|irdma|bnxt'",)


def test_a_function_on_vfio_is_a_warning_where_a_resource_means_it(fresh: Fresh) -> None:
    result = ill(fresh, "hca-vfio", "seed", _with("0000:05:00.0", "15b3:101d", "vfio-pci"))
    assert result.verdict is Verdict.WARN
    assert result.remedy == ("driverctl unset-override 0000:05:00.0",)


def test_a_function_on_vfio_that_no_resource_means_is_somebodys_purpose(fresh: Fresh) -> None:
    host = fresh(ailing("seed", _with("0000:05:00.0", "8086:1592", "vfio-pci")))
    assert seen("hca-vfio", host.root).verdict is Verdict.OK
    assert seen("hca-vfio", host.root, CONFIGS / "none.yaml").verdict is Verdict.WARN


def test_firmware_behind_that_of_its_like_is_a_warning(fresh: Fresh) -> None:
    old = "hcas: {mlx5_1: {files: {fw_ver: '28.39.1002'}}}"
    result = ill(fresh, "hca-firmware", "seed", f"functions: {{0000:3b:00.1: {{{old}}}}}")
    assert told(result) == [
        "warn mlx5_1: firmware 28.39.1002, others of the same kind (15b3:101b) have 28.41.1000"
    ]
    assert result.remedy == ("devlink dev info pci/0000:3b:00.1", "dmesg | grep -i firmware")


def test_versions_are_compared_as_numbers(fresh: Fresh) -> None:
    newer = "hcas: {mlx5_1: {files: {fw_ver: '28.100.1002'}}}"
    host = fresh(ailing("seed", f"functions: {{0000:3b:00.1: {{{newer}}}}}"))
    assert [f.subject for f in seen("hca-firmware", host.root).findings] == ["mlx5_0"]


def test_another_board_may_have_other_firmware(fresh: Fresh) -> None:
    other = "hcas: {mlx5_1: {files: {fw_ver: '28.39.1002', board_id: 'DEL0000000027'}}}"
    host = fresh(ailing("seed", f"functions: {{0000:3b:00.1: {{{other}}}}}"))
    assert seen("hca-firmware", host.root).verdict is Verdict.OK


def test_an_adapter_that_tells_no_firmware_is_unknown(sample: Sample) -> None:
    result = seen("hca-firmware", sample("efa"), ALL_MELLANOX)
    assert result.verdict is Verdict.UNKNOWN


def _with(address: str, id_: str, driver: str) -> str:
    return f"functions: {{{address}: {{id: '{id_}', driver: {driver}}}}}"


def _unbound(address: str) -> str:
    return f"""
    functions:
      {address}: {{driver: none, remove: [infiniband, net, infiniband_verbs, infiniband_mad]}}
    """
