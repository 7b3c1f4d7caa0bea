"""What the counters of a port mean, whichever driver shows them: one table. Pure.

The kernel has two sets. ports/N/counters are those of InfiniBand's performance management, with the
same names for each driver that has them (kernel drivers/infiniband/core/sysfs.c). The names in
ports/N/hw_counters are the driver's own (kernel drivers/infiniband/hw/mlx5/counters.c,
mlx4/main.c, bnxt_re/hw_counters.c, irdma/verbs.c, efa/efa_verbs.c, and sw/rxe/rxe_hw_counters.c;
hfi1 and qib have what matters in the first set). No name has two meanings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

# In hw_counters, but no counters: a setting, and numbers of objects that exist now (bnxt_re).
_NO_COUNTERS = ("lifespan", "active_", "watermark_", "db_fifo_register")


class Kind(StrEnum):
    """What growth of a counter shows. Congestion means that congestion control works."""

    TRAFFIC = "traffic"
    ERROR = "error"
    CONGESTION = "congestion"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A counter under one name for all drivers.

    Each of `sources` is one driver's way to show it: the names whose values are added up.
    """

    name: str
    kind: Kind
    text: str
    sources: tuple[tuple[str, ...], ...]


def _meaning(name: str, kind: Kind, text: str, *sources: str) -> Meaning:
    return Meaning(name, kind, text, tuple(tuple(source.split()) for source in sources))


MEANINGS = (
    _meaning(
        "transmit_data_bytes",
        Kind.TRAFFIC,
        "Bytes of RDMA traffic sent.",
        *("port_xmit_data", "tx_bytes", "ip4OutOctets ip6OutOctets"),
    ),
    _meaning(
        "receive_data_bytes",
        Kind.TRAFFIC,
        "Bytes of RDMA traffic received.",
        *("port_rcv_data", "rx_bytes", "ip4InOctets ip6InOctets"),
    ),
    _meaning(
        "transmit_packets",
        Kind.TRAFFIC,
        "Packets of RDMA traffic sent.",
        *("port_xmit_packets", "tx_pkts", "sent_pkts", "ip4OutPkts ip6OutPkts"),
    ),
    _meaning(
        "receive_packets",
        Kind.TRAFFIC,
        "Packets of RDMA traffic received.",
        *("port_rcv_packets", "rx_pkts", "rcvd_pkts", "ip4InPkts ip6InPkts"),
    ),
    _meaning("link_downed", Kind.ERROR, "Times that the link went down.", "link_downed"),
    _meaning(
        "link_error_recovery",
        Kind.ERROR,
        "Times that the link recovered from errors by training again.",
        "link_error_recovery",
    ),
    _meaning(
        "symbol_errors",
        Kind.ERROR,
        "Symbols received with errors. Links with forward error correction have some.",
        "symbol_error",
    ),
    _meaning("receive_errors", Kind.ERROR, "Damaged packets received.", "port_rcv_errors"),
    _meaning(
        "transmit_discards",
        Kind.ERROR,
        "Packets that could not be sent and were dropped.",
        "port_xmit_discards",
    ),
    _meaning(
        "transmit_wait_ticks",
        Kind.CONGESTION,
        "Ticks in which data waited for credits of the peer.",
        "port_xmit_wait",
    ),
    _meaning(
        "local_link_integrity_errors",
        Kind.ERROR,
        "Times that local physical errors exceeded their limit.",
        "local_link_integrity_errors",
    ),
    _meaning(
        "excessive_buffer_overruns",
        Kind.ERROR,
        "Times that receive buffers overran for too long.",
        "excessive_buffer_overrun_errors",
    ),
    _meaning(
        "out_of_sequence",
        Kind.ERROR,
        "Packets received out of sequence.",
        *("out_of_sequence", "oos_drop_count", "Rcvd_Out_of_order_packets"),
        *("out_of_seq_request", "rq_num_oos"),
    ),
    _meaning(
        "sequence_naks",
        Kind.ERROR,
        "NAKs for sequence errors received: packets were sent again (irdma: segments sent again).",
        *("packet_seq_err", "seq_err_naks_rcvd", "Nak_Sequence_Error", "rcvd_seq_err"),
        *("sq_num_oos", "tcpRetransSegs", "RetransSegs"),
    ),
    _meaning(
        "ack_timeouts",
        Kind.ERROR,
        "Times that an acknowledgement did not arrive in time.",
        *("local_ack_timeout_err", "to_retransmits", "RTO", "retrans_timeout_events"),
        *("completer_retry_err", "sq_num_to"),
    ),
    _meaning(
        "rnr_naks",
        Kind.ERROR,
        "RNR NAKs received: the peer's receiver was not ready.",
        *("rnr_nak_retry_err", "rnr_naks_rcvd", "RNR_received", "rcvd_rnr_err", "sq_num_rnr"),
    ),
    _meaning(
        "retries_exhausted",
        Kind.ERROR,
        "Times that retries were used up, which ends a connection.",
        *("req_transport_retries_exceeded req_rnr_retries_exceeded", "max_retry_exceeded"),
        *("retry_exceeded_err retry_rnr_exceeded_err", "sq_num_tree sq_num_rree"),
        "unresponsive_remote_events",
    ),
    _meaning(
        "out_of_buffer",
        Kind.ERROR,
        "Packets dropped because no receive buffer was posted (efa: for any reason).",
        *("out_of_buffer", "rx_out_of_buffer", "rx_drops"),
    ),
    _meaning(
        "duplicates",
        Kind.ERROR,
        "Duplicate requests received.",
        *("duplicate_request", "dup_req", "rq_num_dup"),
    ),
    _meaning(
        "cnp_sent",
        Kind.CONGESTION,
        "Congestion notification packets sent.",
        *("np_cnp_sent", "tx_cnp_pkts", "np_cnp_pkts", "cnpSent"),
    ),
    _meaning(
        "cnp_handled",
        Kind.CONGESTION,
        "Congestion notification packets received and handled.",
        *("rp_cnp_handled", "rx_cnp_pkts", "cnpHandled"),
    ),
    _meaning(
        "ecn_marked",
        Kind.CONGESTION,
        "Packets received with an ECN mark.",
        *("np_ecn_marked_roce_packets", "rx_ecn_marked_pkts", "RxECNMrkd"),
    ),
    _meaning(
        "icrc_errors",
        Kind.ERROR,
        "RoCE packets received with a wrong ICRC.",
        *("rx_icrc_encapsulated", "CRC_errors"),
    ),
    _meaning(
        "slow_restarts",
        Kind.ERROR,
        "Times that a connection started slowly again after losses.",
        "roce_slow_restart",
    ),
)

