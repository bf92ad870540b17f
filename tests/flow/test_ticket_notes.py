"""Notes that are listed one ticket at a time: every one of them, whatever the tickets and the server do meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import dlt
import pytest

from pipelines.errors import LoadFailed, UnknownId
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.sandbox.answers import Api, Refusal
from pipelines.sandbox.shelf import Listing, Stored
from pipelines.sandbox.support import support_table
from pipelines.settings import WarehouseSettings
from pipelines.sync import SyncReport, reconcile, sync
from pipelines.ticketing.reading import Handed
from pipelines.ticketing.ticket_notes import TicketNotes
from pipelines.unified_api.client import UnifiedClient
from pipelines.unified_api.records import Listed, Page, Record
from pipelines.warehouse import load
from tests.flow.conftest import at_length, on_both_at_length, settings_for
from tests.flow.truth import assert_same, deleted_rows, query, stored_rows

pytestmark = pytest.mark.slow

RunSync = Callable[..., SyncReport]

A_DAY = timedelta(hours=25)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A helpdesk that answers 404 for the notes of a ticket that it does not know."""
    with Sandbox(seed=7, tickets=12, helpdesks=("kustomer",)) as running:
        running.world.advance(timedelta(hours=1))
        yield running


@pytest.fixture
def connection_id(sandbox: Sandbox) -> str:
    [connection] = sandbox.world.connections()
    return str(connection["id"])


@pytest.fixture
def refuse_notes_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str], int], None]:
    """Make the server answer with a status when it is asked for the notes of these tickets."""
    honest = Api._must_know_ticket

    def refuse(ticket_ids: set[str], status: int) -> None:
        def answer(self: Api, connection_id: str, listing: object) -> None:
            if listing.filters.get("ticket_id") in ticket_ids:  # type: ignore[attr-defined]
                raise Refusal(status, "not this one")
            honest(self, connection_id, listing)  # type: ignore[arg-type]

        monkeypatch.setattr(Api, "_must_know_ticket", answer)

    return refuse


def ids(world: World, connection_id: str, object_name: str, **having: str) -> list[str]:
    return [
        record["id"]
        for record in world.records(connection_id, object_name)
        if all(record[name] == value for name, value in having.items())
    ]


def without_get(tickets: int = 25) -> World:
    world = World.seeded(seed=3, tickets=tickets, helpdesks=("front",))
    table = support_table(notes_per_ticket=True, raw=False, methods=("list", "create", "update", "remove"))
    world.register_integration("front", table)
    world.advance(timedelta(hours=1))
    return world


@pytest.mark.long
@on_both_at_length
def test_a_note_that_becomes_visible_after_its_ticket_was_closed_is_found(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, connection_id: str
) -> None:
    world = sandbox.world
    run_sync()
    sandbox.faults = Faults(visible_after_seconds=30)
    for ticket_id in ids(world, connection_id, "ticket"):
        world.create(connection_id, "note", {"ticket_id": ticket_id, "description": "bye"})
        world.patch(connection_id, "ticket", ticket_id, {"status": "CLOSED"})
        world.advance(timedelta(seconds=7))
        assert run_sync(select=["tickets", "notes"]).failed == []
    world.advance(timedelta(hours=1))
    assert run_sync().failed == []
    assert_same(world, warehouse)


