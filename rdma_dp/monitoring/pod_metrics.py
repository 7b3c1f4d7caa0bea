"""Metrics of pods: the slots that they hold, and their queue pairs."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric

from rdma_dp.kubelet.holdings import Holding, in_use
from rdma_dp.metrics import Labels
from rdma_dp.monitoring.families import gauge
from rdma_dp.monitoring.usage import Usage

_POD = ["namespace", "pod", "container"]


def pod_families(usage: Usage) -> Iterator[Metric]:
    """What is known; a level that is missing has no series."""
    was_read = float(usage.pods is not None)
    yield gauge("pod_resources_up", "1 if kubelet's list of pods was read.", [], [((), was_read)])
    if usage.pods is None:
        return
    yield gauge(
        "slots_in_use",
        "Slots that containers hold, by kubelet's list.",
        ["resource"],
        (((name,), count) for name, count in in_use(usage.pods, usage.pools).items()),
    )
    yield gauge(
        "pod_slots",
        "Slots that a container holds. The device is empty where a slot gives all HCAs.",
        [*_POD, "resource", "device"],
        _slots(usage.pods, usage),
    )
    yield from _queue_pairs(usage)


def _slots(pods: Iterable[Holding], usage: Usage) -> Iterator[tuple[Labels, float]]:
    for each in pods:
        per_hca = usage.pools[each.resource].resource.per_hca
        labels = (each.namespace, each.pod, each.container, each.resource)
        for device, count in each.slots_by_hca.items() if per_hca else (("", len(each.slots)),):
            yield (*labels, device), count


def _queue_pairs(usage: Usage) -> Iterator[Metric]:
    if usage.queue_pairs is None or usage.pods is None:
        return
    held = dict.fromkeys(
        (each.namespace, each.pod, each.container, hca) for each in usage.pods for hca in each.hcas
    )
    pairs = {
        (name.namespace, name.pod, name.container, hca): count
        for (name, hca), count in usage.queue_pairs.items()
    }
    yield gauge(
        "pod_queue_pairs",
        "Queue pairs that a container owns on an HCA whose slots it holds.",
        [*_POD, "device"],
        ((labels, pairs.get(labels, 0)) for labels in held),
    )
    foreign: Counter[str] = Counter(
        dict.fromkeys((hca.name for pool in usage.pools.values() for hca in pool.hcas), 0)
    )
    for user in usage.foreign:
        foreign[user.hca] += user.queue_pairs
    yield gauge(
        "foreign_queue_pairs",
        "Queue pairs of processes that hold no slot of the HCA.",
        ["device"],
        (((device,), count) for device, count in foreign.items()),
    )
