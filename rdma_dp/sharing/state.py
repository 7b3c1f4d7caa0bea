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
    `pools` are those of the config's resources, in its order. `former` are the last pools of
    resources that were device plugins and are none now, because they have left the config or are
    offered by DRA: kubelet may still ask for them, and they keep their ids when they come back.
    """

    config: Config
    inventory: Inventory
    moment: float
    scan: int = 1
    pools: Pools = field(default_factory=lambda: _NONE)
    former: Pools = field(default_factory=lambda: _NONE)

    def pool(self, name: str) -> Pool:
        """The newest pool that kubelet has had of a resource. Raises KeyError."""
        return self.former[name] if name in self.former else self.pools[name]

    @property
    def plugin_pools(self) -> Pools:
        """The pools that are registered with kubelet as device plugins."""
        return _offered_by(Via.PLUGIN, self.pools)

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
    # What DRA has published was never listed to kubelet, so it does not stay listed either.
    before: Mapping[Via, Pools] = dict.fromkeys(Via, _NONE)
    if previous is not None:
        listed = {**previous.former, **previous.plugin_pools}
        before = {Via.PLUGIN: listed, Via.DRA: _offered_by(Via.DRA, previous.pools)}
    vias = {each.full_name: each.via for each in config.config_list}
    last = {name: before[via][name] for name, via in vias.items() if name in before[via]}
    pools = {pool.resource.full_name: pool for pool in make_pools(config, inventory, last, now)}
    former = {
        name: pool for name, pool in before[Via.PLUGIN].items() if vias.get(name) is not Via.PLUGIN
    }
    scan = 1 if previous is None else previous.scan + 1
    return NodeState(
        config, inventory, now, scan, MappingProxyType(pools), MappingProxyType(former)
    )


def _offered_by(via: Via, pools: Pools) -> Pools:
    return MappingProxyType(
        {name: pool for name, pool in pools.items() if pool.resource.via is via}
    )
