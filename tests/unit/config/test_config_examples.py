"""The files in configs/ are valid, and do what their names say."""

import json

import pytest

from rdma_dp.config import (
    CdiMode,
    Config,
    ConfigDocument,
    EnvForm,
    Preference,
    Selectors,
    Traits,
    load,
)
from rdma_dp.config.models import ResourceDocument
from rdma_dp.config.selectors import SelectorsDocument
from tests.paths import CONFIGS

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
        "per-hca.yaml",
        "cdi.yaml",
        "without-storage.yaml",
        "per-numa-node.yaml",
        "virtual-functions.yaml",
        "by-name-or-address.yaml",
        "network-operator-extra-selectors.json",
        "dra.yaml",
    }


def test_every_selector_and_every_setting_has_an_example() -> None:
    written = " ".join((CONFIGS / name).read_text() for name in EXAMPLES)
    at_their_best = {"health", "setLinksUp"}  # few need another value
    for model in (ConfigDocument, ResourceDocument, SelectorsDocument):
        keys = {field.alias or name for name, field in model.model_fields.items()}
        assert not {key for key in keys - at_their_best if key not in written}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_loads_and_warns_only_of_a_legacy_spelling(name: str) -> None:
    loaded = load(CONFIGS / name)
    assert loaded.config.config_list
    assert bool(loaded.warnings) == (name in LEGACY), loaded.warnings


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.endswith(".yaml")])
def test_a_yaml_example_begins_with_its_purpose(name: str) -> None:
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
    assert (compute.selector_sets[0].device_ids, storage.selector_sets[0].device_ids) == (
        ("1021",),
        ("101d",),
    )
    assert [r.selector_sets[0].vendors for r in config("other-vendors.yaml").config_list] == [
        ("8086",),
        ("14e4",),
        ("1d0f",),
    ]


def test_the_example_with_slots_per_hca() -> None:
    (compute,) = config("per-hca.yaml").config_list
    assert compute.per_hca
    assert compute.tells_topology
    assert compute.preference is Preference.SPREAD
    assert compute.device_info
    assert compute.env == {"NCCL_IB_HCA": EnvForm.HCAS, "UCX_NET_DEVICES": EnvForm.PORTS}


def test_the_example_with_cdi() -> None:
    assert config("cdi.yaml").cdi is CdiMode.CRI
    written = (CONFIGS / "cdi.yaml").read_text()
    assert "Kubernetes 1.29 or newer" in written
    assert all(f'"{mode}"' in written for mode in CdiMode if mode is not CdiMode.CRI)


def test_the_resources_of_one_numa_node_have_it() -> None:
    assert all(resource.tells_topology for resource in config("per-numa-node.yaml").config_list)


@pytest.mark.parametrize(
    ("name", "selectors"),
    [
        (
            "without-storage.yaml",
            [
                Selectors(
                    vendors=("15b3",),
                    link_types=("infiniband",),
                    exclude=Traits(if_names=("ibstor*",), pci_addresses=("0000:29:00.*",)),
                )
            ],
        ),
        (
            "per-numa-node.yaml",
            [
                Selectors(vendors=("15b3",), function_types=("pf",), numa_nodes=(node,))
                for node in (0, 1)
            ],
        ),
        (
            "virtual-functions.yaml",
            [Selectors(pf_names=("ens1f0np0#0-3",)), Selectors(pf_names=("ens1f0np0#4-7,9",))],
        ),
        (
            "by-name-or-address.yaml",
            [
                Selectors(rdma_devices=("mlx5_[0-3]", "mlx5_bond_0")),
                Selectors(pci_addresses=("0000:18:00.0", "0000:3b:*", "0000:5e:00.2-0000:5e:01.1")),
            ],
        ),
        (
            "network-operator-extra-selectors.json",
            [
                Selectors(
                    vendors=("15b3",), function_types=("pf",), exclude=Traits(if_names=("eno*",))
                )
            ],
        ),
    ],
)
def test_the_examples_of_further_selectors(name: str, selectors: list[Selectors]) -> None:
    assert [resource.selectors for resource in config(name).config_list] == selectors


def test_the_operators_webhook_takes_its_examples() -> None:
    known = {"vendors", "deviceIDs", "drivers", "ifNames", "linkTypes"}
    for name in EXAMPLES:
        if name.startswith("network-operator"):
            for entry in json.loads((CONFIGS / name).read_text())["configList"]:
                assert entry["selectors"]
                assert set(entry["selectors"]) <= known
