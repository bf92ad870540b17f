"""All records of the golden run: the hand-picked tickets at their desks, and as many drawn at random as one likes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tests.warehouse.edge_conversations import conversations
from tests.warehouse.edge_days import READ_THROUGH, days
from tests.warehouse.edge_histories import SWEEPS, far_traps, histories, per_ticket, unread
from tests.warehouse.edge_parts import (
    AS_OF,
    DAY,
    DAYS_DESK,
    DESK,
    FAR_DESK,
    GONE_DESK,
    OPENED_BY_AN_AGENT,
    OTHER_DESK,
    PEOPLE_DESK,
    PER_TICKET_DESK,
    UNREAD_DESK,
    Case,
    Rows,
    at,
    notes_of,
    on,
    seen,
    states_of,
    ticket_of,
)
from tests.warehouse.edge_people import PEOPLE_RECORDS, gone, people
from tests.warehouse.edge_writeback import (
    WRITEBACK_LOG,
    change_of_ours,
    note_of_ours,
    written,
    written_and_unread,
    written_on_days,
)
from transforms.schemas import RAW_TABLES

CONNECTIONS: Rows = [
    {"id": DESK, "integration_type": "zendesk", "integration_name": "Zendesk"},
    {"id": OTHER_DESK, "integration_type": "intercom", "integration_name": "Intercom"},
    {"id": UNREAD_DESK, "integration_type": "freshdesk", "integration_name": "Freshdesk"},
    {"id": PER_TICKET_DESK, "integration_type": "servicenow", "integration_name": "ServiceNow"},
    {"id": FAR_DESK, "integration_type": "helpscout", "integration_name": "Help Scout"},
    {"id": DAYS_DESK, "integration_type": "gorgias", "integration_name": "Gorgias"},
]
CUSTOMERS: Rows = [
    {
        "connection_id": DESK,
        "id": "c-ann",
        "name": "Ann\n",
        "created_at": DAY,
        "emails": [{"email": "ann@example.com", "type": "WORK"}, {"email": "ann@home.example", "type": "HOME"}],
    },
    {
        "connection_id": DESK,
        "id": "c-bob",
        "name": " ",
        "emails": [{"type": "WORK"}, {"email": "\t"}, {"email": " bob@example.com"}],
        "telephones": [{"telephone": None}, {"telephone": "+47 1", "type": "WORK"}, {"telephone": "+47 2"}],
    },
    {"connection_id": DESK, "id": "c-gone", "name": "Gone", "_deleted_at": DAY, "_deletion_reason": "not_found"},
    {"connection_id": DESK, "id": "c-silent", "name": "Never asked", "emails": []},
    {"connection_id": DESK, "id": "c-key", "name": "Key", "tags": ["KEY ACCOUNT", "other"]},
    {"connection_id": DESK, "id": "u-was", "name": "Was an agent"},
    {"connection_id": PER_TICKET_DESK, "id": "c-ann", "name": "Ann by night", "tags": ["x", None]},
    {
        "connection_id": OTHER_DESK,
        "id": "c-ann",
        "name": "Another Ann",
        "telephones": [{"telephone": {"of": "no use"}}, {"telephone": "+1"}],
    },
    {"connection_id": OTHER_DESK, "id": "c-gone", "name": "Not gone here"},
]
CATEGORIES: Rows = [
    {"connection_id": DESK, "id": "k-billing", "name": "Billing"},
    {"connection_id": DESK, "id": "k-twin-1", "name": "Twin"},
    {"connection_id": DESK, "id": "k-twin-2", "name": "twin"},
    {"connection_id": DESK, "id": "k-old", "name": "Before", "_deleted_at": DAY},
    {"connection_id": DESK, "id": "k-bare", "name": " "},
    {"connection_id": DESK, "id": "k-child", "name": "Child", "parent_id": "k-nowhere"},
    {"connection_id": DESK, "id": "k-accent", "name": "\u00c4rger"},
    {"connection_id": OTHER_DESK, "id": "k-billing", "name": "Invoices"},
    {"connection_id": OTHER_DESK, "id": "k-gone", "name": "Not gone here"},
    {"connection_id": OTHER_DESK, "id": "k-twin-1", "name": "Twin"},
    {"connection_id": OTHER_DESK, "id": "k-old", "name": "Before"},
]
EMPLOYEES: Rows = [
    {"connection_id": DESK, "id": "e-kari", "name": " Kari", "first_name": "Not", "last_name": "This"},
    {"connection_id": DESK, "id": "e-asks", "name": "A colleague who asks"},
    {"connection_id": DESK, "id": "e-per", "name": " ", "first_name": "Per", "last_name": "Hansen "},
    {"connection_id": DESK, "id": "e-left", "last_name": "Left", "_deleted_at": at(hours=10)},
    {"connection_id": DESK, "id": "e-both", "first_name": "Both", "_deleted_at": at(hours=15)},
    {"connection_id": DESK, "id": f"u-owner-{DESK}", "name": "Owner"},
    {"connection_id": OTHER_DESK, "id": "u-1", "first_name": "Una"},
    {"connection_id": OTHER_DESK, "id": "e-per", "name": "Per of the others"},
    {"connection_id": OTHER_DESK, "id": f"u-owner-{OTHER_DESK}"},
    {"connection_id": PER_TICKET_DESK, "id": "c-ann", "name": "Not this Ann"},
]
OTHER_STATES: Rows = [
    *states_of("not there", DESK, [seen(100, user_id="u-was"), seen(120, user_id=" u-was ", priority="low")]),
    *states_of("not there", OTHER_DESK, [seen(9_000, user_id="e-both")]),
    *states_of("not there either", DESK, [seen(940, user_id="e-both")]),
]
"""Of tickets that are not there; what they tell is who was an agent, and until when."""


def _run(
    desk: str, kind: str, read_through: datetime | None, ended_at: datetime, plan: str = "by_anchor", **more: Any
) -> dict[str, Any]:
    """A sync of one object, and up to when it has read it."""
    return {
        "run_id": f"{desk} {ended_at.isoformat()}",
        "connection_id": desk,
        "object": kind,
        "plan": plan,
        "started_at": (read_through or ended_at) - timedelta(seconds=2),
        "ended_at": ended_at,
        "read_through": read_through,
        "cursor_after": read_through and read_through - timedelta(minutes=7),
        "is_complete": read_through is not None,
        "command": "sync",
        **more,
    }


SYNC_RUNS: Rows = [
    {
        "run_id": "r-1",
        "connection_id": DESK,
        "object": "tickets",
        "integration_type": "zendesk",
        "plan": "updated_gte",
        "started_at": DAY,
        "ended_at": DAY + timedelta(seconds=9),
        "requests": 3,
        "rows_received": 205,
        "retries": 1,
        "seconds_waited": 2.25,
        "cursor_before": DAY - timedelta(days=1),
        "cursor_after": DAY,
        "is_complete": True,
        "error": "\n",
        "command": "reconcile",
        "rows_rejected": 2,
        "rows_repaired": 1,
        "rows_deleted": 4,
    },
    *(_run(DESK, "tickets", at(hours=hour), at(hours=hour, minutes=1)) for hour in (1, 2, 3, 6)),
    _run(DESK, "tickets", None, at(hours=3, minutes=8)),
    _run(DESK, "tickets", None, at(hours=4), cursor_after=at(hours=4), is_complete=True, command="reconcile"),
    _run(DESK, "notes", at(hours=3, minutes=4), at(hours=3, minutes=5)),
    _run(DESK, "tickets", on("2026-05-31 22:50"), on("2026-05-31 22:52")),
    _run(DESK, "notes", on("2026-05-31 23:30"), on("2026-05-31 23:39"), plan="by_anchor, without raw (it says so)"),
    *(_run(OTHER_DESK, "tickets", at(minutes=minute), at(minutes=minute + 2)) for minute in (100, 175, 300)),
    _run(OTHER_DESK, "tickets", on("2026-05-20 10:00"), on("2026-05-20 10:10"), plan="newest_first"),
    _run(OTHER_DESK, "notes", on("2026-05-21 10:00"), on("2026-05-21 10:10"), plan="whole_list"),
    _run(UNREAD_DESK, "tickets", at(hours=8), at(hours=8, minutes=9)),
    _run(UNREAD_DESK, "notes", None, at(hours=9), plan="not_offered"),
    _run(UNREAD_DESK, "customers", at(days=9), at(days=9)),
    _run(PER_TICKET_DESK, "tickets", on("2026-04-01 00:00"), on("2026-04-01 00:01")),
    _run(PER_TICKET_DESK, "notes", on("2026-03-31 00:00"), on("2026-03-31 09:00"), plan="per_ticket"),
    _run(PER_TICKET_DESK, "notes", on("2026-03-30 00:00"), on("2026-03-30 09:00"), plan="per_ticket, without raw"),
    _run(PER_TICKET_DESK, "notes", None, on("2026-03-30 00:01"), plan="whole_list"),
    _run(DAYS_DESK, "tickets", READ_THROUGH, READ_THROUGH),
    _run(DAYS_DESK, "notes", READ_THROUGH, READ_THROUGH),
]


def hand_picked() -> dict[str, Rows]:
    """Each ticket's id says what it tries; the other desk has tickets and notes of the same ids, with the contents of
    the next case, so that what is joined without the connection's id is seen."""
    cases: list[Case] = [*((*conversation, []) for conversation in conversations()), *histories(), *written()]
    records: dict[str, Rows] = {
        "connections": CONNECTIONS,
        "customers": CUSTOMERS,
        "categories": CATEGORIES,
        "sync_runs": SYNC_RUNS,
        "note_sweeps": [
            {"connection_id": PER_TICKET_DESK, "ticket_id": name, "notes_found": found, "swept_at": at(hours=12)}
            for name, found in SWEEPS.items()
        ],
        "tickets": [],
        "notes": [{"connection_id": DESK, "id": "orphan", "ticket_id": "not-there", "created_at": DAY}],
        "ticket_versions": [*OTHER_STATES],
        "writeback_log": WRITEBACK_LOG,
    }
    if "employees" in RAW_TABLES:
        records["employees"] = EMPLOYEES
    _add(records, DESK, cases)
    for case, (_, ticket, notes, states) in zip(cases, [*cases[1:], cases[0]], strict=True):
        _add(records, OTHER_DESK, [(case[0], {**ticket, "connection_id": OTHER_DESK}, notes, states)])
    _add(records, UNREAD_DESK, [*unread(), *written_and_unread()])
    _add(records, PER_TICKET_DESK, per_ticket())
    _add(records, FAR_DESK, far_traps())
    _add(records, DAYS_DESK, days([*written_on_days()]))
    _add(records, PEOPLE_DESK, people())
    _add(records, GONE_DESK, gone())
    return {table: [*records.get(table, []), *PEOPLE_RECORDS.get(table, [])] for table in RAW_TABLES}


