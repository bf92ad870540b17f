"""Warehouses to build the marts in, and their rows, made comparable with those that are computed in plain Python."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.postgres_server import PostgresServer
from tests.warehouse.edge_settings import write_seeds
from tests.warehouse.golden_settings import Row, Settings
from tests.warehouse.raw_warehouse import DuckDBWarehouse, PostgresWarehouse, RawWarehouse, copy_project

NOT_UTC = "America/St_Johns"
"""Half an hour beside the others, with daylight saving."""

GRAINS = {
    "tickets": "connection_id ticket_id",
    "conversation_messages": "connection_id ticket_id message_number",
    "conversation_threads": "connection_id ticket_id",
    "conversation_turns": "connection_id ticket_id turn_number",
    "ticket_changes": "connection_id ticket_id change_number",
    "ticket_periods": "connection_id ticket_id period_number",
    "sla_outcomes": "connection_id ticket_id metric turn_number",
    "open_tickets": "connection_id ticket_id",
    "triage_candidates": "connection_id ticket_id",
    "answer_statistics": "connection_id metric limit_seconds",
    "customer_support_summary": "connection_id customer_id",
    "metric_availability": "connection_id metric",
    "agents": "connection_id agent_id",
    "agent_daily": "connection_id agent_id day_on",
    "agent_hours": "connection_id agent_id weekday hour_of_day",
    "sync_health": "connection_id object_name",
    "connections": "connection_id",
    "categories": "connection_id category_id",
    "ticket_backlog_daily": "connection_id day_on category priority assignee_user_id customer_tier",
    "support_daily": "connection_id day_on category priority assignee_user_id customer_tier",
    "customer_support_daily": "connection_id customer_id day_on",
}
"""What makes a row of a mart one row."""

JSON_COLUMNS = {"tags", "messages", "reasons", "unavailable_metrics", "top_categories"}

MakeWarehouse = Callable[[Path, pytest.FixtureRequest], RawWarehouse]


def duckdb_warehouse(folder: Path, request: pytest.FixtureRequest) -> RawWarehouse:
    return DuckDBWarehouse(folder / "warehouse.duckdb", NOT_UTC)


@cache
def postgres_with(*options: str) -> MakeWarehouse:
    def make(folder: Path, request: pytest.FixtureRequest) -> RawWarehouse:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return PostgresWarehouse(server.new_database(*options), NOT_UTC)

    return make


on_both = pytest.mark.parametrize(
    "make", [pytest.param(duckdb_warehouse, id="duckdb"), pytest.param(postgres_with("--locale=C"), id="postgres")]
)

on_both_at_length = pytest.mark.parametrize(
    "make",
    [
        pytest.param(duckdb_warehouse, id="duckdb"),
        pytest.param(postgres_with("--locale=C"), id="postgres", marks=pytest.mark.long),
    ],
)
"""For those that take minutes."""


def project_with(folder: Path, given: Settings) -> Path:
    """A copy of the project with the user's own seeds."""
    project = copy_project(folder)
    write_seeds(given, project)
    return project


def comparable(mart: str, row: Row) -> Row:
    """Times without their zone, JSON as what it says."""
    shaped = {name: naive(value) for name, value in row.items()}
    for name in JSON_COLUMNS & shaped.keys():
        shaped[name] = _from_json(shaped[name])
    if mart == "ticket_changes" and shaped["field"] == "tags":
        shaped |= {name: _from_json(shaped[name]) for name in ("from_value", "to_value")}
    return shaped


def _from_json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def by_key(mart: str, found: Sequence[Row]) -> dict[tuple[Any, ...], Row]:
    keyed = {tuple(row[name] for name in GRAINS[mart].split()): row for row in found}
    assert len(keyed) == len(found)
    return keyed
