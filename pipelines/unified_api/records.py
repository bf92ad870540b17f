"""What the API returns, decoded no further than needed: pages of records whose fields are still JSON text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from transforms.shaping import Fields
from transforms.values import Misfit, decode, parse_time

_RECORDS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


@dataclass(frozen=True, slots=True)
class Record:
    """One object of the API. `updated_at` is None where the API gives none or nothing that reads as a time."""

    id: str
    updated_at: datetime | None
    fields: Fields

    @property
    def state(self) -> tuple[str, datetime | None]:
        """Tells one observed state of the record from another."""
        return self.id, self.updated_at


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list call; `served_at` is the server's clock."""

    records: list[Record]
    served_at: datetime


class NotAPage(ValueError):
    """The body is not a JSON array of objects."""


class RecordWithoutId(ValueError):
    """A record that cannot be told from another."""


def parse_records(body: bytes) -> list[Record]:
    """The records of a list answer. Raises `NotAPage`, which names what came instead, and `RecordWithoutId`."""
    try:
        body.decode()
        rows = _RECORDS.decode(body)
    except (msgspec.ValidationError, RecursionError) as error:
        raise NotAPage(f"expected a JSON array of objects, got {_kind(body)}") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        rows = _RECORDS.decode(_repaired(body))
    return [_record(fields) for fields in rows]


def _record(fields: dict[str, msgspec.Raw]) -> Record:
    identity = decode(fields["id"]) if "id" in fields else None
    if identity is None or identity == "":
        raise RecordWithoutId("expected every record to have an id, but one has none")
    return Record(str(identity), _updated_at(fields), fields)


def _updated_at(fields: Fields) -> datetime | None:
    if "updated_at" not in fields:
        return None
    try:
        return parse_time(decode(fields["updated_at"]))
    except Misfit:
        return None


def _repaired(body: bytes) -> bytes:
    """The same JSON with what strict readers refuse made legal: lone surrogates, raw control characters, NaN."""
    try:
        value = json.loads(body.decode("utf-8", errors="replace"), strict=False, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise NotAPage(f"expected JSON, got {_kind(body)}") from error
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise NotAPage(f"expected a JSON array of objects, got {_kind(body)}")
    return msgspec.json.encode(_without_surrogates(value))


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _kind(body: bytes) -> str:
    """What a body seems to be, for an error message, which must not repeat what a server may have echoed."""
    match body.lstrip()[:1]:
        case b"":
            return "an empty body"
        case b"<":
            return "HTML"
        case b"{":
            return "a JSON object, or the start of one"
        case b"[":
            return "an array of something else, or the start of one"
    return "text"
