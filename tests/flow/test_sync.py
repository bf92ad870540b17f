"""One sync after another against the sandbox, into a real DuckDB file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import ApiKeyRejected, FixConfiguration, GrantPermission, ParameterRefused
from pipelines.sandbox import Faults, Sandbox
from pipelines.settings import WarehouseSettings
from pipelines.sync import SyncReport
from pipelines.unified_api.client import Calls, Parameters, UnifiedClient
from pipelines.unified_api.records import Page
from tests.flow.truth import OBJECTS, assert_same, load_ids, stored_rows

RunSync = Callable[..., SyncReport]


def test_the_warehouse_holds_what_the_source_holds(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    report = run_sync()
    assert report.exit_code == 0
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_what_changed_meanwhile_arrives_and_nothing_else_is_written(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    before = load_ids(warehouse.duckdb_path)
    states = {table: stored_rows(warehouse.duckdb_path, table) for table in OBJECTS}
    happened = sandbox.world.live(hours=30)
    assert happened["new_tickets"] > 0
    run_sync()
    assert_same(sandbox.world, warehouse.duckdb_path)
    after = load_ids(warehouse.duckdb_path)
    for table in OBJECTS:
        now = stored_rows(warehouse.duckdb_path, table)
        changed = sum(states[table].get(key) != row for key, row in now.items())
        assert len(after[table] - before[table]) == changed, table


def test_a_sync_without_change_costs_four_requests_an_object_and_writes_no_row(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    before = load_ids(warehouse.duckdb_path)
    sandbox.reset_counters()
    report = run_sync()
    assert max(outcome.calls.requests for outcome in report.outcomes) <= 4
    lists = {path: asked for path, asked in sandbox.requests.items() if "/ticketing/" in path}
    assert sum(lists.values()) <= 4 * len(report.outcomes)
    assert load_ids(warehouse.duckdb_path) == before


def test_every_run_connection_and_object_has_a_row_in_sync_runs(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    run_sync()
    with duckdb.connect(str(warehouse.duckdb_path), read_only=True) as connection:
        rows = connection.execute(
            "select count(*), count(distinct (run_id, connection_id, object)), count(distinct run_id), "
            "bool_and(is_complete), min(requests), bool_and(cursor_after >= cursor_before or cursor_before is null) "
            "from raw_unified.sync_runs join raw_unified._dlt_loads on load_id = _dlt_load_id where status = 0"
        ).fetchone()
    assert rows is not None
    objects = 4 * len(sandbox.world.connections())
    assert rows[:4] == (2 * objects, 2 * objects, 2, True)
    assert rows[4] >= 1
    assert rows[5]


def test_an_older_state_never_replaces_a_newer_one(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    connection_id = sandbox.world.connections()[0]["id"]
    ticket = sandbox.world.records(connection_id, "ticket")[0]
    with duckdb.connect(str(warehouse.duckdb_path)) as connection:
        connection.execute(
            "update raw_unified.tickets set updated_at = now() + interval 1 year, subject = 'newer', "
            "_row_hash = 'newer' where connection_id = ? and id = ?",
            [connection_id, ticket["id"]],
        )
    run_sync(full_refresh=True)
    stored = stored_rows(warehouse.duckdb_path, "tickets")[connection_id, ticket["id"]]
    assert stored["subject"] == "newer"


def test_a_change_that_does_not_move_updated_at_is_stored_when_it_is_read_again(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    with duckdb.connect(str(warehouse.duckdb_path)) as connection:
        connection.execute("update raw_unified.tickets set subject = 'stale', _row_hash = 'stale'")
    run_sync(full_refresh=True)
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_a_date_in_the_future_does_not_hide_what_changes_before_it(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    world = sandbox.world
    connection_id = world.connections()[0]["id"]
    tickets = [record["id"] for record in world.records(connection_id, "ticket")]
    world.bulk_edit(connection_id, "ticket", tickets[:1], {"subject": "from 2099"}, at=datetime(2099, 1, 1, tzinfo=UTC))
    run_sync()
    world.advance(timedelta(hours=2))
    world.patch(connection_id, "ticket", tickets[1], {"subject": "changed later"})
    run_sync()
    assert_same(world, warehouse.duckdb_path)


def test_a_record_that_becomes_visible_late_is_found_by_the_lookback(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    world = sandbox.world
    connection_id = world.connections()[0]["id"]
    run_sync()
    newest = max(row["updated_at"] for row in stored_rows(warehouse.duckdb_path, "tickets").values())
    late = world.create(connection_id, "ticket", {"subject": "late", "status": "ACTIVE"})["id"]
    world.bulk_edit(connection_id, "ticket", [late], {}, at=newest - timedelta(seconds=200))
    run_sync()
    assert (connection_id, late) in stored_rows(warehouse.duckdb_path, "tickets")


def test_an_account_without_notes_still_gets_every_table_and_column(
    warehouse: WarehouseSettings, run_sync: RunSync, sandbox: Sandbox
) -> None:
    for old in sandbox.world.connections():
        sandbox.world.remove_connection(old["id"])
    sandbox.world.add_connection("zendesk", id="fresh")
    assert run_sync().exit_code == 0
    with duckdb.connect(str(warehouse.duckdb_path), read_only=True) as connection:
        columns = connection.execute(
            "select table_name, count(*) from information_schema.columns where table_schema = 'raw_unified' "
            "and not starts_with(table_name, '_dlt') group by 1"
        ).fetchall()
    assert dict(columns).keys() == {*OBJECTS, "connections", "sync_runs"}
    assert dict(columns)["notes"] == 19


def test_only_the_selected_tables_are_read_and_the_others_exist(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    report = run_sync(select=["tickets"])
    assert {outcome.object for outcome in report.outcomes} == {"tickets"}
    assert not any("/note" in path or "/customer" in path for path in sandbox.requests)
    assert stored_rows(warehouse.duckdb_path, "notes") == {}
    run_sync()
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_since_reads_again_and_leaves_the_cursors_alone(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    first = {(outcome.connection_id, outcome.object): outcome.cursor_after for outcome in run_sync().outcomes}
    sandbox.world.live(hours=4)
    report = run_sync(since=sandbox.world.now - timedelta(minutes=1))
    assert {(outcome.connection_id, outcome.object): outcome.cursor_after for outcome in report.outcomes} == first
    run_sync()
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_nothing_before_the_start_date_is_read(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    start = sandbox.world.now - timedelta(days=20)
    run_sync(settings={"start_date": start.isoformat()}, select=["tickets"])
    times = [row["updated_at"] for row in stored_rows(warehouse.duckdb_path, "tickets").values()]
    assert times
    assert min(times) >= start


def test_a_start_date_that_is_moved_back_brings_in_what_lies_before(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    start = sandbox.world.now - timedelta(days=5)
    run_sync(settings={"start_date": start.isoformat()})
    run_sync(settings={"start_date": (start - timedelta(days=30)).isoformat()})
    run_sync()
    assert_same(sandbox.world, warehouse.duckdb_path)
    report = run_sync(settings={"start_date": start.isoformat()})
    assert max(outcome.calls.requests for outcome in report.outcomes) <= 4


def test_a_workspace_where_nothing_can_be_read_is_not_all_well(sandbox: Sandbox, run_sync: RunSync) -> None:
    for connection in sandbox.world.connections():
        sandbox.world.change_connection(connection["id"], is_paused=True)
    assert run_sync().exit_code == 1


def test_one_dead_connection_is_told_and_the_others_load(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    living = sandbox.world.connections()[0]["id"]
    report = run_sync(settings={"connection_ids": [living, "dead"]})
    assert report.exit_code == 3
    assert {outcome.connection_id for outcome in report.failed} == {"dead"}
    assert all("dead" in str(outcome.error) and "connection_ids" in str(outcome.error) for outcome in report.failed)
    assert {connection for connection, _ in stored_rows(warehouse.duckdb_path, "tickets")} == {living}


def test_nothing_worked_is_an_exit_code_of_its_own(run_sync: RunSync) -> None:
    assert run_sync(settings={"connection_ids": ["dead"]}).exit_code == 1


def test_a_missing_permission_fails_one_object_and_keeps_its_cursor(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    world = sandbox.world
    connection = world.connections()[0]
    before = {(outcome.connection_id, outcome.object): outcome.cursor_after for outcome in run_sync().outcomes}
    without_notes = [name for name in connection["permissions"] if name != "ticketing_note_read"]
    world.change_connection(connection["id"], permissions=without_notes)
    world.live(hours=10)
    report = run_sync()
    assert report.exit_code == 3
    assert [(outcome.connection_id, outcome.object) for outcome in report.failed] == [(connection["id"], "notes")]
    assert report.failed[0].cursor_after == before[connection["id"], "notes"]
    world.change_connection(connection["id"], permissions=connection["permissions"])
    assert run_sync().exit_code == 0
    assert_same(world, warehouse.duckdb_path)


@pytest.mark.usefixtures("no_waiting")
def test_a_connection_that_keeps_failing_stops_nobody_and_catches_up_later(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    sick = sandbox.world.connections()[1]["id"]
    sandbox.faults = Faults(status_500=1.0, max_consecutive=1000, connections=(sick,))
    report = run_sync()
    assert report.exit_code == 3
    assert {outcome.connection_id for outcome in report.failed} == {sick}
    sandbox.faults = Faults()
    run_sync()
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_an_integration_whose_support_table_cannot_be_read_stops_only_its_own(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    get_json = UnifiedClient.get_json

    def refused(client: UnifiedClient, path: str, parameters: Parameters, calls: Calls) -> object:
        if parameters.get("type") == "intercom":
            raise GrantPermission("403: not this one")
        return get_json(client, path, parameters, calls)

    monkeypatch.setattr(UnifiedClient, "get_json", refused)
    report = run_sync()
    assert report.exit_code == 3
    assert {outcome.integration_type for outcome in report.failed} == {"intercom"}
    assert stored_rows(warehouse.duckdb_path, "tickets")


def test_one_refusal_that_passes_does_not_cost_a_field(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_page = UnifiedClient.list
    refusals = iter([True])

    def refused_once(client: UnifiedClient, path: str, parameters: Parameters, calls: Calls) -> Page:
        if path.endswith("/ticket") and next(refusals, False):
            raise ParameterRefused("400: a hiccup")
        return list_page(client, path, parameters, calls)

    monkeypatch.setattr(UnifiedClient, "list", refused_once)
    assert run_sync().exit_code == 0
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_notes_that_are_listed_only_per_ticket_are_said_to_be_unread(run_sync: RunSync, sandbox: Sandbox) -> None:
    sandbox.world.add_connection("helpscout", id="per-ticket")
    report = run_sync()
    assert report.exit_code == 3
    assert [(outcome.connection_id, outcome.object) for outcome in report.failed] == [("per-ticket", "notes")]
    assert "one ticket at a time" in str(report.failed[0].error)


def test_raw_that_is_wanted_again_is_read_for_what_came_without_it(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync(settings={"include_raw": False})
    sandbox.world.live(hours=3)
    run_sync()
    assert_same(sandbox.world, warehouse.duckdb_path)
    assert max(outcome.calls.requests for outcome in run_sync().outcomes) <= 4


def test_a_start_date_beyond_the_cursor_claims_nothing_of_what_it_skips(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    sandbox.world.live(hours=60)
    run_sync(settings={"start_date": (sandbox.world.now - timedelta(hours=12)).isoformat()})
    run_sync()
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_paused_and_unhealthy_connections_are_left_out_and_said_so(sandbox: Sandbox, run_sync: RunSync) -> None:
    first, second, *_ = sandbox.world.connections()
    sandbox.world.change_connection(first["id"], is_paused=True)
    sandbox.world.change_connection(
        second["id"], last_healthy_at="2026-05-01T00:00:00.000Z", last_unhealthy_at="2026-05-02T00:00:00.000Z"
    )
    report = run_sync()
    assert report.exit_code == 0
    plans = {outcome.connection_id: outcome.plan for outcome in report.skipped}
    assert plans == {first["id"]: "skipped, paused", second["id"]: "skipped, unhealthy since 2026-05-02T00:00:00.000Z"}


@pytest.mark.parametrize(
    "faults",
    [Faults(ignore_updated_gte=True), Faults(unstable_ties=True), Faults(page_cap=7), Faults(fields_strict=True)],
    ids=["ignores updated_gte", "unstable ties", "short pages", "strict fields"],
)
def test_a_server_that_contradicts_its_support_table_loses_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, faults: Faults
) -> None:
    world = sandbox.world
    for connection in world.connections():
        ids = [record["id"] for record in world.records(connection["id"], "ticket")]
        world.bulk_edit(connection["id"], "ticket", ids, {"tags": ["moved"]})
    sandbox.faults = faults
    settings = {"page_size": 10}
    assert run_sync(settings=settings).exit_code == 0
    world.live(hours=12)
    assert run_sync(settings=settings).exit_code == 0
    if faults.fields_strict:
        stored = stored_rows(warehouse.duckdb_path, "tickets")
        assert all("raw" in row for row in stored.values())
    else:
        assert_same(world, warehouse.duckdb_path)


def test_raw_is_left_out_when_it_is_not_wanted(warehouse: WarehouseSettings, run_sync: RunSync) -> None:
    run_sync(settings={"include_raw": False})
    tickets = stored_rows(warehouse.duckdb_path, "tickets").values()
    assert not any("raw" in row for row in tickets)
    assert any("due_at" in row for row in tickets)


def test_a_key_that_is_not_accepted_ends_the_run_before_anything_is_stored(
    warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    with pytest.raises(ApiKeyRejected, match="api_key"):
        run_sync(settings={"api_key": "wrong"})


def test_an_unknown_table_is_refused(run_sync: RunSync) -> None:
    with pytest.raises(FixConfiguration, match="tickets, customers, notes, categories"):
        run_sync(select=["tikets"])


def test_neither_the_key_nor_a_helpdesks_credentials_are_left_anywhere(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    run_sync(settings={"connection_ids": ["dead"]})
    everything = [path for path in warehouse.duckdb_path.parent.rglob("*") if path.is_file()]
    assert warehouse.duckdb_path in everything
    for path in everything:
        content = path.read_bytes()
        assert sandbox.api_key.encode() not in content, path
        assert b"fake-credential" not in content, path


def test_an_older_warehouse_put_back_from_a_backup_is_caught_up(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, tmp_path: Path
) -> None:
    run_sync()
    shutil.copy(warehouse.duckdb_path, tmp_path / "backup")
    sandbox.world.live(hours=10)
    run_sync()
    shutil.copy(tmp_path / "backup", warehouse.duckdb_path)
    sandbox.world.live(hours=10)
    run_sync()
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_a_warehouse_that_is_gone_is_filled_anew(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    warehouse.duckdb_path.unlink()
    run_sync()
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_a_fresh_machine_with_only_the_warehouse_goes_on_where_the_last_run_ended(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, tmp_path: Path
) -> None:
    run_sync()
    before = load_ids(warehouse.duckdb_path)
    warehouse.state_dir.rename(tmp_path / "gone")
    report = run_sync()
    assert max(outcome.calls.requests for outcome in report.outcomes) <= 4
    assert all(outcome.cursor_before is not None for outcome in report.outcomes if outcome.object != "categories")
    assert load_ids(warehouse.duckdb_path) == before
