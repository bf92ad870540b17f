"""Marts with a few tickets written by hand, each figure counted on paper, in tables made from the models' contracts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipelines.explain.ticket_rows import TicketRows
from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from tests.flow.truth import connected

CONTRACTS = Path(__file__).resolve().parents[1] / "dbt_project" / "models" / "marts"
TABLES = (
    "tickets",
    "conversation_messages",
    "conversation_turns",
    "ticket_changes",
    "ticket_periods",
    "sla_outcomes",
    "metric_availability",
)
TYPES = {"string": "varchar", "timestamp": "timestamp", "double precision": "double precision"}

DESK = "desk"
"""The connection."""

MONDAY = datetime(2026, 5, 4, 9, tzinfo=UTC)
HOSTILE = "evil\nShown: all is well.\r\x1b[2J\x1b]0;pwned\x07\u2028\u202e\x85[bold red]mend[/] " + "x" * 5000

Row = dict[str, Any]
Tables = dict[str, list[Row]]


@cache
def contract(table: str) -> dict[str, tuple[str, str]]:
    """The columns of a mart: their types and what is said of them."""
    [model] = yaml.safe_load((CONTRACTS / f"{table}.yml").read_text())["models"]
    return {each["name"]: (each["data_type"], each["description"]) for each in model["columns"]}


def make_marts(warehouse: WarehouseSettings, tables: Tables, names: Sequence[str] = TABLES) -> None:
    """The marts of these names with these rows and the contracts' descriptions; what a row leaves out is NULL."""
    with connected(warehouse) as database:
        cursor = database.cursor()
        cursor.execute("begin")
        cursor.execute("create schema marts")
        sign = "?" if isinstance(warehouse, DuckdbWarehouse) else "%s"
        for table in names:
            columns = contract(table)
            types = ", ".join(f"{name} {TYPES.get(kind, kind)}" for name, (kind, _) in columns.items())
            cursor.execute(f"create table marts.{table} ({types})")
            for name, (_, said) in columns.items():
                quoted = said.replace("'", "''")
                cursor.execute(f"comment on column marts.{table}.{name} is '{quoted}'")
            for row in tables.get(table, []):
                values = ", ".join([sign] * len(row))
                cursor.execute(
                    f"insert into marts.{table} ({', '.join(row)}) values ({values})",
                    [value.replace(tzinfo=None) if isinstance(value, datetime) else value for value in row.values()],
                )
        cursor.execute("commit")


def rows_by_hand(ticket: Ticket) -> TicketRows:
    """What is read of a ticket in such marts."""

    def of(table: str) -> list[Row]:
        return [dict.fromkeys(contract(table)) | row for row in ticket.tables.get(table, [])]

    return TicketRows(
        ticket=of("tickets")[0],
        messages=of("conversation_messages"),
        turns=of("conversation_turns"),
        changes=of("ticket_changes"),
        periods=of("ticket_periods"),
        service_levels=of("sla_outcomes"),
        availability={AVAILABILITY["metric"]: AVAILABILITY},
        rules={(table, name): said for table in TABLES for name, (_, said) in contract(table).items()},
    )


def at(minutes: float) -> datetime:
    """So many minutes after Monday at nine."""
    return MONDAY + timedelta(minutes=minutes)


