"""Metrics of resources: slots, registration with kubelet, Allocate calls."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from rdma_dp.config import Via
from rdma_dp.kubelet.device_plugin.servicer import Plugin
from rdma_dp.metrics import Metrics
from rdma_dp.monitoring.families import counted, counter, gauge, histogram
from rdma_dp.sharing.pool import Pool

_RESULTS = ("ok", "unknown-slot", "no-hca", "error")


def pool_families(pools: Iterable[Pool]) -> Iterator[Metric]:
    """Slots and HCAs of each resource, and why slots are unhealthy."""
    named = [(pool.resource.full_name, pool) for pool in pools]
    yield gauge(
        "slots",
        "Slots that kubelet gets in its list.",
        ["resource", "health"],
        (
            ((name, health), count)
            for name, pool in named
            if pool.resource.via is Via.PLUGIN
            for health, count in (
                ("healthy", pool.healthy),
                ("unhealthy", pool.listed - pool.healthy),
            )
        ),
    )
    yield gauge(
        "slots_unhealthy_reason",
        "1 for each reason why slots are unhealthy or will be soon. docs/codes.md lists the codes.",
        ["resource", "reason"],
        (
            ((name, code), 1)
            for name, pool in named
            for code in dict.fromkeys(reason.code.value for reason in pool.reasons)
        ),
    )
    yield gauge(
        "resource_hcas",
        "HCAs of the resource on this node.",
        ["resource"],
        (((name,), len(pool.hcas)) for name, pool in named),
    )
    yield gauge(
        "resource_info",
        "1, with settings of the resource as labels.",
        ["resource", "slots_per", "cdi"],
        (((name, pool.resource.slots_per.value, pool.cdi.value), 1) for name, pool in named),
    )


def kubelet_families(plugins: Iterable[Plugin], metrics: Metrics) -> Iterator[Metric]:
    """Registration and Allocate calls of each resource."""
    by_name = {plugin.resource: plugin for plugin in plugins}
    resources = [(name,) for name in by_name]
    yield gauge(
        "kubelet_registered",
        "1 if kubelet has accepted the resource and the registration was not lost since.",
        ["resource"],
        (((name,), float(plugin.registered)) for name, plugin in by_name.items()),
    )
    yield gauge(
        "kubelet_stream_open",
        "1 if kubelet has an open ListAndWatch stream. Without one, all slots count as unhealthy.",
        ["resource"],
        (((name,), float(plugin.streams.value.open > 0)) for name, plugin in by_name.items()),
    )
    yield counter(
        "kubelet_registrations",
        "Registrations that kubelet accepted.",
        ["resource"],
        counted(metrics.registrations, resources),
    )
    yield counter(
        "kubelet_registrations_lost",
        "Registrations that were lost or failed.",
        ["resource", "reason"],
        (
            (labels, count)
            for labels, count in metrics.registrations_lost.values.items()
            if labels[0] in by_name
        ),
    )
    yield from _allocations(by_name, metrics)


def _allocations(names: Iterable[str], metrics: Metrics) -> Iterator[Metric]:
    calls = {name: metrics.allocations_of(name).value for name in names}
    yield counter(
        "allocate_requests",
        "Allocate calls of kubelet.",
        ["resource", "result"],
        (
            ((name, result), float(each.results.get(result, 0)))
            for name, each in calls.items()
            for result in _RESULTS
        ),
    )
    yield counter(
        "allocate_slots",
        "Slots that Allocate handed out. kubelet does not report when a slot is free again.",
        ["resource"],
        (((name,), float(each.slots)) for name, each in calls.items()),
    )
    yield histogram(
        "allocate_duration_seconds",
        "Duration of Allocate calls.",
        ["resource"],
        {(name,): each.seconds for name, each in calls.items()},
    )
