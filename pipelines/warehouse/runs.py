"""What earlier runs left in the warehouse: per connection and object the rows, the cursor, the last success."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dlt
from dlt.destinations.exceptions import DatabaseUndefinedRelation

from transforms.schemas import RECORD_TABLES


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
with ranked as (
    select *, row_number() over (partition by connection_id, object order by started_at desc, run_id desc) as recency
    from {sync_runs}
),
successes as (
    select connection_id, object, max(ended_at) as last_success_at
    from {sync_runs}
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


def read_status(pipeline: dlt.Pipeline) -> list[ObjectStatus]:
    """The state of every object of every connection that a run has ever tried; empty before the first."""
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
            pipeline, _STATUS, ["sync_runs"]
        )
    ]


def _row_counts(pipeline: dlt.Pipeline) -> dict[tuple[str, str], int]:
    counts = {}
    for table in RECORD_TABLES:
        query = f"select connection_id, count(*) from {{{table}}} where _deleted_at is null group by connection_id"
        for connection_id, rows in _rows(pipeline, query, [table]):
            counts[connection_id, table] = rows
    return counts


def _rows(pipeline: dlt.Pipeline, query: str, tables: Sequence[str]) -> list[tuple[Any, ...]]:
    """The query's rows, its `{table}` names qualified; none where a table is not there yet."""
    with pipeline.sql_client() as client:
        names = {table: client.make_qualified_table_name(table) for table in tables}
        try:
            return [tuple(row) for row in client.execute_sql(query.format(**names)) or []]
        except DatabaseUndefinedRelation:
            return []


def _utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
