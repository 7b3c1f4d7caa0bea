"""Warnings about a resource, and the next steps when it has no HCA. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import product
from typing import Any

from rdma_dp.config import Selectors
from rdma_dp.config.values import globs
from rdma_dp.inventory.hardware import CharDevice, Hca, Inventory, NetDevice, System, UnusedFunction
from rdma_dp.inventory.verdicts import Code
from rdma_dp.sharing.allocation import wanted_devices
from rdma_dp.sharing.health import describe_ports, has_active_port
from rdma_dp.sharing.lost_interfaces import blind_excludes, may_be_meant
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.selection import Comparison, HcaVerdict, Selection, mismatches
from rdma_dp.text import NAMES_IN_LINE, Values, grouped, some

_COMPARED = 20  # values of a selector that are compared with what was found, to spot a typing error
_LONGEST_COMPARED = 64  # characters; the time to compare grows with the square of the length

# Selectors that need an HCA. Without one, it is not known whether they would match.
_OF_HCAS_ONLY: dict[str, Any] = {"link_types": (), "rdma_devices": ()}

# The function and the port at the end of systemd's names (systemd.net-naming-scheme(7)): "f1np1" of
# ens1f1np1, "d1" of ibp3s0d1. What stands before them names the card.
_FUNCTION_AND_PORT = re.compile(r"(?<=\d)(f\d+)?(n\w+|d\d+)?$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Step:
    """What is wrong, and the command that fixes it, if there is one.

    `reason` is the text of the verdict behind it and `code` the verdict's code.
    """

    claim: str
    command: str | None = None
    code: Code | None = None
    reason: str = ""

    @property
    def text(self) -> str:
        """The claim with its reason."""
        return f"{self.claim}: {self.reason}" if self.reason else self.claim

    def __str__(self) -> str:
        return f"{self.text}: try `{self.command}`" if self.command else self.text


def resource_warnings(selection: Selection, system: System) -> tuple[str, ...]:
    """Warnings about the HCAs of a resource. They stay in the resource all the same."""
    if not selection.chosen:
        return ()
    management = selection.resource.management
    nodes = [node for hca in selection.chosen for node in wanted_devices(hca, management)]
    return (
        *_missing_modules(system, management=management),
        *_faulty_nodes(nodes if system.rdma_cm is None else [*nodes, system.rdma_cm]),
        *_inactive_ports(selection.chosen),
        *(f"{hca}: {reason}" for hca, reason in blind_excludes(selection)),
        *(f"{hca.name}: {hca.suspicion}" for hca in selection.chosen if hca.suspicion is not None),
    )


def pool_warnings(pool: Pool, system: System) -> tuple[str, ...]:
    """Warnings about a resource's HCAs and about its slots."""
    return (*resource_warnings(pool.selection, system), *pool.warnings)


def node_warnings(inventory: Inventory, selections: Sequence[Selection]) -> tuple[str, ...]:
    """Warnings that concern several resources together."""
    return tuple(_shared_hcas(inventory, selections))


def steps(selection: Selection, inventory: Inventory) -> tuple[Step, ...]:
    """What to run or change if the resource has no HCA; () if it has one."""
    if selection.chosen:
        return ()
    matching = [verdict.hca for verdict in selection.verdicts if not verdict.mismatches]
    if matching:
        return _ineligible(matching)
    without_hca = _steps_for_functions(selection.resource.selectors, inventory)
    if without_hca:
        return without_hca
    if not selection.verdicts:
        return _steps_without_hcas(inventory)
    return tuple(_misses(selection, inventory))


def takers(inventory: Inventory, selections: Sequence[Selection]) -> Mapping[str, Values]:
    """The full names of the resources that take each HCA, by the HCA's name."""
    chosen = {s.resource.full_name: {hca.name for hca in s.chosen} for s in selections}
    return {
        hca.name: tuple(name for name, hcas in chosen.items() if hca.name in hcas)
        for hca in inventory.hcas
    }


def _missing_modules(system: System, *, management: bool) -> Iterator[str]:
    if system.rdma_cm is None:
        yield (
            "no rdma_cm: programs that connect through the connection manager will fail in the"
            " pods; `modprobe rdma_ucm` makes the node"
        )
    if management and system.modules.get("ib_umad") is False:
        yield (
            "no umad: management tools such as ibstat and perfquery will fail in the pods;"
            " `modprobe ib_umad` makes the nodes"
        )


def _faulty_nodes(nodes: Sequence[CharDevice]) -> Iterator[str]:
    for device in nodes:
        if device.fault is not None:
            yield f"{device.fault}; containers do not get it"


def _inactive_ports(hcas: Sequence[Hca]) -> Iterator[str]:
    for hca in hcas:
        if not has_active_port(hca):
            yield f"no active port: {describe_ports(hca)}"


def _shared_hcas(inventory: Inventory, selections: Sequence[Selection]) -> Iterator[str]:
    for names, resources in grouped(takers(inventory, selections).items()):
        if len(resources) > 1:
            are = "is" if len(names) == 1 else "are"
            yield f"{some(names, 2)} {are} in several resources: {some(resources, 6)}"


def matching_functions(selectors: Selectors, inventory: Inventory) -> tuple[UnusedFunction, ...]:
    """PCI functions without an HCA that match the selectors, or may match them.

    Empty if no selector can be checked without an HCA.
    """
    known = _known_without_hca(selectors)
    if known == Selectors(exclude=known.exclude):
        return ()
    pf_names = _pf_names(inventory)
    return tuple(
        unused
        for unused in inventory.unused_functions
        if not mismatches(_as_hca(unused, pf_names), known)
    )


