"""GPUDirect: a host for every failure, and the same host mended."""

from pathlib import Path

import pytest

from rdma_dp.discovery import scan
from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.checks.gpudirect import CHECKS
from rdma_dp.host.files import Host
from simulator.host import sample_names
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.doctor.ailing import ALL_MELLANOX, ailing, seen

IDS = [check.id for check in CHECKS]


@pytest.mark.parametrize("check", IDS)
@pytest.mark.parametrize("name", ["dgx-h100", "hgx", "dgx-b200", "gb200", "gb300"])
def test_hosts_that_are_well_are_well(check: str, name: str, sample: Sample) -> None:
    assert seen(check, sample(name)).verdict is Verdict.OK


@pytest.mark.parametrize("check", IDS)
def test_a_host_without_a_gpu_is_none_of_its_business(check: str, sample: Sample) -> None:
    for name in sample_names():
        if not read_topology(Host(sample(name)), scan(Host(sample(name)))).gpus:
            (finding,) = seen(check, sample(name)).findings
            assert (finding.verdict, finding.remedy) == (Verdict.OK, ())


# --- peer memory --------------------------------------------------------------------------------

PROPRIETARY = "nvidia: proprietary"


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (PROPRIETARY, "the kernel module is the proprietary one"),
        ("kernel: 5.4.0-190-generic", "Linux 5.4.0-190-generic has none"),
        ("kernel: 5.11.22", "Linux 5.11.22 has none"),
    ],
)
def test_without_a_way_to_gpu_memory_peermem_has_to_be_loaded(
    patch: str, why: str, fresh: Fresh
) -> None:
    result = seen("gpu-peer-memory", fresh(ailing("hgx", patch)).root)
    assert result.verdict is Verdict.WARN
    assert result.findings[0].evidence.endswith(why)
    assert result.remedy == ("modprobe nvidia-peermem",)
    peers = "files: {sys/kernel/mm/memory_peers/nv_mem/version: '1.3'}"
    mended = fresh(ailing("hgx", f"{patch}\nloaded: [nvidia_peermem]\n{peers}")).root
    assert seen("gpu-peer-memory", mended).verdict is Verdict.OK


def test_a_gpu_without_its_driver(fresh: Fresh) -> None:
    result = seen("gpu-peer-memory", fresh(ailing("hgx", "not_loaded: [nvidia]")).root)
    assert (result.verdict, result.remedy) == (Verdict.WARN, ("modprobe nvidia",))


def test_gpus_of_virtual_machines_are_left_alone(fresh: Fresh) -> None:
    patch = "functions: {'0000:1b:00.0': {driver: vfio-pci}}"
    host = fresh(ailing("dgx-b200", f"not_loaded: [nvidia]\n{patch}"))
    assert seen("gpu-peer-memory", host.root).verdict is Verdict.OK


@pytest.mark.parametrize("file", ["proc/driver/nvidia/version", "proc/sys/kernel/osrelease"])
def test_what_cannot_be_read_is_not_judged(file: str, fresh: Fresh) -> None:
    result = seen("gpu-peer-memory", fresh(ailing("hgx", f"remove: [{file}]")).root)
    assert result.verdict is Verdict.UNKNOWN
    assert file in result.findings[0].evidence


AMD = "functions: {'0000:1b:00.0': {id: 1002:74a1, class: '1200', driver: amdgpu}}"


@pytest.mark.parametrize(
    ("patch", "verdict"),
    [
        ("files: {sys/kernel/mm/memory_peers/amdkfd/version: '6.8'}", Verdict.OK),
        ("files: {sys/memory_peers/amdkfd/version: '6.8'}", Verdict.OK),
        ("", Verdict.UNKNOWN),
        ("kernel: 5.4.0", Verdict.WARN),
    ],
)
def test_amd(patch: str, verdict: Verdict, fresh: Fresh) -> None:
    result = seen("gpu-peer-memory", fresh(ailing("dgx-b200", f"{AMD}\n{patch}")).root)
    assert result.verdict is verdict


# --- affinity -----------------------------------------------------------------------------------

# GPU0 of the B200 alone on a port of its own, on this NUMA node.
APART = "functions: {{'0000:1b:00.0': {{bridges: ['0000:1a:01.0'], numa: {numa}}}}}"


LEVEL = "to use it here, set NCCL_NET_GDR_LEVEL=PHB in the pods"


@pytest.mark.parametrize(("numa", "distance"), [(0, "NODE"), (2, "SYS")])
def test_a_gpu_far_from_every_hca(numa: int, distance: str, fresh: Fresh) -> None:
    result = seen("gpu-affinity", fresh(ailing("dgx-b200", APART.format(numa=numa))).root)
    assert result.verdict is Verdict.WARN
    (finding,) = result.findings
    assert finding.subject == "GPU0"
    assert finding.evidence.startswith(f"no HCA is nearer than {distance}: mlx5_4, ")
    assert result.remedy == ("rdma-dp topo", *([LEVEL] if distance == "NODE" else []))


def test_what_the_firmware_does_not_tell_is_unknown(fresh: Fresh) -> None:
    result = seen("gpu-affinity", fresh(ailing("dgx-b200", APART.format(numa=-1))).root)
    assert result.verdict is Verdict.UNKNOWN


