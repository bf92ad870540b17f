"""How quick it is, beside its peers."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tests.benchmarks.contestants import OURS, PEERS, REST_API, Contestant
from tests.benchmarks.measuring import Measured, measure, new_folder
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.server import Options
from tests.benchmarks.stand_in import StandIn, stand_in

IN_FLIGHT = 16
"""How many requests ours may have in flight, unless it is told otherwise."""

_HEADINGS = (
    *("contestant", "seconds", "CPU s", "peak MB", "requests", "most in flight"),
    *("ours to it", "of the best peer", "problem"),
)


def idle_network(work: Work, repeat: int) -> Report:
    """The work at 0 ms."""
    return compare("idle_network", Options(work), [OURS, *PEERS], repeat)


def five_times(work: Work, repeat: int) -> Report:
    """Five times the work at 0 ms; the peer whose memory grows with it would fill the machine."""
    peers = [peer for peer in PEERS if peer is not REST_API]
    report = compare("five_times", Options(work.scaled(5)), [OURS, *peers], repeat)
    report.notes.append(f"- Left out: {REST_API.name}, whose memory grows with the work.")
    return report


def latency(work: Work, repeat: int) -> Report:
    """The work at 100 ms, and how near our reading comes to what 16 in flight could do."""
    return compare("latency", Options(work, latency_ms=100), [OURS, *PEERS], repeat)


def compare(name: str, options: Options, contestants: Sequence[Contestant], repeat: int) -> Report:
    """Ours and peers at the same work, each so many times; the first one's runs are told in their parts."""
    with stand_in(options) as server:
        runs = _taking_turns(contestants, server, repeat)
    report = Report(name, options.in_words(repeat), _HEADINGS, _compared(runs))
    report.notes += [_parts(run, options) for run in runs if run.contestant == OURS.name and not run.problem]
    return report


def _taking_turns(contestants: Sequence[Contestant], server: StandIn, repeat: int) -> list[Measured]:
    """Each so many times, one after the other, so that a busy hour of the machine meets all alike."""
    runs = []
    for _ in range(repeat):
        for contestant in contestants:
            with new_folder() as folder:
                runs.append(measure(contestant, server, folder))
    return runs


def _compared(runs: list[Measured]) -> list[tuple[object, ...]]:
    """A row for each contestant, of the medians of its runs."""
    by_name: dict[str, list[Measured]] = {}
    for run in runs:
        by_name.setdefault(run.contestant, []).append(run)
    problems = {name: next((run.problem for run in own if run.problem), None) for name, own in by_name.items()}
    seconds = {name: median(run.seconds for run in own) for name, own in by_name.items()}
    best_peer = min((seconds[name] for name in by_name if name != OURS.name and not problems[name]), default=None)
    return [
        (
            name,
            seconds[name],
            median(run.cpu_seconds for run in own),
            round(median(run.peak_mb for run in own)),
            own[0].requests,
            max(run.counts.peak_in_flight for run in own),
            seconds[OURS.name] / seconds[name],
            seconds[name] / best_peer if best_peer else None,
            problems[name],
        )
        for name, own in by_name.items()
    ]


def _parts(run: Measured, options: Options) -> str:
    """One run of ours: before, while and after it reads."""
    said = (
        f"- {run.contestant}, {run.seconds:.2f} s: {run.seconds_before_reading:.2f} s until the first list request, "
        f"{run.extraction_seconds:.2f} s from then to the last one's answer, {run.seconds_after_reading:.2f} s until "
        f"the end; all but reading {run.seconds - run.extraction_seconds:.2f} s."
    )
    ideal = options.ideal_seconds(IN_FLIGHT)
    if not ideal:
        return said
    busy = run.counts.busy_seconds
    return (
        f"{said} Ideal for {IN_FLIGHT} in flight {ideal:.2f} s: reading is at {ideal / run.extraction_seconds:.0%} of "
        f"it. A request was in flight for {busy:.2f} s ({ideal / busy:.0%} of ideal), for {run.seconds - busy:.2f} s "
        "none was."
    )
