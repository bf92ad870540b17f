"""How it shares: a rate limit, and many connections."""

from __future__ import annotations

from tests.benchmarks.contestants import OURS
from tests.benchmarks.measuring import measure, new_folder
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.scenarios.beside_peers import IN_FLIGHT
from tests.benchmarks.server import Options
from tests.benchmarks.stand_in import stand_in


def rate_limit(work: Work, repeat: int) -> Report:
    """The work where 20 requests a second are answered and the rest refused."""
    options = Options(work, rate_limit=20)
    headings = ("seconds", "answered", "refused", "share of the limit used", "share refused", "problem")
    report = Report("rate_limit", options.in_words(repeat), headings)
    with stand_in(options) as server:
        for _ in range(repeat):
            with new_folder() as folder:
                run = measure(OURS, server, folder)
            answered, refused = run.counts.answered, run.counts.refused
            used = answered / (20 * run.extraction_seconds) if run.extraction_seconds else None
            share_refused = refused / max(1, run.requests)
            report.rows.append((run.seconds, answered, refused, used, share_refused, run.problem))
    return report


def connections(work: Work, repeat: int) -> Report:
    """200 connections, among which the tickets are shared out, at 100 ms."""
    options = Options(Work(100, 400, 20, 5), connections=max(2, work.tickets // 100), latency_ms=100)
    headings = (
        *("seconds", "CPU s", "peak MB", "reading s", "requests", "most in flight"),
        *("ideal s for these requests", "reading to ideal", "problem"),
    )
    report = Report("connections", options.in_words(repeat), headings)
    with stand_in(options) as server:
        for _ in range(repeat):
            with new_folder() as folder:
                run = measure(OURS, server, folder)
            ideal = run.requests * 0.1 / IN_FLIGHT
            report.rows.append(
                (
                    *(run.seconds, run.cpu_seconds, round(run.peak_mb), run.extraction_seconds, run.requests),
                    *(run.counts.peak_in_flight, ideal, run.extraction_seconds / (ideal or 1), run.problem),
                )
            )
    report.notes.append(f"- The fewest pages that hold it all: {options.pages:,}.")
    return report
