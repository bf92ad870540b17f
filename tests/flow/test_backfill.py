"""A long read comes in portions: in loads of their own, in stretches of time, up to a ceiling of calls."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import dlt
import pyarrow as pa
import pytest
from dlt.common.versioned_state import decompress_state

from pipelines.errors import CallsUsedUp, LoadFailed
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.sandbox.answers import Refusal
from pipelines.sandbox.shelf import Listing, Stored
from pipelines.sandbox.support import support_table
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.status import cursors_in, cursors_of, status
from pipelines.sync import SyncReport, reconcile, sync
from pipelines.ticketing import extraction, resources
from pipelines.ticketing.progress import Watcher
from pipelines.warehouse import load
from pipelines.warehouse.outcome import Outcome
from tests.flow.children import in_small_portions
from tests.flow.conftest import on_both, on_both_at_length, settings_for, warehouse_in
from tests.flow.truth import OBJECTS, Rows, assert_same, change, deleted_rows, query, stored_rows, true_rows
from transforms.shaping import Row, sync_runs_table

pytestmark = pytest.mark.slow

RunSync = Callable[..., SyncReport]
ROWS = 60


@pytest.fixture
def small_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    in_small_portions(monkeypatch.setattr, ROWS)


def requests_of(report: SyncReport, *tables: str) -> int:
    return sum(outcome.calls.requests for outcome in report.outcomes if not tables or outcome.object in tables)


def rows_of(report: SyncReport, *tables: str) -> int:
    return sum(outcome.rows_received for outcome in report.outcomes if outcome.object in tables)


def times_of(sandbox: Sandbox, table: str) -> list[datetime]:
    return sorted(row["updated_at"] for row in true_rows(sandbox.world, table).values())


def by_time(rows: Rows, since: datetime, until: datetime) -> set[tuple[str, str]]:
    return {key for key, row in rows.items() if since <= row["updated_at"] <= until}


@on_both_at_length
@pytest.mark.usefixtures("small_loads")
def test_a_backfill_is_committed_in_portions(sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync) -> None:
    report = run_sync({"page_size": 5})
    assert report.exit_code == 0
    assert_same(sandbox.world, warehouse)
    rows = sum(outcome.rows_received for outcome in report.outcomes)
    portions = query(warehouse, "select count(*) as n from raw_unified._dlt_loads where status = 0")[0]["n"]
    assert rows / ROWS / 4 < portions <= rows / ROWS + 1
    assert len(query(warehouse, "select run_id from raw_unified.sync_runs")) == len(report.outcomes)


@pytest.mark.long
@on_both_at_length
@pytest.mark.usefixtures("small_loads")
def test_a_backfill_that_breaks_off_goes_on_where_its_last_load_ended(
    warehouse: WarehouseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(seed=7, tickets=200, helpdesks=("zendesk",)) as sandbox:
        settings = settings_for(sandbox, page_size=5, reread_pages=0)
        whole = rows_of(sync(settings, warehouse_in(tmp_path / "beside")), "tickets", "notes")
        with monkeypatch.context() as broken:
            _refuse_loads_after(broken, 14)
            with pytest.raises(LoadFailed):
                sync(settings, warehouse)
        assert cursors_in(warehouse).keys() < {(sandbox.world.connections()[0]["id"], table) for table in OBJECTS}
        report = sync(settings, warehouse)
        assert {outcome.is_complete for outcome in report.outcomes} == {True}
        assert rows_of(report, "tickets", "notes") < 0.8 * whole
        assert_same(sandbox.world, warehouse)
        sandbox.world.live(hours=5)
        sync(settings, warehouse)
        assert_same(sandbox.world, warehouse)


@pytest.mark.long
@pytest.mark.usefixtures("small_loads")
def test_a_backfill_that_breaks_off_is_begun_anew_where_something_else_is_wanted(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        _refuse_loads_after(broken, 3)
        with pytest.raises(LoadFailed):
            run_sync({"page_size": 5, "include_raw": False})
    run_sync({"page_size": 5})
    assert_same(sandbox.world, warehouse)


@pytest.mark.usefixtures("small_loads")
def test_a_cursor_and_the_account_of_it_come_in_one_load(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever load is the last, and however long an object takes to say what became of it."""

    def takes_long(rows: list[Row]) -> pa.Table:
        time.sleep(0.3)
        return sync_runs_table(rows)

    monkeypatch.setattr(resources, "sync_runs_table", takes_long)
    honest, apart = load._normalize_and_load, []

    def normalize_and_load(pipeline: dlt.Pipeline) -> None:
        honest(pipeline)
        told = query(warehouse, "select connection_id, object from raw_unified.sync_runs where is_complete")
        accounts = {(row["connection_id"], row["object"]) for row in told}
        apart.append(cursors_of(pipeline).keys() ^ accounts)

    monkeypatch.setattr(load, "_normalize_and_load", normalize_and_load)
    with Sandbox(seed=7, tickets=60, helpdesks=("zendesk",) * 3) as sandbox:
        assert sync(settings_for(sandbox, page_size=5), warehouse).exit_code == 0
    assert len(apart) > 5
    assert set().union(*apart) == set()


