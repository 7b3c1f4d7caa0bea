"""Pools and grants as kubelet's messages, and as kubelet reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import CdiMode, SlotsPer
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.device_plugin import messages
from rdma_dp.sharing.allocation import grant
from tests.unit.kubelet.nodes import health, pool

IDS = st.lists(st.text(max_size=8), max_size=20)


@given(st.integers(1, 300), st.integers(0, 3))
def test_a_list_has_the_ids_from_zero_all_healthy_or_is_empty(slots: int, hcas: int) -> None:
    found = health(messages.device_list(pool(*range(hcas), slots=slots)))
    assert found == ({str(number): "Healthy" for number in range(slots)} if hcas else {})


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=12))
def test_an_id_never_vanishes_whatever_happens_to_hardware_and_config(
    history: list[tuple[int, bool]],
) -> None:
    current, listed = None, set[str]()
    for slots, present in history:
        current = pool(*([0] if present else []), slots=slots, previous=current)
        message = messages.device_list(current)
        found = health(message)
        assert len(found) == len(message.devices), "an id is there twice"
        assert listed <= set(found)
        wanted = {str(number) for number in range(slots)} if present else set()
        assert {id_ for id_, state in found.items() if state == "Healthy"} == wanted
        assert set(found.values()) <= {"Healthy", "Unhealthy"}
        listed = set(found)


@given(st.sets(st.integers(0, 40), min_size=1))
def test_a_container_gets_each_node_once_under_the_same_path_in_order(numbers: set[int]) -> None:
    message = messages.allocate_response([grant(pool(*numbers))], CdiMode.OFF)
    (container,) = message.container_responses
    paths = [device.host_path for device in container.devices]
    assert paths == sorted(set(paths))
    assert paths.count("/dev/infiniband/rdma_cm") == 1
    assert len(paths) == 2 * len(numbers) + 1
    for device in container.devices:
        assert (device.container_path, device.permissions) == (device.host_path, "rwm")
    assert not container.mounts


@pytest.mark.parametrize(
    ("cdi", "named", "annotated"),
    [(CdiMode.CRI, True, False), (CdiMode.ANNOTATIONS, False, True), (CdiMode.BOTH, True, True)],
)
def test_with_cdi_a_container_gets_names_and_no_nodes(
    cdi: CdiMode, named: bool, annotated: bool
) -> None:
    message = messages.allocate_response([grant(pool(0, 1))], cdi)
    (container,) = message.container_responses
    names = ["0000:00:00.0", "0000:01:00.0", "rdma_cm"]
    assert not container.devices
    assert dict(container.envs) == {"RDMA_DP_A_HCAS": "mlx5_0,mlx5_1"}
    assert [each.name.partition("=")[2] for each in container.cdi_devices] == names * named
    assert len(container.annotations) == annotated
    for value in container.annotations.values():
        assert [name.partition("=")[2] for name in value.split(",")] == names


def test_a_slot_of_an_hca_tells_its_numa_node() -> None:
    message = messages.device_list(pool(0, 1, slots=1, slots_per=SlotsPer.HCA))
    assert [(each.ID, [node.ID for node in each.topology.nodes]) for each in message.devices] == [
        ("0000:00:00.0-0", [0]),
        ("0000:01:00.0-0", [1]),
    ]


@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, 5)), st.integers(1, 5), st.sampled_from(SlotsPer)),
        min_size=1,
        max_size=6,
    )
)
def test_a_list_says_of_each_slot_what_the_pool_says(
    history: list[tuple[set[int], int, SlotsPer]],
) -> None:
    current = None
    for numbers, slots, slots_per in history:
        current = pool(*numbers, slots=slots, previous=current, slots_per=slots_per)
        told = {
            each.ID: (each.health == "Healthy", [node.ID for node in each.topology.nodes])
            for each in messages.device_list(current).devices
        }
        assert told == {
            slot.id: (slot.healthy, [] if slot.numa_node is None else [slot.numa_node])
            for slot in current.slots
        }


def test_without_a_node_to_tell_there_is_no_topology_at_all() -> None:
    """A hint without nodes, or for node -1, would be one that no policy can meet."""
    for message in (
        messages.device_list(pool(0)),
        messages.device_list(pool(0, slots_per=SlotsPer.HCA, topology=False)),
    ):
        assert not any(each.HasField("topology") for each in message.devices)


def test_kubelet_is_told_to_ask_for_a_preference_between_slots_of_hcas_only() -> None:
    for slots_per in SlotsPer:
        options = messages.options(pool(0, slots_per=slots_per).resource)
        assert not options.pre_start_required
        assert options.get_preferred_allocation_available == (slots_per is SlotsPer.HCA)


@given(IDS, IDS, st.integers(-(2**31), 2**31 - 1))
def test_a_preference_for_any_request_is_what_it_must_have_then_what_there_is(
    available: list[str], must: list[str], size: int
) -> None:
    container = pb.ContainerPreferredAllocationRequest(
        available_deviceIDs=available, must_include_deviceIDs=must, allocation_size=size
    )
    request = pb.PreferredAllocationRequest(container_requests=[container, container])
    first, second = messages.preferences(pool(0), request).container_responses
    assert first == second
    chosen = list(first.deviceIDs)
    assert len(chosen) == len(set(chosen))
    assert len(chosen) == min(max(size, 0), len({*available, *must}))
    assert set(chosen) <= {*available, *must}
    if size >= len(set(must)):
        assert set(must) <= set(chosen)


def test_a_preference_is_the_lowest_numbers() -> None:
    container = pb.ContainerPreferredAllocationRequest(
        available_deviceIDs=["10", "9", "2", "1"], must_include_deviceIDs=["10"], allocation_size=3
    )
    request = pb.PreferredAllocationRequest(container_requests=[container])
    answer = messages.preferences(pool(0), request)
    assert list(answer.container_responses[0].deviceIDs) == ["10", "1", "2"]
