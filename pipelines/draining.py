"""What waits in the inbox of webhooks, into the warehouse: by the load that what is polled takes."""

from __future__ import annotations

import gc
import sqlite3
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import dlt
from dlt.common.exceptions import DltException
from dlt.destinations.exceptions import DatabaseException
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.errors import LoadFailed, TicketingError, TryAgainLater
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.tombstones import recalled, remove_recognised
from pipelines.warehouse.destinations.destination import causes
from pipelines.warehouse.intake import Intake
from pipelines.warehouse.load import finish_pending, load, open_pipeline
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.outcome import Outcome
from pipelines.warehouse.quarantine import prune
from pipelines.warehouse.reason import reason
from pipelines.warehouse.runs import is_loaded
from pipelines.webhooks.inbox import FILE, Inbox, Letter
from pipelines.webhooks.settling import VIA
from pipelines.webhooks.sorting import Changes, sort_letters
from pipelines.webhooks.source import deliveries_of
from transforms.forgotten import Forgotten

LETTERS_A_LOAD = 5_000
"""So many deliveries make a load at most; each may hold a hundred records."""

BYTES_A_LOAD = 64 * 1024 * 1024

_TRIED_IN_VAIN = 20
"""After so many that are refused by themselves, and none that is taken, it is hardly the deliveries that are at fault:
each takes the better part of a second, and the lock."""


def inbox_of(warehouse: WarehouseSettings) -> Path:
    """Where the deliveries for a warehouse wait."""
    return warehouse.state_dir / FILE


@dataclass
class DrainReport:
    """What was drained: deliveries that were loaded, those that no load takes, and what became of each object."""

    delivered: int = 0
    buried: int = 0
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    error: str | None = None
    """Why not all of it is loaded; it waits on."""

    @property
    def exit_code(self) -> int:
        """0 all well, 3 some of it can be stored nowhere."""
        return 3 if self.buried else 0

    @property
    def rows(self) -> int:
        return sum(outcome.rows_received for outcome in self.outcomes.values())


def drain(settings: UnifiedSettings, warehouse: WarehouseSettings, *, wait_seconds: float = 0.0) -> DrainReport:
    """Load what waits in the inbox at this moment. Raises a `TicketingError`; what was not loaded waits on."""
    with opened_inbox(warehouse) as inbox:
        draining = Draining(settings, warehouse, inbox)
        draining.take_turn(wait_seconds)
        return draining.report


@contextmanager
def opened_inbox(warehouse: WarehouseSettings) -> Iterator[Inbox]:
    """The inbox of a warehouse. Raises `TicketingError` where it cannot be read or written, then or in the block."""
    path = inbox_of(warehouse)
    try:
        with Inbox(path) as inbox:
            yield inbox
    except sqlite3.Error as error:
        raise TicketingError(
            f"Expected the inbox {path} to be readable and writable, but: {error}. What is in it stays there. See to "
            "the disk and to who may write to the file, then run this again."
        ) from error


def drain_waiting(
    pipeline: dlt.Pipeline, settings: UnifiedSettings, warehouse: WarehouseSettings, report: DrainReport | None = None
) -> None:
    """Load what waits by now, for whoever holds the lock; nothing where no delivery has ever come. Raises like
    `drain`."""
    if inbox_of(warehouse).exists():
        with opened_inbox(warehouse) as inbox:
            Draining(settings, warehouse, inbox, report, is_alone=False).run(pipeline)


def drain_beside(
    pipeline: dlt.Pipeline, settings: UnifiedSettings, warehouse: WarehouseSettings, report: DrainReport
) -> None:
    """Load what waits by now, beside what whoever holds the lock does: what goes wrong is told in the report, for it is
    no fault of theirs."""
    try:
        drain_waiting(pipeline, settings, warehouse, report)
    except TicketingError as error:
        report.error = str(error)


