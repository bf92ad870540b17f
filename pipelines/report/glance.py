"""Today at a glance: how things stand now, and the last seven whole days against the seven before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from pipelines.report.availability import Availability
from pipelines.report.days import Days
from pipelines.report.replies import first_replies_of
from pipelines.report.words import NOT_KNOWN, Unit, counted, duration, limit, short_day, short_moment, shown
from pipelines.warehouse.destinations.destination import AskRows

Row: TypeAlias = dict[str, Any]

_NOW = """
select
    count(*) as open_count,
    sum(case when waiting_on = 'us' then 1 else 0 end) as waiting_on_us_count,
    sum(case when waiting_on = 'unknown' then 1 else 0 end) as waiting_on_unknown_count,
    max(case when waiting_on = 'us' then waiting_seconds end) as longest_wait_seconds,
    sum(case when overdue_sla_count > 0 then 1 else 0 end) as overdue_count,
    sum(case when at_risk_sla_count > 0 then 1 else 0 end) as at_risk_count,
    sum(case when overdue_sla_count > 0 and is_unassigned then 1 else 0 end) as overdue_unassigned_count,
    min(case when at_risk_sla_count > 0 then next_due_at end) as next_due_at,
    sum(case when is_unassigned then 1 else 0 end) as unassigned_count
from open_tickets
"""

_OPEN_THEN = "select sum(open_ticket_count) as open_count from ticket_backlog_daily where day_on = %s"

_BY_DAY = """
select
    day_on,
    sum(opened_count) as opened_count,
    sum(closed_count) as closed_count,
    sum(reopened_count) as reopened_count,
    sum(customer_message_count) as customer_message_count,
    sum(agent_reply_count) as agent_reply_count
