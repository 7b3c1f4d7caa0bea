"""What changed between two pools, in lines for the log. Pure."""

from collections.abc import Iterator

from rdma_dp.pool import Pool


def describe(previous: Pool | None, pool: Pool) -> Iterator[str]:
    """A line per change that matters; none when a scan found nothing new."""
    name = pool.resource.full_name
    if previous is None or _headline(previous) != _headline(pool):
        yield f"{name}: {_state(pool)}{_difference(previous, pool)}"
    elif previous.why_empty != pool.why_empty:
        yield f"{name}: still no usable HCA: {pool.why_empty}"
    elif previous.health.down_since is None and pool.health.overdue_at is not None:
        yield f"{name}: {pool.health.reason}; Unhealthy in {pool.resource.health.down_seconds} s"
    elif previous.health.overdue_at is not None and pool.health.down_since is None:
        yield f"{name}: a port is ACTIVE again, the slots stay healthy"
    elif _nodes(previous) != _nodes(pool):
        yield f"{name}: device nodes are now {', '.join(sorted(_nodes(pool)))}"


def _headline(pool: Pool) -> tuple[int, int, list[str]]:
    return pool.healthy, pool.listed, _names(pool)


def _state(pool: Pool) -> str:
    counts = f"{pool.healthy} of {pool.listed} slots healthy"
    if not pool.hcas:
        return f"{counts}: {pool.why_empty}"
    reason = "" if pool.health.healthy else f" ({pool.health.reason})"
    return f"{counts}, HCAs {', '.join(_names(pool))}{reason}"


def _difference(previous: Pool | None, pool: Pool) -> str:
    if previous is None:
        return ""
    before, now = _names(previous), _names(pool)
    lost = [name for name in before if name not in now]
    found = [name for name in now if name not in before]
    parts = [f"lost {', '.join(lost)}"] * bool(lost) + [f"found {', '.join(found)}"] * bool(found)
    return f" ({'; '.join(parts)})" if parts else ""


def _names(pool: Pool) -> list[str]:
    return [hca.name for hca in pool.hcas]


def _nodes(pool: Pool) -> frozenset[str]:
    nodes = [device for hca in pool.hcas for device in hca.char_devices]
    if pool.rdma_cm is not None:
        nodes.append(pool.rdma_cm)
    return frozenset(device.path for device in nodes if device.usable)
