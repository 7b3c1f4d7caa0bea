"""Rectangles and texts of an SVG picture. Names may have any characters; the XML is well-formed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

# Characters that XML 1.0 does not allow (section 2.2, Char).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the picture: its size, and a function that draws it with its corner at (x, y)."""

    width: float
    height: float
    draw: Callable[[Element, float, float], None]


def rectangle(
    parent: Element, place: tuple[float, float, float, float], style: str, radius: float
) -> Element:
    """A rectangle with round corners at (x, y, width, height)."""
    x, y, width, height = (f"{number:g}" for number in place)
    shape = {"x": x, "y": y, "width": width, "height": height, "rx": f"{radius:g}"}
    return SubElement(parent, "rect", {"class": style, **shape} if style else shape)


def write(
    parent: Element, x: float, y: float, style: str, text: str, anchor: str | None = None
) -> None:
    """A line of text with its base at (x, y); `anchor` is SVG's text-anchor."""
    where = {"class": style, "x": f"{x:g}", "y": f"{y:g}"}
    if anchor is not None:
        where["text-anchor"] = anchor
    SubElement(parent, "text", where).text = clean(text)


def clean(text: str) -> str:
    """The text without characters that XML does not allow."""
    return _FORBIDDEN.sub("\ufffd", text)
