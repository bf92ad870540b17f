"""`verify` finds what is not as the source shows it, and nothing else; `--repair` brings it into order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from pipelines.errors import FixConfiguration
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.sandbox.support import support_table
from pipelines.settings import WarehouseSettings
from pipelines.sync import SyncReport, reconcile
from pipelines.ticketing.verdict import Gap, Kind
from pipelines.verify import VerifyReport, verify
from tests.flow.conftest import on_both, settings_for, slow
from tests.flow.truth import OBJECTS, assert_same, change, query

HELPDESKS = ("zendesk", "servicenow", "gorgias", "front", "kustomer", "groove")
"""By anchor, newest first, the whole list, the same without offset or sort, notes per ticket, without get."""

RunSync = Callable[..., SyncReport]
RunVerify = Callable[..., VerifyReport]


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Every kind of helpdesk, or those that a test names."""
    helpdesks = getattr(request, "param", HELPDESKS)
    with Sandbox(seed=7, tickets=12 * len(helpdesks), helpdesks=helpdesks) as running:
        yield running


def of(*helpdesks: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sandbox", [helpdesks], indirect=True, ids=["_".join(helpdesks)])


@pytest.fixture
def run_verify(sandbox: Sandbox, warehouse: WarehouseSettings) -> RunVerify:
    def run_now(settings: dict[str, Any] | None = None, **options: Any) -> VerifyReport:
        return verify(settings_for(sandbox, **(settings or {})), warehouse, **options)

    return run_now


def gaps_in(report: VerifyReport) -> dict[tuple[str, str, str], Gap]:
    """The gaps of the first look, by connection, table and id."""
    return {
        (finding.outcome.connection_id, finding.outcome.object, gap.id): gap
        for finding in report.looks[0]
        for gap in finding.verdict.gaps
    }


def the_connection(world: World, helpdesk: str | None = None) -> str:
    """The id of the first connection, or of the first to a helpdesk."""
    ids = [str(connection["id"]) for connection in world.connections()]
    return next(id for id in ids if helpdesk in {None, world.helpdesk_of(id).type})


def oldest(world: World, connection_id: str, table: str, count: int = 1) -> list[str]:
    records = sorted(world.records(connection_id, OBJECTS[table]), key=lambda record: record["updated_at"])
    return [record["id"] for record in records[:count]]


def among(ids: list[str]) -> str:
    return f"id in ({', '.join(repr(id) for id in ids)})"


def lose_a_page(world: World, warehouse: WarehouseSettings) -> set[tuple[str, str, str]]:
    lost = set()
    for connection in world.connections():
        for table in ("tickets", "customers"):
            ids = oldest(world, connection["id"], table, 3)
            change(
                warehouse,
                f"delete from raw_unified.{table} where connection_id = '{connection['id']}' and {among(ids)}",
            )
            lost |= {(connection["id"], table, id) for id in ids}
    return lost


def age_a_row(world: World, warehouse: WarehouseSettings) -> set[tuple[str, str, str]]:
    aged = set()
    for connection in world.connections():
        for table in OBJECTS:
            (id,) = oldest(world, connection["id"], table)
            change(
                warehouse,
                f"update raw_unified.{table} set updated_at = updated_at - interval '1 day' "
                f"where connection_id = '{connection['id']}' and id = '{id}'",
            )
            aged.add((connection["id"], table, id))
    return aged


def lose_a_thread(world: World, warehouse: WarehouseSettings) -> set[tuple[str, str, str]]:
    lost = set()
    for connection in world.connections():
        notes = sorted(world.records(connection["id"], "note"), key=lambda record: record["updated_at"])
        thread = [note["id"] for note in notes if note["ticket_id"] == notes[0]["ticket_id"]]
        change(
            warehouse, f"delete from raw_unified.notes where connection_id = '{connection['id']}' and {among(thread)}"
        )
        lost |= {(connection["id"], "notes", id) for id in thread}
    return lost


def double_a_row(world: World, warehouse: WarehouseSettings) -> set[tuple[str, str, str]]:
    doubled = set()
    for connection in world.connections():
        (id,) = oldest(world, connection["id"], "categories")
        change(
            warehouse,
            "drop index if exists raw_unified.categories_key",
            "insert into raw_unified.categories select * from raw_unified.categories "
            f"where connection_id = '{connection['id']}' and id = '{id}'",
        )
        doubled.add((connection["id"], "categories", id))
    return doubled


def keep_what_is_gone(world: World, warehouse: WarehouseSettings) -> set[tuple[str, str, str]]:
    gone = set()
    for connection in world.connections():
        for table in ("customers", "notes"):
            (id,) = oldest(world, connection["id"], table)
            world.delete(connection["id"], OBJECTS[table], id)
            gone.add((connection["id"], table, id))
    return gone


def mark_what_is_there(world: World, warehouse: WarehouseSettings) -> set[tuple[str, str, str]]:
    marked = set()
    for connection in world.connections():
        for table in OBJECTS:
            id = oldest(world, connection["id"], table, 30)[-2 if table == "notes" else 0]
            change(
                warehouse,
                f"update raw_unified.{table} set _deleted_at = now(), _deletion_reason = 'not_found' "
                f"where connection_id = '{connection['id']}' and id = '{id}'",
            )
            marked.add((connection["id"], table, id))
    return marked


PLANTED = {
    Kind.MISSING: lose_a_page,
    Kind.STALE: age_a_row,
    Kind.DOUBLED: double_a_row,
    Kind.EXTRA: keep_what_is_gone,
    Kind.WRONGLY_DELETED: mark_what_is_there,
}


@on_both
@pytest.mark.parametrize("kind", [slow(kind, id=kind.value) for kind in PLANTED])
def test_a_planted_gap_is_found_explained_and_repaired(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify, kind: Kind
) -> None:
    run_sync()
    planted = PLANTED[kind](sandbox.world, warehouse)
    found = run_verify()
    assert found.exit_code == 1
    assert {key for key, gap in gaps_in(found).items() if gap.kind is kind} == planted
    assert {gap.kind for gap in gaps_in(found).values()} == {kind}
    assert all(gap.cause for gap in gaps_in(found).values())
    repaired = run_verify(repairs=True)
    assert repaired.exit_code == 0
    assert repaired.repaired == len(planted)
    assert_same(sandbox.world, warehouse)
    assert run_verify(is_deep=True).gaps_left == 0


def test_gaps_of_all_kinds_at_once_are_found_and_repaired(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    world = sandbox.world
    planted = double_a_row(world, warehouse) | lose_a_thread(world, warehouse) | lose_a_page(world, warehouse)
    found = gaps_in(run_verify())
    of_lost_tickets = {
        (connection["id"], "notes", note["id"])
        for connection in world.connections()
        if world.helpdesk_of(connection["id"]).type == "kustomer"
        for note in world.records(connection["id"], "note")
        if (connection["id"], "tickets", note["ticket_id"]) in planted
    }
    assert found.keys() == planted - of_lost_tickets
    assert run_verify(repairs=True).exit_code == 0
    assert_same(world, warehouse)


@pytest.mark.slow
def test_a_lost_page_and_a_lost_thread_are_told_as_such(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    pages, threads = lose_a_page(sandbox.world, warehouse), lose_a_thread(sandbox.world, warehouse)
    found = gaps_in(run_verify(select=["tickets"])) | gaps_in(run_verify(select=["notes"]))
    assert all("3 records in a row" in found[key].cause for key in pages if key[1] == "tickets")
    per_ticket = [key for key in threads & found.keys() if sandbox.world.helpdesk_of(key[0]).type == "kustomer"]
    assert all("the whole thread was lost" in found[key].cause for key in per_ticket)


def test_a_quiet_change_is_found_by_a_deep_look_only_and_repaired(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    world = sandbox.world
    changed = set()
    for connection in world.connections():
        (id,) = oldest(world, connection["id"], "notes")
        world.patch(connection["id"], "note", id, {"description": "changed in silence"}, quiet=True)
        changed.add((connection["id"], "notes", id))
    assert run_verify().exit_code == 0
    found = gaps_in(run_verify(is_deep=True))
    assert found.keys() == changed
    assert all(gap.kind is Kind.CHANGED and "description" in gap.cause for gap in found.values())
    assert run_verify(is_deep=True, repairs=True).exit_code == 0
    assert_same(world, warehouse)


@pytest.mark.slow
def test_a_row_that_was_altered_here_is_found_by_a_deep_look_though_its_hash_is_as_it_was(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    change(warehouse, "update raw_unified.tickets set subject = 'altered'")
    report = run_verify(is_deep=True, select=["tickets"])
    assert report.gaps_left == 72
    assert run_verify(is_deep=True, select=["tickets"], repairs=True).exit_code == 0
    assert_same(sandbox.world, warehouse)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_no_gap_is_reported_where_there_is_none_while_the_source_moves(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify, seed: int
) -> None:
    run_sync()
    reconcile(settings_for(sandbox), warehouse)
    sandbox.world.advance(timedelta(hours=1))
    sandbox.faults = Faults(
        seed=seed,
        moves=3,
        moves_until=90,
        inserts=1,
        inserts_until=30,
        deletes=1,
        deletes_until=20,
        moves_apart_seconds=1,
    )
    for options in ({}, {"sample": 20}, {"is_deep": True}):
        report = run_verify({"page_size": 5}, largest_deletion=1.0, **options)
        assert report.gaps_left == 0, gaps_in(report)
        assert report.exit_code == 0, [finding.outcome.error for finding in report.unverified]
    assert sum(finding.verdict.not_yet_read for finding in report.findings) > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_gap_is_found_and_repaired_while_the_source_moves(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify, seed: int
) -> None:
    run_sync()
    planted = lose_a_page(sandbox.world, warehouse)
    sandbox.world.advance(timedelta(hours=1))
    sandbox.faults = Faults(seed=seed, moves=2, moves_until=40, inserts=1, inserts_until=20, moves_apart_seconds=1)
    found = gaps_in(run_verify({"page_size": 5}))
    assert found.keys() <= planted
    assert run_verify({"page_size": 5}, repairs=True).exit_code == 0
    sandbox.faults = Faults()
    run_sync()
    assert_same(sandbox.world, warehouse)


def test_what_has_changed_since_the_last_sync_is_no_gap(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    world = sandbox.world
    world.advance(timedelta(hours=1))
    for connection in world.connections():
        world.touch(connection["id"], "ticket", oldest(world, connection["id"], "tickets")[0])
        world.create(connection["id"], "customer", {"name": "Newcomer"})
    report = run_verify()
    assert report.exit_code == 0
    assert sum(finding.verdict.not_yet_read for finding in report.findings) == 2 * len(HELPDESKS)


@pytest.mark.slow
def test_what_is_gone_since_the_last_reconcile_is_no_gap_until_one_has_not_marked_it(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    reconcile(settings_for(sandbox), warehouse)
    gone = keep_what_is_gone(sandbox.world, warehouse)
    first = run_verify()
    assert first.exit_code == 0
    assert sum(finding.verdict.not_yet_reconciled for finding in first.findings) == len(gone)
    reconcile(settings_for(sandbox), warehouse)
    change(warehouse, "update raw_unified.customers set _deleted_at = null")
    second = run_verify(select=["customers"])
    assert gaps_in(second).keys() == {key for key in gone if key[1] == "customers"}


def test_a_sample_costs_less_and_finds_what_lies_in_it(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    change(warehouse, "update raw_unified.notes set updated_at = updated_at - interval '1 day'")
    whole, sample = (
        run_verify({"page_size": 5}, select=["notes"]),
        run_verify({"page_size": 5}, select=["notes"], sample=5),
    )
    assert 0 < sample.gaps_left < whole.gaps_left
    cost = [sum(finding.outcome.calls.requests for finding in report.findings) for report in (sample, whole)]
    assert cost[0] < cost[1] / 3


def test_what_a_look_will_cost_is_said_before_it(sandbox: Sandbox, run_sync: RunSync, run_verify: RunVerify) -> None:
    run_sync()
    told: list[int] = []
    sandbox.reset_counters()
    rehearsal = run_verify(is_rehearsal=True, told=told.append)
    assert rehearsal.looks == []
    report = run_verify(told=told.append)
    cost = sum(finding.outcome.calls.requests for finding in report.findings)
    assert told == [rehearsal.calls, report.calls]
    assert cost <= report.calls <= 2 * cost


@pytest.mark.slow
def test_every_look_leaves_a_row_of_each_object(
    warehouse: WarehouseSettings, sandbox: Sandbox, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    planted = lose_a_page(sandbox.world, warehouse)
    run_verify()
    rows = query(warehouse, "select * from raw_unified.sync_coverage")
    assert len(rows) == len(HELPDESKS) * len(OBJECTS)
    assert sum(row["missing"] for row in rows) == len(planted)
    told = {(row["connection_id"], row["object"], gap["id"]) for row in rows for gap in row["gaps"]}
    assert told == planted
    assert all(row["is_complete"] and row["records_shown"] is not None and row["ended_at"] for row in rows)


@pytest.mark.slow
def test_an_object_that_cannot_be_listed_is_not_called_verified(
    sandbox: Sandbox, run_sync: RunSync, run_verify: RunVerify, no_waiting: None
) -> None:
    run_sync()
    first = sandbox.world.connections()[0]["id"]
    sandbox.faults = Faults(status_500=1.0, max_consecutive=100, connections=(first,))
    report = run_verify()
    assert report.exit_code == 3
    assert {finding.outcome.connection_id for finding in report.unverified} == {first}


def test_a_warehouse_that_was_never_filled_cannot_be_verified(run_verify: RunVerify) -> None:
    with pytest.raises(FixConfiguration, match="Nothing has been synced"):
        run_verify()


@pytest.mark.slow
def test_far_more_missing_at_the_source_than_can_be_believed_removes_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    world = sandbox.world
    connection_id = world.connections()[0]["id"]
    for record in world.records(connection_id, "customer"):
        world.delete(connection_id, "customer", record["id"])
    report = run_verify(repairs=True, select=["customers"])
    assert report.exit_code == 3
    assert not query(warehouse, "select 1 from raw_unified.customers where _deleted_at is not null")


@of("zendesk")
def test_nothing_is_called_verified_where_nothing_was_compared(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    world, connection_id = sandbox.world, the_connection(sandbox.world)
    world.change_connection(connection_id, is_paused=True)
    paused = run_verify()
    assert (paused.exit_code, len(paused.skipped)) == (1, len(OBJECTS))
    world.remove_connection(connection_id)
    removed = run_verify()
    assert (removed.exit_code, removed.not_in_workspace) == (1, [connection_id])


@of("zendesk", "front")
def test_what_is_paused_is_counted_and_does_not_spoil_what_was_compared(
    sandbox: Sandbox, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    sandbox.world.change_connection(the_connection(sandbox.world, "front"), is_paused=True)
    report = run_verify()
    assert (report.exit_code, len(report.skipped), report.not_in_workspace) == (0, len(OBJECTS), [])


@of("zendesk")
def test_an_object_that_was_read_and_is_offered_no_more_is_told(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    sandbox.world.register_integration("zendesk", support_table(objects=("ticket", "customer", "note")))
    run_sync()
    assert run_verify().exit_code == 0
    assert run_verify(select=["categories"]).exit_code == 0
    sandbox.world.register_integration("zendesk", support_table(objects=("ticket", "note")))
    report = run_verify()
    assert report.exit_code == 3
    assert ["It was read before" in (each.outcome.error or "") for each in report.unverified] == [True]
    assert run_verify(select=["customers"]).exit_code == 1
