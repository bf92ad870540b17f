"""What wants action first, with its reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.report.tables import Ticket
from pipelines.report.words import spaced
from pipelines.warehouse.destinations.destination import AskRows

SHOWN = 25

_CANDIDATES = """
select
    connection_id, ticket_id, place, score, reasons, customer_name, assignee_name, assignee_user_id, subject, priority,
    url, waiting_on, waiting_seconds, next_due_at
from triage_candidates
where place <= %s
order by place
"""

_HOW_MANY = "select count(*) as candidate_count from triage_candidates"


@dataclass(frozen=True)
class Candidate:
    """A ticket, and why it is here."""

    place: int
    ticket: Ticket
    helpdesk: str
    score: int
    reasons: Sequence[tuple[str, int]]
    customer: str | None
    assignee: str | None
    priority: str | None
    waiting_on: str
    waiting_seconds: int | None
    due_at: datetime | None


@dataclass(frozen=True)
class TriageList:
    """The first of them, and how many there are."""

    candidate_count: int
    candidates: Sequence[Candidate]


def triage_list_of(ask: AskRows, names: Mapping[str, str]) -> TriageList:
    """The first `SHOWN` by their place."""
    [found] = ask(_HOW_MANY)
    return TriageList(found["candidate_count"], [_candidate(row, names) for row in ask(_CANDIDATES, SHOWN)])


def _candidate(row: dict[str, Any], names: Mapping[str, str]) -> Candidate:
    return Candidate(
        place=row["place"],
        ticket=Ticket(row["connection_id"], row["ticket_id"], row["subject"], row["url"]),
        helpdesk=names.get(row["connection_id"], row["connection_id"]),
        score=row["score"],
        reasons=_reasons(row["reasons"]),
        customer=row["customer_name"],
        assignee=row["assignee_name"] or row["assignee_user_id"],
        priority=row["priority"],
        waiting_on=row["waiting_on"],
        waiting_seconds=row["waiting_seconds"],
        due_at=row["next_due_at"],
    )


def _reasons(stored: Any) -> list[tuple[str, int]]:
    """JSON is text on one warehouse, and on another it is read already."""
    reasons = json.loads(stored) if isinstance(stored, str) else stored
    return [(spaced(each["reason"]), each["weight"]) for each in reasons]
