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
    """The body is not a JSON array of objects that have an id."""


def parse_records(body: bytes) -> list[Record]:
    """The records of a list answer. Raises `NotAPage`, which names what came instead."""
    try:
        body.decode()
        rows = _RECORDS.decode(body)
    except msgspec.ValidationError as error:
        raise NotAPage(f"expected a JSON array of objects, got {_opening(body)} ({error})") from error
    except (msgspec.DecodeError, UnicodeDecodeError):
        rows = _RECORDS.decode(_repaired(body))
    return [_record(fields) for fields in rows]


def _record(fields: dict[str, msgspec.Raw]) -> Record:
    identity = decode(fields["id"]) if "id" in fields else None
    if identity is None or identity == "":
        raise NotAPage(f"expected every record to have an id, got one with the fields {', '.join(sorted(fields))}")
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
    except ValueError as error:
        raise NotAPage(f"expected JSON, got {_opening(body)}") from error
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise NotAPage(f"expected a JSON array of objects, got {_opening(body)}")
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


def _opening(body: bytes) -> str:
    """The start of a body for an error message: short, printable, on one line."""
    text = body[:80].decode("utf-8", errors="replace")
    shown = "".join(character if character.isprintable() else " " for character in text)
    return f"{shown!r}" if shown else "an empty body"
