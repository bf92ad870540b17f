"""Where the time goes: sampled stacks of our sync, into DuckDB and into Postgres."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped]

from tests.benchmarks.contestants import OURS
from tests.benchmarks.measuring import measure, new_folder
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.samples import Samples
from tests.benchmarks.server import Options
from tests.benchmarks.stand_in import stand_in
from tests.postgres_server import PostgresServer, find_binaries

_HEADINGS = ("run", "seconds", "until reading s", "reading s", "after reading s", "problem")
_RATE = 100


def profile(work: Work, repeat: int) -> Report:
    """Our sync of the work at 0 ms, sampled while it computes."""
    options = Options(work)
    report = Report("profile", options.in_words(repeat), _HEADINGS)
    with stand_in(options) as server:
        for _ in range(repeat):
            with new_folder() as folder:
                stacks = folder / "stacks.txt"
                run = measure(OURS, server, folder, around=_sampled(stacks))
                report.rows.append(("sampled", *run.parts(), run.problem))
                report.appendix = Samples.read(stacks, _RATE).text()
    return report


def postgres(work: Work, repeat: int) -> Report:
    """1,000,000 notes into a Postgres of its own, once as it is and once sampled, waiting included."""
    options = Options(replace(work, notes=round(work.notes * 12.5)))
    report = Report("postgres", options.in_words(repeat), _HEADINGS)
    database = PostgresServer(find_binaries())
    database.start()
    try:
        with stand_in(options) as server:
            for name in ["plain"] * repeat + ["sampled"]:
                with new_folder() as folder:
                    stacks = folder / "stacks.txt"
                    url = database.new_database()
                    settings = _settings(url, folder)
                    around = _sampled(stacks, "--idle") if name == "sampled" else ()
                    ask = partial(_ask, url)
                    run = measure(OURS, server, folder, settings=settings, around=around, ask=ask)
                    report.rows.append((name, *run.parts(), run.problem))
                    if around:
                        report.appendix = Samples.read(stacks, _RATE).text()
    finally:
        database.stop()
    return report


def _sampled(stacks: Path, *options: str) -> Sequence[str]:
    """The beginning of a command whose stacks are written down."""
    py_spy = str(Path(sys.executable).with_name("py-spy"))
    return (
        *(py_spy, "record", "--rate", str(_RATE), "--format", "raw", "--subprocesses", *options),
        *("--output", str(stacks), "--"),
    )


def _settings(url: str, folder: Path) -> dict[str, str]:
    return {
        "TICKETING_DESTINATION": "postgres",
        "DESTINATION__POSTGRES__CREDENTIALS": url,
        "SOURCES__UNIFIED__STATE_DIR": str(folder / "state"),
    }


def _ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())
