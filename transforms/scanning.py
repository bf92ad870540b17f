"""JSON text cut into its parts without decoding them, so that no part can spoil another and no depth is too deep."""

from __future__ import annotations

import re

from transforms.values import NotJson, Undecodable, mended

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb"?|[\[\]{},]", re.DOTALL)
_NAME = re.compile(rb"\s*(" + _STRING + rb")\s*:", re.DOTALL)
_OPENING = {b"]": b"[", b"}": b"{"}


def elements(json: bytes) -> list[bytes]:
    """The JSON of each element of an array; raises `NotJson`."""
    return _parts(json, b"[")


def members(json: bytes) -> list[tuple[bytes, bytes]]:
    """The JSON of each name and value of an object; raises `NotJson`."""
    return [_member(part) for part in _parts(json, b"{")]


def refuse_malformed(json: bytes) -> None:
    """Raise `NotJson` for what is no JSON; of what is nested too deep only the brackets are checked."""
    try:
        mended(json)
    except NotJson:
        raise
    except Undecodable:
        _parts(json, json.lstrip()[:1])


def _member(part: bytes) -> tuple[bytes, bytes]:
    name = _NAME.match(part)
    if name is None:
        raise NotJson("expected a name")
    return name[1], part[name.end() :]


def _parts(json: bytes, opening: bytes) -> list[bytes]:
    """What stands between the outermost brackets, cut at its commas."""
    json = json.strip()
    open_brackets: list[bytes] = []
    parts: list[bytes] = []
    start = 1
    if not json.startswith(opening):
        raise NotJson(f"expected {opening.decode()}")
    for token in _TOKEN.finditer(json):
        mark = token[0]
        if mark in b"[{":
            open_brackets.append(mark)
        elif mark == b"," and len(open_brackets) == 1:
            parts.append(json[start : token.start()])
            start = token.end()
        elif mark in _OPENING:
            if open_brackets.pop() != _OPENING[mark]:
                break
            if not open_brackets and token.end() == len(json):
                last = json[start : token.start()]
                return [*parts, last] if parts or last.strip() else []
            if not open_brackets:
                break
    raise NotJson("expected brackets in pairs")
