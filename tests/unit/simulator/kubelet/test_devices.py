from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from simulator.kubelet.devices import DeviceTable
from tests.unit.simulator.kubelet.plugin import RESOURCE, healthy, unhealthy


@given(health=st.text().filter(lambda text: text != "Healthy"))
def test_only_exactly_healthy_counts(health: str) -> None:
    table = DeviceTable()
    table.replace(RESOURCE, [pb.Device(ID="0", health="Healthy"), pb.Device(ID="1", health=health)])
    assert table.lists[RESOURCE].view() == {"0": "Healthy", "1": "Unhealthy"}


@given(lists=st.lists(st.sets(st.sampled_from("abcdef")), min_size=1))
def test_the_newest_list_is_the_whole_truth(lists: list[set[str]]) -> None:
    table = DeviceTable()
    for ids in lists:
        table.replace(RESOURCE, healthy(*sorted(ids)))
    assert table.lists[RESOURCE].healthy == lists[-1]


@given(lists=st.lists(st.sets(st.sampled_from("abcdef")), min_size=1))
def test_each_id_that_vanishes_is_complained_of_when_it_does(lists: list[set[str]]) -> None:
    table = DeviceTable()
    ever: set[str] = set()
    missing: set[str] = set()
    for ids in lists:
        complaints = table.replace(RESOURCE, healthy(*sorted(ids)))
        ever |= ids
        assert bool(complaints) == bool((ever - ids) - missing)
        missing = ever - ids


def test_a_complaint_names_the_resource_and_the_first_ids() -> None:
    table = DeviceTable()
    table.replace(RESOURCE, healthy(*map(str, range(12))))
    (complaint,) = table.replace(RESOURCE, healthy("0"))
    assert complaint.startswith("rdma/a: 11 ids (1, 2, 3, ...) once listed, not any more")


def test_a_vanished_id_is_known_after_a_restart_of_kubelet() -> None:
    table = DeviceTable()
    table.replace(RESOURCE, healthy("0", "1"))
    table.forget_lists()
    assert table.lists[RESOURCE].view() == {}
    assert "1 ids (1) once listed" in table.replace(RESOURCE, healthy("0"))[0]


def test_an_id_that_is_listed_twice_is_a_breach_and_in_both_counts() -> None:
    table = DeviceTable()
    (complaint,) = table.replace(RESOURCE, healthy("0", "1") + unhealthy("0"))
    assert complaint == "rdma/a: 1 ids (0) more than once in one list"
    assert table.lists[RESOURCE].healthy == {"0", "1"}
    assert table.lists[RESOURCE].unhealthy == {"0"}


def test_free_devices_are_healthy_and_untaken_in_the_plugins_order() -> None:
    table = DeviceTable()
    table.replace(RESOURCE, healthy("10", "9", "2") + unhealthy("1"))
    table.take(RESOURCE, ["9"])
    assert table.free(RESOURCE) == ["10", "2"]
    table.release(RESOURCE, ["9"])
    assert table.free(RESOURCE) == ["10", "9", "2"]
