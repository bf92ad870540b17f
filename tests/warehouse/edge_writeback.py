"""Tickets that triage decisions of ours came back to, each named for what it tries, and what was logged of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.warehouse.edge_parts import DAYS_DESK, DESK, UNREAD_DESK, Case, Rows, agent, at, customer, on, seen
from tests.warehouse.golden_settings import Record


def written() -> Iterator[Case]:
    """Of the first desk; the second has tickets and notes of the same ids, and nothing of ours."""
    yield "ours, a note", {}, [agent(5, "Where is it?"), agent(30)], []
    yield (
        "ours, a note though a sign says otherwise",
        {},
        [customer(5, raw={"author": {"type": "user"}}), agent(30)],
        [],
    )
    yield "ours, a note that repeats the description", {}, [agent(0.2, "It does not work"), agent(30)], []
    yield "ours, a note without an answer", {}, [agent(5)], []
    yield "perhaps ours, a note", {}, [agent(5)], []
    yield (
        "ours, opened again",
        {},
        [agent(50)],
        [seen(5, changed=0), _closed(65, 60), seen(121, changed=120, observed_via="writeback")],
    )
    yield (
        "ours, opened again and seen by a sync, then by the customer",
        {},
        [agent(50), customer(239)],
        [seen(5, changed=0), _closed(65, 60), seen(121, changed=120), _closed(181, 180), seen(241, changed=240)],
    )
    yield (
        "not ours, opened again",
        {},
        [agent(50)],
        [seen(5, changed=0), _closed(65, 60), seen(121, changed=120, observed_via="writeback")],
    )
    yield (
        "ours in the second of the customer's",
        {},
        [agent(50), customer(119)],
        [
            seen(5, changed=0),
            _closed(65, 60, user_id="u-8"),
            seen(121, changed=120, user_id="u-8", observed_via="writeback"),
            seen(122, changed=120, user_id="u-9", observed_via="writeback"),
        ],
    )
    yield (
        "ours, assigned",
        {"user_id": "u-9"},
        [],
        [seen(5, changed=0), seen(16, user_id="u-8", observed_via="writeback"), seen(31, user_id="u-9")],
    )
    yield (
        "ours, closed",
        {"status": "CLOSED", "closed_at": at(minutes=60)},
        [],
        [seen(5, changed=0), _closed(61, 60, observed_via="writeback")],
    )
    yield (
        "ours, of tickets without an update",
        {"updated_at": None},
        [],
        [
            {**seen(5), "updated_at": None},
            {**_closed(65, 60), "updated_at": None},
            {**seen(120, observed_via="writeback"), "updated_at": None},
            {**_closed(181, 180, observed_via="writeback"), "updated_at": None},
            {**seen(241, user_id="u-8", observed_via="writeback"), "updated_at": None},
        ],
    )
    yield (
        "ours, all fields",
        {"raw": {"status": "open"}},
        [],
        [
            _closed(5, 0, changed=0, priority="low", category="Before", tags=["b"], raw_status="solved"),
            seen(
                31,
                changed=30,
                user_id="u-8",
                priority="Very High",
                category_id="k-billing",
                tags=["c", "a"],
                raw_status="open",
            ),
            seen(61, user_id=None),
        ],
    )


def written_and_unread() -> Iterator[Case]:
    """Of a desk whose notes were never read."""
    yield "never read, but a note of ours is there", {}, [agent(30)], []


def written_on_days() -> Iterator[Case]:
    """Of the desk of days, noon of each in Auckland."""
    yield (
        "closed and opened again by us",
        {"created_at": _noon(10), "updated_at": _noon(14)},
        [],
        [
            _on_day(10),
            _on_day(11, status="CLOSED", closed_at=_noon(11), observed_via="writeback"),
            _on_day(12, observed_via="writeback"),
            _on_day(13, status="CLOSED", closed_at=_noon(13)),
            _on_day(14),
        ],
    )


def _noon(day: int) -> datetime:
    return on(f"2026-03-{day - 1:02} 23:00")


def _on_day(day: int, **more: Any) -> dict[str, Any]:
    return seen(_noon(day), changed=_noon(day), **more)


def _closed(when: float, closed: float, **more: Any) -> dict[str, Any]:
    return seen(when, status="CLOSED", closed_at=at(minutes=closed), **more)


def _attempt(name: str, desk: str = DESK, ending: str = "written", **more: Any) -> dict[str, Any]:
    told = ", ".join(str(value) for value in more.values())
    return {
        "attempt_id": f"{desk} {name} {ending} {told}",
        "plan_id": "plan-1",
        "connection_id": desk,
        "ticket_id": name,
        "written_by": "somebody",
        "begun_at": at(),
        "ended_at": at(seconds=1),
        "ending": ending,
        **more,
    }


def note_written(name: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """The attempt at a note; it is the ticket's note of this number."""
    return _attempt(name, action="note", note_id=f"{name}-{number}", **more)


