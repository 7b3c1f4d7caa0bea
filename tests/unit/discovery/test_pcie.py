"""GPUs, HCAs and the bridges above them, as a host's /sys has them."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rdma_dp.discovery import scan
from rdma_dp.discovery.pcie_config import Acs, acs
from rdma_dp.discovery.pcie_topology import place_of, read_acs, read_iommu, read_topology
from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.checks.gpudirect import CHECKS
from rdma_dp.doctor.examination import examine
from rdma_dp.host.files import Host
from rdma_dp.host.tree import DiskTree
from rdma_dp.inventory.topology import Distance, Place, Topology
from rdma_dp.node.answers import Answers
from rdma_dp.node.view import ConfigSeen, NodeView
from rdma_dp.render import console
from rdma_dp.render.topology import drawing
from rdma_dp.render.topology.pcie_tree import View
from simulator.host import Manifest, config_space, generate, sample_names
from tests.conftest import Fresh, Sample


def seen(root: Path) -> Topology:
    host = Host(root)
    return read_topology(host, scan(host))


def names(root: Path) -> dict[str, list[str]]:
    """The HCAs at PIX or PXB of each GPU."""
    host = Host(root)
    inventory = scan(host)
    found = read_topology(host, inventory)
    near = (Distance.PIX, Distance.PXB)
    return {
        gpu.name: [hca.name for hca in inventory.hcas if found.distance(gpu, hca) in near]
        for gpu in found.gpus
    }


def test_each_gpu_of_a_dgx_h100_has_an_hca_of_its_own(sample: Sample) -> None:
    own = (0, 3, 4, 5, 6, 9, 10, 11)
    expected = {f"GPU{gpu}": [f"mlx5_{hca}"] for gpu, hca in enumerate(own)}
    assert names(sample("dgx-h100")) == expected


def test_two_gpus_and_two_hcas_share_a_switch_of_the_hgx(sample: Sample) -> None:
    expected = {
        f"GPU{gpu}": [f"mlx5_{gpu // 2 * 2}", f"mlx5_{gpu // 2 * 2 + 1}"] for gpu in range(8)
    }
    assert names(sample("hgx")) == expected


def test_a_function_is_where_its_real_path_says(sample: Sample) -> None:
    gpu = seen(sample("dgx-h100")).gpus[0]
    assert gpu.place == Place(
        "0000:1b:00.0", "pci0000:15", ("0000:15:01.0", "0000:16:00.0", "0000:17:02.0"), 0
    )
    assert gpu.model == "NVIDIA H100 80GB HBM3"


def test_data_direct_functions_are_told_apart(sample: Sample) -> None:
    found = seen(sample("gb300"))
    assert [place.address for place in found.data_direct] == ["0009:03:00.0", "0019:03:00.0"]
    assert len(found.gpus) == 4


@pytest.mark.parametrize("name", sample_names())
def test_every_hca_with_a_function_has_a_place(name: str, sample: Sample) -> None:
    inventory = scan(Host(sample(name)))
    found = seen(sample(name))
    for hca in inventory.hcas:
        assert len(found.hcas[hca.name]) == len(hca.functions)


@pytest.mark.parametrize(
    ("pci_id", "pci_class", "is_one"),
    [
        ("10de:2330", "0302", True),
        ("10de:2204", "0300", True),
        ("10de:22a3", "0680", False),  # an NVSwitch
        ("1002:74a1", "1200", True),
        ("1002:738c", "0380", True),
        ("1da3:1020", "1200", True),
        ("8086:0bd5", "0380", True),
        ("8086:a780", "0300", False),  # a CPU's own
        ("8086:0bd5", "1200", True),
        # H8: accelerators of other makers
        ("1d94:55b7", "0380", True),  # Hygon DCU
        ("9999:4001", "0380", True),  # MetaX C500
        ("1ed5:0222", "0300", True),  # Moore Threads S3000
        ("1e3e:0001", "1200", True),  # Iluvatar
        ("cabc:0370", "1200", True),  # Cambricon MLU370
        ("19e5:d802", "1200", True),  # Huawei Ascend 910B
        ("19e5:1711", "0300", False),  # Huawei's management controller
        ("1d94:23b7", "0604", False),  # a bridge of a DCU
        ("1d94:1456", "1080", False),  # a part of a Hygon CPU
        ("1ed5:01ff", "0403", False),  # the sound of a Moore Threads card
        ("10ee:5000", "1200", False),  # an FPGA
        ("1a03:2000", "0300", False),  # a management controller
    ],
)
def test_what_a_gpu_is(pci_id: str, pci_class: str, is_one: bool, fresh: Fresh) -> None:
    details = {"id": pci_id, "class": pci_class, "numa": 0}
    root = fresh(
        Manifest.model_validate({"title": "one", "functions": {"0000:3b:00.0": details}})
    ).root
    assert len(seen(root).gpus) == is_one


def test_the_headless_graphics_of_a_cpu_are_no_gpu(fresh: Fresh) -> None:
    details = {"id": "8086:3e98", "class": "0380", "bridges": [], "root": "pci0000:00"}
    functions = {"0000:00:02.0": details}
    root = fresh(Manifest.model_validate({"title": "desktop", "functions": functions})).root
    assert seen(root).gpus == ()


def test_vfs_of_a_gpu_are_not_counted(fresh: Fresh) -> None:
    pf = {"id": "10de:2330", "class": "0302"}
    functions = {"0000:3b:00.0": pf, "0000:3b:00.4": {**pf, "physfn": "0000:3b:00.0"}}
    root = fresh(Manifest.model_validate({"title": "vGPU", "functions": functions})).root
    assert [gpu.place.address for gpu in seen(root).gpus] == ["0000:3b:00.0"]


def test_a_machine_with_one_numa_node_need_not_name_it(fresh: Fresh) -> None:
    functions = {
        "0000:3b:00.0": {"id": "10de:2330", "class": "0302"},
        "0000:5e:00.0": {"id": "15b3:1021", "hcas": ["mlx5_0"]},
    }
    for online, with_cpus, expected in (
        ("0", "0", Distance.NODE),
        ("0", "", Distance.NODE),
        ("0-1", "", Distance.UNKNOWN),
        ("0-1", "0-1", Distance.UNKNOWN),
        ("0-8", "0", Distance.NODE),  # one Grace, and the memory of its GPU
        ("0-33", "0-1", Distance.UNKNOWN),
    ):
        nodes = {"online": f"{online}\n", "has_cpu": f"{with_cpus}\n"}
        files = {f"sys/devices/system/node/{name}": text for name, text in nodes.items()}
        manifest = {"title": "no affinity", "functions": functions, "files": files}
        root = fresh(Manifest.model_validate(manifest)).root
        inventory, found = scan(Host(root)), seen(root)
        assert found.distance(found.gpus[0], inventory.hcas[0]) is expected


def test_a_damaged_host_has_what_can_be_read(sample: Sample) -> None:
    assert seen(sample("damaged")).hcas["mlx5_0"]


# --- IOMMU and ACS ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"), [("hgx", "identity"), ("gb300", "DMA-FQ"), ("dgx-h100", None)]
)
def test_the_type_of_an_iommu_group(name: str, kind: str | None, sample: Sample) -> None:
    address = seen(sample(name)).gpus[0].place.address
    assert read_iommu(Host(sample(name)), address) == kind


def test_acs_of_a_bridge(sample: Sample) -> None:
    assert read_acs(Host(sample("hgx")), "0000:12:00.0") == Acs(0)
    assert read_acs(Host(sample("gb300")), "0000:02:01.0") == Acs(0x5D)
    assert read_acs(Host(sample("seed")), "0000:00:00.0") is None


@given(st.integers(0, 0xFFFF))
def test_the_control_word_is_read_as_it_was_written(word: int) -> None:
    found = acs(config_space.encode("1000:c030", 1, f"{word:04x}"))
    assert found == Acs(word)
    assert found.redirects is bool(word & 0x2C)  # request and completion redirect, egress control


def test_a_bridge_without_the_capability_redirects_nothing() -> None:
    found = acs(config_space.encode("1000:c030", 1, "none"))
    assert found == Acs()
    assert not found.redirects


@pytest.mark.parametrize("length", [0, 64, 128, 256, 0x102, 0x14D])
def test_what_was_not_read_is_unknown(length: int) -> None:
    assert acs(config_space.encode("1000:c030", 1, "001d")[:length]) is None


@given(st.binary(max_size=4200))
@example(bytes(0x100) + (1 | 0x100 << 20).to_bytes(4, "little"))  # a capability after itself
@example(bytes(0x100) + b"\xff" * 64)
def test_no_bytes_break_the_reading_of_configuration_space(data: bytes) -> None:
    assert acs(data) is None or len(data) > 0x100


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=64))
def test_no_chain_of_capabilities_is_endless(words: list[int]) -> None:
    acs(bytes(0x100) + b"".join(word.to_bytes(4, "little") for word in words) * 16)


@given(st.text() | st.lists(st.sampled_from(("0000:3b:00.0", "pci0000:3a", "", "x"))).map("/".join))
def test_no_path_breaks_the_reading_of_a_place(path: str) -> None:
    found = place_of(path)
    assert found is None or path.endswith(found.address)


class Counting(Host):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.count = 0

    def read_bytes(self, path: str, limit: int) -> bytes | None:
        self.count += 1
        return super().read_bytes(path, limit)


def test_eight_times_the_hcas_cost_about_eight_times_as_much(fresh: Fresh) -> None:
    costs = {}
    for number in (64, 512):
        root = fresh(generate(number, vfs=True)).root
        inventory = scan(Host(root))
        host = Counting(root)
        assert len(read_topology(host, inventory).hcas) == number
        costs[number] = host.count
    assert 0 < costs[512] < 9 * costs[64]


# --- a host that cannot be read -----------------------------------------------------------------


class Failing(DiskTree):
    """A disk on which files and links of these names answer with an error."""

    def __init__(self, root: Path, bad: set[str]) -> None:
        super().__init__(root)
        self._bad = bad

    def target(self, path: str) -> str:
        return super().target(self._good(path))

    def read(self, path: str, limit: int) -> bytes:
        return super().read(self._good(path), limit)

    def _good(self, path: str) -> str:
        if path.rpartition("/")[2] in self._bad:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)
        return path


NAMES = (
    *("class", "vendor", "device", "numa_node", "physfn", "driver", "product_name", "information"),
    *(
        "config",
        "iommu_group",
        "type",
        "online",
        "has_cpu",
        "version",
        "osrelease",
        "cpuinfo",
        "midr_el1",
    ),
    *("0000:15:00.0", "0000:16:00.0", "0000:13:00.0", "0000:11:00.0"),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.sampled_from(NAMES)))
def test_what_cannot_be_read_is_left_out_or_unknown(bad: set[str], sample: Sample) -> None:
    inventory = scan(Host(sample("hgx")))
    host = Host(Failing(sample("hgx"), bad))
    topology = read_topology(host, inventory)
    assert len(topology.hcas) == len(inventory.hcas)
    console.plain(drawing.drawing(View(topology, inventory)))
    node = NodeView(host, inventory, Answers(), ConfigSeen(Path("none")), topology=topology)
    assert Verdict.FAIL not in {result.verdict for result in examine(node, CHECKS)}


def test_an_unreadable_directory_has_no_gpu(sample: Sample) -> None:
    class Closed(DiskTree):
        def names(self, path: str) -> list[str]:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), path)

    inventory = scan(Host(sample("hgx")))
    found = read_topology(Host(Closed(sample("hgx"))), inventory)
    assert (found.gpus, len(found.hcas)) == ((), 10)