class Draining:
    """An inbox that is drained again and again, with one account of all of it.

    `is_alone`: the settings are those of the warehouse; else they may be of a run that is about some connections only,
    and what is of others waits on.
    """

    def __init__(
        self,
        settings: UnifiedSettings,
        warehouse: WarehouseSettings,
        inbox: Inbox,
        report: DrainReport | None = None,
        *,
        is_alone: bool = True,
    ) -> None:
        self.report = report or DrainReport()
        self._is_alone = is_alone
        self._taken: set[str] = set()
        self._suspects: list[tuple[Letter, str]] = []
        self._settings = settings
        self._warehouse = warehouse
        self._inbox = inbox
        self._forgotten = Forgotten()
        self._run_id = uuid4().hex
        self._began_at = datetime.now(UTC)

    def take_turn(self, wait_seconds: float) -> None:
        """Load what waits, as soon as the write lock is to be had. Raises `WarehouseBusy` if it is not in time."""
        with one_writer(self._warehouse, wait_seconds):
            prune(self._warehouse.state_dir)
            pipeline = open_pipeline(self._warehouse, wait_seconds)
            finish_pending(pipeline, self._warehouse)
            self.run(pipeline)

    def run(self, pipeline: dlt.Pipeline) -> None:
        """Load what waits, as far as it was there when this began; for whoever holds the lock."""
        self._pipeline = pipeline
        self._settle_loads()
        last = self._inbox.last_id()
        if not last:
            return
        self._forgotten = recalled(self._pipeline, self._settings)
        remove_recognised(self._pipeline, self._warehouse, self._settings)
        self._taken.clear()
        self._suspects.clear()
        after = 0
        while letters := self._inbox.first(LETTERS_A_LOAD, BYTES_A_LOAD, after, last):
            after = letters[-1].id
            self._deliver(letters)
        remove_recognised(self._pipeline, self._warehouse, self._settings, self._forgotten.tombstones)
        self._inbox.forget_old()
        self._judge_suspects()

    def _settle_loads(self) -> None:
        """Let go of what has been loaded, and of nothing else."""
        for load_id in self._inbox.loads():
            self._inbox.settle(load_id, is_loaded=is_loaded(self._pipeline, load_id))

    def _deliver(self, letters: Sequence[Letter]) -> None:
        """Load deliveries; those that no load takes are suspected."""
        before = self.report.delivered
        for tried, suspect in enumerate(self._refused(letters), start=1):
            self._suspects.append(suspect)
            if tried == _TRIED_IN_VAIN and self.report.delivered == before:
                raise _refusal(self._suspects)

    def _judge_suspects(self) -> None:
        """Bury what was refused while another delivery of the same table was taken. Raises `LoadFailed` where none was:
        it may be the table, and what waits for it is not to blame."""
        tables = {
            letter.id: {table for _, table in sort_letters([letter], self._is_wanted).changes}
            for letter, _ in self._suspects
        }
        self._bury({letter.id: why for letter, why in self._suspects if tables[letter.id] <= self._taken})
        if others := [suspect for suspect in self._suspects if not tables[suspect[0].id] <= self._taken]:
            raise _refusal(others)

    def _refused(self, letters: Sequence[Letter]) -> Iterator[tuple[Letter, str]]:
        """Load deliveries; if they will never be taken together, in ever smaller parts, each from all over them. Those
        that are refused by themselves, and why."""
        try:
            self._load_together(letters)
        except (LoadFailed, PipelineStepFailed) as error:
            why = _why_never(error)
            self._pipeline.drop()
            self._settle_loads()
            if len(letters) == 1:
                yield letters[0], why
                return
            for part in (letters[::2], letters[1::2]):
                yield from self._refused(part)

    def _load_together(self, letters: Sequence[Letter]) -> None:
        found = sort_letters(letters, self._is_wanted)
        ids = [letter.id for letter in letters if letter.id not in found.undeliverable | found.unwanted]
        outcomes = {place: self._outcome(changes) for place, changes in found.changes.items()}
        if ids:
            load(
                self._pipeline,
                deliveries_of([*found.changes.values()], lambda each: self._intake(outcomes[each.place])),
                self._warehouse,
                extracted=lambda load_id: self._inbox.belong(ids, load_id),
            )
            self._settle_loads()
            self._inbox.hear(found.heard)
            self._taken |= {table for _, table in found.changes}
            self.report.outcomes |= outcomes
            self.report.delivered += len(ids)
            gc.collect()  # what a load leaves behind are cycles, and the command looks for those too seldom for a drain
        self._bury(found.undeliverable | (found.unwanted if self._is_alone else {}))

    def _intake(self, outcome: Outcome) -> Intake:
        return Intake(outcome, self._settings.protection(outcome.connection_id), self._forgotten)

    def _outcome(self, changes: Changes) -> Outcome:
        """The account of an object so far, to be gone on with; it counts once the load has come to its end."""
        known = self.report.outcomes.get(changes.place)
        if known is not None:
            return replace(known, ended_at=datetime.now(UTC))
        return Outcome(
            run_id=self._run_id,
            connection_id=changes.connection_id,
            integration_type=changes.integration_type,
            object=changes.table,
            plan=VIA,
            started_at=self._began_at,
            ended_at=datetime.now(UTC),
            command="drain",
        )

    def _is_wanted(self, connection_id: str) -> bool:
        wanted = self._settings.connection_ids
        return not wanted or connection_id in wanted

    def _bury(self, reasons: Mapping[int, str]) -> None:
        self._inbox.bury(reasons)
        self.report.buried += len(reasons)


def _refusal(refused: Sequence[tuple[Letter, str]]) -> LoadFailed:
    return LoadFailed(
        f"The warehouse takes none of {len(refused)} deliveries, not even each by itself, and no other of their tables "
        f"either: it is hardly they that are at fault. They wait in the inbox. The first: {refused[0][1]}"
    )


def _why_never(error: LoadFailed | PipelineStepFailed) -> str:
    """Why no other try would end better, without a word of a record; a fault of disk, network or memory is raised."""
    if isinstance(error, LoadFailed):
        if not error.is_final:
            raise error
        return str(error)
    chain = [*causes(error)]
    if any(isinstance(cause, OSError | MemoryError | DatabaseException) for cause in chain):
        raise TryAgainLater(
            f"What waits could not be made into rows: {reason(error)}. It waits on in the inbox. See to what stands "
            "in the way, then run this again."
        ) from error
    raised = next((cause for cause in chain if not isinstance(cause, DltException)), error)
    place = traceback.extract_tb(raised.__traceback__)[-1]
    return f"It cannot be made into rows: {type(raised).__name__} in {Path(place.filename).name}, line {place.lineno}."