def change_written(
    name: str, changed: float | datetime | None, old: Mapping[str, Any], taken: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    """The attempt at a change, by which the ticket has changed at that moment, or minutes after the day began."""
    updated_at = at(minutes=changed) if isinstance(changed, float | int) else changed
    return _attempt(name, action="change", old=old, new=taken, taken=taken, record_updated_at=updated_at, **more)


def note_of_ours(note: Record, ending: str = "written") -> dict[str, Any]:
    """The attempt that has led to a note."""
    return _attempt(note["ticket_id"], note["connection_id"], ending, action="note", note_id=note["id"])


def change_of_ours(state: Record, chance: random.Random) -> dict[str, Any]:
    """An attempt that has given a ticket some of what it is in this state."""
    names = chance.sample(["status", "user_id", "priority", "category", "tags"], k=chance.choice([1, 1, 2, 3]))
    taken = {name: state.get(name) for name in names}
    old = {name: ["old"] if name == "tags" else "old" for name in names}
    more = {"desk": state["connection_id"], "ending": chance.choice(["written", "written", "written", "failed"])}
    attempt = change_written(state["id"], state["updated_at"], old, taken, **more)
    return {**attempt, "attempt_id": f"{attempt['attempt_id']} {state['state_hash']}"}


OPEN, CLOSED = {"status": "ACTIVE"}, {"status": "CLOSED"}

WRITEBACK_LOG: Rows = [
    note_written("ours, a note"),
    note_written("ours, a note though a sign says otherwise"),
    note_written("ours, a note that repeats the description"),
    note_written("ours, a note without an answer"),
    note_written("ours, a note without an answer", ending="standing"),
    note_written("perhaps ours, a note", ending="held"),
    note_written("never read, but a note of ours is there", desk=UNREAD_DESK),
    change_written("ours, opened again", 120, CLOSED, OPEN),
    # Some say the same time with fractions and without.
    change_written(
        "ours, opened again and seen by a sync, then by the customer", at(minutes=120, milliseconds=300), CLOSED, OPEN
    ),
    *(
        change_written("not ours, opened again", 120, CLOSED, OPEN, ending=ending)
        for ending in ("standing", "conflict", "refused", "failed", "unknown", "held")
    ),
    change_written("not ours, opened again", 119, CLOSED, OPEN),
    change_written("not ours, opened again", None, CLOSED, OPEN),
    change_written("ours in the second of the customer's", 120, {"user_id": "u-8"}, {"user_id": "u-9"}),
    change_written("ours, assigned", 15, {"user_id": "u-7"}, {"user_id": "u-8"}),
    change_written("ours, closed", 60, OPEN, CLOSED),
    change_written("ours, of tickets without an update", None, OPEN, CLOSED),
    change_written("ours, of tickets without an update", None, {"user_id": "u-7"}, {"user_id": "u-8"}),
    change_written(
        "ours, all fields",
        30,
        {"status": "CLOSED", "user_id": "u-7", "priority": "low", "category_id": None, "tags": ["b"]},
        {
            "status": "ACTIVE",
            "user_id": "u-8",
            "priority": "very high",
            "category_id": "k-billing",
            "tags": ["a", "c"],
        },
    ),
    change_written(
        "ours, all fields",
        60,
        {"user_id": "u-8", "priority": "Very High", "category_id": "k-billing", "tags": ["a", "c"]},
        {"user_id": None, "priority": None, "category_id": None, "tags": []},
    ),
    *(
        change_written("closed and opened again by us", _noon(day), old, taken, desk=DAYS_DESK)
        for day, old, taken in ((11, OPEN, CLOSED), (12, CLOSED, OPEN))
    ),
]
