"""Events of the live kernel: uevents and link events. Each event asks for one full scan.

Neither the payload nor the order of events says what has changed. An event may name an HCA that
udev renames at that moment, and a socket that overruns (ENOBUFS) has lost some events. Only an
event of a netdev that belongs to no HCA is passed over: see relevant_links.py.
"""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from rdma_dp.aio.backoff import Backoff
from rdma_dp.aio.latest import Latest
from rdma_dp.errors import FAILED_READ
from rdma_dp.host.descriptors import check_descriptors, raise_if_exhausted
from rdma_dp.host.netlink.links import links_in
from rdma_dp.host.relevant_links import RelevantLinks
from rdma_dp.log import Notice

logger = logging.getLogger(__name__)

# What can add, remove or rename an HCA, its nodes or its netdevs; rdma_cm is a misc device.
_SUBSYSTEMS = (
    "infiniband",
    "infiniband_verbs",
    "infiniband_mad",
    "hfi1_user",
    "ipath",
    "misc",
    "net",
    "pci",
    "auxiliary",
)

_RTMGRP_LINK = 1  # kernel include/uapi/linux/rtnetlink.h: links made, removed, changed
_LARGEST_DATAGRAM = 65536  # bytes

# The directory of devices that no hardware has.
_VIRTUAL = "/devices/virtual/net/"

UEVENTS, LINK_EVENTS = "uevents", "link events"

# user_namespaces(7): of the initial user namespace. The kernel sends uevents only to network
# namespaces that it owns (lib/kobject_uevent.c, uevent_net_broadcast), but others can listen, too.
_UID_MAP = Path("/proc/self/uid_map")
_ALL_IDS = ["0", "0", "4294967295"]

# What one source of events opens: a uevent monitor, its copy, and what libudev needs to start.
_DESCRIPTORS = 4

Wake = Callable[[], None]
Broken = asyncio.Future[None]  # of a source that was open
Source = Callable[[Wake, Broken], AbstractContextManager[None]]

# Reads one event. None if there is none, else whether the event asks for a scan.
ReadOne = Callable[[], bool | None]


def kernel_sources(links: RelevantLinks) -> Mapping[str, Source]:
    """The sources of events of this machine, as they are named in the log."""
    return {UEVENTS: partial(uevents, links), LINK_EVENTS: partial(link_events, links)}


async def keep_following(
    wake: Wake,
    sources: Mapping[str, Source],
    backoff: Backoff | None = None,
    *,
    heard: Latest[frozenset[str]] | None = None,
) -> None:
    """As `follow`, but opens the sources again after a failure, until cancelled.

    The log reports a failure once. `wake` is called after each failure: events were lost. `heard`
    has the names of the sources that are open and get all events, at each moment.
    """
    heard = heard or Latest(frozenset[str]())
    backoff = backoff or Backoff()
    notice = Notice(logger.warning)
    said = set[str]()

    def warn(text: str) -> None:
        if text not in said:
            said.add(text)
            logger.warning("%s", text)

    def woken() -> None:
        notice.set(None)
        wake()

    while True:
        try:
            await follow(woken, sources, warn, heard)
        except FAILED_READ as error:
            notice.set(
                f"kernel events: {error}; changes are seen by the timer until they work again"
            )
        await asyncio.sleep(backoff.delay())
        wake()


def _warn(text: str) -> None:
    logger.warning("%s", text)


async def follow(
    wake: Wake,
    sources: Mapping[str, Source],
    warn: Callable[[str], None] = _warn,
    heard: Latest[frozenset[str]] | None = None,
) -> None:
    """Call `wake` at every event, until cancelled.

    A source that cannot be opened (no uevents in a user namespace, no netlink) is logged once, and
    its changes are found by the timers. Raises ExhaustedError when descriptors or memory are used
    up, and OSError when a source breaks after it was opened. `sources` are named as in the log.
    """
    heard = heard or Latest(frozenset[str]())
    broken = asyncio.get_running_loop().create_future()
    with ExitStack() as stack:
        stack.callback(heard.set, frozenset[str]())
        opened = set()
        for name, source in sources.items():
            check_descriptors(_DESCRIPTORS, f"listen to {name}")
            try:
                stack.enter_context(source(wake, broken))
                opened.add(name)
            except (OSError, ImportError) as error:
                raise_if_exhausted(error, f"listen to {name}")
                warn(f"no {name}: {error}; changes are seen by the timer only")
        heard.set(frozenset(opened if _sends_uevents() else opened - {UEVENTS}))
        await broken


