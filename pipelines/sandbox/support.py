"""Support tables: what each integration type can do, in the API's own form and grain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

ObjectSupport = dict[str, Any]
Support = dict[str, ObjectSupport]

OBJECTS = ("ticket", "customer", "note", "category")
METHODS = ("list", "get", "create", "update", "remove")

FIELDS: Mapping[str, tuple[str, ...]] = {
    "ticket": (
        "id", "created_at", "updated_at", "customer_id", "subject", "description", "status", "closed_at", "due_at",
        "priority", "category_id", "category", "source", "source_ref", "tags", "user_id", "url", "attachment_ids",
        "metadata", "raw",
    ),
    "customer": ("id", "created_at", "updated_at", "name", "emails", "telephones", "tags", "metadata", "raw"),
    "note": ("id", "created_at", "updated_at", "customer_id", "description", "ticket_id", "user_id", "metadata", "raw"),
    "category": ("id", "created_at", "updated_at", "name", "description", "is_active", "parent_id", "metadata", "raw"),
    "employee": (
        "id", "created_at", "updated_at", "name", "first_name", "last_name", "emails", "telephones", "title",
        "employment_status", "employee_roles", "manager_id", "timezone", "date_of_birth", "gender", "marital_status",
        "address", "ssn_sin", "compensation", "hired_at", "raw",
    ),
}  # fmt: skip
"""Every field that a record of the object can have."""

LISTABLE_FIELDS: Mapping[str, frozenset[str]] = {
    "ticket": frozenset(FIELDS["ticket"]) - {"due_at", "attachment_ids", "metadata"},
    "customer": frozenset(FIELDS["customer"]) - {"metadata"},
    "note": frozenset(FIELDS["note"]) - {"metadata"},
    "category": frozenset(FIELDS["category"]) - {"metadata"},
    "employee": frozenset(FIELDS["employee"]),
}
"""What the published description admits in the list parameter `fields`."""

FILTERS: Mapping[str, tuple[str, ...]] = {
    "ticket": ("customer_id", "user_id"),
    "customer": (),
    "note": ("ticket_id", "customer_id"),
    "category": ("parent_id",),
    "employee": (),
}
"""The record fields by which a list can be narrowed."""

REFERENCES: Mapping[str, Mapping[str, str]] = {
    "ticket": {"customer_id": "customer", "category_id": "category", "user_id": "employee"},
    "customer": {},
    "note": {"ticket_id": "ticket", "customer_id": "customer", "user_id": "employee"},
    "category": {"parent_id": "category"},
}
"""The record fields that hold the id of another record, and of which object."""

_READ_ONLY = frozenset({"id", "created_at", "updated_at", "closed_at", "source_ref", "url", "raw"})


def object_support(
    object_name: str,
    *,
    methods: Iterable[str] = METHODS,
    limit: bool = True,
    offset: bool = True,
    updated_gte: bool = True,
    sort_by_updated_at: bool = True,
    sort_by_created_at: bool = True,
    order: bool = True,
    raw: bool = True,
    ticket_id: str = "supported",
    native: Iterable[str] = (),
    virtual: Iterable[str] = ("created", "updated"),
    not_readable: Iterable[str] = (),
    not_writable: Iterable[str] = (),
    slow: Iterable[str] = (),
) -> ObjectSupport:
    """One object's row of a support table, built from traits. `ticket_id` counts for notes only."""
    offered = frozenset(methods)
    unreadable = frozenset(not_readable) | (frozenset() if raw else {"raw"})
    readable = [name for name in FIELDS[object_name] if name not in unreadable]
    writable = [name for name in readable if name not in _READ_ONLY and name not in frozenset(not_writable)]
    native_events, virtual_events = frozenset(native), frozenset(virtual)
    row: ObjectSupport = {
        "methods": {method: method in offered for method in METHODS},
        "list_limit": _level(limit),
        "list_offset": _level(offset),
        "list_order": _level(order and (sort_by_updated_at or sort_by_created_at)),
        "list_sort_by_updated_at": _level(sort_by_updated_at),
        "list_sort_by_created_at": _level(sort_by_created_at),
        "list_sort_by_name": _level(object_name in ("customer", "category") and sort_by_created_at),
        "list_updated_gte": _level(updated_gte),
        "list_query": _level(object_name in ("ticket", "customer")),
        "inbound_fields": {name: f"{object_name}.{name}" for name in readable},
        "outbound_fields": {name: f"{object_name}.{name}" for name in writable},
        "slow_fields": list(slow),
        "webhook_events": {
            event: [
                kind for kind, events in (("native", native_events), ("virtual", virtual_events)) if event in events
            ]
            for event in ("created", "updated", "deleted")
        },
        "raw_objects": [object_name],
    }
    for name in FILTERS[object_name]:
        row[f"list_{name}"] = ticket_id if name == "ticket_id" else "supported"
    return row


def support_table(
    *,
    objects: Iterable[str] = OBJECTS,
    notes_per_ticket: bool = False,
    employees: bool = False,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    **traits: Any,
) -> Support:
    """A whole table: the same traits (see `object_support`) for each object, with `overrides` for single ones."""
    table: Support = {}
    for object_name in objects:
        chosen = {**traits, **(overrides or {}).get(object_name, {})}
        if object_name == "note" and notes_per_ticket:
            chosen["ticket_id"] = "supported-required"
        table[support_key(object_name)] = object_support(object_name, **chosen)
    if employees:
        table[support_key("employee")] = object_support("employee", methods=("list",), raw=False, virtual=())
    return table


def support_key(object_name: str) -> str:
    """Under which name the support table holds an object: `ticketing_ticket`, `hris_employee`."""
    return f"hris_{object_name}" if object_name == "employee" else f"ticketing_{object_name}"


@lru_cache(maxsize=256)
def field_set(text: str) -> frozenset[str]:
    """The fields named in a text with commas."""
    return frozenset(name for name in text.split(",") if name)


def readable(fields: frozenset[str] | None, support: ObjectSupport) -> frozenset[str] | None:
    """The fields asked for, without a `raw` that the integration does not show."""
    if fields is not None and "raw" in fields and "raw" not in support["inbound_fields"]:
        return fields - {"raw"}
    return fields


def _level(is_supported: bool) -> str:
    return "supported" if is_supported else "not-supported"
