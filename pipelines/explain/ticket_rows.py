"""The rows of the marts that tell of one ticket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypeAlias

from pipelines.errors import FixConfiguration
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.destinations.destination import MARTS, AskRows
from pipelines.warehouse.marts import descriptions

Row: TypeAlias = dict[str, Any]

_CONNECTIONS_NAMED = 20
"""So many connections are named at most to somebody who asked for another one."""

FACTS = (
    *("connection_id", "ticket_id", "integration_type", "subject", "url", "status", "status_text", "vendor_status"),
    *("kind", "priority", "category_id", "category_name", "customer_id", "customer_name"),
    *("assignee_user_id", "assignee_name", "opened_at", "updated_at", "closed_at", "is_closed"),
    *("is_deleted", "deleted_at", "deletion_reason", "is_conversation_known"),
    *("is_history_complete", "history_since_at", "is_settled", "data_as_of"),
)
"""What is said of the ticket itself."""

_MEASURED = (
    *("first_customer_message_at", "first_replied_at", "first_closed_at"),
    *("first_reply_seconds", "first_reply_business_seconds", "resolution_seconds", "resolution_business_seconds"),
    *("first_resolution_seconds", "waiting_on", "waiting_since_at"),
    *("waiting_on_us_seconds", "waiting_on_us_business_seconds", "waiting_on_customer_seconds"),
    *("message_count", "customer_message_count", "agent_message_count", "agent_reply_count"),
    *("bot_message_count", "internal_message_count", "agent_count"),
    *("reopen_count", "observed_reopen_count", "reassignment_count", "unassigned_seconds"),
    *("satisfaction", "vendor_first_replied_at", "vendor_resolved_at"),
)

_COLUMNS = {
    "tickets": FACTS + _MEASURED,
    "conversation_messages": (
        *("message_number", "number_by_time", "author_role", "author_role_source", "author_id", "author_name"),
        *("visibility", "visibility_source", "side", "is_automatic", "is_agent_reply", "sent_at"),
        "substr(body_text, 1, 1000) as body_text",
    ),
    "conversation_turns": (
        *("turn_number", "side", "reply_kind", "first_message_number", "last_message_number", "started_at"),
        *("end_reason", "ended_at", "answered_by_message_number", "wait_seconds", "wait_business_seconds"),
        "has_unknown_author",
    ),
    "ticket_changes": (
        *("change_number", "field", "from_value", "to_value", "changed_at", "observed_after", "observed_by"),
        *("uncertainty_seconds", "is_own", "is_closing", "is_reopening", "is_reassignment"),
    ),
    "ticket_periods": (
        *("period_number", "status", "vendor_status", "assignee_user_id", "priority", "category", "started_at"),
        *("start_source", "observed_from", "ended_at", "seconds", "business_seconds", "is_current"),
    ),
    "sla_outcomes": (
        *("policy", "metric", "turn_number", "calendar", "target_seconds", "elapsed_seconds", "remaining_seconds"),
        *("paused_seconds", "pauses_on"),
        *("started_at", "ended_at", "due_at", "outcome", "is_breached", "is_running", "is_at_risk", "as_of"),
        *("has_unknown_pauses", "has_unknown_author"),
    ),
}
"""What is read of each mart."""


@dataclass(frozen=True)
class TicketRows:
    """One ticket in the marts, each list in its order; `availability` by metric, `rules` by table and column."""

    ticket: Row
    messages: list[Row]
    turns: list[Row]
    changes: list[Row]
    periods: list[Row]
    service_levels: list[Row]
    availability: dict[str, Row]
    rules: dict[tuple[str, str], str]

    @cached_property
    def message(self) -> dict[int, Row]:
        """The messages by their numbers."""
        return {row["message_number"]: row for row in self.messages}

    @cached_property
    def turn(self) -> dict[int, Row]:
        return {row["turn_number"]: row for row in self.turns}

    @cached_property
    def change(self) -> dict[int, Row]:
        return {row["change_number"]: row for row in self.changes}

    @property
    def unassigned_periods(self) -> list[Row]:
        """Those that have ended, in which the ticket was open and nobody's."""
        unassigned = (row for row in self.periods if row["status"] != "closed" and row["assignee_user_id"] is None)
        return [row for row in unassigned if not row["is_current"]]


