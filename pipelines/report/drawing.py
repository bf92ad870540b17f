"""A chart as SVG that stands in the page: no script, colours from the page's own, hints on each mark."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import vl_convert

_SVG = "http://www.w3.org/2000/svg"
_DECLARATION = f' xmlns="{_SVG}"'
"""HTML knows what an svg is."""

_LONG_FRACTION = re.compile(r"(\.\d)\d+")
_GEOMETRY = ("d", "transform", "x", "y", "x2", "y2", "width", "height", "viewBox")
_DROPPED = (
    "clip-path",
    "role",
    "aria-label",
    "aria-roledescription",
    "aria-hidden",
    "pointer-events",
    "font-family",
    "class",
)

ElementTree.register_namespace("", _SVG)


def drawn(spec: dict[str, Any], label: str, kind: str) -> str:
    """The SVG of a Vega-Lite chart, one image to a screen reader; the names of its marks become hints."""
    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(spec))  # noqa: S314
    for element in [*root.iter()]:
        for definitions in element.findall(f"{{{_SVG}}}defs"):
            element.remove(definitions)
        _tidy(element)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": label, "class": f"chart {kind}"}
    return ElementTree.tostring(root, encoding="unicode").replace(_DECLARATION, "", 1)


def _tidy(element: ElementTree.Element) -> None:
    """Leaves what is seen: Vega's words for machines go, but for the name of a mark."""
    is_mark = element.tag == f"{{{_SVG}}}path" and element.attrib.get("role") == "graphics-symbol"
    hint = element.attrib.get("aria-label") if is_mark else None
    for name in _DROPPED:
        element.attrib.pop(name, None)
    for name in _GEOMETRY:
        if name in element.attrib:
            element.attrib[name] = _LONG_FRACTION.sub(r"\1", element.attrib[name])
    if element.attrib.get("opacity") == "1":
        del element.attrib["opacity"]
    if hint:
        title = ElementTree.SubElement(element, f"{{{_SVG}}}title")
        title.text = hint
        if element.attrib.get("opacity") == "0":
            element.attrib["class"] = "hit"
