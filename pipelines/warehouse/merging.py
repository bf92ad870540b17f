"""How staged rows meet stored ones: unchanged rows are left alone, an older state never replaces a newer one."""

from __future__ import annotations

import dlt
from dlt.common.schema.typing import TDeleteInsertStrategyDict, TTableSchemaColumns
from dlt.extract.hints import TResourceHints, make_hints

from transforms.schemas import TableSchema


def merge_hints(schema: TableSchema) -> TResourceHints:
    """dlt's hints for one raw table, made inside a running pipeline: the filter names the stored table in full.

    dlt stores the filter with the schema, so it has to be set again on every run.
    """
    return make_hints(
        table_name=schema.name,
        primary_key=list(schema.key),
        columns=_column_hints(schema),
        write_disposition=_merge(schema),
    )


def _column_hints(schema: TableSchema) -> TTableSchemaColumns:
    """What dlt cannot read from the Arrow schema: JSON columns, and which of two staged states wins."""
    hints: TTableSchemaColumns = {name: {"name": name, "data_type": "json"} for name in schema.json_columns()}
    for name in schema.key:
        hints[name] = {"name": name, "nullable": False}
    if "_version_key" in schema.columns:
        hints["_version_key"] = {"name": "_version_key", "dedup_sort": "desc"}
    return hints


def _merge(schema: TableSchema) -> TDeleteInsertStrategyDict:
    disposition: TDeleteInsertStrategyDict = {"disposition": "merge", "strategy": "delete-insert"}
    if "_row_hash" in schema.columns:
        disposition["source_filter"] = _neither_unchanged_nor_older(schema, _stored_table(schema))
    return disposition


def _neither_unchanged_nor_older(schema: TableSchema, stored_table: str) -> str:
    """A condition on the staged row, whose columns stand bare because the stored ones are renamed."""
    renamed = {name: f"stored_{name.strip('_')}" for name in (*schema.key, "_row_hash", "updated_at")}
    columns = ", ".join(f"{name} as {alias}" for name, alias in renamed.items())
    same_record = " and ".join(f"{renamed[name]} = {name}" for name in schema.key)
    unchanged = f"{renamed['_row_hash']} = _row_hash"
    newer = f"{renamed['updated_at']} > updated_at"
    return (
        f"not exists (select 1 from (select {columns} from {stored_table}) as stored "
        f"where {same_record} and ({unchanged} or {newer}))"
    )


def _stored_table(schema: TableSchema) -> str:
    return dlt.current.pipeline().sql_client().make_qualified_table_name(schema.name)
