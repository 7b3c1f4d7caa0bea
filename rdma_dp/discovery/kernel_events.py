"""Events of the live kernel: uevents and link events. Each only says "look again".

Neither the payload nor the order is trusted: an event may name an HCA that udev renames meanwhile,
and an overrun socket (ENOBUFS) has lost some. All of it means one full scan.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

logger = logging.getLogger(__name__)

# What can add, remove or rename an HCA, its nodes or its netdevs.
_SUBSYSTEMS = ("infiniband", "infiniband_verbs", "infiniband_mad", "net", "pci", "auxiliary")

_RTMGRP_LINK = 1  # kernel include/uapi/linux/rtnetlink.h: links made, removed, changed
_LARGEST_DATAGRAM = 65536  # bytes; what does not fit is cut off, and nobody reads it anyway

Wake = Callable[[], None]


async def follow(wake: Wake) -> None:
    """Calls `wake` at every event for as long as it runs.

    A source that cannot be opened (no uevents in a user namespace, no netlink) is logged once;
    timers find out later what it would have told.
    """
    with ExitStack() as stack:
        for name, source in (("uevents", _uevents), ("link events", _link_events)):
            try:
                stack.enter_context(source(wake))
            except (OSError, ImportError) as error:
                logger.warning("no %s: %s; changes are seen by the timer only", name, error)
        await asyncio.Event().wait()


@contextmanager
def _uevents(wake: Wake) -> Iterator[None]:
    # pyudev needs libudev, which a minimal image may lack: ImportError is one of the answers.
    import pyudev  # noqa: PLC0415

    # "kernel", because "udev" is silent where no udevd runs, as in a container.
    monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="kernel")
    for subsystem in _SUBSYSTEMS:
        monitor.filter_by(subsystem)
    monitor.start()

    def read() -> None:
        if _drained(lambda: monitor.poll(timeout=0) is not None):
            wake()

    with _reader(monitor.fileno(), read):
        yield


@contextmanager
def _link_events(wake: Wake) -> Iterator[None]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.setblocking(False)
        link.bind((0, _RTMGRP_LINK))

        def read() -> None:
            if _drained(lambda: bool(link.recv(_LARGEST_DATAGRAM))):
                wake()

        with _reader(link.fileno(), read):
            yield


def _drained(read_one: Callable[[], bool]) -> bool:
    """Reads until nothing is left; whether anything was there."""
    found = False
    while True:
        try:
            if not read_one():
                return found
        except BlockingIOError:
            return found
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            logger.info("the kernel's events came faster than they were read; looking again")
        found = True


@contextmanager
def _reader(descriptor: int, read: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
