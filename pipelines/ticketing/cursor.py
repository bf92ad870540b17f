"""Cursor arithmetic: where a walk starts and what a complete one may claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from transforms.values import parse_time


@dataclass(frozen=True)
class Cursor:
    """How far an object of a connection has been read: all of it that was updated from `since` (None: from the
    beginning) `through` a time, as of the last complete walk.
    """

    through: datetime
    since: datetime | None

    @classmethod
    def from_state(cls, state: dict[str, str | None] | None) -> Self | None:
        """The cursor as it was kept, or None before the first complete walk."""
        through = parse_time(state["through"]) if state else None
        return None if state is None or through is None else cls(through, parse_time(state["since"]))

    def to_state(self) -> dict[str, str | None]:
        return {"through": self.through.isoformat(), "since": self.since.isoformat() if self.since else None}

    def reaches_back_to(self, start_date: datetime | None) -> bool:
        """Whether what a start date asks for has been read; it may have been moved back since."""
        return self.since is None or (start_date is not None and start_date >= self.since)


def starts_at(cursor: Cursor | None, start_date: datetime | None, lookback: timedelta) -> datetime | None:
    """The `updated_gte` of a walk: a lookback before the cursor, since a record can become visible late.

    None reads everything. The lookback never reaches back before the start date.
    """
    if cursor is None or not cursor.reaches_back_to(start_date):
        return start_date
    anchor = cursor.through - lookback
    return anchor if start_date is None else max(anchor, start_date)


def advanced(
    cursor: Cursor | None, start: datetime | None, newest_seen: datetime | None, served_at: datetime | None
) -> Cursor | None:
    """The cursor after a complete walk from `start`.

    It stands at the newest `updated_at` seen, but never later than the server's clock when the walk began (a date in
    the future would hide every change until then), and never earlier than before.
    """
    if newest_seen is None or served_at is None:
        return cursor
    reached = min(newest_seen, served_at)
    if cursor is None:
        return Cursor(reached, start)
    since = None if start is None or cursor.since is None else min(start, cursor.since)
    return Cursor(max(cursor.through, reached), since)


def as_text(moment: datetime) -> str:
    """ISO-8601 in UTC with `Z`, to the millisecond where that is exact, else to the microsecond."""
    exact = moment.microsecond % 1000 == 0
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds" if exact else "microseconds")
    return text.replace("+00:00", "Z")
