"""The kernel's own monitor of RDMA devices (6.12 and newer) has no event for what is polled.

Constants are from the kernel's include/uapi/rdma/rdma_netlink.h.
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rdma_dp.host.netlink.values import NETLINK_RDMA
from tests.heavy.vm.inside import fabric
from tests.heavy.vm.inside.fabric import EXTRA_A, FABRIC_A

GROUP_NOTIFY = 4  # RDMA_NL_GROUP_NOTIFY
SYS_GET = (5 << 10) + 6  # RDMA_NL_NLDEV, RDMA_NLDEV_CMD_SYS_GET
MONITOR = (5 << 10) + 28  # RDMA_NLDEV_CMD_MONITOR
EVENT_TYPE = 102  # RDMA_NLDEV_ATTR_EVENT_TYPE
MONITOR_MODE = 103  # RDMA_NLDEV_SYS_ATTR_MONITOR_MODE
# enum rdma_nl_notify_event_type. The names of devices and netdevs since 6.14.
EVENTS = ("register", "unregister", "attach", "detach", "rename", "netdev rename")

NLM_F_REQUEST = 1  # include/uapi/linux/netlink.h
HEADER = struct.Struct("=IHHII")


def messages(link: socket.socket, kind: int) -> Iterator[dict[int, bytes]]:
    """The attributes of each message of this kind that the socket has."""
    while True:
        try:
            data = link.recv(65536)
        except BlockingIOError:
            return
        length, found, *_ = HEADER.unpack_from(data)
        if found == kind:
            yield dict(attributes(data[HEADER.size : length]))


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while data:
        length, kind = struct.unpack_from("=HH", data)
        yield kind, data[4:length]
        data = data[length + -length % 4 :]


class Monitor:
    """A socket that gets the events. The kernel sends them before a command returns."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def events(self) -> set[str]:
        """Those since the last call."""
        kinds = [found[EVENT_TYPE][0] for found in messages(self._link, MONITOR)]
        return {EVENTS[kind] for kind in kinds}


@contextmanager
def opened(groups: int = 0) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_RDMA) as link:
        link.bind((0, groups))
        link.setblocking(False)
        yield link


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    with opened() as link:
        link.send(HEADER.pack(HEADER.size, SYS_GET, NLM_F_REQUEST, 0, 0))
        (answer,) = messages(link, SYS_GET)
    if answer.get(MONITOR_MODE) != b"\1":
        pytest.skip("this kernel has no monitor of RDMA devices: 6.12 is the first")
    with opened(1 << (GROUP_NOTIFY - 1)) as link:
        yield Monitor(link)


def test_hcas_that_come_and_go_are_reported(monitor: Monitor) -> None:
    """They have uevents, too, which the daemon gets on every kernel."""
    with fabric.netdevs(EXTRA_A):
        fabric.plug(EXTRA_A)
        assert "register" in monitor.events()
        fabric.unplug(EXTRA_A)
        assert "unregister" in monitor.events()


def test_what_the_daemon_polls_is_not_reported(monitor: Monitor) -> None:
    """See discovery/polling.py: the mode of the network namespaces, and states of ports."""
    with fabric.exclusive_netns_mode():
        assert monitor.events() == set()
    assert monitor.events() == set()
    fabric.set_down(FABRIC_A.netdev)
    fabric.set_up(FABRIC_A.netdev)
    assert monitor.events() == set()


def test_other_names_are_reported_by_newer_kernels_only(monitor: Monitor) -> None:
    fabric.run("rdma", "dev", "set", FABRIC_A.name, "name", "rocep1s0")
    fabric.run("rdma", "dev", "set", "rocep1s0", "name", FABRIC_A.name)
    assert monitor.events() <= {"rename"}


def test_a_monitor_keeps_ib_core_in_use(monitor: Monitor) -> None:
    """So a daemon with one would stop an administrator from restarting a driver."""
    in_use = users("ib_core")
    with opened():
        assert users("ib_core") == in_use + 1
    assert monitor.events() == set()


def users(module: str) -> int:
    """How often a module is used, by modules and by open sockets."""
    return int(Path("/sys/module", module, "refcnt").read_text())
