"""Reads the counters of HCAs twice, some seconds apart, and compares: which grew, and by how much.

Each reading is a command to the adapter's firmware, so it is done only when a person asks for it.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from rdma_dp.host.files import Host
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.hardware import Hca

# From ports/N/counters, InfiniBand's performance management (kernel
# drivers/infiniband/core/sysfs.c), and from ports/N/hw_counters, whose names each driver chooses
# (mlx5/counters.c). Counters of traffic are left out: they grow on a healthy port.
ERRORS = frozenset(
    {
        "symbol_error",
        "link_error_recovery",
        "link_downed",
        "port_rcv_errors",
        "port_rcv_remote_physical_errors",
        "port_xmit_discards",
        "port_xmit_constraint_errors",
        "port_rcv_constraint_errors",
        "local_link_integrity_errors",
        "excessive_buffer_overrun_errors",
        "VL15_dropped",
        "duplicate_request",
        "implied_nak_seq_err",
        "local_ack_timeout_err",
        "out_of_buffer",
        "out_of_sequence",
        "packet_seq_err",
        "rnr_nak_retry_err",
        "rx_icrc_encapsulated",
        "roce_adp_retrans",
        "roce_adp_retrans_to",
        "roce_slow_restart",
    }
)
CONGESTION = frozenset(
    {
        "port_xmit_wait",
        "np_cnp_sent",
        "np_ecn_marked_roce_packets",
        "rp_cnp_handled",
        "rp_cnp_ignored",
    }
)
_DIRECTORIES = ("counters", "hw_counters")

Counter = tuple[str, int, str]  # an HCA, the number of its port, the name of the counter
Reading = Mapping[Counter, int]


@dataclass(frozen=True, slots=True)
class Growth:
    """What two readings have in common, and what grew between them.

    `by` maps the counters that grew to their growth. `readable` is the number of counters that
    both readings have. `live` is False for a captured host, whose files never change.
    """

    seconds: float
    live: bool
    readable: int
    by: Mapping[Counter, int]


def watch(
    host: Host, hcas: Iterable[Hca], seconds: float, wait: Callable[[float], None] = time.sleep
) -> Growth:
    """Reads the counters of the HCAs twice, `seconds` apart."""
    found = tuple(hcas)
    before = read(host, found)
    if host.live:
        wait(seconds)
    return growth(before, read(host, found), seconds, live=host.live)


def growth(before: Reading, after: Reading, seconds: float, *, live: bool) -> Growth:
    """What grew. A counter that is smaller than before was reset, and is ignored."""
    both = [counter for counter, value in after.items() if value >= before.get(counter, value + 1)]
    by = {each: after[each] - before[each] for each in both if after[each] > before[each]}
    return Growth(seconds, live, len(both), by)


def read(host: Host, hcas: Iterable[Hca]) -> Reading:
    """The counters of errors and congestion that hold a number, and not "N/A (no PMA)"."""
    found = {}
    for hca in hcas:
        for port in hca.ports:
            directory = f"{CLASS_INFINIBAND}/{hca.name}/ports/{port.number}"
            for name, path in _counters(host, directory):
                value = host.read_int_or_none(path)
                if value is not None:
                    found[hca.name, port.number, name] = value
    return found


def _counters(host: Host, directory: str) -> Iterable[tuple[str, str]]:
    for below in _DIRECTORIES:
        for name in host.entries(f"{directory}/{below}"):
            if name in ERRORS or name in CONGESTION:
                yield name, f"{directory}/{below}/{name}"
