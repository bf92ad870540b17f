"""The marts' figures once more, in plain Python from the records, after DECISIONS.md and not after the SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from itertools import takewhile
from statistics import median
from typing import Any

Record = Mapping[str, Any]
Key = tuple[str, str]

SECOND = timedelta(seconds=1)
BLOCKS = {"p", "div", "ul", "ol", "li", "tr", "table", "tbody", "blockquote", "h1", "h2", "hr", "pre", "html", "body"}
INLINES = {"a", "b", "i", "em", "span", "strong", "br", "td", "th", "img", "script", "style", "head", "o:p"}


@dataclass(frozen=True)
class Message:
    note_id: str | None
    role: str
    source: str
    author_id: str | None
    visibility: str
    sent_at: datetime | None
    html: str | None
    text: str | None
    repeated_by: str | None = None
    is_reply: bool = False

    @property
    def is_spoken(self) -> bool:
        return self.visibility != "internal" and self.role != "bot"

    @property
    def content(self) -> str | None:
        whole = self.text or (self.html or "").strip() or None
        return whole and " ".join(whole.lower().split())


def conversations(records: Mapping[str, Sequence[Record]]) -> dict[Key, list[Message]]:
    """The messages of every ticket that is not deleted, in order."""
    notes: dict[Key, list[Message]] = defaultdict(list)
    for note in records["notes"]:
        message = _message_of_note(note)
        if message is not None:
            notes[note["connection_id"], note.get("ticket_id") or ""].append(message)
    return {
        (ticket["connection_id"], ticket["id"]): _conversation(ticket, notes[ticket["connection_id"], ticket["id"]])
        for ticket in records["tickets"]
        if not ticket.get("_deleted_at")
    }


def ticket_figures(ticket: Record, thread: Sequence[Message]) -> dict[str, Any]:
    """What the tickets mart says of one ticket that is not deleted."""
    status = (ticket.get("status") or "").strip().lower()
    is_closed = status == "closed"
    opened_at, closed_at = ticket.get("created_at"), ticket.get("closed_at") if is_closed else None
    replies = [message for message in thread if message.is_reply]
    asked = next((message for message in thread if message.role == "customer" and message.is_spoken), None)
    replied_at = min((message.sent_at for message in replies if message.sent_at), default=None)
    spoken = [message for message in thread if message.is_spoken]
    waiting_on, waiting_since = _turn(spoken, is_closed)
    return {
        "status": status if status in ("active", "closed") else "unknown",
        "is_closed": is_closed,
        "opened_at": opened_at,
        "closed_at": closed_at,
        "opened_by_role": thread[0].role,
        "first_replied_at": replied_at,
        "first_reply_seconds": (replied_at - asked.sent_at) // SECOND
        if asked and asked.sent_at and replied_at
        else None,
        "resolution_seconds": (closed_at - opened_at) // SECOND
        if closed_at and opened_at and closed_at >= opened_at
        else None,
        "message_count": len(thread),
        "customer_message_count": sum(message.role == "customer" for message in spoken),
        "agent_message_count": sum(message.role == "agent" for message in spoken),
        "agent_reply_count": len(replies),
        "bot_message_count": sum(message.role == "bot" for message in thread),
        "internal_message_count": sum(message.visibility == "internal" for message in thread),
        "first_contact_at": min((message.sent_at for message in spoken if message.sent_at), default=None),
        "last_contact_at": max((message.sent_at for message in spoken if message.sent_at), default=None),
        "waiting_on": waiting_on,
        "waiting_since_at": waiting_since,
        "is_agent_opened": thread[0].role == "agent",
        "is_answered": bool(replies),
        "has_unknown_visibility": any(message.visibility == "unknown" for message in thread),
        "has_unknown_author": any(message.role == "unknown" for message in thread),
    }


def customer_figures(tickets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the customer summary says, from the figures of the customer's tickets."""
    first_replies = [t["first_reply_seconds"] for t in tickets if t["first_reply_seconds"] is not None]
    resolutions = [t["resolution_seconds"] for t in tickets if t["resolution_seconds"] is not None]
    waits = [t["waiting_since_at"] for t in tickets if t["waiting_on"] == "us" and t["waiting_since_at"]]
    return {
        "ticket_count": len(tickets),
        "open_ticket_count": sum(not t["is_closed"] for t in tickets),
        "closed_ticket_count": sum(t["is_closed"] for t in tickets),
        "waiting_on_us_ticket_count": sum(t["waiting_on"] == "us" for t in tickets),
        "answered_ticket_count": sum(t["is_answered"] for t in tickets),
        "customer_message_count": sum(t["customer_message_count"] for t in tickets),
        "agent_reply_count": sum(t["agent_reply_count"] for t in tickets),
        "first_contact_at": min((t["first_contact_at"] for t in tickets if t["first_contact_at"]), default=None),
        "last_contact_at": max((t["last_contact_at"] for t in tickets if t["last_contact_at"]), default=None),
        "waiting_on_us_since_at": min(waits, default=None),
        "median_first_reply_seconds": int(median(first_replies) + 0.5) if first_replies else None,
        "median_resolution_seconds": int(median(resolutions) + 0.5) if resolutions else None,
    }