from support_daily
where day_on between %s and %s
group by day_on
"""

_HISTORY = "select max(history_since_at) as since from connections where ticket_count > 0"

_FLOWS = (
    ("opened_count", "Opened", None, "Tickets that came, by the day of their opening."),
    ("closed_count", "Closed", None, "Closings by their day, those that a reopening undid too."),
    ("customer_message_count", "Customer messages", "conversation", "What customers wrote, by the day it was sent."),
    ("agent_reply_count", "Agent replies", "conversation", "Replies to customers, of whichever agent."),
    ("reopened_count", "Reopened", "changes", "Closed tickets that were seen to open again, other than by us."),
)


@dataclass(frozen=True)
class Spark:
    """One day of the small chart of a tile."""

    on: date
    value: int
    is_recent: bool


@dataclass(frozen=True)
class Tile:
    """One figure, what it was before, and its rule."""

    name: str
    mart: str
    label: str
    value: int | float | None
    rule: str
    unit: Unit = Unit.COUNT
    before: int | float | None = None
    before_when: str | None = None
    aside: str | None = None
    doubt: str | None = None
    """What the figure lacks, or why it is not known."""
    days: Sequence[Spark] = ()
    is_bad: bool = False
    absent: str = NOT_KNOWN
    """What stands there in place of a value."""

    @property
    def change(self) -> str | None:
        """In words, for colours and arrows say nothing to many: `12 more than`."""
        if self.value is None or self.before is None:
            return None
        if self.value == self.before:
            return "as before:"
        size = abs(self.value - self.before)
        more, less = ("longer", "shorter") if self.unit is Unit.SECONDS else ("more", "fewer")
        if self.unit is Unit.SHARE:
            points = round(100 * self.value) - round(100 * self.before)
            more, less = "higher", "lower"
            return f"{counted(abs(points), 'point')} {more if self.value > self.before else less} than"
        return f"{shown(size, self.unit)} {more if self.value > self.before else less} than"

    @property
    def arrow(self) -> str:
        if self.value is None or self.before is None or self.value == self.before:
            return "→"
        return "↑" if self.value > self.before else "↓"


@dataclass(frozen=True)
class Glance:
    """The tiles: of now, and of the week."""

    now: Sequence[Tile]
    week: Sequence[Tile]


def glance_of(ask: AskRows, days: Days, available: Availability) -> Glance:
    """What a lead wants to know first."""
    [now], [then] = ask(_NOW), ask(_OPEN_THEN, days.week_before[1])
    return Glance(
        now=_tiles_of_now(now, then, days, available),
        week=[*_flows(ask, days, available), *_replies(ask, days, available)],
    )


def _tiles_of_now(now: Row, then: Row, days: Days, available: Availability) -> list[Tile]:
    longest, due = now["longest_wait_seconds"], now["next_due_at"]
    unknown = int(now["waiting_on_unknown_count"] or 0)
    waits = available.what_lacks("conversation")
    return [
        Tile(
            "open_count",
            "open_tickets",
            "Open now",
            now["open_count"],
            "Tickets that are not closed, without spam and merged ones.",
            before=None if then["open_count"] is None else int(then["open_count"]),
            before_when=f"at the end of {short_day(days.week_before[1])}",
            aside=f"{int(now['unassigned_count'] or 0):,} of them unassigned",
        ),
        Tile(
            "waiting_on_us_count",
            "open_tickets",
            "Waiting on us",
            _known(now["waiting_on_us_count"], available, "conversation"),
            "Open tickets where the customer spoke last.",
            aside=None if longest is None else f"the longest for {duration(longest)}",
            doubt=waits or (f"Of {unknown:,} more it is not known who waits." if unknown else None),
        ),
        Tile(
            "overdue_count",
            "open_tickets",
            "Overdue",
            _known(now["overdue_count"], available, "service_levels"),
            "Open tickets with a service level of yours that is overdue.",
            aside=f"{int(now['overdue_unassigned_count'] or 0):,} of them unassigned" if now["overdue_count"] else None,
            doubt=available.what_lacks("service_levels"),
            is_bad=bool(now["overdue_count"]),
        ),
        Tile(
            "at_risk_count",
            "open_tickets",
            "At risk",
            _known(now["at_risk_count"], available, "service_levels"),
            "Open tickets that have used most of the time that a service level gives.",
            aside=_next_due(due, days),
            doubt=available.what_lacks("service_levels"),
        ),
    ]


def _next_due(due: datetime | None, days: Days) -> str | None:
    """What is not used up by the close of business falls due when it opens again."""
    if due is None:
        return None
    when = f"{short_moment(due, days.last.year)} UTC" if due > days.as_of else "as soon as business hours go on"
    return f"the next is due {when}"


def _known(number: Any, available: Availability, metric: str) -> int | None:
    """Nothing counted is 0 where it could have been seen, and else not known."""
    return int(number or 0) if available.is_known(metric) else None


def _flows(ask: AskRows, days: Days, available: Availability) -> list[Tile]:
    by_day = {row["day_on"]: row for row in ask(_BY_DAY, days.week_before[0], days.today)}
    [history] = ask(_HISTORY)
    tiles = []
    for name, label, metric, rule in _FLOWS:
        is_known = metric is None or available.is_known(metric)
        sums = [_sum(by_day, name, week) if is_known else None for week in (days.week, days.week_before)]
        today = _sum(by_day, name, (days.today, days.today))
        seen_late = _seen_since(history["since"], days) if metric == "changes" and is_known else None
        tiles.append(
            Tile(
                name,
                "support_daily",
                label,
                sums[0],
                rule,
                before=None if seen_late else sums[1],
                before_when="in the 7 days before",
                aside=f"{today:,} on {short_day(days.today)} so far" if is_known else None,
                doubt=seen_late or (available.what_lacks(metric) if metric else None),
                days=_sparks(by_day, name, days) if is_known else (),
            )
        )
    return tiles


def _seen_since(since: datetime | None, days: Days) -> str | None:
    """What is to be said where the first state of some tickets was seen within the days that are compared."""
    if since is None or since.date() < days.week_before[0]:
        return None
    return f"Seen since {short_moment(since, days.last.year)} UTC only."


def _sum(by_day: dict[date, Row], name: str, week: tuple[date, date]) -> int:
    return sum(int(row[name] or 0) for on, row in by_day.items() if week[0] <= on <= week[1])


def _sparks(by_day: dict[date, Row], name: str, days: Days) -> list[Spark]:
    fortnight = [days.week_before[0] + timedelta(days=number) for number in range(14)]
    return [Spark(on, _sum(by_day, name, (on, on)), on >= days.week[0]) for on in fortnight]


def _replies(ask: AskRows, days: Days, available: Availability) -> list[Tile]:
    is_known = available.is_known("first_reply")
    found = first_replies_of(ask, days)
    doubt = available.what_lacks("first_reply")
    said = (
        f"of {counted(found.now.case_count, 'question')} up to {short_moment(found.until, days.last.year)} UTC"
        if is_known
        else None
    )
    return [
        Tile(
            "median_first_reply_seconds",
            "conversation_turns",
            "Median first reply",
            found.now.median_seconds,
            "Half waited no longer; those who still wait count as longer than any other.",
            Unit.SECONDS,
            before=found.before.median_seconds,
            before_when="in the 7 days before",
            aside=said,
            doubt=doubt or found.now.why_no_median,
            absent="none yet" if is_known else NOT_KNOWN,
        ),
        Tile(
            "first_reply_within_share",
            "conversation_turns",
            f"First reply within {limit(found.limit_seconds)}",
            found.now.within_share,
            f"Of first questions that had {limit(found.limit_seconds)} to be answered, the unanswered counted in.",
            Unit.SHARE,
            before=found.before.within_share,
            before_when="in the 7 days before",
            aside=said,
            doubt=doubt or (None if found.now.old_enough_count else "Nobody asked in these days."),
            absent="none yet" if is_known else NOT_KNOWN,
        ),
        Tile(
            "first_reply_open_count",
            "conversation_turns",
            "Still without a reply",
            found.now.open_count if is_known else None,
            "Of the same first questions, those that wait to this moment.",
            before=found.before.open_count if is_known else None,
            before_when="of the 7 days before",
            doubt=doubt,
        ),
    ]
