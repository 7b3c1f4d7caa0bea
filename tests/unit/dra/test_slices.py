"""ResourceSlices: limits, comparison with the server's, and what a server drops."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdma_dp.config import DraSettings, LinkDown
from rdma_dp.dra.slices import (
    MOST_DEVICES,
    MOST_DEVICES_WITH_TAINTS,
    Document,
    Gate,
    NodeIdentity,
    dropped_fields,
    known_attributes,
    resource_slices,
    same_spec,
)
from tests.makers import hca
from tests.unit.dra.makers import (
    DRIVER,
    NODE,
    Server,
    devices,
    settings,
    some_devices,
    some_settings,
    via_dra,
)


def one(*made: Document) -> Document:
    (found,) = made
    return found


def device_of(document: Document) -> Document:
    (found,) = document["spec"]["devices"]
    return dict(found)


def without(document: Document, *fields: str) -> Document:
    """What a server keeps that does not know these fields."""
    kept = deepcopy(document)
    for device in kept["spec"]["devices"]:
        for field in fields:
            device.pop(field, None)
            for capacity in device.get("capacity", {}).values():
                capacity.pop(field, None)
    return kept


def test_a_slice_of_one_shared_hca() -> None:
    made = one(*resource_slices(devices(hca(1)), NODE, DraSettings()))
    assert made["metadata"] == {
        "generateName": "00000-hca.rdma-dp.dev-node-1-",
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "name": "node-1",
                "uid": "4f1c",
                "controller": True,
            }
        ],
    }
    spec = made["spec"]
    assert (spec["driver"], spec["nodeName"]) == (DRIVER, "node-1")
    assert spec["pool"] == {"name": "node-1", "generation": 1, "resourceSliceCount": 1}
    found = device_of(made)
    assert found["allowMultipleAllocations"] is True
    assert found["capacity"] == {
        "slots": {
            "value": "3",
            "requestPolicy": {"default": "1", "validRange": {"min": "1", "max": "3", "step": "1"}},
        }
    }
    assert found["attributes"]["rateGbps"] == {"int": 200}
    assert found["attributes"]["rdmaDevice"] == {"string": "mlx5_1"}
    assert "taints" not in found


@pytest.mark.parametrize(
    ("slots", "written"), [(1, "1"), (999, "999"), (1000, "1k"), (1500, "1500"), (64000, "64k")]
)
def test_a_quantity_is_written_as_the_server_writes_it(slots: int, written: str) -> None:
    capacity = device_of(one(*resource_slices(devices(hca(), of=via_dra(slots)), NODE, settings())))
    found = capacity["capacity"]["slots"]
    assert found["value"] == found["requestPolicy"]["validRange"]["max"] == written
    assert ("step" in found["requestPolicy"]["validRange"]) == (slots > 1)


def test_a_link_that_is_down_is_a_taint() -> None:
    down = devices(hca(state="DOWN"))
    tainted = device_of(one(*resource_slices(down, NODE, DraSettings())))
    assert tainted["taints"] == [
        {"key": "hca.rdma-dp.dev/link", "value": "down", "effect": "NoSchedule"}
    ]
    assert "taints" not in device_of(one(*resource_slices(down, NODE, settings(linkDown="none"))))


def test_a_node_without_hcas_has_an_empty_slice() -> None:
    assert one(*resource_slices((), NODE, DraSettings()))["spec"]["devices"] == []


@given(st.data(), some_settings)
def test_slices_hold_every_device_once_in_order_within_the_limits(
    data: st.DataObject, chosen: DraSettings
) -> None:
    wanted = data.draw(some_devices(chosen))
    made = resource_slices(wanted, NODE, chosen)
    found = [device["name"] for each in made for device in each["spec"]["devices"]]
    assert found == [device.name for device in wanted]
    most = MOST_DEVICES if chosen.link_down is LinkDown.NONE else MOST_DEVICES_WITH_TAINTS
    assert all(len(each["spec"]["devices"]) <= most for each in made)
    assert {each["spec"]["pool"]["resourceSliceCount"] for each in made} == {len(made)}
    prefixes = [each["metadata"]["generateName"] for each in made]
    assert prefixes == sorted(set(prefixes))


def test_a_taint_does_not_move_devices_to_another_slice() -> None:
    each = settings(slots="each")
    up, down = (
        resource_slices(devices(hca(state=state), of=via_dra(100), settings=each), NODE, each)
        for state in ("ACTIVE", "DOWN")
    )
    names = [[[d["name"] for d in s["spec"]["devices"]] for s in made] for made in (up, down)]
    assert names[0] == names[1]


# --- comparison ---------------------------------------------------------------------------------


@given(st.data(), some_settings)
def test_what_a_server_adds_is_no_difference(data: st.DataObject, chosen: DraSettings) -> None:
    made = resource_slices(data.draw(some_devices(chosen)), NODE, chosen)
    for ours, theirs in zip(made, Server(made).all, strict=True):
        theirs["spec"]["pool"]["generation"] = 7
        theirs["spec"]["sharedCounters"] = None
        assert same_spec(ours, theirs)
        assert dropped_fields(ours, theirs) == ()


def test_other_devices_attributes_counts_and_owners_are_a_difference() -> None:
    ours = one(*resource_slices(devices(hca()), NODE, DraSettings()))
    for path, value in (
        (("spec", "devices"), []),
        (("spec", "pool", "resourceSliceCount"), 2),
        (("spec", "devices", 0, "attributes", "netdev"), {"string": "x"}),
        (("metadata", "ownerReferences", 0, "uid"), "another"),
    ):
        theirs = deepcopy(ours)
        inner: Any = theirs
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        assert not same_spec(ours, theirs), path


def test_a_node_of_unknown_uid_takes_any_owner() -> None:
    made = devices(hca())
    ours = one(*resource_slices(made, NodeIdentity("node-1"), DraSettings()))
    assert same_spec(ours, one(*resource_slices(made, NODE, DraSettings())))


# --- gates --------------------------------------------------------------------------------------


def test_dropped_sharing_names_its_gate() -> None:
    sent = one(*resource_slices(devices(hca(0), hca(1)), NODE, DraSettings()))
    kept = without(sent, "allowMultipleAllocations", "requestPolicy")
    (dropped,) = dropped_fields(sent, kept)
    assert dropped.gate is Gate.CONSUMABLE_CAPACITY
    assert dropped.devices == ("hca-0000-00-00-0", "hca-0000-01-00-0")
    assert dropped.text == (
        "the API server dropped allowMultipleAllocations, capacity.slots.requestPolicy of 2"
        " devices: its feature gate DRAConsumableCapacity is off, so an HCA cannot be shared by"
        " several claims"
    )
    assert not same_spec(sent, kept)


def test_dropped_taints_name_their_gate() -> None:
    sent = one(*resource_slices(devices(hca(0), hca(1, state="DOWN")), NODE, DraSettings()))
    found = dropped_fields(sent, without(sent, "taints"))
    assert [(each.gate, each.devices) for each in found] == [
        (Gate.DEVICE_TAINTS, ("hca-0000-01-00-0",))
    ]


def test_anything_else_that_is_dropped_is_named_too() -> None:
    sent = one(*resource_slices(devices(hca()), NODE, DraSettings()))
    found = dropped_fields(sent, without(sent, "attributes"))
    assert [each.gate for each in found] == [None]
    assert "dropped attributes of 1 device: no known feature gate" in found[0].text


def test_a_device_that_would_be_wrong_without_a_gate_is_left_out() -> None:
    shared = devices(hca(0), hca(1, state="DOWN"))
    each = settings(slots="each")
    alone = devices(hca(0), hca(1, state="DOWN"), of=via_dra(1), settings=each)
    sharing, taints = {Gate.CONSUMABLE_CAPACITY}, {Gate.DEVICE_TAINTS}

    def names(made: tuple[Document, ...]) -> list[str]:
        return [device["name"] for each in made for device in each["spec"]["devices"]]

    assert names(resource_slices(shared, NODE, DraSettings(), sharing)) == []
    assert names(resource_slices(shared, NODE, DraSettings(), taints)) == ["hca-0000-00-00-0"]
    assert len(names(resource_slices(alone, NODE, each, sharing))) == 2
    assert names(resource_slices(alone, NODE, each, taints)) == ["hca-0000-00-00-0-0"]


def test_known_attributes_are_read_from_the_servers_slices() -> None:
    made = devices(hca(0), hca(1))
    known = known_attributes(Server(resource_slices(made, NODE, DraSettings())).all)
    assert known == {device.name: dict(device.attributes) for device in made}
