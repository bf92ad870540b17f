"""A desk whose agents, categories and syncs try the marts of people and connections, and one that is not there any more;
each record is named for what it tries."""

from __future__ import annotations

from typing import Any

from tests.warehouse.edge_parts import (
    OPENED_BY_AN_AGENT,
    PEOPLE_DESK,
    Case,
    Rows,
    agent,
    at,
    customer,
    on,
    seen,
    stranger,
)

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
    told = {"user_id": agent_id} if agent_id else {"user_id": None, "customer_id": None, "raw": {"incoming": False}}
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
        ("reopened", {}, [_by("p-anna", 50)], [seen(5, changed=0), seen(65, status="CLOSED"), seen(121)]),
        # Of these waits nine in ten are no longer than 7 seconds and three tenths of 5: a half that binary fractions miss.
        *(
            (f"percentile {n}", {"user_id": None}, [_by("p-slow", at(seconds=seconds))], [])
            for n, seconds in enumerate([1, 2, 3, 4, 5, 6, 7, 12])
        ),
    ]


def gone() -> list[Case]:
    """Tickets of a connection that is not there any more."""
    return [("of a desk that is gone", {"user_id": "p-anna"}, [_by("p-anna", 5)], [])]


PEOPLE_RECORDS: dict[str, Rows] = {
    "connections": PEOPLE_CONNECTIONS,
    "employees": PEOPLE_EMPLOYEES,
}
"""What is beside the desk's tickets, by raw table."""