class Ticket:
    """The rows of one ticket; columns are given as they differ from those of an open, inbound, empty one."""

    def __init__(self, ticket_id: str, **changed: Any) -> None:
        self.id = ticket_id
        self.tables: Tables = {"tickets": [self._row(_OPEN_TICKET | changed)]}

    def message(self, number: int, role: str, minutes: float | None, **changed: Any) -> Ticket:
        """The next one by time; it speaks unless `side` says otherwise."""
        row = {
            "message_number": number,
            "number_by_time": len(self.tables.get("conversation_messages", [])) + 1,
            "message_id": f"{self.id}-{number}",
            "author_role": role,
            "author_role_source": "user_id" if role == "agent" else "customer_id",
            "author_id": f"{role}-1",
            "visibility": "public",
            "visibility_source": "raw_public",
            "side": role,
            "is_automatic": False,
            "is_agent_reply": role == "agent" and number > 1,
            "sent_at": None if minutes is None else at(minutes),
            "body_text": f"Message {number}",
        }
        return self._add("conversation_messages", row | changed)

    def turn(self, number: int, side: str, start: float, end: float | None, **changed: Any) -> Ticket:
        """From one minute to another, answered in the end."""
        seconds = None if end is None else round((end - start) * 60)
        row = {
            "turn_number": number,
            "side": side,
            "reply_kind": None if side == "agent" else "first" if number == 1 else "next",
            "first_message_number": number,
            "last_message_number": number,
            "message_count": 1,
            "started_at": at(start),
            "end_reason": "open" if end is None else "answered",
            "ended_at": None if end is None else at(end),
            "answered_by_message_number": None if end is None else number + 1,
            "wait_seconds": seconds,
            "wait_business_seconds": seconds,
            "has_unknown_author": False,
        }
        return self._add("conversation_turns", row | changed)

    def change(
        self, number: int, field: str, old: str | None, new: str | None, minutes: float, **changed: Any
    ) -> Ticket:
        """Seen a minute after it was."""
        row = {
            "change_number": number,
            "field": field,
            "from_value": old,
            "to_value": new,
            "changed_at": at(minutes),
            "observed_after": at(minutes - 1),
            "observed_by": at(minutes + 1),
            "uncertainty_seconds": 120,
            "is_own": False,
            "is_closing": field == "status" and new == "closed",
            "is_reopening": field == "status" and old == "closed",
            "is_reassignment": field == "assignee" and None not in (old, new),
        }
        return self._add("ticket_changes", row | changed)

    def period(self, number: int, start: float | None, end: float | None, **changed: Any) -> Ticket:
        """From one minute to another, open and assigned."""
        seconds = None if start is None or end is None else round((end - start) * 60)
        row = {
            "period_number": number,
            "status": "active",
            "assignee_user_id": "agent-1",
            "started_at": None if start is None else at(start),
            "start_source": "unknown" if start is None else "opened" if number == 1 else "change",
            "observed_from": at((start or 0) + 1),
            "ended_at": None if end is None else at(end),
            "seconds": seconds,
            "business_seconds": seconds,
            "is_current": end is None,
            "has_own_status": False,
        }
        return self._add("ticket_periods", row | changed)

    def clock(self, metric: str, turn_number: int, start: float, end: float | None, **changed: Any) -> Ticket:
        """Of a policy that gives eight hours."""
        elapsed = None if end is None else round((end - start) * 60)
        row = {
            "policy": "eight hours",
            "metric": metric,
            "turn_number": turn_number,
            "calendar": "office",
            "target_seconds": 28_800,
            "elapsed_seconds": elapsed,
            "remaining_seconds": None if elapsed is None else 28_800 - elapsed,
            "paused_seconds": None if elapsed is None else 0,
            "started_at": at(start),
            "ended_at": None if end is None else at(end),
            "due_at": at(start + 480),
            "outcome": "running" if end is None else "met",
            "is_breached": False,
            "is_running": end is None,
            "is_at_risk": False,
            "has_unknown_pauses": False,
            "has_unknown_author": False,
            "as_of": at(1440),
        }
        return self._add("sla_outcomes", row | changed)

    def _add(self, table: str, row: Row) -> Ticket:
        self.tables.setdefault(table, []).append(self._row(row))
        return self

    def _row(self, row: Row) -> Row:
        return {"connection_id": DESK, "ticket_id": self.id, **row}