# Counters without a name above whose growth still shows something.
_OTHERS = {
    Kind.ERROR: (
        *("port_rcv_remote_physical_errors", "port_xmit_constraint_errors"),
        *("port_rcv_constraint_errors", "VL15_dropped", "implied_nak_seq_err", "roce_adp_retrans"),
        *("roce_adp_retrans_to", "missing_resp", "rx_roce_errors", "rx_roce_discards"),
        *("tx_roce_errors", "tx_roce_discards", "unrecoverable_err", "Nak_Sequence_Error_Implied"),
        *("ip4InDiscards", "ip6InDiscards", "tcpInProtoErrors", "InProtoErrors", "rq_num_rnr"),
        *("send_err", "send_rnr_err", "RNR_sent"),
    ),
    Kind.CONGESTION: (
        *("rp_cnp_ignored", "cnpIgnored", "retrans_pkts", "impaired_remote_conn_events"),
    ),
}

_KINDS: Mapping[str, Kind] = MappingProxyType(
    {name: kind for kind, names in _OTHERS.items() for name in names}
    | {name: each.kind for each in MEANINGS for names in each.sources for name in names}
)
_NAMED = frozenset(name for each in MEANINGS for names in each.sources for name in names)


def table_name(name: str) -> str:
    """The name as in the tables: some kernels write irdma's names with spaces."""
    return name.replace(" ", "_")


def kind_of(name: str) -> Kind | None:
    """What growth of a driver's counter shows; None if it is not known."""
    return _KINDS.get(table_name(name))


def has_meaning(name: str) -> bool:
    """Whether a driver's counter is a part of one of MEANINGS."""
    return table_name(name) in _NAMED


def is_counter(name: str) -> bool:
    """Whether a file of counters/ or hw_counters/ is a counter with a name that can be shown."""
    return name.isascii() and name.isprintable() and not name.startswith(_NO_COUNTERS)
