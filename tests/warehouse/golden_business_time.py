"""Business time by walking the calendar day by day; and the clock on the wall as a calendar that is always open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from tests.warehouse.golden_settings import Record, Settings

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
FIRST_MOMENT = datetime(1990, 1, 1, tzinfo=UTC)
LAST_MOMENT = datetime(2100, 1, 1, tzinfo=UTC)

Span = tuple[datetime, datetime]


class Hours(Protocol):
    """When a clock runs."""

    def spans(self, start: datetime, end: datetime | None) -> Iterator[Span]:
        """The stretches between two moments in which it runs, in order; without an end as far as the calendar goes."""

    def covers(self, start: datetime, end: datetime) -> bool:
        """Whether the calendar knows all of the time between two moments."""


class Wall:
    """The clock on the wall."""

    def spans(self, start: datetime, end: datetime | None) -> Iterator[Span]:
        yield start, end or datetime.max.replace(tzinfo=UTC)

    def covers(self, start: datetime, end: datetime) -> bool:
        return _is_on_axis(start, end)


class Calendar:
    """The weekly hours and holidays of one calendar in its time zone."""

    def __init__(self, zone: str, weekly: Sequence[Record], holidays: Sequence[Record]) -> None:
        self._zone = ZoneInfo(zone)
        self._weekly = weekly
        self._holidays = holidays
        self.spans_of_day = cache(self._spans_of_day)

    def spans(self, start: datetime, end: datetime | None) -> Iterator[Span]:
        last = LAST_MOMENT if end is None else min(end, LAST_MOMENT)
        day = start.astimezone(self._zone).date() - DAY
        while datetime.combine(day, time(), UTC) - DAY <= last:
            for opens, closes in self.spans_of_day(day):
                if max(opens, start) < min(closes, last):
                    yield max(opens, start), min(closes, last)
            day += DAY

    def covers(self, start: datetime, end: datetime) -> bool:
        return _is_on_axis(start, end)

    def _spans_of_day(self, day: date) -> list[Span]:
        special = [row for row in self._holidays if str(row["holiday_on"]) == day.isoformat()]
        usual = [row for row in self._weekly if int(row["weekday"]) == day.isoweekday()]
        hours = [(row["opens_at"], row["closes_at"]) for row in (special or usual) if row["opens_at"]]
        spans = [(self._moment(day, opens), self._moment(day, closes)) for opens, closes in hours]
        return sorted(span for span in spans if span[0] < span[1])

    def _moment(self, day: date, clock: str) -> datetime:
        """A local time as a moment: the later one of two; one that is left out goes by the clock before the change."""
        hour, minute = (int(part) for part in clock.split(":")[:2])
        local = datetime.combine(day, time()) + timedelta(hours=hour, minutes=minute)
        later, earlier = (local.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (1, 0))
        is_on_clocks = later.astimezone(self._zone).replace(tzinfo=None) == local
        return later if is_on_clocks else earlier


class Calendars:
    """All calendars of the seeds, and whose hours count for which connection."""

    def __init__(self, settings: Settings) -> None:
        seeds = settings.seeds
        self._of_connection: Mapping[str | None, str] = {
            row["connection_id"]: row["calendar"] for row in seeds["connection_calendars"]
        }
        self._calendars = {
            row["calendar"]: Calendar(
                row["time_zone"],
                [hours for hours in seeds["business_hours"] if hours["calendar"] == row["calendar"]],
                [day for day in seeds["business_holidays"] if day["calendar"] == row["calendar"]],
            )
            for row in seeds["business_calendars"]
        }

    def named(self, name: str | None) -> Hours:
        return self._calendars[name] if name else Wall()

    def name_for(self, connection_id: str) -> str | None:
        """Whose hours count for a connection."""
        return self._of_connection.get(connection_id, self._of_connection.get(None))

    def seconds(self, connection_id: str, start: datetime | None, end: datetime | None) -> int | None:
        """Business seconds between two moments by the hours that count for a connection."""
        name = self.name_for(connection_id)
        return running_seconds(self.named(name), start, end) if name else None


def _is_on_axis(start: datetime, end: datetime) -> bool:
    return start >= FIRST_MOMENT and end < LAST_MOMENT


def whole_second(moment: datetime) -> datetime:
    """The second in which a time lies."""
    return moment.replace(microsecond=0)


def seconds_between(start: datetime | None, end: datetime | None) -> int | None:
    """On the clock, by the seconds in which the two lie."""
    if start is None or end is None:
        return None
    return (whole_second(end) - whole_second(start)) // SECOND


def running_seconds(
    hours: Hours, start: datetime | None, end: datetime | None, pauses: Iterable[Span] = ()
) -> int | None:
    """How long a clock ran between two moments, its pauses left out; None outside the calendar."""
    if start is None or end is None or not hours.covers(whole_second(start), whole_second(end)):
        return None
    spans = without(hours.spans(whole_second(start), whole_second(end)), pauses)
    return sum((closes - opens) // SECOND for opens, closes in spans)


def moment_reached(hours: Hours, start: datetime, target_seconds: int, pauses: Iterable[Span]) -> datetime | None:
    """The first moment at which a clock has run for so long; None where the calendar ends before."""
    left = target_seconds
    if not hours.covers(whole_second(start), whole_second(start)):
        return None
    for opens, closes in without(hours.spans(whole_second(start), None), pauses):
        ran = (closes - opens) // SECOND
        if ran >= left:
            return opens + timedelta(seconds=left)
        left -= ran
    return None


def without(spans: Iterable[Span], pauses: Iterable[Span]) -> Iterator[Span]:
    """What is left of stretches of time when others are cut out."""
    cuts = sorted(pauses)
    for opens, closes in spans:
        at = opens
        for begins, ends in cuts:
            if begins >= closes:
                break
            if ends > at:
                if begins > at:
                    yield at, begins
                at = max(at, ends)
        if at < closes:
            yield at, closes


def as_span(start: Any, end: Any) -> Span:
    """By whole seconds; what has no end goes on for ever."""
    return whole_second(start), whole_second(end) if end else datetime.max.replace(tzinfo=UTC, microsecond=0)
