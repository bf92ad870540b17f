"""One dlt resource per endpoint. Each takes what the readers of its object, one for each connection, hand over; a
connection that fails is reported and keeps its cursor, and the others go on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource

from pipelines.ticketing.extraction import Due, Extraction, Stream
from pipelines.ticketing.plans import Strategy
from pipelines.ticketing.reading import Account, Handed, ListReader, Mark, Reader
from pipelines.ticketing.run import Run
from pipelines.ticketing.sweeping import Sweep
from pipelines.ticketing.ticket_notes import TicketNotes
from pipelines.ticketing.verifying import ListVerification, ThreadVerification
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.endpoints import Endpoint
from pipelines.warehouse.intake import Staged
from pipelines.warehouse.staging import Stage, lacking
from pipelines.warehouse.stored import Stored, asking, lacks_columns, recall
from transforms.schemas import (
    CONNECTIONS,
    FORGOTTEN,
    NOTE_SWEEPS,
    RAW_TABLES,
    RECORD_TABLES,
    REJECTED_RECORDS,
    SYNC_COVERAGE,
    SYNC_RUNS,
    TICKET_VERSIONS,
    WRITEBACK_LOG,
    TableSchema,
)
from transforms.shaping import Row, connections_table, forgotten_table, sync_runs_table

_BESIDE: dict[str, TableSchema] = {"tickets": TICKET_VERSIONS, "notes": NOTE_SWEEPS}
"""The raw table that an object fills besides its own."""

_ROWS_A_TABLE = 10_000
"""dlt pays a fixed price for each table it is handed."""


def record_resource(endpoint: Endpoint, extraction: Extraction, stage: Stage) -> DltResource:
    """The resource of one endpoint: Arrow tables of its raw tables, and its rows of `sync_runs`."""
    tables = [RECORD_TABLES[endpoint.table], REJECTED_RECORDS, SYNC_RUNS, SYNC_COVERAGE, FORGOTTEN, WRITEBACK_LOG]
    tables += [_BESIDE[endpoint.table]] if endpoint.table in _BESIDE else []

    @dlt.resource(name=endpoint.table)
    def read() -> Iterator[Any]:
        yield from lacking(tables, stage)
        if endpoint.table in extraction.run.tables:
            state = dlt.current.resource_state()
            stream = extraction.stream(endpoint.table, lambda: _readers(endpoint, extraction, state))
            for staged in _portion(extraction, stream, state):
                yield None if staged is None else stage(staged)

    return read()


def connections_resource(extraction: Extraction, stage: Stage) -> DltResource:
    """The connections that a run reads, without their credentials, in its first load."""
    run = extraction.run

    @dlt.resource(name=CONNECTIONS.name)
    def read() -> Iterator[Any]:
        fields = run.workspace.connection_fields() if extraction.loads == 1 else []
        if fields or lacks_columns(CONNECTIONS.name):
            yield stage((CONNECTIONS, connections_table(fields, run.workspace.observed_at)))

    return read()


def tables_resource() -> DltResource:
    """The raw tables that are not there yet, empty."""

    @dlt.resource(name="raw_tables")
    def read() -> Iterator[Any]:
        yield from lacking(RAW_TABLES.values(), Stage())

    return read()


def account_resource(run: Run) -> DltResource:
    """What became of a run's objects, without what they read."""

    @dlt.resource(name=SYNC_RUNS.name)
    def read() -> Iterator[Any]:
        yield Stage()((SYNC_RUNS, sync_runs_table(run.account())))

    return read()


def forgotten_resource(rows: Sequence[Row]) -> DltResource:
    """That persons have been forgotten."""

    @dlt.resource(name=FORGOTTEN.name)
    def read() -> Iterator[Any]:
        yield Stage()((FORGOTTEN, forgotten_table(rows)))

    return read()


def _readers(endpoint: Endpoint, extraction: Extraction, state: dict[str, Any]) -> Iterator[Due]:
    """A reader for each connection, with what dlt's state keeps of it: that travels in the same load as the rows."""
    kept_of = {
        target.id: {section: of_connections.get(target.id) for section, of_connections in state.items()}
        for target in extraction.run.targets
    }
    for target in extraction.run.targets:
        kept = kept_of[target.id]
        read = partial(_read, endpoint, extraction, target, Stored(extraction.ask, target.id), kept)
        yield Due(kept.get(extraction.run.queue) or "", read)


