"""Checks of the PCIe tree on virtual machines."""

import pytest

from rdma_dp.doctor.check import Verdict
from tests.conftest import Fresh, Sample
from tests.unit.doctor.ailing import ailing, seen

CHECKS = ("gpu-affinity", "gpu-acs")


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", ["vm-switches", "vm-flat"])
def test_an_emulated_tree_is_unknown(name: str, check: str, sample: Sample) -> None:
    """H9: no setpci on an emulated bridge, and the file that NCCL needs instead."""
    result = seen(check, sample(name))
    assert result.verdict is Verdict.UNKNOWN
    assert "virtual machine" in result.findings[0].evidence
    assert "setpci" not in " ".join(result.remedy)
    assert "NCCL_TOPO_FILE" in " ".join(result.remedy)


@pytest.mark.parametrize("bridge", ["1b36:000c", "104c:8232", "15ad:07a0"])
def test_an_emulated_bridge_is_enough(bridge: str, fresh: Fresh) -> None:
    """H9: a captured tree may have no /proc/cpuinfo, and Arm has no such flag in it."""
    patch = f"{{functions: {{'0000:10:01.0': {{id: {bridge}, class: '0604'}}}}, acs: '001d'}}"
    result = seen("gpu-acs", fresh(ailing("hgx", patch)).root)
    assert result.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("maker", "product", "verdict"),
    [
        ("QEMU", "QEMU Virtual Machine", Verdict.UNKNOWN),
        ("QEMU", "", Verdict.UNKNOWN),
        ("Red Hat", "KVM", Verdict.UNKNOWN),
        ("OpenStack Foundation", "OpenStack Nova", Verdict.UNKNOWN),
        ("Microsoft Corporation", "Virtual Machine", Verdict.UNKNOWN),
        ("Google", "Google Compute Engine", Verdict.UNKNOWN),
        ("Amazon EC2", "p5.48xlarge", Verdict.UNKNOWN),
        ("Amazon EC2", "g5g.metal", Verdict.WARN),
        ("Supermicro", "SYS-821GE-TNHR", Verdict.WARN),
        ("NVIDIA", "DGXH100", Verdict.WARN),
        ("", "", Verdict.WARN),
    ],
)
def test_the_firmware_names_a_hypervisor(
    maker: str, product: str, verdict: Verdict, fresh: Fresh
) -> None:
    """H9: CPUs of Arm have no flags, and not every root port is an emulated one."""
    host = fresh(ailing("hgx", "acs: '001d'"))
    for name, value in (("sys_vendor", maker), ("product_name", product)):
        file = host.root / "sys/class/dmi/id" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
    cpus = host.root / "proc/cpuinfo"
    cpus.parent.mkdir(parents=True, exist_ok=True)
    cpus.write_text("processor\t: 0\nCPU implementer\t: 0x41\n")
    assert seen("gpu-acs", host.root).verdict is verdict


def test_real_switches_are_still_judged(fresh: Fresh) -> None:
    result = seen("gpu-acs", fresh(ailing("hgx", "acs: '001d'")).root)
    assert result.verdict is Verdict.WARN
