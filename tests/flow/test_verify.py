"""`verify` finds what is not as the source shows it, and nothing else; `--repair` brings it into order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pipelines.errors import CallNotOffered, FixConfiguration, TryAgainLater
from pipelines.forget import forget
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.sandbox.support import support_table
from pipelines.settings import WarehouseSettings
from pipelines.sync import SyncReport, reconcile
from pipelines.ticketing import verifying
from pipelines.ticketing.object_api import ID_FIELDS, ObjectApi
from pipelines.ticketing.verdict import Gap, Kind
from pipelines.unified_api.client import Parameters
from pipelines.unified_api.records import Page
from pipelines.verify import VerifyReport, verify
from tests.flow.conftest import on_both, on_both_at_length, settings_for, slow
from tests.flow.truth import OBJECTS, assert_same, change, query, tables_of

pytestmark = pytest.mark.slow

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


def invent(warehouse: WarehouseSettings, table: str, id: str, *columns: str) -> None:
    """Store a row of a record that there never was."""
    changed = ", ".join([f"'{id}' as id", *columns])
    change(
        warehouse,
        f"insert into raw_unified.{table} by name select * replace ({changed}) from raw_unified.{table} "
        "where _deleted_at is null limit 1",
    )


def deleted_ticket(world: World, warehouse: WarehouseSettings) -> str:
    """The id of a ticket that is gone, and marked as deleted; its notes are not."""
    connection_id = the_connection(world)
    (id,) = oldest(world, connection_id, "tickets")
    world.delete(connection_id, "ticket", id)
    change(warehouse, f"update raw_unified.tickets set _deleted_at = now() where id = '{id}'")
    return id


def refusing(error: Exception) -> Callable[..., Any]:
    """A function that does nothing else."""

    def refuse(*_: object) -> Any:
        raise error

    return refuse


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
        for table in tables_of(world, connection["id"]):
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
        for table in tables_of(world, connection["id"]):
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


@pytest.mark.long
@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind.value) for kind in PLANTED])
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


@on_both_at_length
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


@pytest.mark.long
def test_a_lost_page_and_a_lost_thread_are_told_as_such(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    pages, threads = lose_a_page(sandbox.world, warehouse), lose_a_thread(sandbox.world, warehouse)
    found = gaps_in(run_verify(select=["tickets"])) | gaps_in(run_verify(select=["notes"]))
    assert all("3 records in a row" in found[key].cause for key in pages if key[1] == "tickets")
    per_ticket = [key for key in threads & found.keys() if sandbox.world.helpdesk_of(key[0]).type == "kustomer"]
    assert all("the whole thread was lost" in found[key].cause for key in per_ticket)


@pytest.mark.long
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


def test_a_row_that_was_altered_here_is_found_by_a_deep_look_though_its_hash_is_as_it_was(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    change(warehouse, "update raw_unified.tickets set subject = 'altered'")
    report = run_verify(is_deep=True, select=["tickets"])
    assert report.gaps_left == 72
    assert run_verify(is_deep=True, select=["tickets"], repairs=True).exit_code == 0
    assert_same(sandbox.world, warehouse)


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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
    offered = [row for row in rows if not row["plan"].startswith("not_offered")]
    assert len(offered) == sum(len(tables_of(sandbox.world, each["id"])) for each in sandbox.world.connections())
    assert all(row["is_complete"] and row["records_shown"] is not None and row["ended_at"] for row in offered)


@pytest.mark.long
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


def test_far_more_missing_at_the_source_than_can_be_believed_removes_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    world = sandbox.world
    connection_id = world.connections()[0]["id"]
    for record in world.records(connection_id, "customer"):
        world.delete(connection_id, "customer", record["id"])
    report = run_verify(repairs=True, select=["customers"])
    assert (report.exit_code, report.repaired) == (1, 0)
    assert {finding.outcome.connection_id for finding in report.unverified} == {connection_id}
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


@pytest.mark.long
@of("zendesk")
def test_a_sample_of_one_page_is_not_always_the_oldest(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    ids = oldest(sandbox.world, the_connection(sandbox.world), "notes", 1_000)
    change(
        warehouse, f"update raw_unified.notes set updated_at = updated_at - interval '1 second' where {among(ids[5:])}"
    )
    random.seed(1)
    looks = [run_verify({"page_size": 5}, select=["notes"], sample=5).gaps_left for _ in range(3)]
    assert sum(looks) > 0


@pytest.mark.long
@of("zendesk")
def test_what_is_gone_since_long_before_the_last_reconcile_is_a_gap(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    reconcile(settings_for(sandbox), warehouse)
    gone = keep_what_is_gone(sandbox.world, warehouse)
    assert gaps_in(run_verify()) == {}
    change(warehouse, "update raw_unified.sync_runs set started_at = '2020-01-01' where command = 'reconcile'")
    found = gaps_in(run_verify())
    assert found.keys() == gone
    assert all("long ago" in gap.cause for gap in found.values())


@pytest.mark.long
@of("gorgias")
def test_what_a_reconcile_has_left_is_told_by_whole_looks_that_were_loaded(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    reconcile(settings_for(sandbox), warehouse)
    gone = keep_what_is_gone(sandbox.world, warehouse)
    run_verify()
    run_verify({"page_size": 5}, sample=5)
    reconcile(settings_for(sandbox), warehouse)
    for table in OBJECTS:
        change(warehouse, f"update raw_unified.{table} set _deleted_at = null")
    assert gaps_in(run_verify()).keys() == gone
    change(warehouse, "update raw_unified.sync_coverage set _dlt_load_id = 'cut short'")
    assert run_verify().gaps_left == 0


@of("zendesk")
def test_an_oldest_page_that_was_lost_is_missed_though_there_is_a_start_date(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    connection_id = the_connection(sandbox.world)
    old = [{"id": f"old-{day}", "name": "old", "updated_at": f"2021-01-0{day}T00:00:00Z"} for day in (1, 2, 3)]
    sandbox.world.load(connection_id, "customer", old)
    run_sync({"start_date": "2020-01-01"})
    change(warehouse, "delete from raw_unified.customers where id like 'old-%'")
    found = gaps_in(run_verify({"start_date": "2020-01-01"}, select=["customers"]))
    assert {id for _, _, id in found} == {record["id"] for record in old}


@pytest.mark.long
@of("front")
def test_a_record_of_the_first_of_all_times_stops_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    connection_id = the_connection(sandbox.world)
    for record in sandbox.world.records(connection_id, "category"):
        sandbox.world.delete(connection_id, "category", record["id"])
    for name in "AB":
        sandbox.world.create(connection_id, "category", {"name": name, "updated_at": "0001-01-01T00:00:00Z"})
    run_sync()
    change(warehouse, "delete from raw_unified.categories where name = 'A'")
    assert run_verify(select=["categories"]).exit_code == 0
    assert run_verify({"start_date": "2020-01-01"}, select=["categories"]).exit_code == 0


@of("kustomer")
def test_a_note_of_a_ticket_that_is_not_here_is_asked_for(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    for ticket_id in ("nowhere", deleted_ticket(sandbox.world, warehouse)):
        invent(warehouse, "notes", f"bogus-{ticket_id}", f"'{ticket_id}' as ticket_id")
    found = gaps_in(run_verify(select=["notes"]))
    assert {gap.kind for gap in found.values()} == {Kind.EXTRA}
    assert len([id for _, _, id in found if id.startswith("bogus")]) == 2
    assert run_verify(select=["notes"], repairs=True).exit_code == 0
    assert query(warehouse, "select id from raw_unified.notes where id like 'bogus%' and _deleted_at is null") == []


@on_both
@of("zendesk", "groove")
def test_of_doubled_rows_the_one_that_the_source_shows_is_kept(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    change(
        warehouse,
        "drop index if exists raw_unified.customers_key",
        "create table altered as select * from raw_unified.customers",
        "update altered set name = 'altered', _version_key = _version_key || '9'",
        "insert into raw_unified.customers select * from altered",
        "drop table altered",
    )
    report = run_verify(repairs=True, select=["customers"])
    assert (report.exit_code, report.gaps_left) == (0, 0)
    assert_same(sandbox.world, warehouse)


@pytest.mark.long
@of("zendesk", "front")
def test_doubled_rows_of_a_connection_that_is_not_compared_stay(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    doubled = double_a_row(sandbox.world, warehouse)
    paused = the_connection(sandbox.world, "front")
    sandbox.world.change_connection(paused, is_paused=True)
    report = run_verify(repairs=True)
    assert (report.exit_code, report.repaired) == (0, 1)
    twice = query(warehouse, "select connection_id, id from raw_unified.categories group by 1, 2 having count(*) > 1")
    assert [(row["connection_id"], "categories", row["id"]) for row in twice] == [
        key for key in doubled if key[0] == paused
    ]


@pytest.mark.long
@of("kustomer")
def test_a_doubled_note_of_a_list_that_turns_out_to_be_one_of_each_ticket_is_counted_once(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    sandbox.world.publish("kustomer", support_table(raw=False))
    run_sync()
    change(
        warehouse,
        "drop index if exists raw_unified.notes_key",
        "insert into raw_unified.notes select * from raw_unified.notes limit 1",
    )
    assert run_verify().gaps_left == 1


@of("gorgias")
def test_what_could_not_be_fetched_is_told_and_not_claimed(
    sandbox: Sandbox,
    run_sync: RunSync,
    run_verify: RunVerify,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_sync()
    connection_id = the_connection(sandbox.world)
    (id,) = oldest(sandbox.world, connection_id, "customers")
    sandbox.world.patch(connection_id, "customer", id, {"name": "changed in silence"}, quiet=True)
    monkeypatch.setattr(ObjectApi, "get", refusing(TryAgainLater("500 on get")))
    report = run_verify(is_deep=True)
    assert (report.exit_code, report.gaps_left) == (3, 0)
    (failed,) = report.unverified
    assert "500 on get" in (failed.outcome.error or "")


@of("gorgias")
def test_what_cannot_be_got_by_its_id_after_all_is_fetched_from_the_list(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    run_verify: RunVerify,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_sync()
    change(warehouse, "delete from raw_unified.customers")
    monkeypatch.setattr(ObjectApi, "get", refusing(CallNotOffered("501")))
    assert run_verify(repairs=True, select=["customers"]).exit_code == 0
    run_sync()
    assert_same(sandbox.world, warehouse)


@pytest.mark.long
@pytest.mark.parametrize("offers_get", [True, slow(False)])
@of("kustomer")
def test_a_note_of_a_closed_ticket_that_has_moved_comes_with_the_next_sync(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify, offers_get: bool
) -> None:
    methods = ("list", "get") if offers_get else ("list",)
    world, connection_id = sandbox.world, the_connection(sandbox.world)
    world.register_integration("kustomer", support_table(notes_per_ticket=True, raw=False, methods=methods))
    run_sync()
    world.advance(timedelta(hours=3))
    run_sync()
    world.advance(timedelta(hours=3))
    closed = [ticket["id"] for ticket in world.records(connection_id, "ticket") if ticket["status"] == "CLOSED"]
    world.create(connection_id, "note", {"ticket_id": closed[0], "description": "still broken"})
    world.patch(connection_id, "ticket", closed[0], {"status": "ACTIVE"})
    quiet = world.create(connection_id, "note", {"ticket_id": closed[1], "description": "nobody looks here"})
    lost = next(note for note in world.records(connection_id, "note") if note["ticket_id"] == closed[2])
    change(warehouse, f"delete from raw_unified.notes where id = '{lost['id']}'")
    report = run_verify(select=["notes"])
    assert {id for _, _, id in gaps_in(report)} == ({lost["id"], quiet["id"]} if offers_get else {lost["id"]})
    assert sum(finding.verdict.not_yet_read for finding in report.findings) == (1 if offers_get else 2)


@of("front")
def test_records_without_any_time_come_with_the_next_sync_where_it_reads_all(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    world, connection_id = sandbox.world, the_connection(sandbox.world)
    without = {"updated_at": None, "created_at": None}
    known = [world.create(connection_id, "category", {"name": name, **without})["id"] for name in "AB"]
    made = world.create(connection_id, "category", {"name": "C", **without, "created_at": "2020-01-01T00:00:00Z"})
    run_sync()
    world.advance(timedelta(hours=1))
    world.create(connection_id, "category", {"name": "new", **without})
    world.patch(connection_id, "category", known[0], {"name": "A2", "updated_at": None})
    assert run_verify(select=["categories"], is_deep=True).exit_code == 0
    change(
        warehouse,
        "update raw_unified.categories set name = 'altered' where name = 'B'",
        "delete from raw_unified.categories where name = 'C'",
    )
    found = gaps_in(run_verify(select=["categories"], is_deep=True))
    assert {(id, gap.kind) for (_, _, id), gap in found.items()} == {
        (known[1], Kind.CHANGED),
        (made["id"], Kind.MISSING),
    }


@pytest.mark.long
@of("zendesk")
def test_a_row_without_its_raw_says_the_same(sandbox: Sandbox, run_sync: RunSync, run_verify: RunVerify) -> None:
    run_sync()
    assert run_verify({"include_raw": False}, is_deep=True).exit_code == 0
    run_sync({"include_raw": False}, full_refresh=True)
    assert run_verify(is_deep=True).gaps_left == 0


@of("zendesk")
def test_what_others_wrote_of_a_forgotten_person_is_no_gap(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    world, connection_id = sandbox.world, the_connection(sandbox.world)
    world.create(connection_id, "customer", {"name": "Ann", "emails": [{"email": "ann@example.com", "type": "WORK"}]})
    ticket = world.records(connection_id, "ticket")[0]
    world.create(connection_id, "note", {"ticket_id": ticket["id"], "description": "seen ann@example.com on copy"})
    run_sync()
    forget("ann@example.com", settings_for(sandbox), warehouse)
    report = run_verify(is_deep=True)
    assert (report.exit_code, gaps_in(report)) == (0, {})


@pytest.mark.long
@of("zendesk")
def test_what_was_missing_tells_of_no_change_once_it_is_here(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    lost, aged = oldest(sandbox.world, the_connection(sandbox.world), "tickets", 2)
    change(
        warehouse,
        f"delete from raw_unified.tickets where id = '{lost}'",
        f"update raw_unified.tickets set updated_at = updated_at - interval '1 day' where id = '{aged}'",
        "delete from raw_unified.ticket_versions",
    )
    run_verify(repairs=True, select=["tickets"])
    versions = query(warehouse, "select id, is_baseline from raw_unified.ticket_versions")
    assert {row["id"]: row["is_baseline"] for row in versions} == {lost: True, aged: False}


@pytest.mark.long
@of("zendesk")
def test_more_than_can_be_believed_is_shown_and_asked_for_though_nothing_is_removed(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    run_verify: RunVerify,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_sync()
    for number in range(30):
        invent(warehouse, "customers", f"bogus-{number}")
    report = run_verify()
    assert (report.exit_code, report.gaps_left, report.unverified) == (1, 30, [])
    monkeypatch.setattr(verifying, "LISTED", 4)
    braked = run_verify(repairs=True)
    assert (braked.exit_code, braked.gaps_left, braked.repaired) == (1, 4, 0)
    assert ["Nothing was removed" in (each.outcome.error or "") for each in braked.unverified] == [True]
    first = run_verify()
    assert (first.exit_code, first.gaps_left) == (1, 4)
    assert ["26" in (each.outcome.error or "") for each in first.unverified] == [True]
    believed = run_verify(repairs=True, largest_deletion=1.0)
    assert (believed.exit_code, believed.repaired) == (0, 30)
    assert [len(finding.verdict.gone) for finding in believed.looks[0] if finding.verdict.gone] == [4]


@of("zendesk", "kustomer")
def test_an_object_that_no_sync_has_read_costs_nothing(
    sandbox: Sandbox, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync(select=["customers"])
    report = run_verify()
    assert report.exit_code == 3
    costs = {finding.outcome.object: finding.outcome.calls.requests for finding in report.unverified}
    assert costs.pop("employees") <= 1, "to tell what is not read yet from what is not granted"
    assert costs == {"tickets": 0, "notes": 0, "categories": 0}


@of("front")
def test_where_a_sample_cannot_be_taken_the_whole_list_is_read(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    sandbox.world.publish("front", support_table(raw=False))
    run_sync()
    report = run_verify({"page_size": 5}, sample=5, select=["customers"])
    assert (report.exit_code, gaps_in(report)) == (0, {})
    assert {row["is_sample"] for row in query(warehouse, "select is_sample from raw_unified.sync_coverage")} == {False}


@of("zendesk", "front")
def test_all_looks_together_cost_no_more_than_a_run_may(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, run_verify: RunVerify
) -> None:
    run_sync()
    costs: list[int] = []
    for ceiling in (0, 1):
        change(warehouse, "delete from raw_unified.customers")
        sandbox.reset_counters()
        settings = {"page_size": 5, "max_calls_per_run": ceiling and costs[0] - 1}
        report = run_verify(settings, repairs=True, select=["customers"])
        costs.append(sum(sandbox.requests.values()))
    assert costs[1] < costs[0]
    assert report.exit_code == 3


@of("zendesk")
def test_a_rehearsal_loads_nothing_that_is_pending(
    run_sync: RunSync, run_verify: RunVerify, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync()
    monkeypatch.setattr("pipelines.verify.finish_pending", refusing(AssertionError("a rehearsal has loaded")))
    assert run_verify(is_rehearsal=True).exit_code == 0


@of("front")
def test_a_list_that_leaves_out_the_times_makes_no_row_stale(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    run_verify: RunVerify,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_sync()
    list_page = ObjectApi.list

    def without_times(api: ObjectApi, parameters: Parameters) -> Page:
        page = list_page(api, parameters)
        if api.fields != ID_FIELDS:
            return page
        return replace(page, records=[replace(record, updated_at=None) for record in page.records])

    monkeypatch.setattr(ObjectApi, "list", without_times)
    assert run_verify(select=["customers"]).exit_code == 0
    planted = age_a_row(sandbox.world, warehouse)
    assert gaps_in(run_verify(select=["customers"])).keys() == {key for key in planted if key[1] == "customers"}
