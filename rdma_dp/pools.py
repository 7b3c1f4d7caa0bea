"""The newest pool of every resource, and what the log says about them."""

import logging

from rdma_dp import changes
from rdma_dp.advice import node_warnings, resource_warnings
from rdma_dp.config import Config
from rdma_dp.latest import Latest
from rdma_dp.model import Hca, Inventory, System
from rdma_dp.pool import Pool, make_pool
from rdma_dp.selection import Selection, select

logger = logging.getLogger(__name__)


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
        pools = (latest.value for latest in self.served.values())
        return any(pool.hcas and pool.health.reason is not None for pool in pools)

    @property
    def overdue_at(self) -> float | None:
        """When the next pool turns Unhealthy if nothing else happens, on the caller's clock."""
        deadlines = (latest.value.health.overdue_at for latest in self.served.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def update(self, config: Config, inventory: Inventory, now: float) -> None:
        """Makes new pools of a config and an inventory, and logs what changed."""
        selections = [select(inventory, resource) for resource in config.config_list]
        for selection in selections:
            self._update_pool(selection, inventory.system, now)
        self._served = tuple(selection.resource.full_name for selection in selections)
        self._warn(selections, inventory)

    def _update_pool(self, selection: Selection, system: System, now: float) -> None:
        latest = self._newest.get(selection.resource.full_name)
        previous = latest.value if latest else None
        pool = make_pool(selection, system, previous, now)
        for line in changes.describe(previous, pool):
            logger.log(logging.INFO if pool.health.healthy else logging.WARNING, "%s", line)
        if latest:
            latest.set(pool)
        else:
            self._newest[pool.resource.full_name] = Latest(pool)

    def _warn(self, selections: list[Selection], inventory: Inventory) -> None:
        """Each warning once, until it goes away and comes back."""
        warnings = [
            *node_warnings(inventory, selections),
            *(
                f"{selection.resource.full_name}: {warning}"
                for selection in selections
                for warning in resource_warnings(selection, inventory.system)
            ),
        ]
        for warning in warnings:
            if warning not in self._said:
                logger.warning("%s", warning)
        for warning in self._said - {*warnings}:
            logger.info("no longer: %s", warning)
        self._said = frozenset(warnings)
