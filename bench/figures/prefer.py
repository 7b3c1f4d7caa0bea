"""The duration of GetPreferredAllocation."""

import random
from collections.abc import Callable

from bench.calls import caller, echo, in_turns, preference_of
from bench.samples import medians, percentile
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, latency, milliseconds, times
from bench.workshop import Workshop
from rdma_dp.config import Preference, SlotsPer
from rdma_dp.sharing.preference import SlotIndex, preferred

_HCAS = (8, 16, 64)
_SLOTS = 63  # per HCA
_ASKED_FOR = 8
_AIM = 0.005  # seconds, for 1,008 ids


async def prefer(workshop: Workshop, scale: Scale) -> list[Row]:
    """GetPreferredAllocation: 8 slots of 504, 1,008 and 4,032, all free: p50 and p99.

    8, 16 and 64 HCAs with 63 slots each, on two NUMA nodes. The ids are shuffled, because kubelet
    sends them in no order. The echo answers the same request with the same number of bytes, and
    does not parse the ids or choose any. "The choice alone" calls the function in this process
    with ids as strings; its ratio is to 504 ids: 2 and 8 mean linear.
    """
    rows = []
    for preference in Preference:
        sharings = [_sharing(hcas, preference) for hcas in _HCAS]
        for sharing in sharings:
            rows += await _called(workshop, scale, sharing)
        rows += _alone(workshop, scale, sharings)
    return rows


def _sharing(hcas: int, preference: Preference) -> Sharing:
    return Sharing(hcas, slots_per=SlotsPer.HCA, slots=_SLOTS, preference=preference)


def _case(sharing: Sharing) -> str:
    return f"{sharing.preference}, {_ASKED_FOR} of {sharing.hcas * _SLOTS:,}"


async def _called(workshop: Workshop, scale: Scale, sharing: Sharing) -> list[Row]:
    request = preference_of(_offer(workshop, sharing), _ASKED_FOR)
    async with (
        workshop.daemon(sharing) as daemon,
        caller(daemon.socket, request) as call,
        echo(workshop, request, len(await call())) as (_, echo_call),
    ):
        taken = await in_turns({"daemon": call, "echo": echo_call}, scale.calls)
    middle, worst = (
        latency(_case(sharing), percent, taken["daemon"], taken["echo"], "echo")
        for percent in (50, 99)
    )
    slowest = percentile(taken["daemon"], 99)
    aim = at_most(slowest, _AIM, milliseconds(_AIM)) if sharing.hcas == 16 else ""
    return [middle, worst.aimed(aim)]


def _alone(workshop: Workshop, scale: Scale, sharings: list[Sharing]) -> list[Row]:
    def work(sharing: Sharing) -> Callable[[], object]:
        pool, offer = workshop.pool(sharing), _offer(workshop, sharing)
        index = SlotIndex(pool)
        return lambda: preferred(pool, offer, (), _ASKED_FOR, index)

    taken = medians({_case(sharing): work(sharing) for sharing in sharings}, scale.builds)
    first = taken[_case(sharings[0])]
    return [
        Row(f"{case}, the choice alone", milliseconds(value), times(value, first, "504"))
        for case, value in taken.items()
    ]


def _offer(workshop: Workshop, sharing: Sharing) -> list[str]:
    ids = [slot.id for slot in workshop.pool(sharing).slots]
    random.Random(0).shuffle(ids)  # noqa: S311 - the same order each time
    return ids
