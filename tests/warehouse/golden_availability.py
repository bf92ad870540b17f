"""Of what a metric is about, and of how much of it is known, counted in the other marts' rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_service_levels import Clock
from tests.warehouse.golden_settings import Row

MISSING = {
    "notes_not_read": "notes",
    "author_not_told": "notes.user_id, notes.customer_id, notes.raw",
    "visibility_not_told": "notes.raw",
    "description_protected": "tickets.description",
    "agent_not_named": "employees.name",
    "time_not_told": "tickets.created_at, tickets.closed_at, notes.created_at",
    "opening_time_not_told": "tickets.created_at",
    "closing_time_not_told": "tickets.closed_at",
    "times_contradict": "tickets.created_at, tickets.closed_at",
    "history_not_whole": "ticket_versions",
    "assignee_never_told": "tickets.user_id",
    "no_sign_in_raw": "tickets.raw",
    "not_rated_or_no_sign_in_raw": "tickets.raw",
    "category_not_told": "tickets.category_id, tickets.category",
    "category_not_named": "categories.name",
    "no_policy": "sla_policies",
    "beyond_calendars": "business_calendars",
    "pauses_not_told": "tickets.raw, ticket_versions",
}
"""What is missing, by the reason for which a metric is not known."""

Reason = str | None
"""Why a case of a metric is not known; None where it is."""


def availability_rows(
    made: Mapping[str, Sequence[Row]], clocks: Mapping[str, Sequence[Clock]], account: Account
) -> list[Row]:
    """One row for each connection and metric; `clocks` by connection, with a policy or without."""
    ids = {*account.connections(), *(ticket["connection_id"] for ticket in made["tickets"])}
    return [
        _row(connection_id, account.helpdesk(connection_id), metric, reasons)
        for connection_id in ids
        for metric, reasons in _Connection(connection_id, made, account).cases(clocks.get(connection_id, ())).items()
    ]


def _row(connection_id: str, helpdesk: str | None, metric: str, reasons: Sequence[Reason]) -> Row:
    counts = Counter(reason for reason in reasons if reason)
    main = min(counts, key=lambda reason: (-counts[reason], reason), default=None)
    known = len(reasons) - counts.total()
    return {
        "connection_id": connection_id,
        "metric": metric,
        "integration_type": helpdesk,
        "availability": "unavailable" if not known else "partly" if main else "available",
        "reason": main if reasons else "nothing_to_measure",
        "missing_field": MISSING[main] if main else None,
        "applicable_count": len(reasons),
        "known_count": known,
        "known_share": known / len(reasons) if reasons else None,
    }


class _Connection:
    """The rows of one connection."""

    def __init__(self, connection_id: str, made: Mapping[str, Sequence[Row]], account: Account) -> None:
        self._id, self._made = connection_id, made
        self._records = {row["id"]: row for row in account.records["tickets"] if row["connection_id"] == connection_id}
        self._tickets = [row for row in self._of("tickets") if not row["is_deleted"]]
        self._messages = self._of("conversation_messages")

    def cases(self, clocks: Sequence[Clock]) -> dict[str, list[Reason]]:
        """Of each case of a metric, why it is not known."""
        notes = [row for row in self._messages if row["note_id"]]
        closed = [row for row in self._tickets if row["is_closed"]]
        return {
            "conversation": [_unread(row) for row in self._tickets],
            "message_author": [
                _if(row["author_role"] == "unknown", "author_not_told")
                for row in notes
                if row["author_role_source"] != "writeback"
            ],
            "message_visibility": [_if(row["visibility"] == "unknown", "visibility_not_told") for row in notes],
            "message_count": [_unread(row) or self._protected(row) for row in self._tickets],
            "agent_names": self._agents(),
            "first_reply": [
                _unread(row) or self._reply(row) for row in self._tickets if row["kind"] not in ("spam", "merged")
            ],
            "resolution": [_resolution(row) for row in closed],
            "changes": [_if(not row["is_history_complete"], "history_not_whole") for row in self._tickets],
            "assignee": [_if(not self._ever_assigns(), "assignee_never_told") for _ in self._tickets],
            "vendor_status": [_if(row["vendor_status"] is None, "no_sign_in_raw") for row in self._tickets],
            "satisfaction": [_if(row["satisfaction"] is None, "not_rated_or_no_sign_in_raw") for row in closed],
            "category": [_category(row) for row in self._tickets],
            "service_levels": self._service_levels(clocks),
        }

    def _of(self, mart: str) -> list[Row]:
        return [row for row in self._made[mart] if row["connection_id"] == self._id]

    def _protected(self, ticket: Row) -> Reason:
        label = self._records[ticket["ticket_id"]].get("_privacy") or ""
        return _if("description" in label, "description_protected")

    def _agents(self) -> list[Reason]:
        names: dict[str | None, str | None] = {}
        for message in self._messages:
            if message["author_role"] == "agent":
                names[message["author_id"]] = message["author_name"] or names.get(message["author_id"])
        return [
            _if(agent is None, "author_not_told") or _if(name is None, "agent_not_named")
            for agent, name in names.items()
        ]

    def _reply(self, ticket: Row) -> Reason:
        firsts = [
            turn
            for turn in self._of("conversation_turns")
            if turn["ticket_id"] == ticket["ticket_id"] and turn["reply_kind"] == "first"
        ]
        is_untold = firsts[0]["has_unknown_author"] if firsts else ticket["has_unknown_author"]
        is_timeless = bool(ticket["is_answered"]) and ticket["first_reply_seconds"] is None
        return _if(is_untold, "author_not_told") or _if(is_timeless, "time_not_told")

    def _ever_assigns(self) -> bool:
        return any(row["assignee_user_id"] for row in (*self._tickets, *self._of("ticket_periods")))

    def _service_levels(self, clocks: Sequence[Clock]) -> list[Reason]:
        outcomes = {(row["ticket_id"], row["metric"], row["turn_number"]): row for row in self._of("sla_outcomes")}
        return [
            _service_level(clock, outcomes.get((clock.ticket["ticket_id"], clock.metric, clock.turn_number)))
            for clock in clocks
        ]


def _if(is_so: bool, reason: str) -> Reason:
    return reason if is_so else None


def _unread(ticket: Row) -> Reason:
    return _if(not ticket["is_conversation_known"], "notes_not_read")


def _resolution(ticket: Row) -> Reason:
    if ticket["closed_at"] is None:
        return "closing_time_not_told"
    if ticket["opened_at"] is None:
        return "opening_time_not_told"
    return _if(ticket["resolution_seconds"] is None, "times_contradict")


def _category(ticket: Row) -> Reason:
    if ticket["category_name"] is not None:
        return None
    return "category_not_named" if ticket["category_id"] else "category_not_told"


def _service_level(clock: Clock, outcome: Row | None) -> Reason:
    if outcome is None:
        return "no_policy"
    if outcome["elapsed_seconds"] is None:
        return "time_not_told" if clock.end == "unknown" else "beyond_calendars"
    if not outcome["is_running"] and outcome["elapsed_seconds"] <= outcome["target_seconds"]:
        return None
    return _if(outcome["has_unknown_author"], "author_not_told") or _if(
        outcome["has_unknown_pauses"], "pauses_not_told"
    )
