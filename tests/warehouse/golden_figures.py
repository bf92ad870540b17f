"""The marts once more, all rows and columns, in plain Python from the records, by DECISIONS.md and not by the SQL."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from itertools import takewhile
from statistics import median
from typing import Any

Record = Mapping[str, Any]
Row = dict[str, Any]
Key = tuple[str, str]

SECOND = timedelta(seconds=1)
ROLES = ["customer", "agent", "bot", "unknown"]
BLOCKS = {"p", "div", "ul", "ol", "li", "tr", "table", "tbody", "blockquote", "h1", "h2", "hr", "pre", "html", "body"}
INLINES = {"a", "b", "i", "em", "span", "strong", "br", "td", "th", "img", "script", "style", "head", "o:p", "title"}
CHOICES = {"select", "option", "noscript", "svg", "label"}
HTML_WHEN_ALONE = {"br", "p", "div", "hr", "img", "li", "tr", "td", "html"}


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
    place: int = 0
    """By time, where the first is 1; the order of a thread's messages puts its opening first."""

    @property
    def is_spoken(self) -> bool:
        return self.visibility != "internal" and self.role != "bot"

    @property
    def content(self) -> str | None:
        return _comparable(self.text)

    @property
    def second(self) -> datetime | None:
        return self.sent_at and self.sent_at.replace(microsecond=0)


@dataclass(frozen=True)
class Marts:
    tickets: dict[Key, Row] = field(default_factory=dict)
    messages: dict[Key, list[Row]] = field(default_factory=dict)
    threads: dict[Key, Row] = field(default_factory=dict)
    customers: dict[Key, Row] = field(default_factory=dict)


def marts(records: Mapping[str, Sequence[Record]]) -> Marts:
    """All rows of all marts; the times keep their zone."""
    notes: dict[Key, list[Message]] = defaultdict(list)
    for note in records.get("notes", ()):
        message = _message_of_note(note)
        if message is not None:
            notes[note["connection_id"], _text(note.get("ticket_id")) or ""].append(message)
    helpdesks = {row["id"]: row.get("integration_type") for row in records.get("connections", ())}
    made = Marts()
    tickets_of: dict[Key, list[Row]] = defaultdict(list)
    for ticket in records.get("tickets", ()):
        connection_id, ticket_id = key = (ticket["connection_id"], ticket["id"])
        thread = [] if ticket.get("_deleted_at") else _conversation(ticket, notes[key])
        category_id, category_name = _category(ticket, records.get("categories", ()))
        row = {
            "connection_id": connection_id,
            "ticket_id": ticket_id,
            "integration_type": helpdesks.get(connection_id),
            "category_id": category_id,
            "category_name": category_name,
            **_facts(ticket),
            **(_figures(ticket, thread) if thread else _no_figures(ticket)),
        }
        made.tickets[key] = row
        if thread:
            made.messages[key] = [_message_row(key, number, message) for number, message in enumerate(thread, 1)]
            made.threads[key] = _thread_row(row, made.messages[key])
            if row["customer_id"]:
                tickets_of[connection_id, row["customer_id"]].append(row)
    known = {(row["connection_id"], row["id"]): row for row in records.get("customers", ())}
    for key in {*known, *tickets_of}:
        made.customers[key] = _customer_row(key, known.get(key), helpdesks.get(key[0]), tickets_of[key])
    return made


