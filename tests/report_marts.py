"""Marts for the report, written by hand: two helpdesks over three weeks; all that others say is a given text."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.hand_made_marts import Row, Tables

AS_OF = datetime(2026, 5, 28, 8, 30, tzinfo=UTC)
LAST_DAY = date(2026, 5, 27)
DESK, OTHER_DESK = "desk", "other"

READ = (
    *("connections", "sync_health", "metric_availability", "ticket_backlog_daily", "support_daily", "open_tickets"),
    *("triage_candidates", "sla_outcomes", "tickets", "conversation_turns", "conversation_messages"),
    *("answer_statistics", "agents", "agent_daily", "customer_support_daily", "customer_support_summary"),
)
"""The marts that the report reads."""

_METRICS = ("conversation", "first_reply", "resolution", "changes", "service_levels")


def days(number: int) -> list[date]:
    """The last whole ones, the earliest first."""
    return [LAST_DAY - timedelta(days=back) for back in reversed(range(number))]


def marts_saying(text: str, url: str = "https://desk.example/1") -> Tables:
    """A full set of rows."""
    said = {"integration_type": text}
    return {
        "connections": [
            {"connection_id": DESK, "integration_name": text, "ticket_count": 9, "data_as_of": AS_OF} | said,
            {"connection_id": OTHER_DESK, "integration_name": "Other", "ticket_count": 1, "data_as_of": AS_OF},
        ],
        "sync_health": [_health(DESK, text), _health(OTHER_DESK, None)],
        "metric_availability": [_available(desk, metric) for desk in (DESK, OTHER_DESK) for metric in _METRICS],
        "ticket_backlog_daily": [_backlog(desk, on) for desk in (DESK, OTHER_DESK) for on in _days_and_today()],
        "support_daily": [_support(on, text) for on in _days_and_today()],
        "open_tickets": [_open(number, text) for number in range(12)],
        "triage_candidates": [_candidate(number, text, url) for number in range(1, 13)],
        "sla_outcomes": [_clock(number, text) for number in range(8)],
        "tickets": [_ticket(number, text, url) for number in range(8)],
        "conversation_turns": [_turn(number) for number in range(10)],
        "conversation_messages": [_message(number) for number in range(20)],
        "answer_statistics": [
            _statistics(metric, limit)
            for metric in ("first_reply", "next_reply", "resolution")
            for limit in (3_600, 86_400)
        ],
        "agents": [{"connection_id": DESK, "agent_id": text, "agent_name": text, "assigned_open_ticket_count": 3}],
        "agent_daily": [_agent_day(on, text) for on in days(14)],
        "customer_support_daily": [_customer_day(on, text) for on in days(7)],
        "customer_support_summary": [_customer(text)],
    }


def _days_and_today() -> list[date]:
    return [*days(20), LAST_DAY + timedelta(days=1)]


def _health(desk: str, error: str | None) -> Row:
    return {
        "connection_id": desk,
        "object_name": "tickets",
        "place": 1 if error else 2,
        "health": "failing" if error else "ok",
        "read_through_at": AS_OF,
        "age_seconds": 0,
        "failures_since_success_count": 2 if error else 0,
        "last_error": error,
        "as_of": AS_OF,
    }


def _available(desk: str, metric: str) -> Row:
    counts = {"applicable_count": 9, "known_count": 9, "known_share": 1.0}
    return {"connection_id": desk, "metric": metric, "availability": "available"} | counts


def unavailable(desk: str, metric: str, reason: str) -> Row:
    counts = {"applicable_count": 9, "known_count": 0, "known_share": 0.0}
    found = {"connection_id": desk, "metric": metric, "availability": "unavailable", "reason": reason}
    return found | {"missing_field": "notes"} | counts


def _backlog(desk: str, on: date) -> Row:
    return {
        "connection_id": desk,
        "day_on": on,
        "open_ticket_count": on.day,
        "opened_count": 2,
        "closed_count": 1,
        "is_day_over": on <= LAST_DAY,
    }


def _support(on: date, text: str) -> Row:
    counts = {"opened_count": 2, "closed_count": 1, "reopened_count": 0}
    counts |= {"customer_message_count": 5, "agent_reply_count": 4}
    return {"connection_id": DESK, "day_on": on, "category_name": text, "is_day_over": on <= LAST_DAY} | counts


def _open(number: int, text: str) -> Row:
    return {
        "connection_id": DESK,
        "ticket_id": f"{number}",
        "category_name": text,
        "customer_id": text,
        "waiting_on": "us" if number % 2 else "customer",
        "waiting_seconds": 3_600 * number,
        "is_unassigned": number == 3,
        "overdue_sla_count": int(number < 2),
        "at_risk_sla_count": int(number == 2),
        "as_of": AS_OF,
    }


def _candidate(number: int, text: str, url: str) -> Row:
    return {
        "connection_id": DESK,
        "ticket_id": f"{number}",
        "place": number,
        "score": 100 - number,
        "reasons": json.dumps([{"reason": text, "weight": 50}, {"reason": "waiting_long", "weight": 25}]),
        "customer_name": text,
        "assignee_name": text,
        "subject": text,
        "priority": text,
        "url": url,
        "waiting_on": "us",
        "waiting_seconds": 90_061,
        "next_due_at": AS_OF - timedelta(hours=number),
    }


def _clock(number: int, text: str) -> Row:
    outcome = ("met", "missed", "overdue", "running", "running", "paused", "cancelled", "unknown")[number]
    return {
        "connection_id": DESK,
        "ticket_id": f"{number}",
        "metric": "first_reply",
        "turn_number": 1,
        "policy": text,
        "calendar": text,
        "target_seconds": 144_000,
        "started_at": AS_OF - timedelta(days=2),
        "due_at": AS_OF,
        "outcome": outcome,
        "is_at_risk": None if outcome == "unknown" else number == 4,
    }


def _ticket(number: int, text: str, url: str) -> Row:
    return {
        "connection_id": DESK,
        "ticket_id": f"{number}",
        "subject": text,
        "url": url,
        "assignee_name": text,
        "kind": "inbound",
        "opened_by_role": "customer",
        "opened_at": AS_OF - timedelta(days=5),
        "closed_at": AS_OF - timedelta(days=1) if number % 2 else None,
        "is_closed": bool(number % 2),
        "is_deleted": False,
    }


def _turn(number: int) -> Row:
    ending = ("answered", "open", "closed")[number % 3]
    return {
        "connection_id": DESK,
        "ticket_id": f"{number}",
        "turn_number": 1,
        "side": "customer",
        "reply_kind": "first",
        "started_at": AS_OF - timedelta(days=3, hours=number),
        "end_reason": ending,
        "ended_at": None if ending == "open" else AS_OF - timedelta(days=2),
        "wait_seconds": None if ending == "open" else 1_000 * (number + 1),
        "has_unknown_author": number == 9,
    }


def _message(number: int) -> Row:
    return {
        "connection_id": DESK,
        "ticket_id": f"{number}",
        "side": "agent" if number % 2 else "customer",
        "is_agent_reply": bool(number % 2),
        "sent_at": AS_OF - timedelta(hours=5 * number),
    }


def _statistics(metric: str, limit: int) -> Row:
    counts = dict.fromkeys(("case_count", "answered_count", "open_count", "closed_unanswered_count"), 8)
    share = {"left_out_count": 0, "old_enough_count": 8, "answered_within_count": 6, "answered_share": 0.75}
    return {"connection_id": DESK, "metric": metric, "limit_seconds": limit, "median_seconds": 5_000} | counts | share


def _agent_day(on: date, text: str) -> Row:
    counts = {"reply_count": 4, "first_reply_count": 1, "timed_answer_count": 3, "closed_ticket_count": 1}
    return {"connection_id": DESK, "agent_id": text, "day_on": on, "answer_seconds_sum": 10_000} | counts


def _customer_day(on: date, text: str) -> Row:
    counts = {"opened_count": 1, "customer_message_count": 2, "agent_reply_count": 2}
    return {"connection_id": DESK, "customer_id": text, "day_on": on} | counts


def _customer(text: str) -> Row:
    counts: dict[str, Any] = {"ticket_count": 9, "customer_message_count": 9, "agent_reply_count": 9}
    named = {"connection_id": DESK, "customer_id": text, "customer_name": text}
    return named | counts | {"median_first_reply_seconds": 7_200}