@pytest.fixture
def broken_off(
    warehouse: WarehouseSettings, small_loads: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Sandbox, UnifiedSettings]]:
    """A helpdesk whose first backfill has broken off, half of it loaded."""
    with Sandbox(seed=7, tickets=100, helpdesks=("zendesk",)) as sandbox:
        settings = settings_for(sandbox, page_size=5, reread_pages=0)
        with monkeypatch.context() as broken:
            _refuse_loads_after(broken, 7)
            with pytest.raises(LoadFailed):
                sync(settings, warehouse)
        yield sandbox, settings


@pytest.mark.long
def test_a_full_refresh_does_not_go_on_where_another_run_broke_off(
    broken_off: tuple[Sandbox, UnifiedSettings], warehouse: WarehouseSettings
) -> None:
    sandbox, settings = broken_off
    change(warehouse, "delete from raw_unified.tickets", "delete from raw_unified.notes")
    assert sync(settings, warehouse, full_refresh=True).exit_code == 0
    assert_same(sandbox.world, warehouse)


@pytest.mark.long
@pytest.mark.usefixtures("no_waiting")
def test_neither_an_outage_nor_another_stretch_makes_a_backfill_begin_anew(
    broken_off: tuple[Sandbox, UnifiedSettings], warehouse: WarehouseSettings, tmp_path: Path
) -> None:
    sandbox, settings = broken_off
    whole = rows_of(sync(settings, warehouse_in(tmp_path / "beside")), "tickets", "notes")
    sync(settings, warehouse, since=times_of(sandbox, "tickets")[-1])
    sandbox.faults = Faults(status_500=1.0, max_consecutive=10**6, connections=(sandbox.world.connections()[0]["id"],))
    assert sync(settings, warehouse).exit_code == 1
    sandbox.faults = Faults()
    report = sync(settings, warehouse)
    assert rows_of(report, "tickets", "notes") < 0.8 * whole
    assert_same(sandbox.world, warehouse)


@pytest.mark.long
def test_what_changed_between_a_backfill_and_its_going_on_is_a_change(
    broken_off: tuple[Sandbox, UnifiedSettings], warehouse: WarehouseSettings
) -> None:
    sandbox, settings = broken_off
    sync(settings, warehouse, select=["customers"])
    states = "select id, count(*) as states, count(*) filter (where is_baseline) as baselines"
    before = {row["id"] for row in query(warehouse, f"{states} from raw_unified.ticket_versions group by id")}
    sandbox.world.live(hours=48)
    sync(settings, warehouse)
    after = query(warehouse, f"{states} from raw_unified.ticket_versions group by id having count(*) > 1")
    assert not [row for row in after if row["id"] in before and row["states"] == row["baselines"]]


