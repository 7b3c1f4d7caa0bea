"""What the slices should be now: which change is one of taints alone, and which devices wait."""

from rdma_dp.config import DraSettings
from rdma_dp.daemon.dra.device_reader import Offer
from rdma_dp.daemon.dra.slice_step import Step, next_step
from rdma_dp.dra.devices import DraDevice
from rdma_dp.dra.slices import Document, Gate, NodeIdentity
from tests.unit.daemon.plain_devices import plain_device

NODE = NodeIdentity("n", "uid")
NOTHING: frozenset[str] = frozenset()
ALL_GATES: frozenset[Gate] = frozenset()


def device(name: str, *, down: bool = False) -> DraDevice:
    return plain_device(name, f"rdma/{name}", down=down)


def offer(*devices: DraDevice) -> Offer:
    return Offer(DraSettings(), devices)


def held(step: Step) -> dict[str, Document]:
    """The slices as the server keeps them after these writes."""
    return {
        f"{number:05x}-x": {**each, "metadata": {**each["metadata"], "name": f"{number:05x}-x"}}
        for number, each in enumerate(step.wanted)
    }


def test_a_link_alone_is_a_change_of_taints_alone() -> None:
    before = held(next_step(offer(device("a")), {}, NOTHING, NODE, ALL_GATES))
    step = next_step(offer(device("a", down=True)), before, NOTHING, NODE, ALL_GATES)
    assert (step.writes.writes, step.taints, step.only_taints) == (1, True, True)


def test_a_link_and_a_device_are_more_than_taints() -> None:
    before = held(next_step(offer(device("a")), {}, NOTHING, NODE, ALL_GATES))
    both = offer(device("a", down=True), device("b"))
    step = next_step(both, before, NOTHING, NODE, ALL_GATES)
    assert (step.writes.writes, step.taints, step.only_taints) == (1, True, False)


def test_nothing_changed_is_no_write() -> None:
    before = held(next_step(offer(device("a", down=True)), {}, NOTHING, NODE, ALL_GATES))
    step = next_step(offer(device("a", down=True)), before, NOTHING, NODE, ALL_GATES)
    assert (step.writes.writes, step.taints, step.only_taints) == (0, False, False)


def test_a_device_waits_while_kubelet_may_ask_the_plugin() -> None:
    both = offer(device("a"), device("b"))
    step = next_step(both, {}, frozenset({"rdma/a"}), NODE, ALL_GATES)
    assert step.waits
    assert [each["name"] for each in step.wanted[0]["spec"]["devices"]] == ["b"]
    assert not next_step(both, {}, frozenset({"rdma/c"}), NODE, ALL_GATES).waits


def test_without_an_offer_every_slice_goes() -> None:
    before = held(next_step(offer(device("a")), {}, NOTHING, NODE, ALL_GATES))
    step = next_step(Offer(), before, NOTHING, NODE, ALL_GATES)
    assert [each["metadata"]["name"] for each in step.writes.deletes] == [*before]
