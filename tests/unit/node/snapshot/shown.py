"""What the verbs show of a node, as the documents that `-o json` prints."""

from pathlib import Path
from typing import Any

from rdma_dp.config.loading import FoundConfig
from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.doctor.examination import examine_node
from rdma_dp.node.capture import KubeletPlaces, take
from rdma_dp.node.snapshot.archive_writing import write
from rdma_dp.node.source import NodeSource
from rdma_dp.render import doctor, json_documents
from rdma_dp.render.topology.pcie_tree import View
from rdma_dp.sharing.pool import make_pools
from tests.paths import REPO

CAPTURES = REPO.parent / "shared/captures"


def shown(root: NodeSource, config: FoundConfig) -> dict[str, Any]:
    """The documents of discover, topo, dry-run and doctor."""
    inventory = root.scan()
    loaded = config.load()
    pools = make_pools(loaded.config, inventory)
    warnings = [warning.in_file(config.file.name) for warning in loaded.warnings]
    topology = read_topology(root.host, inventory)
    return {
        "topo": json_documents.topo(View(topology, inventory)),
        "discover": json_documents.discover(inventory),
        "dry-run": json_documents.dry_run(inventory, pools, warnings),
        "doctor": doctor.document(examine_node(root, config)),
    }


def snapshot_of(root: NodeSource, config: FoundConfig, file: Path, *, raw: bool) -> Path:
    """Write a snapshot to a file, and return the file."""
    nowhere = KubeletPlaces(Path("/nowhere"))
    write(take(root, config, nowhere, [examine_node], raw=raw).packed, file, replace=True)
    return file
