"""What changed between two pools, in lines for the log. Pure."""

from collections.abc import Iterator

from rdma_dp.sharing.allocation import grant
from rdma_dp.sharing.pool import Pool
from rdma_dp.text import some

_SHOWN = 3  # reasons in one line


def describe(previous: Pool | None, pool: Pool) -> Iterator[str]:
    """A line per change that matters; none when a scan found nothing new."""
    name = pool.resource.full_name
    if previous is None or _headline(previous) != _headline(pool):
        yield f"{name}: {_state(pool)}{_difference(previous, pool)}"
        return
    if previous.why_empty != pool.why_empty:
        yield f"{name}: still no usable HCA: {pool.why_empty}"
    if pool.withheld_because is not None and previous.reasons != pool.reasons:
        yield f"{name}: still no slot is healthy: {some(pool.reasons, _SHOWN)}"
    yield from (f"{name}: {line}" for line in _grace(previous, pool))
    devices = grant(pool).devices
    if pool.hcas and grant(previous).devices != devices:
        yield f"{name}: device nodes are now {', '.join(devices)}"


def _headline(pool: Pool) -> tuple[object, ...]:
    return pool.healthy, pool.listed, _places(pool), pool.withheld_because is None


def _state(pool: Pool) -> str:
    counts = f"{pool.healthy} of {pool.listed} slots healthy"
    if not pool.hcas:
        return f"{counts}: {'; '.join(filter(None, (pool.why_empty, pool.withheld_because)))}"
    reasons = "" if pool.all_healthy else f" ({some(pool.reasons, _SHOWN)})"
    return f"{counts}, HCAs {', '.join(_names(pool))}{reasons}"


def _difference(previous: Pool | None, pool: Pool) -> str:
    if previous is None:
        return ""
    before, now = _places(previous), _places(pool)
    kinds = {
        "lost": [name for name in before if name not in now],
        "found": [name for name in now if name not in before],
        "elsewhere now:": [name for name in now if before.get(name, now[name]) != now[name]],
    }
    parts = [f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names]
    return f" ({'; '.join(parts)})" if parts else ""


def _grace(previous: Pool, pool: Pool) -> Iterator[str]:
    """Lost ports that do not count yet, and those that came back in time."""
    for key, last in previous.slot_groups.items():
        share = pool.slot_groups[key]
        before, now = last.health, share.health
        if before.down_since is None and now.overdue_at is not None:
            yield f"{now.reason}; Unhealthy in {pool.resource.health.down_seconds} s"
        elif before.overdue_at is not None and now.down_since is None and share.hcas:
            of = f" of {', '.join(hca.name for hca in share.hcas)}" if key is not None else ""
            yield f"a port{of} is ACTIVE again, the slots stay healthy"


def _names(pool: Pool) -> list[str]:
    return [hca.name for hca in pool.hcas]


def _places(pool: Pool) -> dict[str, str]:
    """Where each HCA sits: names may change places."""
    return {hca.name: hca.stable_key for hca in pool.hcas}
