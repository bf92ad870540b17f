"""The notes of one ticket, where a helpdesk lists them so."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import msgspec

from pipelines.errors import (
    CallsUsedUp,
    ContradictsSupportTable,
    GrantPermission,
    RequestRefused,
    TicketingError,
    TryAgainLater,
    UnknownId,
)
from pipelines.ticketing.object_api import ObjectApi
from pipelines.ticketing.walk import TicketLists
from pipelines.unified_api.records import Listed, Page, Record
from transforms.values import Misfit, identity

_OF_ONE_TICKET = (
    CallsUsedUp,
    ContradictsSupportTable,
    GrantPermission,
    RequestRefused,
    TryAgainLater,
    UnknownId,
)
"""What may keep the notes of a ticket from being read; anything else concerns them all."""


class Thread(NamedTuple):
    """The notes of one ticket as they were listed."""

    pages: list[Page]
    saw_the_end: bool


class Threads:
    """Lists notes ticket by ticket."""

    def __init__(self, api: ObjectApi, page_size: int, *, pages_by_offset: bool) -> None:
        self._api = api
        self._lists = TicketLists(page_size, pages_by_offset=pages_by_offset)

    def ask(self, ticket_id: str) -> Thread | TicketingError:
        """The notes of one ticket, or what was said instead of them that does not concern the others."""
        walk = self._lists.walk(lambda parameters: self._api.list({**parameters, "ticket_id": ticket_id}))
        pages = []
        try:
            while True:
                page = next(walk)
                pages.append(Page([_owned(note, ticket_id) for note in page.records], page.served_at))
        except StopIteration as end:
            return Thread(pages, bool(end.value))
        except _OF_ONE_TICKET as error:
            return error


def with_ticket(note: Record, ticket_id: str | None) -> Record:
    """The note with its ticket's id where it has none itself: some helpdesks leave out what was asked for."""
    if ticket_id is None or ticket_of(note) is not None:
        return note
    return replace(note, fields={**note.fields, "ticket_id": msgspec.Raw(msgspec.json.encode(ticket_id))})


def ticket_of(note: Record) -> str | None:
    """The id of a note's ticket, as far as it tells."""
    try:
        return identity(note.fields["ticket_id"])
    except (KeyError, Misfit):
        return None


def _owned(note: Listed, ticket_id: str) -> Listed:
    """The note with its ticket's id. Raises `ContradictsSupportTable` for a note of another ticket: then nobody knows
    whose notes were listed."""
    if not isinstance(note, Record):
        return note
    said = ticket_of(note)
    if said not in {None, ticket_id}:
        raise ContradictsSupportTable(f"Expected only the notes of ticket {ticket_id}, but one of ticket {said} came")
    return with_ticket(note, ticket_id)
