"""Which slots suit a container that asks for several: GetPreferredAllocation."""

import random
from collections import Counter
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import Preference
from rdma_dp.inventory.hardware import Hca
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.preference import preferred
from tests.makers import hca, hosts, per_hca, pool, resource

POLICIES = list(Preference)


def board(*nodes: int | None, slots: int = 4, preference: Preference = Preference.SPREAD) -> Pool:
    """HCA N is on the Nth of these NUMA nodes, and its slot ids begin with 0000:0N."""
    hcas = (hca(number, numa=node) for number, node in enumerate(nodes))
    return pool(*hcas, of=per_hca(slots, preference=preference))


def ids(of: Pool) -> list[str]:
    return [slot.id for slot in of.slots]


def numbers(chosen: Collection[str]) -> list[int]:
    """The number of each slot's HCA, taken from the slot id."""
    return [int(slot.split(":")[1], 16) for slot in chosen]


def ask(
    of: Pool, size: int, *, used: Collection[str] = (), must: Collection[str] = ()
) -> list[str]:
    return preferred(of, [slot for slot in ids(of) if slot not in used], list(must), size)


DGX = (0, 0, 0, 0, 1, 1, 1, 1)


# --- spread -------------------------------------------------------------------------------------


def test_a_container_of_four_gets_four_hcas_of_one_node() -> None:
    assert numbers(ask(board(*DGX), 4)) == [0, 1, 2, 3]


def test_two_containers_of_four_share_no_hca() -> None:
    first = ask(board(*DGX), 4)
    second = ask(board(*DGX), 4, used=first)
    assert sorted(numbers(first + second)) == list(range(8))


def test_more_slots_than_a_node_has_hcas_come_from_different_hcas() -> None:
    assert len(set(numbers(ask(board(*DGX), 6)))) == 6


def test_more_slots_than_hcas_are_spread_evenly() -> None:
    counts = Counter(numbers(ask(board(*DGX), 20)))
    assert sorted(counts.values()) == [2, 2, 2, 2, 3, 3, 3, 3]


def test_the_hcas_with_the_most_free_slots_come_first() -> None:
    used = ["0000:00:00.0-0", "0000:02:00.0-0"]
    assert numbers(ask(board(0, 0, 0, 0), 2, used=used)) == [1, 3]


def test_the_node_with_more_free_slots_comes_first() -> None:
    used = [f"0000:0{number}:00.0-0" for number in range(4)]
    assert set(numbers(ask(board(*DGX), 3, used=used))) <= {4, 5, 6, 7}


def test_a_node_that_has_enough_is_preferred_to_one_with_more_free_slots() -> None:
    used = [f"0000:0{number}:00.0-{slot}" for number in (1, 2) for slot in (0, 1)]
    assert numbers(ask(board(0, 1, 1), 2, used=used)) == [1, 2]


def test_a_slot_that_must_be_included_decides_the_node() -> None:
    must = ["0000:06:00.0-2"]
    answer = ask(board(*DGX), 3, must=must)
    assert answer[0] == must[0]
    assert len(set(numbers(answer))) == 3
    assert set(numbers(answer)) <= {4, 5, 6, 7}


def test_hcas_without_a_node_count_as_one_node() -> None:
    assert numbers(ask(board(0, None, None, 1), 2)) == [1, 2]


def test_the_fewest_nodes_are_used_if_one_is_not_enough() -> None:
    answer = ask(board(0, 1, 1, 1, 2, 2), 5)
    assert set(numbers(answer)) == {1, 2, 3, 4, 5}


# --- pack ---------------------------------------------------------------------------------------


def packed(*nodes: int | None, slots: int = 4) -> Pool:
    return board(*nodes, slots=slots, preference=Preference.PACK)


def test_packed_slots_come_from_one_hca_if_possible() -> None:
    assert numbers(ask(packed(0, 0, 0), 4)) == [0, 0, 0, 0]


def test_the_hca_with_the_fewest_slots_left_over_comes_first() -> None:
    used = ["0000:01:00.0-0", "0000:01:00.0-1", "0000:02:00.0-0"]
    assert numbers(ask(packed(0, 0, 0), 2, used=used)) == [1, 1]
    assert numbers(ask(packed(0, 0, 0), 3, used=used)) == [2, 2, 2]


