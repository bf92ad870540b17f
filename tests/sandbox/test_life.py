"""Time passing, and changes made by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pipelines.sandbox import World
from pipelines.sandbox.instants import to_iso
from pipelines.sandbox.support import OBJECTS


def snapshot(world: World, object_name: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (connection["id"], record["id"]): record
        for connection in world.connections()
        for record in world.records(connection["id"], object_name)
    }


@pytest.mark.parametrize("hours", [0.5, 6, 72])
def test_living_moves_the_clock_by_exactly_as_long(hours: float) -> None:
    world = World.seeded(seed=5, tickets=200)
    before = world.now
    world.live(hours=hours)
    assert world.now == before + timedelta(hours=hours)


@pytest.mark.parametrize("hours", [6, 400])
def test_what_living_says_that_it_did_is_what_the_records_show(hours: float) -> None:
    world = World.seeded(seed=5, tickets=300)
    begin = to_iso(world.now_milliseconds)
    tickets, notes, customers = (snapshot(world, name) for name in ("ticket", "note", "customer"))
    counts = world.live(hours=hours)
    tickets_after, notes_after = snapshot(world, "ticket"), snapshot(world, "note")

    assert all(counts[kind] > 0 for kind in ("new_tickets", "replies", "closings", "reopenings", "edits"))
    assert len(tickets_after) - len(tickets) == counts["new_tickets"]
    assert len(notes_after) - len(notes) == counts["notes"]
    assert len(snapshot(world, "customer")) - len(customers) == counts["new_customers"]
    newly_closed = [
        key
        for key, ticket in tickets_after.items()
        if ticket["status"] == "CLOSED" and tickets.get(key, {}).get("status") != "CLOSED"
    ]
    reopened = [
        key
        for key, ticket in tickets_after.items()
        if ticket["status"] == "ACTIVE" and tickets.get(key, {}).get("status") == "CLOSED"
    ]
    assert len(newly_closed) - len(reopened) == counts["closings"] - counts["reopenings"]
    for records in (tickets_after, notes_after):
        for key, record in records.items():
            is_new = record != tickets.get(key) and record != notes.get(key)
            assert (record["updated_at"] > begin) == is_new


def test_what_is_closed_is_not_closed_again() -> None:
    world = World.seeded(seed=5, tickets=300)
    for (connection_id, ticket_id), ticket in snapshot(world, "ticket").items():
        if ticket["status"] == "ACTIVE":
            world.patch(connection_id, "ticket", ticket_id, {"status": "CLOSED"})
    counts = world.live(hours=200)
    still_closed = sum(ticket["status"] == "CLOSED" for ticket in snapshot(world, "ticket").values())
    assert still_closed - 300 == counts["closings"] - counts["reopenings"]


def test_changes_are_spread_over_the_hours_and_seldom_tied() -> None:
    world = World.seeded(seed=5, tickets=300)
    begin, end = world.now_milliseconds, world.now_milliseconds + 6 * 3_600_000
    world.live(hours=6)
    moments = [
        record["updated_at"] for record in snapshot(world, "ticket").values() if record["updated_at"] > to_iso(begin)
    ]
    assert len(set(moments)) == len(moments)
    assert max(moments) < to_iso(end)
    assert min(moments) < to_iso(begin + 3_600_000)
    assert max(moments) > to_iso(end - 2 * 3_600_000)


def test_life_goes_on_after_tickets_and_connections_were_removed() -> None:
    world = World.seeded(seed=5, tickets=120)
    first, second, *_ = world.connections()
    for ticket in world.records(first["id"], "ticket"):
        world.delete(first["id"], "ticket", ticket["id"])
    world.remove_connection(second["id"])
    assert world.live(hours=200)["new_tickets"] > 0


def test_life_begins_even_in_an_empty_connection() -> None:
    world = World.empty()
    world.add_connection("gorgias", id="g")
    assert world.live(hours=48)["new_tickets"] == len(world.records("g", "ticket")) > 0


def test_each_change_by_hand_gets_a_moment_of_its_own() -> None:
    world = World.empty()
    world.add_connection("zendesk", id="z")
    made = [world.create("z", "ticket", {"subject": str(number)}) for number in range(5)]
    world.touch("z", "ticket", made[0]["id"])
    moments = [ticket["updated_at"] for ticket in world.records("z", "ticket")]
    assert len(set(moments)) == 5
    assert moments[0] == max(moments) == to_iso(world.now_milliseconds)


def test_a_bulk_edit_ties_all_its_records_at_one_moment() -> None:
    world = World.empty()
    world.add_connection("zendesk", id="z")
    ids = [world.create("z", "ticket", {"subject": "x", "status": "ACTIVE"})["id"] for _ in range(150)]
    world.bulk_edit("z", "ticket", ids, {"priority": "high"})
    assert {(row["updated_at"], row["priority"]) for row in world.records("z", "ticket")} == {
        (to_iso(world.now_milliseconds), "high")
    }
    at = world.now - timedelta(days=1)
    world.bulk_edit("z", "ticket", ids[:3], {}, at=at)
    assert [row["updated_at"] for row in world.records("z", "ticket")[:3]] == ["2026-05-28T16:00:00.151Z"] * 3


def test_closing_and_reopening_by_hand_settles_closed_at_and_raw() -> None:
    world = World.empty()
    for integration_type in ("zendesk", "freshdesk"):
        world.add_connection(integration_type, id=integration_type)
        world.create(integration_type, "ticket", {"id": "1", "subject": "x", "status": "ACTIVE"})
        world.patch(integration_type, "ticket", "1", {"status": "CLOSED"})
    closed = {name: world.record(name, "ticket", "1") for name in ("zendesk", "freshdesk")}
    assert closed["zendesk"]["closed_at"] == closed["zendesk"]["updated_at"]
    assert (closed["zendesk"]["raw"]["status"], closed["freshdesk"]["raw"]["status"]) == ("closed", 5)
    reopened = {name: world.patch(name, "ticket", "1", {"status": "ACTIVE"}) for name in ("zendesk", "freshdesk")}
    assert reopened["zendesk"].get("closed_at") is None
    assert reopened["freshdesk"]["closed_at"] == closed["freshdesk"]["closed_at"]
    assert (reopened["zendesk"]["raw"]["status"], reopened["freshdesk"]["raw"]["status"]) == ("open", 2)


def test_a_quiet_change_leaves_updated_at_as_it_was() -> None:
    world = World.empty()
    world.add_connection("zendesk", id="z")
    before = world.create("z", "ticket", {"subject": "x"})
    after = world.patch("z", "ticket", before["id"], {"subject": "y"}, quiet=True)
    assert (after["subject"], after["updated_at"]) == ("y", before["updated_at"])


def test_a_deleted_ticket_takes_its_notes_along() -> None:
    world = World.empty()
    world.add_connection("zendesk", id="z")
    for number in ("1", "2"):
        world.create("z", "ticket", {"id": number, "subject": "x"})
        world.create("z", "note", {"id": f"n{number}", "ticket_id": number, "description": "hello"})
    world.delete("z", "ticket", "1")
    assert [note["id"] for note in world.records("z", "note")] == ["n2"]
    with pytest.raises(KeyError):
        world.delete("z", "ticket", "1")


def test_given_fields_are_kept_as_given() -> None:
    world = World.empty()
    world.add_connection("intercom", id="i")
    given = {
        "id": "77",
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": None,
        "subject": None,
        "raw": {"anything": [1]},
    }
    assert world.create("i", "ticket", given) == given
    assert [name for name in OBJECTS if world.records("i", name)] == ["ticket"]
