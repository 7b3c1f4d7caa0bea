"""The config against the node."""

from pathlib import Path

import pytest

from rdma_dp.config.loading import FoundConfig
from rdma_dp.doctor.catalogue import chosen
from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.examination import examine
from rdma_dp.node.source import open_source
from rdma_dp.node.view import view_node
from tests.conftest import Fresh, Sample
from tests.paths import CONFIGS
from tests.unit.cli.process import rdma_dp
from tests.unit.doctor.ailing import ailing, seen
from tests.unit.doctor.twins import config, told

RESOURCE = "{{resourceName: {}, rdmaHcaMax: {}, selectors: {{{}}}}}"


def a_config(directory: Path, *resources: str) -> Path:
    return config(directory, f"configList: [{', '.join(resources)}]")


def resource(selectors: str, name: str = "a", slots: int = 2) -> str:
    return RESOURCE.format(name, slots, selectors)


def test_a_config_that_is_not_there_is_unknown(sample: Sample, tmp_path: Path) -> None:
    file = tmp_path / "none.json"
    result = seen("config-file", sample("seed"), file)
    assert told(result) == [f"unknown : there is no config {file}"]
    for check in ("config-resources", "config-unused", "config-exclude", "config-shared"):
        assert seen(check, sample("seed"), file).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("host", "cause"),
    [("interface-in-pod", "SR-IOV CNI plugin"), ("no-host-network", "hostNetwork is missing")],
)
def test_an_interface_in_another_namespace_is_named(
    host: str, cause: str, sample: Sample, tmp_path: Path
) -> None:
    """C9: the cause, and the selectors that need no interface."""
    file = a_config(tmp_path, resource("ifNames: [eno1], functionTypes: [pf]"))
    (line,) = [each for each in told(seen("config-resources", sample(host), file)) if cause in each]
    assert "in another network namespace" in line
    assert "Select by what needs no interface: rdmaDevices (mlx5_" in line


def test_an_hca_that_exclude_cannot_see_is_a_warning(sample: Sample, tmp_path: Path) -> None:
    """C9: the HCA to exclude is handed out while a pod has its interface."""
    file = a_config(tmp_path, resource("vendors: [15b3], exclude: {ifNames: [ens1f1np1]}"))
    (line,) = told(seen("config-exclude", sample("interface-in-pod"), file))
    assert line.startswith("warn mlx5_1: rdma/a has it, because exclude.ifNames cannot match it")
    seen_here = a_config(tmp_path, resource("vendors: [15b3], exclude: {ifNames: [ens1f0np0]}"))
    for host in ("interface-in-pod", "seed"):
        assert seen("config-exclude", sample(host), seen_here).verdict is Verdict.OK


@pytest.mark.parametrize("file", ["-", "-#a"])
@pytest.mark.parametrize("slots", ["-1", "2"])
def test_no_remedy_reads_standard_input_again(file: str, slots: str, sample: Sample) -> None:
    """C8: the remedy was `rdma-dp check-config -`."""
    content = f"configList: [{RESOURCE.format('a', slots, 'ifNames: [none0]')}]"
    found = FoundConfig(Path(file), content.encode())
    view = view_node(open_source(sample("seed")), found)
    results = examine(view, chosen(["config-file", "config-resources"]))
    remedies = [remedy for result in results for remedy in result.remedy]
    wanted = "rdma-dp check-config FILE" if slots == "-1" else "rdma-dp dry-run --config FILE"
    assert wanted in remedies
    assert not any(remedy.endswith(f" {file}") for remedy in remedies)


def test_every_problem_of_a_broken_config_is_a_failure(sample: Sample, tmp_path: Path) -> None:
    file = a_config(tmp_path, resource("ifNames: [eth0]", slots=-1), "{resourceName: kubelet}")
    result = seen("config-file", sample("seed"), file)
    assert result.verdict is Verdict.FAIL
    assert len(result.findings) > 2
    assert all(finding.evidence.startswith("configList[") for finding in result.findings)
    assert result.remedy == (f"rdma-dp check-config {file}",)


def test_a_doubtful_spelling_is_a_warning(sample: Sample, tmp_path: Path) -> None:
    file = config(tmp_path, f"configList: [{resource('ifNames: [eth0]')}]\nunheard: 1")
    assert seen("config-file", sample("seed"), file).verdict is Verdict.WARN
    assert seen("config-file", sample("seed")).verdict is Verdict.OK


