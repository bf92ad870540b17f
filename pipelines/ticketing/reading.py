"""Reading one object of one connection: from its cursor, by its plan, to tables and a new cursor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa

from pipelines.errors import (
    CallNotOffered,
    CallsUsedUp,
    ContradictsSupportTable,
    GrantPermission,
    ParameterRefused,
    RequestRefused,
    TicketingError,
)
from pipelines.ticketing.coverage import Coverage
from pipelines.ticketing.cursor import Cursor, advanced
from pipelines.ticketing.object_api import ObjectApi, all_fields
from pipelines.ticketing.plans import Plan, Strategy, safer_plan
from pipelines.ticketing.run import Run
from pipelines.ticketing.stretches import Wanted
from pipelines.ticketing.walk import Place, Walk, reread
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.endpoints import Endpoint
from pipelines.unified_api.records import Listed, Page, Rejected, State
from pipelines.warehouse.intake import Intake, Staged
from pipelines.warehouse.stored import Stored
from transforms.schemas import RECORD_TABLES
from transforms.shaping import Observation, tombstones

ROWS_A_TABLE = 1_000
"""So many rows of one object wait to be shaped together: hundreds of objects may be read side by side."""

_MOST_SHOWN = 50_000
"""So many states are kept in mind, to tell what a walk has left out from what it has shown."""


class Mark(NamedTuple):
    """How far a connection's object has been read with the rows handed over before this: what dlt's state is to keep
    of it in one of its sections, None: nothing."""

    section: str
    connection_id: str
    kept: object


@dataclass(frozen=True)
class Account:
    """What became of a connection's object, as a row of `sync_runs`, and how far it has been read by now. They are one
    thing, so that no load holds the one without the other."""

    row: pa.Table
    marks: Sequence[Mark]


Handed: TypeAlias = Staged | Mark | Account


class Reader(ABC):
    """One object of one connection, read once. `outcome` is final when `tables` has ended."""

    looks_ahead = True
    """Whether pages of a list that can only be paged by offset may be asked for before those in front of them."""

    def __init__(
        self, run: Run, target: Target, endpoint: Endpoint, stored: Stored, *, fields: tuple[str, ...] | None = None
    ) -> None:
        self.run = run
        self.target = target
        self.endpoint = endpoint
        self.plan = run.plan(target, endpoint)
        self.stored = stored
        self.outcome = run.outcome(target, endpoint)
        self.intake = Intake(self.outcome, run.protection(target), run.forgotten)
        if fields is None:
            fields = all_fields(target, endpoint, include_raw=run.settings.include_raw)
        self.api = ObjectApi(run.workspace.client, target, endpoint, fields, self.outcome.calls)

    def tables(self) -> Iterator[Handed]:
        """Arrow tables of what there is to read, and how far it has been read with them. A `TicketingError` ends them
        and is told in the outcome."""
        try:
            if self.target.problem is not None:
                raise RequestRefused(self.target.problem)
            if self.target.skipped is not None:
                self.outcome.plan = f"skipped, {self.target.skipped}"
            elif self.plan.strategy is not Strategy.NOT_OFFERED:
                yield from self._tables()
            elif reason := self.target.not_granted(self.endpoint):
                self.run.leave_out(self.outcome, reason)
            elif self._was_ever_read:
                raise CallNotOffered(f"It was read before, but now {self.plan.reason}. The rows stay as they are.")
        except CallNotOffered as refusal:
            if self._was_ever_offered or self._was_ever_read:
                self.outcome.error = str(refusal)
            else:
                self.run.leave_out(self.outcome, "the server says so")
        except GrantPermission as refusal:
            if self.endpoint.is_optional and self.outcome.pages == 0:
                self.run.leave_out(self.outcome, f"the server refuses it without {self.endpoint.permission}")
            else:
                self.outcome.error = str(refusal)
        except CallsUsedUp:
            self.outcome.put_off()
        except TicketingError as error:
            self.outcome.error = str(error)
        if self._has_read_all():
            self.outcome.read_through = self.run.workspace.observed_at
        self.outcome.ended_at = datetime.now(UTC)

    def _has_read_all(self) -> bool:
        """Whether this run leaves nothing unread of what had changed when it began."""
        is_whole = self.outcome.is_complete and not self.outcome.is_put_off and self.outcome.error is None
        return is_whole and self.run.command == "sync" and self.run.moves_cursors

    def marks(self) -> Iterator[Mark]:
        """How far it has been read, once `tables` has ended."""
        return iter(())

    @property
    def _was_ever_read(self) -> bool:
        """Whether an earlier run has read it, as far as is known."""
        return False

    @abstractmethod
    def _tables(self) -> Iterator[Handed]:
        """What `tables` yields where the object can be read at all."""

    @property
    def _was_ever_offered(self) -> bool:
        """Whether the support table says that the object can be read, or the server has shown it."""
        return self.target.support(self.endpoint) is not None or self.outcome.pages > 0

    def _pages(self, start: datetime | None, coverage: Coverage | None = None) -> Walk:
        """The walk of the plan; where the server contradicts its support table, that of a safer one after it.

        It ends early where only reading ticket by ticket is left.
        """
        is_of_tickets = self.endpoint.table == "notes"
        settings = self.run.settings
        wanted = Wanted(
            start,
            settings.page_size,
            self.run.crew(self.target),
            coverage or Coverage(start),
            self.run.until,
            settings.lookback,
            self.looks_ahead,
        )
        while self.plan.strategy is not Strategy.PER_TICKET:
            try:
                return (yield from self.plan.walk(self.api.list, wanted))
            except (ContradictsSupportTable, ParameterRefused) as contradiction:
                safer = safer_plan(self.plan, str(contradiction), is_of_tickets=is_of_tickets)
                if safer is None:
                    raise
                self._change_plan(safer)
                wanted.coverage.forget()
            except CallNotOffered as refusal:
                if not is_of_tickets:
                    raise
                self._change_plan(Plan(Strategy.PER_TICKET, str(refusal), self.plan.pages_by_offset))
        return False

    def _change_plan(self, plan: Plan) -> None:
        self.plan = plan
        self.outcome.plan = f"{plan.strategy.value}, {plan.reason}"

    def _count(self, page: Page) -> None:
        self.outcome.pages += 1
        self.outcome.rows_received += len(page.records)
        self.run.watcher.page_read(self.outcome)

    def _tombstones(self, table: str, ids: Sequence[str], deleted_at: datetime, reason: str) -> Iterator[Staged]:
        """The stored rows of records that are gone, marked so."""
        for start in range(0, len(ids), ROWS_A_TABLE):
            stored = self.stored.records(table, ids[start : start + ROWS_A_TABLE])
            self.outcome.rows_deleted += len(stored)
            via = self.observed_via
            yield (
                RECORD_TABLES[table],
                tombstones(table, stored, deleted_at=deleted_at, reason=reason, observed_via=via),
            )

    @property
    def observed_via(self) -> str:
        return "poll" if self.run.command == "sync" else self.run.command


class ListReader(Reader):
    """An object that is read as one list. What is kept of it between runs, and handed over in marks: its `cursors`, the
    `places` of its slow second look, and the `spans` of a walk that was cut short."""

    def __init__(self, run: Run, target: Target, endpoint: Endpoint, stored: Stored, kept: Mapping[str, Any]) -> None:
        super().__init__(run, target, endpoint, stored)
        self.cursor = Cursor.from_state(kept.get("cursors"))
        self.place = Place.from_state(kept.get("places"))
        self.outcome.cursor_before = self.cursor.through if self.cursor else None
        self._start = run.start(self.cursor, with_raw=self.api.reads_raw)
        spans = kept.get("spans") if self.run.goes_on else None
        self._coverage = Coverage.from_state(spans, self._start, with_raw=self.api.reads_raw)
        self._began_at: datetime | None = None
        self._newest: datetime | None = None
        self._shown: set[State] = set()

    @property
    def _was_ever_read(self) -> bool:
        return self.cursor is not None

    def _tables(self) -> Iterator[Handed]:
        yield from self._batched(self._walk(), self.observed_via)
        self.outcome.is_complete = self.plan.strategy is not Strategy.PER_TICKET
        if self._may_look_again():
            yield from self._batched(self._look_again(), "reread")
        if self.plan.strategy is Strategy.PER_TICKET:
            self.outcome.is_complete = False
            self.run.put_off(self.target, self.plan)

    def tables(self) -> Iterator[Handed]:
        yield from super().tables()
        if self.outcome.is_complete and self.run.moves_cursors:
            start = None if self.plan.strategy is Strategy.WHOLE_LIST else self._start
            self.cursor = advanced(self.cursor, start, self._newest, self._began_at, with_raw=self.api.reads_raw)
        self.outcome.cursor_after = self.cursor.through if self.cursor else None
        if self.api.unnamed:
            self.outcome.plan += f", without {', '.join(self.api.unnamed)} (the API refuses to name them)"

    def marks(self) -> Iterator[Mark]:
        if self.run.moves_cursors:
            yield Mark("cursors", self.target.id, self.cursor.to_state() if self.cursor else None)
            yield Mark("places", self.target.id, self.place.to_state() if self.place else None)
            yield from self._spans()

    def _spans(self) -> Iterator[Mark]:
        """How far a walk has come that the next run goes on with if it is cut short."""
        goes_by_anchor = self.plan.strategy is Strategy.BY_ANCHOR
        if self.outcome.is_complete or (self.run.goes_on and not goes_by_anchor):
            yield Mark("spans", self.target.id, None)
        elif self.run.goes_on:
            yield Mark(
                "spans", self.target.id, self._coverage.to_state(with_raw=self.api.reads_raw, began_at=self._began_at)
            )

    def _walk(self) -> Iterator[Page]:
        for page in self._pages(self._start, self._coverage):
            self._take_note(page)
            until = self.run.until
            wanted = [record for record in page.records if not _is_later(record, until)] if until else page.records
            yield Page(wanted, page.served_at)

    def _take_note(self, page: Page) -> None:
        """Of a time in the future nothing: it does not tell how far the helpdesk's clock has come."""
        self._began_at = self._began_at or page.served_at
        times = [
            record.updated_at
            for record in page.records
            if record.updated_at is not None and record.updated_at <= page.served_at
        ]
        self._newest = max(times if self._newest is None else [*times, self._newest], default=None)
        if self._may_look_again() and len(self._shown) < _MOST_SHOWN:
            self._shown.update(record.state for record in page.records)

    def _may_look_again(self) -> bool:
        is_wanted = self.run.moves_cursors and self.run.settings.reread_pages > 0
        left_something_out = self.cursor is not None and self._start is not None
        return is_wanted and left_something_out and self.plan.is_incremental

    def _look_again(self) -> Iterator[Page]:
        """A second look at what the walk left out, for what changed without saying so; where it shows that the server
        contradicts its support table, at all there is."""
        try:
            yield from self._look_slowly()
        except ContradictsSupportTable as contradiction:
            self.place = None
            safer = safer_plan(self.plan, str(contradiction), is_of_tickets=self.endpoint.table == "notes")
            if safer is None:
                raise
            self._change_plan(safer)
            yield from self._pages(None)

    def _look_slowly(self) -> Iterator[Page]:
        """The next few pages of a slow reading of all that the walk left out."""
        by_anchor = self.plan.strategy is Strategy.BY_ANCHOR
        place = self.place or Place(self.run.settings.earliest() if by_anchor else None)
        for _ in range(self.run.settings.reread_pages):
            page, behind = reread(
                self.api.list,
                place,
                self.run.settings.page_size,
                sort=self.plan.sorts,
                anchor=by_anchor,
                pages_by_offset=self.plan.pages_by_offset,
            )
            yield Page([record for record in page.records if self._is_left_out(record)], page.served_at)
            if behind is None or self._has_met_the_walk(behind):
                self.place = None
                return
            place = behind
        self.place = place

    def _has_met_the_walk(self, place: Place) -> bool:
        return self._start is not None and place.anchor is not None and place.anchor >= self._start

    def _is_left_out(self, record: Listed) -> bool:
        """Whether the walk did not show a record that is to be read. Its time does not tell: one in the wrong place may
        have hidden others from the walk."""
        earliest = self.run.settings.earliest()
        is_wanted = record.updated_at is None or earliest is None or record.updated_at >= earliest
        return is_wanted and record.state not in self._shown

    def _batched(self, pages: Iterable[Page], observed_via: str) -> Iterator[Handed]:
        """The tables of some pages at a time. What came before an error is kept: it need not be read in vain."""
        waiting: list[tuple[Listed, Observation]] = []
        try:
            for page in pages:
                if len(waiting) >= ROWS_A_TABLE:
                    yield from self.intake.staged(waiting, observed_via)
                    yield from self._spans()
                    waiting = []
                waiting += self._observed(page)
                self._count(page)
        except TicketingError:
            yield from self.intake.staged(waiting, observed_via)
            raise
        yield from self.intake.staged(waiting, observed_via)

    def _observed(self, page: Page) -> Iterator[tuple[Listed, Observation]]:
        for ordinal, record in enumerate(page.records, start=self.outcome.rows_received + 1):
            yield record, observation(record, page.served_at, ordinal, is_baseline=self._is_baseline(record))

    def _is_baseline(self, record: Listed) -> bool:
        """Whether nothing was known of its time before this run, or it differs only by `raw`: then its state tells of
        no change."""
        if self.cursor is None:
            began_at = self._coverage.began_at
            return began_at is None or record.updated_at is None or record.updated_at <= began_at
        if record.updated_at is None:
            return False
        since, through = self.cursor.since, self.cursor.through
        is_new = since is not None and record.updated_at < since
        is_as_known = through is not None and record.updated_at <= through
        return is_new or (is_as_known and self.cursor.with_raw != self.api.reads_raw)


def _is_later(record: Listed, until: datetime) -> bool:
    return record.updated_at is not None and record.updated_at > until


def observation(record: Listed, served_at: datetime, ordinal: int, *, is_baseline: bool = False) -> Observation:
    """What was seen of a record, for shaping."""
    if isinstance(record, Rejected):
        return Observation({}, served_at, ordinal)
    return Observation(record.fields, served_at, ordinal, is_baseline)
