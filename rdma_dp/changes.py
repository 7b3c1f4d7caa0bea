"""What changed between two pools, in lines for the log. Pure."""

from collections.abc import Iterator

from rdma_dp.allocation import grant
from rdma_dp.pool import Pool
from rdma_dp.selection import some

_TOLD = 3  # reasons in one line


def describe(previous: Pool | None, pool: Pool) -> Iterator[str]:
    """A line per change that matters; none when a scan found nothing new."""
    name = pool.resource.full_name
    if previous is None or _headline(previous) != _headline(pool):
        yield f"{name}: {_state(pool)}{_difference(previous, pool)}"
        return
    if previous.why_empty != pool.why_empty:
        yield f"{name}: still no usable HCA: {pool.why_empty}"
    yield from (f"{name}: {line}" for line in _grace(previous, pool))
    devices = grant(pool).devices
    if pool.hcas and grant(previous).devices != devices:
        yield f"{name}: device nodes are now {', '.join(devices)}"


def _headline(pool: Pool) -> tuple[int, int, list[str]]:
    return pool.healthy, pool.listed, _names(pool)


def _state(pool: Pool) -> str:
    counts = f"{pool.healthy} of {pool.listed} slots healthy"
    if not pool.hcas:
        return f"{counts}: {pool.why_empty}"
    reasons = "" if pool.all_healthy else f" ({some(pool.reasons, _TOLD)})"
    return f"{counts}, HCAs {', '.join(_names(pool))}{reasons}"


def _difference(previous: Pool | None, pool: Pool) -> str:
    if previous is None:
        return ""
    before, now = _names(previous), _names(pool)
    lost = [name for name in before if name not in now]
    found = [name for name in now if name not in before]
    parts = [f"lost {', '.join(lost)}"] * bool(lost) + [f"found {', '.join(found)}"] * bool(found)
    return f" ({'; '.join(parts)})" if parts else ""


def _grace(previous: Pool, pool: Pool) -> Iterator[str]:
    """Lost ports that do not count yet, and those that came back in time."""
    for key, last in previous.shares.items():
        share = pool.shares[key]
        before, now = last.health, share.health
        if before.down_since is None and now.overdue_at is not None:
            yield f"{now.reason}; Unhealthy in {pool.resource.health.down_seconds} s"
        elif before.overdue_at is not None and now.down_since is None:
            of = f" of {', '.join(hca.name for hca in share.hcas)}" if key is not None else ""
            yield f"a port{of} is ACTIVE again, the slots stay healthy"


def _names(pool: Pool) -> list[str]:
    return [hca.name for hca in pool.hcas]
