"""Which state of a record stands, where events come late, doubled and out of order: a function of values.

The order of states is that of `updated_at`. What has none is told by polling alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

CLOCKS_DIFFER = timedelta(minutes=5)
"""By so much the clocks of this machine and of the API may."""


class Event(NamedTuple):
    """What one delivery says of one record: a state that it was in, or that it is gone."""

    updated_at: datetime | None
    received_at: datetime
    is_deletion: bool = False

    @property
    def gone_at(self) -> datetime:
        """When a record that is gone went, as far as is told."""
        return self.updated_at or self.received_at


@dataclass(frozen=True)
class Standing:
    """The state in which a record stands. `by`: the place of the event that brought its values, `gone_by`: that of the
    one that said that it is gone; None: it stood so before them. `is_unseen`: nothing was seen of it but its end."""

    updated_at: datetime | None
    seen_at: datetime
    deleted_at: datetime | None = None
    is_polled: bool = False
    is_unseen: bool = False
    by: int | None = None
    gone_by: int | None = None

    @property
    def is_as_before(self) -> bool:
        """Whether no event has changed it."""
        return self.by is None and self.gone_by is None


def settled(before: Standing | None, events: Iterable[Event]) -> Standing | None:
    """How a record stands after events, in the order in which they came; `before`: as it is stored, None: it is not."""
    standing = before
    for place, event in enumerate(events):
        after = _after_end if event.is_deletion else _after_state
        standing = after(standing, event, place)
    return standing


def _after_state(standing: Standing | None, event: Event, place: int) -> Standing:
    """What is gone is lifted by what is later, and told better by the last state before."""
    if standing is None or _is_newer(event, standing):
        return Standing(event.updated_at, event.received_at, by=place)
    if standing.deleted_at is not None and _is_later(event, standing):
        return replace(standing, updated_at=event.updated_at, is_unseen=False, by=place)
    return standing


def _is_newer(event: Event, standing: Standing) -> bool:
    """Whether an event tells of a later state. Of two with the same time the one that came later counts, unless the
    other was polled: that one was so when it was asked for."""
    if event.updated_at is None:
        return False
    if standing.deleted_at is not None:
        return event.updated_at > standing.deleted_at
    if event.updated_at != standing.updated_at:
        return standing.updated_at is not None and event.updated_at > standing.updated_at
    return not standing.is_polled and event.received_at >= standing.seen_at


def _is_later(event: Event, standing: Standing) -> bool:
    """Whether an event tells of a later state than what is known of a record that is gone."""
    if standing.is_unseen or event.updated_at is None:
        return standing.is_unseen
    return standing.updated_at is not None and event.updated_at > standing.updated_at


def _after_end(standing: Standing | None, event: Event, place: int) -> Standing:
    """A record that nobody has seen is gone, too: its states may come yet."""
    if standing is None:
        return Standing(event.updated_at, event.received_at, event.gone_at, is_unseen=True, by=place, gone_by=place)
    is_known = standing.deleted_at is not None and standing.deleted_at >= event.gone_at
    if is_known or _is_since(standing, event):
        return standing
    return replace(standing, deleted_at=event.gone_at, seen_at=event.received_at, gone_by=place)


def _is_since(standing: Standing, end: Event) -> bool:
    """Whether a record was seen after its end: with a later time, or, where word of the end tells none, after that had
    come; of what was polled, so long after it that two clocks cannot differ by as much."""
    if standing.deleted_at is not None:
        return False
    if end.updated_at is not None and standing.updated_at is not None:
        return standing.updated_at > end.updated_at
    return standing.seen_at > end.received_at + (CLOCKS_DIFFER if standing.is_polled else timedelta(0))
