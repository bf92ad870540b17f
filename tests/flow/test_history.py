"""Every state of a ticket that was ever seen, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from pipelines.sandbox import Faults, Sandbox
from pipelines.settings import WarehouseSettings
from pipelines.sync import SyncReport, reconcile, sync
from tests.flow.conftest import backup, on_both, on_both_at_length, settings_for
from tests.flow.truth import query

pytestmark = pytest.mark.slow

RunSync = Callable[..., SyncReport]


def versions(warehouse: WarehouseSettings, ticket_id: str | None = None) -> list[dict[str, Any]]:
    condition = f"where id = '{ticket_id}'" if ticket_id else ""
    return query(
        warehouse, f"select * from raw_unified.ticket_versions {condition} order by id, observed_at, updated_at"
    )


def one_ticket(sandbox: Sandbox) -> tuple[str, str]:
    [connection_id] = [row["id"] for row in sandbox.world.connections() if row["integration_type"] == "zendesk"]
    ticket = next(row for row in sandbox.world.records(connection_id, "ticket") if row["status"] == "ACTIVE")
    return connection_id, ticket["id"]


@on_both
def test_there_and_back_again_is_three_states(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    connection_id, ticket_id = one_ticket(sandbox)
    world = sandbox.world
    world.patch(connection_id, "ticket", ticket_id, {"priority": "low"})
    run_sync()
    for priority in ("urgent", "low"):
        world.advance(timedelta(hours=1))
        world.patch(connection_id, "ticket", ticket_id, {"priority": priority})
        run_sync()
    rows = versions(warehouse, ticket_id)
    assert [row["priority"] for row in rows] == ["low", "urgent", "low"]
    assert [row["is_baseline"] for row in rows] == [True, False, False]
    assert {row["observed_via"] for row in rows} == {"poll"}
    assert rows[0]["raw_status"] is not None
    assert all(later["observed_at"] > earlier["observed_at"] for earlier, later in pairwise(rows))


@on_both_at_length
def test_a_state_is_written_once_however_often_it_is_seen(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    before = versions(warehouse)
    assert len(before) == 40
    sandbox.world.advance(timedelta(hours=1))
    run_sync()
    run_sync(full_refresh=True)
    reconcile(settings_for(sandbox), warehouse)
    assert versions(warehouse) == before, "neither doubled nor rewritten"


def test_a_state_that_comes_twice_in_one_run_is_written_once(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    """A server that cuts `updated_gte` to minutes shows the same records again and again."""
    sandbox.faults = Faults(cut_updated_gte="minutes")
    run_sync(settings={"page_size": 3})
    run_sync(settings={"page_size": 3}, full_refresh=True)
    keys = [(row["connection_id"], row["id"], row["state_hash"]) for row in versions(warehouse)]
    assert len(keys) == len(set(keys)) == 40


def test_what_is_no_part_of_the_state_makes_no_version(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    connection_id, ticket_id = one_ticket(sandbox)
    run_sync()
    sandbox.world.patch(connection_id, "ticket", ticket_id, {"subject": "another"}, quiet=True)
    run_sync(full_refresh=True)
    assert len(versions(warehouse, ticket_id)) == 1
    sandbox.world.patch(connection_id, "ticket", ticket_id, {"priority": "another"}, quiet=True)
    run_sync(full_refresh=True)
    assert len(versions(warehouse, ticket_id)) == 2


def test_a_ticket_that_is_new_tells_of_a_change_and_one_from_before_the_start_date_does_not(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    world = sandbox.world
    connection_id, _ = one_ticket(sandbox)
    start = world.now - timedelta(days=20)
    run_sync(settings={"start_date": start.isoformat()})
    known = {row["id"] for row in versions(warehouse)}
    assert 0 < len(known) < 40
    world.advance(timedelta(hours=1))
    new = world.create(connection_id, "ticket", {"subject": "new", "status": "ACTIVE"})["id"]
    run_sync()
    by_id = {row["id"]: row["is_baseline"] for row in versions(warehouse)}
    assert by_id.pop(new) is False
    assert len(by_id) == 40
    assert all(by_id.values())


def test_a_ticket_that_is_new_in_a_helpdesk_without_any_tells_of_a_change(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=0, helpdesks=("zendesk",)) as sandbox:
        [connection] = sandbox.world.connections()
        sync(settings_for(sandbox), warehouse)
        sandbox.world.advance(timedelta(hours=1))
        sandbox.world.create(connection["id"], "ticket", {"subject": "new", "status": "ACTIVE"})
        sync(settings_for(sandbox), warehouse)
    assert [row["is_baseline"] for row in versions(warehouse)] == [False]


def test_what_changes_in_a_list_without_any_time_tells_of_a_change(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=5, helpdesks=("front",)) as sandbox:
        world = sandbox.world
        [connection] = world.connections()
        timeless = {"updated_at": None}
        ids = [ticket["id"] for ticket in world.records(connection["id"], "ticket")]
        for ticket_id in ids:
            world.patch(connection["id"], "ticket", ticket_id, {**timeless, "priority": "low"})
        sync(settings_for(sandbox), warehouse)
        world.advance(timedelta(hours=1))
        world.patch(connection["id"], "ticket", ids[0], {**timeless, "priority": "urgent"})
        sync(settings_for(sandbox), warehouse)
    assert [(row["priority"], row["is_baseline"]) for row in versions(warehouse, ids[0])] == [
        ("low", True),
        ("urgent", False),
    ]
    assert len(versions(warehouse)) == len(ids) + 1


def test_a_state_that_differs_only_by_what_was_asked_for_tells_of_no_change(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    connection_id, ticket_id = one_ticket(sandbox)
    run_sync(settings={"include_raw": False})
    sandbox.world.advance(timedelta(hours=1))
    sandbox.world.patch(connection_id, "ticket", ticket_id, {"priority": "urgent"})
    run_sync(settings={"include_raw": True})
    told = [row["id"] for row in versions(warehouse) if not row["is_baseline"]]
    assert told == [ticket_id]


def test_a_quiet_change_of_what_is_older_than_the_start_date_tells_of_a_change_where_it_was_known(
    warehouse: WarehouseSettings,
) -> None:
    with Sandbox(seed=7, tickets=10, helpdesks=("front",)) as sandbox:
        world = sandbox.world
        settings = settings_for(sandbox, start_date=(world.now + timedelta(minutes=1)).isoformat())
        world.advance(timedelta(hours=1))
        [connection] = world.connections()
        known, touched = [ticket["id"] for ticket in world.records(connection["id"], "ticket")][:2]
        world.touch(connection["id"], "ticket", touched)
        sync(settings, warehouse)
        world.patch(connection["id"], "ticket", known, {"priority": "changed"}, quiet=True)
        sync(settings, warehouse)
    assert [row["is_baseline"] for row in versions(warehouse, known)] == [True, False]


@on_both
def test_a_warehouse_put_back_from_a_backup_gets_its_history_again(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, tmp_path: Any
) -> None:
    run_sync()
    put_back = backup(warehouse, tmp_path)
    sandbox.world.live(hours=30)
    run_sync()
    put_back()
    run_sync()
    assert (
        query(
            warehouse,
            "select id, updated_at, status from raw_unified.tickets except "
            "select id, updated_at, status from raw_unified.ticket_versions",
        )
        == []
    )
