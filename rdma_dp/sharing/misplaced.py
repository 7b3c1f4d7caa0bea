"""Values that match nothing on a node, but are right for another selector. Pure.

Each value that matched nothing is tried as a value of every other selector, against the node's HCAs
and its functions without an HCA. What the form of a value alone shows is in config/values/forms.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from rdma_dp.config import Selectors, Traits, compiled
from rdma_dp.config.selector_texts import value_for
from rdma_dp.config.values.forms import WANTED
from rdma_dp.config.values.globs import is_glob
from rdma_dp.config.values.matchers import Matcher
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.inventory.verdicts import AdviceCode
from rdma_dp.sharing.selection import Selection
from rdma_dp.sharing.step import Step
from rdma_dp.sharing.traits import TRAITS, Trait
from rdma_dp.sharing.without_hca import as_hcas
from rdma_dp.text import NAMES_IN_LINE, Values, few, some

_MOST_TRIED = 100  # values of a selector; a config can have 19,000, and a scan must stay short
_MOST_OFFERED = 4  # values to write instead

# Selectors whose values name single HCAs, so that another value can be offered.
_OF_SINGLE_HCAS = frozenset({"ifNames", "rdmaDevices", "pciAddresses", "pfNames"})

# What a value, and what several values are, if they match another selector.
_MEANINGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "vendors": ("the vendor ID of {}", "vendor IDs of {}"),
        "deviceIDs": ("the device ID of {}", "device IDs of {}"),
        "drivers": ("the driver of {}", "drivers of {}"),
        "ifNames": ("an interface of {}", "interfaces of {}"),
        "linkTypes": ("the link type of {}", "link types of {}"),
        "rdmaDevices": ("the name of an HCA of this node", "names of HCAs of this node"),
        "pciAddresses": ("the PCI address of {}", "PCI addresses of {}"),
        "pfNames": ("an interface of the PF of {}", "interfaces of the PFs of {}"),
        "functionTypes": ("the function type of {}", "function types of {}"),
        "numaNodes": ("the NUMA node of {}", "NUMA nodes of {}"),
    }
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An HCA, or the HCA that a function would have; `label` names it in texts."""

    label: str
    hca: Hca

    def found(self, trait: Trait) -> list[object]:
        """What the selector compares; a function without an HCA has no name of one."""
        return [value for value in trait.found(self.hca) if value != ""]


@dataclass(frozen=True, slots=True)
class _Hit:
    """A value as another selector spells it, and what it matches there."""

    spelling: str
    candidates: tuple[_Candidate, ...]


@dataclass(frozen=True, slots=True)
class Misplaced:
    """Values of a selector that match nothing here, and the other selectors that they match.

    `others` are pairs: the selector, and the HCAs that it matches with these values.
    """

    place: str  # the selector with its set: "ifNames", "[1].exclude.ifNames"
    values: Values
    others: tuple[tuple[str, Values], ...]
    spellings: tuple[Values, ...]  # the values as each of the others spells them
    instead: Values = ()  # values of the same selector for these HCAs, if they are few

    @property
    def selector(self) -> str:
        """The selector's name alone."""
        return self.place.rpartition(".")[2]

    @property
    def step(self) -> Step:
        """What the values are, and where they belong."""
        meanings = " and ".join(self._meaning(name, hcas) for name, hcas in self.others)
        remedies = [
            f'"{name}": [{_listed(values)}]'
            for (name, _), values in zip(self.others, self.spellings, strict=True)
        ]
        if self.instead:
            remedies.append(f'"{self.selector}": [{_listed(self.instead)}]')
        text = (
            f"{self.place} wants {WANTED[self.selector]}, but {few(self.values, ', ')}"
            f" {self._verb} {meanings}: use {' or '.join(remedies)}{self._inside}"
        )
        return Step(text, code=AdviceCode.OTHER_SELECTOR)

    @property
    def _inside(self) -> str:
        return " in exclude" if "exclude." in self.place else ""

    @property
    def _verb(self) -> str:
        one = len(self.values) == 1
        if any(is_glob(value) for value in self.values):
            return "matches" if one else "match"
        return "is" if one else "are"

    def _meaning(self, name: str, hcas: Values) -> str:
        return _MEANINGS[name][len(self.values) > 1].format(some(hcas, NAMES_IN_LINE))


