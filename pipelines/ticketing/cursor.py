"""Cursor arithmetic: where a walk starts and what a complete one may claim."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def starts_at(cursor: datetime | None, start_date: datetime | None, lookback: timedelta) -> datetime | None:
    """The `updated_gte` of a walk: a lookback before the cursor, since a record can become visible late.

    None reads everything. The lookback never reaches back before the start date.
    """
    if cursor is None:
        return start_date
    anchor = cursor - lookback
    return anchor if start_date is None else max(anchor, start_date)


def advanced(cursor: datetime | None, newest_seen: datetime | None, served_at: datetime | None) -> datetime | None:
    """The cursor after a complete walk: the newest `updated_at` seen, but never later than the server's clock
    when the walk began (a date in the future would hide every change until then), and never earlier than before.
    """
    if newest_seen is None or served_at is None:
        return cursor
    reached = min(newest_seen, served_at)
    return reached if cursor is None else max(cursor, reached)


def as_text(moment: datetime) -> str:
    """ISO-8601 in UTC with `Z`, to the millisecond where that is exact, else to the microsecond."""
    exact = moment.microsecond % 1000 == 0
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds" if exact else "microseconds")
    return text.replace("+00:00", "Z")
