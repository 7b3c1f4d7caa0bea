"""The costs of the list of all slots."""

from bench.samples import medians
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, microseconds, milliseconds, times
from bench.workshop import Workshop
from rdma_dp.config import SlotsPer
from rdma_dp.kubelet.api import deviceplugin_pb2 as pb
from rdma_dp.kubelet.device_plugin.messages import device_list
from rdma_dp.sharing.pool import Pool

_SHARINGS = {
    "resource": (Sharing(8, slots=504), Sharing(8, slots=10_000)),
    "hca": (
        Sharing(8, slots_per=SlotsPer.HCA, slots=63),
        Sharing(80, slots_per=SlotsPer.HCA, slots=125),
    ),
}

_Fields = tuple[str, str, pb.TopologyInfo | None]


async def listing(workshop: Workshop, scale: Scale) -> list[Row]:
    """The list of all slots, from the pool to the message's bytes: the median of several.

    504 and 10,000 slots, with `slotsPer: resource` and with `slotsPer: hca`, where ids are longer
    and have a NUMA node; in this process. "Bare" builds and serializes the same message from ids,
    health words and nodes that already exist. "Each" is one of the 10,000 slots, and its ratio is
    to one of the 504: 1 means linear.
    """
    rows = []
    for kind, sharings in _SHARINGS.items():
        each_slot = []
        for pool in map(workshop.pool, sharings):
            taken, bare = _taken(pool, scale.builds)
            ratio = times(taken, bare, f"bare ({milliseconds(bare)})")
            rows.append(Row(f"{kind}, {pool.listed:,} slots", milliseconds(taken), ratio))
            each_slot.append(taken / pool.listed)
        few, many = each_slot
        rows.append(Row(f"{kind}, each of 10,000", microseconds(many), times(many, few, "504")))
    return rows


def _taken(pool: Pool, count: int) -> tuple[float, float]:
    """The median durations of the list and of the bare message, in seconds."""
    fields = [_fields(device) for device in device_list(pool).devices]
    taken = medians(
        {"ours": lambda: device_list(pool).SerializeToString(), "bare": lambda: _bare(fields)},
        count,
    )
    return taken["ours"], taken["bare"]


def _fields(device: pb.Device) -> _Fields:
    return device.ID, device.health, device.topology if device.HasField("topology") else None


def _bare(fields: list[_Fields]) -> bytes:
    message = pb.ListAndWatchResponse()
    for name, health, topology in fields:
        message.devices.add(ID=name, health=health, topology=topology)
    return message.SerializeToString()
