"""Which netdevs matter to HCAs: an event of a pod's netdev asks for no scan.

A netdev of a pod is recognized by its kind. A netdev that belongs to an HCA matters, whatever its
kind is: Soft-RoCE and Soft-iWARP run over any. When one is added over it, the HCA has an event too.
"""

from collections.abc import Collection, Set

# Kinds that CNI plugins, kube-proxy and container runtimes make for pods and services
# (IFLA_INFO_KIND; `ip link help` lists all). Left out is what a driver can make part of an HCA
# (bond, ipoib), and what has no kind: netdevs of devices.
POD_KINDS = frozenset(
    {
        *("veth", "bridge", "dummy", "ifb", "tun", "wireguard", "vxlan", "geneve", "ipip"),
        *("macvlan", "macvtap", "ipvlan", "ipvtap"),
    }
)


class RelevantLinks:
    """Decides for each event of a netdev, and knows the netdevs of the newest scan.

    Before the first scan every netdev matters.
    """

    def __init__(self) -> None:
        self._of_hcas: Set[str] | None = None
        self._scanning = False
        self._passed_over: set[str] = set()

    def matters(self, kind: str | None, name: str) -> bool:
        """Whether a change of a netdev of this kind asks for a scan."""
        return kind not in POD_KINDS or self.any_of_hca([name])

    def any_of_hca(self, names: Collection[str]) -> bool:
        """Whether one of these names is that of an HCA's netdev."""
        if self._of_hcas is None or not self._of_hcas.isdisjoint(names):
            return True
        if self._scanning:
            self._passed_over.update(names)
        return False

    def scan_begins(self) -> None:
        """The scan that begins may find that other netdevs belong to HCAs."""
        self._scanning = True

    def scan_ended(self, of_hcas: Set[str]) -> bool:
        """Takes the HCAs' netdevs. Returns whether an event of one was passed over in the scan."""
        missed = not of_hcas.isdisjoint(self._passed_over)
        self._of_hcas, self._scanning, self._passed_over = of_hcas, False, set()
        return missed
