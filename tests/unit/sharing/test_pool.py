"""The slots of a whole resource, and what is said of a pool whatever its shares."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.formats.list_size import MESSAGE_LIMIT, MOST_SLOTS, list_bytes
from rdma_dp.inventory.hardware import Hca
from rdma_dp.sharing.pool import Pool
from tests.makers import hca, hca_lists, per_hca, pool, resource, unwritten


def ids(of: Pool) -> list[str]:
    return [slot.id for slot in of.slots]


def healthy(of: Pool) -> list[str]:
    return [slot.id for slot in of.slots if slot.healthy]


def test_a_pool_has_as_many_slots_as_the_config_says_with_the_go_plugins_ids() -> None:
    full = pool(hca(), of=resource(3))
    assert ids(full) == healthy(full) == ["0", "1", "2"]


def test_a_resource_that_never_had_an_hca_lists_nothing() -> None:
    empty = pool()
    assert ids(empty) == []
    assert empty.why_empty == "the node has no RDMA device"


def test_when_the_last_hca_goes_the_slots_stay_unhealthy() -> None:
    lost = pool(before=pool(hca(), of=resource(3)))
    assert ids(lost) == ["0", "1", "2"]
    assert healthy(lost) == []


def test_when_the_hca_comes_back_the_slots_are_healthy_again() -> None:
    found = pool(hca(), before=pool(before=pool(hca())))
    assert ids(found) == healthy(found)


def test_slots_above_a_smaller_rdma_hca_max_stay_listed_unhealthy() -> None:
    shrunk = pool(hca(), of=resource(1), before=pool(hca(), of=resource(3)))
    assert ids(shrunk) == ["0", "1", "2"]
    assert healthy(shrunk) == ["0"]


def test_the_reasons_for_an_empty_pool_are_told_once_for_hcas_alike() -> None:
    empty = pool(*(hca(n, unshareable="no uverbs") for n in range(5)), of=resource(ifNames=["x"]))
    assert empty.why_empty is not None
    assert empty.why_empty.startswith("mlx5_0: no uverbs; ifNames wants x; it has eth0 | mlx5_1: ")
    assert empty.why_empty.endswith(" | and 2 more")
    alike = pool(*(hca(n, unshareable="no uverbs") for n in range(5)))
    assert alike.why_empty == "mlx5_0, mlx5_1, mlx5_2 and 2 more: no uverbs"


@given(st.lists(st.tuples(hca_lists(), st.integers(1, 9)), min_size=1, max_size=6))
def test_ids_never_vanish_whatever_happens(history: Sequence[tuple[tuple[Hca, ...], int]]) -> None:
    before: Pool | None = None
    for hcas, size in history:
        now = pool(*hcas, of=resource(size), before=before)
        assert ids(now) == [str(number) for number in range(now.listed)]
        if before is not None:
            assert set(ids(before)) <= set(ids(now))
        assert now.healthy <= now.listed
        assert healthy(now) == ids(now)[: now.healthy]
        assert now.healthy == (size if now.hcas else 0)
        assert (now.why_empty is None) == bool(now.hcas)
        before = now


def test_by_default_no_slot_carries_a_numa_node_as_in_the_go_plugin() -> None:
    assert {slot.numa_node for slot in pool(hca(0, numa=1)).slots} == {None}


@pytest.mark.parametrize(("nodes", "told"), [((1, 1), 1), ((0, 1), None), ((0, None), None)])
def test_asked_for_it_a_whole_resource_tells_the_node_that_its_hcas_share(
    nodes: tuple[int | None, ...], told: int | None
) -> None:
    of = replace(resource(2), topology=True)
    hcas = [hca(number, numa=node) for number, node in enumerate(nodes)]
    assert {slot.numa_node for slot in pool(*hcas, of=of).slots} == {told}


def test_a_withheld_pool_keeps_its_slots_and_says_why_none_is_healthy() -> None:
    stuck = pool(hca(0), hca(1), of=per_hca(2)).withheld(unwritten("no space left"))
    assert (stuck.listed, stuck.healthy, stuck.reasons) == (4, 0, (unwritten("no space left"),))
    assert not any(slot.healthy for slot in stuck.slots)
    assert stuck.listing != pool(hca(0), hca(1), of=per_hca(2)).listing
    assert pool(hca(0), hca(1), of=per_hca(2), before=stuck).healthy == 4


def test_withholding_does_not_shorten_the_down_delay_of_a_port() -> None:
    stuck = pool(hca(0), of=per_hca(2)).withheld(unwritten("no space left"))
    flapping = pool(hca(0, state="DOWN"), of=per_hca(2), before=stuck)
    assert flapping.healthy == 2
    assert flapping.overdue_at is not None


def test_an_hca_more_on_a_full_list_takes_nothing_from_the_others() -> None:
    """Ids that are listed stay so: cutting their use would not make room for anybody."""
    before = None
    for count in range(1, 12):
        now = pool(*(hca(n) for n in range(count)), of=per_hca(9_000), before=before)
        assert before is None or now.healthy >= before.healthy
        before = now
    assert before is not None
    assert before.warnings


def test_more_slots_than_one_message_holds_are_cut_for_all_hcas_alike_and_said() -> None:
    full = pool(hca(0), hca(1), hca(2), of=per_hca(60_000))
    sizes = {share.active for share in full.slot_groups.values()}
    assert len(sizes) == 1
    (size,) = sizes
    (warning,) = full.warnings
    assert full.slots_each == size
    assert f"only {size}" in warning
    assert "smaller rdmaHcaMax" in warning
    key = len("0000:00:00.0")
    assert 3 * list_bytes(size, key, topology=True) <= MESSAGE_LIMIT
    assert 3 * list_bytes(size + 1, key, topology=True) > MESSAGE_LIMIT


def test_the_most_slots_that_a_config_may_ask_for_are_not_cut() -> None:
    full = pool(hca(), of=resource(MOST_SLOTS))
    assert (full.listed, full.warnings) == (MOST_SLOTS, ())


def test_what_is_listed_stays_when_there_is_no_room_for_more() -> None:
    before = pool(hca(0), of=per_hca(60_000))
    now = pool(hca(0), hca(1), of=per_hca(60_000), before=before)
    assert set(ids(before)) <= set(ids(now))
    total = sum(
        list_bytes(share.ever_listed, len(share.key or ""), topology=True)
        for share in now.slot_groups.values()
    )
    assert total <= MESSAGE_LIMIT
