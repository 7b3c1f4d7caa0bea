"""Pools and grants as kubelet's messages, and as kubelet reads them."""

from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.kubelet import messages
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.pool import Grant, grant

from .nodes import health, pool

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
    message = messages.allocate_response([grant(pool(*numbers))])
    (container,) = message.container_responses
    paths = [device.host_path for device in container.devices]
    assert paths == sorted(set(paths))
    assert paths.count("/dev/infiniband/rdma_cm") == 1
    assert len(paths) == 2 * len(numbers) + 1
    for device in container.devices:
        assert (device.container_path, device.permissions) == (device.host_path, "rwm")
    assert not container.mounts


def test_cdi_names_pass() -> None:
    message = messages.allocate_response([Grant((), {}, ("rdma-dp.io/hca=mlx5_0",))])
    assert [each.name for each in message.container_responses[0].cdi_devices] == [
        "rdma-dp.io/hca=mlx5_0"
    ]


def test_kubelet_is_told_to_call_neither_hook() -> None:
    options = messages.options()
    assert not options.pre_start_required
    assert not options.get_preferred_allocation_available


@given(IDS, IDS, st.integers(-(2**31), 2**31 - 1))
def test_a_preference_for_any_request_is_what_it_must_have_then_what_there_is(
    available: list[str], must: list[str], size: int
) -> None:
    container = pb.ContainerPreferredAllocationRequest(
        available_deviceIDs=available, must_include_deviceIDs=must, allocation_size=size
    )
    request = pb.PreferredAllocationRequest(container_requests=[container, container])
    first, second = messages.any_preference(request).container_responses
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
    answer = messages.any_preference(request)
    assert list(answer.container_responses[0].deviceIDs) == ["10", "1", "2"]
