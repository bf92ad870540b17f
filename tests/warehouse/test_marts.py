"""The real dbt on raw tables made here, in DuckDB and in Postgres; every row and column of the marts against the same
in plain Python."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.postgres_server import PostgresServer
from tests.warehouse.edge_records import DAY, DESK, OTHER_DESK, Rows, at, drawn, hand_picked
from tests.warehouse.golden_figures import Key, Marts, marts
from tests.warehouse.raw_warehouse import DuckDBWarehouse, PostgresWarehouse, RawWarehouse

AS_OF = datetime.fromisoformat("2026-06-01T00:00:00+00:00")
NOT_UTC = "America/St_Johns"
"""Half an hour beside the others, with daylight saving."""

MakeWarehouse = Callable[[Path, pytest.FixtureRequest], RawWarehouse]


def _duckdb(folder: Path, request: pytest.FixtureRequest) -> RawWarehouse:
    return DuckDBWarehouse(folder / "warehouse.duckdb", NOT_UTC)


def _postgres_of(*options: str) -> MakeWarehouse:
    def make(folder: Path, request: pytest.FixtureRequest) -> RawWarehouse:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        return PostgresWarehouse(server.new_database(*options), NOT_UTC)

    return make


class Warehouse:
    """The marts of one build, and the same from the records it was built from."""

    def __init__(self, raw: RawWarehouse, records: Mapping[str, Rows]) -> None:
        self.rows = raw.rows
        self.expected = _without_zones(marts(records))
        self.tickets = _by_key(self.rows("select * from marts.tickets"))
        self.threads = _by_key(self.rows("select * from marts.conversation_threads"))
        self.customers = _by_key(self.rows("select * from marts.customer_support_summary"), "customer_id")
        self.messages: dict[Key, Rows] = defaultdict(list)
        for row in self.rows("select * from marts.conversation_messages order by message_number"):
            self.messages[row["connection_id"], row["ticket_id"]].append(row)
        for row in self.tickets.values():
            row["tags"] = row["tags"] and json.loads(row["tags"])
        for row in self.threads.values():
            row["messages"] = json.loads(row["messages"])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(_duckdb, id="duckdb"),
        pytest.param(
            _postgres_of("--locale-provider=icu", "--icu-locale=tr-TR"), id="postgres", marks=pytest.mark.slow
        ),
    ],
)
def warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Built in sessions that are not in UTC; the Postgres is Turkish, sorts "a" before "B" and has an i of its own."""
    folder = tmp_path_factory.mktemp("golden")
    records = hand_picked()
    for table, more in drawn(seed=20260302, count=400).items():
        records[table] = [*records[table], *more]
    raw: RawWarehouse = request.param(folder, request)
    raw.write(records)
    outcome = raw.build(as_of=AS_OF, target_path=folder / "target")
    assert outcome.returncode == 0, outcome.stdout[-5000:]
    assert "WARN 1 " in outcome.stdout, "the orphan note is warned of"
    return Warehouse(raw, records)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(_duckdb, id="duckdb"),
        pytest.param(_postgres_of("--locale=C"), id="postgres", marks=pytest.mark.slow),
    ],
)
def test_an_account_without_any_data_builds_and_dbts_unit_tests_pass(
    make: MakeWarehouse, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    raw = make(tmp_path, request)
    raw.write({})
    outcome = raw.build(as_of=AS_OF, target_path=tmp_path / "target", unit_tests=True)
    assert outcome.returncode == 0, outcome.stdout[-5000:]
    for mart in ("tickets", "conversation_messages", "conversation_threads", "customer_support_summary"):
        assert raw.rows(f"select * from marts.{mart}") == []


def test_every_message_is_as_recomputed(warehouse: Warehouse) -> None:
    _assert_same(warehouse.messages, warehouse.expected.messages)


def test_every_ticket_is_as_recomputed(warehouse: Warehouse) -> None:
    _assert_same(warehouse.tickets, warehouse.expected.tickets)


def test_every_thread_is_as_recomputed(warehouse: Warehouse) -> None:
    _assert_same(warehouse.threads, warehouse.expected.threads)


def test_every_customer_is_as_recomputed(warehouse: Warehouse) -> None:
    _assert_same(warehouse.customers, warehouse.expected.customers)


@pytest.mark.parametrize(
    ("ticket_id", "figures"),
    [
        ("same second, fractions above", {"agent_reply_count": 1, "first_reply_seconds": 0}),
        ("same second, agent opened", {"agent_reply_count": 1, "first_reply_seconds": 0}),
        ("same second as an agent's opening", {"agent_reply_count": 0, "waiting_on": "us"}),
        ("internal repeat by nobody known", {"customer_message_count": 1, "first_reply_seconds": 360}),
        ("internal repeat by the customer", {"customer_message_count": 1, "first_reply_seconds": 360}),
        ("internal notes, other spellings", {"agent_reply_count": 4, "internal_message_count": 7}),
        ("conversation older than its ticket", {"agent_reply_count": 2, "first_reply_seconds": 600}),
        ("agent's ticket of an older conversation", {"agent_reply_count": 1, "first_reply_seconds": 600}),
        ("blank description, customer's note", {"message_count": 3, "first_reply_seconds": 180}),
        ("repeat in other signs", {"message_count": 2, "customer_message_count": 1}),
        ("opened by an agent, text", {"is_agent_opened": True}),
        ("category by name", {"category_id": "k-billing", "category_name": "Billing"}),
        ("status with a line end", {"is_closed": True, "resolution_seconds": None}),
    ],
)
def test_what_was_once_wrong_is_as_a_person_says(warehouse: Warehouse, ticket_id: str, figures: dict[str, Any]) -> None:
    row = warehouse.tickets[DESK, ticket_id]
    assert {name: row[name] for name in figures} == figures


def test_a_deleted_ticket_keeps_its_row_and_loses_its_figures(warehouse: Warehouse) -> None:
    row = warehouse.tickets[DESK, "deleted ticket"]
    assert row["is_deleted"]
    figures = [name for name in row if name.endswith(("_count", "_seconds")) or name == "waiting_on"]
    assert len(figures) == 9
    assert {name: row[name] for name in figures} == dict.fromkeys(figures)
    assert (DESK, "deleted ticket") not in warehouse.threads


def test_every_note_that_is_no_message_says_why(warehouse: Warehouse) -> None:
    query = "select connection_id, note_id, exclusion_reason from intermediate.int_notes_classified"
    reasons = {(row["connection_id"], row["note_id"]): row["exclusion_reason"] for row in warehouse.rows(query)}
    assert reasons[DESK, "orphan"] == "ticket_unknown"
    assert reasons[DESK, "deleted ticket-1"] == "ticket_deleted"
    assert reasons[OTHER_DESK, "deleted ticket-1"] == "note_deleted"
    assert reasons[DESK, "deleted note-1"] == "note_deleted"
    assert reasons[DESK, "events-1"] == reasons[DESK, "events-2"] == "event"
    assert reasons[DESK, "events-3"] is None


def test_a_sync_run_is_told_as_it_was(warehouse: Warehouse) -> None:
    assert warehouse.rows("select * from staging.stg_unified__sync_runs") == [
        {
            "run_id": "r-1",
            "connection_id": DESK,
            "object_name": "tickets",
            "integration_type": "zendesk",
            "plan": "updated_gte",
            "started_at": _naive(DAY),
            "ended_at": _naive(at(seconds=9)),
            "request_count": 3,
            "received_row_count": 205,
            "retry_count": 1,
            "waited_seconds": 3,
            "cursor_before_at": _naive(at(days=-1)),
            "cursor_after_at": _naive(DAY),
            "is_complete": True,
            "error_text": None,
            "command": "reconcile",
            "rejected_row_count": 2,
            "repaired_row_count": 1,
            "deleted_row_count": 4,
        }
    ]


def _assert_same(found: Mapping[Key, Any], expected: Mapping[Key, Any]) -> None:
    """Key by key, so that a difference names its ticket; a column that one side lacks is a difference."""
    assert set(found) == set(expected)
    for key, row in expected.items():
        assert found[key] == row, key


def _without_zones(made: Marts) -> Marts:
    def naive(table: Mapping[Key, dict[str, Any]]) -> dict[Key, dict[str, Any]]:
        return {key: {name: _naive(value) for name, value in row.items()} for key, row in table.items()}

    messages = {
        key: [{name: _naive(value) for name, value in row.items()} for row in thread]
        for key, thread in made.messages.items()
    }
    return Marts(naive(made.tickets), messages, naive(made.threads), naive(made.customers))


def _naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def _by_key(found: Rows, name: str = "ticket_id") -> dict[Key, dict[str, Any]]:
    keyed = {(row["connection_id"], row[name]): row for row in found}
    assert len(keyed) == len(found)
    return keyed
