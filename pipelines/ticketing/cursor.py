"""Cursor arithmetic: where a walk starts and what a complete one may claim."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self, TypedDict

from transforms.values import EPOCH


class CursorState(TypedDict):
    """A cursor as dlt's state keeps it."""

    through: str | None
    since: str | None
    with_raw: bool


@dataclass(frozen=True)
class Cursor:
    """How far an object of a connection has been read: all of it that was updated from `since` (None: from the
    beginning) `through` a time, as of the last complete walk, and whether all of it came with its `raw`.

    `through` is None where a walk was complete and showed no time to go on from: nothing at all, or nothing dated.
    """

    through: datetime | None
    since: datetime | None
    with_raw: bool

    @classmethod
    def from_state(cls, state: CursorState | None) -> Self | None:
        """The cursor as it was kept, or None before the first complete walk."""
        if state is None:
            return None
        return cls(_moment(state["through"]), _moment(state["since"]), state["with_raw"])

    def to_state(self) -> CursorState:
        """A form that JSON can keep."""
        return {"through": _text(self.through), "since": _text(self.since), "with_raw": self.with_raw}

    def covers(self, start_date: datetime | None, with_raw: bool) -> bool:
        """Whether what is asked for now was read then: the start date may have been moved back, `raw` switched on."""
        reaches_back = self.since is None or (start_date is not None and start_date >= self.since)
        return reaches_back and (self.with_raw or not with_raw)


def starts_at(
    cursor: Cursor | None, start_date: datetime | None, lookback: timedelta, *, with_raw: bool
) -> datetime | None:
    """The `updated_gte` of a walk: a lookback before the cursor, since a record can become visible late.

    None reads everything. The lookback never reaches back before the start date. A cursor before 1970 comes from times
    that are none, and claims nothing.
    """
    if cursor is None or cursor.through is None or cursor.through < EPOCH:
        return start_date
    if not cursor.covers(start_date, with_raw):
        return start_date
    anchor = cursor.through - lookback
    return anchor if start_date is None else max(anchor, start_date)


def advanced(
    cursor: Cursor | None,
    start: datetime | None,
    newest_seen: datetime | None,
    served_at: datetime | None,
    *,
    with_raw: bool,
) -> Cursor:
    """The cursor after a complete walk from `start`.

    It stands at the newest `updated_at` seen, but never later than the server's clock when the walk began (a date in
    the future would hide every change until then), and never earlier than before.
    """
    reached = None if newest_seen is None or served_at is None else min(newest_seen, served_at)
    if cursor is None or cursor.through is None:
        return Cursor(reached, start, with_raw)
    if reached is None:
        return cursor
    gains_raw = with_raw and not cursor.with_raw
    if start is not None and (start > cursor.through or gains_raw):
        return Cursor(max(cursor.through, reached), start, with_raw)
    since = None if start is None or cursor.since is None else min(start, cursor.since)
    return Cursor(max(cursor.through, reached), since, with_raw)


def as_text(moment: datetime) -> str:
    """ISO-8601 in UTC with `Z`, to the millisecond where that is exact, else to the microsecond."""
    exact = moment.microsecond % 1000 == 0
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds" if exact else "microseconds")
    return text.replace("+00:00", "Z")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
