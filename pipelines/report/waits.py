"""How long replies and resolutions take, as distributions in which those who still wait have their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.report.availability import Availability
from pipelines.report.backlog import OTHERS, groups_of
from pipelines.report.days import Days
from pipelines.report.tables import Column, Table, TableRow
from pipelines.report.words import Unit, limit
from pipelines.warehouse.destinations.destination import AskRows

METRICS = (
    ("first_reply", "First reply", "first_reply"),
    ("next_reply", "Later replies", "first_reply"),
    ("resolution", "Resolution", "resolution"),
)
"""The metrics of answer_statistics, and those of metric_availability on which they hang."""

BANDS = (900, 3_600, 14_400, 28_800, 86_400, 259_200, 604_800)
"""The upper ends, in seconds; the last band is what took longer."""

_LABELS = ("15 min or less", "to 1 h", "to 4 h", "to 8 h", "to 24 h", "to 3 days", "to 7 days", "longer")
_STILL_OPEN = {"resolution": "still open"}
_WITHOUT = "closed, no reply"

_BAND = "case {} else {} end".format(
    " ".join(f"when seconds <= {end} then {place}" for place, end in enumerate(BANDS)), len(BANDS)
)

_REPLIES = f"""
with cases as (
    select
        reply_kind || '_reply' as metric,
        end_reason,
        wait_seconds as seconds,
        has_unknown_author or (end_reason <> 'open' and ended_at is null) as is_left_out
    from conversation_turns
    where reply_kind is not null and end_reason <> 'after_closing' and started_at >= %s
)
select
    metric,
    case when is_left_out then 'left out' else end_reason end as ending,
    case when not is_left_out and end_reason = 'answered' then {_BAND} end as band,
    count(*) as case_count
from cases
group by 1, 2, 3
"""

_RESOLUTIONS = f"""
with cases as (
    select
        tickets.is_closed,
        tickets.closed_at,
        case when tickets.opened_by_role = 'customer' then tickets.opened_at else turns.started_at end as started_at
    from tickets
    left join conversation_turns as turns
        on tickets.connection_id = turns.connection_id
        and tickets.ticket_id = turns.ticket_id
        and turns.reply_kind = 'first'
    where not tickets.is_deleted and tickets.kind not in ('spam', 'merged')
),
timed as (
    select
        is_closed,
        extract(epoch from (date_trunc('second', closed_at) - date_trunc('second', started_at))) as seconds
    from cases
    where started_at >= %s
)
select
    'resolution' as metric,
    case when not is_closed then 'open' when seconds >= 0 then 'answered' else 'left out' end as ending,
    case when is_closed and seconds >= 0 then {_BAND} end as band,
    count(*) as case_count
from timed
group by 1, 2, 3
"""

_SHARES = """
select
    connection_id, metric, limit_seconds, case_count, answered_count, open_count, closed_unanswered_count,
    left_out_count, old_enough_count, answered_within_count, answered_share, median_answered_seconds, median_seconds