def test_a_virtual_machine_shows_no_hardware(fresh: Fresh) -> None:
    cpu = 'files: {proc/cpuinfo: "flags\\t\\t: fpu sse hypervisor\\n"}'
    result = seen("gpu-affinity", fresh(ailing("dgx-b200", f"{APART.format(numa=0)}\n{cpu}")).root)
    assert result.verdict is Verdict.UNKNOWN
    assert "virtual machine" in result.findings[0].evidence


def test_only_the_hcas_of_the_config_count(sample: Sample, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "configList:\n- resourceName: one\n  rdmaHcaMax: 1\n  selectors: {ifNames: [gpu0rdma0]}\n"
    )
    result = seen("gpu-affinity", sample("hgx"), config)
    assert [finding.subject for finding in result.findings] == [f"GPU{n}" for n in range(2, 8)]
    assert seen("gpu-affinity", sample("hgx"), CONFIGS / "missing.yaml").verdict is Verdict.OK


# --- ACS ----------------------------------------------------------------------------------------


def test_acs_between_gpu_and_hca(fresh: Fresh) -> None:
    result = seen("gpu-acs", fresh(ailing("dgx-b200", "acs: 001d")).root)
    assert result.verdict is Verdict.WARN
    assert {finding.subject for finding in result.findings} == {"0000:17:00.0", "0000:17:02.0"}
    assert result.remedy[0] == "setpci -s 0000:17:02.0 ECAP_ACS+6.w=0000"
    assert "BIOS" in result.remedy[1]


@pytest.mark.parametrize("word", ["none", "0000", "0011", "0051"])  # validation alone, translated
def test_acs_that_redirects_nothing(word: str, fresh: Fresh) -> None:
    assert seen("gpu-acs", fresh(ailing("hgx", f"acs: '{word}'")).root).verdict is Verdict.OK


@pytest.mark.parametrize("word", ["none", "001d"])
def test_the_bridges_of_a_virtual_machine_are_not_judged(word: str, fresh: Fresh) -> None:
    """H9: they are emulated. NCCL can read the real tree from a file."""
    cpu = 'files: {proc/cpuinfo: "flags\\t\\t: fpu sse hypervisor\\n"}'
    host = fresh(ailing("dgx-b200", f"acs: '{word}'\n{cpu}")).root
    for check in ("gpu-acs", "gpu-affinity"):
        result = seen(check, host)
        assert result.verdict is Verdict.UNKNOWN
        assert "virtual machine" in result.findings[0].evidence
        assert "NCCL_TOPO_FILE" in result.remedy[0]


def test_a_bridge_elsewhere_may_have_it(fresh: Fresh) -> None:
    elsewhere = "functions: {'0000:4e:01.0': {id: 8086:352a, class: '0604', numa: 0, acs: 001d}}"
    assert seen("gpu-acs", fresh(ailing("dgx-b200", elsewhere)).root).verdict is Verdict.OK


def test_a_grace_keeps_it(fresh: Fresh) -> None:
    result = seen("gpu-acs", fresh(ailing("dgx-b200", "acs: 001d\nmachine: aarch64")).root)
    assert (result.verdict, result.remedy) == (Verdict.OK, ())
    assert "other settings" in result.findings[0].evidence


@pytest.mark.parametrize("what", ["remove: [config]", f"files: {{config: '{'x' * 64}'}}"])
def test_who_is_not_root_cannot_see_it(what: str, fresh: Fresh) -> None:
    bridge = "{id: 1000:c030, class: '0604', numa: 0, %s}"
    patch = f"functions: {{'0000:17:02.0': {bridge % what}}}"
    result = seen("gpu-acs", fresh(ailing("dgx-b200", patch)).root)
    assert (result.verdict, result.remedy) == (Verdict.UNKNOWN, ("run as root",))
    assert "0000:17:02.0" in result.findings[0].evidence


# --- IOMMU --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["DMA", "DMA-FQ"])
def test_an_iommu_that_translates(kind: str, fresh: Fresh) -> None:
    result = seen("gpu-iommu", fresh(ailing("hgx", f"iommu: {kind}")).root)
    assert result.verdict is Verdict.WARN
    assert f"type {kind}" in result.findings[0].evidence
    assert result.remedy == ("put `iommu=pt` on the kernel's command line and reboot",)


def test_a_host_that_shows_no_groups_is_not_judged(fresh: Fresh) -> None:
    host = fresh(ailing("hgx", "remove: [sys/kernel/iommu_groups]"))
    assert seen("gpu-iommu", host.root, ALL_MELLANOX).verdict is Verdict.UNKNOWN


AMPERE = "files: {sys/devices/system/cpu/cpu0/regs/identification/midr_el1: '0x00000000c00fac30'}"


def test_an_arm_that_is_no_grace_is_told_its_own_parameter(fresh: Fresh) -> None:
    result = seen("gpu-iommu", fresh(ailing("hgx", f"iommu: DMA\n{AMPERE}")).root)
    assert (result.verdict, "iommu.passthrough=1" in result.remedy[0]) == (Verdict.WARN, True)
    assert (
        seen("gpu-acs", fresh(ailing("hgx", f"acs: 001d\n{AMPERE}")).root).verdict is Verdict.WARN
    )
