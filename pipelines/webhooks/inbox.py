"""Deliveries that were acknowledged and are not loaded yet, in a file that outlives a kill or a power cut."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeAlias

from transforms.values import EPOCH, microseconds

FILE = "inbox.sqlite3"

DAYS_REMEMBERED = 3
"""For so many days, and that of today, a delivery that was taken is known again; so long the API tries to bring one."""

RHYTHM_WINDOW = timedelta(days=14)
"""For so long it is known when a connection was heard of."""

_SECONDS_TO_WAIT = 15.0
"""For another process's transaction."""

_LITTLE = 0.05
"""Of the room there may be so small a share, and the next delivery may not fit."""

_MINUTE = 60_000_000
_DAY = 24 * 60 * _MINUTE
_IS_TAKEN = f"select 1 from taken where message_hash = ? and day in ({', '.join('?' * (DAYS_REMEMBERED + 1))})"

_VERSION = 1
_NOTES = ("channels", "pulses", "covered")
"""Of which an inbox of an older version had others; they come again. Deliveries are as they were."""

_SCHEMA = """
create table if not exists deliveries (
    id integer primary key autoincrement,
    received_at integer not null,
    load_id text,
    body blob not null
);
create index if not exists deliveries_by_time on deliveries (received_at);
create index if not exists deliveries_in_loads on deliveries (load_id) where load_id is not null;
create table if not exists taken (
    day integer not null,
    message_hash blob not null,
    primary key (day, message_hash)
) without rowid;
create table if not exists dead_letters (
    id integer primary key,
    received_at integer not null,
    body blob not null,
    reason text not null
);
create table if not exists channels (
    webhook_id text not null,
    connection_id text not null,
    object text not null,
    webhook_type text not null,
    hook_url_hash blob not null,
    heard_at integer,
    primary key (webhook_id, connection_id, object)
) without rowid;
create table if not exists pulses (
    connection_id text not null,
    object text not null,
    event text not null,
    minute integer not null,
    primary key (connection_id, object, event, minute)
) without rowid;
create table if not exists covered (
    connection_id text not null,
    object text not null,
    until integer not null,
    looks integer not null,
    reason text not null,
    is_unwell integer not null,
    primary key (connection_id, object)
) without rowid;
"""
"""Times are in microseconds since 1970, `day` is the number of one since then. `load_id`: the load that a delivery went
into, which may not have come to its end; it stands before the body, which then need not be read to find it. `channels`:
the webhooks that are expected or were heard, and when the last time. `pulses`: the minutes in which an event of an
object was heard of. `covered`: up to when an object was polled because its webhooks did not bring it, how often its
silence has been looked into since they were last heard, and why."""


class Arrival(NamedTuple):
    """A delivery that was proven. `message_hash` tells it from others."""

    body: bytes
    message_hash: bytes
    received_at: datetime


class Letter(NamedTuple):
    """A delivery that waits."""

    id: int
    received_at: datetime
    body: bytes


class Webhook(Protocol):
    """What is kept of a webhook, whoever tells of it."""

    @property
    def id(self) -> str: ...

    @property
    def connection_id(self) -> str: ...

    @property
    def event(self) -> str: ...

    @property
    def webhook_type(self) -> str: ...

    @property
    def hook_url(self) -> str: ...


class Heard(NamedTuple):
    """A webhook has brought something of a table; or is to bring it, where there is no time."""

    webhook: Webhook
    table: str
    at: datetime | None = None


class Channel(NamedTuple):
    """A webhook that is to bring something of a table, and when it did the last time."""

    webhook_id: str
    connection_id: str
    table: str
    webhook_type: str
    hook_url_hash: bytes
    heard_at: datetime | None


Pulses: TypeAlias = Mapping[tuple[str, str, str], Sequence[datetime]]
"""By connection, table and event the minutes in which it was heard of lately, in order."""


class Covered(NamedTuple):
    """Up to when an object was polled because its webhooks did not bring it; how often its silence has been looked into
    since they were last heard."""

    until: datetime
    looks: int
    reason: str
    is_unwell: bool = False
    """Whether a webhook was not well then: what it missed until it is well again is still to be polled."""


class DeadLetter(NamedTuple):
    """A delivery that no load will take, how many bytes it has, and why."""

    id: int
    received_at: datetime
    size: int
    reason: str


@dataclass(frozen=True)
class Contents:
    """How much waits, since when the oldest of it, how many deliveries are dead, and whether there is room for no
    more."""

    waiting: int
    oldest_at: datetime | None
    dead: int
    is_full: bool


class InboxRemoved(OSError):
    """The file that is written to is none that anybody else would open."""