from answer_statistics
order by metric, connection_id, limit_seconds
"""


@dataclass(frozen=True)
class Band:
    """One bar: how many cases ended so, and whether that was an answer at all."""

    label: str
    case_count: int
    is_answered: bool


@dataclass(frozen=True)
class Share:
    """How many of a helpdesk were answered within a limit, of those that had the time."""

    helpdesk: str
    limit_seconds: int
    old_enough_count: int
    within_count: int

    @property
    def share(self) -> float | None:
        return self.within_count / self.old_enough_count if self.old_enough_count else None


@dataclass(frozen=True)
class Waits:
    """One metric."""

    metric: str
    label: str
    bands: Sequence[Band]
    left_out_count: int
    shares: Sequence[Share]
    statistics: Table
    is_known: bool
    lack: str | None

    @property
    def case_count(self) -> int:
        return sum(band.case_count for band in self.bands)

    @property
    def unanswered_count(self) -> int:
        return sum(band.case_count for band in self.bands if not band.is_answered)


def waits_of(ask: AskRows, days: Days, available: Availability) -> list[Waits]:
    """First replies, later ones and resolutions of what began in the days shown; the shares are of all time."""
    endings: dict[tuple[str, str, int | None], int] = {}
    for query in (_REPLIES, _RESOLUTIONS):
        for row in ask(query, days.shown_since_at):
            band = None if row["band"] is None else int(row["band"])
            endings[row["metric"], row["ending"], band] = row["case_count"]
    shares, names = ask(_SHARES), available.names
    return [
        Waits(
            metric,
            label,
            _bands(metric, endings),
            endings.get((metric, "left out", None), 0),
            _shares([row for row in shares if row["metric"] == metric], groups_of(names)),
            _statistics(metric, label, [row for row in shares if row["metric"] == metric], names),
            available.is_known(needs),
            available.what_lacks(needs),
        )
        for metric, label, needs in METRICS
    ]


def table_of(waits: Waits) -> Table:
    """The bars to read."""
    mart = "tickets" if waits.metric == "resolution" else "conversation_turns"
    return Table(
        f"bands {waits.metric}",
        f"{waits.label}: how long it took, by how many",
        [
            Column("band", "How long", Unit.WORDS),
            Column("case_count", "Cases", Unit.COUNT, mart),
            Column("share", "Of all", Unit.SHARE, mart),
        ],
        [
            TableRow(band.label, [band.label, band.case_count, band.case_count / (waits.case_count or 1)])
            for band in waits.bands
        ],
    )


def _bands(metric: str, endings: Mapping[tuple[str, str, int | None], int]) -> list[Band]:
    bands = [
        Band(label, endings.get((metric, "answered", place), 0), is_answered=True)
        for place, label in enumerate(_LABELS)
    ]
    bands.append(Band(_STILL_OPEN.get(metric, "still waiting"), endings.get((metric, "open", None), 0), False))
    if metric != "resolution":
        bands.append(Band(_WITHOUT, endings.get((metric, "closed", None), 0), False))
    return bands


def _shares(rows: Sequence[dict[str, object]], groups: Mapping[str, str]) -> list[Share]:
    """Of each helpdesk that is drawn by itself, and of the others together."""
    sums: dict[tuple[str, int], tuple[int, int]] = {}
    for row in rows:
        key = groups.get(str(row["connection_id"]), OTHERS), int(str(row["limit_seconds"]))
        old_enough, within = sums.get(key, (0, 0))
        sums[key] = (old_enough + int(str(row["old_enough_count"])), within + int(str(row["answered_within_count"])))
    drawn = list(groups.values())
    return [Share(*key, *sums[key]) for key in sorted(sums, key=lambda key: (drawn.index(key[0]), key[1]))]


def _statistics(metric: str, label: str, rows: Sequence[dict[str, object]], names: Mapping[str, str]) -> Table:
    """The row of the mart, limit by limit."""
    mart = "answer_statistics"
    columns = (
        Column("old_enough_count", "Old enough", Unit.COUNT, mart),
        Column("answered_within_count", "Answered in time", Unit.COUNT, mart),
        Column("answered_share", "Share", Unit.SHARE, mart),
        Column("case_count", "Cases", Unit.COUNT, mart),
        Column("open_count", "Open", Unit.COUNT, mart),
        Column("closed_unanswered_count", "Closed without", Unit.COUNT, mart),
        Column("left_out_count", "Left out", Unit.COUNT, mart),
        Column("median_seconds", "Median", Unit.SECONDS, mart),
        Column("median_answered_seconds", "Median of answered", Unit.SECONDS, mart),
    )
    return Table(
        f"statistics {metric}",
        f"{label} of all time, by helpdesk and limit: the unanswered counted in",
        [Column("case", "Helpdesk and limit", Unit.WORDS), *columns],
        [
            TableRow(
                f"{row['connection_id']} {row['limit_seconds']}",
                [
                    f"{names.get(str(row['connection_id']), row['connection_id'])}, "
                    f"within {limit(int(str(row['limit_seconds'])))}",
                    *(row[column.name] for column in columns),  # type: ignore[list-item]
                ],
            )
            for row in rows
        ],
    )
