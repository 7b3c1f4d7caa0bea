"""The table of `rdma-dp discover`."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rdma_dp.inventory.hardware import Hca, Inventory, PciFunction, Port, System, UnusedFunction
from rdma_dp.render.console import or_dash, plain_table
from rdma_dp.text import grouped, in_lines

NAMES_WIDTH = 24  # columns for the names of HCAs with the same reason

_LINK_LAYERS = {"InfiniBand": "IB", "Ethernet": "Eth"}


def discover(inventory: Inventory, *, wide: bool = False) -> RenderableType:
    """The HCAs, why some of them cannot be shared, and the network functions without an HCA."""
    inventory = in_lines(inventory)
    parts: list[RenderableType] = []
    if inventory.hcas:
        parts.append(_hca_table(inventory.hcas, wide=wide))
    else:
        parts.append(Text("no RDMA device on this node", style="bold red"))
    ineligible = [hca for hca in inventory.hcas if not hca.shareable]
    if ineligible:
        parts += [Text(), _ineligible_table(ineligible)]
    doubted = [hca for hca in inventory.hcas if hca.shareable and hca.suspicion is not None]
    if doubted:
        parts += [Text(), *(Text(f"{hca.name}: {hca.suspicion}", "yellow") for hca in doubted)]
    if inventory.unused_functions:
        parts += [Text(), Text("network functions without an HCA", style="bold")]
        parts.append(_unused_table(inventory.unused_functions))
    parts += [Text(), _system_line(inventory.system)]
    return Group(*parts)


def _hca_table(hcas: Iterable[Hca], *, wide: bool) -> Table:
    names = ("HCA", "PCI", "DEVICE", "NUMA", "PORTS", "NETDEVS", "SHARE")
    table = plain_table(*names, *(("TYPE", "DRIVER", "NODES") if wide else ()))
    for hca in hcas:
        (ports, netdevs), *more_lines = _ports_and_netdevs(hca)
        row: list[str | Text] = [
            hca.name,
            hca.function.address if hca.function else "-",
            _device_id(hca.function),
            "-" if hca.numa_node is None else str(hca.numa_node),
            ports,
            netdevs,
            Text("yes", "green") if hca.shareable else Text("no", "red"),
        ]
        if wide:
            row += [_function_type(hca), _driver(hca), _nodes(hca)]
        table.add_row(*row)
        for ports, netdevs in more_lines:
            table.add_row("", "", "", "", ports, netdevs)
    return table


def _device_id(function: PciFunction | None) -> str:
    if function is None or (function.vendor, function.device) == (None, None):
        return "-"
    return f"{function.vendor or '?'}:{function.device or '?'}"


def _driver(hca: Hca) -> str:
    return or_dash(hca.function.driver if hca.function else None)


def _function_type(hca: Hca) -> str:
    """ "vf 3" for the fourth VF of its PF, "sf 88" for the SF with sfnum 88."""
    return hca.function_type if hca.index is None else f"{hca.function_type} {hca.index}"


def _nodes(hca: Hca) -> str:
    return or_dash(" ".join(device.name for device in hca.char_devices))


def _ports_and_netdevs(hca: Hca) -> list[tuple[Text, str]]:
    """The lines of an HCA: ports, and their netdevs. Ports that look the same share a line."""
    runs = [
        (list(ports), names)
        for (_, names), ports in groupby(
            hca.ports, lambda port: (str(port_text(port, hca.protocol)), port.netdevs)
        )
    ]
    lines = [
        (
            Text.assemble(_numbers(ports, hca), port_text(ports[0], hca.protocol)),
            or_dash(" ".join(names)),
        )
        for ports, names in runs
    ]
    of_ports = {name for port in hca.ports for name in port.netdevs}
    others = " ".join(netdev.name for netdev in hca.netdevs if netdev.name not in of_ports)
    if others or not lines:
        lines.append((Text("" if lines else "-"), or_dash(others)))
    return lines


def _numbers(ports: Sequence[Port], hca: Hca) -> str:
    if len(hca.ports) == 1:
        return ""
    first, last = ports[0].number, ports[-1].number
    return f"{first}: " if first == last else f"{first}-{last}: "


def port_text(port: Port, protocol: str | None) -> Text:
    """The port's state, link layer or iWARP, and rate: "ACTIVE IB 400G"."""
    state = Text(port.state or "?", "green" if port.state == "ACTIVE" else "yellow")
    known = _LINK_LAYERS.get(port.link_layer or "", port.link_layer or "")
    layer = "iWARP" if protocol == "iw" else known
    rate = "" if port.rate is None else f" {port.rate:g}G"
    return Text.assemble(state, f" {layer}{rate}")


def ports_text(numbers: Sequence[int]) -> str:
    """The ports of an HCA that a resource takes: " port 2"; "" if it takes all."""
    if not numbers:
        return ""
    return f" port{'s' * (len(numbers) > 1)} {' and '.join(map(str, numbers))}"


def _ineligible_table(hcas: Sequence[Hca]) -> Table:
    names = grouped((hca.name, str(hca.ineligible)) for hca in hcas)
    table = plain_table("NOT SHARED", "WHY")
    table.columns[0].max_width = NAMES_WIDTH
    for alike, reason in names:
        table.add_row(Text(", ".join(alike), "red"), reason)
    return table


def _unused_table(unused: Iterable[UnusedFunction]) -> Table:
    table = plain_table("PCI", "DEVICE", "NETDEVS", "WHY")
    for each in unused:
        why = Text(each.reason.text)
        if each.reason.remedy:
            why.append(f"\n  try: {each.reason.remedy}", "bold")
        function = each.function
        table.add_row(function.address, _device_id(function), or_dash(" ".join(each.netdevs)), why)
    return table


def _system_line(system: System) -> Text:
    missing = [name for name, loaded in system.modules.items() if not loaded]
    parts = [
        f"netns mode: {system.netns_mode or 'unknown'}",
        f"rdma_cm: {'there' if system.rdma_cm and system.rdma_cm.usable else 'missing'}",
    ]
    if missing:
        parts.append(f"modules not loaded: {', '.join(missing)}")
    return Text("   ".join(parts), "dim")
