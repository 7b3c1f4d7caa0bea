"""Tables for people: at most 100 columns, colour on a terminal only."""

import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rdma_dp.advice import next_steps, node_warnings, pool_warnings
from rdma_dp.allocation import example
from rdma_dp.cdi import delivered
from rdma_dp.config import Preference
from rdma_dp.model import (
    CHAR_DEVICE_DIRECTORY,
    Hca,
    IdleFunction,
    Inventory,
    PciFunction,
    Port,
    System,
    natural_key,
)
from rdma_dp.pool import Pool
from rdma_dp.render.printable import Printable
from rdma_dp.selection import Selection, grouped
from rdma_dp.shares import slot_id

WIDTH = 100  # columns
WIDE = 200  # columns, into a pipe; a terminal is used as wide as it is
_NAMES_WIDTH = 24  # columns for the names of HCAs that have one reason in common

_LINK_LAYERS = {"InfiniBand": "IB", "Ethernet": "Eth"}


def show(shown: RenderableType, *, wide: bool = False) -> None:
    """Prints to stdout: coloured on a terminal, as plain lines into a file or a pipe."""
    terminal = _console()
    if terminal.is_terminal:
        width = terminal.width if wide else min(terminal.width, WIDTH)
        terminal.print(Printable(shown), width=width)
    else:
        sys.stdout.write(plain(shown, WIDE if wide else WIDTH))


def plain(shown: RenderableType, width: int = WIDTH) -> str:
    """The text without colour and without the blanks that fill up a table's last column."""
    buffer = io.StringIO()
    _console(file=buffer, width=width, color_system=None).print(Printable(shown))
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def _console(**options: Any) -> Console:
    """Shows what it is given: a name such as eth[1] or 0000:cd:00.0 is neither style nor emoji."""
    return Console(highlight=False, markup=False, emoji=False, **options)


def discover(inventory: Inventory, *, wide: bool = False) -> RenderableType:
    """The node's HCAs, why some cannot be shared, and the network functions without one."""
    parts: list[RenderableType] = []
    if inventory.hcas:
        parts.append(_hca_table(inventory.hcas, wide=wide))
    else:
        parts.append(Text("no RDMA device on this node", style="bold red"))
    unshareable = [hca for hca in inventory.hcas if not hca.shareable]
    if unshareable:
        parts += [Text(), _unshareable_table(unshareable)]
    if inventory.others:
        parts += [Text(), Text("network functions without an HCA", style="bold")]
        parts.append(_others_table(inventory.others))
    parts += [Text(), _system_line(inventory.system)]
    return Group(*parts)


def dry_run(
    inventory: Inventory, pools: Sequence[Pool], config_warnings: Sequence[str]
) -> RenderableType:
    """What the daemon would do with this config on this node, and what to do about it."""
    parts: list[RenderableType] = []
    for pool in pools:
        parts += [*([Text()] if parts else []), *_resource(pool, inventory)]
    selections = [pool.selection for pool in pools]
    warnings = (*config_warnings, *node_warnings(inventory, selections))
    if warnings:
        rows = _labelled_rows()
        for warning in warnings:
            rows.add_row(Text("warning", "yellow"), warning)
        parts += [Text(), rows]
    return Group(*parts)


# --- discover -----------------------------------------------------------------------------------


def _plain_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _hca_table(hcas: Iterable[Hca], *, wide: bool) -> Table:
    names = ("HCA", "PCI", "DEVICE", "NUMA", "PORTS", "NETDEVS", "SHARE")
    table = _plain_table(*names, *(("TYPE", "DRIVER", "NODES") if wide else ()))
    for hca in hcas:
        (ports, netdevs), *further = _ports_and_netdevs(hca)
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
        for ports, netdevs in further:
            table.add_row("", "", "", "", ports, netdevs)
    return table


def _device_id(function: PciFunction | None) -> str:
    if function is None or (function.vendor, function.device) == (None, None):
        return "-"
    return f"{function.vendor or '?'}:{function.device or '?'}"


def _driver(hca: Hca) -> str:
    return _or_dash(hca.function.driver if hca.function else None)


def _function_type(hca: Hca) -> str:
    """ "vf 3" for the fourth VF of its PF, "sf 88" by the sfnum."""
    return hca.function_type if hca.index is None else f"{hca.function_type} {hca.index}"


def _nodes(hca: Hca) -> str:
    return _or_dash(" ".join(device.name for device in hca.char_devices))


def _ports_and_netdevs(hca: Hca) -> list[tuple[Text, str]]:
    """Line by line: ports with nothing to tell between them share one, with their netdevs."""
    runs = [
        (list(ports), names)
        for (_, names), ports in groupby(
            hca.ports, lambda port: (str(port_text(port)), port.netdevs)
        )
    ]
    lines = [
        (Text.assemble(_numbers(ports, hca), port_text(ports[0])), _or_dash(" ".join(names)))
        for ports, names in runs
    ]
    placed = {name for port in hca.ports for name in port.netdevs}
    unplaced = " ".join(netdev.name for netdev in hca.netdevs if netdev.name not in placed)
    if unplaced or not lines:
        lines.append((Text("" if lines else "-"), _or_dash(unplaced)))
    return lines


def _numbers(ports: Sequence[Port], hca: Hca) -> str:
    if len(hca.ports) == 1:
        return ""
    first, last = ports[0].number, ports[-1].number
    return f"{first}: " if first == last else f"{first}-{last}: "


