"""The writes from the slices of the server to the wanted ones."""

from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import DraSettings
from rdma_dp.dra.slice_plan import plan
from rdma_dp.dra.slices import Document, resource_slices
from tests.makers import hca
from tests.unit.dra.makers import NODE, Server, devices, settings, some_devices, via_dra

EACH = settings(slots="each")


def slots(count: int) -> tuple[Document, ...]:
    """Slices with so many devices."""
    return resource_slices(devices(hca(), of=via_dra(count), settings=EACH), NODE, EACH)


def generations(server: Server) -> list[int]:
    return [each["spec"]["pool"]["generation"] for each in server.all]


def names(wanted: tuple[Document, ...]) -> list[str]:
    return [device["name"] for each in wanted for device in each["spec"]["devices"]]


@given(st.data(), st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=6))
def test_after_the_writes_the_server_has_what_is_wanted(
    data: st.DataObject, cuts: list[int | None]
) -> None:
    """Also when the writes of earlier plans were cut short."""
    server = Server()
    wanted: tuple[Document, ...] = ()
    for cut in cuts:
        wanted = resource_slices(data.draw(some_devices(EACH)), NODE, EACH)
        server.apply(plan(wanted, server.all), cut)
    server.apply(plan(wanted, server.all))
    assert server.usable() == names(wanted)
    assert plan(wanted, server.all).writes == 0
    assert len({*generations(server)}) == 1


@given(st.data())
def test_a_restart_writes_nothing(data: st.DataObject) -> None:
    wanted = resource_slices(data.draw(some_devices(DraSettings())), NODE, DraSettings())
    server = Server()
    server.apply(plan(wanted, server.all))
    assert plan(wanted, server.all).writes == 0


def test_one_changed_slice_keeps_its_generation() -> None:
    server = Server()
    for count in (3, 5, 4):
        server.apply(plan(slots(count), server.all))
        assert generations(server) == [1]
        assert server.usable() == names(slots(count))


def test_a_slice_that_was_deleted_is_made_again_with_the_generation_of_the_others() -> None:
    server = Server()
    server.apply(plan(slots(130), server.all))
    server.delete(server.all[1]["metadata"])
    again = plan(slots(130), server.all)
    assert (len(again.updates), len(again.creates), len(again.deletes)) == (0, 1, 0)
    server.apply(again)
    assert generations(server) == [1, 1, 1]
    assert server.usable() == names(slots(130))


def test_another_number_of_slices_has_a_new_generation() -> None:
    server = Server()
    server.apply(plan(slots(64), server.all))
    server.apply(plan(slots(65), server.all))
    assert generations(server) == [2, 2]
    fewer = plan(slots(3), server.all)
    assert (len(fewer.updates), len(fewer.creates), len(fewer.deletes)) == (1, 0, 1)
    server.apply(fewer, 1)
    assert server.usable() == names(slots(3))  # before the leftover is deleted
    server.apply(plan(slots(3), server.all))
    assert generations(server) == [3]


def test_of_two_slices_in_one_place_every_instance_keeps_the_same() -> None:
    server = Server([*slots(3), *slots(3)])
    assert server.usable() == []
    found = [plan(slots(3), order) for order in (server.all, server.all[::-1])]
    assert found[0] == found[1]
    server.apply(found[0])
    assert server.usable() == names(slots(3))


def test_nothing_wanted_deletes_all() -> None:
    server = Server(slots(130))
    server.apply(plan((), server.all))
    assert server.all == ()


def test_a_slice_with_another_name_or_of_another_node_is_replaced() -> None:
    foreign = slots(3)[0]
    foreign["metadata"]["name"] = "by-hand"
    moved = slots(3)[0]
    moved["spec"]["nodeName"] = "node-2"
    server = Server([foreign, moved])
    server.apply(plan(slots(3), server.all))
    assert server.usable() == names(slots(3))
    assert len(server.all) == 1


def test_an_update_has_the_identity_of_the_servers_slice_and_the_time_of_its_taints() -> None:
    def wanted(*states: str) -> tuple[Document, ...]:
        hcas = (hca(number, state=state) for number, state in enumerate(states))
        return resource_slices(devices(*hcas), NODE, DraSettings())

    server = Server(wanted("DOWN", "ACTIVE"))
    (before,) = server.all
    before["spec"]["devices"][0]["taints"][0]["timeAdded"] = "2026-02-02T00:00:00Z"
    (update,) = plan(wanted("DOWN", "DOWN"), [before]).updates
    for key in ("name", "uid", "resourceVersion"):
        assert update["metadata"][key] == before["metadata"][key]
    first, second = (device["taints"][0] for device in update["spec"]["devices"])
    assert first["timeAdded"] == "2026-02-02T00:00:00Z"
    assert "timeAdded" not in second
