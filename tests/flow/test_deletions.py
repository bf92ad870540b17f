"""What is gone at the source is marked in the warehouse, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pipelines.errors import UnknownId
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.sandbox.answers import Api, Refusal
from pipelines.sandbox.shelf import Listing, Stored
from pipelines.sandbox.support import support_table
from pipelines.settings import WarehouseSettings
from pipelines.sync import SyncReport, reconcile, sync
from pipelines.unified_api.client import UnifiedClient
from pipelines.unified_api.records import Listed, Page
from tests.flow.conftest import at_length, on_both, on_both_at_length, settings_for
from tests.flow.truth import OBJECTS, assert_same, deleted_rows, query, stored_rows, tables_of

pytestmark = pytest.mark.slow

HELPDESKS = ("zendesk", "front", "kustomer", "groove")
"""By anchor, the whole list, notes per ticket, without get."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=36, helpdesks=HELPDESKS) as running:
        yield running


@pytest.fixture
def run_reconcile(sandbox: Sandbox, warehouse: WarehouseSettings) -> Callable[..., SyncReport]:
    return lambda **options: reconcile(settings_for(sandbox), warehouse, **options)


RunSync = Callable[..., SyncReport]


def delete_some(world: World) -> dict[str, set[tuple[str, str]]]:
    """A ticket with its notes, another note, a customer, a category and an employee of each connection that has any."""
    before = {table: keys(world, table) for table in OBJECTS}
    for connection in world.connections():
        for table in tables_of(world, connection["id"]):
            name = OBJECTS[table]
            world.delete(connection["id"], name, world.records(connection["id"], name)[-1]["id"])
    return {table: before[table] - keys(world, table) for table in OBJECTS}


def keys(world: World, table: str) -> set[tuple[str, str]]:
    return {
        (connection["id"], record["id"])
        for connection in world.connections()
        if table in tables_of(world, connection["id"])
        for record in world.records(connection["id"], OBJECTS[table])
    }


@on_both
def test_reconcile_marks_what_is_gone_and_keeps_its_values(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_reconcile: RunSync
) -> None:
    run_sync()
    before = {table: stored_rows(warehouse, table) for table in OBJECTS}
    gone = delete_some(sandbox.world)
    report = run_reconcile()
    assert report.exit_code == 0
    assert_same(sandbox.world, warehouse)
    for table in OBJECTS:
        deleted = deleted_rows(warehouse, table)
        assert deleted.keys() == gone[table]
        assert sum(outcome.rows_deleted for outcome in report.outcomes if outcome.object == table) == len(gone[table])
        for key, row in deleted.items():
            assert row.pop("_deleted_at") <= sandbox.world.now
            is_without_get = table == "employees" or sandbox.world.helpdesk_of(key[0]).type == "groove"
            assert row.pop("_deletion_reason") == ("absent" if is_without_get else "not_found")
            assert row == before[table][key], key


@pytest.mark.long
@on_both_at_length
def test_reconcile_again_changes_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_reconcile: RunSync
) -> None:
    run_sync()
    delete_some(sandbox.world)
    run_reconcile()
    before = {table: deleted_rows(warehouse, table) for table in OBJECTS}
    sandbox.world.advance(timedelta(hours=1))
    report = run_reconcile()
    assert sum(outcome.rows_deleted for outcome in report.outcomes) == 0
    assert {table: deleted_rows(warehouse, table) for table in OBJECTS} == before


def test_a_sync_does_not_bring_back_what_is_gone(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_reconcile: RunSync
) -> None:
    run_sync()
    gone = delete_some(sandbox.world)
    run_reconcile()
    run_sync()
    run_sync(full_refresh=True)
    for table in OBJECTS:
        assert deleted_rows(warehouse, table).keys() == gone[table]


