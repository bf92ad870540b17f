"""What the edge records are made of: the desks, a day to count from, and messages and states in a few words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.warehouse.golden_settings import Record

DAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""A Monday."""
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
"""A Monday, too."""

DESK = "desk-1"
OTHER_DESK = "desk-2"
UNREAD_DESK = "desk-3"
"""Its notes were never read."""
PER_TICKET_DESK = "desk-4"
"""Its notes are listed by ticket, and were read of some tickets only."""
FAR_DESK = "desk-5"
"""Nothing is known of its syncs; its tickets lie beyond the calendars, or in hours that daylight saving moves."""

PEOPLE_DESK = "desk-6"
"""It tries whose replies are whose, and how its syncs are."""
GONE_DESK = "desk-7"
"""Its tickets are there, and it is not."""
PAUSED_DESK = "desk-8"
UNLISTED_DESK = "desk-9"
"""A slip in somebody's settings: nothing but a run in vain is known of it."""
DAYS_DESK = "desk-10"
"""Its tickets try the daily marts."""

OPENED_BY_AN_AGENT = {"source": {"author": {"type": "admin"}, "delivered_as": "admin_initiated"}}
"""A ticket's `raw`: an agent wrote first, to somebody who had not asked."""

Rows = list[dict[str, Any]]
Case = tuple[str, dict[str, Any], Rows, Rows]
"""What a ticket tries, its fields, its notes, and the states in which it was seen."""


def at(**offset: float) -> datetime:
    return DAY + timedelta(**offset)


def on(moment: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(moment).replace(tzinfo=UTC)


def agent(when: float | datetime, text: str | None = "We are looking", **more: Any) -> dict[str, Any]:
    """By an agent, so many minutes after the day began."""
    return {"user_id": "u-1", "customer_id": "c-ann", "created_at": _moment(when), "description": text, **more}


def customer(when: float | datetime, text: str | None = "And now?", **more: Any) -> dict[str, Any]:
    """By the customer."""
    return {"customer_id": "c-ann", "created_at": _moment(when), "description": text, **more}


def stranger(when: float | datetime, text: str | None = "Who am I?", **more: Any) -> dict[str, Any]:
    """By nobody known."""
    return {"created_at": _moment(when), "description": text, **more}


def seen(when: float | datetime, *, changed: float | datetime | None = None, **more: Any) -> dict[str, Any]:
    """A state, when it was seen and when the helpdesk says that it came about: a minute before, where not told."""
    observed_at = _moment(when)
    updated_at = observed_at - timedelta(minutes=1) if changed is None else _moment(changed)
    return {"updated_at": updated_at, "observed_at": observed_at, "status": "ACTIVE", "user_id": "u-7", **more}


def ticket_of(name: str, desk: str, more: Record) -> dict[str, Any]:
    """A ticket of one desk, as the case wants it."""
    return {
        "connection_id": desk,
        "id": name,
        "subject": f"{name}\t",
        "description": "It does not work",
        "status": "ACTIVE",
        "customer_id": "c-ann",
        "user_id": f"u-owner-{desk}",
        "source": "Web Form",
        "url": f"https://{desk}.example/{name.replace(' ', '-')}",
        "tags": [desk, "vip"],
        "created_at": DAY,
        "updated_at": at(hours=5),
        "due_at": at(days=3),
        **more,
    }


def notes_of(name: str, desk: str, notes: Rows) -> Rows:
    """Numbered by their places, where they have no ids."""
    return [
        {"connection_id": desk, "id": f"{name}-{number}", "ticket_id": name, **note}
        for number, note in enumerate(notes, 1)
    ]


def states_of(name: str, desk: str, states: Rows) -> Rows:
    """Told apart by their places, where they have no hash."""
    return [
        {
            "connection_id": desk,
            "id": name,
            "state_hash": f"{name}-{number}",
            "is_baseline": False,
            "observed_via": "poll",
            **state,
        }
        for number, state in enumerate(states, 1)
    ]


def _moment(when: float | datetime) -> datetime:
    return when if isinstance(when, datetime) else at(minutes=when)
