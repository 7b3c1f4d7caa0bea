"""Ask the kernel by RDMA netlink (NLDEV) for what sysfs does not show about HCAs.

That is the netdev of each port, the network-namespace mode, the protocol, whether an HCA is an SMI
companion, which processes own queue pairs, and the counters of ports. No question needs a
capability.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TypeVar

from rdma_dp.host.descriptors import raise_if_exhausted
from rdma_dp.host.netlink import nldev
from rdma_dp.host.netlink.exchange import Ask, asking
from rdma_dp.host.netlink.values import NETLINK_RDMA, NetlinkView, QueuePairs

R = TypeVar("R")


def query() -> NetlinkView | None:
    """What the kernel reports about HCAs; None without RDMA netlink. Raises ExhaustedError."""
    return _answered(nldev.view)


def query_queue_pairs() -> Mapping[str, QueuePairs] | None:
    """The owners of queue pairs by HCA name; None without RDMA netlink. Raises ExhaustedError.

    An HCA for which the kernel does not report queue pairs is not in the mapping. The kernel shows
    a process only to a reader that sees it in its own PID namespace.
    """
    return _answered(nldev.queue_pairs)


def query_objects() -> Mapping[str, Mapping[str, int]] | None:
    """How many objects of each type (qp, cq, mr, pd, ctx, cm_id, srq) the kernel has, by HCA name.

    The types have the kernel's names (drivers/infiniband/core/nldev.c, fill_res_info). None without
    RDMA netlink. Raises ExhaustedError.
    """
    return _answered(nldev.objects)


def counters_asked(
    opened: ExitStack, refused: set[tuple[int, int]]
) -> Callable[[str, int], nldev.Counters | None] | None:
    """What asks for the counters of a port, with a socket that `opened` closes; see HwCounters.

    None without RDMA netlink. Raises ExhaustedError.
    """
    return _answered(lambda ask: nldev.counters(ask, refused), opened)


def _answered(question: Callable[[Ask], R], opened: ExitStack | None = None) -> R | None:
    """The answer; None without RDMA netlink. The socket is open until `opened` is closed."""
    try:
        with ExitStack() as own:
            return question((opened or own).enter_context(asking(NETLINK_RDMA)))
    except OSError as error:
        raise_if_exhausted(error, "ask RDMA netlink")
        return None
