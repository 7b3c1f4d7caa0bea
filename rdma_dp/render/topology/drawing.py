"""The node as text: the PCIe tree, and the distance between each GPU and each HCA."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.topology import Distance, Gpu, Topology
from rdma_dp.render.device_names import device_name
from rdma_dp.render.discover import port_text
from rdma_dp.render.topology import roots
from rdma_dp.render.topology.distances import Cell, Line, lines
from rdma_dp.render.topology.pcie_tree import (
    HOST_BRIDGE,
    ROOT_PORT,
    Branch,
    Device,
    More,
    Node,
    View,
    tree,
)
from rdma_dp.text import NAMES_IN_LINE, in_lines, some

COLOURS = {
    Distance.PIX: "green",
    Distance.PXB: "green",
    Distance.PHB: "yellow",
    Distance.NODE: "yellow",
    Distance.SYS: "red",
    Distance.UNKNOWN: "dim",
}
_GPUS_IN_BLOCK = 10  # columns of the matrix, 7 characters each


def drawing(view: View) -> RenderableType:
    """The tree, the matrix of distances, and with DRA the PCIe roots."""
    view = in_lines(view)
    rows = _rows()
    for node in tree(view):
        rows.add_row(Text(f"{node.kind} {node.address}", "bold"))
        _add_children(rows, node, "", view)
        rows.add_row()
    if not rows.row_count:
        return Text("no GPU and no HCA on this node", "bold red")
    return Group(rows, *_matrix(view.topology, view.measured), *roots.section(view))


# --- the tree -----------------------------------------------------------------------------------


def _rows() -> Table:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True)
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_column(overflow="fold")
    return rows


def _add_children(rows: Table, branch: Branch, indent: str, view: View) -> None:
    for child in branch.children:
        last = child is branch.children[-1]
        joint, below = ("└─ ", "   ") if last else ("├─ ", "│  ")
        name, cells, branch_below = _line(child, view)
        rows.add_row(Text.assemble((indent + joint, "dim"), name), *cells)
        if branch_below is not None:
            _add_children(rows, branch_below, indent + below, view)


Cells = tuple[str | Text, ...]


def _line(node: Node, view: View) -> tuple[Text, Cells, Branch | None]:
    """The name of a node, the cells beside it, and the branch to draw below.

    A host bridge with a single bridge below shares its line.
    """
    if isinstance(node, Device):
        return Text(node.name, _device_colour(node)), _cells(node, view), None
    if isinstance(node, More):
        return Text("...", "dim"), ("", "", node.text), None
    if node.kind != HOST_BRIDGE:
        if node.kind == ROOT_PORT:
            return Text(ROOT_PORT, "dim"), (Text(node.address, "dim"),), node
        return Text("switch", "dim"), _bridge_cells(node), node
    if len(node.children) == 1 and isinstance(node.children[0], Branch):
        bridge = node.children[0]
        return Text(node.address, "dim"), _bridge_cells(bridge), bridge
    return Text(node.address, "dim"), (), node


def _bridge_cells(bridge: Branch) -> Cells:
    return Text(bridge.address, "dim"), Text(bridge.kind, "dim")


def _device_colour(device: Device) -> str:
    if device.gpu is not None:
        return "bold magenta"
    if device.hca is None:
        return "dim"
    return "bold cyan" if device.hca.shareable else "cyan"


def _cells(node: Device, view: View) -> Cells:
    """The address, the product name, and the nearest HCAs of a GPU or the port of an HCA."""
    address = node.place.address if node.place else ""
    if node.gpu is not None:
        return address, device_name(node.gpu), _nearest(*view.nearest(node.gpu))
    if node.hca is not None:
        return address, device_name(node.hca), _hca(node.hca, view.resources(node.hca.name))
    return address, "", Text("DMA function of a ConnectX-8", "dim")


def _nearest(distance: Distance | None, names: tuple[str, ...]) -> Text:
    if distance is None:
        return Text("no HCA", "dim")
    return Text.assemble((distance, COLOURS[distance]), f" {some(names, NAMES_IN_LINE)}")


def _hca(hca: Hca, resources: Sequence[str]) -> Text:
    netdevs = " ".join(netdev.name for netdev in hca.netdevs)
    words = [*_ports(hca), Text(netdevs)] if netdevs else [*_ports(hca)]
    if not hca.shareable:
        words.append(Text("not shared", "red"))
    words += [Text(name, "green") for name in resources]
    return Text("  ").join(words)


def _ports(hca: Hca) -> list[Text]:
    """The ports of an HCA; one of them if all look the same."""
    texts = {str(port_text(port, hca.protocol)): port for port in reversed(hca.ports)}
    if len(texts) < 2:
        return [port_text(port, hca.protocol) for port in hca.ports[:1]]
    return [Text.assemble(f"{port.number}: ", port_text(port, hca.protocol)) for port in hca.ports]


# --- the matrix ---------------------------------------------------------------------------------


def _matrix(topology: Topology, hcas: Sequence[Hca]) -> Iterator[RenderableType]:
    """One line per HCA, and one column per GPU."""
    if not hcas or not topology.gpus:
        return
    seen: set[Distance | None] = set()
    for first in range(0, len(topology.gpus), _GPUS_IN_BLOCK):
        gpus = topology.gpus[first : first + _GPUS_IN_BLOCK]
        block = lines(topology, gpus, hcas)
        yield _block(gpus, block)
        yield Text()
        seen.update(cell.distance for _, cells in block for cell in cells)
    yield _legend(seen)


def _block(gpus: Sequence[Gpu], block: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", overflow="fold")
    for gpu in gpus:
        table.add_column(Text(gpu.name, "bold magenta"), no_wrap=True)
    for name, cells in block:
        table.add_row(Text(name, "cyan"), *map(_cell, cells))
    return table


def _cell(cell: Cell) -> Text:
    if cell.distance is None:
        return Text("-", "dim")
    return Text(f"{cell.distance}{'*' if cell.nearest else ''}", COLOURS[cell.distance])


def _legend(seen: set[Distance | None]) -> RenderableType:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("*", Text("nearest to this GPU", "dim"))
    for distance in Distance:
        if distance in seen:
            rows.add_row(Text(distance, COLOURS[distance]), Text(distance.meaning, "dim"))
    return rows