def plain_text(body: str | None) -> str | None:
    """A body as a reader sees it, by Python's own HTML parser."""
    if body is None:
        return None
    comment = body.rfind("<!--")
    if comment >= 0 and "-->" not in body[comment:]:
        body = body[:comment] + "<!-- -->"
    reader = _Reader()
    reader.feed(body)
    reader.close()
    text = reader.text() if reader.has_tags else unescape(body)
    text = re.sub("[\u200b\ufeff]", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = [" ".join(line.split()) for line in text.split("\n")]
    kept = [line for index, line in enumerate(lines) if line or (index and lines[index - 1])]
    return "\n".join(kept).strip() or None


def _facts(ticket: Record) -> Row:
    """What the record itself says."""
    word = _text(ticket.get("status"))
    status = word.lower() if word and word.lower() in ("active", "closed") else "unknown"
    return {
        "customer_id": _text(ticket.get("customer_id")),
        "assignee_user_id": _text(ticket.get("user_id")),
        "subject": _text(ticket.get("subject")),
        "status": status,
        "status_text": word,
        "priority": _snake(ticket.get("priority")),
        "source": _snake(ticket.get("source")),
        "url": _text(ticket.get("url")),
        "tags": ticket.get("tags"),
        "opened_at": ticket.get("created_at"),
        "updated_at": ticket.get("updated_at"),
        "due_at": ticket.get("due_at"),
        "closed_at": ticket.get("closed_at") if status == "closed" else None,
        "is_closed": status == "closed",
        "is_deleted": bool(ticket.get("_deleted_at")),
        "deleted_at": ticket.get("_deleted_at"),
        "deletion_reason": ticket.get("_deletion_reason"),
    }


def _figures(ticket: Record, thread: Sequence[Message]) -> Row:
    """What the conversation of a ticket that is not deleted tells."""
    facts = _facts(ticket)
    by_time = sorted(thread, key=lambda message: message.place)
    spoken = [message for message in by_time if message.is_spoken]
    of_customer = [message for message in spoken if message.role == "customer"]
    of_agents = [message for message in spoken if message.role == "agent"]
    replies = [message for message in thread if message.is_reply]
    asked_at = of_customer[0].sent_at if of_customer else None
    replied_at = _first(replies)
    waiting_on, waiting_since = _turn(spoken, is_closed=facts["is_closed"])
    resolution = _seconds(facts["opened_at"], facts["closed_at"])
    return {
        "opened_by_role": thread[0].role,
        "first_customer_message_at": asked_at,
        "first_replied_at": replied_at,
        "first_reply_seconds": _seconds(asked_at, replied_at),
        "resolution_seconds": resolution if resolution is not None and resolution >= 0 else None,
        "message_count": len(thread),
        "customer_message_count": len(of_customer),
        "agent_message_count": len(of_agents),
        "agent_reply_count": len(replies),
        "bot_message_count": sum(message.role == "bot" for message in thread),
        "internal_message_count": sum(message.visibility == "internal" for message in thread),
        "first_message_at": _first(thread),
        "last_message_at": _last(thread),
        "first_contact_at": _first(spoken),
        "last_contact_at": _last(spoken),
        "last_customer_message_at": _last(of_customer),
        "last_agent_message_at": _last(of_agents),
        "waiting_on": waiting_on,
        "waiting_since_at": waiting_since,
        "is_agent_opened": thread[0].role == "agent",
        "is_answered": bool(replies),
        "has_unknown_visibility": any(message.visibility == "unknown" for message in thread),
        "has_unknown_author": any(message.role == "unknown" for message in thread),
    }


def _no_figures(ticket: Record) -> Row:
    """A deleted ticket keeps its facts and loses all the rest."""
    nobody = Message(None, "unknown", "", None, "public", None, None, None)
    return {name: False if isinstance(value, bool) else None for name, value in _figures(ticket, [nobody]).items()}


def _message_row(key: Key, number: int, message: Message) -> Row:
    connection_id, ticket_id = key
    kind, own_id = ("note", message.note_id) if message.note_id else ("ticket", ticket_id)
    return {
        "connection_id": connection_id,
        "ticket_id": ticket_id,
        "message_number": number,
        "number_by_time": message.place,
        "message_id": f"{connection_id}/{kind}/{own_id}",
        "note_id": message.note_id,
        "repeated_by_note_id": message.repeated_by,
        "author_role": message.role,
        "author_role_source": message.source,
        "author_id": message.author_id,
        "visibility": message.visibility,
        "is_agent_reply": message.is_reply,
        "sent_at": message.sent_at,
        "body_text": message.text,
        "body_html": message.html,
    }


def _thread_row(ticket: Row, messages: Sequence[Row]) -> Row:
    told = ("message_number", "author_role", "author_id", "visibility", "is_agent_reply", "sent_at", "body_text")
    marks = {"internal": " (internal)", "unknown": " (visibility unknown)", "public": ""}
    parts = []
    for message in messages:
        moment = message["sent_at"].strftime("%Y-%m-%d %H:%M:%S UTC") if message["sent_at"] else "no time"
        first_line = f"[{moment}] {message['author_role']}{marks[message['visibility']]}"
        parts.append(f"{first_line}\n{message['body_text'] or '(no text)'}")
    shared = (
        "connection_id ticket_id integration_type customer_id subject message_count customer_message_count "
        "agent_message_count agent_reply_count bot_message_count internal_message_count first_message_at "
        "last_message_at waiting_on waiting_since_at is_closed has_unknown_visibility has_unknown_author"
    )
    return {
        **{name: ticket[name] for name in shared.split()},
        "messages": [{name: _json(message[name]) for name in told} for message in messages],
        "transcript": "\n\n".join(parts),
    }


def _customer_row(key: Key, customer: Record | None, helpdesk: str | None, tickets: Sequence[Row]) -> Row:
    record = customer or {}

    def known(name: str) -> list[Any]:
        return [ticket[name] for ticket in tickets if ticket[name] is not None]

    def first_filled(items: Sequence[Record] | None, name: str) -> str | None:
        return next((text for item in items or () if (text := _text(item.get(name)))), None)

    def middle(name: str) -> int | None:
        return int(median(known(name)) + 0.5) if known(name) else None

    waits = [t["waiting_since_at"] for t in tickets if t["waiting_on"] == "us" and t["waiting_since_at"]]
    return {
        "connection_id": key[0],
        "customer_id": key[1],
        "integration_type": helpdesk,
        "customer_name": _text(record.get("name")),
        "email": first_filled(record.get("emails"), "email"),
        "telephone": first_filled(record.get("telephones"), "telephone"),
        "customer_created_at": record.get("created_at"),
        "ticket_count": len(tickets),
        "open_ticket_count": sum(not ticket["is_closed"] for ticket in tickets),
        "closed_ticket_count": sum(ticket["is_closed"] for ticket in tickets),
        "waiting_on_us_ticket_count": sum(ticket["waiting_on"] == "us" for ticket in tickets),
        "answered_ticket_count": sum(ticket["is_answered"] for ticket in tickets),
        "customer_message_count": sum(known("customer_message_count")),
        "agent_reply_count": sum(known("agent_reply_count")),
        "first_ticket_opened_at": min(known("opened_at"), default=None),
        "last_ticket_opened_at": max(known("opened_at"), default=None),
        "first_contact_at": min(known("first_contact_at"), default=None),
        "last_contact_at": max(known("last_contact_at"), default=None),
        "last_customer_message_at": max(known("last_customer_message_at"), default=None),
        "waiting_on_us_since_at": min(waits, default=None),
        "median_first_reply_seconds": middle("first_reply_seconds"),
        "median_resolution_seconds": middle("resolution_seconds"),
        "is_known": customer is not None,
        "is_deleted": bool(record.get("_deleted_at")),
    }


def _category(ticket: Record, categories: Sequence[Record]) -> tuple[str | None, str | None]:
    own = [row for row in categories if row["connection_id"] == ticket["connection_id"]]
    category_id, text = _text(ticket.get("category_id")), _text(ticket.get("category"))
    if category_id is None and text is not None:
        living = [row for row in own if row.get("name") and not row.get("_deleted_at")]
        matched = [row for row in living if _comparable(row["name"]) == _comparable(text)]
        category_id = matched[0]["id"] if len(matched) == 1 else None
    names = [_text(row.get("name")) for row in own if row["id"] == category_id]
    return category_id, (names[0] if names else None) or text


def _conversation(ticket: Record, notes: list[Message]) -> list[Message]:
    opening = _opening(ticket)
    earliest = min(notes, key=lambda note: (_when(note), note.content != opening.content, _tie(note)), default=None)
    if earliest is not None and _is_opening_once_more(earliest, opening):
        notes = [note for note in notes if note is not earliest]
        opening = _folded(opening, earliest, ticket)
    by_time = sorted([opening, *notes], key=lambda message: (_when(message), message is not opening, _tie(message)))
    before = takewhile(lambda message: message.role != "customer" or message.visibility == "internal", by_time)
    asked_in_place = len(list(before)) + 1
    placed = [
        replace(
            message,
            place=place,
            is_reply=message.role == "agent"
            and message.visibility != "internal"
            and message.note_id is not None
            and place > asked_in_place,
        )
        for place, message in enumerate(by_time, 1)
    ]
    return sorted(placed, key=lambda message: message.note_id is not None)


def _is_opening_once_more(note: Message, opening: Message) -> bool:
    gap = _seconds(opening.sent_at, note.sent_at)
    if gap is None or opening.content is None:
        return False
    return note.content == opening.content and abs(gap) <= (300 if note.role == "customer" else 60)


def _folded(opening: Message, note: Message, ticket: Record) -> Message:
    told = opening
    if note.role != "unknown":
        author_id = note.author_id
        if note.role == "customer":
            author_id = author_id or _text(ticket.get("customer_id"))
        elif note.role == opening.role:
            author_id = author_id or opening.author_id
        told = replace(opening, role=note.role, source="first_note", author_id=author_id)
    is_internal = note.visibility == "internal" and told.role != "customer"
    return replace(told, repeated_by=note.note_id, visibility="internal" if is_internal else "public")


def _opening(ticket: Record) -> Message:
    raw = ticket.get("raw") or {}
    source = raw.get("source")
    author = source.get("author", {}) if isinstance(source, dict) else {}
    opened_by, caller = _value(raw.get("opened_by")), _value(raw.get("caller_id"))
    role, told_by, author_id = "customer", "assumed", _text(ticket.get("customer_id"))
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
    is_event = not re.fullmatch("comment|note.*|", (raw.get("part_type") or "").lower()) and text is None
    if note.get("_deleted_at") or is_event:
        return None
    role, source = _role(note, raw)
    author = raw.get("author") or {}
    author_id = _text(note.get("customer_id") if role == "customer" else note.get("user_id"))
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
    if _text(note.get("user_id")):
        return "agent", "user_id"
    return ("customer", "customer_id") if _text(note.get("customer_id")) else ("unknown", "none")


def _visibility(raw: Mapping[str, Any]) -> str:
    part, element = (raw.get("part_type") or "").lower(), _snake(_value(raw.get("element")))
    told = {
        "" if raw.get("public") is None else "public" if raw["public"] else "internal",
        "" if raw.get("private") is None else "internal" if raw["private"] else "public",
        "internal" if part.startswith("note") else "public" if part == "comment" else "",
        {"work_notes": "internal", "comments": "public"}.get(element or "", ""),
    }
    return next((sign for sign in ("internal", "public") if sign in told), "unknown")


def _turn(spoken: Sequence[Message], *, is_closed: bool) -> tuple[str, datetime | None]:
    if is_closed or not spoken:
        return "nobody", None
    last = spoken[-1].role
    run = list(takewhile(lambda message: message.role == last, reversed(spoken)))
    return ("unknown", None) if last == "unknown" else ({"customer": "us", "agent": "customer"}[last], _first(run))


def _when(message: Message) -> tuple[int, float]:
    """By whole seconds; an opening without a time comes first, a note without one last."""
    if message.second is None:
        return (0 if message.note_id is None else 2, 0)
    return (1, message.second.timestamp())


def _tie(message: Message) -> tuple[int, float, int, str]:
    exact = message.sent_at.timestamp() if message.sent_at else 0
    return (ROLES.index(message.role), exact, len(message.note_id or ""), message.note_id or "")


def _first(messages: Sequence[Message]) -> datetime | None:
    return min((message.sent_at for message in messages if message.sent_at), default=None)


def _last(messages: Sequence[Message]) -> datetime | None:
    return max((message.sent_at for message in messages if message.sent_at), default=None)


def _seconds(start: datetime | None, finish: datetime | None) -> int | None:
    if start is None or finish is None:
        return None
    return (finish.replace(microsecond=0) - start.replace(microsecond=0)) // SECOND


def _value(member: Any) -> Any:
    return (member.get("value") if isinstance(member, dict) else member) or None


def _text(value: Any) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None


def _snake(value: str | None) -> str | None:
    return re.sub(r"[\s-]+", "_", _lower(_text(value) or "")) or None


def _comparable(value: str | None) -> str | None:
    return " ".join(_lower(unicodedata.normalize("NFC", value or "")).split()) or None


def _lower(value: str) -> str:
    """Letter by letter: a sigma at a word's end is as any other."""
    return "".join(letter.lower() for letter in value)


def _json(value: Any) -> Any:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value


_BLOCK_EDGE = "\0"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.hidden: list[str] = []
        self.has_tags = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)
        if tag in ("script", "style", "head", "title"):
            self.hidden.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self.hidden and self.hidden[-1] == tag:
            self.hidden.pop()
        self.has_tags = self.has_tags or tag in BLOCKS | INLINES | CHOICES
        self._edge(tag)

    def handle_comment(self, data: str) -> None:
        self.has_tags = True

    def handle_decl(self, decl: str) -> None:
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

    def _open(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has_value = bool(attrs) and attrs[0][1] is not None
        if (has_value and tag in BLOCKS | INLINES | CHOICES) or (not attrs and tag in HTML_WHEN_ALONE):
            self.has_tags = True
        self._edge(tag)

    def _edge(self, tag: str) -> None:
        if tag in BLOCKS:
            self.pieces.append(_BLOCK_EDGE)
        elif tag == "br":
            self.pieces.append("\n")
        elif tag in ("td", "th", "option"):
            self.pieces.append(" ")
