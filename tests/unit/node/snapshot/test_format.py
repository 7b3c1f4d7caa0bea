"""Snapshots that version 0.1.0 made. Every later version shows the same for them.

They are never made again: a version with another format still has to read this one.
"""

import json
from pathlib import Path

import pytest

from rdma_dp.discovery import scan
from rdma_dp.node.snapshot import archive_reading, archive_writing
from rdma_dp.node.source import open_source
from rdma_dp.render import json_documents
from tests.conftest import Golden, Look
from tests.paths import CONFIGS
from tests.unit.node.snapshot.shown import shown

MADE = Path(__file__).parent / "format-1"

every_one = pytest.mark.parametrize("file", sorted(MADE.iterdir()), ids=lambda path: path.name)


@every_one
def test_it_is_shown_as_the_node_was(file: Path, golden: Golden) -> None:
    name = file.name.removesuffix(".tar.gz")
    root = open_source(file)
    assert root.config is not None
    assert root.config.content == (CONFIGS / "seed-device-ids.json").read_bytes()
    found = shown(root, root.config)
    golden(f"{name}.discover.json", json.dumps(found["discover"], indent=2) + "\n")
    golden(f"{name}.seed-device-ids.json", json.dumps(found["dry-run"], indent=2) + "\n")


@every_one
def test_the_whole_inventory_is_that_of_the_node(file: Path, look: Look) -> None:
    name = file.name.removesuffix(".tar.gz")
    inventory = scan(open_source(file).host)
    assert json_documents.discover(inventory) == json_documents.discover(look(name))
    assert inventory == look(name)


@every_one
def test_it_is_packed_again_as_it_was(file: Path, tmp_path: Path) -> None:
    snapshot = archive_reading.read(file)
    again = tmp_path / file.name
    archive_writing.write(archive_writing.pack(snapshot), again, replace=False)
    assert archive_reading.read(again) == snapshot
