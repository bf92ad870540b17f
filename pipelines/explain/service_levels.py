"""How the user's own service levels went on a ticket, and which rows their clocks hang on."""

from __future__ import annotations

from pipelines.explain.explanation import ServiceLevel, Source
from pipelines.explain.pauses import pauses_of
from pipelines.explain.ticket_rows import Row, TicketRows
from pipelines.explain.unknowns import no_outcome


def service_levels_of(rows: TicketRows) -> list[ServiceLevel]:
    """Each clock, in order of its start."""
    return [_service_level(row, rows) for row in rows.service_levels]


def _service_level(row: Row, rows: TicketRows) -> ServiceLevel:
    return ServiceLevel(
        policy=row["policy"],
        metric=row["metric"],
        turn_number=row["turn_number"],
        calendar=row["calendar"],
        target_seconds=row["target_seconds"],
        elapsed_seconds=row["elapsed_seconds"],
        paused_seconds=row["paused_seconds"],
        pauses_on=row["pauses_on"],
        remaining_seconds=row["remaining_seconds"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        due_at=row["due_at"],
        outcome=row["outcome"],
        why_unknown=no_outcome(row),
        has_unknown_pauses=row["has_unknown_pauses"],
        has_unknown_author=row["has_unknown_author"],
        is_breached=row["is_breached"],
        is_running=row["is_running"],
        is_at_risk=row["is_at_risk"],
        as_of=row["as_of"],
        rule=rows.rules.get(("sla_outcomes", "elapsed_seconds")),
        rows=[*_clock(row, rows), *pauses_of(row, rows)],
    )


def _clock(row: Row, rows: TicketRows) -> list[Source]:
    return _clock_of_resolution(row, rows) if row["metric"] == "resolution" else _clock_of_turn(row, rows)


def _clock_of_turn(row: Row, rows: TicketRows) -> list[Source]:
    return [
        Source("turn", turn["turn_number"], "wait_seconds", turn["wait_seconds"])
        for turn in rows.turns
        if turn["turn_number"] == row["turn_number"]
    ]


def _clock_of_resolution(row: Row, rows: TicketRows) -> list[Source]:
    """From the opening, or the start of the turn at which the customer came in, to the closing."""
    starts = [
        Source("turn", turn["turn_number"], "started_at", turn["started_at"])
        for turn in rows.turns
        if turn["started_at"] == row["started_at"] != rows.ticket["opened_at"]
    ]
    opening = Source("ticket", None, "opened_at", rows.ticket["opened_at"])
    return [*(starts[:1] or [opening]), Source("ticket", None, "closed_at", rows.ticket["closed_at"])]