class Inbox:
    """One inbox, for one thread; any number of processes may have it open. Raises `sqlite3.Error` where it cannot be
    read or written, or would be larger than `most_bytes`."""

    def __init__(self, path: Path, most_bytes: int | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_for_its_owner_alone(path)
        self._path, self._inode = path, path.stat().st_ino
        self._database = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        # A commit has reached the disk before it returns, and what is removed leaves no trace in the file.
        self._database.execute("pragma synchronous = full")
        self._database.execute("pragma secure_delete = on")
        if most_bytes is not None:
            (page_size,) = self._database.execute("pragma page_size").fetchone()
            self._database.execute(f"pragma max_page_count = {max(1, most_bytes // page_size)}")
        with self._transaction():
            [(version,)] = self._rows("pragma user_version")
            for name in _NOTES if version < _VERSION else ():
                self._database.execute(f"drop table if exists {name}")
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._database.execute(statement)
            self._database.execute(f"pragma user_version = {_VERSION}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def add(self, arrivals: Sequence[Arrival]) -> list[bool]:
        """Keep deliveries, all in one commit; of each whether it is new: one that was taken before is kept once. Raises
        `InboxRemoved` where nobody would find them."""
        self.require_in_place()
        with self._transaction():
            return [self._add(*arrival) for arrival in arrivals]

    def require_in_place(self) -> None:
        """Raises `InboxRemoved` where what is written here would be found by nobody."""
        if not (self._path.exists() and self._path.stat().st_ino == self._inode):
            raise InboxRemoved("its file was removed or replaced; stop all that use it, then start them again")

    def _add(self, body: bytes, message_hash: bytes, received_at: datetime) -> bool:
        at = microseconds(received_at)
        day = at // _DAY
        if self._rows(_IS_TAKEN, message_hash, *range(day - DAYS_REMEMBERED, day + 1)):
            return False
        self._changes("insert into taken values (?, ?)", day, message_hash)
        self._changes("insert into deliveries (received_at, body) values (?, ?)", at, body)
        return True

    def let_go(self) -> int:
        """How many deliveries were kept and are in the warehouse, or nowhere."""
        kept = self._rows("select seq from sqlite_sequence where name = 'deliveries'")
        [(held,)] = self._rows("select (select count(*) from deliveries) + (select count(*) from dead_letters)")
        return kept[0][0] - held if kept else 0

    def last_id(self) -> int:
        """The delivery that came last. Raises `InboxRemoved` where a later one would go elsewhere."""
        self.require_in_place()
        [(last,)] = self._rows("select max(id) from deliveries")
        return last or 0

    def first(self, most: int, most_bytes: int, after: int, last: int) -> list[Letter]:
        """Of the deliveries after one and up to another that belong to no load those that came first; at least one if
        there is any."""
        letters: list[Letter] = []
        size = 0
        is_due = "load_id is null and id > ? and id <= ?"
        query = f"select id, received_at, body from deliveries where {is_due} order by id limit ?"
        with closing(self._database.execute(query, (after, last, most))) as rows:
            for id, at, body in rows:
                size += len(body)
                if letters and size > most_bytes:
                    break
                letters.append(Letter(id, _moment(at), body))
        return letters

    def belong(self, ids: Collection[int], load_id: str) -> None:
        """These deliveries are in a load that is about to be written."""
        with self._transaction():
            for id in ids:
                self._changes("update deliveries set load_id = ? where id = ?", load_id, id)

    def loads(self) -> list[str]:
        """The loads that deliveries are in."""
        return [row[0] for row in self._rows("select distinct load_id from deliveries where load_id is not null")]

    def settle(self, load_id: str, *, is_loaded: bool) -> int:
        """Let go of what a load holds, if it has come to its end; else have it wait again. Returns how many."""
        if is_loaded:
            return self._changes("delete from deliveries where load_id = ?", load_id)
        return self._changes("update deliveries set load_id = null where load_id = ?", load_id)

    def bury(self, reasons: Mapping[int, str]) -> None:
        """Put deliveries where the dead letters are."""
        with self._transaction():
            for id, reason in reasons.items():
                self._changes(
                    "insert into dead_letters select id, received_at, body, ? from deliveries where id = ?", reason, id
                )
                self._changes("delete from deliveries where id = ?", id)

    def dead_letters(self) -> list[DeadLetter]:
        """What no load has taken, the oldest first."""
        rows = self._rows("select id, received_at, length(body), reason from dead_letters order by id")
        return [DeadLetter(id, _moment(at), size, reason) for id, at, size, reason in rows]

    def dead_body(self, id: int) -> bytes:
        """What a dead letter holds. Raises `KeyError` if it is not there."""
        for (body,) in self._rows("select body from dead_letters where id = ?", id):
            return bytes(body)
        raise KeyError(id)

    def replay(self, ids: Collection[int]) -> int:
        """Have dead letters wait again, in their old place; returns how many of these there were."""
        columns = "id, received_at, body"
        with self._transaction():
            return sum(self._replay(id, columns) for id in ids)

    def _replay(self, id: int, columns: str) -> int:
        self._changes(f"insert into deliveries ({columns}) select {columns} from dead_letters where id = ?", id)
        return self._changes("delete from dead_letters where id = ?", id)

    def discard(self, ids: Collection[int]) -> int:
        """Remove dead letters for good; returns how many of these there were."""
        with self._transaction():
            return sum(self._changes("delete from dead_letters where id = ?", id) for id in ids)

    def clear_dead_letters(self) -> None:
        """Remove all dead letters, and what the file's log still has of anything that was removed."""
        self._changes("delete from dead_letters")
        [(is_busy, _, _)] = self._rows("pragma wal_checkpoint(truncate)")
        if is_busy:
            raise sqlite3.OperationalError("others are at it, so that its log still holds what was removed")

    def hear(self, heard: Iterable[Heard]) -> None:
        """Take note of which webhooks there are, and of when they have brought something."""
        with self._transaction():
            for webhook, table, at in heard:
                micros = None if at is None else microseconds(at)
                self._changes(
                    "insert into channels values (?, ?, ?, ?, ?, ?) on conflict do update set "
                    "heard_at = coalesce(max(heard_at, excluded.heard_at), heard_at, excluded.heard_at), "
                    "webhook_type = excluded.webhook_type, hook_url_hash = excluded.hook_url_hash",
                    *(webhook.id, webhook.connection_id, table, webhook.webhook_type),
                    *(hook_url_hash(webhook.hook_url), micros),
                )
                if micros is not None:
                    place = webhook.connection_id, table, webhook.event
                    self._changes("insert or ignore into pulses values (?, ?, ?, ?)", *place, micros // _MINUTE)

    def channels(self) -> list[Channel]:
        """Which webhooks are to bring something."""
        names = "webhook_id, connection_id, object, webhook_type, hook_url_hash, heard_at"
        return [
            Channel(webhook_id, connection_id, table, webhook_type, url_hash, heard_at and _moment(heard_at))
            for webhook_id, connection_id, table, webhook_type, url_hash, heard_at in self._rows(
                f"select {names} from channels"
            )
        ]

    def unhear(self, webhook_ids: Iterable[str]) -> None:
        """Forget webhooks that there are no more."""
        with self._transaction():
            for id in webhook_ids:
                self._changes("delete from channels where webhook_id = ?", id)

    def pulses(self) -> Pulses:
        """The minutes in which each event was heard of lately, in order."""
        pulses: dict[tuple[str, str, str], list[datetime]] = {}
        for *place, minute in self._rows("select connection_id, object, event, minute from pulses order by 1, 2, 3, 4"):
            pulses.setdefault((place[0], place[1], place[2]), []).append(_moment(minute * _MINUTE))
        return pulses

    def cover(self, connection_id: str, table: str, covered: Covered) -> None:
        """Take note of what was polled because no webhook brought it."""
        values = (connection_id, table, microseconds(covered.until), covered.looks, covered.reason, covered.is_unwell)
        self._changes("insert or replace into covered values (?, ?, ?, ?, ?, ?)", *values)

    def covered(self) -> dict[tuple[str, str], Covered]:
        """What was polled because no webhook brought it, by connection and table."""
        rows = self._rows("select connection_id, object, until, looks, reason, is_unwell from covered")
        return {
            (connection_id, table): Covered(_moment(until), looks, reason, bool(is_unwell))
            for connection_id, table, until, looks, reason, is_unwell in rows
        }

    def forget_old(self, now: datetime) -> None:
        """Let go of what is remembered of deliveries that came too long before the last one, but for when each event
        was last heard of. What lies in the future, for a clock was wrong, is not the last one."""
        at = microseconds(now)
        self._changes(
            "delete from taken where day < (select max(day) from taken where day <= ?) - ?", at // _DAY, DAYS_REMEMBERED
        )
        self._changes(
            "delete from pulses where minute < (select max(minute) from pulses where minute <= ?) - ? and exists ("
            "select 1 from pulses as later where (later.connection_id, later.object, later.event)"
            " = (pulses.connection_id, pulses.object, pulses.event) and later.minute > pulses.minute)",
            *(at // _MINUTE, RHYTHM_WINDOW // timedelta(minutes=1)),
        )

    def contents(self) -> Contents:
        """What is in it at this moment."""
        [(waiting, oldest, dead)] = self._rows(
            "select count(*), min(received_at), (select count(*) from dead_letters) from deliveries"
        )
        pages, most_pages, free_pages = (
            self._rows(f"pragma {name}")[0][0] for name in ("page_count", "max_page_count", "freelist_count")
        )
        is_full = most_pages - pages + free_pages <= most_pages * _LITTLE
        return Contents(waiting, None if oldest is None else _moment(oldest), dead, is_full)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("begin immediate")
        try:
            yield
            self._database.execute("commit")
        except BaseException:
            if self._database.in_transaction:  # some errors end it themselves
                self._database.execute("rollback")
            raise

    def _changes(self, statement: str, *values: object) -> int:
        return self._database.execute(statement, values).rowcount

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self._database.execute(query, values).fetchall()


def _make_for_its_owner_alone(path: Path) -> None:
    """If it is not there. One that is must not be opened beside SQLite: to close it again would take from this process
    every lock that it holds on it, and another one may then think itself the last and remove the file's log."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def hook_url_hash(hook_url: str) -> bytes:
    """Tells one address from another without the token that may stand in it."""
    return hashlib.sha256(hook_url.encode(errors="surrogatepass")).digest()


def _moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)
