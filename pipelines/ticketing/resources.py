"""One dlt resource per endpoint. Each reads its object from every connection, one after the other; a connection
that fails is reported and keeps its cursor, and the others go on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltResource
from dlt.extract.hints import TResourceHints

from pipelines.ticketing.cursor import Cursor, CursorState
from pipelines.ticketing.progress import Watcher
from pipelines.ticketing.reading import ObjectReader, Run
from pipelines.ticketing.workspace import Workspace
from pipelines.unified_api.endpoints import Endpoint
from pipelines.warehouse.merging import merge_hints
from transforms.schemas import CONNECTIONS, RECORD_TABLES, SYNC_RUNS, TableSchema
from transforms.shaping import connections_table, sync_runs_table


def record_resource(endpoint: Endpoint, workspace: Workspace, run: Run, watcher: Watcher) -> DltResource:
    """The resource of one endpoint: Arrow tables of its raw table, and its rows of `sync_runs`."""
    schema = RECORD_TABLES[endpoint.table]

    @dlt.resource(name=endpoint.table)
    def read() -> Iterator[Any]:
        cursors: dict[str, CursorState] = dlt.current.resource_state().setdefault("cursors", {})
        hints, run_hints = merge_hints(schema), merge_hints(SYNC_RUNS)
        if _is_new(schema):
            yield _marked(schema.arrow().empty_table(), hints)
        for target in workspace.targets if endpoint.table in run.tables else ():
            cursor = Cursor.from_state(cursors.get(target.id))
            reader = ObjectReader(run, workspace.client, target, endpoint, cursor, watcher)
            for table in reader.tables():
                yield _marked(table, hints)
            if reader.cursor is not None:
                cursors[target.id] = reader.cursor.to_state()
            yield _marked(sync_runs_table([reader.outcome.row()]), run_hints)
            watcher.object_done(reader.outcome)

    return read()


def connections_resource(workspace: Workspace) -> DltResource:
    """The connections that a run reads, without their credentials."""

    @dlt.resource(name=CONNECTIONS.name)
    def read() -> Iterator[Any]:
        fields = workspace.connection_fields()
        if fields or _is_new(CONNECTIONS):
            yield _marked(connections_table(fields, workspace.observed_at), merge_hints(CONNECTIONS))

    return read()


def _marked(table: pa.Table, hints: TResourceHints) -> Any:
    """The table with its hints as a variant of its own, for one resource feeds more than one table."""
    return dlt.mark.with_hints(table, hints, create_table_variant=True)


def _is_new(schema: TableSchema) -> bool:
    """Whether the warehouse has no such table yet: an empty one then makes every column before the first row."""
    return schema.name not in dlt.current.source_schema().data_table_names(seen_data_only=True)
