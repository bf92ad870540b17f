"""One dlt resource per endpoint. Each reads its object from every connection, one after the other; a connection
that fails is reported and keeps its cursor, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource
from dlt.extract.hints import TResourceHints

from pipelines.errors import ContradictsSupportTable, RequestRefused, TicketingError
from pipelines.settings import UnifiedSettings
from pipelines.ticketing.cursor import advanced, starts_at
from pipelines.ticketing.plans import Plan, Strategy, safer_plan
from pipelines.ticketing.progress import Outcome, Watcher
from pipelines.ticketing.walk import ListPage
from pipelines.ticketing.workspace import Target, Workspace
from pipelines.unified_api.client import Parameters
from pipelines.unified_api.endpoints import Endpoint
from pipelines.unified_api.records import Page
from pipelines.warehouse.merging import merge_hints
from transforms.schemas import CONNECTIONS, RECORD_TABLES, SYNC_RUNS, TableSchema
from transforms.shaping import Observation, connections_table, record_table, sync_runs_table
from transforms.values import parse_time

ROWS_A_TABLE = 10_000
"""dlt pays a fixed price for each table it is handed."""


@dataclass(frozen=True)
class Reading:
    """What one run wants: its settings, which tables it reads, and whether it departs from the cursors."""

    run_id: str
    settings: UnifiedSettings
    tables: frozenset[str]
    since: datetime | None = None
    full_refresh: bool = False

    def start(self, cursor: datetime | None) -> datetime | None:
        """Where to begin an object whose cursor stands at `cursor`."""
        if self.since is not None:
            return self.since
        earliest = self.settings.earliest()
        return starts_at(None if self.full_refresh else cursor, earliest, self.settings.lookback)


def record_resource(endpoint: Endpoint, workspace: Workspace, reading: Reading, watcher: Watcher) -> DltResource:
    """The resource of one endpoint: Arrow tables of its raw table, and its rows of `sync_runs`."""
    schema = RECORD_TABLES[endpoint.table]

    @dlt.resource(name=endpoint.table)
    def read() -> Iterator[Any]:
        cursors: dict[str, str] = dlt.current.resource_state().setdefault("cursors", {})
        hints, run_hints = merge_hints(schema), merge_hints(SYNC_RUNS)
        if _is_new(schema):
            yield _marked(schema.arrow().empty_table(), hints)
        for target in workspace.targets if endpoint.table in reading.tables else ():
            outcome = _opened(target, endpoint, reading, cursors.get(target.id))
            try:
                for table in _read(target, endpoint, workspace, reading, outcome, watcher):
                    yield _marked(table, hints)
            except TicketingError as error:
                outcome.error = str(error)
            outcome.ended_at = datetime.now(UTC)
            if outcome.is_complete and reading.since is None and outcome.cursor_after is not None:
                cursors[target.id] = outcome.cursor_after.isoformat()
            else:
                outcome.cursor_after = outcome.cursor_before
            yield _marked(sync_runs_table([outcome.row()]), run_hints)
            watcher.object_done(outcome)

    return read()


def connections_resource(workspace: Workspace) -> DltResource:
    """The connections that a run reads, without their credentials."""

    @dlt.resource(name=CONNECTIONS.name)
    def read() -> Iterator[Any]:
        fields = workspace.connection_fields()
        if fields or _is_new(CONNECTIONS):
            yield _marked(connections_table(fields, workspace.observed_at), merge_hints(CONNECTIONS))

    return read()


def _opened(target: Target, endpoint: Endpoint, reading: Reading, cursor: str | None) -> Outcome:
    moment = parse_time(cursor)
    return Outcome(
        run_id=reading.run_id,
        connection_id=target.id,
        integration_type=target.connection.integration_type,
        object=endpoint.table,
        plan=target.plan(endpoint).strategy.value,
        started_at=datetime.now(UTC),
        cursor_before=moment,
        cursor_after=moment,
    )


def _read(
    target: Target, endpoint: Endpoint, workspace: Workspace, reading: Reading, outcome: Outcome, watcher: Watcher
) -> Iterator[pa.Table]:
    """Tables of what one object of one connection has to show; raises a `TicketingError` where it cannot go on."""
    if target.problem is not None:
        raise RequestRefused(target.problem)
    if target.skipped is not None:
        outcome.plan = f"skipped, {target.skipped}"
        return
    plan = target.plan(endpoint)
    if plan.strategy is Strategy.NOT_OFFERED:
        return
    newest: datetime | None = None
    began: datetime | None = None
    unshaped: list[Observation] = []
    for page in _pages(plan, target, endpoint, workspace, reading, outcome):
        began = began or page.served_at
        for record in page.records:
            unshaped.append(Observation(record.fields, page.served_at, outcome.rows_received))
            outcome.rows_received += 1
            if record.updated_at is not None and (newest is None or record.updated_at > newest):
                newest = record.updated_at
        watcher.page_read(outcome)
        if len(unshaped) >= ROWS_A_TABLE:
            yield record_table(endpoint.table, target.id, unshaped, observed_via="poll")
            unshaped = []
    if unshaped:
        yield record_table(endpoint.table, target.id, unshaped, observed_via="poll")
    outcome.cursor_after = advanced(outcome.cursor_before, newest, began)
    outcome.is_complete = True


def _pages(
    plan: Plan, target: Target, endpoint: Endpoint, workspace: Workspace, reading: Reading, outcome: Outcome
) -> Iterator[Page]:
    """The walk of a plan; where the server contradicts its support table, the walk of a safer one after it."""
    list_page = _lister(target, endpoint, workspace, reading.settings, outcome)
    start = reading.start(outcome.cursor_before)
    try:
        yield from plan.walk(list_page, start, reading.settings.page_size)
    except ContradictsSupportTable as contradiction:
        safer = safer_plan(plan, str(contradiction))
        if safer is None:
            raise
        outcome.plan = f"{safer.strategy.value}, {safer.reason}"
        yield from safer.walk(list_page, start, reading.settings.page_size)


def _lister(
    target: Target, endpoint: Endpoint, workspace: Workspace, settings: UnifiedSettings, outcome: Outcome
) -> ListPage:
    """A function from a walk's parameters to a page of this object, asking for `raw` where it can be had."""
    path = endpoint.list_path(target.id)
    support = target.support(endpoint)
    if not settings.include_raw or support is None or not support.reads_raw:
        return lambda parameters: workspace.client.list(path, parameters, outcome.calls)

    fields = [*endpoint.fields, *endpoint.undocumented_fields, "raw"]

    def list_with_raw(parameters: Parameters) -> Page:
        nonlocal fields
        try:
            return workspace.client.list(path, {**parameters, "fields": fields}, outcome.calls)
        except RequestRefused:
            documented = [*endpoint.fields, "raw"]
            if fields == documented:
                raise
            fields = documented
            outcome.plan += f", without {', '.join(endpoint.undocumented_fields)} (the API refuses to name them)"
            return workspace.client.list(path, {**parameters, "fields": fields}, outcome.calls)

    return list_with_raw


def _marked(table: pa.Table, hints: TResourceHints) -> Any:
    """The table with its hints as a variant of its own, for one resource feeds more than one table."""
    return dlt.mark.with_hints(table, hints, create_table_variant=True)


def _is_new(schema: TableSchema) -> bool:
    """Whether the warehouse has no such table yet: an empty one then makes every column before the first row."""
    return schema.name not in dlt.current.source_schema().data_table_names(seen_data_only=True)
