import json
from pathlib import Path

import pytest

from tests.conftest import Sample
from tests.paths import CONFIGS
from tests.unit.cli.process import Ended, rdma_dp


def topo(root: Path, *more: str | Path) -> Ended:
    return rdma_dp("topo", "--root", root, *more)


def test_the_drawing(sample: Sample) -> None:
    ended = topo(sample("hgx"))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("NUMA node 0\n├─ pci0000:10  0000:11:00.0  PCIe switch\n")


def test_the_document(sample: Sample) -> None:
    document = topo(sample("hgx"), "-o", "json", "--config", CONFIGS / "all-mellanox.yaml").document
    assert set(document) == {"gpus", "hcas", "dataDirect"}
    gpu = document["gpus"][7]
    assert gpu["name"] == "GPU7"
    assert (gpu["nearest"], gpu["nearestDistance"]) == (["mlx5_6", "mlx5_7"], "PIX")
    assert gpu["distances"]["mlx5_0"] == "SYS"
    assert gpu["place"]["bridges"] == ["0000:c0:01.0", "0000:c1:00.0", "0000:c2:0c.0"]
    assert document["hcas"][0]["resources"] == ["rdma/hca"]


def test_the_picture(sample: Sample) -> None:
    assert topo(sample("hgx"), "-o", "svg").out.startswith("<svg ")


def test_a_distance_that_cannot_be_known_is_null(sample: Sample) -> None:
    assert json.loads(topo(sample("bluefield-arm"), "-o", "json").out)["gpus"] == []


@pytest.mark.parametrize("form", ["table", "svg", "json"])
def test_a_node_without_anything(form: str, sample: Sample) -> None:
    assert topo(sample("empty"), "-o", form).code == 0


def test_a_config_that_is_wrong_is_said_and_nothing_drawn(sample: Sample, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("configList: 7\n")
    ended = topo(sample("hgx"), "--config", file)
    assert ended.code == 1
    assert str(file) in ended.out
    assert "NUMA" not in ended.out


def test_explanations_are_a_form_of_dry_run_alone(sample: Sample) -> None:
    words = ("--config", CONFIGS / "seed-ifnames.json", "--root", sample("seed"), "-o", "explain")
    ended = rdma_dp("dry-run", *words)
    assert ended.code == 0
    assert "✗  ifNames" in ended.out
    assert rdma_dp("discover", "--root", sample("seed"), "-o", "explain").code == 2
