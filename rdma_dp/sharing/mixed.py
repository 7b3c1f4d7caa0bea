"""Resources that mix HCAs of different kinds, because their selectors are too wide. Pure.

A container gets all HCAs of a resource, or any of them. If they differ in link type, driver or
speed, a job cannot use them together. Only HCAs with an ACTIVE port count. The link type does not
depend on the state, so all HCAs count for it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rdma_dp.config import Selectors
from rdma_dp.config.values.globs import is_glob
from rdma_dp.inventory.hardware import FunctionType, Hca
from rdma_dp.inventory.verdicts import AdviceCode
from rdma_dp.sharing.health import has_active_port
from rdma_dp.sharing.selection import Selection, verdict_on
from rdma_dp.sharing.step import Step
from rdma_dp.sharing.traits import TRAITS, Trait
from rdma_dp.text import NAMES_IN_LINE, few, some

_FACTOR = 2  # between two speeds that are worth a warning; generations of HCAs differ by it

Groups = Mapping[str, Sequence[Hca]]  # by what the HCAs are, for the text

# Selectors that name single HCAs. With their values in full, a mix is on purpose.
_NAMING = tuple(
    trait
    for trait in TRAITS
    if trait.selector in ("ifNames", "rdmaDevices", "pciAddresses", "pfNames")
)
_OMNI_PATH = "hfi1"  # the driver of Omni-Path and CN5000
_LINK_TYPES = {"infiniband": "InfiniBand", "ether": "Ethernet"}
_IWARP = "iWARP"


@dataclass(frozen=True, slots=True)
class _Difference:
    """One respect in which HCAs differ, and the selectors that may separate them.

    `usable` counts only HCAs with an ACTIVE port.
    """

    code: AdviceCode
    selectors: tuple[str, ...]
    groups: Callable[[Sequence[Hca]], Groups]
    why: str  # {} are the groups
    usable: bool = True


def mixed(selection: Selection) -> Step | None:
    """What a resource mixes: the first respect in which its HCAs differ; None if none."""
    usable = [hca for hca in selection.chosen if has_active_port(hca)]
    sets = selection.resource.selector_sets
    if all(any(_is_named(hca, one) for one in sets) for hca in selection.chosen):
        return None
    for difference in _DIFFERENCES:
        groups = difference.groups(usable if difference.usable else selection.chosen)
        if len(groups) > 1 and not _is_on_purpose(groups, difference, sets):
            return Step(_text(groups, difference), code=difference.code)
    return None


def _text(groups: Groups, difference: _Difference) -> str:
    kinds = " and ".join(
        f"{kind} HCAs ({some(tuple(hca.name for hca in hcas), NAMES_IN_LINE)})"
        for kind, hcas in groups.items()
    )
    trait = _separating(groups, difference)
    largest = max(groups.values(), key=len)
    values = dict.fromkeys(f'"{value}"' for hca in largest for value in trait.found(hca))
    why = difference.why.format(" and ".join(sorted(groups, reverse=True)))
    return (
        f'it mixes {kinds}: {why}; select one kind, such as "{trait.selector}":'
        f" [{few(tuple(values), ', ')}], and make a resource for each kind that pods need"
    )


def _separating(groups: Groups, difference: _Difference) -> Trait:
    """The first selector with which each group has values of its own; else that of addresses."""
    return next(
        (each for each in map(_trait, difference.selectors) if _separates(each, groups)),
        _trait("pciAddresses"),
    )


def _separates(trait: Trait, groups: Groups) -> bool:
    values = [{value for hca in hcas for value in trait.found(hca)} for hcas in groups.values()]
    return all(values) and sum(map(len, values)) == len(set().union(*values))


def _trait(selector: str) -> Trait:
    (found,) = (trait for trait in TRAITS if trait.selector == selector)
    return found


def _is_named(hca: Hca, selectors: Selectors) -> bool:
    """Whether a set takes the HCA by a value that names it in full."""
    if not verdict_on(hca, [selectors]).matches:
        return False
    return any(
        not is_glob(value) and not (trait.selector == "pciAddresses" and "-" in value)
        for trait in _NAMING
        if trait.field in selectors.matchers
        for value in map(str, selectors.matchers[trait.field].matching(trait.found(hca)))
    )


def _is_on_purpose(groups: Groups, difference: _Difference, sets: Sequence[Selectors]) -> bool:
    """Whether a set names several of the groups, each with values of its own."""
    return any(
        _takes_several(groups, trait, one)
        for trait in map(_trait, difference.selectors)
        for one in sets
        if trait.field in one.matchers
    )


def _takes_several(groups: Groups, trait: Trait, selectors: Selectors) -> bool:
    matcher = selectors.matchers[trait.field]
    taken = {
        matcher.matching([found for hca in hcas for found in trait.found(hca)])
        for hcas in groups.values()
    }
    return len(taken - {()}) > 1


# --- the respects in which HCAs differ ----------------------------------------------------------


def _grouped(pairs: Iterator[tuple[str, Hca]]) -> Groups:
    groups: dict[str, list[Hca]] = {}
    for kind, hca in pairs:
        groups.setdefault(kind, []).append(hca)
    return groups


def _by_nature(hcas: Sequence[Hca]) -> Groups:
    return _grouped(
        ("software" if hca.function_type is FunctionType.VIRTUAL else "hardware", hca)
        for hca in hcas
    )


def _by_link_type(hcas: Sequence[Hca]) -> Groups:
    """An HCA with both link types belongs to both groups, so it is in none."""
    groups = _grouped((_fabric(hca), hca) for hca in hcas if len(hca.link_types) == 1)
    # iWARP is over Ethernet, too.
    known_as = {_LINK_TYPES["ether"]: "RoCE"} if _IWARP in groups else {}
    return {known_as.get(kind, kind): of_kind for kind, of_kind in groups.items()}


def _fabric(hca: Hca) -> str:
    """Omni-Path has the link layer InfiniBand in sysfs (kernel drivers/infiniband/hw/hfi1)."""
    if hca.function is not None and hca.function.driver == _OMNI_PATH:
        return "Omni-Path"
    if hca.protocol == "iw":
        return _IWARP
    return _LINK_TYPES.get(hca.link_types[0], hca.link_types[0])


def _by_driver(hcas: Sequence[Hca]) -> Groups:
    return _grouped(
        (hca.function.driver, hca)
        for hca in hcas
        if hca.function is not None and hca.function.driver is not None
    )


def _by_speed(hcas: Sequence[Hca]) -> Groups:
    """By the speed of each HCA, if kinds of HCAs differ. A slow link in a kind is its own fault."""
    kinds = _grouped(
        (f"{hca.function.vendor}:{hca.function.device}", hca)
        for hca in hcas
        if hca.function is not None and _rate(hca)
    )
    known = [max(map(_rate, of_kind)) for of_kind in kinds.values()]
    if not known or max(known) < _FACTOR * min(known):
        return {}
    return _grouped((f"{_rate(hca):g} Gb/s", hca) for hca in hcas if _rate(hca))


def _rate(hca: Hca) -> float:
    """The speed of its fastest ACTIVE port in Gb/s; 0 if it is unknown."""
    return max((port.rate or 0 for port in hca.ports if port.state == "ACTIVE"), default=0)


_DIFFERENCES = (
    _Difference(
        AdviceCode.MIXED_FUNCTION_TYPES,
        ("functionTypes",),
        _by_nature,
        "a job cannot use them together",
    ),
    _Difference(
        AdviceCode.MIXED_LINK_TYPES,
        ("linkTypes", "drivers", "rdmaDevices"),
        _by_link_type,
        "{} ports cannot reach each other",
        usable=False,
    ),
    _Difference(
        AdviceCode.MIXED_DRIVERS,
        ("drivers",),
        _by_driver,
        "a job can rarely use HCAs of several drivers together",
    ),
    _Difference(
        AdviceCode.MIXED_SPEEDS,
        ("deviceIDs",),
        _by_speed,
        "a job over all of them is as slow as the slowest",
    ),
)
