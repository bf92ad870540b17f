"""What the warehouse already holds, as far as reading needs to know it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from transforms.schemas import NOTE_SWEEPS, RAW_TABLES, RECORD_TABLES, Kind

_IDS_A_QUERY = 1_000

_CHANGED = """
select tickets.id, tickets._row_hash
from {tickets} as tickets
left join {note_sweeps} as sweeps on sweeps.connection_id = tickets.connection_id and sweeps.ticket_id = tickets.id
where tickets.connection_id = %s and tickets._deleted_at is null
    and (
        sweeps.ticket_row_hash is null
        or sweeps.ticket_row_hash <> tickets._row_hash
        or (%s and not coalesce(sweeps.with_raw, false))
        or sweeps.swept_at < tickets._observed_at
        or sweeps.swept_at < least(tickets.updated_at, tickets._observed_at) + {lookback}
    )
order by sweeps.ticket_id is not null and sweeps.ticket_row_hash is null, tickets.updated_at desc, tickets.id
limit %s
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


Rows: TypeAlias = list[tuple[Any, ...]]

Ask: TypeAlias = Callable[..., Rows]
"""The rows of a query, in which the raw tables stand in braces, with its parameters."""


@dataclass(frozen=True)
class StoredTicket:
    """A living ticket and the hash of the state in which it is stored."""

    id: str
    row_hash: str


class Stored:
    """One connection's rows in the raw tables. Every answer is empty where a table is not there yet."""

    def __init__(self, ask: Ask, connection_id: str) -> None:
        self._ask = ask
        self._connection_id = connection_id

    def changed_tickets(self, lookback: timedelta, limit: int, *, with_raw: bool) -> list[StoredTicket]:
        """Living tickets whose notes were not read since a lookback after they got into their present state, for a
        note may become visible late, or not with their `raw`, where it is wanted; newest first, those at the end whose
        notes could not be read the last time."""
        query = _CHANGED.replace("{lookback}", f"interval '{int(lookback.total_seconds())} seconds'")
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

    def living_ids(self, table: str) -> set[str]:
        return self._ids(f"select id from {{{table}}} where connection_id = %s and _deleted_at is null")

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
        return dict(self._rows_by_ids(f"{query} and ticket_id in ({{marks}})", ticket_ids))

    def living_notes(self) -> dict[str, str | None]:
        """The ids of all living notes, and the ticket of each."""
        query = "select id, ticket_id from {notes} where connection_id = %s and _deleted_at is null"
        return dict(self._rows(query, self._connection_id))

    def a_note_but(self, ids: Collection[str]) -> str | None:
        """The id of a living note that is none of these."""
        query = "select id from {notes} where connection_id = %s and _deleted_at is null limit %s"
        return next((row[0] for row in self._rows(query, self._connection_id, len(ids) + 1) if row[0] not in ids), None)

    def records(self, table: str, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Whole rows by column, ids that are not there left out: times aware and in UTC, JSON as text."""
        columns = RECORD_TABLES[table].columns
        selected = ", ".join(
            f"cast({name} as varchar) as {name}" if kind is Kind.JSON else name for name, kind in columns.items()
        )
        query = f"select {selected} from {{{table}}} where connection_id = %s and id in ({{marks}})"
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
            rows += self._rows(query.replace("{marks}", ", ".join(["%s"] * len(some))), self._connection_id, *some)
        return rows

    def _rows(self, query: str, *parameters: object) -> Rows:
        return self._ask(query, *parameters)


def asking(pipeline: dlt.Pipeline) -> Ask:
    """Asks the warehouse of a pipeline; only from the thread that runs it, for dlt keeps its own state by thread."""

    def ask(query: str, *parameters: object) -> Rows:
        with pipeline.sql_client() as client:
            names = {name: client.make_qualified_table_name(name) for name in (*RECORD_TABLES, NOTE_SWEEPS.name)}
            try:
                return [tuple(row) for row in client.execute_sql(query.format(**names), *parameters) or []]
            except DatabaseUndefinedRelation:
                return []

    return ask


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
