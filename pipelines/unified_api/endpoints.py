"""The objects of the API that are read: one row each. What is assumed about them stands in ENDPOINTS.md."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote

from transforms.schemas import EMPLOYEE_FIELDS, RECORD_TABLES

TICKETING = "ticketing"
"""The category that every connection which is read has."""

HRIS = "hris"
"""HR & Directory: the connection of some helpdesks has it, too, and tells in it who its agents are."""


@dataclass(frozen=True)
class Endpoint:
    """One object of the API.

    `fields` are the names that its list's `fields` parameter documents; `undocumented_fields` belong to the
    record but not to that list, so asking for them by name is an assumption.
    """

    table: str
    object: str
    fields: tuple[str, ...]
    undocumented_fields: tuple[str, ...] = ()
    category: str = TICKETING

    @property
    def support_key(self) -> str:
        """The object's name in an integration's support table."""
        return f"{self.category}_{self.object}"

    @property
    def permission(self) -> str:
        return f"{self.support_key}_read"

    @property
    def write_permission(self) -> str:
        return f"{self.support_key}_write"

    @property
    def is_optional(self) -> bool:
        """Whether a connection may well be made without it, on purpose: it is of another category."""
        return self.category != TICKETING

    @property
    def is_private(self) -> bool:
        """Whether its records hold more than may be stored, so that nothing but `fields` is ever asked for."""
        return not RECORD_TABLES[self.table].keeps_unknown

    def list_path(self, connection_id: str) -> str:
        return f"/{self.category}/{quote(connection_id, safe='')}/{self.object}"

    def record_path(self, connection_id: str, record_id: str) -> str:
        return f"{self.list_path(connection_id)}/{quote(record_id, safe='')}"


_COMMON = ("id", "created_at", "updated_at")

TICKETS = Endpoint(
    "tickets",
    "ticket",
    (
        *_COMMON,
        *("customer_id", "subject", "description", "status", "closed_at", "priority", "category_id", "category"),
        *("source", "source_ref", "tags", "user_id", "url"),
    ),
    ("due_at", "attachment_ids", "metadata"),
)
CUSTOMERS = Endpoint("customers", "customer", (*_COMMON, "name", "emails", "telephones", "tags"), ("metadata",))
NOTES = Endpoint("notes", "note", (*_COMMON, "customer_id", "description", "ticket_id", "user_id"), ("metadata",))
CATEGORIES = Endpoint(
    "categories", "category", (*_COMMON, "name", "description", "is_active", "parent_id"), ("metadata",)
)
EMPLOYEES = Endpoint("employees", "employee", tuple(EMPLOYEE_FIELDS), category=HRIS)

ENDPOINTS: dict[str, Endpoint] = {
    endpoint.table: endpoint for endpoint in (TICKETS, CUSTOMERS, NOTES, CATEGORIES, EMPLOYEES)
}

CONNECTIONS_PATH = "/unified/connection"
INTEGRATIONS_PATH = "/unified/integration"
WEBHOOKS_PATH = "/unified/webhook"


def webhook_path(webhook_id: str) -> str:
    """Where one subscription is changed and removed."""
    return f"{WEBHOOKS_PATH}/{quote(webhook_id, safe='')}"


def connection_of(path: str) -> str | None:
    """The connection that a path asks; None where it asks the workspace."""
    match path.split("/"):
        case ["", category, connection_id, *_] if category in (TICKETING, HRIS):
            return unquote(connection_id)
    return None
