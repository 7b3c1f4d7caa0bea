"""The node as a picture for a ticket or a slide: one SVG that refers to no other file. Pure.

Boxes contain boxes as in the hardware: NUMA node, host bridge, switch, device. Names come from the
kernel and from administrators. `in_lines` escapes the characters that XML does not allow.
"""

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.topology import Distance, Topology
from rdma_dp.render.topology.distances import Line, lines
from rdma_dp.render.topology.pcie_tree import BRIDGES, HOST_BRIDGE, Branch, Node, View, tree
from rdma_dp.render.topology.svg_devices import device_box, width_of_devices
from rdma_dp.render.topology.svg_shapes import Box, rectangle, write
from rdma_dp.text import in_lines

_WIDTH = 1280.0  # pixels, the least: the width of a slide
_GAP, _PADDING, _HEAD = 10.0, 12.0, 24.0
_CELL = (58.0, 24.0)
_NAMES, _CHARACTER = 150.0, 7.4  # pixels beside the matrix: the least for names, of a character
_FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"

_STYLES = """
text { fill: #0f172a; font-size: 11px }
.title { font-size: 20px; font-weight: 700 }
.numa { fill: #f1f5f9; stroke: #94a3b8 }
.host { fill: #ffffff; stroke: #cbd5e1 }
.bridge { fill: #f8fafc; stroke: #cbd5e1; stroke-dasharray: 4 3 }
.gpu { fill: #dcfce7; stroke: #16a34a }
.hca { fill: #dbeafe; stroke: #2563eb }
.chosen { fill: #bfdbfe; stroke: #1d4ed8; stroke-width: 2.5 }
.other { fill: #f1f5f9; stroke: #94a3b8 }
.down { fill: #ffffff; stroke: #b91c1c; stroke-width: 2; stroke-dasharray: 2 3 }
.head { font-size: 12px; fill: #475569 }
.numa-head { font-size: 15px; font-weight: 600 }
.name { font-size: 14px; font-weight: 600 }
.alert { font-weight: 700; fill: #b91c1c }
.near { font-weight: 700 }
.axis { font-size: 12px; font-weight: 600 }
.note { font-size: 12px; fill: #475569 }
"""
_FILLS = {
    Distance.PIX: "#4ade80",
    Distance.PXB: "#bbf7d0",
    Distance.PHB: "#fef08a",
    Distance.NODE: "#fed7aa",
    Distance.SYS: "#fecaca",
    Distance.UNKNOWN: "#e2e8f0",
}