def _add(records: dict[str, Rows], desk: str, cases: Iterable[Case]) -> None:
    for name, ticket, notes, states in cases:
        records["tickets"].append(ticket_of(name, desk, ticket))
        records["notes"].extend(notes_of(name, desk, notes))
        records["ticket_versions"].extend(states_of(name, desk, states))


def drawn(seed: int, count: int) -> dict[str, Rows]:
    """Tickets with notes and states on few instants and of few texts, so that ties and repeats are common; some of them
    were opened shortly before the clock of the build."""
    chance = random.Random(seed)
    records: dict[str, Rows] = {"tickets": [], "notes": [], "ticket_versions": []}
    for number in range(count):
        desk = chance.choice([DESK, OTHER_DESK])
        is_recent = chance.random() < 0.2
        opened_at = AS_OF - timedelta(hours=chance.choice([1, 2, 26, 50, 60])) if is_recent else at(hours=number)
        name = f"drawn {number}"
        records["tickets"].append(_drawn_ticket(chance, name, desk, opened_at))
        for note in range(chance.randrange(7)):
            offset = chance.choice([-61, -1, 0, 0, 30, 60, 61, 299, 300, 301, 900, 900 if is_recent else 86_400])
            sent_at = opened_at + timedelta(seconds=offset, milliseconds=chance.choice([0, 0, 0, 500]))
            records["notes"].append(
                {"connection_id": desk, "id": f"{number}-{note}", "ticket_id": name, **_drawn_note(chance, sent_at)}
            )
        records["ticket_versions"].extend(states_of(name, desk, _drawn_states(chance, opened_at)))
    records["writeback_log"] = _drawn_log(random.Random(seed), records)
    return records


