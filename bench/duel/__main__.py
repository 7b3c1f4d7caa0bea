"""`python -m bench.duel`: measure both plugins and print one table. Needs root and Go."""

import argparse
import asyncio
import sys
from pathlib import Path

from bench import table
from bench.duel import namespaces
from bench.duel.contenders import contenders
from bench.duel.rounds import Case, measured
from bench.process import BenchError
from bench.workshop import environment_with
from tests.heavy import suite
from tests.heavy.node import programs
from tests.heavy.suite import CannotRunError

HCAS = (1, 8, 64, 512)

# Seconds between two scans of the Go plugin: a scan of 512 HCAs takes it about ten.
_INTERVALS = {512: 24}
_INTERVAL = 8
_STARTS = 3
_CALLS = {1: 4000, 8: 4000, 64: 400, 512: 80}

_NOTE = """Each cell: the Go plugin / rdma-dp. The client is Go's. One resource has all HCAs.
The timer asks for a scan every {few} s ({many} s with 512 HCAs). Its default is 60 s."""


def main() -> int:
    """Builds the Go plugin, measures both in namespaces of their own, and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.duel", description=main.__doc__)
    parser.add_argument("hcas", nargs="*", type=int, default=HCAS, help="numbers of HCAs")
    options = parser.parse_args()
    try:
        cache = suite.cache("node")
        go_plugin = programs.build(programs.GO_PLUGIN, cache) / "rdma-dp-test-go-plugin"
        go_caller = programs.build(programs.GO_CALLER, cache) / "caller"
    except CannotRunError as error:
        sys.stderr.write(f"duel: {error}\n")
        return 1
    if (code := namespaces.enter([str(count) for count in options.hcas])) is not None:
        return code
    machine = f"{_cpu()}, {table.machine()}"
    try:
        rows = asyncio.run(_measure(options.hcas, go_plugin, go_caller))
    except BenchError as error:
        sys.stderr.write(f"duel: {error}\n")
        return 1
    note = _NOTE.format(few=_INTERVAL, many=_INTERVALS[512])
    sys.stdout.write(f"{machine}\n{note}\n\n{_table(options.hcas, rows)}\n")
    return 0


async def _measure(hcas: tuple[int, ...], go_plugin: Path, go_caller: Path) -> list[list[str]]:
    columns: list[dict[str, str]] = []
    environment = environment_with(Path("/mnt/bytecode"))
    for count in hcas:
        host = namespaces.made_host(count)
        interval = _INTERVALS.get(count, _INTERVAL)
        case = Case(host, count, _STARTS, _CALLS.get(count, 400), interval, go_caller, environment)
        found = []
        for contender in contenders(go_plugin):
            sys.stderr.write(f"measuring {contender.name} with {count} HCAs ...\n")
            found.append(await measured(contender, case))
        columns.append({name: f"{found[0][name]} / {found[1][name]}" for name in found[0]})
        namespaces.remove_netdevs(host)
    return [[name, *(column[name] for column in columns)] for name in columns[0]]


def _table(hcas: tuple[int, ...], rows: list[list[str]]) -> str:
    head = ["Go / ours", *(f"N={count}" for count in hcas)]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cpu() -> str:
    """The model of the CPU."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "CPU")


if __name__ == "__main__":
    sys.exit(main())
