"""Moments in time as the API writes them: ISO-8601 text outside, whole milliseconds since 1970 inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?")


def to_milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970, rounded up, so that `>=` keeps its meaning for a finer moment."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def to_datetime(milliseconds: int) -> datetime:
    """The same moment as an aware datetime in UTC."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def to_iso(milliseconds: int) -> str:
    """As the API writes it: `2026-05-29T16:00:00.000Z`."""
    return to_datetime(milliseconds).isoformat(timespec="milliseconds")[:-6] + "Z"


def from_iso(text: str) -> int:
    """Read an ISO-8601 date or time; without an offset it is UTC. Raises `ValueError` on anything else."""
    if not _SHAPE.fullmatch(text):
        raise ValueError(f"not an ISO-8601 time: {text!r}")
    moment = datetime.fromisoformat(text)
    return to_milliseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def moment_in(value: object) -> int | None:
    """The same of whatever a record holds: nothing where that is no time at all."""
    try:
        return from_iso(value) if isinstance(value, str) else None
    except ValueError:
        return None


def to_http_date(milliseconds: int) -> str:
    """As an HTTP `Date` header: `Fri, 29 May 2026 16:00:00 GMT`."""
    return format_datetime(to_datetime(milliseconds), usegmt=True)
