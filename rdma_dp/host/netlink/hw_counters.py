"""All hw_counters of a port with one message of RDMA netlink (NLDEV STAT_GET).

The question needs no capability. Without RDMA netlink, and where the kernel refuses, the answer is
None: then the files in sysfs have the counters, with one read for each.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from rdma_dp.host.netlink import rdma_queries
from rdma_dp.host.netlink.nldev import Counters

Ask = Callable[[str, int], Counters | None]
"""The counters of a port, by the names of the HCA and the port. None without an answer."""


def no_answer(_: str, __: int) -> None:
    """For a host without netlink, such as a captured one."""


class HwCounters:
    """Remembers which ports the kernel refuses.

    It refuses a list that is longer than one page only after it has asked the adapter
    (kernel drivers/infiniband/core/nldev.c, stat_get_doit_stats_values: EMSGSIZE).
    """

    def __init__(self, *, live: bool) -> None:
        """`live`: whether to ask this machine's kernel at all."""
        self._live = live
        # By the index of the HCA: the kernel gives an HCA that it adds again another one.
        self._refused: set[tuple[int, int]] = set()

    @contextmanager
    def asking(self) -> Iterator[Ask]:
        """Opens one socket for all questions. Raises ExhaustedError."""
        with ExitStack() as stack:
            yield self._opened(stack)

    def _opened(self, stack: ExitStack) -> Ask:
        if not self._live:
            return no_answer
        opened = rdma_queries.counters_asked(stack, self._refused)
        return no_answer if opened is None else opened