def test_if_one_hca_is_not_enough_the_fewest_on_one_node_are_used() -> None:
    used = ["0000:00:00.0-0"]
    assert numbers(ask(packed(0, 0, 1, 1), 8, used=used)) == [2, 2, 2, 2, 3, 3, 3, 3]


def test_packing_continues_with_the_hca_of_a_slot_that_must_be_included() -> None:
    assert numbers(ask(packed(0, 0, 0), 3, must=["0000:02:00.0-1"])) == [2, 2, 2]


# --- every policy -------------------------------------------------------------------------------


@given(hosts(), st.sampled_from(POLICIES), st.integers(-1, 20), st.data())
def test_the_answer_contains_only_offered_slots(
    hcas: list[Hca], policy: Preference, size: int, data: st.DataObject
) -> None:
    of = pool(*hcas, of=per_hca(3, preference=policy))
    foreign = ["7", "0000:ff:00.0-1", "", "x", "9" * 5000]
    offered = data.draw(st.lists(st.sampled_from(ids(of) + foreign), unique=True))
    must = data.draw(st.lists(st.sampled_from(offered), unique=True, max_size=3)) if offered else []
    answer = preferred(of, offered, must, size)
    assert len(answer) == len(set(answer)) == max(0, min(size, len(offered)))
    assert set(answer) <= set(offered)
    assert answer[: len(must)] == must[: len(answer)]
    random.Random(7).shuffle(offered)
    assert preferred(of, offered, must, size) == answer, "the order of the offer does not matter"


@given(hosts(), st.integers(1, 12), st.data())
def test_spread_takes_as_many_hcas_as_possible(
    hcas: list[Hca], size: int, data: st.DataObject
) -> None:
    of = pool(*hcas, of=per_hca(3))
    offered = data.draw(st.lists(st.sampled_from(ids(of)), unique=True)) if of.listed else []
    answer = preferred(of, offered, [], size)
    keys = {slot.rpartition("-")[0] for slot in offered}
    chosen = {slot.rpartition("-")[0] for slot in answer}
    assert len(chosen) == min(len(answer), len(keys))
    node = {one.stable_key: one.numa_node for one in hcas}
    most = max(Counter(node[key] for key in keys).values(), default=0)
    if len(answer) <= most:
        assert len({node[key] for key in chosen}) <= 1, "one node was enough"


@given(hosts(), st.integers(1, 12), st.data())
def test_pack_takes_as_few_hcas_as_possible(
    hcas: list[Hca], size: int, data: st.DataObject
) -> None:
    of = pool(*hcas, of=per_hca(3, preference=Preference.PACK))
    offered = data.draw(st.lists(st.sampled_from(ids(of)), unique=True)) if of.listed else []
    answer = preferred(of, offered, [], size)
    free = sorted(Counter(slot.rpartition("-")[0] for slot in offered).values(), reverse=True)
    fewest = next(n for n in range(len(free) + 1) if sum(free[:n]) >= len(answer))
    assert len({slot.rpartition("-")[0] for slot in answer}) == fewest


@given(hosts(), st.sampled_from(POLICIES), st.lists(st.integers(1, 6), max_size=8))
def test_successive_containers_never_share_a_slot(
    hcas: list[Hca], policy: Preference, sizes: list[int]
) -> None:
    of = pool(*hcas, of=per_hca(3, preference=policy))
    left = set(ids(of))
    for size in sizes:
        answer = preferred(of, left, [], size)
        assert len(answer) == min(size, len(left))
        left -= set(answer)


def test_a_slot_that_must_be_included_counts_even_if_it_is_not_offered() -> None:
    of = board(0, 0)
    assert preferred(of, ["0000:01:00.0-0"], ["0000:00:00.0-3"], 2) == [
        "0000:00:00.0-3",
        "0000:01:00.0-0",
    ]


@pytest.mark.parametrize("policy", POLICIES)
def test_slots_of_an_hca_that_is_gone_still_get_an_answer(policy: Preference) -> None:
    before = board(0, 0, preference=policy)
    now = pool(hca(1, numa=0), of=per_hca(4, preference=policy), before=before)
    assert len(preferred(now, ids(before), [], 3)) == 3


def test_with_slots_per_resource_the_answer_is_the_lowest_ids() -> None:
    of = pool(hca(), of=resource(12))
    assert preferred(of, ["11", "2", "10"], ["5"], 3) == ["5", "2", "10"]
