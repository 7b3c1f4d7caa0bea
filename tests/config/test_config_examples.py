"""The files in configs/ are right, and say what their names promise."""

from pathlib import Path

import pytest

from rdma_dp.config import Config, Selectors, load

CONFIGS = Path(__file__).parents[2] / "configs"
EXAMPLES = sorted(path.name for path in CONFIGS.iterdir())
LEGACY = {"legacy-devices.json"}


def config(name: str) -> Config:
    return load(CONFIGS / name).config


def test_there_is_an_example_for_each_use() -> None:
    assert set(EXAMPLES) >= {
        "seed-ifnames.json",
        "seed-device-ids.json",
        "network-operator.json",
        "all-mellanox.yaml",
        "infiniband-only.yaml",
        "roce-bond.yaml",
        "by-driver.yaml",
        "several-resources.yaml",
        "other-vendors.yaml",
        "legacy-devices.json",
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_loads_and_warns_only_of_a_legacy_spelling(name: str) -> None:
    loaded = load(CONFIGS / name)
    assert loaded.config.config_list
    assert bool(loaded.warnings) == (name in LEGACY), loaded.warnings


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.endswith(".yaml")])
def test_a_yaml_example_tells_first_what_it_is_for(name: str) -> None:
    assert (CONFIGS / name).read_text().startswith("# ")


@pytest.mark.parametrize(
    ("name", "selectors"),
    [
        ("seed-ifnames.json", Selectors(if_names=("ens1f0np0",))),
        ("seed-device-ids.json", Selectors(vendors=("15b3",), device_ids=("101b",))),
    ],
)
def test_the_seed_cases(name: str, selectors: Selectors) -> None:
    (resource,) = config(name).config_list
    assert resource.full_name == "rdma/rdma_shared_device_a"
    assert resource.rdma_hca_max == 63
    assert resource.selectors == selectors


def test_the_legacy_example_selects_interfaces() -> None:
    resources = config("legacy-devices.json").config_list
    assert [r.selectors for r in resources] == [
        Selectors(if_names=("ib0", "ib1")),
        Selectors(if_names=("ib2", "ib3")),
    ]


def test_ids_in_yaml_examples_are_ids() -> None:
    compute, storage = config("several-resources.yaml").config_list
    assert (compute.selectors.device_ids, storage.selectors.device_ids) == (("1021",), ("101d",))
    assert [r.selectors.vendors for r in config("other-vendors.yaml").config_list] == [
        ("8086",),
        ("14e4",),
        ("1d0f",),
    ]
