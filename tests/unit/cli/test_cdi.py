"""`rdma-dp cdi`, and what `dry-run` says of CDI."""

import json
from pathlib import Path

from tests.conftest import Sample
from tests.paths import CONFIGS
from tests.unit.cli.process import rdma_dp


def test_it_prints_a_spec_per_resource_by_the_name_of_its_file(sample: Sample) -> None:
    ended = rdma_dp(
        "cdi", "--config", CONFIGS / "several-resources.yaml", "--root", sample("dgx-h100")
    )
    resources = {
        spec["kind"]: [device["name"] for device in spec["devices"]]
        for spec in ended.document.values()
    }
    assert set(ended.document) == {f"rdma-dp-{kind.partition('/')[2]}.json" for kind in resources}
    assert "rdma_cm" in resources["rdma-dp/rdma_compute"]
    assert "0000:18:00.0" in resources["rdma-dp/rdma_compute"]


def test_the_names_of_a_dry_run_are_those_of_the_spec(sample: Sample) -> None:
    arguments = ("--config", CONFIGS / "per-hca.yaml", "--root", sample("dgx-h100"))
    (spec,) = rdma_dp("cdi", *arguments).document.values()
    known = {f"{spec['kind']}={device['name']}" for device in spec["devices"]}
    (found,) = rdma_dp("dry-run", "--use-cdi", "-o", "json", *arguments).document["resources"]
    given = {name for share in found["shares"] for name in share["allocate"]["cdiDevices"]}
    assert given == known
    assert not any(share["allocate"]["devices"] for share in found["shares"])


def test_the_table_of_a_dry_run_shows_cdi_names_when_the_config_wants_them(
    sample: Sample, tmp_path: Path
) -> None:
    resource = {"resourceName": "a", "rdmaHcaMax": 2, "selectors": {"vendors": ["15b3"]}}
    config = tmp_path / "config.json"
    for cdi, shown in (("off", "/dev/infiniband:"), ("both", "annotation cdi.k8s.io/")):
        config.write_text(json.dumps({"cdi": cdi, "configList": [resource]}))
        ended = rdma_dp("dry-run", "--use-cdi", "--config", config, "--root", sample("seed"))
        assert shown in ended.out


def test_a_resource_without_an_hca_has_no_spec_and_is_exit_3(sample: Sample) -> None:
    arguments = ("--config", CONFIGS / "seed-ifnames.json", "--root", sample("empty"))
    ended = rdma_dp("cdi", *arguments)
    assert (ended.code, ended.document) == (3, {})
    assert "rdma/rdma_shared_device_a has no HCA" in ended.err


def test_a_bad_config_is_exit_1_with_its_problems(sample: Sample, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"cdi": "yes", "configList": []}')
    ended = rdma_dp("cdi", "--config", config, "--root", sample("seed"))
    assert ended.code == 1
    assert f"{config}:cdi: must be one of" in ended.out
