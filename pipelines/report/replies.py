"""First replies of the last days, with those who still wait counted in: the rule of answer_statistics over a week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from pipelines.report.days import Days
from pipelines.warehouse.destinations.destination import AskRows

Row: TypeAlias = dict[str, Any]

_LIMIT = """
select coalesce(max(case when limit_seconds <= 86400 then limit_seconds end), min(limit_seconds)) as limit_seconds
from answer_statistics
"""

_QUESTIONS = """
select turns.started_at, turns.wait_seconds, turns.end_reason, connections.data_as_of
from conversation_turns as turns
inner join connections on turns.connection_id = connections.connection_id
where
    turns.reply_kind = 'first'
    and turns.started_at >= %s
    and turns.end_reason <> 'after_closing'
    and not turns.has_unknown_author
    and (turns.end_reason = 'open' or turns.wait_seconds is not null)
"""

_DAY = 86_400
_WEEK = timedelta(days=7)
_LONGER_THAN_ANY = float("inf")


@dataclass(frozen=True)
class Replies:
    """How the first questions of a week were answered."""

    case_count: int
    """Answered or open; those closed without an answer stand beside them."""
    open_count: int
    old_enough_count: int
    within_count: int
    median_seconds: int | None

    @property
    def within_share(self) -> float | None:
        return self.within_count / self.old_enough_count if self.old_enough_count else None

    @property
    def why_no_median(self) -> str | None:
        if self.median_seconds is not None:
            return None
        return "Half of them still wait." if self.case_count else "Nobody asked in these days."


@dataclass(frozen=True)
class FirstReplies:
    """The week up to a moment, and the one before it: late enough for an answer, so that both are judged alike."""

    limit_seconds: int
    until: datetime
    now: Replies
    before: Replies


def first_replies_of(ask: AskRows, days: Days) -> FirstReplies:
    """Of questions that have had the limit's time for an answer."""
    [row] = ask(_LIMIT)
    limit = int(row["limit_seconds"] or _DAY)
    until = days.known_until - timedelta(seconds=limit)
    rows = ask(_QUESTIONS, until - 2 * _WEEK)
    return FirstReplies(
        limit,
        until,
        replies_among([row for row in rows if until - _WEEK < row["started_at"] <= until], limit),
        replies_among([row for row in rows if until - 2 * _WEEK < row["started_at"] <= until - _WEEK], limit),
    )


def replies_among(rows: Sequence[Row], limit_seconds: int) -> Replies:
    """How these questions went."""
    cases = [row for row in rows if row["end_reason"] != "closed"]
    waits = sorted(_LONGER_THAN_ANY if row["end_reason"] == "open" else row["wait_seconds"] for row in cases)
    old_enough = [row for row in rows if _is_old_enough(row, limit_seconds)]
    within = [row for row in old_enough if row["end_reason"] == "answered" and row["wait_seconds"] <= limit_seconds]
    return Replies(
        case_count=len(cases),
        open_count=sum(row["end_reason"] == "open" for row in cases),
        old_enough_count=len(old_enough),
        within_count=len(within),
        median_seconds=_median(waits),
    )


def _is_old_enough(row: Row, limit_seconds: int) -> bool:
    """Whether its answer within the limit would be known; whoever was closed sooner might still have been answered."""
    if row["data_as_of"] is None or (row["data_as_of"] - row["started_at"]).total_seconds() < limit_seconds:
        return False
    return bool(row["end_reason"] != "closed" or row["wait_seconds"] >= limit_seconds)


def _median(waits: Sequence[float]) -> int | None:
    """The middle one, or between the two; None where that is still open."""
    if not waits:
        return None
    middle = (waits[(len(waits) - 1) // 2] + waits[len(waits) // 2]) / 2
    return None if middle == _LONGER_THAN_ANY else int(middle + 0.5)
