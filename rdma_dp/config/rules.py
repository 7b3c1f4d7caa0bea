"""What must hold between the fields of a config, and what is odd between them.

The rules look at plain data in the models' spelling, not at models: they speak up even when other
fields are refused, and then skip whatever does not have the right shape.
"""

from collections.abc import Callable, Iterator
from typing import Any

from rdma_dp.config.problems import Location, Problem, path_of, shown
from rdma_dp.config.syntax import flag, number
from rdma_dp.config.values import globs
from rdma_dp.config.values.kubernetes import DEFAULT_PREFIX
from rdma_dp.formats.list_limit import MESSAGE_LIMIT, MOST_SLOTS, most_slots
from rdma_dp.formats.names import DEVICE_INFO_END, hcas_variable
from rdma_dp.formats.slot_ids import LONGEST_KEY, PCI_KEY

LONGEST_FILE_NAME = 255  # bytes: linux/limits.h, NAME_MAX

Entry = tuple[Location, dict[str, Any]]
Rule = Callable[[list[Entry]], Iterator[Problem]]


def errors(data: object) -> Iterator[Problem]:
    """Every broken rule."""
    for rule in (
        one_way_to_select,
        each_selector_once,
        exclude_is_plain,
        names_differ,
        slots_fit,
        device_info_fits,
    ):
        yield from rule(_entries(data))


def warnings(data: object) -> Iterator[Problem]:
    """What works, and is better written otherwise."""
    for rule in (
        devices_is_an_old_name,
        interfaces_are_plain,
        only_with_slots_per_hca,
        variables_differ,
    ):
        yield from rule(_entries(data))


def one_way_to_select(entries: list[Entry]) -> Iterator[Problem]:
    """Selectors or devices. Selectors without a value count as none, as in the Go plugin."""
    for place, entry in entries:
        selectors, extra, devices = (
            entry.get(key) for key in ("selectors", "extraSelectors", "devices")
        )
        if devices and (_takes(selectors) or _leaves_out(selectors)):
            yield Problem(
                path_of((*place, "devices")),
                'cannot be used together with "selectors"',
                'move the names to "selectors.ifNames"',
            )
        if not (_says_something(devices) or _takes(selectors) or _takes(extra)):
            hint = 'for every NVIDIA/Mellanox HCA: "selectors": {"vendors": ["15b3"]}'
            if _leaves_out(selectors) or _leaves_out(extra):
                hint = f"exclude only leaves out; add what it leaves them out of, {hint}"
            path = path_of((*place, "selectors"))
            yield Problem(path, "does not say which HCAs to take", hint)


def each_selector_once(entries: list[Entry]) -> Iterator[Problem]:
    """What extraSelectors adds must not be there already: which of the two would count?"""
    for place, entry in entries:
        extra = _given(entry.get("extraSelectors"))
        taken = dict.fromkeys(_given(entry.get("selectors")), "selectors")
        if entry.get("devices"):
            taken.setdefault("ifNames", "devices")
        for name in extra:
            if name in taken and name != "exclude":
                yield _again((*place, "extraSelectors", name), taken[name])
        excluded = _given(_given(entry.get("selectors")).get("exclude"))
        for name in _given(extra.get("exclude")):
            if name in excluded:
                yield _again((*place, "extraSelectors", "exclude", name), "selectors.exclude")


def exclude_is_plain(entries: list[Entry]) -> Iterator[Problem]:
    """A blank may be a name that a template did not fill in, and a glob may mean less than it says.

    Elsewhere that takes an HCA too few, here it would hand out one that is to be kept back.
    """
    for place, entry in entries:
        for key in ("selectors", "extraSelectors"):
            for name, values in _given(_given(entry.get(key)).get("exclude")).items():
                texts = _texts(values)
                for at, value in texts:
                    path = path_of((*place, key, "exclude", name, at))
                    refused = globs.doubtful(value) if name == "ifNames" else None
                    if not value and any(other for _, other in texts):
                        yield Problem(path, "is blank and leaves nothing out", "remove it")
                    elif refused is not None:
                        yield Problem(path, f"{shown(value)} {refused.message}", refused.hint)


def names_differ(entries: list[Entry]) -> Iterator[Problem]:
    """kubelet knows one plugin per full name."""
    first: dict[str, Location] = {}
    for place, full_name, _ in _named(entries):
        if full_name in first:
            yield Problem(
                path_of((*place, "resourceName")),
                f'"{full_name}" is already the name of {path_of(first[full_name])}',
                "choose another name, or another resourcePrefix",
            )
        first.setdefault(full_name, place)