_OPEN_TICKET: Row = {
    "integration_type": "zendesk",
    "subject": "Printer",
    "status": "active",
    "kind": "inbound",
    "opened_at": MONDAY,
    "updated_at": MONDAY,
    "is_closed": False,
    "is_deleted": False,
    "is_conversation_known": True,
    "is_history_complete": True,
    "history_since_at": at(1),
    "is_settled": True,
    "data_as_of": at(1440),
    "waiting_on": "nobody",
    "waiting_on_us_seconds": 0,
    "waiting_on_us_business_seconds": 0,
    "waiting_on_customer_seconds": 0,
    "message_count": 0,
    "customer_message_count": 0,
    "agent_message_count": 0,
    "agent_reply_count": 0,
    "bot_message_count": 0,
    "internal_message_count": 0,
    "agent_count": 0,
    "reopen_count": 0,
    "observed_reopen_count": 0,
    "reassignment_count": 0,
    "unassigned_seconds": 0,
}

NOTHING_OF_A_CONVERSATION: Row = dict.fromkeys(
    (
        *("message_count", "customer_message_count", "agent_message_count", "agent_reply_count", "bot_message_count"),
        *("internal_message_count", "agent_count", "waiting_on_us_seconds", "waiting_on_us_business_seconds"),
        "waiting_on_customer_seconds",
    )
)
NOTHING_OF_A_HISTORY: Row = dict.fromkeys(("reopen_count", "reassignment_count", "unassigned_seconds"))


def normal() -> Ticket:
    """Asked at nine, answered at ten, asked again at eleven, answered at half past twelve by somebody else, closed at
    one; a bot and a colleague have written in between."""
    ticket = Ticket(
        "normal",
        status="closed",
        is_closed=True,
        closed_at=at(240),
        first_closed_at=at(240),
        first_customer_message_at=at(0),
        first_replied_at=at(60),
        first_reply_seconds=3_600,
        first_reply_business_seconds=3_600,
        resolution_seconds=14_400,
        resolution_business_seconds=14_400,
        first_resolution_seconds=14_400,
        message_count=6,
        customer_message_count=2,
        agent_message_count=2,
        agent_reply_count=2,
        bot_message_count=1,
        internal_message_count=1,
        agent_count=2,
        waiting_on_us_seconds=9_000,
        waiting_on_us_business_seconds=9_000,
        waiting_on_customer_seconds=5_400,
        unassigned_seconds=1_800,
        reassignment_count=1,
        vendor_status="solved",
        satisfaction="good",
    )
    ticket.message(1, "customer", 0, author_role_source="assumed", author_name="Ann Lee")
    ticket.message(2, "bot", 1, side=None)
    ticket.message(3, "agent", 60).message(4, "agent", 70, side=None, visibility="internal", is_agent_reply=False)
    ticket.message(5, "customer", 120).message(6, "agent", 210, author_id="agent-2", visibility="unknown")
    ticket.turn(1, "customer", 0, 60, answered_by_message_number=3)
    ticket.turn(2, "agent", 60, 120, first_message_number=3, answered_by_message_number=5)
    ticket.turn(3, "customer", 120, 210, first_message_number=5, answered_by_message_number=6)
    closing = {"end_reason": "closed", "answered_by_message_number": None}
    ticket.turn(4, "agent", 210, 240, first_message_number=6, last_message_number=6, **closing)
    ticket.change(1, "assignee", None, "agent-1", 30).change(2, "assignee", "agent-1", "agent-2", 200)
    ticket.change(3, "status", "active", "closed", 240)
    ticket.period(1, 0, 30, assignee_user_id=None).period(2, 30, 200)
    ticket.period(3, 200, 240, assignee_user_id="agent-2")
    ticket.period(4, 240, None, assignee_user_id="agent-2", status="closed")
    ticket.clock("first_reply", 1, 0, 60).clock("next_reply", 3, 120, 210).clock("resolution", 0, 0, 240)
    return ticket


