"""Modules, drivers, functions that are handed on, firmware."""

from pathlib import Path

import pytest

from rdma_dp.doctor.check import Verdict
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.discovery.test_damage import FailingTree
from tests.unit.doctor.ailing import ALL_MELLANOX, ailing, seen
from tests.unit.doctor.twins import config, ill, seen_through, told


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


E810 = "0000:05:00.0: {id: 8086:1592, net: [eno1]}"
X710 = "0000:05:00.0: {id: 8086:1572, driver: i40e, rdma: false, net: [eno1]}"
BY_VENDOR = "configList: [{resourceName: a, rdmaHcaMax: 2, selectors: {vendors: ['%s']}}]"


def test_a_module_that_is_not_loaded_is_a_warning_beside_hcas_that_work(fresh: Fresh) -> None:
    patch = f"functions: {{{E810}}}\nnot_loaded: [irdma]"
    result = ill(fresh, "hca-modules", "seed", patch, config=CONFIGS / "none.yaml")
    assert told(result) == ["warn irdma: is not loaded, so ice made no HCA of 0000:05:00.0"]


def test_a_function_that_no_resource_means_needs_no_module(fresh: Fresh, tmp_path: Path) -> None:
    """H1: each check of a missing HCA first asks whether a resource means the function."""
    host = fresh(ailing("seed", f"functions: {{{E810}}}\nnot_loaded: [irdma]"))
    assert seen("hca-modules", host.root).verdict is Verdict.OK
    intel = config(tmp_path, BY_VENDOR % "8086")
    assert seen("hca-modules", host.root, intel).verdict is Verdict.WARN


def test_a_resource_that_selects_by_hca_name_may_mean_any_function(
    sample: Sample, tmp_path: Path
) -> None:
    by_name = BY_VENDOR.replace("vendors: ['%s']", "rdmaDevices: [mlx5_0]")
    file = config(tmp_path, by_name)
    assert seen("hca-modules", sample("no-modules"), file).verdict is Verdict.FAIL


@pytest.mark.parametrize("file", [ALL_MELLANOX, CONFIGS / "none.yaml"], ids=lambda f: f.stem)
def test_no_module_is_advised_for_an_adapter_without_rdma(file: Path, fresh: Fresh) -> None:
    """H1: X710 and XL710 have no RDMA, whatever module is loaded."""
    for kernel in ("4.18.0-553.el8.x86_64", "6.8.0-60-generic"):
        patch = f"kernel: {kernel}\nfunctions: {{{X710}}}\nnot_loaded: [irdma]"
        host = fresh(ailing("seed", patch))
        for check in ("hca-modules", "hca-driver"):
            assert seen(check, host.root, file).verdict is Verdict.OK


def test_an_adapter_without_rdma_that_a_resource_means_has_its_reason(
    fresh: Fresh, tmp_path: Path
) -> None:
    """H1: the resource has no HCA, and no command changes that."""
    host = fresh(ailing("seed", f"functions: {{{X710}}}"))
    result = seen("config-resources", host.root, config(tmp_path, BY_VENDOR % "8086"))
    assert "only the X722 has" in told(result)[0]
    assert not any("modprobe" in step for step in result.remedy)


def test_an_x722_needs_its_module(fresh: Fresh, tmp_path: Path) -> None:
    x722 = "0000:05:00.0: {id: 8086:37d0, net: [eno1]}"
    host = fresh(ailing("seed", f"functions: {{{x722}}}\nnot_loaded: [irdma]"))
    result = seen("hca-modules", host.root, config(tmp_path, BY_VENDOR % "8086"))
    assert result.remedy == ("modprobe irdma",)


SWITCHED_OFF = {
    "ice": "8086:1592",
    "bnxt_en": "14e4:16d7",
    "mlx5_core": "15b3:1017",
}


@pytest.mark.parametrize("driver", SWITCHED_OFF)
def test_a_driver_that_offers_no_rdma_is_told_by_its_auxiliary_device(
    driver: str, fresh: Fresh, tmp_path: Path
) -> None:
    """H1: no module makes an HCA without the auxiliary device of the network driver."""
    pci_id = SWITCHED_OFF[driver]
    function = f"0000:05:00.0: {{id: '{pci_id}', rdma: false, net: [eno1]}}"
    patch = f"kernel: 6.8.0-60-generic\nfunctions: {{{function}}}\nnot_loaded: [irdma]"
    host, file = fresh(ailing("seed", patch)), config(tmp_path, BY_VENDOR % pci_id[:4])
    assert seen("hca-modules", host.root, file).verdict is Verdict.OK
    result = seen("hca-driver", host.root, file)
    (line,) = told(result)
    assert line.startswith(f"warn 0000:05:00.0: driver {driver} offers no RDMA on it")
    assert result.remedy == ("devlink dev param show pci/0000:05:00.0",)
    assert seen("hca-driver", host.root, CONFIGS / "none.yaml").verdict is Verdict.OK


def test_an_old_driver_offers_rdma_without_an_auxiliary_device(
    fresh: Fresh, tmp_path: Path
) -> None:
    """The bnxt_en of Linux 5.15 has none, and its bnxt_re makes the HCA all the same."""
    function = "0000:05:00.0: {id: '14e4:16d7', rdma: false, net: [eno1]}"
    host = fresh(ailing("seed", f"kernel: 5.15.0-91-generic\nfunctions: {{{function}}}"))
    result = seen("hca-modules", host.root, config(tmp_path, BY_VENDOR % "14e4"))
    assert result.remedy == ("modprobe bnxt_re",)


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


def test_firmware_that_is_not_shown_is_unknown(fresh: Fresh) -> None:
    """H14: the other versions say nothing of this one."""
    gone = "functions: {0000:3b:00.1: {hcas: {mlx5_1: {remove: [fw_ver]}}}}"
    result = seen("hca-firmware", fresh(ailing("seed", gone)).root)
    assert told(result) == ["unknown : /sys/class/infiniband has no fw_ver of mlx5_1"]


def test_a_function_that_cannot_be_read_is_unknown(sample: Sample) -> None:
    """H14: it may lack its HCA."""
    tree = FailingTree(sample("no-modules"), "sys/bus/pci/devices/0000:3b:00.0/vendor")
    (finding,) = seen_through("hca-driver", tree, CONFIGS / "none.yaml").findings
    assert (finding.verdict, finding.subject) == (Verdict.UNKNOWN, "0000:3b:00.0")


def _with(address: str, id_: str, driver: str) -> str:
    return f"functions: {{{address}: {{id: '{id_}', driver: {driver}}}}}"


def _unbound(address: str) -> str:
    return f"""
    functions:
      {address}: {{driver: none, remove: [infiniband, net, infiniband_verbs, infiniband_mad]}}
    """
