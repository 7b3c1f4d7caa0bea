"""What a container gets: device nodes and environment variables."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import EnvForm
from rdma_dp.inventory.hardware import CharDevice, Hca, Port, System
from rdma_dp.sharing.allocation import (
    PERMISSIONS,
    NoHcaError,
    UnknownSlotError,
    allocate,
    example,
    grant,
)
from rdma_dp.sharing.pool import Pool, make_pool
from tests.makers import SYSTEM, hca, hca_lists, hosts, per_hca, pool, resource, selection


def names(of: Pool, *ids: str) -> list[str]:
    return [each.name for each in allocate(of, ids).hcas]


# --- slots per resource -------------------------------------------------------------------------


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
    assert PERMISSIONS == "rwm"


def test_every_slot_gives_the_same_grant() -> None:
    full = pool(hca(0), hca(1))
    assert allocate(full, ["0"]) == allocate(full, ["2", "1"]) == grant(full) == example(full)


def test_umad_and_issm_are_granted_if_they_exist() -> None:
    alone = hca(umads=(), issms=(CharDevice("issm0", None),))
    assert grant(pool(alone)).devices == (
        "/dev/infiniband/issm0",
        "/dev/infiniband/rdma_cm",
        "/dev/infiniband/uverbs0",
    )


def test_without_management_umad_and_issm_are_not_granted() -> None:
    off = replace(resource(), management=False)
    one = hca(
        issms=(CharDevice("issm0", None),),
        driver_nodes=(CharDevice("hfi1_0", None, directory="/dev"),),
    )
    assert grant(pool(one, of=off)).devices == (
        "/dev/hfi1_0",
        "/dev/infiniband/rdma_cm",
        "/dev/infiniband/uverbs0",
    )


def test_a_faulty_device_node_is_not_granted() -> None:
    broken = CharDevice("umad0", None, checked=True, fault="/dev/infiniband/umad0 is missing")
    assert "/dev/infiniband/umad0" not in grant(pool(hca(umads=(broken,)))).devices


@pytest.mark.parametrize(
    "rdma_cm", [None, CharDevice("rdma_cm", None, checked=True, fault="it is missing")]
)
def test_without_a_usable_rdma_cm_the_other_nodes_are_granted(rdma_cm: CharDevice | None) -> None:
    without = make_pool(selection(hca()), System("shared", rdma_cm))
    assert grant(without).devices == ("/dev/infiniband/umad0", "/dev/infiniband/uverbs0")


def test_an_empty_pool_grants_nothing() -> None:
    nothing = grant(pool())
    assert nothing.devices == ()
    assert nothing.envs == {}
    assert example(pool()) == nothing


@given(hca_lists())
def test_devices_are_sorted_and_unique_with_one_rdma_cm(hcas: tuple[Hca, ...]) -> None:
    devices = grant(pool(*hcas)).devices
    assert list(devices) == sorted(set(devices))
    shareable = [each for each in hcas if each.shareable]
    assert devices.count("/dev/infiniband/rdma_cm") == bool(shareable)
    assert all(d.path in devices for each in shareable for d in each.char_devices)
    assert SYSTEM.rdma_cm is not None
    assert len(devices) == 2 * len(shareable) + bool(shareable)


# --- slots per HCA ------------------------------------------------------------------------------


def test_a_container_gets_exactly_the_hca_of_its_slot_and_rdma_cm() -> None:
    board = pool(*(hca(n) for n in range(4)), of=per_hca(2))
    given_ = allocate(board, ["0000:02:00.0-1"])
    assert given_.devices == (
        "/dev/infiniband/rdma_cm",
        "/dev/infiniband/umad2",
        "/dev/infiniband/uverbs2",
    )
    assert given_.envs == {"RDMA_DP_HCA_HCAS": "mlx5_2"}


def test_several_slots_give_each_of_their_hcas_once_in_the_order_of_names() -> None:
    board = pool(*(hca(n) for n in range(4)), of=per_hca(2))
    assert names(board, "0000:03:00.0-0", "0000:01:00.0-0", "0000:03:00.0-1") == [
        "mlx5_1",
        "mlx5_3",
    ]


def test_an_unhealthy_slot_is_granted_while_its_hca_exists() -> None:
    """kubelet may choose the slot just before it receives the new list."""
    assert names(pool(hca(0, state="DOWN"), of=per_hca(1)), "0000:00:00.0-0") == ["mlx5_0"]


def test_a_slot_whose_hca_is_gone_is_refused_and_named() -> None:
    before = pool(hca(0), hca(1), of=per_hca(1))
    now = pool(hca(0), of=per_hca(1), before=before)
    with pytest.raises(NoHcaError) as refusal:
        allocate(now, ["0000:00:00.0-0", "0000:01:00.0-0"])
    assert "'0000:01:00.0-0'" in refusal.value.message
    assert "'0000:00:00.0-0'" not in refusal.value.message
    assert "delete the pod" in str(refusal.value)


def test_the_example_is_a_slot_of_a_healthy_hca() -> None:
    board = pool(hca(0, state="DOWN"), hca(1), hca(2), of=per_hca(1))
    assert [each.name for each in example(board).hcas] == ["mlx5_1"]


@given(hosts(), st.data())
def test_the_hcas_are_those_of_the_slots_asked_for(hcas: list[Hca], data: st.DataObject) -> None:
    board = pool(*hcas, of=per_hca(2))
    listed = [slot.id for slot in board.slots]
    wanted = data.draw(st.lists(st.sampled_from(listed), min_size=1)) if listed else []
    if wanted:
        keys = {slot.rpartition("-")[0] for slot in wanted}
        assert {each.name for each in allocate(board, wanted).hcas} == {
            each.name for each in hcas if each.stable_key in keys
        }


# --- variables ----------------------------------------------------------------------------------


def test_the_environment_variable_carries_the_resources_name() -> None:
    named = pool(hca(), of=resource(name="rdma_shared-device.a"))
    assert dict(grant(named).envs) == {"RDMA_DP_RDMA_SHARED_DEVICE_A_HCAS": "mlx5_0"}


def test_variables_from_the_config_have_the_configured_form() -> None:
    env = {"NCCL_IB_HCA": EnvForm.HCAS, "UCX_NET_DEVICES": EnvForm.PORTS}
    two_ports = hca(1, ports=(Port(1, "ACTIVE"), Port(2, "ACTIVE")))
    envs = grant(pool(hca(0), two_ports, of=per_hca(1, env=env))).envs
    assert envs == {
        "RDMA_DP_HCA_HCAS": "mlx5_0,mlx5_1",
        "NCCL_IB_HCA": "=mlx5_0,mlx5_1",
        "UCX_NET_DEVICES": "mlx5_0:1,mlx5_1:1,mlx5_1:2",
    }


def test_a_variable_with_an_empty_value_is_left_out() -> None:
    """UCX uses no device if UCX_NET_DEVICES is empty, and any device if it is not set."""
    env = {"UCX_NET_DEVICES": EnvForm.PORTS}
    envs = grant(pool(hca(0, ports=()), of=per_hca(1, env=env))).envs
    assert set(envs) == {"RDMA_DP_HCA_HCAS"}


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", ["3", "-1", "", "00", "+1", "1.0", "mlx5_0", "¹", "9" * 30])
def test_an_id_that_was_never_listed_is_refused_and_named(wanted: str) -> None:
    with pytest.raises(UnknownSlotError) as refusal:
        allocate(pool(hca()), ["0", wanted])
    assert repr(wanted) in refusal.value.message
    assert "rdma/hca" in refusal.value.message
    assert "delete the pod" in str(refusal.value)


@pytest.mark.parametrize("wanted", ["0", "0000:00:00.0", "0000:00:00.0-3", "0000:09:00.0-0"])
def test_an_id_of_another_hca_or_of_the_resource_is_refused(wanted: str) -> None:
    with pytest.raises(UnknownSlotError, match=wanted):
        allocate(pool(hca(0), of=per_hca(3)), [wanted])


def test_a_slot_from_before_slots_per_hca_is_refused_as_reconfigured() -> None:
    before = pool(hca(0), of=resource(3))
    now = pool(hca(0), of=per_hca(3), before=before)
    with pytest.raises(UnknownSlotError, match="reconfigured"):
        allocate(now, ["0"])


def test_an_empty_pool_names_the_reason_and_the_administrator() -> None:
    lost = pool(hca(unshareable="no uverbs"), before=pool(hca()))
    with pytest.raises(NoHcaError) as refusal:
        allocate(lost, ["0"])
    assert refusal.value.message == "rdma/hca has no usable HCA on this node: mlx5_0: no uverbs"
    assert "rdma-dp dry-run" in (refusal.value.hint or "")


@given(st.text(max_size=12))
def test_an_id_is_accepted_only_if_it_was_listed(wanted: str) -> None:
    full = pool(hca(), of=resource(12))
    if wanted in [slot.id for slot in full.slots]:
        assert allocate(full, [wanted]).devices
    else:
        with pytest.raises(UnknownSlotError):
            allocate(full, [wanted])
