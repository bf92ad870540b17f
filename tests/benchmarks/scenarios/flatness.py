"""What does not grow: memory with the work, and the cost of a run with what is stored already."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from tests.benchmarks.contestants import OURS, warehouse_in
from tests.benchmarks.measuring import Measured, ask_duckdb, measure, new_folder
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.server import Options
from tests.benchmarks.stand_in import stand_in

CHANGES = 10_000
_UPDATED_SINCE = "select count(*) from raw_unified.notes where epoch(updated_at) > {}"
_LAST_LOAD = "select epoch(max(inserted_at)) from raw_unified._dlt_loads"


def memory(work: Work, repeat: int) -> Report:
    """The largest resident set at 200,000 notes and at five times as many."""
    headings = ("notes", "seconds", "CPU s", "peak MB", "to the fewest notes", "problem")
    report = Report("memory", f"a first sync at 0 ms, {repeat} run(s) each", headings)
    peaks: list[float] = []
    for factor in (2.5, 12.5):
        options = Options(replace(work, notes=round(work.notes * factor)))
        with stand_in(options) as server:
            for _ in range(repeat):
                with new_folder() as folder:
                    run = measure(OURS, server, folder)
                peaks.append(run.peak_mb)
                row = (run.seconds, run.cpu_seconds, round(run.peak_mb), run.peak_mb / peaks[0], run.problem)
                report.rows.append((options.work.notes, *row))
    return report


def unchanged(work: Work, repeat: int) -> Report:
    """A second sync, to which nothing is new."""
    options = Options(work)
    headings = ("seconds", "CPU s", "list requests by object", "tables that got rows", "problem")
    report = Report("unchanged", options.in_words(repeat), headings)
    with stand_in(options) as server, new_folder() as folder:
        first = measure(OURS, server, folder)
        for _ in range(repeat):
            before = _rows_by_load(warehouse_in(folder))
            run = measure(OURS, server, folder)
            written = _written(before, _rows_by_load(warehouse_in(folder)))
            report.rows.append(
                (
                    *(run.seconds, run.cpu_seconds, _in_words(run.counts.lists)),
                    *(_in_words(written), first.problem or run.problem),
                )
            )
    return report


def scattered(work: Work, repeat: int) -> Report:
    """10,000 scattered changes into 1,000,000 stored notes, and into five times as many."""
    headings = (
        *("stored notes", "first sync s", "second sync s", "from its last list request to its end s"),
        *(
            "to its last load's entry s",
            "to the fewest notes",
            "file before MB",
            "file growth MB",
            "peak MB",
            "problem",
        ),
    )
    report = Report("scattered", f"{CHANGES:,} changed notes, {repeat} run(s) each", headings)
    loads: list[float] = []
    for factor in (12.5, 62.5):
        notes = round(work.notes * factor)
        for change in _changes(Options(replace(work, notes=notes)), repeat):
            loads.append(change.second.seconds_after_reading)
            report.rows.append((notes, *change.row(loads[0])))
    return report


@dataclass(frozen=True)
class _Change:
    """A sync of many records, and one of what changed in them."""

    first: Measured
    second: Measured
    loaded_at: float
    sizes: tuple[int, int]
    changed: int
    changes: int

    def row(self, load_at_fewest: float) -> tuple[object, ...]:
        after, last = self.second.seconds_after_reading, self.second.counts.last_list_at or 0
        before, then = (size / 1e6 for size in self.sizes)
        problem = None if self.changed == self.changes else f"expected {self.changes} changes, found {self.changed}"
        return (
            *(self.first.seconds, self.second.seconds, after, self.loaded_at - last, after / load_at_fewest),
            *(before, then - before, round(self.second.peak_mb)),
            self.first.problem or self.second.problem or problem,
        )


def _changes(options: Options, repeat: int) -> list[_Change]:
    found = []
    changes = min(CHANGES, options.work.notes // 10)
    with stand_in(options) as server, new_folder() as folder:
        warehouse = warehouse_in(folder)
        first = measure(OURS, server, folder)
        for _ in range(repeat):
            size, since = _size(warehouse), time.time() - changes / 1000
            server.touch("note", changes)
            second = measure(OURS, server, folder)
            [(loaded_at,)] = ask_duckdb(warehouse, _LAST_LOAD)
            [(changed,)] = ask_duckdb(warehouse, _UPDATED_SINCE.format(since))
            found.append(_Change(first, second, loaded_at, (size, _size(warehouse)), changed, changes))
    return found


def _size(warehouse: Path) -> int:
    """In bytes, what is not yet in the file itself among them."""
    return sum(path.stat().st_size for path in warehouse.parent.glob(f"{warehouse.name}*") if path.is_file())


def _rows_by_load(warehouse: Path) -> dict[str, dict[str, int]]:
    """For each table the rows that each load wrote; under one name where rows do not say which."""
    tables = ask_duckdb(
        warehouse,
        "select table_name, any_value(column_name) filter (column_name in ('_dlt_load_id', 'load_id')) "
        "from duckdb_columns() where schema_name = 'raw_unified' group by table_name",
    )
    return {
        table: dict(ask_duckdb(warehouse, f"select {load or 'null'}, count(*) from raw_unified.{table} group by all"))
        for table, load in tables
    }


def _written(before: dict[str, dict[str, int]], after: dict[str, dict[str, int]]) -> dict[str, int]:
    """Rows by table that were not there, or not by this load, before."""
    written = {
        table: sum(max(0, rows - before.get(table, {}).get(load, 0)) for load, rows in by_load.items())
        for table, by_load in after.items()
    }
    return {table: rows for table, rows in written.items() if rows}


def _in_words(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in sorted(numbers.items())) or "none"