def _sends_uevents() -> bool:
    """Whether the kernel sends uevents to this process: not into other user namespaces."""
    try:
        return _UID_MAP.read_text().split() == _ALL_IDS
    except OSError:
        return False


@contextmanager
def uevents(links: RelevantLinks, wake: Wake, broken: Broken) -> Iterator[None]:
    """Device events of the kernel. Raises OSError, and ImportError without libudev."""
    # pyudev raises ImportError where libudev is missing, as in a minimal image.
    import pyudev  # noqa: PLC0415

    # "kernel", because "udev" sends no events where no udevd runs, as in a container.
    monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="kernel")
    for subsystem in _SUBSYSTEMS:
        monitor.filter_by(subsystem)
    monitor.start()

    def read_one() -> bool | None:
        device = monitor.poll(timeout=0)
        return None if device is None else device_matters(links, device.properties)

    with (
        socket.socket(fileno=os.dup(monitor.fileno())) as events,
        reader(events, read_one, wake, broken),
    ):
        yield


def device_matters(links: RelevantLinks, properties: Mapping[str, str]) -> bool:
    """Whether a uevent asks for a scan. The netdevs of hardware do, and all other devices.

    A virtual netdev has no kind in its uevent. It causes a link event too, which has one. But only
    the uevent has the old name when a netdev is renamed (kernel lib/kobject.c, kobject_rename).
    """
    try:
        paths = [properties.get(name, "") for name in ("DEVPATH", "DEVPATH_OLD")]
    except UnicodeDecodeError:  # pyudev decodes strictly, and a netdev's name can be any bytes
        return True
    if not paths[0].startswith(_VIRTUAL):
        return True
    return links.any_of_hca([path.rpartition("/")[2] for path in paths if path])


@contextmanager
def link_events(links: RelevantLinks, wake: Wake, broken: Broken) -> Iterator[None]:
    """Changes of netdevs, from rtnetlink. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.setblocking(False)
        link.bind((0, _RTMGRP_LINK))

        def read_one() -> bool | None:
            datagram = link.recv(_LARGEST_DATAGRAM)
            found = [links.matters(kind, name) for name, kind in links_in(datagram)]
            return any(found) if datagram else None

        with reader(link, read_one, wake, broken):
            yield


@contextmanager
def reader(events: socket.socket, read_one: ReadOne, wake: Wake, broken: Broken) -> Iterator[None]:
    """Calls `wake` when an event asks for a scan.

    `broken` gets the OSError of a source that fails.
    """

    def read() -> None:
        try:
            if drained(events, read_one):
                wake()
        except OSError as error:
            loop.remove_reader(events)
            if not broken.done():
                broken.set_exception(error)

    loop = asyncio.get_running_loop()
    loop.add_reader(events, read)
    try:
        yield
    finally:
        loop.remove_reader(events)


def drained(events: socket.socket, read_one: ReadOne) -> bool:
    """Read until nothing is left. True if at least one event asks for a scan."""
    found = False
    while True:
        try:
            matters = read_one()
            if matters is None:
                return found
            found = found or matters
        except BlockingIOError:
            return found
        except OSError as error:
            if not _overrun(events, error):
                raise
            logger.info("kernel events came faster than they were read; scanning again")
            found = True


def _overrun(events: socket.socket, error: OSError) -> bool:
    # pyudev raises an error without errno, again and again until SO_ERROR is read.
    pending = events.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return errno.ENOBUFS in (error.errno, pending)
