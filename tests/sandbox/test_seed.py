"""The seeded past: the same from the same integer, consistent, and like a real one."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pipelines.sandbox import World
from pipelines.sandbox.instants import DAY, HOUR, from_iso
from pipelines.sandbox.support import OBJECTS

HELPDESKS = ("zendesk", "intercom", "freshdesk", "servicenow")
Records = list[dict[str, Any]]

pytestmark = pytest.mark.xdist_group("a seeded world")


@pytest.fixture(scope="module")
def world() -> World:
    return World.seeded(seed=11, tickets=1_500)


def of(world: World, integration_type: str, object_name: str) -> Records:
    return world.records(_connection(world, integration_type), object_name)


def everything(world: World) -> bytes:
    return msgspec.json.encode(
        [
            [connection, *(world.records(connection["id"], name) for name in (*OBJECTS, "employee"))]
            for connection in world.connections()
        ]
    )


def test_the_same_seed_gives_the_same_bytes_before_and_after_living() -> None:
    one, two = World.seeded(seed=3, tickets=80), World.seeded(seed=3, tickets=80)
    assert everything(one) == everything(two)
    assert one.live(hours=30) == two.live(hours=30)
    assert everything(one) == everything(two)


def test_another_seed_gives_another_past() -> None:
    assert everything(World.seeded(seed=3, tickets=40)) != everything(World.seeded(seed=4, tickets=40))


def test_the_clock_starts_on_a_friday_afternoon_and_the_past_ends_there(world: World) -> None:
    assert world.now == datetime(2026, 5, 29, 16, tzinfo=UTC)
    now = world.now_milliseconds
    for integration_type in HELPDESKS:
        for name in OBJECTS:
            for record in of(world, integration_type, name):
                assert from_iso(record["created_at"]) <= from_iso(record["updated_at"]) <= now
        created = [from_iso(ticket["created_at"]) for ticket in of(world, integration_type, "ticket")]
        assert now - 91 * DAY < min(created) < now - 80 * DAY


def test_ids_are_text_and_unique_in_the_manner_of_the_helpdesk(world: World) -> None:
    for integration_type in HELPDESKS:
        for name in (*OBJECTS, "employee"):
            ids = [record["id"] for record in of(world, integration_type, name)]
            assert len(set(ids)) == len(ids)
            assert all(isinstance(record_id, str) for record_id in ids)
    assert all(ticket["id"].isdecimal() for ticket in of(world, "zendesk", "ticket"))
    assert all(len(note["id"]) == 32 for note in of(world, "servicenow", "note"))


@pytest.mark.parametrize("tickets", [400, 1_500])
def test_there_are_about_four_notes_a_ticket(tickets: int) -> None:
    counts = World.seeded(seed=11, tickets=tickets).counts().values()
    assert sum(count["ticket"] for count in counts) == tickets
    assert 3.3 < sum(count["note"] for count in counts) / tickets < 4.8


def test_every_note_belongs_to_a_ticket_and_was_written_after_it(world: World) -> None:
    for integration_type in HELPDESKS:
        opened = {ticket["id"]: ticket["created_at"] for ticket in of(world, integration_type, "ticket")}
        for note in of(world, integration_type, "note"):
            assert note["created_at"] >= opened[note["ticket_id"]]


def test_a_note_moves_its_ticket_on_some_helpdesks_only(world: World) -> None:
    assert _tickets_older_than_their_notes(world, "zendesk") == 0
    assert _tickets_older_than_their_notes(world, "intercom") == 0
    assert _tickets_older_than_their_notes(world, "freshdesk") > 10
    assert _tickets_older_than_their_notes(world, "servicenow") > 10


def test_the_status_agrees_with_the_vendors_own_and_with_closed_at(world: World) -> None:
    vendors = {
        "zendesk": ("status", ("solved", "closed")),
        "intercom": ("state", ("closed",)),
        "freshdesk": ("status", (4, 5)),
        "servicenow": ("state", ("6", "7")),
    }
    for integration_type, (name, closed) in vendors.items():
        for ticket in of(world, integration_type, "ticket"):
            is_closed = ticket["status"] == "CLOSED"
            assert (ticket["raw"][name] in closed) == is_closed
            assert ticket.get("closed_at") or not is_closed
            assert is_closed or integration_type == "freshdesk" or not ticket.get("closed_at")


def test_a_reopened_ticket_keeps_its_stale_closed_at_on_freshdesk(world: World) -> None:
    assert any(ticket["status"] == "ACTIVE" and ticket.get("closed_at") for ticket in of(world, "freshdesk", "ticket"))


def test_the_first_comment_on_zendesk_repeats_the_description(world: World) -> None:
    first: dict[str, dict[str, Any]] = {}
    for note in of(world, "zendesk", "note"):
        first.setdefault(note["ticket_id"], note)
    for ticket in of(world, "zendesk", "ticket"):
        note = first[ticket["id"]]
        assert _words(note["raw"]["body"]) == _words(ticket["description"])
        assert from_iso(note["created_at"]) - from_iso(ticket["created_at"]) <= 2_000
        assert note["raw"]["author_id"] == ticket["raw"]["submitter_id"]


@pytest.mark.parametrize("integration_type", HELPDESKS)
def test_some_tickets_are_opened_by_agents_and_raw_tells_which(world: World, integration_type: str) -> None:
    opened_by_agents = [ticket for ticket in of(world, integration_type, "ticket") if _is_agent_opened(ticket["raw"])]
    assert 0.01 < len(opened_by_agents) / len(of(world, integration_type, "ticket")) < 0.15


def test_who_wrote_a_note_is_told_by_its_ids_and_by_raw(world: World) -> None:
    for note in of(world, "freshdesk", "note"):
        assert note["raw"]["incoming"] == ("user_id" not in note)
    for note in of(world, "intercom", "note"):
        kind = note["raw"]["author"]["type"]
        assert (kind == "admin") == (note["user_id"] is not None)
        assert kind != "bot" or note["customer_id"] is None
        is_event = note["raw"]["part_type"] in ("assignment", "close", "snoozed", "open")
        assert is_event == (not note["description"])
    kinds = Counter(note["raw"]["part_type"] for note in of(world, "intercom", "note"))
    assert {"comment", "note", "assignment", "close"} <= set(kinds)
    assert {note["raw"]["public"] for note in of(world, "zendesk", "note")} == {True, False}
    assert {note["raw"]["element"] for note in of(world, "servicenow", "note")} == {"comments", "work_notes"}


def test_agents_of_the_dealer_desk_answer_in_office_hours(world: World) -> None:
    notes = of(world, "freshdesk", "note")
    replies = [note for note in notes if note.get("user_id") and not note["raw"].get("private")]
    for reply in replies:
        at = from_iso(reply["created_at"])
        assert (at // DAY + 3) % 7 < 5
        assert 8 * HOUR <= at % DAY < 24 * HOUR
    at_lunch = sum(12 <= from_iso(reply["created_at"]) % DAY / HOUR < 13 for reply in replies)
    before = sum(10 <= from_iso(reply["created_at"]) % DAY / HOUR < 11 for reply in replies)
    assert at_lunch < before


def test_some_customers_are_known_to_two_helpdesks_by_the_same_address(world: World) -> None:
    addresses: dict[str, set[str]] = defaultdict(set)
    for integration_type in HELPDESKS:
        for customer in of(world, integration_type, "customer"):
            for email in customer.get("emails") or []:
                addresses[email["email"]].add(integration_type)
    assert sum(len(helpdesks) > 1 for helpdesks in addresses.values()) >= 5


def test_categories_have_parents_and_some_tickets_dangle_or_only_name_theirs(world: World) -> None:
    categories = {category["id"] for category in of(world, "servicenow", "category")}
    assert any(category.get("parent_id") in categories for category in of(world, "servicenow", "category"))
    tickets = of(world, "servicenow", "ticket")
    assert any(ticket.get("category") and "category_id" not in ticket for ticket in tickets)
    referred = {ticket["category_id"] for ticket in of(world, "zendesk", "ticket") if ticket.get("category_id")}
    assert referred - {category["id"] for category in of(world, "zendesk", "category")} == {"999999"}


def test_a_few_tickets_have_no_customer_and_their_raw_has_none_either(world: World) -> None:
    tickets = [ticket for integration_type in HELPDESKS for ticket in of(world, integration_type, "ticket")]
    anonymous = [ticket for ticket in tickets if not ticket.get("customer_id")]
    assert 0.005 < len(anonymous) / len(tickets) < 0.02
    assert {ticket["source"] for ticket in anonymous} <= {"web", "conversation", "feedback", "self-service"}
    requesters = [ticket["raw"].get("requester_id") or ticket["raw"].get("caller_id") for ticket in anonymous]
    assert not any(requesters)
    conversations = [ticket["raw"] for ticket in anonymous if ticket["raw"].get("type") == "conversation"]
    assert all(raw["contacts"]["contacts"] == [] for raw in conversations)
    assert all(raw["source"]["author"]["type"] == "lead" for raw in conversations)


@pytest.mark.parametrize("integration_type", ["zendesk", "servicenow"])
def test_a_few_notes_do_not_tell_who_wrote_them(world: World, integration_type: str) -> None:
    notes = of(world, integration_type, "note")
    unsigned = [note for note in notes if not note.get("user_id") and not note.get("customer_id")]
    assert 0.004 < len(unsigned) / len(notes) < 0.03
    assert {
        note["raw"].get("author_id") or note["raw"].get("sys_created_by", "integration.user") for note in unsigned
    } == {"integration.user"}


def test_a_few_notes_of_freshdesk_do_not_tell_their_visibility(world: World) -> None:
    notes = of(world, "freshdesk", "note")
    assert 0.005 < sum("private" not in note["raw"] for note in notes) / len(notes) < 0.03


def test_no_text_has_an_unfilled_brace(world: World) -> None:
    for integration_type in HELPDESKS:
        for record in [*of(world, integration_type, "ticket"), *of(world, integration_type, "note")]:
            text = f"{record.get('subject')} {record.get('description')} {record.get('tags')}"
            assert "{" not in text
            assert "}" not in text


def _connection(world: World, integration_type: str) -> str:
    return next(str(row["id"]) for row in world.connections() if row["integration_type"] == integration_type)


def _tickets_older_than_their_notes(world: World, integration_type: str) -> int:
    updated = {ticket["id"]: ticket["updated_at"] for ticket in of(world, integration_type, "ticket")}
    return sum(note["created_at"] > updated[note["ticket_id"]] for note in of(world, integration_type, "note"))


def _is_agent_opened(raw: dict[str, Any]) -> bool:
    if "submitter_id" in raw:
        return bool(raw["submitter_id"] != raw["requester_id"])
    if raw.get("type") == "conversation":
        return bool(raw["source"]["author"]["type"] == "admin")
    if "caller_id" in raw:
        return bool(raw["opened_by"] != raw["caller_id"])
    return bool(raw["source"] == 10)


def _words(text: str) -> list[str]:
    return text.split()
