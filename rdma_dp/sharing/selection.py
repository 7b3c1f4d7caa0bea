"""Which HCAs a resource takes, and for each other one the reasons why not. Pure.

A selector matches when one of its values is among the HCA's (OR); an HCA is chosen when every
selector matches (AND) and none below `exclude` does; a selector that is not there says nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from rdma_dp.config import Resource, Selectors, Traits
from rdma_dp.config.values import globs, pci_addresses, pf_names
from rdma_dp.inventory.hardware import Hca, Inventory
from rdma_dp.inventory.verdicts import Code, MismatchCode
from rdma_dp.text import Values, few, grouped


@dataclass(frozen=True, slots=True)
class Comparison:
    """What one selector says of one HCA: what it names, what was found, whether some value agrees.

    `excludes` is set for a selector below `exclude`.
    """

    selector: str  # as the config spells it
    wanted: Values
    found: Values
    agrees: bool = False
    excludes: bool = False

    @property
    def speaks_against(self) -> bool:
        """Whether the HCA is left out for it."""
        return self.agrees is self.excludes

    @property
    def code(self) -> MismatchCode:
        """The code for a selector that speaks against the HCA."""
        return MismatchCode.EXCLUDED if self.excludes else MismatchCode.SELECTOR

    @property
    def wanted_words(self) -> str:
        """The first of what the selector names."""
        return few(self.wanted, " or ")

    @property
    def found_words(self) -> str:
        """The first of what the HCA has."""
        return few(self.found, ", ") or "none"

    def __str__(self) -> str:
        verb = "leaves out" if self.excludes else "wants"
        return f"{self.selector} {verb} {self.wanted_words}; it has {self.found_words}"


@dataclass(frozen=True, slots=True)
class HcaVerdict:
    """What one resource says of one HCA, selector by selector in the order of the documentation."""

    hca: Hca
    comparisons: tuple[Comparison, ...] = ()

    @property
    def mismatches(self) -> tuple[Comparison, ...]:
        """The selectors that speak against the HCA."""
        return tuple(each for each in self.comparisons if each.speaks_against)

    @property
    def chosen(self) -> bool:
        """Whether the resource hands this HCA out."""
        return self.hca.shareable and not any(each.speaks_against for each in self.comparisons)

    @property
    def reasons(self) -> Values:
        """Why not, in words; empty when it is chosen."""
        ineligible = () if self.hca.ineligible is None else (self.hca.ineligible.text,)
        return ineligible + tuple(str(mismatch) for mismatch in self.mismatches)

    @property
    def codes(self) -> tuple[Code, ...]:
        """The code of each of the reasons, in their order."""
        ineligible = () if self.hca.ineligible is None else (self.hca.ineligible.code,)
        return ineligible + tuple(mismatch.code for mismatch in self.mismatches)


@dataclass(frozen=True, slots=True)
class Selection:
    """What one resource says of every HCA, in the inventory's order."""

    resource: Resource
    verdicts: tuple[HcaVerdict, ...]

    @property
    def chosen(self) -> tuple[Hca, ...]:
        """The HCAs that the resource hands out."""
        return tuple(verdict.hca for verdict in self.verdicts if verdict.chosen)

    @property
    def rejections(self) -> tuple[tuple[Values, Values], ...]:
        """(names, reasons) of all other HCAs: those with the same reasons together."""
        return grouped((verdict.hca.name, verdict.reasons) for verdict in self.rejected)

    @property
    def rejected(self) -> tuple[HcaVerdict, ...]:
        """The verdicts on all other HCAs."""
        return tuple(verdict for verdict in self.verdicts if not verdict.chosen)


def select(inventory: Inventory, resource: Resource) -> Selection:
    """The resource's verdict on every HCA of the node."""
    return Selection(
        resource,
        tuple(HcaVerdict(hca, compared(hca, resource.selectors)) for hca in inventory.hcas),
    )


def choices(selections: Iterable[Selection]) -> dict[str, Values]:
    """The full names of the resources that hand an HCA out, by its name."""
    found: dict[str, list[str]] = {}
    for selection in selections:
        for hca in selection.chosen:
            found.setdefault(hca.name, []).append(selection.resource.full_name)
    return {name: tuple(resources) for name, resources in found.items()}


def mismatches(hca: Hca, selectors: Selectors) -> tuple[Comparison, ...]:
    """The selectors that speak against the HCA, in the order of the config's documentation."""
    return HcaVerdict(hca, compared(hca, selectors)).mismatches


def compared(hca: Hca, selectors: Selectors) -> tuple[Comparison, ...]:
    """What every selector that is there says of the HCA; those below `exclude` come last."""
    asked = (
        Comparison(
            trait.selector, _told(wanted), _told(found), agrees=bool(trait.matching(wanted, found))
        )
        for trait, wanted, found in _pairs(hca, selectors)
    )
    excluding = (
        Comparison(
            f"exclude.{trait.selector}",
            _told(matching or wanted),
            _told(found),
            agrees=bool(matching),
            excludes=True,
        )
        for trait, wanted, found in _pairs(hca, selectors.exclude)
        for matching in [trait.matching(wanted, found)]
    )
    return (*asked, *excluding)


def not_asked(selectors: Selectors) -> Values:
    """The selectors that a config leaves open, as it would spell them."""
    return tuple(trait.selector for trait in _TRAITS if not getattr(selectors, trait.field))


# --- what the selectors look at -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Trait:
    """One selector: where the config has its values, where the HCA has them, when two agree."""

    field: str  # of Traits
    found: Callable[[Hca], Sequence[Any]]
    agree: Callable[[Any, Any], bool] | None = None  # None: when they are equal

    @property
    def selector(self) -> str:
        """As the config spells it."""
        return Traits.model_fields[self.field].alias or self.field

    def matching(self, wanted: Sequence[Any], found: Sequence[Any]) -> list[Any]:
        """Those of the wanted values that match one of the found ones."""
        if self.agree is None:
            return [value for value in wanted if value in found]
        agree = self.agree
        return [value for value in wanted if any(agree(value, one) for one in found)]


def _pairs(hca: Hca, traits: Traits) -> Iterable[tuple[_Trait, Sequence[Any], Sequence[Any]]]:
    for trait in _TRAITS:
        wanted = getattr(traits, trait.field)
        if wanted:
            yield trait, wanted, trait.found(hca)


def _told(values: Sequence[object]) -> Values:
    return tuple(map(str, values))


def _of_functions(attribute: str) -> Callable[[Hca], Values]:
    """An attribute of all functions of the HCA: a RoCE bond is found by either of its own."""

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


_TRAITS = (
    _Trait("vendors", _of_functions("vendor")),
    _Trait("device_ids", _of_functions("device")),
    _Trait("drivers", _of_functions("driver")),
    _Trait("if_names", _interfaces, globs.matches),
    _Trait("link_types", attrgetter("link_types")),
    _Trait("rdma_devices", lambda hca: (hca.name,), globs.matches),
    _Trait("pci_addresses", _of_functions("address"), pci_addresses.matches),
    _Trait("pf_names", _pf_functions, pf_names.matches),
    _Trait("function_types", lambda hca: (hca.function_type,)),
    _Trait("numa_nodes", _numa_nodes),
)