@on_both_at_length
def test_a_stretch_of_time_is_read_again_and_no_cursor_moves(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    times = times_of(sandbox, "notes")
    since, until = times[len(times) // 3], times[len(times) // 2]
    report = run_sync({"page_size": 5}, since=since, until=until)
    assert report.exit_code == 0
    for table in ("tickets", "notes", "customers"):
        wanted = by_time(true_rows(sandbox.world, table), since, until)
        assert stored_rows(warehouse, table).keys() == wanted, table
    assert cursors_in(warehouse) == {}
    run_sync()
    before = cursors_in(warehouse)
    sandbox.world.live(hours=2)
    run_sync(until=until)
    assert cursors_in(warehouse) == before
    run_sync()
    assert_same(sandbox.world, warehouse)


@pytest.mark.parametrize("helpdesk", ["gorgias", "servicenow", "helpscout"])
def test_a_stretch_of_time_is_read_again_whatever_the_plan(helpdesk: str, warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=30, helpdesks=(helpdesk,)) as sandbox:
        times = times_of(sandbox, "tickets")
        since, until = times[5], times[20]
        assert sync(settings_for(sandbox), warehouse, since=since, until=until).exit_code == 0
        wanted = by_time(true_rows(sandbox.world, "tickets"), since, until)
        stored = stored_rows(warehouse, "tickets")
        assert wanted <= stored.keys()
        assert all(row["updated_at"] <= until for row in stored.values())
        notes_of = {str(row["ticket_id"]) for row in stored_rows(warehouse, "notes").values()}
        assert notes_of <= {id for _, id in stored} or helpdesk != "helpscout"


@pytest.mark.long
@pytest.mark.usefixtures("no_waiting", "small_loads")
def test_what_a_run_has_stopped_to_believe_is_not_believed_by_the_next(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its list contradicts the support table, and is then cut short in its turn."""
    with Sandbox(seed=7, tickets=200, helpdesks=("zendesk",)) as sandbox:
        settings = settings_for(sandbox, page_size=5, reread_pages=0)
        with monkeypatch.context() as broken:
            _refuse_loads_after(broken, 2)
            with pytest.raises(LoadFailed):
                sync(settings, warehouse, select=["tickets"])
        assert _has_spans(warehouse)
        honest, pages = World.page, iter(range(10_000))

        def page(self: World, connection_id: str, name: str, listing: Listing) -> list[Stored]:
            if listing.sort is None and next(pages) > 3:
                raise Refusal(503, "down")
            return honest(self, connection_id, name, listing)

        monkeypatch.setattr(World, "page", page)
        sandbox.faults = Faults(ignore_updated_gte=True)
        report = sync(settings, warehouse, select=["tickets"])
        assert "contradicts" in report.failed[0].plan
        assert not _has_spans(warehouse)


def _has_spans(warehouse: WarehouseSettings) -> bool:
    [newest] = query(warehouse, "select state from raw_unified._dlt_pipeline_state order by version desc limit 1")
    return '"spans": {"' in json.dumps(decompress_state(newest["state"]))


@pytest.mark.parametrize("portions", [1, 2, 3])
@pytest.mark.usefixtures("small_loads")
def test_whatever_state_of_a_ticket_is_stored_is_in_its_history(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch, portions: int
) -> None:
    """A run that breaks off between two loads would leave states without a version, which nobody sees again."""
    with Sandbox(seed=7, tickets=200, helpdesks=("zendesk",)) as sandbox:
        with monkeypatch.context() as broken:
            _refuse_loads_after(broken, portions)
            with pytest.raises(LoadFailed):
                sync(settings_for(sandbox, page_size=5), warehouse, select=["tickets"])
        states = "select id, updated_at from raw_unified."
        assert query(warehouse, f"{states}tickets")
        assert query(warehouse, f"{states}tickets except {states}ticket_versions") == []


def test_what_fast_connections_bring_does_not_wait_for_a_slow_one(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "SECONDS_A_LOAD", 1.0)
    with Sandbox(seed=7, tickets=90, helpdesks=("zendesk", "intercom", "freshdesk")) as sandbox:
        slow = sandbox.world.connections()[0]["id"]
        sandbox.faults = Faults(latency_ms=2000, connections=(slow,))
        with monkeypatch.context() as broken:
            _refuse_loads_after(broken, 1)
            with pytest.raises(LoadFailed):
                sync(settings_for(sandbox, page_size=5), warehouse, select=["tickets"])
        stored = {connection_id for connection_id, _ in stored_rows(warehouse, "tickets")}
    assert stored
    assert slow not in stored


def test_notes_of_a_stretch_of_time_are_read_again_though_their_ticket_has_changed_since(
    warehouse: WarehouseSettings,
) -> None:
    world = World.empty()
    world.register_integration("front", support_table(notes_per_ticket=True, raw=False))
    connection_id = world.add_connection("front")
    ticket_id, since = world.create(connection_id, "ticket", {"subject": "s"})["id"], world.now
    world.advance(timedelta(hours=1))
    note_id = world.create(connection_id, "note", {"ticket_id": ticket_id, "description": "d"})["id"]
    world.advance(timedelta(hours=1))
    until = world.now
    world.advance(timedelta(days=1))
    world.touch(connection_id, "ticket", ticket_id)
    with Sandbox(world=world) as sandbox:
        assert sync(settings_for(sandbox), warehouse).exit_code == 0
        change(warehouse, "delete from raw_unified.notes")
        assert sync(settings_for(sandbox), warehouse, select=["notes"], since=since, until=until).exit_code == 0
    assert stored_rows(warehouse, "notes").keys() == {(connection_id, note_id)}


@on_both
def test_a_ceiling_of_calls_ends_a_run_cleanly_and_the_next_one_goes_on(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    ceiling, runs = 90, 0
    while True:
        report = run_sync({"page_size": 5, "max_calls_per_run": ceiling})
        runs += 1
        assert report.exit_code == 0
        assert report.failed == []
        assert requests_of(report) <= ceiling
        assert not any(item.last_error for item in status(warehouse).objects)
        if not report.put_off:
            break
        assert runs < 30, "no run came any further"
        assert all("max_calls_per_run" in outcome.plan for outcome in report.put_off)
    assert runs > 2
    assert_same(sandbox.world, warehouse)


@pytest.mark.long
def test_lists_that_never_fit_under_a_ceiling_of_calls_starve_no_other(warehouse: WarehouseSettings) -> None:
    """Two that have to be read as a whole, longer than that, and one that goes on from where it was."""
    with Sandbox(seed=7, tickets=60, helpdesks=("front", "front", "zendesk")) as sandbox:
        zendesk = sandbox.world.connections()[2]["id"]
        for _ in range(60):
            report = sync(settings_for(sandbox, page_size=2, max_calls_per_run=40), warehouse)
            assert report.exit_code == 0
            missing = {
                (table, key)
                for table in ("tickets", "customers", "notes")
                for key in true_rows(sandbox.world, table).keys() - stored_rows(warehouse, table).keys()
                if key[0] == zendesk
            }
            if not missing:
                return
        pytest.fail(f"60 runs have not brought {len(missing)} records")


@pytest.mark.long
def test_lists_that_never_fit_under_a_ceiling_of_calls_starve_no_notes_that_are_listed_per_ticket(
    warehouse: WarehouseSettings,
) -> None:
    with Sandbox(seed=7, tickets=60, helpdesks=("front", "front", "helpscout")) as sandbox:
        sandbox.faults = Faults(latency_ms=30)
        helpscout = sandbox.world.connections()[2]["id"]
        for _ in range(12):
            report = sync(settings_for(sandbox, page_size=5, max_calls_per_run=40), warehouse)
            assert report.exit_code == 0
        true = {key for key in true_rows(sandbox.world, "notes") if key[0] == helpscout}
        assert true <= stored_rows(warehouse, "notes").keys()


def test_lists_of_which_only_one_fits_under_a_ceiling_of_calls_take_turns(warehouse: WarehouseSettings) -> None:
    """Whatever stands before them without costing a call."""
    with Sandbox(seed=7, tickets=60, helpdesks=("groove", "groove", "front", "front")) as sandbox:
        sandbox.faults = Faults(latency_ms=30)
        *paused, first, second = [connection["id"] for connection in sandbox.world.connections()]
        for connection_id in paused:
            sandbox.world.change_connection(connection_id, is_paused=True)
        complete = _complete_within(3, sandbox, warehouse, page_size=5, max_calls_per_run=30)
        assert complete >= {first, second}


def test_a_list_that_needs_nearly_all_calls_of_a_run_gets_them(warehouse: WarehouseSettings) -> None:
    """Newest first: what lies at its end is seen only by a run that comes so far."""
    world = World.empty()
    world.register_integration("short", support_table())
    world.register_integration("long", support_table(updated_gte=False))
    for _ in range(3):
        _fill(world, world.add_connection("short"), 2)
    long = world.add_connection("long")
    _fill(world, long, 100)
    with Sandbox(world=world) as sandbox:
        settings = {"page_size": 5, "max_concurrency": 1, "max_calls_per_run": 33}
        assert long in _complete_within(3, sandbox, warehouse, **settings)
        assert stored_rows(warehouse, "tickets").keys() == true_rows(world, "tickets").keys()


@pytest.mark.long
def test_lists_that_are_not_divided_are_read_to_their_ends_under_a_ceiling_of_calls(
    warehouse: WarehouseSettings,
) -> None:
    """Their times grow ever denser, so that none seems long, and a run cut short leaves nothing to go on from."""
    world = World.empty()
    world.register_integration("zendesk", support_table())
    connections = [world.add_connection("zendesk") for _ in range(2)]
    gap = timedelta(days=300)
    for _ in range(14):
        for _ in range(4):
            for connection_id in connections:
                world.create(connection_id, "ticket", {"subject": "Chain skips"})
            world.advance(gap / 4)
        gap *= 0.55
    with Sandbox(world=world) as sandbox:
        sandbox.faults = Faults(latency_ms=10)
        assert _complete_within(4, sandbox, warehouse, page_size=5, max_calls_per_run=20) == {*connections}
        assert stored_rows(warehouse, "tickets").keys() == true_rows(world, "tickets").keys()


@pytest.mark.long
def test_a_long_thread_gets_the_calls_of_a_run_on_a_busy_helpdesk(warehouse: WarehouseSettings) -> None:
    world = World.empty()
    world.register_integration("zendesk", support_table())
    world.register_integration("helpscout", support_table(notes_per_ticket=True))
    helpscout = world.add_connection("helpscout")
    for _ in range(3):
        _fill(world, world.add_connection("zendesk"), 2)
    long = world.create(helpscout, "ticket", {"subject": "Chain skips"})["id"]
    world.advance(timedelta(hours=1))
    others = [world.create(helpscout, "ticket", {"subject": "Charger blinks"})["id"] for _ in range(5)]
    for number in range(40):
        world.create(helpscout, "note", {"ticket_id": long, "description": str(number)})
    world.advance(timedelta(days=1))
    with Sandbox(world=world) as sandbox:
        settings = settings_for(sandbox, page_size=5, max_calls_per_run=42)
        for number in range(6):
            world.touch(helpscout, "ticket", others[number % 5])
            world.advance(timedelta(hours=1))
            sync(settings, warehouse, select=["tickets", "notes"])
        assert len(stored_rows(warehouse, "notes")) == 40


@pytest.mark.long
def test_a_thread_that_no_run_has_calls_for_stops_no_other(warehouse: WarehouseSettings) -> None:
    """Though it is the newest."""
    world = World.empty()
    world.register_integration("helpscout", support_table(notes_per_ticket=True))
    connection_id = world.add_connection("helpscout")
    others = [world.create(connection_id, "ticket", {"subject": "Charger blinks"})["id"] for _ in range(20)]
    for ticket_id in others:
        world.create(connection_id, "note", {"ticket_id": ticket_id, "description": "one"})
    world.advance(timedelta(hours=1))
    long = world.create(connection_id, "ticket", {"subject": "Chain skips"})["id"]
    for number in range(200):
        world.create(connection_id, "note", {"ticket_id": long, "description": str(number)})
    world.advance(timedelta(days=1))
    with Sandbox(world=world) as sandbox:
        settings = settings_for(sandbox, page_size=5, max_calls_per_run=30, max_concurrency=1)
        for _ in range(8):
            sync(settings, warehouse, select=["tickets", "notes"])
        stored = stored_rows(warehouse, "notes").values()
        assert {row["ticket_id"] for row in stored} >= {*others}


@pytest.mark.long
def test_reconciles_under_a_ceiling_of_calls_take_turns_of_their_own(warehouse: WarehouseSettings) -> None:
    world = World.empty()
    world.register_integration("zendesk", support_table())
    connections = [world.add_connection("zendesk") for _ in range(3)]
    for connection_id in connections:
        _fill(world, connection_id, 45)
    with Sandbox(world=world) as sandbox:
        sync(settings_for(sandbox), warehouse, select=["tickets"])
        for connection_id in connections:
            world.delete(connection_id, "ticket", world.records(connection_id, "ticket")[3]["id"])
        for _ in range(4):
            reconcile(settings_for(sandbox, page_size=5, max_calls_per_run=28), warehouse, select=["tickets"])
        assert len(deleted_rows(warehouse, "tickets")) == 3


@pytest.mark.long
def test_who_waits_for_calls_keeps_the_place_whatever_is_read_again_meanwhile(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=60, helpdesks=("front", "front", "helpscout")) as sandbox:
        helpscout = sandbox.world.connections()[2]["id"]
        tickets = [
            row for (connection, _), row in true_rows(sandbox.world, "tickets").items() if connection == helpscout
        ]
        since = sorted(row["updated_at"] for row in tickets)[-3]
        again = settings_for(sandbox, page_size=5, max_calls_per_run=40, connection_ids=[helpscout])
        for _ in range(12):
            sync(settings_for(sandbox, page_size=5, max_calls_per_run=40), warehouse)
            sync(again, warehouse, select=["notes"], since=since)
        true = {key for key in true_rows(sandbox.world, "notes") if key[0] == helpscout}
        assert true <= stored_rows(warehouse, "notes").keys()


def _fill(world: World, connection_id: str, tickets: int) -> None:
    for number in range(tickets):
        world.create(connection_id, "ticket", {"subject": str(number)})
        world.advance(timedelta(hours=1))


def _complete_within(runs: int, sandbox: Sandbox, warehouse: WarehouseSettings, **settings: int) -> set[str]:
    """The connections whose tickets were read to their end by one of so many runs."""
    complete = set()
    for _ in range(runs):
        report = sync(settings_for(sandbox, **settings), warehouse, select=["tickets"])
        complete |= {outcome.connection_id for outcome in report.outcomes if outcome.is_complete}
    return complete


@pytest.mark.long
def test_one_table_starves_no_other_under_a_ceiling_of_calls(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=40, helpdesks=("zendesk",) * 4) as sandbox:
        for _ in range(30):
            assert sync(settings_for(sandbox, max_calls_per_run=12), warehouse).exit_code == 0
            sandbox.world.live(hours=1)
        for table in ("tickets", "customers", "notes", "categories"):
            assert stored_rows(warehouse, table), table


def test_notes_that_are_listed_per_ticket_go_on_under_a_ceiling_of_calls(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=60, helpdesks=("helpscout",)) as sandbox:
        for _ in range(12):
            report = sync(settings_for(sandbox, max_calls_per_run=40), warehouse)
            assert report.exit_code == 0
            if not report.put_off:
                break
        assert not report.put_off
        assert_same(sandbox.world, warehouse)


def test_a_ceiling_that_does_not_reach_the_first_list_is_told(run_sync: RunSync) -> None:
    with pytest.raises(CallsUsedUp, match="max_calls_per_run"):
        run_sync({"max_calls_per_run": 1})


class Order(Watcher):
    """Keeps in mind in which order the connections came to their end."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def object_done(self, outcome: Outcome) -> None:
        self.ended.append(outcome.connection_id)


def test_a_slow_connection_delays_no_other(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=40, helpdesks=("zendesk", "intercom", "freshdesk", "front")) as sandbox:
        slow = sandbox.world.connections()[0]["id"]
        sandbox.faults = Faults(latency_ms=700, connections=(slow,))
        order = Order()
        assert sync(settings_for(sandbox, page_size=20, max_concurrency=4), warehouse, watcher=order).exit_code == 0
        assert_same(sandbox.world, warehouse)
    last_of_the_others = max(place for place, ended in enumerate(order.ended) if ended != slow)
    assert sum(ended == slow for ended in order.ended[:last_of_the_others]) <= 2, order.ended


class HoldsUp(Watcher):
    """Lets one connection go on after its first page only when the other has come further by so many, and keeps in mind
    how many pages of each had come when the first of them came to its end."""

    def __init__(self, held_up: str, pages: int) -> None:
        self.pages: Counter[str] = Counter()
        self.at_the_first_end: Counter[str] = Counter()
        self._held_up = held_up
        self._others_until = pages
        self._may_go_on = Event()

    def page_read(self, outcome: Outcome) -> None:
        self.pages[outcome.connection_id] = outcome.pages
        if outcome.connection_id == self._held_up:
            assert self._may_go_on.wait(60)
        elif outcome.pages >= self._others_until:
            self._may_go_on.set()

    def object_done(self, outcome: Outcome) -> None:
        self.at_the_first_end = self.at_the_first_end or self.pages.copy()


def test_a_list_that_began_later_is_read_by_as_many_hands(warehouse: WarehouseSettings) -> None:
    with Sandbox(seed=7, tickets=1_200, helpdesks=("zendesk",) * 2) as sandbox:
        sandbox.faults = Faults(latency_ms=40)
        first, later = (connection["id"] for connection in sandbox.world.connections())
        watcher = HoldsUp(later, pages=20)
        settings = settings_for(sandbox, page_size=5, max_concurrency=8)
        assert sync(settings, warehouse, select=["tickets"], watcher=watcher).exit_code == 0
    pages = watcher.at_the_first_end
    assert pages[later] > 0.7 * (pages[first] - 20), pages


def _refuse_loads_after(patch: pytest.MonkeyPatch, number: int) -> None:
    honest, loads = load._normalize_and_load, iter(range(10**6))

    def normalize_and_load(pipeline: dlt.Pipeline) -> None:
        if next(loads) >= number:
            raise LoadFailed("not today")
        honest(pipeline)

    patch.setattr(load, "_normalize_and_load", normalize_and_load)