@on_both_at_length
@pytest.mark.parametrize("by", [at_length("sync"), "reconcile"])
def test_what_the_list_shows_again_is_alive_again_even_in_an_older_state(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_reconcile: RunSync, by: str
) -> None:
    world = sandbox.world
    run_sync()
    lost = {connection["id"]: world.records(connection["id"], "customer")[-1] for connection in world.connections()}
    for connection_id, record in lost.items():
        world.delete(connection_id, "customer", record["id"])
    run_reconcile(select=["customers"])
    assert len(deleted_rows(warehouse, "customers")) == len(lost)
    world.advance(timedelta(hours=1))
    for connection_id, record in lost.items():
        older = (world.now - timedelta(days=900)).isoformat()
        world.create(connection_id, "customer", {**record, "updated_at": older, "created_at": older})
    if by == "sync":
        run_sync(full_refresh=True)
    else:
        run_reconcile(select=["customers"])
    assert deleted_rows(warehouse, "customers") == {}
    is_fetched = [connection["id"] for connection in world.connections() if connection["integration_type"] != "groove"]
    stored = stored_rows(warehouse, "customers")
    for connection_id, record in lost.items():
        if by == "sync" or connection_id in is_fetched:
            assert stored[connection_id, record["id"]]["updated_at"] < world.now - timedelta(days=899)


def test_a_sweep_that_would_remove_too_much_removes_nothing_until_told_to(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_reconcile: RunSync
) -> None:
    world = sandbox.world
    run_sync()
    connection_id = world.connections()[0]["id"]
    notes = [note["id"] for note in world.records(connection_id, "note")]
    assert len(notes) > 21
    for note_id in notes[:21]:
        world.delete(connection_id, "note", note_id)
    report = run_reconcile(select=["notes"])
    assert report.exit_code == 3
    [failed] = report.failed
    assert "21 are not shown any more" in str(failed.error)
    assert "--select notes --brake 1" in str(failed.error)
    assert deleted_rows(warehouse, "notes") == {}
    assert run_reconcile(select=["notes"], largest_deletion=1.0).exit_code == 0
    assert len(deleted_rows(warehouse, "notes")) == 21


