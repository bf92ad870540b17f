"""The dlt source of what waits in the inbox: through the same shaping and into the same tables as what is polled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.unified_api.records import Record
from pipelines.warehouse.intake import Intake, Staged
from pipelines.warehouse.staging import Stage, lacking
from pipelines.warehouse.stored import Stored, asking
from pipelines.webhooks.settling import VIA, seen_of, standing_rows
from pipelines.webhooks.sorting import Changes
from transforms.schemas import RAW_TABLES, SYNC_RUNS
from transforms.shaping import Row, sync_runs_table

IntakeOf = Callable[[Changes], Intake]


@dlt.source(name="unified", section="unified", max_table_nesting=0)
def deliveries_of(changes: Sequence[Changes], intake_of: IntakeOf) -> DltResource:
    """What deliveries say of some objects, and the account of that in `sync_runs`."""

    @dlt.resource(name="deliveries")
    def read() -> Iterator[Any]:
        stage = Stage()
        yield from lacking(RAW_TABLES.values(), stage)
        intakes = []
        for each in changes:
            intakes.append(intake_of(each))
            for staged in _staged(each, intakes[-1]):
                yield stage(staged)
        yield stage((SYNC_RUNS, sync_runs_table([intake.outcome.row() for intake in intakes])))

    return read()


def _staged(changes: Changes, intake: Intake) -> Iterator[Staged]:
    stored = _stored_rows(changes)

    def settle(seen: pa.Table) -> pa.Table:
        rows = standing_rows(changes.table, seen, stored)
        intake.outcome.rows_deleted += rows.num_rows - rows["_deleted_at"].null_count
        return rows

    intake.outcome.rows_received += len(changes.changes)
    yield from intake.staged(seen_of(changes.changes, stored), VIA, settle)


def _stored_rows(changes: Changes) -> dict[str, Row]:
    """By their ids, the rows that the warehouse holds of the records; of doubled ones the newest."""
    ids = {change.record.id for change in changes.changes if isinstance(change.record, Record)}
    stored = Stored(asking(dlt.current.pipeline()), changes.connection_id)
    rows = stored.records(changes.table, sorted(ids))
    return {row["id"]: row for row in sorted(rows, key=lambda row: str(row["_version_key"]))}
