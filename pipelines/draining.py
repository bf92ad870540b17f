"""What waits in the inbox of webhooks, into the warehouse: by the load that what is polled takes."""

from __future__ import annotations

import gc
import random
import sqlite3
import traceback
from collections import Counter
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
from transforms.schemas import TICKET_VERSIONS, TICKETS

LETTERS_A_LOAD = 5_000
"""So many deliveries make a load at most; each may hold a hundred records."""

BYTES_A_LOAD = 64 * 1024 * 1024

_TRIED_IN_VAIN = 20
"""Where so many of a table are refused one after another, the others of it are left for the next turn: each try takes
the better part of a second, and the lock."""


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
    """Why not all of it is loaded, as of the last turn; it waits on."""

    @property
    def exit_code(self) -> int:
        """0 all well; 1 nothing could be loaded, 3 some of it, or some can be stored nowhere."""
        if self.error:
            return 3 if self.delivered else 1
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
            Draining(settings, warehouse, inbox, report).run(pipeline)


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
    """An inbox that is drained again and again, with one account of all of it. What is of connections that the settings
    leave out is buried."""

    def __init__(
        self,
        settings: UnifiedSettings,
        warehouse: WarehouseSettings,
        inbox: Inbox,
        report: DrainReport | None = None,
    ) -> None:
        self.report = report or DrainReport()
        self._written: set[str] = set()
        self._refused: dict[str, dict[int, str]] = {}
        self._in_vain: Counter[str] = Counter()
        self._held: set[str] = set()
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
        """Load what waits, as far as it was there when this began; for whoever holds the lock. What the warehouse will
        not take is buried, or waits on and is told in the report; a fault of disk, network or memory is raised."""
        self._pipeline = pipeline
        self.report.error = None
        self._written.clear()
        self._refused.clear()
        self._in_vain.clear()
        self._settle_loads()
        last = self._inbox.last_id()
        if not last:
            return
        self._forgotten = recalled(self._pipeline, self._settings)
        remove_recognised(self._pipeline, self._warehouse, self._settings)
        after = 0
        while letters := self._inbox.first(LETTERS_A_LOAD, BYTES_A_LOAD, after, last):
            after = letters[-1].id
            self._deliver(letters)
        remove_recognised(self._pipeline, self._warehouse, self._settings, self._forgotten.tombstones)
        self._inbox.forget_old(datetime.now(UTC))
        self._judge()

    def _settle_loads(self) -> None:
        """Let go of what has been loaded, and of nothing else."""
        for load_id in self._inbox.loads():
            self._inbox.settle(load_id, is_loaded=is_loaded(self._pipeline, load_id))

    def _deliver(self, letters: Sequence[Letter]) -> None:
        """Load deliveries; if they will never be taken together, in ever smaller parts. One that is refused by itself
        is judged at the end of the turn."""
        due = self._due(letters)
        try:
            self._load_together(due)
        except (LoadFailed, PipelineStepFailed) as error:
            why = _why_never(error)
            self._pipeline.drop()
            self._settle_loads()
            by_table = self._by_table(due)
            if len(due) == 1:
                [table] = by_table
                self._refused.setdefault(table, {})[due[0].id] = why
                self._in_vain[table] += 1
                return
            for part in by_table.values() if len(by_table) > 1 else _halves(due):
                self._deliver(part)

    def _due(self, letters: Sequence[Letter]) -> Sequence[Letter]:
        """Deliveries without those of tables of which too many were tried in vain."""
        given_up = {table for table in self._in_vain if self._is_given_up(table)}
        if not given_up:
            return letters
        return [letter for table, some in self._by_table(letters).items() if table not in given_up for letter in some]

    def _is_given_up(self, table: str) -> bool:
        """Whether too many of a table were refused one after another; of one that has taken nothing lately, one."""
        is_held = table in self._held and not self._is_taken(table)
        return self._in_vain[table] >= (1 if is_held else _TRIED_IN_VAIN)

    def _by_table(self, letters: Sequence[Letter]) -> dict[str, list[Letter]]:
        """Deliveries by their table, which is empty for those that can be stored nowhere."""
        by_table: dict[str, list[Letter]] = {}
        for letter in letters:
            table = next((table for _, table in sort_letters([letter], self._settings.wants).changes), "")
            by_table.setdefault(table, []).append(letter)
        return by_table

    def _is_taken(self, table: str) -> bool:
        """Whether rows of this table have been loaded in this turn; of tickets, of their versions too."""
        return self._written.issuperset({table, TICKET_VERSIONS.name} if table == TICKETS.name else {table})

    def _judge(self) -> None:
        """Bury what was refused while others of its table were taken. Where none was it may be the table, and what
        waits for it is not to blame."""
        waiting = {
            table: refused
            for table, refused in self._refused.items()
            if self._is_given_up(table) or not self._is_taken(table)
        }
        self._held = set(waiting)
        for table in self._refused.keys() - waiting.keys():
            self._bury(self._refused[table])
        if waiting:
            self.report.error = " ".join(_nothing_taken(table, refused) for table, refused in waiting.items())

    def _load_together(self, letters: Sequence[Letter]) -> None:
        found = sort_letters(letters, self._settings.wants)
        nowhere = found.undeliverable | found.unwanted
        ids = [letter.id for letter in letters if letter.id not in nowhere]
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
            self._note_written(_written(self._pipeline))
            self.report.outcomes |= outcomes
            self.report.delivered += len(ids)
            gc.collect()  # what a load leaves behind are cycles, and the command looks for those too seldom for a drain
        self._bury(nowhere)

    def _note_written(self, tables: set[str]) -> None:
        self._written |= tables
        for table in tables:
            self._in_vain.pop(table, None)

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

    def _bury(self, reasons: Mapping[int, str]) -> None:
        self._inbox.bury(reasons)
        self.report.buried += len(reasons)


def _halves(letters: Sequence[Letter]) -> tuple[list[Letter], list[Letter]]:
    """Deliveries in two parts that chance makes: of any pattern of good and bad ones, some good ones are soon taken."""
    drawn = random.sample(letters, len(letters))
    return sorted(drawn[: len(drawn) // 2]), sorted(drawn[len(drawn) // 2 :])


def _written(pipeline: dlt.Pipeline) -> set[str]:
    """The raw tables that the last load has brought rows into."""
    trace = pipeline.last_trace
    info = trace.last_normalize_info if trace else None
    return {table for table, rows in info.row_counts.items() if rows} if info else set()


def _nothing_taken(table: str, refused: Mapping[int, str]) -> str:
    return (
        f"The warehouse takes nothing of {table}, not even a delivery by itself. It is hardly they that are at fault. "
        f"They wait in the inbox. See to the table, then run this again. The first: {refused[min(refused)]}"
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
