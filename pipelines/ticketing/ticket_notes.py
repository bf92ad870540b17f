"""Notes of a helpdesk that lists them one ticket at a time: those of every ticket that changed, and of every open one
once a day."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Any, NamedTuple

from pipelines.errors import (
    CallsUsedUp,
    TicketingError,
    TryAgainLater,
    UnknownId,
)
from pipelines.ticketing.absences import Absences, ask_for_each, brake, raise_refusals
from pipelines.ticketing.object_api import ObjectApi, all_fields
from pipelines.ticketing.reading import Mark, Reader, observation
from pipelines.ticketing.run import Run
from pipelines.ticketing.threads import Thread, Threads, with_ticket
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.endpoints import NOTES, TICKETS
from pipelines.unified_api.records import Listed, Record
from pipelines.warehouse.intake import Staged
from pipelines.warehouse.stored import Stored, StoredTicket
from transforms.schemas import NOTE_SWEEPS
from transforms.shaping import Observation, Row, note_sweeps_table

SWEEP_EVERY = timedelta(hours=23)
"""Many helpdesks add a note without touching its ticket, so an open ticket is looked at once a day even if it did not
change; an hour less, for a daily run never begins quite a day after the last one read."""

BEGUN_IN_VAIN = "begun_in_vain"
"""The section of dlt's state that keeps at which ticket of a connection the calls of a run came to an end."""

TOO_LONG = "too_long"
"""The section that keeps the ticket for which all calls of a run were not enough."""

TICKETS_A_LOAD = 2_000
"""A load of its own, so that a run which is killed loses no more than these requests."""

_TICKETS_AT_A_TIME = 100
_CALLS_A_TICKET = 4
"""Where calls run out, so many for each that is begun: its notes, one that is not shown any more, and two to be sure
that this one is gone. It is done only then."""

_FAILURES_IN_A_ROW = 3
"""So many tickets that cannot be read, one after the other, and it may not be the tickets."""


class Reading(NamedTuple):
    """One reading of a ticket's notes; `notes_found` is None where they could not be read."""

    notes_found: int | None
    began_at: datetime


