"""A pod in which only /dev/infiniband is mounted, after the driver was reloaded."""

import errno
import os
from pathlib import Path

import pytest

from rdma_dp.discovery import scan
from rdma_dp.host.files import Host
from rdma_dp.host.tree import DiskTree
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.inventory.verdicts import IneligibleCode
from rdma_dp.node.snapshot.archive_reading import read
from rdma_dp.node.snapshot.archive_writing import pack, write
from rdma_dp.node.snapshot.model import Snapshot
from rdma_dp.node.snapshot.recorded import RecordedTree
from rdma_dp.node.snapshot.recording import RecordingTree
from rdma_dp.sharing.change_log import describe
from tests.conftest import Fresh
from tests.makers import pool
from tests.unit.doctor.twins import seen_through, told

STALE = (
    "/dev/infiniband of this pod is a directory that the host deleted when a driver was reloaded:"
    " mount /dev into the pod instead, and restart it"
)


class StaleTree(DiskTree):
    """A tree whose dev/infiniband was deleted: empty, and without links (rmdir(2))."""

    def status(self, path: str) -> os.stat_result:
        if path == "dev/infiniband":
            found = super().status("dev")
            return os.stat_result((*found[:3], 0, *found[4:]))
        if path.startswith("dev/infiniband/"):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return super().status(path)


@pytest.fixture
def tree(fresh: Fresh) -> StaleTree:
    root: Path = fresh("dgx-h100").root
    (root / "dev").mkdir()
    return StaleTree(root)


def test_the_mount_is_named_once_and_not_each_node(tree: StaleTree) -> None:
    """C13: "uverbs0 is missing" eleven times named the wrong cause."""
    inventory = scan(Host(tree))
    verdicts = {hca.ineligible for hca in inventory.hcas}
    (verdict,) = verdicts
    assert verdict is not None
    assert (verdict.code, verdict.text) == (IneligibleCode.STALE_MOUNT, STALE)
    (line,) = describe(None, pool(*inventory.hcas))
    assert line.count(STALE) == 1


def test_the_doctor_fails_once_with_the_remedy(tree: StaleTree) -> None:
    """C13: udevadm trigger does not help."""
    result = seen_through("hca-nodes", tree)
    assert told(result) == [f"fail : {STALE}"]
    assert result.remedy[0].startswith("mountPath: /dev")
    assert not any("udevadm" in each for each in result.remedy)


def test_a_directory_without_nodes_is_no_stale_mount(fresh: Fresh) -> None:
    host = fresh("seed")
    (host.root / "dev/infiniband").mkdir(parents=True)
    found = [hca.ineligible for hca in scan(Host(host.root)).hcas]
    assert [each and each.code for each in found] == [IneligibleCode.UVERBS_NODE] * 2


def test_a_snapshot_keeps_it(tree: StaleTree, tmp_path: Path) -> None:
    recording = RecordingTree(tree)
    seen: Inventory = scan(Host(recording))
    snapshot = Snapshot(recording.contents(), None)
    write(pack(snapshot), tmp_path / "node.tar.gz", replace=False)
    again = read(tmp_path / "node.tar.gz").contents
    assert again.deleted == {"dev/infiniband"}
    assert scan(Host(RecordedTree(again))) == seen
