"""The journal: what was sent to helpdesks, or was about to be, in a file that outlives a kill or a power cut."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeAlias

import msgspec

from pipelines.unified_api.records import Record
from pipelines.writeback.plan import Plan, Step, Value
from transforms.values import mended_names, mended_text

FILE = "writeback.sqlite3"

Place: TypeAlias = tuple[str, str]
"""A connection and a ticket of it."""

_SECONDS_TO_WAIT = 15.0

_SCHEMA = """
create table if not exists attempts (
    id integer primary key autoincrement,
    plan_id text not null,
    connection_id text not null,
    ticket_id text not null,
    action text not null,
    integration_type text not null,
    undoes text,
    reason text,
    by_whom text not null,
    begun_at text not null,
    old text not null,
    new text not null,
    baseline text not null,
    before blob,
    ending text,
    ended_at text,
    told text,
    taken text not null default '{}',
    record_id text,
    after blob,
    is_loaded integer not null default 0
);
create index if not exists attempts_of_tickets on attempts (connection_id, ticket_id);
create index if not exists attempts_to_load on attempts (id) where not is_loaded;
"""
"""One row an attempt. `old` and `new` are by field; `baseline` is by what a second look tells whether it was carried
out; `taken` is by field what the helpdesk showed after it. `before` and `after` are records as the API sent them,
until they are in the warehouse; `record_id` is of the record that an answer showed. An attempt without an `ending` was
cut short; the first look at what is open sets `ended_at`, later ones that tell no more do not."""


class Action(StrEnum):
    """What is done to a ticket in one call."""

    NOTE = "note"
    CHANGE = "change"


class Ending(StrEnum):
    """What became of an attempt."""

    WRITTEN = "written"
    """Carried out."""
    STANDING = "standing"
    """It was so already; nothing was sent."""
    CONFLICT = "conflict"
    """Somebody else has changed what it is about; nothing was sent."""
    REFUSED = "refused"
    """The API will not do it."""
    FAILED = "failed"
    """A passing fault; it was certainly not carried out."""
    UNKNOWN = "unknown"
    """It may have been carried out; a later look will tell."""
    HELD = "held"
    """It may have been carried out, and no look can tell any more: a person has to."""


SETTLED = frozenset({Ending.WRITTEN, Ending.STANDING})
"""There is nothing more to be done."""

OPEN = frozenset({Ending.UNKNOWN, Ending.HELD})
"""It may have been carried out."""


class Sighting(msgspec.Struct, frozen=True):
    """A record as the API sent it, by field the bytes of its JSON, which may be such as few can read; and when it was
    served by the API's clock."""

    fields: dict[str, bytes]
    served_at: datetime

    @classmethod
    def of(cls, record: Record, served_at: datetime) -> Self:
        return cls({name: bytes(json) for name, json in mended_names({**record.fields}).items()}, served_at)


