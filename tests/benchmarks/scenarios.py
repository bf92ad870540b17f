"""The scenarios: each serves some work, lets contestants bring it, and reports what that took."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tests.benchmarks.contestants import OURS, PEERS, Contestant
from tests.benchmarks.measuring import Measured, measure
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.server import Options
from tests.benchmarks.stand_in import StandIn, stand_in

IN_FLIGHT = 16

_HEADINGS = (
    *("contestant", "seconds", "CPU s", "peak MB", "requests", "most in flight", "of the best peer", "problem"),
)


def idle_network(work: Work, repeat: int) -> Report:
    """The work at 0 ms, beside the peers."""
    return _beside_peers("idle_network", Options(work), repeat)


def five_times(work: Work, repeat: int) -> Report:
    """Five times the work at 0 ms, beside the peers."""
    return _beside_peers("five_times", Options(work.scaled(5)), repeat)


def latency(work: Work, repeat: int) -> Report:
    """The work at 100 ms, beside the peers, and how near our reading comes to what 16 in flight could do."""
    return _beside_peers("latency", Options(work, latency_ms=100), repeat)


def _beside_peers(name: str, options: Options, repeat: int) -> Report:
    with stand_in(options) as server:
        runs = _taking_turns([OURS, *PEERS], server, repeat)
    report = Report(name, _served(options, repeat), _HEADINGS, _compared(runs))
    ours = [run for run in runs if run.contestant == OURS.name and not run.problem]
    report.notes += [_reading(run, options) for run in ours]
    return report


def _taking_turns(contestants: Sequence[Contestant], server: StandIn, repeat: int) -> list[Measured]:
    """Each so many times, one after the other, so that a busy hour of the machine meets all alike."""
    runs = []
    for _ in range(repeat):
        for contestant in contestants:
            with _folder() as folder:
                runs.append(measure(contestant, server, folder))
            _tell(runs[-1])
    return runs


def _compared(runs: list[Measured]) -> list[tuple[object, ...]]:
    """A row for each contestant: the medians of its runs, and its seconds as a share of the best peer's."""
    names = list(dict.fromkeys(run.contestant for run in runs))
    by_name = {name: [run for run in runs if run.contestant == name] for name in names}
    seconds = {name: median(run.seconds for run in own) for name, own in by_name.items()}
    valid = [seconds[name] for name, own in by_name.items() if not any(run.problem for run in own)]
    best_peer = min((seconds[name] for name in names if name != OURS.name and seconds[name] in valid), default=None)
    return [
        (
            name,
            seconds[name],
            median(run.cpu_seconds for run in own),
            median(run.peak_mb for run in own),
            own[0].requests,
            max(run.counts.peak_in_flight for run in own),
            seconds[name] / best_peer if best_peer else None,
            next((run.problem for run in own if run.problem), None),
        )
        for name, own in by_name.items()
    ]


def _reading(run: Measured, options: Options) -> str:
    """One run of ours in its parts: before, while and after it reads."""
    ideal = options.work.pages() * options.connections * options.latency_ms / 1000 / IN_FLIGHT
    before = (run.counts.first_list_at or run.began_at) - run.began_at
    share = f", ideal {ideal:.2f} s: {ideal / run.extraction_seconds:.0%} of it" if ideal else ""
    return (
        f"- {run.contestant}: {before:.2f} s until the first list request, {run.extraction_seconds:.2f} s of reading "
        f"({run.counts.busy_seconds:.2f} s with a request in flight{share}), {run.seconds_after_reading:.2f} s after "
        f"the last; all but reading {run.seconds - run.extraction_seconds:.2f} s."
    )


def _served(options: Options, repeat: int) -> str:
    work = options.work
    return (
        f"{options.connections} connection(s), {work.records * options.connections:,} records "
        f"({work.tickets:,} tickets, {work.notes:,} notes, {work.customers:,} customers each), "
        f"{options.latency_ms:g} ms, {repeat} run(s) each"
    )


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ticketing-benchmark-") as folder:
        yield Path(folder)


def _tell(run: Measured) -> None:
    state = run.problem or "all records are there"
    sys.stderr.write(f"{run.contestant}: {run.seconds:.1f} s, {run.peak_mb:.0f} MB, {run.requests} requests, {state}\n")


Scenario = Callable[[Work, int], Report]
SCENARIOS: dict[str, Scenario] = {scenario.__name__: scenario for scenario in (idle_network, five_times, latency)}