def _portion(extraction: Extraction, stream: Stream, state: dict[str, Any]) -> Iterator[Staged | None]:
    """What one load takes of a stream, small tables joined to larger ones, and None whenever it has to wait. How far
    each connection has been read goes into dlt's state once the rows that it speaks of have been taken."""
    tables: dict[str, list[pa.Table]] = {}
    rows: Counter[str] = Counter()
    marks: list[Mark] = []
    ask = asking(dlt.current.pipeline())
    if extraction.loads == 1:
        recall(extraction.run.forgotten, ask)
    try:
        yield None  # so that the readers of all objects are due before the first of them begins
        extraction.begin()
        while not (stream.is_over or extraction.is_full):
            extraction.answer(ask)
            handed = stream.take()
            if handed is None:
                extraction.rest()
                yield None
            elif isinstance(handed, Mark):
                marks.append(handed)
            elif isinstance(handed, Account):
                tables.setdefault(SYNC_RUNS.name, []).append(handed.row)
                marks += handed.marks
            else:
                schema, table = handed
                extraction.take_note(table.num_rows if schema.name == stream.table else 0)
                tables.setdefault(schema.name, []).append(table)
                rows[schema.name] += table.num_rows
                if rows[schema.name] >= _ROWS_A_TABLE:
                    yield from _taken(tables, marks, state)
                    rows.clear()
        yield from _taken(tables, marks, state)
    except BaseException:
        stream.close()
        raise
    finally:
        if extraction.is_over:
            extraction.close()


def _taken(tables: dict[str, list[pa.Table]], marks: list[Mark], state: dict[str, Any]) -> Iterator[Staged]:
    """All tables that wait, the account of them last, and then their marks: whoever takes no more of the tables keeps
    none of the marks."""
    for name in sorted(tables, key=SYNC_RUNS.name.__eq__):
        yield RAW_TABLES[name], pa.concat_tables(tables[name])
    for mark in marks:
        _keep(state, mark)
    tables.clear()
    marks.clear()


def _keep(state: dict[str, Any], mark: Mark) -> None:
    section: dict[str, object] = state.setdefault(mark.section, {})
    if mark.kept is None:
        section.pop(mark.connection_id, None)
    else:
        section[mark.connection_id] = mark.kept


def _read(
    endpoint: Endpoint, extraction: Extraction, target: Target, stored: Stored, kept: Mapping[str, Any]
) -> Iterator[Handed]:
    """One object of one connection, in the way that the run and its plan ask for, and what became of it.

    Reading it as a list may end in a plan that goes by ticket.
    """
    run = extraction.run
    marks: list[Mark] = []
    has_all_calls = run.has_asked_nothing
    if not _goes_by_ticket(endpoint, run, target):
        reader = _list_reader(endpoint, run, target, stored, kept)
        yield from reader.tables()
        marks += reader.marks()
    outcome = run.outcome(target, endpoint)
    if _goes_by_ticket(endpoint, run, target) and run.command == "verify":
        yield from ThreadVerification(run, target, stored).tables()
    elif _goes_by_ticket(endpoint, run, target):
        is_overdue = run.goes_on and run.settings.max_calls_per_run and kept.get(run.queue)
        if is_overdue or not run.reads_tickets_first:
            notes = TicketNotes(run, target, stored, kept, has_all_calls=has_all_calls)
            yield from notes.tables()
            marks += notes.marks()
        else:
            run.put_off(target, run.plan(target, endpoint))
    if target.is_readable:
        # Who had all calls comes behind those that wait anew.
        since = datetime.now(UTC).isoformat() if has_all_calls else kept.get(run.queue) or run.began_at.isoformat()
        marks.append(Mark(run.queue, target.id, since if outcome.is_put_off else None))
    yield Account(sync_runs_table([outcome.row()]), marks)
    run.watcher.object_done(outcome)


def _list_reader(endpoint: Endpoint, run: Run, target: Target, stored: Stored, kept: Mapping[str, Any]) -> Reader:
    if run.command == "reconcile":
        return Sweep(run, target, endpoint, stored)
    if run.command == "verify":
        return ListVerification(run, target, endpoint, stored, kept)
    return ListReader(run, target, endpoint, stored, kept)


def _goes_by_ticket(endpoint: Endpoint, run: Run, target: Target) -> bool:
    return target.is_readable and run.plan(target, endpoint).strategy is Strategy.PER_TICKET
