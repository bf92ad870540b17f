"""How staged rows meet stored ones: unchanged rows are left alone, an older state does not replace a newer one that was
seen about the same time or later, and what is history is written once."""

from __future__ import annotations

from datetime import timedelta

import dlt
from dlt.common.destination.capabilities import DestinationCapabilitiesContext
from dlt.common.schema.typing import TDeleteInsertStrategyDict, TTableSchemaColumns
from dlt.extract.hints import TResourceHints, make_hints

from pipelines.errors import FixConfiguration
from transforms.schemas import REJECTED_RECORDS, TICKET_VERSIONS, TableSchema

_WRITTEN_ONCE = frozenset({TICKET_VERSIONS.name, REJECTED_RECORDS.name})

LONGEST_LAG = timedelta(hours=1)
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
        """dlt's hints for one raw table, whose conditions name the stored and the staged table in full.

        dlt stores the conditions with the schema, so they have to be set again on every run.
        """
        if schema.name not in self._hints:
            self._hints[schema.name] = make_hints(
                table_name=schema.name,
                primary_key=list(schema.key),
                columns=_column_hints(schema),
                write_disposition=_merge(schema, *self._client.get_qualified_table_names(schema.name)),
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


def _merge(schema: TableSchema, stored: str, staged: str) -> TDeleteInsertStrategyDict:
    """First what is replaced is deleted, then all whose key is not stored (any more) is inserted."""
    disposition: TDeleteInsertStrategyDict = {"disposition": "merge", "strategy": "delete-insert"}
    if schema.name in _WRITTEN_ONCE:
        disposition["destination_scope"] = "1 = 0"
    elif "_row_hash" in schema.columns:
        disposition["destination_scope"] = _replaced(schema, stored, staged)
    else:
        return disposition
    disposition["source_filter"] = _not_stored(schema, stored)
    return disposition


def _replaced(schema: TableSchema, stored: str, staged: str) -> str:
    """A condition on the stored row.

    It stands alone, and looks at staged keys only: were it correlated with the row, DuckDB would go through all that is
    stored, with ten times the time and the memory.
    """
    stays = _stays_before_any() if "_deleted_at" in schema.columns else _UNCHANGED
    same_key = " and ".join(f"stored.{name} = staged.{name}" for name in schema.key)
    keys = ", ".join(f"staged.{name}" for name in schema.key)
    return (
        f"({', '.join(schema.key)}) in (select {keys} from {staged} as staged "
        f"inner join {stored} as stored on {same_key} where ({stays}) is not true)"
    )


_UNCHANGED = "stored._row_hash = staged._row_hash and stored.updated_at is not distinct from staged.updated_at"


def _stays_before_any() -> str:
    """When the stored row of a record stays: where nothing has changed, and before what a list may have shown late.

    What a list shows is there, however old: only among living rows does the newer one stay, and a record that is gone
    only if word of that came after the list was read. What a verify brings it has found to be otherwise than stored,
    and what comes by webhook stands after all that was stored.
    """
    via = "coalesce(staged._observed_via, '')"
    lag = f"interval '{LONGEST_LAG.total_seconds():.0f} seconds'"
    unchanged = f"{_UNCHANGED} and (stored._deleted_at is null) = (staged._deleted_at is null)"
    newer = (
        "stored.updated_at > staged.updated_at and stored._deleted_at is null "
        f"and stored._observed_at > staged._observed_at - {lag}"
    )
    gone_since = (
        "stored._deleted_at is not null and staged._deleted_at is null and stored._observed_at > staged._observed_at"
    )
    is_listed = f"{via} not in ('verify', 'webhook')"
    return f"({unchanged} and {via} <> 'verify') or ({is_listed} and (({newer}) or ({gone_since})))"


def _not_stored(schema: TableSchema, stored: str) -> str:
    """A condition on the staged row, whose columns stand bare because the stored ones are renamed."""
    columns = ", ".join(f"{name} as stored_{name}" for name in schema.key)
    same_key = " and ".join(f"stored_{name} = {name}" for name in schema.key)
    return f"not exists (select 1 from (select {columns} from {stored}) as stored where {same_key})"
