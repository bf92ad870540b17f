"""The Airflow DAG: sync, drain, build, publish, verify and a plan of triage, each by the project's own command.

Airflow and the project have an environment each: a task starts the project's `ticketing` in a process of its own. Two
Variables, both optional: `ticketing_home`, where the project lies, by default the clone that this file is in;
`ticketing_proposals`, the file of proposals to plan triage by, without which no plan is made. Keys and passwords are in
the worker's environment or in `.dlt/secrets.toml`; no Variable and no argument holds one.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, BaseOperator, Variable, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

MISCONFIGURED, PARTLY_DONE = 2, 3
"""Exit codes of the command after which no retry is of use: the one wants a person, and what the other has left undone
is done by the next run, as the cursors stay."""

SECONDS_TO_END = 60.0
"""What a command gets to end by itself once it is told to."""

QUEUES = ("--wait", "3600")
"""Another writer of the warehouse is waited for so long."""

Arguments = Callable[[Any], Sequence[str]]


class Ticketing(BaseOperator):
    """A task that is a command of the project, whose output is the task's log.

    Raises `AirflowFailException`, which is not retried, for the exit codes 2 and 3; for others what is.
    """

    def __init__(self, *, arguments: Sequence[str] | Arguments, **options: Any) -> None:
        super().__init__(**options)
        self.arguments = arguments
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> None:
        """Run the command; its exit code is the XCom `exit_code`."""
        arguments = self.arguments(context) if callable(self.arguments) else self.arguments
        exit_code = self._run(arguments)
        context["ti"].xcom_push("exit_code", exit_code)
        if exit_code in (MISCONFIGURED, PARTLY_DONE):
            raise AirflowFailException(f"ticketing {arguments[0]} ended with {exit_code}; see its last lines above.")
        if exit_code != 0:
            raise AirflowException(f"ticketing {arguments[0]} ended with {exit_code}; see its last lines above.")

    def on_kill(self) -> None:
        """Where somebody ends the task: let the command end by itself, so that it frees the warehouse."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def _run(self, arguments: Sequence[str]) -> int:
        home = _home()
        programs = home / ".venv" / "bin"
        if not (programs / "ticketing").is_file():
            raise AirflowFailException(
                f"Expected the project in {home}, but {programs} has no ticketing. Set the Variable ticketing_home to "
                "its folder, and run `make setup` there."
            )
        # A worker that is killed outright tells nobody: the command is to end with it.
        command = [str(programs / "python"), "-m", "pipelines.ends_with_parent", str(os.getpid())]
        with subprocess.Popen(
            [*command, str(programs / "ticketing"), *arguments],
            cwd=home,
            stdin=subprocess.DEVNULL,  # the task's own is how Airflow talks to it
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as self._process:
            try:
                for line in self._process.stdout or ():
                    self.log.info("%s", line.rstrip())
            except BaseException:  # at its timeout
                self.on_kill()
                self._wait_for_the_end(self._process)
                raise
        return self._process.returncode

    def _wait_for_the_end(self, process: subprocess.Popen[str]) -> None:
        try:
            said, _ = process.communicate(timeout=SECONDS_TO_END)
            self.log.info("%s", said.rstrip())
        except subprocess.TimeoutExpired:
            process.kill()


def _home() -> Path:
    return Path(Variable.get("ticketing_home", default=None) or Path(__file__).resolve().parents[2])


def _build(context: Any) -> list[str]:
    """Build what a sync or a drain has loaded, be it in part. Skips where neither came so far."""
    codes = {context["ti"].xcom_pull(task_ids=name, key="exit_code") for name in ("sync", "drain")}
    if not codes & {0, PARTLY_DONE}:
        raise AirflowSkipException("Nothing was loaded, so the models are left as they are.")
    return ["build", *QUEUES]


def _verify(context: Any) -> list[str]:
    """Once a day, and in a run that somebody starts: a look costs as many calls of the API as many syncs do."""
    before = context["ti"].get_previous_dagrun()
    if context["dag_run"].run_type != "manual" and before and _day(before) == _day(context["dag_run"]):
        raise AirflowSkipException("The first run of the day has had its turn to verify.")
    return ["verify", "--sample", "2000", *QUEUES]


def _day(dag_run: Any) -> Any:
    due: datetime = dag_run.run_after
    return due.astimezone(UTC).date()


def _triage_plan(context: Any) -> list[str]:  # noqa: ARG001
    """Plans, and sends nothing: a person reads the plan before it is applied."""
    proposals = Variable.get("ticketing_proposals", default=None)
    if not proposals:
        raise AirflowSkipException("The Variable ticketing_proposals names no file, so nothing is planned.")
    return ["triage", "plan", proposals, *QUEUES]


with DAG(
    "unified_ticketing",
    description="Support data from every helpdesk into the warehouse, and from there into the marts.",
    schedule="@hourly",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,  # a run reads all that has changed since the last one, however long ago that was
    max_active_runs=1,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(minutes=2),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=30),
    },
    tags=["unified-ticketing"],
    doc_md=__doc__,
):
    sync = Ticketing(task_id="sync", arguments=["sync", *QUEUES], execution_timeout=timedelta(hours=6))
    drain = Ticketing(
        task_id="drain",
        arguments=["drain", *QUEUES],
        trigger_rule="all_done",  # what was pushed can be loaded though nothing could be polled
        execution_timeout=timedelta(hours=2),
    )
    build = Ticketing(task_id="build", arguments=_build, trigger_rule="all_done", execution_timeout=timedelta(hours=3))
    publish = Ticketing(task_id="publish", arguments=["publish", *QUEUES], execution_timeout=timedelta(hours=2))
    verify = Ticketing(
        task_id="verify",
        arguments=_verify,
        retries=0,  # a gap does not go by being looked at again
        execution_timeout=timedelta(hours=3),
    )
    triage_plan = Ticketing(task_id="triage_plan", arguments=_triage_plan, execution_timeout=timedelta(hours=2))

    @task(trigger_rule="one_failed", retries=0, execution_timeout=timedelta(minutes=5))
    def outcome() -> None:
        """Of a run whose last tasks went well, Airflow would say that it did, though its sync has failed."""
        raise AirflowFailException("At least one task has failed: see which, and its log.")

    sync >> drain >> build >> publish >> [verify, triage_plan]
    [sync, drain, build, publish, verify, triage_plan] >> outcome()
