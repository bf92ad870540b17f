"""Who replied, first and last, when and how soon: counted conversation by conversation in the other marts' rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from math import floor
from typing import Any

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_daily import counted_day
from tests.warehouse.golden_settings import Key, Row
from tests.warehouse.golden_text import text

SET_ASIDE = ("spam", "merged")


@dataclass
class _Deeds:
    """What somebody has done, or has done on a day."""

    replies: list[Row] = field(default_factory=list)
    firsts: list[tuple[Row, int | None]] = field(default_factory=list)
    """The first replies of their tickets, and how long the customer had waited."""
    answers: list[int | None] = field(default_factory=list)
    """Of the turns that were answered, the wait."""
    closings: int = 0

    @property
    def times(self) -> list[datetime]:
        return [reply["sent_at"] for reply in self.replies if reply["sent_at"]]

    @property
    def first_waits(self) -> list[int]:
        return [seconds for _, seconds in self.firsts if seconds is not None]

    @property
    def tickets(self) -> int:
        return len({reply["ticket_id"] for reply in self.replies})


_EVER = None
"""All days, and what has none."""

_Book = Mapping[tuple[Key, date | None], _Deeds]


def people_rows(made: Mapping[str, Sequence[Row]], account: Account) -> dict[str, list[Row]]:
    """The rows of `agents`, `agent_daily` and `agent_hours`."""
    book = _deeds(made, account)
    days = {(key, day): deeds for (key, day), deeds in book.items() if day is not _EVER}
    return {
        "agents": [_agent_row(key, book.get((key, _EVER), _Deeds()), made, account) for key in _agents(made, account)],
        "agent_daily": [_day_row(key, day, deeds, account) for (key, day), deeds in days.items()],
        "agent_hours": _hour_rows(book, account),
    }


def percentile(values: Iterable[int | None], share: Fraction) -> int | None:
    """Between the two values next to its place, as far as the place is from them; halves up."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    place = share * (len(known) - 1)
    below = floor(place)
    above = min(below + 1, len(known) - 1)
    return floor(known[below] + (place - below) * (known[above] - known[below]) + Fraction(1, 2))


def median_of(values: Iterable[int | None]) -> int | None:
    return percentile(values, Fraction(1, 2))


def _agents(made: Mapping[str, Sequence[Row]], account: Account) -> set[Key]:
    wrote = {(row["connection_id"], row["author_id"]) for row in made["conversation_messages"] if _is_agents(row)}
    owns = {(row["connection_id"], row["assignee_user_id"]) for row in made["tickets"] if not row["is_deleted"]}
    return {key for key in {*wrote, *owns, *account.employees} if key[1] is not None}


def _is_agents(message: Row) -> bool:
    return bool(message["author_role"] == "agent")


def _deeds(made: Mapping[str, Sequence[Row]], account: Account) -> _Book:
    tickets = {(row["connection_id"], row["ticket_id"]): row for row in made["tickets"]}
    threads: dict[Key, list[Row]] = defaultdict(list)
    for message in made["conversation_messages"]:
        if message["is_agent_reply"]:
            threads[message["connection_id"], message["ticket_id"]].append(message)
    book: dict[tuple[Key, date | None], _Deeds] = defaultdict(_Deeds)

    def credited(connection_id: str, agent_id: str | None, moment: datetime | None) -> list[_Deeds]:
        if agent_id is None:
            return []
        days = [_EVER, *([counted_day(moment, connection_id, account)] if moment else [])]
        return [book[(connection_id, agent_id), day] for day in days]

    for key, replies in threads.items():
        ticket = tickets[key]
        replies.sort(key=lambda reply: int(reply["number_by_time"]))
        for reply in replies:
            for deeds in credited(key[0], reply["author_id"], reply["sent_at"]):
                deeds.replies.append(reply)
                deeds.firsts += [(reply, ticket["first_reply_seconds"])] if reply is replies[0] else []
        if ticket["is_closed"]:
            for deeds in credited(key[0], replies[-1]["author_id"], ticket["closed_at"]):
                deeds.closings += 1
    for turn in made["conversation_turns"]:
        if turn["side"] == "customer" and turn["end_reason"] == "answered":
            for deeds in credited(turn["connection_id"], turn["answered_by_author_id"], turn["ended_at"]):
                deeds.answers.append(turn["wait_seconds"])
    return book


