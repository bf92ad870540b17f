"""A body as a reader sees it, and words as they are compared."""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from html.parser import HTMLParser
from typing import Any

BLOCKS = {"p", "div", "ul", "ol", "li", "tr", "table", "tbody", "blockquote", "h1", "h2", "hr", "pre", "html", "body"}
INLINES = {"a", "b", "i", "em", "span", "strong", "br", "td", "th", "img", "script", "style", "head", "o:p", "title"}
CHOICES = {"select", "option", "noscript", "svg", "label"}
HTML_WHEN_ALONE = {"br", "p", "div", "hr", "img", "li", "tr", "td", "html"}


def plain_text(body: str | None) -> str | None:
    """A body as a reader sees it, by Python's own HTML parser."""
    if body is None:
        return None
    comment = body.rfind("<!--")
    if comment >= 0 and "-->" not in body[comment:]:
        body = body[:comment] + "<!-- -->"
    reader = _Reader()
    reader.feed(body)
    reader.close()
    text = reader.text() if reader.has_tags else unescape(body)
    text = re.sub("[\u200b\ufeff]", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = [" ".join(line.split()) for line in text.split("\n")]
    kept = [line for index, line in enumerate(lines) if line or (index and lines[index - 1])]
    return "\n".join(kept).strip() or None


def text(value: Any) -> str | None:
    """Without the blanks around it; nothing left is nothing."""
    return (value.strip() or None) if isinstance(value, str) else None


def snake(value: Any) -> str | None:
    """As a word in lower_snake."""
    return re.sub(r"[\s-]+", "_", lower(text(value) or "")) or None


def comparable(value: str | None) -> str | None:
    """Without regard to case, white space and the ways to write an accent."""
    return " ".join(lower(unicodedata.normalize("NFC", value or "")).split()) or None


def lower(value: str) -> str:
    """Letter by letter: a sigma at a word's end is as any other."""
    return "".join(letter.lower() for letter in value)


_BLOCK_EDGE = "\0"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.hidden: list[str] = []
        self.has_tags = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)
        if tag in ("script", "style", "head", "title"):
            self.hidden.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self.hidden and self.hidden[-1] == tag:
            self.hidden.pop()
        self.has_tags = self.has_tags or tag in BLOCKS | INLINES | CHOICES
        self._edge(tag)

    def handle_comment(self, data: str) -> None:
        self.has_tags = True

    def handle_decl(self, decl: str) -> None:
        self.has_tags = True

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            starts, ends = data[:1].isspace(), data[-1:].isspace()
            self.pieces.append((" " * starts) + " ".join(data.split()) + (" " * ends))

    def text(self) -> str:
        lines: list[str] = [""]
        at_edge = False
        for piece in self.pieces:
            if piece == _BLOCK_EDGE:
                at_edge = True
            elif piece == "\n":
                if at_edge:
                    lines.append("")
                at_edge = False
                lines.append("")
            elif piece.strip() or not at_edge:
                if at_edge:
                    lines.append("")
                at_edge = False
                lines[-1] += piece
        return "\n".join(lines)

    def _open(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has_value = bool(attrs) and attrs[0][1] is not None
        if (has_value and tag in BLOCKS | INLINES | CHOICES) or (not attrs and tag in HTML_WHEN_ALONE):
            self.has_tags = True
        self._edge(tag)

    def _edge(self, tag: str) -> None:
        if tag in BLOCKS:
            self.pieces.append(_BLOCK_EDGE)
        elif tag == "br":
            self.pieces.append("\n")
        elif tag in ("td", "th", "option"):
            self.pieces.append(" ")
