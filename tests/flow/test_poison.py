"""Data as it is in the wild: every record that has an id arrives, what has none is kept and named, and nothing that a
warehouse refuses stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pipelines.sandbox import Sandbox, poison_records
from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from pipelines.sync import SyncReport, reconcile, sync
from tests.flow.conftest import on_both, on_both_at_length, settings_for
from tests.flow.truth import ALIKE_WHEN_REJECTED, OBJECTS, change, deleted_rows, query, stored_rows, tables_of

pytestmark = pytest.mark.slow

RunSync = Callable[..., SyncReport]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=20, helpdesks=("zendesk", "front")) as running:
        yield running


@on_both
@pytest.mark.parametrize("helpdesk", ["zendesk", "front"])
def test_poison_arrives_or_is_rejected_by_name_and_the_next_run_goes_on(
    warehouse: WarehouseSettings, helpdesk: str
) -> None:
    with Sandbox(seed=7, tickets=20, helpdesks=(helpdesk,)) as sandbox:
        world = sandbox.world
        [connection] = world.connections()
        offered = tables_of(world, connection["id"])
        poisoned = {table: poison_records(world, connection["id"], OBJECTS[table]) for table in offered}
        different = {
            table: len(poison.rejected) - ALIKE_WHEN_REJECTED.get(table, 0) for table, poison in poisoned.items()
        }
        report = sync(settings_for(sandbox), warehouse)
        assert report.exit_code == 0
        for outcome in (outcome for outcome in report.outcomes if outcome.object in offered):
            assert outcome.rows_repaired > 0
            assert outcome.rows_rejected >= len(poisoned[outcome.object].rejected)
        for table, poison in poisoned.items():
            stored = stored_rows(warehouse, table)
            healthy = {record["id"] for record in world.records(connection["id"], OBJECTS[table])}
            healthy -= {*poison.rejected, *poison.arriving}
            assert {record_id for _, record_id in stored} == healthy | {*poison.arriving}
            assert all("\0" not in str(row) for row in stored.values())
            rejected = query(warehouse, f"select * from raw_unified.rejected_records where object = '{table}'")
            assert len(rejected) == different[table]
            assert {row["reason"] for row in rejected} == {
                "it has no id",
                "its id is blank",
                "its id is longer than 1,000 bytes",
                "it is not a JSON object",
            }
        world.live(hours=2)
        assert sync(settings_for(sandbox), warehouse).exit_code == 0
        again = query(warehouse, "select count(*) as n from raw_unified.rejected_records")
        assert again == [{"n": sum(different.values())}]


@on_both
def test_nul_becomes_a_sign_that_can_be_seen_and_nothing_else_changes(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    connection_id = sandbox.world.connections()[0]["id"]
    nul = {"subject": "a\0b", "tags": ["x\0y"], "status": "ACTIVE", "raw": {"k\0": ["\0"]}}
    ticket = sandbox.world.create(connection_id, "ticket", nul)["id"]
    run_sync()
    stored = stored_rows(warehouse, "tickets")[connection_id, ticket]
    assert stored["subject"] == "a␀b"
    assert stored["tags"] == ["x␀y"]
    assert stored["raw"] == {"k␀": ["␀"]}


@on_both
def test_a_body_of_many_megabytes_arrives_whole(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    connection_id = sandbox.world.connections()[0]["id"]
    text = "<p>żółw & 漢字</p>" * 400_000
    big = {"subject": "big", "description": text, "status": "ACTIVE", "raw": {"body": text}}
    ticket = sandbox.world.create(connection_id, "ticket", big)["id"]
    assert run_sync().exit_code == 0
    [row] = query(warehouse, f"select length(description) as n, raw from raw_unified.tickets where id = '{ticket}'")
    assert row["n"] == len(text)
    assert row["raw"] == {"body": text}


@on_both
def test_an_id_too_long_to_be_looked_up_stops_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    world = sandbox.world
    connection_id = world.connections()[0]["id"]
    too_long = "".join(chr(0x4E00 + step * step % 20_000) for step in range(3_000))  # of which nothing can be packed
    world.create(connection_id, "ticket", {"id": too_long, "subject": "too long"})
    note = world.create(connection_id, "note", {"ticket_id": too_long, "description": "of it"})["id"]
    innocent = world.create(connection_id, "ticket", {"subject": "innocent"})["id"]
    for _ in range(2):
        assert run_sync().exit_code == 0
        assert (connection_id, innocent) in stored_rows(warehouse, "tickets")
    rejected = query(warehouse, "select object, reason, record from raw_unified.rejected_records")
    assert [(row["object"], row["reason"]) for row in rejected] == [("tickets", "its id is longer than 1,000 bytes")]
    assert too_long in str(rejected[0]["record"])
    [row] = query(warehouse, f"select ticket_id, _extra from raw_unified.notes where id = '{note}'")
    assert row == {"ticket_id": None, "_extra": {"ticket_id": too_long}}


@on_both
def test_a_tombstone_keeps_values_that_were_hard_to_store(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=20, helpdesks=("zendesk",)) as sandbox:
        world = sandbox.world
        [connection] = world.connections()
        poison = poison_records(world, connection["id"], "ticket")
        sync(settings_for(sandbox), warehouse)
        before = stored_rows(warehouse, "tickets")
        for record_id in poison.arriving:
            world.delete(connection["id"], "ticket", record_id)
        assert reconcile(settings_for(sandbox), warehouse, largest_deletion=1.0).exit_code == 0
        deleted = deleted_rows(warehouse, "tickets")
        assert {record_id for _, record_id in deleted} == {*poison.arriving}
        for key, row in deleted.items():
            del row["_deleted_at"], row["_deletion_reason"]
            assert row == before[key], key


@on_both_at_length
def test_what_the_warehouse_will_never_take_stops_its_own_object_only_and_no_later_run(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    """The poison nobody thought of, stood in for by a warehouse that refuses one object's rows."""
    run_sync()
    sandbox.world.live(hours=8)
    refuse(warehouse, "notes")
    report = run_sync()
    assert report.exit_code == 3
    assert {outcome.object for outcome in report.failed} == {"notes"}
    assert all("It lies in" in str(outcome.error) for outcome in report.failed)
    assert report.quarantined
    assert all((place / "reason.txt").read_text() for place in report.quarantined[-2:])
    for name in ("ticket", "customer", "category"):
        table = next(table for table, object_name in OBJECTS.items() if object_name == name)
        assert len(stored_rows(warehouse, table)) == sum(
            len(sandbox.world.records(connection["id"], name)) for connection in sandbox.world.connections()
        )
    told = query(warehouse, "select distinct object from raw_unified.sync_runs where error like '%did not take%'")
    assert told == [{"object": "notes"}]
    sandbox.world.live(hours=8)
    assert run_sync().exit_code == 3, "still said, and still not blocked"
    accept(warehouse, "notes")
    report = run_sync()
    assert report.exit_code == 0
    assert report.quarantined == []


