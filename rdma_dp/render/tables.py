"""Tables for people: at most 100 columns, colour on a terminal only."""

import io
import sys
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rdma_dp.advice import next_steps, node_warnings, resource_warnings
from rdma_dp.model import Hca, IdleFunction, Inventory, Port, System
from rdma_dp.pool import Pool, grant, make_pool
from rdma_dp.selection import Selection

WIDTH = 100  # columns
WIDE = 200  # columns, into a pipe; a terminal is used as wide as it is

_LINK_LAYERS = {"InfiniBand": "IB", "Ethernet": "Eth"}


def show(shown: RenderableType, *, wide: bool = False) -> None:
    """Prints to stdout: coloured on a terminal, as plain lines into a file or a pipe."""
    terminal = Console(highlight=False)
    if terminal.is_terminal:
        width = terminal.width if wide else min(terminal.width, WIDTH)
        Console(highlight=False, width=width).print(shown)
    else:
        sys.stdout.write(plain(shown, WIDE if wide else WIDTH))


def plain(shown: RenderableType, width: int = WIDTH) -> str:
    """The text without colour and without the blanks that fill up a table's last column."""
    buffer = io.StringIO()
    Console(file=buffer, highlight=False, width=width, color_system=None).print(shown)
    return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().splitlines())


def discover(inventory: Inventory, *, wide: bool = False) -> RenderableType:
    """The node's HCAs, why some cannot be shared, and the network functions without one."""
    parts: list[RenderableType] = []
    if inventory.hcas:
        parts.append(_hca_table(inventory.hcas, wide=wide))
    else:
        parts.append(Text("no RDMA device on this node", style="bold red"))
    parts += _reasons([hca for hca in inventory.hcas if not hca.shareable])
    if inventory.others:
        parts += [Text(), Text("network functions without an HCA", style="bold")]
        parts.append(_others_table(inventory.others))
    parts += [Text(), _system_line(inventory.system)]
    return Group(*parts)


def dry_run(
    inventory: Inventory, selections: Sequence[Selection], config_warnings: Sequence[str]
) -> RenderableType:
    """What the daemon would do with this config on this node, and what to do about it."""
    parts: list[RenderableType] = []
    for selection in selections:
        parts += [*_resource(selection, inventory), Text()]
    for warning in (*config_warnings, *node_warnings(inventory, selections)):
        parts.append(_labelled("warning", warning, "yellow"))
    return Group(*parts)


# --- discover -----------------------------------------------------------------------------------


def _plain_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _hca_table(hcas: Iterable[Hca], *, wide: bool) -> Table:
    names = ("HCA", "PCI", "DEVICE", "NUMA", "PORTS", "NETDEVS", "SHARE")
    table = _plain_table(*names, *(("DRIVER", "SF", "NODES") if wide else ()))
    for hca in hcas:
        row: list[str | Text] = [
            hca.name,
            hca.function.address if hca.function else "-",
            _device_id(hca),
            "-" if hca.numa_node is None else str(hca.numa_node),
            _ports(hca),
            _or_dash(" ".join(netdev.name for netdev in hca.netdevs)),
            Text("yes", "green") if hca.shareable else Text("no", "red"),
        ]
        if wide:
            row += [_driver(hca), _subfunction(hca), _nodes(hca)]
        table.add_row(*row)
    return table


def _device_id(hca: Hca) -> str:
    return f"{hca.function.vendor}:{hca.function.device}" if hca.function else "-"


def _driver(hca: Hca) -> str:
    return _or_dash(hca.function.driver if hca.function else None)


def _subfunction(hca: Hca) -> str:
    return "-" if hca.subfunction is None else _or_dash(str(hca.subfunction.sfnum))


def _nodes(hca: Hca) -> str:
    return _or_dash(" ".join(device.name for device in hca.char_devices))


def _ports(hca: Hca) -> Text:
    lines = [_port(port, numbered=len(hca.ports) > 1) for port in hca.ports]
    return Text("\n").join(lines) if lines else Text("-")


def _port(port: Port, *, numbered: bool) -> Text:
    number = f"{port.number}: " if numbered else ""
    state = Text(port.state or "?", "green" if port.state == "ACTIVE" else "yellow")
    layer = _LINK_LAYERS.get(port.link_layer or "", port.link_layer or "")
    rate = "" if port.rate is None else f" {port.rate:g}G"
    return Text.assemble(number, state, f" {layer}{rate}")


def _reasons(hcas: Sequence[Hca]) -> Iterator[RenderableType]:
    if hcas:
        yield Text()
    for hca in hcas:
        yield _labelled(hca.name, f"not shared: {hca.unshareable}", "red")


def _others_table(others: Iterable[IdleFunction]) -> Table:
    table = _plain_table("PCI", "DEVICE", "NETDEVS", "WHY")
    for other in others:
        why = Text(other.reason)
        if other.remedy:
            why.append(f"\n  try: {other.remedy}", "bold")
        function = other.function
        table.add_row(
            function.address,
            f"{function.vendor}:{function.device}",
            _or_dash(" ".join(other.netdevs)),
            why,
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


def _resource(selection: Selection, inventory: Inventory) -> Iterator[RenderableType]:
    pool = make_pool(selection, inventory.system)
    colour = "green" if pool.hcas else "red"
    yield Text.assemble((pool.resource.full_name, "bold"), "  ", (f"{pool.healthy} slots", colour))
    if pool.hcas:
        yield from _granted(pool)
    yield from _rejected(selection)
    for warning in resource_warnings(selection, inventory.system):
        yield _indented(_labelled("warning", warning, "yellow"))
    for step in next_steps(selection, inventory):
        yield _indented(_labelled("next", step, "bold"))


def _granted(pool: Pool) -> Iterator[RenderableType]:
    given = grant(pool)
    nodes = " ".join(path.rpartition("/")[2] for path in given.devices)
    yield _indented(_labelled("HCAs", " ".join(hca.name for hca in pool.hcas), "green"))
    yield _indented(_labelled("a container gets", f"/dev/infiniband/ {nodes}", ""))
    for key, value in given.envs.items():
        yield _indented(_labelled("", f"{key}={value}", ""))


def _rejected(selection: Selection) -> Iterator[RenderableType]:
    if not selection.rejected:
        return
    table = _plain_table("not chosen", "why")
    for verdict in selection.rejected:
        table.add_row(verdict.hca.name, "\n".join(verdict.reasons))
    yield _indented(table)


def _labelled(label: str, text: str, style: str) -> Table:
    """A label with wrapped text behind it."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(label, style), Text(text))
    return table


def _indented(part: RenderableType) -> Padding:
    return Padding(part, (0, 0, 0, 2))


def _or_dash(text: str | None) -> str:
    return text or "-"
