"""What the warehouse already holds, as far as reading needs to know it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from pipelines.warehouse.runs import LOADS
from transforms.forgotten import SALT, Forgotten, Tombstone
from transforms.schemas import (
    FORGOTTEN,
    NOTE_SWEEPS,
    RAW_TABLES,
    RECORD_TABLES,
    SYNC_COVERAGE,
    SYNC_RUNS,
    WRITEBACK_LOG,
    Kind,
)

_IDS_A_QUERY = 10_000

_STATES_A_QUERY = 20_000

_SPANS_A_QUERY = 100

_ID_AND_VERSION = itemgetter(0, -1)

_FIRST = datetime.min.replace(tzinfo=UTC)

_STATES = """
select id, updated_at, {ticket_id}, _observed_at, _deleted_at is not null, _version_key
from {table}
where connection_id = %s
"""

_IS_DUE = """(
        sweeps.ticket_row_hash is null
        or sweeps.ticket_row_hash <> tickets._row_hash
        or (%s and not coalesce(sweeps.with_raw, false))
        or sweeps.swept_at < tickets._observed_at
        or sweeps.swept_at < least(tickets.updated_at, tickets._observed_at) + interval '{lookback} seconds'
    )"""

_CHANGED = f"""
select tickets.id, tickets._row_hash
from {{tickets}} as tickets
left join {{note_sweeps}} as sweeps on sweeps.connection_id = tickets.connection_id and sweeps.ticket_id = tickets.id
where tickets.connection_id = %s and tickets._deleted_at is null
    and {_IS_DUE}
order by sweeps.ticket_id is not null and sweeps.ticket_row_hash is null, tickets.updated_at desc, tickets.id
limit %s
"""

_THREADS = f"""
select
    tickets.id, sweeps.swept_at, coalesce(upper(tickets.status), '') = 'CLOSED',
    coalesce({_IS_DUE}, false)
from {{tickets}} as tickets
left join {{note_sweeps}} as sweeps on sweeps.connection_id = tickets.connection_id and sweeps.ticket_id = tickets.id
where tickets.connection_id = %s and tickets._deleted_at is null
order by tickets.id
"""

_UNSWEPT = """
select tickets.id, tickets._row_hash
from {tickets} as tickets
inner join {note_sweeps} as sweeps on sweeps.connection_id = tickets.connection_id and sweeps.ticket_id = tickets.id
where tickets.connection_id = %s and tickets._deleted_at is null and sweeps.ticket_row_hash = tickets._row_hash
    and coalesce(upper(tickets.status), '') <> 'CLOSED' and sweeps.swept_at < %s
