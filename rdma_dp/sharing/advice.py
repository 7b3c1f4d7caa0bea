"""What a person should know about a resource, and what to do when it has no HCA. Pure."""

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
from rdma_dp.sharing.health import describe_ports, has_active_port
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.selection import Comparison, HcaVerdict, Selection, mismatches
from rdma_dp.text import Values, grouped, some

_SHOWN = 3  # nobody reads further; `discover` has the rest
_COMPARED = 20  # values of a selector, to find what looks most like a slip of the pen
_LONGEST_COMPARED = 64  # characters; likeness costs the square of the length

# Selectors of what a function without an HCA does not show: nobody knows whether they would match.
_OF_HCAS_ONLY: dict[str, Any] = {"link_types": (), "rdma_devices": ()}


# What stands before the function and the port in systemd's names (systemd.net-naming-scheme(7)):
# "ens1" of ens1f0np0, "enp41s0" of enp41s0f1np1, "ibP2p3s0" of ibP2p3s0.
_CARD_IN_NAME = re.compile(r"(en|ib)(P\d+)?(p\d+)?s\d+(?=(f\d+)?(n\w+|d\d+)?$)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Step:
    """What is the matter, and what to type, where something can be typed.

    `code` is that of the verdict that the text quotes.
    """

    text: str
    command: str | None = None
    code: Code | None = None

    def __str__(self) -> str:
        return f"{self.text}: try `{self.command}`" if self.command else self.text


def resource_warnings(selection: Selection, system: System) -> tuple[str, ...]:
    """What is not wrong enough to leave an HCA out, but is worth saying."""
    if not selection.chosen:
        return ()
    nodes = [device for hca in selection.chosen for device in hca.char_devices]
    return (
        *_missing_modules(system),
        *_faulty_nodes(nodes if system.rdma_cm is None else [*nodes, system.rdma_cm]),
        *_inactive_ports(selection.chosen),
        *(f"{hca.name}: {hca.suspicion}" for hca in selection.chosen if hca.suspicion is not None),
    )


def pool_warnings(pool: Pool, system: System) -> tuple[str, ...]:
    """What is worth saying of a resource: of its HCAs, and of its slots."""
    return (*resource_warnings(pool.selection, system), *pool.warnings)


def node_warnings(inventory: Inventory, selections: Sequence[Selection]) -> tuple[str, ...]:
    """What concerns several resources together."""
    return tuple(_shared_hcas(inventory, selections))


def next_steps(selection: Selection, inventory: Inventory) -> tuple[str, ...]:
    """What to type or change when the resource has no HCA; () when it has one."""
    return tuple(map(str, steps(selection, inventory)))


def steps(selection: Selection, inventory: Inventory) -> tuple[Step, ...]:
    """The same with each command by itself."""
    if selection.chosen:
        return ()
    matching = [verdict.hca for verdict in selection.verdicts if not verdict.mismatches]
    if matching:
        return _ineligible(matching)
    idle = _idle_steps(selection.resource.selectors, inventory)
    if idle:
        return idle
    if not selection.verdicts:
        return _where_hcas_should_come_from(inventory)
    return (Step(_nearest_miss(selection, inventory)),)


def takers(inventory: Inventory, selections: Sequence[Selection]) -> Mapping[str, Values]:
    """The full names of the resources that take each HCA, by the HCA's name."""
    chosen = {s.resource.full_name: {hca.name for hca in s.chosen} for s in selections}
    return {
        hca.name: tuple(name for name, hcas in chosen.items() if hca.name in hcas)
        for hca in inventory.hcas
    }


def _missing_modules(system: System) -> Iterator[str]:
    if system.rdma_cm is None:
        yield (
            "no rdma_cm: programs that connect through the connection manager will fail in the"
            " pods; `modprobe rdma_ucm` makes the node"
        )
    if system.modules.get("ib_umad") is False:
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


def idle_matches(selectors: Selectors, inventory: Inventory) -> tuple[UnusedFunction, ...]:
    """Functions that the selectors mean, or may mean, but that have no HCA yet."""
    told = _told_by_a_function(selectors)
    if told == Selectors(exclude=told.exclude):
        return ()
    pf_names = _pf_names(inventory)
    return tuple(
        idle for idle in inventory.unused_functions if not mismatches(_as_hca(idle, pf_names), told)
    )


def _told_by_a_function(selectors: Selectors) -> Selectors:
    """Those of them whose traits a function without an HCA shows."""
    return selectors.model_copy(
        update={**_OF_HCAS_ONLY, "exclude": selectors.exclude.model_copy(update=_OF_HCAS_ONLY)}
    )


def _idle_steps(selectors: Selectors, inventory: Inventory) -> tuple[Step, ...]:
    sure = _told_by_a_function(selectors) == selectors
    matching = grouped(
        (idle.function.address, (idle.reason.text, _command(idle, sure), idle.reason.code))
        for idle in idle_matches(selectors, inventory)
    )
    verb = "would" if sure else "may"
    return tuple(
        Step(f"{some(addresses, _SHOWN)} {verb} match, but has no HCA: {reason}", command, code)
        for addresses, (reason, command, code) in matching[:_SHOWN]
    )


def _pf_names(inventory: Inventory) -> Mapping[str, Values]:
    """The names of each PF by its address; of a bond's HCA those of its first function only."""
    found = {idle.function.address: idle.netdevs for idle in inventory.unused_functions}
    others = {name for names in found.values() for name in names}
    for hca in inventory.hcas:
        if hca.function is not None:
            own = tuple(name for name in hca.pf_names if name not in others)
            found[hca.function.address] = own
    return found


def _as_hca(idle: UnusedFunction, pf_names: Mapping[str, Values]) -> Hca:
    """What the function would be with an HCA, as far as it can be known."""
    pf = idle.function.physfn or idle.function.address
    return Hca(
        "",
        (idle.function,),
        pf_names=pf_names.get(pf, ()),
        netdevs=tuple(map(NetDevice, idle.netdevs)),
    )


def _command(idle: UnusedFunction, sure: bool) -> str | None:
    """The command for what is missing, unless that may bind what nobody meant."""
    return idle.reason.remedy if sure or idle.function.driver is not None else None


def _where_hcas_should_come_from(inventory: Inventory) -> tuple[Step, ...]:
    reasons = [idle.reason for idle in inventory.unused_functions if idle.reason.remedy]
    remedies = {each.remedy: Step(each.text, each.remedy, each.code) for each in reasons}
    if remedies:
        return tuple(remedies.values())[:_SHOWN]
    if inventory.unused_functions:
        nothing = "no network function of this node does RDMA; `rdma-dp discover` lists them"
        return (Step(nothing),)
    return (Step("the node shows no network hardware at all: is /sys the host's?"),)


def _ineligible(hcas: Sequence[Hca]) -> tuple[Step, ...]:
    by_reason = grouped((hca.name, hca.ineligible) for hca in hcas if hca.ineligible is not None)
    return tuple(
        Step(f"{some(names, _SHOWN)} would match, but cannot be shared: {why}", code=why.code)
        for names, why in by_reason[:_SHOWN]
    )


def _nearest_miss(selection: Selection, inventory: Inventory) -> str:
    nearest = min(selection.verdicts, key=_distance)
    wishes = "; ".join(str(mismatch) for mismatch in nearest.mismatches)
    absent = "".join(_absent(mismatch, inventory) for mismatch in nearest.mismatches)
    return (
        f"the nearest is {nearest.hca.name}: {wishes}.{absent} Change the selectors if it is meant"
    )


def _absent(mismatch: Comparison, inventory: Inventory) -> str:
    """That the wanted netdev is not on the node, where that is so, and what is in its place."""
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
    return f" {wanted} is not here; {found} is{card}."


def _netdev_names(inventory: Inventory) -> set[str]:
    names = {name for idle in inventory.unused_functions for name in idle.netdevs}
    for hca in inventory.hcas:
        names.update(name for netdev in hca.netdevs for name in (netdev.name, *netdev.altnames))
    return names


def _same_card(wanted: str, found: str) -> bool:
    """Whether systemd's names put both netdevs at the same bus and device, or in one slot."""
    cards = [_CARD_IN_NAME.match(name) for name in (wanted, found)]
    return None not in cards and len({card[0] for card in cards if card}) == 1


def _distance(verdict: HcaVerdict) -> tuple[int, bool, float]:
    """Fewest unmet selectors first; among equals, what looks most like a slip of the pen."""
    likeness = sum(_likeness(mismatch) for mismatch in verdict.mismatches)
    return len(verdict.mismatches), not verdict.hca.shareable, -likeness


def _likeness(mismatch: Comparison) -> float:
    if mismatch.excludes:
        return 0.0  # what matches word for word there is no slip of the pen
    pairs = product(_compared(mismatch.wanted), _compared(mismatch.found))
    return max((SequenceMatcher(None, *pair).ratio() for pair in pairs), default=0.0)


def _compared(values: Values) -> Values:
    return tuple(value[:_LONGEST_COMPARED] for value in values[:_COMPARED])
