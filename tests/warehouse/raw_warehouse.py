"""A DuckDB file with the raw tables as a sync leaves them, made from plain records; and dbt run upon it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from transforms.schemas import CONNECTIONS, DATASET, RECORD_TABLES, SYNC_RUNS, Kind, TableSchema

ROOT = Path(__file__).parents[2]
TABLES = {**RECORD_TABLES, CONNECTIONS.name: CONNECTIONS, SYNC_RUNS.name: SYNC_RUNS}
SQL_TYPES = {
    Kind.TEXT: "varchar",
    Kind.TIMESTAMP: "timestamptz",
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "bigint",
    Kind.REAL: "double",
    Kind.JSON: "json",
}

Record = Mapping[str, Any]


def write_raw_warehouse(path: Path, records: Mapping[str, Sequence[Record]]) -> None:
    """Create the file with every raw table; a table without records is there and empty."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create schema {DATASET}")
        for table in TABLES.values():
            _write_table(connection, table, records.get(table.name, ()))


def build(
    path: Path, *, as_of: datetime, target_path: Path, time_zone: str = "UTC", unit_tests: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run `dbt build` from the project's root, as `ticketing build` does, in a session of this time zone."""
    command = [
        str(Path(sys.executable).with_name("dbt")),
        "--no-use-colors",
        "build",
        "--project-dir=dbt_project",
        "--profiles-dir=dbt_project",
        f"--target-path={target_path}",
        f"--log-path={target_path}",
        "--vars",
        json.dumps({"as_of": as_of.isoformat()}),
        *([] if unit_tests else ["--exclude-resource-type=unit_test"]),
    ]
    environment = {**os.environ, "TICKETING_DUCKDB_PATH": str(path), "TICKETING_DUCKDB_TIME_ZONE": time_zone}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def rows(path: Path, query: str) -> list[dict[str, Any]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _write_table(connection: duckdb.DuckDBPyConnection, table: TableSchema, records: Sequence[Record]) -> None:
    columns = ", ".join(f'"{name}" {SQL_TYPES[kind]}' for name, kind in table.columns.items())
    connection.execute(f'create table {DATASET}.{table.name} ({columns}, "_dlt_load_id" varchar)')
    if records:
        arrow = _arrow_table(table, records)
        connection.register("arrow_records", arrow)
        connection.execute(f"insert into {DATASET}.{table.name} select *, 'load-1' from arrow_records")
        connection.unregister("arrow_records")


def _arrow_table(table: TableSchema, records: Sequence[Record]) -> pa.Table:
    unknown = {name for record in records for name in record} - set(table.columns)
    assert not unknown, f"{table.name} has no columns {sorted(unknown)}"
    columns = [
        pa.array([_shaped(kind, record.get(name)) for record in records], type=kind.arrow_type)
        for name, kind in table.columns.items()
    ]
    return pa.Table.from_arrays(columns, schema=table.arrow())


def _shaped(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind is Kind.JSON:
        return json.dumps(value)
    if kind is Kind.TIMESTAMP and isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    return value
