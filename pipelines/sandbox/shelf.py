"""One list of records, as one connection shows one object: lookup, order, filter and page."""

from __future__ import annotations

import random
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec

from pipelines.sandbox.instants import moment_in

Record = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_SEARCHED = ("name", "subject", "description", "emails")


class Stored:
    """A record at rest: its JSON in two pieces (without `raw`, and `raw`), ready to be sent."""

    __slots__ = ("_cut", "id", "keys", "mangled", "plain", "raw", "sequence", "ticket_id", "updated")

    def __init__(self, record: Mapping[str, Any], sequence: int, keys: frozenset[str]) -> None:
        raw = record.get("raw")
        self.id: str = record["id"]
        self.sequence = sequence
        self.updated = _moment(record, "updated_at")
        ticket_id = record.get("ticket_id")
        self.ticket_id: str | None = ticket_id if isinstance(ticket_id, str) else None
        self.keys = keys
        self.plain = _encode({name: value for name, value in record.items() if name != "raw"})
        self.raw: bytes | None = None if raw is None else _encode(raw)
        self.mangled: bytes | None = None
        self._cut: tuple[frozenset[str], bytes] | None = None

    @property
    def position(self) -> tuple[int, int]:
        return self.updated, self.sequence

    def record(self) -> Record:
        """The whole record, `raw` included: a fresh copy."""
        record: Record = _decode(self.plain)
        if self.raw is not None:
            record["raw"] = _decode(self.raw)
        return record

    def json(self, fields: frozenset[str] | None) -> bytes:
        """What the API sends: all but `raw`, or exactly `fields` and always the id; what is mangled, as it is."""
        if self.mangled is not None:
            return self.mangled
        if fields is None:
            return self.plain
        plain = self.plain if self.keys <= fields else self._cut_to(fields)
        if self.raw is None or "raw" not in fields:
            return plain
        return plain[:-1] + b',"raw":' + self.raw + b"}"

    def _cut_to(self, fields: frozenset[str]) -> bytes:
        if self._cut is None or self._cut[0] != fields:
            record = _decode(self.plain)
            kept = {name: value for name, value in record.items() if name in fields or name == "id"}
            self._cut = (fields, _encode(kept))
        return self._cut[1]


@dataclass(frozen=True)
class Listing:
    """A question to a list, already checked and already stripped of what the integration ignores."""

    limit: int = 100
    offset: int = 0
    updated_gte: int | None = None
    sort: str | None = None
    descending: bool = False
    query: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    shuffle_ties: random.Random | None = None
    hides: Callable[[Stored], bool] | None = None


