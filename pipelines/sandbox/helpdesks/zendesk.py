"""Zendesk, as Unified.to shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.sandbox.helpdesks.helpdesk import (
    Backstage,
    Helpdesk,
    Part,
    Raw,
    State,
    first,
    numeric,
    plain_text,
    salt,
    to_second,
)
from pipelines.sandbox.support import support_table


class Zendesk(Helpdesk):
    """Numbers as ids; comments are public or not; the first comment repeats the description."""

    def identifier(self, connection_id: str, object_name: str, number: int) -> str:
        if object_name == "ticket":
            return str(40_000 + number)
        return str(30_000_000_000_000 + salt(connection_id, object_name) * 10_000_000 + number * 41)

    def _ticket_changes(self, raw: Raw, record: Mapping[str, Any], state: State | None) -> Raw:
        return {
            "status": self._state_after(raw.get("status"), record, state),
            "subject": record.get("subject"),
            "assignee_id": numeric(record.get("user_id")),
            "group_id": numeric(record.get("category_id")),
            "priority": record.get("priority"),
            "tags": record.get("tags") or [],
        }

    def _ticket(self, record: Mapping[str, Any], backstage: Backstage) -> Raw:
        requester = numeric(record.get("customer_id"))
        return {
            "id": numeric(record["id"]),
            "url": f"https://nordlys.zendesk.example/api/v2/tickets/{record['id']}.json",
            "status": self._state(record, backstage.state),
            "requester_id": requester,
            "submitter_id": numeric(backstage.opened_by) if backstage.opened_by else requester,
            "assignee_id": numeric(record.get("user_id")),
            "group_id": numeric(record.get("category_id")),
            "via": {"channel": record.get("source") or "api", "source": {"from": {}, "to": {}, "rel": None}},
            "subject": record.get("subject"),
            "priority": record.get("priority"),
            "tags": record.get("tags") or [],
            "is_public": True,
            "satisfaction_rating": {"score": "unoffered"},
            "created_at": to_second(record.get("created_at")),
            "updated_at": to_second(record.get("updated_at")),
        }

    def _note(self, record: Mapping[str, Any], backstage: Backstage) -> Raw:
        return {
            "id": numeric(record["id"]),
            "type": "Comment",
            "author_id": numeric(record.get("user_id") or record.get("customer_id")),
            "public": backstage.part is not Part.INTERNAL,
            **self._body(record),
            "via": {"channel": "web" if record.get("user_id") else "email"},
            "created_at": to_second(record.get("created_at")),
        }

    def _body(self, record: Mapping[str, Any]) -> Raw:
        html = record.get("description") or ""
        return {"body": plain_text(html), "html_body": f'<div class="zd-comment" dir="auto">{html}</div>'}

    def _customer(self, record: Mapping[str, Any]) -> Raw:
        return {
            "id": numeric(record["id"]),
            "name": record.get("name"),
            "email": first(record.get("emails"), "email"),
            "phone": first(record.get("telephones"), "telephone"),
            "role": "end-user",
            "verified": True,
            "updated_at": to_second(record.get("updated_at")),
        }

    def _category(self, record: Mapping[str, Any]) -> Raw:
        return {"id": numeric(record["id"]), "name": record.get("name"), "is_public": True, "deleted": False}


ZENDESK = Zendesk(
    "zendesk",
    support_table(
        employees=True,
        native=("created", "updated"),
        overrides={"category": {"native": (), "raw": True}},
    ),
    "Zendesk",
    note_moves_ticket=True,
    sources=("email", "web", "chat", "phone", "mobile"),
    states={
        State.NEW: "new",
        State.OPEN: "open",
        State.PENDING: "pending",
        State.HOLD: "hold",
        State.SOLVED: "solved",
        State.CLOSED: "closed",
    },
)
