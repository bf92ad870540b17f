"""Killed at any moment, blocked by another process, or left half done: the next run ends in the same warehouse."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import LoadFailed, WarehouseBusy
from pipelines.sandbox import Sandbox
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.sync import SyncReport, sync
from pipelines.warehouse.load import Pending, open_pipeline
from pipelines.warehouse.lock import one_writer
from tests.flow.truth import assert_same

RunSync = Callable[..., SyncReport]
KILLS = int(os.environ.get("TICKETING_TEST_KILLS", "8"))

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pipelines.sync"])


def sync_in_a_child(base_url: str, api_key: str, folder: str) -> None:
    settings = UnifiedSettings()
    settings.update({"api_key": api_key, "base_url": base_url, "page_size": 10})
    path = Path(folder)
    sync(settings, WarehouseSettings("duckdb", path / "warehouse.duckdb", path / "warehouse.state"))


@pytest.mark.timeout(1800)
def test_a_sync_killed_at_random_points_ends_in_the_same_warehouse(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    chance = random.Random(11)
    arguments = (sandbox.base_url, sandbox.api_key, str(warehouse.duckdb_path.parent))
    killed = 0
    for _ in range(KILLS):
        child = _FORKS.Process(target=sync_in_a_child, args=arguments)
        child.start()
        child.join(chance.uniform(0.05, 2.0))
        if child.is_alive():
            os.kill(child.pid or 0, signal.SIGKILL)
            killed += 1
        child.join()
        sandbox.world.live(hours=1)
    assert killed > KILLS / 3, "too few runs were caught alive to prove anything"
    assert run_sync().exit_code == 0
    assert_same(sandbox.world, warehouse.duckdb_path)
    with duckdb.connect(str(warehouse.duckdb_path), read_only=True) as connection:
        doubled = connection.execute(
            "select count(*) from (select run_id, connection_id, object from raw_unified.sync_runs "
            "group by all having count(*) > 1)"
        ).fetchone()
    assert doubled == (0,)


def test_a_load_that_is_pending_is_finished_before_anything_new_is_read(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_sync()
    sandbox.world.live(hours=8)
    with monkeypatch.context() as broken:
        broken.setattr("dlt.Pipeline.load", _refuse)
        with pytest.raises(RuntimeError, match="no load today"):
            run_sync()
    assert open_pipeline(warehouse).has_pending_data
    sandbox.world.live(hours=8)
    report = run_sync()
    assert report.pending is Pending.FINISHED
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_a_pending_load_is_not_put_on_top_of_another_warehouse(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run_sync()
    shutil.copy(warehouse.duckdb_path, tmp_path / "backup")
    sandbox.world.live(hours=30)
    run_sync()
    sandbox.world.live(hours=3)
    with monkeypatch.context() as broken:
        broken.setattr("dlt.Pipeline.load", _refuse)
        with pytest.raises(RuntimeError, match="no load today"):
            run_sync()
    shutil.copy(tmp_path / "backup", warehouse.duckdb_path)
    assert run_sync().pending is Pending.DISCARDED
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_a_package_that_does_not_load_says_so_and_stays(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    sandbox.world.live(hours=4)
    with duckdb.connect(str(warehouse.duckdb_path)) as connection:
        connection.execute("alter table raw_unified.notes rename to notes_hidden")
        connection.execute("create view raw_unified.notes as select * from raw_unified.notes_hidden")
    with pytest.raises(LoadFailed, match="stays pending"):
        run_sync()
    with duckdb.connect(str(warehouse.duckdb_path)) as connection:
        connection.execute("drop view raw_unified.notes")
        connection.execute("alter table raw_unified.notes_hidden rename to notes")
    assert run_sync().pending is Pending.FINISHED
    assert_same(sandbox.world, warehouse.duckdb_path)


def _refuse(*_: object, **__: object) -> None:
    raise RuntimeError("no load today")


HOLDER = """
import sys, time
from pathlib import Path
from pipelines.warehouse.lock import one_writer
with one_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_writer_is_told_who_holds_the_warehouse(run_sync: RunSync, warehouse: WarehouseSettings) -> None:
    with _holding(warehouse) as holder, pytest.raises(WarehouseBusy, match=f"process {holder.pid} "):
        run_sync()


def test_a_lock_whose_holder_was_killed_holds_nobody_up(
    run_sync: RunSync, warehouse: WarehouseSettings, sandbox: Sandbox
) -> None:
    with _holding(warehouse) as holder:
        holder.kill()
        holder.wait()
        assert run_sync().exit_code == 0


def test_a_second_writer_can_wait_for_its_turn(run_sync: RunSync, warehouse: WarehouseSettings) -> None:
    with _holding(warehouse) as holder:
        waker = subprocess.Popen(["sh", "-c", f"sleep 1; kill {holder.pid}"])
        started = time.monotonic()
        assert run_sync(wait_seconds=60).exit_code == 0
        assert time.monotonic() - started > 0.5
        waker.wait()


def test_the_lock_is_free_after_a_failure(warehouse: WarehouseSettings) -> None:
    with pytest.raises(ValueError, match="inside"), one_writer(warehouse.state_dir):
        raise ValueError("inside")
    with one_writer(warehouse.state_dir):
        card = json.loads((warehouse.state_dir / "writer.json").read_text())
        assert card["pid"] == os.getpid()


def test_a_file_that_another_program_has_open_is_named_before_anything_is_read(
    run_sync: RunSync, warehouse: WarehouseSettings, sandbox: Sandbox
) -> None:
    run_sync()
    sandbox.reset_counters()
    script = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(600)"
    with _running(script, str(warehouse.duckdb_path)), pytest.raises(WarehouseBusy, match="close it there"):
        run_sync()
    assert not sandbox.requests


def _holding(warehouse: WarehouseSettings) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Another process that holds the lock."""
    return _running(HOLDER, str(warehouse.state_dir))


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
