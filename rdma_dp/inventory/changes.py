"""What differs between two inventories of a node. Pure."""

from collections.abc import Iterator, Mapping

from rdma_dp.inventory.hardware import Inventory


def changed_hcas(before: Inventory, after: Inventory) -> Mapping[str, tuple[str, ...]]:
    """The names of the HCAs that were "added" and "removed".

    An HCA on other hardware than before under the same name is in both.
    """
    old, new = _hardware(before), _hardware(after)
    return {
        "added": tuple(name for name, key in new.items() if old.get(name) != key),
        "removed": tuple(name for name, key in old.items() if new.get(name) != key),
    }


def changed_ports(before: Inventory, after: Inventory) -> Iterator[tuple[str, int]]:
    """The HCA's name and the number of each port whose state changed, on the same hardware."""
    old = {hca.name: hca for hca in before.hcas}
    for hca in after.hcas:
        last = old.get(hca.name)
        if last is None or last.stable_key != hca.stable_key:
            continue
        states = {port.number: port.state for port in last.ports}
        for port in hca.ports:
            if port.number in states and states[port.number] != port.state:
                yield hca.name, port.number


def _hardware(inventory: Inventory) -> Mapping[str, str]:
    return {hca.name: hca.stable_key for hca in inventory.hcas}
