"""The real dbt on raw tables made here; the marts against figures recomputed in plain Python."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.edge_records import CATEGORIES, CUSTOMERS, drawn, hand_picked
from tests.warehouse.golden_figures import Key, Message, conversations, customer_figures, ticket_figures
from tests.warehouse.raw_warehouse import build, rows, write_raw_warehouse

AS_OF = datetime.fromisoformat("2026-06-01T00:00:00+00:00")


class Warehouse:
    """The marts of one build, and the records they were built from."""

    def __init__(self, path: Path, records: dict[str, list[dict[str, Any]]]) -> None:
        self.records = {"tickets": [], "notes": [], **_without_blank_ids(records)}
        self.tickets = _by_key(rows(path, "select * from marts.tickets"))
        self.threads = _by_key(rows(path, "select * from marts.conversation_threads"))
        self.customers = _by_key(rows(path, "select * from marts.customer_support_summary"), "customer_id")
        self.fates = dict(_pairs(rows(path, "select note_id, exclusion_reason from intermediate.int_notes_classified")))
        self.messages: dict[Key, list[dict[str, Any]]] = defaultdict(list)
        for row in rows(path, "select * from marts.conversation_messages order by all"):
            self.messages[row["connection_id"], row["ticket_id"]].append(row)
        self.expected_threads = conversations(self.records)
        self.expected_tickets = {
            key: ticket_figures(ticket, self.expected_threads[key])
            for ticket in self.records["tickets"]
            if (key := (ticket["connection_id"], ticket["id"])) in self.expected_threads
        }


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder = tmp_path_factory.mktemp("golden")
    records = hand_picked()
    for table, more in drawn(seed=20260302, count=400).items():
        records[table] = [*records[table], *more]
    write_raw_warehouse(folder / "warehouse.duckdb", records)
    outcome = build(folder / "warehouse.duckdb", as_of=AS_OF, target_path=folder / "target")
    assert outcome.returncode == 0, outcome.stdout[-5000:]
    assert "WARN 1 " in outcome.stdout, "the orphan note is warned of"
    return Warehouse(folder / "warehouse.duckdb", records)


def test_an_account_without_any_data_builds(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    write_raw_warehouse(path, {})
    outcome = build(path, as_of=AS_OF, target_path=tmp_path / "target")
    assert outcome.returncode == 0, outcome.stdout[-5000:]
    for mart in ("tickets", "conversation_messages", "conversation_threads", "customer_support_summary"):
        assert rows(path, f"select * from marts.{mart}") == []


def test_every_message_is_as_recomputed(warehouse: Warehouse) -> None:
    assert set(warehouse.messages) == set(warehouse.expected_threads)
    for key, thread in warehouse.expected_threads.items():
        expected = [_expected_message(number, message) for number, message in enumerate(thread, 1)]
        assert [_without_keys(row) for row in warehouse.messages[key]] == expected, key


def test_every_ticket_figure_is_as_recomputed(warehouse: Warehouse) -> None:
    for key, figures in warehouse.expected_tickets.items():
        row = warehouse.tickets[key]
        assert {name: row[name] for name in figures} == {name: _naive(value) for name, value in figures.items()}, key


def test_a_deleted_ticket_keeps_its_row_and_loses_its_figures(warehouse: Warehouse) -> None:
    deleted = [row for row in warehouse.tickets.values() if row["is_deleted"]]
    assert len(deleted) == sum(bool(ticket.get("_deleted_at")) for ticket in warehouse.records["tickets"]) > 0
    for row in deleted:
        figures = [name for name in row if name.endswith(("_count", "_seconds")) or name == "waiting_on"]
        assert {name: row[name] for name in figures} == dict.fromkeys(figures)
        assert (row["connection_id"], row["ticket_id"]) not in warehouse.threads
    assert len(warehouse.tickets) == len(warehouse.records["tickets"])


def test_a_thread_tells_its_messages_in_order(warehouse: Warehouse) -> None:
    assert set(warehouse.threads) == set(warehouse.expected_threads)
    for key, thread in warehouse.expected_threads.items():
        row = warehouse.threads[key]
        told = json.loads(row["messages"])
        assert [message["body_text"] for message in told] == [message.text for message in thread], key
        assert [message["message_number"] for message in told] == list(range(1, len(thread) + 1))
        assert [message["is_agent_reply"] for message in told] == [message.is_reply for message in thread]
        assert row["transcript"] == "\n\n".join(_transcript_part(message) for message in thread), key
        assert row["waiting_on"] == warehouse.expected_tickets[key]["waiting_on"]


def test_every_customer_is_as_recomputed(warehouse: Warehouse) -> None:
    tickets = defaultdict(list)
    for ticket in warehouse.records["tickets"]:
        key = (ticket["connection_id"], ticket["id"])
        if ticket.get("customer_id") and key in warehouse.expected_tickets:
            tickets[ticket["connection_id"], ticket["customer_id"]].append(warehouse.expected_tickets[key])
    known = {(row["connection_id"], row["id"]): row for row in CUSTOMERS}
    assert set(warehouse.customers) == set(tickets) | set(known)
    for key, row in warehouse.customers.items():
        expected = customer_figures(tickets[key])
        assert {name: row[name] for name in expected} == {name: _naive(value) for name, value in expected.items()}, key
        assert row["is_known"] == (key in known)
        assert row["is_deleted"] == bool(known.get(key, {}).get("_deleted_at"))


def test_categories_and_connections_are_found_or_left_open(warehouse: Warehouse) -> None:
    assert {row["id"] for row in CATEGORIES} >= {"k-billing"}
    expected = {
        "dangling category": ("k-gone", "Old stuff"),
        "category by id": ("k-billing", "Billing"),
        "category by name": ("k-billing", "billing"),
        "category by a name of two": (None, "Twin"),
        "no notes": (None, None),
    }
    found = {name: warehouse.tickets["desk-1", name] for name in expected}
    assert {name: (row["category_id"], row["category_name"]) for name, row in found.items()} == expected
    assert warehouse.tickets["desk-1", "no notes"]["integration_type"] == "zendesk"
    assert warehouse.tickets["desk-9", "connection unknown"]["integration_type"] is None
    assert warehouse.tickets["desk-1", "customer without a name"]["priority"] == "very_high"


def test_every_note_that_is_no_message_says_why(warehouse: Warehouse) -> None:
    assert warehouse.fates["orphan"] == "ticket_unknown"
    assert warehouse.fates["deleted ticket-1"] == "ticket_deleted"
    assert warehouse.fates["deleted note-1"] == "note_deleted"
    assert warehouse.fates["events-1"] == warehouse.fates["events-2"] == "event"
    assert warehouse.fates["events-3"] is None


def _expected_message(number: int, message: Message) -> dict[str, Any]:
    return {
        "message_number": number,
        "note_id": message.note_id,
        "repeated_by_note_id": message.repeated_by,
        "author_role": message.role,
        "author_role_source": message.source,
        "author_id": message.author_id,
        "visibility": message.visibility,
        "is_agent_reply": message.is_reply,
        "sent_at": _naive(message.sent_at),
        "body_text": message.text,
        "body_html": message.html,
    }


def _transcript_part(message: Message) -> str:
    moment = message.sent_at.strftime("%Y-%m-%d %H:%M:%S UTC") if message.sent_at else "no time"
    mark = " (internal)" if message.visibility == "internal" else ""
    return f"[{moment}] {message.role}{mark}\n{message.text or '(no text)'}"


def _without_keys(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("connection_id", "ticket_id", "message_id")}


def _naive(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value


def _by_key(found: list[dict[str, Any]], name: str = "ticket_id") -> dict[Key, dict[str, Any]]:
    keyed = {(row["connection_id"], row[name]): row for row in found}
    assert len(keyed) == len(found)
    return keyed


def _pairs(found: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(row["note_id"], row["exclusion_reason"]) for row in found]


def _without_blank_ids(records: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        table: [
            {name: _none_if_blank(value) if name.endswith("_id") else value for name, value in row.items()}
            for row in found
        ]
        for table, found in records.items()
    }


def _none_if_blank(value: str | None) -> str | None:
    return value if value and value.strip() else None
