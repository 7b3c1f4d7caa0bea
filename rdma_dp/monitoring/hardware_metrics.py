"""Metrics of HCAs and their ports, from the newest inventory."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import Metric

from rdma_dp.inventory.hardware import Hca, Port
from rdma_dp.metrics import Metrics
from rdma_dp.monitoring.families import counted, counter, gauge
from rdma_dp.sharing.state import NodeState

# The numbers of the kernel's enum ib_port_state (include/rdma/ib_verbs.h).
_STATES = {"NOP": 0, "DOWN": 1, "INIT": 2, "ARMED": 3, "ACTIVE": 4, "ACTIVE_DEFER": 5}

# Those of enum ib_port_phys_state, as the kernel spells them (drivers/infiniband/core/sysfs.c:
# phys_state_to_str).
_PHYSICAL_STATES = {
    "Sleep": 1,
    "Polling": 2,
    "Disabled": 3,
    "PortConfigurationTraining": 4,
    "LinkUp": 5,
    "LinkErrorRecovery": 6,
    "Phy Test": 7,
}

_BYTES_OF_GIGABIT = 1e9 / 8

_Located = tuple[tuple[str, str], Port]


Made = Callable[[Hca], tuple[str, str]]
"""The model and the firmware of an HCA, "" where they are not known."""


def hardware_families(state: NodeState, metrics: Metrics, made: Made) -> Iterator[Metric]:
    """HCAs with their facts, resources and exclusions, and the states of their ports."""
    hcas = state.inventory.hcas
    yield from _hcas(hcas, state, made)
    ports = [((hca.name, str(port.number)), port) for hca in hcas for port in hca.ports]
    yield from _ports(ports)
    yield counter(
        "port_state_changes",
        "Changes of the port's state that scans have seen.",
        ["device", "port"],
        counted(metrics.port_changes, (labels for labels, _ in ports)),
    )


def _hcas(hcas: Iterable[Hca], state: NodeState, made: Made) -> Iterator[Metric]:
    yield gauge(
        "hca_info",
        "1, with facts about the HCA as labels.",
        [
            *("device", "pci", "driver", "vendor", "device_id", "function", "numa_node", "netdev"),
            *("model", "firmware"),
        ],
        (((*_facts(hca), *made(hca)), 1) for hca in hcas),
    )
    yield gauge(
        "hca_resource",
        "1 for each resource that hands out the HCA.",
        ["device", "resource"],
        (((hca.name, name), 1) for name, pool in state.pools.items() for hca in pool.hcas),
    )
    yield gauge(
        "hca_excluded",
        "1 for an HCA that cannot be shared. docs/codes.md lists the reasons.",
        ["device", "reason"],
        (((hca.name, hca.ineligible.code.value), 1) for hca in hcas if hca.ineligible),
    )


def _facts(hca: Hca) -> tuple[str, ...]:
    function = hca.function
    return (
        hca.name,
        (function and function.address) or "",
        (function and function.driver) or "",
        (function and function.vendor) or "",
        (function and function.device) or "",
        hca.function_type.value,
        "" if hca.numa_node is None else str(hca.numa_node),
        ",".join(netdev.name for netdev in hca.netdevs),
    )


def _ports(ports: Iterable[_Located]) -> Iterator[Metric]:
    located = tuple(ports)
    yield gauge(
        "port_info",
        "1, with facts about the port as labels.",
        ["device", "port", "link_layer", "netdev"],
        (((*labels, port.link_layer or "", ",".join(port.netdevs)), 1) for labels, port in located),
    )
    yield gauge(
        "port_active",
        "1 if the port is ACTIVE.",
        ["device", "port"],
        ((labels, float(port.state == "ACTIVE")) for labels, port in located if port.state),
    )
    yield gauge(
        "port_state_id",
        "State of the port: 1 DOWN, 2 INIT, 3 ARMED, 4 ACTIVE, 5 ACTIVE_DEFER.",
        ["device", "port"],
        _numbers((labels, port.state, _STATES) for labels, port in located),
    )
    yield gauge(
        "port_physical_state_id",
        "Physical state of the port: 1 Sleep, 2 Polling, 3 Disabled, 4 training, 5 LinkUp, "
        "6 LinkErrorRecovery, 7 Phy Test.",
        ["device", "port"],
        _numbers((labels, port.phys_state, _PHYSICAL_STATES) for labels, port in located),
    )
    yield gauge(
        "port_rate_bytes_per_second",
        "Rate of the link.",
        ["device", "port"],
        (
            (labels, port.rate * _BYTES_OF_GIGABIT)
            for labels, port in located
            if port.rate is not None
        ),
    )


def _numbers(
    found: Iterable[tuple[tuple[str, str], str | None, dict[str, int]]],
) -> Iterator[tuple[tuple[str, str], float]]:
    """The numbers of the states that the kernel names; a port without a known one is left out."""
    for labels, name, numbers in found:
        if name in numbers:
            yield labels, numbers[name]
