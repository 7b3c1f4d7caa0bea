"""What the counters of a port mean, for each family of adapters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.inventory.counter_meanings import MEANINGS, Kind, has_meaning, is_counter, kind_of
from rdma_dp.inventory.port_counters import RawCounters, interpreted, parsed

SOURCES = [names for each in MEANINGS for names in each.sources]

# One port of each family: (counters/, hw_counters/, what they mean).
FAMILIES: dict[str, tuple[dict[str, int | None], dict[str, int | None], dict[str, int]]] = {
    "mlx5": (
        {"port_xmit_data": 10, "port_rcv_data": 20, "port_xmit_packets": 3, "symbol_error": 1},
        {
            "out_of_sequence": 1,
            "packet_seq_err": 2,
            "local_ack_timeout_err": 3,
            "rnr_nak_retry_err": 4,
            "req_transport_retries_exceeded": 5,
            "req_rnr_retries_exceeded": 6,
            "out_of_buffer": 7,
            "duplicate_request": 8,
            "np_cnp_sent": 9,
            "rp_cnp_handled": 10,
            "np_ecn_marked_roce_packets": 11,
            "rx_icrc_encapsulated": 12,
            "roce_slow_restart": 13,
            "rx_read_requests": 99,
        },
        {
            "transmit_data_bytes": 40,
            "receive_data_bytes": 80,
            "transmit_packets": 3,
            "symbol_errors": 1,
            "out_of_sequence": 1,
            "sequence_naks": 2,
            "ack_timeouts": 3,
            "rnr_naks": 4,
            "retries_exhausted": 11,
            "out_of_buffer": 7,
            "duplicates": 8,
            "cnp_sent": 9,
            "cnp_handled": 10,
            "ecn_marked": 11,
            "icrc_errors": 12,
            "slow_restarts": 13,
        },
    ),
    "mlx4": (
        {"port_xmit_data": 1, "link_downed": 2, "port_xmit_wait": 3},
        {
            "rq_num_oos": 1,
            "sq_num_oos": 2,
            "sq_num_to": 3,
            "sq_num_rnr": 4,
            "sq_num_tree": 5,
            "sq_num_rree": 6,
            "rq_num_dup": 7,
        },
        {
            "transmit_data_bytes": 4,
            "link_downed": 2,
            "transmit_wait_ticks": 3,
            "out_of_sequence": 1,
            "sequence_naks": 2,
            "ack_timeouts": 3,
            "rnr_naks": 4,
            "retries_exhausted": 11,
            "duplicates": 7,
        },
    ),
    "bnxt_re": (
        {},
        {
            "tx_bytes": 1,
            "rx_bytes": 2,
            "tx_pkts": 3,
            "rx_pkts": 4,
            "oos_drop_count": 5,
            "seq_err_naks_rcvd": 6,
            "to_retransmits": 7,
            "rnr_naks_rcvd": 8,
            "max_retry_exceeded": 9,
            "rx_out_of_buffer": 10,
            "dup_req": 11,
            "tx_cnp_pkts": 12,
            "rx_cnp_pkts": 13,
            "rx_ecn_marked_pkts": 14,
        },
        {
            "transmit_data_bytes": 1,
            "receive_data_bytes": 2,
            "transmit_packets": 3,
            "receive_packets": 4,
            "out_of_sequence": 5,
            "sequence_naks": 6,
            "ack_timeouts": 7,
            "rnr_naks": 8,
            "retries_exhausted": 9,
            "out_of_buffer": 10,
            "duplicates": 11,
            "cnp_sent": 12,
            "cnp_handled": 13,
            "ecn_marked": 14,
        },
    ),
    "irdma": (
        {},
        {
            "ip4OutOctets": 1,
            "ip6OutOctets": 2,
            "ip4InOctets": 3,
            "ip6InOctets": 4,
            "ip4OutPkts": 5,
            "ip6OutPkts": 6,
            "ip4OutMcastOctets": 100,
            "tcpRetransSegs": 7,
            "cnpSent": 8,
            "cnpHandled": 9,
            "cnpIgnored": 100,
            "RxECNMrkd": 10,
        },
        {
            "transmit_data_bytes": 3,
            "receive_data_bytes": 7,
            "transmit_packets": 11,
            "sequence_naks": 7,
            "cnp_sent": 8,
            "cnp_handled": 9,
            "ecn_marked": 10,
        },
    ),
    "irdma gen3, names with spaces": (
        {},
        {
            "RNR received": 1,
            "Nak Sequence Error": 2,
            "RTO": 3,
            "Rcvd Out of order packets": 4,
            "CRC errors": 5,
            "RetransSegs": 6,
        },
        {
            "rnr_naks": 1,
            "sequence_naks": 2,
            "ack_timeouts": 3,
            "out_of_sequence": 4,
            "icrc_errors": 5,
        },
    ),
    "efa": (
        {},
        {
            "tx_bytes": 1,
            "rx_bytes": 2,
            "tx_pkts": 3,
            "rx_pkts": 4,
            "rx_drops": 5,
            "rdma_read_bytes": 6,
            "retrans_timeout_events": 7,
            "unresponsive_remote_events": 8,
        },
        {
            "transmit_data_bytes": 1,
            "receive_data_bytes": 2,
            "transmit_packets": 3,
            "receive_packets": 4,
            "out_of_buffer": 5,
            "ack_timeouts": 7,
            "retries_exhausted": 8,
        },
    ),
    "hfi1 and qib": (
        {"port_xmit_data": 1, "port_rcv_packets": 2, "excessive_buffer_overrun_errors": 3},
        {},
        {"transmit_data_bytes": 4, "receive_packets": 2, "excessive_buffer_overruns": 3},
    ),
    "rxe": (
        {},
        {
            "sent_pkts": 1,
            "rcvd_pkts": 2,
            "duplicate_request": 3,
            "out_of_seq_request": 4,
            "rcvd_rnr_err": 5,
            "rcvd_seq_err": 6,
            "retry_exceeded_err": 7,
            "retry_rnr_exceeded_err": 8,
            "completer_retry_err": 9,
            "link_downed": 255,
        },
        {
            "transmit_packets": 1,
            "receive_packets": 2,
            "duplicates": 3,
            "out_of_sequence": 4,
            "rnr_naks": 5,
            "sequence_naks": 6,
            "retries_exhausted": 15,
            "ack_timeouts": 9,
            "link_downed": 255,
        },
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_counters_of_each_family_have_the_same_names(family: str) -> None:
    standard, own, meant = FAMILIES[family]
    found = interpreted(RawCounters(standard, own))
    assert found.values == meant
    assert found.saturated == ()  # also of rxe: its link_downed has 64 bits
    unnamed = {name for name in own if not has_meaning(name)}
    assert set(found.others) == unnamed


def test_no_counter_has_two_meanings_and_no_meaning_two_places() -> None:
    named = [name for names in SOURCES for name in names]
    assert len(named) == len(set(named))
    assert len({each.name for each in MEANINGS}) == len(MEANINGS)
    for names in SOURCES:
        assert all(kind_of(name) is not None for name in names)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("symbol_error", Kind.ERROR),
        ("VL15_dropped", Kind.ERROR),
        ("roce_adp_retrans", Kind.ERROR),
        ("to_retransmits", Kind.ERROR),
        ("Nak Sequence Error Implied", Kind.ERROR),
        ("rp_cnp_ignored", Kind.CONGESTION),
        ("port_xmit_wait", Kind.CONGESTION),
        ("port_xmit_data", Kind.TRAFFIC),
        ("rx_read_requests", None),
        ("req_cqe_flush_error", None),
    ],
)
def test_what_growth_shows(name: str, kind: Kind | None) -> None:
    assert kind_of(name) is kind


def test_a_sum_with_a_part_that_cannot_be_read_is_absent_and_no_smaller_number() -> None:
    parts = {"req_transport_retries_exceeded": 5, "req_rnr_retries_exceeded": None}
    assert interpreted(RawCounters({}, parts)).values == {}
    assert interpreted(RawCounters({}, {"ip4OutOctets": 5})).values == {"transmit_data_bytes": 5}


def test_a_counter_that_cannot_be_read_is_not_replaced_by_another_one() -> None:
    raw = RawCounters({"port_xmit_data": None}, {"tx_bytes": 7})
    assert (interpreted(raw).values, raw.failures) == ({}, 1)


@pytest.mark.parametrize(
    ("name", "largest", "shown"),
    [
        ("link_downed", 255, "link_downed"),
        ("link_error_recovery", 255, "link_error_recovery"),
        ("symbol_error", 65535, "symbol_errors"),
        ("port_rcv_errors", 65535, "receive_errors"),
        ("port_xmit_discards", 65535, "transmit_discards"),
        ("excessive_buffer_overrun_errors", 15, "excessive_buffer_overruns"),
        ("local_link_integrity_errors", 15, "local_link_integrity_errors"),
        ("port_xmit_wait", 2**32 - 1, "transmit_wait_ticks"),
        ("port_xmit_data", 2**32 - 1, "transmit_data_bytes"),
        ("VL15_dropped", 65535, "VL15_dropped"),
    ],
)
def test_a_counter_at_its_largest_value_is_saturated(name: str, largest: int, shown: str) -> None:
    assert interpreted(RawCounters({name: largest})).saturated == (shown,)
    for other in (0, largest - 1, largest + 1):
        assert interpreted(RawCounters({name: other})).saturated == ()


@pytest.mark.parametrize("text", ["0", "7", "00", "18446744073709551615"])
def test_a_number_of_64_bits_is_a_value(text: str) -> None:
    assert parsed(text) == int(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "1_0",
        "0x1",
        "1.0",
        "1 2",
        "N/A (no PMA)",
        "18446744073709551616",
        "\u0661",
        "9" * 4096,
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert parsed(text) is None


@given(st.text())
def test_any_text_is_a_number_of_64_bits_or_none(text: str) -> None:
    value = parsed(text)
    assert value is None or 0 <= value < 2**64


@pytest.mark.parametrize("name", ["lifespan", "active_qps", "watermark_mrs", "a\nb", "\udc80", "é"])
def test_settings_numbers_of_objects_and_odd_names_are_no_counters(name: str) -> None:
    assert not is_counter(name)


NAMES = st.sampled_from([name for names in SOURCES for name in names] + ["other"])
TABLES = st.dictionaries(NAMES, st.none() | st.integers(0, 2**64 - 1))


@given(TABLES, TABLES)
def test_any_reading_has_a_meaning(
    standard: dict[str, int | None], own: dict[str, int | None]
) -> None:
    raw = RawCounters(standard, own)
    found = interpreted(raw)
    known = sum(v is not None for v in [*standard.values(), *own.values()])
    assert len(found.values) + len(found.others) <= known
    assert raw.failures == len(standard) + len(own) - known
    assert all(value >= 0 for value in found.values.values())
