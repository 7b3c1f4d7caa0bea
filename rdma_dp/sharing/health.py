"""Whether slots are Healthy: would Allocate hand out something that works? Pure.

Computed anew from the newest inventory at every scan, so it recovers by itself. Losing the last
ACTIVE port counts only when it lasts; regaining one counts at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rdma_dp import config
from rdma_dp.inventory.hardware import Hca, Port
from rdma_dp.inventory.verdicts import Unhealthy, UnhealthyCode


@dataclass(frozen=True, slots=True)
class GroupHealth:
    """The verdict at one moment.

    `reason` is why the slots are not Healthy, or soon will not be. `down_since` is the moment
    when the last ACTIVE port was lost, `overdue_at` the moment when that begins to count, both in
    seconds of the caller's clock.
    """

    healthy: bool
    reason: Unhealthy | None = None
    down_since: float | None = None
    overdue_at: float | None = None


def assess(
    hcas: tuple[Hca, ...], rules: config.Health, previous: GroupHealth | None, now: float
) -> GroupHealth:
    """The health of slots that hand out these HCAs, whose device nodes are all there.

    `previous` is the verdict before this one. What begins without an ACTIVE port is not
    Healthy: there is nothing that it could lose.
    """
    if not hcas:
        return GroupHealth(healthy=False)
    if not rules.require_active_port or any(map(has_active_port, hcas)):
        return GroupHealth(healthy=True)
    nobody = "no HCA has an ACTIVE port" if len(hcas) > 1 else "no ACTIVE port"
    text = f"{nobody}: {'; '.join(map(describe_ports, hcas))}"
    reason = Unhealthy(UnhealthyCode.NO_ACTIVE_PORT, text)
    if previous is None or not previous.healthy:
        return GroupHealth(healthy=False, reason=reason)
    since = now if previous.down_since is None else previous.down_since
    overdue_at = since + rules.down_seconds
    if now >= overdue_at:
        return GroupHealth(healthy=False, reason=reason, down_since=since)
    return GroupHealth(healthy=True, reason=reason, down_since=since, overdue_at=overdue_at)


def has_active_port(hca: Hca) -> bool:
    """Whether a port is ACTIVE. Ports that tell no state count as up, and so do no ports."""
    return not hca.ports or any(port.state in (None, "ACTIVE") for port in hca.ports)


def describe_ports(hca: Hca) -> str:
    """The states of an HCA's ports with what explains them: "mlx5_0 port 1 is DOWN (...)"."""
    return f"{hca.name} {', '.join(_describe_port(hca, port) for port in hca.ports)}"


def _describe_port(hca: Hca, port: Port) -> str:
    why = "; ".join(_explanations(hca, port))
    return f"port {port.number} is {port.state or 'unknown'}{f' ({why})' if why else ''}"


def _explanations(hca: Hca, port: Port) -> Iterator[str]:
    if port.link_layer == "InfiniBand":
        if port.state == "INIT":
            yield "the cable is good, but no subnet manager answers"
        return  # an InfiniBand port is the subnet's affair, whatever becomes of IPoIB
    for name in links_down(hca, port.netdevs):
        yield f"{name} is administratively down: `ip link set {name} up`"


def links_down(hca: Hca, names: Iterable[str]) -> list[str]:
    """Those of an HCA's netdevs that an administrator, or nobody, has not set up."""
    down = {netdev.name for netdev in hca.netdevs if netdev.admin_up is False}
    return [name for name in names if name in down]
