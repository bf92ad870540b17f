"""What `check` says before a sync holds when the sync comes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pipelines.check import CheckReport, Finding, check, total_forecast
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.sandbox.support import support_table
from pipelines.settings import WarehouseSettings
from pipelines.status import cursors_in, due_tickets_in
from pipelines.sync import SyncReport, sync
from pipelines.ticketing.plans import Strategy
from tests.flow.conftest import at_length, settings_for, slow

RunSync = Callable[..., SyncReport]


def checked(sandbox: Sandbox, warehouse: WarehouseSettings, **changed: object) -> CheckReport:
    settings = settings_for(sandbox, **changed)
    return check(settings, cursors_in(warehouse), due_tickets=lambda now: due_tickets_in(warehouse, settings, now))


@pytest.mark.parametrize(
    ("helpdesk", "page_size"),
    [slow("zendesk", 10), slow("helpscout", 100), at_length("zendesk", 100), at_length("helpscout", 10)],
)
def test_the_forecast_of_calls_is_near_what_the_sync_then_makes(
    warehouse: WarehouseSettings, helpdesk: str, page_size: int
) -> None:
    with Sandbox(seed=7, tickets=100, helpdesks=(helpdesk,)) as sandbox:
        for hours_since in (0, 0, 1, 25, 0):
            sandbox.world.live(hours=hours_since)
            forecast, seconds = total_forecast(checked(sandbox, warehouse, page_size=page_size))
            report = sync(settings_for(sandbox, page_size=page_size), warehouse)
            made = sum(outcome.calls.requests for outcome in report.outcomes)
            assert abs(forecast - made) <= 0.25 * made + 2, (hours_since, forecast, made)
            assert seconds > 0


@pytest.mark.long
@pytest.mark.slow
def test_the_forecast_knows_the_pages_of_a_second_look(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    def forecast(reread_pages: int) -> int:
        return total_forecast(checked(sandbox, warehouse, reread_pages=reread_pages))[0]

    assert forecast(5) == forecast(0)
    run_sync()
    incremental = [outcome for outcome in run_sync().outcomes if outcome.plan == Strategy.BY_ANCHOR.value]
    assert forecast(5) == forecast(0) + 5 * len(incremental)


@pytest.mark.long
@pytest.mark.slow
def test_the_forecast_of_notes_by_ticket_is_of_the_tickets_that_are_due(warehouse: WarehouseSettings) -> None:
    def forecast(**settings: object) -> int | None:
        (connection,) = checked(sandbox, warehouse, **settings).connections
        return next(item.calls_forecast for item in connection.objects if item.table == "notes")

    with Sandbox(seed=7, tickets=40, helpdesks=("helpscout",)) as sandbox:
        (connection,) = sandbox.world.connections()
        assert 40 <= (forecast() or 0) <= 50
        for _ in range(2):
            sync(settings_for(sandbox), warehouse)
            sandbox.world.advance(timedelta(hours=1))
        assert forecast() == 0
        tickets = sandbox.world.records(connection["id"], "ticket")
        closed, open_ticket = (
            next(ticket["id"] for ticket in tickets if (ticket["status"] == "CLOSED") == is_closed)
            for is_closed in (True, False)
        )
        sandbox.world.patch(connection["id"], "ticket", closed, {"subject": "changed"})
        sandbox.world.patch(connection["id"], "ticket", open_ticket, {"subject": "changed"})
        assert forecast() == 2
        sandbox.world.advance(timedelta(days=1))
        open_tickets = sum(ticket["status"] != "CLOSED" for ticket in tickets)
        assert forecast() == open_tickets + 1
        assert forecast(note_sweep_calls=0) == 2


def test_the_plan_that_is_shown_is_the_plan_that_is_used(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    shown = {
        (connection.id, item.table): item.plan.strategy.value
        for connection in checked(sandbox, warehouse).connections
        for item in connection.objects
    }
    used = {(outcome.connection_id, outcome.object): outcome.plan.split(",")[0] for outcome in run_sync().outcomes}
    assert shown == used
    assert {each.value for each in (Strategy.BY_ANCHOR, Strategy.WHOLE_LIST, Strategy.NOT_OFFERED)} == {*shown.values()}


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


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("traits", [{}, {"updated_gte": False}, {"sort_by_updated_at": False}])
def test_a_server_that_ignores_offset_is_found_out_and_ends_the_check(
    warehouse: WarehouseSettings, traits: dict[str, Any]
) -> None:
    world = World.seeded(seed=7, tickets=20, helpdesks=("front",))
    world.register_integration("front", support_table(offset=False, **traits), published=support_table(**traits))
    with Sandbox(world=world) as sandbox:
        (connection,) = checked(sandbox, warehouse).connections
        tickets = next(item for item in connection.objects if item.table == "tickets")
        assert Finding("offset moves through the list", holds=False) in tickets.findings
        assert tickets.problem is None
        assert tickets.calls_forecast is None
        world.register_integration("front", support_table(**traits))
        (connection,) = checked(sandbox, warehouse).connections
        offered = [item for item in connection.objects if item.plan.strategy is not Strategy.NOT_OFFERED]
        assert all(Finding("offset moves through the list", holds=True) in item.findings for item in offered)


def test_a_workspace_where_all_is_paused_is_not_all_well(sandbox: Sandbox, warehouse: WarehouseSettings) -> None:
    for connection in sandbox.world.connections():
        sandbox.world.change_connection(connection["id"], is_paused=True)
    report = checked(sandbox, warehouse)
    assert report.exit_code == 1
    assert {connection.skipped for connection in report.connections} == {"paused"}