def slots_fit(entries: list[Entry]) -> Iterator[Problem]:
    """Longer ids and NUMA nodes leave room for fewer slots; those of a PCI function must fit.

    What has a longer key than a PCI address (an SF) gets fewer slots at run time.
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
    """A slot whose device-info file cannot be written would never be Healthy."""
    for place, full_name, entry in _named(entries):
        slots = number(entry.get("rdmaHcaMax"))
        wanted = entry.get("slotsPer") == "hca" and flag(entry.get("deviceInfo")) is True
        if wanted and isinstance(slots, int) and slots <= MOST_SLOTS:
            key, last = "k" * LONGEST_KEY, slots
            longest = len(f"{full_name}-{key}-{last}{DEVICE_INFO_END}".encode(errors="replace"))
            if longest > LONGEST_FILE_NAME:
                yield Problem(
                    path_of((*place, "deviceInfo")),
                    f"makes file names of up to {longest} bytes, and {LONGEST_FILE_NAME} is the "
                    "most that there can be",
                    f"shorten resourcePrefix or resourceName by {longest - LONGEST_FILE_NAME}, or "
                    "remove deviceInfo",
                )


def devices_is_an_old_name(entries: list[Entry]) -> Iterator[Problem]:
    """It works, and the operator's documents no longer name it."""
    for place, entry in entries:
        if "devices" in entry:
            yield Problem(
                path_of((*place, "devices")),
                'is the old name of "selectors.ifNames"',
                'write "selectors": {"ifNames": [...]}',
            )


def interfaces_are_plain(entries: list[Entry]) -> Iterator[Problem]:
    """Globs of interfaces that mean less than they seem to; they are known from the Go plugin."""
    for place, entry in entries:
        for way in (("devices",), ("selectors", "ifNames"), ("extraSelectors", "ifNames")):
            values: object = entry
            for step in way:
                values = values.get(step) if isinstance(values, dict) else None
            for at, value in _texts(values):
                if refused := globs.doubtful(value):
                    path = path_of((*place, *way, at))
                    yield Problem(path, f"{shown(value)} {refused.message}", refused.hint)


def only_with_slots_per_hca(entries: list[Entry]) -> Iterator[Problem]:
    """Settings that a slot of a whole resource has no use for."""
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
    """In a container with both resources only one of two equal variables would be seen."""
    first: dict[str, tuple[Location, str]] = {}
    for place, full_name, entry in _named(entries):
        own = hcas_variable(entry["resourceName"])
        paths = {own: (*place, "resourceName")}
        paths |= {variable: (*place, "env", variable) for variable in _given(entry.get("env"))}
        for variable, path in paths.items():
            earlier, other = first.setdefault(variable, (place, full_name))
            if other != full_name:
                way_out = (
                    "choose names that differ in more than case, -, _, . and prefix"
                    if variable == own
                    else "choose another variable if a container may have both"
                )
                yield Problem(
                    path_of(path),
                    f"has the environment variable {variable} in common with {path_of(earlier)}",
                    "a container with both sees only one of them, and kubelet takes either, in "
                    f"random order; {way_out}",
                )


def _entries(data: object) -> list[Entry]:
    listed = data.get("configList") if isinstance(data, dict) else None
    entries = enumerate(listed) if isinstance(listed, list) else ()
    return [(("configList", i), entry) for i, entry in entries if isinstance(entry, dict)]


def _named(entries: list[Entry]) -> Iterator[tuple[Location, str, dict[str, Any]]]:
    """Those that have a name, with their full names."""
    for place, entry in entries:
        prefix, name = entry.get("resourcePrefix") or DEFAULT_PREFIX, entry.get("resourceName")
        if isinstance(prefix, str) and isinstance(name, str):
            yield place, f"{prefix}/{name}", entry


def _given(value: object) -> dict[str, Any]:
    """The members of an object that hold something."""
    members = value.items() if isinstance(value, dict) else ()
    return {key: member for key, member in members if member}


def _takes(selectors: object) -> bool:
    """Whether HCAs are named that the resource takes."""
    if isinstance(selectors, dict):
        return any(_says_something(selectors[key]) for key in selectors if key != "exclude")
    return _says_something(selectors)


def _says_something(value: object) -> bool:
    """Whether a value names something; one of the wrong shape, 0 for [0], may mean to."""
    return value not in (None, [], {})


def _texts(values: object) -> list[tuple[int, str]]:
    """The strings in a list, with their positions."""
    listed = enumerate(values) if isinstance(values, list) else ()
    return [(at, value) for at, value in listed if isinstance(value, str)]


def _leaves_out(selectors: object) -> bool:
    exclude = _given(selectors).get("exclude")
    return bool(_given(exclude) if isinstance(exclude, dict) else exclude)


def _again(location: Location, earlier: str) -> Problem:
    return Problem(path_of(location), f'is given in "{earlier}" as well', "keep one")
