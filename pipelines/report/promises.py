"""The user's own service levels: met and missed, and what is at risk or overdue now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from pipelines.report.tables import Column, Table, TableRow, Ticket
from pipelines.report.words import Unit, spaced
from pipelines.warehouse.destinations.destination import AskRows

Row: TypeAlias = dict[str, Any]

SHOWN = 15

_OUTCOMES = """
select
    policy,
    metric,
    calendar,
    min(target_seconds) as target_seconds,
    sum(case when outcome = 'met' then 1 else 0 end) as met_count,
    sum(case when outcome = 'missed' then 1 else 0 end) as missed_count,
    sum(case when outcome = 'overdue' then 1 else 0 end) as overdue_count,
    sum(case when outcome = 'running' and not is_at_risk then 1 else 0 end) as running_count,
    sum(case when is_at_risk then 1 else 0 end) as at_risk_count,
    sum(case when outcome = 'paused' then 1 else 0 end) as paused_count,
    sum(case when outcome = 'cancelled' then 1 else 0 end) as cancelled_count,
    sum(case when outcome = 'unknown' then 1 else 0 end) as unknown_count
from sla_outcomes
where started_at >= %s
group by policy, metric, calendar
order by metric, policy, calendar
"""

_PRESSING = """
select
    outcomes.connection_id,
    outcomes.ticket_id,
    outcomes.metric,
    outcomes.turn_number,
    outcomes.policy,
    outcomes.outcome,
    outcomes.due_at,
    outcomes.remaining_seconds,
    tickets.subject,
    tickets.url,
    coalesce(tickets.assignee_name, tickets.assignee_user_id) as assignee,
    count(*) over () as row_count
from sla_outcomes as outcomes
inner join tickets
    on outcomes.connection_id = tickets.connection_id and outcomes.ticket_id = tickets.ticket_id
where outcomes.outcome = 'overdue' or outcomes.is_at_risk
order by
    case when outcomes.is_at_risk then 0 else 1 end,
    outcomes.due_at,
    outcomes.connection_id,
    outcomes.ticket_id,
    outcomes.metric,
    outcomes.turn_number
limit %s
"""

_OUTCOME_COLUMNS = tuple(
    Column(f"{outcome}_count", outcome.replace("_", " ").capitalize(), Unit.COUNT, "sla_outcomes")
    for outcome in ("met", "missed", "overdue", "at_risk", "running", "paused", "cancelled", "unknown")
)


def outcomes_of(ask: AskRows, since: datetime) -> Table:
    """By metric and policy, of the clocks that started in the weeks shown."""
    columns = [
        Column("policy", "Service level", Unit.WORDS),
        Column("met_share", "Met, at least", Unit.SHARE, "sla_outcomes", has_bars=True),
        *_OUTCOME_COLUMNS,
        Column("target_seconds", "Target", Unit.LIMIT, "sla_outcomes"),
    ]
    rows = [
        TableRow(
            f"{row['metric']} {row['policy']} {row['calendar'] or 'the clock'}",
            [
                f"{spaced(row['metric']).capitalize()}: {row['policy']}",
                share_met(row),
                *(int(row[column.name]) for column in _OUTCOME_COLUMNS),
                row["target_seconds"],
            ],
            f"in the hours of {row['calendar']}" if row["calendar"] else "on the clock",
        )
        for row in ask(_OUTCOMES, since)
    ]
    return Table("service_levels", "Service levels by metric and policy", columns, rows)


def share_met(row: Row) -> float | None:
    """The least that it can be: an overdue one can only be missed, and one that is past its target with pauses that
    nobody has seen may have been."""
    judged = int(row["met_count"] + row["missed_count"] + row["overdue_count"] + row["unknown_count"])
    return int(row["met_count"]) / judged if judged else None


def pressing_of(ask: AskRows, names: Mapping[str, str]) -> Table:
    """What is at risk, next due first, and then what is overdue, longest first."""
    rows = ask(_PRESSING, SHOWN)
    columns = [
        Column("ticket", "Ticket", Unit.WORDS),
        Column("outcome", "State", Unit.WORDS),
        Column("due_at", "Due", Unit.MOMENT, "sla_outcomes"),
        Column("promise", "Service level", Unit.WORDS),
        Column("assignee", "Assigned to", Unit.WORDS),
    ]
    return Table(
        "pressing",
        "At risk first, then overdue",
        columns,
        [
            TableRow(
                f"{row['connection_id']} {row['ticket_id']} {row['metric']} {row['turn_number']}",
                [
                    Ticket(row["connection_id"], row["ticket_id"], row["subject"], row["url"]),
                    "overdue" if row["outcome"] == "overdue" else "at risk",
                    row["due_at"],
                    f"{spaced(row['metric']).capitalize()}: {row['policy']}",
                    row["assignee"] or "nobody",
                ],
                names.get(row["connection_id"], row["connection_id"]),
            )
            for row in rows
        ],
        more_count=(rows[0]["row_count"] if rows else 0) - len(rows),
    )
