"""The duration of Allocate."""

from collections.abc import Mapping

from bench.calls import allocate_of, caller, echo, in_turns
from bench.samples import median
from bench.scale import Scale
from bench.sharing import FEW_SLOTS, Sharing
from bench.table import Row, at_most, latency
from bench.workshop import Workshop

_AT_ONCE = (1, 8)
_AIM = 1.1  # times the echo's median; with more at once, the echo's calls/s by the daemon's
# The slots in turn, as in the requests of kubelet for one pod after another.
_REQUESTS = [allocate_of(str(slot)) for slot in range(FEW_SLOTS)]


async def allocate(workshop: Workshop, scale: Scale) -> list[Row]:
    """Allocate of one slot for one container, one call at a time and 8 at once.

    p50 and p99 of the duration of a call. With 8 at once also the calls in a second, and how many
    times as many the echo has. They are 8 by the mean duration: 8 calls are always on their way.

    The calls ask for 63 slots in turn. So nearly all of them are for a slot that a container had
    before, as on a node that runs for some time.

    The response has every HCA of the host: 2N + 1 device nodes. Client and server are two
    processes on one machine. The echo is a bare grpc.aio server that sends the same number of
    constant bytes, so the ratio shows the cost of our own code. The client is the same for both
    and does not parse responses.
    """
    rows = []
    for hcas in scale.hcas:
        async with (
            workshop.daemon(Sharing(hcas)) as daemon,
            caller(daemon.socket, *_REQUESTS) as call,
            echo(workshop, _REQUESTS[0], len(await call())) as (_, echo_call),
        ):
            for at_once in _AT_ONCE:
                calls = {"daemon": call, "echo": echo_call}
                taken = await in_turns(calls, scale.calls, at_once)
                rows += _rows(f"{hcas} HCAs, {at_once} at once", taken, at_once)
    return rows


def _rows(case: str, taken: Mapping[str, list[float]], at_once: int) -> list[Row]:
    daemon, echoed = taken["daemon"], taken["echo"]
    middle, worst = (latency(case, percent, daemon, echoed, "echo") for percent in (50, 99))
    if at_once == 1:
        return [middle.aimed(_aim(median(daemon) / median(echoed))), worst]
    rate, echo_rate = (at_once * len(each) / sum(each) for each in (daemon, echoed))
    ratio = echo_rate / rate
    throughput = Row(
        f"{case}, calls/s", f"{rate:,.0f}", f"{ratio:.2f} x in the echo ({echo_rate:,.0f})"
    )
    return [throughput.aimed(_aim(ratio)), middle, worst]


def _aim(ratio: float) -> str:
    return at_most(ratio, _AIM, f"{_AIM:g} x")
