"""Each kind of support table, and each lie that one can tell: read by the plan that is safe for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from pipelines.check import check
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.sandbox.shelf import Listing, Stored
from pipelines.sandbox.support import support_table
from pipelines.settings import WarehouseSettings
from pipelines.status import cursors_in
from pipelines.sync import SyncReport, reconcile, sync
from pipelines.ticketing import ticket_notes
from tests.flow.conftest import at_length, on_both_at_length, settings_for
from tests.flow.test_nothing_is_lost import LIES
from tests.flow.truth import assert_same, deleted_rows, query, stored_rows, true_rows

pytestmark = pytest.mark.slow

RunSync = Callable[..., SyncReport]

PLANS = {
    "zendesk": ("by_anchor", "by_anchor"),
    "gorgias": ("newest_first", "newest_first"),
    "hubspot": ("changed_list", "changed_list"),
    "front": ("whole_list", "whole_list"),
    "helpscout": ("by_anchor", "per_ticket"),
    "zohodesk": ("by_anchor", "not_offered"),
}
"""Of tickets and of notes."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=30, helpdesks=tuple(PLANS)) as running:
        yield running


@pytest.fixture
def per_ticket() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=12, helpdesks=("helpscout",)) as running:
        yield running


def helpdesk_of(sandbox: Sandbox, connection_id: str) -> str:
    return sandbox.world.helpdesk_of(connection_id).type


