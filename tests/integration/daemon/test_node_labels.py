"""`--nfd-features`: the file that Node Feature Discovery reads, and its faults."""

from pathlib import Path

import pytest

from rdma_dp.specs.node_features import FILE_NAME
from simulator.kubelet import SimulatedKubelet
from tests.integration.daemon.process import NAME, Node, appears, entry, healthy, process

FOREIGN = "vendor.features"


@pytest.fixture
def features(node: Node) -> Path:
    return node.directory / "features.d"


@pytest.fixture
def option(features: Path) -> tuple[str, str]:
    return "--nfd-features", str(features)


def labels(features: Path) -> dict[str, str]:
    """The labels without NFD's namespace and without "rdma-dp."; none if there is no file."""
    try:
        lines = (features / FILE_NAME).read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.removeprefix("feature.node.kubernetes.io/rdma-dp.") for line in lines)
    return dict(pair.split("=") for pair in pairs)


async def test_the_file_follows_the_shared_hcas(
    node: Node, kubelet: SimulatedKubelet, features: Path, option: tuple[str, str]
) -> None:
    features.mkdir()
    (features / FOREIGN).write_text("vendor.io/a=b\n")
    async with node.daemon(*option):
        await appears(features, lambda: labels(features).get("hcas") == "2")
        found = labels(features)
        assert found.keys() == {"hcas", "max-rate-gbps", "link-ether", "driver-mlx5_core"}
        node.host.unplug("mlx5_1")
        await appears(features, lambda: labels(features) == {**found, "hcas": "1"})
        node.host.unplug("mlx5_0")
        await appears(features, lambda: not (features / FILE_NAME).exists())
        node.plug_all()
        await appears(features, lambda: labels(features) == found)
        await kubelet.wait_for(NAME, healthy(4))
    assert labels(features) == found, "the file stays when the daemon stops"
    assert {each.name for each in features.iterdir()} == {FILE_NAME, FOREIGN}
    assert (features / FOREIGN).read_text() == "vendor.io/a=b\n"


async def test_a_driver_of_gpus_that_is_loaded_later_is_seen(
    node: Node, kubelet: SimulatedKubelet, features: Path, option: tuple[str, str]
) -> None:
    features.mkdir()
    async with node.daemon(*option):
        await appears(features, lambda: labels(features).get("hcas") == "2")
        assert not [name for name in labels(features) if "gpudirect" in name]
        gpu = node.host.root / "proc/driver/nvidia/gpus/0000:19:00.0"
        gpu.mkdir(parents=True)
        (gpu / "information").write_text("Model: \t NVIDIA H100 80GB HBM3\n")
        (node.host.root / "sys/module/nvidia_peermem").mkdir(parents=True)
        await appears(features, lambda: labels(features).get("gpudirect-peer-memory") == "true")
        await kubelet.wait_for(NAME, healthy(4))


async def test_only_hcas_of_resources_count(
    node: Node, kubelet: SimulatedKubelet, features: Path, option: tuple[str, str]
) -> None:
    features.mkdir()
    node.configure(entry(selectors={"rdmaDevices": ["mlx5_0"]}))
    async with node.daemon(*option):
        await appears(features, lambda: labels(features).get("hcas") == "1")
        node.configure(entry(selectors={"vendors": ["8086"]}))
        await appears(features, lambda: not (features / FILE_NAME).exists())
        await kubelet.wait_for(NAME, healthy(0, of=4))


async def test_the_state_of_a_port_does_not_write_the_file_again(
    node: Node, kubelet: SimulatedKubelet, features: Path, option: tuple[str, str]
) -> None:
    features.mkdir()
    node.configure(entry(health={"downSeconds": 0}))
    async with node.daemon(*option):
        await appears(features, lambda: labels(features).get("hcas") == "2")
        await kubelet.wait_for(NAME, healthy(4))
        before = (features / FILE_NAME).stat()
        for hca in node.hcas:
            node.host.set_port(hca, 1, state="DOWN", phys_state="Disabled")
        await kubelet.wait_for(NAME, healthy(0, of=4))
        after = (features / FILE_NAME).stat()
        assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


async def test_an_unusable_directory_is_logged_once_and_tried_again(
    node: Node, kubelet: SimulatedKubelet, features: Path, option: tuple[str, str]
) -> None:
    """A directory that cannot be used disturbs nothing else."""
    features.write_text("no directory")
    async with node.daemon(*option) as daemon:
        await daemon.says("the node labels are outdated", str(features), "not a directory")
        await kubelet.wait_for(NAME, healthy(4))
        node.unplug_all()
        await kubelet.wait_for(NAME, healthy(0, of=4))
        node.plug_all()
        await kubelet.wait_for(NAME, healthy(4))
        assert daemon.count("the node labels are outdated") == 1
        features.unlink()
        await daemon.says("the node labels are current again")
        assert labels(features)["hcas"] == "2"


async def test_a_file_of_another_program_is_not_replaced(
    node: Node, kubelet: SimulatedKubelet, features: Path, option: tuple[str, str]
) -> None:
    features.mkdir()
    (features / FILE_NAME).write_text("vendor.io/a=b\n")
    async with node.daemon(*option) as daemon:
        await daemon.says("the node labels are outdated", FILE_NAME, "not rdma-dp's")
        await kubelet.wait_for(NAME, healthy(4))
    assert (features / FILE_NAME).read_text() == "vendor.io/a=b\n"


async def test_without_the_option_nothing_is_written(
    node: Node, kubelet: SimulatedKubelet, features: Path
) -> None:
    async with node.daemon():
        await kubelet.wait_for(NAME, healthy(4))
    assert not features.exists()


async def test_the_directory_is_an_absolute_path() -> None:
    async with process("run", "--nfd-features", "features.d") as daemon:
        await daemon.says("--nfd-features", "no absolute path")
        assert await daemon.ended() == 2
