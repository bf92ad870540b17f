"""What an integration type is: its support table, its ids, the shape of its `raw`, and a few habits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from html import unescape
from typing import Any

from pipelines.sandbox.support import Support, support_key

Raw = dict[str, Any]

_LINE_END = re.compile(r"<br\s*/?>\n?|</(p|div|li|ul|ol|blockquote)>\n?")
_TAG = re.compile(r"<[^>]*>")


class State(Enum):
    """Where a ticket stands, before each helpdesk writes it in its own words."""

    NEW = "new"
    OPEN = "open"
    PENDING = "pending"
    HOLD = "hold"
    SOLVED = "solved"
    CLOSED = "closed"


class Part(Enum):
    """What a note is."""

    REPLY = "reply"
    INTERNAL = "internal"
    BOT = "bot"
    ASSIGNMENT = "assignment"
    CLOSE = "close"
    OPEN = "open"
    SNOOZED = "snoozed"


@dataclass(frozen=True)
class Backstage:
    """What the unified record does not tell, and `raw` does."""

    state: State | None = None
    opened_by: str | None = None
    part: Part = Part.REPLY
    author_name: str | None = None
    is_from_customer: bool = False


BLANK = Backstage()


@dataclass(frozen=True)
class Helpdesk:
    """An integration type. This plain one has no `raw`."""

    type: str
    support: Support
    name: str = ""
    note_moves_ticket: bool = False
    keeps_closed_at: bool = False
    sends_nulls: bool = False
    unknown_ticket_is_404: bool = False
    """Whether the notes of a ticket that is not there are 404, where others answer with an empty list."""
    deletions_by_id_only: bool = False
    """Whether its webhooks tell of a deleted record nothing but the id."""
    is_listed: bool = True
    """Whether the API speaks of this integration type at all."""
    published: Support | None = None
    """The support table that the API shows, if that is not `support`; it is `support` by which it answers."""
    priorities: tuple[str, ...] = ("low", "normal", "high", "urgent")
    """From the least to the most urgent."""
    sources: tuple[str, ...] = ("email", "web", "phone")
    web_form: str = "web"
    """The source of what comes in without anybody signed in."""
    states: Mapping[State, Any] = field(default_factory=dict)
    """How this vendor writes each state."""

    def identifier(self, connection_id: str, object_name: str, number: int) -> str:
        """The id of the number-th record of a list."""
        return str(salt(connection_id, object_name) * 1_000_000 + number * 7)

    def raw(self, object_name: str, record: Mapping[str, Any], backstage: Backstage = BLANK) -> Raw | None:
        """The helpdesk's own object behind a new record, if the integration shows it."""
        if "raw" not in self.support.get(support_key(object_name), {}).get("inbound_fields", {}):
            return None
        match object_name:
            case "ticket":
                return self._ticket(record, backstage)
            case "note":
                return self._note(record, backstage)
            case "customer":
                return self._customer(record)
            case _:
                return self._category(record)

    def reflect(self, object_name: str, raw: Raw, record: Mapping[str, Any], state: State | None = None) -> Raw:
        """The helpdesk's own object after its record has changed."""
        match object_name:
            case "ticket":
                changes = self._ticket_changes(raw, record, state)
            case "note":
                changes = self._body(record)
            case "customer":
                changes = self._customer(record)
            case _:
                changes = self._category(record)
        changes |= self._moment(record)
        return {name: changes.get(name, value) for name, value in raw.items()}

    def _ticket(self, record: Mapping[str, Any], backstage: Backstage) -> Raw:
        return {"id": record["id"], "status": self._state(record, backstage.state)}

    def _note(self, record: Mapping[str, Any], backstage: Backstage) -> Raw:
        return {"id": record["id"], "type": backstage.part.value}

    def _body(self, record: Mapping[str, Any]) -> Raw:
        return {"body": record.get("description")}

    def _customer(self, record: Mapping[str, Any]) -> Raw:
        return {"id": record["id"]}

    def _category(self, record: Mapping[str, Any]) -> Raw:
        return {"id": record["id"]}

    def _ticket_changes(self, raw: Raw, record: Mapping[str, Any], state: State | None) -> Raw:
        return {"status": self._state_after(raw.get("status"), record, state)}

    def _moment(self, record: Mapping[str, Any]) -> Raw:
        return {"updated_at": to_second(record.get("updated_at"))}

    def _state(self, record: Mapping[str, Any], told: State | None) -> Any:
        state = told or (State.CLOSED if record.get("status") == "CLOSED" else State.OPEN)
        return self.states.get(state, state.value)

    def _state_after(self, current: Any, record: Mapping[str, Any], told: State | None) -> Any:
        """A vendor's state stays as long as it agrees with the unified status."""
        if told is not None:
            return self._state(record, told)
        is_closed = current in (self._state(record, State.SOLVED), self._state(record, State.CLOSED))
        return current if is_closed == (record.get("status") == "CLOSED") else self._state(record, None)


def plain_text(html: Any) -> str:
    """A body without its markup, as helpdesks keep it beside the HTML."""
    if not isinstance(html, str):
        return ""
    if "<" not in html and "&" not in html:
        return html
    from_markup = _LINE_END.sub("\n", html)
    return unescape(_TAG.sub("", from_markup)).strip()


def numeric(text: Any) -> Any:
    """An id as the vendor writes it: a number where it can be one."""
    return int(text) if isinstance(text, str) and text.isdecimal() else text


def digest(text: str) -> str:
    """Eight hex digits that depend on a text alone."""
    return blake2b(text.encode(), digest_size=4).hexdigest()


def salt(connection_id: str, object_name: str) -> int:
    """A number of four digits, so that connections do not share ids."""
    return 1_000 + int(digest(f"{connection_id}:{object_name}"), 16) % 9_000


def first(entries: Any, name: str) -> Any:
    """The first e-mail or telephone of a record; nothing where the record is malformed."""
    entry = entries[0] if isinstance(entries, list) and entries else None
    return entry.get(name) if isinstance(entry, dict) else None


def to_second(iso: Any) -> str | None:
    """A time of the API without its milliseconds."""
    return f"{iso[:19]}Z" if iso and isinstance(iso, str) else None