def test_each_support_table_gets_its_plan_and_check_says_which(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    shown = {
        (connection.id, item.table): item.plan.strategy.value
        for connection in check(settings_for(sandbox), cursors_in(warehouse)).connections
        for item in connection.objects
    }
    report = run_sync()
    assert report.exit_code == 0
    used = {(outcome.connection_id, outcome.object): outcome.plan.split(",")[0] for outcome in report.outcomes}
    assert used == shown
    for connection in sandbox.world.connections():
        assert (used[connection["id"], "tickets"], used[connection["id"], "notes"]) == PLANS[
            connection["integration_type"]
        ]


@pytest.mark.parametrize("helpdesk", ["gorgias", "hubspot"])
def test_what_did_not_change_is_not_read_again_though_the_list_cannot_be_sorted_or_filtered(
    warehouse: WarehouseSettings, helpdesk: str
) -> None:
    with Sandbox(seed=7, tickets=60, helpdesks=(helpdesk,)) as sandbox:
        settings = settings_for(sandbox, page_size=10, reread_pages=0)
        first = sync(settings, warehouse)
        sandbox.world.live(hours=1)
        second = sync(settings, warehouse)
        assert_same(sandbox.world, warehouse)
    cost = {outcome.object: outcome.calls.requests for outcome in first.outcomes}
    for outcome in second.outcomes:
        if outcome.object in ("tickets", "notes"):
            assert outcome.calls.requests < cost[outcome.object] / 2


@pytest.mark.parametrize("lie", [*[*LIES][:3], *map(at_length, [*LIES][3:])])
def test_a_support_table_that_lies_or_is_missing_loses_nothing(warehouse: WarehouseSettings, lie: str) -> None:
    with Sandbox(seed=3, tickets=60, helpdesks=("front",)) as sandbox:
        told = LIES[lie]
        sandbox.world.register_integration(
            "front", told.truth, published=told.published, is_listed=told.published is not None
        )
        settings = settings_for(sandbox, page_size=10)
        for _ in range(2):
            report = sync(settings, warehouse)
            assert report.failed == []
            assert_same(sandbox.world, warehouse)
            sandbox.world.live(hours=26)
    plans = {outcome.object: outcome.plan for outcome in report.outcomes}
    if "claims to" in lie:
        changed = "notes" if lie == "claims to list notes" else "tickets"
        assert "contradicts its support table" in plans[changed]
    if "per ticket" in lie:
        assert plans["notes"].startswith("per_ticket")


def test_a_server_that_refuses_what_its_support_table_offers_is_read_whole(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=3, tickets=30, helpdesks=("front",)) as sandbox:
        lie = LIES["claims to sort and filter"]
        sandbox.world.register_integration("front", lie.truth, published=lie.published)
        sandbox.world.refuse_unsupported = True
        report = sync(settings_for(sandbox, page_size=10), warehouse)
        assert report.failed == []
        assert_same(sandbox.world, warehouse)
    read = [outcome for outcome in report.outcomes if outcome.is_complete]
    assert all(outcome.plan.startswith("whole_list, the server contradicts") for outcome in read)
    assert len(read) == 4


def test_where_offset_is_ignored_only_what_cannot_be_read_without_it_is_missing_and_that_is_said(
    warehouse: WarehouseSettings,
) -> None:
    world = World.empty()
    world.register_integration("front", support_table(offset=False, raw=False), published=support_table(raw=False))
    connection_id = world.add_connection("front")
    ids = []
    for number in range(150):
        world.advance(timedelta(minutes=10))
        ids.append(world.create(connection_id, "customer", {"name": f"customer {number}"})["id"])
    world.bulk_edit(connection_id, "customer", ids[20:80], {"name": "bulk"})
    for customer_id in ids[80:]:
        world.advance(timedelta(minutes=10))
        world.touch(connection_id, "customer", customer_id)
    with Sandbox(world=world) as sandbox:
        sandbox.faults = Faults(page_cap=50)
        report = sync(settings_for(sandbox), warehouse, select=["customers"])
        [outcome] = report.failed
        assert "without offset" in str(outcome.error)
        assert outcome.plan.startswith("by_anchor, the server contradicts its support table: expected offset to move")
        missing = true_rows(world, "customers").keys() - stored_rows(warehouse, "customers").keys()
        assert len(missing) == 10
        world.touch(connection_id, "customer", ids[0])
        sync(settings_for(sandbox), warehouse, select=["customers"])
        key = connection_id, ids[0]
        assert stored_rows(warehouse, "customers")[key] == true_rows(world, "customers")[key]
        world.register_integration("front", support_table(raw=False))
        assert sync(settings_for(sandbox), warehouse, select=["customers"]).failed == []
        assert_same(world, warehouse)


@pytest.mark.parametrize("broken", [*map(at_length, ("hris_employee", "ticketing_note")), "all"])
def test_a_support_table_that_cannot_be_read_for_once_spoils_nothing(warehouse: WarehouseSettings, broken: str) -> None:
    with Sandbox(seed=7, tickets=10, helpdesks=("zendesk",)) as sandbox:
        world = sandbox.world
        sync(settings_for(sandbox), warehouse)
        before = query(warehouse, "select * from raw_unified.ticket_versions order by id")
        [helpdesk] = [found for found in world.helpdesks() if found.type == "zendesk"]
        odd = {name: {**row, "methods": {"list": "supported"}} for name, row in helpdesk.support.items()}
        world.publish("zendesk", {} if broken == "all" else {**helpdesk.support, broken: odd[broken]})
        world.advance(timedelta(days=1))
        report = sync(settings_for(sandbox), warehouse)
        assert report.exit_code == 0
        assert_same(world, warehouse)
        assert query(warehouse, "select * from raw_unified.ticket_versions order by id") == before
        plans = {outcome.object: outcome.plan for outcome in report.outcomes}
        whole = {"hris_employee": {"employees"}, "ticketing_note": {"notes"}, "all": {*plans}}[broken]
        assert {table for table, plan in plans.items() if plan == "whole_list"} == whole


@pytest.mark.parametrize("refuses", [True, False])
def test_what_was_read_before_and_is_not_offered_any_more_fails_rather_than_be_skipped(
    warehouse: WarehouseSettings, refuses: bool
) -> None:
    with Sandbox(seed=7, tickets=10, helpdesks=("zendesk",)) as sandbox:
        sync(settings_for(sandbox), warehouse)
        kept = {table: stored_rows(warehouse, table) for table in ("tickets", "notes")}
        if refuses:
            sandbox.world.register_integration("zendesk", {})
        else:
            sandbox.world.publish("zendesk", support_table(objects=("ticket", "customer", "category")))
        report = sync(settings_for(sandbox), warehouse)
        assert {outcome.object for outcome in report.failed} >= {"notes"}
        assert all(outcome.error for outcome in report.failed)
        assert kept == {table: stored_rows(warehouse, table) for table in kept}


@pytest.mark.long
def test_notes_whose_second_look_finds_disorder_may_come_to_be_read_per_ticket(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server sorts what is filtered, and since yesterday nothing else."""
    world = World.empty()
    world.register_integration("front", support_table(raw=False, offset=False))
    connection_id = world.add_connection("front")
    tickets = [world.create(connection_id, "ticket", {"status": "ACTIVE"})["id"] for _ in range(4)]
    for number in range(150):
        world.advance(timedelta(minutes=30))
        world.create(connection_id, "note", {"ticket_id": tickets[number % 4], "description": "x"})
    with Sandbox(world=world) as sandbox:
        sync(settings_for(sandbox), warehouse)
        honest = World.page

        def page(self: World, connection_id: str, name: str, listing: Listing) -> list[Stored]:
            is_sorted = name != "note" or listing.updated_gte is not None
            return honest(self, connection_id, name, listing if is_sorted else replace(listing, sort=None))

        monkeypatch.setattr(World, "page", page)
        first, *_, last = world.records(connection_id, "note")
        world.touch(connection_id, "note", first["id"])
        world.patch(connection_id, "note", last["id"], {"description": "quiet"}, quiet=True)
        world.advance(timedelta(hours=30))
        report = sync(settings_for(sandbox), warehouse)
        assert report.failed == []
        assert next(outcome.plan for outcome in report.outcomes if outcome.object == "notes").startswith("per_ticket")
        assert_same(world, warehouse)


def test_what_a_record_in_the_wrong_place_hides_from_the_walk_is_found_by_the_second_look(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newest first, the walk ends at the first old record; this one is where no page shows it before a newer one."""
    with Sandbox(seed=7, tickets=0, helpdesks=("gorgias",)) as sandbox:
        world = sandbox.world
        [connection] = world.connections()
        ids = []
        for _ in range(11):
            world.advance(timedelta(hours=1))
            ids.append(world.create(connection["id"], "ticket", {"status": "ACTIVE"})["id"])
        settings = settings_for(sandbox, page_size=3, reread_pages=10)
        sync(settings, warehouse)
        for ticket_id in ids[5:]:
            world.advance(timedelta(hours=1))
            world.touch(connection["id"], "ticket", ticket_id)
        honest = World.page

        def page(self: World, connection_id: str, name: str, listing: Listing) -> list[Stored]:
            rows = honest(self, connection_id, name, replace(listing, limit=100, offset=0))
            if name == "ticket":
                misplaced = next(row for row in rows if row.id == ids[4])
                rows = [row for row in rows if row.id != ids[4]]
                rows.insert(4 if listing.descending else 6, misplaced)
            return rows[listing.offset : listing.offset + listing.limit]

        monkeypatch.setattr(World, "page", page)
        report = sync(settings, warehouse)
        assert next(outcome.plan for outcome in report.outcomes if outcome.object == "tickets") == "newest_first"
        assert_same(world, warehouse)


def test_a_quiet_ticket_costs_no_request_for_its_notes(per_ticket: Sandbox, warehouse: WarehouseSettings) -> None:
    settings = settings_for(per_ticket)
    sync(settings, warehouse)
    assert_same(per_ticket.world, warehouse)
    [connection] = per_ticket.world.connections()
    changed = per_ticket.world.records(connection["id"], "ticket")[0]["id"]
    per_ticket.world.create(connection["id"], "note", {"ticket_id": changed, "description": "new"})
    per_ticket.world.touch(connection["id"], "ticket", changed)
    report = sync(settings, warehouse)
    [notes] = [outcome for outcome in report.outcomes if outcome.object == "notes"]
    assert notes.calls.requests <= 2
    assert_same(per_ticket.world, warehouse)


@on_both_at_length
def test_notes_of_open_tickets_are_looked_at_once_a_day_though_nothing_says_that_they_changed(
    per_ticket: Sandbox, warehouse: WarehouseSettings
) -> None:
    world = per_ticket.world
    [connection] = world.connections()
    settings = settings_for(per_ticket)
    sync(settings, warehouse)
    opened = [row for row in world.records(connection["id"], "ticket") if row["status"] == "ACTIVE"]
    with_notes = next(
        row["id"]
        for row in opened
        if any(note["ticket_id"] == row["id"] for note in world.records(connection["id"], "note"))
    )
    gone = next(note["id"] for note in world.records(connection["id"], "note") if note["ticket_id"] == with_notes)
    world.delete(connection["id"], "note", gone)
    late = world.create(connection["id"], "note", {"ticket_id": with_notes, "description": "late"})["id"]
    sync(settings, warehouse)
    assert (connection["id"], late) not in stored_rows(warehouse, "notes")
    world.advance(timedelta(hours=25))
    report = sync(settings, warehouse)
    assert_same(world, warehouse)
    assert deleted_rows(warehouse, "notes").keys() == {(connection["id"], gone)}
    [notes] = [outcome for outcome in report.outcomes if outcome.object == "notes"]
    assert len(opened) <= notes.calls.requests <= len(opened) + 8
    assert [outcome.calls.requests for outcome in sync(settings, warehouse).outcomes if outcome.object == "notes"] == [
        0
    ]


@pytest.mark.long
def test_the_daily_look_keeps_to_its_budget_and_takes_the_longest_unseen_first(
    per_ticket: Sandbox, warehouse: WarehouseSettings
) -> None:
    world = per_ticket.world
    [connection] = world.connections()
    for ticket in world.records(connection["id"], "ticket")[:6]:
        world.patch(connection["id"], "ticket", ticket["id"], {"status": "ACTIVE"})
    world.advance(timedelta(minutes=10))
    sync(settings_for(per_ticket), warehouse)
    world.advance(timedelta(hours=25))
    settings = settings_for(per_ticket, note_sweep_calls=3)
    seen: list[str] = []
    for _ in range(2):
        report = sync(settings, warehouse)
        assert sum(outcome.calls.requests for outcome in report.outcomes if outcome.object == "notes") <= 3
        world.advance(timedelta(minutes=1))
        newest = query(
            warehouse,
            "select ticket_id from raw_unified.note_sweeps "
            "where swept_at = (select max(swept_at) from raw_unified.note_sweeps)",
        )
        seen += [row["ticket_id"] for row in newest]
    assert 2 <= len(seen) == len(set(seen))


@pytest.mark.usefixtures("no_waiting")
def test_a_ticket_whose_notes_cannot_be_read_stops_no_other_and_is_tried_again(
    per_ticket: Sandbox, warehouse: WarehouseSettings
) -> None:
    world = per_ticket.world
    [connection] = world.connections()
    note = world.records(connection["id"], "note")[0]
    world.mangle(connection["id"], "note", note["id"], b'{"cut": ')
    settings = settings_for(per_ticket)
    [failed] = sync(settings, warehouse).failed
    assert failed.object == "notes"
    assert "1 tickets could not be read" in str(failed.error)
    missing = {row["id"] for row in world.records(connection["id"], "note") if row["ticket_id"] == note["ticket_id"]}
    everything = {row["id"] for row in world.records(connection["id"], "note")}
    assert {record_id for _, record_id in stored_rows(warehouse, "notes")} == everything - missing
    world.mangle(connection["id"], "note", note["id"], None)
    assert sync(settings, warehouse).failed == []
    assert_same(world, warehouse)


def test_a_paused_connection_with_notes_per_ticket_is_skipped_like_any_other(
    sandbox: Sandbox, run_sync: RunSync
) -> None:
    [helpscout] = [row["id"] for row in sandbox.world.connections() if row["integration_type"] == "helpscout"]
    sandbox.world.change_connection(helpscout, is_paused=True)
    report = run_sync()
    assert report.exit_code == 0
    assert {outcome.plan for outcome in report.skipped if outcome.connection_id == helpscout} == {"skipped, paused"}


def test_a_backfill_ticket_by_ticket_is_loaded_in_bounded_pieces(
    per_ticket: Sandbox, warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ticket_notes, "TICKETS_A_LOAD", 5)
    report = sync(settings_for(per_ticket), warehouse)
    assert report.exit_code == 0
    assert_same(per_ticket.world, warehouse)
    loads = query(warehouse, "select count(distinct _dlt_load_id) as n from raw_unified.note_sweeps")
    assert loads == [{"n": 3}]


def test_an_own_note_list_that_mixes_tickets_is_refused(per_ticket: Sandbox, warehouse: WarehouseSettings) -> None:
    world = per_ticket.world
    [connection] = world.connections()
    note = world.records(connection["id"], "note")[0]
    world.mangle(connection["id"], "note", note["id"], b'{"id": "x", "ticket_id": "another"}')
    [failed] = sync(settings_for(per_ticket), warehouse).failed
    assert "only the notes of ticket" in str(failed.error)


def test_content_that_changes_without_a_new_time_is_found_by_the_slow_second_look(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    for connection in sandbox.world.connections():
        for record in sandbox.world.records(connection["id"], "customer"):
            sandbox.world.patch(connection["id"], "customer", record["id"], {"name": "quietly renamed"}, quiet=True)
    for _ in range(4):
        run_sync(settings={"page_size": 4, "reread_pages": 2})
    names = query(warehouse, "select name, _observed_via from raw_unified.customers")
    assert {row["name"] for row in names} == {"quietly renamed"}
    assert {row["_observed_via"] for row in names} <= {"poll", "reread"}
    assert "reread" in {row["_observed_via"] for row in names}


@pytest.mark.long
def test_the_slow_second_look_keeps_to_its_pages_and_is_off_at_none(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    costs = []
    for pages in (0, 1, 2):
        report = run_sync(settings={"page_size": 4, "reread_pages": pages})
        [zendesk] = [
            outcome
            for outcome in report.outcomes
            if outcome.object == "customers" and outcome.integration_type == "zendesk"
        ]
        costs.append(zendesk.calls.requests)
    assert costs[1] == costs[0] + 1
    assert costs[2] == costs[0] + 2


@pytest.mark.long
def test_what_becomes_visible_late_is_covered_by_the_lookback(sandbox: Sandbox, warehouse: WarehouseSettings) -> None:
    world = sandbox.world
    offered = [row["id"] for row in world.connections() if row["integration_type"] not in ("helpscout", "zohodesk")]
    settings = settings_for(sandbox, connection_ids=offered, lookback_seconds=300, reread_pages=0)
    sandbox.faults = Faults(visible_after_seconds=300)
    world.advance(timedelta(hours=1))
    for _ in range(4):
        sync(settings, warehouse)
        world.live(hours=0.5)
    world.advance(timedelta(minutes=5))
    sync(settings, warehouse)
    stored = stored_rows(warehouse, "tickets")
    for connection_id in offered:
        for ticket in world.records(connection_id, "ticket"):
            assert stored[connection_id, ticket["id"]]["subject"] == ticket["subject"]


WITHOUT_OFFSET = {
    "by_anchor": support_table(offset=False, raw=False),
    "changed_list": support_table(offset=False, sort_by_updated_at=False, raw=False),
    "whole_list": support_table(
        offset=False, updated_gte=False, sort_by_updated_at=False, raw=False, methods=("list", "update", "remove")
    ),
}


def without_offset(strategy: str, tickets: int = 25) -> Sandbox:
    """A helpdesk whose lists know no offset, and are read by this plan."""
    world = World.seeded(seed=3, tickets=tickets, helpdesks=("front",))
    world.register_integration("front", WITHOUT_OFFSET[strategy])
    world.advance(timedelta(hours=1))
    return Sandbox(world=world)


def test_a_list_without_offset_is_read_by_anchor_whatever_the_server_serves_at_a_time(
    warehouse: WarehouseSettings,
) -> None:
    with without_offset("by_anchor") as sandbox:
        sandbox.faults = Faults(page_cap=10)
        sandbox.world.refuse_unsupported = True
        for _ in range(2):
            report = sync(settings_for(sandbox), warehouse)
            assert report.failed == []
            assert {outcome.plan for outcome in report.outcomes if outcome.object != "employees"} == {"by_anchor"}
            assert_same(sandbox.world, warehouse)
            sandbox.world.live(hours=1)


@pytest.mark.parametrize("page_size", [10, 100])
def test_a_tie_longer_than_a_page_without_offset_is_told_rather_than_cut(
    warehouse: WarehouseSettings, page_size: int
) -> None:
    with without_offset("by_anchor") as sandbox:
        [connection] = sandbox.world.connections()
        ids = [row["id"] for row in sandbox.world.records(connection["id"], "ticket")]
        sandbox.world.bulk_edit(connection["id"], "ticket", ids[3:], {"priority": "LOW"})
        sandbox.faults = Faults(page_cap=10)
        [failed] = sync(settings_for(sandbox, page_size=page_size), warehouse).failed
    assert failed.object == "tickets"
    assert "without offset" in str(failed.error)


def test_what_a_short_page_without_offset_leaves_out_is_not_taken_for_deleted(warehouse: WarehouseSettings) -> None:
    with without_offset("whole_list") as sandbox:
        sync(settings_for(sandbox), warehouse)
        assert_same(sandbox.world, warehouse)
        sandbox.faults = Faults(page_cap=20)
        assert reconcile(settings_for(sandbox), warehouse, largest_deletion=1.0).exit_code == 0
        assert_same(sandbox.world, warehouse)


@pytest.mark.parametrize("strategy", [at_length("by_anchor"), "changed_list"])
def test_the_slow_second_look_needs_no_offset(warehouse: WarehouseSettings, strategy: str) -> None:
    with without_offset(strategy) as sandbox:
        settings = settings_for(sandbox, page_size=100 if strategy == "changed_list" else 10, reread_pages=1)
        sync(settings, warehouse)
        [connection] = sandbox.world.connections()
        for record in sandbox.world.records(connection["id"], "ticket"):
            sandbox.world.patch(connection["id"], "ticket", record["id"], {"subject": "quiet"}, quiet=True)
        for _ in range(4):
            assert sync(settings, warehouse).failed == []
        assert {row["subject"] for row in query(warehouse, "select subject from raw_unified.tickets")} == {"quiet"}


@pytest.mark.parametrize("helpdesk", ["zendesk", *map(at_length, ("gorgias", "hubspot"))])
def test_nothing_is_brought_in_that_is_older_than_the_start_date(warehouse: WarehouseSettings, helpdesk: str) -> None:
    with Sandbox(seed=7, tickets=60, helpdesks=(helpdesk,)) as sandbox:
        [connection] = sandbox.world.connections()
        start = sorted(row["updated_at"] for row in sandbox.world.records(connection["id"], "ticket"))[40]
        settings = settings_for(sandbox, start_date=start, page_size=10, reread_pages=2)
        for _ in range(5):
            sync(settings, warehouse)
            sandbox.world.advance(timedelta(hours=1))
        assert query(warehouse, f"select id from raw_unified.tickets where updated_at < '{start}'") == []


def test_what_is_dated_far_in_the_future_is_read_however_much_it_is(
    warehouse: WarehouseSettings,
) -> None:
    with Sandbox(seed=7, tickets=60, helpdesks=("zendesk",)) as sandbox:
        [connection] = sandbox.world.connections()
        sandbox.world.advance(timedelta(hours=1))
        for minute, row in enumerate(sandbox.world.records(connection["id"], "ticket")):
            moment = f"2099-01-01T00:{minute:02}:00Z"
            sandbox.world.patch(connection["id"], "ticket", row["id"], {"updated_at": moment})
        assert sync(settings_for(sandbox, page_size=5), warehouse).failed == []
        assert_same(sandbox.world, warehouse)


@pytest.mark.parametrize("helpdesk", ["zendesk", *map(at_length, ("gorgias", "front"))])
def test_a_server_of_one_record_a_page_is_read_whole(warehouse: WarehouseSettings, helpdesk: str) -> None:
    with Sandbox(seed=7, tickets=12, helpdesks=(helpdesk,), faults=Faults(page_cap=1)) as sandbox:
        assert sync(settings_for(sandbox), warehouse).failed == []
        assert_same(sandbox.world, warehouse)


@pytest.mark.parametrize("helpdesk", ["zendesk", "gorgias", *map(at_length, ("hubspot", "front"))])
def test_ties_in_another_order_each_time_lose_nothing(warehouse: WarehouseSettings, helpdesk: str) -> None:
    with Sandbox(seed=7, tickets=30, helpdesks=(helpdesk,)) as sandbox:
        [connection] = sandbox.world.connections()
        ids = [row["id"] for row in sandbox.world.records(connection["id"], "ticket")]
        sandbox.world.bulk_edit(connection["id"], "ticket", ids[5:25], {"priority": "LOW"})
        sandbox.world.advance(timedelta(hours=1))
        sandbox.faults = Faults(unstable_ties=True)
        assert sync(settings_for(sandbox, page_size=6), warehouse).failed == []
        assert_same(sandbox.world, warehouse)


@pytest.mark.parametrize("helpdesk", ["zendesk", *map(at_length, ("gorgias", "front"))])
def test_a_run_comes_to_an_end_though_records_come_faster_than_it_reads(
    warehouse: WarehouseSettings, helpdesk: str
) -> None:
    with Sandbox(seed=7, tickets=30, helpdesks=(helpdesk,)) as sandbox:
        sandbox.faults = Faults(inserts=6, inserts_until=6_000, moves_apart_seconds=1)
        report = sync(settings_for(sandbox, page_size=5), warehouse, select=["customers"])
        assert report.failed == []
        assert sum(outcome.calls.requests for outcome in report.outcomes) < 300
        sandbox.faults = Faults()
        sync(settings_for(sandbox), warehouse)
        assert stored_rows(warehouse, "customers") == true_rows(sandbox.world, "customers")


def test_what_was_read_whole_is_not_looked_at_again_in_the_same_run(warehouse: WarehouseSettings) -> None:
    """A list without any time has no cursor to go on from, so each run reads all of it."""
    with Sandbox(seed=7, tickets=5, helpdesks=("zendesk",)) as sandbox:
        [connection] = sandbox.world.connections()
        customers = sandbox.world.records(connection["id"], "customer")
        for customer in customers:
            sandbox.world.patch(connection["id"], "customer", customer["id"], {"updated_at": None})
        for _ in range(2):
            report = sync(settings_for(sandbox), warehouse, select=["customers"])
            assert [outcome.rows_received for outcome in report.outcomes] == [len(customers)]
