"""What carrying out a plan asks of one connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from pipelines.unified_api.records import Record
from pipelines.writeback.plan import Value


class Seen(NamedTuple):
    """A record, and when it was served by the server's clock."""

    record: Record
    served_at: datetime


class Desk(Protocol):
    """The calls to one connection. All raise the `TicketingError` that says what stands in the way; those that write
    raise `OutcomeUnknown` where nobody can say whether it was carried out."""

    def ticket(self, ticket_id: str) -> Seen:
        """A ticket, in all its fields."""

    def notes(self, ticket_id: str) -> list[Seen]:
        """All notes of a ticket."""

    def change(self, ticket_id: str, fields: Mapping[str, Value], known: Collection[str]) -> Seen:
        """Change these fields of a ticket and no others; the ticket as it is then, in all fields that are `known` of
        it."""

    def add_note(self, ticket_id: str, text: str) -> Seen:
        """Add a note to a ticket; the note."""
