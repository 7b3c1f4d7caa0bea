"""Device nodes, network namespaces, switchdev, NVLink switches."""

import os
import stat
from pathlib import Path

import pytest

from rdma_dp.doctor.check import Verdict
from tests.conftest import Fresh, Sample
from tests.unit.discovery.test_damage import FailingTree
from tests.unit.doctor.ailing import ailing, seen
from tests.unit.doctor.twins import config, ill, seen_through, told

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mknod needs root")


@needs_root
def test_a_uverbs_node_that_is_missing_fails(fresh: Fresh) -> None:
    host = fresh("seed", dev=True)
    assert seen("hca-nodes", host.root).verdict is Verdict.OK
    (host.root / "dev/infiniband/uverbs0").unlink()
    result = seen("hca-nodes", host.root)
    assert told(result) == ["fail mlx5_0: /dev/infiniband/uverbs0 is missing"]
    assert result.remedy == ("udevadm trigger --action=add --subsystem-match=infiniband_verbs",)


@needs_root
def test_a_uverbs_node_with_anothers_number_fails(fresh: Fresh) -> None:
    host = fresh("seed", dev=True)
    node = host.root / "dev/infiniband/uverbs1"
    node.unlink()
    os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(231, 250))
    (finding,) = seen("hca-nodes", host.root).findings
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, "mlx5_1")
    assert "is 231:250, but the kernel's uverbs1 is 231:193" in finding.evidence


@needs_root
@pytest.mark.parametrize(("node", "subject"), [("umad1", "mlx5_1"), ("rdma_cm", "")])
def test_a_node_that_fewer_programs_need_is_a_warning(
    node: str, subject: str, fresh: Fresh
) -> None:
    host = fresh("seed", dev=True)
    (host.root / f"dev/infiniband/{node}").unlink()
    (finding,) = seen("hca-nodes", host.root).findings
    assert (finding.verdict, finding.subject) == (Verdict.WARN, subject)


def test_an_hca_without_uverbs_fails_with_the_module(sample: Sample) -> None:
    result = seen("hca-nodes", sample("no-uverbs"))
    assert result.verdict is Verdict.FAIL
    assert result.remedy == ("modprobe ib_uverbs",)


def test_a_companion_for_subnet_management_needs_no_uverbs(sample: Sample) -> None:
    assert seen("hca-nodes", sample("gb300")).verdict is Verdict.UNKNOWN  # for want of /dev alone
    assert told(seen("hca-nodes", sample("gb300"))) == ["unknown : there is no /dev"]


def test_an_hca_whose_class_is_not_in_the_tree_is_unknown(fresh: Fresh) -> None:
    host = fresh(ailing("seed", "remove: [sys/class/infiniband_verbs, sys/module]"))
    assert seen("hca-nodes", host.root).verdict is Verdict.UNKNOWN


def test_exclusive_network_namespaces_fail(fresh: Fresh) -> None:
    result = ill(fresh, "hca-netns", "seed", "netns: exclusive")
    assert result.verdict is Verdict.FAIL
    assert result.remedy[0] == "rdma system set netns shared"


def test_a_mode_that_nobody_tells_is_unknown(fresh: Fresh) -> None:
    host = fresh(ailing("seed", "remove: [sys/module/ib_core]"))
    assert seen("hca-netns", host.root).verdict is Verdict.UNKNOWN


RESOURCE = "configList: [{{resourceName: a, rdmaHcaMax: 2, selectors: {{{}}}}}]"


def test_a_pf_in_switchdev_mode_that_a_resource_takes_alone_is_a_warning(
    fresh: Fresh, tmp_path: Path
) -> None:
    file = config(tmp_path, RESOURCE.format("ifNames: [enp8s0f0np0]"))
    mended = """
    functions:
      0000:08:00.0: {hcas: {mlx5_0: {protocol: roce}}, net: {enp8s0f0np0: {switch_id: ''}}}
    """
    result = ill(fresh, "hca-switchdev", "switchdev", "{}", mended, config=file)
    (finding,) = result.findings
    assert (finding.verdict, finding.subject) == (Verdict.WARN, "mlx5_0")
    assert result.remedy == ("devlink dev eswitch set pci/0000:08:00.0 mode legacy",)


def test_a_pf_in_switchdev_mode_beside_its_vfs_is_as_it_should_be(sample: Sample) -> None:
    assert told(seen("hca-switchdev", sample("switchdev"))) == ["ok : not in any resource: mlx5_0"]


def test_switchdev_mode_without_a_gid_table_is_unknown(fresh: Fresh) -> None:
    """H14: not read is unknown."""
    patch = "functions: {0000:08:00.0: {hcas: {mlx5_0: {remove: [ports/1/gids]}}}}"
    result = seen("hca-switchdev", fresh(ailing("switchdev", patch)).root)
    assert [(f.verdict, f.subject) for f in result.findings] == [(Verdict.UNKNOWN, "mlx5_0")]


def test_what_may_be_a_management_function_is_a_warning(sample: Sample) -> None:
    tree = FailingTree(sample("dgx-b200"), "sys/bus/pci/devices/0000:05:00.0/vpd")
    result = seen_through("hca-management", tree)
    (finding,) = result.findings
    assert (finding.verdict, finding.subject) == (Verdict.WARN, "mlx5_0")
    assert result.remedy == ("lspci -vv -s 0000:05:00.0 | grep SMDL",)
    tree.mend()
    assert told(seen_through("hca-management", tree)) == [
        "ok : not in any resource: mlx5_0, mlx5_1, mlx5_2, mlx5_3"
    ]
