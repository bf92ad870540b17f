"""Records that no warehouse expects: most have an id and must arrive all the same, some have none and cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from pipelines.sandbox.shelf import Record
from pipelines.sandbox.store import Store
from pipelines.sandbox.support import FIELDS

NUMERIC_ID = "9007199254740993"
"""The id that is sent as a number: one more than a float can tell from its neighbour."""

_TIMES = ("created_at", "closed_at", "due_at")
_TEXTS = (
    "name", "subject", "description", "status", "priority", "category", "category_id", "customer_id", "user_id",
    "parent_id", "source", "source_ref", "url",
)  # fmt: skip
_LISTS = ("tags", "attachment_ids", "metadata", "emails", "telephones")

_MOMENTS: tuple[Any, ...] = (
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "0000-00-00", "31/12/2025", "",
    10**18, -1, True, {"at": "noon"},
)  # fmt: skip
_NO_TEXTS: tuple[Any, ...] = (5, -1.5, True, 10**30, {"a": 1}, ["x"], [])
_NO_LISTS: tuple[Any, ...] = ("not a list", 5, False, {"a": 1}, [5, None, {"a": []}], [[]])

_HOSTILE_RAW = {
    "nan": b'{"a":NaN}',
    "infinity": b'{"a":Infinity}',
    "minus-infinity": b'{"a":-Infinity}',
    "endless-float": b'{"a":1e999}',
    "endless-integer": b'{"a":1' + b"0" * 5_000 + b"}",
    "deep-object": b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    "deep-list": b'{"a":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
}
_SHAPELESS = {"null": b"null", "number": b"5", "flag": b"true", "text": b'"text"', "list": b"[]", "empty": b"{}"}
_ID_SENT = {
    "no-id": {},
    "null-id": {"id": b"null"},
    "empty-id": {"id": b'""'},
    "endless-id": {"id": b'"' + b"x" * 9_000 + b'"'},
}


class Poisoned(NamedTuple):
    """The ids under which a world keeps its poisoned records."""

    arriving: list[str]
    """What is sent for them is a record with this id, if a strange one."""
    rejected: list[str]
    """What is sent for them has no id, or one that none is, or is no record at all."""


def poison_records(world: Store, connection_id: str, object_name: str = "ticket") -> Poisoned:
    """Make a fixed set of poisoned records in a connection; notes belong to a ticket of their own, `poison-host`.

    A list that holds the one with lone surrogates, or one with `NaN` or `Infinity`, is not JSON to every decoder.
    """
    poisoned, host = Poisoned([], []), {}
    if object_name == "note":
        host = {"ticket_id": world.create(connection_id, "ticket", {"id": "poison-host"})["id"]}

    def make(name: str, fields: Record) -> Record:
        return world.create(connection_id, object_name, {"id": f"poison-{name}", **host, **fields})

    for name, fields in _strange(object_name):
        poisoned.arriving.append(make(name, fields)["id"])
    for name, pieces in _unspeakable(object_name):
        record = make(name, {"id": NUMERIC_ID} if "id" in pieces else {})
        world.mangle(connection_id, object_name, record["id"], _spliced(record, pieces))
        poisoned.arriving.append(record["id"])
    for name, pieces in _ID_SENT.items():
        record = make(name, {})
        record_id = record.pop("id")
        world.mangle(connection_id, object_name, record_id, _spliced(record, pieces))
        poisoned.rejected.append(record_id)
    for name, body in _SHAPELESS.items():
        record_id = make(name, {})["id"]
        world.mangle(connection_id, object_name, record_id, body)
        poisoned.rejected.append(record_id)
    return poisoned


def _strange(object_name: str) -> Iterator[tuple[str, Record]]:
    """What the sandbox can store: names and fields, as far as the object has them."""
    for name, fields in _stored_poison(_long_text(object_name)):
        known = {field: value for field, value in fields.items() if field in FIELDS[object_name]}
        if known:
            yield name, known


def _stored_poison(long_text: str) -> Iterator[tuple[str, Record]]:
    nuls = {"name": "a\0b", "subject": "\0", "description": "a\0b\0", "tags": ["\0", "a\0"]}
    yield "nul", {**nuls, "raw": {"a\0b": "c\0d", "\0": ["\0", {"e\0": None}]}}
    for number, moment in enumerate(_MOMENTS):
        yield f"updated-at-{number}", {"updated_at": moment}
        yield f"times-{number}", dict.fromkeys(_TIMES, moment)
    for number, value in enumerate(_NO_TEXTS):
        yield f"no-text-{number}", dict.fromkeys(_TEXTS, value)
    for number, value in enumerate(_NO_LISTS):
        yield f"no-list-{number}", dict.fromkeys(_LISTS, value)
    yield "no-flag", {"is_active": "perhaps"}
    yield "no-object", {"raw": "not an object"}
    yield "huge", {long_text: "x" * 3_000_000}
    yield "big-integers", {"raw": {"signed": -(2**63), "unsigned": 2**64 - 1, "beyond": 10**40}}


def _unspeakable(object_name: str) -> Iterator[tuple[str, Mapping[str, bytes]]]:
    """What it can only send: names, and the JSON texts of fields."""
    surrogates = {_long_text(object_name): rb'"a\udfffb\ud800"', "raw": rb'{"\ud800":"\udfff"}'}
    yield "lone-surrogates", surrogates
    yield "numeric-id", {"id": NUMERIC_ID.encode()}
    for name, raw in _HOSTILE_RAW.items():
        yield name, {"raw": raw}


def _long_text(object_name: str) -> str:
    return "description" if "description" in FIELDS[object_name] else "name"


def _spliced(record: Record, pieces: Mapping[str, bytes]) -> bytes:
    """A record as JSON, with the JSON texts of some fields given."""
    members = {**{name: msgspec.json.encode(value) for name, value in record.items()}, **pieces}
    return b"{" + b",".join(msgspec.json.encode(name) + b":" + text for name, text in members.items()) + b"}"
