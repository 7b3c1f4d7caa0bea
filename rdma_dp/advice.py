"""What a person should know about a resource, and what to do when it has no HCA. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import product
from typing import Any

from rdma_dp.config import Selectors
from rdma_dp.health import describe_ports, has_active_port
from rdma_dp.model import CharDevice, Hca, IdleFunction, Inventory, NetDevice, System
from rdma_dp.pool import Pool
from rdma_dp.selection import Comparison, Selection, Values, Verdict, grouped, mismatches, some

_SHOWN = 3  # nobody reads further; `discover` has the rest
_COMPARED = 20  # values of a selector, to find what looks most like a slip of the pen
_LONGEST_COMPARED = 64  # characters; likeness costs the square of the length

# Selectors of what a function without an HCA does not show: nobody knows whether they would match.
_OF_HCAS_ONLY: dict[str, Any] = {"link_types": (), "rdma_devices": ()}


def resource_warnings(selection: Selection, system: System) -> tuple[str, ...]:
    """What is not wrong enough to leave an HCA out, but is worth saying."""
    if not selection.chosen:
        return ()
    nodes = [device for hca in selection.chosen for device in hca.char_devices]
    return (
        *_missing_modules(system),
        *_faulty_nodes(nodes if system.rdma_cm is None else [*nodes, system.rdma_cm]),
        *_inactive_ports(selection.chosen),
        *(f"{hca.name}: {hca.doubt}" for hca in selection.chosen if hca.doubt is not None),
    )


def pool_warnings(pool: Pool, system: System) -> tuple[str, ...]:
    """What is worth saying of a resource: of its HCAs, and of its slots."""
    return (*resource_warnings(pool.selection, system), *pool.warnings)


def node_warnings(inventory: Inventory, selections: Sequence[Selection]) -> tuple[str, ...]:
    """What concerns several resources together."""
    return tuple(_shared_hcas(inventory, selections))


def next_steps(selection: Selection, inventory: Inventory) -> tuple[str, ...]:
    """What to type or change when the resource has no HCA; () when it has one."""
    if selection.chosen:
        return ()
    matching = [verdict.hca for verdict in selection.verdicts if not verdict.mismatches]
    if matching:
        return _unshareable(matching)
    idle = _idle_matches(selection.resource.selectors, inventory)
    if idle:
        return idle
    if not selection.verdicts:
        return _where_hcas_should_come_from(inventory)
    return (_nearest_miss(selection),)


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
    chosen = {s.resource.full_name: {hca.name for hca in s.chosen} for s in selections}
    takers = (
        (hca.name, tuple(name for name, hcas in chosen.items() if hca.name in hcas))
        for hca in inventory.hcas
    )
    for names, resources in grouped(takers):
        if len(resources) > 1:
            are = "is" if len(names) == 1 else "are"
            yield f"{some(names, 2)} {are} in several resources: {some(resources, 6)}"


def _idle_matches(selectors: Selectors, inventory: Inventory) -> tuple[str, ...]:
    """Functions that the selectors mean, or may mean, but that have no HCA yet."""
    told = selectors.model_copy(
        update={**_OF_HCAS_ONLY, "exclude": selectors.exclude.model_copy(update=_OF_HCAS_ONLY)}
    )
    if told == Selectors(exclude=told.exclude):
        return ()
    sure = told == selectors
    pf_names = _pf_names(inventory)
    matching = grouped(
        (idle.function.address, _lack(idle, sure))
        for idle in inventory.others
        if not mismatches(_as_hca(idle, pf_names), told)
    )
    return tuple(
        f"{some(addresses, _SHOWN)} {'would' if sure else 'may'} match, but has no HCA: {lack}"
        for addresses, lack in matching[:_SHOWN]
    )


def _pf_names(inventory: Inventory) -> Mapping[str, Values]:
    """The names of each PF by its address; of a bond's HCA those of its first function only."""
    found = {idle.function.address: idle.netdevs for idle in inventory.others}
    others = {name for names in found.values() for name in names}
    for hca in inventory.hcas:
        if hca.function is not None:
            own = tuple(name for name in hca.pf_names if name not in others)
            found[hca.function.address] = own
    return found


def _as_hca(idle: IdleFunction, pf_names: Mapping[str, Values]) -> Hca:
    """What the function would be with an HCA, as far as it can be known."""
    pf = idle.function.physfn or idle.function.address
    return Hca(
        "",
        (idle.function,),
        pf_names=pf_names.get(pf, ()),
        netdevs=tuple(map(NetDevice, idle.netdevs)),
    )


def _lack(idle: IdleFunction, sure: bool) -> str:
    """What is missing, and the command for it, unless that may bind what nobody meant."""
    to_type = idle.remedy if sure or idle.function.driver is not None else None
    return idle.reason + (f": try `{to_type}`" if to_type else "")


def _where_hcas_should_come_from(inventory: Inventory) -> tuple[str, ...]:
    remedies = {o.remedy: f"{o.reason}: try `{o.remedy}`" for o in inventory.others if o.remedy}
    if remedies:
        return tuple(remedies.values())[:_SHOWN]
    if inventory.others:
        return ("no network function of this node does RDMA; `rdma-dp discover` lists them",)
    return ("the node shows no network hardware at all: is /sys the host's?",)


def _unshareable(hcas: Sequence[Hca]) -> tuple[str, ...]:
    by_reason = grouped((hca.name, hca.unshareable) for hca in hcas)
    return tuple(
        f"{some(names, _SHOWN)} would match, but cannot be shared: {reason}"
        for names, reason in by_reason[:_SHOWN]
    )


def _nearest_miss(selection: Selection) -> str:
    nearest = min(selection.verdicts, key=_distance)
    wishes = "; ".join(str(mismatch) for mismatch in nearest.mismatches)
    return f"the nearest is {nearest.hca.name}: {wishes}. Change the selectors if it is meant"


def _distance(verdict: Verdict) -> tuple[int, bool, float]:
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
