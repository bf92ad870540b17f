"""One verify: what the source shows against what the warehouse holds, under the lock, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

import dlt

from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.sync import chosen_tables, load_run
from pipelines.ticketing.plans import Strategy
from pipelines.ticketing.progress import Watcher
from pipelines.ticketing.run import Look, Run
from pipelines.ticketing.verdict import Kind, Verdict
from pipelines.ticketing.workspace import Target
from pipelines.tombstones import remove_recognised
from pipelines.unified_api.endpoints import ENDPOINTS, NOTES, TICKETS, Endpoint
from pipelines.warehouse import anew
from pipelines.warehouse.doubles import drop_doubled, find_doubled
from pipelines.warehouse.load import finish_pending, open_pipeline
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.outcome import Outcome
from pipelines.warehouse.runs import has_marts, refuse_older_schema
from pipelines.warehouse.stored import asking, count_living

_REPAIRS = 3
"""So many looks may repair what the one before has found, or has brought to light."""


@dataclass(frozen=True)
class Finding:
    """One object of one connection: how the look at it went, and what it showed."""

    outcome: Outcome
    verdict: Verdict


@dataclass
class VerifyReport:
    """What was found, look by look, object by object: a look that repairs is followed by another at what it found
    amiss. `calls` is what the first was expected to cost. A rehearsal has no look."""

    calls: int
    not_in_workspace: list[str] = field(default_factory=list)
    """The connections that have rows here and were not compared, for the workspace has them no more."""
    looks: list[list[Finding]] = field(default_factory=list)

    @property
    def findings(self) -> list[Finding]:
        """Of each object what the last look at it has shown."""
        return [*{_key(finding): finding for finding in self._all}.values()]

    @property
    def verified(self) -> list[Finding]:
        """Those that were compared to their end."""
        return [finding for finding in self.findings if finding.outcome.is_complete]

    @property
    def unverified(self) -> list[Finding]:
        """Those that could not be compared to their end: they failed, or the calls were used up before."""
        return [*filter(_is_unverified, self.findings)]

    @property
    def skipped(self) -> list[Finding]:
        """Those that were left out on purpose, for their connection is paused or unhealthy."""
        incomplete = [finding for finding in self.findings if not finding.outcome.is_complete]
        return [finding for finding in incomplete if not (_is_unverified(finding) or _is_not_offered(finding))]

    @property
    def repaired(self) -> int:
        """How many gaps were brought into order; of objects that failed, none is known to be."""
        return sum(finding.verdict.repaired for finding in self._all if not finding.outcome.has_failed)

    @property
    def gaps_left(self) -> int:
        """How many gaps the last look at each object has shown; where that came to no end, at least those that the one
        before it has not repaired."""
        shown: dict[tuple[str, str], int] = {}
        unrepaired: dict[tuple[str, str], int] = {}
        for finding in self._all:
            key, verdict = _key(finding), finding.verdict
            known = 0 if finding.outcome.is_complete else unrepaired.get(key, 0)
            shown[key] = max(verdict.gap_count, known)
            unrepaired[key] = shown[key] - verdict.repaired
        return sum(shown.values())

    @property
    def exit_code(self) -> int:
        """0 no gap (any more), or nothing that could be compared; 1 a gap, or nothing compared though there may be
        something; 3 no gap, but not all could be compared."""
        if self.gaps_left:
            return 1
        if self.looks and not any(finding.outcome.is_complete for finding in self._all):
            return 0 if self._all and all(map(_is_not_offered, self._all)) else 1
        return 3 if self.unverified else 0

    @property
    def _all(self) -> list[Finding]:
        return [finding for look in self.looks for finding in look]


def verify(
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    *,
    select: Sequence[str] = (),
    sample: int | None = None,
    is_deep: bool = False,
    repairs: bool = False,
    is_rehearsal: bool = False,
    largest_deletion: float = 0.1,
    wait_seconds: float = 0.0,
    told: Callable[[int], None] = lambda calls: None,
    watcher: Watcher | None = None,
) -> VerifyReport:
    """Compare the warehouse with the source; `told` hears beforehand how many calls that takes, and a rehearsal ends
    there. `select` names tables; see `Look` for `sample`, `is_deep` and `repairs`, and `reconcile` for
    `largest_deletion`.

    Raises a `TicketingError` where nothing can be compared; what failed in part stands in the report.
    """
    tables = chosen_tables(select)
    look = Look(sample, is_deep, repairs)
    with one_writer(warehouse, wait_seconds):
        pipeline = open_pipeline(warehouse, wait_seconds)
        if not is_rehearsal:
            finish_pending(pipeline, warehouse)
        refuse_older_schema(pipeline, warehouse.name)
        with Run.begin(
            "verify", settings, tables, largest_deletion=largest_deletion, look=look, watcher=watcher
        ) as run:
            rows = count_living(asking(pipeline), {*run.tables, TICKETS.table})
            report = VerifyReport(_forecast(rows, run), _not_in_workspace(rows, run))
            told(report.calls)
            if is_rehearsal:
                return report
            remove_recognised(pipeline, warehouse, settings)
            report.looks.append(_look(pipeline, run, warehouse))
            while repairs and len(report.looks) <= _REPAIRS and (amiss := _amiss(report.looks[-1])):
                report.looks.append(_look(pipeline, run.again(*amiss), warehouse))
            remove_recognised(pipeline, warehouse, settings, run.forgotten.tombstones)
        if not has_marts(pipeline):
            anew.write_if_due(warehouse)
    return report


def _look(pipeline: dlt.Pipeline, run: Run, warehouse: WarehouseSettings) -> list[Finding]:
    doubled = find_doubled(pipeline, run.tables, {target.id for target in run.targets})
    run.look.doubled.clear()
    run.look.doubled.update(doubled)
    load_run(pipeline, run, warehouse)
    if run.look.repairs:
        told = {key for key, verdict in run.verdicts.items() if verdict.counts[Kind.DOUBLED]}
        drop_doubled(pipeline, {key: rows for key, rows in doubled.items() if key in told})
    return [Finding(outcome, run.verdicts.get(key, Verdict())) for key, outcome in run.outcomes.items()]


def _amiss(findings: Sequence[Finding]) -> tuple[set[str], set[str]] | None:
    """The tables and connections with gaps, but for objects that another look would not compare either. The notes of a
    ticket that was missing may be missing, too."""
    with_gaps = [each.outcome for each in findings if each.verdict.gap_count and not _is_unverified(each)]
    tables = {outcome.object for outcome in with_gaps}
    tables |= {NOTES.table} if TICKETS.table in tables else set()
    return (tables, {outcome.connection_id for outcome in with_gaps}) if with_gaps else None


def _key(finding: Finding) -> tuple[str, str]:
    return finding.outcome.connection_id, finding.outcome.object


def _is_unverified(finding: Finding) -> bool:
    return finding.outcome.has_failed or finding.outcome.is_put_off


def _is_not_offered(finding: Finding) -> bool:
    """Whether there is nothing to compare: the integration does not list the object, and none was ever read."""
    outcome = finding.outcome
    return not outcome.has_failed and outcome.plan.startswith(Strategy.NOT_OFFERED.value)


def _not_in_workspace(rows: Mapping[tuple[str, str], int], run: Run) -> list[str]:
    if run.settings.connection_ids:
        return []
    stored = {connection_id for connection_id, table in rows if table in run.tables}
    return sorted(stored - {target.id for target in run.targets})


def _forecast(rows: Mapping[tuple[str, str], int], run: Run) -> int:
    """About how many calls a look takes, the ones for the connections included, without a repair and without asking
    for what is not shown any more."""
    calls = sum(
        _calls(rows, run, target, endpoint)
        for target in run.targets
        if target.is_readable
        for endpoint in ENDPOINTS.values()
        if endpoint.table in run.tables
    )
    return calls + run.workspace.calls.requests


def _calls(rows: Mapping[tuple[str, str], int], run: Run, target: Target, endpoint: Endpoint) -> int:
    plan, sample, page_size = run.plan(target, endpoint), run.look.sample, run.settings.page_size
    if plan.strategy is Strategy.NOT_OFFERED:
        return 0
    if endpoint is NOTES and plan.strategy is Strategy.PER_TICKET:
        tickets = rows.get((target.id, TICKETS.table), 0)
        return tickets if sample is None else min(sample, tickets)
    pages = ceil(rows.get((target.id, endpoint.table), 0) / (page_size - 1)) + 1
    passes = 2 if plan.strategy is Strategy.WHOLE_LIST else 1
    return passes * pages if sample is None else min(passes * pages, ceil(sample / page_size))
