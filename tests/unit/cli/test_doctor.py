"""`rdma-dp doctor`: exit codes, the choice of checks, what programs read."""

import json
from pathlib import Path

import pytest

from rdma_dp.cli import verb_table
from rdma_dp.cli.parsing import parse
from rdma_dp.doctor.catalogue import CATALOGUE
from tests.conftest import Sample
from tests.paths import CONFIGS, REPO
from tests.unit.cli.process import Ended, rdma_dp

ALL = CONFIGS / "all-mellanox.yaml"


def doctor(root: Path, *more: str | Path, config: Path = ALL) -> Ended:
    return rdma_dp("doctor", "--root", root, "--config", config, *more)


@pytest.mark.parametrize(
    ("name", "only", "code"),
    [
        ("seed", "hca-modules", 0),
        ("no-umad", "hca-modules", 1),
        ("no-modules", "hca-modules", 2),
        ("no-umad", "hca-modules,hca-ports", 1),
        ("seed", "hca-nodes", 0),  # unknown: no reason to alarm anybody
        ("seed", "fabric-counters", 0),
    ],
)
def test_the_exit_code_is_the_worst_verdict(
    name: str, only: str, code: int, sample: Sample
) -> None:
    ended = doctor(sample(name), "--only", only)
    assert (ended.code, ended.err) == (code, "")


def test_the_document_has_stable_names(sample: Sample) -> None:
    ended = doctor(sample("no-umad"), "-o", "json", "--only", "hca-modules")
    assert ended.code == 1
    document = ended.document
    assert document["verdict"] == "warn"
    (check,) = document["checks"]
    assert (check["id"], check["family"], check["verdict"]) == ("hca-modules", "hca", "warn")
    assert set(check) == {
        "id", "family", "title", "looksAt", "verdict", "findings", "remedy",
    }  # fmt: skip
    (finding,) = check["findings"]
    assert finding["subject"] == "ib_umad"
    assert finding["remedy"] == check["remedy"] == ["modprobe ib_umad"]


def test_all_checks_look_when_none_is_chosen(sample: Sample) -> None:
    document = doctor(sample("seed"), "-o", "json").document
    assert [check["id"] for check in document["checks"]] == [check.id for check in CATALOGUE]


def test_the_catalogue_needs_no_node() -> None:
    ended = rdma_dp("doctor", "--list")
    assert ended.code == 0
    assert all(check.id in ended.out for check in CATALOGUE)
    (one,) = rdma_dp("doctor", "--list", "--only", "hca-ports", "-o", "json").document["checks"]
    assert one["id"] == "hca-ports"
    assert "ACTIVE" in one["meaning"]
    assert "ip link set NETDEV up" in one["remedies"]


def test_a_wrong_id_is_named_with_where_to_look(sample: Sample) -> None:
    ended = doctor(sample("seed"), "--only", "hca-ports,hca-prots")
    assert ended.code == 3
    assert ended.out == ""
    assert "no check is called hca-prots" in ended.err
    assert "rdma-dp doctor --list" in ended.err


def test_without_a_config_the_hcas_are_judged_all_the_same(sample: Sample, tmp_path: Path) -> None:
    ended = doctor(sample("no-umad"), "-o", "json", config=tmp_path / "none.yaml")
    verdicts = {check["id"]: check["verdict"] for check in ended.document["checks"]}
    assert ended.code == 1
    assert (verdicts["config-file"], verdicts["hca-modules"]) == ("unknown", "warn")


def test_a_broken_config_is_a_finding_and_no_end(sample: Sample, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("configList: [{resourceName: kubelet, rdmaHcaMax: -1}]")
    ended = doctor(sample("seed"), "-o", "json", config=config)
    found = {check["id"]: check for check in ended.document["checks"]}
    assert ended.code == 2
    assert len(found["config-file"]["findings"]) >= 2
    assert found["config-file"]["remedy"] == [f"rdma-dp check-config {config}"]
    assert found["hca-ports"]["verdict"] == "ok"


def test_counters_of_a_captured_host_are_unknown_and_not_waited_for(sample: Sample) -> None:
    ended = doctor(sample("seed"), "--only", "fabric-counters", "--counters", "3600")
    assert ended.code == 0
    assert "the counters of a captured host do not change" in ended.out


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "soon", "3601"])
def test_a_time_that_is_none_is_refused(seconds: str, sample: Sample) -> None:
    ended = doctor(sample("seed"), f"--counters={seconds}")
    assert ended.code == 2
    assert "is not a number of seconds up to 3600" in ended.err


def test_a_root_that_is_none_is_said(tmp_path: Path) -> None:
    ended = doctor(tmp_path)
    assert ended.code == 3
    assert "is not the root of a host" in ended.err


# --- Node Problem Detector: 0 is no problem, 1 a problem, everything else unknown -----------------


@pytest.mark.parametrize(
    ("name", "only", "code", "line"),
    [
        ("seed", "hca-modules", 0, "ok"),
        ("no-umad", "hca-modules", 0, "ok, 1 warning: hca-modules"),
        ("no-modules", "hca-modules", 1, "hca-modules: "),
        ("no-modules", "hca-modules,hca-ports,config-resources", 1, "2 failures: "),
        ("seed", "fabric-counters", 2, "could not check: fabric-counters"),
        ("seed", "fabric-counters,hca-modules", 0, "ok"),
    ],
)
def test_node_problem_detector_gets_its_exit_codes_and_one_line(
    name: str, only: str, code: int, line: str, sample: Sample
) -> None:
    ended = doctor(sample(name), "-o", "npd", "--only", only)
    assert (ended.code, ended.err) == (code, "")
    assert ended.out.startswith(line)
    assert ended.out.count("\n") == 1
    assert len(ended.out.rstrip("\n").encode()) <= 80


def test_node_problem_detector_gets_errors_on_stdout(tmp_path: Path, sample: Sample) -> None:
    """It shows stdout as the message of the condition, and only logs stderr."""
    for ended in (
        doctor(tmp_path, "-o", "npd"),
        doctor(sample("seed"), "-o", "npd", "--only", "hca-prots"),
    ):
        assert ended.code == 2
        assert ended.err == ""
        assert ended.out.count("\n") == 1
        assert len(ended.out.rstrip("\n").encode()) <= 80


def test_the_example_for_node_problem_detector_is_what_it_takes() -> None:
    """NPD refuses a rule whose timeout is longer than the global one."""
    monitor = json.loads((REPO / "deploy" / "monitoring" / "npd-rdma.json").read_text())
    (rule,), (condition,) = monitor["rules"], monitor["conditions"]
    assert monitor["plugin"] == "custom"
    assert monitor["pluginConfig"]["max_output_length"] >= 80
    assert rule["timeout"] == monitor["pluginConfig"]["timeout"]
    assert rule["condition"] == condition["type"]
    assert rule["type"] == "permanent"
    options = parse(verb_table.parser(), rule["args"])
    assert options.output == "npd"
