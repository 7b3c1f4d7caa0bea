import os
import stat
from pathlib import Path

import pytest

from rdma_dp.errors import RdmaDpError
from simulator import host
from tests.unit.simulator.host.trees import dangling, links, snapshot, text


def names(root: Path, below: str) -> set[str]:
    return {link.name for link in links(root, f"sys/class/{below}")}


@pytest.mark.parametrize("name", host.sample_names())
def test_an_hca_that_comes_back_restores_the_tree(name: str, root: Path) -> None:
    simulated = host.build(host.load(name), root)
    before = snapshot(root)
    for hca in [hca for holder in simulated.manifest.holders() for hca in holder.hcas]:
        simulated.unplug(hca)
        assert hca not in names(root, "infiniband")
        simulated.plug(hca)
        assert snapshot(root) == before


@pytest.mark.parametrize("name", host.sample_names())
def test_without_an_hca_no_link_dangles(name: str, root: Path) -> None:
    simulated = host.build(host.load(name), root)
    written = set(simulated.manifest.links)
    for hca in [hca for holder in simulated.manifest.holders() for hca in holder.hcas]:
        simulated.unplug(hca)
        assert dangling(root) <= written


def test_an_unplugged_hca_loses_its_netdev_and_character_devices(root: Path) -> None:
    simulated = host.build(host.load("dgx-h100"), root)
    simulated.unplug("mlx5_3")
    function = root / "sys/bus/pci/devices/0000:40:00.0"
    assert function.exists()
    assert not (function / "driver").exists()
    assert not (function / "net").exists()
    assert "ibp64s0" not in names(root, "net")
    assert {"uverbs3", "uverbs4"} & names(root, "infiniband_verbs") == {"uverbs4"}
    assert {"umad3", "issm3"} & names(root, "infiniband_mad") == set()


def test_an_unplugged_pf_loses_its_vfs(root: Path) -> None:
    simulated = host.build(host.load("sriov"), root)
    simulated.unplug("mlx5_0")
    assert names(root, "infiniband") == set()
    assert [link.name for link in links(root, "sys/bus/pci/devices") if "5e:" in link.name] == [
        "0000:5e:00.0"
    ]


def test_unplugging_the_last_hca_unloads_no_module(root: Path) -> None:
    simulated = host.build(host.load("ipoib"), root)
    for hca in ("mlx5_0", "mlx5_1", "mlx5_2"):
        simulated.unplug(hca)
    assert (root / "sys/class/infiniband").is_dir()
    assert (root / "sys/module/ib_ipoib").is_dir()


def test_a_subfunction_is_unplugged_without_its_pf(root: Path) -> None:
    simulated = host.build(host.load("subfunctions"), root)
    simulated.unplug("mlx5_2")
    assert names(root, "infiniband") == {"mlx5_0", "mlx5_1", "mlx5_3", "rocep3s0f0S99"}


def test_an_unplugged_software_hca_keeps_its_netdev(root: Path) -> None:
    simulated = host.build(host.load("soft"), root)
    simulated.unplug("rxe0")
    assert names(root, "infiniband") == {"siw0"}
    assert "enp0s31f6" in names(root, "net")


def test_a_port_goes_down_with_its_netdev(root: Path) -> None:
    simulated = host.build(host.load("seed"), root)
    before = snapshot(root)
    simulated.set_port("mlx5_0", 1, state="DOWN", phys_state="Disabled")
    port = root / "sys/class/infiniband/mlx5_0/ports/1"
    assert text(port / "state") == "1: DOWN"
    assert text(port / "phys_state") == "3: Disabled"
    assert text(root / "sys/class/net/ens1f0np0/operstate") == "down"
    simulated.set_port("mlx5_0", 1, state="ACTIVE", phys_state="LinkUp")
    assert snapshot(root) == before


