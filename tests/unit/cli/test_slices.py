"""`rdma-dp slices` and `rdma-dp dra-class`."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Golden, Sample
from tests.paths import CONFIGS
from tests.unit.cli.process import rdma_dp

CONFIG = CONFIGS / "dra.yaml"


def written(directory: Path, *resources: dict[str, Any], **dra: Any) -> Path:
    file = directory / "config.json"
    every = [{"rdmaHcaMax": 3, "selectors": {"vendors": ["15b3"]}, **each} for each in resources]
    file.write_text(json.dumps({"dra": dra, "configList": every}))
    return file


@pytest.mark.parametrize("name", ["dgx-h100", "gb200", "gb300", "sriov", "subfunctions"])
def test_what_a_host_publishes(name: str, sample: Sample, golden: Golden) -> None:
    arguments = ("slices", "--config", CONFIG, "--root", sample(name), "--node", "node-1")
    table, text = rdma_dp(*arguments), rdma_dp(*arguments, "-o", "yaml")
    assert {table.code, text.code} <= {0, 3}
    golden(f"{name}.slices.txt", table.out)
    golden(f"{name}.slices.yaml", text.out)
    listed = rdma_dp(*arguments, "-o", "json").document
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")
    assert listed["items"] == list(yaml.safe_load_all(text.out))


def test_an_override_and_a_device_for_each_slot(sample: Sample, tmp_path: Path) -> None:
    config = written(
        tmp_path,
        {"resourceName": "hca", "slotsPer": "hca", "via": "dra"},
        pcieRoots={"0002:03:00.0": "pci0009:00"},
        slots="each",
    )
    ended = rdma_dp("slices", "--config", config, "--root", sample("gb300"), "-o", "json")
    devices = {
        device["name"]: device
        for each in ended.document["items"]
        for device in each["spec"]["devices"]
    }
    root = devices["hca-0002-03-00-0-2"]["attributes"]["resource.kubernetes.io/pcieRoot"]
    assert root == {"string": "pci0009:00"}
    assert not any("allowMultipleAllocations" in device for device in devices.values())


def test_a_resource_without_an_hca_is_exit_3(sample: Sample) -> None:
    ended = rdma_dp("slices", "--config", CONFIG, "--root", sample("empty"), "-o", "json")
    assert ended.code == 3
    (only,) = ended.document["items"]
    assert only["spec"]["devices"] == []
    assert "rdma/hca has no HCA, so no device" in ended.err


@pytest.mark.parametrize("form", ["table", "yaml", "json"])
def test_a_config_without_dra_publishes_nothing(form: str, sample: Sample) -> None:
    arguments = ("--config", CONFIGS / "per-hca.yaml", "--root", sample("dgx-h100"), "-o", form)
    ended = rdma_dp("slices", *arguments)
    assert (ended.code, ended.err) == (0, "")
    if form == "json":
        assert ended.document["items"] == []
    else:
        assert 'no resource of the config has "via": "dra"' in ended.out
        assert form == "table" or list(yaml.safe_load_all(ended.out)) in ([], [None])


def test_texts_that_look_like_numbers_stay_texts() -> None:
    from rdma_dp.render.yaml_documents import text

    values = ["10e4", "1e36", "0x10", "010", "1_0", "1:30", "on", "~", "", ".5", "-1", "1k"]
    shown = text([{"values": values}])
    assert yaml.safe_load(shown) == {"values": values}
    assert all(f"- '{value}'" in shown for value in values)


def test_the_classes_of_a_config(golden: Golden) -> None:
    ended = rdma_dp("dra-class", "--config", CONFIG)
    assert (ended.code, ended.err) == (0, "")
    assert len(list(yaml.safe_load_all(ended.out))) == 3
    golden("dra-class.yaml", ended.out)


def test_a_wrong_config_is_exit_1(tmp_path: Path) -> None:
    config = written(tmp_path, {"resourceName": "hca", "via": "claims"})
    for verb in ("slices", "dra-class"):
        ended = rdma_dp(verb, "--config", config)
        assert ended.code == 1
        assert "configList[0].via" in ended.out


# --- other verbs --------------------------------------------------------------------------------


def test_topo_shows_the_roots_and_proposes_overrides(sample: Sample, tmp_path: Path) -> None:
    topo = rdma_dp("topo", "--config", CONFIG, "--root", sample("gb300"))
    roots = topo.out.partition("PCIe roots for DRA\n")[2]
    assert "pci0008:00 GPU0 no HCA" in [" ".join(row.split()) for row in roots.splitlines()]
    advised = json.loads(roots[roots.index("{") :])["dra"]["pcieRoots"]
    assert advised["0002:03:00.0"] == "pci0009:00"
    resource = {"resourceName": "hca", "slotsPer": "hca", "via": "dra"}
    config = written(tmp_path, resource, pcieRoots=advised)
    arguments = ("topo", "--config", config, "--root", sample("gb300"))
    after = rdma_dp(*arguments).out.partition("PCIe roots for DRA\n")[2]
    assert "pci0009:00  GPU1  mlx5_1" in after
    assert "no HCA" not in after
    found = {each["name"]: each for each in rdma_dp(*arguments, "-o", "json").document["hcas"]}
    assert found["mlx5_1"]["pcieRoot"] == "pci0009:00"


def test_topo_without_dra_has_no_such_section(sample: Sample) -> None:
    arguments = ("--config", CONFIGS / "per-hca.yaml", "--root", sample("gb300"))
    assert "PCIe roots for DRA" not in rdma_dp("topo", *arguments).out


def test_dry_run_says_that_a_resource_goes_by_dra(sample: Sample) -> None:
    arguments = ("dry-run", "--config", CONFIG, "--root", sample("dgx-h100"))
    assert rdma_dp(*arguments).out.count("by DRA, not in kubelet's list") == 2
    found = rdma_dp(*arguments, "-o", "json").document["resources"]
    assert [each["via"] for each in found] == ["dra", "dra"]
