"""One NodeState per scan: what it keeps of the one before, and what it withholds."""

from dataclasses import replace

import pytest

from rdma_dp.config import Config, SlotsPer, Via
from rdma_dp.inventory.hardware import Inventory
from rdma_dp.sharing.state import NodeState, next_state
from tests.makers import SYSTEM, hca, per_hca, resource, unwritten

NODE = Inventory((hca(0), hca(1)), (), SYSTEM)
NAME = resource().full_name


def state(*resources: int, before: NodeState | None = None) -> NodeState:
    """The state of a config with one resource of so many slots, or with none."""
    config = Config(config_list=tuple(resource(slots) for slots in resources))
    return next_state(config, NODE, 0.0, before)


def test_a_state_has_the_pools_of_the_config_by_their_full_names() -> None:
    assert list(state(2).pools) == [NAME]
    assert state(2).pool(NAME).listed == 2


def test_scans_are_numbered_from_one() -> None:
    first = state(2)
    assert (first.scan, state(2, before=first).scan) == (1, 2)


def test_a_resource_that_left_the_config_can_still_be_asked_for() -> None:
    left = state(before=state(2))
    assert list(left.pools) == []
    assert left.pool(NAME).listed == 2


def test_a_resource_that_comes_back_keeps_its_ids() -> None:
    back = state(1, before=state(before=state(3)))
    assert back.pool(NAME).listed == 3
    assert back.pool(NAME).healthy == 1
    assert dict(back.former) == {}


def test_a_name_that_never_was_is_an_error() -> None:
    with pytest.raises(KeyError):
        state(2).pool("rdma/other")


def test_withheld_slots_stay_listed_and_none_is_healthy() -> None:
    withheld = state(2).withholding({NAME: unwritten("the disk is full")})
    assert withheld.pool(NAME).listed == 2
    assert withheld.pool(NAME).healthy == 0
    assert withheld.pool(NAME).reasons == (unwritten("the disk is full"),)


def test_what_is_withheld_once_is_not_withheld_in_the_next_state() -> None:
    withheld = state(2).withholding({NAME: unwritten("the disk is full")})
    assert state(2, before=withheld).pool(NAME).healthy == 2


def test_the_first_reason_to_withhold_counts() -> None:
    pool = state(2).pool(NAME).withheld(unwritten("first")).withheld(unwritten("second"))
    assert pool.reasons == (unwritten("first"),)


def test_the_hcas_of_several_resources_are_named_once() -> None:
    several = Config(config_list=(resource(1), per_hca(1)))
    assert [each.name for each in next_state(several, NODE, 0.0).hcas] == ["mlx5_0", "mlx5_1"]


def test_a_port_that_is_down_is_waited_for_until_its_delay_is_over() -> None:
    up = state(2)
    assert not up.waits_for_a_port
    assert up.overdue_at is None
    down = replace(NODE, hcas=tuple(hca(number, state="DOWN") for number in (0, 1)))
    waiting = next_state(up.config, down, 10.0, up)
    assert waiting.waits_for_a_port
    assert waiting.overdue_at == 10.0 + up.config.config_list[0].health.down_seconds


def offered(
    via: Via, slots: int, per: SlotsPer = SlotsPer.RESOURCE, before: NodeState | None = None
) -> NodeState:
    of = replace(resource(slots), via=via, slots_per=per)
    return next_state(Config(config_list=(of,)), NODE, 0.0, before)


def test_what_dra_has_offered_does_not_count_as_listed_to_kubelet() -> None:
    by_dra = offered(Via.DRA, 4, SlotsPer.HCA)
    back = offered(Via.PLUGIN, 4, before=by_dra)
    assert (back.pool(NAME).listed, back.pool(NAME).healthy) == (4, 4)
    assert [slot.id for slot in back.pool(NAME).slots] == ["0", "1", "2", "3"]


def test_a_change_to_dra_and_back_keeps_the_ids_that_kubelet_had() -> None:
    first = offered(Via.PLUGIN, 3)
    by_dra = offered(Via.DRA, 5, SlotsPer.HCA, first)
    assert [pool.listed for pool in by_dra.pools.values()] == [10]
    # kubelet may still ask for the ids of before, and for no others.
    assert [slot.id for slot in by_dra.pool(NAME).slots] == ["0", "1", "2"]
    back = offered(Via.PLUGIN, 1, before=offered(Via.DRA, 5, SlotsPer.HCA, by_dra))
    assert [slot.id for slot in back.pool(NAME).slots] == ["0", "1", "2"]
    assert (back.pool(NAME).healthy, dict(back.former)) == (1, {})
