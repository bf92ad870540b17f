"""What a store tells of: one change of one record at one moment, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from pipelines.sandbox.shelf import Record, Stored

Happening = Literal["created", "updated", "deleted"]


@dataclass(frozen=True)
class Event:
    """One change of one record."""

    connection_id: str
    object_name: str
    happening: Happening
    stored: Stored
    """The record as it was at that moment, in full; of a deleted one, as it was last."""
    at: int
    """The sandbox's time, in milliseconds."""


class Watcher(Protocol):
    """Who is told, under the store's lock, for as long as there are webhooks."""

    def happened(self, event: Event) -> None:
        """A record was made, changed or removed."""

    def time_passed(self) -> None:
        """The clock has moved, or a webhook was changed; what the clock brings has not happened yet."""

    def subscribed(self, webhook: Record, *, include_all: bool) -> None:
        """There is a new webhook; `include_all` wants to hear first of all that there is."""
