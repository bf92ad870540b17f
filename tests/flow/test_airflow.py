"""The DAG, run by Airflow itself in an environment of its own: what is loaded is built, and what fails is seen to."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from pipelines.sync import sync
from tests.flow.conftest import settings_for
from tests.flow.truth import query
from tests.warehouse.raw_warehouse import ROOT

pytestmark = pytest.mark.airflow

PROGRAMS = ROOT / ".venv-airflow" / "bin"
DAGS = ROOT / "pipelines" / "dags"
EVERY_TASK = ("sync", "drain", "build", "publish", "verify", "triage_plan", "outcome")


@dataclass
class Airflow:
    """Airflow with a database of its own, and what it has said so far."""

    environment: dict[str, str]

    def run(self, *command: str, **changed: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        environment = inherited | self.environment | changed
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)

    def test(self, dag: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(PROGRAMS / "airflow"), "dags", "test", dag, **changed)

    def python(self, script: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(PROGRAMS / "python"), "-c", script, PYTHONPATH=str(DAGS), **changed)

    def last_run(self) -> tuple[str, dict[str, tuple[str, int]]]:
        """How the newest run has ended, and of each of its tasks how, and with which try."""
        with sqlite3.connect(self.environment["AIRFLOW_HOME"] + "/airflow.db") as database:
            ((run_id, state),) = database.execute("select run_id, state from dag_run order by id desc limit 1")
            tasks = database.execute("select task_id, state, try_number from task_instance where run_id = ?", [run_id])
            return state, {task_id: (ending, tries) for task_id, ending, tries in tasks}


@pytest.fixture(scope="session")
def airflow(own_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Airflow:
    if not (PROGRAMS / "airflow").is_file():
        pytest.fail(
            f"Expected Airflow in {PROGRAMS.parent.name}, found none. Run `make test-airflow`, which puts it there."
        )
    home = tmp_path_factory.mktemp("airflow")
    (own_project / ".venv").symlink_to(sys.prefix)
    found = Airflow(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW_VAR_TICKETING_HOME": str(own_project),
        }
    )
    made = found.run(str(PROGRAMS / "airflow"), "db", "migrate")
    assert made.returncode == 0, made.stderr
    return found


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=20, helpdesks=("zendesk", "intercom")) as running:
        yield running


@pytest.fixture
def configured(airflow: Airflow, command_environment: dict[str, str]) -> Airflow:
    return Airflow(airflow.environment | command_environment)


def states(tasks: dict[str, tuple[str, int]]) -> dict[str, str]:
    return {name: state for name, (state, _) in tasks.items()}


def test_a_run_brings_an_empty_warehouse_to_verified_marts(
    configured: Airflow, sandbox: Sandbox, warehouse: WarehouseSettings, tmp_path: Path
) -> None:
    proposals = tmp_path / "proposals.sql"
    proposals.write_text("select connection_id, ticket_id, 'seen' as tags_add from marts.open_tickets limit 1")
    ended = configured.test("unified_ticketing", AIRFLOW_VAR_TICKETING_PROPOSALS=str(proposals))
    state, tasks = configured.last_run()
    assert (ended.returncode, state) == (0, "success"), ended.stdout[-4000:]
    assert states(tasks) == dict.fromkeys(EVERY_TASK, "success") | {"outcome": "skipped"}
    (row,) = query(warehouse, "select count(*) as n, count(first_reply_seconds) as answered from marts.tickets")
    assert row["n"] == 20
    assert row["answered"] > 0
    assert query(warehouse, "select 1 from raw_unified.sync_coverage")
    assert list(warehouse.state_dir.glob("plans/*"))
    assert sandbox.api_key not in ended.stdout + ended.stderr


def test_what_the_other_connections_brought_is_built_and_the_run_still_fails(
    configured: Airflow, sandbox: Sandbox, warehouse: WarehouseSettings
) -> None:
    living = sandbox.world.connections()[0]["id"]
    wanted = json.dumps([living, "dead"])
    ended = configured.test("unified_ticketing", SOURCES__UNIFIED__CONNECTION_IDS=wanted)
    state, tasks = configured.last_run()
    assert state == "failed"
    assert ended.returncode != 0
    assert tasks["sync"] == ("failed", 1)
    assert states(tasks)["build"] == states(tasks)["publish"] == "success", ended.stdout[-4000:]
    assert states(tasks)["outcome"] == "failed"
    assert states(tasks)["triage_plan"] == "skipped"
    assert {row["connection_id"] for row in query(warehouse, "select connection_id from marts.tickets")} == {living}


def test_what_a_person_has_to_mend_is_not_tried_again(configured: Airflow, warehouse: DuckdbWarehouse) -> None:
    ended = configured.test("unified_ticketing", SOURCES__UNIFIED__API_KEY="")
    state, tasks = configured.last_run()
    assert state == "failed"
    assert tasks["sync"] == tasks["drain"] == ("failed", 1)
    assert states(tasks)["build"] == states(tasks)["publish"] == "skipped"
    assert "sources.unified.api_key is missing" in ended.stdout + ended.stderr
    assert not warehouse.path.exists()


TRIAL = """
from datetime import UTC, datetime, timedelta
from airflow.sdk import DAG
from unified_ticketing import Ticketing
with DAG("trial", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as trial:
    Ticketing(task_id="trial", arguments={arguments}, {options})
if __name__ == "__main__":
    trial.test()
"""


def try_out(airflow: Airflow, folder: Path, arguments: list[str], options: str) -> subprocess.CompletedProcess[str]:
    """One task of our own kind, run by Airflow."""
    folder.mkdir()
    (folder / "trial.py").write_text(TRIAL.format(arguments=arguments, options=options) + "# an airflow dag")
    return airflow.run(
        str(PROGRAMS / "python"),
        str(folder / "trial.py"),
        PYTHONPATH=str(DAGS),
        AIRFLOW__CORE__DAGS_FOLDER=str(folder),
    )


def test_at_its_timeout_a_command_ends_by_itself_and_frees_the_warehouse(
    configured: Airflow, sandbox: Sandbox, warehouse: WarehouseSettings, tmp_path: Path
) -> None:
    options = "execution_timeout=timedelta(seconds=12)"
    ended = try_out(configured, tmp_path / "dags", ["drain", "--follow", "--no-build"], options)
    state, tasks = configured.last_run()
    assert (state, tasks["trial"][0]) == ("failed", "failed"), ended.stdout[-4000:] + ended.stderr[-4000:]
    assert "Done: 0 deliveries" in ended.stdout + ended.stderr
    assert sync(settings_for(sandbox), warehouse, select=["categories"]).exit_code == 0


def test_what_may_pass_by_itself_is_tried_again(configured: Airflow, tmp_path: Path) -> None:
    options = "retries=1, retry_delay=timedelta(0)"
    ended = try_out(configured, tmp_path / "dags", ["sync", "--connection", "dead"], options)
    state, tasks = configured.last_run()
    assert (state, tasks["trial"]) == ("failed", ("failed", 2)), ended.stdout[-4000:] + ended.stderr[-4000:]


def test_a_folder_without_the_project_is_named(configured: Airflow, tmp_path: Path) -> None:
    ended = try_out(
        Airflow(configured.environment | {"AIRFLOW_VAR_TICKETING_HOME": str(tmp_path)}),
        tmp_path / "dags",
        ["sync"],
        "retries=1, retry_delay=timedelta(0)",
    )
    assert configured.last_run()[1]["trial"] == ("failed", 1)
    assert "Set the Variable ticketing_home" in ended.stdout + ended.stderr


PARSED = """
import time, subprocess, socket
import airflow.sdk, airflow.sdk.exceptions
from airflow.sdk import Variable, BaseOperator, DAG, task
DAG("another", schedule="@hourly")  # whatever Airflow itself imports is there
def refuse(*_, **__): raise AssertionError("work at import")
subprocess.Popen.__init__ = socket.socket.connect = Variable.get = refuse
started = time.perf_counter()
import unified_ticketing
assert time.perf_counter() - started < 1
dag = unified_ticketing.sync.dag
assert not dag.catchup and dag.max_active_runs == 1
assert all(task.execution_timeout for task in dag.tasks)
"""


def test_it_is_parsed_at_once_without_any_work_or_variable(airflow: Airflow) -> None:
    ended = airflow.python(PARSED)
    assert ended.returncode == 0, ended.stderr


VERIFIED = """
from datetime import datetime
from types import SimpleNamespace
from airflow.sdk.exceptions import AirflowSkipException
from unified_ticketing import _verify

def run(day, run_type="scheduled"):
    return SimpleNamespace(run_after=datetime.fromisoformat(f"2026-05-{day}Z"), run_type=run_type)

def verifies(this, before):
    context = {"ti": SimpleNamespace(get_previous_dagrun=lambda: before), "dag_run": this}
    try:
        return _verify(context)[0] == "verify"
    except AirflowSkipException:
        return False

assert verifies(run("02T00:00"), None)
assert verifies(run("02T00:00"), run("01T23:00"))
assert not verifies(run("02T01:00"), run("02T00:00"))
assert verifies(run("02T01:00", "manual"), run("02T00:00"))
"""


def test_the_first_run_of_a_day_verifies_and_one_that_somebody_starts(airflow: Airflow) -> None:
    ended = airflow.python(VERIFIED)
    assert ended.returncode == 0, ended.stderr
