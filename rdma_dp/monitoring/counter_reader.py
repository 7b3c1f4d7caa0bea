"""Reads the counters of shared HCAs for scrapes: not too often, and in a thread.

A scrape starts a reading if the last one is older than the config's `minInterval`, and waits for it
for a short time only. Then it shows what there is: each HCA has the values of its own last reading,
with their age. A read that hangs, as with a faulty adapter, delays nothing but its own HCA.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from rdma_dp.aio.threads import in_thread
from rdma_dp.config import CountersLevel, MetricsSettings
from rdma_dp.discovery.port_counters_reading import read_port
from rdma_dp.host import ethtool
from rdma_dp.host.files import ExhaustedError, Host, HostError
from rdma_dp.host.netlink.hw_counters import Ask, HwCounters
from rdma_dp.host.netlink.rdma_queries import query_objects
from rdma_dp.host.paths import CLASS_INFINIBAND
from rdma_dp.inventory.counter_meanings import has_meaning
from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.pauses import Pauses, pauses_in
from rdma_dp.inventory.port_counters import PortCounters, interpreted
from rdma_dp.log import Notice
from rdma_dp.metrics import Tally
from rdma_dp.monitoring.interval import at_least
from rdma_dp.sharing.state import NodeState

logger = logging.getLogger(__name__)

# Seconds that a scrape waits for a reading. Prometheus waits 10 s for a page by default.
_WAIT = 2.0

# Seconds on one HCA after which a reading counts as hanging. As for scans (daemon/scanner.py).
_PATIENCE = 10.0

# Seconds between two readings of pauses, at least.
_PAUSES_INTERVAL = 30.0

_LINE = 256  # bytes of a file with one line

_Key = tuple[str, str]


def _key(hca: Hca) -> _Key:
    """The hardware under its name: another HCA that gets the name has no values yet."""
    return hca.name, hca.stable_key


@dataclass(frozen=True, slots=True)
class PauseReading:
    """The pauses by the numbers of ports. They are read less often."""

    moment: float
    ports: Mapping[int, Pauses] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HcaReading:
    """One reading of an HCA. `moment` is its end on the reader's clock.

    `pauses` is None if the config does not want them. `model` and `firmware` are as the driver
    shows them, "" where it does not.
    """

    moment: float
    ports: Mapping[int, PortCounters] = field(default_factory=dict)
    pauses: PauseReading | None = None
    model: str = ""
    firmware: str = ""


Statistics = Callable[[str], Mapping[str, int]]
"""Returns the statistics of a netdev by its name."""


Objects = Mapping[str, Mapping[str, int]]
"""How many objects of each type exist, by the name of the HCA."""


@dataclass(slots=True)
class _Round:
    """A reading of several HCAs in a thread. `current` is the HCA that is read since `since`."""

    begun: float
    since: float
    current: _Key | None = None
    given_up: bool = False
    waited: bool = False


def _no_statistics(_: str) -> Mapping[str, int]:
    """For a host that is not this machine."""
    return {}


def _no_objects() -> None:
    """For a host that is not this machine."""


class CounterReader:
    """The last readings of the HCAs that resources share, and the objects of all HCAs."""

    def __init__(
        self,
        host: Host,
        state: Callable[[], NodeState | None],
        *,
        wait: float = _WAIT,
        patience: float = _PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        statistics: Statistics = ethtool.statistics,
        objects: Callable[[], Objects | None] = query_objects,
    ) -> None:
        """`state` returns the newest state. `wait` and `patience` are in seconds.

        `statistics` and `objects` are asked on this machine only: a captured host has none.
        """
        self._host = host
        self._state = state
        self._wait = wait
        self._patience = patience
        self._clock = clock
        self._statistics = statistics if host.live else _no_statistics
        self._query_objects = objects if host.live else _no_objects
        self._netlink = HwCounters(live=host.live)
        self._readings: dict[_Key, HcaReading] = {}
        self._round: _Round | None = None
        self._reading: asyncio.Future[None] | None = None
        self._hanging: dict[_Key, asyncio.Future[None]] = {}
        self._failure = Notice(logger.warning)
        self.failures = Tally()
        self.objects: Objects = {}

    def reading(self, hca: Hca) -> HcaReading | None:
        """The last reading of an HCA; None before the first."""
        return self._readings.get(_key(hca))

    def age(self, reading: HcaReading) -> float:
        """The age of a reading in seconds."""
        return self._clock() - reading.moment

    async def refreshed(self) -> None:
        """Starts a reading if one is due. Waits for a reading, once and for a short time."""
        state = self._state()
        if state is None or state.config.metrics.counters is CountersLevel.NONE:
            return
        if self._due(state.config.metrics.min_interval):
            self._begin(state)
        current = self._round
        if self._reading is not None and current is not None and not current.waited:
            await asyncio.wait([self._reading], timeout=self._wait)
            current.waited = True

    def _due(self, interval: float) -> bool:
        now, last = self._clock(), self._round
        if last is None or self._reading is None:
            return True
        if now - last.begun < at_least(interval):
            return False
        if self._reading.done():
            return True
        if now - last.since < self._patience:
            return False
        if last.current is None:  # another thread would hang, too
            self._failure.set("asking RDMA netlink hangs: no counters are read")
            return False
        logger.warning("reading the counters of %s hangs; the others are read on", last.current[0])
        last.given_up = True
        self._hanging[last.current] = self._reading
        return True

    def _begin(self, state: NodeState) -> None:
        self._hanging = {key: end for key, end in self._hanging.items() if not end.done()}
        shared = [hca for hca in state.hcas if hca.shareable]
        present = {_key(hca) for hca in shared}
        self._readings = {key: each for key, each in [*self._readings.items()] if key in present}
        now = self._clock()
        self._round = _Round(begun=now, since=now)
        hcas = [hca for hca in shared if _key(hca) not in self._hanging]
        self._reading = in_thread(self._read_all, self._round, hcas, state.config.metrics)

    def _read_all(self, current: _Round, hcas: Iterable[Hca], wanted: MetricsSettings) -> None:
        """In a thread. The values of HCAs that it cannot read stay, and get older."""
        try:
            self.objects = self._query_objects() or {}
            with self._netlink.asking() as ask:
                for hca in hcas:
                    current.since, current.current = self._clock(), _key(hca)
                    self._readings[_key(hca)] = self._read(hca, wanted, ask)
                    if current.given_up:
                        return
        except ExhaustedError as error:
            self._failure.set(str(error))
        except Exception:
            logger.exception("reading the counters failed")
        else:
            self._failure.set(None)

    def _read(self, hca: Hca, wanted: MetricsSettings, ask: Ask) -> HcaReading:
        names = (lambda _: True) if wanted.counters is CountersLevel.ALL else has_meaning
        raw = {
            port.number: read_port(self._host, hca, port.number, names, ask) for port in hca.ports
        }
        failures = sum(each.failures for each in raw.values())
        if failures:
            self.failures.add(hca.name, by=failures)
        return HcaReading(
            moment=self._clock(),
            ports={number: interpreted(each) for number, each in raw.items()},
            pauses=self._pauses(hca) if wanted.pauses else None,
            model=self._fact(hca, "hca_type") or self._fact(hca, "board_id"),
            firmware=self._fact(hca, "fw_ver"),
        )

    def _pauses(self, hca: Hca) -> PauseReading:
        before, now = self._readings.get(_key(hca)), self._clock()
        last = before.pauses if before else None
        if last is not None and now - last.moment < _PAUSES_INTERVAL:
            return last
        ports = {
            port.number: pauses_in(self._statistics(name) for name in port.netdevs)
            for port in hca.ports
        }
        return PauseReading(now, ports)

    def _fact(self, hca: Hca, name: str) -> str:
        """A file of the HCA that never changes, so it is read once."""
        try:
            data = self._host.read_unchanging(f"{CLASS_INFINIBAND}/{hca.name}/{name}", _LINE)
        except HostError:
            return ""
        return (data or b"").decode("utf-8", "replace").strip("\0 \t\r\n")
