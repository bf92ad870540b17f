"""What `check` says before a sync holds when the sync comes."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.check import CheckReport, check, total_forecast
from pipelines.sandbox import Faults, Sandbox
from pipelines.settings import WarehouseSettings
from pipelines.status import cursors_in
from pipelines.sync import SyncReport
from pipelines.ticketing.plans import Strategy
from tests.flow.conftest import settings_for

RunSync = Callable[..., SyncReport]


def checked(sandbox: Sandbox, warehouse: WarehouseSettings, **settings: object) -> CheckReport:
    return check(settings_for(sandbox, **settings), cursors_in(warehouse))


def test_the_forecast_of_calls_is_near_what_the_sync_then_makes(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    for _ in range(2):
        forecast, seconds = total_forecast(checked(sandbox, warehouse, page_size=10).connections)
        report = run_sync(settings={"page_size": 10})
        made = sum(outcome.calls.requests for outcome in report.outcomes)
        assert 0.6 * made <= forecast <= 1.5 * made + 16
        assert seconds > 0


def test_the_plan_that_is_shown_is_the_plan_that_is_used(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    shown = {
        (connection.id, item.table): item.plan.strategy.value
        for connection in checked(sandbox, warehouse).connections
        for item in connection.objects
    }
    used = {(outcome.connection_id, outcome.object): outcome.plan for outcome in run_sync().outcomes}
    assert shown == used
    assert {Strategy.BY_ANCHOR.value, Strategy.WHOLE_LIST.value} == set(shown.values())


def test_a_missing_permission_is_named(sandbox: Sandbox, warehouse: WarehouseSettings) -> None:
    first = sandbox.world.connections()[0]
    kept = [name for name in first["permissions"] if name != "ticketing_note_read"]
    sandbox.world.change_connection(first["id"], permissions=kept)
    report = checked(sandbox, warehouse)
    assert report.problems == [f"{first['id']} notes: the connection lacks the permission ticketing_note_read"]
    assert report.exit_code == 3


def test_what_was_assumed_is_looked_at(sandbox: Sandbox, warehouse: WarehouseSettings) -> None:
    def seen() -> dict[str, bool]:
        connections = checked(sandbox, warehouse).connections
        return {
            finding.fact: finding.holds
            for connection in connections
            for item in connection.objects
            if item.table == "tickets"
            for finding in item.findings
        }

    assert all(seen().values())
    sandbox.faults = Faults(ignore_updated_gte=True, fields_strict=True)
    contradicted = {fact for fact, holds in seen().items() if not holds}
    assert contradicted == {
        "updated_gte leaves out what is older",
        "names due_at, attachment_ids, metadata in fields",
    }


def test_a_workspace_where_all_is_paused_is_not_all_well(sandbox: Sandbox, warehouse: WarehouseSettings) -> None:
    for connection in sandbox.world.connections():
        sandbox.world.change_connection(connection["id"], is_paused=True)
    report = checked(sandbox, warehouse)
    assert report.exit_code == 1
    assert {connection.skipped for connection in report.connections} == {"paused"}
