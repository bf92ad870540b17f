"""The messages of a ticket: who wrote them, who may see them, which of them speak, and in what order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile
from typing import Any

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_business_time import seconds_between, whole_second
from tests.warehouse.golden_settings import Record, Row
from tests.warehouse.golden_signs import as_text, value_at
from tests.warehouse.golden_text import comparable, plain_text, text

ROLES = ["customer", "agent", "bot", "unknown"]


@dataclass(frozen=True)
class Message:
    """One message; `place` is its number by time, `number` the one in its thread, which begins with the opening."""

    note_id: str | None
    role: str
    source: str
    author_id: str | None
    visibility: str
    visibility_source: str
    sent_at: datetime | None
    html: str | None
    text: str | None
    is_automatic: bool = False
    repeated_by: str | None = None
    author_name: str | None = None
    side: str | None = None
    is_reply: bool = False
    place: int = 0
    number: int = 0

    @property
    def content(self) -> str | None:
        return comparable(self.text)


def kind_of(ticket: Record, account: Account) -> str | None:
    """What the signs of a ticket say of its kind."""
    sign = account.signs.of_ticket(ticket, account.helpdesk(ticket["connection_id"]), "kind")
    return sign.meaning if sign else None


def conversation(ticket: Record, account: Account) -> list[Message]:
    """The messages of a ticket that is not deleted, its opening first."""
    opening = _opening(ticket, account)
    found = [_message_of_note(note, ticket, account) for note in account.notes_of(ticket)]
    notes = [message for message in found if message is not None]
    theirs = [note for note in notes if note.source != "writeback"]
    earliest = min(theirs, key=lambda note: (_when(note), note.content != opening.content, _tie(note)), default=None)
    if earliest is not None and _is_opening_once_more(earliest, opening):
        notes = [note for note in notes if note is not earliest]
        opening = _folded(opening, earliest, ticket)
    by_time = sorted([opening, *notes], key=lambda message: (_when(message), message is not opening, _tie(message)))
    is_mute = kind_of(ticket, account) in ("spam", "merged")
    spoken = [replace(message, side=None if is_mute else _side(message)) for message in by_time]
    asked_in_place = len(list(takewhile(lambda message: message.side != "customer", spoken))) + 1
    placed = [
        replace(
            message,
            place=place,
            is_reply=message.side == "agent" and message.note_id is not None and place > asked_in_place,
            author_name=_author_name(message, ticket["connection_id"], account),
        )
        for place, message in enumerate(spoken, 1)
    ]
    in_thread = sorted(placed, key=lambda message: message.note_id is not None)
    return [replace(message, number=number) for number, message in enumerate(in_thread, 1)]


def message_row(ticket: Record, message: Message) -> Row:
    """As the mart shows it."""
    connection_id, ticket_id = ticket["connection_id"], ticket["id"]
    kind, own_id = ("note", message.note_id) if message.note_id else ("ticket", ticket_id)
    return {
        "connection_id": connection_id,
        "ticket_id": ticket_id,
        "message_number": message.number,
        "number_by_time": message.place,
        "message_id": f"{connection_id}/{kind}/{own_id}",
        "note_id": message.note_id,
        "repeated_by_note_id": message.repeated_by,
        "author_role": message.role,
        "author_role_source": message.source,
        "author_id": message.author_id,
        "author_name": message.author_name,
        "visibility": message.visibility,
        "visibility_source": message.visibility_source,
        "side": message.side,
        "is_automatic": message.is_automatic,
        "is_agent_reply": message.is_reply,
        "sent_at": message.sent_at,
        "body_text": message.text,
        "body_html": message.html,
    }


def _side(message: Message) -> str | None:
    is_silent = message.visibility == "internal" or message.role == "bot" or message.is_automatic
    return None if is_silent else message.role


def _author_name(message: Message, connection_id: str, account: Account) -> str | None:
    if message.role == "customer":
        return account.customer_name(connection_id, message.author_id)
    name = account.employee_name(connection_id, message.author_id)
    return name or (
        account.customer_name(connection_id, message.author_id) if message.source == "known_agent" else None
    )


def _is_opening_once_more(note: Message, opening: Message) -> bool:
    gap = seconds_between(opening.sent_at, note.sent_at)
    if gap is None or opening.content is None:
        return False
    return note.content == opening.content and abs(gap) <= (300 if note.role == "customer" else 60)


def _folded(opening: Message, note: Message, ticket: Record) -> Message:
    told = opening
    if note.role != "unknown":
        author_id = note.author_id
        if note.role == "customer":
            author_id = author_id or text(ticket.get("customer_id"))
        elif note.role == opening.role:
            author_id = author_id or opening.author_id
        told = replace(opening, role=note.role, source="first_note", author_id=author_id)
    if note.visibility == "internal" and told.role != "customer":
        told = replace(told, visibility="internal", visibility_source="first_note")
    return replace(told, repeated_by=note.note_id)


def _opening(ticket: Record, account: Account) -> Message:
    role, told_by, author_id = _opener(ticket, account)
    body = ticket.get("description")
    sent_at = ticket.get("created_at")
    return Message(None, role, told_by, author_id, "public", "opening", sent_at, body, plain_text(body))


def _opener(ticket: Record, account: Account) -> tuple[str, str, str | None]:
    """Who wrote message 1, by what, and the id, as far as the ticket itself tells."""
    raw, customer_id = ticket.get("raw") or {}, text(ticket.get("customer_id"))
    submitter, requester = value_at(raw, "submitter_id"), value_at(raw, "requester_id")
    opened_by, caller = value_at(raw, "opened_by"), value_at(raw, "caller_id")
    sign = account.signs.of_ticket(ticket, account.helpdesk(ticket["connection_id"]), "author_role")
    if sign:
        beside = value_at(raw, "source.author.id") if sign.path == "source.author.type" else None
        return sign.meaning, sign.source, customer_id if sign.meaning == "customer" else beside
    if submitter and requester and submitter != requester:
        return "agent", "raw_submitter_id", submitter
    if opened_by and caller and opened_by != caller:
        return "agent", "raw_opened_by", opened_by
    if kind_of(ticket, account) == "outbound":
        return "agent", "kind", None
    return "customer", "assumed", customer_id


def _message_of_note(note: Record, ticket: Record, account: Account) -> Message | None:
    raw = note.get("raw") or {}
    body = plain_text(note.get("description"))
    is_event = not re.fullmatch("comment|note.*|", (raw.get("part_type") or "").lower()) and body is None
    if note.get("_deleted_at") or is_event:
        return None
    sent_at = note.get("created_at") or note.get("updated_at")
    role, source = _role(note, sent_at, ticket, account)
    by_customer = role == "customer" or source == "known_agent"
    author_id = text(note.get("customer_id") if by_customer else note.get("user_id"))
    if source == "raw_author_type":
        author_id = author_id or _author(raw)
    visibility, visibility_source = _visibility(note, account)
    is_automatic = account.signs.of_note(note, account.helpdesk(note["connection_id"]), "automatic") is not None
    html = note.get("description")
    return Message(
        note["id"], role, source, author_id, visibility, visibility_source, sent_at, html, body, is_automatic
    )


def _author(raw: Mapping[str, Any]) -> str | None:
    author = raw.get("author")
    return as_text(author.get("id")) if isinstance(author, Mapping) else None


def _role(note: Record, sent_at: datetime | None, ticket: Record, account: Account) -> tuple[str, str]:
    """Who wrote a note, and what tells."""
    connection_id = note["connection_id"]
    if account.is_own(note):
        return "bot", "writeback"
    sign = account.signs.of_note(note, account.helpdesk(connection_id), "author_role")
    if sign:
        return sign.meaning, sign.source
    if text(note.get("user_id")):
        return "agent", "user_id"
    named = text(note.get("customer_id"))
    if named is None:
        return "unknown", "none"
    if named != text(ticket.get("customer_id")) and account.was_agent(connection_id, named, sent_at):
        return "agent", "known_agent"
    return "customer", "customer_id"


def _visibility(note: Record, account: Account) -> tuple[str, str]:
    sign = account.signs.of_note(note, account.helpdesk(note["connection_id"]), "visibility")
    if sign:
        return sign.meaning, sign.source
    assumed = account.settings.assumed_note_visibility
    return (assumed, "assumed") if assumed else ("unknown", "none")


def _when(message: Message) -> tuple[int, float]:
    """By whole seconds; an opening without a time comes first, a note without one last."""
    if message.sent_at is None:
        return (0 if message.note_id is None else 2, 0)
    return (1, whole_second(message.sent_at).timestamp())


def _tie(message: Message) -> tuple[int, float, int, str]:
    exact = message.sent_at.timestamp() if message.sent_at else 0
    return (ROLES.index(message.role), exact, len(message.note_id or ""), message.note_id or "")


def first_time(messages: Sequence[Message]) -> datetime | None:
    """The earliest time that is there."""
    return min((message.sent_at for message in messages if message.sent_at), default=None)


def last_time(messages: Sequence[Message]) -> datetime | None:
    """The latest time that is there."""
    return max((message.sent_at for message in messages if message.sent_at), default=None)
