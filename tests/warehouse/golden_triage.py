"""The open tickets as they stand at the moment of reading, and those that want action."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_business_time import seconds_between, whole_second
from tests.warehouse.golden_settings import Record, Row
from tests.warehouse.golden_signs import as_text
from tests.warehouse.golden_text import lower


def open_ticket_row(ticket: Row, periods: Sequence[Row], outcomes: Sequence[Row], account: Account) -> Row | None:
    """A ticket as it stands; None for one that is closed, deleted, spam or merged."""
    if ticket["is_closed"] or ticket["is_deleted"] or ticket["kind"] in ("spam", "merged"):
        return None
    as_of = account.settings.as_of
    connection_id = ticket["connection_id"]
    opened_at, waiting_since = _past(ticket["opened_at"], as_of), _past(ticket["waiting_since_at"], as_of)
    customer = account.customers.get((connection_id, ticket["customer_id"] or ""), {})
    dues = [row["due_at"] for row in outcomes if row["is_running"] and row["due_at"]]
    shared = (
        "connection_id ticket_id integration_type customer_id customer_name assignee_user_id assignee_name "
        "category_name subject priority vendor_status url opened_at waiting_on waiting_since_at "
        "observed_reopen_count data_as_of"
    )
    return {
        **{name: ticket[name] for name in shared.split()},
        "open_seconds": seconds_between(opened_at, as_of),
        "open_business_seconds": account.calendars.seconds(connection_id, opened_at, as_of),
        "waiting_seconds": seconds_between(waiting_since, as_of),
        "waiting_business_seconds": account.calendars.seconds(connection_id, waiting_since, as_of),
        "unassigned_seconds": _unassigned_seconds(ticket, periods, as_of),
        "is_unassigned": ticket["assignee_user_id"] is None,
        "is_vip": _is_vip(ticket, account) or _is_vip(customer, account),
        "has_category": bool(ticket["category_id"] or ticket["category_name"]),
        "overdue_sla_count": sum(row["outcome"] == "overdue" for row in outcomes),
        "at_risk_sla_count": sum(bool(row["is_at_risk"]) for row in outcomes),
        "next_due_at": min(dues, default=None),
        "as_of": as_of,
    }


def triage_rows(open_tickets: Sequence[Row], account: Account) -> list[Row]:
    """Those with a reason, in their order."""
    shared = (
        "connection_id ticket_id integration_type customer_id customer_name assignee_user_id assignee_name "
        "category_name subject priority url opened_at open_seconds waiting_on waiting_since_at waiting_seconds "
        "next_due_at data_as_of as_of"
    )
    rows = []
    for ticket in open_tickets:
        reasons = _reasons(ticket, account.settings.weights, account.settings.waiting_long_seconds)
        if reasons:
            score = sum(reason["weight"] for reason in reasons)
            rows.append({**{name: ticket[name] for name in shared.split()}, "score": score, "reasons": reasons})
    return [{**row, "place": place} for place, row in enumerate(sorted(rows, key=_urgency), 1)]


def _reasons(ticket: Row, weights: Mapping[str, int], long: int) -> list[Record]:
    waits_on_us = ticket["waiting_on"] == "us" and ticket["waiting_seconds"] is not None
    holds = {
        "sla_breached": ticket["overdue_sla_count"] > 0,
        "sla_at_risk": ticket["at_risk_sla_count"] > 0 and ticket["overdue_sla_count"] == 0,
        "unassigned": ticket["is_unassigned"],
        "waiting_long": waits_on_us and ticket["waiting_seconds"] >= long,
        "reopened": (ticket["observed_reopen_count"] or 0) > 0,
        "vip": ticket["is_vip"],
        "no_category": not ticket["has_category"],
    }
    reasons = [{"reason": name, "weight": weights[name]} for name, held in holds.items() if held and weights.get(name)]
    return sorted(reasons, key=lambda reason: (-int(reason["weight"]), str(reason["reason"])))


def _urgency(row: Row) -> tuple[Any, ...]:
    """By score, then by how long a customer has waited for us, then by age."""
    waits_since = row["waiting_since_at"] if row["waiting_on"] == "us" else None
    return (
        -row["score"],
        waits_since is None,
        waits_since,
        row["opened_at"] is None,
        row["opened_at"],
        row["connection_id"].encode(),
        row["ticket_id"].encode(),
    )


def _past(moment: datetime | None, as_of: datetime) -> datetime | None:
    """Since a moment that is still to come no time has gone by."""
    return moment if moment and whole_second(moment) <= whole_second(as_of) else None


def _unassigned_seconds(ticket: Row, periods: Sequence[Row], as_of: datetime) -> int | None:
    ended: int | None = ticket["unassigned_seconds"]
    if ended is None:
        return None
    current = periods[-1]
    if current["assignee_user_id"] is not None or current["status"] == "closed" or current["started_at"] is None:
        return ended
    return ended + max(seconds_between(current["started_at"], as_of) or 0, 0)


def _is_vip(tagged: Record, account: Account) -> bool:
    return any(lower(word) in account.settings.vip_tags for tag in tagged.get("tags") or [] if (word := as_text(tag)))
