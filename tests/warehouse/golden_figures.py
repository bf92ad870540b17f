"""The marts once more, all rows and columns, in plain Python from the records, by DECISIONS.md and not by the SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from statistics import median
from typing import Any

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_availability import availability_rows
from tests.warehouse.golden_business_time import seconds_between
from tests.warehouse.golden_categories import category_rows
from tests.warehouse.golden_changes import change_rows, history, period_rows, status_of, versions
from tests.warehouse.golden_connections import connection_rows, sync_health_rows
from tests.warehouse.golden_customers import account_figures
from tests.warehouse.golden_daily import daily_marts
from tests.warehouse.golden_messages import Message, conversation, first_time, kind_of, last_time, message_row
from tests.warehouse.golden_people import people_rows
from tests.warehouse.golden_service_levels import (
    Clock,
    clocks,
    nearest,
    outcome_row,
    policy_of,
    statistics_rows,
)
from tests.warehouse.golden_settings import Key, Record, Row, Settings
from tests.warehouse.golden_signs import moment_told
from tests.warehouse.golden_text import comparable, snake, text
from tests.warehouse.golden_triage import open_ticket_row, triage_rows
from tests.warehouse.golden_turns import Turn, turn_row, turns, waiting

Marts = dict[str, list[Row]]
"""The rows of each mart by its name."""

BANDS = {0: "none", 1: "one", 2: "two"}


def marts(records: Mapping[str, Sequence[Record]], settings: Settings) -> Marts:
    """All rows of all marts; the times keep their zone."""
    account = Account(records, settings)
    made: Marts = defaultdict(list)
    tickets_of: dict[Key, list[Row]] = defaultdict(list)
    found: dict[str, list[Clock]] = {connection_id: [] for connection_id in account.connections()}
    for record in records.get("tickets", ()):
        ticket = _ticket(record, account, made)
        found.setdefault(ticket["connection_id"], []).extend(ticket.pop("clocks"))
        if ticket["customer_id"] and not ticket["is_deleted"]:
            tickets_of[ticket["connection_id"], ticket["customer_id"]].append(ticket)
    for key in {*account.customers, *tickets_of}:
        made["customer_support_summary"].append(_customer_row(key, account, tickets_of[key]))
    made["answer_statistics"] = statistics_rows(found, account)
    made["triage_candidates"] = triage_rows(made["open_tickets"], account)
    made["metric_availability"] = availability_rows(made, found, account)
    made.update(people_rows(made, account))
    made["categories"] = category_rows(made, account)
    made["connections"] = connection_rows(made, account)
    made["sync_health"] = sync_health_rows(account)
    made |= daily_marts(made, account)
    return made


def _ticket(record: Record, account: Account, made: Marts) -> Row:
    """Put a ticket and all that hangs on it into the marts."""
    thread = [] if record.get("_deleted_at") else conversation(record, account)
    is_known = account.is_conversation_known(record)
    ticket: Row = _facts(record, thread, account)
    is_mute = ticket["kind"] in ("spam", "merged")
    states = versions(record, account)
    changes = change_rows(ticket, states)
    closings = [row["changed_at"] for row in changes if row["is_closing"]]
    talk = turns(thread, closings) if is_known and not is_mute else []
    strangers = [message for message in thread if message.side == "unknown"]
    talk_rows = [turn_row(turn, ticket, strangers, account) for turn in talk]
    periods = period_rows(ticket, states, account)
    ticket |= _figures(ticket, thread, talk, talk_rows, account) if is_known else _no_figures(ticket)
    ticket |= history(ticket, states, changes, periods, account.settings.history_gap_seconds)
    made["tickets"].append(ticket)
    made["conversation_messages"] += [message_row(record, message) for message in thread]
    made["conversation_turns"] += talk_rows
    made["ticket_changes"] += changes
    made["ticket_periods"] += periods
    if thread:
        made["conversation_threads"].append(_thread_row(ticket, [message_row(record, message) for message in thread]))
    running = [*clocks(ticket, talk_rows)]
    outcomes = []
    for clock in running:
        policy = policy_of(clock, record.get("tags"), account.settings.seeds["sla_policies"])
        if policy:
            outcomes.append(outcome_row(clock, policy, talk_rows, periods, account))
    made["sla_outcomes"] += outcomes
    if row := open_ticket_row(ticket, periods, outcomes, account):
        made["open_tickets"].append(row)
    return {**ticket, "clocks": running}


def _facts(record: Record, thread: Sequence[Message], account: Account) -> Row:
    """What the record itself says, and what is known of it whether its notes are read or not."""
    connection_id, customer_id = record["connection_id"], text(record.get("customer_id"))
    helpdesk, user_id = account.helpdesk(connection_id), text(record.get("user_id"))
    word = text(record.get("status"))
    status = status_of(word)
    is_deleted, is_closed = bool(record.get("_deleted_at")), status == "closed"
    category_id, category_name = _category(record, account.categories[connection_id])
    opened_at, closed_at = record.get("created_at"), record.get("closed_at") if is_closed else None
    took = seconds_between(opened_at, closed_at)
    is_resolved = not is_deleted and took is not None and took >= 0
    opened_by = thread[0].role if thread else None
    kind = kind_of(record, account) or ("agent_opened" if opened_by == "agent" else "inbound")

    def told(sign: str) -> str | None:
        found = account.signs.of_ticket(record, helpdesk, sign)
        return found.meaning if found else None

    return {
        "connection_id": connection_id,
        "ticket_id": record["id"],
        "integration_type": helpdesk,
        "customer_id": customer_id,
        "customer_name": account.customer_name(connection_id, customer_id),
        "assignee_user_id": user_id,
        "assignee_name": account.employee_name(connection_id, user_id),
        "category_id": category_id,
        "category_name": category_name,
        "subject": text(record.get("subject")),
        "status": status,
        "status_text": word,
        "vendor_status": told("vendor_status"),
        "kind": None if is_deleted else kind,
        "priority": snake(record.get("priority")),
        "source": snake(record.get("source")),
        "url": text(record.get("url")),
        "tags": record.get("tags"),
        "opened_at": opened_at,
        "updated_at": record.get("updated_at"),
        "due_at": record.get("due_at"),
        "closed_at": closed_at,
        "vendor_first_replied_at": moment_told(told("vendor_first_replied_at")),
        "vendor_resolved_at": moment_told(told("vendor_resolved_at")),
        "satisfaction": told("satisfaction"),
        "opened_by_role": opened_by,
        "resolution_seconds": took if is_resolved else None,
        "resolution_business_seconds": account.calendars.seconds(connection_id, opened_at, closed_at)
        if is_resolved
        else None,
        "is_closed": is_closed,
        "is_deleted": is_deleted,
        "is_agent_opened": opened_by == "agent" if opened_by else None,
        "is_conversation_known": account.is_conversation_known(record),
        "is_settled": account.is_settled(connection_id, record.get("updated_at") or opened_at)
        and (is_deleted or account.is_conversation_known(record)),
        "deleted_at": record.get("_deleted_at"),
        "deletion_reason": record.get("_deletion_reason"),
        "data_as_of": account.data_as_of(connection_id),
    }


def _figures(
    ticket: Row, thread: Sequence[Message], talk: Sequence[Turn], talk_rows: Sequence[Row], account: Account
) -> Row:
    """What a conversation that is known tells."""
    spoken = sorted((message for message in thread if message.side), key=lambda message: message.place)
    of_customer = [message for message in spoken if message.side == "customer"]
    of_agents = [message for message in spoken if message.side == "agent"]
    replies = [message for message in thread if message.is_reply]
    has_unknown_author = any(message.side == "unknown" for message in spoken)
    repliers = {message.author_id for message in replies}
    asked_at = of_customer[0].sent_at if of_customer else None
    replied_at = first_time(replies)
    is_over = ticket["is_closed"] or ticket["kind"] in ("spam", "merged")
    waiting_on, waiting_since = waiting(thread, talk, is_over=is_over)

    def waited(side: str, name: str) -> int | None:
        ended = [row[name] for row in talk_rows if row["side"] == side and row["end_reason"] in ("answered", "closed")]
        return None if None in ended else sum(ended)

    return {
        "first_customer_message_at": asked_at,
        "first_replied_at": replied_at,
        "first_reply_seconds": seconds_between(asked_at, replied_at),
        "first_reply_business_seconds": account.calendars.seconds(ticket["connection_id"], asked_at, replied_at),
        "message_count": len(thread),
        "customer_message_count": len(of_customer),
        "agent_message_count": len(of_agents),
        "agent_reply_count": len(replies),
        "bot_message_count": sum(message.role == "bot" for message in thread),
        "internal_message_count": sum(message.visibility == "internal" for message in thread),
        "agent_count": None if None in repliers else len(repliers),
        "reply_band": BANDS.get(len(replies), "several"),
        "waiting_on_us_seconds": waited("customer", "wait_seconds"),
        "waiting_on_us_business_seconds": waited("customer", "wait_business_seconds"),
        "waiting_on_customer_seconds": waited("agent", "wait_seconds"),
        "first_message_at": first_time(thread),
        "last_message_at": last_time(thread),
        "first_contact_at": first_time(spoken),
        "last_contact_at": last_time(spoken),
        "last_customer_message_at": last_time(of_customer),
        "last_agent_message_at": last_time(of_agents),
        "waiting_on": waiting_on,
        "waiting_since_at": waiting_since,
        "is_answered": True if replies else None if has_unknown_author else False,
        "is_one_touch": None if has_unknown_author else ticket["is_closed"] and len(replies) == 1,
        "has_unknown_visibility": any(message.visibility == "unknown" for message in thread),
        "has_unknown_author": has_unknown_author,
    }


def _no_figures(ticket: Row) -> Row:
    """Of a deleted ticket, or one whose notes were never read, nothing is told."""
    nothing = (
        "first_customer_message_at first_replied_at first_reply_seconds first_reply_business_seconds message_count "
        "customer_message_count agent_message_count agent_reply_count bot_message_count internal_message_count "
        "agent_count reply_band waiting_on_us_seconds waiting_on_us_business_seconds waiting_on_customer_seconds "
        "first_message_at last_message_at first_contact_at last_contact_at last_customer_message_at "
        "last_agent_message_at waiting_since_at is_answered is_one_touch has_unknown_visibility has_unknown_author"
    )
    is_over = ticket["is_closed"] or ticket["kind"] in ("spam", "merged")
    return {
        **dict.fromkeys(nothing.split()),
        "waiting_on": None if ticket["is_deleted"] else "nobody" if is_over else "unknown",
    }


def _thread_row(ticket: Row, messages: Sequence[Row]) -> Row:
    told = ("message_number", "author_role", "author_id", "visibility", "is_agent_reply", "sent_at", "body_text")
    marks = {"internal": " (internal)", "unknown": " (visibility unknown)", "public": ""}
    parts = []
    for message in messages:
        moment = message["sent_at"].strftime("%Y-%m-%d %H:%M:%S UTC") if message["sent_at"] else "no time"
        first_line = f"[{moment}] {message['author_role']}{marks[message['visibility']]}"
        parts.append(f"{first_line}\n{message['body_text'] or '(no text)'}")
    shared = (
        "connection_id ticket_id integration_type customer_id subject message_count customer_message_count "
        "agent_message_count agent_reply_count bot_message_count internal_message_count first_message_at "
        "last_message_at waiting_on waiting_since_at is_closed has_unknown_visibility has_unknown_author"
    )
    return {
        **{name: ticket[name] for name in shared.split()},
        "messages": [{name: _json(message[name]) for name in told} for message in messages],
        "transcript": "\n\n".join(parts),
    }


def _customer_row(key: Key, account: Account, tickets: Sequence[Row]) -> Row:
    record = account.customers.get(key, {})

    def known(name: str) -> list[Any]:
        return [ticket[name] for ticket in tickets if ticket[name] is not None]

    def first_filled(items: Sequence[Record] | None, name: str) -> str | None:
        return next((found for item in items or () if (found := text(item.get(name)))), None)

    def middle(values: Sequence[int]) -> int | None:
        return nearest(Fraction(median(values))) if values else None

    resolved = [ticket for ticket in tickets if ticket["kind"] not in ("spam", "merged")]
    read = [ticket for ticket in tickets if ticket["is_conversation_known"]]

    def counted(flags: Sequence[bool]) -> int | None:
        return sum(flags) if flags or not tickets else None

    def of_read(figure: int) -> int | None:
        return figure if read or not tickets else None

    waits = [t["waiting_since_at"] for t in tickets if t["waiting_on"] == "us" and t["waiting_since_at"]]
    return {
        "connection_id": key[0],
        "customer_id": key[1],
        "integration_type": account.helpdesk(key[0]),
        "customer_name": text(record.get("name")),
        "email": first_filled(record.get("emails"), "email"),
        "telephone": first_filled(record.get("telephones"), "telephone"),
        "customer_created_at": record.get("created_at"),
        "ticket_count": len(tickets),
        "open_ticket_count": sum(not ticket["is_closed"] for ticket in tickets),
        "closed_ticket_count": sum(ticket["is_closed"] for ticket in tickets),
        "known_conversation_ticket_count": len(read),
        "waiting_on_us_ticket_count": counted(
            [ticket["waiting_on"] == "us" for ticket in read if ticket["waiting_on"] != "unknown"]
        ),
        "answered_ticket_count": counted(known("is_answered")),
        "customer_message_count": of_read(sum(known("customer_message_count"))),
        "agent_reply_count": of_read(sum(known("agent_reply_count"))),
        "first_ticket_opened_at": min(known("opened_at"), default=None),
        "last_ticket_opened_at": max(known("opened_at"), default=None),
        "first_contact_at": min(known("first_contact_at"), default=None),
        "last_contact_at": max(known("last_contact_at"), default=None),
        "last_customer_message_at": max(known("last_customer_message_at"), default=None),
        "waiting_on_us_since_at": min(waits, default=None),
        "median_first_reply_seconds": middle(known("first_reply_seconds")),
        "median_resolution_seconds": middle(
            [s for ticket in resolved if (s := ticket["resolution_seconds"]) is not None]
        ),
        **account_figures(key[0], tickets, account),
        "is_known": key in account.customers,
        "is_deleted": bool(record.get("_deleted_at")),
    }


def _category(ticket: Record, categories: Sequence[Record]) -> tuple[str | None, str | None]:
    category_id, word = text(ticket.get("category_id")), text(ticket.get("category"))
    if category_id is None and word is not None:
        living = [row for row in categories if row.get("name") and not row.get("_deleted_at")]
        matched = [row for row in living if comparable(row["name"]) == comparable(word)]
        category_id = matched[0]["id"] if len(matched) == 1 else None
    names = [text(row.get("name")) for row in categories if row["id"] == category_id]
    return category_id, (names[0] if names else None) or word


def _json(value: Any) -> Any:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if isinstance(value, datetime) else value
