"""Pauses in the statistics of netdevs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.inventory.pauses import Pauses, pauses_in


@pytest.mark.parametrize(
    ("statistics", "found"),
    [
        (  # mlx5
            {"rx_prio3_pause": 1, "rx_prio3_pause_duration": 2, "tx_prio3_pause": 3},
            Pauses({("3", "receive"): 1, ("3", "transmit"): 3}, {("3", "receive"): 2}),
        ),
        (
            {"tx_global_pause": 4, "tx_global_pause_duration": 5},
            Pauses({("global", "transmit"): 4}, {("global", "transmit"): 5}),
        ),
        (  # bnxt
            {"rx_pfc_ena_frames_pri5": 6, "pfc_pri5_rx_duration_us": 7},
            Pauses({("5", "receive"): 6}, {("5", "receive"): 7}),
        ),
        ({"tx_priority_0_xoff.nic": 8}, Pauses({("0", "transmit"): 8})),  # ice
        ({"port.rx_priority_7_xoff": 9}, Pauses({("7", "receive"): 9})),  # i40e
        (
            {
                "rx_prio3_pause_transition": 1,
                "rx_prio3_packets": 1,
                "pfc_pri5_rx_transitions": 1,
                "rx_priority_0_xon.nic": 1,
                "tx_pause_storm_error_events": 1,
                "rx_pause_ctrl_phy": 1,
            },
            Pauses(),
        ),
    ],
)
def test_each_driver_has_its_names(statistics: dict[str, int], found: Pauses) -> None:
    assert pauses_in([statistics]) == found


def test_the_netdevs_of_a_port_are_added_up() -> None:
    assert pauses_in([{"rx_prio3_pause": 1}, {"rx_prio3_pause": 2}, {}]).frames == {
        ("3", "receive"): 3
    }


@given(st.lists(st.dictionaries(st.text(), st.integers(0, 2**64 - 1))))
def test_any_statistics_can_be_read(netdevs: list[dict[str, int]]) -> None:
    found = pauses_in(netdevs)
    assert len(found.frames) + len(found.microseconds) <= sum(map(len, netdevs))
