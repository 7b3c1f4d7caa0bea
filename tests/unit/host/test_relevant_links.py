"""Events of pods' netdevs cause no scan; those of HCAs' netdevs do, whatever their kind is."""

import asyncio
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.host import events
from rdma_dp.host.netlink.links import links_in
from rdma_dp.host.relevant_links import POD_KINDS, RelevantLinks
from rdma_dp.inventory.hardware import Hca, Inventory, NetDevice, Port
from tests.logs import DEADLINE

NEWLINK, DELLINK, NEWADDR = 16, 17, 20  # include/uapi/linux/rtnetlink.h
IFNAME, LINKINFO, INFO_KIND = 3, 18, 1  # include/uapi/linux/if_link.h
BRIDGE = 7  # AF_BRIDGE


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def event(name: str, kind: str | None, *, event: int = NEWLINK, family: int = 0) -> bytes:
    """A message as the kernel sends it: rtnl_fill_ifinfo of net/core/rtnetlink.c."""
    body = struct.pack("=BxHiII", family, 1, 7, 0, 0) + attribute(IFNAME, name.encode() + b"\0")
    if kind is not None:
        body += attribute(LINKINFO, attribute(INFO_KIND, kind.encode()))
    return struct.pack("=IHHII", 16 + len(body), event, 0, 0, 0) + body


def after_a_scan(*of_hcas: str) -> RelevantLinks:
    links = RelevantLinks()
    links.scan_begins()
    assert not links.scan_ended(frozenset(of_hcas))
    return links


# --- decisions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(POD_KINDS))
def test_a_pods_netdev_does_not_matter_but_the_same_under_an_hca_does(kind: str) -> None:
    links = after_a_scan("eth0", "under-rxe")
    assert not links.matters(kind, "veth1234")
    assert links.matters(kind, "under-rxe")


@pytest.mark.parametrize("kind", [None, "bond", "vlan", "ipoib", "team", "a-new-kind"])
def test_a_netdev_of_another_kind_can_become_an_hcas(kind: str | None) -> None:
    """Of a PF, a VF, an SF and a representor the kernel reports no kind."""
    assert after_a_scan("eth0").matters(kind, "new0")


def test_before_the_first_scan_every_netdev_matters() -> None:
    links = RelevantLinks()
    assert links.matters("veth", "a")
    links.scan_begins()
    assert links.matters("veth", "a")


def test_an_event_during_the_scan_that_finds_an_hca_on_the_netdev_is_not_lost() -> None:
    links = after_a_scan("eth0")
    links.scan_begins()
    assert not links.matters("veth", "a")
    assert not links.any_of_hca(["new", "old"])
    assert links.scan_ended(frozenset({"eth0", "old"}))
    links.scan_begins()
    assert not links.scan_ended(frozenset({"eth0", "old"}))


def test_the_netdevs_of_an_inventory_are_those_of_hcas_and_ports() -> None:
    hca = Hca("rxe0", netdevs=(NetDevice("bond0"), NetDevice("eth0")), ports=(Port(1),))
    other = Hca("rxe1", ports=(Port(1, netdevs=("eth1",)),))
    assert Inventory((hca, other)).netdevs == {"bond0", "eth0", "eth1"}


@pytest.mark.parametrize(
    ("path", "old", "matters"),
    [
        ("/devices/virtual/net/veth1", None, False),
        ("/devices/virtual/net/under-rxe", None, True),
        ("/devices/virtual/net/renamed", "/devices/virtual/net/under-rxe", True),
        ("/devices/virtual/net/veth2", "/devices/virtual/net/veth1", False),
        ("/devices/pci0000:00/0000:00:03.0/net/eth7", None, True),
        ("/devices/virtual/infiniband/rxe0", None, True),
        ("/devices/virtual/misc/rdma_cm", None, True),
    ],
)
def test_uevents_of_virtual_netdevs_matter_by_the_new_and_the_old_name(
    path: str, old: str | None, matters: bool
) -> None:
    properties = {"DEVPATH": path} | ({"DEVPATH_OLD": old} if old else {})
    assert events.device_matters(after_a_scan("under-rxe"), properties) is matters


class Undecodable(dict[str, str]):
    """Properties as of pyudev, which decodes strictly."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ARG002 - as dict has it
        return b"/devices/virtual/net/bad\xff".decode()


def test_a_name_that_is_no_text_may_matter() -> None:
    assert events.device_matters(after_a_scan("under-rxe"), Undecodable())


# --- messages -------------------------------------------------------------------------------------


def test_each_message_of_a_datagram_is_read() -> None:
    datagram = (
        event("eth0", None)
        + event("veth1", "veth", event=DELLINK)
        + event("eth0", None, event=NEWADDR)
        + event("bond0", "bond")
    )
    assert list(links_in(datagram)) == [("eth0", None), ("veth1", "veth"), ("bond0", "bond")]


def test_what_a_bridge_reports_of_its_ports_is_left_out() -> None:
    assert list(links_in(event("veth1", None, family=BRIDGE))) == []


@given(st.binary(max_size=200), st.integers(0, 300))
def test_no_bytes_break_the_reading_of_events(data: bytes, length: int) -> None:
    whole = event("veth1", "veth") + event("eth0", None) + data
    for datagram in (data, whole[:length], event("a", "veth")[:20] + data):
        for name, kind in links_in(datagram):
            assert isinstance(name, str)
            assert kind is None or isinstance(kind, str)


# --- a source of events ---------------------------------------------------------------------------


class Kernel:
    """Link events whose socket the test has the other end of, and what they wake."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, links: RelevantLinks) -> None:
        self.ours, theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        opened = _Bound(theirs)
        monkeypatch.setattr(socket, "socket", lambda *_: opened)
        self._theirs = theirs
        self.woken = asyncio.Event()
        self.source = partial(events.link_events, links)

    @contextmanager
    def open(self) -> Iterator[None]:
        broken = asyncio.get_running_loop().create_future()
        with self.ours, self.source(self.woken.set, broken):
            yield

    async def sends(self, datagram: bytes) -> None:
        """Returns when the datagram was read."""
        self.ours.send(datagram)
        async with asyncio.timeout(DEADLINE):
            while select.select([self._theirs], [], [], 0)[0]:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0)


class _Bound:
    """A socket for which bind has no meaning."""

    def __init__(self, inner: socket.socket) -> None:
        self._inner = inner

    def __enter__(self) -> "_Bound":
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.close()

    def bind(self, address: Any) -> None:
        """Nothing: the test is the kernel."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def test_a_thousand_events_of_pods_wake_nothing_and_the_hcas_event_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel = Kernel(monkeypatch, after_a_scan("eth0"))
    with kernel.open():
        for number in range(1000):
            await kernel.sends(event(f"veth{number}", "veth"))
        assert not kernel.woken.is_set()
        await kernel.sends(event("veth1", "veth") + event("eth0", None))
        assert kernel.woken.is_set()
