"""The ports of an HCA that a resource means. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from rdma_dp.inventory.hardware import Hca, Port


def fitting_ports(hca: Hca, fits: Callable[[Hca], bool]) -> tuple[Port, ...] | None:
    """The ports that the selectors fit; None if these are all ports, or none.

    They fit a port if they match the HCA with this port alone, which `fits` decides. So a selector
    that is not about ports fits all of them.
    """
    if len(hca.ports) < 2:
        return None
    fitting = tuple(port for port in hca.ports if fits(with_ports(hca, [port])))
    return fitting if 0 < len(fitting) < len(hca.ports) else None


def with_ports(hca: Hca, ports: Sequence[Port]) -> Hca:
    """The HCA with these of its ports, without the netdevs of the others."""
    own = {name for port in ports for name in port.netdevs}
    others = {name for port in hca.ports for name in port.netdevs} - own
    others |= {name for n in hca.netdevs if n.name in others for name in n.altnames}
    return replace(
        hca,
        ports=tuple(ports),
        netdevs=tuple(netdev for netdev in hca.netdevs if netdev.name not in others),
        pf_names=tuple(name for name in hca.pf_names if name not in others),
    )
