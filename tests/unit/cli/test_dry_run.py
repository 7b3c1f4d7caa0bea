import json
from pathlib import Path

import pytest

from tests.conftest import Sample
from tests.paths import CONFIGS
from tests.unit.cli.process import Ended, rdma_dp

RESOURCE = {"name", "slots", "hcas", "rejected", "allocate", "warnings"}
BY_NAME, BY_ID = CONFIGS / "seed-ifnames.json", CONFIGS / "seed-device-ids.json"


def dry_run(root: Path, config: Path, output: str = "json") -> Ended:
    return rdma_dp("dry-run", "--config", config, "--root", root, "-o", output)


def test_the_document_of_the_seed_case(sample: Sample) -> None:
    ended = dry_run(sample("seed"), BY_NAME)
    assert (ended.code, ended.err) == (0, "")
    document = ended.document
    assert set(document) == {"resources", "warnings"}
    (found,) = document["resources"]
    assert {key: found[key] for key in RESOURCE} == {
        "name": "rdma/rdma_shared_device_a",
        "slots": 63,
        "hcas": ["mlx5_0"],
        "rejected": [
            {
                "hca": "mlx5_1",
                "reasons": ["ifNames wants ens1f0np0; it has ens1f1np1"],
                "codes": ["selector"],
            }
        ],
        "allocate": {
            "devices": [
                {
                    "hostPath": f"/dev/infiniband/{name}",
                    "containerPath": f"/dev/infiniband/{name}",
                    "permissions": "rwm",
                }
                for name in ("rdma_cm", "umad0", "uverbs0")
            ],
            "envs": {"RDMA_DP_RDMA_SHARED_DEVICE_A_HCAS": "mlx5_0"},
            "cdiDevices": [],
            "annotations": {},
        },
        "warnings": [],
    }
    assert document["warnings"] == []


def test_a_resource_without_an_hca_is_exit_3_and_complete(sample: Sample) -> None:
    ended = dry_run(sample("empty"), BY_ID)
    assert ended.code == 3
    (found,) = ended.document["resources"]
    assert set(found) >= RESOURCE
    assert (found["slots"], found["hcas"], found["rejected"]) == (0, [], [])
    assert found["allocate"] == {"devices": [], "envs": {}, "cdiDevices": [], "annotations": {}}


def test_one_empty_resource_among_several_is_exit_3(sample: Sample, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    one = {"resourceName": "one", "rdmaHcaMax": 2, "selectors": {"vendors": ["15b3"]}}
    two = {"resourceName": "two", "rdmaHcaMax": 2, "selectors": {"vendors": ["8086"]}}
    config.write_text(json.dumps({"configList": [one, two]}))
    ended = dry_run(sample("seed"), config)
    assert ended.code == 3
    assert [found["hcas"] for found in ended.document["resources"]] == [["mlx5_0", "mlx5_1"], []]


def test_an_empty_resource_ends_with_what_to_do_next(sample: Sample) -> None:
    ended = dry_run(sample("no-modules"), BY_NAME, "table")
    assert ended.code == 3
    text = " ".join(ended.out.split())
    assert "next 0000:3b:00.0 would match, but has no HCA" in text
    assert text.endswith("try `modprobe mlx5_ib`")


def test_an_hca_in_two_resources_is_a_warning_of_the_whole(sample: Sample, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    resources = [
        {"resourceName": name, "rdmaHcaMax": 2, "selectors": {"ifNames": ["ens1f0np0"]}}
        for name in ("one", "two")
    ]
    config.write_text(json.dumps({"configList": resources}))
    ended = dry_run(sample("seed"), config)
    assert ended.code == 0
    assert ended.document["warnings"] == ["mlx5_0 is in several resources: rdma/one, rdma/two"]
    assert "several resources" in dry_run(sample("seed"), config, "table").out


def test_a_bad_config_is_exit_1_with_every_problem(sample: Sample, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"configList": [{"resourceName": "kubelet", "rdmaHcaMax": -1}]}')
    ended = dry_run(sample("seed"), config)
    assert ended.code == 1
    lines = ended.out.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(f"{config}:configList[0]") for line in lines)


def test_a_missing_config_is_exit_1(sample: Sample, tmp_path: Path) -> None:
    ended = dry_run(sample("seed"), tmp_path / "none.json")
    assert ended.code == 1
    assert str(tmp_path / "none.json") in ended.out + ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("output", ["table", "wide", "json"])
def test_a_strange_interface_name_is_shown_as_it_is(
    output: str, sample: Sample, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    strange = {"resourceName": "one", "rdmaHcaMax": 2, "selectors": {"ifNames": ["[/bold]cd"]}}
    config.write_text(json.dumps({"configList": [strange]}))
    ended = dry_run(sample("seed"), config, output)
    assert (ended.code, ended.err) == (3, "")
    assert "[/bold]cd" in ended.out
