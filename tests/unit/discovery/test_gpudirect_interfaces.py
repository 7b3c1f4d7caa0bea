"""How the HCAs of a host reach the memory of its GPUs: never more than the doctor's verdicts."""

from pathlib import Path

import pytest

from rdma_dp.discovery import scan
from rdma_dp.discovery.gpudirect import DMABUF, PEER_MEMORY, interfaces_to_gpu_memory
from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.facts.gpu_memory import gpu_facts, hca_facts, node_facts
from rdma_dp.doctor.facts.gpu_reach import judge
from rdma_dp.host.files import Host
from rdma_dp.inventory.pci_ids import NVIDIA
from simulator import host as simulated_host
from tests.conftest import Fresh, Sample
from tests.unit.doctor.ailing import ailing


def interfaces(root: Path) -> frozenset[str]:
    host = Host(root)
    return interfaces_to_gpu_memory(host, scan(host).hcas)


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ("nvidia: open", {DMABUF}),
        ("{nvidia: open, loaded: [nvidia_peermem]}", {DMABUF, PEER_MEMORY}),
        ("{nvidia: proprietary, loaded: [nvidia_peermem]}", {PEER_MEMORY}),
        ("{nvidia: proprietary, loaded: [nv_peer_mem]}", {PEER_MEMORY}),
        ("nvidia: proprietary", set()),
        ("{nvidia: open, kernel: 5.10.0-1}", set()),
    ],
)
def test_the_interfaces_are_those_of_the_drivers(
    patch: str, expected: set[str], fresh: Fresh
) -> None:
    assert interfaces(fresh(ailing("dgx-b200", patch)).root) == expected


def test_a_model_without_gpudirect_has_no_interface(sample: Sample) -> None:
    assert interfaces(sample("geforce")) == frozenset()


@pytest.mark.parametrize("name", simulated_host.sample_names())
def test_what_is_claimed_is_what_the_doctor_finds(name: str, sample: Sample) -> None:
    host = Host(sample(name))
    inventory = scan(host)
    facts = node_facts(host)
    pairs = [
        (gpu.function.vendor, judge(gpu_facts(host, gpu), hca_facts(host, hca), facts).verdict)
        for gpu in read_topology(host, inventory).gpus
        for hca in inventory.hcas
    ]
    claimed = interfaces_to_gpu_memory(host, inventory.hcas)
    if claimed:
        assert Verdict.OK in {verdict for _, verdict in pairs}
    if (NVIDIA, Verdict.OK) in pairs:
        assert claimed