class Shelf:
    """The records of one (connection, object). Insertion order breaks every tie."""

    def __init__(self) -> None:
        self.made = 0
        self._records: dict[str, Stored] = {}
        self._by_update: list[Stored] = []
        self._by_ticket: dict[str, dict[str, None]] = {}
        self._views: dict[tuple[str, bool], list[Stored]] = {}
        self._shapes: dict[frozenset[str], frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Stored]:
        return iter(self._records.values())

    def __contains__(self, record_id: str) -> bool:
        return record_id in self._records

    def get(self, record_id: str) -> Stored | None:
        """The record with this id, if it is there."""
        return self._records.get(record_id)

    def of_ticket(self, ticket_id: str) -> list[Stored]:
        """The records that name this ticket, in insertion order."""
        rows = [self._records[record_id] for record_id in self._by_ticket.get(ticket_id, ())]
        return sorted(rows, key=lambda row: row.sequence)

    def put(self, record: Mapping[str, Any]) -> None:
        """Add a record, or replace the one with its id in place."""
        old = self._records.get(record["id"])
        if old is not None:
            self._unlink(old)
        new = self._stored(record, old)
        self._link(new)
        insort(self._by_update, new, key=_position)

    def load(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add many new records at once."""
        for record in records:
            stored = self._stored(record, None)
            self._link(stored)
            self._by_update.append(stored)
        self._by_update.sort(key=_position)

    def remove(self, record_id: str) -> None:
        """Take a record away. Raises `KeyError` if it is not there."""
        old = self._records[record_id]
        self._unlink(old)
        del self._records[record_id]

    def page(self, listing: Listing) -> list[Stored]:
        """The answer to a list request."""
        rows, start = self._rows(listing), listing.offset
        if rows is self._by_update and listing.updated_gte is not None:
            start += bisect_left(rows, (listing.updated_gte, -1), key=_position)
        if listing.shuffle_ties is not None:
            rows = _shuffled_ties(rows[start - listing.offset :], listing.shuffle_ties)
            start = listing.offset
        return rows[start : start + listing.limit]

    def _rows(self, listing: Listing) -> list[Stored]:
        is_narrowed = listing.query is not None or bool(listing.filters)
        if listing.sort == "updated_at" and not listing.descending and not is_narrowed and not listing.hides:
            return self._by_update
        rows = self._view(listing.sort or "", listing.descending)
        if ticket_id := listing.filters.get("ticket_id"):
            rows = _ordered(self.of_ticket(ticket_id), listing.sort or "", listing.descending)
        if listing.updated_gte is not None:
            rows = [row for row in rows if row.updated >= listing.updated_gte]
        if listing.hides:
            rows = [row for row in rows if not listing.hides(row)]
        others = {name: value for name, value in listing.filters.items() if name != "ticket_id"}
        if others or listing.query:
            rows = [row for row in rows if _matches(_decode(row.plain), others, listing.query)]
        return rows

    def _view(self, sort: str, descending: bool) -> list[Stored]:
        if (sort, descending) not in self._views:
            self._views[sort, descending] = _ordered(list(self._records.values()), sort, descending)
        return self._views[sort, descending]

    def _stored(self, record: Mapping[str, Any], old: Stored | None) -> Stored:
        shape = frozenset(record) - {"raw"}
        if old is None:
            self.made += 1
        stored = Stored(record, old.sequence if old else self.made, self._shapes.setdefault(shape, shape))
        stored.mangled = old.mangled if old else None
        return stored

    def _link(self, stored: Stored) -> None:
        self._records[stored.id] = stored
        if stored.ticket_id:
            self._by_ticket.setdefault(stored.ticket_id, {})[stored.id] = None
        self._views.clear()

    def _unlink(self, stored: Stored) -> None:
        del self._by_update[bisect_left(self._by_update, stored.position, key=_position)]
        if stored.ticket_id:
            self._by_ticket[stored.ticket_id].pop(stored.id)
        self._views.clear()


def _position(stored: Stored) -> tuple[int, int]:
    return stored.updated, stored.sequence


def _moment(record: Mapping[str, Any], name: str) -> int:
    moment = moment_in(record.get(name))
    return -1 if moment is None else moment


def _ordered(rows: list[Stored], sort: str, descending: bool) -> list[Stored]:
    keys: dict[str, Callable[[Stored], Any]] = {
        "updated_at": lambda row: row.updated,
        "created_at": lambda row: _moment(_decode(row.plain), "created_at"),
        "name": lambda row: _title(_decode(row.plain)),
    }
    if sort in keys:
        return sorted(rows, key=keys[sort], reverse=descending)
    return rows[::-1] if descending else rows


def _title(record: Record) -> str:
    return str(record.get("name") or record.get("subject") or "").casefold()


def _matches(record: Record, filters: Mapping[str, str], query: str | None) -> bool:
    if any(record.get(name) != value for name, value in filters.items()):
        return False
    return not query or any(query.casefold() in str(record.get(name) or "").casefold() for name in _SEARCHED)


def _shuffled_ties(rows: list[Stored], rng: random.Random) -> list[Stored]:
    shuffled: list[Stored] = []
    for _, tied in groupby(rows, key=lambda row: row.updated):
        group = list(tied)
        rng.shuffle(group)
        shuffled += group
    return shuffled
