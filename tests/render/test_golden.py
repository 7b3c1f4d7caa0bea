"""What people read, as files to read: `pytest --update-golden` writes them anew."""

import json
from pathlib import Path

import pytest

from rdma_dp import config
from rdma_dp.model import Inventory
from rdma_dp.render import documents, tables
from rdma_dp.selection import Selection, select

from ..conftest import Golden, Look

CONFIGS = Path(__file__).parents[2] / "configs"
SEEDS = ("seed-ifnames", "seed-device-ids")

handful = pytest.mark.parametrize(
    "name",
    ["dgx-h100", "seed", "gb300", "roce-bond", "sriov", "no-modules", "empty", "exclusive-netns"],
)


def selections(inventory: Inventory, seed: str) -> list[Selection]:
    loaded = config.load(CONFIGS / f"{seed}.json").config
    return [select(inventory, resource) for resource in loaded.config_list]


def as_json(document: documents.Document) -> str:
    return json.dumps(document, indent=2) + "\n"


@handful
def test_discover(name: str, look: Look, golden: Golden) -> None:
    inventory = look(name)
    golden(f"{name}.discover.txt", tables.plain(tables.discover(inventory)))
    wide = tables.plain(tables.discover(inventory, wide=True), tables.WIDE)
    golden(f"{name}.discover-wide.txt", wide)
    golden(f"{name}.discover.json", as_json(documents.discover(inventory)))


@handful
def test_dry_run(name: str, look: Look, golden: Golden) -> None:
    inventory = look(name)
    shown = []
    for seed in SEEDS:
        found = selections(inventory, seed)
        shown.append(f"# {seed}\n{tables.plain(tables.dry_run(inventory, found, ()))}")
        golden(f"{name}.{seed}.json", as_json(documents.dry_run(inventory, found, ())))
    golden(f"{name}.dry-run.txt", "\n".join(shown))
