"""The clocks of first replies, next replies and resolutions: against the user's own policies, and as statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import zip_longest
from math import floor
from statistics import median
from typing import Any

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_business_time import (
    Span,
    as_span,
    moment_reached,
    running_seconds,
    seconds_between,
    whole_second,
)
from tests.warehouse.golden_settings import Record, Row
from tests.warehouse.golden_signs import as_text
from tests.warehouse.golden_text import comparable, lower, text

METRICS = ["first_reply", "next_reply", "resolution"]
VENDOR_PAUSES = ("pending", "hold")


@dataclass(frozen=True)
class Clock:
    """Something that somebody waits for; `end`: answered, cancelled, unknown (its time is not there) or open."""

    ticket: Row
    metric: str
    turn_number: int
    started_at: datetime
    ended_at: datetime | None
    end: str
    may_be_answered: bool = False
    """Somebody unknown has spoken before its end."""


def clocks(ticket: Row, talk: Sequence[Row]) -> Iterator[Clock]:
    """Those of a ticket, with a policy or without; `talk`: its turns."""
    for turn in talk:
        if turn["side"] == "customer" and turn["started_at"] and turn["end_reason"] != "after_closing":
            end = {"answered": "answered", "closed": "cancelled", "open": "open"}[turn["end_reason"]]
            is_untold = end != "open" and turn["ended_at"] is None
            yield Clock(
                ticket,
                f"{turn['reply_kind']}_reply",
                turn["turn_number"],
                turn["started_at"],
                turn["ended_at"],
                "unknown" if is_untold else end,
                turn["has_unknown_author"],
            )
    started_at = _asked_at(ticket, talk)
    if started_at is None:
        return
    took = seconds_between(started_at, ticket["closed_at"])
    if not ticket["is_closed"]:
        yield Clock(ticket, "resolution", 0, started_at, None, "open")
    elif took is None or took < 0:
        yield Clock(ticket, "resolution", 0, started_at, None, "unknown")
    else:
        yield Clock(ticket, "resolution", 0, started_at, ticket["closed_at"], "answered")


def outcome_row(clock: Clock, policy: Record, talk: Sequence[Row], periods: Sequence[Row], account: Account) -> Row:
    """How a clock goes or went against its policy; `talk` and `periods`: the ticket's turns, and its periods."""
    pauses = _pauses(policy, talk, periods)
    as_of = account.settings.as_of
    hours = account.calendars.named(policy["calendar"])
    target = int(policy["target_minutes"]) * 60
    stops_at = clock.ended_at or as_of
    until = whole_second(stops_at)
    known = [(begins, min(ends, until)) for begins, ends in pauses if begins < min(ends, until)]
    is_paused = any(ends == until for _, ends in known)
    elapsed = None if clock.end == "unknown" else running_seconds(hours, clock.started_at, stops_at, known)
    in_all = None if elapsed is None else running_seconds(hours, clock.started_at, stops_at)
    due_at = moment_reached(hours, clock.started_at, target, known)
    if clock.end == "unknown" or (is_paused and due_at and due_at > until):
        due_at = None
    is_running = clock.end == "open"
    has_unknown_pauses = _has_unknown_pauses(policy, clock.ticket, talk, periods)
    outcome = _outcome(clock, elapsed, target, is_paused=is_paused)
    if (has_unknown_pauses or clock.may_be_answered) and outcome in ("missed", "overdue"):
        outcome = "unknown"
    is_known = outcome != "unknown"
    return {
        "connection_id": clock.ticket["connection_id"],
        "ticket_id": clock.ticket["ticket_id"],
        "metric": clock.metric,
        "turn_number": clock.turn_number,
        "integration_type": clock.ticket["integration_type"],
        "policy": policy["policy"],
        "calendar": policy["calendar"],
        "pauses_on": policy["pauses_on"],
        "target_seconds": target,
        "started_at": clock.started_at,
        "ended_at": clock.ended_at,
        "due_at": due_at,
        "elapsed_seconds": elapsed,
        "paused_seconds": None if elapsed is None or in_all is None else in_all - elapsed,
        "remaining_seconds": None if elapsed is None else target - elapsed,
        "outcome": outcome,
        "is_breached": outcome in ("missed", "overdue") if is_known else None,
        "is_running": is_running,
        "has_unknown_pauses": has_unknown_pauses,
        "has_unknown_author": clock.may_be_answered,
        "data_as_of": clock.ticket["data_as_of"],
        "is_at_risk": outcome == "running" and (elapsed or 0) >= account.settings.at_risk_share * target
        if is_known
        else None,
        "as_of": as_of,
    }


def policy_of(clock: Clock, tags: Any, policies: Sequence[Record]) -> Record | None:
    """The first of those that match the ticket as it is now."""
    found = [policy for policy in policies if policy["metric"] == clock.metric and _matches(clock, tags, policy)]

    def rank(policy: Record) -> tuple[int, int, bytes, int, bytes, bytes]:
        since = date.fromisoformat(str(policy["valid_from"])).toordinal() if policy["valid_from"] else 0
        last = (policy["calendar"] or "").encode(), (policy["pauses_on"] or "").encode()
        return int(policy["place"]), -since, policy["policy"].encode(), int(policy["target_minutes"]), *last

    return min(found, key=rank, default=None)


def _pauses(policy: Record, talk: Sequence[Row], periods: Sequence[Row]) -> list[Span]:
    """When a policy's clocks stand still."""
    causes = (policy["pauses_on"] or "").split()
    paused: list[Span] = []
    if "waiting_on_customer" in causes:
        paused += [span for span in _waits_for_customer(talk) if span is not None]
    for period in periods:
        is_reopened = policy["metric"] == "resolution" and period["status"] == "closed" and not period["is_current"]
        if is_reopened or (period["vendor_status"] in VENDOR_PAUSES and period["vendor_status"] in causes):
            paused.append(as_span(period["started_at"] or period["observed_from"], period["ended_at"]))
    return paused


