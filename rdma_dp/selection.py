"""Which HCAs a resource takes, and for each other one the reasons why not. Pure.

A selector matches when one of its values is among the HCA's (OR); an HCA is chosen when every
selector matches (AND); a selector that is not there matches everything.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rdma_dp.config import Resource, Selectors
from rdma_dp.model import Hca, Inventory

Values = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A selector that an HCA does not meet: what was wanted, what was found."""

    selector: str  # as the config spells it
    wanted: Values
    found: Values

    def __str__(self) -> str:
        found = ", ".join(self.found) or "none"
        return f"{self.selector} wants {' or '.join(self.wanted)}; it has {found}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one resource says of one HCA."""

    hca: Hca
    mismatches: tuple[Mismatch, ...] = ()

    @property
    def chosen(self) -> bool:
        """Whether the resource hands this HCA out."""
        return self.hca.shareable and not self.mismatches

    @property
    def reasons(self) -> Values:
        """Why not, in words; empty when it is chosen."""
        unshareable = () if self.hca.unshareable is None else (self.hca.unshareable,)
        return unshareable + tuple(str(mismatch) for mismatch in self.mismatches)


@dataclass(frozen=True, slots=True)
class Selection:
    """What one resource says of every HCA, in the inventory's order."""

    resource: Resource
    verdicts: tuple[Verdict, ...]

    @property
    def chosen(self) -> tuple[Hca, ...]:
        """The HCAs that the resource hands out."""
        return tuple(verdict.hca for verdict in self.verdicts if verdict.chosen)

    @property
    def rejections(self) -> tuple[tuple[Values, Values], ...]:
        """(names, reasons) of all other HCAs: those with the same reasons together."""
        groups: dict[Values, Values] = {}
        for verdict in self.rejected:
            groups[verdict.reasons] = (*groups.get(verdict.reasons, ()), verdict.hca.name)
        return tuple((names, reasons) for reasons, names in groups.items())

    @property
    def rejected(self) -> tuple[Verdict, ...]:
        """The verdicts on all other HCAs."""
        return tuple(verdict for verdict in self.verdicts if not verdict.chosen)


def select(inventory: Inventory, resource: Resource) -> Selection:
    """The resource's verdict on every HCA of the node."""
    return Selection(
        resource,
        tuple(Verdict(hca, mismatches(hca, resource.selectors)) for hca in inventory.hcas),
    )


def mismatches(hca: Hca, selectors: Selectors) -> tuple[Mismatch, ...]:
    """The selectors that the HCA does not meet, in the order of the config's documentation."""
    compared = ((name, wanted(selectors), found(hca)) for name, wanted, found in _SELECTORS)
    return tuple(
        Mismatch(name, wanted, found)
        for name, wanted, found in compared
        if wanted and not set(wanted) & set(found)
    )


def some(names: Values, limit: int) -> str:
    """The first `limit` names, and how many are left: "mlx5_0, mlx5_1 and 6 more"."""
    left = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {left} more" if left > 0 else "")


def _of_functions(attribute: str) -> Callable[[Hca], Values]:
    """An attribute of all functions of the HCA: a RoCE bond is found by either of its own."""

    def values(hca: Hca) -> Values:
        found = (getattr(function, attribute) for function in hca.functions)
        return tuple(dict.fromkeys(value for value in found if value is not None))

    return values


_SELECTORS: tuple[tuple[str, Callable[[Selectors], Values], Callable[[Hca], Values]], ...] = (
    ("vendors", lambda selectors: selectors.vendors, _of_functions("vendor")),
    ("deviceIDs", lambda selectors: selectors.device_ids, _of_functions("device")),
    ("drivers", lambda selectors: selectors.drivers, _of_functions("driver")),
    (
        "ifNames",
        lambda selectors: selectors.if_names,
        lambda hca: tuple(netdev.name for netdev in hca.netdevs),
    ),
    ("linkTypes", lambda selectors: selectors.link_types, lambda hca: hca.link_types),
)