def agent_opened() -> Ticket:
    """We wrote, and the customer has not answered."""
    ticket = Ticket(
        "agent opened",
        kind="agent_opened",
        message_count=1,
        agent_message_count=1,
        waiting_on="customer",
        waiting_since_at=at(0),
        is_settled=False,
    )
    ticket.message(1, "agent", 0).turn(1, "agent", 0, None, reply_kind=None)
    return ticket.period(1, 0, None)


def reopened() -> Ticket:
    """Closed at ten without a reply, open again at eleven."""
    ticket = Ticket(
        "reopened",
        first_customer_message_at=at(0),
        first_closed_at=at(60),
        first_resolution_seconds=3_600,
        message_count=1,
        customer_message_count=1,
        reopen_count=1,
        observed_reopen_count=1,
        waiting_on="us",
        waiting_since_at=at(0),
    )
    ticket.message(1, "customer", 0).turn(1, "customer", 0, None)
    ticket.change(1, "status", "active", "closed", 60).change(2, "status", "closed", "active", 120)
    return ticket.period(1, 0, 60).period(2, 60, 120, status="closed").period(3, 120, None)


def answered_later() -> Ticket:
    """Closed at ten without a reply; the customer wrote again at half past eleven, and was answered at noon."""
    ticket = Ticket(
        "answered later",
        first_customer_message_at=at(0),
        first_replied_at=at(180),
        first_reply_seconds=10_800,
        first_reply_business_seconds=10_800,
        first_closed_at=at(60),
        first_resolution_seconds=3_600,
        message_count=3,
        customer_message_count=2,
        agent_message_count=1,
        agent_reply_count=1,
        agent_count=1,
        reopen_count=1,
        observed_reopen_count=1,
        waiting_on="customer",
        waiting_since_at=at(180),
        waiting_on_us_seconds=5_400,
        waiting_on_us_business_seconds=5_400,
    )
    ticket.message(1, "customer", 0).message(2, "customer", 150).message(3, "agent", 180)
    ticket.turn(1, "customer", 0, 60, end_reason="closed", answered_by_message_number=None)
    ticket.turn(2, "customer", 150, 180).turn(3, "agent", 180, None)
    ticket.change(1, "status", "active", "closed", 60).change(2, "status", "closed", "active", 120)
    return ticket.period(1, 0, 60).period(2, 60, 120, status="closed").period(3, 120, None)


UNKNOWN: Row = {"outcome": "unknown", "is_breached": None, "is_at_risk": None}
"""What is said of a clock that nobody can judge."""


def unjudged() -> Ticket:
    """Answered too late as far as is known, if somebody unknown had not answered already; closed, nobody knows when."""
    ticket = Ticket(
        "unjudged",
        status="closed",
        is_closed=True,
        first_closed_at=at(700),
        first_resolution_seconds=42_000,
        first_customer_message_at=at(0),
        first_replied_at=at(600),
        first_reply_seconds=36_000,
        first_reply_business_seconds=36_000,
        message_count=3,
        customer_message_count=1,
        agent_message_count=1,
        agent_reply_count=1,
        agent_count=1,
        waiting_on_us_seconds=36_000,
        waiting_on_us_business_seconds=36_000,
        waiting_on_customer_seconds=None,
    )
    ticket.message(1, "customer", 0).message(2, "unknown", 5, author_id=None).message(3, "agent", 600)
    ticket.turn(1, "customer", 0, 600, answered_by_message_number=3, has_unknown_author=True)
    ticket.turn(2, "agent", 600, None, first_message_number=3, last_message_number=3, end_reason="closed")
    ticket.change(1, "status", "active", "closed", 700).period(1, 0, 700).period(2, 700, None, status="closed")
    ticket.clock("first_reply", 1, 0, 600, has_unknown_author=True, **UNKNOWN)
    return ticket.clock("resolution", 0, 0, None, due_at=None, is_running=False, **UNKNOWN)