def plain_text(body: str | None) -> str | None:
    """A body as a reader sees it, by Python's own HTML parser."""
    if body is None:
        return None
    reader = _Reader()
    reader.feed(body)
    reader.close()
    text = reader.text() if reader.has_tags else unescape(body)
    for unseen in "\u200b\ufeff\r":
        text = text.replace(unseen, "")
    lines = [" ".join(line.replace("\xa0", " ").split()) for line in text.split("\n")]
    kept = [line for index, line in enumerate(lines) if line or (index and lines[index - 1])]
    return "\n".join(kept).strip() or None


def _conversation(ticket: Record, notes: list[Message]) -> list[Message]:
    opening = _opening(ticket)
    in_order = sorted(notes, key=lambda note: (_moment(note), note.content != opening.content, _tie(note)))
    first = in_order[0] if in_order else None
    if first is not None and _is_opening_once_more(first, opening):
        notes = [note for note in notes if note is not first]
        opening = _folded(opening, first, ticket)
    thread = [opening, *sorted(notes, key=lambda note: (_moment(note), _tie(note)))]
    return _with_replies(thread)


def _with_replies(thread: list[Message]) -> list[Message]:
    before = list(takewhile(lambda message: not (message.role == "customer" and message.is_spoken), thread))
    if len(before) == len(thread):
        return thread
    asked = thread[len(before)]

    def is_reply(message: Message) -> bool:
        is_in_time = not message.sent_at or not asked.sent_at or message.sent_at >= asked.sent_at
        return message.role == "agent" and message.visibility != "internal" and is_in_time

    return [*before, asked, *(replace(message, is_reply=is_reply(message)) for message in thread[len(before) + 1 :])]


def _is_opening_once_more(note: Message, opening: Message) -> bool:
    if note.sent_at is None or opening.sent_at is None:
        return False
    gap = abs(note.sent_at - opening.sent_at)
    if opening.content is None:
        return note.role == "customer" and gap <= 300 * SECOND
    return note.content == opening.content and gap <= (300 if note.role == "customer" else 60) * SECOND


def _folded(opening: Message, note: Message, ticket: Record) -> Message:
    told = opening
    if note.role != "unknown":
        author_id = note.author_id
        if note.role == "customer":
            author_id = author_id or ticket.get("customer_id")
        elif note.role == opening.role:
            author_id = author_id or opening.author_id
        told = replace(opening, role=note.role, source="first_note", author_id=author_id)
    return replace(
        told,
        repeated_by=note.note_id,
        visibility="internal" if note.visibility == "internal" else "public",
        text=opening.text or note.text,
        html=note.html if opening.content is None and note.html is not None else opening.html,
    )


def _opening(ticket: Record) -> Message:
    raw = ticket.get("raw") or {}
    source = raw.get("source")
    author = source.get("author", {}) if isinstance(source, dict) else {}
    opened_by, caller = ((raw.get(name) or {}).get("value") for name in ("opened_by", "caller_id"))
    role, told_by, author_id = "customer", "assumed", ticket.get("customer_id")
    if raw.get("submitter_id") and raw.get("requester_id") and raw["submitter_id"] != raw["requester_id"]:
        role, told_by, author_id = "agent", "raw_submitter_id", str(raw["submitter_id"])
    elif author.get("type") in ("admin", "bot"):
        role = "agent" if author["type"] == "admin" else "bot"
        told_by, author_id = "raw_source_author_type", author.get("id")
    elif source == 10:
        role, told_by, author_id = "agent", "raw_source", None
    elif opened_by and caller and opened_by != caller:
        role, told_by, author_id = "agent", "raw_opened_by", opened_by
    body = ticket.get("description")
    return Message(None, role, told_by, author_id, "public", ticket.get("created_at"), body, plain_text(body))


