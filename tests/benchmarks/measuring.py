"""Runs a contestant in a process of its own and measures it; what it brought is counted afterwards."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from resource import struct_rusage

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
    def extraction_seconds(self) -> float:
        """From the first list request to the answer to the last one."""
        return (self.counts.last_list_at or 0) - (self.counts.first_list_at or 0)

    @property
    def seconds_after_reading(self) -> float:
        """From the answer to the last list request until the process had gone."""
        return self.began_at + self.seconds - (self.counts.last_list_at or self.began_at)


def measure(
    contestant: Contestant, stand_in: StandIn, folder: Path, *, around: tuple[str, ...] = (), proves: bool = True
) -> Measured:
    """Run a contestant once; `folder` holds its warehouse, from an earlier run perhaps, and its log.

    `around` is the beginning of a command that ends with another one, such as a profiler's.
    """
    stand_in.reset()
    log = folder / "output.log"
    began_at = time.time()
    seconds, usage, code = _run([*around, *contestant.program], contestant.environment(stand_in, folder), log)
    counts = stand_in.counts()
    problem = None
    if code:
        problem = f"ended with {code}: {log.read_text()[-600:]}"
    elif proves:
        problem = missing(contestant, stand_in, warehouse_in(folder))
    cpu_seconds, peak_mb = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return Measured(contestant.name, began_at, seconds, cpu_seconds, peak_mb, counts, problem)


def missing(contestant: Contestant, stand_in: StandIn, warehouse: Path) -> str | None:
    """What a warehouse lacks of what is served, counted by distinct ids; None if nothing."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for object_name, count in stand_in.options.work.counts().items():
            expected = count * stand_in.options.connections
            table = contestant.tables[object_name]
            row = connection.sql(f"select count(distinct {contestant.key}) from {table}").fetchone()
            if row != (expected,):
                return f"expected {expected} of {table}, found {row and row[0]}"
    return None


def _run(command: list[str], environment: Mapping[str, str], log: Path) -> tuple[float, struct_rusage, int]:
    """Seconds, what the process and those it waited for used, and the exit code."""
    began = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=log.parent, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.monotonic() - began, usage, process.returncode
