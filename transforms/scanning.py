"""JSON text cut into its parts without decoding them, so that no part can spoil another and no depth is too deep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import compress

from transforms.values import NotJson, Undecodable, mended

_NAME = re.compile(rb'\s*("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*:', re.DOTALL)
_AFTER = (re.compile(rb"\Z"), re.compile(rb"\s*[,\]}]"))
"""What is to follow brackets that are the outermost, and those inside."""

_IS_MARK = bytes(byte in b'[]{},"' for byte in range(256))
_COMMA, _QUOTE = b',"'
_CLOSING = dict(zip(b"[{", b"]}", strict=True))


def elements(json: bytes) -> list[bytes]:
    """The JSON of each element of an array; raises `NotJson`."""
    return list(_parts(json, b"["))


def members(json: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The JSON of each name and value of an object; raises `NotJson`, which may be at its end."""
    return map(_member, _parts(json, b"{"))


def refuse_malformed(json: bytes) -> None:
    """Raise `NotJson` for what is no JSON; of what is nested too deep only the brackets are checked."""
    try:
        mended(json)
    except NotJson:
        raise
    except Undecodable:
        list(_parts(json, json.lstrip()[:1]))


def _member(part: bytes) -> tuple[bytes, bytes]:
    name = _NAME.match(part)
    if name is None:
        raise NotJson("expected a name")
    return name[1], part[name.end() :]


def _parts(json: bytes, opening: bytes) -> Iterator[bytes]:
    """What stands between the outermost brackets, cut at its commas."""
    json = json.strip()
    if not json.startswith(opening):
        raise NotJson(f"expected {opening.decode()}")
    start = 1
    for end in _cuts(json):
        part = json[start:end]
        if start > 1 or json[end] == _COMMA or part.strip():
            yield part
        start = end + 1


def _cuts(json: bytes) -> Iterator[int]:
    """Where the commas between the outermost brackets are, and where these close.

    Anybody may send what is to be cut: a megabyte takes a fraction of a second, whatever is in it.
    """
    due: list[int] = []
    is_in_text = False
    for place, mark in _marks(json):
        if mark == _QUOTE:
            is_in_text = not is_in_text
        elif is_in_text:
            continue
        elif mark in _CLOSING:
            due.append(_CLOSING[mark])
        elif mark == _COMMA:
            if len(due) == 1:
                yield place
        elif due.pop() != mark or (len(due) < 2 and not _AFTER[len(due)].match(json, place + 1)):
            break
        elif not due:
            yield place
            return
    raise NotJson("expected brackets in pairs")


def _marks(json: bytes) -> Iterator[tuple[int, int]]:
    """Where each bracket, comma and quote is that is not escaped, and which it is."""
    plain = json.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")
    return compress(enumerate(plain), plain.translate(_IS_MARK))