def _message_of_note(note: Record) -> Message | None:
    raw = note.get("raw") or {}
    text = plain_text(note.get("description"))
    is_event = raw.get("part_type") not in (None, "comment", "note") and text is None
    if note.get("_deleted_at") or is_event:
        return None
    role, source = _role(note, raw)
    author = raw.get("author") or {}
    author_id = note.get("customer_id") if role == "customer" else note.get("user_id")
    if source == "raw_author_type":
        author_id = author_id or author.get("id")
    sent_at = note.get("created_at") or note.get("updated_at")
    return Message(note["id"], role, source, author_id, _visibility(raw), sent_at, note.get("description"), text)


def _role(note: Record, raw: Mapping[str, Any]) -> tuple[str, str]:
    by_type = {"admin": "agent", "user": "customer", "lead": "customer", "contact": "customer", "bot": "bot"}
    author_type = (raw.get("author") or {}).get("type")
    if author_type in by_type:
        return by_type[author_type], "raw_author_type"
    if raw.get("incoming") is not None:
        return ("customer" if raw["incoming"] else "agent"), "raw_incoming"
    if note.get("user_id"):
        return "agent", "user_id"
    return ("customer", "customer_id") if note.get("customer_id") else ("unknown", "none")


def _visibility(raw: Mapping[str, Any]) -> str:
    signs = {
        ("public", False): "internal",
        ("public", True): "public",
        ("private", True): "internal",
        ("private", False): "public",
        ("part_type", "note"): "internal",
        ("part_type", "comment"): "public",
        ("element", "work_notes"): "internal",
        ("element", "comments"): "public",
    }
    told = {sign for (name, value), sign in signs.items() if raw.get(name) == value}
    return "internal" if "internal" in told else next(iter(told), "unknown")


def _turn(spoken: Sequence[Message], is_closed: bool) -> tuple[str, datetime | None]:
    if is_closed or not spoken:
        return "nobody", None
    opening_first = sorted(spoken, key=lambda m: (bool(m.note_id or m.sent_at), _moment(m)))
    last = opening_first[-1].role
    run = list(takewhile(lambda message: message.role == last, reversed(opening_first)))
    if last == "unknown":
        return "unknown", None
    since = min((message.sent_at for message in run if message.sent_at), default=None)
    return {"customer": "us", "agent": "customer"}[last], since


def _moment(message: Message) -> tuple[bool, float]:
    return (message.sent_at is None, message.sent_at.timestamp() if message.sent_at else 0)


def _tie(message: Message) -> tuple[int, int, str]:
    rank = ["customer", "agent", "bot", "unknown"].index(message.role)
    return (rank, len(message.note_id or ""), message.note_id or "")


_BLOCK_EDGE = "\0"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.hidden: list[str] = []
        self.has_tags = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._edge(tag)
        if tag in ("script", "style", "head"):
            self.hidden.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self._edge(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.hidden and self.hidden[-1] == tag:
            self.hidden.pop()
        self._edge(tag)

    def handle_comment(self, data: str) -> None:
        self.has_tags = True

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            starts, ends = data[:1].isspace(), data[-1:].isspace()
            self.pieces.append((" " * starts) + " ".join(data.split()) + (" " * ends))

    def text(self) -> str:
        lines: list[str] = [""]
        at_edge = False
        for piece in self.pieces:
            if piece == _BLOCK_EDGE:
                at_edge = True
            elif piece == "\n":
                if at_edge:
                    lines.append("")
                at_edge = False
                lines.append("")
            elif piece.strip() or not at_edge:
                if at_edge:
                    lines.append("")
                at_edge = False
                lines[-1] += piece
        return "\n".join(lines)

    def _edge(self, tag: str) -> None:
        self.has_tags = self.has_tags or tag in BLOCKS | INLINES
        if tag in BLOCKS:
            self.pieces.append(_BLOCK_EDGE)
        elif tag == "br":
            self.pieces.append("\n")
        elif tag in ("td", "th"):
            self.pieces.append(" ")
