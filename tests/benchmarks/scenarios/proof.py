"""What it costs to prove that all is there, beside what it cost to bring it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from tests.benchmarks.contestants import OURS, Contestant, warehouse_in
from tests.benchmarks.measuring import measure, new_folder
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.server import Options
from tests.benchmarks.stand_in import stand_in

_LOOKS = {
    0: (
        ("verify", "--sample", "1000"),
        ("verify", "--deep", "--sample", "1000"),
        ("verify",),
        ("verify", "--repair"),
        ("reconcile",),
        ("verify", "--deep"),
    ),
    100: (("verify", "--sample", "1000"), ("verify",)),
}
"""By milliseconds of latency."""

_LOSE_A_PAGE = """
delete from raw_unified.notes
where id in (select id from raw_unified.notes order by updated_at, id limit 100 offset {})
"""


def proof(work: Work, repeat: int) -> Report:
    """1,000,000 notes brought, then looked at, at 0 ms and at 100; a page of them is lost before the repair."""
    notes = round(work.notes * 12.5)
    headings = (
        *("command", "latency ms", "seconds", "to the first sync", "CPU s", "peak MB"),
        *("list requests", "to the first sync ", "MB received", "problem"),
    )
    report = Report("proof", f"{notes:,} notes and the rest of the work, {repeat} run(s) each", headings)
    for latency_ms, looks in _LOOKS.items():
        with stand_in(Options(replace(work, notes=notes), latency_ms=latency_ms)) as server, new_folder() as folder:
            first = measure(OURS, server, folder)
            for words in [(), *[look for look in looks for _ in range(repeat)]]:
                if "--repair" in words:
                    _lose_a_page(warehouse_in(folder), notes // 2)
                run = measure(_ours(words), server, folder) if words else first
                report.rows.append(
                    (
                        *(" ".join(words) or "sync, the first", latency_ms, run.seconds, run.seconds / first.seconds),
                        *(run.cpu_seconds, round(run.peak_mb), run.requests, run.requests / first.requests),
                        *(run.counts.bytes_sent / 1e6, run.problem),
                    )
                )
    return report


def _ours(words: Sequence[str]) -> Contestant:
    python, ticketing, *_ = OURS.program
    return replace(OURS, name=f"ticketing {' '.join(words)}", program=(python, ticketing, *words, "--json"))


def _lose_a_page(warehouse: Path, offset: int) -> None:
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(_LOSE_A_PAGE.format(offset))
