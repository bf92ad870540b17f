"""A build that is stopped or killed takes dbt with it: nobody writes to the warehouse without its lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipelines.settings import WarehouseSettings
from pipelines.sync import SyncReport
from pipelines.warehouse.lock import one_writer
from tests.flow.test_command import TICKETING

DBT = TICKETING.parent / "dbt"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks for dbt's process in /proc"),
]


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT])
def test_a_build_that_is_stopped_waits_for_dbt_to_end(
    run_sync: Callable[..., SyncReport], warehouse: WarehouseSettings, command_environment: dict[str, str], way: int
) -> None:
    run_sync(select=["tickets"])
    with _building(command_environment) as (build, dbt):
        build.send_signal(way)
        _, said = build.communicate(timeout=60)
        assert not _is_alive(dbt)
    assert build.returncode == 130, said
    assert said.splitlines()[-1].startswith("error: Stopped.")
    assert "Traceback" not in said
    with one_writer(warehouse):
        pass


def test_dbt_ends_with_a_build_that_is_killed(
    run_sync: Callable[..., SyncReport], command_environment: dict[str, str]
) -> None:
    run_sync(select=["tickets"])
    with _building(command_environment) as (build, dbt):
        build.kill()
        build.wait()
        deadline = time.monotonic() + 2
        while _is_alive(dbt) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not _is_alive(dbt)


@contextmanager
def _building(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A `ticketing build`, and the process id of its dbt, which has just come to run."""
    with subprocess.Popen(
        [str(TICKETING), "build"], env=os.environ | environment, stderr=subprocess.PIPE, text=True
    ) as build:
        try:
            yield build, _dbt_of(build)
        finally:
            build.kill()


def _dbt_of(build: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{build.pid}/task/{build.pid}/children")
    while build.poll() is None:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/cmdline").read_text().split("\0")[1:2] == [str(DBT)]:
                time.sleep(1)
                return int(child)
        time.sleep(0.05)
    pytest.fail(f"the build ended with {build.returncode} before dbt had begun")


def _is_alive(pid: int) -> bool:
    """Whether there is such a process that has not ended; one that has may still wait to be asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