def test_a_resource_without_an_hca_fails_with_the_nearest_miss(
    sample: Sample, tmp_path: Path
) -> None:
    wrong = a_config(tmp_path, resource("ifNames: [ens1f0np1]"))
    (finding,) = seen("config-resources", sample("seed"), wrong).findings
    assert (finding.verdict, finding.subject) == (Verdict.FAIL, "rdma/a")
    assert (
        "ens1f0np1 is not on this node; ens1f0np0 is, by its name on the same card."
        in finding.evidence
    )
    assert finding.remedy == (f"rdma-dp dry-run --config {wrong}",)
    right = a_config(tmp_path, resource("ifNames: [ens1f0np0]"))
    assert told(seen("config-resources", sample("seed"), right)) == ["ok : rdma/a has mlx5_0"]


def test_a_resource_for_nodes_of_another_kind_is_a_warning(sample: Sample, tmp_path: Path) -> None:
    """One config for all nodes: this one has RoCE alone."""
    here, there = resource("ifNames: [ens1f0np0]"), resource("linkTypes: [infiniband]", "ib")
    result = seen("config-resources", sample("seed"), a_config(tmp_path, here, there))
    assert [(f.verdict, f.subject) for f in result.findings] == [(Verdict.WARN, "rdma/ib")]
    alone = seen("config-resources", sample("seed"), a_config(tmp_path, there))
    assert alone.verdict is Verdict.FAIL


def test_a_resource_that_waits_for_a_module_is_told_the_command(sample: Sample) -> None:
    result = seen("config-resources", sample("no-modules"), CONFIGS / "seed-ifnames.json")
    assert result.verdict is Verdict.FAIL
    assert result.remedy == ("modprobe mlx5_ib",)


@pytest.mark.parametrize(
    ("base", "patch"),
    [
        ("seed", "remove: [sys/class/infiniband_verbs, sys/module]"),
        ("no-modules", "remove: [sys/class/infiniband, sys/module]"),
    ],
)
def test_a_part_of_a_host_cannot_tell_what_a_resource_has(
    base: str, patch: str, fresh: Fresh
) -> None:
    host = fresh(ailing(base, patch))
    assert seen("config-resources", host.root).verdict is Verdict.UNKNOWN


def test_an_hca_left_out_though_its_like_is_taken_is_a_warning(
    fresh: Fresh, sample: Sample
) -> None:
    result = seen("config-unused", sample("seed"), CONFIGS / "seed-ifnames.json")
    assert [(each.verdict, each.subject) for each in result.findings] == [(Verdict.WARN, "mlx5_1")]
    assert "though rdma/rdma_shared_device_a has others of its kind" in told(result)[0]
    assert seen("config-unused", sample("seed")).verdict is Verdict.OK


def test_what_exclude_leaves_out_and_what_is_of_another_kind_is_meant(
    sample: Sample, tmp_path: Path
) -> None:
    excluding = a_config(tmp_path, resource("vendors: [15b3], exclude: {ifNames: [ens1f1np1]}"))
    assert seen("config-unused", sample("seed"), excluding).verdict is Verdict.OK
    compute_only = CONFIGS / "infiniband-only.yaml"
    assert told(seen("config-unused", sample("dgx-h100"), compute_only)) == [
        "ok : 8 HCAs in resources, 4 not: mlx5_1, mlx5_2, mlx5_7, mlx5_8"
    ]


def test_an_hca_in_two_resources_is_a_warning(sample: Sample, tmp_path: Path) -> None:
    by_name = resource("ifNames: [ens1f0np0]", "b")
    doubled = a_config(tmp_path, resource("vendors: [15b3]"), by_name)
    result = seen("config-shared", sample("seed"), doubled)
    assert told(result) == ["warn mlx5_0: is in several resources: rdma/a, rdma/b"]
    apart = a_config(tmp_path, resource("ifNames: [ens1f1np1]"), by_name)
    assert seen("config-shared", sample("seed"), apart).verdict is Verdict.OK


FULL_TABLES = """
functions:
  0000:3b:00.0: {hcas: {mlx5_0: {ports: {1: {gids: 256}}}}}
  0000:3b:00.1: {hcas: {mlx5_1: {ports: {1: {gids: 256}}}}}
"""


def test_more_slots_than_the_gid_table_has_room_for_is_a_warning(
    fresh: Fresh, tmp_path: Path
) -> None:
    host = fresh(ailing("seed", FULL_TABLES))
    wishful = a_config(tmp_path, resource("vendors: [15b3]", slots=64))
    result = seen("config-slots", host.root, wishful)
    assert [each.subject for each in result.findings] == ["rdma/a on mlx5_0", "rdma/a on mlx5_1"]
    assert told(result)[0].endswith(
        "rdmaHcaMax is 64, but port 1 of its HCAs has GIDs for 63 more pods: 4 of 256 slots are in"
        " use, and the interface of a pod takes 4 (two addresses, RoCE v1 and v2)"
    )
    fitting = a_config(tmp_path, resource("vendors: [15b3]", slots=63))
    assert seen("config-slots", host.root, fitting).verdict is Verdict.OK


