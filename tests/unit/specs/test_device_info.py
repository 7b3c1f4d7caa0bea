import json
from dataclasses import replace
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


def with_files(slots: int = 2, **changes: Any) -> Resource:
    """A resource that writes device-info files."""
    return per_hca(slots, device_info=True, **changes)


def only_pci(of: Pool) -> Any:
    """The PCI part of a pool's files, which all have the same text."""
    (text,) = set(device_info.documents(of).values())
    document = json.loads(text)
    assert document.keys() == {"type", "version", "pci"}
    assert (document["type"], document["version"]) == ("pci", "1.1.0")
    return document["pci"]


def test_each_slot_has_a_file_with_the_name_that_multus_opens() -> None:
    full = pool(hca(0, functions=(PF,)), hca(1), of=with_files())
    assert list(device_info.documents(full)) == [
        "rdma-hca-0000:01:00.0-0-device.json",
        "rdma-hca-0000:01:00.0-1-device.json",
        "rdma-hca-0000:18:00.0-0-device.json",
        "rdma-hca-0000:18:00.0-1-device.json",
    ]


def test_a_file_names_the_function_and_the_hca() -> None:
    assert only_pci(pool(hca(7, functions=(PF,)), of=with_files())) == {
        "pci-address": "0000:18:00.0",
        "rdma-device": "mlx5_7",
    }


def test_the_file_of_a_vf_names_its_pf() -> None:
    vf = PciFunction("0000:18:00.3", "15b3", "101e", physfn="0000:18:00.0", vf=1)
    assert only_pci(pool(hca(7, functions=(vf,)), of=with_files())) == {
        "pci-address": "0000:18:00.3",
        "rdma-device": "mlx5_7",
        "pf-pci-address": "0000:18:00.0",
    }


def test_the_file_of_an_sf_has_the_address_of_its_pf() -> None:
    sf = hca(7, functions=(PF,), subfunction=Subfunction("mlx5_core.sf.4", 88))
    full = pool(sf, of=with_files(1))
    assert list(device_info.documents(full)) == ["rdma-hca-0000:18:00.0-sf88-0-device.json"]
    assert only_pci(full) == {
        "pci-address": "0000:18:00.0",
        "rdma-device": "mlx5_7",
        "pf-pci-address": "0000:18:00.0",
    }


def test_of_several_hcas_on_a_function_the_first_is_named() -> None:
    both = pool(hca(10, functions=(PF,)), hca(9, functions=(PF,)), of=with_files())
    assert only_pci(both)["rdma-device"] == "mlx5_9"


def test_inactive_slots_have_files_as_well() -> None:
    shrunk = pool(hca(), of=with_files(1), before=pool(hca(), of=with_files(3)))
    assert len(device_info.documents(shrunk)) == 3


@pytest.mark.parametrize(
    "without",
    [
        pool(hca(), of=replace(resource(), device_info=True)),
        pool(hca(), of=per_hca()),
        pool(hca(functions=()), of=with_files()),
        pool(of=with_files()),
        pool(before=pool(hca(), of=with_files()), of=with_files()),
    ],
    ids=["slots of the resource", "not wanted", "virtual", "no HCA", "the HCA is gone"],
)
def test_there_are_no_files(without: Pool) -> None:
    assert not device_info.documents(without)


@given(hca_lists())
def test_every_file_that_we_write_is_ours(found: tuple[Hca, ...]) -> None:
    full = pool(*found, of=with_files())
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
def test_the_files_of_other_plugins_are_not_ours(name: str) -> None:
    assert not device_info.is_ours(name, with_files())


@given(st.text(max_size=30))
def test_a_name_is_not_ours_by_its_begin_and_end_alone(middle: str) -> None:
    assert not device_info.is_ours(f"rdma-hca-b-{middle}-device.json", with_files())


@pytest.mark.parametrize(
    "name",
    [
        "rdma-hca-10000:e1:00.0-0-device.json",  # a domain behind an Intel VMD
        "rdma-hca-0000:18:00.0-sf88-62-device.json",
        "rdma-hca-0000:18:00.0-mlx5_core.sf.4-62-device.json",
    ],
)
def test_file_names_with_every_kind_of_hardware_key_are_ours(name: str) -> None:
    assert device_info.is_ours(name, with_files())
