"""The backlog at each day's end, and what came and went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.report.days import Days
from pipelines.report.tables import Column, Table, TableRow
from pipelines.report.words import Unit, one_line
from pipelines.warehouse.destinations.destination import AskRows

_BACKLOG = """
select
    day_on,
    connection_id,
    sum(open_ticket_count) as open_ticket_count,
    sum(opened_count) as opened_count,
    sum(closed_count) as closed_count
from ticket_backlog_daily
where day_on between %s and %s
group by day_on, connection_id
"""

_MART = "ticket_backlog_daily"

OTHERS = "Others"
_HELPDESKS_SHOWN = 5
"""More colours than these and one for the others nobody tells apart."""


@dataclass(frozen=True)
class Day:
    """One day: what was open at its end by helpdesk, what came and what went."""

    on: date
    is_over: bool
    open_by_helpdesk: Mapping[str, int]
    opened: int
    closed: int

    @property
    def open(self) -> int:
        return sum(self.open_by_helpdesk.values())


@dataclass(frozen=True)
class Backlog:
    """The days, and the helpdesks from most tickets to fewest; small ones are one together."""

    days: Sequence[Day]
    helpdesks: Sequence[str]


def backlog_of(ask: AskRows, days: Days, names: Mapping[str, str]) -> Backlog:
    """Up to today, of which more is to come."""
    rows = ask(_BACKLOG, days.shown_since, days.today)
    groups = groups_of(names)
    found: dict[date, dict[str, int]] = {}
    flows: dict[date, tuple[int, int]] = {}
    for row in rows:
        group, on = groups.get(row["connection_id"], OTHERS), row["day_on"]
        found.setdefault(on, {})
        found[on][group] = found[on].get(group, 0) + int(row["open_ticket_count"])
        came, went = flows.get(on, (0, 0))
        flows[on] = (came + int(row["opened_count"]), went + int(row["closed_count"]))
    helpdesks = list(dict.fromkeys(groups.values()))
    whole = range((days.today - days.shown_since).days + 1)
    return Backlog(
        [
            Day(
                on,
                on <= days.last,
                {helpdesk: found.get(on, {}).get(helpdesk, 0) for helpdesk in helpdesks},
                *flows.get(on, (0, 0)),
            )
            for on in (days.shown_since + timedelta(days=number) for number in whole)
        ],
        helpdesks,
    )


def groups_of(names: Mapping[str, str]) -> dict[str, str]:
    """Under which name a connection is drawn: its own, or with others where there are too many for colours."""
    if len(names) <= _HELPDESKS_SHOWN + 1:
        return dict(names)
    return {its_id: name if place < _HELPDESKS_SHOWN else OTHERS for place, (its_id, name) in enumerate(names.items())}


def table_of(backlog: Backlog) -> Table:
    """What was open, to read, the latest day first."""
    helpdesks = [Column(f"open {one_line(name)}", name, Unit.COUNT, _MART) for name in backlog.helpdesks]
    return Table(
        "backlog",
        "Open tickets at the end of each day",
        [
            Column("day_on", "Day", Unit.DAY),
            Column("open_ticket_count", "Open", Unit.COUNT, _MART),
            *(helpdesks if len(helpdesks) > 1 else ()),
        ],
        [
            TableRow(str(day.on), [day.on, day.open, *(day.open_by_helpdesk.values() if len(helpdesks) > 1 else ())])
            for day in reversed(backlog.days)
        ],
    )


def flow_of(backlog: Backlog) -> Table:
    """What came and went, to read, the latest day first."""
    return Table(
        "flow",
        "Tickets opened and closed on each day",
        [
            Column("day_on", "Day", Unit.DAY),
            Column("opened_count", "Opened", Unit.COUNT, _MART),
            Column("closed_count", "Closed", Unit.COUNT, _MART),
        ],
        [TableRow(str(day.on), [day.on, day.opened, day.closed]) for day in reversed(backlog.days)],
    )
