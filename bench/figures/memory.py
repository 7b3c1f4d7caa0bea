"""The memory of the daemon."""

from bench.calls import allocate_of, caller, timed
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, at_most, megabytes, times
from bench.workshop import Workshop

_AIM = 48_000_000 / 1024  # KiB
_FLAT = 1.02  # times the memory after the first tenth: what is not growth
_AT_ONCE = 8


async def memory(workshop: Workshop, scale: Scale) -> list[Row]:
    """VmRSS of the daemon at 8 HCAs: after its start, and after Allocate calls, 8 at once.

    VmRSS includes shared libraries in full. The first tenth of the calls fills buffers and caches.
    After it, the memory should not grow. With this machine's own /sys, the daemon also follows
    kernel events, as on every real node.
    """
    async with (
        workshop.daemon(Sharing(8)) as daemon,
        caller(daemon.socket, allocate_of("0")) as call,
    ):
        begin = daemon.child.memory()
        rows = [_row("after the start", begin)]
        tenth = scale.allocations // 10
        await timed(call, tenth, _AT_ONCE)
        warm = daemon.child.memory()
        rows.append(_row(f"after {tenth:,} Allocates", warm, begin, "start"))
        await timed(call, scale.allocations - tenth, _AT_ONCE)
        end = daemon.child.memory()
        rows.append(_row(f"after {scale.allocations:,} Allocates", end, warm, f"{tenth:,}"))
        flat = at_most(end / warm, _FLAT, f"{_FLAT:g} x")
        rows.append(Row("growth between the two", megabytes(end - warm), "", flat))
    async with workshop.daemon_here() as daemon:
        rows.append(
            _row("after a start on this machine's /sys", daemon.child.memory(), begin, "start")
        )
    return rows


def _row(case: str, value: int, base: int | None = None, what: str = "") -> Row:
    ratio = "" if base is None else times(value, base, what)
    return Row(case, megabytes(value), ratio, at_most(value, _AIM, "48 MB"))
