"""/sys of real machines, where they are beside the repo: each result was once checked by hand."""

import json
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from rdma_dp import config
from rdma_dp.config.loading import find_config
from rdma_dp.discovery import scan
from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.doctor.check import Verdict
from rdma_dp.doctor.checks.gpudirect import CHECKS
from rdma_dp.doctor.examination import examine
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.inventory.topology import DIRECT
from rdma_dp.node.source import open_source
from rdma_dp.node.view import view_node
from rdma_dp.render import console, discover, dry_run, json_documents
from rdma_dp.render.topology import drawing
from rdma_dp.render.topology.pcie_tree import View
from rdma_dp.sharing.pool import make_pool
from rdma_dp.sharing.selection import select
from tests.paths import REPO

CAPTURES = REPO.parent / "shared/captures"
CONFIGS = REPO / "configs"

pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside this repo")

NO_VERBS = "no uverbs: the class infiniband_verbs is not there, as when ib_uverbs is not loaded"
NAMES = {
    "carbide-r750-cx7-udevnames": [
        "ibp152s0f0", "ibp152s0f1", "ibp177s0f0", "ibp177s0f1", "ibp178s0f0", "ibp178s0f1",
    ],
    "gpud-h100-ib-bond": [*(f"mlx5_{n}" for n in (0, 1, 4, 5, 6, 7, 8, 9)), "mlx5_bond_0"],
    "hwloc-pcidomain32": [],
    "hwloc-qib-triplicated": ["qib0"],
    "hwloc-qib-truescale": ["qib0"],
    "nccl-4gpu-22hca": [f"mlx5_{n}" for n in range(6, 22)],
    "nccl-hyperv-vf-random-domains": [f"mlx5_{n}" for n in range(8)],
    "nccl-mi300x-cx7-baremetal": [f"mlx5_{n}" for n in range(8)],
    "procfs-fixture-hfi1-mlx4-mlx5": ["hfi1_0", "mlx4_0", "mlx5_0"],
    "udev-dgx-a100": [f"mlx5_{n}" for n in range(10)],
    "udev-gb300-cx8-partial": [],
    "udev-power8-cx3en": [],
}  # fmt: skip
WITH_VERBS = {"hwloc-qib-triplicated", "hwloc-qib-truescale", "udev-dgx-a100"}

Extracted = Callable[[str], Path]
Capture = Callable[[str], Inventory]
every_capture = pytest.mark.parametrize("name", sorted(NAMES))


@pytest.fixture(scope="module")
def extracted(memory: Path) -> Extracted:
    @cache
    def unpacked(name: str) -> Path:
        with tarfile.open(CAPTURES / f"{name}.tar.gz") as archive:
            archive.extractall(memory / "captures", filter="tar")
        return memory / "captures" / name

    return unpacked


@pytest.fixture(scope="module")
def capture(extracted: Extracted) -> Capture:
    return cache(lambda name: scan(Host(extracted(name))))


def addresses(inventory: Inventory) -> dict[str, str | None]:
    return {h.name: h.function.address if h.function else None for h in inventory.hcas}


def test_every_capture_is_read() -> None:
    assert {path.name.removesuffix(".tar.gz") for path in CAPTURES.glob("*.tar.gz")} == set(NAMES)


@every_capture
def test_the_hcas_are_those_of_the_machine(name: str, capture: Capture) -> None:
    inventory = capture(name)
    assert [hca.name for hca in inventory.hcas] == NAMES[name]
    reason = None if name in WITH_VERBS else NO_VERBS
    assert {hca.ineligible and hca.ineligible.text for hca in inventory.hcas} <= {reason}


@every_capture
@pytest.mark.parametrize("seed", ["seed-ifnames", "seed-device-ids"])
def test_a_dry_run_chooses_what_it_should(name: str, seed: str, capture: Capture) -> None:
    inventory = capture(name)
    (wanted,) = config.load(CONFIGS / f"{seed}.json").config.config_list
    found = select(inventory, wanted)
    takes_all = (name, seed) == ("udev-dgx-a100", "seed-device-ids")
    assert [hca.name for hca in found.chosen] == (NAMES[name] if takes_all else [])
    assert all(verdict.reasons for verdict in found.rejected)
    pools = [make_pool(found, inventory.system)]
    document = json_documents.dry_run(inventory, pools, ())
    assert json.loads(json.dumps(document)) == document
    drawing = console.plain(dry_run.dry_run(inventory, pools, ())) + console.plain(
        discover.discover(inventory)
    )
    assert all(len(line) <= 100 for line in drawing.splitlines())
    assert ("next" in drawing) == (not takes_all)


def test_a_dgx_a100_with_and_without_netdevs(capture: Capture) -> None:
    inventory = capture("udev-dgx-a100")
    found = {
        hca.name: (hca.function.address if hca.function else None, [n.name for n in hca.netdevs])
        for hca in inventory.hcas
    }
    assert found == {
        "mlx5_0": ("0000:0c:00.0", ["enp12s0np0"]),
        "mlx5_1": ("0000:12:00.0", ["enp18s0np0"]),
        "mlx5_2": ("0000:4b:00.0", []),  # InfiniBand without IPoIB
        "mlx5_3": ("0000:54:00.0", ["enp84s0np0"]),
        "mlx5_4": ("0000:8d:00.0", ["enp141s0np0"]),
        "mlx5_5": ("0000:94:00.0", ["enp148s0np0"]),
        "mlx5_6": ("0000:ba:00.0", []),  # the same
        "mlx5_7": ("0000:cc:00.0", ["enp204s0np0"]),
        "mlx5_8": ("0000:e1:00.0", ["enp225s0f0np0"]),
        "mlx5_9": ("0000:e1:00.1", ["enp225s0f1np1"]),
    }
    assert all(hca.uverbs and hca.shareable and hca.numa_node is None for hca in inventory.hcas)
    assert [other.function.address for other in inventory.unused_functions] == ["0000:e2:00.0"]


