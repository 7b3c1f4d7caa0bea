"""What is measured of one plugin on one host."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench.calls import Call, allocate_of, caller
from bench.duel import namespaces
from bench.duel.contenders import Contender, Started, started
from bench.process import BenchError
from bench.samples import median, percentile
from simulator.host import SimulatedHost

_HCA = "mlx5_0"
_POLL = 0.01  # seconds between two checks for a change that kubelet's list does not show
_SETTLED = 1.0  # seconds
_LONGEST = 120.0  # seconds; an HCA that is not missed by then is shown as that


@dataclass(frozen=True, slots=True)
class Case:
    """A host, and how often and how long things are measured on it.

    `interval` is the periodicUpdateInterval of both plugins, in seconds. A scan must take less than
    half of it.
    """

    host: SimulatedHost
    hcas: int
    starts: int
    calls: int
    interval: int
    go_caller: Path
    environment: Mapping[str, str]


async def measured(contender: Contender, case: Case) -> dict[str, str]:
    """Each measure with its value as text."""
    run = (contender, case.host, case.hcas, case.interval, case.environment)
    starts = []
    for _ in range(case.starts - 1):
        async with started(*run) as plugin:
            starts.append(plugin.took)
    async with started(*run) as plugin:
        starts.append(plugin.took)
        table = {"exec to the list, ms": _ms(median(starts))}
        first = plugin.child.memory()
        table["CPU with one scan, ms"] = _ms(await _cpu_of_a_scan(plugin, case.interval))
        table |= await _allocations(plugin, case)
        table["RSS at start / highest, MB"] = (
            f"{first * 1024 / 1e6:.0f}/{plugin.child.highest_memory() * 1024 / 1e6:.0f}"
        )
        table["kubelet restart to the list, ms"] = _ms(await _restart(plugin))
        table["HCA gone to Allocate, ms"] = _ms(await _unplugged(plugin, case))
        begin = time.perf_counter()
        await plugin.child.terminate()
        table["SIGTERM to exit, ms"] = _ms(time.perf_counter() - begin)
    return table


async def _cpu_of_a_scan(plugin: Started, interval: int) -> float:
    """The CPU time of one interval, in the middle of which the timer asks for a scan."""
    await asyncio.sleep(interval / 2)
    before = plugin.child.cpu()
    await asyncio.sleep(interval)
    return plugin.child.cpu() - before


async def _allocations(plugin: Started, case: Case) -> dict[str, str]:
    one_by_one, _ = await _called(plugin, case, 1)
    _, whole = await _called(plugin, case, 8)
    return {
        "Allocate p50, ms": _ms(percentile(one_by_one, 50)),
        "Allocate p99, ms": _ms(percentile(one_by_one, 99)),
        "8 at once, calls/s": f"{case.calls / whole:,.0f}",
    }


async def _called(plugin: Started, case: Case, at_once: int) -> tuple[list[float], float]:
    arguments = (str(plugin.socket), str(case.calls), str(at_once))
    process = await asyncio.create_subprocess_exec(
        str(case.go_caller), *arguments, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise BenchError(f"the client of {plugin.socket} failed with {process.returncode}")
    *taken, whole = (int(line) / 1e9 for line in output.split())
    return taken, whole


async def _restart(plugin: Started) -> float:
    await plugin.kubelet.stop()
    begin = time.perf_counter()
    await plugin.kubelet.start()
    await plugin.complete()
    return time.perf_counter() - begin


async def _unplugged(plugin: Started, case: Case) -> float:
    """From the loss of an HCA until Allocate does not give it any more."""
    netdev = next((case.host.root / f"sys/class/infiniband/{_HCA}/device/net").iterdir()).name
    async with caller(plugin.socket, allocate_of("0")) as call:
        before = len(await call())
        await asyncio.sleep(_SETTLED)
        case.host.unplug(_HCA)
        begin = time.perf_counter()
        namespaces.remove_netdev(netdev)
        # Polled, because kubelet's list stays the same as long as one HCA is left.
        while await _length(call) == before and time.perf_counter() - begin < _LONGEST:  # noqa: ASYNC110
            await asyncio.sleep(_POLL)
        taken = time.perf_counter() - begin
    case.host.plug(_HCA)
    namespaces.add_netdevs(case.host)
    return taken


async def _length(call: Call) -> int:
    try:
        return len(await call())
    except grpc.aio.AioRpcError:  # no HCA is left
        return 0


def _ms(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
