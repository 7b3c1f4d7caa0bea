"""Everything that a check reads: a node, what a config makes of it, and the node's answers."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from rdma_dp.config import NO_DEFAULTS, Config, ConfigError, ConfigMissing, Defaults, Problem
from rdma_dp.config.loading import STANDARD_INPUT, FoundConfig
from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Hca, Inventory, Port
from rdma_dp.inventory.topology import Topology
from rdma_dp.node.answers import Answers
from rdma_dp.node.cluster_queries import ClusterClasses, ask_classes
from rdma_dp.node.counters import Growth, watch
from rdma_dp.node.source import NodeSource
from rdma_dp.sharing.pool import Pool, make_pools


@dataclass(frozen=True, slots=True)
class ConfigSeen:
    """A config file as it was found. `config` is None when it is invalid or missing."""

    file: Path
    config: Config | None = None
    missing: bool = False
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def argument(self) -> str:
        """The file in a command; FILE for standard input, which a command cannot read again."""
        return "FILE" if self._is_piped else str(self.file)

    @property
    def name(self) -> str:
        """The file in a text."""
        return "standard input" if self._is_piped else str(self.file)

    @property
    def _is_piped(self) -> bool:
        path, _, _ = str(self.file).partition("#")  # what follows chooses a config in it
        return Path(path) == STANDARD_INPUT


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node at one moment. Checks read further files from `host`, and from no other place."""

    host: Host
    inventory: Inventory
    answers: Answers
    config: ConfigSeen
    pools: tuple[Pool, ...] = ()
    topology: Topology = field(default_factory=Topology)
    growth: Growth | None = None  # None when counters were not asked for
    classes: ClusterClasses | None = None  # None when the API server was not asked

    @property
    def concerned(self) -> tuple[Hca, ...]:
        """The HCAs that resources select; without a config, all HCAs that can be shared.

        Each has the ports that a resource's selectors fit.
        """
        return _concerned(self.inventory, self.pools if self.config.config else None)

    @property
    def management(self) -> bool:
        """Whether a resource gives umad and issm to containers; without a config, any would."""
        return not self.pools or any(pool.resource.management for pool in self.pools)


_KUBELET_ROOT = Path("/var/lib/kubelet")


def view_node(
    root: NodeSource,
    config: FoundConfig,
    *,
    defaults: Defaults = NO_DEFAULTS,
    kubelet_root: Path = _KUBELET_ROOT,
    device_plugins: Path | None = None,
    count_for: float | None = None,
    ask_cluster: bool = False,
) -> NodeView:
    """Reads everything once. Raises HostError when the node's HCAs cannot be listed.

    A live node asks kubelet in `kubelet_root`; `device_plugins` defaults to the directory below it.
    `count_for` is the time in seconds between two readings of the HCAs' counters; None: the
    counters are not read. `ask_cluster`: a live node with a resource via DRA asks the API server
    for the classes.
    """
    inventory = root.scan()
    seen = _config(config, defaults)
    pools = make_pools(seen.config, inventory) if seen.config else ()
    answers = root.answers.ask(kubelet_root, device_plugins)
    growth = None
    if count_for is not None:
        growth = watch(root.host, _concerned(inventory, pools if seen.config else None), count_for)
    topology = read_topology(root.host, inventory)
    uses_dra = seen.config is not None and seen.config.uses_dra
    ask = ask_cluster and root.host.live and uses_dra
    classes = ask_classes(os.environ) if ask else None
    return NodeView(root.host, inventory, answers, seen, pools, topology, growth, classes)


def _concerned(inventory: Inventory, pools: tuple[Pool, ...] | None) -> tuple[Hca, ...]:
    if pools is None:
        return tuple(hca for hca in inventory.hcas if hca.shareable)
    ports: dict[str, set[Port]] = {}
    for hca in (hca for pool in pools for hca in pool.hcas):
        ports.setdefault(hca.name, set()).update(hca.ports)
    return tuple(
        replace(hca, ports=tuple(port for port in hca.ports if port in ports[hca.name]))
        for hca in inventory.hcas
        if hca.name in ports
    )


def _config(found: FoundConfig, defaults: Defaults) -> ConfigSeen:
    try:
        loaded = found.load(defaults)
    except ConfigMissing:
        return ConfigSeen(found.file, missing=True)
    except ConfigError as error:
        return ConfigSeen(found.file, errors=error.problems, warnings=error.warnings)
    return ConfigSeen(found.file, loaded.config, warnings=loaded.warnings)
