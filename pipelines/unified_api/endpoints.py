"""The ticketing objects of the API: one row each. What is assumed about them stands in ENDPOINTS.md."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote


@dataclass(frozen=True)
class Endpoint:
    """One object of the API.

    `fields` are the names that its list's `fields` parameter documents; `undocumented_fields` belong to the
    record but not to that list, so asking for them by name is an assumption.
    """

    table: str
    object: str
    fields: tuple[str, ...]
    undocumented_fields: tuple[str, ...]

    @property
    def support_key(self) -> str:
        """The object's name in an integration's support table."""
        return f"ticketing_{self.object}"

    @property
    def permission(self) -> str:
        return f"ticketing_{self.object}_read"

    def list_path(self, connection_id: str) -> str:
        return f"/ticketing/{quote(connection_id, safe='')}/{self.object}"

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

ENDPOINTS: dict[str, Endpoint] = {endpoint.table: endpoint for endpoint in (TICKETS, CUSTOMERS, NOTES, CATEGORIES)}

CONNECTIONS_PATH = "/unified/connection"
INTEGRATIONS_PATH = "/unified/integration"


def connection_of(path: str) -> str | None:
    """The connection that a path asks; None where it asks the workspace."""
    match path.split("/"):
        case ["", "ticketing", connection_id, *_]:
            return unquote(connection_id)
    return None
