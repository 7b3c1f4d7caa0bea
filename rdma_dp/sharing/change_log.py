"""The changes between two pools of a resource, as lines for the log. Pure."""

from collections.abc import Iterable, Iterator

from rdma_dp.inventory.verdicts import Unhealthy
from rdma_dp.sharing.allocation import grant
from rdma_dp.sharing.pool import Pool
from rdma_dp.text import NAMES_IN_LINE, some


def describe(previous: Pool | None, pool: Pool) -> Iterator[str]:
    """One line for each change that matters; no line if the scan found nothing new."""
    name = pool.resource.full_name
    if previous is None or _headline(previous) != _headline(pool):
        yield f"{name}: {_state(pool)}{_difference(previous, pool)}"
        return
    if previous.why_empty != pool.why_empty:
        yield f"{name}: still no usable HCA: {pool.why_empty}"
    if pool.withheld_because is not None and previous.reasons != pool.reasons:
        yield f"{name}: still no slot is healthy: {some(_texts(pool.reasons), NAMES_IN_LINE)}"
    yield from (f"{name}: {line}" for line in _down_delay(previous, pool))
    devices = grant(pool).devices
    if pool.hcas and grant(previous).devices != devices:
        yield f"{name}: device nodes are now {', '.join(devices)}"


def _headline(pool: Pool) -> tuple[object, ...]:
    return pool.healthy, pool.listed, _hardware_keys(pool), pool.withheld_because is None


def _state(pool: Pool) -> str:
    counts = f"{pool.healthy} of {pool.listed} slots healthy"
    if not pool.hcas:
        return f"{counts}: {'; '.join(filter(None, (pool.why_empty, *_texts(pool.reasons))))}"
    reasons = "" if pool.all_healthy else f" ({some(_texts(pool.reasons), NAMES_IN_LINE)})"
    return f"{counts}, HCAs {', '.join(_names(pool))}{reasons}"


def _difference(previous: Pool | None, pool: Pool) -> str:
    if previous is None:
        return ""
    before, now = _hardware_keys(previous), _hardware_keys(pool)
    changes = {
        "lost": [name for name in before if name not in now],
        "found": [name for name in now if name not in before],
        "at another PCI address now:": [
            name for name in now if before.get(name, now[name]) != now[name]
        ],
    }
    parts = [f"{change} {', '.join(names)}" for change, names in changes.items() if names]
    return f" ({'; '.join(parts)})" if parts else ""


def _down_delay(previous: Pool, pool: Pool) -> Iterator[str]:
    """Ports that are down for less than the down delay, and those that came back in time."""
    for key, last in previous.slot_groups.items():
        group = pool.slot_groups[key]
        before, now = last.health, group.health
        if before.down_since is None and now.overdue_at is not None:
            yield f"{now.reason}; Unhealthy in {pool.resource.health.down_seconds} s"
        elif before.overdue_at is not None and now.down_since is None and group.hcas:
            of = f" of {', '.join(hca.name for hca in group.hcas)}" if key is not None else ""
            yield f"a port{of} is ACTIVE again, the slots stay healthy"


def _texts(reasons: Iterable[Unhealthy]) -> tuple[str, ...]:
    return tuple(reason.text for reason in reasons)


def _names(pool: Pool) -> list[str]:
    return [hca.name for hca in pool.hcas]


def _hardware_keys(pool: Pool) -> dict[str, str]:
    """The hardware key of each HCA by its name: names can move from one HCA to another."""
    return {hca.name: hca.stable_key for hca in pool.hcas}
