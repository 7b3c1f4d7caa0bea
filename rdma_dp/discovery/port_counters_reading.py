"""Reads the counters of a port: hw_counters with one netlink message if possible, else the files.

Each file of mlx5's counters/ is a command to the firmware, and nothing is cached. So only those are
read that are wanted. What cannot be read costs one counter, and never the others.
"""

from collections.abc import Callable

from rdma_dp.host.files import Host, HostError
from rdma_dp.host.netlink.hw_counters import Ask
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.counter_meanings import is_counter
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.port_counters import RawCounters, Values, parsed

Wanted = Callable[[str], bool]

# What the kernel shows where the adapter has no such counter (core/sysfs.c, show_pma_counter).
_NONE = "N/A"


def read_port(host: Host, hca: Hca, number: int, wanted: Wanted, ask: Ask) -> RawCounters:
    """The counters of a port that are wanted by the driver's names. Raises ExhaustedError."""
    directory = f"{CLASS_INFINIBAND}/{hca.name}/ports/{number}"
    standard = _files(host, f"{directory}/counters", wanted)
    answer = ask(hca.name, number)
    if answer is None:
        return RawCounters(standard, _files(host, f"{directory}/hw_counters", wanted))
    own = {name: value for name, value in answer.items() if is_counter(name) and wanted(name)}
    return RawCounters(standard, own)


def _files(host: Host, directory: str, wanted: Wanted) -> Values:
    try:
        names = host.entries(directory)
    except HostError:
        return {directory: None}  # one failure, and no counter: no counter has such a name
    found: dict[str, int | None] = {}
    for name in names:
        if not (is_counter(name) and wanted(name)):
            continue
        try:
            content = host.read(f"{directory}/{name}")
        except HostError:
            found[name] = None
            continue
        if content is not None and not content.startswith(_NONE):
            found[name] = parsed(content)
    return found
