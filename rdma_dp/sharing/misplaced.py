"""Values that match nothing on a node, but are right for another selector. Pure.

Each value that matched nothing is tried as a value of every other selector, against the node's HCAs
and its functions without an HCA.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rdma_dp.config import Selectors, Traits, compiled, value_for
from rdma_dp.config.values.forms import WANTED
from rdma_dp.config.values.globs import is_glob
from rdma_dp.config.values.matchers import Matcher
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.inventory.verdicts import AdviceCode
from rdma_dp.sharing.selection import TRAITS, Selection, Trait
from rdma_dp.sharing.step import Step
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
            f" {self._verb} {meanings}: use {' or '.join(remedies)}"
        )
        return Step(text, code=AdviceCode.OTHER_SELECTOR)

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
    unmatched = [value for value in matcher.values if value not in matched][:_MOST_TRIED]
    groups: dict[Values, list[tuple[str, Mapping[str, tuple[str, tuple[_Candidate, ...]]]]]] = {}
    for value in map(str, unmatched):
        if others := dict(_others(own, value, candidates)):
            groups.setdefault(tuple(others), []).append((value, others))
    for names, found in groups.items():
        hcas = {name: _unique(c for _, o in found for c in o[name][1]) for name in names}
        yield Misplaced(
            place,
            tuple(value for value, _ in found),
            tuple((name, tuple(each.label for each in hcas[name])) for name in names),
            tuple(tuple(others[name][0] for _, others in found) for name in names),
            _instead(own, hcas[names[0]]),
        )


def _others(
    own: Trait, value: str, candidates: Sequence[_Candidate]
) -> Iterator[tuple[str, tuple[str, tuple[_Candidate, ...]]]]:
    """(selector, (the value as it spells it, what it matches)) of each other selector."""
    for trait in TRAITS:
        wanted = None if trait is own else value_for(trait.field, value)
        if wanted is None:
            continue
        matcher = compiled(Traits().model_copy(update={trait.field: (wanted,)}))[trait.field]
        matching = tuple(c for c in candidates if any(map(matcher.matches, c.found(trait))))
        if matching:
            yield trait.selector, (str(wanted), matching)


def _instead(own: Trait, candidates: Iterable[_Candidate]) -> Values:
    if own.selector not in _OF_SINGLE_HCAS:
        return ()
    values = tuple(dict.fromkeys(str(found) for each in candidates for found in each.found(own)))
    return values if len(values) <= _MOST_OFFERED else ()


def _unique(candidates: Iterable[_Candidate]) -> tuple[_Candidate, ...]:
    return tuple({each.label: each for each in candidates}.values())
