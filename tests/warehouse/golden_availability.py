"""Of what a metric is about, and of how much of it is known, counted in the other marts' rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_service_levels import Clock
from tests.warehouse.golden_settings import Row

MISSING = {
    "conversation": ("notes", "notes_not_read"),
    "message_author": ("notes.user_id, notes.customer_id, notes.raw", "author_not_told"),
    "message_visibility": ("notes.raw", "visibility_not_told"),
    "message_count": ("tickets.description", "description_protected"),
    "agent_names": ("employees", "agents_not_named"),
    "first_reply": ("notes", "conversation_or_author_not_known"),
    "resolution": ("tickets.closed_at", "closing_time_not_told"),
    "changes": ("ticket_versions", "history_begins_with_the_first_sync"),
    "vendor_status": ("tickets.raw", "no_sign_in_raw"),
    "satisfaction": ("tickets.raw", "not_rated_or_no_sign_in_raw"),
    "category": ("tickets.category_id, tickets.category", "category_not_told"),
    "service_levels": ("sla_policies", "no_policy"),
}
"""The field that is missing where a metric is not wholly known, and why."""


def availability_rows(
    made: Mapping[str, Sequence[Row]], clocks: Mapping[str, Sequence[Clock]], account: Account
) -> list[Row]:
    """One row for each connection and metric; `clocks` by connection, with a policy or without."""
    ids = {*account.connections(), *(ticket["connection_id"] for ticket in made["tickets"])}
    return [
        _row(connection_id, account.helpdesk(connection_id), metric, cases)
        for connection_id in ids
        for metric, cases in _cases(connection_id, made, clocks.get(connection_id, ()), account).items()
    ]


def _row(connection_id: str, helpdesk: str | None, metric: str, cases: Sequence[bool]) -> Row:
    known, field, reason = sum(cases), *MISSING[metric]
    is_whole = known == len(cases)
    return {
        "connection_id": connection_id,
        "metric": metric,
        "integration_type": helpdesk,
        "availability": "unavailable" if not known else "available" if is_whole else "partly",
        "reason": ("nothing_to_measure" if not cases else None) if is_whole else reason,
        "missing_field": None if is_whole else field,
        "applicable_count": len(cases),
        "known_count": known,
        "known_share": known / len(cases) if cases else None,
    }


def _cases(
    connection_id: str, made: Mapping[str, Sequence[Row]], clocks: Sequence[Clock], account: Account
) -> dict[str, list[bool]]:
    """Of each case of a metric whether it is known."""

    def of(mart: str) -> list[Row]:
        return [row for row in made[mart] if row["connection_id"] == connection_id]

    tickets = [row for row in of("tickets") if not row["is_deleted"]]
    closed = [row for row in tickets if row["is_closed"]]
    messages = of("conversation_messages")
    notes = [row for row in messages if row["note_id"]]
    agents = {row["author_id"]: row["author_name"] for row in messages if row["author_role"] == "agent"}
    policed = {(row["ticket_id"], row["metric"], row["turn_number"]) for row in of("sla_outcomes")}
    records = [record for record in account.records["tickets"] if record["connection_id"] == connection_id]
    return {
        "conversation": [row["is_conversation_known"] for row in tickets],
        "message_author": [row["author_role"] != "unknown" for row in notes],
        "message_visibility": [row["visibility"] != "unknown" for row in notes],
        "message_count": [
            "description" not in (record.get("_privacy") or "") for record in records if not record.get("_deleted_at")
        ],
        "agent_names": [bool(name) for author_id, name in agents.items() if author_id],
        "first_reply": [
            row["is_conversation_known"] and not row["has_unknown_author"]
            for row in tickets
            if row["kind"] not in ("spam", "merged")
        ],
        "resolution": [row["resolution_seconds"] is not None for row in closed],
        "changes": [bool(row["is_history_complete"]) for row in tickets],
        "vendor_status": [row["vendor_status"] is not None for row in tickets],
        "satisfaction": [row["satisfaction"] is not None for row in closed],
        "category": [row["category_name"] is not None for row in tickets],
        "service_levels": [(clock.ticket["ticket_id"], clock.metric, clock.turn_number) in policed for clock in clocks],
    }
