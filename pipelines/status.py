"""What the warehouse holds and how old it is."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.settings import WarehouseSettings
from pipelines.ticketing.cursor import Cursor
from pipelines.ticketing.source import unified
from pipelines.warehouse.load import open_pipeline
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.runs import ObjectStatus, read_status

PATIENCE = 5.0
"""Seconds that a look at the warehouse waits for a writer to end: a DuckDB file cannot be read beside one."""


@dataclass(frozen=True)
class Status:
    """The warehouse's name, every object that a run has tried, and whether a load waits to be finished."""

    warehouse: str
    is_pending: bool
    objects: list[ObjectStatus]


def status(warehouse: WarehouseSettings) -> Status:
    """Read the state of a warehouse; it is empty before the first sync, and no file is made then."""
    if not warehouse.duckdb_path.exists():
        return Status(warehouse.name, False, [])
    with one_writer(warehouse.state_dir, PATIENCE):
        pipeline = open_pipeline(warehouse, PATIENCE)
        pipeline.sync_destination()
        return Status(warehouse.name, pipeline.has_pending_data, read_status(pipeline))


def cursors_in(warehouse: WarehouseSettings) -> dict[tuple[str, str], Cursor]:
    """How far each (connection, table) has been read; empty before the first sync, and no file is made then."""
    if not warehouse.duckdb_path.exists():
        return {}
    with one_writer(warehouse.state_dir, PATIENCE):
        pipeline = open_pipeline(warehouse, PATIENCE)
        pipeline.sync_destination()
        resources = pipeline.state.get("sources", {}).get(unified.name, {}).get("resources", {})
        return {
            (connection_id, table): cursor
            for table, state in resources.items()
            for connection_id, kept in state.get("cursors", {}).items()
            if (cursor := Cursor.from_state(kept)) is not None
        }
