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
    [
        ("id", pa.string()),
        ("updated_at", pa.int64()),
        ("ticket_id", pa.string()),
        ("observed_at", pa.int64()),
        ("is_deleted", pa.bool_()),
        ("version_key", pa.string()),
    ]
)
_SAY_OTHER = pa.schema([("id", pa.string())])

_ROWS_AT_ONCE = 10_000

_OPTIONS: dict[str, str | bool | int | float | list[str]] = {"memory_limit": "200MB", "threads": 1}

_NEWEST = """
create or replace temp view newest_shown as
select id, max(updated_at) as updated_at, last(ticket_id) as ticket_id
from shown
group by id;

create or replace temp view newest_held as
select
    id, arg_max_null(updated_at, version_key) as updated_at, arg_max_null(ticket_id, version_key) as ticket_id,
    max(observed_at) as observed_at, bool_and(is_deleted) as is_deleted
from held
group by id;
"""

_DIFFERENCES = """
with ranked as (
    select *, row_number() over (order by updated_at nulls first, id) as place from newest_shown
)
select
    case
        when held.id is null then 'missing'
        when held.is_deleted then 'deleted'
        when shown.updated_at is distinct from held.updated_at then 'other_state'
        else 'other_content'
    end,
    shown.id, shown.updated_at, held.updated_at, held.observed_at, shown.ticket_id, shown.place
from ranked as shown
left join newest_held as held on held.id = shown.id
where held.id is null
    or held.is_deleted
    or shown.updated_at is distinct from held.updated_at
    or shown.id in (select id from say_other)
order by shown.place
"""

_UNSEEN = """
select id from newest_held where not is_deleted and id not in (select id from shown) order by id
"""

_RETURNED = """
select id from newest_held where is_deleted and id in (select id from shown) order by id
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
        self._database.execute(_NEWEST)

    def show(self, sights: Iterable[Sight]) -> None:
        """What the source shows; of one that it shows twice, the newest counts."""
        self._waiting += sights
        if self.shown_id is None and self._waiting:
            self.shown_id = self._waiting[0].id
        if len(self._waiting) >= _ROWS_AT_ONCE:
            self._flush()

    def hold(self, states: Sequence[StoredState]) -> None:
        """What the warehouse holds; of one that it holds twice, the newest counts."""
        columns = list(zip(*states, strict=True)) or [()] * len(_HELD)
        times = {_HELD.get_field_index("updated_at"), _HELD.get_field_index("observed_at")}
        self._insert(
            "held",
            pa.Table.from_arrays(
                [
                    pa.array(map(_micros, column) if index in times else column, kind)
                    for index, (column, kind) in enumerate(zip(columns, _HELD.types, strict=True))
                ],
                schema=_HELD,
            ),
        )

    def hold_other(self, ids: Iterable[str]) -> None:
        """The ids of records that were read whole, of which the warehouse says something else."""
        if listed := list(ids):
            self._insert("say_other", pa.table({"id": listed}, _SAY_OTHER))

    def count(self) -> tuple[int, int]:
        """How many records the source shows, and how many the warehouse holds that are not gone."""
        shown = self._rows("select count(*) from newest_shown")[0][0]
        held = self._rows("select count(*) from newest_held where not is_deleted")[0][0]
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
        return self._database.execute(query).fetchall()

    def _flush(self) -> None:
        if self._waiting:
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
