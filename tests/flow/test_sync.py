"""One sync after another against the sandbox, into a real DuckDB file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import ApiKeyRejected, CallNotOffered, FixConfiguration, GrantPermission, ParameterRefused
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.sandbox.support import Support, support_table
from pipelines.settings import PostgresWarehouse, WarehouseSettings
from pipelines.sync import SyncReport, reconcile, sync
from pipelines.ticketing.cursor import as_text
from pipelines.unified_api.client import Calls, Parameters, UnifiedClient
from pipelines.unified_api.records import Page
from tests.flow.conftest import backup, lose, on_both, on_both_at_length, settings_for
from tests.flow.truth import OBJECTS, assert_same, change, load_ids, query, stored_rows, true_rows
from transforms.schemas import RAW_TABLES, Kind

pytestmark = pytest.mark.slow

RunSync = Callable[..., SyncReport]


@on_both
def test_the_warehouse_holds_what_the_source_holds(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    report = run_sync()
    assert report.exit_code == 0
    assert_same(sandbox.world, warehouse)


@on_both
def test_every_column_has_the_native_type_of_its_kind(warehouse: WarehouseSettings, run_sync: RunSync) -> None:
    run_sync()
    found = query(
        warehouse,
        "select table_name, column_name, data_type from information_schema.columns where table_schema = 'raw_unified'",
    )
    types = {(row["table_name"], row["column_name"]): row["data_type"].lower() for row in found}
    is_postgres = warehouse.destination == "postgres"
    expected = {
        Kind.TEXT: "character varying" if is_postgres else "varchar",
        Kind.TIMESTAMP: "timestamp with time zone",
        Kind.BOOLEAN: "boolean",
        Kind.INTEGER: "bigint",
        Kind.REAL: "double precision" if is_postgres else "double",
        Kind.JSON: "jsonb" if is_postgres else "json",
    }
    for table in RAW_TABLES.values():
        for name, kind in table.columns.items():
            assert types[table.name, name] == expected[kind], (table.name, name)


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
        where status = 0 and plan not like 'not_offered%'
        """,
    )
    objects = 4 * len(sandbox.world.connections()) + 3
    assert found["runs"] == found["keys"] == 2 * objects
    assert found["run_ids"] == 2
    assert found["all_complete"]
    assert found["fewest_requests"] >= 1
    assert found["forwards"]