@pytest.mark.parametrize(
    ("name", "numa"), [("hwloc-qib-truescale", 2), ("hwloc-qib-triplicated", 1)]
)
def test_one_truescale_hca_even_where_its_function_is_there_three_times(
    name: str, numa: int, capture: Capture
) -> None:
    (qib,) = capture(name).hcas
    assert qib.function is not None
    assert (qib.function.address, qib.function.vendor) == ("0000:43:00.0", "1077")
    assert (qib.numa_node, qib.link_types) == (numa, ("infiniband",))
    assert [device.name for device in qib.char_devices] == ["uverbs0", "umad0", "issm0"]
    assert [netdev.name for netdev in qib.netdevs] == ["ib0"]
    (port,) = qib.ports
    assert (port.state, port.rate) == ("ACTIVE", 40.0)


def test_names_that_contradict_their_addresses(capture: Capture) -> None:
    found = addresses(capture("carbide-r750-cx7-udevnames"))
    assert found["ibp178s0f1"] == "0000:c1:00.1"
    assert found["ibp152s0f0"] == "0000:98:00.0"


def test_random_domains_of_a_virtual_machine(capture: Capture) -> None:
    inventory = capture("nccl-hyperv-vf-random-domains")
    assert addresses(inventory)["mlx5_1"] == "c7ca:00:00.0"
    assert [hca.numa_node for hca in inventory.hcas] == [1, 0, 2, 2, 1, 3, 0, 3]


def test_numa_nodes_of_an_mi300x(capture: Capture) -> None:
    inventory = capture("nccl-mi300x-cx7-baremetal")
    assert [hca.numa_node for hca in inventory.hcas] == [0] * 4 + [1] * 4
    assert addresses(inventory)["mlx5_7"] == "0000:da:00.0"


def test_a_class_directory_alone_tells_ports_and_nothing_of_functions(capture: Capture) -> None:
    inventory = capture("gpud-h100-ib-bond")
    assert set(addresses(inventory).values()) == {None}
    layers = [(hca.ports[0].link_layer, hca.ports[0].rate) for hca in inventory.hcas]
    assert layers == [("InfiniBand", 400.0)] * 8 + [("Ethernet", 200.0)]


def test_ports_of_three_families(capture: Capture) -> None:
    hfi, mlx4, mlx5 = capture("procfs-fixture-hfi1-mlx4-mlx5").hcas
    assert [len(hca.ports) for hca in (hfi, mlx4, mlx5)] == [1, 2, 1]
    assert [hca.ports[0].rate for hca in (hfi, mlx4, mlx5)] == [100.0, 40.0, 25.0]


def test_connectx3_for_ethernet_only_says_why_there_is_nothing(capture: Capture) -> None:
    others = {
        other.function.address: other for other in capture("udev-power8-cx3en").unused_functions
    }
    connectx3 = others["0008:01:00.0"]
    assert connectx3.netdevs == ("enP8p1s0", "enP8p1s0d1")
    assert connectx3.reason.text == (
        "driver mlx4_core made no HCA; whether mlx4_ib is loaded cannot be seen here"
    )


def test_connectx8_without_its_rdma_half(capture: Capture) -> None:
    others = capture("udev-gb300-cx8-partial").unused_functions
    assert [other.function.address for other in others if other.function.vendor == "15b3"] == [
        "0001:03:00.0",
        "0001:03:00.1",
    ]


# --- GPUs ---------------------------------------------------------------------------------------


def near(root: Path) -> list[list[str]]:
    """The HCAs at PIX or PXB of each GPU."""
    inventory = scan(Host(root))
    found = read_topology(Host(root), inventory)
    return [
        [hca.name for hca in inventory.hcas if found.distance(gpu, hca) in DIRECT]
        for gpu in found.gpus
    ]


def test_each_mi300x_has_an_hca_of_its_own(extracted: Extracted) -> None:
    assert near(extracted("nccl-mi300x-cx7-baremetal")) == [[f"mlx5_{n}"] for n in range(8)]


def test_two_gpus_of_a_dgx_a100_share_two_hcas(extracted: Extracted) -> None:
    pairs = [[f"mlx5_{n}", f"mlx5_{n + 1}"] for n in range(0, 8, 2)]
    assert near(extracted("udev-dgx-a100")) == [pair for pair in pairs for _ in range(2)]


def test_eight_gpus_share_eight_hcas_below_each_switch(extracted: Extracted) -> None:
    first, second = (([f"mlx5_{n}" for n in range(start, start + 8)]) for start in (6, 14))
    assert near(extracted("nccl-4gpu-22hca")) == [first] * 8 + [second] * 8


def test_a_hypervisor_shows_no_switches(extracted: Extracted) -> None:
    assert near(extracted("nccl-hyperv-vf-random-domains")) == [[]] * 16


@every_capture
def test_the_node_is_drawn_with_every_hca(name: str, extracted: Extracted) -> None:
    inventory = scan(Host(extracted(name)))
    found = read_topology(Host(extracted(name)), inventory)
    drawn = console.plain(drawing.drawing(View(found, inventory)))
    assert all(len(line) <= 100 for line in drawn.splitlines())
    assert all(hca.name in drawn for hca in inventory.hcas)


@every_capture
def test_gpudirect_raises_no_false_alarm(name: str, extracted: Extracted) -> None:
    node = view_node(open_source(extracted(name)), find_config(CONFIGS / "all-mellanox.yaml"))
    for result in examine(node, CHECKS):
        assert result.verdict in (Verdict.OK, Verdict.UNKNOWN), result
