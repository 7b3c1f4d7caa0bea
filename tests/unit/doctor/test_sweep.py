"""Every check on every sample host and on every machine that was captured: no false alarm."""

import tarfile
from pathlib import Path

import pytest

from rdma_dp.config.loading import find_config
from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.examination import Result, examine
from rdma_dp.node.source import open_source
from rdma_dp.node.view import view_node
from rdma_dp.render import console, doctor
from simulator.host import sample_names
from tests.conftest import Fresh, Golden, Sample
from tests.paths import CONFIGS, REPO
from tests.unit.doctor.ailing import ALL_MELLANOX, ailing

CAPTURES = REPO.parent / "shared/captures"
ALARMS = (Verdict.WARN, Verdict.FAIL)

# Checks of these families; others have sweeps of their own.
CHECKS = CATALOGUE

# Of a captured tree with configs/all-mellanox.yaml: what is right to say of it.
JUSTIFIED = {
    # A QLogic HCA, and a config for Mellanox: the resource has no HCA on this machine.
    "hwloc-qib-triplicated": {"config-resources": "fail"},
    "hwloc-qib-truescale": {"config-resources": "fail"},
}


def results(root: Path, config: Path = ALL_MELLANOX) -> tuple[Result, ...]:
    return examine(view_node(open_source(root), find_config(config)), CHECKS)


def alarms(found: tuple[Result, ...]) -> dict[str, str]:
    return {each.check.id: each.verdict.value for each in found if each.verdict in ALARMS}


def test_what_is_said_of_each_sample_host(sample: Sample, golden: Golden) -> None:
    rows = []
    for name in sample_names():
        found = results(sample(name))
        told = [f"{each.verdict} {each.check.id}" for each in found if _is_worth_a_word(each)]
        rows.append(f"{name}: {', '.join(told)}\n")
    golden("doctor.samples.txt", "".join(rows))


def _is_worth_a_word(result: Result) -> bool:
    """No file tells of kubelet and of pods: of another host's tree that is always unknown."""
    if result.check.family in ("kubelet", "pod"):
        assert result.verdict is Verdict.UNKNOWN
        return False
    return result.verdict is not Verdict.OK


@pytest.mark.parametrize(
    ("name", "config"),
    [("dgx-h100", "infiniband-only"), ("seed", "all-mellanox"), ("roce-bond", "roce-bond")],
)
def test_a_host_and_a_config_that_fit_have_no_alarm(name: str, config: str, sample: Sample) -> None:
    assert alarms(results(sample(name), CONFIGS / f"{config}.yaml")) == {}


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside this repo")
@pytest.mark.parametrize("name", [path.name for path in sorted(CAPTURES.glob("*.tar.gz"))])
def test_a_captured_machine_raises_no_false_alarm(name: str, tmp_path: Path) -> None:
    with tarfile.open(CAPTURES / name) as archive:
        archive.extractall(tmp_path, filter="tar")
    name = name.removesuffix(".tar.gz")
    assert alarms(results(tmp_path / name)) == JUSTIFIED.get(name, {})


# --- what people read ---------------------------------------------------------------------------

AILING = """
not_loaded: [ib_umad]
functions:
  0000:18:00.0: {hcas: {mlx5_0: {ports: {1: {state: INIT}}}}}
  0000:40:00.0: {hcas: {mlx5_3: {ports: {1: {state: DOWN}}}}}
  0000:4f:00.0: {hcas: {mlx5_4: {ports: {1: {state: DOWN}}}}}
  0000:5e:00.0: {hcas: {mlx5_5: {files: {fw_ver: "28.39.1002"}}}}
  0000:9a:00.0: {hcas: {mlx5_6: {ports: {1: {rate: "200 Gb/sec (2X NDR)"}}}}}
  0000:29:00.0: {net: {enp41s0f0np0: {mtu: 9000}}}
  0000:aa:00.0: {driver: vfio-pci, remove: [infiniband, infiniband_verbs, net]}
"""


def test_the_doctor_on_a_host_that_is_well(sample: Sample, golden: Golden) -> None:
    text = console.plain(doctor.table(results(sample("dgx-h100"))))
    golden("dgx-h100.doctor.txt", _without_paths(text))


def test_the_doctor_on_a_host_that_ails(fresh: Fresh, golden: Golden) -> None:
    found = results(fresh(ailing("dgx-h100", AILING)).root)
    golden("ailing.doctor.txt", _without_paths(console.plain(doctor.table(found))))


def test_the_catalogue(golden: Golden) -> None:
    golden("doctor.list.txt", console.plain(doctor.catalogue(CHECKS)))


def _without_paths(text: str) -> str:
    return text.replace(f"{CONFIGS}/", "")
