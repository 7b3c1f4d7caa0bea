"""Generates hosts of any size, for the benchmark."""

from collections.abc import Iterator

from simulator.host.manifest import Function, Hca, Manifest, Net

_BUSES_OF_A_DOMAIN = 127  # odd ones only: the default root port is on the bus before
_FUNCTIONS_OF_A_CARD = 8
_OTHERS_OF_A_BUS = 32

# Counters of an mlx5 port: those of core/sysfs.c that show traffic and errors, and those of
# mlx5/counters.c that show losses and congestion.
COUNTERS = (
    *(f"counters/port_{end}_{what}" for end in ("xmit", "rcv") for what in ("data", "packets")),
    *("counters/symbol_error", "counters/link_error_recovery", "counters/link_downed"),
    *("counters/port_rcv_errors", "counters/port_xmit_discards", "counters/port_xmit_wait"),
    *("counters/local_link_integrity_errors", "counters/excessive_buffer_overrun_errors"),
    *("hw_counters/out_of_sequence", "hw_counters/packet_seq_err", "hw_counters/out_of_buffer"),
    *("hw_counters/local_ack_timeout_err", "hw_counters/rnr_nak_retry_err"),
    *("hw_counters/req_transport_retries_exceeded", "hw_counters/req_rnr_retries_exceeded"),
    *("hw_counters/duplicate_request", "hw_counters/np_cnp_sent", "hw_counters/rp_cnp_handled"),
    *("hw_counters/np_ecn_marked_roce_packets", "hw_counters/rx_icrc_encapsulated"),
    "hw_counters/roce_slow_restart",
)


def generate(
    count: int,
    *,
    vfs: bool = False,
    numa_nodes: int = 2,
    others: int = 32,
    counters: bool = False,
) -> Manifest:
    """A host with `count` ConnectX-7 functions (RoCE; each has one netdev, uverbs and umad).

    They are spread over PCI domains and NUMA nodes. With `vfs`, each card has one PF and seven VFs.
    `others` is the number of NVMe functions. With `counters`, each port has 25 counters.
    """
    hca = Hca(files={f"ports/1/{name}": "7\n" for name in COUNTERS} if counters else {})
    cards = _FUNCTIONS_OF_A_CARD if vfs else 1
    domains = max(numa_nodes, -(-count // (cards * _BUSES_OF_A_DOMAIN)))
    functions: dict[str, Function] = {}
    for index in range(count):
        card, number = divmod(index, cards)
        address = _address(card % domains, card // domains, number)
        physfn = _address(card % domains, card // domains, 0) if number else None
        functions[address] = _connectx7(index, hca, card % domains % numa_nodes, physfn)
    functions.update(_others(others, domains, numa_nodes))
    return Manifest(title=f"{count} ConnectX-7 functions", functions=functions)


def _address(domain: int, slot: int, function: int) -> str:
    return f"{domain:04x}:{2 * slot + 1:02x}:00.{function}"


def _connectx7(index: int, hca: Hca, numa: int, physfn: str | None) -> Function:
    return Function(
        id="15b3:101e" if physfn else "15b3:1021",
        numa=numa,
        physfn=physfn,
        hcas={f"mlx5_{index}": hca},
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