def _known_without_hca(selectors: Selectors) -> Selectors:
    """The selectors without those that need an HCA."""
    return selectors.model_copy(
        update={**_OF_HCAS_ONLY, "exclude": selectors.exclude.model_copy(update=_OF_HCAS_ONLY)}
    )


def _steps_for_functions(selectors: Selectors, inventory: Inventory) -> tuple[Step, ...]:
    sure = _known_without_hca(selectors) == selectors
    matching = grouped(
        (unused.function.address, (unused.reason.text, _command(unused, sure), unused.reason.code))
        for unused in matching_functions(selectors, inventory)
    )
    verb = "would" if sure else "may"
    return tuple(
        Step(
            f"{some(addresses, NAMES_IN_LINE)} {verb} match, but {_have(addresses)} no HCA",
            command,
            code,
            reason,
        )
        for addresses, (reason, command, code) in matching[:NAMES_IN_LINE]
    )


def _have(names: Values) -> str:
    return "has" if len(names) == 1 else "have"


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


def _command(unused: UnusedFunction, sure: bool) -> str | None:
    """The command that gives the function an HCA.

    None if it could bind a driver to a function that the selectors may not mean.
    """
    return unused.reason.remedy if sure or unused.function.driver is not None else None


def _steps_without_hcas(inventory: Inventory) -> tuple[Step, ...]:
    reasons = [each.reason for each in inventory.unused_functions if each.reason.remedy]
    remedies = {each.remedy: Step(each.text, each.remedy, each.code) for each in reasons}
    if remedies:
        return tuple(remedies.values())[:NAMES_IN_LINE]
    if inventory.unused_functions:
        nothing = "no network function of this node supports RDMA; `rdma-dp discover` lists them"
        return (Step(nothing),)
    return (Step("no network hardware found on this node: is /sys the host's?"),)


def _ineligible(hcas: Sequence[Hca]) -> tuple[Step, ...]:
    by_reason = grouped((hca.name, hca.ineligible) for hca in hcas if hca.ineligible is not None)
    return tuple(
        Step(
            f"{some(names, NAMES_IN_LINE)} would match, but cannot be shared",
            code=why.code,
            reason=why.text,
        )
        for names, why in by_reason[:NAMES_IN_LINE]
    )


def _misses(selection: Selection, inventory: Inventory) -> Iterator[Step]:
    """The nearest HCA, and those whose interface, which the selectors name, may not be here."""
    nearest = min(selection.verdicts, key=_distance)
    if not nearest.lacks_interface:
        yield Step(_nearest_miss(nearest, inventory))
    lost = may_be_meant(selection, any_cause=nearest.lacks_interface)
    yield from (Step(text, absent.remedy, absent.code) for text, absent in lost)


def _nearest_miss(nearest: HcaVerdict, inventory: Inventory) -> str:
    reasons = "; ".join(str(mismatch) for mismatch in nearest.mismatches)
    absent = "".join(_absent(mismatch, inventory) for mismatch in nearest.mismatches)
    return (
        f"the nearest is {nearest.hca.name}: {reasons}.{absent} If you mean this HCA, change the"
        " selectors"
    )


def _absent(mismatch: Comparison, inventory: Inventory) -> str:
    """A sentence that the wanted netdev is not on the node, and which one is; "" if it is there."""
    if mismatch.selector != "ifNames":
        return ""
    pairs = list(product(_compared(mismatch.wanted), _compared(mismatch.found)))
    if not pairs:
        return ""
    wanted, found = max(pairs, key=lambda pair: SequenceMatcher(None, *pair).ratio())
    if globs.is_glob(wanted) or len(wanted) >= _LONGEST_COMPARED:
        return ""
    if wanted in _netdev_names(inventory):
        return ""
    card = ", by its name on the same card" if _same_card(wanted, found) else ""
    return f" {wanted} is not on this node; {found} is{card}."


def _netdev_names(inventory: Inventory) -> set[str]:
    names = {name for unused in inventory.unused_functions for name in unused.netdevs}
    for hca in inventory.hcas:
        names.update(name for netdev in hca.netdevs for name in (netdev.name, *netdev.altnames))
    return names


def _same_card(wanted: str, found: str) -> bool:
    """Whether the names differ only in the function and the port at their ends."""
    return _FUNCTION_AND_PORT.sub("", wanted) == _FUNCTION_AND_PORT.sub("", found)


def _distance(verdict: HcaVerdict) -> tuple[int, bool, float]:
    """A sort key: fewest mismatches first, then shareable HCAs, then the most similar values."""
    likeness = sum(_likeness(mismatch) for mismatch in verdict.mismatches)
    return len(verdict.mismatches), not verdict.hca.shareable, -likeness


def _likeness(mismatch: Comparison) -> float:
    if mismatch.excludes:
        return 0.0  # a value that matched exactly is no typing error
    pairs = product(_compared(mismatch.wanted), _compared(mismatch.found))
    return max((SequenceMatcher(None, *pair).ratio() for pair in pairs), default=0.0)


def _compared(values: Values) -> Values:
    return tuple(value[:_LONGEST_COMPARED] for value in values[:_COMPARED])
