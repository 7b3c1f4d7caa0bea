"""What a person should know about a resource, and what to do when it has no HCA. Pure."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from rdma_dp.config import Selectors
from rdma_dp.health import describe_ports, has_active_port
from rdma_dp.model import CharDevice, Hca, Inventory, NetDevice, System
from rdma_dp.selection import Mismatch, Selection, Verdict, mismatches, some

_SHOWN = 3  # nobody reads further; `discover` has the rest


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
    for hca in inventory.hcas:
        takers = [name for name, hcas in chosen.items() if hca.name in hcas]
        if len(takers) > 1:
            yield f"{hca.name} is in several resources: {', '.join(takers)}"


def _idle_matches(selectors: Selectors, inventory: Inventory) -> tuple[str, ...]:
    """Functions that the selectors mean, but that have no HCA yet."""
    told = selectors.model_copy(update={"link_types": ()})  # only an HCA has link types
    if told == Selectors():
        return ()
    addresses: dict[str, list[str]] = {}
    for other in inventory.others:
        netdevs = tuple(NetDevice(name) for name in other.netdevs)
        if not mismatches(Hca("", (other.function,), netdevs=netdevs), told):
            remedy = f": try `{other.remedy}`" if other.remedy else ""
            addresses.setdefault(f"{other.reason}{remedy}", []).append(other.function.address)
    return tuple(
        f"{some(tuple(alike), _SHOWN)} would match, but has no HCA: {reason}"
        for reason, alike in list(addresses.items())[:_SHOWN]
    )


def _where_hcas_should_come_from(inventory: Inventory) -> tuple[str, ...]:
    remedies = {o.remedy: f"{o.reason}: try `{o.remedy}`" for o in inventory.others if o.remedy}
    if remedies:
        return tuple(remedies.values())[:_SHOWN]
    if inventory.others:
        return ("no network function of this node does RDMA; `rdma-dp discover` lists them",)
    return ("the node shows no network hardware at all: is /sys the host's?",)


def _unshareable(hcas: Sequence[Hca]) -> tuple[str, ...]:
    by_reason: dict[str, list[str]] = {}
    for hca in hcas:
        by_reason.setdefault(hca.unshareable or "", []).append(hca.name)
    return tuple(
        f"{some(tuple(names), _SHOWN)} would match, but cannot be shared: {reason}"
        for reason, names in list(by_reason.items())[:_SHOWN]
    )


def _nearest_miss(selection: Selection) -> str:
    nearest = min(selection.verdicts, key=_distance)
    wishes = "; ".join(str(mismatch) for mismatch in nearest.mismatches)
    return f"the nearest is {nearest.hca.name}: {wishes}. Change the selectors if it is meant"


def _distance(verdict: Verdict) -> tuple[int, bool, float]:
    """Fewest unmet selectors first; among equals, what looks most like a slip of the pen."""
    likeness = sum(_likeness(mismatch) for mismatch in verdict.mismatches)
    return len(verdict.mismatches), not verdict.hca.shareable, -likeness


def _likeness(mismatch: Mismatch) -> float:
    pairs = ((wanted, found) for wanted in mismatch.wanted for found in mismatch.found)
    return max((SequenceMatcher(None, *pair).ratio() for pair in pairs), default=0.0)