@pytest.mark.long
@pytest.mark.usefixtures("no_waiting")
def test_a_sweep_that_fails_removes_nothing_of_its_object(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    delete_some(sandbox.world)
    sick = sandbox.world.connections()[0]["id"]
    sandbox.faults = Faults(status_500=0.9, max_consecutive=1000, connections=(sick,), seed=5)
    report = reconcile(settings_for(sandbox, page_size=5), warehouse)
    assert report.exit_code == 3
    failed = {outcome.object for outcome in report.failed}
    assert failed
    for table in failed:
        assert not any(connection_id == sick for connection_id, _ in deleted_rows(warehouse, table))


def test_a_connection_that_is_gone_takes_none_of_its_records_along(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_reconcile: RunSync
) -> None:
    run_sync()
    before = {table: stored_rows(warehouse, table) for table in OBJECTS}
    doomed = sandbox.world.connections()[1]["id"]
    report = reconcile(settings_for(sandbox, connection_ids=[doomed]), warehouse)
    sandbox.world.remove_connection(doomed)
    report = reconcile(settings_for(sandbox, connection_ids=[doomed]), warehouse)
    assert report.exit_code == 1
    assert {table: stored_rows(warehouse, table) for table in OBJECTS} == before


@pytest.mark.long
def test_records_that_only_the_list_hides_are_not_taken_for_gone(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    asks = [
        connection["id"] for connection in sandbox.world.connections() if connection["integration_type"] != "groove"
    ]
    sandbox.world.live(hours=3)
    sandbox.faults = Faults(visible_after_seconds=10_000_000)
    report = reconcile(settings_for(sandbox, connection_ids=asks), warehouse, largest_deletion=1.0)
    assert report.exit_code == 0
    for table in OBJECTS:
        assert not any(connection_id in asks for connection_id, _ in deleted_rows(warehouse, table))


def test_a_get_that_knows_nothing_proves_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers every get with a 404, its support table notwithstanding: then only its list counts."""
    run_sync()
    delete_some(sandbox.world)

    def refuse(*_: object) -> None:
        raise UnknownId("404")

    monkeypatch.setattr(UnifiedClient, "get_record", refuse)
    assert reconcile(settings_for(sandbox), warehouse).exit_code == 0
    reasons = query(
        warehouse, "select distinct _deletion_reason from raw_unified.customers where _deleted_at is not null"
    )
    assert reasons == [{"_deletion_reason": "absent"}]
    assert_same(sandbox.world, warehouse)


def test_a_server_that_refuses_undocumented_fields_can_still_be_asked_for_one_record(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    [zendesk] = [item["id"] for item in sandbox.world.connections() if item["integration_type"] == "zendesk"]
    sandbox.faults = Faults(fields_strict=True)
    run_sync()
    gone = sandbox.world.records(zendesk, "customer")[-1]["id"]
    sandbox.world.delete(zendesk, "customer", gone)
    for customer in sandbox.world.records(zendesk, "customer"):
        sandbox.world.touch(zendesk, "customer", customer["id"])
    sandbox.faults = Faults(fields_strict=True, visible_after_seconds=10_000_000)
    report = reconcile(settings_for(sandbox, connection_ids=[zendesk]), warehouse, largest_deletion=1.0)
    assert report.failed == []
    [(key, row)] = deleted_rows(warehouse, "customers").items()
    assert (key, row["_deletion_reason"]) == ((zendesk, gone), "not_found")


@pytest.mark.parametrize("status", [400, 410, *map(at_length, (403, 414))])
def test_an_id_that_is_refused_leaves_the_others_to_be_asked_for(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    world = sandbox.world
    [front] = [item["id"] for item in world.connections() if item["integration_type"] == "front"]
    run_sync()
    refused, gone, *_ = sorted(record["id"] for record in world.records(front, "customer"))
    honest = Api._must_exist

    def answer(self: Api, where: Any, record_id: str) -> Any:
        if record_id == refused:
            raise Refusal(status, "not this one")
        return honest(self, where, record_id)

    monkeypatch.setattr(Api, "_must_exist", answer)
    for customer in world.records(front, "customer"):
        world.touch(front, "customer", customer["id"])
    world.delete(front, "customer", gone)
    sandbox.faults = Faults(visible_after_seconds=300)
    settings = settings_for(sandbox, connection_ids=[front])
    report = reconcile(settings, warehouse, select=["customers"], largest_deletion=1.0)
    expected = {gone, refused} if status == 410 else {gone}
    assert {record_id for _, record_id in deleted_rows(warehouse, "customers")} == expected
    assert bool(report.failed) is (status != 410)
    assert status == 410 or "asking for them by their ids was refused" in str(report.failed[0].error)


def test_a_record_that_answers_to_another_id_is_gone(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_reconcile: RunSync
) -> None:
    """As two customers do who were merged: the old id leads to the one that is left."""
    world = sandbox.world
    run_sync()
    [front] = [item["id"] for item in world.connections() if item["integration_type"] == "front"]
    merged = world.records(front, "customer")[0]["id"]
    world.mangle(front, "customer", merged, b'{"id": "survivor"}')
    assert run_reconcile(select=["customers"]).exit_code == 0
    assert deleted_rows(warehouse, "customers").keys() == {(front, merged)}


@pytest.mark.parametrize("record_id", ["a/b", *map(at_length, (".", "..", "ü?#%", "x y"))])
def test_an_odd_id_is_asked_for_as_it_is_or_not_at_all(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, record_id: str
) -> None:
    [front] = [item["id"] for item in sandbox.world.connections() if item["integration_type"] == "front"]
    sandbox.world.create(front, "customer", {"id": record_id, "name": "Odd"})
    run_sync()
    sandbox.world.touch(front, "customer", record_id)
    sandbox.faults = Faults(visible_after_seconds=300)
    reconcile(settings_for(sandbox, connection_ids=[front]), warehouse, select=["customers"])
    assert deleted_rows(warehouse, "customers") == {}


@pytest.mark.parametrize("table", ["tickets", "customers", "categories"])
def test_a_list_that_shows_nothing_at_all_is_not_believed(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few there were, and where nothing can be asked for too."""
    run_sync()
    [groove] = [item["id"] for item in sandbox.world.connections() if item["integration_type"] == "groove"]
    monkeypatch.setattr(UnifiedClient, "list", _listing_nothing(UnifiedClient.list))
    report = reconcile(settings_for(sandbox, connection_ids=[groove]), warehouse, select=[table])
    assert "Nothing was removed" in str(report.failed[0].error)
    assert deleted_rows(warehouse, table) == {}


def _listing_nothing(honest: Callable[..., Page]) -> Callable[..., Page]:
    def answer(self: UnifiedClient, path: str, *arguments: Any) -> Page:
        page = honest(self, path, *arguments)
        return replace(page, records=[]) if path.startswith("/ticketing/") else page

    return answer


def test_a_get_that_answers_with_ids_of_another_form_proves_nothing(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = UnifiedClient.get_record

    def get_record(self: UnifiedClient, path: str, *arguments: Any) -> tuple[Listed, datetime]:
        record, served_at = honest(self, path, *arguments)
        return (replace(record, id=f"customer_{record.id}"), served_at)

    monkeypatch.setattr(UnifiedClient, "get_record", get_record)
    with Sandbox(seed=7, tickets=20, helpdesks=("zendesk",)) as sandbox:
        [connection] = sandbox.world.connections()
        sync(settings_for(sandbox), warehouse)
        sandbox.world.delete(connection["id"], "customer", sandbox.world.records(connection["id"], "customer")[0]["id"])
        reconcile(settings_for(sandbox), warehouse, select=["customers"])
    assert {row["_deletion_reason"] for row in deleted_rows(warehouse, "customers").values()} == {"absent"}


def test_what_has_no_time_and_cannot_be_asked_for_is_not_taken_for_gone_by_a_list_that_filters(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that lists such records last shows them only while the whole list fits a page."""
    world = World.empty()
    world.register_integration("front", support_table(raw=False, methods=("list", "create", "update", "remove")))
    connection_id = world.add_connection("front")
    undated = world.create(connection_id, "customer", {"name": "undated", "updated_at": None})["id"]
    gone = [
        world.create(connection_id, "customer", {"name": "gone", **times})["id"] for times in ({}, {"updated_at": None})
    ]
    honest = World.page

    def page(self: World, connection_id: str, name: str, listing: Listing) -> list[Stored]:
        rows = honest(self, connection_id, name, replace(listing, limit=1_000, offset=0))
        rows = sorted((row for row in rows if not _is_undated(row) or not listing.updated_gte), key=_is_undated)
        return rows[listing.offset : listing.offset + listing.limit]

    monkeypatch.setattr(World, "page", page)
    with Sandbox(world=world) as sandbox:
        for _ in range(2):
            for _ in range(60):
                world.create(connection_id, "customer", {"name": "another"})
            world.advance(timedelta(hours=1))
            assert sync(settings_for(sandbox), warehouse, select=["customers"]).failed == []
        for record_id in gone:
            world.delete(connection_id, "customer", record_id)
        reconcile(settings_for(sandbox), warehouse, select=["customers"])
    assert deleted_rows(warehouse, "customers").keys() == {(connection_id, record_id) for record_id in gone}
    assert (connection_id, undated) in stored_rows(warehouse, "customers")


@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("hides", [True, False])
def test_a_second_reading_that_sees_no_end_keeps_nothing_from_being_marked_and_marks_nothing_that_it_shows(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch, refuses: bool, hides: bool
) -> None:
    """A helpdesk without offset, the list of which does not fit a page; `hides`: it shows one only without sort."""
    world = World.empty(refuse_unsupported=refuses)
    methods = ("list", "create", "update", "remove")
    world.register_integration("front", support_table(raw=False, offset=False, methods=methods))
    connection_id = world.add_connection("front")
    lags = world.create(connection_id, "customer", {"name": "shown late"})["id"]
    dated = world.create(connection_id, "customer", {"name": "gone"})["id"]
    undated = world.create(connection_id, "customer", {"name": "gone", "updated_at": None})["id"]
    honest, hidden = World.page, set[str]()

    def page(self: World, connection_id: str, name: str, listing: Listing) -> list[Stored]:
        rows = honest(self, connection_id, name, replace(listing, limit=1_000, offset=0))
        rows = sorted((row for row in rows if not _is_undated(row) or not listing.updated_gte), key=_is_undated)
        return [row for row in rows if not listing.sort or row.id not in hidden][: listing.limit]

    monkeypatch.setattr(World, "page", page)
    with Sandbox(world=world) as sandbox:
        for _ in range(60 if not hides else 20):
            world.create(connection_id, "customer", {"name": "another"})
            world.advance(timedelta(seconds=1))
        world.advance(timedelta(hours=1))
        assert sync(settings_for(sandbox), warehouse, select=["customers"]).failed == []
        hidden |= {lags} if hides else set()
        for record_id in (dated, undated):
            world.delete(connection_id, "customer", record_id)
        report = reconcile(settings_for(sandbox), warehouse, select=["customers"])
    assert report.failed == []
    gone = {record_id for _, record_id in deleted_rows(warehouse, "customers")}
    assert dated in gone
    assert lags not in gone


def _is_undated(stored: Stored) -> bool:
    return stored.updated < 0


def test_an_updated_gte_that_is_required_is_always_sent(warehouse: WarehouseSettings) -> None:
    world = World.seeded(seed=3, tickets=20, helpdesks=("front",))
    table = support_table(raw=False)
    for support in table.values():
        support["list_updated_gte"] = "supported-required"
    world.register_integration("front", table)
    with Sandbox(world=world) as sandbox:
        assert sync(settings_for(sandbox), warehouse).exit_code == 0
        assert reconcile(settings_for(sandbox), warehouse).exit_code == 0
        assert_same(world, warehouse)


def test_a_404_for_the_notes_of_a_ticket_is_looked_into(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    """Without any reconcile: the daily look at an open ticket finds that it is gone."""
    world = sandbox.world
    run_sync()
    [kustomer] = [item["id"] for item in world.connections() if item["integration_type"] == "kustomer"]
    ticket = next(ticket for ticket in world.records(kustomer, "ticket") if ticket["status"] == "ACTIVE")
    world.delete(kustomer, "ticket", ticket["id"])
    world.advance(timedelta(hours=25))
    run_sync()
    deleted = deleted_rows(warehouse, "tickets")
    assert deleted.keys() == {(kustomer, ticket["id"])}
    assert deleted[kustomer, ticket["id"]]["_deletion_reason"] == "not_found"
    assert_same(world, warehouse)


@pytest.mark.long
def test_a_reconcile_costs_pages_of_ids_and_tells_what_it_did(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_reconcile: RunSync
) -> None:
    run_sync()
    delete_some(sandbox.world)
    sync(settings_for(sandbox), warehouse)
    run_reconcile()
    [rows] = query(
        warehouse,
        "select count(*) as objects, sum(rows_deleted) as deleted, min(cast(is_complete as integer)) as well "
        "from raw_unified.sync_runs where command = 'reconcile' and plan not like 'not_offered%'",
    )
    connections = sandbox.world.connections()
    assert rows["objects"] == sum(len(tables_of(sandbox.world, connection["id"])) for connection in connections)
    assert rows["deleted"] == sum(len(deleted_rows(warehouse, table)) for table in OBJECTS)
    assert rows["well"] == 1


def test_a_sweep_whose_calls_end_while_it_asks_removes_what_it_has_proven(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=40, helpdesks=("zendesk",)) as sandbox:
        world = sandbox.world
        connection_id = world.connections()[0]["id"]
        sync(settings_for(sandbox), warehouse)
        gone = [ticket["id"] for ticket in world.records(connection_id, "ticket")][:10]
        for ticket_id in gone:
            world.delete(connection_id, "ticket", ticket_id)
        [outcome] = reconcile(settings_for(sandbox, max_calls_per_run=12), warehouse, select=["tickets"]).outcomes
        assert outcome.is_put_off
        assert not outcome.is_complete
        assert 0 < len(deleted_rows(warehouse, "tickets")) < len(gone)
        reconcile(settings_for(sandbox), warehouse, select=["tickets"])
        assert {ticket_id for _, ticket_id in deleted_rows(warehouse, "tickets")} == set(gone)
