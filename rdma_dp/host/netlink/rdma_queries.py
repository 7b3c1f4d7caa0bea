"""Ask the kernel by RDMA netlink (NLDEV) for what sysfs does not show about HCAs.

That is the netdev of each port, the network-namespace mode, the protocol, whether an HCA is an SMI
companion, which processes own queue pairs, and the counters of ports. No question needs a
capability.

Without ib_core nothing is asked: the first socket of this protocol would make the kernel load the
module (net/netlink/af_netlink.c, netlink_create), also in the middle of a driver's restart. No
socket stays open either, because ib_core cannot be unloaded while there is one.

pyroute2 takes long to import and opens an event loop for each socket, so it is imported with the
first question, and only after one socket has shown that the kernel has RDMA netlink.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from rdma_dp.errors import FAILED_READ
from rdma_dp.host.descriptors import check_descriptors, raise_if_exhausted
from rdma_dp.host.netlink import pyroute2_parts
from rdma_dp.host.netlink.values import NETLINK_RDMA, NetlinkView, QueuePairs
from rdma_dp.host.paths import CLASS_INFINIBAND

IB_CORE = Path("/", CLASS_INFINIBAND)  # there while ib_core is

# What pyroute2 opens: the epoll and the pair of sockets of an event loop, and the socket itself.
_DESCRIPTORS = 4

_ACTION = "ask RDMA netlink"

R = TypeVar("R")


def query() -> NetlinkView | None:
    """What the kernel reports about HCAs; None without RDMA netlink. Raises ExhaustedError."""
    return asked(lambda nldev: nldev.ask_view())


def query_queue_pairs() -> Mapping[str, QueuePairs] | None:
    """The owners of queue pairs by HCA name; None without RDMA netlink. Raises ExhaustedError.

    An HCA for which the kernel does not report queue pairs is not in the mapping. The kernel shows
    a process only to a reader that sees it in its own PID namespace.
    """
    return asked(lambda nldev: nldev.ask_resources(nldev.queue_pairs))


def query_objects() -> Mapping[str, Mapping[str, int]] | None:
    """How many objects of each type (qp, cq, mr, pd, ctx, cm_id, srq) the kernel has, by HCA name.

    The types have the kernel's names (drivers/infiniband/core/nldev.c, fill_res_info). None without
    RDMA netlink. Raises ExhaustedError.
    """
    return asked(lambda nldev: nldev.ask_resources(nldev.objects))


def prepare() -> None:
    """Imports what the questions need, if there is RDMA netlink. The first question may do so."""
    with suppress(*FAILED_READ):  # the first question reports it
        asked(lambda _: None)


def asked(question: Callable[[ModuleType], R]) -> R | None:
    """The answer to a question to nldev.py; None without RDMA netlink. Raises ExhaustedError."""
    try:
        if not IB_CORE.is_dir():
            return None
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_RDMA):
            pass
        check_descriptors(_DESCRIPTORS, _ACTION)
        pyroute2_parts.load()
        from rdma_dp.host.netlink import nldev  # noqa: PLC0415

        return question(nldev)
    except OSError as error:
        raise_if_exhausted(error, _ACTION)
        return None
    except ImportError as error:
        raise_if_exhausted(error, _ACTION)
        raise
