"""One sync: what is pending first, then everything new, into the warehouse, under the lock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import dlt

from pipelines.draining import DrainReport, drain_beside
from pipelines.errors import FixConfiguration, LoadFailed
from pipelines.receipts import load_receipts_beside
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.ticketing.extraction import ROWS_A_LOAD, Extraction
from pipelines.ticketing.plans import Strategy
from pipelines.ticketing.progress import Watcher
from pipelines.ticketing.run import Run
from pipelines.ticketing.source import account_of, source_of
from pipelines.tombstones import remove_recognised
from pipelines.unified_api.endpoints import ENDPOINTS
from pipelines.warehouse import anew
from pipelines.warehouse.load import PendingLoad, finish_pending, load, open_pipeline, set_aside
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.outcome import Outcome
from pipelines.warehouse.quarantine import prune
from pipelines.warehouse.runs import has_marts, read_privacy


@dataclass
class SyncReport:
    """What a run did, object by object; `quarantined` are the folders of what the warehouse would not take, `drained`
    is what waited in the inbox of webhooks."""

    pending: PendingLoad
    outcomes: list[Outcome] = field(default_factory=list)
    quarantined: list[Path] = field(default_factory=list)
    drained: DrainReport = field(default_factory=DrainReport)
    unloaded_receipts: str | None = None
    """Why what triage has written is not in the warehouse yet."""

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.has_failed]

    @property
    def skipped(self) -> list[Outcome]:
        return [
            outcome
            for outcome in self.outcomes
            if not outcome.has_failed and not outcome.is_complete and not outcome.is_put_off
        ]

    @property
    def put_off(self) -> list[Outcome]:
        """What goes on with the next run, for the calls of this one were used up."""
        return [outcome for outcome in self.outcomes if outcome.is_put_off]

    @property
    def left_waiting(self) -> str | None:
        """What was to be loaded beside what was read, and was not."""
        if self.drained.error:
            return "what waits in the inbox"
        return "what triage has written" if self.unloaded_receipts else None

    @property
    def exit_code(self) -> int:
        """0 all well, or put off as the settings ask; 1 nothing was read though there may be something, 3 some of it
        failed, or what came by webhooks or was written by triage could not be stored."""
        is_any_complete = any(outcome.is_complete or outcome.is_put_off for outcome in self.outcomes)
        if self.failed:
            return 3 if is_any_complete else 1
        if self.drained.exit_code or self.unloaded_receipts:
            return 3
        is_any_not_offered = any(outcome.plan.startswith(Strategy.NOT_OFFERED.value) for outcome in self.outcomes)
        return 0 if is_any_complete or is_any_not_offered else 1


def sync(
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    *,
    select: Sequence[str] = (),
    connections: Collection[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    full_refresh: bool = False,
    wait_seconds: float = 0.0,
    watcher: Watcher | None = None,
    drained: DrainReport | None = None,
) -> SyncReport:
    """Bring the warehouse up to date; `select` names tables, none means all; where `connections` are named, they are
    read in the place of those that the settings name. What waits in the inbox is told in `drained`, if it is given.

    Raises a `TicketingError` when nothing could be done; what failed in part stands in the report.
    """
    tables, narrowed = chosen_tables(select), _narrowed(settings, connections)
    return _under_the_lock(
        settings,
        warehouse,
        wait_seconds,
        lambda: Run.begin(
            "sync", narrowed, tables, since=since, until=until, full_refresh=full_refresh, watcher=watcher
        ),
        drained,
    )


def reconcile(
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    *,
    select: Sequence[str] = (),
    connections: Collection[str] = (),
    largest_deletion: float = 0.1,
    wait_seconds: float = 0.0,
    watcher: Watcher | None = None,
) -> SyncReport:
    """Compare the ids of the source with those of the warehouse, and mark what is gone; `select` names tables, and
    `connections` what is read in the place of the settings' own.

    `largest_deletion` is the share of an object's records beyond which nothing is removed. Raises like `sync`.
    """
    tables, narrowed = chosen_tables(select), _narrowed(settings, connections)
    return _under_the_lock(
        settings,
        warehouse,
        wait_seconds,
        lambda: Run.begin("reconcile", narrowed, tables, largest_deletion=largest_deletion, watcher=watcher),
    )


def chosen_tables(select: Sequence[str]) -> tuple[str, ...]:
    """The tables named, in their order of reading; all where none is. Raises `FixConfiguration` for an unknown one."""
    unknown = sorted(set(select) - set(ENDPOINTS))
    if unknown:
        raise FixConfiguration(
            f"Expected --select to name tables of {', '.join(ENDPOINTS)}, got {', '.join(unknown)}. "
            "Example: --select tickets,notes"
        )
    return tuple(table for table in ENDPOINTS if not select or table in select)


def _narrowed(settings: UnifiedSettings, connections: Collection[str]) -> UnifiedSettings:
    """The settings of a run that reads these connections only; the same where none is named."""
    if not connections:
        return settings
    narrowed = UnifiedSettings()
    narrowed.update({**settings, "connection_ids": [*connections]})
    return narrowed


def _under_the_lock(
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    wait_seconds: float,
    begin: Callable[[], Run],
    drained: DrainReport | None = None,
) -> SyncReport:
    """What is of the inbox is loaded under the `settings` themselves, however little the run reads."""
    with one_writer(warehouse, wait_seconds):
        prune(warehouse.state_dir)
        pipeline = open_pipeline(warehouse, wait_seconds)
        report = SyncReport(finish_pending(pipeline, warehouse), drained=drained or DrainReport())
        with begin() as run:
            drain = partial(drain_beside, settings=settings, warehouse=warehouse, report=report.drained)
            remove_recognised(pipeline, warehouse, run.settings)
            if run.full_refresh and _holds_otherwise(pipeline, run):
                anew.mark_due(warehouse)
            report.quarantined += load_run(pipeline, run, warehouse, drain)
            while connections := run.notes_left():
                report.quarantined += load_run(pipeline, run.part(["notes"], connections), warehouse, drain)
            remove_recognised(pipeline, warehouse, run.settings, run.forgotten.tombstones)
        report.unloaded_receipts = load_receipts_beside(pipeline, settings, warehouse)
        if not has_marts(pipeline):
            anew.write_if_due(warehouse)  # otherwise once the models are built without what was removed
    report.outcomes = [*run.outcomes.values()]
    return report


def _holds_otherwise(pipeline: dlt.Pipeline, run: Run) -> bool:
    """Whether rows are stored under other rules of privacy than a full refresh will store them: what it replaces must
    not stay in the warehouse's files."""
    stored = read_privacy(pipeline)
    return any(
        stored.rows_otherwise(target.id, table, run.protection(target).label(table))
        for target in run.targets
        for table in run.tables
    )