def port_text(port: Port) -> Text:
    """Its state, link layer and rate: "ACTIVE IB 400G"."""
    state = Text(port.state or "?", "green" if port.state == "ACTIVE" else "yellow")
    layer = _LINK_LAYERS.get(port.link_layer or "", port.link_layer or "")
    rate = "" if port.rate is None else f" {port.rate:g}G"
    return Text.assemble(state, f" {layer}{rate}")


def _unshareable_table(hcas: Sequence[Hca]) -> Table:
    names = grouped((hca.name, hca.unshareable or "") for hca in hcas)
    table = _plain_table("NOT SHARED", "WHY")
    table.columns[0].max_width = _NAMES_WIDTH
    for alike, reason in names:
        table.add_row(Text(", ".join(alike), "red"), reason)
    return table


def _others_table(others: Iterable[IdleFunction]) -> Table:
    table = _plain_table("PCI", "DEVICE", "NETDEVS", "WHY")
    for other in others:
        why = Text(other.reason)
        if other.remedy:
            why.append(f"\n  try: {other.remedy}", "bold")
        function = other.function
        table.add_row(
            function.address, _device_id(function), _or_dash(" ".join(other.netdevs)), why
        )
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


# --- dry-run ------------------------------------------------------------------------------------


def _resource(pool: Pool, inventory: Inventory) -> Iterator[RenderableType]:
    yield heading(pool)
    rows = _labelled_rows()
    if pool.hcas:
        rows.add_row("HCAs", _shares(pool) if pool.resource.per_hca else _hcas(pool))
        rows.add_row("container", _granted(pool))
        if settings := list(_settings(pool)):
            rows.add_row("slots", "; ".join(settings))
    if pool.selection.rejected:
        rows.add_row("not chosen", _rejections(pool.selection))
    for warning in pool_warnings(pool, inventory.system):
        rows.add_row(Text("warning", "yellow"), warning)
    for step in next_steps(pool.selection, inventory):
        rows.add_row(Text("next", "bold"), Text(step, "bold"))
    yield Padding(rows, (0, 0, 0, 2))


def heading(pool: Pool) -> Text:
    """The resource's name and how many slots it has."""
    colour = "green" if pool.healthy else "red"
    return Text.assemble((pool.resource.full_name, "bold"), "  ", (_slots(pool), colour))


def _slots(pool: Pool) -> str:
    text = f"{pool.listed} slots"
    if pool.resource.per_hca and pool.hcas:
        text += f", {pool.slots_each} per HCA"
    if pool.healthy != pool.listed:
        text += f", {pool.healthy} healthy"
    return text


_PREFERRED = {
    Preference.SPREAD: "several come from as many HCAs as possible",
    Preference.PACK: "several come from as few HCAs as possible",
}


def _settings(pool: Pool) -> Iterator[str]:
    """What else the config says of the slots, where that is not the Go plugin's way."""
    resource = pool.resource
    if resource.per_hca:
        yield _PREFERRED[resource.preference]
    elif resource.tells_topology:
        nodes = {share.numa_node for share in pool.in_use}
        told = [f"on NUMA node {node}" for node in nodes if node is not None]
        yield told[0] if told else "the HCAs have no NUMA node in common to tell"
    if resource.per_hca and not resource.tells_topology:
        yield "no NUMA node told"
    if resource.per_hca and resource.device_info:
        yield "with device-info files"


def _hcas(pool: Pool) -> Text:
    return Text(", ".join(hca.name for hca in pool.hcas), "green")


def _shares(pool: Pool) -> Table:
    """One line per HCA: where its slots are, and whether they are any good."""
    rows = [
        (
            Text(", ".join(hca.name for hca in share.hcas), "green" if share.healthy else "red"),
            f"{slot_id(share.key, 0)}..{max(share.size - 1, 0)}",
            "" if share.numa_node is None else f"NUMA {share.numa_node}",
            "" if share.healthy else "not healthy",
        )
        for share in pool.shares.values()
    ]
    table = Table.grid(padding=(0, 2, 0, 0))
    for column in zip(*rows, strict=True):
        table.add_column(min_width=min(max(map(len, column)), _NAMES_WIDTH), overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _granted(pool: Pool) -> str:
    """What a container with one slot gets."""
    given = example(pool)
    delivery = delivered(given, pool.cdi)
    lines = [f"CDI {name}" for name in delivery.cdi_devices]
    lines += [f"annotation {key}: {value}" for key, value in delivery.annotations.items()]
    if delivery.devices:
        nodes = (path.removeprefix(f"{CHAR_DEVICE_DIRECTORY}/") for path in delivery.devices)
        lines.append(f"{CHAR_DEVICE_DIRECTORY}: {' '.join(sorted(nodes, key=natural_key))}")
    return "\n".join([*lines, *(f"{key}={value}" for key, value in given.envs.items())])


def _rejections(selection: Selection) -> Table:
    table = _labelled_rows()
    table.columns[0].no_wrap = False
    table.columns[0].max_width = _NAMES_WIDTH
    for names, reasons in selection.rejections:
        table.add_row(", ".join(names), "\n".join(reasons))
    return table


def _labelled_rows() -> Table:
    """Two columns: a label, and wrapped text behind it."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, overflow="fold")
    table.add_column(overflow="fold")
    return table


def _or_dash(text: str | None) -> str:
    return text or "-"
