"""Rules for resources that are offered by DRA. As rules.py, they read plain data."""

from collections.abc import Iterator

from rdma_dp.config.problems import Problem, path_of
from rdma_dp.config.selector_rules import Entry, repeated
from rdma_dp.config.syntax import flag, number
from rdma_dp.formats.list_size import MOST_SLOTS

# Devices of one slot group. A pod gets at most 32 devices (k8s.io/api resource/v1,
# AllocationResultsMaxSize), and each 64 devices are one more object on the API server.
MOST_EACH = 1024


def errors(data: object, entries: list[Entry]) -> Iterator[Problem]:
    """One problem for each violation of a rule."""
    ours = [each for each in entries if each[1].get("via") == "dra"]
    yield from names_differ(ours)
    if _slots(data) == "each":
        yield from few_devices(ours)


def warnings(data: object, entries: list[Entry]) -> Iterator[Problem]:
    """One warning for each setting that has no effect."""
    ignored = ["deviceInfo", "topology"] + (["preference"] if _slots(data) != "each" else [])
    for place, entry in entries:
        if entry.get("via") != "dra":
            continue
        for key in ignored:
            if key in entry and flag(entry[key]) is not False:
                yield Problem(
                    path_of((*place, key)),
                    'has no effect with "via": "dra"',
                    f"remove {key}, if the resource stays there",
                )


def names_differ(ours: list[Entry]) -> Iterator[Problem]:
    """Device classes choose devices by resourceName, without the prefix."""
    names = ((place, entry.get("resourceName")) for place, entry in ours)
    for place, name, first in repeated((place, n) for place, n in names if isinstance(n, str)):
        yield Problem(
            path_of((*place, "resourceName")),
            f'"{name}" is already the resourceName of {path_of(first)},'
            " which is offered by DRA too",
            "a device class cannot distinguish them; choose another name",
        )


def few_devices(ours: list[Entry]) -> Iterator[Problem]:
    """With a device for each slot, the number of slots is limited."""
    for place, entry in ours:
        slots = number(entry.get("rdmaHcaMax"))
        if isinstance(slots, int) and MOST_EACH < slots <= MOST_SLOTS:
            yield Problem(
                path_of((*place, "rdmaHcaMax")),
                f'{slots} must be at most {MOST_EACH} with dra.slots "each"',
                'each slot is a device on the API server; lower it, or use "slots": "shared"',
            )


def _slots(data: object) -> object:
    dra = data.get("dra") if isinstance(data, dict) else None
    return dra.get("slots") if isinstance(dra, dict) else None