def drawing(view: View) -> str:
    """The picture as SVG text; the same view always gives the same text."""
    view = in_lines(view)
    branches = tree(view)
    leaf = width_of_devices(branches, view)
    nodes = [_branch(node, view, leaf) for node in branches]
    boxes = [*nodes, *_matrix(view.topology, view.measured)]
    top = 64.0
    width = max([_WIDTH, *(box.width + 4 * _GAP for box in boxes)])
    height = top + sum(box.height + 2 * _GAP for box in boxes) + _GAP
    picture = Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {width:g} {height:g}"},
    )
    picture.set("font-family", _FONT)
    SubElement(picture, "title").text = "GPUs and HCAs in the PCIe tree"
    SubElement(picture, "style").text = _STYLES
    SubElement(picture, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    write(picture, 2 * _GAP, 40, "title", "GPUs and HCAs in the PCIe tree")
    for box in boxes:
        box.draw(picture, 2 * _GAP, top)
        top += box.height + 2 * _GAP
    ElementTree.indent(picture, " ")
    return ElementTree.tostring(picture, encoding="unicode")


# --- boxes in boxes -----------------------------------------------------------------------------


def _node(node: Node, view: View, width: float) -> Box:
    """`width` is that of the boxes of devices."""
    if isinstance(node, Branch):
        return _branch(node, view, width)
    return device_box(node, view, width)


def _branch(branch: Branch, view: View, leaf: float) -> Box:
    children = [_node(child, view, leaf) for child in branch.children]
    is_node = branch.kind not in (HOST_BRIDGE, *BRIDGES)
    room = _WIDTH - 4 * _GAP - 2 * _PADDING if is_node else _room(branch, leaf)
    placed, inner_width, inner_height = _in_rows(children, room)
    label = f"{branch.kind} {branch.address.removeprefix('pci')}".strip()
    least = _WIDTH - 4 * _GAP if is_node else 6.4 * len(label) + 2 * _PADDING
    width = max(inner_width + 2 * _PADDING, least)
    kind = "numa" if is_node else "host" if branch.kind == HOST_BRIDGE else "bridge"

    def draw(parent: Element, x: float, y: float) -> None:
        rectangle(parent, (x, y, width, inner_height + _HEAD + _PADDING), kind, 8)
        write(parent, x + _PADDING, y + 17, "numa-head" if is_node else "head", label)
        for child, left, top in placed:
            child.draw(parent, x + _PADDING + left, y + _HEAD + top)

    return Box(width, inner_height + _HEAD + _PADDING, draw)


def _room(branch: Branch, leaf: float) -> float:
    """The width for one, two or four columns of devices. With one, a GPU stands over its HCA."""
    columns = 1 if len(branch.children) <= 2 else 2 if len(branch.children) <= 6 else 4
    return columns * (leaf + _GAP) + (2 * _PADDING if branch.kind == HOST_BRIDGE else 0)


def _in_rows(
    boxes: Sequence[Box], room: float
) -> tuple[list[tuple[Box, float, float]], float, float]:
    """Boxes in rows of at most this width, each with its corner; the total width and height."""
    placed: list[tuple[Box, float, float]] = []
    left = top = row = width = 0.0
    for box in boxes:
        if left and left + box.width > room:
            left, top, row = 0.0, top + row + _GAP, 0.0
        placed.append((box, left, top))
        width = max(width, left + box.width)
        left += box.width + _GAP
        row = max(row, box.height)
    return placed, width, top + row


# --- the matrix ---------------------------------------------------------------------------------


def _matrix(topology: Topology, hcas: Sequence[Hca]) -> Iterator[Box]:
    """One row per HCA, one column per GPU, and a legend of the colours."""
    if not hcas or not topology.gpus:
        return
    rows = lines(topology, topology.gpus, hcas)
    width, height = _CELL
    seen = {cell.distance for _, cells in rows for cell in cells}
    shown = [distance for distance in Distance if distance in seen]
    names = max([_NAMES, *(_CHARACTER * len(name) + _GAP for name, _ in rows)])
    table = names + width * len(topology.gpus)

    def draw(parent: Element, x: float, y: float) -> None:
        for column, gpu in enumerate(topology.gpus):
            middle = x + names + width * (column + 0.5)
            write(parent, middle, y + 14, "axis", gpu.name, anchor="middle")
        for number, row in enumerate(rows):
            _matrix_row(parent, (x, y + 22 + height * number), row, names)
        for number, distance in enumerate(shown):
            top = y + 22 + height * number
            _cell(parent, (x + table + 24, top), distance, near=False)
            write(parent, x + table + 34 + width, top + 16, "note", distance.meaning)
        note = y + 22 + height * len(shown) + 18
        write(parent, x + table + 24, note, "note", "Frame: nearest to this GPU.")

    yield Box(table + 320, 22 + height * max(len(rows), len(shown) + 1), draw)


def _matrix_row(parent: Element, corner: tuple[float, float], row: Line, names: float) -> None:
    """One row; `names` is the width of its name."""
    x, y = corner
    name, cells = row
    write(parent, x, y + 16, "axis", name)
    for column, cell in enumerate(cells):
        if cell.distance is not None:
            place = (x + names + _CELL[0] * column, y)
            _cell(parent, place, cell.distance, near=cell.nearest)


def _cell(parent: Element, corner: tuple[float, float], distance: Distance, *, near: bool) -> None:
    x, y = corner
    shape = rectangle(parent, (x + 1, y + 1, _CELL[0] - 2, _CELL[1] - 2), "", 4)
    shape.set("fill", _FILLS[distance])
    if near:
        shape.set("stroke", "#0f172a")
        shape.set("stroke-width", "1.5")
    style = "near" if near else "line"
    write(parent, x + _CELL[0] / 2, y + 16, style, distance, anchor="middle")
