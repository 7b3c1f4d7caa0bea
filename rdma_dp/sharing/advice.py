"""Warnings about a resource, and the next steps when it has no HCA. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from difflib import SequenceMatcher
from itertools import product

from rdma_dp.config import Selectors
from rdma_dp.config.values import globs
from rdma_dp.inventory.hardware import CharDevice, Hca, Inventory, System, UnusedFunction
from rdma_dp.sharing.allocation import wanted_devices
from rdma_dp.sharing.health import describe_ports, has_active_port
from rdma_dp.sharing.lost_interfaces import blind_excludes, fits_names, may_be_meant
from rdma_dp.sharing.misplaced import Misplaced, misplaced
from rdma_dp.sharing.mixed import mixed
from rdma_dp.sharing.pool import Pool
from rdma_dp.sharing.selection import Comparison, HcaVerdict, Selection
from rdma_dp.sharing.step import Step
from rdma_dp.sharing.without_hca import judged_functions
from rdma_dp.text import NAMES_IN_LINE, Values, grouped, some

_COMPARED = 20  # values of a selector that are compared with what was found, to spot a typing error
_LONGEST_COMPARED = 64  # characters; the time to compare grows with the square of the length

_LONGEST_NAME = 15  # of an interface, without alternative names: linux/if.h, IFNAMSIZ

# The function and the port at the end of systemd's names (systemd.net-naming-scheme(7)): "f1np1" of
# ens1f1np1, "d1" of ibp3s0d1. What stands before them names the card.
_FUNCTION_AND_PORT = re.compile(r"(?<=\d)(f\d+)?(n\w+|d\d+)?$", re.ASCII)


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
    """Warnings about the node's resources together, and about their selectors."""
    return (
        *_shared_hcas(inventory, selections),
        *(
            f"{selection.resource.full_name}: {step}"
            for selection in selections
            for step in selector_warnings(selection, inventory)
        ),
    )


def selector_warnings(selection: Selection, inventory: Inventory) -> tuple[Step, ...]:
    """What may be wrong with the selectors of a resource that has HCAs; () if it has none."""
    if not selection.chosen:
        return ()
    mix = mixed(selection)
    return (
        *(each.step for each in misplaced(selection, inventory)),
        *(() if mix is None else (mix,)),
    )


def steps(selection: Selection, inventory: Inventory) -> tuple[Step, ...]:
    """What to run or change if the resource has no HCA; () if it has one."""
    if selection.chosen:
        return ()
    wrong = misplaced(selection, inventory)
    return (*(each.step for each in wrong), *_other_steps(selection, inventory, wrong))


def _other_steps(
    selection: Selection, inventory: Inventory, wrong: Sequence[Misplaced]
) -> tuple[Step, ...]:
    """The steps besides those for values of the wrong selector."""
    matching = [verdict.hca for verdict in selection.verdicts if verdict.matches]
    if matching:
        return _ineligible(matching)
    without_hca = _steps_for_functions(selection.resource.selector_sets, inventory)
    if without_hca:
        return without_hca
    if not selection.verdicts:
        return _steps_without_hcas(inventory)
    return tuple(_misses(selection, inventory, wrong))


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


def _steps_for_functions(sets: Sequence[Selectors], inventory: Inventory) -> tuple[Step, ...]:
    matching = grouped(
        (
            unused.function.address,
            (sure, unused.reason.text, _command(unused, sure), unused.reason.code),
        )
        for unused, sure in judged_functions(sets, inventory)
    )
    return tuple(
        Step(
            f"{some(addresses, NAMES_IN_LINE)} {'would' if sure else 'may'} match, but"
            f" {_have(addresses)} no HCA",
            command,
            code,
            reason,
        )
        for addresses, (sure, reason, command, code) in matching[:NAMES_IN_LINE]
    )


def _have(names: Values) -> str:
    return "has" if len(names) == 1 else "have"


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


