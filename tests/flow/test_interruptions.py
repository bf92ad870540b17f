"""Killed at any moment, blocked by another process, or left half done: the next run ends in the same warehouse."""

from __future__ import annotations

import json
import os
import pickle
import random
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pytest
from dlt.common.schema import Schema
from dlt.load import Load

from pipelines.build import build
from pipelines.errors import LoadFailed, TryAgainLater, WarehouseBusy
from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, PostgresWarehouse, WarehouseSettings
from pipelines.status import PATIENCE, cursors_in, due_tickets_in, status
from pipelines.sync import SyncReport, reconcile, sync
from pipelines.ticketing.progress import Watcher
from pipelines.warehouse.destinations.postgres_server import PostgresServer
from pipelines.warehouse.load import Pending
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.outcome import Outcome
from pipelines.warehouse.quarantine import prune, quarantine
from tests.flow.children import start_sync, sync_and_be_killed
from tests.flow.conftest import at_length, backup, on_both, on_both_at_length, on_postgres, settings_for
from tests.flow.truth import assert_same, change, load_ids, query

pytestmark = pytest.mark.slow

RunSync = Callable[..., SyncReport]
KILLS = int(os.environ.get("TICKETING_TEST_KILLS", "6"))


@on_both
@pytest.mark.timeout(1800)
def test_a_sync_killed_at_random_points_ends_in_the_same_warehouse(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    chance = random.Random(11)
    killed = 0
    for _ in range(KILLS):
        killed += sync_and_be_killed(settings_for(sandbox, page_size=10), warehouse, chance.uniform(0.05, 2.0))
        sandbox.world.live(hours=1)
    assert killed > KILLS / 3, "too few runs were caught alive to prove anything"
    assert run_sync().exit_code == 0
    assert_same(sandbox.world, warehouse)
    assert not query(
        warehouse,
        "select run_id from raw_unified.sync_runs group by run_id, connection_id, object having count(*) > 1",
    )


@on_both
def test_a_load_that_is_pending_is_finished_before_anything_new_is_read(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync()
    sandbox.world.live(hours=8)
    with monkeypatch.context() as broken:
        broken.setattr("dlt.Pipeline.load", _refuse)
        with pytest.raises(RuntimeError, match="not today"):
            run_sync()
    assert status(warehouse).is_pending
    sandbox.world.live(hours=8)
    report = run_sync()
    assert report.pending.outcome is Pending.FINISHED
    assert_same(sandbox.world, warehouse)


@on_both_at_length
def test_a_pending_load_is_not_put_on_top_of_another_warehouse(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run_sync()
    put_back = backup(warehouse, tmp_path)
    sandbox.world.live(hours=30)
    run_sync()
    sandbox.world.live(hours=3)
    with monkeypatch.context() as broken:
        broken.setattr("dlt.Pipeline.load", _refuse)
        with pytest.raises(RuntimeError, match="not today"):
            run_sync()
    put_back()
    assert run_sync().pending.outcome is Pending.DISCARDED
    assert_same(sandbox.world, warehouse)


@pytest.mark.long
@on_both
def test_a_pending_first_load_is_not_put_into_another_fresh_warehouse(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One state folder, as behind a tunnel that leads to another server now."""
    with monkeypatch.context() as broken:
        _fail_to_load(broken, lambda load_id: True)
        with pytest.raises(LoadFailed, match=r"Nothing is lost.*first load.*reads it again"):
            run_sync()
    with Sandbox(seed=8, tickets=20, helpdesks=("front",)) as other:
        elsewhere = _another(warehouse)
        report = sync(settings_for(other), elsewhere)
        assert report.pending.outcome is Pending.DISCARDED
        assert_same(other.world, elsewhere)
    assert run_sync().exit_code == 0
    assert_same(sandbox.world, warehouse)


def _another(warehouse: WarehouseSettings) -> WarehouseSettings:
    """A fresh warehouse with the same state folder."""
    if isinstance(warehouse, DuckdbWarehouse):
        return replace(warehouse, path=warehouse.path.with_name("another.duckdb"))
    name = f"{warehouse.database}_another"
    change(replace(warehouse, database="postgres"), f"create database {name}")
    return replace(warehouse, database=name)


@on_both
def test_a_first_load_that_the_warehouse_has_is_not_read_again(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("dlt.common.storages.LoadStorage.complete_load_package", _refuse)
        with pytest.raises(LoadFailed, match="not today"):
            run_sync()
    assert run_sync().pending.outcome is Pending.FINISHED
    assert_same(sandbox.world, warehouse)


@on_both_at_length
def test_a_load_that_fails_stays_pending_once(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync()
    sandbox.world.live(hours=4)
    with monkeypatch.context() as broken:
        _fail_to_load(broken, lambda load_id: True)
        with pytest.raises(LoadFailed, match=r"No space left on device.*Nothing is lost"):
            run_sync()
    assert status(warehouse).is_pending
    assert run_sync().pending.outcome is Pending.FINISHED
    assert not status(warehouse).is_pending
    assert_same(sandbox.world, warehouse)


@on_both
def test_a_load_that_fails_again_is_put_aside_and_read_again(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync()
    sandbox.world.live(hours=4)
    seen: list[str] = []

    def is_the_first(load_id: str) -> bool:
        seen.append(load_id)
        return load_id == seen[0]

    _fail_to_load(monkeypatch, is_the_first)
    with pytest.raises(LoadFailed):
        run_sync()
    pending = run_sync().pending
    assert pending.outcome is Pending.QUARANTINED
    assert pending.lies_in == warehouse.state_dir / "quarantine" / seen[0]
    assert "No space left on device" in (pending.lies_in / "reason.txt").read_text()
    assert list(pending.lies_in.rglob(f"{seen[0]}/*_jobs/tickets.*"))
    assert stat.S_IMODE(pending.lies_in.parent.stat().st_mode) == 0o700
    assert_same(sandbox.world, warehouse)
    assert run_sync().pending.outcome is Pending.NOTHING


@pytest.mark.slow
@on_postgres
def test_what_postgres_will_never_take_is_said_in_one_line_without_the_row(
    sandbox: Sandbox, warehouse: PostgresWarehouse, run_sync: RunSync
) -> None:
    run_sync()
    sandbox.world.live(hours=8)
    change(warehouse, "alter table raw_unified.notes add constraint nothing_new check (false) not valid")
    report = run_sync()
    assert {outcome.object for outcome in report.failed} == {"notes"}
    for outcome in report.failed:
        assert 'violates check constraint "nothing_new"' in str(outcome.error)
        assert "Failing row" not in str(outcome.error)
        assert "\n" not in str(outcome.error)
    change(warehouse, "alter table raw_unified.notes drop constraint nothing_new")
    assert run_sync().exit_code == 0
    assert_same(sandbox.world, warehouse)


@on_both
def test_no_word_of_a_refused_row_is_said(sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync) -> None:
    """Neither is a line of it taken for what was raised."""
    run_sync(select=["tickets"])
    secret = {"subject": "Hi\nportal.example: my password is SECRET hunter2\n"}
    sandbox.world.create(sandbox.world.connections()[0]["id"], "ticket", secret)
    if isinstance(warehouse, DuckdbWarehouse):
        change(warehouse, "alter table raw_unified.tickets alter column subject type integer using 1")
        said = "Conversion Error: Could not convert string (not shown)."
    else:
        impolite = "add constraint polite check (subject not like '%SECRET%') not valid"
        change(warehouse, f"alter table raw_unified.tickets {impolite}")
        said = 'new row for relation "tickets" violates check constraint "polite".'
    report = run_sync(select=["tickets"])
    assert report.exit_code in {1, 3}
    assert len(report.failed) == len(report.quarantined) >= 1
    told = query(warehouse, "select error from raw_unified.sync_runs where error is not null")
    for text in [
        *(str(outcome.error) for outcome in report.failed),
        *(row["error"] for row in told),
        *((place / "reason.txt").read_text() for place in report.quarantined),
    ]:
        assert said in text
        assert "hunter2" not in text


@pytest.mark.long
@on_both_at_length
def test_what_a_run_says_of_rows_that_were_never_stored_is_not_believed(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each table is merged for itself, so that the account of a load may be there without its tickets."""
    run_sync()
    before = status(warehouse).objects
    sandbox.world.live(hours=8)
    with monkeypatch.context() as broken:
        broken.setattr("dlt.load.Load.complete_package", _refuse)
        with pytest.raises(LoadFailed):
            run_sync()
    shutil.rmtree(warehouse.state_dir)
    (runs,) = query(warehouse, "select count(distinct run_id) as number from raw_unified.sync_runs")
    assert runs["number"] == 2
    assert [replace(now, rows=was.rows) for now, was in zip(status(warehouse).objects, before, strict=True)] == before
    build(warehouse, as_of=sandbox.world.now)
    (told,) = query(warehouse, "select count(distinct run_id) as number from staging.stg_unified__sync_runs")
    assert told["number"] == 1


@pytest.mark.long
def test_a_build_is_not_held_up_by_a_load_that_fails_again(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync()
    sandbox.world.live(hours=4)
    _fail_to_load(monkeypatch, lambda load_id: True)
    with pytest.raises(LoadFailed):
        run_sync()
    report = build(warehouse, as_of=sandbox.world.now)
    assert any("quarantine" in warning for warning in report.warnings)


def test_a_warehouse_that_fails_is_not_taken_for_a_load_that_does(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync()
    sandbox.world.live(hours=4)
    with monkeypatch.context() as broken:
        _fail_to_load(broken, lambda load_id: True)
        with pytest.raises(LoadFailed):
            run_sync()
        proofs = iter([None, WarehouseBusy("gone")])

        def proved(*_: object) -> None:
            if error := next(proofs):
                raise error

        broken.setattr("pipelines.warehouse.destinations.duckdb_file.DuckdbFile.prove_writable", proved)
        with pytest.raises(WarehouseBusy):
            run_sync()
    assert run_sync().pending.outcome is Pending.FINISHED
    assert_same(sandbox.world, warehouse)


@pytest.mark.parametrize(
    ("damaged", "outcome"),
    [
        ("state.json", Pending.NOTHING),
        at_length("schemas/unified.schema.json", Pending.NOTHING),
        at_length("normalize/extracted/*/schema.json", Pending.QUARANTINED),
        at_length("normalize/extracted/*/load_package_state.json", Pending.QUARANTINED),
        ("normalize/.version", Pending.QUARANTINED),
    ],
)
def test_files_that_a_power_cut_left_empty_hold_nobody_up(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    monkeypatch: pytest.MonkeyPatch,
    damaged: str,
    outcome: Pending,
) -> None:
    run_sync()
    sandbox.world.live(hours=4)
    with monkeypatch.context() as broken:
        broken.setattr("dlt.Pipeline.normalize", _refuse)
        with pytest.raises(RuntimeError, match="not today"):
            run_sync()
    (found,) = (warehouse.state_dir / "dlt" / "unified_ticketing").glob(damaged)
    found.write_bytes(b"")
    assert run_sync().pending.outcome is outcome
    assert len(list((warehouse.state_dir / "quarantine").iterdir())) == 1
    assert_same(sandbox.world, warehouse)


def test_a_kill_between_the_state_and_the_schema_of_a_pipeline_holds_nobody_up(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    (warehouse.state_dir / "dlt" / "unified_ticketing" / "schemas" / "unified.schema.json").unlink()
    sandbox.world.live(hours=4)
    assert run_sync().exit_code == 0
    assert_same(sandbox.world, warehouse)


def test_only_the_newest_of_what_was_put_aside_are_kept_and_nothing_else_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.warehouse.quarantine.KEPT", 5)
    prune(tmp_path)
    working_dir = tmp_path / "dlt" / "unified_ticketing"
    for number in range(8):
        (working_dir / "normalize" / "extracted" / f"17{number}.5").mkdir(parents=True)
        quarantine(working_dir, tmp_path, "why")
        assert not working_dir.exists()
    own = ["to look at", ".DS_Store", "170.5.zip"]
    (tmp_path / "quarantine" / own[0]).mkdir()
    for name in own[1:]:
        (tmp_path / "quarantine" / name).touch()
    prune(tmp_path)
    kept = {path.name for path in (tmp_path / "quarantine").iterdir()}
    assert kept == {*own, *(f"17{n}.5" for n in range(3, 8))}


def _fail_to_load(monkeypatch: pytest.MonkeyPatch, fails: Callable[[str], bool]) -> None:
    """The disk is full whenever a load with such an id comes."""
    load_single_package = Load.load_single_package

    def load(self: Load, load_id: str, schema: Schema) -> None:
        if fails(load_id):
            raise OSError(28, "No space left on device")
        load_single_package(self, load_id, schema)

    monkeypatch.setattr(Load, "load_single_package", load)


def _refuse(*_: object, **__: object) -> None:
    raise RuntimeError("not today")


HOLDER = """
import pickle, sys, time
from pipelines.warehouse.lock import one_writer
with one_writer(pickle.loads(bytes.fromhex(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""


@on_both
def test_a_second_writer_is_told_who_holds_the_warehouse(run_sync: RunSync, warehouse: WarehouseSettings) -> None:
    queue = "sync, reconcile, build and run queue"
    with _holding(warehouse) as holder, pytest.raises(WarehouseBusy, match=f"process {holder.pid} .*{queue}"):
        run_sync()


@on_postgres
def test_a_writer_on_another_machine_is_named(
    run_sync: RunSync, warehouse: PostgresWarehouse, tmp_path: Path, sandbox: Sandbox
) -> None:
    elsewhere = replace(warehouse, state_dir=tmp_path / "elsewhere.state")
    with _holding(elsewhere) as holder, pytest.raises(WarehouseBusy, match=f"process {holder.pid} on .*127.0.0.1"):
        run_sync()
    assert not sandbox.requests


@on_both
def test_a_lock_whose_holder_was_killed_holds_nobody_up(
    run_sync: RunSync, warehouse: WarehouseSettings, sandbox: Sandbox
) -> None:
    with _holding(warehouse) as holder:
        holder.kill()
        holder.wait()
        assert run_sync(wait_seconds=5).exit_code == 0


@on_both_at_length
def test_a_second_writer_can_wait_for_its_turn(run_sync: RunSync, warehouse: WarehouseSettings) -> None:
    with _holding(warehouse) as holder:
        waker = subprocess.Popen(["sh", "-c", f"sleep 1; kill {holder.pid}"])
        started = time.monotonic()
        assert run_sync(wait_seconds=60).exit_code == 0
        assert time.monotonic() - started > 0.5
        waker.wait()


def test_two_syncs_at_once_leave_one_right_warehouse(sandbox: Sandbox, warehouse: WarehouseSettings) -> None:
    _sync_at_once(sandbox, [warehouse, warehouse])


@pytest.mark.slow
@on_postgres
def test_two_machines_that_sync_at_once_leave_one_right_warehouse(
    sandbox: Sandbox, warehouse: PostgresWarehouse, tmp_path: Path
) -> None:
    _sync_at_once(sandbox, [warehouse, replace(warehouse, state_dir=tmp_path / "elsewhere.state")])


def _sync_at_once(sandbox: Sandbox, warehouses: list[WarehouseSettings]) -> None:
    for hours in (0, 5):
        sandbox.world.live(hours=hours)
        children = [start_sync(settings_for(sandbox), warehouse, wait_seconds=120.0) for warehouse in warehouses]
        for child in children:
            child.join()
        assert [child.exitcode for child in children] == [0, 0]
    assert_same(sandbox.world, warehouses[0])
    (runs,) = query(warehouses[0], "select count(distinct run_id) as number from raw_unified.sync_runs")
    assert runs["number"] == 4


@on_postgres
def test_a_run_that_lost_its_lock_loads_nothing(
    sandbox: Sandbox, warehouse: PostgresWarehouse, run_sync: RunSync
) -> None:
    class Saboteur(Watcher):
        def object_done(self, outcome: Outcome) -> None:
            change(warehouse, "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'")

    run_sync()
    before = load_ids(warehouse)
    sandbox.world.live(hours=4)
    with pytest.raises(WarehouseBusy, match="was lost"):
        run_sync(watcher=Saboteur())
    assert load_ids(warehouse) == before
    assert run_sync().pending.outcome is Pending.FINISHED
    assert_same(sandbox.world, warehouse)


@on_postgres
@pytest.mark.parametrize("command", ["status", "check", "build", "sync"])
def test_a_server_that_goes_away_between_two_calls_is_said_to_be_away(
    warehouse: PostgresWarehouse, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    run_sync(select=["tickets"])
    commands: dict[str, tuple[Callable[[], object], str]] = {
        "status": (lambda: status(warehouse), "exists"),
        "check": (lambda: cursors_in(warehouse), "exists"),
        "build": (lambda: build(warehouse), "prove_writable"),
        "sync": (run_sync, "prove_writable"),
    }
    run, first_call = commands[command]
    reach = getattr(PostgresServer, first_call)

    def reach_once(self: PostgresServer, *arguments: object) -> object:
        answer = reach(self, *arguments)
        server = replace(warehouse, database="postgres")
        change(server, f"alter database {warehouse.database} allow_connections false")
        return answer

    monkeypatch.setattr(PostgresServer, first_call, reach_once)
    with pytest.raises(TryAgainLater, match=r"not currently accepting connections.*run this again once it is up"):
        run()


@on_postgres
def test_a_server_that_goes_away_while_it_is_read_from_is_said_to_be_away(
    sandbox: Sandbox, warehouse: PostgresWarehouse, run_sync: RunSync
) -> None:
    class Saboteur(Watcher):
        lock = Lock()  # several readers tell it of a page at once, and Postgres alters nothing twice at once

        def page_read(self, outcome: Outcome) -> None:
            server = replace(warehouse, database="postgres")
            with self.lock:
                change(server, f"alter database {warehouse.database} allow_connections false")

    run_sync(select=["tickets"])
    with pytest.raises(TryAgainLater, match="not currently accepting connections"):
        reconcile(settings_for(sandbox), warehouse, select=["tickets"], watcher=Saboteur())


@on_postgres
def test_a_server_that_cuts_a_connection_off_is_said_to_be_away(warehouse: PostgresWarehouse) -> None:
    with pytest.raises(TryAgainLater, match="Expected Postgres to answer"), one_writer(warehouse):
        change(warehouse, "select pg_terminate_backend(pg_backend_pid())")


@on_both_at_length
def test_the_lock_is_free_after_a_failure(warehouse: WarehouseSettings) -> None:
    with pytest.raises(ValueError, match="inside"), one_writer(warehouse):
        raise ValueError("inside")
    assert not (warehouse.state_dir / "writer.json").exists()
    with one_writer(warehouse):
        card = json.loads((warehouse.state_dir / "writer.json").read_text())
        assert card["pid"] == os.getpid()


@on_postgres
def test_status_of_postgres_waits_for_no_writer(
    sandbox: Sandbox, warehouse: PostgresWarehouse, run_sync: RunSync
) -> None:
    run_sync()
    with _holding(warehouse):
        started = time.monotonic()
        assert len(status(warehouse).objects) == 20
        assert len(cursors_in(warehouse)) >= 12
        assert due_tickets_in(warehouse, settings_for(sandbox), sandbox.world.now) == {}
        assert time.monotonic() - started < PATIENCE


def test_a_file_that_another_program_has_open_is_named_before_anything_is_read(
    run_sync: RunSync, warehouse: DuckdbWarehouse, sandbox: Sandbox
) -> None:
    run_sync()
    sandbox.reset_counters()
    script = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(600)"
    with _running(script, str(warehouse.path)), pytest.raises(WarehouseBusy, match="close it there"):
        run_sync()
    assert not sandbox.requests


def _holding(warehouse: WarehouseSettings) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Another process that holds the lock."""
    return _running(HOLDER, pickle.dumps(warehouse).hex())


@contextmanager
def _running(script: str, argument: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process that has said "held"; it is killed in the end."""
    process = subprocess.Popen([sys.executable, "-c", script, argument], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
