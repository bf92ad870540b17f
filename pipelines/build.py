"""The dbt project, built over the warehouse in a process of its own, so that the file is free again afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import msgspec

from pipelines import ends_with_parent
from pipelines.errors import FixConfiguration, ModelsFailed
from pipelines.seeds import refuse_unreadable_seeds
from pipelines.settings import WarehouseSettings
from pipelines.ticketing.source import tables_of
from pipelines.warehouse import anew
from pipelines.warehouse.destinations import Destination, destination_of
from pipelines.warehouse.load import Pending, finish_pending, load, open_pipeline
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.marts import being_built
from pipelines.warehouse.runs import lacks_tables, refuse_older_schema

PROJECT_DIR = Path("dbt_project")
TARGET_DIR = PROJECT_DIR / "target"
LOG_DIR = PROJECT_DIR / "logs"

_OTHER_COUNTS = frozenset({"LogStartLine", "LogHookStartLine", "LogHookEndLine"})
"""Events of dbt whose numbers are not those of models and tests that are done."""

SECONDS_TO_END = 10.0
"""What dbt gets to cancel its queries, where the build is stopped."""

SECONDS_WITHOUT_TESTS = 3600.0
"""So long the tables are renewed one time after the other before the seeds, the views and the tests have their turn."""


@dataclass
class BuildReport:
    """What dbt built: how many models and tests passed, what it warned of, and whether all was built, or the tables
    alone."""

    models: int = 0
    tests: int = 0
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    is_whole: bool = True


Heard = Callable[[int, int], None]
"""Told as dbt works: how many nodes are done, of how many."""


def build(
    warehouse: WarehouseSettings,
    *,
    as_of: datetime | None = None,
    wait_seconds: float = 0.0,
    heard: Heard = lambda done, total: None,
    renews: bool = False,
) -> BuildReport:
    """Run `dbt build`, after finishing a load that is still pending. Views tell the moment in which they are read; with
    the clock `as_of` they stand still at that. Where it `renews`, the tables alone are made anew, as long as that does.

    Raises `ModelsFailed` with what dbt said, `FixConfiguration` outside the project's root, where a seed cannot be
    read, before any sync, or where the raw tables are of another version.
    """
    require_project()
    require_seeds()
    with one_writer(warehouse, wait_seconds):
        pipeline = open_pipeline(warehouse, wait_seconds)
        pending = finish_pending(pipeline, warehouse)
        refuse_older_schema(pipeline, warehouse.name)
        complete_tables(pipeline, warehouse)
        report = (_renew_models if renews else build_models)(warehouse, as_of, heard)
        anew.write_if_due(warehouse)
    if pending.outcome is Pending.QUARANTINED:
        report.warnings.append(
            f"A pending load failed again and lies in {pending.lies_in}; the next `ticketing sync` reads it again."
        )
    return report


class Renewals:
    """Builds that follow each other closely. Most make the tables alone anew; all is built by the first, after a change
    of the project's files, after a build that failed, and once an hour."""

    def __init__(
        self,
        warehouse: WarehouseSettings,
        *,
        as_of: datetime | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._warehouse = warehouse
        self._as_of = as_of
        self._clock = clock
        self._whole_at = 0.0
        self._whole_of: dict[Path, int] | None = None

    def build(self, wait_seconds: float = 0.0) -> BuildReport:
        """Build what is due; raises as `build` does."""
        began_at, files = self._clock(), _project_files()
        renews = files == self._whole_of and began_at - self._whole_at < SECONDS_WITHOUT_TESTS
        try:
            report = build(self._warehouse, as_of=self._as_of, wait_seconds=wait_seconds, renews=renews)
        except ModelsFailed:
            self._whole_of = None
            raise
        if report.is_whole:
            self._whole_at, self._whole_of = began_at, files
        return report


def _project_files() -> dict[Path, int]:
    """When each file of the project was written last, but for what dbt leaves behind."""
    files: dict[Path, int] = {}
    for folder, within, names in os.walk(PROJECT_DIR):
        within[:] = [name for name in within if Path(folder, name) not in (TARGET_DIR, LOG_DIR)]
        files |= {file: _written_at(file) for file in (Path(folder, name) for name in names)}
    return files


def _written_at(file: Path) -> int:
    """By its clock; 0 of a file that is gone by now, and of an editor's link to nowhere."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def require_project() -> None:
    """Raises `FixConfiguration` where there is no dbt project to build."""
    if not (PROJECT_DIR / "dbt_project.yml").is_file():
        raise FixConfiguration(
            f"Expected the folder {PROJECT_DIR}/ here, but {Path.cwd()} has none. Run this from the project's root."
        )


def require_seeds() -> None:
    """Raises `FixConfiguration` where a seed of the dbt project is not the CSV file that it should be."""
    refuse_unreadable_seeds(PROJECT_DIR)


def complete_tables(pipeline: dlt.Pipeline, warehouse: WarehouseSettings) -> None:
    """Make the raw tables that no sync has made yet, for whoever holds the lock: the models read them all."""
    if lacks_tables(pipeline):
        load(pipeline, tables_of(), warehouse, tidies=False)


def clear_logs() -> None:
    """Remove dbt's own logs: rows of the database may stand in them."""
    for log in LOG_DIR.glob("dbt.log*"):
        log.unlink(missing_ok=True)


def _renew_models(warehouse: WarehouseSettings, as_of: datetime | None, heard: Heard) -> BuildReport:
    """Make the tables alone anew for whoever holds the lock; all, where that does not do."""
    if anew.is_due(warehouse):
        return build_models(warehouse, as_of, heard)
    try:
        return build_models(warehouse, as_of, heard, renews=True)
    except ModelsFailed as failed:
        report = build_models(warehouse, as_of, heard)
        report.warnings.append(f"The tables could not be made anew alone, so that all was built. {failed}")
        return report


def build_models(
    warehouse: WarehouseSettings, as_of: datetime | None, heard: Heard, *, renews: bool = False
) -> BuildReport:
    """Run `dbt build` for whoever holds the lock, from nothing where the warehouse is to be written anew; or where it
    `renews`, `dbt run` of the tables alone. Raises `ModelsFailed` with what dbt said."""
    started = time.monotonic()
    destination = destination_of(warehouse)
    command = _command(destination.dbt_target, as_of, anew.is_due(warehouse), renews)
    with _running(command, _environment(destination)) as process, being_built(warehouse):
        errors = _heard(process, heard)
        if process.wait() != 0:
            # Marked as a quotation: a row of the database may stand in it, and would pass for a line of ours.
            raise ModelsFailed(
                "dbt did not build the models:\n\n"
                + "\n".join(f"  | {line}" for message in errors if message for line in message.splitlines())
                + f"\n\nThe raw tables are untouched. dbt's own log is {LOG_DIR / 'dbt.log'}."
            )
    return _report(time.monotonic() - started, is_whole=not renews)


def _heard(process: subprocess.Popen[str], heard: Heard) -> list[str]:
    """What dbt complains of, until it has said all."""
    errors: list[str] = []
    done = 0
    for line in process.stdout or ():
        event = _event(line)
        if event is None:
            errors.append(line.rstrip())
            continue
        if event["info"]["level"] == "error":
            errors.append(event["info"]["msg"].strip())
        total = event["data"].get("total")
        if total and event["info"]["name"] not in _OTHER_COUNTS:
            done += 1
            heard(done, total)
    return errors


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that has ended after the block, however that ends, and ends with this process if that is killed:
    it must not go on writing without the lock."""
    with subprocess.Popen(
        [sys.executable, "-m", ends_with_parent.__name__, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        text=True,
        # A Ctrl-C of the terminal is passed on below, once: a second one would stop dbt from cancelling its queries.
        process_group=0,
    ) as process:
        try:
            yield process
            process.wait()
        except BaseException:
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=SECONDS_TO_END)
            raise
        finally:
            process.kill()
            process.wait()


def _command(target: str, as_of: datetime | None, full_refresh: bool, renews: bool) -> list[str]:
    whole = ("build", "--exclude-resource-type", "unit_test")
    what = ("run", "--exclude", "config.materialized:view") if renews else whole
    variables = {"as_of": as_of.astimezone(UTC).isoformat()} if as_of else {}
    return [
        *(str(Path(sys.executable).parent / "dbt"), "--log-format", "json", "--no-use-colors", *what),
        *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), "--target", target),
        *("--target-path", str(TARGET_DIR.absolute()), "--log-path", str(LOG_DIR.absolute())),
        *("--vars", msgspec.json.encode(variables).decode()),
        *(["--full-refresh"] if full_refresh else []),
    ]


def _environment(destination: Destination) -> dict[str, str]:
    """This process's environment with the warehouse in it and without the secrets that dbt has no use for."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOURCES__", "DESTINATION__"))}
    return kept | destination.environment_for_dbt()


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    return event if isinstance(event, dict) and "info" in event else None


def _report(seconds: float, is_whole: bool) -> BuildReport:
    results = msgspec.json.decode((TARGET_DIR / "run_results.json").read_bytes())["results"]
    report = BuildReport(seconds=seconds, is_whole=is_whole)
    for result in results:
        kind = result["unique_id"].split(".")[0]
        report.models += kind == "model"
        report.tests += kind == "test"
        if result["status"] == "warn":
            report.warnings.append(f"{result['unique_id'].split('.')[2]}: {result['message']}")
    return report
