"""What to say of HCAs whose interface, which selectors name, is not in this namespace. Pure."""

import re
from collections.abc import Iterator, Sequence

from rdma_dp.inventory.verdicts import NoInterface
from rdma_dp.sharing.selection import Comparison, HcaVerdict, Selection
from rdma_dp.text import NAMES_IN_LINE, Values, grouped, some

# Names that the kernel and systemd give to interfaces of one link type alone
# (drivers/infiniband/ulp/ipoib, systemd.net-naming-scheme(7)).
_LINK_TYPES = (
    (re.compile(r"ib[0-9opsx*?\[]"), "infiniband"),
    (re.compile(r"eth[0-9*?\[]|en[oPpsx][0-9a-f*?\[]"), "ether"),
)
_COMPARED = 20  # names of a selector


def may_be_meant(selection: Selection, *, any_cause: bool) -> Iterator[tuple[str, NoInterface]]:
    """A sentence for the HCAs that a resource may mean, and why they have no interface here.

    Those whose interface is in another network namespace; with `any_cause`, else the others.
    """
    every = [v for v in selection.verdicts if v.lacks_interface]
    lost = {v.hca.name: v for v in [v for v in every if fits_names(v)] or every}
    groups = grouped((name, (v.nearest_mismatches, v.hca.no_interface)) for name, v in lost.items())
    found = [
        (absent, _sentence([lost[name] for name in names], missed, absent))
        for names, (missed, absent) in groups
        if absent is not None
    ]
    elsewhere = [(absent, sentence) for absent, sentence in found if absent.elsewhere]
    for absent, sentence in elsewhere or (found if any_cause else []):
        yield sentence, absent


def fits_names(verdict: HcaVerdict) -> bool:
    """Whether an interface that selectors miss can be the HCA's, by the link type in its name."""
    return all(
        _can_have(missed.wanted[:_COMPARED], verdict.hca.link_types)
        for missed in verdict.nearest_mismatches
        if missed.name in ("ifNames", "pfNames")
    )


def _can_have(names: Values, link_types: Values) -> bool:
    shown = {next((t for names_of, t in _LINK_TYPES if names_of.match(n)), None) for n in names}
    return not link_types or None in shown or not shown.isdisjoint(link_types)


def _sentence(
    verdicts: Sequence[HcaVerdict], missed: Sequence[Comparison], absent: NoInterface
) -> str:
    names = some(tuple(verdict.hca.name for verdict in verdicts), NAMES_IN_LINE)
    functions = (verdict.hca.function for verdict in verdicts)
    addresses = tuple(function.address for function in functions if function is not None)
    wanted = " and ".join(f"{each.selector} wants {each.wanted_words}" for each in missed)
    return (
        f"{wanted}; that may be {names}: {absent}. Select by what needs no interface: rdmaDevices"
        f" ({names}), pciAddresses ({some(addresses, NAMES_IN_LINE)}), vendors or linkTypes"
    )


def blind_excludes(selection: Selection) -> Iterator[tuple[str, str]]:
    """The names of chosen HCAs, and why a selector below `exclude` cannot match them.

    A selector that excludes another HCA has found what it names.
    """
    excludes = [(v, each) for v in selection.verdicts for each in v.comparisons if each.excludes]
    met = {each.selector for _, each in excludes if each.agrees}  # it excludes another HCA
    for verdict, each in excludes:
        if verdict.chosen and each.absent is not None and each.selector not in met:
            reason = f"{each.selector} cannot match it: {each.absent}"
            yield verdict.hca.name, f"{reason}. To exclude it, use rdmaDevices or pciAddresses"
