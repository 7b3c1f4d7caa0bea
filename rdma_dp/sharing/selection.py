"""Which HCAs a resource takes, and why it does not take the others. Pure.

A selector matches if one of its values matches the HCA (OR). A set of selectors takes an HCA if
every selector matches (AND) and no selector below `exclude` matches. A selector that is not set
does not count. A resource takes an HCA if any of its sets takes it; most resources have one set.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rdma_dp.config import Resource, Selectors, Traits
from rdma_dp.config.values.matchers import Matcher
from rdma_dp.inventory.hardware import Hca, Inventory, Port
from rdma_dp.inventory.verdicts import Code, MismatchCode, NoInterface
from rdma_dp.sharing.fitting_ports import fitting_ports, with_ports
from rdma_dp.sharing.traits import TRAITS, Trait
from rdma_dp.text import Values, few, grouped


@dataclass(frozen=True, slots=True)
class Comparison:
    """One selector compared with one HCA: the wanted values, the HCA's, and whether one matches.

    `excludes` is set for a selector below `exclude`. `number` is the position of the set among
    several sets. `absent` is why the HCA has no interface to compare, if the selector is about
    interfaces.
    """

    name: str  # of the selector, as the config spells it
    wanted: Values
    found: Values
    agrees: bool = False
    excludes: bool = False
    number: int | None = None
    absent: NoInterface | None = None

    @property
    def selector(self) -> str:
        """The selector with the position of its set: "vendors", "[1].vendors"."""
        return self.name if self.number is None else f"[{self.number}].{self.name}"

    @property
    def rules_out(self) -> bool:
        """Whether the resource does not take the HCA because of this selector."""
        return self.agrees is self.excludes

    @property
    def code(self) -> MismatchCode:
        """The code for a selector that speaks against the HCA."""
        return MismatchCode.EXCLUDED if self.excludes else MismatchCode.SELECTOR

    @property
    def wanted_words(self) -> str:
        """The first of the selector's values, as text."""
        return few(self.wanted, " or ")

    @property
    def found_words(self) -> str:
        """The first of the HCA's values, as text."""
        none = "none"
        if self.absent is not None and self.absent.elsewhere:
            none = "none in this network namespace"
        return few(self.found, ", ") or none

    def __str__(self) -> str:
        verb = "leaves out" if self.excludes else "wants"
        return f"{self.selector} {verb} {self.wanted_words}; it has {self.found_words}"


@dataclass(frozen=True, slots=True)
class HcaVerdict:
    """Whether a resource takes an HCA.

    `sets` are the comparisons of each set of selectors, in the order of the documentation. `ports`
    are the ports that the selectors fit, if these are not all ports of the HCA.
    """

    hca: Hca
    sets: tuple[tuple[Comparison, ...], ...] = ((),)
    ports: tuple[Port, ...] | None = None

    @property
    def taken(self) -> Hca:
        """The HCA as the resource takes it, with the ports that the selectors fit."""
        return self.hca if self.ports is None else with_ports(self.hca, self.ports)

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparisons of all sets."""
        return tuple(each for one in self.sets for each in one)

    @property
    def matches(self) -> bool:
        """Whether a set of selectors takes the HCA, if it can be shared."""
        return not all(map(_ruling_out, self.sets))

    @property
    def mismatches(self) -> tuple[Comparison, ...]:
        """The selectors because of which the resource does not take the HCA."""
        return () if self.matches else _ruling_out(self.comparisons)

    @property
    def nearest_mismatches(self) -> tuple[Comparison, ...]:
        """The mismatches of the set that has the fewest of them."""
        return min(map(_ruling_out, self.sets), key=len)

    @property
    def lacks_interface(self) -> bool:
        """Whether it has no interface here, and only selectors of interfaces speak against it."""
        missed = self.nearest_mismatches
        absent = all(each.absent is not None and not each.excludes for each in missed)
        return self.hca.shareable and bool(missed) and absent

    @property
    def chosen(self) -> bool:
        """Whether the resource takes this HCA."""
        return self.hca.shareable and self.matches

    @property
    def reasons(self) -> Values:
        """Why the resource does not take the HCA; empty if it does."""
        ineligible = () if self.hca.ineligible is None else (self.hca.ineligible.text,)
        return ineligible + tuple(str(mismatch) for mismatch in self.mismatches)

    @property
    def codes(self) -> tuple[Code, ...]:
        """The code of each of the reasons, in their order."""
        ineligible = () if self.hca.ineligible is None else (self.hca.ineligible.code,)
        return ineligible + tuple(mismatch.code for mismatch in self.mismatches)


def _ruling_out(comparisons: Iterable[Comparison]) -> tuple[Comparison, ...]:
    return tuple(each for each in comparisons if each.rules_out)


@dataclass(frozen=True, slots=True)
class Selection:
    """One resource's verdicts on all HCAs, in the inventory's order."""

    resource: Resource
    verdicts: tuple[HcaVerdict, ...]

    @property
    def chosen(self) -> tuple[Hca, ...]:
        """The HCAs that the resource takes, each with the ports that the selectors fit."""
        return tuple(verdict.taken for verdict in self.verdicts if verdict.chosen)

    @property
    def ports(self) -> Mapping[str, tuple[int, ...]]:
        """The numbers of the ports that the resource takes of an HCA, where it takes not all."""
        return {
            verdict.hca.name: tuple(port.number for port in verdict.ports)
            for verdict in self.verdicts
            if verdict.chosen and verdict.ports is not None
        }

    @property
    def rejections(self) -> tuple[tuple[Values, Values], ...]:
        """(names, reasons) of all other HCAs; HCAs with the same reasons are grouped."""
        return grouped((verdict.hca.name, verdict.reasons) for verdict in self.rejected)

    @property
    def rejected(self) -> tuple[HcaVerdict, ...]:
        """The verdicts on all other HCAs."""
        return tuple(verdict for verdict in self.verdicts if not verdict.chosen)


def select(inventory: Inventory, resource: Resource) -> Selection:
    """The resource's verdict on every HCA of the node."""
    verdicts = (verdict_on(hca, resource.selector_sets) for hca in inventory.hcas)
    return Selection(resource, tuple(verdicts))