def _agent_row(key: Key, deeds: _Deeds, made: Mapping[str, Sequence[Row]], account: Account) -> Row:
    connection_id, agent_id = key
    employee = account.employees.get(key, {})
    names = {
        row["author_name"]
        for row in made["conversation_messages"]
        if _is_agents(row) and (row["connection_id"], row["author_id"]) == key and row["author_name"]
    }
    owned = [
        row
        for row in made["tickets"]
        if (row["connection_id"], row["assignee_user_id"]) == key
        and not row["is_deleted"]
        and row["kind"] not in SET_ASIDE
    ]
    known = [
        row["is_conversation_known"]
        for row in made["tickets"]
        if row["connection_id"] == connection_id and not row["is_deleted"]
    ]
    is_unread = bool(known) and not any(known)
    emails = (text(email.get("email")) for email in employee.get("emails") or () if isinstance(email, Mapping))
    return {
        "connection_id": connection_id,
        "agent_id": agent_id,
        "integration_type": account.helpdesk(connection_id),
        "agent_name": account.employee_name(connection_id, agent_id) or next(iter(names), None),
        "email": next((email for email in emails if email), None),
        "title": text(employee.get("title")),
        "reply_count": None if is_unread else len(deeds.replies),
        "replied_ticket_count": None if is_unread else deeds.tickets,
        "first_reply_count": None if is_unread else len(deeds.firsts),
        "median_first_reply_seconds": median_of(deeds.first_waits),
        "p90_first_reply_seconds": percentile(deeds.first_waits, Fraction(9, 10)),
        "answered_turn_count": None if is_unread else len(deeds.answers),
        "median_answer_seconds": median_of(deeds.answers),
        "closed_ticket_count": None if is_unread else deeds.closings,
        "first_replied_at": min(deeds.times, default=None),
        "last_replied_at": max(deeds.times, default=None),
        "assigned_ticket_count": len(owned),
        "assigned_open_ticket_count": sum(not row["is_closed"] for row in owned),
        "assigned_closed_ticket_count": sum(row["is_closed"] for row in owned),
        "is_employee": key in account.employees,
        "is_deleted": bool(employee.get("_deleted_at")),
    }


def _day_row(key: Key, day: date | None, deeds: _Deeds, account: Account) -> Row:
    timed_answers = [seconds for seconds in deeds.answers if seconds is not None]
    return {
        "connection_id": key[0],
        "agent_id": key[1],
        "day_on": day,
        "integration_type": account.helpdesk(key[0]),
        "reply_count": len(deeds.replies),
        "replied_ticket_count": deeds.tickets,
        "first_reply_count": len(deeds.firsts),
        "timed_first_reply_count": len(deeds.first_waits),
        "first_reply_seconds_sum": sum(deeds.first_waits),
        "median_first_reply_seconds": median_of(deeds.first_waits),
        "answered_turn_count": len(deeds.answers),
        "timed_answer_count": len(timed_answers),
        "answer_seconds_sum": sum(timed_answers),
        "median_answer_seconds": median_of(timed_answers),
        "closed_ticket_count": deeds.closings,
        "first_replied_at": min(deeds.times, default=None),
        "last_replied_at": max(deeds.times, default=None),
    }


def _hour_rows(book: _Book, account: Account) -> list[Row]:
    zone = account.settings.reporting_timezone
    counts: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    ever = {key: deeds for (key, day), deeds in book.items() if day is _EVER}
    for key, deeds in ever.items():
        for place, replies in enumerate((deeds.replies, [reply for reply, _ in deeds.firsts])):
            for moment in (reply["sent_at"].astimezone(zone) for reply in replies if reply["sent_at"]):
                counts[*key, moment.isoweekday(), moment.hour][place] += 1
    return [
        {
            "connection_id": connection_id,
            "agent_id": agent_id,
            "weekday": weekday,
            "hour_of_day": hour,
            "integration_type": account.helpdesk(connection_id),
            "reply_count": replies,
            "first_reply_count": first_replies,
        }
        for (connection_id, agent_id, weekday, hour), (replies, first_replies) in counts.items()
    ]
