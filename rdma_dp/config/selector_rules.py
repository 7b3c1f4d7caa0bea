"""Rules about the selectors of a resource: errors and warnings.

`selectors`, `extraSelectors` and `exclude` are an object or a list of objects. Both forms are read
in the same way, as sets of selectors with their places.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from rdma_dp.config import placeholders
from rdma_dp.config.problems import Location, Problem, path_of, shown
from rdma_dp.config.values import forms, kernel_names

Entry = tuple[Location, dict[str, Any]]  # a place in the config, and the object there

_OF_INTERFACES = ("ifNames", "pfNames")
_PLACES = ("selectors", "extraSelectors")
_EVERY_NVIDIA = 'for every NVIDIA/Mellanox HCA: "selectors": {"vendors": ["15b3"]}'


def selects_hcas(entries: list[Entry]) -> Iterator[Problem]:
    """Either selectors or devices. Empty selectors count as absent, as in the Go plugin."""
    for place, entry in entries:
        selectors, extra, devices = (entry.get(key) for key in (*_PLACES, "devices"))
        if devices and (_takes(selectors) or _excludes(selectors)):
            yield Problem(
                path_of((*place, "devices")),
                'cannot be used together with "selectors"',
                'move the names to "selectors.ifNames"',
            )
        if not (is_given(devices) or _takes(selectors) or _takes(extra)):
            yield _takes_none((*place, "selectors"), _excludes(selectors) or _excludes(extra))
        for key in _PLACES:
            if isinstance(entry.get(key), list) and _takes(entry[key]):
                for at, one in _sets((*place, key), entry[key]):
                    if not _takes(one):
                        yield _takes_none(at, _excludes(one))


def one_list_of_sets(entries: list[Entry]) -> Iterator[Problem]:
    """At most one of selectors and extraSelectors has several sets."""
    for place, entry in entries:
        if all(isinstance(entry.get(key), list) and len(entry[key]) > 1 for key in _PLACES):
            yield Problem(
                path_of((*place, "extraSelectors")),
                "is a list of sets, and so is selectors",
                "write one of them as an object; it counts for each set of the other",
            )


def each_selector_once(entries: list[Entry]) -> Iterator[Problem]:
    """No selector is in both extraSelectors and selectors: it would be unclear which counts."""
    for place, entry in entries:
        taken: dict[tuple[str, bool], str] = {}  # (selector, whether it excludes) -> its place
        for at, one, excluding in _sets_below((), "selectors", entry):
            for name in given(one):
                taken.setdefault((name, excluding), path_of(at))
        if entry.get("devices"):
            taken.setdefault(("ifNames", False), "devices")
        for at, one, excluding in _sets_below(place, "extraSelectors", entry):
            for name in given(one):
                if earlier := taken.get((name, excluding)):
                    yield Problem(
                        path_of((*at, name)), f'is given in "{earlier}" as well', "keep one"
                    )


def exclude_is_plain(entries: list[Entry]) -> Iterator[Problem]:
    """No blank values and no globs that match less than they seem to.

    A blank can be a name that a template did not fill in. In another selector such a value takes
    too few HCAs. In exclude it would hand out an HCA that must be kept back.
    """
    for place, one, excluding in _all_sets(entries):
        if excluding:
            for name, values in given(one).items():
                yield from _not_plain((*place, name), _texts(values))


def interfaces_are_plain(entries: list[Entry]) -> Iterator[Problem]:
    """No names and globs that match less than they seem to. The Go plugin accepts them."""
    for place, one, excluding in _all_sets(entries):
        for name in () if excluding else _OF_INTERFACES:
            for at, value in _texts(one.get(name)):
                yield from _doubtful((*place, name, at), value)
    for place, entry in entries:
        for at, value in _texts(entry.get("devices")):
            yield from _doubtful((*place, "devices", at), value)


def forms_fit(entries: list[Entry]) -> Iterator[Problem]:
    """No values that a selector accepts, but whose form is that of another selector."""
    for place, one, _ in _all_sets(entries):
        for name, values in one.items():
            if name in forms.CHECKS:
                yield from _misplaced((*place, name), name, values)
    for place, entry in entries:
        yield from _misplaced((*place, "devices"), "ifNames", entry.get("devices"))


def _misplaced(place: Location, selector: str, values: object) -> Iterator[Problem]:
    for at, value in _texts(values):
        form = forms.other_form(selector, value)
        if form is not None and forms.is_accepted(selector, value):
            yield Problem(
                path_of((*place, at)),
                f"{shown(value)} looks like {form.noun}; {selector} wants {forms.WANTED[selector]}",
                form.hint,
                form.advised,
            )


def _not_plain(place: Location, texts: list[tuple[int, str]]) -> Iterator[Problem]:
    only_blanks = not any(value for _, value in texts)  # the model refuses these
    for at, value in texts:
        if not value and not only_blanks:
            yield Problem(path_of((*place, at)), "is blank and excludes nothing", "remove it")
        elif place[-1] in _OF_INTERFACES:
            yield from _doubtful((*place, at), value)


def _doubtful(place: Location, value: str) -> Iterator[Problem]:
    refused = forms.several_in("ifNames", value) or kernel_names.doubtful_interface(value)
    if refused and not placeholders.left_in(value):
        yield Problem(path_of(place), f"{shown(value)} {refused.message}", refused.hint)


def _sets(place: Location, value: object) -> Iterator[Entry]:
    """The sets of selectors in an object or a list of objects, each with its place."""
    if isinstance(value, dict):
        yield place, value
    for at, each in enumerate(value) if isinstance(value, list) else ():
        if isinstance(each, dict):
            yield (*place, at), each


def _sets_below(
    place: Location, key: str, entry: dict[str, Any]
) -> Iterator[tuple[Location, dict[str, Any], bool]]:
    """(place, selectors, whether they exclude) of the sets of a key of a resource."""
    for at, one in _sets((*place, key), entry.get(key)):
        yield at, {name: values for name, values in one.items() if name != "exclude"}, False
        for inner, each in _sets((*at, "exclude"), one.get("exclude")):
            yield inner, each, True


def _all_sets(entries: list[Entry]) -> Iterator[tuple[Location, dict[str, Any], bool]]:
    """(place, selectors, whether they exclude) of all sets of all resources."""
    for place, entry in entries:
        for key in _PLACES:
            yield from _sets_below(place, key, entry)


def given(value: object) -> dict[str, Any]:
    """The members of an object that are not empty; {} for anything else."""
    members = value.items() if isinstance(value, dict) else ()
    return {key: member for key, member in members if member}


def repeated(names: Iterable[tuple[Location, str]]) -> Iterator[tuple[Location, str, Location]]:
    """(place, name, first place) for each name that an earlier place has."""
    first: dict[str, Location] = {}
    for place, name in names:
        if name in first:
            yield place, name, first[name]
        first.setdefault(name, place)


def is_given(value: object) -> bool:
    """Whether a value is given; a value of the wrong type (0 for [0]) counts as given."""
    return value not in (None, [], {})


def _takes(selectors: object) -> bool:
    """Whether selectors, apart from exclude, select HCAs."""
    if isinstance(selectors, dict):
        return any(is_given(selectors[key]) for key in selectors if key != "exclude")
    if isinstance(selectors, list):
        return any(map(_takes, selectors))
    return is_given(selectors)


def _excludes(selectors: object) -> bool:
    if isinstance(selectors, list):
        return any(map(_excludes, selectors))
    exclude = given(selectors).get("exclude")
    return bool(given(exclude) if isinstance(exclude, dict) else exclude)


def _takes_none(place: Location, excludes: bool) -> Problem:
    hint = _EVERY_NVIDIA
    if excludes:
        hint = f"exclude only removes HCAs; add a selector that takes some, {hint}"
    return Problem(path_of(place), "does not say which HCAs to take", hint)


def _texts(values: object) -> list[tuple[int, str]]:
    """(position, string) of the strings in a list."""
    listed = enumerate(values) if isinstance(values, list) else ()
    return [(at, value) for at, value in listed if isinstance(value, str)]
