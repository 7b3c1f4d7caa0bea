"""Slots that belong to an HCA: `slotsPer: hca`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import Resource, SlotsPer
from rdma_dp.formats.slot_ids import parsed_id, slot_id
from rdma_dp.inventory.hardware import Hca, PciFunction, Subfunction
from rdma_dp.sharing.pool import Pool
from tests.makers import hca, hosts, per_hca, pool, resource


def ids(of: Pool) -> list[str]:
    return [slot.id for slot in of.slots]


def test_rdma_hca_max_counts_for_each_hca() -> None:
    board = pool(*(hca(n) for n in range(8)), of=per_hca(63))
    assert (board.listed, board.healthy) == (504, 504)


def test_an_id_is_the_pci_address_and_a_number() -> None:
    assert ids(pool(hca(3), of=per_hca(2))) == ["0000:03:00.0-0", "0000:03:00.0-1"]


def test_the_id_of_a_virtual_hca_begins_with_its_name() -> None:
    assert ids(pool(hca(name="rxe0", functions=()), of=per_hca(1))) == ["rxe0-0"]


def test_subfunctions_of_one_function_are_told_apart_by_their_sfnum() -> None:
    one, two = (
        hca(n, functions=(PciFunction("0000:08:00.0"),), subfunction=Subfunction(f"sf.{n}", sfnum))
        for n, sfnum in ((0, 88), (1, 99))
    )
    assert ids(pool(one, two, of=per_hca(1))) == ["0000:08:00.0-sf88-0", "0000:08:00.0-sf99-0"]


def test_hcas_on_one_function_have_their_slots_in_common() -> None:
    twins = (hca(0), hca(1, functions=hca(0).functions))
    (share,) = pool(*twins, of=per_hca(2)).slot_groups.values()
    assert (share.hcas, share.ever_listed) == (twins, 2)


def test_ids_stay_when_the_hca_gets_another_name() -> None:
    assert ids(pool(hca(3), of=per_hca(2))) == ids(pool(hca(3, name="ibp3s0"), of=per_hca(2)))


def test_a_slot_carries_the_numa_node_of_its_hca() -> None:
    told = pool(hca(0, numa=0), hca(1, numa=1), hca(2, numa=None), of=per_hca(1))
    assert [slot.numa_node for slot in told.slots] == [0, 1, None]


def test_topology_false_switches_the_nodes_off() -> None:
    of = replace(per_hca(1), topology=False)
    assert [slot.numa_node for slot in pool(hca(0, numa=1), of=of).slots] == [None]


@pytest.mark.parametrize("then", [resource(2), per_hca(1, topology=False)])
def test_without_nodes_to_tell_no_slot_has_one_whatever_was_before(then: Resource) -> None:
    """kubelet looks at all slots for whether the resource has nodes, and at free ones for which."""
    before = pool(hca(0, numa=0), hca(1, numa=1), of=per_hca(3))
    assert {slot.numa_node for slot in pool(hca(0, numa=0), of=then, before=before).slots} == {None}


def test_slots_that_are_not_in_use_any_more_tell_no_node() -> None:
    before = pool(hca(0, numa=1), of=per_hca(3))
    now = pool(hca(0, numa=1), of=per_hca(1), before=before)
    assert [slot.numa_node for slot in now.slots] == [1, None, None]


def test_the_health_of_a_slot_is_that_of_its_own_hca() -> None:
    board = pool(hca(0), hca(1, state="DOWN"), of=per_hca(2))
    assert [(slot.id, slot.healthy) for slot in board.slots] == [
        ("0000:00:00.0-0", True),
        ("0000:00:00.0-1", True),
        ("0000:01:00.0-0", False),
        ("0000:01:00.0-1", False),
    ]
    assert [str(reason) for reason in board.reasons] == ["no ACTIVE port: mlx5_1 port 1 is DOWN"]


def test_the_slots_of_an_hca_that_is_gone_stay_unhealthy_and_tell_no_node() -> None:
    before = pool(hca(0, numa=0), hca(1, numa=1), of=per_hca(1))
    now = pool(hca(1, numa=1), of=per_hca(1), before=before)
    assert [(slot.id, slot.healthy, slot.numa_node) for slot in now.slots] == [
        ("0000:00:00.0-0", False, None),
        ("0000:01:00.0-0", True, 1),
    ]


@pytest.mark.parametrize(("first", "then"), [(per_hca(2), resource(2)), (resource(2), per_hca(2))])
def test_the_ids_of_the_other_kind_stay_listed_unhealthy(first: object, then: object) -> None:
    before = pool(hca(0), of=first)  # type: ignore[arg-type]  # pytest passes them as they are
    now = pool(hca(0), of=then, before=before)  # type: ignore[arg-type]  # as above
    assert set(ids(now)) > set(ids(before))
    assert {slot.id for slot in now.slots if slot.healthy} == set(ids(now)) - set(ids(before))


@given(hosts(), st.randoms())
def test_ids_are_the_same_in_whatever_order_hcas_are_found(hcas: list[Hca], random: object) -> None:
    shuffled = list(hcas)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # random.Random, by hypothesis
    assert ids(pool(*hcas, of=per_hca(3))) == ids(pool(*shuffled, of=per_hca(3)))


@given(st.lists(st.tuples(hosts(), st.integers(1, 5)), min_size=1, max_size=5))
def test_slots_are_conserved_whatever_happens(history: Sequence[tuple[list[Hca], int]]) -> None:
    before: Pool | None = None
    for hcas, size in history:
        now = pool(*hcas, of=per_hca(size), before=before)
        counts = Counter(ids(now))
        assert max(counts.values(), default=1) == 1
        if before:
            assert set(ids(before)) <= set(counts)
        by_key = {one.stable_key for one in hcas}
        assert now.healthy == size * len(by_key)
        healthy = {slot.id for slot in now.slots if slot.healthy}
        assert healthy == {slot_id(key, n) for key in by_key for n in range(size)}
        before = now


@given(st.none() | st.text(min_size=1, max_size=20), st.integers(0, 10**8))
def test_an_id_is_read_as_it_was_written(key: str | None, number: int) -> None:
    assert parsed_id(slot_id(key, number)) == (key, number)


@given(st.text(max_size=12))
def test_whatever_is_read_as_an_id_is_one(text: str) -> None:
    parsed = parsed_id(text)
    assert parsed is None or slot_id(*parsed) == text


@pytest.mark.parametrize("text", ["-1", "", "00", "+1", "1.0", "mlx5_0", "¹", "9" * 30, "x-01"])
def test_what_is_no_id_is_refused(text: str) -> None:
    assert parsed_id(text) is None


def test_slots_are_per_resource_unless_the_config_says_otherwise() -> None:
    assert resource().slots_per is SlotsPer.RESOURCE