def rows_of(ask: AskRows, warehouse: WarehouseSettings, connection_id: str, ticket_id: str) -> TicketRows:
    """What the marts hold of a ticket. Raises `FixConfiguration` where they have none of that name."""

    def of_ticket(table: str, order: str) -> list[Row]:
        query = (
            f"select {', '.join(_COLUMNS[table])} from {MARTS}.{table} "
            f"where connection_id = %s and ticket_id = %s order by {order}"
        )
        return [_in_utc(row) for row in ask(query, connection_id, ticket_id)]

    found = of_ticket("tickets", "ticket_id")
    if not found:
        raise _unknown(ask, warehouse, connection_id, ticket_id)
    return TicketRows(
        ticket=found[0],
        messages=of_ticket("conversation_messages", "number_by_time"),
        turns=of_ticket("conversation_turns", "turn_number"),
        changes=of_ticket("ticket_changes", "change_number"),
        periods=of_ticket("ticket_periods", "period_number"),
        service_levels=of_ticket("sla_outcomes", "started_at, metric, turn_number"),
        availability=_availability(ask, connection_id),
        rules=descriptions(ask, warehouse),
    )


def _availability(ask: AskRows, connection_id: str) -> dict[str, Row]:
    query = (
        f"select metric, availability, reason, missing_field from {MARTS}.metric_availability where connection_id = %s"
    )
    return {row["metric"]: row for row in ask(query, connection_id)}


def _unknown(ask: AskRows, warehouse: WarehouseSettings, connection_id: str, ticket_id: str) -> FixConfiguration:
    """Says what is there in place of what was asked for."""
    query = f"select connection_id, max(integration_type) as helpdesk from {MARTS}.tickets group by 1 order by 2, 1"
    connections = {row["connection_id"]: row["helpdesk"] for row in ask(query)}
    if connection_id in connections:
        return _unknown_ticket(ask, warehouse, connection_id, ticket_id)
    if not connections:
        return FixConfiguration(
            f"Expected a ticket of {warehouse.name}, got {connection_id!r} {ticket_id!r}, but the marts hold no ticket "
            "at all. Run `ticketing run` first."
        )
    known = [f"{its_id!r} ({helpdesk or 'not there any more'})" for its_id, helpdesk in connections.items()]
    more = f" and {len(known) - _CONNECTIONS_NAMED:,} more" if len(known) > _CONNECTIONS_NAMED else ""
    return FixConfiguration(
        f"Expected the id of a connection that has tickets in {warehouse.name}, got {connection_id!r}. There are: "
        f"{', '.join(known[:_CONNECTIONS_NAMED])}{more}. Has it been synced and built? `ticketing run` does both."
    )


def _unknown_ticket(ask: AskRows, warehouse: WarehouseSettings, connection_id: str, ticket_id: str) -> FixConfiguration:
    elsewhere = ask(f"select connection_id from {MARTS}.tickets where ticket_id = %s order by 1 limit 3", ticket_id)
    if elsewhere:
        hint = f"That is the id of a ticket of {', '.join(repr(row['connection_id']) for row in elsewhere)}."
    else:
        [row] = ask(
            f"select count(*) as tickets, max(data_as_of) as until from {MARTS}.tickets where connection_id = %s",
            connection_id,
        )
        until = f", as of {row['until']:%Y-%m-%d %H:%M}Z" if row["until"] else ""
        hint = (
            f"There are {row['tickets']:,} others of that connection{until}. Has it been synced and built since it was "
            "made? `ticketing run` does both. It is the API's id that counts, not a number that the helpdesk shows."
        )
    return FixConfiguration(
        f"Expected the id of a ticket of connection {connection_id!r} in {warehouse.name}, got {ticket_id!r}. {hint}"
    )


def _in_utc(row: Row) -> Row:
    """The marts' times are plain UTC."""
    return {
        name: value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
        for name, value in row.items()
    }
