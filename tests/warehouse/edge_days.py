"""Tickets that try the daily marts, at a desk of their own; each has its name as its category, so that its days stand
in rows of their own. The golden run's days are those of Auckland: 13 hours before UTC until the fifth of April, then
12."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tests.warehouse.edge_parts import AS_OF, Case, agent, customer, on, seen

READ_THROUGH = on("2026-04-07 12:00")
"""Midnight in Auckland: the seventh is over, the eighth has begun."""
SPRING = on("2026-03-09 20:00")
"""The tenth of March, nine o'clock in Auckland."""


def days(more: Iterable[Case] = ()) -> Iterator[Case]:
    for name, ticket, notes, states in [*_of_one_day(), *_of_many_days(), *_hardly_known(), *more]:
        yield name, {"user_id": "u-7", "category": name, **ticket}, notes, [{"category": name, **row} for row in states]


def _seen(moment: str, **more: Any) -> dict[str, Any]:
    """A state that came about when it was seen."""
    return seen(on(moment), changed=on(moment), **more)


def _closed(moment: str, **more: Any) -> dict[str, Any]:
    return _seen(moment, status="CLOSED", closed_at=on(moment), **more)


def _open(opened_at: str, **more: Any) -> dict[str, Any]:
    return {"created_at": on(opened_at), "updated_at": on(opened_at), **more}


def _shut(opened_at: str, closed_at: str, **more: Any) -> dict[str, Any]:
    return {**_open(opened_at), "status": "CLOSED", "closed_at": on(closed_at), **more}


def _of_one_day() -> Iterator[Case]:
    yield (
        "a day of 25 hours",
        _shut("2026-04-04 11:00", "2026-04-05 11:59:59.9"),
        [agent(on("2026-04-05 11:59"))],
        [_seen("2026-04-04 11:00"), _closed("2026-04-05 11:59:59.9")],
    )
    yield (
        "a day of 25 hours, and a second",
        _shut("2026-04-04 10:59:59", "2026-04-05 12:00"),
        [],
        [_seen("2026-04-04 10:59:59"), _closed("2026-04-05 12:00")],
    )
    yield (
        "a day of 23 hours",
        _shut("2025-09-27 12:00", "2025-09-28 10:59:59"),
        [],
        [_seen("2025-09-27 12:00"), _closed("2025-09-28 10:59:59")],
    )
    yield (
        "there and back within a day",
        _open("2026-03-09 20:00", priority="low"),
        [],
        [
            _seen("2026-03-09 20:00", priority="low"),
            _seen("2026-03-09 21:00", priority="high"),
            _seen("2026-03-09 22:00", priority="low"),
            _seen("2026-03-09 23:00", priority="high"),
            _seen("2026-03-09 23:30", priority="low"),
        ],
    )
    yield (
        "closed and reopened within a day",
        _open("2026-03-09 20:00"),
        [customer(on("2026-03-09 22:30"))],
        [_seen("2026-03-09 20:00"), _closed("2026-03-09 21:00"), _seen("2026-03-09 22:00")],
    )


def _of_many_days() -> Iterator[Case]:
    yield (
        "moved and closed at once",
        _shut("2026-03-09 20:00", "2026-03-11 20:00", priority="high", user_id="u-8"),
        [agent(on("2026-03-11 19:00"), user_id="u-8")],
        [_seen("2026-03-09 20:00", priority="low"), _closed("2026-03-11 20:00", priority="high", user_id="u-8")],
    )
    yield (
        "moved while closed",
        _shut("2026-03-09 20:00", "2026-03-14 20:00", priority="high"),
        [],
        [
            _seen("2026-03-09 20:00", priority="low"),
            _closed("2026-03-10 20:00", priority="low"),
            _closed("2026-03-11 20:00", priority="high"),
            _seen("2026-03-12 20:00", priority="high"),
            _closed("2026-03-14 20:00", priority="high"),
        ],
    )
    yield (
        "a message before the opening and one after the closing",
        _shut("2026-03-09 20:00", "2026-03-11 20:00", priority="high"),
        [customer(on("2026-03-01 20:00")), agent(on("2026-03-20 20:00"))],
        [_seen("2026-03-09 20:00", priority="low"), _closed("2026-03-11 20:00", priority="high")],
    )
    yield (
        "of nobody",
        _open("2026-04-05 20:00", customer_id=None),
        [],
        [_seen("2026-04-05 20:00")],
    )
    yield "spam on a day", _open("2026-03-09 20:00", tags=["spam"]), [], [_seen("2026-03-09 20:00")]
    yield (
        "deleted on a day",
        _open("2026-03-09 20:00", _deleted_at=on("2026-03-10 20:00"), _deletion_reason="not_found"),
        [],
        [_seen("2026-03-09 20:00")],
    )


def _hardly_known() -> Iterator[Case]:
    yield (
        "a backfill, closed",
        _shut("2026-03-09 20:00", "2026-03-11 20:00"),
        [agent(on("2026-03-10 20:00"))],
        [seen(on("2026-03-31 20:00"), changed=on("2026-03-11 20:00"), status="CLOSED", closed_at=on("2026-03-11 20:00"),
              is_baseline=True)],
    )  # fmt: skip
    yield (
        "a backfill, open",
        _open("2026-04-01 20:00"),
        [],
        [
            seen(on("2026-04-03 20:00"), changed=on("2026-04-02 20:00"), is_baseline=True),
            _closed("2026-04-05 20:00"),
            _seen("2026-04-05 21:00"),
        ],
    )
    yield (
        "a backfill without times",
        {"created_at": None, "updated_at": None, "status": "CLOSED", "closed_at": None},
        [],
        [{**seen(on("2026-04-03 20:00"), status="CLOSED", is_baseline=True), "updated_at": None}],
    )
    yield "never seen, closed", _shut("2026-03-09 20:00", "2026-03-10 20:00"), [], []
    yield "never seen, closed at no time", {**_open("2026-04-05 20:00"), "status": "CLOSED"}, [], []
    yield (
        "open, though last seen closed",
        {**_open("2026-03-09 20:00"), "updated_at": on("2026-03-12 20:00"), "priority": "high"},
        [],
        [_seen("2026-03-09 20:00"), _closed("2026-03-10 20:00")],
    )
    yield (
        "closed before it was opened",
        _shut("2026-03-11 20:00", "2026-03-09 20:00"),
        [],
        [seen(on("2026-03-12 20:00"), status="CLOSED", closed_at=on("2026-03-09 20:00"), is_baseline=True)],
    )
    yield "of the first computers", _shut("1970-01-01 00:00", "1990-01-01 20:00"), [], []
    yield "of the far future", _shut("2026-04-06 20:00", "2199-01-01 00:00"), [agent(on("2198-01-01 00:00"))], []
    yield "of the clock's future", {**_open("2026-04-06 20:00"), "updated_at": AS_OF}, [], []