class TicketNotes(Reader):
    """The notes of one connection, ticket by ticket; never filtered by time, so that none is overlooked.

    Which tickets are due is read from the warehouse: those not read in their present state, then open ones that
    nobody looked at for a day. A `reconcile` or a full refresh reads them all. A note that its ticket no longer shows
    is asked for by its id and, if it is gone, gets a tombstone; where it cannot be asked for, only a `reconcile` that
    has read every ticket may say so, for it may belong to another ticket now, and only if its own was read or is gone.
    """

    def __init__(
        self, run: Run, target: Target, stored: Stored, kept: Mapping[str, Any], *, has_all_calls: bool = False
    ) -> None:
        super().__init__(run, target, NOTES, stored)
        run.put_off(target, self.plan)
        fields = all_fields(target, TICKETS, include_raw=run.settings.include_raw)
        self._tickets = ObjectApi(run.workspace.client, target, TICKETS, fields, self.outcome.calls)
        self._with_raw = self.api.reads_raw
        self._threads = Threads(self.api, run.settings.page_size, pages_by_offset=self.plan.pages_by_offset)
        self._swept = run.swept.setdefault(target.id, set())
        self._seen: set[str] = set()
        self._settled: set[str] = set()
        self._served_at = run.workspace.observed_at
        self._failures: dict[str, str] = {}
        self._failures_in_a_row = 0
        self._refusals: list[str] = []
        self._saw_every_end = True
        self._has_all_calls = has_all_calls
        self._may_leave_some = False
        self._first: str | None = kept.get(BEGUN_IN_VAIN)
        self._too_long: str | None = kept.get(TOO_LONG)
        self._begun_in_vain: str | None = None
        self._began_with: str | None = None

    def _tables(self) -> Iterator[Staged]:
        if self.run.goes_on:
            changed = self._changed_tickets()
            is_all = len(changed) < TICKETS_A_LOAD
            budget = self.run.settings.note_sweep_calls
            unswept = self._unswept_tickets(budget) if is_all else []
            self._may_leave_some = len(unswept) >= budget
            yield from self._read_first([*changed, *unswept])
            yield from self._read_all(self._in_turn(changed))
            yield from self._read_all(self._in_turn(unswept), self.outcome.calls.requests + budget)
            self._may_leave_some |= any(ticket.id not in self._swept for ticket in unswept)
        else:
            yield from self._read_all(self._all_tickets())
            is_all = True
        if self.run.command == "reconcile":
            yield from self._settle_all_notes()
        self._raise_failures()
        tickets = self.run.outcomes.get((self.target.id, TICKETS.table))
        if self.run.reads_tickets_first:
            self._swept.clear()  # they are looked for once more after the tickets
        elif is_all and tickets is not None and tickets.is_put_off:
            self.outcome.put_off()
        else:
            self.outcome.is_complete = is_all

    def marks(self) -> Iterator[Mark]:
        """The ticket that the next run begins with, and the one for which all calls of a run are not enough."""
        if self.run.goes_on:
            stopped_at = self._begun_in_vain
            is_too_long = self._has_all_calls and stopped_at is not None and stopped_at == self._began_with
            too_long = stopped_at if is_too_long else None if self._too_long in self._swept else self._too_long
            yield Mark(TOO_LONG, self.target.id, too_long)
            yield Mark(BEGUN_IN_VAIN, self.target.id, None if stopped_at == too_long else stopped_at)

    def _has_read_all(self) -> bool:
        return super()._has_read_all() and not self._may_leave_some

    @property
    def _was_ever_read(self) -> bool:
        return self.stored.a_note_but(()) is not None

    @property
    def _has_lost_hope(self) -> bool:
        return self._failures_in_a_row >= _FAILURES_IN_A_ROW

    def _all_tickets(self) -> list[StoredTicket]:
        if self.run.command == "reconcile":
            return self.stored.living_tickets()
        return self.stored.living_tickets(self.run.since)  # one changed since `until` may have notes from before it

    def _changed_tickets(self) -> list[StoredTicket]:
        limit = TICKETS_A_LOAD + len(self._swept)
        found = self.stored.changed_tickets(self.run.settings.lookback, limit, with_raw=self._with_raw)
        return [ticket for ticket in found if ticket.id not in self._swept][:TICKETS_A_LOAD]

    def _unswept_tickets(self, limit: int) -> list[StoredTicket]:
        return self.stored.unswept_tickets(self.run.workspace.observed_at - SWEEP_EVERY, limit)

    def _read_first(self, tickets: Iterable[StoredTicket]) -> Iterator[Staged]:
        """By itself, the ticket at which the calls of the last run came to an end, if it is still due."""
        for ticket in tickets:
            if ticket.id == self._first:
                self._began_with = ticket.id
                yield from self._read_all([ticket])
                return

    def _in_turn(self, tickets: Iterable[StoredTicket]) -> list[StoredTicket]:
        """Those that are still to be read, at their end the one for which all calls of a run are not enough."""
        left = [ticket for ticket in tickets if ticket.id not in self._swept]
        return sorted(left, key=lambda ticket: ticket.id == self._too_long)

    def _read_all(self, tickets: Sequence[StoredTicket], calls_until: float = inf) -> Iterator[Staged]:
        """The notes of tickets, until they or the calls are used up or nothing can be read any more."""
        begun = 0
        while begun < len(tickets):
            calls_left = self.run.workspace.client.budget.calls_left
            at_a_time = int(max(1, min(_TICKETS_AT_A_TIME, calls_left // _CALLS_A_TICKET)))
            yield from self._read(tickets[begun : begun + at_a_time], calls_until)
            begun += at_a_time

    def _read(self, tickets: Sequence[StoredTicket], calls_until: float) -> Iterator[Staged]:
        """The notes of some tickets, the tombstones of those that they no longer have, and that they were read."""
        found: list[tuple[Listed, Observation]] = []
        readings: dict[str, Reading] = {}
        unknown: dict[str, str] = {}
        stopped: CallsUsedUp | None = None
        for ticket, answer in self.run.crew(self.target).in_order(self._ask, self._within(calls_until, tickets)):
            match answer:
                case CallsUsedUp():
                    self._begun_in_vain = self._begun_in_vain or ticket.id
                    stopped = answer
                    continue
                case UnknownId():
                    unknown[ticket.id] = str(answer)
                case TicketingError():
                    self._failures[ticket.id] = str(answer)
                    self._failures_in_a_row += 1
                    readings[ticket.id] = Reading(None, self._served_at)
                case Thread():
                    self._failures_in_a_row = 0
                    notes = list(self._notes_in(answer))
                    found += notes
                    began_at = min((sight.observed_at for _, sight in notes), default=self._served_at)
                    readings[ticket.id] = Reading(len(notes), began_at)
            self._swept.add(ticket.id)
        yield from self.intake.staged(found, self.observed_via)
        try:
            yield from self._settle_readings(readings, unknown)
        except CallsUsedUp as error:
            stopped = error
            unsettled = self._with_open_notes(readings) | unknown.keys()
            self._begun_in_vain = self._begun_in_vain or min(unsettled, default=None)
            for ticket_id in unsettled:
                readings.pop(ticket_id, None)
        rows = [self._sweep(ticket, readings[ticket.id]) for ticket in tickets if ticket.id in readings]
        yield NOTE_SWEEPS, note_sweeps_table(rows)
        if stopped is not None:
            raise stopped

    def _settle_readings(self, readings: dict[str, Reading], unknown: Mapping[str, str]) -> Iterator[Staged]:
        """What is gone of tickets that were read, and of those that are unknown now, which get their readings here."""
        asked = self._ask_for_tickets(unknown)
        gone = {*asked.not_found}
        readings |= {ticket_id: Reading(0 if ticket_id in gone else None, self._served_at) for ticket_id in unknown}
        stopped = asked.stopped
        if self.run.command != "reconcile":
            read = [ticket_id for ticket_id, reading in readings.items() if reading.notes_found is not None]
            stopped = (yield from self._settle_notes_of(read)) or stopped
            for ticket_id in gone & self._with_open_notes(gone):
                # A ticket that is gone is not asked for again: it stays until its notes have been.
                gone.remove(ticket_id)
                del readings[ticket_id]
        yield from self._tombstones(TICKETS.table, sorted(gone), self._served_at, "not_found")
        if stopped is not None:
            raise stopped

    def _within(self, calls_until: float, tickets: Sequence[StoredTicket]) -> Iterator[StoredTicket]:
        """The tickets for which there are calls left, as long as there is hope; those that are being asked for may take
        two more calls each."""
        settled_before = len(self._swept)
        for asked, ticket in enumerate(tickets):
            under_way = asked - (len(self._swept) - settled_before)
            if self._has_lost_hope or self.outcome.calls.requests + 2 * under_way >= calls_until:
                return
            yield ticket

    def _ask(self, ticket: StoredTicket) -> Thread | TicketingError:
        return self._threads.ask(ticket.id)

    def _notes_in(self, answer: Thread) -> Iterator[tuple[Listed, Observation]]:
        self._saw_every_end = self._saw_every_end and answer.saw_the_end
        for page in answer.pages:
            first = self.outcome.rows_received + 1
            self._count(page)
            self._served_at = page.served_at
            for ordinal, note in enumerate(page.records, start=first):
                if isinstance(note, Record):
                    self._seen.add(note.id)
                yield note, observation(note, page.served_at, ordinal)

    def _ask_for_tickets(self, unknown: Mapping[str, str]) -> Absences:
        """Whether the API knows tickets of which it does not know the notes; those that are not gone have failed."""
        shown = self._tickets.shown_id() if unknown else None
        asked = ask_for_each(self._tickets, [*unknown] if shown else [], shown, self._tickets, self._tick)
        if asked.stopped is None:
            gone = {*asked.not_found}
            self._failures |= {ticket_id: said for ticket_id, said in unknown.items() if ticket_id not in gone}
        return asked

    def _settle_all_notes(self) -> Iterator[Staged]:
        """What became of every stored note that no ticket has shown, those of unread tickets left out."""
        living = self.stored.living_notes()
        known = {note_id: ticket_id for note_id, ticket_id in living.items() if ticket_id not in self._failures}
        brake(self.api, len(known.keys() - self._seen), len(known), self.run.largest_deletion)
        asked = self._ask_for_absent(known, next(iter(self._seen), None))
        yield from self._settle(asked, known)
        if self._saw_every_end and not self._failures:
            settled_tickets = self._swept | self.stored.deleted_ids(TICKETS.table)
            absent = [note_id for note_id in asked.cannot_be_asked if known[note_id] in settled_tickets]
            yield from self._tombstones(NOTES.table, absent, self._served_at, "absent")
        if asked.stopped is not None:
            raise asked.stopped

    def _settle_notes_of(self, ticket_ids: Sequence[str]) -> Generator[Staged, None, CallsUsedUp | None]:
        """What became of the stored notes of tickets that were read, and what kept some of them from being asked for.
        Where nothing else shows that notes can be asked for by their ids, nothing is said of them."""
        known = self.stored.notes_of(ticket_ids)
        witness = next(iter(self._seen), None) or self.stored.a_note_but(known)
        if witness is None:
            self._settled |= known.keys()
            return None
        asked = self._ask_for_absent(known, witness)
        yield from self._settle(asked, known)
        return asked.stopped

    def _with_open_notes(self, ticket_ids: Collection[str]) -> set[str]:
        """Those tickets that have stored notes of which nothing is known by now."""
        known = self.stored.notes_of([*ticket_ids])
        return {known[note_id] for note_id in known.keys() - self._seen - self._settled}

    def _ask_for_absent(self, known: Mapping[str, str | None], witness: str | None) -> Absences:
        absent = sorted(known.keys() - self._seen - self._settled)
        asked = ask_for_each(self.api, absent, witness, self._tickets, self._tick)
        self._settled |= asked.settled
        self._refusals += asked.refusals
        return asked

    def _settle(self, asked: Absences, known: Mapping[str, str | None]) -> Iterator[Staged]:
        """The notes that were found after all, as those of another ticket may be, and the tombstones of the others."""
        found = [(with_ticket(note, known[note.id]), served_at) for note, served_at in asked.found]
        yield from self.intake.staged([(note, observation(note, at, 1)) for note, at in found], self.observed_via)
        yield from self._tombstones(NOTES.table, asked.not_found, self._served_at, "not_found")

    def _raise_failures(self) -> None:
        if self._failures:
            others = "the rest was left for the next run" if self._has_lost_hope else "those of the others are in"
            raise TryAgainLater(
                f"The notes of {len(self._failures)} tickets could not be read, {others}. The first: "
                f"{next(iter(self._failures.values()))}"
            )
        raise_refusals(self._refusals, NOTES.table)

    def _sweep(self, ticket: StoredTicket, reading: Reading) -> Row:
        return {
            "connection_id": self.target.id,
            "ticket_id": ticket.id,
            "ticket_row_hash": None if reading.notes_found is None else ticket.row_hash,
            "notes_found": reading.notes_found,
            "with_raw": self._with_raw,
            "swept_at": reading.began_at,
        }

    def _tick(self) -> None:
        self.run.watcher.page_read(self.outcome)
