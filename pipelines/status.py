"""What the warehouse holds and how old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import dlt

from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.ticketing.cursor import Cursor
from pipelines.ticketing.source import unified
from pipelines.ticketing.ticket_notes import SWEEP_EVERY
from pipelines.warehouse.load import has_pending, reading
from pipelines.warehouse.runs import (
    NOTHING_STORED,
    ObjectStatus,
    StoredPrivacy,
    read_privacy,
    read_status,
    swept_connections,
)
from pipelines.warehouse.stored import Stored, asking

PATIENCE = 5.0
"""Seconds that a look at the warehouse waits for a writer to end: a DuckDB file cannot be read beside one."""


_ALL = 2**31 - 1


@dataclass(frozen=True)
class Status:
    """The warehouse's name, every object that a run has tried, and whether a load waits to be finished."""

    warehouse: str
    is_pending: bool
    objects: list[ObjectStatus]


def status(warehouse: WarehouseSettings) -> Status:
    """Read the state of a warehouse; it is empty before the first sync, and nothing is made then."""
    is_pending = has_pending(warehouse)
    with reading(warehouse, PATIENCE) as pipeline:
        return Status(warehouse.name, is_pending, read_status(pipeline) if pipeline else [])


def cursors_in(warehouse: WarehouseSettings) -> dict[tuple[str, str], Cursor]:
    """How far each (connection, table) has been read; empty before the first sync, and nothing is made then."""
    with reading(warehouse, PATIENCE) as pipeline:
        if pipeline is None:
            return {}
        pipeline.sync_destination()
        return cursors_of(pipeline)


def cursors_of(pipeline: dlt.Pipeline) -> dict[tuple[str, str], Cursor]:
    """How far each (connection, table) has been read, as the state of a pipeline has it."""
    resources = pipeline.state.get("sources", {}).get(unified.name, {}).get("resources", {})
    return {
        (connection_id, table): cursor
        for table, state in resources.items()
        for connection_id, kept in state.get("cursors", {}).items()
        if (cursor := Cursor.from_state(kept)) is not None
    }


def privacy_in(warehouse: WarehouseSettings) -> StoredPrivacy:
    """Under which rules of privacy the rows of a warehouse are stored; nothing is made."""
    with reading(warehouse, PATIENCE) as pipeline:
        return read_privacy(pipeline) if pipeline else NOTHING_STORED


def due_tickets_in(warehouse: WarehouseSettings, settings: UnifiedSettings, now: datetime) -> dict[str, set[str]]:
    """By connection that lists notes per ticket, the tickets whose notes a sync would read at a time of the server's,
    even if nothing changes until then; nothing is made."""
    with reading(warehouse, PATIENCE) as pipeline:
        due: dict[str, set[str]] = {}
        if pipeline is None:
            return due
        for connection_id in swept_connections(pipeline):
            stored = Stored(asking(pipeline), connection_id)
            tickets = stored.changed_tickets(settings.lookback, _ALL, with_raw=False)
            tickets += stored.unswept_tickets(now - SWEEP_EVERY, settings.note_sweep_calls)
            due[connection_id] = {ticket.id for ticket in tickets}
        return due
