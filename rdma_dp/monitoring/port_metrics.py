"""Metrics of the counters of ports, from the last reading of each shared HCA."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from rdma_dp.config import CountersLevel
from rdma_dp.inventory.counter_meanings import MEANINGS
from rdma_dp.inventory.port_counters import PortCounters
from rdma_dp.monitoring.counter_reader import CounterReader, HcaReading
from rdma_dp.monitoring.families import counter, gauge
from rdma_dp.sharing.state import NodeState

_PORT = ("device", "port")

_Located = tuple[tuple[str, str], PortCounters]


def port_families(state: NodeState, reader: CounterReader) -> Iterator[Metric]:
    """The counters, the age of the readings, and failed reads. Absent counters are absent."""
    level = state.config.metrics.counters
    if level is CountersLevel.NONE:
        return
    readings = [(hca.name, each) for hca in state.hcas if (each := reader.reading(hca))]
    yield from _readings(state, readings, reader)
    yield _objects(state, reader)
    ports = [
        ((device, str(number)), counters)
        for device, reading in readings
        for number, counters in reading.ports.items()
    ]
    for meaning in MEANINGS:
        samples = [
            (labels, counters.values[meaning.name])
            for labels, counters in ports
            if meaning.name in counters.values
        ]
        if samples:
            yield counter(f"port_{meaning.name}", meaning.text, _PORT, samples)
    yield from _saturated(ports)
    yield from _pauses(readings)
    if level is CountersLevel.ALL:
        yield counter(
            "port_hw_counter",
            "A counter of the port that has no name of its own: `counter` is the driver's name.",
            (*_PORT, "counter"),
            (
                ((*labels, name), value)
                for labels, counters in ports
                for name, value in counters.others.items()
            ),
        )


def _readings(
    state: NodeState, readings: list[tuple[str, HcaReading]], reader: CounterReader
) -> Iterator[Metric]:
    yield gauge(
        "counters_age_seconds",
        "Age of the counters of the HCA's ports. It grows while they cannot be read.",
        ["device"],
        (((device,), reader.age(reading)) for device, reading in readings),
    )
    failures = reader.failures.values
    yield counter(
        "hca_read_errors",
        "Counters of the HCA's ports that could not be read, in all readings.",
        ["device"],
        (((hca.name,), failures.get((hca.name,), 0)) for hca in state.hcas),
    )


def _objects(state: NodeState, reader: CounterReader) -> Metric:
    return gauge(
        "hca_objects",
        "Objects of the HCA that the kernel has: qp, cq, mr, pd, ctx, cm_id, srq.",
        ["device", "type"],
        (
            ((hca.name, kind), count)
            for hca in state.hcas
            for kind, count in reader.objects.get(hca.name, {}).items()
        ),
    )


def _saturated(ports: list[_Located]) -> Iterator[Metric]:
    yield gauge(
        "port_counter_saturated",
        "1 for a counter that has reached its largest value. It counts again after a reset "
        "(perfquery -R).",
        (*_PORT, "counter"),
        (((*labels, name), 1) for labels, counters in ports for name in counters.saturated),
    )


def _pauses(readings: list[tuple[str, HcaReading]]) -> Iterator[Metric]:
    ports = [
        ((device, str(number)), pauses)
        for device, reading in readings
        if reading.pauses
        for number, pauses in reading.pauses.ports.items()
    ]
    if ports:
        labels = (*_PORT, "priority", "direction")
        yield counter(
            "port_pause_frames",
            "Pause frames. Received ones stop this port, transmitted ones stop the switch.",
            labels,
            (((*at, *which), n) for at, pauses in ports for which, n in pauses.frames.items()),
        )
        yield counter(
            "port_pause_seconds",
            "Time in pause.",
            labels,
            (
                ((*at, *which), n / 1e6)
                for at, pauses in ports
                for which, n in pauses.microseconds.items()
            ),
        )