def _listed(values: Values) -> str:
    return few(tuple(f'"{value}"' for value in values), ", ")


def misplaced(selection: Selection, inventory: Inventory) -> tuple[Misplaced, ...]:
    """The values of a resource's selectors that match nothing here but are right for others."""
    sets = selection.resource.selector_sets
    candidates = [_Candidate(hca.name, hca) for hca in inventory.hcas]
    candidates += [
        _Candidate(f"{unused.function.address} (no HCA)", hca) for unused, hca in as_hcas(inventory)
    ]
    return tuple(
        each
        for number, selectors in enumerate(sets)
        for place, traits in _parts(selectors, f"[{number}]." if len(sets) > 1 else "")
        for each in _of_traits(place, traits, candidates)
    )


def _parts(selectors: Selectors, place: str) -> Iterator[tuple[str, Traits]]:
    yield place, selectors
    yield f"{place}exclude.", selectors.excluding


def _of_traits(place: str, traits: Traits, candidates: Sequence[_Candidate]) -> Iterator[Misplaced]:
    for trait in TRAITS:
        matcher = traits.matchers.get(trait.field)
        if matcher is not None:
            yield from _of_selector(f"{place}{trait.selector}", trait, matcher, candidates)


def _of_selector(
    place: str, own: Trait, matcher: Matcher[object], candidates: Sequence[_Candidate]
) -> Iterator[Misplaced]:
    matched = set(matcher.matching([found for each in candidates for found in each.found(own)]))
    unmatched = [str(value) for value in matcher.values if value not in matched][:_MOST_TRIED]
    # By value: the other selectors that match, in the order of the documentation.
    others: dict[str, dict[str, _Hit]] = {}
    for trait in TRAITS if unmatched else ():
        for value, hit in _hits(trait, unmatched, candidates) if trait is not own else ():
            others.setdefault(value, {})[trait.selector] = hit
    for found in others.values():
        if "pfNames" in found and found.get("ifNames") == found["pfNames"]:
            del found["pfNames"]  # without a VF or SF it says the same
    groups: dict[Values, list[str]] = {}
    for value in unmatched:
        if value in others:
            groups.setdefault(tuple(others[value]), []).append(value)
    for names, values in groups.items():
        hits = {name: [others[value][name] for value in values] for name in names}
        hcas = {name: _unique(each) for name, each in hits.items()}
        yield Misplaced(
            place,
            tuple(values),
            tuple((name, tuple(each.label for each in hcas[name])) for name in names),
            tuple(tuple(hit.spelling for hit in hits[name]) for name in names),
            _instead(own, hcas[names[0]]),
        )


def _hits(
    trait: Trait, values: Sequence[str], candidates: Sequence[_Candidate]
) -> Iterator[tuple[str, _Hit]]:
    """(value, what it matches) of the values that match as values of another selector."""
    wanted = {value: value_for(trait.field, value) for value in values}
    accepted = [value for value in values if wanted[value] is not None]
    if not accepted:
        return
    selector: dict[str, Any] = {trait.field: tuple(wanted[each] for each in accepted)}
    traits = Traits(**selector)
    matcher = compiled(traits)[trait.field]
    matching: dict[int, dict[str, _Candidate]] = {}
    for candidate in candidates:
        for found in candidate.found(trait):
            for position in matcher.positions(found):
                matching.setdefault(position, {})[candidate.label] = candidate
    for position, found_by_label in sorted(matching.items()):
        value = accepted[position]
        yield value, _Hit(str(wanted[value]), tuple(found_by_label.values()))


def _instead(own: Trait, candidates: Iterable[_Candidate]) -> Values:
    if own.selector not in _OF_SINGLE_HCAS:
        return ()
    values = tuple(dict.fromkeys(str(found) for each in candidates for found in each.found(own)))
    return values if len(values) <= _MOST_OFFERED else ()


def _unique(hits: Iterable[_Hit]) -> tuple[_Candidate, ...]:
    return tuple({each.label: each for hit in hits for each in hit.candidates}.values())
