"""Whether slots are Healthy: whether the devices that Allocate hands out work. Pure.

Every scan computes it from the new inventory, so slots recover by themselves. Slots become
Unhealthy when their last ACTIVE port has been lost for `down_seconds`. They become Healthy again as
soon as a port is ACTIVE.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rdma_dp import config
from rdma_dp.inventory.hardware import FunctionType, Hca, Port
from rdma_dp.inventory.verdicts import Unhealthy, UnhealthyCode


@dataclass(frozen=True, slots=True)
class GroupHealth:
    """The health of a slot group at one moment.

    `reason` is why the slots are Unhealthy, or will be soon. `down_since` is when the last ACTIVE
    port was lost, `overdue_at` when the slots become Unhealthy for it, both in seconds of the
    caller's clock.
    """

    healthy: bool
    reason: Unhealthy | None = None
    down_since: float | None = None
    overdue_at: float | None = None


def assess(
    hcas: tuple[Hca, ...], rules: config.Health, previous: GroupHealth | None, now: float
) -> GroupHealth:
    """The health of slots that hand out these HCAs, whose device nodes are all there.

    `previous` is the health at the last scan. Slots that start without an ACTIVE port are Unhealthy
    at once.
    """
    if not hcas:
        return GroupHealth(healthy=False)
    if not rules.require_active_port or any(map(has_active_port, hcas)):
        return GroupHealth(healthy=True)
    subject = "no HCA has an ACTIVE port" if len(hcas) > 1 else "no ACTIVE port"
    text = f"{subject}: {'; '.join(map(describe_ports, hcas))}"
    reason = Unhealthy(UnhealthyCode.NO_ACTIVE_PORT, text)
    if previous is None or not previous.healthy:
        return GroupHealth(healthy=False, reason=reason)
    since = now if previous.down_since is None else previous.down_since
    overdue_at = since + rules.down_seconds
    if now >= overdue_at:
        return GroupHealth(healthy=False, reason=reason, down_since=since)
    return GroupHealth(healthy=True, reason=reason, down_since=since, overdue_at=overdue_at)


def has_active_port(hca: Hca) -> bool:
    """Whether a port is ACTIVE. An HCA without ports, and a port without a state, count as up."""
    return not hca.ports or any(port.state in (None, "ACTIVE") for port in hca.ports)


def describe_ports(hca: Hca) -> str:
    """The states of an HCA's ports with their causes: "mlx5_0 port 1 is DOWN (...)"."""
    return f"{hca.name} {', '.join(_describe_port(hca, port) for port in hca.ports)}"


def _describe_port(hca: Hca, port: Port) -> str:
    why = "; ".join(_explanations(hca, port))
    return f"port {port.number} is {port.state or 'unknown'}{f' ({why})' if why else ''}"


def _explanations(hca: Hca, port: Port) -> Iterator[str]:
    if port.link_layer == "InfiniBand":
        if port.state == "INIT" and hca.function_type in (FunctionType.VF, FunctionType.SF):
            yield "no subnet manager serves this VF or SF"
        elif port.state == "INIT":
            yield "the cable is good, but no subnet manager answers"
        return  # the state does not depend on the IPoIB netdev
    for name in links_down(hca, port.netdevs):
        yield f"{name} is administratively down: `ip link set {name} up`"


def links_down(hca: Hca, names: Iterable[str]) -> list[str]:
    """Those of an HCA's netdevs in `names` that are administratively down."""
    down = {netdev.name for netdev in hca.netdevs if netdev.admin_up is False}
    return [name for name in names if name in down]
