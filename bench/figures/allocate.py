"""What a container start waits for."""

from dataclasses import dataclass

from bench.calls import Call, allocator, echo, timed
from bench.samples import percentile
from bench.scale import Scale
from bench.table import Row, at_most, milliseconds, times
from bench.workshop import Workshop

_AT_ONCE = (1, 8)
_ROUNDS = 4  # daemon and echo take turns, so that a noisy neighbour meets both
_AIM = 3.0  # times the echo's median, at 8 HCAs


@dataclass(frozen=True, slots=True)
class _Pair:
    """The same calls at the daemon and at the echo, in seconds each."""

    daemon: list[float]
    echo: list[float]


async def allocate(workshop: Workshop, scale: Scale) -> list[Row]:
    """Allocate of one slot for one container, one call at a time and 8 at once: p50 and p99.

    The answer names every HCA of the host: 2N + 1 device nodes. Client and server are two
    processes on one machine. The echo is a bare grpc.aio server that sends as many bytes without
    making them from anything, so the ratio is what is ours; the client is the same for both and
    takes bytes as they come.
    """
    rows = []
    for hcas in scale.hcas:
        async with workshop.daemon(hcas) as daemon, allocator(daemon.socket) as call:
            size = len(await call())
            async with echo(workshop, size) as (_, echo_call):
                for at_once in _AT_ONCE:
                    pair = await _compared(call, echo_call, scale.calls, at_once)
                    rows += _rows(f"{hcas} HCAs, {at_once} at once", pair, aimed=hcas == 8)
    return rows


async def _compared(call: Call, echo_call: Call, count: int, at_once: int) -> _Pair:
    await timed(call, count // _ROUNDS, at_once)  # warms both up
    await timed(echo_call, count // _ROUNDS, at_once)
    pair = _Pair([], [])
    for _ in range(_ROUNDS):
        pair.daemon.extend(await timed(call, count // _ROUNDS, at_once))
        pair.echo.extend(await timed(echo_call, count // _ROUNDS, at_once))
    return pair


def _rows(case: str, pair: _Pair, *, aimed: bool) -> list[Row]:
    middle, echo_middle = percentile(pair.daemon, 50), percentile(pair.echo, 50)
    worst, echo_worst = percentile(pair.daemon, 99), percentile(pair.echo, 99)
    aim = at_most(middle / echo_middle, _AIM, f"{_AIM:g} x") if aimed else ""
    return [
        Row(f"{case}, p50", milliseconds(middle), _against(middle, echo_middle), aim),
        Row(f"{case}, p99", milliseconds(worst), _against(worst, echo_worst)),
    ]


def _against(value: float, echo_value: float) -> str:
    return times(value, echo_value, f"echo ({milliseconds(echo_value)})")