@on_both
def test_whatever_a_run_puts_aside_lies_where_it_says_and_the_next_run_keeps_the_newest(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.warehouse.quarantine.KEPT", 1)
    run_sync(select=["tickets"])
    for connection in sandbox.world.connections():
        sandbox.world.create(connection["id"], "ticket", {"subject": "unwanted"})
    refuse(warehouse, "tickets")
    report = run_sync(select=["tickets"])
    assert len(report.quarantined) == 2
    told = query(warehouse, "select error from raw_unified.sync_runs where error is not null")
    for place in report.quarantined:
        assert place.is_dir()
        assert any(row["error"].endswith(f"It lies in {place}.") for row in told)
    accept(warehouse, "tickets")
    assert run_sync().exit_code == 0
    assert [place.is_dir() for place in report.quarantined] == [False, True]


def refuse(warehouse: WarehouseSettings, table: str) -> None:
    """Make every row of a table unacceptable."""
    if isinstance(warehouse, DuckdbWarehouse):
        change(
            warehouse,
            f"alter table raw_unified.{table} rename to hidden",
            f"create view raw_unified.{table} as select * from raw_unified.hidden",
        )
    else:
        change(warehouse, f"alter table raw_unified.{table} add constraint none_at_all check (id is null) not valid")


def accept(warehouse: WarehouseSettings, table: str) -> None:
    if isinstance(warehouse, DuckdbWarehouse):
        change(warehouse, f"drop view raw_unified.{table}", f"alter table raw_unified.hidden rename to {table}")
    else:
        change(warehouse, f"alter table raw_unified.{table} drop constraint none_at_all")
