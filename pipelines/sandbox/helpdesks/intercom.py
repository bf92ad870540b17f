"""Intercom, as Unified.to shows it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from pipelines.sandbox.helpdesks.helpdesk import Backstage, Helpdesk, Part, Raw, State, first, numeric, salt
from pipelines.sandbox.instants import moment_in
from pipelines.sandbox.support import support_table


class Intercom(Helpdesk):
    """Conversations made of parts, some of them events without a text; a bot often answers first."""

    def identifier(self, connection_id: str, object_name: str, number: int) -> str:
        if object_name == "customer":
            return blake2b(f"{connection_id}:{object_name}:{number}".encode(), digest_size=12).hexdigest()
        if object_name == "employee":
            return str(7_000_000 + number * 31)
        return str(215_470_000_000_000 + salt(connection_id, object_name) * 1_000_000_000 + number * 17)

    def _ticket_changes(self, raw: Raw, record: Mapping[str, Any], state: State | None) -> Raw:
        vendor_state = self._state_after(raw.get("state"), record, state)
        return {
            "state": vendor_state,
            "open": vendor_state != "closed",
            "priority": record.get("priority"),
            "title": record.get("subject"),
            "admin_assignee_id": numeric(record.get("user_id")),
        }

    def _moment(self, record: Mapping[str, Any]) -> Raw:
        return {"updated_at": _to_unix(record.get("updated_at"))}

    def _ticket(self, record: Mapping[str, Any], backstage: Backstage) -> Raw:
        state = self._state(record, backstage.state)
        customer_id = record.get("customer_id")
        contacts = [{"type": "contact", "id": customer_id}] if customer_id else []
        author = {"type": "user" if customer_id else "lead", "id": customer_id, "name": backstage.author_name}
        if backstage.opened_by:
            author = {"type": "admin", "id": backstage.opened_by, "name": backstage.author_name}
        return {
            "type": "conversation",
            "id": record["id"],
            "state": state,
            "open": state != "closed",
            "title": record.get("subject"),
            "priority": record.get("priority"),
            "admin_assignee_id": numeric(record.get("user_id")),
            "source": {
                "type": "email" if record.get("source") == "email" else "conversation",
                "author": author,
                "body": record.get("description"),
            },
            "contacts": {"type": "contact.list", "contacts": contacts},
            "created_at": _to_unix(record.get("created_at")),
            "updated_at": _to_unix(record.get("updated_at")),
        }

    def _note(self, record: Mapping[str, Any], backstage: Backstage) -> Raw:
        kinds = {Part.REPLY: "comment", Part.BOT: "comment", Part.INTERNAL: "note"}
        writer = "user" if record.get("customer_id") else "lead"
        author = ("bot", "8200001") if backstage.part is Part.BOT else (writer, record.get("customer_id"))
        if record.get("user_id"):
            author = ("admin", record["user_id"])
        elif backstage.part not in kinds:
            author = ("bot", "8200001")
        return {
            "type": "conversation_part",
            "id": record["id"],
            "part_type": kinds.get(backstage.part, backstage.part.value),
            "author": {"type": author[0], "id": author[1], "name": backstage.author_name},
            **self._body(record),
            "created_at": _to_unix(record.get("created_at")),
            "updated_at": _to_unix(record.get("updated_at")),
        }

    def _customer(self, record: Mapping[str, Any]) -> Raw:
        return {
            "type": "contact",
            "id": record["id"],
            "role": "user",
            "name": record.get("name"),
            "email": first(record.get("emails"), "email"),
            "updated_at": _to_unix(record.get("updated_at")),
        }

    def _category(self, record: Mapping[str, Any]) -> Raw:
        return {"type": "ticket_type", "id": record["id"], "name": record.get("name"), "archived": False}


def _to_unix(iso: Any) -> int | None:
    moment = moment_in(iso)
    return None if moment is None else moment // 1_000


INTERCOM = Intercom(
    "intercom",
    support_table(
        employees=True,
        native=("created", "updated", "deleted"),
        overrides={
            "ticket": {"not_writable": ("priority", "due_at")},
            "category": {"native": (), "methods": ("list", "get")},
        },
    ),
    "Intercom",
    note_moves_ticket=True,
    sends_nulls=True,
    priorities=("not_priority", "priority"),
    sources=("conversation", "email"),
    web_form="conversation",
    states={
        State.NEW: "open",
        State.OPEN: "open",
        State.PENDING: "open",
        State.HOLD: "snoozed",
        State.SOLVED: "closed",
        State.CLOSED: "closed",
    },
)
