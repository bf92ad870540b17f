"""What a live ticket says of itself, in the form in which plans compare it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from html import unescape
from typing import Any, NamedTuple

from pipelines.unified_api.records import Record
from pipelines.writeback.plan import Change, Value
from transforms.values import canonical, decode, digest_of

TAGS = "tags"
_TAG_OF_HTML = re.compile(
    r"</?(?:a|abbr|b|blockquote|body|br|code|div|em|font|h[1-6]|head|hr|html|i|img|li|meta|ol|p|pre|s|small|span|strike|"
    r"strong|sub|sup|table|tbody|td|th|thead|tr|u|ul)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
"""Of those that helpdesks put into notes; others may be a person's own words in angle brackets."""


class Seen(NamedTuple):
    """A record, and when it was served by the server's clock."""

    record: Record
    served_at: datetime


class NoteSeen(NamedTuple):
    """A note of a live ticket."""

    id: str
    text: str


def value_of(record: Record, name: str) -> Value:
    """What a ticket holds in a field; nothing and an empty text are alike, tags always a list."""
    value = decode(record.fields[name]) if name in record.fields else None
    if name == TAGS:
        return [_text(tag) for tag in value] if isinstance(value, list) else []
    return None if value is None or value == "" else _text(value)


def tags_are_readable(record: Record) -> bool:
    """Whether the tags of a ticket are what the API says they are: a list of texts, or none."""
    value = decode(record.fields[TAGS]) if TAGS in record.fields else None
    return value is None or (isinstance(value, list) and all(isinstance(tag, str) for tag in value))


def values_of(record: Record, names: Iterable[str]) -> dict[str, Value]:
    """What it holds in each of these fields."""
    return {name: value_of(record, name) for name in names}


def is_same(one: Value, other: Value) -> bool:
    """Whether two values of a field say the same; tags have no order."""
    if isinstance(one, list) and isinstance(other, list):
        return {*one} == {*other}
    return one == other


class Comparison(NamedTuple):
    """Changes beside the live ticket: by field what is still to be sent, and which fields somebody else has changed."""

    due: Mapping[str, Value]
    conflicts: Sequence[str]


def compare(changes: Mapping[str, Change], record: Record) -> Comparison:
    """Compare a live ticket with what a plan knew of it."""
    due: dict[str, Value] = {}
    conflicts: list[str] = []
    for name, change in changes.items():
        held = value_of(record, name)
        if name == TAGS and not tags_are_readable(record):
            conflicts.append(name)
        elif is_same(held, change.new):
            continue
        elif is_same(held, change.old):
            due[name] = change.new
        else:
            conflicts.append(name)
    return Comparison(due, conflicts)


def note_seen(record: Record) -> NoteSeen:
    """A note as its record tells it."""
    value = decode(record.fields["description"]) if "description" in record.fields else None
    return NoteSeen(record.id, "" if value is None else _text(value))


def updated_at_of(ticket: Record) -> str | None:
    """When it was updated, in the API's own words."""
    value = decode(ticket.fields["updated_at"]) if "updated_at" in ticket.fields else None
    return None if value is None else str(value)


def thread_of(ids: Iterable[str]) -> str:
    """Tells the notes of a ticket from any others."""
    known = sorted(ids)
    return f"{len(known)}:{digest_of(known)[:12]}"


def reads_alike(one: str, other: str) -> bool:
    """Whether two texts of notes read the same: a helpdesk may make HTML of one and set its blanks anew."""
    return bool(_readings(one) & _readings(other))


def _readings(text: str) -> set[str]:
    """The letters of a text, and those of it as HTML, if there are any."""
    readings = (text, unescape(_TAG_OF_HTML.sub("", text)))
    return {"".join(reading.split()) for reading in readings} - {""}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)
