"""The sandbox's own records against the warehouse's rows: row by row, field by field, by a road of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.sandbox import World

OBJECTS = {"tickets": "ticket", "customers": "customer", "notes": "note", "categories": "category"}
TIMES = {"created_at", "updated_at", "closed_at", "due_at"}
NESTED = {"tags", "attachment_ids", "metadata", "raw", "emails", "telephones"}

Rows = dict[tuple[str, str], dict[str, Any]]


def true_rows(world: World, table: str) -> Rows:
    """What the warehouse has to hold: every field that a record has, nulls left out."""
    rows = {}
    for connection in world.connections():
        for record in world.records(connection["id"], OBJECTS[table]):
            fields = {name: _true_value(name, value) for name, value in record.items() if value is not None}
            rows[connection["id"], record["id"]] = fields
    return rows


def stored_rows(path: Path, table: str) -> Rows:
    """What it does hold, bookkeeping left out. Fails on a key that stands twice."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")
        cursor = connection.execute(f"select * from raw_unified.{table}")
        names = [column[0] for column in cursor.description or []]
        found = cursor.fetchall()
    rows: Rows = {}
    for values in found:
        row = dict(zip(names, values, strict=True))
        key = row.pop("connection_id"), row["id"]
        assert key not in rows, f"{table} holds {key} twice"
        fields = {name: _stored_value(name, value) for name, value in row.items() if value is not None}
        extra = fields.pop("_extra", {})
        rows[key] = {name: value for name, value in fields.items() if not name.startswith("_")} | extra
    return rows


def assert_same(world: World, path: Path) -> None:
    """Nothing missing, nothing double, nothing stale, in any field of any row of any table."""
    for table in OBJECTS:
        expected, stored = true_rows(world, table), stored_rows(path, table)
        missing, surplus = expected.keys() - stored.keys(), stored.keys() - expected.keys()
        assert not missing, f"{table}: missing {sorted(missing)[:5]} and {len(missing)} in all"
        assert not surplus, f"{table}: not at the source {sorted(surplus)[:5]} and {len(surplus)} in all"
        for key, fields in expected.items():
            assert stored[key] == fields, f"{table} {key}"


def load_ids(path: Path) -> dict[str, set[str]]:
    """The load that wrote each row, as `table/connection/id=load`, per table."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            table: {
                "/".join(row)
                for row in connection.execute(
                    f"select connection_id, id, _dlt_load_id from raw_unified.{table}"
                ).fetchall()
            }
            for table in OBJECTS
        }


def _true_value(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value).astimezone(UTC) if name in TIMES else value


def _stored_value(name: str, value: Any) -> Any:
    if name in NESTED or name == "_extra":
        return json.loads(value)
    return value.astimezone(UTC) if isinstance(value, datetime) else value
