"""PCIe roots, and overrides for GPUs without an HCA on their root."""

import pytest

from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.dra.pcie_roots import advised_overrides, gpus_without_hca, pcie_root
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.topology import Topology
from tests.conftest import Look, Sample


def seen(name: str, sample: Sample, look: Look) -> tuple[Topology, tuple[Hca, ...]]:
    inventory = look(name)
    hcas = tuple(hca for hca in inventory.hcas if hca.shareable)
    return read_topology(Host(sample(name)), inventory), hcas


def lonely(topology: Topology, hcas: tuple[Hca, ...], overrides: dict[str, str]) -> list[str]:
    return [gpu.name for gpu in gpus_without_hca(topology, hcas, overrides)]


@pytest.mark.parametrize("name", ["dgx-h100", "hgx", "dgx-b200"])
def test_where_each_gpu_has_an_hca_nothing_is_advised(
    name: str, sample: Sample, look: Look
) -> None:
    topology, hcas = seen(name, sample, look)
    assert topology.gpus
    assert lonely(topology, hcas, {}) == []
    assert advised_overrides(topology, hcas, {}) == {}


@pytest.mark.parametrize("name", ["gb200", "gb300"])
def test_on_grace_each_gpu_gets_hcas_of_its_numa_node(
    name: str, sample: Sample, look: Look
) -> None:
    topology, hcas = seen(name, sample, look)
    assert lonely(topology, hcas, {}) == ["GPU0", "GPU1", "GPU2", "GPU3"]
    advised = dict(advised_overrides(topology, hcas, {}))
    assert advised["0000:03:00.0"] == "pci0008:00"
    assert advised["0002:03:00.0"] == "pci0009:00"
    assert lonely(topology, hcas, advised) == []
    assert advised_overrides(topology, hcas, advised) == {}
    by_root = {hca.name: pcie_root(hca, topology, advised) for hca in hcas}
    numa = {gpu.place.host_bridge: gpu.place.numa_node for gpu in topology.gpus}
    assert all(numa[by_root[hca.name] or ""] == hca.numa_node for hca in hcas)


def test_what_the_config_has_stays(sample: Sample, look: Look) -> None:
    topology, hcas = seen("gb300", sample, look)
    own = {"0002:03:00.0": "pci0008:00"}
    advised = advised_overrides(topology, hcas, own)
    assert "0002:03:00.0" not in advised
    assert lonely(topology, hcas, {**own, **advised}) == []


def test_nothing_is_advised_where_no_numa_node_is_known(sample: Sample, look: Look) -> None:
    topology, hcas = seen("vm-flat", sample, look)
    found = advised_overrides(topology, hcas, {})
    assert found == {} or not lonely(topology, hcas, dict(found))


def test_a_virtual_hca_has_no_root(sample: Sample, look: Look) -> None:
    topology, hcas = seen("soft", sample, look)
    assert [pcie_root(hca, topology, {}) for hca in hcas if hca.function is None]
    assert {pcie_root(hca, topology, {}) for hca in hcas if hca.function is None} == {None}
