"""What it costs to build the models once more after a day, beside what it cost to build them first."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import psycopg2  # type: ignore[import-untyped]

from tests.benchmarks.accounts import fill, pass_a_day
from tests.benchmarks.measuring import new_folder, run
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.postgres_server import PostgresServer, find_binaries
from tests.warehouse.raw_warehouse import PROJECT, DuckDBWarehouse, PostgresWarehouse, RawWarehouse
from transforms.schemas import DATASET, RAW_TABLES

_HEADINGS = ("dbt run", "seconds", "to the first", "CPU s", "peak MB", "size MB", "problem")

_TABLES = (
    *("tickets", "conversation_messages", "conversation_threads", "conversation_turns", "ticket_changes"),
    *("ticket_periods", "ticket_backlog_daily", "support_daily", "customer_support_daily", "customer_support_summary"),
    *("agents", "agent_daily", "agent_hours", "categories", "connections", "metric_availability"),
)
"""Marts that are the same whenever they are read."""


class _Subject(ABC):
    """A warehouse with the models in it."""

    raw: RawWarehouse
    sums: ClassVar[str]
    """The query for the sums of a table's rows."""

    @abstractmethod
    def take(self, file: Path) -> None:
        """Have the raw tables of a DuckDB file."""

    @abstractmethod
    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Run a query."""

    @abstractmethod
    def size_mb(self) -> float:
        """What it takes on the disk."""

    def contents(self) -> list[list[tuple[Any, ...]]]:
        """Sums over all rows of the marts."""
        return [self.ask(self.sums.format(table)) for table in _TABLES]


class _DuckDB(_Subject):
    sums = "select count(*), sum(hash(mart)) from marts.{} as mart"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "account.duckdb"
        self.raw = DuckDBWarehouse(self._path)

    def take(self, file: Path) -> None:
        """It is that file."""

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self._path), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def size_mb(self) -> float:
        return self._path.stat().st_size / 1e6


class _Postgres(_Subject):
    sums = "select count(*), sum(hashtextextended(cast(mart as text), 0)) from marts.{} as mart"

    def __init__(self, url: str) -> None:
        self._url = url
        self.raw = PostgresWarehouse(url)
        self.raw.write({})

    def take(self, file: Path) -> None:
        with closing(psycopg2.connect(self._url)) as connection, connection, connection.cursor() as cursor:
            for table in RAW_TABLES:
                rows = file.with_suffix(".csv")
                with duckdb.connect(str(file), read_only=True) as source:
                    source.execute("set TimeZone = 'UTC'")
                    source.execute(f"copy {DATASET}.{table} to '{rows}' (header false)")
                cursor.execute(f"truncate {DATASET}.{table}")
                with rows.open() as lines:
                    cursor.copy_expert(f"copy {DATASET}.{table} from stdin (format csv)", lines)
                cursor.execute(f"analyze {DATASET}.{table}")  # as a sync does
                rows.unlink()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def size_mb(self) -> float:
        [(size,)] = self.ask("select pg_database_size(current_database())")
        return float(size) / 1e6


def rebuilding(work: Work, repeat: int) -> Report:
    """1,000,000 tickets and 4,000,000 notes in DuckDB: the first `dbt run`, and those after."""
    with new_folder() as folder:
        return _report("rebuilding", _DuckDB(folder), folder, work)


def rebuilding_postgres(work: Work, repeat: int) -> Report:
    """The same in a Postgres of its own; CPU and memory are those of dbt, and not of the server."""
    with _database() as url, new_folder() as folder:
        return _report("rebuilding_postgres", _Postgres(url), folder, work)


def _report(scenario: str, subject: _Subject, folder: Path, work: Work) -> Report:
    tickets, file = work.tickets * 50, folder / "account.duckdb"
    report = Report(scenario, f"{tickets:,} tickets, four times as many notes, one run each", _HEADINGS)
    fill(file, tickets)
    subject.take(file)
    _measure(report, subject, folder, "seed", "seeds")
    report.rows.clear()
    _measure(report, subject, folder, "run", "the first")
    _measure(report, subject, folder, "run", "nothing has changed")
    changed = pass_a_day(file, tickets)
    subject.take(file)
    _measure(report, subject, folder, "run", f"after {changed / tickets:.1%} of the tickets have changed")
    by_what_was_due = subject.contents()
    _measure(report, subject, folder, "run --full-refresh", "the same from nothing")
    if by_what_was_due != subject.contents():
        *facts, _ = report.rows[-1]
        report.rows[-1] = (*facts, "the marts are not those that were made of what was due")
    return report


def _measure(report: Report, subject: _Subject, folder: Path, words: str, name: str) -> None:
    command = [
        *(str(Path(sys.executable).with_name("dbt")), *words.split(), f"--target={subject.raw.target}"),
        *(f"--project-dir={PROJECT}", f"--profiles-dir={PROJECT}"),
        *(f"--target-path={folder / 'target'}", f"--log-path={folder / 'target'}"),
    ]
    log = folder / "output.log"
    seconds, usage, code = run(command, subject.raw.environment(), log)
    problem = f"ended with {code}: {log.read_text()[-600:]}" if code else None
    first = report.rows[0][1] if report.rows else seconds
    assert isinstance(first, float)
    cpu_seconds, peak_mb = usage.ru_utime + usage.ru_stime, round(usage.ru_maxrss / 1024)
    report.rows.append((name, seconds, seconds / first, cpu_seconds, peak_mb, subject.size_mb(), problem))
    sys.stderr.write(f"  {name}: {seconds:.1f} s, {peak_mb} MB, {problem or 'done'}\n")


@contextmanager
def _database() -> Iterator[str]:
    server = PostgresServer(find_binaries())
    server.start()
    try:
        yield server.new_database()
    finally:
        server.stop()
