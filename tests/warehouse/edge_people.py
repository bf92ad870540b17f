"""A desk whose agents, categories and syncs try the marts of people and connections, and one that is not there any
more; each record is named for what it tries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.warehouse.edge_categories import TREE, categorised
from tests.warehouse.edge_parts import (
    AS_OF,
    GONE_DESK,
    OPENED_BY_AN_AGENT,
    PAUSED_DESK,
    PEOPLE_DESK,
    UNLISTED_DESK,
    Case,
    Rows,
    agent,
    at,
    customer,
    on,
    seen,
    stranger,
)

LATE = AS_OF - timedelta(hours=1)
"""So near to the clock of the build that what is read through then is not stale."""
_SECOND = timedelta(seconds=1)


def _support(ticket_id: str | None) -> dict[str, Any]:
    """A support table, as far as it tells how notes are listed."""
    methods = {"list": True, "get": True}
    return {
        "ticketing_ticket": {"methods": methods},
        "ticketing_note": {"methods": methods, "list_ticket_id": ticket_id},
    }


PEOPLE_CONNECTIONS: Rows = [
    {
        "id": PEOPLE_DESK,
        "integration_type": "help_scout",
        "integration_name": " Help Scout ",
        "external_xref": "our number 7",
        "environment": "Production",
        "created_at": at(days=-100),
        "is_paused": False,
    },
    {"id": PAUSED_DESK, "integration_type": "zendesk", "is_paused": True, "support": _support("supported")},
    *(
        {"id": f"supports {name}", "support": support}
        for name, support in {
            "notes per ticket": _support("supported-required"),
            "notes in no way": {"ticketing_ticket": {"methods": {"list": True}}},
            "notes without a list": {**_support(None), "ticketing_note": {"methods": {"list": False}}},
            "who knows what": {"ticketing_ticket": None, "ticketing_note": {"methods": {"list": True}}},
            "nothing": [],
        }.items()
    ),
]
PEOPLE_EMPLOYEES: Rows = [
    {
        "connection_id": PEOPLE_DESK,
        "id": "p-anna",
        "name": "Anna",
        "title": " Lead ",
        "emails": [{"email": " "}, {"email": "anna@desk.example"}],
    },
    {"connection_id": PEOPLE_DESK, "id": "p-left", "name": "Left in April", "_deleted_at": on("2026-04-01 00:00")},
    {"connection_id": PEOPLE_DESK, "id": "p-idle", "name": "Never wrote", "title": " "},
]


def _by(agent_id: str | None, when: Any, text: str | None = "By name", **more: Any) -> dict[str, Any]:
    """By an agent of whom the id may not be told."""
    told: dict[str, Any] = (
        {"user_id": agent_id} if agent_id else {"user_id": None, "customer_id": None, "raw": {"incoming": False}}
    )
    return agent(when, text, **{**told, **more})


def _closed(hour: float | None, **more: Any) -> dict[str, Any]:
    return {"status": "CLOSED", "closed_at": None if hour is None else at(hours=hour), **more}


def people() -> list[Case]:
    """Tickets of the desk."""
    return [
        ("first by one, last by another", _closed(5, user_id="p-idle"), [_by("p-anna", 10), _by("p-left", 60)], []),
        (
            "first by nobody, last by one",
            _closed(6, user_id=None),
            [_by(None, 11), customer(20), _by("p-anna", 31)],
            [],
        ),
        ("first by one, last by nobody", _closed(7), [_by("p-anna", 13), customer(20), _by(None, 32)], []),
        ("two agents in one second", _closed(8), [_by("p-anna", 5), _by("p-left", 5)], []),
        ("closed without a time", _closed(None), [_by("p-anna", 17)], []),
        ("closed without a reply", _closed(9), [], []),
        ("closed long after the last reply", _closed(24 * 40), [_by("p-left", 21)], []),
        ("replied on both sides of midnight", {}, [_by("p-anna", 119), customer(120), _by("p-anna", 121)], []),
        ("replies without a time", _closed(10), [_by("p-anna", 10, created_at=None)], []),
        ("question without a time", {"created_at": None}, [_by("p-anna", 23)], []),
        ("only an internal note", {}, [_by("p-internal", 5, raw={"public": False})], []),
        ("opened by an agent", {"raw": OPENED_BY_AN_AGENT}, [_by("p-anna", 5), customer(9), _by("p-left", 27)], []),
        ("answered by a stranger", {}, [stranger(5), _by("p-anna", 29)], []),
        ("spam with a reply", {"tags": ["spam"], "user_id": "p-anna"}, [_by("p-anna", 5)], []),
        ("assigned to somebody who never wrote", {"user_id": "p-owner"}, [], []),
        ("assigned and deleted", {"user_id": "p-forgotten", "_deleted_at": at(days=1)}, [_by("p-anna", 5)], []),
        *categorised(),
        *_lately(),
        ("reopened", {}, [_by("p-anna", 50)], [seen(5, changed=0), seen(65, status="CLOSED"), seen(121)]),
        # Nine in ten of them are no longer than 9 seconds and a tenth of 5: a half that binary fractions miss.
        *(
            (f"percentile {n}", {"user_id": None}, [_by("p-slow", at(seconds=seconds))], [])
            for n, seconds in enumerate([1, 2, 3, 4, 5, 6, 7, 8, 9, 14])
        ),
    ]


def _lately() -> Iterator[Case]:
    """Opened about the edges of the periods before the last sight, by customers of their own."""
    through = LATE
    length = timedelta(days=45)
    for name, moments in {
        "c-edges": [through, through + timedelta(seconds=1), through - length, through - length - _SECOND,
                    through - length + _SECOND, through - 2 * length, through - 2 * length + _SECOND],
        "c-more": [through - timedelta(days=60), *[through - timedelta(days=day) for day in (1, 2, 3)]],
        "c-silent-now": [through - timedelta(days=60), through - timedelta(days=70)],
        "c-new": [through - timedelta(milliseconds=1), through + timedelta(milliseconds=900)],
    }.items():  # fmt: skip
        for number, opened_at in enumerate(moments):
            told = {
                "created_at": opened_at,
                "customer_id": name,
                "category": ["B", "a", "\u00e9", "B", "z"][number % 5],
            }
            yield f"{name}, {number}", told, [_by("p-anna", opened_at + timedelta(seconds=number * 7 + 3))], []
    yield "c-edges, spam", {"created_at": through, "customer_id": "c-edges", "tags": ["spam"], "category": "a"}, [], []


def gone() -> list[Case]:
    """Tickets of a connection that is not there any more."""
    return [("of a desk that is gone", {"user_id": "p-anna"}, [_by("p-anna", 5)], [])]


HOSTILE = "evil'); drop table marts.tickets; --\n\x1b[2J {{ var('x') }} \u202e " + "x" * 4000


def _run(number: int, kind: str, started_at: datetime, desk: str = PEOPLE_DESK, **more: Any) -> dict[str, Any]:
    return {
        "run_id": f"p-{number:03}",
        "connection_id": desk,
        "object": kind,
        "plan": "by_anchor",
        "command": "sync",
        "started_at": started_at,
        "ended_at": started_at + timedelta(minutes=2),
        "is_complete": False,
        **more,
    }


def _good(number: int, kind: str, started_at: datetime, desk: str = PEOPLE_DESK, **more: Any) -> dict[str, Any]:
    """A sync that has read all."""
    return _run(number, kind, started_at, desk, read_through=started_at, is_complete=True, **more)


def _verify(number: int, kind: str, started_at: datetime, desk: str = PEOPLE_DESK, **more: Any) -> dict[str, Any]:
    """Its row of `sync_coverage`."""
    return {
        "run_id": f"v-{number:03}",
        "connection_id": desk,
        "object": kind,
        "started_at": started_at,
        "ended_at": started_at + timedelta(minutes=9),
        "is_complete": True,
        **more,
    }


_RECENT = AS_OF - timedelta(days=3)
_COUNTS: dict[str, Any] = {"rows_received": 7, "retries": 1, "rows_rejected": 2, "rows_repaired": 3, "rows_deleted": 4}
PEOPLE_RUNS: Rows = [
    # Tickets: failed twice, well, put off since; a reconcile failed later, which makes no sync of it failing.
    _run(1, "tickets", LATE - timedelta(hours=9), error="before", **_COUNTS),
    _run(2, "tickets", LATE - timedelta(hours=8), error=HOSTILE, ended_at=None),
    _good(3, "tickets", LATE, **_COUNTS),
    _run(4, "tickets", LATE + timedelta(minutes=5), plan="by_anchor, stopped at max_calls_per_run"),
    _run(5, "tickets", LATE + timedelta(minutes=9), command="reconcile", error="Too much would go.\n"),
    _run(6, "tickets", LATE - timedelta(days=2), command="reconcile", is_complete=True),
    _run(7, "tickets", LATE - timedelta(days=1), command="reconcile", is_complete=True, error="not to its end"),
    _run(8, "tickets", LATE + timedelta(minutes=9), command="verify", is_complete=True),
    # Customers: one failure is not yet enough; the day of the recent ones begins in the second of one of them.
    _good(11, "customers", _RECENT, **_COUNTS),
    _good(12, "customers", _RECENT - timedelta(milliseconds=1), **_COUNTS),
    _good(13, "customers", LATE - timedelta(minutes=3), command=None),
    _run(14, "customers", LATE, error="once"),
    # Notes: twice in vain since, once since an unhealthy connection was skipped; being paused then was no failure.
    _good(21, "notes", LATE),
    _run(22, "notes", LATE + timedelta(minutes=1), plan="skipped, unhealthy since 2026-05-31"),
    _run(23, "notes", LATE + timedelta(minutes=2), plan="skipped, paused"),
    _run(24, "notes", LATE + timedelta(minutes=3), error="again"),
    _run(25, "notes", LATE + timedelta(minutes=3), error="\u00e9 in the same moment", plan="whole_list"),
    # Categories: read through just too long ago, and a later run for a stretch of time alone.
    _good(31, "categories", AS_OF - timedelta(seconds=7201)),
    _run(32, "categories", LATE, is_complete=True, plan="by_anchor"),
    _run(41, "employees", LATE - timedelta(days=9), error="no permission"),
    _run(42, "employees", LATE, plan="not_offered, the connection does not have the category hris"),
    # Another desk: gaps, and a clock ahead; one that was not offered any more; one that nobody lists.
    _good(51, "tickets", LATE, PAUSED_DESK),
    _run(52, "notes", LATE, UNLISTED_DESK, error="The workspace has no ticketing connection."),
    _good(53, "tickets", AS_OF + timedelta(minutes=1), GONE_DESK),
    _good(54, "categories", AS_OF - timedelta(seconds=7200), GONE_DESK),
    _good(55, "customers", LATE, GONE_DESK, plan="not_offered", error="It was read before."),
    _good(56, "customers", LATE - timedelta(hours=1), GONE_DESK),
    _run(57, "customers", LATE + timedelta(hours=2), GONE_DESK, plan="not_offered", error="It was read before."),
]
PEOPLE_COVERAGE: Rows = [
    _verify(1, "tickets", LATE - timedelta(days=1), records_shown=100, records_held=90, missing=10, gaps=[]),
    _verify(
        2, "tickets", LATE, records_shown=8, records_held=9, missing=1, wrongly_deleted=1, stale=1, changed=1,
        extra=5, doubled=2, repaired=11, is_deep=True,
    ),
    _verify(3, "tickets", LATE - timedelta(hours=1), records_shown=5, records_held=5, is_sample=True),
    _verify(4, "customers", LATE, error="cut short", is_complete=False, is_sample=True, ended_at=None),
    _verify(5, "customers", LATE, records_shown=2, missing=5, repaired=4, is_complete=None),
    _verify(6, "categories", LATE, GONE_DESK, records_shown=4, records_held=4, extra=3, repaired=2),
    _verify(7, "tickets", LATE, GONE_DESK, records_shown=4, records_held=4, doubled=3, repaired=3),
    _verify(8, "categories", LATE + timedelta(hours=1), GONE_DESK, records_shown=1, records_held=1, is_sample=True),
    _verify(9, "customers", LATE, GONE_DESK, changed=2, missing=3, is_sample=True, is_deep=True),
    _verify(10, "customers", LATE + timedelta(hours=1), GONE_DESK, missing=1),
]  # fmt: skip
PEOPLE_REJECTED: Rows = [
    {"connection_id": desk, "object": kind, "record_hash": name, "reason": HOSTILE, "record": "{}", "observed_at": LATE}
    for desk, kind, name in [
        (PEOPLE_DESK, "tickets", "a"),
        (PEOPLE_DESK, "tickets", "b"),
        (PEOPLE_DESK, "notes", "a"),
        (UNLISTED_DESK, "tickets", "a"),
    ]
]

PEOPLE_RECORDS: dict[str, Rows] = {
    "connections": PEOPLE_CONNECTIONS,
    "categories": TREE,
    "employees": PEOPLE_EMPLOYEES,
    "sync_runs": PEOPLE_RUNS,
    "sync_coverage": PEOPLE_COVERAGE,
    "rejected_records": PEOPLE_REJECTED,
}
"""What is beside the desk's tickets, by raw table."""
