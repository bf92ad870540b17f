"""Runs a contestant in a process of its own and measures it; what it brought is counted afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from resource import struct_rusage
from typing import Any

import duckdb

from tests.benchmarks.contestants import Contestant, warehouse_in
from tests.benchmarks.server import Counts
from tests.benchmarks.stand_in import StandIn


@dataclass(frozen=True)
class Measured:
    """One run. `problem` says why it does not count, None if it does; `began_at` is in seconds since the epoch."""

    contestant: str
    began_at: float
    seconds: float
    cpu_seconds: float
    peak_mb: float
    counts: Counts
    problem: str | None = None

    @property
    def requests(self) -> int:
        """List requests, those that were refused among them."""
        return sum(self.counts.lists.values())

    @property
    def seconds_before_reading(self) -> float:
        """From the start of the process to its first list request."""
        return (self.counts.first_list_at or self.began_at) - self.began_at

    @property
    def extraction_seconds(self) -> float:
        """From the first list request to the answer to the last one."""
        return (self.counts.last_list_at or 0) - (self.counts.first_list_at or 0)

    @property
    def seconds_after_reading(self) -> float:
        """From the answer to the last list request until the process had gone."""
        return self.began_at + self.seconds - (self.counts.last_list_at or self.began_at)

    def parts(self) -> tuple[object, ...]:
        """Seconds in all, and before, while and after it reads; for a table."""
        return self.seconds, self.seconds_before_reading, self.extraction_seconds, self.seconds_after_reading


Ask = Callable[[str], list[tuple[Any, ...]]]
"""Runs a query in a warehouse."""


def measure(
    contestant: Contestant,
    server: StandIn,
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    around: Sequence[str] = (),
    ask: Ask | None = None,
) -> Measured:
    """Run a contestant once; `folder` holds its log and its warehouse, from an earlier run perhaps.

    `settings` are for its environment, `around` is the beginning of a command that ends with another one, such as a
    profiler's, and `ask` is for a warehouse that is no DuckDB file.
    """
    server.reset()
    log = folder / "output.log"
    environment = {**contestant.environment(server, folder), **(settings or {})}
    began_at = time.time()
    seconds, usage, code = run([*around, *contestant.program], environment, log)
    counts = server.counts()
    if code:
        problem: str | None = f"ended with {code}: {log.read_text()[-600:]}"
    else:
        problem = _missing(contestant, server, ask or partial(ask_duckdb, warehouse_in(folder)))
    cpu_seconds, peak_mb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    measured = Measured(contestant.name, began_at, seconds, cpu_seconds, peak_mb, counts, problem)
    sys.stderr.write(
        f"  {contestant.name}: {seconds:.1f} s, {peak_mb:.0f} MB, {measured.requests} requests, "
        f"{problem or 'all records are there'}\n"
    )
    return measured


def ask_duckdb(warehouse: Path, query: str) -> list[tuple[Any, ...]]:
    """Run a query in a DuckDB file."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return connection.execute(query).fetchall()


@contextmanager
def new_folder() -> Iterator[Path]:
    """An empty folder, for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="ticketing-benchmark-") as folder:
        yield Path(folder)


def _missing(contestant: Contestant, server: StandIn, ask: Ask) -> str | None:
    """What a warehouse lacks of what is served, counted by distinct ids; None if nothing."""
    for object_name, count in server.options.work.counts().items():
        expected = count * server.options.connections
        table = contestant.tables[object_name]
        [(found,)] = ask(f"select count(distinct {contestant.key}) from {table}")
        if found != expected:
            return f"expected {expected} of {table}, found {found}"
    return None


def run(command: list[str], environment: Mapping[str, str], log: Path) -> tuple[float, struct_rusage, int]:
    """Seconds, what the process and those it waited for used, and the exit code."""
    began = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=log.parent, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - began, usage, process.returncode
