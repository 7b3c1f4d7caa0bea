"""The table and the JSON of `rdma-dp pods`."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rdma_dp.kubelet.holdings import Holding, in_use
from rdma_dp.monitoring.usage import ForeignUser, Usage
from rdma_dp.render.console import labelled_rows, or_dash, plain_table
from rdma_dp.text import counted, in_lines, some

_SHOWN = 8  # names in a cell; wide output and JSON have all


def table(usage: Usage, *, wide: bool = False) -> RenderableType:
    """Who holds slots, how many are in use, queue pairs of others, and what could not be read."""
    usage = in_lines(usage)
    parts: list[RenderableType] = []
    if usage.pods:
        parts += [_pods(usage, wide=wide), Text()]
    parts += list(_totals(usage))
    if usage.foreign:
        parts += [Text(), Text("queue pairs of processes that hold no slot", "bold")]
        parts.append(_foreign(usage.foreign))
    if usage.missing:
        rows = labelled_rows()
        for each in usage.missing:
            rows.add_row(Text("missing", "yellow"), each)
        parts += [Text(), rows]
    return Group(*parts)


def document(usage: Usage) -> dict[str, Any]:
    """The same for programs."""
    counts = in_use(usage.pods, usage.pools) if usage.pods is not None else {}
    return {
        "resources": [
            {
                "name": name,
                "slots": pool.listed,
                "healthy": pool.healthy,
                "inUse": counts.get(name),
            }
            for name, pool in usage.pools.items()
        ],
        "pods": None if usage.pods is None else [_pod(usage, each) for each in usage.pods],
        "foreignQueuePairs": None
        if usage.queue_pairs is None
        else [_foreign_document(each) for each in usage.foreign],
        "missing": list(usage.missing),
    }


def _pod(usage: Usage, each: Holding) -> dict[str, Any]:
    return {
        "namespace": each.namespace,
        "pod": each.pod,
        "container": each.container,
        "resource": each.resource,
        "slots": list(each.slots),
        "hcas": list(each.hcas),
        "slotsWithoutHca": list(each.unknown),
        "queuePairs": usage.pairs_of(each),
    }


def _foreign_document(each: ForeignUser) -> dict[str, Any]:
    return {
        "hca": each.hca,
        "process": each.process,
        "pids": list(each.pids),
        "container": None if each.container is None else str(each.container),
        "queuePairs": each.queue_pairs,
    }


def _pods(usage: Usage, *, wide: bool) -> Table:
    more = ("SLOT IDS",) if wide else ()
    shown = plain_table(
        "NAMESPACE", "POD", "CONTAINER", "RESOURCE", "SLOTS", "HCAS", "QUEUE PAIRS", *more
    )
    for each in usage.pods or ():
        hcas = each.hcas if wide else (some(each.hcas, _SHOWN),)
        ids = (", ".join(each.slots),) if wide else ()
        shown.add_row(
            each.namespace,
            each.pod,
            each.container,
            each.resource,
            str(len(each.slots)),
            or_dash(", ".join(hcas)),
            _pairs(usage, each),
            *ids,
        )
    return shown


def _pairs(usage: Usage, each: Holding) -> Text:
    pairs = usage.pairs_of(each)
    if pairs is None:
        return Text("-", "dim")
    return Text(str(pairs), "" if pairs else "yellow")


def _totals(usage: Usage) -> Iterator[Text]:
    counts: Mapping[str, int] = {} if usage.pods is None else in_use(usage.pods, usage.pools)
    for name, pool in usage.pools.items():
        held = f"{counts[name]} in use" if name in counts else "in use: not known"
        yield Text(f"{name}: {held}, {pool.healthy} healthy of {counted(pool.listed, 'slot')}")
    idle = _without_queue_pairs(usage)
    if idle:
        hold, own = ("holds", "owns") if len(idle) == 1 else ("hold", "own")
        yield Text(
            f"{counted(len(idle), 'container')} {hold} slots but {own} no queue pair: starting,"
            " idle, or sending over TCP (`rdma-dp doctor --only pod-queue-pairs`)",
            "yellow",
        )


def _without_queue_pairs(usage: Usage) -> list[tuple[str, str, str]]:
    """The containers that own no queue pair on any HCA whose slots they hold."""
    pairs: dict[tuple[str, str, str], list[int | None]] = {}
    for each in usage.pods or ():
        key = (each.namespace, each.pod, each.container)
        pairs.setdefault(key, []).append(usage.pairs_of(each))
    return [container for container, counts in pairs.items() if not any(c != 0 for c in counts)]


def _foreign(users: tuple[ForeignUser, ...]) -> Table:
    shown = plain_table("HCA", "PROCESS", "PIDS", "CONTAINER", "QUEUE PAIRS")
    for each in users:
        pids = some(tuple(map(str, each.pids)), _SHOWN)
        container = "" if each.container is None else str(each.container)
        shown.add_row(each.hca, each.process, pids, or_dash(container), str(each.queue_pairs))
    return shown
