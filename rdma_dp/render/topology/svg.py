"""The node as a picture for a ticket or a slide: one SVG that refers to no other file. Pure.

Boxes contain boxes as in the hardware: NUMA node, host bridge, switch, device. Names come from the
kernel and from administrators, so every text must give well-formed XML.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from rdma_dp.inventory.hardware import Hca
from rdma_dp.inventory.topology import Distance, Topology
from rdma_dp.render.device_names import device_name
from rdma_dp.render.topology.distances import Line, lines
from rdma_dp.render.topology.pcie_tree import (
    BRIDGES,
    HOST_BRIDGE,
    Branch,
    Device,
    More,
    Node,
    View,
    tree,
)

_WIDTH = 1280.0  # pixels, the least: the width of a slide
_LEAF = (160.0, 78.0)
_GAP, _PADDING, _HEAD = 10.0, 12.0, 24.0
_CELL = (58.0, 24.0)
_NAMES = 150.0  # pixels for the names of HCAs beside the matrix
_FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_NAME_LENGTH, _LINE_LENGTH = 16, 22  # characters that fit a device's box
_NAMES_IN_BOX = 2  # HCAs that fit into one line of the box

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
.head { font-size: 12px; fill: #475569 }
.numa-head { font-size: 15px; font-weight: 600 }
.name { font-size: 14px; font-weight: 600 }
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

# Characters that XML 1.0 does not allow (section 2.2, Char).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class _Box:
    """A part of the picture: its size, and a function that draws it with its corner at (x, y)."""

    width: float
    height: float
    draw: Callable[[Element, float, float], None]


def drawing(view: View) -> str:
    """The picture as SVG text; the same view always gives the same text."""
    nodes = [_branch(node, view) for node in tree(view)]
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
    _write(picture, 2 * _GAP, 40, "title", "GPUs and HCAs in the PCIe tree")
    for box in boxes:
        box.draw(picture, 2 * _GAP, top)
        top += box.height + 2 * _GAP
    ElementTree.indent(picture, " ")
    return ElementTree.tostring(picture, encoding="unicode")


# --- boxes in boxes -----------------------------------------------------------------------------


def _node(node: Node, view: View) -> _Box:
    if isinstance(node, Branch):
        return _branch(node, view)
    if isinstance(node, More):
        return _leaf("other", (f"{len(node.devices)} more", node.text))
    return _leaf(_kind(node, node.name in view.chosen), tuple(_lines_of(node, view)))


def _kind(device: Device, is_chosen: bool) -> str:
    if device.gpu is not None:
        return "gpu"
    if device.hca is None or not device.hca.shareable:
        return "other"
    return "chosen" if is_chosen else "hca"


def _lines_of(device: Device, view: View) -> Iterator[str]:
    """The name, the product, the address, and the nearest HCAs or the resources."""
    address = device.place.address if device.place else ""
    yield device.name
    if device.gpu is not None:
        distance, names = view.nearest(device.gpu)
        yield device_name(device.gpu)
        yield address
        near = ", ".join(names) if len(names) <= _NAMES_IN_BOX else f"{len(names)} HCAs"
        yield f"{distance} {near}" if distance else "no HCA"
    elif device.hca is not None:
        netdevs = " ".join(netdev.name for netdev in device.hca.netdevs)
        yield device_name(device.hca)
        yield address
        resources = " ".join(view.resources(device.name))
        yield (resources or netdevs) if device.hca.shareable else "not shared"
    else:
        yield "of a ConnectX-8"
        yield address


def _leaf(kind: str, texts: Sequence[str]) -> _Box:
    width, height = _LEAF

    def draw(parent: Element, x: float, y: float) -> None:
        group = SubElement(parent, "g")
        SubElement(group, "title").text = _clean("\n".join(texts))  # a browser's tooltip
        _rectangle(group, (x, y, width, height), kind, 6)
        for number, text in enumerate(texts):
            length = _LINE_LENGTH if number else _NAME_LENGTH
            _write(
                group, x + 9, y + 20 + 16 * number, "line" if number else "name", _cut(text, length)
            )

    return _Box(width, height, draw)


def _branch(branch: Branch, view: View) -> _Box:
    children = [_node(child, view) for child in branch.children]
    is_node = branch.kind not in (HOST_BRIDGE, *BRIDGES)
    room = _WIDTH - 4 * _GAP - 2 * _PADDING if is_node else _room(branch)
    placed, inner_width, inner_height = _in_rows(children, room)
    label = f"{branch.kind} {branch.address.removeprefix('pci')}".strip()
    least = _WIDTH - 4 * _GAP if is_node else 6.4 * len(label) + 2 * _PADDING
    width = max(inner_width + 2 * _PADDING, least)
    kind = "numa" if is_node else "host" if branch.kind == HOST_BRIDGE else "bridge"

    def draw(parent: Element, x: float, y: float) -> None:
        _rectangle(parent, (x, y, width, inner_height + _HEAD + _PADDING), kind, 8)
        _write(parent, x + _PADDING, y + 17, "numa-head" if is_node else "head", label)
        for child, left, top in placed:
            child.draw(parent, x + _PADDING + left, y + _HEAD + top)

    return _Box(width, inner_height + _HEAD + _PADDING, draw)


def _room(branch: Branch) -> float:
    """The width for one, two or four columns of devices. With one, a GPU stands over its HCA."""
    columns = 1 if len(branch.children) <= 2 else 2 if len(branch.children) <= 6 else 4
    return columns * (_LEAF[0] + _GAP) + (2 * _PADDING if branch.kind == HOST_BRIDGE else 0)


def _in_rows(
    boxes: Sequence[_Box], room: float
) -> tuple[list[tuple[_Box, float, float]], float, float]:
    """Boxes in rows of at most this width, each with its corner; the total width and height."""
    placed: list[tuple[_Box, float, float]] = []
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


def _matrix(topology: Topology, hcas: Sequence[Hca]) -> Iterator[_Box]:
    """One row per HCA, one column per GPU, and a legend of the colours."""
    if not hcas or not topology.gpus:
        return
    rows = lines(topology, topology.gpus, hcas)
    width, height = _CELL
    seen = {cell.distance for _, cells in rows for cell in cells}
    shown = [distance for distance in Distance if distance in seen]
    table = _NAMES + width * len(topology.gpus)

    def draw(parent: Element, x: float, y: float) -> None:
        for column, gpu in enumerate(topology.gpus):
            middle = x + _NAMES + width * (column + 0.5)
            _write(parent, middle, y + 14, "axis", gpu.name, anchor="middle")
        for number, row in enumerate(rows):
            _matrix_row(parent, x, y + 22 + height * number, row)
        for number, distance in enumerate(shown):
            top = y + 22 + height * number
            _cell(parent, (x + table + 24, top), distance, near=False)
            _write(parent, x + table + 34 + width, top + 16, "note", distance.meaning)
        note = y + 22 + height * len(shown) + 18
        _write(parent, x + table + 24, note, "note", "Frame: nearest to this GPU.")

    yield _Box(table + 320, 22 + height * max(len(rows), len(shown) + 1), draw)


def _matrix_row(parent: Element, x: float, y: float, row: Line) -> None:
    name, cells = row
    _write(parent, x, y + 16, "axis", _cut(name, 22))
    for column, cell in enumerate(cells):
        corner = (x + _NAMES + _CELL[0] * column, y)
        if cell.distance is not None:
            _cell(parent, corner, cell.distance, near=cell.nearest)


def _cell(parent: Element, corner: tuple[float, float], distance: Distance, *, near: bool) -> None:
    x, y = corner
    shape = _rectangle(parent, (x + 1, y + 1, _CELL[0] - 2, _CELL[1] - 2), "", 4)
    shape.set("fill", _FILLS[distance])
    if near:
        shape.set("stroke", "#0f172a")
        shape.set("stroke-width", "1.5")
    style = "near" if near else "line"
    _write(parent, x + _CELL[0] / 2, y + 16, style, distance, anchor="middle")


# --- shapes -------------------------------------------------------------------------------------


def _rectangle(
    parent: Element, place: tuple[float, float, float, float], style: str, radius: float
) -> Element:
    x, y, width, height = (f"{number:g}" for number in place)
    shape = {"x": x, "y": y, "width": width, "height": height, "rx": f"{radius:g}"}
    return SubElement(parent, "rect", {"class": style, **shape} if style else shape)


def _write(
    parent: Element, x: float, y: float, style: str, text: str, anchor: str | None = None
) -> None:
    where = {"class": style, "x": f"{x:g}", "y": f"{y:g}"}
    if anchor is not None:
        where["text-anchor"] = anchor
    SubElement(parent, "text", where).text = _clean(text)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
