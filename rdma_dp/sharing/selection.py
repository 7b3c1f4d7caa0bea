"""Which HCAs a resource takes, and why it does not take the others. Pure.

A selector matches if one of its values matches the HCA (OR). A set of selectors takes an HCA if
every selector matches (AND) and no selector below `exclude` matches. A selector that is not set
does not count. A resource takes an HCA if any of its sets takes it; most resources have one set.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from rdma_dp.config import Resource, Selectors, Traits
from rdma_dp.config.values import pf_names
from rdma_dp.config.values.matchers import Matcher
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.inventory.verdicts import Code, MismatchCode
from rdma_dp.text import Values, few, grouped


@dataclass(frozen=True, slots=True)
class Comparison:
    """One selector compared with one HCA: the wanted values, the HCA's, and whether one matches.

    `excludes` is set for a selector below `exclude`. `number` is the position of the set among
    several sets.
    """

    name: str  # of the selector, as the config spells it
    wanted: Values
    found: Values
    agrees: bool = False
    excludes: bool = False
    number: int | None = None

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
        return few(self.found, ", ") or "none"

    def __str__(self) -> str:
        verb = "leaves out" if self.excludes else "wants"
        return f"{self.selector} {verb} {self.wanted_words}; it has {self.found_words}"


@dataclass(frozen=True, slots=True)
class HcaVerdict:
    """Whether a resource takes an HCA.

    `sets` are the comparisons of each set of selectors, in the order of the documentation.
    """

    hca: Hca
    sets: tuple[tuple[Comparison, ...], ...] = ((),)

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
        """The HCAs that the resource takes."""
        return tuple(verdict.hca for verdict in self.verdicts if verdict.chosen)

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
    if len(sets) == 1:
        return HcaVerdict(hca, (compared(hca, sets[0]),))
    return HcaVerdict(hca, tuple(compared(hca, each, number) for number, each in enumerate(sets)))


def choices(selections: Iterable[Selection]) -> dict[str, Values]:
    """The full names of the resources that take an HCA, by the HCA's name."""
    found: dict[str, list[str]] = {}
    for selection in selections:
        for hca in selection.chosen:
            found.setdefault(hca.name, []).append(selection.resource.full_name)
    return {name: tuple(resources) for name, resources in found.items()}


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
        )
        for trait, matcher, found in _set(hca, selectors.excluding)
        for matching in [matcher.matching(found)]
    )
    return (*wanting, *excluding)


def unset_selectors(sets: Sequence[Selectors]) -> Values:
    """The selectors that no set has, as the config spells them."""
    given = {field for selectors in sets for field in selectors.matchers}
    return tuple(trait.selector for trait in TRAITS if trait.field not in given)


# --- the traits of an HCA -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trait:
    """One selector: its field in the config, and its values on an HCA."""

    field: str  # in Traits
    found: Callable[[Hca], Sequence[Any]]

    @property
    def selector(self) -> str:
        """The selector's name as the config spells it."""
        return Traits.model_fields[self.field].alias or self.field


def _set(hca: Hca, traits: Traits) -> Iterable[tuple[Trait, Matcher[Any], Sequence[Any]]]:
    """The selectors that are set, each with its compiled values and the values of the HCA."""
    for trait in TRAITS:
        matcher = traits.matchers.get(trait.field)
        if matcher is not None:
            yield trait, matcher, trait.found(hca)


def _texts(values: Sequence[object]) -> Values:
    return tuple(map(str, values))


def _of_functions(attribute: str) -> Callable[[Hca], Values]:
    """An attribute of all functions of the HCA: a RoCE bond matches by each of its functions."""

    def values(hca: Hca) -> Values:
        found = (getattr(function, attribute) for function in hca.functions)
        return tuple(dict.fromkeys(value for value in found if value is not None))

    return values


def _interfaces(hca: Hca) -> Values:
    return tuple(name for netdev in hca.netdevs for name in (netdev.name, *netdev.altnames))


def _pf_functions(hca: Hca) -> tuple[pf_names.PfFunction, ...]:
    return tuple(pf_names.PfFunction(name, hca.index) for name in hca.pf_names)


def _numa_nodes(hca: Hca) -> tuple[int, ...]:
    return () if hca.numa_node is None else (hca.numa_node,)


TRAITS = (
    Trait("vendors", _of_functions("vendor")),
    Trait("device_ids", _of_functions("device")),
    Trait("drivers", _of_functions("driver")),
    Trait("if_names", _interfaces),
    Trait("link_types", attrgetter("link_types")),
    Trait("rdma_devices", lambda hca: (hca.name,)),
    Trait("pci_addresses", _of_functions("address")),
    Trait("pf_names", _pf_functions),
    Trait("function_types", lambda hca: (hca.function_type,)),
    Trait("numa_nodes", _numa_nodes),
)
