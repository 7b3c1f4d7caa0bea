"""Output for people, kept as golden files: `pytest --update-golden` writes them again."""

import json

import pytest

from rdma_dp import config
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.render import console, discover, dry_run, json_documents
from rdma_dp.sharing.pool import Pool, make_pools
from tests.conftest import Golden, Look
from tests.paths import CONFIGS

SEEDS = ("seed-ifnames", "seed-device-ids")

some_hosts = pytest.mark.parametrize(
    "name",
    [
        *("dgx-h100", "seed", "gb200", "gb300", "roce-bond", "sriov", "no-modules", "empty"),
        "exclusive-netns",
    ],
)


def pools(inventory: Inventory, file: str) -> tuple[Pool, ...]:
    loaded = config.load(CONFIGS / file).config
    return make_pools(loaded, inventory)


def as_json(document: json_documents.Document) -> str:
    return json.dumps(document, indent=2) + "\n"


@some_hosts
def test_discover(name: str, look: Look, golden: Golden) -> None:
    inventory = look(name)
    golden(f"{name}.discover.txt", console.plain(discover.discover(inventory)))
    wide = console.plain(discover.discover(inventory, wide=True), console.WIDE)
    golden(f"{name}.discover-wide.txt", wide)
    golden(f"{name}.discover.json", as_json(json_documents.discover(inventory)))


@some_hosts
def test_dry_run(name: str, look: Look, golden: Golden) -> None:
    inventory = look(name)
    shown = []
    for seed in SEEDS:
        found = pools(inventory, f"{seed}.json")
        shown.append(f"# {seed}\n{console.plain(dry_run.dry_run(inventory, found, ()))}")
        golden(f"{name}.{seed}.json", as_json(json_documents.dry_run(inventory, found, ())))
    golden(f"{name}.dry-run.txt", "\n".join(shown))


@pytest.mark.parametrize("file", ["per-hca", "cdi", "without-storage", "per-numa-node"])
def test_sharing_that_fits_the_hardware(file: str, look: Look, golden: Golden) -> None:
    inventory = look("dgx-h100")
    found = pools(inventory, f"{file}.yaml")
    golden(f"dgx-h100.{file}.txt", console.plain(dry_run.dry_run(inventory, found, ())))


def test_slots_per_hca_as_json(look: Look, golden: Golden) -> None:
    inventory = look("dgx-h100")
    document = json_documents.dry_run(inventory, pools(inventory, "per-hca.yaml"), ())
    golden("dgx-h100.per-hca.json", as_json(document))
