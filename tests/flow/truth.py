"""The sandbox's own records against the warehouse's rows: row by row, field by field, by a road of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from typing import Any

import duckdb
import psycopg2  # type: ignore[import-untyped]

from pipelines.sandbox import World
from pipelines.settings import DuckdbWarehouse, WarehouseSettings

OBJECTS = {
    "tickets": "ticket",
    "customers": "customer",
    "notes": "note",
    "categories": "category",
    "employees": "employee",
}
ALIKE_WHEN_REJECTED = {"employees": 4}
"""So many fewer of `poison_records` are told apart: nothing is kept of the five employees that are no objects."""

KEPT_OF_EMPLOYEES = {
    *("id", "created_at", "updated_at", "name", "first_name", "last_name", "emails", "title", "employment_status"),
    *("employee_roles", "manager_id"),
}
TIMES = {"created_at", "updated_at", "closed_at", "due_at"}

Rows = dict[tuple[str, str], dict[str, Any]]


def true_rows(world: World, table: str) -> Rows:
    """What the warehouse has to hold: every field that a record has, nulls left out, and of employees what may be
    kept."""
    rows = {}
    for connection in world.connections():
        records = world.records(connection["id"], OBJECTS[table])
        for record in records if table in tables_of(world, connection["id"]) else ():
            kept = KEPT_OF_EMPLOYEES if table == "employees" else record.keys()
            fields = {
                name: _true_value(name, value) for name, value in record.items() if value is not None and name in kept
            }
            rows[connection["id"], record["id"]] = fields
    return rows


def tables_of(world: World, connection_id: str) -> list[str]:
    """The tables that a connection fills: employees only where it has a staff directory, as far as it says."""
    connection, helpdesk = world.connection(connection_id) or {}, world.helpdesk_of(connection_id)
    has_directory = "hris" in connection["categories"] and "hris_employee" in (helpdesk.published or helpdesk.support)
    return [table for table in OBJECTS if table != "employees" or has_directory]


def stored_rows(warehouse: WarehouseSettings, table: str) -> Rows:
    """What it does hold, bookkeeping and what is gone at the source left out. Fails on a key that stands twice."""
    return _rows_by_key(warehouse, table, "_deleted_at is null")


def deleted_rows(warehouse: WarehouseSettings, table: str) -> Rows:
    """What it holds of records that are gone at the source, each with `_deleted_at` and `_deletion_reason`."""
    return _rows_by_key(warehouse, table, "_deleted_at is not null", kept=("_deleted_at", "_deletion_reason"))


def query(warehouse: WarehouseSettings, sql: str) -> list[dict[str, Any]]:
    """The rows of a query, the same from any warehouse: times in UTC, JSON as what it means."""
    with connected(warehouse) as connection:
        cursor = connection.cursor()
        cursor.execute("set timezone = 'UTC'")
        cursor.execute(sql)
        columns = [(column[0], str(column[1]) == "JSON") for column in cursor.description or []]
        return [
            {name: _plain(value, is_json) for (name, is_json), value in zip(columns, values, strict=True)}
            for values in cursor.fetchall()
        ]


def every_row(warehouse: WarehouseSettings) -> Iterator[tuple[str, str]]:
    """Each row of each table and view, whatever its schema: the table's name and the row as text."""
    with connected(warehouse) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_schema not in ('information_schema', 'pg_catalog')"
        )
        for schema, table in cursor.fetchall():
            cursor.execute(f'select cast(each as varchar) from "{schema}"."{table}" as each')
            yield from ((f"{schema}.{table}", row[0]) for row in cursor.fetchall())


def change(warehouse: WarehouseSettings, *statements: str) -> None:
    """Change the warehouse behind the project's back."""
    with connected(warehouse) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)


def connected(warehouse: WarehouseSettings) -> AbstractContextManager[Any]:
    """A connection in which every statement stands for itself."""
    if isinstance(warehouse, DuckdbWarehouse):
        return duckdb.connect(str(warehouse.path))
    connection = psycopg2.connect(
        host=warehouse.host,
        port=warehouse.port,
        dbname=warehouse.database,
        user=warehouse.username,
        password=warehouse.password,
    )
    connection.autocommit = True
    return closing(connection)


def assert_same(world: World, warehouse: WarehouseSettings) -> None:
    """Nothing missing, nothing double, nothing stale, in any field of any living row of any table."""
    for table in OBJECTS:
        expected, stored = true_rows(world, table), stored_rows(warehouse, table)
        missing, surplus = expected.keys() - stored.keys(), stored.keys() - expected.keys()
        assert not missing, f"{table}: missing {sorted(missing)[:5]} and {len(missing)} in all"
        assert not surplus, f"{table}: not at the source {sorted(surplus)[:5]} and {len(surplus)} in all"
        for key, fields in expected.items():
            assert stored[key] == fields, f"{table} {key}"


def load_ids(warehouse: WarehouseSettings) -> dict[str, set[str]]:
    """The load that wrote each row, as `connection/id/load`, per table."""
    return {
        table: {
            "/".join(row.values())
            for row in query(warehouse, f"select connection_id, id, _dlt_load_id from raw_unified.{table}")
        }
        for table in OBJECTS
    }


def _rows_by_key(warehouse: WarehouseSettings, table: str, condition: str, kept: tuple[str, ...] = ()) -> Rows:
    rows: Rows = {}
    for row in query(warehouse, f"select * from raw_unified.{table} where {condition}"):
        key = row.pop("connection_id"), row["id"]
        assert key not in rows, f"{table} holds {key} twice"
        fields = {name: value for name, value in row.items() if value is not None}
        extra = fields.pop("_extra", {})
        rows[key] = {name: value for name, value in fields.items() if name in kept or not name.startswith("_")} | extra
    return rows


def _true_value(name: str, value: Any) -> Any:
    """The value as a column holds it; what is no time stays what it is."""
    try:
        return datetime.fromisoformat(value).astimezone(UTC) if name in TIMES else value
    except (TypeError, ValueError, OverflowError):
        return value


def _plain(value: Any, is_json: bool) -> Any:
    """DuckDB gives JSON as text, Postgres as what it means."""
    if is_json and value is not None:
        return json.loads(value)
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value
