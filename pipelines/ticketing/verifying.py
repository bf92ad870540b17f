"""Proof that the warehouse holds what the source shows: every record of one object, or a sample of them."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, TypeVar

from pipelines.errors import (
    CallNotOffered,
    CallsUsedUp,
    ContradictsSupportTable,
    GrantPermission,
    ParameterRefused,
    RequestRefused,
    TicketingError,
    TooManyDeletions,
    TryAgainLater,
    UnknownId,
)
from pipelines.ticketing.absences import FEW, brake
from pipelines.ticketing.comparing import Comparison
from pipelines.ticketing.cursor import Cursor, as_text
from pipelines.ticketing.ledger import Difference, Differs
from pipelines.ticketing.object_api import ID_FIELDS, ObjectApi
from pipelines.ticketing.plans import Strategy
from pipelines.ticketing.reading import Handed, observation
from pipelines.ticketing.run import Run
from pipelines.ticketing.threads import Thread, Threads
from pipelines.ticketing.verdict import LISTED, Gap, Kind, Verdict, explained, kind_of
from pipelines.ticketing.walk import Place, lowered, reread, times_of
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.endpoints import NOTES, TICKETS, Endpoint
from pipelines.unified_api.records import Page, Record
from pipelines.warehouse.intake import Staged
from pipelines.warehouse.stored import Stored, StoredThread
from transforms.schemas import SYNC_COVERAGE
from transforms.shaping import Row, other_columns, sync_coverage_table
from transforms.values import Misfit, decode, parse_time

_AT_ONCE = 1_000
"""So many records are fetched and loaded together."""

_COMPARED_AT_ONCE = 10_000
"""So many are compared with their rows: a look-up of many costs little more than one of few."""

_RECONCILED_WITHIN = timedelta(days=14)
"""Whoever marks deletions at all does so within this time: what is gone for longer was left here."""

_NOTHING_TO_COMPARE = "No sync has read it to its end yet, so there is nothing to compare: `ticketing sync`."

_NEVER = datetime.max.replace(tzinfo=UTC)

Found = dict[str, tuple[Record, datetime]]
"""Records by their ids, with the time at which each was served."""


Item = TypeVar("Item")


class Verification(Comparison):
    """Compares an object with its source and judges what differs.

    What the next sync brings is no gap: what has changed since the last one is told from what was missed by its time.
    What the source does not show is asked for by its id, for it may only have moved meanwhile. If the look repairs,
    exactly what is missing is fetched, and what is gone is marked.
    """

    def __init__(self, run: Run, target: Target, endpoint: Endpoint, stored: Stored) -> None:
        super().__init__(run, target, endpoint, stored, fields=None if run.look.is_deep else ID_FIELDS)
        self.look = run.look
        self.verdict = run.verdicts.setdefault((target.id, endpoint.table), Verdict())
        self._is_sample = run.look.sample is not None
        self._refusals: list[str] = []
        self._whole: list[tuple[Record, datetime]] = []
        """Records that were read whole, with the time at which each was served, not yet compared."""
        self._altered: set[str] = set()
        """The ids of rows that say something else than they did when they were loaded: no sync would replace them."""

    def tables(self) -> Iterator[Handed]:
        yield from super().tables()
        if self._is_left_to_threads:
            return
        row = self.outcome.row() | self.verdict.columns()
        row |= {"is_sample": self._is_sample, "is_deep": self.look.is_deep}
        yield SYNC_COVERAGE, sync_coverage_table([{name: row.get(name) for name in SYNC_COVERAGE.columns}])

    @property
    def _was_ever_read(self) -> bool:
        return self.stored.count(self.endpoint.table) > 0

    def _tables(self) -> Iterator[Staged]:
        may_tell_absent = self._look()
        self._compare_whole()
        if self._is_left_to_threads:
            self.run.put_off(self.target, self.plan)
            return
        self.verdict.shown, self.verdict.held = self._ledger.count()
        yield from self._judge_doubled()
        yield from self._judge_shown()
        yield from self._judge_unseen(may_tell_absent=may_tell_absent)
        self._raise_refusals()
        self.outcome.is_complete = True

    def _raise_refusals(self) -> None:
        if self._refusals:
            raise RequestRefused(
                f"{len(self._refusals)} {self.endpoint.table}, or tickets of theirs, were asked for without an answer, "
                f"so that nothing is said of them. The first: {self._refusals[0]}"
            )

    @property
    def _is_left_to_threads(self) -> bool:
        """Whether the list has turned out to be one that can only be read ticket by ticket."""
        return False

    @abstractmethod
    def _look(self) -> bool:
        """Fill the ledger; whether what was not shown is gone even if it cannot be asked for."""

    @abstractmethod
    def _read_until(self, difference: Difference) -> datetime | None:
        """What was updated before this time no sync reads again; None: a sync reads all of it."""

    @abstractmethod
    def _fetch(self, gaps: Sequence[Gap]) -> Found:
        """The records of some gaps, whole, as the source shows them now; those that are gone are left out."""

    def _explained(self, judged: Sequence[tuple[Difference, Kind]]) -> Iterator[Gap]:
        return explained(judged, self.verdict.read_through)

    def _show(self, page: Page) -> None:
        super()._show(page)
        if self.look.is_deep:
            self._whole += [(record, page.served_at) for record in page.records if isinstance(record, Record)]
            if len(self._whole) >= _COMPARED_AT_ONCE:
                self._compare_whole()

    def _compare_whole(self) -> None:
        whole, self._whole = self._whole, []
        self._ledger.hold_other(self._those_that_say_other(whole, counts=True) if whole else ())

    def _judge_doubled(self) -> Iterator[Staged]:
        """What the source shows takes the place of all rows, for one of them may have been altered; where it shows
        nothing any more, the newest is kept once this has been loaded."""
        rows = self.look.doubled.get((self.target.id, self.endpoint.table), {})
        states = {state.id: state for state in self.stored.states_of(self.endpoint.table, [*rows])}
        gaps = [
            Gap(
                Kind.DOUBLED,
                id,
                f"{count} rows had this id: something else than this program has written here",
                states[id].updated_at,
                states[id].ticket_id,
            )
            for id, count in rows.items()
        ]
        self.verdict.add(gaps)
        if self.look.repairs:
            self.verdict.repaired += len(gaps)
            for some in _portions(gaps):
                yield from self._found(self._fetch(some).values())

    def _judge_shown(self) -> Iterator[Staged]:
        """Judge what the source shows and the warehouse does not hold so."""
        judged: dict[str, tuple[Difference, Kind]] = {}
        for difference in self._differences():
            if self._comes_with_the_next_sync(difference):
                self.verdict.not_yet_read += 1
            elif kind := kind_of(difference, self._served_at):
                judged[difference.id] = difference, kind
        for gaps in _portions([*self._explained([*judged.values()])]):
            is_certain = not any(gap.kind is Kind.CHANGED or gap.updated_at is None for gap in gaps)
            fetched = {} if is_certain and not self.look.repairs else self._fetch(gaps)
            confirmed = [*self._confirmed(gaps, fetched, {gap.id: judged[gap.id][0] for gap in gaps})]
            self.verdict.add(confirmed)
            if self.look.repairs:
                repaired = [gap for gap in confirmed if gap.id in fetched]
                self.verdict.repaired += len(repaired)
                unknown = {gap.id for gap in repaired if gap.kind is Kind.MISSING}
                yield from self._found([fetched[gap.id] for gap in repaired], unknown)

    def _differences(self) -> Sequence[Difference]:
        return self._ledger.differences()

    def _comes_with_the_next_sync(self, difference: Difference) -> bool:
        if difference.differs is Differs.OTHER_CONTENT and difference.id in self._altered:
            return False
        until, moment = self._read_until(difference), difference.shown_at
        return until is None or (moment is not None and moment >= until)

    def _confirmed(self, gaps: Sequence[Gap], fetched: Found, differences: Mapping[str, Difference]) -> Iterator[Gap]:
        """Those that are gaps, and not what has changed meanwhile. One that nothing but its record tells of is none as
        long as the record could not be fetched."""
        changed = [gap.id for gap in gaps if gap.kind is Kind.CHANGED and gap.id in fetched]
        other = self._those_that_say_other([fetched[id] for id in changed])
        for gap in gaps:
            if gap.id not in fetched:
                if not _is_told_by_its_record(gap):
                    yield gap
                continue
            difference, record = differences[gap.id], fetched[gap.id][0]
            is_as_stored = gap.kind is Kind.STALE and record.updated_at == difference.held_at
            if is_as_stored and gap.updated_at is None:
                continue
            if self._has_moved(gap, difference, record):
                self.verdict.not_yet_read += 1
            elif gap.id in other:
                yield replace(gap, cause=f"{gap.cause}; it differs in {', '.join(other[gap.id])}")
            elif gap.kind is not Kind.CHANGED:
                yield gap

    def _has_moved(self, gap: Gap, difference: Difference, record: Record) -> bool:
        """Whether what makes a gap of it has come since the last sync, as far as only the whole record tells."""
        if gap.kind is Kind.CHANGED and record.updated_at != gap.updated_at:
            return True
        return gap.updated_at is None and self._undated_comes_with_the_next_sync(difference, record)

    def _undated_comes_with_the_next_sync(self, difference: Difference, record: Record) -> bool:
        """Whether the next sync reads what the list shows without a time: by the time that the record itself tells, by
        when it was made, or because a sync reads the list as a whole."""
        if record.updated_at is not None:
            return self._comes_with_the_next_sync(replace(difference, shown_at=record.updated_at))
        made_at = _made_at(record) if difference.differs is not Differs.OTHER_CONTENT else None
        if made_at is not None:
            until = self._read_until(difference)
            return until is None or made_at >= until
        is_altered = difference.id in self._altered
        return (
            self.plan.strategy is Strategy.WHOLE_LIST and difference.differs is not Differs.DELETED and not is_altered
        )

    def _those_that_say_other(
        self, records: Sequence[tuple[Record, datetime]], *, counts: bool = False
    ) -> dict[str, list[str]]:
        """By the ids of records whose stored rows do not say the same: the columns in which they differ. What was
        stored under other rules of privacy cannot be compared, and may be counted; nor can `raw` that was not stored,
        or not read."""
        table = self.endpoint.table
        seen = [observation(self._without_forgotten_addresses(record), at, 1) for record, at in records]
        shaped = self.intake.shaped(seen, self.observed_via).records.to_pylist()
        stored = {row["id"]: row for row in self.stored.records(table, [record.id for record, _ in records])}
        other = {}
        for row in shaped:
            held = stored.get(row["id"])
            if held is None:
                continue
            if held["_privacy"] != row["_privacy"]:
                self.verdict.not_comparable += counts
            elif columns := [name for name in other_columns(table, row, held) if _is_told_by_both(name, row, held)]:
                other[row["id"]] = columns
                if held["_row_hash"] == row["_row_hash"] and held["_deleted_at"] is None:
                    self._altered.add(row["id"])
        return other

    def _without_forgotten_addresses(self, record: Record) -> Record:
        forgotten = self.run.forgotten
        return replace(record, fields=forgotten.redacted(record.fields)) if forgotten.tombstones else record

    def _judge_unseen(self, *, may_tell_absent: bool) -> Iterator[Staged]:
        """Ask for what the warehouse holds and the source has not shown: for all of it only where it is to be marked,
        and may be."""
        table = self.endpoint.table
        unseen = self._ledger.unseen()
        refusal = self._brake(len(unseen))
        marks = self.look.repairs and refusal is None
        chosen = unseen if marks else unseen[:LISTED]
        asked = self._ask_for(chosen)
        absent = self._not_listed({*asked.cannot_be_asked}) if may_tell_absent and asked.cannot_be_asked else set[str]()
        gone = [*asked.not_found, *sorted(absent)]
        self._judge_gone(gone, marks=marks)
        if marks:
            yield from self._tombstones(table, asked.not_found, self._served_at, "not_found")
            yield from self._tombstones(table, sorted(absent), self._served_at, "absent")
        if asked.stopped is not None:
            raise asked.stopped
        self._refusals += asked.refusals
        if refusal is not None:
            raise refusal
        if len(chosen) < len(unseen):
            raise TooManyDeletions(
                f"{len(unseen):,} {table} are not shown any more, and only the first {len(chosen):,} of them were "
                f"asked for, so that nothing is said of {len(unseen) - len(chosen):,}. `ticketing reconcile "
                f"--connection {self.target.id} --select {table}` asks for all of them, and marks those that are gone."
            )

    def _brake(self, unseen: int) -> TooManyDeletions | None:
        """Why nothing may be marked as gone, where that is what the look is for."""
        if self.look.repairs and not self._is_sample:
            try:
                brake(self.api, unseen, self.verdict.held, self.run.largest_deletion)
            except TooManyDeletions as refusal:
                return refusal
        return None

    def _judge_gone(self, gone: Sequence[str], *, marks: bool) -> None:
        """What is gone is a gap where no reconcile has looked for it of late, or one has not marked what had been seen
        to be gone before it; the rest is for the next one."""
        reconciled_at = self.stored.reconciled_at(self.endpoint.table) if gone else None
        if reconciled_at is None:
            overdue, why = {*gone}, "no reconcile has ever been run here"
        elif reconciled_at < lowered(self._served_at, _RECONCILED_WITHIN):
            overdue, why = {*gone}, f"the last reconcile began long ago, at {as_text(reconciled_at)}"
        else:
            overdue = {*gone} & self.stored.seen_gone(self.endpoint.table, reconciled_at)
            why = f"the reconcile that began at {as_text(reconciled_at)} has not done so, though it was gone by then"
        cause = f"it is gone at the source and not marked as deleted here: {why}"
        self.verdict.gone = [*gone[:LISTED]]
        self.verdict.add([Gap(Kind.EXTRA, id, cause) for id in gone if id in overdue])
        self.verdict.not_yet_reconciled += len({*gone} - overdue)
        self.verdict.repaired += len(overdue) if marks else 0


class ListVerification(Verification):
    """An object that is listed as a whole."""

    def __init__(self, run: Run, target: Target, endpoint: Endpoint, stored: Stored, kept: Mapping[str, Any]) -> None:
        super().__init__(run, target, endpoint, stored)
        self._cursor = Cursor.from_state(kept.get("cursors"))
        self.verdict.read_through = self._cursor.through if self._cursor else None

    @property
    def _was_ever_read(self) -> bool:
        return self._cursor is not None or super()._was_ever_read

    @property
    def _is_left_to_threads(self) -> bool:
        return self.plan.strategy is Strategy.PER_TICKET

    def _look(self) -> bool:
        if self._cursor is None and not self._may_be_left_to_threads:
            if self.endpoint.is_optional:
                self._witness.shown_id()  # where the server refuses it there will never be anything to compare
            raise TryAgainLater(_NOTHING_TO_COMPARE)
        if self.look.sample is not None and (self.plan.sorts or self.plan.pages_by_offset):
            try:
                self._look_at_samples(self.look.sample)
            except (CallNotOffered, ContradictsSupportTable, ParameterRefused):
                pass  # the whole list can be read by a safer plan
            else:
                return False
        self._is_sample = False
        saw_the_end = self._show_list()
        if self._cursor is None and not self._is_left_to_threads:
            raise TryAgainLater(_NOTHING_TO_COMPARE)
        for states in self.stored.states(self.endpoint.table):
            self._ledger.hold(states)
        return saw_the_end

    @property
    def _may_be_left_to_threads(self) -> bool:
        """Whether a list that no sync has read to its end may be one that is read ticket by ticket."""
        return self.endpoint is NOTES and self.stored.reads_threads()

    def _look_at_samples(self, sample: int) -> None:
        """Pages from random places. Of a list that can be read from a time on, all that the warehouse holds between the
        first and the last of a page belongs to it; of others, only what is shown."""
        table = self.endpoint.table
        places = self.look.places.setdefault((self.target.id, table), [])
        places += [] if places else self._random_places(ceil(sample / self.run.settings.page_size))
        shown: set[str] = set()
        spans: list[tuple[datetime | None, datetime]] = []
        for place, page in self.run.crew(self.target).in_order(lambda place: self._page_at(self.api, place), places):
            self._show(page)
            shown |= {record.id for record in page.records}
            if self.plan.strategy is Strategy.BY_ANCHOR and (times := times_of(page.records)):
                spans.append((place.anchor, times[-1]))
        self._ledger.hold(self.stored.states_of(table, shown | self.stored.ids_between(table, spans)))

    def _random_places(self, pages: int) -> list[Place]:
        """Each place as likely as any other; the beginning, which no row may tell of, as likely as a page of them."""
        count, size = self.stored.count(self.endpoint.table), self.run.settings.page_size
        if self.plan.strategy is Strategy.BY_ANCHOR:
            there_are = max(1, ceil(count / size))
            begins = 0 in random.sample(range(there_are), min(pages, there_are))
            first = [Place(self.run.settings.earliest())] if begins else []
            return [*first, *map(Place, self.stored.moments(self.endpoint.table, pages - len(first)))]
        behind = max(0, count - size)
        return [Place(None, offset) for offset in random.sample(range(behind + 1), min(pages, behind + 1))]

    def _page_at(self, api: ObjectApi, place: Place) -> Page:
        by_anchor = self.plan.strategy is Strategy.BY_ANCHOR
        size, by_offset = self.run.settings.page_size, self.plan.pages_by_offset
        page, _ = reread(api.list, place, size, sort=self.plan.sorts, anchor=by_anchor, pages_by_offset=by_offset)
        return page

    def _comes_with_the_next_sync(self, difference: Difference) -> bool:
        since = self._cursor.since if self._cursor else None
        is_before_the_start = since is not None and difference.shown_at is not None and difference.shown_at < since
        if is_before_the_start and difference.differs is Differs.MISSING:
            return True  # as far as any sync would bring it
        return super()._comes_with_the_next_sync(difference)

    def _read_until(self, difference: Difference) -> datetime | None:  # noqa: ARG002
        through = self.verdict.read_through
        return None if through is None else lowered(through, self.run.settings.lookback)

    def _fetch(self, gaps: Sequence[Gap]) -> Found:
        wanted = {gap.id for gap in gaps}
        found: Found = {}
        if self.plan.strategy is Strategy.BY_ANCHOR:
            found = self._fetch_by_time(wanted, sorted({gap.updated_at for gap in gaps if gap.updated_at is not None}))
        left = sorted(wanted - found.keys())
        if left and self._records.offers_get:
            found |= self._fetch_one_by_one(left)
        elif left:
            found |= self._fetch_from_the_list({*left})
        return found

    def _fetch_by_time(self, wanted: set[str], times: Sequence[datetime]) -> Found:
        """From pages that begin at these times: what lies close together comes in one."""
        found: Found = {}
        reached = None
        for moment in times:
            if reached is None or moment >= reached:
                page = self._page_at(self._records, Place(moment))
                reached = max(times_of(page.records), default=moment)
                found |= _those_in(page, wanted)
                self._tick()
        return found

    def _fetch_one_by_one(self, ids: Sequence[str]) -> Found:
        found: Found = {}
        for id, answer in self.run.crew(self.target).in_order(self._get, ids):
            self._tick()
            match answer:
                case CallsUsedUp():
                    raise answer
                case CallNotOffered():
                    return found | self._fetch_from_the_list({*ids} - found.keys())
                case UnknownId():
                    pass  # it is gone by now
                case TicketingError():
                    self._refusals.append(str(answer))
                    if len(self._refusals) >= FEW:
                        break
                case _ if answer[0].id == id:
                    found[id] = answer
        return found

    def _get(self, id: str) -> Any:
        return _asked(self._records, id)

    def _fetch_from_the_list(self, wanted: set[str]) -> Found:
        found: Found = {}
        self.api, ids_only = self._records, self.api
        try:
            for page in self._pages(self._start()):
                found |= _those_in(page, wanted)
                self._tick()
        finally:
            self.api = ids_only
        return found


class ThreadVerification(Verification):
    """Notes that are listed one ticket at a time: those of every living ticket, or of some."""

    def __init__(self, run: Run, target: Target, stored: Stored) -> None:
        super().__init__(run, target, NOTES, stored)
        size, by_offset = run.settings.page_size, self.plan.pages_by_offset
        self._threads = Threads(self.api, size, pages_by_offset=by_offset)
        self._whole_threads = Threads(self._records, size, pages_by_offset=by_offset)
        self._witness = ObjectApi(run.workspace.client, target, TICKETS, ID_FIELDS, self.outcome.calls)
        self._tickets: dict[str, StoredThread] = {}

    def _look(self) -> bool:
        lookback, with_raw = self.run.settings.lookback, self._records.reads_raw
        self._tickets = {thread.id: thread for thread in self.stored.threads(lookback, with_raw=with_raw)}
        saw_every_end = True
        unread: set[str] = set()
        for some in _portions(self._chosen_tickets()):
            read, saw_their_ends = self._show_threads(some)
            saw_every_end = saw_every_end and saw_their_ends
            if self._is_sample:
                self._ledger.hold(self.stored.states_of_notes(sorted(read)))
            unread.update({*some} - read)
        if self._is_sample:
            return False
        for states in self.stored.states(NOTES.table):
            self._ledger.hold([state for state in states if state.ticket_id not in unread])
        return saw_every_end and not self._refusals

    def _chosen_tickets(self) -> list[str]:
        sample = self.look.sample
        if sample is None or sample >= len(self._tickets):
            self._is_sample = False
            return [*self._tickets]
        places = self.look.places.setdefault((self.target.id, NOTES.table), [])
        places += [] if places else random.sample([*self._tickets], sample)
        return [id for id in places if id in self._tickets]

    def _show_threads(self, ticket_ids: Sequence[str]) -> tuple[set[str], bool]:
        """Show the ledger the notes of some tickets. Returns those that were read, and whether all were seen to their
        ends."""
        read = set[str]()
        saw_every_end = True
        for ticket_id, answer in self.run.crew(self.target).in_order(self._threads.ask, ticket_ids):
            match answer:
                case CallsUsedUp():
                    raise answer
                case Thread():
                    saw_every_end = saw_every_end and answer.saw_the_end
                    for page in answer.pages:
                        self._show(page)
                    read.add(ticket_id)
                case UnknownId():
                    read.add(ticket_id)  # it is gone, and its notes may be
                case TicketingError():
                    self._refusals.append(str(answer))
        return read, saw_every_end

    def _differences(self) -> Sequence[Difference]:
        """The next sync reads all notes of a closed ticket that has moved since they were read; where that cannot be
        told, it is taken for an open one."""
        differences = self._ledger.differences()
        threads = [self._tickets[id] for id in {each.ticket_id for each in differences} if id in self._tickets]
        closed = sorted(thread.id for thread in threads if thread.is_closed and not thread.is_due)
        self._tickets |= {id: self._tickets[id]._replace(is_closed=False) for id in closed}
        for id, has_moved in self._moved(closed if self._witness.offers_get else []):
            self._tickets[id] = self._tickets[id]._replace(is_closed=True, is_due=has_moved)
        return differences

    def _moved(self, ticket_ids: Sequence[str]) -> Iterator[tuple[str, bool]]:
        """Of those tickets that can be asked for by their ids, whether they have moved since their notes were read. One
        that has not and is stored with another time was missed."""
        stored = {state.id: state.updated_at for state in self.stored.states_of(TICKETS.table, ticket_ids)}
        for id, answer in self.run.crew(self.target).in_order(self._ask_for_ticket, ticket_ids):
            self._tick()
            match answer:
                case CallsUsedUp():
                    raise answer
                case CallNotOffered():
                    return
                case UnknownId():
                    yield id, True
                case TicketingError():
                    self._refusals.append(str(answer))
                    if len(self._refusals) >= FEW:
                        return
                case _ if (moment := answer[0].updated_at) is not None:
                    swept_at = self._tickets[id].swept_at or moment
                    yield id, moment != stored[id] and moment >= lowered(swept_at, self.run.settings.lookback)

    def _ask_for_ticket(self, id: str) -> Any:
        return _asked(self._witness, id)

    def _read_until(self, difference: Difference) -> datetime | None:
        """A ticket whose notes are due is read again as a whole; what is added to an open one, or to one of which
        nothing is known by now, within a day."""
        thread = self._tickets.get(difference.ticket_id or "")
        if thread is None or thread.is_due or thread.swept_at is None:
            return None
        return _NEVER if thread.is_closed else lowered(thread.swept_at, self.run.settings.lookback)

    def _explained(self, judged: Sequence[tuple[Difference, Kind]]) -> Iterator[Gap]:
        tickets = {difference.ticket_id for difference, kind in judged if kind is Kind.MISSING and difference.ticket_id}
        with_notes = {*self.stored.notes_of(sorted(tickets)).values()}
        for gap in super()._explained(judged):
            if gap.kind is Kind.MISSING and gap.ticket_id:
                yield replace(gap, cause=self._cause_of_missing(gap, has_others=gap.ticket_id in with_notes))
            else:
                yield gap

    def _cause_of_missing(self, gap: Gap, *, has_others: bool) -> str:
        thread = self._tickets[gap.ticket_id or ""]
        read_at = "" if thread.swept_at is None else f", which were read at {as_text(thread.swept_at)}"
        if not has_others:
            return f"none of the notes of ticket {thread.id} is here{read_at}: the whole thread was lost"
        if gap.updated_at is not None and thread.swept_at is not None and gap.updated_at > thread.swept_at:
            return f"it was added to ticket {thread.id}, which is closed and was not moved: no sync looks there"
        return f"it is not among the notes of ticket {thread.id} here{read_at}: it was missed, or removed here"

    def _fetch(self, gaps: Sequence[Gap]) -> Found:
        found: Found = {}
        tickets = sorted({gap.ticket_id for gap in gaps if gap.ticket_id})
        wanted = {gap.id for gap in gaps}
        for _, answer in self.run.crew(self.target).in_order(self._whole_threads.ask, tickets):
            self._tick()
            match answer:
                case CallsUsedUp():
                    raise answer
                case Thread():
                    for page in answer.pages:
                        found |= _those_in(page, wanted)
                case UnknownId():
                    pass  # it is gone by now
                case TicketingError():
                    self._refusals.append(str(answer))
        return found


def _portions(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _those_in(page: Page, wanted: set[str]) -> Found:
    return {
        record.id: (record, page.served_at)
        for record in page.records
        if isinstance(record, Record) and record.id in wanted
    }


def _asked(api: ObjectApi, id: str) -> Any:
    """A record and when it was served, or what was said instead of an answer."""
    try:
        return api.get(id)
    except (CallNotOffered, CallsUsedUp, GrantPermission, RequestRefused, TryAgainLater, UnknownId) as error:
        return error


def _is_told_by_its_record(gap: Gap) -> bool:
    return gap.kind is Kind.CHANGED or (gap.kind is Kind.STALE and gap.updated_at is None)


def _is_told_by_both(column: str, row: Row, held: Row) -> bool:
    return column != "raw" or (row[column] is not None and held[column] is not None)


def _made_at(record: Record) -> datetime | None:
    """When a record was made, as far as it tells."""
    try:
        return parse_time(decode(record.fields["created_at"]))
    except (KeyError, Misfit):
        return None