def verdict_on(hca: Hca, sets: Sequence[Selectors]) -> HcaVerdict:
    """The verdict of sets of selectors on an HCA."""
    numbers = [None] if len(sets) == 1 else range(len(sets))
    found = tuple(compared(hca, each, n) for n, each in zip(numbers, sets, strict=True))
    matching = [each for each, its in zip(sets, found, strict=True) if not _ruling_out(its)]

    def fits(one: Hca) -> bool:
        return any(_fits(one, selectors) for selectors in matching)

    return HcaVerdict(hca, found, fitting_ports(hca, fits))


def choices(selections: Iterable[Selection]) -> dict[str, Values]:
    """The full names of the resources that take an HCA, by the HCA's name."""
    found: dict[str, list[str]] = {}
    for selection in selections:
        for hca in selection.chosen:
            found.setdefault(hca.name, []).append(selection.resource.full_name)
    return {name: tuple(resources) for name, resources in found.items()}


def ports_taken(selections: Iterable[Selection]) -> dict[str, dict[str, tuple[int, ...]]]:
    """The ports that resources take where they take not all: by the HCA's and by the full name."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for selection in selections:
        for name, ports in selection.ports.items():
            found.setdefault(name, {})[selection.resource.full_name] = ports
    return found


def mismatches(hca: Hca, selectors: Selectors) -> tuple[Comparison, ...]:
    """The selectors that speak against the HCA, in the order of the config's documentation."""
    return verdict_on(hca, [selectors]).mismatches


def compared(hca: Hca, selectors: Selectors, number: int | None = None) -> tuple[Comparison, ...]:
    """The comparison of every selector that is set; those below `exclude` come last.

    `number` is the position of the set among several sets.
    """
    wanting = (
        Comparison(
            trait.selector,
            matcher.texts,
            _texts(found),
            agrees=any(map(matcher.matches, found)),
            number=number,
            absent=None if found else trait.absent(hca),
        )
        for trait, matcher, found in _set(hca, selectors)
    )
    excluding = (
        Comparison(
            f"exclude.{trait.selector}",
            _texts(matching) or matcher.texts,
            _texts(found),
            agrees=bool(matching),
            excludes=True,
            number=number,
            absent=None if found else trait.absent(hca),
        )
        for trait, matcher, found in _set(hca, selectors.excluding)
        for matching in [matcher.matching(found)]
    )
    return (*wanting, *excluding)


def _fits(hca: Hca, selectors: Selectors) -> bool:
    return all(any(map(matcher.matches, found)) for _, matcher, found in _set(hca, selectors))


def unset_selectors(sets: Sequence[Selectors]) -> Values:
    """The selectors that no set has, as the config spells them."""
    given = {field for selectors in sets for field in selectors.matchers}
    return tuple(trait.selector for trait in TRAITS if trait.field not in given)


def _set(hca: Hca, traits: Traits) -> Iterable[tuple[Trait, Matcher[Any], Sequence[Any]]]:
    """The selectors that are set, each with its compiled values and the values of the HCA."""
    for trait in TRAITS:
        matcher = traits.matchers.get(trait.field)
        if matcher is not None:
            yield trait, matcher, trait.found(hca)


def _texts(values: Sequence[object]) -> Values:
    return tuple(map(str, values))