def test_a_larger_table_has_room_for_more(fresh: Fresh, tmp_path: Path) -> None:
    patch = (
        "functions: {0000:3b:00.0: {hcas: {mlx5_0: {files: {"
        + ", ".join(f"ports/1/gids/{slot}: '0'" for slot in range(256, 512))
        + "}, ports: {1: {gids: 256}}}}}}"
    )
    file = a_config(tmp_path, resource("ifNames: [ens1f0np0]", slots=100))
    assert seen("config-slots", fresh(ailing("seed", patch)).root, file).verdict is Verdict.OK


def test_infiniband_has_no_gids_per_pod(sample: Sample, tmp_path: Path) -> None:
    file = a_config(tmp_path, resource("linkTypes: [infiniband]", slots=1000))
    assert seen("config-slots", sample("dgx-h100"), file).verdict is Verdict.OK


def test_slots_that_do_not_fit_into_one_message_are_a_warning(fresh: Fresh, tmp_path: Path) -> None:
    from simulator.host import generate

    per_hca = "{resourceName: a, rdmaHcaMax: 60000, slotsPer: hca, selectors: {vendors: [15b3]}}"
    root = fresh(generate(4)).root
    result = seen("config-slots", root, a_config(tmp_path, per_hca))
    assert any("do not fit into one message" in each.evidence for each in result.findings)


# --- config-selectors ---------------------------------------------------------------------------


def test_a_value_for_another_selector_is_named_with_its_code(
    sample: Sample, tmp_path: Path
) -> None:
    """C3: without an HCA it is the failure of the resource, with HCAs a warning."""
    alone = a_config(tmp_path, resource("ifNames: [mlx5_1]"))
    (finding,) = seen("config-resources", sample("seed"), alone).findings
    assert (finding.verdict, finding.code) == (Verdict.FAIL, "other-selector")
    assert "mlx5_1 is the name of an HCA of this node: use" in finding.evidence
    assert seen("config-selectors", sample("seed"), alone).verdict is Verdict.OK
    beside = a_config(tmp_path, resource("vendors: [15b3], exclude: {ifNames: [mlx5_1]}"))
    (finding,) = seen("config-selectors", sample("seed"), beside).findings
    assert (finding.verdict, finding.code) == (Verdict.WARN, "other-selector")
    assert finding.evidence.startswith("exclude.ifNames wants network interfaces, but mlx5_1 is")
    right = a_config(tmp_path, resource("vendors: [15b3], exclude: {rdmaDevices: [mlx5_1]}"))
    assert seen("config-selectors", sample("seed"), right).verdict is Verdict.OK


def test_a_resource_with_two_link_types_is_a_warning(sample: Sample) -> None:
    """C10: both groups are named, and the selector that separates them."""
    (finding,) = seen("config-selectors", sample("azure-vf")).findings
    assert (finding.verdict, finding.subject) == (Verdict.WARN, "rdma/hca")
    assert finding.code == "mixed-link-types"
    assert '"linkTypes": ["infiniband"]' in finding.evidence
    fitting = CONFIGS / "infiniband-only.yaml"
    assert seen("config-selectors", sample("azure-vf"), fitting).verdict is Verdict.OK
    assert seen("config-selectors", sample("seed")).verdict is Verdict.OK


def test_without_a_config_the_selectors_are_unknown(sample: Sample, tmp_path: Path) -> None:
    result = seen("config-selectors", sample("seed"), tmp_path / "none.json")
    assert result.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("name", ["-", "-#a"])
@pytest.mark.parametrize("piped", [b"configList: 1", b"configList: [{resourceName: a, x: 1}]"])
def test_standard_input_is_no_file_of_a_command(piped: bytes, name: str, sample: Sample) -> None:
    """H17: a command in a remedy cannot read what was piped into the doctor."""
    words = ("doctor", "--root", sample("seed"), f"--config={name}", "--only", "config-file")
    ended = rdma_dp(*words, piped=piped)
    assert "rdma-dp check-config FILE" in ended.out


def test_no_command_reads_standard_input_again(sample: Sample) -> None:
    """H17: each check of the config; a resource without an HCA and two with the same HCAs."""
    entries = ("vendors: [15b3]", "vendors: [15b3]", "rdmaDevices: [absent]")
    lines = (resource(text, f"r{at}") for at, text in enumerate(entries))
    piped = f"configList: [{', '.join(lines)}]".encode()
    ended = rdma_dp("doctor", "--root", sample("seed"), "--config", "-", "--all", piped=piped)
    assert "--config FILE" in ended.out
    assert "--config -" not in ended.out
    assert "standard input: 3 resources" in ended.out