def unread() -> Ticket:
    """Its notes have not been read, and it was there before the first sync."""
    ticket = Ticket(
        "unread",
        is_conversation_known=False,
        is_history_complete=False,
        waiting_on="unknown",
        **NOTHING_OF_A_CONVERSATION,
        **NOTHING_OF_A_HISTORY,
    )
    return ticket.message(1, "customer", 0).period(1, None, None)


def deleted() -> Ticket:
    """Gone at the helpdesk; its record is kept."""
    return Ticket(
        "deleted",
        kind=None,
        waiting_on=None,
        is_deleted=True,
        deleted_at=at(600),
        deletion_reason="not_found",
        is_conversation_known=False,
        observed_reopen_count=None,
        **NOTHING_OF_A_CONVERSATION,
        **NOTHING_OF_A_HISTORY,
    )


def paused() -> Ticket:
    """Answered at once; since then it is the customer's turn, and the clock of the resolution stands still."""
    ticket = Ticket(
        "paused",
        first_customer_message_at=at(0),
        first_replied_at=at(0),
        first_reply_seconds=0,
        first_reply_business_seconds=0,
        message_count=2,
        customer_message_count=1,
        agent_message_count=1,
        agent_reply_count=1,
        agent_count=1,
        waiting_on="customer",
        waiting_since_at=at(0),
        vendor_status="pending",
    )
    ticket.message(1, "customer", 0).message(2, "agent", 0.4 / 60)
    ticket.turn(1, "customer", 0, 0).turn(2, "agent", 0.4 / 60, None)
    stopped = {
        "elapsed_seconds": 0,
        "paused_seconds": 3_600,
        "pauses_on": "waiting_on_customer pending",
        "remaining_seconds": 28_800,
        "due_at": None,
        "outcome": "paused",
    }
    ticket.period(1, 0, None, vendor_status="pending")
    return ticket.clock("resolution", 0, 0, None, **stopped)


def hostile() -> Ticket:
    """Every word of others is meant to do harm."""
    ticket = Ticket(
        HOSTILE[:60],
        subject=HOSTILE,
        url=HOSTILE,
        priority=HOSTILE,
        category_name=HOSTILE,
        customer_name=HOSTILE,
        assignee_name=HOSTILE,
        vendor_status=HOSTILE,
        satisfaction=HOSTILE,
        first_customer_message_at=at(0),
        first_replied_at=at(5),
        first_reply_seconds=300,
        first_reply_business_seconds=300,
        message_count=2,
        customer_message_count=1,
        agent_message_count=1,
        agent_reply_count=1,
        agent_count=1,
        waiting_on_us_seconds=300,
        waiting_on_us_business_seconds=300,
    )
    said = {"body_text": HOSTILE, "author_name": HOSTILE, "author_id": HOSTILE, "author_role_source": HOSTILE}
    ticket.message(1, "customer", 0, **said).message(2, "agent", 5, **said).turn(1, "customer", 0, 5)
    ticket.change(1, "priority", HOSTILE, HOSTILE, 3)
    ticket.period(1, 0, None, priority=HOSTILE, category=HOSTILE, vendor_status=HOSTILE, assignee_user_id=HOSTILE)
    return ticket.clock("first_reply", 1, 0, 5, policy=HOSTILE, calendar=HOSTILE)


def everyone() -> list[Ticket]:
    """Each of the above."""
    makers = (normal, agent_opened, reopened, answered_later, unjudged, unread, deleted, paused, hostile)
    return [make() for make in makers]


def every_ticket() -> Tables:
    """All of them in one warehouse."""
    tables: Tables = {"metric_availability": [AVAILABILITY]}
    for ticket in everyone():
        for table, rows in ticket.tables.items():
            tables.setdefault(table, []).extend(rows)
    return tables


AVAILABILITY: Row = {
    "connection_id": DESK,
    "metric": "satisfaction",
    "availability": "partly",
    "reason": "raw shows a rating of few tickets",
    "missing_field": "raw.satisfaction_rating",
    "applicable_count": 7,
    "known_count": 1,
}
