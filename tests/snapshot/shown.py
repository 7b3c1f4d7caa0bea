"""What the verbs show of a root, as the documents that `-o json` prints."""

from pathlib import Path
from typing import Any

from rdma_dp.answers import Answers
from rdma_dp.config_found import FoundConfig
from rdma_dp.discovery.pcie import read_topology
from rdma_dp.doctor.catalogue import CATALOGUE
from rdma_dp.doctor.examination import examine
from rdma_dp.doctor.sight import sight_of
from rdma_dp.host import Host
from rdma_dp.pool import make_pools
from rdma_dp.render import doctor, documents
from rdma_dp.render.pcie_tree import View
from rdma_dp.root import Root
from rdma_dp.snapshot.archive_writing import write
from rdma_dp.snapshot_taking import take

REPO = Path(__file__).parents[2]
CONFIGS = REPO / "configs"
CAPTURES = REPO.parent / "shared/captures"


def shown(root: Root, config: FoundConfig) -> dict[str, Any]:
    """Of discover, topo, dry-run and doctor."""
    inventory = root.scan()
    loaded = config.load()
    pools = make_pools(loaded.config, inventory, loaded.config.cdi_mode(use_cdi=False))
    warnings = [warning.in_file(config.file.name) for warning in loaded.warnings]
    topology = read_topology(root.host, inventory)
    return {
        "topo": documents.topo(View(topology, inventory)),
        "discover": documents.discover(inventory),
        "dry-run": documents.dry_run(inventory, pools, warnings),
        "doctor": doctor.document(examine(sight_of(root, config), CATALOGUE)),
    }


def nobody(host: Host) -> Answers:
    """Stands for asking this machine: another host's tree has its answers, if they are none."""
    raise AssertionError("nobody is to be asked")


def snapshot_of(root: Root, config: FoundConfig, file: Path, *, raw: bool) -> Path:
    """A snapshot, in a file."""
    write(take(root, config, nobody, raw=raw).packed, file, replace=True)
    return file
