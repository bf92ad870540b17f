"""When customers write and agents reply, by weekday and hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.report.availability import Availability
from pipelines.report.days import Days
from pipelines.report.tables import Column, Table, TableRow
from pipelines.report.words import Unit
from pipelines.warehouse.destinations.destination import AskRows

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_HOURS = """
select
    cast(extract(isodow from sent_at) as bigint) as weekday,
    cast(extract(hour from sent_at) as bigint) as hour_of_day,
    sum(case when side = 'customer' then 1 else 0 end) as customer_count,
    sum(case when is_agent_reply then 1 else 0 end) as reply_count
from conversation_messages
where sent_at >= %s and (side = 'customer' or is_agent_reply)
group by 1, 2
"""


@dataclass(frozen=True)
class Volume:
    """Messages of one side, by weekday (1 is Monday) and hour, in UTC."""

    name: str
    label: str
    counts: Mapping[tuple[int, int], int]
    is_known: bool
    lack: str | None

    def busiest(self) -> tuple[int, int] | None:
        """The weekday and hour with most."""
        return max(self.counts, key=lambda key: (self.counts[key], key)) if any(self.counts.values()) else None


def volumes_of(ask: AskRows, days: Days, available: Availability) -> Sequence[Volume]:
    """What came and what was answered in the weeks shown."""
    rows = ask(_HOURS, days.shown_since_at)
    known = available.is_known("conversation"), available.what_lacks("conversation")

    def by_hour(column: str) -> dict[tuple[int, int], int]:
        found = {(row["weekday"], row["hour_of_day"]): int(row[column]) for row in rows}
        return {(day, hour): found.get((day, hour), 0) for day in range(1, 8) for hour in range(24)}

    return [
        Volume("customer_count", "Customers write", by_hour("customer_count"), *known),
        Volume("reply_count", "Agents reply", by_hour("reply_count"), *known),
    ]


def table_of(volume: Volume) -> Table:
    """The hours down, the weekdays across."""
    return Table(
        f"volume {volume.name}",
        f"{volume.label}: messages by hour (UTC) and weekday",
        [
            Column("hour", "Hour", Unit.WORDS),
            *(Column(day.lower(), day[:3], Unit.COUNT, "conversation_messages") for day in WEEKDAYS),
        ],
        [
            TableRow(str(hour), [f"{hour:02d}:00", *(volume.counts[day, hour] for day in range(1, 8))])
            for hour in range(24)
        ],
    )
