"""The duration of Allocate with slots per HCA, and with CDI."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from bench.calls import Call, allocate_of, caller, in_turns
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, latency
from bench.workshop import Daemon, Workshop
from rdma_dp.config import CdiMode, SlotsPer

_RESOURCE = "resource"
_KINDS = {
    _RESOURCE: Sharing(8),
    "hca": Sharing(8, slots_per=SlotsPer.HCA),
    "hca, CDI": Sharing(8, slots_per=SlotsPer.HCA, cdi=CdiMode.CRI),
}


async def per_hca(workshop: Workshop, scale: Scale) -> list[Row]:
    """Allocate of 1 slot and of 8 slots for one container at 8 HCAs: p50 and p99.

    With `slotsPer: hca`, each slot is of another HCA: the response has 3 or 17 device nodes, or 2
    or 9 CDI names with `cdi: cri`. The ratio is to `slotsPer: resource` with the same number of
    slots, where the response always has 17 nodes. Three daemons take turns.
    """
    rows = []
    async with AsyncExitStack() as stack:
        daemons = {
            kind: await stack.enter_async_context(workshop.daemon(sharing))
            for kind, sharing in _KINDS.items()
        }
        for slots in (1, 8):
            async with _callers(daemons, slots) as calls:
                taken = await in_turns(calls, scale.calls)
            base = taken.pop(_RESOURCE)
            for kind, samples in taken.items():
                case = f"{kind}, {slots} slot{'s' * (slots > 1)}"
                rows += [latency(case, percent, samples, base, _RESOURCE) for percent in (50, 99)]
    return rows


@asynccontextmanager
async def _callers(daemons: Mapping[str, Daemon], slots: int) -> AsyncIterator[Mapping[str, Call]]:
    async with AsyncExitStack() as stack:
        calls = {}
        for kind, daemon in daemons.items():
            request = allocate_of(*_slots(daemon, slots))
            calls[kind] = await stack.enter_async_context(caller(daemon.socket, request))
        yield calls


def _slots(daemon: Daemon, count: int) -> list[str]:
    """The first ids, or the first id of each HCA."""
    ids = sorted(daemon.kubelet.devices(daemon.resources[0]))
    return ([each for each in ids if each.endswith("-0")] or ids)[:count]
