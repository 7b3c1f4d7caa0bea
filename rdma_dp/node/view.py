"""Everything that a check may look at: a node, what a config makes of it, who asked whom."""

from dataclasses import dataclass, field
from pathlib import Path

from rdma_dp.config import NO_DEFAULTS, Config, ConfigError, ConfigMissing, Defaults, Problem
from rdma_dp.config.loading import FoundConfig
from rdma_dp.discovery.pcie_topology import read_topology
from rdma_dp.host.files import Host
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.inventory.topology import Topology
from rdma_dp.node.answers import Answers
from rdma_dp.node.counters import Growth, watch
from rdma_dp.node.queries import ask
from rdma_dp.node.source import NodeSource
from rdma_dp.sharing.pool import Pool, make_pools


@dataclass(frozen=True, slots=True)
class ConfigSeen:
    """A config file as it was found: `config` is None when it cannot be used, or is not there."""

    file: Path
    config: Config | None = None
    missing: bool = False
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node at one moment. Checks read further files from `host`, and nothing from elsewhere."""

    host: Host
    inventory: Inventory
    answers: Answers
    config: ConfigSeen
    pools: tuple[Pool, ...] = ()
    topology: Topology = field(default_factory=Topology)
    growth: Growth | None = None  # None when nobody asked for counters

    @property
    def concerned(self) -> tuple[Hca, ...]:
        """The HCAs that resources take; without a config all that can be shared."""
        return _concerned(self.inventory, self.pools if self.config.config else None)


_KUBELET_ROOT = Path("/var/lib/kubelet")


def view_node(
    root: NodeSource,
    config: FoundConfig,
    *,
    defaults: Defaults = NO_DEFAULTS,
    kubelet_root: Path = _KUBELET_ROOT,
    device_plugins: Path | None = None,
    count_for: float | None = None,
) -> NodeView:
    """Looks at all of it once. Raises HostError when the node's HCAs cannot be listed.

    Kubelet is asked on this machine alone, below `kubelet_root`, which has `device_plugins` too if
    that is None. `count_for` is how many seconds the HCAs' counters are watched; None leaves them
    alone.
    """
    inventory = root.scan()
    seen = _config(config, defaults)
    pools = make_pools(seen.config, inventory) if seen.config else ()
    answers = root.answers or ask(root.host, kubelet_root, device_plugins)
    growth = None
    if count_for is not None:
        growth = watch(root.host, _concerned(inventory, pools if seen.config else None), count_for)
    topology = read_topology(root.host, inventory)
    return NodeView(root.host, inventory, answers, seen, pools, topology, growth)


def _concerned(inventory: Inventory, pools: tuple[Pool, ...] | None) -> tuple[Hca, ...]:
    if pools is None:
        return tuple(hca for hca in inventory.hcas if hca.shareable)
    taken = {hca.name for pool in pools for hca in pool.hcas}
    return tuple(hca for hca in inventory.hcas if hca.name in taken)


def _config(found: FoundConfig, defaults: Defaults) -> ConfigSeen:
    try:
        loaded = found.load(defaults)
    except ConfigMissing:
        return ConfigSeen(found.file, missing=True)
    except ConfigError as error:
        return ConfigSeen(found.file, errors=error.problems, warnings=error.warnings)
    return ConfigSeen(found.file, loaded.config, warnings=loaded.warnings)
