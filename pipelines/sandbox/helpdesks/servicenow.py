"""ServiceNow, as Unified.to shows it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from pipelines.sandbox.helpdesks.helpdesk import Backstage, Helpdesk, Part, Raw, State, digest, first
from pipelines.sandbox.support import support_table


class ServiceNow(Helpdesk):
    """`sys_id`s of 32 hex digits, references as link and value, a journal of comments and work notes."""

    def identifier(self, connection_id: str, object_name: str, number: int) -> str:
        return blake2b(f"{connection_id}:{object_name}:{number}".encode(), digest_size=16).hexdigest()

    def _ticket_changes(self, raw: Raw, record: Mapping[str, Any], state: State | None) -> Raw:
        return {
            "state": self._state_after(raw.get("state"), record, state),
            "short_description": record.get("subject"),
            "assigned_to": _reference("sys_user", record.get("user_id")),
            "priority": record.get("priority"),
        }

    def _moment(self, record: Mapping[str, Any]) -> Raw:
        return {"sys_updated_on": _to_sys(record.get("updated_at"))}

    def _ticket(self, record: Mapping[str, Any], backstage: Backstage) -> Raw:
        digit = str(record.get("priority") or "3")[:1]
        return {
            "sys_id": record["id"],
            "number": record.get("source_ref") or f"INC{int(digest(record['id']), 16) % 10**7:07d}",
            "state": self._state(record, backstage.state),
            "short_description": record.get("subject"),
            "caller_id": _reference("sys_user", record.get("customer_id")),
            "opened_by": _reference("sys_user", backstage.opened_by or record.get("customer_id")),
            "assigned_to": _reference("sys_user", record.get("user_id")),
            "contact_type": record.get("source") or "self-service",
            "category": record.get("category") or "",
            "priority": record.get("priority"),
            "urgency": digit if digit in "123" else "3",
            "impact": "2" if digit == "1" else "3",
            "sys_created_on": _to_sys(record.get("created_at")),
            "sys_updated_on": _to_sys(record.get("updated_at")),
        }

    def _note(self, record: Mapping[str, Any], backstage: Backstage) -> Raw:
        return {
            "sys_id": record["id"],
            "element": "work_notes" if backstage.part is Part.INTERNAL else "comments",
            "name": "incident",
            "element_id": record.get("ticket_id"),
            **self._body(record),
            "sys_created_by": (backstage.author_name or "integration.user").lower().replace(" ", "."),
            "sys_created_on": _to_sys(record.get("created_at")),
        }

    def _body(self, record: Mapping[str, Any]) -> Raw:
        return {"value": record.get("description")}

    def _customer(self, record: Mapping[str, Any]) -> Raw:
        return {
            "sys_id": record["id"],
            "name": record.get("name"),
            "email": first(record.get("emails"), "email"),
            "active": "true",
            "sys_updated_on": _to_sys(record.get("updated_at")),
        }

    def _category(self, record: Mapping[str, Any]) -> Raw:
        return {"sys_id": record["id"], "label": record.get("name"), "element": "category"}


def _reference(table: str, sys_id: str | None) -> Any:
    if not sys_id:
        return ""
    return {"link": f"https://nordlys.service-now.example/api/now/table/{table}/{sys_id}", "value": sys_id}


def _to_sys(iso: Any) -> str | None:
    return f"{iso[:10]} {iso[11:19]}" if iso and isinstance(iso, str) else None


SERVICENOW = ServiceNow(
    "servicenow",
    support_table(
        overrides={
            "ticket": {"slow": ("attachment_ids",)},
            "note": {"methods": ("list", "get", "create")},
            "category": {
                "methods": ("list", "get"),
                "updated_gte": False,
                "sort_by_updated_at": False,
                "sort_by_created_at": False,
            },
        },
    ),
    "ServiceNow",
    priorities=("4 - Low", "3 - Moderate", "2 - High", "1 - Critical"),
    sources=("self-service", "email", "phone", "walk-in"),
    web_form="self-service",
    states={
        State.NEW: "1",
        State.OPEN: "2",
        State.PENDING: "3",
        State.HOLD: "4",
        State.SOLVED: "6",
        State.CLOSED: "7",
    },
)
