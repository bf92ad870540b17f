"""What the warehouse holds and how old it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import dlt

from pipelines.draining import inbox_of, opened_inbox
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
from pipelines.webhooks.inbox import Channel, Contents, Covered

PATIENCE = 5.0
"""Seconds that a look at the warehouse waits for a writer to end: a DuckDB file cannot be read beside one."""


_ALL = 2**31 - 1


@dataclass(frozen=True)
class Push:
    """How an object of a connection comes by webhooks: when something came last, if anything did, and up to when it was
    polled in their place, and why."""

    connection_id: str
    object: str
    types: list[str]
    heard_at: datetime | None
    polled_until: datetime | None
    polled_because: str | None


@dataclass(frozen=True)
class Status:
    """The warehouse's name, every object that a run has tried, and whether a load waits to be finished; what webhooks
    bring, and what of it waits in the inbox."""

    warehouse: str
    is_pending: bool
    objects: list[ObjectStatus]
    pushes: list[Push]
    inbox: Contents | None


def status(warehouse: WarehouseSettings) -> Status:
    """Read the state of a warehouse; it is empty before the first sync, and nothing is made then."""
    is_pending = has_pending(warehouse)
    pushes, contents = _inbox_status(warehouse)
    with reading(warehouse, PATIENCE) as pipeline:
        objects = read_status(pipeline) if pipeline else []
        return Status(warehouse.name, is_pending, objects, pushes, contents)


def _inbox_status(warehouse: WarehouseSettings) -> tuple[list[Push], Contents | None]:
    if not inbox_of(warehouse).exists():
        return [], None
    with opened_inbox(warehouse) as inbox:
        return pushes_of(inbox.channels(), inbox.covered()), inbox.contents()


def pushes_of(channels: Iterable[Channel], covered: Mapping[tuple[str, str], Covered]) -> list[Push]:
    """How each object comes, of all that webhooks are to bring."""
    by_place: dict[tuple[str, str], list[Channel]] = defaultdict(list)
    for channel in channels:
        by_place[channel.connection_id, channel.table].append(channel)
    return [
        Push(
            *place,
            sorted({channel.webhook_type for channel in own} - {""}),
            max((channel.heard_at for channel in own if channel.heard_at), default=None),
            covered[place].until if place in covered else None,
            covered[place].reason if place in covered else None,
        )
        for place, own in sorted(by_place.items())
    ]


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