class Attempt(NamedTuple):
    """One attempt, as the journal's schema says."""

    id: int
    plan_id: str
    connection_id: str
    ticket_id: str
    action: Action
    integration_type: str
    undoes: str | None
    reason: str | None
    by_whom: str
    begun_at: datetime
    old: dict[str, Value]
    new: dict[str, Value]
    baseline: Any
    before: Sighting | None
    ending: Ending
    ended_at: datetime | None
    told: str | None
    taken: dict[str, Value]
    record_id: str | None
    after: Sighting | None
    is_loaded: bool

    @property
    def place(self) -> Place:
        return self.connection_id, self.ticket_id

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing more to be done: of a change, whether the helpdesk has taken all of it."""
        return self.ending in SETTLED and (self.ending is Ending.STANDING or self.new.keys() <= self.taken.keys())


class Journal:
    """One journal; any number of threads and processes may have it open. Raises `sqlite3.Error` where it cannot be read
    or written. `now` is for tests."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        self.now = now
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, timeout=_SECONDS_TO_WAIT, isolation_level=None, check_same_thread=False)
        self._database.execute("pragma journal_mode = wal")
        # What was begun has reached the disk before anything is sent, and what is removed leaves no trace in the file.
        self._database.execute("pragma synchronous = full")
        self._database.execute("pragma secure_delete = on")
        with self._transaction():
            for statement in filter(str.strip, _SCHEMA.split(";")):
                self._database.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def begin(
        self,
        plan: Plan,
        step: Step,
        action: Action,
        *,
        by_whom: str,
        new: Mapping[str, Value],
        old: Mapping[str, Value] | None = None,
        baseline: object = None,
        before: Sighting | None = None,
        ending: Ending | None = None,
        told: str | None = None,
        record_id: str | None = None,
    ) -> int:
        """Keep what is about to be sent; it is on the disk when this returns. The id of the attempt.

        With an `ending` at once, nothing is sent, and this is all of it.
        """
        now = self.now().isoformat()
        values = {
            "plan_id": plan.id,
            "connection_id": step.connection_id,
            "ticket_id": step.ticket_id,
            "action": action.value,
            "integration_type": step.integration_type,
            "undoes": plan.undoes,
            "reason": step.reason,
            "by_whom": by_whom,
            "begun_at": now,
            "old": _json(old or {}),
            "new": _json(new),
            "baseline": _json(baseline),
            "before": None if before is None else msgspec.msgpack.encode(before),
            "ending": None if ending is None else ending.value,
            "ended_at": None if ending is None else now,
            "told": _holdable(told),
            "record_id": record_id,
        }
        marks = ", ".join("?" * len(values))
        statement = f"insert into attempts ({', '.join(values)}) values ({marks}) returning id"
        with self._transaction():
            [(attempt_id,)] = self._database.execute(statement, [*values.values()]).fetchall()
        return int(attempt_id)

    def end(
        self,
        attempt_id: int,
        ending: Ending,
        told: str | None = None,
        *,
        taken: Mapping[str, Value] | None = None,
        record_id: str | None = None,
        after: Sighting | None = None,
    ) -> None:
        """Keep what became of an attempt. `taken`: by field what the helpdesk shows now that it was carried out."""
        with self._transaction():
            self._database.execute(
                "update attempts set ending = ?, ended_at = ?, told = ?, taken = ?, record_id = ?, after = ?, "
                "is_loaded = 0 where id = ?",
                (
                    *(ending.value, self.now().isoformat(), _holdable(told), _json(taken or {}), record_id),
                    *(None if after is None else msgspec.msgpack.encode(after), attempt_id),
                ),
            )

    def attempt(self, attempt_id: int) -> Attempt:
        """One attempt as it is now."""
        [attempt] = self._attempts("id = ?", attempt_id)
        return attempt

    def of_plan(self, plan_id: str) -> list[Attempt]:
        """All attempts at a plan, in the order in which they were begun."""
        return self._attempts("plan_id = ?", plan_id)

    def notes_of(self, place: Place) -> list[Attempt]:
        """Of all plans the notes of a ticket that were sent, or may have been."""
        is_sent = f"({_IS_OPEN} or ending = ?)"
        return self._attempts(
            f"connection_id = ? and ticket_id = ? and action = ? and {is_sent}",
            *(*place, Action.NOTE.value, Ending.WRITTEN.value),
        )

    def changes_of(self, place: Place) -> list[Attempt]:
        """Of all plans the changes of a ticket that were written."""
        return self._attempts(
            "connection_id = ? and ticket_id = ? and action = ? and ending = ?",
            *(*place, Action.CHANGE.value, Ending.WRITTEN.value),
        )

    def last_id(self, place: Place) -> int | None:
        """The last attempt at a ticket by any plan."""
        attempts = self._attempts("connection_id = ? and ticket_id = ?", *place)
        return attempts[-1].id if attempts else None

    def open_attempts(self) -> list[Attempt]:
        """Of all plans what may or may not have been carried out."""
        return self._attempts(_IS_OPEN)

    def undone_by(self, plan_id: str) -> str | None:
        """The plan that has taken back some of another; None where none has."""
        for attempt in self._attempts("undoes = ? and ending = ?", plan_id, Ending.WRITTEN.value):
            return attempt.plan_id
        return None

    def plans(self) -> list[tuple[str, Attempt, Mapping[Ending, int]]]:
        """Of each plan that was ever begun the last attempt, and how many of its actions ended how; the latest last."""
        by_plan: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in self._attempts("true"):
            by_plan[attempt.plan_id].append(attempt)
        return [
            (plan_id, attempts[-1], Counter(attempt.ending for attempt in last_by_action(attempts).values()))
            for plan_id, attempts in by_plan.items()
        ]

    def to_load(self, most: int) -> list[Attempt]:
        """Attempts that are not in the warehouse as they are now, the first of them."""
        return self._attempts(f"not is_loaded order by id limit {most}")

    def count_to_load(self) -> int:
        """How many attempts are not in the warehouse as they are now."""
        with self._lock:
            [(count,)] = self._database.execute("select count(*) from attempts where not is_loaded").fetchall()
        return int(count)

    def loaded(self, attempts: Sequence[Attempt]) -> None:
        """Note that they are in the warehouse as they were then. The records that they brought are there, too."""
        with self._transaction():
            self._database.executemany(
                "update attempts set is_loaded = 1, before = null, after = null where id = ? and ending is ?",
                [(attempt.id, None if attempt.ended_at is None else attempt.ending.value) for attempt in attempts],
            )

    def remove(self, places: Collection[Place]) -> None:
        """Forget all about these tickets."""
        with self._transaction():
            self._database.executemany("delete from attempts where connection_id = ? and ticket_id = ?", [*places])
        with self._lock:
            self._database.execute("pragma wal_checkpoint(truncate)")

    def _attempts(self, condition: str, *values: object) -> list[Attempt]:
        columns = ", ".join(Attempt._fields)
        ordered = condition if " order by " in condition else f"{condition} order by id"
        with self._lock:
            rows = self._database.execute(f"select {columns} from attempts where {ordered}", values).fetchall()
        return [_attempt(dict(zip(Attempt._fields, row, strict=True))) for row in rows]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._database.execute("begin immediate")
            try:
                yield
                self._database.execute("commit")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("rollback")
                raise


def last_by_action(attempts: Iterable[Attempt]) -> dict[tuple[Place, Action], Attempt]:
    """By ticket and action the last of these attempts, which come in the order in which they were begun."""
    return {(attempt.place, attempt.action): attempt for attempt in attempts}


_IS_OPEN = f"(ending is null or ending in ({', '.join(repr(ending.value) for ending in sorted(OPEN))}))"


def _attempt(row: dict[str, Any]) -> Attempt:
    decoded = {name: msgspec.json.decode(row[name]) for name in ("old", "new", "baseline", "taken")}
    return Attempt(
        **row
        | decoded
        | {
            "action": Action(row["action"]),
            "begun_at": datetime.fromisoformat(row["begun_at"]),
            "ending": Ending(row["ending"] or Ending.UNKNOWN),
            "ended_at": datetime.fromisoformat(row["ended_at"]) if row["ended_at"] else None,
            "is_loaded": bool(row["is_loaded"]),
            "before": _sighting(row["before"]),
            "after": _sighting(row["after"]),
        }
    )


def _sighting(packed: bytes | None) -> Sighting | None:
    return None if packed is None else msgspec.msgpack.decode(packed, type=Sighting)


def _holdable(text: str | None) -> str | None:
    return None if text is None else mended_text(text)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
