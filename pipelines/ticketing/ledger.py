"""What a source shows of one object and what the warehouse holds of it, side by side: however many there are, only the
differences come into this process's memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from tempfile import TemporaryDirectory
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.warehouse.stored import StoredState
from transforms.values import EPOCH, microseconds

_SHOWN = pa.schema([("id", pa.string()), ("updated_at", pa.int64()), ("ticket_id", pa.string())])
_HELD = pa.schema(
    [("id", pa.string()), ("updated_at", pa.int64()), ("observed_at", pa.int64()), ("is_deleted", pa.bool_())]
)
_SAY_OTHER = pa.schema([("id", pa.string())])

_ROWS_AT_ONCE = 10_000

_OPTIONS: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "200MB", "threads": 1}

_LIST = """
create or replace temp table listed as
select id, max(updated_at) as updated_at from shown group by id order by updated_at nulls first, id
"""
"""What is shown, each once and by its time, so that the number of its row is its place. Sums and texts are not worked
out for all of it: what they take cannot be spilled."""

_DIFFERENCES = """
with differing as (
    select listed.id, listed.rowid as place, listed.updated_at as shown_at, held.updated_at as held_at, observed_at,
        case
            when held.id is null then 'missing'
            when held.is_deleted then 'deleted'
            when listed.updated_at is distinct from held.updated_at then 'other_state'
            else 'other_content'
        end as differs
    from listed
    left join held on held.id = listed.id
    where held.id is null
        or held.is_deleted
        or listed.updated_at is distinct from held.updated_at
        or listed.id in (select id from say_other)
),
tickets as (
    select id, last(ticket_id) as ticket_id from shown where id in (select id from differing) group by id
)
select differs, differing.id, shown_at, held_at, observed_at, ticket_id, place
from differing
left join tickets on tickets.id = differing.id
order by place
"""

_UNSEEN = """
select id from held anti join listed using (id) where not is_deleted order by id
"""

_RETURNED = """
select id from held semi join listed using (id) where is_deleted order by id
"""


class Differs(Enum):
    """In what a record that the source shows is not as the warehouse holds it."""

    MISSING = "missing"
    DELETED = "deleted"
    """The warehouse holds it as gone."""
    OTHER_STATE = "other_state"
    """It is there, of another time."""
    OTHER_CONTENT = "other_content"
    """It is there, of the same time."""


@dataclass(frozen=True)
class Difference:
    """A record that the source shows and the warehouse does not hold so. Times are UTC; `place` counts the records that
    are shown by their times."""

    differs: Differs
    id: str
    shown_at: datetime | None
    held_at: datetime | None
    observed_at: datetime | None
    ticket_id: str | None
    place: int


@dataclass(frozen=True)
class Sight:
    """A record as a list shows it."""

    id: str
    updated_at: datetime | None
    ticket_id: str | None = None


class Ledger:
    """The two sides of one object. For one thread at a time."""

    def __init__(self, database: duckdb.DuckDBPyConnection) -> None:
        self._database = database
        self._waiting: list[Sight] = []
        self.shown_id: str | None = None
        """An id that the source has shown."""
        for name, schema in (("shown", _SHOWN), ("held", _HELD), ("say_other", _SAY_OTHER)):
            self._database.register("empty", schema.empty_table())
            self._database.execute(f"create or replace temp table {name} as select * from empty")
        self._is_listed = False

    def show(self, sights: Iterable[Sight]) -> None:
        """What the source shows; of one that it shows twice, the newest counts."""
        self._waiting += sights
        if self.shown_id is None and self._waiting:
            self.shown_id = self._waiting[0].id
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._flush()

    def hold(self, states: Sequence[StoredState]) -> None:
        """What the warehouse holds, each record once."""
        columns = {
            "id": [state.id for state in states],
            "updated_at": [_micros(state.updated_at) for state in states],
            "observed_at": [_micros(state.observed_at) for state in states],
            "is_deleted": [state.is_deleted for state in states],
        }
        self._insert("held", pa.table(columns, _HELD))

    def hold_other(self, ids: Iterable[str]) -> None:
        """The ids of records that were read whole, of which the warehouse says something else."""
        if listed := list(ids):
            self._insert("say_other", pa.table({"id": listed}, _SAY_OTHER))

    def count(self) -> tuple[int, int]:
        """How many records the source shows, and how many the warehouse holds that are not gone."""
        shown = self._rows("select count(*) from listed")[0][0]
        held = self._rows("select count(*) from held where not is_deleted")[0][0]
        return int(shown), int(held)

    def unseen(self) -> list[str]:
        """The ids of records that the warehouse holds and the source does not show."""
        return [id for (id,) in self._rows(_UNSEEN)]

    def returned(self) -> list[str]:
        """The ids of records that the warehouse holds as gone and the source shows."""
        return [id for (id,) in self._rows(_RETURNED)]

    def differences(self) -> list[Difference]:
        """The records that the source shows and the warehouse does not hold so, by their times."""
        return [
            Difference(Differs(differs), id, _moment(shown), _moment(held), _moment(observed), ticket_id, place)
            for differs, id, shown, held, observed, ticket_id, place in self._rows(_DIFFERENCES)
        ]

    def close(self) -> None:
        self._database.close()

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        self._flush()
        if not self._is_listed:
            self._database.execute(_LIST)
            self._is_listed = True
        return self._database.execute(query).fetchall()

    def _flush(self) -> None:
        if self._waiting:
            self._is_listed = False
            sights, self._waiting = self._waiting, []
            columns = {
                "id": [sight.id for sight in sights],
                "updated_at": [_micros(sight.updated_at) for sight in sights],
                "ticket_id": [sight.ticket_id for sight in sights],
            }
            self._insert("shown", pa.table(columns, _SHOWN))

    def _insert(self, name: str, rows: pa.Table) -> None:
        self._database.register("rows", rows)
        self._database.execute(f"insert into {name} select * from rows")
        self._database.unregister("rows")


class Ledgers:
    """The ledgers of one run, which share a bounded piece of memory and spill to a folder that ends with them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._database: duckdb.DuckDBPyConnection | None = None
        self._folder: TemporaryDirectory[str] | None = None

    def open(self) -> Ledger:
        """An empty ledger; safe between threads."""
        with self._lock:
            if self._database is None:
                self._folder = TemporaryDirectory(prefix="ticketing-", ignore_cleanup_errors=True)
                self._database = duckdb.connect(":memory:", config=_OPTIONS | {"temp_directory": self._folder.name})
            return Ledger(self._database.cursor())

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
            if self._folder is not None:
                self._folder.cleanup()
            self._database = self._folder = None


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=micros)
