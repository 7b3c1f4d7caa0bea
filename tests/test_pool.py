from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.model import CharDevice, Hca, System
from rdma_dp.pool import (
    PERMISSIONS,
    EmptyPoolError,
    Pool,
    UnknownSlotError,
    allocate,
    grant,
    make_pool,
)

from .makers import SYSTEM, hca, hca_lists, pool, resource, selection


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


def test_a_container_gets_the_nodes_of_every_hca_and_rdma_cm_once() -> None:
    given_ = allocate(
        pool(hca(0), hca(1), hca(2, device="1021"), of=resource(deviceIDs=["101b"])), ["0"]
    )
    assert given_.devices == (
        "/dev/infiniband/rdma_cm",
        "/dev/infiniband/umad0",
        "/dev/infiniband/umad1",
        "/dev/infiniband/uverbs0",
        "/dev/infiniband/uverbs1",
    )
    assert given_.envs == {"RDMA_DP_HCA_HCAS": "mlx5_0,mlx5_1"}
    assert given_.cdi_devices == ()
    assert PERMISSIONS == "rwm"


def test_the_environment_variable_carries_the_resources_name() -> None:
    named = pool(hca(), of=resource(name="rdma_shared-device.a"))
    assert dict(grant(named).envs) == {"RDMA_DP_RDMA_SHARED_DEVICE_A_HCAS": "mlx5_0"}


def test_a_grant_is_the_same_whatever_slots_are_asked_for() -> None:
    full = pool(hca(0), hca(1))
    assert allocate(full, ["0"]) == allocate(full, ["2", "1"]) == grant(full)


def test_umad_and_issm_come_along_where_they_exist() -> None:
    alone = hca(umads=(), issms=(CharDevice("issm0", None),))
    assert grant(pool(alone)).devices == (
        "/dev/infiniband/issm0",
        "/dev/infiniband/rdma_cm",
        "/dev/infiniband/uverbs0",
    )


def test_a_node_that_is_not_what_the_kernel_says_is_left_out() -> None:
    broken = CharDevice("umad0", None, checked=True, fault="/dev/infiniband/umad0 is missing")
    assert "/dev/infiniband/umad0" not in grant(pool(hca(umads=(broken,)))).devices


@pytest.mark.parametrize(
    "rdma_cm", [None, CharDevice("rdma_cm", None, checked=True, fault="it is missing")]
)
def test_without_a_usable_rdma_cm_the_rest_is_given(rdma_cm: CharDevice | None) -> None:
    without = make_pool(selection(hca()), System("shared", rdma_cm))
    assert grant(without).devices == ("/dev/infiniband/umad0", "/dev/infiniband/uverbs0")


def test_an_empty_pool_gives_nothing() -> None:
    nothing = grant(pool())
    assert nothing.devices == ()
    assert nothing.envs == {}


@pytest.mark.parametrize("wanted", ["3", "-1", "", "00", "+1", "1.0", "mlx5_0", "¹", "9" * 30])
def test_an_id_that_was_never_listed_is_refused_by_name(wanted: str) -> None:
    with pytest.raises(UnknownSlotError) as refusal:
        allocate(pool(hca()), ["0", wanted])
    assert repr(wanted) in refusal.value.message
    assert "rdma/hca" in refusal.value.message
    assert "delete the pod" in str(refusal.value)


def test_an_empty_pool_says_why_and_whom_to_ask() -> None:
    lost = pool(hca(unshareable="no uverbs"), before=pool(hca()))
    with pytest.raises(EmptyPoolError) as refusal:
        allocate(lost, ["0"])
    assert refusal.value.message == "rdma/hca has no usable HCA on this node: mlx5_0: no uverbs"
    assert "rdma-dp dry-run" in (refusal.value.hint or "")


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


@given(hca_lists())
def test_devices_are_sorted_without_doubles_and_with_one_rdma_cm(hcas: tuple[Hca, ...]) -> None:
    devices = grant(pool(*hcas)).devices
    assert list(devices) == sorted(set(devices))
    shareable = [each for each in hcas if each.shareable]
    assert devices.count("/dev/infiniband/rdma_cm") == bool(shareable)
    assert all(d.path in devices for each in shareable for d in each.char_devices)
    assert SYSTEM.rdma_cm is not None
    assert len(devices) == 2 * len(shareable) + bool(shareable)


@given(st.text(max_size=12))
def test_an_id_is_accepted_exactly_when_it_was_listed(wanted: str) -> None:
    full = pool(hca(), of=resource(12))
    if wanted in ids(full):
        assert allocate(full, [wanted]).devices
    else:
        with pytest.raises(UnknownSlotError):
            allocate(full, [wanted])
