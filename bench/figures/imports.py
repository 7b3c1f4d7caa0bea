"""The import time of the daemon, and the modules that it loads."""

import re
import time
from pathlib import Path

from bench.process import BenchError, running
from bench.samples import median
from bench.scale import Scale
from bench.sharing import Sharing
from bench.table import Row, megabytes, milliseconds, times
from bench.workshop import Workshop

_DAEMON = "import rdma_dp.cli.program, rdma_dp.cli.daemon_process"
_IMPORTS = {
    "with grpc.aio": "import grpc.aio",
    "with all that the daemon imports": _DAEMON,
    "with all that parses its config": "import rdma_dp.config.reading",
    "and what a live host needs": f"{_DAEMON}, rdma_dp.host.netlink.rdma_queries, pyudev",
}

# Prints what VmRSS grows by with each statement, in KiB.
_SIZES = """
import re

def resident():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmRSS:\\s+(\\d+)", status.read())[1])

before = resident()
print(before, "the bare interpreter")
for what, modules in {
    "asyncio": "asyncio",
    "grpc.aio": "grpc.aio",
    "protobuf and the messages": "rdma_dp.kubelet.api.deviceplugin_pb2_grpc",
    "the rest of the daemon": "rdma_dp.cli.program, rdma_dp.cli.daemon_process",
    "pyudev": "pyudev",
}.items():
    exec(f"import {modules}")
    after = resident()
    print(after - before, what)
    before = after
"""

# Modules that no process of the daemon must load: tables for people, and everything for tests.
_UNWANTED = ("rich", "yaml", "pytest", "rdma_dp.render", "simulator")


async def imports(workshop: Workshop, scale: Scale) -> list[Row]:
    """The duration of Python processes that import modules and exit: the median of several.

    Only importing less makes this part of a start shorter. A second process parses the config at
    the same time. The figure includes the exit of the process, a few milliseconds. Then the memory
    that each library adds, one after the other in one process. The last row counts the modules that
    both processes of a registered daemon have loaded (from `python -X importtime`), and names those
    that neither must load.
    """
    bare = await median_process(workshop, "pass", scale.starts)
    rows = [Row("the bare interpreter", milliseconds(bare))]
    for case, statement in _IMPORTS.items():
        taken = await median_process(workshop, statement, scale.starts)
        rows.append(Row(case, milliseconds(taken), times(taken, bare, "bare")))
    return [*rows, *await _sizes(workshop), await _loaded(workshop)]


async def median_process(workshop: Workshop, statement: str, count: int) -> float:
    """The median duration of processes that run a statement, in seconds."""
    log = workshop.directory() / "log"
    await _process(workshop, statement, log)  # compiles
    return median([await _process(workshop, statement, log) for _ in range(count)])


async def _sizes(workshop: Workshop) -> list[Row]:
    """The resident memory that each library adds to those above it."""
    log = workshop.directory() / "log"
    await _process(workshop, _SIZES, log)
    lines = (line.split(" ", 1) for line in log.read_text().splitlines())
    return [Row(f"memory of {what}", megabytes(int(kibibytes))) for kibibytes, what in lines]


async def _process(workshop: Workshop, statement: str, log: Path) -> float:
    begin = time.perf_counter()
    async with running("-c", statement, log=log, environment=workshop.environment) as child:
        code = await child.ended()
        taken = time.perf_counter() - begin
    if code != 0:
        raise BenchError(_why(statement, log))
    return taken


def _why(statement: str, log: Path) -> str:
    return f"python -c {statement!r} failed:\n{log.read_text()}"


async def _loaded(workshop: Workshop) -> Row:
    async with workshop.daemon(Sharing(8), environment={"PYTHONPROFILEIMPORTTIME": "1"}) as daemon:
        await daemon.child.terminate()
    modules = _imported(daemon.log)
    unwanted = [name for name in _UNWANTED if name in modules]
    verdict = f"MISSED: {', '.join(unwanted)}" if unwanted else "met"
    return Row(
        "modules loaded by both processes", str(len(modules)), aim=f"no rich, yaml, test: {verdict}"
    )


def _imported(log: Path) -> list[str]:
    return re.findall(r"^import time:.*\| +(\S+)$", log.read_text(), re.MULTILINE)
