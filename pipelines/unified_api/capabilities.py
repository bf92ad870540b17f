"""What an integration says that it can do: the API's own support table, read per object."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from transforms.values import Misfit, parse_time

_OFFERED = frozenset({"supported", "supported-required"})

NATIVE, VIRTUAL = "native", "virtual"
"""Webhooks that the helpdesk sends by itself, and those for which the API asks it at an interval."""

DELETED = "deleted"
EVENTS = ("created", "updated", DELETED)
"""What a webhook may tell of an object."""


class ObjectSupport(msgspec.Struct, frozen=True):
    """One object's row of the support table; what the table does not say is taken as not supported."""

    methods: dict[str, bool] = {}
    inbound_fields: dict[str, str] = {}
    outbound_fields: dict[str, str] = {}
    list_limit: str = ""
    list_offset: str = ""
    list_order: str = ""
    list_sort_by_updated_at: str = ""
    list_updated_gte: str = ""
    list_ticket_id: str = ""
    webhook_events: dict[str, list[str]] = {}
    """By event, the types of webhook that are offered."""

    @property
    def offers_list(self) -> bool:
        return self.methods.get("list", False)

    @property
    def offers_get(self) -> bool:
        return self.methods.get("get", False)

    @property
    def offers_create(self) -> bool:
        return self.methods.get("create", False)

    @property
    def offers_update(self) -> bool:
        return self.methods.get("update", False)

    @property
    def lists_by_ticket(self) -> bool:
        """Whether a list can be narrowed to what belongs to one ticket."""
        return self.offers_list and self.list_ticket_id in _OFFERED

    @property
    def filters_by_update(self) -> bool:
        return self.list_updated_gte in _OFFERED

    @property
    def requires_updated_gte(self) -> bool:
        return self.list_updated_gte == "supported-required"

    @property
    def sorts_by_update(self) -> bool:
        return self.list_sort_by_updated_at in _OFFERED and self.list_order in _OFFERED

    @property
    def pages_by_offset(self) -> bool:
        return self.list_offset in _OFFERED

    @property
    def lists_only_per_ticket(self) -> bool:
        return self.list_ticket_id == "supported-required"

    @property
    def reads_raw(self) -> bool:
        return "raw" in self.inbound_fields


class Integration(msgspec.Struct, frozen=True):
    """One integration type; `support` is keyed by the API's object names (`ticketing_ticket`, …). None: what the API
    says of that object cannot be read."""

    type: str
    support: dict[str, ObjectSupport | None] = {}


class Connection(msgspec.Struct, frozen=True):
    """One connection of the workspace. The credentials that the API sends beside this are not read."""

    id: str
    integration_type: str = ""
    categories: list[str] = []
    permissions: list[str] = []
    is_paused: bool = False
    last_healthy_at: str = ""
    last_unhealthy_at: str = ""

    @property
    def is_healthy(self) -> bool:
        """Not paused, and not seen failing after it was last seen well."""
        failed, well = _time(self.last_unhealthy_at), _time(self.last_healthy_at)
        return not self.is_paused and (failed is None or (well is not None and failed <= well))


def _time(text: str) -> datetime | None:
    try:
        return parse_time(text)
    except Misfit:
        return None


def read_integration(answer: object) -> Integration | None:
    """One integration from the API's answer, its nulls left out; None if it names no type."""
    match _without_nulls(answer):
        case {"type": str(type), "support": dict(support)}:
            return Integration(type, {name: _read_support(row) for name, row in support.items()})
        case {"type": str(type)}:
            return Integration(type)
    return None


def _read_support(row: object) -> ObjectSupport | None:
    try:
        return msgspec.convert(_with_webhook_events(row), ObjectSupport)
    except msgspec.ValidationError:
        return None


def _with_webhook_events(row: Any) -> Any:
    """The row with as much of its `webhook_events` as can be understood: the rest of it does not depend on them."""
    if not isinstance(row, dict):
        return row
    told = row.get("webhook_events")
    offered = {event: told.get(event) for event in EVENTS} if isinstance(told, dict) else {}
    readable = {event: kinds for event, kinds in offered.items() if isinstance(kinds, list)}
    return row | {
        "webhook_events": {
            event: [kind for kind in (NATIVE, VIRTUAL) if kind in kinds] for event, kinds in readable.items()
        }
    }


def read_connection(answer: object) -> Connection | None:
    """One connection from the API's answer, its nulls left out; None if it is not of the published shape."""
    try:
        return msgspec.convert(_without_nulls(answer), Connection)
    except msgspec.ValidationError:
        return None


def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_nulls(item) for key, item in value.items() if item is not None}
        case list():
            return [_without_nulls(item) for item in value if item is not None]
    return value
