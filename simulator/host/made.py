"""Generates hosts of any size, for the benchmark."""

from collections.abc import Iterator

from simulator.host.manifest import Function, Hca, Manifest, Net

_BUSES_OF_A_DOMAIN = 127  # odd ones only: the default root port is on the bus before
_FUNCTIONS_OF_A_CARD = 8
_OTHERS_OF_A_BUS = 32


def generate(count: int, *, vfs: bool = False, numa_nodes: int = 2, others: int = 32) -> Manifest:
    """A host with `count` ConnectX-7 functions (RoCE; each has one netdev, uverbs and umad).

    They are spread over PCI domains and NUMA nodes. With `vfs`, each card has one PF and seven VFs.
    `others` is the number of NVMe functions.
    """
    cards = _FUNCTIONS_OF_A_CARD if vfs else 1
    domains = max(numa_nodes, -(-count // (cards * _BUSES_OF_A_DOMAIN)))
    functions: dict[str, Function] = {}
    for index in range(count):
        card, number = divmod(index, cards)
        address = _address(card % domains, card // domains, number)
        physfn = _address(card % domains, card // domains, 0) if number else None
        functions[address] = _connectx7(index, card % domains % numa_nodes, physfn)
    functions.update(_others(others, domains, numa_nodes))
    return Manifest(title=f"{count} ConnectX-7 functions", functions=functions)


def _address(domain: int, slot: int, function: int) -> str:
    return f"{domain:04x}:{2 * slot + 1:02x}:00.{function}"


def _connectx7(index: int, numa: int, physfn: str | None) -> Function:
    return Function(
        id="15b3:101e" if physfn else "15b3:1021",
        numa=numa,
        physfn=physfn,
        hcas={f"mlx5_{index}": Hca()},
        net={f"eth{index}": Net()},
    )


def _others(count: int, domain: int, numa_nodes: int) -> Iterator[tuple[str, Function]]:
    for index in range(count):
        bus, device = divmod(index, _OTHERS_OF_A_BUS)
        yield (
            f"{domain:04x}:{bus:02x}:{device:02x}.0",
            Function(
                id="144d:a80a",
                pci_class="010802",
                numa=index % numa_nodes,
                root=f"pci{domain:04x}:{bus:02x}",
            ),
        )
