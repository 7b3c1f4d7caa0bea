"""The newest pool of every resource, and what the log says about them."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from rdma_dp.aio.latest import Latest
from rdma_dp.config import CdiMode, Config
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.sharing import change_log
from rdma_dp.sharing.advice import node_warnings, pool_warnings
from rdma_dp.sharing.pool import Pool, make_pools

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """The pools that a config and an inventory make, before kubelet hears of them."""

    inventory: Inventory
    pools: tuple[Pool, ...]


class Pools:
    """Pools since the process began; the streams to kubelet observe them.

    A resource that leaves the config and comes back finds the ids that kubelet knows of it.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Latest[Pool]] = {}
        self._served: tuple[str, ...] = ()
        self._said: frozenset[str] = frozenset()

    @property
    def served(self) -> dict[str, Latest[Pool]]:
        """The pools of the resources of the newest config, by their full names."""
        return {name: self._newest[name] for name in self._served}

    @property
    def hcas(self) -> tuple[Hca, ...]:
        """Every HCA that some resource hands out, each once."""
        hcas = (hca for latest in self.served.values() for hca in latest.value.hcas)
        return tuple({hca.name: hca for hca in hcas}.values())

    @property
    def waiting(self) -> bool:
        """Whether some resource has HCAs and waits for one of their ports."""
        return any(latest.value.reasons for latest in self.served.values())

    @property
    def overdue_at(self) -> float | None:
        """When slots turn Unhealthy next if nothing else happens, on the caller's clock."""
        deadlines = (latest.value.overdue_at for latest in self.served.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def plan(self, config: Config, inventory: Inventory, now: float, cdi: CdiMode) -> Plan:
        """New pools of a config and an inventory; `cdi` is how containers get their devices."""
        previous = {name: latest.value for name, latest in self._newest.items()}
        return Plan(inventory, make_pools(config, inventory, cdi, previous, now))

    def publish(self, plan: Plan, troubles: Mapping[str, str]) -> None:
        """Lets kubelet hear of a plan, and logs what changed.

        `troubles` has, by full names, why what belongs to a resource is not in place: its slots
        are not Healthy then.
        """
        for pool in plan.pools:
            self._publish(replace(pool, trouble=troubles.get(pool.resource.full_name)))
        self._served = tuple(pool.resource.full_name for pool in plan.pools)
        self._warn(plan)

    def _publish(self, pool: Pool) -> None:
        latest = self._newest.get(pool.resource.full_name)
        last = latest.value if latest else None
        good = pool.all_healthy and (last is None or pool.healthy >= last.healthy)
        for line in change_log.describe(last, pool):
            logger.log(logging.INFO if good else logging.WARNING, "%s", line)
        if latest:
            latest.set(pool)
        else:
            self._newest[pool.resource.full_name] = Latest(pool)

    def _warn(self, plan: Plan) -> None:
        """Each warning once, until it goes away and comes back."""
        selections = [pool.selection for pool in plan.pools]
        warnings = [
            *node_warnings(plan.inventory, selections),
            *(
                f"{pool.resource.full_name}: {warning}"
                for pool in plan.pools
                for warning in pool_warnings(pool, plan.inventory.system)
            ),
        ]
        for warning in warnings:
            if warning not in self._said:
                logger.warning("%s", warning)
        for warning in self._said - {*warnings}:
            logger.info("no longer: %s", warning)
        self._said = frozenset(warnings)
