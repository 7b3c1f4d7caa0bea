"""Everything that is known and decided about the node at one moment. Pure.

The daemon makes one NodeState of each scan and puts it into one Latest. kubelet's streams, the spec
files and the log observe it. None of them writes to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from rdma_dp.config import Config, Via
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.inventory.verdicts import Unhealthy
from rdma_dp.sharing.pool import Pool, make_pools

Pools = Mapping[str, Pool]  # by the full names of their resources

_NONE: Pools = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NodeState:
    """A config, an inventory, and the pools that they make.

    `moment` is when the scan ended, in seconds on the daemon's clock; `scan` is its number, from 1.
    `pools` are those of the
    config's resources, in its order. `former` are the last pools of resources that have left the
    config: kubelet may still ask for them, and they keep their ids when they come back.
    """

    config: Config
    inventory: Inventory
    moment: float
    scan: int = 1
    pools: Pools = field(default_factory=lambda: _NONE)
    former: Pools = field(default_factory=lambda: _NONE)

    def pool(self, name: str) -> Pool:
        """The newest pool of a resource, also of one that has left the config. Raises KeyError."""
        return self.pools[name] if name in self.pools else self.former[name]

    @property
    def plugin_pools(self) -> Pools:
        """The pools that are registered with kubelet as device plugins."""
        found = {n: pool for n, pool in self.pools.items() if pool.resource.via is Via.PLUGIN}
        return MappingProxyType(found)

    @property
    def hcas(self) -> tuple[Hca, ...]:
        """Every HCA that some resource hands out, each once and with all its ports."""
        verdicts = (v for pool in self.pools.values() for v in pool.selection.verdicts if v.chosen)
        return tuple({verdict.hca.name: verdict.hca for verdict in verdicts}.values())

    @property
    def waits_for_a_port(self) -> bool:
        """Whether some resource has HCAs without an ACTIVE port."""
        return any(pool.reasons for pool in self.pools.values())

    @property
    def overdue_at(self) -> float | None:
        """When slots turn Unhealthy if nothing else happens, on the daemon's clock."""
        deadlines = (pool.overdue_at for pool in self.pools.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def withholding(self, reasons: Mapping[str, Unhealthy]) -> "NodeState":
        """The same state without healthy slots of the resources that `reasons` names."""
        pools = {
            name: pool.withheld(reasons[name]) if name in reasons else pool
            for name, pool in self.pools.items()
        }
        return replace(self, pools=MappingProxyType(pools))


def next_state(
    config: Config, inventory: Inventory, now: float, previous: NodeState | None = None
) -> NodeState:
    """The state after a scan at `now`. `previous` is the state before it."""
    before = {} if previous is None else {**previous.former, **previous.pools}
    made = make_pools(config, inventory, before, now)
    pools = {pool.resource.full_name: pool for pool in made}
    former = {name: pool for name, pool in before.items() if name not in pools}
    scan = 1 if previous is None else previous.scan + 1
    return NodeState(
        config, inventory, now, scan, MappingProxyType(pools), MappingProxyType(former)
    )
