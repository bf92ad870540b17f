"""Notes of a helpdesk that lists them one ticket at a time: those of every ticket that changed, and of every open one
once a day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import msgspec

from pipelines.errors import ContradictsSupportTable, RequestRefused, TryAgainLater, UnknownId
from pipelines.ticketing.absences import ask_for_each, brake
from pipelines.ticketing.object_api import ObjectApi, all_fields
from pipelines.ticketing.reading import Reader, Staged, observation
from pipelines.ticketing.run import Run
from pipelines.ticketing.walk import TicketLists
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.endpoints import NOTES, TICKETS
from pipelines.unified_api.records import Listed, Record
from pipelines.warehouse.stored import StoredTicket
from transforms.schemas import NOTE_SWEEPS
from transforms.shaping import Observation, Row, note_sweeps_table
from transforms.values import Misfit, identity

SWEEP_EVERY = timedelta(hours=24)
"""Many helpdesks add a note without touching its ticket, so an open ticket is looked at even if it did not change."""

TICKETS_A_LOAD = 2_000
"""A load of its own, so that a run which is killed loses no more than these requests."""

_TICKETS_AT_A_TIME = 100
_FAILURES_IN_A_ROW = 3
"""So many tickets that cannot be read, one after the other, and it is not the tickets."""


class TicketNotes(Reader):
    """The notes of one connection, ticket by ticket; never filtered by time, so that none is overlooked.

    Which tickets are due is read from the warehouse: those not read in their present state, then open ones that
    nobody looked at for a day. A `reconcile` or a full refresh reads them all. A note that its ticket no longer shows
    is asked for by its id and, if it is gone, gets a tombstone.
    """

    def __init__(self, run: Run, target: Target) -> None:
        super().__init__(run, target, NOTES)
        run.put_off(target, self.plan)
        fields = all_fields(target, TICKETS, include_raw=run.settings.include_raw)
        self._tickets = ObjectApi(run.workspace.client, target, TICKETS, fields, self.outcome.calls)
        self._lists = TicketLists(run.settings.page_size, pages_by_offset=self.plan.pages_by_offset)
        self._seen: set[str] = set()
        self._settled: set[str] = set()
        self._served_at = run.workspace.observed_at
        self._failures: list[str] = []
        self._failures_in_a_row = 0

    def _tables(self) -> Iterator[Staged]:
        due, is_all = self._due()
        for start in range(0, len(due), _TICKETS_AT_A_TIME):
            yield from self._read(due[start : start + _TICKETS_AT_A_TIME])
            if self._has_lost_hope:
                break
        if self._failures:
            raise TryAgainLater(
                f"The notes of {len(self._failures)} tickets could not be read, those of the others are in. The first: "
                f"{self._failures[0]}"
            )
        if self.run.command == "reconcile":
            yield from self._settle_notes(self.stored.living_ids(NOTES.table))
        self.outcome.is_complete = is_all

    @property
    def _has_lost_hope(self) -> bool:
        return self._failures_in_a_row >= _FAILURES_IN_A_ROW

    def _due(self) -> tuple[list[StoredTicket], bool]:
        """The tickets to read in this load, and whether they are all that are due in this run."""
        if self.run.command == "reconcile" or self.run.full_refresh:
            return self.stored.living_tickets(), True
        if self.run.since is not None:
            return self.stored.living_tickets(self.run.since), True
        changed = self.stored.changed_tickets(TICKETS_A_LOAD)
        if len(changed) == TICKETS_A_LOAD:
            return changed, False
        swept_before = self.run.workspace.observed_at - SWEEP_EVERY
        return changed + self.stored.unswept_tickets(swept_before, self.run.settings.note_sweep_calls), True

    def _read(self, tickets: Sequence[StoredTicket]) -> Iterator[Staged]:
        """The notes of some tickets, the tombstones of those that they no longer have, and that they were read."""
        found: list[tuple[Listed, Observation]] = []
        counts: dict[str, int] = {}
        unknown: list[str] = []
        for ticket in tickets:
            if self._has_lost_hope:
                break
            try:
                notes = list(self._notes_of(ticket.id))
            except UnknownId:
                unknown.append(ticket.id)
                counts[ticket.id] = 0
            except (RequestRefused, TryAgainLater) as error:
                self._failures.append(str(error))
                self._failures_in_a_row += 1
            else:
                self._failures_in_a_row = 0
                found += notes
                counts[ticket.id] = len(notes)
        yield from self._staged(found, self.observed_via)
        yield from self._settle_tickets(unknown)
        yield from self._settle_notes(self.stored.notes_of([*counts]))
        rows = [self._sweep(ticket, counts[ticket.id]) for ticket in tickets if ticket.id in counts]
        yield NOTE_SWEEPS, note_sweeps_table(rows)

    def _notes_of(self, ticket_id: str) -> Iterator[tuple[Listed, Observation]]:
        for page in self._lists.walk(lambda parameters: self.api.list({**parameters, "ticket_id": ticket_id})):
            first = self.outcome.rows_received + 1
            self._count(page)
            self._served_at = page.served_at
            for ordinal, note in enumerate(page.records, start=first):
                owned = _owned(note, ticket_id)
                if isinstance(owned, Record):
                    self._seen.add(owned.id)
                yield owned, observation(owned, page.served_at, ordinal)

    def _settle_tickets(self, ids: Sequence[str]) -> Iterator[Staged]:
        """Tombstones of tickets whose notes the API does not know, if it does not know the tickets either."""
        asked = ask_for_each(self._tickets, ids, None, self._tickets, self._tick)
        yield from self._tombstones(TICKETS.table, asked.not_found, self._served_at, "not_found")

    def _settle_notes(self, known: set[str]) -> Iterator[Staged]:
        """What became of stored notes that no ticket has shown in this load."""
        absent = sorted(known - self._seen - self._settled)
        brake(absent, len(known), self.run.largest_deletion, NOTES.table)
        asked = ask_for_each(self.api, absent, next(iter(self._seen), None), self._tickets, self._tick)
        self._settled.update(absent)
        moved = [(note, observation(note, served_at, 1)) for note, served_at in asked.found]
        yield from self._staged(moved, self.observed_via)
        yield from self._tombstones(NOTES.table, asked.not_found, self._served_at, "not_found")
        yield from self._tombstones(NOTES.table, asked.cannot_be_asked, self._served_at, "absent")

    def _sweep(self, ticket: StoredTicket, notes_found: int) -> Row:
        return {
            "connection_id": self.target.id,
            "ticket_id": ticket.id,
            "ticket_row_hash": ticket.row_hash,
            "notes_found": notes_found,
            "swept_at": self._served_at,
        }

    def _tick(self) -> None:
        self.run.watcher.page_read(self.outcome)


def _owned(note: Listed, ticket_id: str) -> Listed:
    """The note with its ticket's id, which some helpdesks leave out where it was asked for.

    Raises `ContradictsSupportTable` for a note of another ticket: then nobody knows whose notes were listed.
    """
    if not isinstance(note, Record):
        return note
    try:
        said = identity(note.fields["ticket_id"])
    except (KeyError, Misfit):
        return replace(note, fields={**note.fields, "ticket_id": msgspec.Raw(msgspec.json.encode(ticket_id))})
    if said != ticket_id:
        raise ContradictsSupportTable(f"Expected only the notes of ticket {ticket_id}, but one of ticket {said} came")
    return note
