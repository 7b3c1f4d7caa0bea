"""Functions without an HCA, compared with selectors as far as these need none. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rdma_dp.config import Selectors
from rdma_dp.inventory.hardware import Hca, Inventory, NetDevice, UnusedFunction
from rdma_dp.sharing.selection import mismatches
from rdma_dp.text import Values

# Selectors that need an HCA. Without one, it is not known whether they would match.
_OF_HCAS_ONLY: dict[str, Any] = {"link_types": (), "rdma_devices": ()}


def matching_functions(
    sets: Sequence[Selectors], inventory: Inventory
) -> tuple[UnusedFunction, ...]:
    """PCI functions without an HCA that match a set of selectors, or may match it.

    Empty if no selector can be checked without an HCA.
    """
    return tuple(unused for unused, _ in judged_functions(sets, inventory))


def judged_functions(
    sets: Sequence[Selectors], inventory: Inventory
) -> tuple[tuple[UnusedFunction, bool], ...]:
    """The functions of `matching_functions`, each with whether it is sure that it matches."""
    pairs = ((_known_without_hca(each), each) for each in sets)
    checkable = [(known, known == each) for known, each in pairs if known.matchers]
    judged = (
        (unused, [sure for known, sure in checkable if not mismatches(would_be, known)])
        for unused, would_be in (as_hcas(inventory) if checkable else ())
    )
    return tuple((unused, any(matching)) for unused, matching in judged if matching)


def as_hcas(inventory: Inventory) -> Iterator[tuple[UnusedFunction, Hca]]:
    """Each function without an HCA, and the HCA that it would have, as far as that is known."""
    pf_names = _pf_names(inventory)
    for unused in inventory.unused_functions:
        yield unused, _as_hca(unused, pf_names)


def _known_without_hca(selectors: Selectors) -> Selectors:
    """The selectors without those that need an HCA."""
    exclude = replace(selectors.excluding, **_OF_HCAS_ONLY)
    return replace(selectors, **_OF_HCAS_ONLY, exclude=exclude)


def _pf_names(inventory: Inventory) -> Mapping[str, Values]:
    """The netdevs of each PF by its address; for the HCA of a bond, of its first function only."""
    found = {unused.function.address: unused.netdevs for unused in inventory.unused_functions}
    others = {name for names in found.values() for name in names}
    for hca in inventory.hcas:
        if hca.function is not None:
            own = tuple(name for name in hca.pf_names if name not in others)
            found[hca.function.address] = own
    return found


def _as_hca(unused: UnusedFunction, pf_names: Mapping[str, Values]) -> Hca:
    """The HCA that the function would have, as far as that is known."""
    pf = unused.function.physfn or unused.function.address
    return Hca(
        "",
        (unused.function,),
        pf_names=pf_names.get(pf, ()),
        netdevs=tuple(map(NetDevice, unused.netdevs)),
    )
