"""What the API returns, decoded no further than needed: pages of records whose fields are still JSON text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import msgspec

from transforms.scanning import elements, members, refuse_malformed
from transforms.shaping import NULL, Fields
from transforms.values import (
    Misfit,
    NotJson,
    Unusual,
    as_id,
    as_text,
    canonical,
    cast_usual,
    decode,
    digest,
    identity,
    mended_names,
    parse_time,
)

_RECORD = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RECORDS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_REFUSALS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

State: TypeAlias = tuple[str, datetime | None]
"""Tells one observed state of a record from another."""


@dataclass(frozen=True, slots=True)
class Record:
    """One object of the API. `updated_at` is None where the API gives none or nothing that reads as a time."""

    id: str
    updated_at: datetime | None
    fields: Fields

    @property
    def state(self) -> State:
        return self.id, self.updated_at


@dataclass(frozen=True, slots=True)
class Rejected:
    """Something listed that no table can hold. Its `id` is made from its JSON, is no record's and is never stored."""

    id: str
    updated_at: datetime | None
    json: str
    reason: str

    @property
    def state(self) -> State:
        return self.id, self.updated_at


Listed: TypeAlias = Record | Rejected


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list call; `served_at` is the server's clock."""

    records: list[Listed]
    served_at: datetime


class NotAPage(ValueError):
    """The body is not what the API answers with: no JSON, or not an array where a list was asked for."""


def parse_records(body: bytes) -> list[Listed]:
    """The records of a list answer. Raises `NotAPage`, which names what came instead."""
    try:
        return _listed_page(_RECORDS.decode(body))
    except _REFUSALS:
        pass
    try:
        return [_parsed(element) for element in elements(body)]
    except NotJson as error:
        raise NotAPage(f"expected a JSON array of objects, got {_kind(body)}") from error


def parse_record(body: bytes) -> Listed:
    """The record of an answer to GET by id. Raises `NotAPage`, which names what came instead."""
    try:
        return _parsed(body)
    except NotJson as error:
        raise NotAPage(f"expected a JSON object, got {_kind(body)}") from error


def _parsed(record: bytes) -> Listed:
    """One record whose page a strict reader refused."""
    try:
        return _listed(_RECORD.decode(record))
    except _REFUSALS:
        pass
    if record.lstrip()[:1] == b"{":
        return _listed(_fields(record))
    refuse_malformed(record)
    return _rejected(canonical(decode(record)), None, "it is not a JSON object")


def _fields(record: bytes) -> Fields:
    fields: dict[str, msgspec.Raw] = {}
    for name, value in members(record):
        refuse_malformed(value)
        fields[_name(name)] = msgspec.Raw(value)
    return fields


def _name(text: bytes) -> str:
    """The name of a field as it was sent, so that two which are mended alike are still two."""
    try:
        return str(json.loads(text.decode(errors="surrogateescape"), strict=False))
    except ValueError as error:
        raise NotJson("expected a name") from error


def _listed_page(page: Sequence[Fields]) -> list[Listed]:
    try:
        return _usual_page(page)
    except (KeyError, Unusual, Misfit):
        return [_listed(fields) for fields in page]


def _usual_page(page: Sequence[Fields]) -> list[Listed]:
    """What `_listed` makes of each record of a page, if all have ids and times as usual."""
    ids = cast_usual([fields["id"] for fields in page], as_id)
    told = [id for id in ids if isinstance(id, str) and id.strip()]
    if len(told) < len(page):
        raise Unusual
    times = cast_usual([fields.get("updated_at", NULL) for fields in page], as_text)
    return [Record(id, parse_time(time), fields) for id, time, fields in zip(told, times, page, strict=True)]


def _listed(fields: Fields) -> Listed:
    try:
        return Record(identity(fields["id"]), _updated_at(fields), fields)
    except KeyError:
        reason = "it has no id"
    except Misfit as misfit:
        reason = str(misfit)
    values = mended_names({name: decode(value) for name, value in fields.items()})
    return _rejected(canonical(values), _updated_at(fields), reason)


def _rejected(text: str, updated_at: datetime | None, reason: str) -> Rejected:
    return Rejected(f"\0{digest(text.encode())}", updated_at, text, reason)


def _updated_at(fields: Fields) -> datetime | None:
    if "updated_at" not in fields:
        return None
    try:
        return parse_time(decode(fields["updated_at"]))
    except Misfit:
        return None


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
