"""What the warehouse holds and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipelines.settings import WarehouseSettings
from pipelines.warehouse.load import open_pipeline
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.runs import ObjectStatus, read_status


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
    with one_writer(warehouse.state_dir):
        pipeline = open_pipeline(warehouse)
        pipeline.sync_destination()
        return Status(warehouse.name, pipeline.has_pending_data, read_status(pipeline))


def read_cursors(warehouse: WarehouseSettings) -> dict[tuple[str, str], datetime | None]:
    """The cursor of each (connection, table)."""
    return {(item.connection_id, item.object): item.cursor for item in status(warehouse).objects}
