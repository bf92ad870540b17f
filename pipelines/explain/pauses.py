"""During what the clock of a service level stood still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest

from pipelines.explain.explanation import Source
from pipelines.explain.moments import second
from pipelines.explain.ticket_rows import Row, TicketRows

_VENDOR_STATES = {"pending", "hold"}
"""Those on which a policy may pause."""


@dataclass(frozen=True)
class _Pause:
    """`ended_at` is None where it still lasts."""

    source: Source
    started_at: datetime
    ended_at: datetime | None


def pauses_of(level: Row, rows: TicketRows) -> list[Source]:
    """The turns and periods that stopped it, in order of their start."""
    causes = set((level["pauses_on"] or "").split())
    pauses = [*_closings(rows)] if level["metric"] == "resolution" else []
    if "waiting_on_customer" in causes:
        pauses += _waits_for_customer(rows)
    pauses += _vendor_states(causes & _VENDOR_STATES, rows)
    pauses.sort(key=lambda pause: second(pause.started_at))
    return [pause.source for pause in pauses if _overlaps(pause, level)]


def _waits_for_customer(rows: TicketRows) -> Iterator[_Pause]:
    """We wait for the customer until they write, also where we closed the ticket meanwhile."""
    for turn, following in zip_longest(rows.turns, rows.turns[1:]):
        next_start = following["started_at"] if following else None
        ended_at = next_start if turn["end_reason"] == "closed" else turn["ended_at"]
        is_told = turn["started_at"] is not None and (following is None or ended_at is not None)
        if turn["side"] == "agent" and is_told:
            yield _Pause(Source("turn", turn["turn_number"], "side", turn["side"]), turn["started_at"], ended_at)


def _vendor_states(states: set[str], rows: TicketRows) -> Iterator[_Pause]:
    for period in rows.periods:
        if period["vendor_status"] in states:
            yield _period("vendor_status", period)


def _closings(rows: TicketRows) -> Iterator[_Pause]:
    """While a ticket was closed before a reopening, nobody worked on it, whatever the policy."""
    for period in rows.periods:
        if period["status"] == "closed" and not period["is_current"]:
            yield _period("status", period)


def _period(column: str, period: Row) -> _Pause:
    source = Source("period", period["period_number"], column, period[column])
    return _Pause(source, period["started_at"] or period["observed_from"], period["ended_at"])


def _overlaps(pause: _Pause, level: Row) -> bool:
    starts = (level["started_at"], pause.started_at)
    ends = [second(end) for end in (level["ended_at"], pause.ended_at) if end is not None]
    return not ends or max(map(second, starts)) < min(ends)
