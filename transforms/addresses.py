"""E-mail addresses as they stand in texts and in records, whatever is written around them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

IsKnown = Callable[[str], bool]
"""Whether an address is one of those that are looked for, however it is written."""

REDACTED = "(forgotten)"
"""In place of the address of somebody who has been forgotten, in what others wrote."""

_AT = re.compile("@|%40")
_LONGEST_LOCAL = 64
_LONGEST_DOMAIN = 255
_LOCAL_MARKS = frozenset(".!#$%&'*+/=?^_`{|}~-")
_LINK_MARKS = frozenset("/=?&|")
"""What stands before one of these in a link is no part of an address."""
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_HASH = re.compile(r"[0-9a-f]{64}")
_IN_BRACKETS = re.compile(r"<\s*(?:mailto:)?([^<>]*)>\s*$", re.IGNORECASE)
_AROUND = re.compile(r"^\s*mailto:|\s*\([^()]*\)\s*$", re.IGNORECASE)


def is_address(text: str) -> bool:
    """Whether a text is an address and nothing else."""
    return _ADDRESS.fullmatch(text.strip()) is not None


def bare(text: str) -> str:
    """The address in what a header or a link writes around it; what holds none stays as it is."""
    inside = _IN_BRACKETS.search(text)
    address = inside[1] if inside else _AROUND.sub("", text)
    return address.strip() if is_address(address) else text


def addresses_in(contacts: Any) -> Iterator[str]:
    """The addresses in a customer's contacts, hashed ones among them, whatever their shape."""
    match contacts:
        case str() if is_address(bare(contacts)) or _HASH.fullmatch(contacts):
            yield contacts
        case list():
            for each in contacts:
                yield from addresses_in(each)
        case dict():
            for each in contacts.values():
                yield from addresses_in(each)


def names_any(value: Any, is_known: IsKnown) -> bool:
    """Whether an address that is known stands somewhere in a decoded value."""
    return bool(without(value, is_known, "") != value)


def without(value: Any, is_known: IsKnown, instead: str) -> Any:
    """A decoded value with something else in place of every address that is known, and of the hash of one."""
    match value:
        case str():
            return _text_without(value, is_known, instead)
        case list():
            return [without(each, is_known, instead) for each in value]
        case dict():
            return {
                _text_without(name, is_known, instead): without(each, is_known, instead) for name, each in value.items()
            }
    return value


def _text_without(text: str, is_known: IsKnown, instead: str) -> str:
    if _HASH.fullmatch(text):
        return instead if is_known(text) else text
    pieces: list[str] = []
    end_of_last = 0
    for at in _AT.finditer(text):
        for start, end in _spans(text, at.start(), at.end()):
            if start >= end_of_last and is_known(text[start:end].replace("%40", "@")):
                pieces += (text[end_of_last:start], instead)
                end_of_last = end
                break
    return "".join([*pieces, text[end_of_last:]])


def _spans(text: str, at: int, behind: int) -> list[tuple[int, int]]:
    """What may be an address around an @, the longest first."""
    first = at
    while first > max(0, at - _LONGEST_LOCAL) and _is_local(text[first - 1]):
        first -= 1
    end = behind
    while end < min(len(text), behind + _LONGEST_DOMAIN) and _is_domain(text[end]):
        end += 1
    while end > behind and text[end - 1] in ".-":
        end -= 1
    if first == at or end == behind:
        return []
    return [(start, last) for start in _starts(text, first, at) for last in _ends(text, behind, end)]


def _starts(text: str, first: int, at: int) -> list[int]:
    """Where an address may begin: as far in front as may be, behind marks that lead it, and behind those of a link."""
    word = next((place for place in range(first, at) if text[place].isalnum()), first)
    return [*range(first, word + 1), *(place for place in range(word + 1, at) if text[place - 1] in _LINK_MARKS)]


def _ends(text: str, behind: int, end: int) -> list[int]:
    """Where an address may end: as far behind as may be, or before a sentence that begins without a blank."""
    dots = (place for place in range(behind + 1, end) if text[place] == ".")
    return [end, *(dot for dot in dots if text[dot + 1].isupper() and text[dot + 2 : dot + 3].islower())]


def _is_local(character: str) -> bool:
    return character in _LOCAL_MARKS or _is_letter(character)


def _is_domain(character: str) -> bool:
    return character in ".-" or _is_letter(character)


def _is_letter(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character).startswith("M")
