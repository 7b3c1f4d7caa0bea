"""The boxes of devices in the picture: GPUs, HCAs, and counted devices. Pure.

All boxes of a picture have the width that the longest word needs. Longer texts take several lines,
so that every name is whole.
"""

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from xml.etree.ElementTree import Element, SubElement

from rdma_dp.inventory.hardware import Hca
from rdma_dp.render.device_names import device_name
from rdma_dp.render.topology.pcie_tree import Branch, Device, More, Node, View
from rdma_dp.render.topology.svg_shapes import Box, clean, rectangle, write

_WIDTH, _HEIGHT = 160.0, 78.0  # pixels, the least
_MARGIN, _LINE_HEIGHT = 9.0, 16.0
_CHARACTER = {"name": 8.8, "alert": 7.0, "line": 6.4}  # pixels of a character, by style
_LINE_LENGTH = 22  # characters; a longer text is broken between words
_LINES = 4  # that fit into the least height
_NAMES_IN_BOX = 2  # HCAs that fit into one line of the box

Lines = tuple[tuple[str, str], ...]
"""The lines of a box: the style and the text of each."""


def width_of_devices(nodes: Iterable[Node], view: View) -> float:
    """The width of all boxes of a picture."""
    lines = (line for node in _leaves(nodes) for line in _broken(_lines(node, view)))
    longest = (_CHARACTER[style] * len(text) + 2 * _MARGIN for style, text in lines)
    return max(_WIDTH, *longest, 0)


def device_box(node: Device | More, view: View, width: float) -> Box:
    """The box of a device, or of devices that are counted."""
    texts = _lines(node, view)
    lines = _broken(texts)
    height = _HEIGHT + _LINE_HEIGHT * max(0, len(lines) - _LINES)

    def draw(parent: Element, x: float, y: float) -> None:
        group = SubElement(parent, "g")
        tooltip = "\n".join(text for _, text in texts)
        SubElement(group, "title").text = clean(tooltip)
        rectangle(group, (x, y, width, height), _kind(node, view), 6)
        for number, (style, text) in enumerate(lines):
            write(group, x + _MARGIN, y + 20 + _LINE_HEIGHT * number, style, text)

    return Box(width, height, draw)


def _leaves(nodes: Iterable[Node]) -> Iterator[Device | More]:
    for node in nodes:
        if isinstance(node, Branch):
            yield from _leaves(node.children)
        else:
            yield node


def _broken(lines: Lines) -> Sequence[tuple[str, str]]:
    """The lines, broken between words."""
    return [
        (style, part)
        for style, text in lines
        for part in wrap(text, _LINE_LENGTH, break_long_words=False, break_on_hyphens=False) or [""]
    ]


def _kind(node: Device | More, view: View) -> str:
    if isinstance(node, More):
        return "other"
    if node.gpu is not None:
        return "gpu"
    if node.hca is None or not node.hca.shareable:
        return "other"
    if node.hca.ports and not any(map(_is_active, _states(node.hca))):
        return "down"
    return "chosen" if node.name in view.chosen else "hca"


def _lines(node: Device | More, view: View) -> Lines:
    if isinstance(node, More):
        return (("name", f"{len(node.devices)} more"), ("line", node.text))
    name, *others = _lines_of(node, view)
    alert = () if node.hca is None else tuple(("alert", text) for text in _down(node.hca))
    return (("name", name), *alert, *(("line", text) for text in others))


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


def _down(hca: Hca) -> Iterator[str]:
    """The states of the ports that are not ACTIVE. They are text, because colours may not show."""
    for port, state in zip(hca.ports, _states(hca), strict=True):
        if not _is_active(state):
            yield f"port {port.number} {state}"


def _states(hca: Hca) -> Sequence[str]:
    return [port.state or "?" for port in hca.ports]


def _is_active(state: str) -> bool:
    return state == "ACTIVE"
