"""Rules that concern several fields of a config: errors and warnings.

The rules read plain data in the spelling of the models, not the models themselves. So they also
report problems when the models refuse other fields. They skip values of the wrong type.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rdma_dp.config import dra_rules, selector_rules
from rdma_dp.config.problems import Location, Problem, path_of
from rdma_dp.config.selector_rules import Entry, given, repeated
from rdma_dp.config.syntax import flag, number
from rdma_dp.config.values.kubernetes import DEFAULT_PREFIX
from rdma_dp.formats.list_size import MEMORY_LIMIT, MESSAGE_LIMIT, MOST_SLOTS, memory, most_slots
from rdma_dp.formats.names import DEVICE_INFO_END, hcas_variable
from rdma_dp.formats.slot_ids import LONGEST_KEY, PCI_KEY

LONGEST_FILE_NAME = 255  # bytes: linux/limits.h, NAME_MAX


def errors(data: object) -> Iterator[Problem]:
    """One problem for each violation of a rule."""
    for rule in (
        selector_rules.selects_hcas,
        selector_rules.one_list_of_sets,
        selector_rules.each_selector_once,
        selector_rules.exclude_is_plain,
        names_differ,
        slots_fit,
        device_info_fits,
    ):
        yield from rule(_entries(data))
    yield from dra_rules.errors(data, _entries(data))


def warnings(data: object) -> Iterator[Problem]:
    """One warning for each thing that works but should be written differently."""
    for rule in (
        devices_is_an_old_name,
        selector_rules.interfaces_are_plain,
        selector_rules.forms_fit,
        only_with_slots_per_hca,
        variables_differ,
        lists_fit_memory,
    ):
        yield from rule(_entries(data))
    yield from dra_rules.warnings(data, _entries(data))


def slotless(data: object) -> Mapping[int, Problem]:
    """A warning for each resource without slots, by its position, if another resource has some.

    These are resources whose rdmaHcaMax is 0, null or missing: 0 in the Go plugin, which serves the
    other resources of the config.
    """
    entries = _entries(data)
    without = [place for place, entry in entries if _is_zero(entry.get("rdmaHcaMax"))]
    found = {
        int(place[-1]): Problem(
            path_of((*place, "rdmaHcaMax")),
            "is 0 or missing, so this resource has no slots and is not served",
            'write how many containers may share the HCAs, for example "rdmaHcaMax": 63',
        )
        for place in without
    }
    return found if len(found) < len(entries) else {}


def _is_zero(value: object) -> bool:
    """Whether Go reads this as 0: no other number and no boolean."""
    return value is None or (type(number(value)) is int and number(value) == 0)


def with_a_slot(data: Any, positions: Iterable[int]) -> Any:
    """The data with one slot for the resources at these positions, so that the rest is checked."""
    listed = list(data["configList"])
    for at in positions:
        listed[at] = {**listed[at], "rdmaHcaMax": 1}
    return {**data, "configList": listed}


def names_differ(entries: list[Entry]) -> Iterator[Problem]:
    """No two resources have the same full name: kubelet accepts one plugin for each."""
    for place, full_name, first in repeated((place, name) for place, name, _ in _named(entries)):
        yield Problem(
            path_of((*place, "resourceName")),
            f'"{full_name}" is already the name of {path_of(first)}',
            'for HCAs that match any of several sets, keep one resource: "selectors": [{...}, '
            "{...}]; for two resources, choose another name, or another resourcePrefix",
        )


def lists_fit_memory(entries: list[Entry]) -> Iterator[Problem]:
    """All lists together fit into the memory that the manifests allow."""
    sizes = [number(entry.get("rdmaHcaMax")) for _, entry in entries]
    slots = sum(size for size in sizes if isinstance(size, int) and size <= MOST_SLOTS)
    if memory(slots) > MEMORY_LIMIT:
        yield Problem(
            path_of(("configList",)),
            f"{slots} slots need about {memory(slots) >> 20} MiB of memory, and the manifests of"
            f" rdma-dp allow {MEMORY_LIMIT >> 20} MiB",
            "lower rdmaHcaMax, or raise resources.limits.memory",
        )


def slots_fit(entries: list[Entry]) -> Iterator[Problem]:
    """The list of slots fits into kubelet's limit, with ids as long as those of a PCI function.

    Longer ids and NUMA nodes mean fewer slots. An HCA whose key is longer than a PCI address (an
    SF) gets fewer slots at run time.
    """
    for place, entry in entries:
        slots, per_hca = number(entry.get("rdmaHcaMax")), entry.get("slotsPer") == "hca"
        topology = flag(entry.get("topology", per_hca)) is True
        most = most_slots(PCI_KEY if per_hca else 0, topology)
        if isinstance(slots, int) and most < slots <= MOST_SLOTS:
            each = "the slots of one HCA" if per_hca else "slots with a NUMA node"
            yield Problem(
                path_of((*place, "rdmaHcaMax")),
                f"{slots} must be at most {most}",
                f"a longer list of {each} can exceed the {MESSAGE_LIMIT} bytes that kubelet takes",
            )


def device_info_fits(entries: list[Entry]) -> Iterator[Problem]:
    """Names of device-info files are short enough: a slot without its file is never Healthy."""
    for place, full_name, entry in _named(entries):
        slots = number(entry.get("rdmaHcaMax"))
        wanted = entry.get("slotsPer") == "hca" and flag(entry.get("deviceInfo")) is True
        if wanted and isinstance(slots, int) and slots <= MOST_SLOTS:
            key, last = "k" * LONGEST_KEY, slots
            longest = len(f"{full_name}-{key}-{last}{DEVICE_INFO_END}".encode(errors="replace"))
            if longest > LONGEST_FILE_NAME:
                yield Problem(
                    path_of((*place, "deviceInfo")),
                    f"makes file names of up to {longest} bytes; at most {LONGEST_FILE_NAME} are "
                    "allowed",
                    f"shorten resourcePrefix or resourceName by {longest - LONGEST_FILE_NAME}, or "
                    "remove deviceInfo",
                )


def devices_is_an_old_name(entries: list[Entry]) -> Iterator[Problem]:
    """`devices` still works, but the documentation of Network Operator no longer mentions it."""
    for place, entry in entries:
        if "devices" in entry:
            yield Problem(
                path_of((*place, "devices")),
                'is the old name of "selectors.ifNames"',
                'write "selectors": {"ifNames": [...]}',
            )


def only_with_slots_per_hca(entries: list[Entry]) -> Iterator[Problem]:
    """Settings that have no effect without slots per HCA."""
    for place, entry in entries:
        for key in ("preference", "deviceInfo"):
            wanted = key in entry and flag(entry[key]) is not False
            if wanted and entry.get("slotsPer") != "hca":
                yield Problem(
                    path_of((*place, key)),
                    "has no effect without slots per HCA",
                    f'add "slotsPer": "hca", or remove {key}',
                )


def variables_differ(entries: list[Entry]) -> Iterator[Problem]:
    """No two resources set the same variable: a container with both would get one of them."""
    first: dict[str, tuple[Location, str]] = {}
    for place, full_name, entry in _named(entries):
        own = hcas_variable(entry["resourceName"])
        paths = {own: (*place, "resourceName")}
        paths |= {variable: (*place, "env", variable) for variable in given(entry.get("env"))}
        for variable, path in paths.items():
            earlier, other = first.setdefault(variable, (place, full_name))
            if other != full_name:
                remedy = (
                    "choose names that differ in more than case, -, _, . and prefix"
                    if variable == own
                    else "choose another variable if a container may have both"
                )
                yield Problem(
                    path_of(path),
                    f"has the environment variable {variable} in common with {path_of(earlier)}",
                    "a container with both sees only one of them, and kubelet takes either, in "
                    f"random order; {remedy}",
                )


def _entries(data: object) -> list[Entry]:
    listed = data.get("configList") if isinstance(data, dict) else None
    entries = enumerate(listed) if isinstance(listed, list) else ()
    return [(("configList", i), entry) for i, entry in entries if isinstance(entry, dict)]


def _named(entries: list[Entry]) -> Iterator[tuple[Location, str, dict[str, Any]]]:
    """(place, full name, entry) of the resources that have a name."""
    for place, entry in entries:
        prefix, name = entry.get("resourcePrefix") or DEFAULT_PREFIX, entry.get("resourceName")
        if isinstance(prefix, str) and isinstance(name, str):
            yield place, f"{prefix}/{name}", entry
