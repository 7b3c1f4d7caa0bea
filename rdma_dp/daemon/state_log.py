"""What the log reports of two states: changes, and warnings that come and go. Pure."""

import logging
from collections.abc import Iterator

from rdma_dp.sharing.change_log import describe
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


def news(before: frozenset[str], now: frozenset[str]) -> Iterator[Line]:
    """Each warning when it appears and when it goes."""
    for warning in sorted(now - before):
        yield logging.WARNING, warning
    for warning in sorted(before - now):
        yield logging.INFO, f"no longer: {warning}"
