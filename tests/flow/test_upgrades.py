"""A warehouse that another version of this program has written: an older one is brought up, a newer one is let be."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.build import build
from pipelines.errors import FixConfiguration
from pipelines.sandbox import Sandbox, World
from pipelines.settings import DuckdbWarehouse, UnifiedSettings, WarehouseSettings
from pipelines.status import cursors_in, due_tickets_in, status
from pipelines.sync import SyncReport, sync
from tests.flow.conftest import on_both, settings_for, warehouse_in
from tests.flow.truth import assert_same, change, query
from transforms.schemas import RAW_TABLES, SCHEMA_VERSION

WAREHOUSES = Path(__file__).parent / "warehouses"

RunSync = Callable[..., SyncReport]


@pytest.fixture
def old_sandbox() -> Iterator[Sandbox]:
    """The world that the old warehouse was filled from, as it was then."""
    world = World.empty(datetime(2026, 5, 29, 16, tzinfo=UTC))
    connection = world.add_connection("zendesk", id="old")
    world.create(connection, "category", {"id": "k1", "name": "Billing"})
    world.create(
        connection, "customer", {"id": "c1", "name": "Ada", "emails": [{"email": "ada@example.org", "type": "WORK"}]}
    )
    for n in range(1, 4):
        ticket = {"id": f"t{n}", "customer_id": "c1", "category_id": "k1", "subject": f"subject {n}"}
        world.create(connection, "ticket", {**ticket, "description": "help", "status": "ACTIVE", "tags": ["a"]})
        world.create(
            connection, "note", {"id": f"n{n}", "ticket_id": f"t{n}", "customer_id": "c1", "description": f"note {n}"}
        )
    with Sandbox(world=world) as running:
        yield running


@pytest.fixture(params=sorted(path.name for path in WAREHOUSES.iterdir()))
def old_warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> DuckdbWarehouse:
    """A file that an earlier version has really written."""
    warehouse = warehouse_in(tmp_path)
    warehouse.path.write_bytes(gzip.decompress((WAREHOUSES / request.param).read_bytes()))
    return warehouse


@pytest.mark.slow
def test_a_sync_brings_an_old_warehouse_up_and_goes_on_where_it_was(
    old_sandbox: Sandbox, old_warehouse: DuckdbWarehouse
) -> None:
    world = old_sandbox.world
    runs_before = query(old_warehouse, "select * from raw_unified.sync_runs")
    world.advance(timedelta(hours=3))
    world.patch("old", "ticket", "t2", {"subject": "changed since", "status": "CLOSED"})
    world.create("old", "ticket", {"id": "t4", "customer_id": "c1", "subject": "new since", "status": "ACTIVE"})
    world.create("old", "note", {"id": "n4", "ticket_id": "t2", "description": "new since"})
    report = sync(settings_for(old_sandbox), old_warehouse)
    assert report.exit_code == 0
    assert all(outcome.cursor_before is not None for outcome in report.outcomes if outcome.object == "tickets")
    assert_same(world, old_warehouse)
    for schema in RAW_TABLES.values():
        columns = query(
            old_warehouse,
            "select column_name from information_schema.columns "
            f"where table_schema = 'raw_unified' and table_name = '{schema.name}'",
        )
        assert {row["column_name"] for row in columns} == {*schema.columns, "_dlt_load_id"}, schema.name
    runs_after = query(old_warehouse, "select * from raw_unified.sync_runs order by run_id")
    assert len(runs_after) == len(runs_before) + len(report.outcomes)
    for run in runs_before:
        assert any(run.items() <= kept.items() for kept in runs_after)
    assert {row["_schema_version"] for row in runs_after[-len(report.outcomes) :]} == {SCHEMA_VERSION}
    assert build(old_warehouse, as_of=world.now).models > 0
    assert len(query(old_warehouse, "select * from marts.tickets")) == 4


def test_a_build_of_an_old_warehouse_says_what_to_do_first(old_warehouse: DuckdbWarehouse) -> None:
    with pytest.raises(FixConfiguration, match=rf"`ticketing sync` first.* from version \d to {SCHEMA_VERSION}"):
        build(old_warehouse)


@pytest.mark.slow
def test_an_old_warehouse_can_be_looked_at(old_warehouse: DuckdbWarehouse) -> None:
    rows = {item.object: item.rows for item in status(old_warehouse).objects}
    assert rows == {"tickets": 3, "customers": 1, "notes": 3, "categories": 1}
    assert all(item.last_success_at for item in status(old_warehouse).objects)
    assert ("old", "tickets") in cursors_in(old_warehouse)
    assert due_tickets_in(old_warehouse, UnifiedSettings(), datetime.now(UTC)) == {}


@pytest.mark.slow
@on_both
def test_a_newer_warehouse_is_refused_and_left_as_it_is(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync(select=["tickets"])
    change(warehouse, f"update raw_unified.sync_runs set _schema_version = {SCHEMA_VERSION + 1}")
    before = _contents(warehouse)
    sandbox.reset_counters()
    for look in (run_sync, lambda: build(warehouse), lambda: status(warehouse), lambda: cursors_in(warehouse)):
        with pytest.raises(FixConfiguration, match=f"got version {SCHEMA_VERSION + 1}.*Upgrade"):
            look()
    assert _contents(warehouse) == before
    assert not sandbox.requests


def _contents(warehouse: WarehouseSettings) -> object:
    if isinstance(warehouse, DuckdbWarehouse):
        return warehouse.path.read_bytes()
    return [query(warehouse, f"select * from raw_unified.{name}") for name in ("_dlt_loads", "_dlt_version", "tickets")]


@pytest.mark.slow
@on_both
def test_runs_of_other_commands_are_no_syncs(warehouse: WarehouseSettings, run_sync: RunSync) -> None:
    run_sync()
    before = status(warehouse).objects
    change(
        warehouse,
        "update raw_unified.sync_runs set command = null",
        "insert into raw_unified.sync_runs (run_id, connection_id, object, plan, started_at, ended_at, is_complete, "
        "error, command, _dlt_load_id) select 'z', connection_id, object, 'later', now(), now(), true, 'another kind', "
        "'reconcile', _dlt_load_id from raw_unified.sync_runs",
    )
    assert status(warehouse).objects == before
