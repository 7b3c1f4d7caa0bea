import os
import tempfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rdma_dp.errors import RdmaDpError
from simulator.host.tree import Entry, Link, Tree, relative_target, update
from tests.unit.simulator.host.trees import snapshot

PARTS = st.sampled_from(["a", "b", "c", "dev"])
PATHS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)
ENTRIES: st.SearchStrategy[Entry] = (
    st.binary(max_size=4) | st.just(Link("../nowhere")) | st.just(None)
)


@given(PATHS, PATHS)
def test_a_relative_target_leads_from_the_link_to_its_aim(link: str, to: str) -> None:
    target = relative_target(link, to)
    assert os.path.normpath(PurePosixPath(link).parent / target) == to


def test_a_target_always_goes_through_the_parent_of_its_aim_as_kernfs_has_it() -> None:
    device = "sys/devices/pci0000:17/0000:18:00.0"
    assert relative_target(f"{device}/infiniband/mlx5_0/device", device) == "../../../0000:18:00.0"
    assert relative_target("sys/class/net/lo", "sys/devices/virtual/net/lo") == (
        "../../devices/virtual/net/lo"
    )


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Trees in which nothing lies below a file or a link."""
    kept: dict[str, Entry] = {}
    for path, entry in draw(st.dictionaries(PATHS, ENTRIES, max_size=8)).items():
        above = [str(parent) for parent in PurePosixPath(path).parents]
        clash = any(kept.get(parent) is not None for parent in above)
        if not clash and not any(known.startswith(f"{path}/") for known in kept):
            kept[path] = entry
    return Tree(kept)


def shown(tree: Tree) -> dict[str, bytes | str | None]:
    found: dict[str, bytes | str | None] = dict.fromkeys(tree.directories())
    for path, entry in tree.entries.items():
        if isinstance(entry, Link):
            found[path] = f"-> {entry.target}"
        elif isinstance(entry, bytes):
            found[path] = entry
    return found


@settings(max_examples=60)
@given(st.lists(trees(), min_size=1, max_size=3))
def test_the_disk_holds_exactly_the_newest_tree(history: list[Tree]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        before = Tree()
        for tree in history:
            update(Path(directory), before, tree)
            assert snapshot(Path(directory)) == shown(tree)
            before = tree


def test_what_did_not_change_is_not_touched(tmp_path: Path) -> None:
    old = Tree({"a/same": b"1", "a/other": b"2"})
    update(tmp_path, Tree(), old)
    inode = (tmp_path / "a/same").stat().st_ino
    update(tmp_path, old, Tree({"a/same": b"1", "a/other": b"3"}))
    assert (tmp_path / "a/same").stat().st_ino == inode
    assert (tmp_path / "a/other").read_bytes() == b"3"


def test_an_impossible_tree_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RdmaDpError, match="cannot write the simulated host"):
        update(tmp_path, Tree(), Tree({"a": b"a file", "a/b": b"below it"}))
