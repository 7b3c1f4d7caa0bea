"""What must hold between the fields of a config, and what is odd between them.

The rules look at plain data in the models' spelling, not at models: they speak up even when other
fields are refused, and then skip whatever does not have the right shape.
"""

from collections.abc import Callable, Iterator
from typing import Any

from rdma_dp.names import DEFAULT_PREFIX, hcas_variable
from rdma_dp.problems import Location, Problem, path_of

Entry = tuple[Location, dict[str, Any]]
Rule = Callable[[list[Entry]], Iterator[Problem]]


def errors(data: object) -> Iterator[Problem]:
    """Every broken rule."""
    for rule in (one_way_to_select, names_differ):
        yield from rule(_entries(data))


def warnings(data: object) -> Iterator[Problem]:
    """What works, and is better written otherwise."""
    for rule in (devices_is_an_old_name, variables_differ):
        yield from rule(_entries(data))


def one_way_to_select(entries: list[Entry]) -> Iterator[Problem]:
    """Selectors or devices. Selectors without a value count as none, as in the Go plugin."""
    for place, entry in entries:
        selectors = entry.get("selectors")
        selects = any(selectors.values()) if isinstance(selectors, dict) else bool(selectors)
        if selects and entry.get("devices"):
            yield Problem(
                path_of((*place, "devices")),
                'cannot be used together with "selectors"',
                'move the names to "selectors.ifNames"',
            )
        if not selects and not entry.get("devices"):
            yield Problem(
                path_of((*place, "selectors")),
                "does not say which HCAs to take",
                'for every NVIDIA/Mellanox HCA: "selectors": {"vendors": ["15b3"]}',
            )


def names_differ(entries: list[Entry]) -> Iterator[Problem]:
    """kubelet knows one plugin per full name."""
    first: dict[str, Location] = {}
    for place, prefix, name in _named(entries):
        full_name = f"{prefix}/{name}"
        if full_name in first:
            yield Problem(
                path_of((*place, "resourceName")),
                f'"{full_name}" is already the name of {path_of(first[full_name])}',
                "choose another name, or another resourcePrefix",
            )
        first.setdefault(full_name, place)


def devices_is_an_old_name(entries: list[Entry]) -> Iterator[Problem]:
    """It works, and the operator's documents no longer name it."""
    for place, entry in entries:
        if "devices" in entry:
            yield Problem(
                path_of((*place, "devices")),
                'is the old name of "selectors.ifNames"',
                'write "selectors": {"ifNames": [...]}',
            )


def variables_differ(entries: list[Entry]) -> Iterator[Problem]:
    """In a container with both resources only one of two equal variables would be seen."""
    first: dict[str, tuple[Location, str]] = {}
    for place, prefix, name in _named(entries):
        full_name, variable = f"{prefix}/{name}", hcas_variable(name)
        earlier, other = first.setdefault(variable, (place, full_name))
        if other != full_name:
            yield Problem(
                path_of((*place, "resourceName")),
                f"has the environment variable {variable} in common with {path_of(earlier)}",
                "a container with both sees only one of them; choose names that differ in more "
                "than case, -, _, . and prefix",
            )


def _entries(data: object) -> list[Entry]:
    listed = data.get("configList") if isinstance(data, dict) else None
    entries = enumerate(listed) if isinstance(listed, list) else ()
    return [(("configList", i), entry) for i, entry in entries if isinstance(entry, dict)]


def _named(entries: list[Entry]) -> Iterator[tuple[Location, str, str]]:
    for place, entry in entries:
        prefix, name = entry.get("resourcePrefix") or DEFAULT_PREFIX, entry.get("resourceName")
        if isinstance(prefix, str) and isinstance(name, str):
            yield place, prefix, name