def test_a_run_that_has_read_all_that_changed_says_up_to_when(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    """By the server's clock, and only where nothing is left out: no stretch of time, no failed object."""
    world = sandbox.world
    first_began, connection = world.now, world.connections()[0]
    run_sync()
    world.live(hours=10)
    without_notes = [name for name in connection["permissions"] if name != "ticketing_note_read"]
    world.change_connection(connection["id"], permissions=without_notes)
    second_began = world.now
    run_sync()
    sync(settings_for(sandbox), warehouse, since=first_began)
    reconcile(settings_for(sandbox), warehouse)
    runs = query(
        warehouse, "select connection_id, object, read_through from raw_unified.sync_runs order by started_at, object"
    )
    told = [run for run in runs if run["read_through"] is not None]
    assert {run["read_through"] for run in told} == {first_began, second_began}
    failed = (connection["id"], "notes")
    assert [run["read_through"] for run in told if (run["connection_id"], run["object"]) == failed] == [first_began]
    assert len(told) == 2 * len([run for run in runs if run["read_through"] == first_began]) - 1


@on_both
def test_an_older_state_replaces_no_newer_one_that_was_seen_less_than_an_hour_before_or_later(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    connection_id = sandbox.world.connections()[0]["id"]
    ticket = sandbox.world.records(connection_id, "ticket")[0]
    for seen_before, expected in ((-600, "newer"), (59, "newer"), (61, ticket["subject"])):
        seen_at = sandbox.world.now - timedelta(minutes=seen_before)
        change(
            warehouse,
            "update raw_unified.tickets set updated_at = now() + interval '1 year', subject = 'newer', "
            f"_row_hash = 'newer', _observed_at = '{seen_at.isoformat()}' "
            f"where connection_id = '{connection_id}' and id = '{ticket['id']}'",
        )
        run_sync(full_refresh=True)
        stored = stored_rows(warehouse, "tickets")[connection_id, ticket["id"]]
        assert stored["subject"] == expected, seen_before
    assert_same(sandbox.world, warehouse)


@pytest.mark.parametrize("way", [{"full_refresh": True}, {"settings": {"reread_pages": 100}}], ids=["all", "reread"])
def test_a_record_whose_time_has_gone_back_is_believed_when_it_is_still_so_an_hour_later(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, way: dict[str, Any]
) -> None:
    world = sandbox.world
    before = {connection["id"]: world.records(connection["id"], "ticket")[0] for connection in world.connections()}
    for connection_id, ticket in before.items():
        world.patch(connection_id, "ticket", ticket["id"], {"subject": "a mistake"})
    run_sync()
    for connection_id, ticket in before.items():
        put_back = {"subject": "put back", "updated_at": ticket["updated_at"]}
        world.patch(connection_id, "ticket", ticket["id"], put_back)

    def subjects() -> set[str]:
        stored = stored_rows(warehouse, "tickets")
        return {stored[connection_id, ticket["id"]]["subject"] for connection_id, ticket in before.items()}

    run_sync(**way)
    assert subjects() == {"a mistake"}
    world.advance(timedelta(minutes=61))
    run_sync(**way)
    assert subjects() == {"put back"}
    assert_same(world, warehouse)


@on_both_at_length
def test_a_change_that_does_not_move_updated_at_is_stored_when_it_is_read_again(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    change(warehouse, "update raw_unified.tickets set subject = 'stale', _row_hash = 'stale'")
    run_sync(full_refresh=True)
    assert_same(sandbox.world, warehouse)


@pytest.mark.parametrize("lag", [timedelta(0), timedelta(minutes=20)])
def test_a_date_in_the_future_does_not_hide_what_a_helpdesk_changes_before_it_by_a_clock_that_lags(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, lag: timedelta
) -> None:
    world = sandbox.world
    connection_id = world.connections()[0]["id"]
    ahead, earlier, later = [record["id"] for record in world.records(connection_id, "ticket")[:3]]

    def edit(ticket: str, subject: str, at: datetime) -> None:
        world.patch(connection_id, "ticket", ticket, {"subject": subject, "updated_at": as_text(at)})

    edit(ahead, "from 2099", datetime(2099, 1, 1, tzinfo=UTC))
    world.advance(timedelta(hours=1))
    edit(earlier, "changed before", world.now - lag)
    run_sync(settings={"reread_pages": 0})
    world.advance(timedelta(minutes=10))
    edit(later, "changed later", world.now - lag)
    run_sync(settings={"reread_pages": 0})
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


@on_both_at_length
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


@on_both_at_length
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


def test_an_object_that_no_connection_offers_is_no_failure(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=10, helpdesks=("zohodesk",)) as sandbox:
        [connection] = sandbox.world.connections()
        report = sync(settings_for(sandbox), warehouse, select=["notes"])
        assert [outcome.plan for outcome in report.skipped] == ["not_offered"]
        assert report.exit_code == 0
        beside_a_dead_one = settings_for(sandbox, connection_ids=[connection["id"], "dead"])
        assert sync(beside_a_dead_one, warehouse, select=["notes"]).exit_code == 1


def one_helpdesk(truth: Support, published: Support | None) -> World:
    """A helpdesk with another support table than its own, or with none."""
    world = World.seeded(seed=3, tickets=15, helpdesks=("front",))
    world.register_integration("front", truth, published=published, is_listed=published is not None)
    return world


@pytest.mark.parametrize("published", [None, support_table(raw=False)], ids=["no table", "a table that names them"])
def test_what_the_server_does_not_offer_is_left_out_unless_the_support_table_names_it(
    warehouse: WarehouseSettings, published: Support | None
) -> None:
    world = one_helpdesk(support_table(objects=("ticket", "category"), raw=False), published)
    with Sandbox(world=world) as sandbox:
        for command in (sync, reconcile):
            report = command(settings_for(sandbox), warehouse)
            read = {outcome.object for outcome in report.outcomes if outcome.is_complete}
            assert read == {"tickets", "categories"}
            if published is None:
                plans = {outcome.object: outcome.plan for outcome in report.skipped if outcome.object != "employees"}
                assert plans == dict.fromkeys(("customers", "notes"), "not_offered, the server says so")
                assert report.exit_code == 0
            else:
                assert {outcome.object for outcome in report.failed} == {"customers", "notes"}
                assert all("501" in str(outcome.error) for outcome in report.failed)
                assert report.exit_code == 3
    assert len(stored_rows(warehouse, "tickets")) == 15


def test_what_the_server_has_shown_and_then_does_not_offer_is_a_failure(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_page = UnifiedClient.list
    offers = iter([True])

    def offered_once(client: UnifiedClient, path: str, parameters: Parameters, calls: Calls) -> Page:
        if path.endswith("/customer") and not next(offers, False):
            raise CallNotOffered("501: no more")
        return list_page(client, path, parameters, calls)

    monkeypatch.setattr(UnifiedClient, "list", offered_once)
    with Sandbox(world=one_helpdesk(support_table(raw=False), None)) as sandbox:
        [failed] = sync(settings_for(sandbox, page_size=5), warehouse).failed
    assert (failed.object, failed.error) == ("customers", "501: no more")


@pytest.mark.parametrize("published", [None, support_table(raw=False)], ids=["no table", "a table that names it"])
def test_notes_whose_list_the_server_does_not_offer_are_read_ticket_by_ticket(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch, published: Support | None
) -> None:
    list_page = UnifiedClient.list

    def offered_per_ticket(client: UnifiedClient, path: str, parameters: Parameters, calls: Calls) -> Page:
        if path.endswith("/note") and "ticket_id" not in parameters:
            raise CallNotOffered("501: not this one")
        return list_page(client, path, parameters, calls)

    monkeypatch.setattr(UnifiedClient, "list", offered_per_ticket)
    with Sandbox(world=one_helpdesk(support_table(raw=False), published)) as sandbox:
        for command in (sync, reconcile):
            report = command(settings_for(sandbox), warehouse)
            assert report.failed == []
            assert_same(sandbox.world, warehouse)
            [notes] = [outcome for outcome in report.outcomes if outcome.object == "notes"]
            assert notes.plan == "per_ticket, 501: not this one"


def test_notes_whose_list_is_given_up_are_read_once_in_the_run_that_gives_it_up(warehouse: WarehouseSettings) -> None:
    world = one_helpdesk(support_table(notes_per_ticket=True, raw=False), support_table(raw=False))
    with Sandbox(world=world) as sandbox:
        sync(settings_for(sandbox), warehouse, select=["tickets"])
        sandbox.reset_counters()
        report = sync(settings_for(sandbox), warehouse, select=["notes"])
        assert report.exit_code == 0
        assert stored_rows(warehouse, "notes") == true_rows(world, "notes")
        assert sandbox.requests["GET /ticketing/{connection_id}/note"] < 2 * 15


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
    plans = {outcome.connection_id: outcome.plan for outcome in report.skipped if outcome.object != "employees"}
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


@on_both_at_length
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
    with_cursors = [outcome for outcome in report.outcomes if outcome.is_complete and outcome.object != "categories"]
    assert all(outcome.cursor_before is not None for outcome in with_cursors)
    assert load_ids(warehouse) == before