def _misses(
    selection: Selection, inventory: Inventory, wrong: Sequence[Misplaced]
) -> Iterator[Step]:
    """The nearest HCA, and those whose interface, which the selectors name, may not be here.

    None of them if only values in `wrong` are against it.
    """
    nearest = min(selection.verdicts, key=_distance)
    against = {mismatch.selector for mismatch in nearest.nearest_mismatches}
    if against <= {each.place for each in wrong}:
        return
    if not nearest.lacks_interface:
        yield Step(_nearest_miss(nearest, inventory, wrong))
    lost = may_be_meant(selection, any_cause=nearest.lacks_interface)
    yield from (Step(text, absent.remedy, absent.code) for text, absent in lost)


def _nearest_miss(nearest: HcaVerdict, inventory: Inventory, wrong: Sequence[Misplaced]) -> str:
    mismatches = nearest.nearest_mismatches
    elsewhere = {value for each in wrong for value in each.values}
    reasons = "; ".join(map(str, mismatches))
    absent = "".join(_absent(mismatch, inventory, elsewhere) for mismatch in mismatches)
    return (
        f"the nearest is {nearest.hca.name}: {reasons}.{absent} If you mean this HCA, change the"
        " selectors"
    )


def _absent(mismatch: Comparison, inventory: Inventory, elsewhere: Set[str]) -> str:
    """A sentence that the wanted netdev is not on the node, and which one is; "" if it is there.

    Values in `elsewhere` are no netdevs.
    """
    if mismatch.name != "ifNames":
        return ""
    wanted_here = tuple(value for value in mismatch.wanted if value not in elsewhere)
    pairs = list(product(_compared(wanted_here), _compared(mismatch.found)))
    if not pairs:
        return ""
    wanted, found = max(pairs, key=lambda pair: SequenceMatcher(None, *pair).ratio())
    if globs.is_glob(wanted) or len(wanted) >= _LONGEST_COMPARED:
        return ""
    if wanted in _netdev_names(inventory):
        return ""
    card = ", by its name on the same card" if _same_card(wanted, found) else ""
    return f" {wanted} is not on this node; {found} is{card}.{_too_long(wanted)}"


def _too_long(name: str) -> str:
    """A sentence that a name can only be an alternative name; "" if it is short enough."""
    length = len(name.encode())
    if length <= _LONGEST_NAME:
        return ""
    return (
        f" {name} has {length} characters, so it can only be an alternative name; a name has at"
        f" most {_LONGEST_NAME}."
    )


def _netdev_names(inventory: Inventory) -> set[str]:
    names = {name for unused in inventory.unused_functions for name in unused.netdevs}
    for hca in inventory.hcas:
        names.update(name for netdev in hca.netdevs for name in (netdev.name, *netdev.altnames))
    return names


def _same_card(wanted: str, found: str) -> bool:
    """Whether the names differ only in the function and the port at their ends."""
    return _FUNCTION_AND_PORT.sub("", wanted) == _FUNCTION_AND_PORT.sub("", found)


def _distance(verdict: HcaVerdict) -> tuple[int, bool, bool, float]:
    """A sort key: fewest mismatches first, then shareable HCAs, then those that the names fit.

    The names of interfaces show a link type. Of HCAs that are alike in this, the values decide.
    """
    likeness = sum(_likeness(mismatch) for mismatch in verdict.nearest_mismatches)
    fits = fits_names(verdict)
    return len(verdict.nearest_mismatches), not verdict.hca.shareable, not fits, -likeness


def _likeness(mismatch: Comparison) -> float:
    if mismatch.excludes:
        return 0.0  # a value that matched exactly is no typing error
    pairs = product(_compared(mismatch.wanted), _compared(mismatch.found))
    return max((SequenceMatcher(None, *pair).ratio() for pair in pairs), default=0.0)


def _compared(values: Values) -> Values:
    return tuple(value[:_LONGEST_COMPARED] for value in values[:_COMPARED])
