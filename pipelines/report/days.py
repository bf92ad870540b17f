"""Up to when the data reach, and which days the report compares."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from pipelines.warehouse.destinations.destination import AskRows

DAYS_SHOWN = 91
"""Thirteen weeks, so that each weekday is there as often as any other."""

_DAYS = """
select
    max(case when is_day_over then day_on end) as last_whole_day,
    min(case when not is_day_over then day_on end) as day_under_way
from ticket_backlog_daily
"""

_READ = "select min(data_as_of) as oldest, max(data_as_of) as newest from connections where ticket_count > 0"

_CLOCK = "select max(as_of) as as_of from sync_health"


@dataclass(frozen=True)
class Days:
    """The days are those of the marts, on the clocks of their variable reporting_timezone; moments are UTC."""

    as_of: datetime
    """The moment to which ages and what is at risk belong."""
    read_until: datetime
    """Up to when the connection that was read longest ago has been read."""
    known_until: datetime
    """Up to when any of them has been, and not beyond `as_of`."""
    last: date
    """The last day that is over."""

    @property
    def today(self) -> date:
        return self.last + timedelta(days=1)

    @property
    def shown_since(self) -> date:
        return self.last - timedelta(days=DAYS_SHOWN - 1)

    @property
    def shown_since_at(self) -> datetime:
        """The same for moments: its beginning in UTC."""
        return datetime.combine(self.shown_since, time())

    @property
    def week(self) -> tuple[date, date]:
        """The first and the last of the last seven whole days."""
        return self.last - timedelta(days=6), self.last

    @property
    def week_before(self) -> tuple[date, date]:
        return self.last - timedelta(days=13), self.last - timedelta(days=7)


def days_of(ask: AskRows) -> Days | None:
    """None where there are no tickets to speak of."""
    [days], [read], [clock] = ask(_DAYS), ask(_READ), ask(_CLOCK)
    last = days["last_whole_day"]
    if last is None and days["day_under_way"] is not None:
        last = days["day_under_way"] - timedelta(days=1)
    if last is None or read["oldest"] is None:
        return None
    oldest, newest = read["oldest"], read["newest"]
    as_of = clock["as_of"] or newest
    return Days(as_of=as_of, read_until=oldest, known_until=min(as_of, newest), last=last)
