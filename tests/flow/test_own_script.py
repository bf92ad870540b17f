"""The source in a user's own dlt script, as docs/own_script.md shows it."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dlt
import pytest
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.sandbox import Sandbox, World
from pipelines.sandbox.support import support_table
from pipelines.settings import WarehouseSettings
from pipelines.ticketing import extraction, reading
from pipelines.ticketing.source import unified
from pipelines.unified_api.records import Page
from tests.flow.conftest import destination_environment, on_both, on_both_at_length


@pytest.fixture
def pipeline(warehouse: WarehouseSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dlt.Pipeline:
    """A pipeline as a user would make one, which writes to the test's warehouse."""
    for name, value in destination_environment(warehouse).items():
        monkeypatch.setenv(name, value)
    return dlt.pipeline(
        "support",
        pipelines_dir=str(tmp_path / "dlt"),
        destination=warehouse.destination,
        dataset_name="helpdesks",
    )


def test_the_source_has_exactly_its_six_resources(sandbox: Sandbox) -> None:
    source = unified(api_key=sandbox.api_key, base_url=sandbox.base_url)
    assert set(source.resources) == {"tickets", "customers", "notes", "categories", "employees", "connections"}


@on_both
def test_one_resource_alone_loads_and_goes_on_from_its_cursor(
    sandbox: Sandbox, pipeline: dlt.Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID", "true")

    def load_tickets() -> None:
        source = unified(api_key=sandbox.api_key, base_url=sandbox.base_url)
        pipeline.run(source.with_resources("tickets"))

    load_tickets()
    tickets = pipeline.dataset().tickets.df()
    assert len(tickets) == 40
    sandbox.reset_counters()
    load_tickets()
    assert not any("/note" in path for path in sandbox.requests)
    assert sum(count for path, count in sandbox.requests.items() if "/ticket" in path) <= 4 * 4
    assert pipeline.dataset().tickets.df()["_dlt_load_id"].nunique() == 1


@on_both_at_length
def test_notes_that_are_listed_per_ticket_are_read_for_the_tickets_that_are_stored(
    pipeline: dlt.Pipeline,
) -> None:
    with Sandbox(seed=7, tickets=20, helpdesks=("helpscout",)) as sandbox:

        def load(*tables: str) -> None:
            pipeline.run(unified(api_key=sandbox.api_key, base_url=sandbox.base_url, select=tables))

        load("notes")
        assert len(pipeline.dataset().notes.df()) == 0
        load("tickets")
        load("notes")
        (connection,) = sandbox.world.connections()
        there = {note["id"] for note in sandbox.world.records(connection["id"], "note")}
        assert there
        assert set(pipeline.dataset().notes.df()["id"]) == there


def test_notes_whose_list_is_given_up_are_read_ticket_by_ticket_in_the_same_run(
    pipeline: dlt.Pipeline,
) -> None:
    world = World.seeded(seed=3, tickets=15, helpdesks=("front",))
    truth, told = support_table(notes_per_ticket=True, raw=False), support_table(raw=False)
    world.register_integration("front", truth, published=told)
    with Sandbox(world=world) as sandbox:
        for tables in (["tickets", "notes"], ["notes"]):
            pipeline.run(unified(api_key=sandbox.api_key, base_url=sandbox.base_url, select=tables))
        (connection,) = world.connections()
        there = {note["id"] for note in world.records(connection["id"], "note")}
        assert there
        assert set(pipeline.dataset().notes.df()["id"]) == there


def test_settings_come_the_dlt_way(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__UNIFIED__API_KEY", sandbox.api_key)
    monkeypatch.setenv("SOURCES__UNIFIED__BASE_URL", sandbox.base_url)
    connection_id = sandbox.world.connections()[0]["id"]
    monkeypatch.setenv("SOURCES__UNIFIED__CONNECTION_IDS", f'["{connection_id}"]')
    pipeline = dlt.pipeline(
        "support",
        pipelines_dir=str(tmp_path / "dlt"),
        destination=dlt.destinations.duckdb(str(tmp_path / "own.duckdb")),
        dataset_name="helpdesks",
    )
    pipeline.run(unified())
    assert set(pipeline.dataset().notes.df()["connection_id"]) == {connection_id}


def test_a_script_that_takes_no_more_leaves_no_reader_behind(sandbox: Sandbox, pipeline: dlt.Pipeline) -> None:
    def source() -> DltSource:
        return unified(api_key=sandbox.api_key, base_url=sandbox.base_url)

    pipeline.run(source().add_limit(1))
    broken = source()
    broken.notes.add_map(_fail)
    with pytest.raises(PipelineStepFailed):
        pipeline.run(broken)
    _assert_all_readers_end()
    pipeline.abort_packages()
    pipeline.run(source())
    assert len(pipeline.dataset().tickets.df()) == 40


def test_a_reader_that_fails_leaves_no_other_behind(
    sandbox: Sandbox, pipeline: dlt.Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, honest = sandbox.world.connections()[0]["id"], reading.ListReader._walk

    def walk(self: reading.ListReader) -> Iterator[Page]:
        if self.target.id == bad and self.endpoint.table == "tickets":
            raise RuntimeError("nobody foresaw this")
        yield from honest(self)

    monkeypatch.setattr(reading.ListReader, "_walk", walk)
    monkeypatch.setattr(reading, "ROWS_A_TABLE", 1)
    monkeypatch.setattr(extraction, "_WAITING_TABLES", 2)
    with pytest.raises(PipelineStepFailed):
        pipeline.run(unified(api_key=sandbox.api_key, base_url=sandbox.base_url, page_size=2))
    _assert_all_readers_end()


def _assert_all_readers_end() -> None:
    deadline = time.monotonic() + 20
    while any(thread.name in {"reader", "crew"} for thread in threading.enumerate()):
        gc.collect()
        assert time.monotonic() < deadline, "a thread goes on for nobody"
        time.sleep(0.05)


@pytest.mark.parametrize("limit", [1, 5, 6])
def test_a_script_that_takes_some_of_it_moves_no_cursor_past_the_rest(
    sandbox: Sandbox, pipeline: dlt.Pipeline, limit: int
) -> None:
    ids = ["gone", *(connection["id"] for connection in sandbox.world.connections())]

    def source() -> DltSource:
        made = unified(api_key=sandbox.api_key, base_url=sandbox.base_url, connection_ids=ids, reread_pages=0)
        return made.with_resources("tickets")

    pipeline.run(source().add_limit(limit))
    pipeline.run(source())
    assert len(pipeline.dataset().tickets.df()) == 40
    assert pipeline.dataset().ticket_versions.df()["id"].nunique() == 40


def test_a_source_that_is_run_again_reads_again(sandbox: Sandbox, pipeline: dlt.Pipeline) -> None:
    source = unified(api_key=sandbox.api_key, base_url=sandbox.base_url).with_resources("tickets")
    pipeline.run(source)
    sandbox.world.live(hours=30)
    pipeline.run(source)
    assert len(pipeline.dataset().tickets.df()) == sum(
        len(sandbox.world.records(connection["id"], "ticket")) for connection in sandbox.world.connections()
    )


def _fail(item: object) -> object:
    raise ValueError("not this one")
