"""PCIe roots, and overrides for GPUs without an HCA on their root."""

import json
from collections.abc import Mapping

import pytest

from rdma_dp.config import parse
from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.dra.devices import PCIE_ROOT, dra_devices
from rdma_dp.dra.pcie_roots import Roots, pcie_root, published_roots
from rdma_dp.host.files import Host
from rdma_dp.sharing.pool import make_pools
from tests.conftest import Look, Sample

NONE: Mapping[str, str] = {}


def seen(
    name: str,
    sample: Sample,
    look: Look,
    overrides: Mapping[str, str] = NONE,
    slots_per: str = "hca",
    **selectors: list[str],
) -> tuple[Roots, Mapping[str, object]]:
    """What topo and the doctor say, and the root of each device in the slices."""
    entry = {
        "resourceName": "a",
        "rdmaHcaMax": 2,
        "slotsPer": slots_per,
        "via": "dra",
        "selectors": selectors or {"vendors": ["15b3"]},
    }
    dra = {"pcieRoots": dict(overrides)}
    config = parse(json.dumps({"dra": dra, "configList": [entry]})).config
    inventory = look(name)
    topology = read_topology(Host(sample(name)), inventory)
    pools = make_pools(config, inventory)
    published = {
        ",".join(device.hcas): device.attributes.get(PCIE_ROOT)
        for device in dra_devices(pools, topology, config.dra)
    }
    return published_roots(pools, topology, overrides), published


def lonely(roots: Roots) -> list[str]:
    return [gpu.name for gpu in roots.lonely]


@pytest.mark.parametrize("slots_per", ["hca", "resource"])
@pytest.mark.parametrize("name", ["dgx-h100", "hgx", "dgx-b200", "gb300", "vm-flat", "seed"])
def test_the_roots_are_those_in_the_slices(
    name: str, slots_per: str, sample: Sample, look: Look
) -> None:
    roots, published = seen(name, sample, look, slots_per=slots_per)
    shown = {",".join(hca.name for hca in each.hcas): each.root for each in roots.devices}
    assert shown == published


@pytest.mark.parametrize("name", ["dgx-h100", "hgx", "dgx-b200"])
def test_where_each_gpu_has_an_hca_nothing_is_advised(
    name: str, sample: Sample, look: Look
) -> None:
    roots, _ = seen(name, sample, look)
    assert {each.root for each in roots.devices} - {None}
    assert (lonely(roots), roots.advised) == ([], {})


@pytest.mark.parametrize("name", ["gb200", "gb300"])
def test_on_grace_each_gpu_gets_hcas_of_its_numa_node(
    name: str, sample: Sample, look: Look
) -> None:
    found, _ = seen(name, sample, look)
    assert lonely(found) == ["GPU0", "GPU1", "GPU2", "GPU3"]
    assert found.advised["0000:03:00.0"] == "pci0008:00"
    assert found.advised["0002:03:00.0"] == "pci0009:00"
    after, published = seen(name, sample, look, found.advised)
    assert (lonely(after), after.advised) == ([], {})
    inventory = look(name)
    topology = read_topology(Host(sample(name)), inventory)
    numa = {gpu.place.host_bridge: gpu.place.numa_node for gpu in topology.gpus}
    for (hca,) in (each.hcas for each in after.devices):
        assert numa[str(published[hca.name])] == hca.numa_node


def test_what_the_config_has_stays(sample: Sample, look: Look) -> None:
    own = {"0002:03:00.0": "pci0008:00"}
    found, _ = seen("gb300", sample, look, own)
    assert "0002:03:00.0" not in found.advised
    assert lonely(seen("gb300", sample, look, {**own, **found.advised})[0]) == []


def test_nothing_is_advised_where_no_numa_node_is_known(sample: Sample, look: Look) -> None:
    found, _ = seen("vm-flat", sample, look)
    assert found.advised == {} or not lonely(seen("vm-flat", sample, look, found.advised)[0])


def test_a_device_of_hcas_on_several_roots_has_none(sample: Sample, look: Look) -> None:
    """No claim can require its root, so no GPU lacks one."""
    found, _ = seen("gb300", sample, look, slots_per="resource")
    (device,) = found.devices
    assert (device.name, device.root) == ("rdma/a (8 HCAs)", None)
    assert (lonely(found), found.advised) == ([], {})


def test_a_device_of_hcas_on_one_root_has_it(sample: Sample, look: Look) -> None:
    found, _ = seen("dgx-h100", sample, look, slots_per="resource", rdmaDevices=["mlx5_0"])
    (device,) = found.devices
    assert device.root is not None
    assert len(lonely(found)) == 7


def test_a_virtual_hca_has_no_root(sample: Sample, look: Look) -> None:
    inventory = look("soft")
    topology = read_topology(Host(sample("soft")), inventory)
    virtual = [hca for hca in inventory.hcas if hca.function is None]
    assert {pcie_root(hca, topology, {}) for hca in virtual} == {None}
