"""What it costs to acknowledge deliveries of webhooks once they are on the disk, beside a server that only answers."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from pipelines.draining import inbox_of
from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, state_dir_beside
from tests.benchmarks.contestants import warehouse_in
from tests.benchmarks.measuring import ask_duckdb, new_folder
from tests.benchmarks.programs import (
    TICKETING,
    Program,
    bare_door,
    environment_in,
    free_port,
    pushed,
    receiver,
    running,
    until,
)
from tests.benchmarks.pusher import Push, Pushed
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.server import API_KEY

CONNECTIONS = (1, 8, 32, 128)
_BARE = "a bare server"
_RECEIVERS = {"the receiver": 1, "two receivers": 2}

_EVENTS_A_SECOND = 50
_TICKETS_A_DELIVERY = 9
"""An hour's deliveries tell of each ticket so often."""


def webhooks(work: Work, repeat: int) -> Report:
    """Acknowledged deliveries a second, over 1 to 128 connections, into new inboxes."""
    headings = (
        *("connections", "contestant", "acknowledged/s", "to the bare server", "median ms", "p99 ms"),
        *("p99 to the bare server", "CPU ms a delivery", "sender's share of a core", "problem"),
    )
    report = Report("webhooks", "", headings)
    sizes: list[float] = []
    for connections in CONNECTIONS:
        deliveries = max(10, work.tickets // (5 if connections == 1 else 1))
        for runs in _rounds(Push(0, connections, deliveries), repeat):
            report.rows += _beside_bare(connections, runs)
            sizes += [run.found.mean_bytes for run in runs]
    report.what = f"deliveries of {sum(sizes) / len(sizes):,.0f} bytes, {repeat} run(s) each, into inboxes that are new"
    report.notes.append(_fsyncs_in_words(max(50, work.tickets // 20)))
    return report


@dataclass(frozen=True)
class _Run:
    """What came of sending to one contestant."""

    contestant: str
    found: Pushed
    answered: int
    cpu_seconds: float
    problem: str | None

    @property
    def rate(self) -> float:
        return self.answered / self.found.seconds


@dataclass(frozen=True)
class _Door:
    """One contestant; `folder` has its inbox."""

    contestant: str
    port: int
    programs: Sequence[Program]
    folder: Path | None = None

    def take(self, push: Push, times: int) -> _Run:
        """So many deliveries; `times`: how often as many have come, these among them."""
        before = sum(program.cpu_seconds for program in self.programs)
        found = pushed(push)
        cpu_seconds = sum(program.cpu_seconds for program in self.programs) - before
        problem = f"{found.refused} were refused" if found.refused else self._lost(push.all_deliveries * times)
        return _Run(self.contestant, found, push.deliveries, cpu_seconds, problem)

    def _lost(self, expected: int) -> str | None:
        waiting = expected if self.folder is None else _waiting(inbox_in(self.folder))
        return None if waiting == expected else f"acknowledged {expected} deliveries, kept {waiting}"


def _rounds(push: Push, repeat: int) -> list[list[_Run]]:
    """Each contestant at the same deliveries, one after the other, so many times."""
    with new_folder() as folder, ExitStack() as stack:
        doors = _open(folder, stack)
        rounds: list[list[_Run]] = []
        for number in range(repeat):
            rounds.append([])
            for door in doors:
                own = Push(door.port, push.connections, push.deliveries, first=number * push.all_deliveries)
                rounds[-1].append(door.take(own, number + 1))
                _tell(push.connections, rounds[-1][-1])
        return rounds


def _open(folder: Path, stack: ExitStack) -> list[_Door]:
    port = free_port()
    doors = [_Door(_BARE, port, [stack.enter_context(bare_door(folder, port))])]
    for contestant, processes in _RECEIVERS.items():
        port, own = free_port(), folder / contestant
        own.mkdir()
        names = [f"receiver-{number}" for number in range(processes)]
        programs = [stack.enter_context(receiver(own, port, name)) for name in names]
        doors.append(_Door(contestant, port, programs, own))
    return doors


def _tell(connections: int, run: _Run) -> None:
    sys.stderr.write(f"  {connections}: {run.contestant} {run.rate:,.0f}/s, {run.problem or 'all were kept'}\n")


def _beside_bare(connections: int, runs: Sequence[_Run]) -> list[tuple[object, ...]]:
    bare = runs[0]
    return [
        (
            *(connections, run.contestant, run.rate, run.rate / bare.rate),
            *(run.found.median_ms, run.found.p99_ms, run.found.p99_ms / bare.found.p99_ms),
            *(run.cpu_seconds / run.answered * 1000, run.found.cpu_share, run.problem),
        )
        for run in runs
    ]


def webhooks_memory(work: Work, repeat: int) -> Report:
    """An hour of 50 events a second, sent as fast as they are taken, while another process loads them."""
    count = work.tickets * _TICKETS_A_DELIVERY
    headings = (
        *("after", "acknowledged", "acknowledged/s", "receiver MB", "its peak MB", "drain MB", "its peak MB "),
        *("waiting", "inbox MB", "problem"),
    )
    what = f"{count:,} events, as many as {_EVENTS_A_SECOND} a second make in {count / _EVENTS_A_SECOND:,.0f} s"
    report = Report("webhooks_memory", f"{what}, of {work.tickets:,} tickets, over 32 connections", headings)
    with new_folder() as folder, Sandbox(tickets=1, api_key=API_KEY) as api:
        environment = environment_in(folder) | {"SOURCES__UNIFIED__BASE_URL": api.base_url}
        problem = _fill_and_drain(report, folder, environment, work.tickets, count)
        problem = problem or _left_out(folder, work.tickets)
    report.rows[-1] = (*report.rows[-1][:-1], problem)
    return report


def _fill_and_drain(
    report: Report, folder: Path, environment: Mapping[str, str], tickets: int, count: int
) -> str | None:
    port = free_port()
    follow = (*TICKETING, "drain", "--follow", "--no-build")
    with (
        receiver(folder, port) as taking,
        running(follow, folder / "drain.log", environment) as draining,
    ):
        refused = 0
        began_at = time.monotonic()
        for quarter in range(4):
            first, last = count * quarter // 4, count * (quarter + 1) // 4
            found = pushed(Push(port, 32, last - first, tickets, first, is_prepared=False))
            refused += found.refused
            _tell_quarter(report, f"quarter {quarter + 1}", last, (last - first) / found.seconds, (taking, draining))
        until(lambda: not _waiting(inbox_in(folder)), "the inbox to be drained", 1_200)
        seconds = time.monotonic() - began_at
        _tell_quarter(report, f"all is loaded, {seconds:.0f} s after the first", count, None, (taking, draining))
    return f"{refused} were refused" if refused else None


def _tell_quarter(
    report: Report, after: str, acknowledged: int, rate: float | None, programs: tuple[Program, Program]
) -> None:
    taking, draining = programs
    inbox = inbox_in(taking.log.parent)
    row = (
        *(after, acknowledged, rate, taking.resident_mb, taking.peak_mb, draining.resident_mb, draining.peak_mb),
        *(_waiting(inbox), _size_mb(inbox), None),
    )
    report.rows.append(row)
    sys.stderr.write(f"  {after}: {taking.resident_mb:.0f} and {draining.resident_mb:.0f} MB, {row[7]} wait\n")


def _left_out(folder: Path, tickets: int) -> str | None:
    """What the warehouse lacks of what was sent."""
    [(found, states)] = ask_duckdb(
        warehouse_in(folder),
        "select count(distinct id), (select count(*) from raw_unified.ticket_versions) from raw_unified.tickets",
    )
    if (found, states) == (tickets, tickets * _TICKETS_A_DELIVERY):
        return None
    return f"expected {tickets} tickets of {_TICKETS_A_DELIVERY} states, found {found} with {states} states"


def inbox_in(folder: Path) -> Path:
    """Where the deliveries for the warehouse in a folder wait."""
    warehouse = warehouse_in(folder)
    return inbox_of(DuckdbWarehouse(warehouse, state_dir_beside(warehouse)))


def _waiting(inbox: Path) -> int:
    with closing(sqlite3.connect(inbox, timeout=30)) as connection:
        return int(connection.execute("select count(*) from deliveries").fetchone()[0])


def _size_mb(inbox: Path) -> float:
    """With what is not yet in the file itself."""
    return sum(path.stat().st_size for path in inbox.parent.glob(f"{inbox.name}*")) / 1e6


def _fsyncs_in_words(count: int) -> str:
    """What it costs to write 4 KB and to have them on the disk, one after the other."""
    took = []
    with new_folder() as folder:
        file_system = _file_system(folder)
        with (folder / "written").open("wb", buffering=0) as file:
            for _ in range(count):
                began_at = time.perf_counter()
                file.write(b"x" * 4096)
                os.fsync(file.fileno())
                took.append(time.perf_counter() - began_at)
    per_second = count / sum(took)
    took.sort()
    median, p99 = took[count // 2] * 1000, took[count * 99 // 100] * 1000
    return (
        f"- The inboxes lie on {file_system}. There a write of 4 KB with its fsync takes {median:.2f} ms at the median "
        f"and {p99:.2f} ms at the 99th percentile, one after the other {per_second:,.0f} a second."
    )


def _file_system(folder: Path) -> str:
    command = ["findmnt", "--noheadings", "--output=FSTYPE,SOURCE", f"--target={folder}"]
    try:
        return " of ".join(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split())
    except (OSError, subprocess.CalledProcessError):
        return "a file system that is not told"
