"""What earlier runs left in the warehouse: the version of its tables, and per connection and object the rows, the
cursor, the last success."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from pipelines.errors import FixConfiguration
from transforms.schemas import (
    DATASET,
    NOTE_SWEEPS,
    RAW_TABLES,
    RECORD_TABLES,
    REJECTED_RECORDS,
    SCHEMA_VERSION,
    SYNC_RUNS,
)


@dataclass(frozen=True)
class ObjectStatus:
    """One object of one connection. Times are UTC; the errors are the last run's, None if it went well."""

    connection_id: str
    integration_type: str | None
    object: str
    rows: int
    cursor: datetime | None
    last_success_at: datetime | None
    last_run_at: datetime
    last_plan: str
    last_error: str | None


_STATUS = """
with syncs as (
    select * from {sync_runs} where {is_sync} and _dlt_load_id in (select load_id from {loads} where status = 0)
),
ranked as (
    select *, row_number() over (partition by connection_id, object order by started_at desc, run_id desc) as recency
    from syncs
),
successes as (
    select connection_id, object, max(ended_at) as last_success_at
    from syncs
    where is_complete
    group by connection_id, object
)
select
    ranked.connection_id, ranked.integration_type, ranked.object, ranked.cursor_after,
    successes.last_success_at, ranked.started_at, ranked.plan, ranked.error
from ranked
left join successes
    on successes.connection_id = ranked.connection_id and successes.object = ranked.object
where ranked.recency = 1
order by ranked.connection_id, ranked.object
"""
"""Believed are the runs whose load came to its end: each table is merged for itself, and the rows that a run speaks of
may be missing beside it."""

_PRIVACY_SINCE = 3
"""The version of the raw tables with which the column `_privacy` came."""

LOADS = "_dlt_loads"
"""dlt's table of the loads that came to their end, with status 0."""


def stored_schema_version(pipeline: dlt.Pipeline) -> int | None:
    """The version of the raw tables that the warehouse was last written with, by a load that was cut short too: it
    has the tables changed before it brings rows. None before the first sync."""
    rows = _rows(pipeline, "select max(_schema_version) from {sync_runs}", sync_runs=SYNC_RUNS.name)
    return rows[0][0] if rows else None


def refuse_newer_schema(pipeline: dlt.Pipeline, warehouse: str) -> None:
    """Raise `FixConfiguration` if a newer version of this program has written to the warehouse of this name."""
    stored = stored_schema_version(pipeline) or 0
    if stored > SCHEMA_VERSION:
        raise FixConfiguration(
            f"Expected the raw tables of {warehouse} to be of version {SCHEMA_VERSION}, which this program knows, or "
            f"older, got version {stored}: a newer release of it has written there. Nothing was touched. Upgrade this "
            "program (git pull, then uv sync) and run it again."
        )


def refuse_older_schema(pipeline: dlt.Pipeline, warehouse: str) -> None:
    """Raise `FixConfiguration` before the first sync, and before the first one of this version of the program."""
    stored = stored_schema_version(pipeline)
    if stored is None:
        raise FixConfiguration(f"Nothing has been synced into {warehouse} yet. Run `ticketing sync` first.")
    if stored < SCHEMA_VERSION:
        raise FixConfiguration(
            f"Expected the raw tables of {warehouse} to be of version {SCHEMA_VERSION}, got version {stored}. Run "
            f"`ticketing sync` first: it brings the raw tables from version {stored} to {SCHEMA_VERSION}."
        )


def lacks_tables(pipeline: dlt.Pipeline) -> bool:
    """Whether a raw table is not there yet, as it has come with a newer release than that of the last sync."""
    query = f"select table_name from information_schema.tables where table_schema = '{DATASET}'"
    return not RAW_TABLES.keys() <= {name for (name,) in _rows(pipeline, query)}


def newest_load(pipeline: dlt.Pipeline) -> str:
    """The id of the last load that the warehouse has; empty before the first."""
    rows = _rows(pipeline, "select max(load_id) from {loads} where status = 0", loads=LOADS)
    return (rows[0][0] if rows else None) or ""


def is_loaded(pipeline: dlt.Pipeline, load_id: str) -> bool:
    """Whether a load has come to its end."""
    query = "select 1 from {loads} where load_id = %s and status = 0"
    with pipeline.sql_client() as client:
        names = {"loads": client.make_qualified_table_name(LOADS)}
        try:
            return bool(client.execute_sql(query.format(**names), load_id))
        except DatabaseUndefinedRelation:
            return False


