"""One dlt resource per endpoint. Each reads its object from every connection, one after the other; a connection
that fails is reported and keeps its cursor, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import dlt
from dlt.extract import DltResource

from pipelines.ticketing.cursor import Cursor, CursorState
from pipelines.ticketing.plans import Strategy
from pipelines.ticketing.reading import ListReader, Staged
from pipelines.ticketing.run import Run
from pipelines.ticketing.sweeping import Sweep
from pipelines.ticketing.ticket_notes import TicketNotes
from pipelines.ticketing.walk import Place, PlaceState
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.endpoints import Endpoint
from pipelines.warehouse.merging import Merging
from pipelines.warehouse.stored import lacks_columns
from transforms.schemas import (
    CONNECTIONS,
    NOTE_SWEEPS,
    RECORD_TABLES,
    REJECTED_RECORDS,
    SYNC_RUNS,
    TICKET_VERSIONS,
    TableSchema,
)
from transforms.shaping import connections_table, sync_runs_table

_BESIDE: dict[str, TableSchema] = {"tickets": TICKET_VERSIONS, "notes": NOTE_SWEEPS}
"""The raw table that an object fills besides its own."""


class Stage:
    """Marks rows with the hints of their table, as a variant of its own: one resource feeds more than one table."""

    @cached_property
    def _merging(self) -> Merging:
        return Merging()

    def __call__(self, staged: Staged) -> Any:
        schema, table = staged
        return dlt.mark.with_hints(table, self._merging.hints(schema), create_table_variant=True)


def record_resource(endpoint: Endpoint, run: Run, stage: Stage) -> DltResource:
    """The resource of one endpoint: Arrow tables of its raw tables, and its rows of `sync_runs`."""
    tables = [RECORD_TABLES[endpoint.table], REJECTED_RECORDS, SYNC_RUNS]
    tables += [_BESIDE[endpoint.table]] if endpoint.table in _BESIDE else []

    @dlt.resource(name=endpoint.table)
    def read() -> Iterator[Any]:
        for schema in tables:
            if lacks_columns(schema.name):
                yield stage((schema, schema.arrow().empty_table()))
        for target in run.targets if endpoint.table in run.tables else ():
            for staged in _read(endpoint, run, target):
                yield stage(staged)
            outcome = run.outcome(target, endpoint)
            yield stage((SYNC_RUNS, sync_runs_table([outcome.row()])))
            run.watcher.object_done(outcome)

    return read()


def connections_resource(run: Run, stage: Stage) -> DltResource:
    """The connections that a run reads, without their credentials."""

    @dlt.resource(name=CONNECTIONS.name)
    def read() -> Iterator[Any]:
        fields = run.workspace.connection_fields()
        if fields or lacks_columns(CONNECTIONS.name):
            yield stage((CONNECTIONS, connections_table(fields, run.workspace.observed_at)))

    return read()


def account_resource(run: Run) -> DltResource:
    """What became of a run's objects, without what they read."""

    @dlt.resource(name=SYNC_RUNS.name)
    def read() -> Iterator[Any]:
        yield Stage()((SYNC_RUNS, sync_runs_table(run.account())))

    return read()


def _read(endpoint: Endpoint, run: Run, target: Target) -> Iterator[Staged]:
    """One object of one connection, in the way that the run and its plan ask for.

    Reading it as a list may end in a plan that goes by ticket.
    """
    if not _goes_by_ticket(endpoint, run, target):
        if run.command == "reconcile":
            yield from Sweep(run, target, endpoint).tables()
        else:
            yield from _read_list(endpoint, run, target)
    if _goes_by_ticket(endpoint, run, target):
        if run.reads_tickets_first:
            run.outcome(target, endpoint)
            run.put_off(target, run.plan(target, endpoint))
        else:
            yield from TicketNotes(run, target).tables()


def _goes_by_ticket(endpoint: Endpoint, run: Run, target: Target) -> bool:
    return target.is_readable and run.plan(target, endpoint).strategy is Strategy.PER_TICKET


def _read_list(endpoint: Endpoint, run: Run, target: Target) -> Iterator[Staged]:
    """An object by its cursor, which moves in dlt's state, that travels in the same load as the rows."""
    state = dlt.current.resource_state()
    cursors: dict[str, CursorState] = state.setdefault("cursors", {})
    places: dict[str, PlaceState] = state.setdefault("places", {})
    reader = ListReader(
        run, target, endpoint, Cursor.from_state(cursors.get(target.id)), Place.from_state(places.get(target.id))
    )
    yield from reader.tables()
    if reader.cursor is not None:
        cursors[target.id] = reader.cursor.to_state()
    if reader.place is not None:
        places[target.id] = reader.place.to_state()
    else:
        places.pop(target.id, None)
