"""What the dashboard shows, made to run: a Prometheus that scrapes the daemon on a simulated host.

A simulated host has no processes that own queue pairs, and no statistics of netdevs. So a second
target stands in for a node that has them: its page is made by the same code, from given readings.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from rdma_dp.config import parse
from rdma_dp.discovery import scan
from rdma_dp.host.containers import Name
from rdma_dp.host.files import Host
from rdma_dp.host.netlink.backends import RecordedNetlink
from rdma_dp.kubelet.holdings import Holding
from rdma_dp.monitoring.counter_reader import CounterReader
from rdma_dp.monitoring.pod_metrics import pod_families
from rdma_dp.monitoring.port_metrics import port_families
from rdma_dp.monitoring.usage import ForeignUser, Usage
from rdma_dp.sharing.state import NodeState, next_state
from simulator import host as simulated_host
from simulator.host.made import COUNTERS
from simulator.kubelet import SimulatedKubelet
from tests.heavy.monitoring.prometheus import prometheus, until_answered
from tests.integration.daemon.process import NAME, Node, healthy
from tests.integration.daemon.scraping import LOOPBACK, free_port
from tests.live_tree import LiveTree

HOST = "dgx-b200"  # it has HCAs that cannot be shared
PROMETHEUS_DEADLINE = 120.0  # seconds
SATURATED = {"counters/link_downed": 255}
CONFIG = """
metrics: {pauses: true, minInterval: 1}
configList: [{resourceName: a, rdmaHcaMax: 4, selectors: {vendors: [15b3]}}]
"""


@dataclass
class Fleet:
    """What a caller changes. `statistics` are those of each netdev of the second target."""

    prometheus: int  # its port
    node: Node
    kubelet: SimulatedKubelet
    statistics: dict[str, int]


@asynccontextmanager
async def fleet(tmp_path: Path, directory: Path) -> AsyncIterator[Fleet]:
    """Both targets and Prometheus, with counters on each port and a pod that holds two slots."""
    node, port = Node(directory, simulated_host.load(HOST)), free_port()
    for path in (directory / "host/sys/class/infiniband").iterdir():
        node.host.set_counters(path.name, 1, {**dict.fromkeys(COUNTERS, 7), **SATURATED})
    node.configure(metrics={"counters": "trouble", "minInterval": 1, "pods": "allocations"})
    statistics = {"rx_prio3_pause": 7, "rx_prio3_pause_duration": 1_000_000}
    with _second(node.host.root, statistics) as second:
        async with (
            SimulatedKubelet(node.kubelet_root, pod_resources=True) as kubelet,
            node.daemon("--metrics", f"{LOOPBACK}:{port}"),
            prometheus(tmp_path, {"gpu-1": port, "gpu-2": second}) as server,
        ):
            await kubelet.wait_for(NAME, healthy(4))
            async with asyncio.timeout(PROMETHEUS_DEADLINE):
                await until_answered(server, "rdma_dp_allocate_duration_seconds_count")
            allocation = await kubelet.allocate(NAME, 2)
            kubelet.name(allocation, "team", "train-0", "main")
            yield Fleet(server, node, kubelet, statistics)


@contextmanager
def _second(root: Path, statistics: Mapping[str, int]) -> Iterator[int]:
    """The second target. Yields its port."""
    registry = CollectorRegistry()
    registry.register(_Families(root, statistics))
    port = free_port()
    server, thread = start_http_server(port, LOOPBACK, registry)
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Families(Collector):
    def __init__(self, root: Path, statistics: Mapping[str, int]) -> None:
        self._statistics = statistics
        self._host = Host(LiveTree(root), RecordedNetlink())
        self._state = next_state(parse(CONFIG).config, scan(Host(root)), 0.0)
        self._usage = _usage(self._state)

    def collect(self) -> Iterator[Metric]:
        """Each scrape has a reader of its own, which reads the statistics at once."""
        reader = CounterReader(
            self._host, lambda: self._state, wait=60.0, statistics=lambda _: self._statistics
        )
        asyncio.run(reader.refreshed())
        yield from port_families(self._state, reader)
        yield from pod_families(self._usage)


def _usage(state: NodeState) -> Usage:
    """A pod with queue pairs, one without, and a process that holds no slot."""
    hcas = tuple(hca.name for hca in state.hcas)

    def held(pod: str) -> Holding:
        return Holding("team", pod, "main", NAME, ("0",), hcas, slots_by_hca=dict.fromkeys(hcas, 1))

    user = Name("team", "train-1", "main")
    return Usage(
        state.pools,
        (held("train-1"), held("tcp-only")),
        {(user, hca): 64 for hca in hcas},
        (ForeignUser(hcas[0], "mmfsd", (4711,), None, 12),),
    )
