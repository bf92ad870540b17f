"""How staged rows meet stored ones: unchanged rows are left alone, an older state does not replace a newer one that was
seen about the same time or later, and what is history is written once."""

from __future__ import annotations

import dlt
from dlt.common.destination.capabilities import DestinationCapabilitiesContext
from dlt.common.schema.typing import TDeleteInsertStrategyDict, TTableSchemaColumns
from dlt.extract.hints import TResourceHints, make_hints

from pipelines.errors import FixConfiguration
from transforms.schemas import REJECTED_RECORDS, TICKET_VERSIONS, TableSchema

_WRITTEN_ONCE = frozenset({TICKET_VERSIONS.name, REJECTED_RECORDS.name})

_LONGEST_LAG = "interval '1 hour'"
"""For so long a server may go on showing a state that has passed; what it shows later is so, whatever its time."""


class Merging:
    """How the running pipeline merges each raw table; made inside it, for it asks what its destination can do.

    Raises `FixConfiguration` on a destination that cannot merge so.
    """

    def __init__(self) -> None:
        pipeline = dlt.current.pipeline()
        require_delete_insert(pipeline.destination.destination_name, pipeline.destination.capabilities())
        self._client = pipeline.sql_client()
        self._hints: dict[str, TResourceHints] = {}

    def hints(self, schema: TableSchema) -> TResourceHints:
        """dlt's hints for one raw table, whose filter names the stored table in full.

        dlt stores the filter with the schema, so it has to be set again on every run.
        """
        if schema.name not in self._hints:
            self._hints[schema.name] = make_hints(
                table_name=schema.name,
                primary_key=list(schema.key),
                columns=_column_hints(schema),
                write_disposition=_merge(schema, self._client.make_qualified_table_name(schema.name)),
            )
        return self._hints[schema.name]


def require_delete_insert(destination: str, capabilities: DestinationCapabilitiesContext) -> None:
    """Raises `FixConfiguration` unless dlt can delete and insert there in one transaction.

    Its other way of merging rewrites every row group it touches (DuckDB) and doubles what comes twice in a batch.
    """
    offered = list(capabilities.supported_merge_strategies or [])
    if "delete-insert" not in offered:
        raise FixConfiguration(
            f"Expected a destination on which dlt can merge by delete-insert, but {destination} offers "
            f"{', '.join(offered) or 'no merging'}. Choose a SQL warehouse: duckdb or postgres."
        )


def _column_hints(schema: TableSchema) -> TTableSchemaColumns:
    """What dlt cannot read from the Arrow schema: JSON columns, and which of two staged states wins."""
    hints: TTableSchemaColumns = {name: {"name": name, "data_type": "json"} for name in schema.json_columns()}
    for name in schema.key:
        hints[name] = {"name": name, "nullable": False}
    if "_version_key" in schema.columns:
        hints["_version_key"] = {"name": "_version_key", "dedup_sort": "desc"}
    if schema.name in _WRITTEN_ONCE:
        hints["observed_at"] = {"name": "observed_at", "dedup_sort": "asc"}
    return hints


def _merge(schema: TableSchema, stored_table: str) -> TDeleteInsertStrategyDict:
    disposition: TDeleteInsertStrategyDict = {"disposition": "merge", "strategy": "delete-insert"}
    if schema.name in _WRITTEN_ONCE:
        disposition["source_filter"] = _not_stored(schema, stored_table, ())
    elif "_deleted_at" in schema.columns:
        unchanged = "stored_row_hash = _row_hash"
        # What a list shows is there, however old: only among living rows does the newer one stay.
        newer = (
            "(stored_updated_at > updated_at and stored_deleted_at is null "
            f"and stored_observed_at > _observed_at - {_LONGEST_LAG})"
        )
        compared = ("_row_hash", "updated_at", "_deleted_at", "_observed_at")
        disposition["source_filter"] = _not_stored(schema, stored_table, compared, f"({unchanged} or {newer})")
    elif "_row_hash" in schema.columns:
        disposition["source_filter"] = _not_stored(schema, stored_table, ("_row_hash",), "stored_row_hash = _row_hash")
    return disposition


def _not_stored(schema: TableSchema, stored_table: str, compared: tuple[str, ...], where: str = "true") -> str:
    """A condition on the staged row, whose columns stand bare because the stored ones are renamed."""
    renamed = {name: f"stored_{name.strip('_')}" for name in (*schema.key, *compared)}
    columns = ", ".join(f"{name} as {alias}" for name, alias in renamed.items())
    same_key = " and ".join(f"{renamed[name]} = {name}" for name in schema.key)
    return f"not exists (select 1 from (select {columns} from {stored_table}) as stored where {same_key} and {where})"
