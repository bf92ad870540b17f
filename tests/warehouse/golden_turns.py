"""Who spoke and then waited, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_business_time import seconds_between, whole_second
from tests.warehouse.golden_messages import Message
from tests.warehouse.golden_settings import Row


@dataclass(frozen=True)
class Turn:
    """A run of messages of one side, and the message that answered it or the closing that cut it from the next one."""

    number: int
    side: str
    messages: Sequence[Message]
    answer: Message | None
    closed_at: datetime | None
    following: Message | None
    is_first_of_side: bool

    @property
    def started_at(self) -> datetime | None:
        return self.messages[0].sent_at


def turns(thread: Sequence[Message], closings: Sequence[datetime]) -> list[Turn]:
    """The turns of a conversation that is known; `closings`: when its ticket was closed."""
    by_time = sorted(thread, key=lambda message: message.place)
    asked = next((message.place for message in by_time if message.side == "customer"), len(by_time) + 1)
    talk = [
        message
        for message in by_time
        if message.side in ("customer", "agent")
        and not (message.note_id is None and message.side == "agent" and message.place > asked)
    ]
    runs: list[list[Message]] = []
    for message in talk:
        if runs and runs[-1][-1].side == message.side and _closing_between(runs[-1][-1], message, closings) is None:
            runs[-1].append(message)
        else:
            runs.append([message])
    found = []
    for index, run in enumerate(runs):
        following = runs[index + 1][0] if index + 1 < len(runs) else None
        is_answered = following is not None and following.side != run[0].side
        is_cut_by_closing = following is not None and (not is_answered or run[0].side == "agent")
        cut_at = _closing_between(run[-1], following, closings) if following and is_cut_by_closing else None
        is_answered = is_answered and cut_at is None
        is_first = all(earlier[0].side != run[0].side for earlier in runs[:index])
        answer = following if is_answered else None
        found.append(Turn(index + 1, str(run[0].side), run, answer, cut_at, following, is_first))
    return found


def _closing_between(message: Message, following: Message, closings: Sequence[datetime]) -> datetime | None:
    """The first closing at or after one message and before the next."""
    if message.sent_at is None or following.sent_at is None:
        return None
    after, before = whole_second(message.sent_at), whole_second(following.sent_at)
    return min((moment for moment in closings if after <= whole_second(moment) < before), default=None)


def waiting(thread: Sequence[Message], talk: Sequence[Turn], *, is_over: bool) -> tuple[str, datetime | None]:
    """Who is waited for, and since when; `is_over`: closed, spam or merged."""
    if is_over:
        return "nobody", None
    spoke_last = talk[-1].messages[-1].place if talk else 0
    if any(message.side == "unknown" and message.place > spoke_last for message in thread):
        return "unknown", None
    if not talk:
        return "nobody", None
    return {"customer": "us", "agent": "customer"}[talk[-1].side], talk[-1].started_at


def turn_row(turn: Turn, ticket: Row, strangers: Sequence[Message], account: Account) -> Row:
    """As the mart shows it; `strangers`: the messages of the ticket that speak and are by nobody known."""
    end_reason, ended_at = _end(turn, ticket)
    messages = turn.messages
    kind = None if turn.side == "agent" else "first" if turn.is_first_of_side else "next"
    return {
        "connection_id": ticket["connection_id"],
        "ticket_id": ticket["ticket_id"],
        "turn_number": turn.number,
        "integration_type": ticket["integration_type"],
        "customer_id": ticket["customer_id"],
        "side": turn.side,
        "reply_kind": kind,
        "first_message_number": messages[0].number,
        "last_message_number": messages[-1].number,
        "message_count": len(messages),
        "started_at": turn.started_at,
        "last_message_at": messages[-1].sent_at,
        "end_reason": end_reason,
        "ended_at": ended_at,
        "answered_by_message_number": turn.answer.number if turn.answer else None,
        "answered_by_author_id": turn.answer.author_id if turn.answer else None,
        "wait_seconds": seconds_between(turn.started_at, ended_at),
        "wait_business_seconds": account.calendars.seconds(ticket["connection_id"], turn.started_at, ended_at),
        "is_answered": end_reason == "answered",
        "is_open": end_reason == "open",
        "has_unknown_author": _may_be_answered(turn, strangers, ended_at if end_reason == "closed" else None),
        "is_settled": account.is_settled(ticket["connection_id"], ended_at),
    }


def _end(turn: Turn, ticket: Row) -> tuple[str, datetime | None]:
    if turn.answer:
        return "answered", turn.answer.sent_at
    if turn.closed_at:
        return "closed", turn.closed_at
    if not ticket["is_closed"]:
        return "open", None
    closed_at, started_at = ticket["closed_at"], turn.started_at
    if closed_at and started_at and whole_second(started_at) > whole_second(closed_at):
        return "after_closing", None
    return "closed", closed_at


def _may_be_answered(turn: Turn, strangers: Sequence[Message], closed_at: datetime | None) -> bool:
    """Whether somebody unknown spoke after its first message and before its end."""
    return any(
        turn.messages[0].place < message.place
        and (turn.following is None or message.place < turn.following.place)
        and not (closed_at and message.sent_at and whole_second(message.sent_at) > whole_second(closed_at))
        for message in strangers
    )
