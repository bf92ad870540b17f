"""What webhooks did not bring is polled: that time, those objects, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.draining import DrainReport, opened_inbox
from pipelines.following import Follower, follow
from pipelines.repairing import repair_gaps
from pipelines.sandbox import Sandbox, World
from pipelines.sandbox.support import support_table
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.status import status
from pipelines.sync import sync
from pipelines.warehouse.marts import reading_published
from pipelines.webhooks.silence import SILENT, WAS_UNWELL
from tests.flow.conftest import on_both, settings_for, warehouse_in
from tests.flow.pushed import EVENTS, Post, Pushed
from tests.flow.signed import put_into_inbox
from tests.flow.truth import assert_same, query, stored_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("no_waiting")]


@contextmanager
def pushing(warehouse: WarehouseSettings) -> Iterator[tuple[Sandbox, Post, Pushed, str]]:
    """A world whose history is in the warehouse, and all that happens is pushed there."""
    world = World.seeded(seed=3, tickets=20, helpdesks=("front",))
    world.register_integration("front", support_table(native=EVENTS))
    with Sandbox(world=world) as sandbox:
        settings = settings_for(sandbox, page_size=17, lookback_seconds=60)
        post = Post(world)
        [connection] = world.connections()
        with post.to(warehouse, settings) as pushed:
            sync(settings, warehouse)
            pushed.subscribe(connection["id"])
            yield sandbox, post, pushed, connection["id"]


def bring(post: Post, pushed: Pushed, hours: float, *, lost: bool = False) -> None:
    """Let time pass and what happens in it be delivered, or lost."""
    pushed.is_lost = lambda: lost
    post.world.live(hours=hours)
    post.deliver()
    pushed.drain()


def settings_with(settings: UnifiedSettings, **changed: Any) -> UnifiedSettings:
    narrowed = UnifiedSettings()
    narrowed.update({**settings, **changed})
    return narrowed


def ticket_webhook(pushed: Pushed) -> dict[str, Any]:
    return next(
        hook for hook in pushed.webhooks() if (hook["object_type"], hook["event"]) == ("ticketing_ticket", "updated")
    )


def test_nothing_is_asked_for_where_no_webhook_is_expected(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    with pushing(warehouse_in(tmp_path / "other")) as (sandbox, _, pushed, _), opened_inbox(warehouse) as inbox:
        sandbox.reset_counters()
        assert [*repair_gaps(pushed.settings, warehouse, inbox, pushed.world.now, 5.0)] == []
        assert sandbox.requests == {}


def test_what_goes_astray_from_the_beginning_is_polled(warehouse: WarehouseSettings) -> None:
    """Such as by an address with a slip in it."""
    with pushing(warehouse) as (_, post, pushed, _):
        began = post.world.now
        bring(post, pushed, 3, lost=True)
        assert pushed.repair() == []
        bring(post, pushed, 20, lost=True)
        closed = pushed.repair()
        assert {each.gap.since for each in closed} == {began}
        assert_same(post.world, warehouse)
        assert {(push.object, push.heard_at, push.polled_until) for push in status(warehouse).pushes} == {
            (each.gap.table, None, post.world.now) for each in closed
        }


def test_what_of_another_connection_comes_to_the_same_address_is_not_polled(warehouse: WarehouseSettings) -> None:
    with pushing(warehouse) as (_, post, pushed, connection_id):
        bring(post, pushed, 20, lost=True)
        pushed.settings = settings_with(pushed.settings, connection_ids=["another"])
        assert pushed.repair() == []
        pushed.settings = settings_with(pushed.settings, connection_ids=[connection_id])
        assert pushed.repair()


def test_what_no_list_shows_is_not_asked_for_again_and_again(warehouse: WarehouseSettings) -> None:
    with pushing(warehouse) as (_, post, pushed, connection_id):
        bring(post, pushed, 20, lost=True)
        post.world.helpdesk_of(connection_id).support["ticketing_customer"]["methods"]["list"] = False
        [vain] = [repair for repair in pushed.repair() if repair.gap.table == "customers"]
        assert vain.is_vain
        assert pushed.repair() == []


def test_what_a_repair_finds_in_the_inbox_is_told(warehouse: WarehouseSettings) -> None:
    with pushing(warehouse) as (_, post, pushed, _):
        bring(post, pushed, 20, lost=True)
        put_into_inbox(warehouse, b"nothing that anybody can read")
        report = DrainReport()
        with opened_inbox(warehouse) as inbox:
            assert [*repair_gaps(pushed.settings, warehouse, inbox, post.world.now, 5.0, report)]
        assert report.buried == 1


@on_both
def test_the_time_of_an_unhealthy_webhook_is_polled_of_its_object_alone(warehouse: WarehouseSettings) -> None:
    with pushing(warehouse) as (sandbox, post, pushed, connection_id):
        bring(post, pushed, 2)
        assert pushed.repair() == []
        began = post.world.now
        bring(post, pushed, 3, lost=True)
        ticket_webhook(pushed)["is_healthy"] = False
        sandbox.reset_counters()
        [closed] = pushed.repair()
        assert closed.gap.table == "tickets"
        assert began - timedelta(hours=2) <= closed.gap.since <= began
        assert closed.outcome.is_complete
        listed = {path for path in sandbox.requests if path.startswith("GET /ticketing")}
        assert listed == {"GET /ticketing/{connection_id}/ticket"}
        truth = {record["id"]: record["updated_at"] for record in post.world.records(connection_id, "ticket")}
        stored = {id: row["updated_at"] for (_, id), row in stored_rows(warehouse, "tickets").items()}
        assert stored == {id: datetime.fromisoformat(at) for id, at in truth.items()}


def test_a_fault_that_lasts_is_polled_from_where_the_last_poll_ended(warehouse: WarehouseSettings) -> None:
    with pushing(warehouse) as (_, post, pushed, _):
        bring(post, pushed, 2)
        ticket_webhook(pushed)["is_paused"] = True
        first_at = post.world.now
        assert len(pushed.repair()) == 1
        bring(post, pushed, 1, lost=True)
        [second] = pushed.repair()
        assert second.gap.since == first_at
        second_at = post.world.now
        ticket_webhook(pushed)["is_paused"] = False
        bring(post, pushed, 1)
        assert [(each.gap.since, each.gap.reason) for each in pushed.repair()] == [(second_at, WAS_UNWELL)]
        assert pushed.repair() == []


def test_after_a_silence_longer_than_the_rhythm_all_is_polled_and_nothing_is_missing(
    warehouse: WarehouseSettings,
) -> None:
    with pushing(warehouse) as (_, post, pushed, _):
        bring(post, pushed, 2)
        bring(post, pushed, 3, lost=True)
        assert pushed.repair() == []
        bring(post, pushed, 20, lost=True)
        closed = pushed.repair()
        assert {each.gap.table for each in closed} >= {"tickets", "notes"}
        assert {each.gap.reason for each in closed} == {SILENT}
        assert_same(post.world, warehouse)
        assert pushed.repair() == []


def test_an_outage_that_was_over_before_anybody_looked_leaves_nothing_missing(warehouse: WarehouseSettings) -> None:
    with pushing(warehouse) as (_, post, pushed, _):
        bring(post, pushed, 8)
        bring(post, pushed, 20, lost=True)
        bring(post, pushed, 1)
        assert pushed.repair()
        assert_same(post.world, warehouse)
        assert pushed.repair() == []


def test_a_poll_that_fails_is_made_again(warehouse: WarehouseSettings) -> None:
    with pushing(warehouse) as (_, post, pushed, connection_id):
        bring(post, pushed, 2)
        ticket_webhook(pushed)["is_healthy"] = False
        post.world.change_connection(connection_id, permissions=["ticketing_note_read"])
        [failed] = pushed.repair()
        assert failed.outcome.has_failed
        post.world.change_connection(connection_id, permissions=[])
        [closed] = pushed.repair()
        assert closed.gap == failed.gap


def test_the_cursors_of_polling_stay_where_they_are(warehouse: WarehouseSettings) -> None:
    with pushing(warehouse) as (_, post, pushed, _):
        bring(post, pushed, 2)
        ticket_webhook(pushed)["is_healthy"] = False
        pushed.repair()
        runs = query(
            warehouse,
            "select cursor_before, cursor_after from raw_unified.sync_runs "
            "where object = 'tickets' and command = 'sync' order by started_at desc limit 1",
        )
        assert runs[0]["cursor_before"] == runs[0]["cursor_after"]


def test_whoever_follows_loads_builds_publishes_and_repairs_until_it_is_over(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.following.SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr("pipelines.following.SECONDS_BETWEEN_REPAIRS", 0.0)
    monkeypatch.setattr("pipelines.following.PAUSE_TO_PUBLISHING", 0.0)
    with pushing(warehouse) as (_, post, pushed, _):
        said: list[str] = []
        turns = iter(range(4))

        def is_over() -> bool:
            turn = next(turns)
            if turn == 1:
                post.world.live(hours=3)
                post.deliver()
            if turn == 2:
                pushed.is_lost = lambda: True
                post.world.live(hours=2)
                post.deliver()
                ticket_webhook(pushed)["is_healthy"] = False
            return turn == 3

        follower = Follower(said.append, pytest.fail, is_over, lambda: post.world.now)
        report = DrainReport()
        follow(pushed.settings, warehouse, report, build_every=0.0, follower=follower)
        assert [" ".join(line.split(" ")[1:3]) for line in said] == [
            *("models built", "tables published", "deliveries loaded", "tables built", "tables published"),
            *("records polled", "tables built", "tables published"),
        ]
        assert report.delivered > 0
        [stale] = query(
            warehouse,
            "select count(*) as number from raw_unified.tickets as raw "
            "left join marts.tickets on tickets.ticket_id = raw.id and tickets.status = lower(raw.status) "
            "where tickets.ticket_id is null",
        )
        assert stale["number"] == 0
        with reading_published(warehouse) as ask:
            [tickets] = ask("select max(updated_at) as newest from tickets")
        assert [tickets] == query(warehouse, "select max(updated_at) as newest from marts.tickets")
