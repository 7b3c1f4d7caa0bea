import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import Resource
from rdma_dp.inventory.hardware import Hca, PciFunction, Subfunction
from rdma_dp.sharing.pool import Pool
from rdma_dp.specs import device_info
from tests.makers import hca, hca_lists, per_hca, pool, resource

PF = PciFunction("0000:18:00.0", "15b3", "1021")


def told(slots: int = 2, **changes: Any) -> Resource:
    """A resource that writes device-info files."""
    return per_hca(slots, device_info=True, **changes)


def only_pci(of: Pool) -> Any:
    """What every file of a pool says about its PCI device."""
    (text,) = set(device_info.documents(of).values())
    document = json.loads(text)
    assert document.keys() == {"type", "version", "pci"}
    assert (document["type"], document["version"]) == ("pci", "1.1.0")
    return document["pci"]


def test_each_slot_has_a_file_that_is_called_as_multus_looks_for_it() -> None:
    full = pool(hca(0, functions=(PF,)), hca(1), of=told())
    assert list(device_info.documents(full)) == [
        "rdma-hca-0000:01:00.0-0-device.json",
        "rdma-hca-0000:01:00.0-1-device.json",
        "rdma-hca-0000:18:00.0-0-device.json",
        "rdma-hca-0000:18:00.0-1-device.json",
    ]


def test_a_file_names_the_function_and_the_hca() -> None:
    assert only_pci(pool(hca(7, functions=(PF,)), of=told())) == {
        "pci-address": "0000:18:00.0",
        "rdma-device": "mlx5_7",
    }


def test_a_vf_comes_with_its_pf() -> None:
    vf = PciFunction("0000:18:00.3", "15b3", "101e", physfn="0000:18:00.0", vf=1)
    assert only_pci(pool(hca(7, functions=(vf,)), of=told())) == {
        "pci-address": "0000:18:00.3",
        "rdma-device": "mlx5_7",
        "pf-pci-address": "0000:18:00.0",
    }


def test_an_sf_goes_by_the_address_of_its_parent() -> None:
    sf = hca(7, functions=(PF,), subfunction=Subfunction("mlx5_core.sf.4", 88))
    full = pool(sf, of=told(1))
    assert list(device_info.documents(full)) == ["rdma-hca-0000:18:00.0-sf88-0-device.json"]
    assert only_pci(full) == {
        "pci-address": "0000:18:00.0",
        "rdma-device": "mlx5_7",
        "pf-pci-address": "0000:18:00.0",
    }


def test_of_several_hcas_on_a_function_the_first_is_named() -> None:
    both = pool(hca(10, functions=(PF,)), hca(9, functions=(PF,)), of=told())
    assert only_pci(both)["rdma-device"] == "mlx5_9"


def test_slots_that_are_listed_but_not_in_use_have_files_as_well() -> None:
    shrunk = pool(hca(), of=told(1), before=pool(hca(), of=told(3)))
    assert len(device_info.documents(shrunk)) == 3


@pytest.mark.parametrize(
    "without",
    [
        pool(hca(), of=resource().model_copy(update={"device_info": True})),
        pool(hca(), of=per_hca()),
        pool(hca(functions=()), of=told()),
        pool(of=told()),
        pool(before=pool(hca(), of=told()), of=told()),
    ],
    ids=["slots of the resource", "not wanted", "virtual", "no HCA", "the HCA is gone"],
)
def test_there_are_no_files(without: Pool) -> None:
    assert not device_info.documents(without)


@given(hca_lists())
def test_every_file_that_we_make_is_ours(found: tuple[Hca, ...]) -> None:
    full = pool(*found, of=told())
    names = device_info.documents(full)
    assert all(device_info.is_ours(name, full.resource) for name in names)
    on_pci = {each.stable_key for each in full.hcas if each.function is not None}
    assert len(names) == 2 * len(on_pci)


@pytest.mark.parametrize(
    "name",
    [
        "rdma-hca-0000:18:00.0-device.json",  # another plugin's ids are addresses alone
        "rdma-hca-7-device.json",
        "rdma-hca-b-0000:18:00.0-7-device.json",  # of rdma/hca-b
        "rdma-hca-rxe0-7-device.json",
        "rdma-hcas-0000:18:00.0-7-device.json",
        "rdma-hca-0000:18:00.0-07-device.json",
        "rdma-hca-0000:18:00.0--device.json",
        "rdma-hca-0000:18:00.0-sf-7-device.json",
        "rdma-hca-0000:18:00.0-7-device.json.bak",
        "rdma-hca-0000:18:00.0-7",
        "rdma-hca-device.json",
        "intel.com-hca-0000:18:00.0-7-device.json",
    ],
)
def test_the_files_of_others_are_not_ours(name: str) -> None:
    assert not device_info.is_ours(name, told())


@given(st.text(max_size=30))
def test_no_name_whatever_is_ours_by_its_ends_alone(middle: str) -> None:
    assert not device_info.is_ours(f"rdma-hca-b-{middle}-device.json", told())


@pytest.mark.parametrize(
    "name",
    [
        "rdma-hca-10000:e1:00.0-0-device.json",  # a domain behind an Intel VMD
        "rdma-hca-0000:18:00.0-sf88-62-device.json",
        "rdma-hca-0000:18:00.0-mlx5_core.sf.4-62-device.json",
    ],
)
def test_keys_of_every_kind_are_known_again(name: str) -> None:
    assert device_info.is_ours(name, told())