def has_marts(pipeline: dlt.Pipeline) -> bool:
    """Whether the models have ever been built."""
    return bool(_rows(pipeline, "select 1 from information_schema.tables where table_schema = 'marts' limit 1"))


def swept_connections(pipeline: dlt.Pipeline) -> list[str]:
    """The connections whose notes have ever been read ticket by ticket."""
    rows = _rows(pipeline, "select distinct connection_id from {note_sweeps} order by 1", note_sweeps=NOTE_SWEEPS.name)
    return [connection_id for (connection_id,) in rows]


def read_status(pipeline: dlt.Pipeline) -> list[ObjectStatus]:
    """The state of every object of every connection that a sync has ever tried; empty before the first."""
    query = _STATUS.replace("{is_sync}", "coalesce(command, 'sync') = 'sync'" if _tells_commands(pipeline) else "true")
    counts = _row_counts(pipeline)
    return [
        ObjectStatus(
            connection_id=connection_id,
            integration_type=integration_type,
            object=table,
            rows=counts.get((connection_id, table), 0),
            cursor=_utc(cursor),
            last_success_at=_utc(last_success_at),
            last_run_at=_utc(started_at) or datetime.now(UTC),
            last_plan=plan,
            last_error=error,
        )
        for connection_id, integration_type, table, cursor, last_success_at, started_at, plan, error in _rows(
            pipeline, query, sync_runs=SYNC_RUNS.name, loads=LOADS
        )
    ]


@dataclass(frozen=True)
class StoredPrivacy:
    """Under which rules of privacy rows are stored, as their labels say (None: under none), by (connection id, table,
    label): rows of the raw tables, and of `rejected_records`."""

    rows: Mapping[tuple[str, str, str | None], int]
    rejected: Mapping[tuple[str, str, str | None], int]

    @property
    def connections(self) -> set[str]:
        return {connection_id for connection_id, _, _ in (*self.rows, *self.rejected)}

    def rows_otherwise(self, connection_id: str, table: str, label: str | None) -> dict[str, int]:
        """How many rows of a table are stored under other rules than these, by those."""
        return {
            name or "nothing": count
            for (its_connection, its_table, name), count in self.rows.items()
            if (its_connection, its_table) == (connection_id, table) and name != label
        }

    def rejected_otherwise(self, connection_id: str, table: str, label: str | None) -> int:
        """How many of its rejected records."""
        return sum(
            count
            for (its_connection, its_table, name), count in self.rejected.items()
            if (its_connection, its_table) == (connection_id, table) and name != label
        )


NOTHING_STORED = StoredPrivacy({}, {})


def read_privacy(pipeline: dlt.Pipeline) -> StoredPrivacy:
    """Under which rules of privacy the rows of a warehouse are stored."""
    stored = stored_schema_version(pipeline)
    label = "_privacy" if stored is not None and stored >= _PRIVACY_SINCE else "null"
    by_table = f"select connection_id, '{{name}}', {label}, count(*) from {{{{table}}}} group by 1, 3"
    rejected = f"select connection_id, object, {label}, count(*) from {{table}} group by 1, 2, 3"
    return StoredPrivacy(
        {
            (connection_id, name, under): count
            for table in RECORD_TABLES
            for connection_id, name, under, count in _rows(pipeline, by_table.format(name=table), table=table)
        },
        {
            (connection_id, name, under): count
            for connection_id, name, under, count in _rows(pipeline, rejected, table=REJECTED_RECORDS.name)
        },
    )


def _row_counts(pipeline: dlt.Pipeline) -> dict[tuple[str, str], int]:
    counts = {}
    for table in RECORD_TABLES:
        query = "select connection_id, count(*) from {table} where _deleted_at is null group by connection_id"
        for connection_id, rows in _rows(pipeline, query, table=table):
            counts[connection_id, table] = rows
    return counts


def _tells_commands(pipeline: dlt.Pipeline) -> bool:
    """Whether `sync_runs` has the column `command`, which came with version 2 of the raw tables."""
    found = _rows(
        pipeline,
        "select 1 from information_schema.columns "
        f"where table_schema = '{DATASET}' and table_name = '{SYNC_RUNS.name}' and column_name = 'command'",
    )
    return bool(found)


def _rows(pipeline: dlt.Pipeline, query: str, **tables: str) -> list[tuple[Any, ...]]:
    """The query's rows, its `{name}`s replaced by those tables; none where a table is not there yet."""
    with pipeline.sql_client() as client:
        names = {name: client.make_qualified_table_name(table) for name, table in tables.items()}
        try:
            return [tuple(row) for row in client.execute_sql(query.format(**names)) or []]
        except DatabaseUndefinedRelation:
            return []


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
