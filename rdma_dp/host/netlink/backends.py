"""What answers the netlink questions of a scan: the kernel, a recorded value, or nothing.

A scan asks each of them in the same way.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from rdma_dp.host.netlink.values import NetlinkView

Altnames = Mapping[str, tuple[str, ...]]


class Netlink(Protocol):
    """What a scan asks over netlink."""

    def rdma(self) -> NetlinkView | None:
        """HCAs and the network-namespace mode; None when the host has no RDMA netlink."""

    def altnames(self, netdevs: Iterable[str]) -> Altnames:
        """The alternative names of those netdevs that have any."""


class KernelNetlink:
    """The kernel of this machine. Raises ExhaustedError when descriptors are used up."""

    # Imported by the first question: most trees need no netlink, and links.py needs host/files.py.

    def rdma(self) -> NetlinkView | None:
        """As the kernel answers now."""
        from rdma_dp.host.netlink import rdma_queries  # noqa: PLC0415

        return rdma_queries.query()

    def altnames(self, netdevs: Iterable[str]) -> Altnames:
        """As the kernel answers now."""
        from rdma_dp.host.netlink import links  # noqa: PLC0415

        return links.query_altnames(netdevs)


@dataclass(frozen=True, slots=True)
class RecordedNetlink:
    """Answers from a value. `view` is None for a host without netlink, such as a directory."""

    view: NetlinkView | None = None

    def rdma(self) -> NetlinkView | None:
        """As recorded."""
        return self.view

    def altnames(self, netdevs: Iterable[str]) -> Altnames:
        """As recorded."""
        known = self.view.altnames if self.view else {}
        return {netdev: known[netdev] for netdev in netdevs if netdev in known}


class RecordingNetlink:
    """Asks another source each question once and remembers the answer."""

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink
        self._answers: list[NetlinkView | None] = []
        self._altnames: dict[str, tuple[str, ...]] = {}

    def rdma(self) -> NetlinkView | None:
        """As the first answer of the other source."""
        if not self._answers:
            self._answers.append(self._netlink.rdma())
        return self._answers[0]

    def altnames(self, netdevs: Iterable[str]) -> Altnames:
        """As the first answer of the other source about each netdev."""
        asked = list(netdevs)
        unknown = [netdev for netdev in asked if netdev not in self._altnames]
        if unknown:
            found = self._netlink.altnames(unknown)
            self._altnames |= {netdev: found.get(netdev, ()) for netdev in unknown}
        return {netdev: self._altnames[netdev] for netdev in asked if self._altnames[netdev]}

    def view(self) -> NetlinkView | None:
        """All answers so far, as one value; None when there were none."""
        answer = self._answers[0] if self._answers else None
        altnames = {netdev: names for netdev, names in self._altnames.items() if names}
        return replace(answer or NetlinkView(), altnames=altnames) if answer or altnames else None
