"""Devices of simulated pools, and an API server's part in ResourceSlices, for tests."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from rdma_dp.config import DraSettings, DraSlots, LinkDown, Resource, SlotsPer, Via
from rdma_dp.config.dra_settings import DraSettingsDocument
from rdma_dp.dra.devices import DraDevice, dra_devices
from rdma_dp.dra.slice_plan import SlicePlan
from rdma_dp.dra.slices import Document, NodeIdentity
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.topology import Place, Topology
from tests.makers import hca, pool, resource

NODE = NodeIdentity("node-1", "4f1c")
DRIVER = "hca.rdma-dp.dev"


def via_dra(slots: int = 3, name: str = "hca", *, per_hca: bool = True, **changes: Any) -> Resource:
    """A resource that takes every HCA and is offered by DRA."""
    per = SlotsPer.HCA if per_hca else SlotsPer.RESOURCE
    return replace(resource(slots, name), via=Via.DRA, slots_per=per, **changes)


def places(*hcas: Hca) -> Topology:
    """A topology in which each HCA has a root of its own: pci0000:00 for mlx5_0."""
    return Topology(
        hcas={
            each.name: (Place(each.functions[0].address, f"pci0000:{number:02x}"),)
            for number, each in enumerate(hcas)
            if each.functions
        }
    )


def devices(
    *hcas: Hca, of: Resource | None = None, settings: DraSettings | None = None, **more: Any
) -> tuple[DraDevice, ...]:
    made = pool(*hcas, of=of or via_dra())
    return dra_devices([made], places(*hcas), settings or DraSettings(), **more)


def settings(**values: Any) -> DraSettings:
    """Settings in the spelling of the config."""
    return DraSettingsDocument.model_validate(values, by_name=False).value


some_settings = st.builds(
    DraSettings, link_down=st.sampled_from(LinkDown), slots=st.sampled_from(DraSlots)
)


@st.composite
def some_devices(draw: st.DrawFn, with_settings: DraSettings) -> tuple[DraDevice, ...]:
    """Devices of up to two resources with up to nine HCAs, some of them down."""
    states = st.lists(st.sampled_from(["ACTIVE", "DOWN"]), max_size=9)
    hcas = [hca(number, state=state) for number, state in enumerate(draw(states))]
    resources = [
        via_dra(draw(st.integers(1, 40)), name, per_hca=draw(st.booleans()))
        for name in draw(st.lists(st.sampled_from(["hca", "rdma_a"]), unique=True))
    ]
    pools = [pool(*hcas, of=each) for each in resources]
    return dra_devices(pools, places(*hcas), with_settings)


class Server:
    """The slices of an API server: it names them, counts versions, and refuses stale writes."""

    def __init__(self, slices: Iterable[Document] = ()) -> None:
        self.slices: dict[str, Document] = {}
        self._count = 0
        for each in slices:
            self.create(each)

    @property
    def all(self) -> tuple[Document, ...]:
        return tuple(deepcopy(list(self.slices.values())))

    def create(self, sent: Document) -> Document:
        metadata = sent["metadata"]
        name = metadata.get("name") or f"{metadata['generateName']}{self._next()}"
        return self._keep(sent, {**metadata, "name": name, "uid": f"uid-{name}"})

    def update(self, sent: Document) -> Document:
        self._check(sent["metadata"])
        before = self.slices[sent["metadata"]["name"]]["spec"]
        for key in ("driver", "nodeName"):
            assert before[key] == sent["spec"][key], "immutable"
        return self._keep(sent, sent["metadata"])

    def delete(self, metadata: Mapping[str, Any]) -> None:
        self._check(metadata)
        del self.slices[metadata["name"]]

    def apply(self, plan: SlicePlan, most: int | None = None) -> None:
        """The writes of a plan in their order, all of them or the first `most`."""
        writes = [
            *((self.update, each) for each in plan.updates),
            *((self.create, each) for each in plan.creates),
            *((self.delete, each["metadata"]) for each in plan.deletes),
        ]
        for write, what in writes[:most]:
            write(what)

    def usable(self) -> list[str]:
        """The devices that the scheduler sees: of a complete pool of the newest generation."""
        pools = [each["spec"]["pool"] for each in self.slices.values()]
        newest = max((each["generation"] for each in pools), default=0)
        names = sorted(
            n for n, s in self.slices.items() if s["spec"]["pool"]["generation"] == newest
        )
        found = [self.slices[name]["spec"] for name in names]
        if any(spec["pool"]["resourceSliceCount"] != len(found) for spec in found):
            return []
        return [device["name"] for spec in found for device in spec["devices"]]

    def _check(self, metadata: Mapping[str, Any]) -> None:
        now = self.slices[metadata["name"]]["metadata"]["resourceVersion"]
        assert metadata["resourceVersion"] == now, "conflict"

    def _keep(self, sent: Document, metadata: Mapping[str, Any]) -> Document:
        kept = deepcopy(sent)
        kept["metadata"] = {**deepcopy(dict(metadata)), "resourceVersion": str(self._next())}
        for device in kept["spec"]["devices"]:
            for taint in device.get("taints", ()):
                taint.setdefault("timeAdded", "2026-01-01T00:00:00Z")
        self.slices[kept["metadata"]["name"]] = kept
        return deepcopy(kept)

    def _next(self) -> int:
        self._count += 1
        return self._count
