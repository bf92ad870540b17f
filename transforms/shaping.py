"""Records to Arrow tables, one row a record, every core column cast so that a load cannot fail on a type."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from transforms.schemas import BOOKKEEPING, CONNECTIONS, RECORD_TABLES, SCHEMA_VERSION, SYNC_RUNS, Columns, TableSchema
from transforms.values import Misfit, canonical, cast, decode, microseconds

Fields: TypeAlias = Mapping[str, msgspec.Raw]
"""One API record: field name to the field's JSON text."""

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Observation:
    """A record as it was seen: its fields, when (the server's clock) and how many were seen before it."""

    fields: Fields
    observed_at: datetime
    ordinal: int = 0


def record_table(table: str, connection_id: str, observations: Iterable[Observation], *, observed_via: str) -> pa.Table:
    """An Arrow table in the schema of the raw table `table`, one row an observation.

    A field that the schema does not name, or whose value does not fit its column, is kept in `_extra`.
    """
    schema = RECORD_TABLES[table]
    api_columns = _api_columns(schema)
    rows = [_record_row(connection_id, observation, api_columns, observed_via) for observation in observations]
    return _arrow(rows, schema)


def connections_table(connections: Sequence[Fields], observed_at: datetime) -> pa.Table:
    """One row a connection. Only the columns of the schema are kept: the API sends credentials beside them."""
    fields = {name: kind for name, kind in CONNECTIONS.columns.items() if not name.startswith("_")}
    rows = []
    for connection in connections:
        values, _ = _cast_fields({name: connection[name] for name in fields if name in connection}, fields)
        rows.append(
            values
            | {
                "_row_hash": _hash(list(values.values())),
                "_observed_at": microseconds(observed_at),
                "_schema_version": SCHEMA_VERSION,
            }
        )
    return _arrow(rows, CONNECTIONS)


def sync_runs_table(rows: Iterable[Row]) -> pa.Table:
    """One row per run, connection and object, in the schema of `sync_runs`."""
    return _arrow([{**row, "_schema_version": SCHEMA_VERSION} for row in rows], SYNC_RUNS)


def _api_columns(schema: TableSchema) -> Columns:
    return {name: kind for name, kind in schema.columns.items() if name != "connection_id" and name not in BOOKKEEPING}


def _record_row(connection_id: str, observation: Observation, api_columns: Columns, observed_via: str) -> Row:
    values, extra = _cast_fields(observation.fields, api_columns)
    observed = microseconds(observation.observed_at)
    updated = values["updated_at"]
    return {
        "connection_id": connection_id,
        **values,
        "_extra": canonical(extra) if extra else None,
        "_row_hash": _hash([*values.values(), extra or None, None]),
        "_version_key": f"{_sortable(updated)}/{_sortable(observed)}/{observation.ordinal:012d}",
        "_observed_at": observed,
        "_observed_via": observed_via,
        "_deleted_at": None,
        "_deletion_reason": None,
        "_schema_version": SCHEMA_VERSION,
    }


def _cast_fields(fields: Fields, columns: Columns) -> tuple[Row, dict[str, Any]]:
    values: Row = dict.fromkeys(columns)
    extra: dict[str, Any] = {}
    for name, json in fields.items():
        kind = columns.get(name)
        if kind is None:
            extra[name] = decode(json)
            continue
        try:
            values[name] = cast(json, kind)
        except Misfit:
            extra[name] = decode(json)
    return values, extra


def _hash(values: list[Any]) -> str:
    return hashlib.blake2b(msgspec.json.encode(values, order="deterministic"), digest_size=16).hexdigest()


def _sortable(micros: int | None) -> str:
    """A time as text that sorts like the time, a missing one first."""
    return "" if micros is None else f"{micros + 10**17:020d}"


def _arrow(rows: list[Row], schema: TableSchema) -> pa.Table:
    arrow = schema.arrow()
    columns = [pa.array([row[field.name] for row in rows], type=field.type) for field in arrow]
    return pa.Table.from_arrays(columns, schema=arrow)
