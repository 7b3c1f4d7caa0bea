"""What the log reports of two states: changes, and warnings that come and go. Pure."""

import logging
from collections.abc import Iterator

from rdma_dp.sharing.advice import node_warnings, pool_warnings
from rdma_dp.sharing.change_log import describe
from rdma_dp.sharing.misplaced import misplaced
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.state import NodeState

Line = tuple[int, str]  # a level of logging, and the text


def changes(previous: NodeState | None, state: NodeState) -> Iterator[Line]:
    """A line for each change of a resource that matters to kubelet or to containers."""
    known = {} if previous is None else {**previous.former, **previous.pools}
    for name, pool in state.pools.items():
        last = known.get(name)
        level = logging.INFO if _is_good(last, pool) else logging.WARNING
        for text in describe(last, pool):
            yield level, text


def _is_good(last: Pool | None, pool: Pool) -> bool:
    return pool.all_healthy and (last is None or pool.healthy >= last.healthy)


def warnings(state: NodeState) -> frozenset[str]:
    """What may hurt and is no change: advice about the node and each resource."""
    inventory = state.inventory
    selections = [pool.selection for pool in state.pools.values()]
    of_empty = (
        f"{selection.resource.full_name}: {each.step}"
        for selection in selections
        if not selection.chosen
        for each in misplaced(selection, inventory)
    )
    of_pools = (
        f"{name}: {warning}"
        for name, pool in state.pools.items()
        for warning in pool_warnings(pool, inventory.system)
    )
    return frozenset((*node_warnings(inventory, selections), *of_pools, *of_empty))


def news(before: frozenset[str], now: frozenset[str]) -> Iterator[Line]:
    """Each warning when it appears and when it goes."""
    for warning in sorted(now - before):
        yield logging.WARNING, warning
    for warning in sorted(before - now):
        yield logging.INFO, f"no longer: {warning}"
