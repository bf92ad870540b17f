"""One sync: what is pending first, then everything new, into the warehouse, under the lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.errors import FixConfiguration
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.ticketing.progress import Outcome, Watcher
from pipelines.ticketing.source import unified
from pipelines.unified_api.endpoints import ENDPOINTS
from pipelines.warehouse.load import Pending, finish_pending, load, open_pipeline
from pipelines.warehouse.lock import one_writer


@dataclass
class SyncReport:
    """What a sync did, object by object."""

    outcomes: list[Outcome] = field(default_factory=list)
    pending: Pending = Pending.NOTHING

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.has_failed]

    @property
    def skipped(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if not outcome.has_failed and not outcome.is_complete]

    @property
    def exit_code(self) -> int:
        """0 all well, 1 nothing was read, 3 some of it failed."""
        if not any(outcome.is_complete for outcome in self.outcomes):
            return 1
        return 3 if self.failed else 0


class _Recorder(Watcher):
    """Passes on what it hears and keeps each outcome."""

    def __init__(self, watcher: Watcher, report: SyncReport) -> None:
        self._watcher = watcher
        self._report = report

    def page_read(self, outcome: Outcome) -> None:
        self._watcher.page_read(outcome)

    def object_done(self, outcome: Outcome) -> None:
        self._report.outcomes.append(outcome)
        self._watcher.object_done(outcome)


def sync(
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    *,
    select: Sequence[str] = (),
    since: datetime | None = None,
    full_refresh: bool = False,
    wait_seconds: float = 0.0,
    watcher: Watcher | None = None,
) -> SyncReport:
    """Bring the warehouse up to date; `select` names tables, none means all.

    Raises a `TicketingError` when nothing could be done; what failed in part stands in the report.
    """
    unknown = sorted(set(select) - set(ENDPOINTS))
    if unknown:
        raise FixConfiguration(
            f"Expected --select to name tables of {', '.join(ENDPOINTS)}, got {', '.join(unknown)}. "
            "Example: --select tickets,notes"
        )
    report = SyncReport()
    with one_writer(warehouse.state_dir, wait_seconds):
        pipeline = open_pipeline(warehouse, wait_seconds)
        report.pending = finish_pending(pipeline, warehouse)
        source = unified(
            **settings,
            select=select or tuple(ENDPOINTS),
            since=since,
            full_refresh=full_refresh,
            watcher=_Recorder(watcher or Watcher(), report),
        )
        load(pipeline, source, warehouse)
    return report