def test_a_port_keeps_its_state_while_another_hca_is_away(root: Path) -> None:
    simulated = host.build(host.load("seed"), root)
    simulated.set_port("mlx5_0", 1, state="INIT", phys_state="LinkUp")
    simulated.unplug("mlx5_1")
    assert text(root / "sys/class/infiniband/mlx5_0/ports/1/state") == "2: INIT"


def test_counters_change_and_stay_while_something_else_changes(root: Path) -> None:
    simulated = host.build(host.load("seed"), root)
    before = snapshot(root)
    port = root / "sys/class/infiniband/mlx5_0/ports/1"
    simulated.set_counters("mlx5_0", 1, {"counters/symbol_error": 1, "hw_counters/np_cnp_sent": 2})
    simulated.set_counters("mlx5_0", 1, {"counters/symbol_error": 3})
    simulated.unplug("mlx5_1")
    assert text(port / "counters/symbol_error") == "3"
    assert text(port / "hw_counters/np_cnp_sent") == "2"
    simulated.plug("mlx5_1")
    nothing = {"counters/symbol_error": None, "hw_counters/np_cnp_sent": None}
    simulated.set_counters("mlx5_0", 1, nothing)
    assert snapshot(root) == before
    with pytest.raises(RdmaDpError, match="mlx5_0 has no port 2"):
        simulated.set_counters("mlx5_0", 2, {})


def test_a_host_turns_into_another(root: Path, tmp_path: Path) -> None:
    simulated = host.build(host.load("damaged"), root)
    for name in ("switchdev", "empty", "gb300"):
        simulated.replace(host.load(name))
        built = host.build(host.load(name), tmp_path / name)
        assert snapshot(root) == snapshot(built.root)


def test_an_unknown_hca_port_or_state_is_refused(root: Path) -> None:
    simulated = host.build(host.load("seed"), root)
    with pytest.raises(RdmaDpError, match=r"no HCA mlx5_7.*its HCAs: mlx5_0, mlx5_1"):
        simulated.unplug("mlx5_7")
    with pytest.raises(RdmaDpError, match=r"mlx5_0 has no port 2.*its ports: 1"):
        simulated.set_port("mlx5_0", 2, state="DOWN", phys_state="Disabled")
    with pytest.raises(RdmaDpError, match=r"no port state 'UP'.*ACTIVE"):
        simulated.set_port("mlx5_0", 1, state="UP", phys_state="LinkUp")
    with pytest.raises(RdmaDpError, match=r"no physical port state 'Up'.*LinkUp"):
        simulated.set_port("mlx5_0", 1, state="ACTIVE", phys_state="Up")


def test_a_host_is_not_built_in_a_directory_with_files(root: Path) -> None:
    root.mkdir()
    (root / "mine").write_text("")
    with pytest.raises(RdmaDpError, match="is not empty"):
        host.build(host.load("seed"), root)
    assert [path.name for path in root.iterdir()] == ["mine"]


def test_without_dev_there_is_no_dev(root: Path) -> None:
    host.build(host.load("seed"), root)
    assert {path.name for path in root.iterdir()} == {"sys", "proc"}


def may_make_nodes(directory: Path) -> bool:
    try:
        os.mknod(directory / "probe", stat.S_IFCHR | 0o600, os.makedev(231, 192))
    except PermissionError:
        return False
    return True


def test_device_nodes_are_made_or_refused_with_the_reason(root: Path, tmp_path: Path) -> None:
    manifest = host.load("seed")
    if not may_make_nodes(tmp_path):
        with pytest.raises(RdmaDpError, match="CAP_MKNOD"):
            host.build(manifest, root, dev=True)
        return
    host.build(manifest, root, dev=True)
    found = {
        path.name: (os.major(path.stat().st_rdev), os.minor(path.stat().st_rdev))
        for path in (root / "dev/infiniband").iterdir()
        if path.is_char_device()
    }
    assert found == {
        "uverbs0": (231, 192), "uverbs1": (231, 193), "umad0": (231, 0), "umad1": (231, 1),
        "rdma_cm": (10, 122),
    }  # fmt: skip
    assert dangling(root) == set()