def _drawn_log(chance: random.Random, records: dict[str, Rows]) -> Rows:
    """Some of the notes and states were ours, or would have been."""
    notes = [note for note in records["notes"] if chance.random() < 0.1]
    states = [state for state in records["ticket_versions"] if chance.random() < 0.3]
    return [
        *(note_of_ours(note, chance.choice(["written", "written", "held"])) for note in notes),
        *(change_of_ours(state, chance) for state in states),
    ]


def _drawn_ticket(chance: random.Random, name: str, desk: str, opened_at: datetime) -> dict[str, Any]:
    closed_after = chance.choice([0, 60, 300, 301, 900, 7200, chance.randrange(90_000)])
    return {
        "connection_id": desk,
        "id": name,
        "created_at": opened_at,
        "updated_at": chance.choice([None, opened_at, on("2026-05-20 09:50:00"), on("2026-05-31 22:40:01")]),
        "status": chance.choice(["CLOSED", "CLOSED", "ACTIVE", "ACTIVE", "ACTIVE", None]),
        "closed_at": chance.choice([None, *[opened_at + timedelta(seconds=closed_after)] * 3]),
        "customer_id": chance.choice(["c-ann", "c-bob", "c-gone", "c-nowhere", "c-key", None]),
        "user_id": chance.choice([None, "u-7", "e-kari"]),
        "priority": chance.choice([None, None, "urgent", "Low"]),
        "category": chance.choice([None, None, "billing", "Twin"]),
        "tags": chance.choice([None, None, ["gold"], ["no pause"], ["spam"], ["we wrote first"]]),
        "description": chance.choice(["Help", "<p>help</p>", "Help me", None]),
        "raw": chance.choice(
            [None, None, {**OPENED_BY_AN_AGENT, "status": "pending"}, {"source": {"author": {"type": "user"}}}]
        ),
        "_deleted_at": chance.choice([None] * 9 + [DAY]),
    }