def load_run(
    pipeline: dlt.Pipeline,
    run: Run,
    warehouse: WarehouseSettings,
    after_each: Callable[[dlt.Pipeline], None] = lambda pipeline: None,
) -> list[Path]:
    """Load a run in as many packages as it takes; if the warehouse will never take one, table by table, and what it
    still refuses connection by connection, so that one poisoned object stops no other. Returns where lies what was not
    taken. `after_each` load something else may be loaded."""
    try:
        with closing(Extraction(run, ROWS_A_LOAD)) as extraction:
            while not extraction.is_over:
                # A verify has to be able to tell of doubled rows, which cannot be indexed.
                load(pipeline, source_of(extraction), warehouse, tidies=run.command != "verify")
                after_each(pipeline)
    except LoadFailed as failure:
        if not failure.is_final:
            raise
        can_read_again = run.workspace.client.budget.calls_left >= run.calls_spent
        parts = _parts(run) if can_read_again else []
        if not parts:
            return [_refused(pipeline, run, warehouse, failure)]
        run.forget()
        return [place for part in parts for place in load_run(pipeline, part, warehouse, after_each)]
    return []


def _parts(run: Run) -> list[Run]:
    """A run in smaller ones: its tables, or the connections of its only table; none if there is only one of each."""
    if len(run.tables) > 1:
        return [run.part([table], run.connections) for table in ENDPOINTS if table in run.tables]
    if len(run.targets) > 1:
        return [run.part(run.tables, [target.id]) for target in run.targets]
    return []


def _refused(pipeline: dlt.Pipeline, run: Run, warehouse: WarehouseSettings, failure: LoadFailed) -> Path:
    """Set aside what a run has read, and load only the account of that. Returns where it lies."""
    place = set_aside(pipeline, warehouse, str(failure))
    run.fail(f"{failure} It lies in {place}.")
    load(pipeline, account_of(run), warehouse)
    return place