def test_what_was_read_long_after_its_change_is_not_read_again(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    sandbox.world.advance(timedelta(hours=1))
    sandbox.reset_counters()
    run_sync()
    assert not any(path.endswith("/note") for path in sandbox.requests)


def test_a_living_ticket_whose_notes_are_unknown_for_a_while_is_read_when_they_are_not(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    connection_id: str,
    refuse_notes_of: Callable[[set[str], int], None],
) -> None:
    refuse_notes_of(set(ids(sandbox.world, connection_id, "ticket")), 404)
    report = run_sync()
    assert [outcome.object for outcome in report.failed] == ["notes"]
    assert deleted_rows(warehouse, "tickets") == {}
    refuse_notes_of(set(), 404)
    assert run_sync().failed == []
    assert_same(sandbox.world, warehouse)


def test_a_ticket_that_is_restored_gets_its_notes_back(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, connection_id: str
) -> None:
    world = sandbox.world
    run_sync()
    notes = world.records(connection_id, "note")
    ticket = next(
        ticket
        for ticket in world.records(connection_id, "ticket")
        if ticket["status"] == "CLOSED" and any(note["ticket_id"] == ticket["id"] for note in notes)
    )
    world.delete(connection_id, "ticket", ticket["id"])
    world.advance(timedelta(hours=1))
    reconcile(settings_for(sandbox), warehouse)
    assert deleted_rows(warehouse, "notes")
    world.create(connection_id, "ticket", ticket)
    for note in notes:
        if note["ticket_id"] == ticket["id"]:
            world.create(connection_id, "note", note)
    world.advance(timedelta(hours=1))
    assert run_sync(settings={"reread_pages": 100}).failed == []
    assert_same(world, warehouse)


@pytest.mark.parametrize("status", [410, *map(at_length, (403, 414, 422))])
def test_a_ticket_whose_notes_are_refused_stops_no_other(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    connection_id: str,
    refuse_notes_of: Callable[[set[str], int], None],
    status: int,
) -> None:
    world = sandbox.world
    refused = world.records(connection_id, "note")[0]["ticket_id"]
    refuse_notes_of({refused}, status)
    report = run_sync()
    assert [outcome.object for outcome in report.failed] == ["notes"]
    assert "those of the others are in" in str(report.failed[0].error)
    readable = {note["id"] for note in world.records(connection_id, "note") if note["ticket_id"] != refused}
    assert {note_id for _, note_id in stored_rows(warehouse, "notes")} == readable


@pytest.mark.usefixtures("no_waiting")
def test_tickets_that_cannot_be_read_come_last_in_the_next_run(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, connection_id: str
) -> None:
    world = sandbox.world
    bad = ids(world, connection_id, "ticket")[:4]
    for ticket_id in bad:
        note = world.create(connection_id, "note", {"ticket_id": ticket_id, "description": "bad"})
        world.mangle(connection_id, "note", note["id"], b"{")
        world.touch(connection_id, "ticket", ticket_id)
    assert "notes of 4 tickets could not be read" in str(run_sync().failed[0].error)
    run_sync()
    readable = {note["id"] for note in world.records(connection_id, "note") if note["ticket_id"] not in bad}
    assert {note_id for _, note_id in stored_rows(warehouse, "notes")} == readable


def test_many_notes_of_a_ticket_may_be_purged_without_a_brake_for_each_was_asked_for(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, connection_id: str
) -> None:
    world = sandbox.world
    ticket_id = ids(world, connection_id, "ticket")[0]
    for number in range(30):
        world.create(connection_id, "note", {"ticket_id": ticket_id, "description": f"{number}"})
    world.advance(timedelta(hours=1))
    run_sync()
    for note_id in ids(world, connection_id, "note", ticket_id=ticket_id):
        world.delete(connection_id, "note", note_id)
    world.touch(connection_id, "ticket", ticket_id)
    assert run_sync().failed == []
    assert_same(world, warehouse)


def test_the_brake_of_a_reconcile_is_on_all_notes_of_a_connection(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(seed=7, tickets=0, helpdesks=("helpscout",)) as sandbox:
        world = sandbox.world
        [connection] = world.connections()
        for number in range(240):
            ticket = {"id": f"t{number:04d}", "subject": "x", "status": "CLOSED"}
            world.create(connection["id"], "ticket", ticket)
            if number % 5 == 0:
                world.create(connection["id"], "note", {"ticket_id": ticket["id"], "description": "y"})
        sync(settings_for(sandbox), warehouse)
        for note_id in ids(world, connection["id"], "note")[1:]:
            world.delete(connection["id"], "note", note_id)
        report = reconcile(settings_for(sandbox), warehouse, select=["notes"])
        assert "47 are not shown any more" in str(report.failed[0].error)
        assert deleted_rows(warehouse, "notes") == {}


@pytest.mark.long
def test_a_daily_run_looks_at_every_open_ticket(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, connection_id: str
) -> None:
    open_tickets = ids(sandbox.world, connection_id, "ticket", status="ACTIVE")
    assert open_tickets
    run_sync()
    for _ in range(3):
        sandbox.world.advance(timedelta(hours=24))
        run_sync()
        looked_at = query(
            warehouse,
            "select ticket_id from raw_unified.note_sweeps "
            "where swept_at = (select max(swept_at) from raw_unified.note_sweeps)",
        )
        assert {row["ticket_id"] for row in looked_at} == set(open_tickets)


@pytest.mark.long
def test_a_note_that_moves_where_none_can_be_asked_for_is_not_taken_for_gone(warehouse: WarehouseSettings) -> None:
    world = without_get()
    with Sandbox(world=world) as sandbox:
        sync(settings_for(sandbox), warehouse)
        [connection] = world.connections()
        note = world.records(connection["id"], "note")[0]
        other = next(
            ticket["id"]
            for ticket in world.records(connection["id"], "ticket")
            if ticket["id"] != note["ticket_id"] and ticket["status"] == "CLOSED"
        )
        world.patch(connection["id"], "note", note["id"], {"ticket_id": other})
        world.touch(connection["id"], "ticket", note["ticket_id"])
        assert sync(settings_for(sandbox), warehouse).failed == []
        assert deleted_rows(warehouse, "notes") == {}
        reconcile(settings_for(sandbox), warehouse)
        assert_same(world, warehouse)


def test_a_note_that_is_gone_where_none_can_be_asked_for_is_found_by_a_reconcile(
    warehouse: WarehouseSettings,
) -> None:
    world = without_get()
    with Sandbox(world=world) as sandbox:
        sync(settings_for(sandbox), warehouse)
        [connection] = world.connections()
        note_id = ids(world, connection["id"], "note")[0]
        world.delete(connection["id"], "note", note_id)
        assert reconcile(settings_for(sandbox), warehouse).failed == []
        [(key, row)] = deleted_rows(warehouse, "notes").items()
        assert key == (connection["id"], note_id)
        assert row["_deletion_reason"] == "absent"


def test_a_reconcile_settles_what_it_can_where_a_ticket_cannot_be_read(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    connection_id: str,
    refuse_notes_of: Callable[[set[str], int], None],
) -> None:
    world = sandbox.world
    run_sync()
    first, *_, last = world.records(connection_id, "note")
    assert first["ticket_id"] != last["ticket_id"]
    world.delete(connection_id, "note", last["id"])
    refuse_notes_of({first["ticket_id"]}, 403)
    report = reconcile(settings_for(sandbox), warehouse, select=["notes"])
    assert report.exit_code == 1
    assert deleted_rows(warehouse, "notes").keys() == {(connection_id, last["id"])}


def test_a_list_of_notes_that_may_be_cut_takes_none_for_gone(warehouse: WarehouseSettings) -> None:
    """Without offset and without get nothing shows whether a short answer is all there is."""
    world = World.seeded(seed=3, tickets=25, helpdesks=("front",))
    world.register_integration(
        "front", support_table(notes_per_ticket=True, raw=False, offset=False, methods=("list",))
    )
    with Sandbox(world=world) as sandbox:
        sync(settings_for(sandbox), warehouse)
        sandbox.faults = Faults(page_cap=2)
        assert reconcile(settings_for(sandbox), warehouse, select=["notes"], largest_deletion=1.0).failed == []
        assert deleted_rows(warehouse, "notes") == {}


def test_a_note_that_becomes_visible_while_other_tickets_are_read_is_found(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    connection_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each request takes ten seconds: what was read first was read long before the last."""
    world = sandbox.world
    run_sync()
    tickets = ids(world, connection_id, "ticket")
    for ticket_id in tickets:
        world.patch(connection_id, "ticket", ticket_id, {"status": "CLOSED"})
    late = world.create(connection_id, "note", {"ticket_id": tickets[-1], "description": "late"})["id"]
    world.touch(connection_id, "ticket", tickets[-1])
    visible_at = world.now + timedelta(seconds=290)
    world.advance(timedelta(seconds=250))
    honest = World.page

    def page(self: World, connection_id: str, name: str, listing: Listing) -> list[Stored]:
        rows = honest(self, connection_id, name, listing)
        if name != "note":
            return rows
        shown = [row for row in rows if row.id != late or self.now >= visible_at]
        self.advance(timedelta(seconds=10))
        return shown

    with monkeypatch.context() as slow:
        slow.setattr(World, "page", page)
        run_sync({"max_concurrency": 1})
    assert (connection_id, late) not in stored_rows(warehouse, "notes")
    world.advance(A_DAY)
    run_sync()
    assert_same(world, warehouse)


def test_a_note_that_is_found_after_all_keeps_the_ticket_that_it_does_not_name(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    connection_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest_list, honest_get = UnifiedClient.list, UnifiedClient.get_record
    hidden: set[str] = set()

    def nameless(record: Listed) -> Listed:
        assert isinstance(record, Record)
        return replace(record, fields={name: value for name, value in record.fields.items() if name != "ticket_id"})

    def list_page(self: UnifiedClient, path: str, *arguments: Any) -> Page:
        page = honest_list(self, path, *arguments)
        if not path.endswith("/note"):
            return page
        return replace(page, records=[nameless(record) for record in page.records if record.id not in hidden])

    def get_record(self: UnifiedClient, path: str, *arguments: Any) -> tuple[Listed, datetime]:
        record, served_at = honest_get(self, path, *arguments)
        return (nameless(record) if "/note/" in path else record), served_at

    monkeypatch.setattr(UnifiedClient, "list", list_page)
    monkeypatch.setattr(UnifiedClient, "get_record", get_record)
    run_sync()
    assert_same(sandbox.world, warehouse)
    note = sandbox.world.records(connection_id, "note")[0]
    hidden.add(note["id"])
    sandbox.world.advance(timedelta(hours=1))
    sandbox.world.touch(connection_id, "ticket", note["ticket_id"])
    run_sync()
    assert_same(sandbox.world, warehouse)
    sandbox.world.touch(connection_id, "ticket", note["ticket_id"])
    assert reconcile(settings_for(sandbox), warehouse).failed == []
    assert stored_rows(warehouse, "notes")[connection_id, note["id"]]["ticket_id"] == note["ticket_id"]


def test_a_404_is_not_believed_where_no_note_shows_that_any_can_be_asked_for(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    connection_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No note can be asked for by its id, and the only ticket that is read does not show its notes for a while."""
    run_sync()
    sandbox.world.advance(timedelta(hours=1))
    ticket_id = sandbox.world.records(connection_id, "note")[0]["ticket_id"]
    sandbox.world.patch(connection_id, "ticket", ticket_id, {"subject": "changed"})
    honest_get, honest_page = UnifiedClient.get_record, World.page

    def get_record(self: UnifiedClient, path: str, *arguments: Any) -> tuple[Listed, datetime]:
        if "/note/" in path:
            raise UnknownId("404")
        return honest_get(self, path, *arguments)

    def page(self: World, connection_id: str, name: str, listing: Listing) -> list[Stored]:
        return [] if name == "note" else honest_page(self, connection_id, name, listing)

    monkeypatch.setattr(UnifiedClient, "get_record", get_record)
    monkeypatch.setattr(World, "page", page)
    assert run_sync().failed == []
    assert deleted_rows(warehouse, "notes") == {}


@pytest.mark.long
def test_a_plan_that_comes_to_read_per_ticket_takes_no_note_for_gone_whose_ticket_it_does_not_know(
    warehouse: WarehouseSettings,
) -> None:
    """The tickets before the start date were never read; their notes were, from the list of all."""
    no_get: dict[str, Any] = {"raw": False, "methods": ("list", "create", "update", "remove")}
    world = World.empty()
    world.register_integration("front", support_table(**no_get))
    connection_id = world.add_connection("front")
    old = [world.create(connection_id, "ticket", {"status": "ACTIVE"})["id"] for _ in range(5)]
    world.advance(timedelta(days=100))
    start_date = world.now.isoformat()
    new = [world.create(connection_id, "ticket", {"status": "ACTIVE"})["id"] for _ in range(60)]
    notes = [world.create(connection_id, "note", {"ticket_id": ticket_id})["id"] for ticket_id in (*old, *new)]
    world.advance(timedelta(hours=1))
    with Sandbox(world=world) as sandbox:
        settings = settings_for(sandbox, start_date=start_date)
        sync(settings, warehouse)
        world.register_integration("front", support_table(notes_per_ticket=True, **no_get))
        world.delete(connection_id, "note", notes[-1])
        assert sync(settings, warehouse).failed == []
        assert reconcile(settings, warehouse).failed == []
    assert deleted_rows(warehouse, "notes").keys() == {(connection_id, notes[-1])}


@pytest.mark.long
def test_notes_get_their_raw_once_the_helpdesk_shows_it(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=12, helpdesks=("zendesk",)) as sandbox:
        world = sandbox.world
        for has_raw in (False, True):
            world.publish("zendesk", support_table(notes_per_ticket=True, overrides={"note": {"raw": has_raw}}))
            for _ in range(2):
                world.advance(timedelta(hours=1))
                requests = _requests_for_notes(sync(settings_for(sandbox), warehouse))
        assert_same(world, warehouse)
        assert requests == 0


def _requests_for_notes(report: SyncReport) -> int:
    return sum(outcome.calls.requests for outcome in report.outcomes if outcome.object == "notes")


def test_a_load_that_is_refused_is_not_taken_for_read_when_it_is_read_again_in_parts(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two helpdesks that list notes per ticket, the warehouse takes the notes of the one only."""
    with Sandbox(seed=7, tickets=24, helpdesks=("kustomer", "helpscout")) as sandbox:
        bad, good = (connection["id"] for connection in sandbox.world.connections())
        read: set[str] = set()
        honest_tables, honest_load = TicketNotes.tables, load._normalize_and_load

        def tables(self: TicketNotes) -> Iterator[Handed]:
            read.add(self.target.id)
            yield from honest_tables(self)

        def normalize_and_load(pipeline: dlt.Pipeline) -> None:
            if bad in read:
                read.clear()
                raise LoadFailed("not these notes", is_final=True)
            read.clear()
            honest_load(pipeline)

        monkeypatch.setattr(TicketNotes, "tables", tables)
        monkeypatch.setattr(load, "_normalize_and_load", normalize_and_load)
        report = sync(settings_for(sandbox), warehouse)
        assert [(outcome.connection_id, outcome.object) for outcome in report.failed] == [(bad, "notes")]
        stored = {key for key in stored_rows(warehouse, "notes") if key[0] == good}
        assert {note_id for _, note_id in stored} == set(ids(sandbox.world, good, "note"))


def test_notes_that_are_gone_are_settled_though_no_run_has_calls_for_all_tickets(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, connection_id: str
) -> None:
    """Of each open ticket one: to be sure of them takes as many calls as to list what is left."""
    world = sandbox.world
    run_sync()
    open_tickets = set(ids(world, connection_id, "ticket", status="ACTIVE"))
    first_notes = {note["ticket_id"]: note["id"] for note in world.records(connection_id, "note")}
    gone = {first_notes[ticket_id] for ticket_id in open_tickets & first_notes.keys()}
    for note_id in gone:
        world.delete(connection_id, "note", note_id)
    world.advance(A_DAY)
    assert len(gone) > 2
    for _ in range(3 * len(gone)):
        report = run_sync({"max_calls_per_run": 14}, select=["tickets", "notes"])
        assert report.failed == []
        if not report.put_off:
            break
    assert {note_id for _, note_id in deleted_rows(warehouse, "notes")} == gone
    assert not report.put_off


def test_notes_are_put_off_with_the_tickets_that_they_belong_to(sandbox: Sandbox, run_sync: RunSync) -> None:
    report = run_sync({"max_calls_per_run": 3}, select=["tickets", "notes"])
    assert {outcome.object for outcome in report.put_off} == {"tickets", "notes"}
    assert not any(outcome.is_complete for outcome in report.outcomes)


@pytest.mark.long
def test_notes_that_waited_in_vain_are_complete_as_soon_as_calls_suffice(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    for ceiling in (0, 3, 15, 100_000):
        report = run_sync({"max_calls_per_run": ceiling})
        sandbox.world.advance(timedelta(hours=1))
    assert all(outcome.is_complete for outcome in report.outcomes if outcome.object != "employees")
    assert_same(sandbox.world, warehouse)


@pytest.mark.long
@pytest.mark.parametrize("tickets_go_too", [at_length(False), True])
def test_tickets_that_have_lost_more_notes_than_a_run_has_calls_are_settled_all_the_same(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, connection_id: str, *, tickets_go_too: bool
) -> None:
    world = sandbox.world
    open_tickets = ids(world, connection_id, "ticket", status="ACTIVE")
    for ticket_id in open_tickets:
        for _ in range(20):
            world.create(connection_id, "note", {"ticket_id": ticket_id, "description": "soon gone"})
    run_sync()
    gone = {note["id"] for note in world.records(connection_id, "note") if note["ticket_id"] in open_tickets}
    for note_id in gone:
        world.delete(connection_id, "note", note_id)
    for ticket_id in open_tickets if tickets_go_too else []:
        world.delete(connection_id, "ticket", ticket_id)
    world.advance(A_DAY)
    for _ in range(12):
        report = run_sync({"max_calls_per_run": 30}, select=["tickets", "notes"])
        if not report.put_off:
            break
    assert not report.put_off
    assert {note_id for _, note_id in deleted_rows(warehouse, "notes")} == gone
    assert len(deleted_rows(warehouse, "tickets")) == (len(open_tickets) if tickets_go_too else 0)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("status", [at_length(403), 500])
def test_a_ticket_that_is_gone_stays_until_its_notes_can_be_asked_for(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    connection_id: str,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    world = sandbox.world
    run_sync()
    ticket_id = next(
        note["ticket_id"]
        for note in world.records(connection_id, "note")
        if note["ticket_id"] in ids(world, connection_id, "ticket", status="ACTIVE")
    )
    gone = set(ids(world, connection_id, "note", ticket_id=ticket_id))
    for note_id in gone:
        world.delete(connection_id, "note", note_id)
    world.delete(connection_id, "ticket", ticket_id)
    world.advance(A_DAY)
    honest = Api._records

    def records(self: Api, request: object, parameters: object, *path: Any) -> object:
        if any(record_id in gone for record_id in path[2] or ()):
            raise Refusal(status, "not this one")
        return honest(self, request, parameters, *path)  # type: ignore[arg-type]

    with monkeypatch.context() as refusing:
        refusing.setattr(Api, "_records", records)
        report = run_sync()
        assert [outcome.object for outcome in report.failed] == ["notes"]
        assert deleted_rows(warehouse, "tickets") == deleted_rows(warehouse, "notes") == {}
    assert run_sync().failed == []
    assert {note_id for _, note_id in deleted_rows(warehouse, "notes")} == gone
    assert [key for _, key in deleted_rows(warehouse, "tickets")] == [ticket_id]


@pytest.mark.long
def test_a_run_that_may_have_left_tickets_which_are_due_does_not_say_that_it_has_read_all(
    sandbox: Sandbox, connection_id: str, warehouse: WarehouseSettings
) -> None:
    world = sandbox.world
    open_tickets = [row["id"] for row in world.records(connection_id, "ticket") if row["status"] == "ACTIVE"]
    assert len(open_tickets) > 2
    told = []
    for calls in (500, 2, 500):
        began_at = world.now
        sync(settings_for(sandbox, note_sweep_calls=calls), warehouse)
        [run] = query(
            warehouse,
            "select read_through from raw_unified.sync_runs where object = 'notes' order by started_at desc limit 1",
        )
        told.append(run["read_through"] == began_at)
        world.advance(timedelta(hours=30))
    assert told == [True, False, True]