def _drawn_note(chance: random.Random, sent_at: datetime) -> dict[str, Any]:
    return {
        "created_at": sent_at,
        "description": chance.choice(["Help", "<div>HELP</div>", "Done", "", None]),
        "user_id": chance.choice([None, None, "u-1", "u-2"]),
        "customer_id": chance.choice([None, "c-ann", "c-bob", "e-kari"]),
        "raw": chance.choice(
            [
                None,
                None,
                None,
                {"public": True},
                {"private": True},
                {"part_type": "close"},
                {"author": {"type": "bot"}},
                {"auto_response": True},
            ]
        ),
        "_deleted_at": chance.choice([None] * 9 + [DAY]),
    }


def _drawn_states(chance: random.Random, opened_at: datetime) -> Rows:
    """Both their updates and their sights are in one order, and some of either are the same."""
    count = chance.choice([0, 1, 2, 3, 4, 5])
    changed = sorted(chance.choice([0, 60, 120, 240, 300, 600]) for _ in range(count))
    sights = sorted(chance.choice([60, 120, 240, 300, 601, 900, 7500]) for _ in range(count))
    is_baseline = chance.random() < 0.3
    return [
        {
            "state_hash": f"{chance.choice('abCD')}{number}",
            "updated_at": opened_at + timedelta(seconds=updated),
            "observed_at": opened_at + timedelta(seconds=sight),
            "status": chance.choice(["ACTIVE", "ACTIVE", "CLOSED"]),
            "closed_at": chance.choice([None, opened_at + timedelta(seconds=chance.choice([60, 120, 240, 300]))]),
            "user_id": chance.choice([None, "u-7", "u-8"]),
            "priority": chance.choice([None, "urgent", "Urgent "]),
            "category": chance.choice([None, "billing"]),
            "tags": chance.choice([None, [], ["b", "a"], ["a", "b"]]),
            "raw_status": chance.choice([None, "open", "pending", "pending", "hold"]),
            "is_baseline": is_baseline and number == 0,
        }
        for number, (updated, sight) in enumerate(zip(changed, sights, strict=True))
    ]
