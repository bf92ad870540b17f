"""One sync after another against the sandbox, into a real DuckDB file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.errors import ApiKeyRejected, FixConfiguration, GrantPermission, ParameterRefused
from pipelines.sandbox import Faults, Sandbox
from pipelines.settings import PostgresWarehouse, WarehouseSettings
from pipelines.sync import SyncReport
from pipelines.unified_api.client import Calls, Parameters, UnifiedClient
from pipelines.unified_api.records import Page
from tests.flow.conftest import backup, lose, on_both
from tests.flow.truth import OBJECTS, assert_same, change, load_ids, query, stored_rows
from transforms.schemas import RAW_TABLES

RunSync = Callable[..., SyncReport]


@on_both
def test_the_warehouse_holds_what_the_source_holds(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    report = run_sync()
    assert report.exit_code == 0
    assert_same(sandbox.world, warehouse)


@on_both
def test_what_changed_meanwhile_arrives_and_nothing_else_is_written(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    before = load_ids(warehouse)
    states = {table: stored_rows(warehouse, table) for table in OBJECTS}
    happened = sandbox.world.live(hours=30)
    assert happened["new_tickets"] > 0
    run_sync()
    assert_same(sandbox.world, warehouse)
    after = load_ids(warehouse)
    for table in OBJECTS:
        now = stored_rows(warehouse, table)
        changed = sum(states[table].get(key) != row for key, row in now.items())
        assert len(after[table] - before[table]) == changed, table


@on_both
def test_a_sync_without_change_costs_four_requests_an_object_and_writes_no_row(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    before = load_ids(warehouse)
    sandbox.reset_counters()
    report = run_sync()
    assert max(outcome.calls.requests for outcome in report.outcomes) <= 4
    lists = {path: asked for path, asked in sandbox.requests.items() if "/ticketing/" in path}
    assert sum(lists.values()) <= 4 * len(report.outcomes)
    assert load_ids(warehouse) == before


@on_both
def test_every_run_connection_and_object_has_a_row_in_sync_runs(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    run_sync()
    (found,) = query(
        warehouse,
        """
        select
            count(*) as runs,
            count(distinct concat_ws('/', run_id, connection_id, object)) as keys,
            count(distinct run_id) as run_ids,
            bool_and(is_complete) as all_complete,
            min(requests) as fewest_requests,
            bool_and(cursor_after >= cursor_before or cursor_before is null) as forwards
        from raw_unified.sync_runs
        join raw_unified._dlt_loads on load_id = _dlt_load_id
        where status = 0
        """,
    )
    objects = 4 * len(sandbox.world.connections())
    assert found["runs"] == found["keys"] == 2 * objects
    assert found["run_ids"] == 2
    assert found["all_complete"]
    assert found["fewest_requests"] >= 1
    assert found["forwards"]


@on_both
def test_an_older_state_never_replaces_a_newer_one(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    connection_id = sandbox.world.connections()[0]["id"]
    ticket = sandbox.world.records(connection_id, "ticket")[0]
    change(
        warehouse,
        "update raw_unified.tickets set updated_at = now() + interval '1 year', subject = 'newer', _row_hash = 'newer' "
        f"where connection_id = '{connection_id}' and id = '{ticket['id']}'",
    )
    run_sync(full_refresh=True)
    stored = stored_rows(warehouse, "tickets")[connection_id, ticket["id"]]
    assert stored["subject"] == "newer"


@on_both
def test_a_change_that_does_not_move_updated_at_is_stored_when_it_is_read_again(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    change(warehouse, "update raw_unified.tickets set subject = 'stale', _row_hash = 'stale'")
    run_sync(full_refresh=True)
    assert_same(sandbox.world, warehouse)


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
    assert_same(world, warehouse)


def test_a_record_that_becomes_visible_late_is_found_by_the_lookback(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    world = sandbox.world
    connection_id = world.connections()[0]["id"]
    run_sync()
    newest = max(row["updated_at"] for row in stored_rows(warehouse, "tickets").values())
    late = world.create(connection_id, "ticket", {"subject": "late", "status": "ACTIVE"})["id"]
    world.bulk_edit(connection_id, "ticket", [late], {}, at=newest - timedelta(seconds=200))
    run_sync()
    assert (connection_id, late) in stored_rows(warehouse, "tickets")


@on_both
def test_an_account_without_notes_still_gets_every_table_and_column(
    warehouse: WarehouseSettings, run_sync: RunSync, sandbox: Sandbox
) -> None:
    for old in sandbox.world.connections():
        sandbox.world.remove_connection(old["id"])
    sandbox.world.add_connection("zendesk", id="fresh")
    assert run_sync().exit_code == 0
    found = query(
        warehouse,
        "select table_name, column_name from information_schema.columns where table_schema = 'raw_unified'",
    )
    for schema in RAW_TABLES.values():
        stored = {row["column_name"] for row in found if row["table_name"] == schema.name}
        assert stored == {*schema.columns, "_dlt_load_id"}, schema.name


@on_both
def test_only_the_selected_tables_are_read_and_the_others_exist(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    report = run_sync(select=["tickets"])
    assert {outcome.object for outcome in report.outcomes} == {"tickets"}
    assert not any("/note" in path or "/customer" in path for path in sandbox.requests)
    assert stored_rows(warehouse, "notes") == {}
    run_sync()
    assert_same(sandbox.world, warehouse)


def test_since_reads_again_and_leaves_the_cursors_alone(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    first = {(outcome.connection_id, outcome.object): outcome.cursor_after for outcome in run_sync().outcomes}
    sandbox.world.live(hours=4)
    report = run_sync(since=sandbox.world.now - timedelta(minutes=1))
    assert {(outcome.connection_id, outcome.object): outcome.cursor_after for outcome in report.outcomes} == first
    run_sync()
    assert_same(sandbox.world, warehouse)


def test_nothing_before_the_start_date_is_read(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    start = sandbox.world.now - timedelta(days=20)
    run_sync(settings={"start_date": start.isoformat()}, select=["tickets"])
    times = [row["updated_at"] for row in stored_rows(warehouse, "tickets").values()]
    assert times
    assert min(times) >= start


def test_a_start_date_that_is_moved_back_brings_in_what_lies_before(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    start = sandbox.world.now - timedelta(days=5)
    run_sync(settings={"start_date": start.isoformat()})
    run_sync(settings={"start_date": (start - timedelta(days=30)).isoformat()})
    run_sync()
    assert_same(sandbox.world, warehouse)
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
    assert {connection for connection, _ in stored_rows(warehouse, "tickets")} == {living}


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
    assert_same(world, warehouse)


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
    assert_same(sandbox.world, warehouse)


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
    assert stored_rows(warehouse, "tickets")


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
    assert_same(sandbox.world, warehouse)


def test_raw_that_is_wanted_again_is_read_for_what_came_without_it(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync(settings={"include_raw": False})
    sandbox.world.live(hours=3)
    run_sync()
    assert_same(sandbox.world, warehouse)
    assert max(outcome.calls.requests for outcome in run_sync().outcomes) <= 4


def test_a_start_date_beyond_the_cursor_claims_nothing_of_what_it_skips(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    sandbox.world.live(hours=60)
    run_sync(settings={"start_date": (sandbox.world.now - timedelta(hours=12)).isoformat()})
    run_sync()
    assert_same(sandbox.world, warehouse)


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
        stored = stored_rows(warehouse, "tickets")
        assert all("raw" in row for row in stored.values())
    else:
        assert_same(world, warehouse)


def test_raw_is_left_out_when_it_is_not_wanted(warehouse: WarehouseSettings, run_sync: RunSync) -> None:
    run_sync(settings={"include_raw": False})
    tickets = stored_rows(warehouse, "tickets").values()
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


@on_both
def test_neither_the_key_nor_any_other_secret_is_left_anywhere(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, tmp_path: Path
) -> None:
    secrets = [sandbox.api_key, "fake-credential"]
    if isinstance(warehouse, PostgresWarehouse):
        secrets.append(warehouse.password)
    run_sync()
    run_sync(settings={"connection_ids": ["dead"]})
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert everything
    for path in everything:
        content = path.read_bytes()
        for secret in secrets:
            assert secret.encode() not in content, path


@on_both
def test_an_older_warehouse_put_back_from_a_backup_is_caught_up(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, tmp_path: Path
) -> None:
    run_sync()
    put_back = backup(warehouse, tmp_path)
    sandbox.world.live(hours=10)
    run_sync()
    put_back()
    sandbox.world.live(hours=10)
    run_sync()
    assert_same(sandbox.world, warehouse)


@on_both
def test_a_warehouse_that_is_gone_is_filled_anew(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    lose(warehouse)
    run_sync()
    assert_same(sandbox.world, warehouse)


@on_both
def test_a_fresh_machine_with_only_the_warehouse_goes_on_where_the_last_run_ended(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, tmp_path: Path
) -> None:
    run_sync()
    before = load_ids(warehouse)
    warehouse.state_dir.rename(tmp_path / "gone")
    report = run_sync()
    assert max(outcome.calls.requests for outcome in report.outcomes) <= 4
    assert all(outcome.cursor_before is not None for outcome in report.outcomes if outcome.object != "categories")
    assert load_ids(warehouse) == before