def _waits_for_customer(talk: Sequence[Row]) -> Iterator[Span | None]:
    """From when until when nobody but the customer had to write; None where one of the two is not told."""
    for turn, following in zip_longest(talk, talk[1:]):
        if turn["side"] != "agent":
            continue
        until = turn["ended_at"]
        if turn["end_reason"] == "closed":
            until = following["started_at"] if following else None
        is_told = turn["started_at"] and (until or not following)
        yield as_span(turn["started_at"], until) if is_told else None


def _has_unknown_pauses(policy: Record, ticket: Row, talk: Sequence[Row], periods: Sequence[Row]) -> bool:
    causes = (policy["pauses_on"] or "").split()
    open_states = [period["vendor_status"] for period in periods if period["status"] != "closed"]
    if {*VENDOR_PAUSES} & {*causes} and (not ticket["is_history_complete"] or None in open_states):
        return True
    if policy["metric"] != "resolution" or "waiting_on_customer" not in causes:
        return False
    is_every_author_known = ticket["is_conversation_known"] and not ticket["has_unknown_author"]
    return not is_every_author_known or None in [*_waits_for_customer(talk)]


def statistics_rows(found: Mapping[str, Sequence[Clock]], account: Account) -> list[Row]:
    """One row for each connection and metric of which there is a clock, and limit."""
    return [
        _statistics_row(connection_id, metric, limit, of_metric, account)
        for connection_id, of_it in found.items()
        for metric in METRICS
        if (of_metric := [clock for clock in of_it if clock.metric == metric])
        for limit in account.settings.answer_limits
    ]


def _statistics_row(connection_id: str, metric: str, limit: int, found: Sequence[Clock], account: Account) -> Row:
    as_of = account.settings.as_of
    sure = [clock for clock in found if not clock.may_be_answered]
    cases = [clock for clock in sure if clock.end in ("answered", "open")]
    closed = [clock for clock in sure if clock.end == "cancelled"]
    took = {id(clock): seconds_between(clock.started_at, clock.ended_at) for clock in sure}
    answered = sorted(seconds for clock in cases if (seconds := took[id(clock)]) is not None)
    read_until = account.data_as_of(connection_id)
    oldest = whole_second(min(as_of, read_until)) - timedelta(seconds=limit) if read_until else None
    waited_in_vain = [clock for clock in closed if (took[id(clock)] or 0) >= limit]
    old_enough = [clock for clock in (*cases, *waited_in_vain) if oldest and whole_second(clock.started_at) <= oldest]
    within = [seconds for clock in old_enough if clock.end == "answered" and (seconds := took[id(clock)] or 0) <= limit]
    middle = answered[(len(cases) - 1) // 2 : len(cases) // 2 + 1]
    has_middle = bool(cases) and len(cases) // 2 < len(answered)
    return {
        "connection_id": connection_id,
        "metric": metric,
        "limit_seconds": limit,
        "integration_type": account.helpdesk(connection_id),
        "case_count": len(cases),
        "answered_count": len(answered),
        "open_count": len(cases) - len(answered),
        "closed_unanswered_count": len(closed),
        "left_out_count": len(found) - len(cases) - len(closed),
        "old_enough_count": len(old_enough),
        "answered_within_count": len(within),
        "answered_share": len(within) / len(old_enough) if old_enough else None,
        "mean_answered_seconds": nearest(Fraction(sum(answered), len(answered))) if answered else None,
        "median_answered_seconds": nearest(Fraction(median(answered))) if answered else None,
        "median_seconds": nearest(Fraction(sum(middle), len(middle))) if has_middle else None,
        "data_as_of": account.data_as_of(connection_id),
        "as_of": as_of,
    }


def nearest(number: Fraction) -> int:
    """Rounded, halves up."""
    return floor(number + Fraction(1, 2))


def _asked_at(ticket: Row, talk: Sequence[Row]) -> datetime | None:
    """When a customer began to wait for a resolution."""
    if ticket["is_deleted"] or ticket["kind"] in ("spam", "merged"):
        return None
    if ticket["opened_by_role"] == "customer":
        opened_at: datetime | None = ticket["opened_at"]
        return opened_at
    return next((turn["started_at"] for turn in talk if turn["side"] == "customer"), None)


def _outcome(clock: Clock, elapsed: int | None, target: int, *, is_paused: bool) -> str:
    if elapsed is None:
        return "unknown"
    is_over = elapsed > target
    if clock.end == "open":
        return "overdue" if is_over else "paused" if is_paused else "running"
    if is_over:
        return "missed"
    return "cancelled" if clock.end == "cancelled" else "met"


def _matches(clock: Clock, tags: Any, policy: Record) -> bool:
    ticket = clock.ticket
    own_tags = {lower(word) for tag in tags or [] if (word := as_text(tag))}
    category = policy["category"]
    if policy["valid_from"]:
        since = datetime.fromisoformat(str(policy["valid_from"])).replace(tzinfo=UTC)
        if clock.started_at < since:
            return False
    return (
        policy["connection_id"] in (None, ticket["connection_id"])
        and policy["priority"] in (None, ticket["priority"])
        and (policy["tag"] is None or lower(policy["tag"]) in own_tags)
        and policy["customer_id"] in (None, ticket["customer_id"])
        and (
            category is None
            or text(category) == ticket["category_id"]
            or (ticket["category_name"] is not None and comparable(category) == comparable(ticket["category_name"]))
        )
    )
