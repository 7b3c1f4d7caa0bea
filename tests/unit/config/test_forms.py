"""C3: a value whose form shows that another selector is meant."""

from itertools import product

import pytest

from rdma_dp.config import ConfigError
from rdma_dp.config.values import forms
from rdma_dp.config.values.hca_traits import PCI_DRIVERS
from rdma_dp.discovery.unused_functions import RDMA_MODULE_OF_DRIVER
from tests.unit.config.texts import entry, refused, text, warned

# What a value is -> (values, the selectors that take it, what the message says).
KINDS: dict[str, tuple[list[str], set[str], str]] = {
    "address": (["0000:18:00.0", "18:00.0", "0000:3b:*"], {"pciAddresses"}, '"pciAddresses"'),
    "vendor": (["15b3", "0x8086"], {"vendors"}, '"vendors"'),
    "ids": (["15b3:1021", "[15b3:1021]"], set(), '"deviceIDs": ["1021"]'),
    "device": (["1021", "a2dc"], {"vendors", "deviceIDs"}, '"deviceIDs"'),
    "maker": (["mellanox"], {"vendors"}, '"vendors": ["15b3"]'),
    "driver": (["mlx5_core", "ice", "bnxt_en"], {"drivers"}, '"drivers"'),
    "interface": (["ens1f0np0", "eth0", "enp24s0f0np0"], {"ifNames", "pfNames"}, '"ifNames"'),
    "ipoib": (["ibp24s0"], {"ifNames", "pfNames", "rdmaDevices"}, '"ifNames"'),
    "hca": (["mlx5_0", "mlx5_bond_0", "mlx5_*", "rocep24s0f0"], {"rdmaDevices"}, '"rdmaDevices"'),
    "link type": (["infiniband", "ether", "RoCE"], {"linkTypes"}, '"linkTypes"'),
    "function type": (["pf", "vf"], {"functionTypes"}, '"functionTypes"'),
    "numbered": (["ens1f0np0#0-3"], {"pfNames"}, '"pfNames"'),
}
PAIRS = [
    (selector, value, place)
    for values, takers, place in KINDS.values()
    for selector, value in product(forms.CHECKS, values)
    if selector not in takers
]


@pytest.mark.parametrize(("selector", "value", "place"), PAIRS)
def test_a_value_for_another_selector_is_named_with_that_selector(
    selector: str, value: str, place: str
) -> None:
    """C3: every pair, alone and in exclude. A name that may exist is only a warning."""
    for selectors in ({selector: [value]}, {"drivers": ["w"], "exclude": {selector: [value]}}):
        config = text(entry(selectors=selectors))
        try:
            (message, *_) = warned(config).values()
        except ConfigError:
            (message,) = refused(config).values()
        assert f"its place is {place}" in message or f" and {place}" in message
        assert "looks like" in message


@pytest.mark.parametrize(
    ("kind", "selector"), [(k, s) for k, v in KINDS.items() for s in sorted(v[1])]
)
def test_a_value_in_its_own_selector_is_taken_for_nothing_else(kind: str, selector: str) -> None:
    for value in KINDS[kind][0]:
        assert forms.other_form(selector, value) is None


@pytest.mark.parametrize("selector", ["drivers", "ifNames", "rdmaDevices", "deviceIDs"])
@pytest.mark.parametrize(
    ("value", "noun", "hint"),
    [
        ("mlx5_ib", "an RDMA module", 'write its PCI driver in "drivers": "mlx5_core"'),
        ("bnxt_re", "an RDMA module", '"bnxt_en"'),
        ("irdma", "an RDMA module", '"ice" or "i40e"'),
        ("ConnectX-7", "the name of a model", 'in "deviceIDs", such as "1021" for ConnectX-7'),
        ("BlueField-3 DPU", "the name of a model", '"deviceIDs"'),
        ("MT4129", "the name of a model", '"deviceIDs"'),
        ("uverbs0", "a device node", 'its HCA in "rdmaDevices"; `cat /sys/class/infiniband_*/uve'),
        ("/dev/infiniband/umad1", "a device node", '"rdmaDevices"'),
    ],
)
def test_a_value_that_no_selector_takes_is_named(
    selector: str, value: str, noun: str, hint: str
) -> None:
    """C3: check-config took drivers: ["mlx5_ib"] and rdmaDevices: ["uverbs0"] without a word."""
    config = text(entry(selectors={selector: [value]}))
    try:
        (message,) = warned(config).values()
    except ConfigError:
        (message,) = refused(config).values()
    assert f"looks like {noun}" in message
    assert hint in message


def test_a_short_name_of_a_driver_is_named() -> None:
    """C3: mlx5 for mlx5_core."""
    (message,) = warned(text(entry(selectors={"drivers": ["mlx5"]}))).values()
    assert 'its place is "drivers": ["mlx5_core"]' in message


def test_each_rdma_module_has_its_driver() -> None:
    """C3: the same modules as those that make the HCAs of a driver."""
    for driver, module in RDMA_MODULE_OF_DRIVER.items():
        assert driver in PCI_DRIVERS[module]


@pytest.mark.parametrize("value", ["opa", "Omni-Path", "omnipath"])
def test_omni_path_is_named_as_infiniband(value: str) -> None:
    """C3: "one of ether, infiniband" did not say which."""
    (message,) = refused(text(entry(selectors={"linkTypes": [value]}))).values()
    assert 'Omni-Path counts as "infiniband"' in message


@pytest.mark.parametrize("value", ["mlx5_0", "15b3", "infiniband", "mlx5_core"])
def test_the_old_key_of_interfaces_gets_the_same_warning(value: str) -> None:
    config = text(entry(selectors=None, devices=[value]))
    assert "ifNames wants network interfaces" in warned(config)["configList[0].devices[0]"]


def test_an_address_is_no_driver_no_interface_and_no_hca() -> None:
    for selector in ("drivers", "ifNames", "rdmaDevices", "pfNames"):
        (problem,) = refused(text(entry(selectors={selector: ["0000:18:00.0"]}))).values()
        assert 'it looks like a PCI address: its place is "pciAddresses"' in problem


def test_a_name_is_no_numa_node() -> None:
    (problem,) = refused(text(entry(selectors={"numaNodes": ["mlx5_0"]}))).values()
    assert problem.startswith('"mlx5_0" is not a NUMA node (it looks like the name of an HCA')


@pytest.mark.parametrize("name", ["net0", "face", "storage", "gpu0", "data1", "mlx", "rdma-a"])
def test_a_name_without_a_form_is_taken_without_a_word(name: str) -> None:
    for selector in ("ifNames", "rdmaDevices", "pfNames", "drivers"):
        assert warned(text(entry(selectors={selector: [name]}))) == {}
