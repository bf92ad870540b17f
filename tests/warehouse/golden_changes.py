"""What was seen to change on tickets, and the periods between."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, pairwise
from typing import Any

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_business_time import seconds_between, whole_second
from tests.warehouse.golden_settings import Record, Row
from tests.warehouse.golden_signs import as_text
from tests.warehouse.golden_text import snake, text

FIELDS = ["status", "assignee", "priority", "category", "tags", "vendor_status"]
OF_A_PERIOD = ["status", "vendor_status", "assignee", "priority", "category"]


@dataclass(frozen=True)
class Version:
    """One state of a ticket; `changed_at` and `observed_after` are None for the first. `own`: which of its values we
    have given it."""

    values: Mapping[str, str | None]
    updated_at: datetime | None
    closed_at: datetime | None
    observed_at: datetime
    observed_via: str | None
    is_baseline: bool
    own: frozenset[str]
    changed_at: datetime | None = None
    observed_after: datetime | None = None


def status_of(word: str | None) -> str:
    """active, closed or unknown."""
    return word.lower() if word and word.lower() in ("active", "closed") else "unknown"


def versions(ticket: Record, account: Account) -> list[Version]:
    """The states of a ticket in order, each with the time at which it is taken to have come about."""
    records = sorted(
        account.versions_of(ticket),
        key=lambda row: (row.get("updated_at") or row["observed_at"], row["observed_at"], row["state_hash"]),
    )
    if not records:
        return []
    helpdesk = account.helpdesk(ticket["connection_id"])
    log = account.own_changes_of(ticket)
    states = [_version(record, helpdesk, account, log) for record in records]
    guesses = [_guess(before, after) for before, after in pairwise(states)]
    not_before = [*accumulate(guesses, max)]
    not_after = [*accumulate([state.observed_at for state in reversed(states[1:])], min)][::-1]
    made = [states[0]]
    for before, state, floor, ceiling in zip(states, states[1:], not_before, not_after, strict=False):
        changed_at = min(floor, ceiling)
        seen_before = min(before.observed_at, changed_at)
        walked = account.read_before(ticket["connection_id"], state.observed_at)
        is_later = walked is not None and before.observed_at < walked <= changed_at
        made.append(replace(state, changed_at=changed_at, observed_after=walked if is_later else seen_before))
    return made


def change_rows(ticket: Row, states: Sequence[Version]) -> list[Row]:
    """One row for each field in which a state is unlike the one before."""
    rows: list[Row] = []
    for before, state in pairwise(states):
        for field in FIELDS:
            old, new = before.values[field], state.values[field]
            is_untold = field == "vendor_status" and (old is None or new is None or state.is_baseline)
            if old == new or is_untold:
                continue
            is_own = ("status" if field == "vendor_status" else field) in state.own
            rows.append(
                {
                    "connection_id": ticket["connection_id"],
                    "ticket_id": ticket["ticket_id"],
                    "change_number": len(rows) + 1,
                    "integration_type": ticket["integration_type"],
                    "field": field,
                    "from_value": old,
                    "to_value": new,
                    "changed_at": state.changed_at,
                    "observed_after": state.observed_after,
                    "observed_by": state.observed_at,
                    "uncertainty_seconds": seconds_between(state.observed_after, state.observed_at),
                    "observed_via": state.observed_via,
                    "is_own": is_own,
                    "is_closing": field == "status" and new == "closed",
                    "is_reopening": field == "status" and old == "closed" and not is_own,
                    "is_reassignment": field == "assignee" and old is not None and new is not None and not is_own,
                }
            )
    return rows


def period_rows(ticket: Row, states: Sequence[Version], account: Account) -> list[Row]:
    """One row for each run of states that are alike."""
    begun = [
        (index, state)
        for index, state in enumerate(states)
        if index == 0 or any(state.values[name] != states[index - 1].values[name] for name in OF_A_PERIOD)
    ]
    starts = [(state.changed_at, "change") if index else _start(ticket, state) for index, state in begun]
    rows = []
    for number, ((index, state), (started_at, source)) in enumerate(zip(begun, starts, strict=True), 1):
        is_other_status = index > 0 and states[index - 1].values["status"] != state.values["status"]
        ended_at = starts[number][0] if number < len(starts) else None
        seconds = seconds_between(started_at, ended_at)
        is_backwards = seconds is not None and seconds < 0
        business = account.calendars.seconds(ticket["connection_id"], started_at, ended_at)
        rows.append(
            {
                "connection_id": ticket["connection_id"],
                "ticket_id": ticket["ticket_id"],
                "period_number": number,
                "integration_type": ticket["integration_type"],
                "status": state.values["status"],
                "vendor_status": state.values["vendor_status"],
                "assignee_user_id": state.values["assignee"],
                "priority": state.values["priority"],
                "category": state.values["category"],
                "started_at": started_at,
                "start_source": source,
                "observed_from": state.observed_at,
                "ended_at": ended_at,
                "seconds": None if is_backwards else seconds,
                "business_seconds": None if is_backwards else business,
                "is_current": number == len(begun),
                "has_own_status": is_other_status and "status" in state.own,
            }
        )
    return rows


def history(
    ticket: Row, states: Sequence[Version], changes: Sequence[Row], periods: Sequence[Row], largest_gap: int
) -> Row:
    """What the states of a ticket that is not deleted tell of it."""
    names = (
        "first_closed_at first_resolution_seconds reopen_count observed_reopen_count reassignment_count "
        "unassigned_seconds is_history_complete history_since_at"
    )
    if not states or ticket["is_deleted"]:
        return dict.fromkeys(names.split())
    is_whole = _is_whole(ticket, states[0], largest_gap)
    closings = [row["changed_at"] for row in changes if row["is_closing"]]
    first_closed_at = states[0].closed_at if states[0].values["status"] == "closed" else next(iter(closings), None)
    resolved_in = seconds_between(ticket["opened_at"], first_closed_at)
    reopened = sum(row["is_reopening"] for row in changes)
    unassigned = [
        row["seconds"]
        for row in periods
        if not row["is_current"] and row["status"] != "closed" and row["assignee_user_id"] is None
    ]
    return {
        "first_closed_at": first_closed_at if is_whole else None,
        "first_resolution_seconds": resolved_in if is_whole and (resolved_in or 0) >= 0 else None,
        "reopen_count": reopened if is_whole else None,
        "observed_reopen_count": reopened,
        "reassignment_count": sum(row["is_reassignment"] for row in changes) if is_whole else None,
        "unassigned_seconds": sum(unassigned) if is_whole and None not in unassigned else None,
        "is_history_complete": is_whole,
        "history_since_at": states[0].observed_at,
    }


def _is_whole(ticket: Row, first: Version, largest_gap: int) -> bool:
    """Whether the first state was seen soon after the opening, or unchanged since."""
    gap, changed_after = (
        seconds_between(ticket["opened_at"], first.observed_at),
        seconds_between(ticket["opened_at"], first.updated_at),
    )
    is_soon = gap is not None and gap <= largest_gap
    is_unchanged = changed_after is not None and changed_after <= 0
    return not first.is_baseline and (is_soon or is_unchanged)


def _version(record: Record, helpdesk: str | None, account: Account, log: Sequence[Record]) -> Version:
    own = {"raw": {"status": record.get("raw_status"), "state": record.get("raw_state")}}
    vendor_status = account.signs.of_ticket(own, helpdesk, "vendor_status")
    tags = {word for tag in record.get("tags") or [] if (word := as_text(tag))}
    by_bytes = sorted(tags, key=str.encode)
    values = {
        "status": status_of(text(record.get("status"))),
        "assignee": text(record.get("user_id")),
        "priority": snake(record.get("priority")),
        "category": text(record.get("category_id")) or text(record.get("category")),
        "tags": json.dumps(by_bytes) if by_bytes else None,
        "vendor_status": vendor_status.meaning if vendor_status else None,
    }
    return Version(
        values,
        record.get("updated_at"),
        record.get("closed_at"),
        record["observed_at"],
        record.get("observed_via"),
        bool(record.get("is_baseline")),
        frozenset(name for row in log if _has_led_to(row, record) for name in _given(row["taken"], record)),
    )


def _has_led_to(change: Record, record: Record) -> bool:
    """Whether a state is one that our change has led to, by the second in which it was updated."""
    told, seen = change["record_updated_at"], record.get("updated_at")
    if told is None or seen is None:
        return told is seen and record.get("observed_via") == "writeback"
    return whole_second(told) == whole_second(seen)


def _given(taken: Mapping[str, Any], record: Record) -> Iterator[str]:
    """Which of its values a state has of what the helpdesk took from us."""
    if "status" in taken and status_of(text(taken["status"])) == status_of(text(record.get("status"))):
        yield "status"
    if "user_id" in taken and text(taken["user_id"]) == text(record.get("user_id")):
        yield "assignee"
    if "priority" in taken and snake(taken["priority"]) == snake(record.get("priority")):
        yield "priority"
    if "tags" in taken and {*(taken["tags"] or [])} == {*(record.get("tags") or [])}:
        yield "tags"
    named = text(taken.get("category_id")) or text(taken.get("category"))
    held = text(record.get("category_id")), text(record.get("category"))
    if {"category", "category_id"} & taken.keys() and named in (held if named else (held[0] or held[1],)):
        yield "category"


def _guess(before: Version, state: Version) -> datetime:
    """When a state came about, by itself and the one before."""
    closed_at, updated_at, seen = state.closed_at, state.updated_at, state.observed_at
    is_closing = state.values["status"] == "closed" != before.values["status"]
    if is_closing and closed_at and before.observed_at < closed_at <= seen:
        return closed_at
    if updated_at and before.updated_at and before.updated_at < updated_at <= seen:
        return updated_at
    return seen


def _start(ticket: Row, state: Version) -> tuple[Any, str]:
    if state.values["status"] == "closed":
        return (state.closed_at, "closed_at") if state.closed_at else (None, "unknown")
    if not state.is_baseline and ticket["opened_at"]:
        return ticket["opened_at"], "opened"
    return None, "unknown"