order by sweeps.swept_at, tickets.id
limit %s
"""

_IS_LOADED = f"_dlt_load_id in (select load_id from {{{LOADS}}} where status = 0)"
"""What a row tells of other tables is believed once the load that brought it has come to its end."""

Rows: TypeAlias = list[tuple[Any, ...]]

Ask: TypeAlias = Callable[..., Rows]
"""The rows of a query, in which the raw tables stand in braces, with its parameters."""


@dataclass(frozen=True)
class StoredTicket:
    """A living ticket and the hash of the state in which it is stored."""

    id: str
    row_hash: str


class StoredState(NamedTuple):
    """What is stored of a record, without what it says. Times are UTC; `ticket_id` is None but for notes."""

    id: str
    updated_at: datetime | None
    ticket_id: str | None
    observed_at: datetime | None
    is_deleted: bool
    version_key: str


class StoredThread(NamedTuple):
    """A living ticket; when its notes were last read (None: never), and whether the next sync reads them again."""

    id: str
    swept_at: datetime | None
    is_closed: bool
    is_due: bool


class Stored:
    """One connection's rows in the raw tables. Every answer is empty where a table is not there yet."""

    def __init__(self, ask: Ask, connection_id: str) -> None:
        self._ask = ask
        self._connection_id = connection_id

    def changed_tickets(self, lookback: timedelta, limit: int, *, with_raw: bool) -> list[StoredTicket]:
        """Living tickets whose notes were not read since a lookback after they got into their present state, for a
        note may become visible late, or not with their `raw`, where it is wanted; newest first, those at the end whose
        notes could not be read the last time."""
        query = _CHANGED.replace("{lookback}", str(int(lookback.total_seconds())))
        return [StoredTicket(*row) for row in self._rows(query, self._connection_id, with_raw, limit)]

    def unswept_tickets(self, swept_before: datetime, limit: int) -> list[StoredTicket]:
        """Open, unchanged tickets whose notes were last read before a time, longest unread first."""
        return [StoredTicket(*row) for row in self._rows(_UNSWEPT, self._connection_id, swept_before, limit)]

    def living_tickets(self, since: datetime | None = None) -> list[StoredTicket]:
        """All living tickets, or those updated from a time on."""
        query = "select id, _row_hash from {tickets} where connection_id = %s and _deleted_at is null"
        bound = () if since is None else (since,)
        query += " and updated_at >= %s" if bound else ""
        return [StoredTicket(*row) for row in self._rows(f"{query} order by id", self._connection_id, *bound)]

    def deleted_ids(self, table: str) -> set[str]:
        return self._ids(f"select id from {{{table}}} where connection_id = %s and _deleted_at is not null")

    def undated_ids(self, table: str) -> set[str]:
        """The ids of living rows without `updated_at`."""
        return self._ids(
            f"select id from {{{table}}} where connection_id = %s and _deleted_at is null and updated_at is null"
        )

    def oldest_update(self, table: str) -> datetime | None:
        """The earliest `updated_at` of a living row; None where one has none."""
        query = (
            f"select min(updated_at), count(*) - count(updated_at) from {{{table}}} "
            "where connection_id = %s and _deleted_at is null"
        )
        for oldest, without in self._rows(query, self._connection_id):
            return _utc(oldest) if not without else None
        return None

    def notes_of(self, ticket_ids: Sequence[str]) -> dict[str, str]:
        """The living notes of some tickets: their ids, and the ticket of each."""
        query = "select id, ticket_id from {notes} where connection_id = %s and _deleted_at is null"
        return dict(self._rows_by_ids(f"{query} and ticket_id in ({{some}})", ticket_ids))

    def living_notes(self) -> dict[str, str | None]:
        """The ids of all living notes, and the ticket of each."""
        query = "select id, ticket_id from {notes} where connection_id = %s and _deleted_at is null"
        return dict(self._rows(query, self._connection_id))

    def a_note_but(self, ids: Collection[str]) -> str | None:
        """The id of a living note that is none of these."""
        query = "select id from {notes} where connection_id = %s and _deleted_at is null limit %s"
        return next((row[0] for row in self._rows(query, self._connection_id, len(ids) + 1) if row[0] not in ids), None)

    def states(self, table: str) -> Iterator[list[StoredState]]:
        """Every record, some at a time."""
        states = _newest(self._sorted_rows(table))
        while some := list(islice(states, _STATES_A_QUERY)):
            yield some

    def _sorted_rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        query = f"{_states(table)} and (id, _version_key) > (%s, %s) order by id, _version_key limit {_STATES_A_QUERY}"
        rows = self._rows(query, self._connection_id, "", "")
        while rows:
            yield from rows
            rows = self._rows(query, self._connection_id, rows[-1][0], rows[-1][-1])

    def states_of(self, table: str, ids: Iterable[str]) -> list[StoredState]:
        """Some records."""
        query = f"{_states(table)} and id in ({{some}})"
        return [*_newest(sorted(self._rows_by_ids(query, sorted({*ids})), key=_ID_AND_VERSION))]

    def ids_between(self, table: str, spans: Sequence[tuple[datetime | None, datetime]]) -> set[str]:
        """The ids of what was updated in one of the spans: from a time on (None: from ever) and before another."""
        found: set[str] = set()
        for start in range(0, len(spans), _SPANS_A_QUERY):
            some = [(since or _FIRST, until) for since, until in spans[start : start + _SPANS_A_QUERY]]
            within = " or ".join(["(updated_at >= %s and updated_at < %s)"] * len(some))
            query = f"select id from {{{table}}} where connection_id = %s and ({within})"
            found |= {row[0] for row in self._rows(query, self._connection_id, *chain(*some))}
        return found

    def states_of_notes(self, ticket_ids: Sequence[str]) -> list[StoredState]:
        """The notes of some tickets."""
        rows = self._rows_by_ids(f"{_states('notes')} and ticket_id in ({{some}})", ticket_ids)
        return [*_newest(sorted(rows, key=_ID_AND_VERSION))]

    def moments(self, table: str, limit: int) -> list[datetime]:
        """The times at which some living records were updated, taken at random; fewer where there are fewer."""
        query = (
            f"select updated_at from {{{table}}} where connection_id = %s and _deleted_at is null "
            "and updated_at is not null order by random() limit %s"
        )
        return [moment for row in self._rows(query, self._connection_id, limit) if (moment := _utc(row[0]))]

    def count(self, table: str) -> int:
        """How many living rows there are."""
        query = f"select count(*) from {{{table}}} where connection_id = %s and _deleted_at is null"
        return sum(row[0] for row in self._rows(query, self._connection_id))

    def reads_threads(self) -> bool:
        """Whether notes have ever been read ticket by ticket."""
        return bool(self._rows("select 1 from {note_sweeps} where connection_id = %s limit 1", self._connection_id))

    def threads(self, lookback: timedelta, *, with_raw: bool) -> list[StoredThread]:
        """All living tickets, as far as the reading of their notes is concerned; see `changed_tickets`."""
        query = _THREADS.replace("{lookback}", str(int(lookback.total_seconds())))
        rows = self._rows(query, with_raw, self._connection_id)
        return [StoredThread(id, _utc(swept_at), is_closed, is_due) for id, swept_at, is_closed, is_due in rows]

    def reconciled_at(self, table: str) -> datetime | None:
        """When the last reconcile of an object began that has come to its end; None: there was none."""
        query = (
            "select max(started_at) from {sync_runs} where connection_id = %s and object = %s and is_complete "
            f"and command = 'reconcile' and {_IS_LOADED}"
        )
        return next((_utc(row[0]) for row in self._rows(query, self._connection_id, table)), None)

    def seen_gone(self, table: str, before: datetime) -> set[str]:
        """The ids that the last verify before a time has seen to be gone, of those that looked at all there is."""
        query = (
            "select cast(gone as varchar) from {sync_coverage} where connection_id = %s and object = %s "
            f"and is_complete and is_sample is not true and ended_at < %s and {_IS_LOADED} "
            "order by started_at desc limit 1"
        )
        rows = self._rows(query, self._connection_id, table, before)
        return {str(id) for row in rows for id in json.loads(row[0] or "[]")}

    def records(self, table: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Whole rows by column, ids that are not there left out: times aware and in UTC, JSON as text."""
        columns = RECORD_TABLES[table].columns
        selected = ", ".join(
            f"cast({name} as varchar) as {name}" if kind is Kind.JSON else name for name, kind in columns.items()
        )
        query = f"select {selected} from {{{table}}} where connection_id = %s and id in ({{some}})"
        return [
            {
                name: _utc(value) if isinstance(value, datetime) else value
                for name, value in zip(columns, row, strict=True)
            }
            for row in self._rows_by_ids(query, ids)
        ]

    def _ids(self, query: str) -> set[str]:
        return {row[0] for row in self._rows(query, self._connection_id)}

    def _rows_by_ids(self, query: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        rows = []
        for start in range(0, len(ids), _IDS_A_QUERY):
            some = ids[start : start + _IDS_A_QUERY]
            rows += self._rows(query.replace("{some}", "select unnest(%s)"), self._connection_id, [*some])
        return rows

    def _rows(self, query: str, *parameters: object) -> Rows:
        return self._ask(query, *parameters)


def asking(pipeline: dlt.Pipeline) -> Ask:
    """Asks the warehouse of a pipeline; only from the thread that runs it, for dlt keeps its own state by thread."""

    def ask(query: str, *parameters: object) -> Rows:
        with pipeline.sql_client() as client:
            names = {
                name: client.make_qualified_table_name(name)
                for name in (
                    *RECORD_TABLES,
                    NOTE_SWEEPS.name,
                    SYNC_RUNS.name,
                    SYNC_COVERAGE.name,
                    FORGOTTEN.name,
                    WRITEBACK_LOG.name,
                    LOADS,
                )
            }
            try:
                return [tuple(row) for row in client.execute_sql(query.format(**names), *parameters) or []]
            except DatabaseUndefinedRelation:
                return []

    return ask


def _states(table: str) -> str:
    ticket_id = "ticket_id" if "ticket_id" in RECORD_TABLES[table].columns else "null"
    return _STATES.replace("{ticket_id}", ticket_id).replace("{table}", f"{{{table}}}")


def _newest(rows: Iterable[tuple[Any, ...]]) -> Iterator[StoredState]:
    """Of each record the state in its newest row, from rows by id and version; it is gone if every row says so."""
    for _, of_one in groupby(rows, key=itemgetter(0)):
        states = [StoredState(*row) for row in of_one]
        newest = states[-1]
        yield newest._replace(
            updated_at=_utc(newest.updated_at),
            observed_at=_utc(newest.observed_at),
            is_deleted=all(state.is_deleted for state in states),
        )


def count_living(ask: Ask, tables: Iterable[str]) -> dict[tuple[str, str], int]:
    """How many living rows there are, by connection and table."""
    query = "select connection_id, count(*) from {{{}}} where _deleted_at is null group by connection_id"
    return {(connection_id, table): rows for table in tables for connection_id, rows in ask(query.format(table))}


def count_open_tickets(ask: Ask) -> dict[str, int]:
    """How many tickets are not closed, by connection."""
    is_open = "_deleted_at is null and coalesce(upper(status), '') <> 'CLOSED'"
    return dict(ask(f"select connection_id, count(*) from {{tickets}} where {is_open} group by connection_id"))


def count_attempts(ask: Ask, plan_id: str) -> int:
    """How many attempts at a triage plan the warehouse knows of."""
    return sum(count for (count,) in ask("select count(*) from {writeback_log} where plan_id = %s", plan_id))


def recall(forgotten: Forgotten, ask: Ask) -> None:
    """Fill in whom the warehouse knows to have been forgotten."""
    for connection_id, object, digest in ask("select connection_id, object, digest from {forgotten}"):
        if object == SALT:
            forgotten.salt = bytes.fromhex(digest)
        else:
            forgotten.tombstones.add(Tombstone(connection_id, object, digest))


def lacks_columns(table: str) -> bool:
    """Whether the warehouse has not all columns of a raw table yet, as the running pipeline knows it."""
    known = dlt.current.source_schema()
    if table not in known.data_table_names(seen_data_only=True):
        return True
    return not RAW_TABLES[table].columns.keys() <= known.get_table_columns(table).keys()


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
