"""What may happen to an account between two builds, drawn at random: late, out of order, changed, moved and gone."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.warehouse.edge_parts import AS_OF, DESK, OTHER_DESK, PER_TICKET_DESK, at
from tests.warehouse.edge_records import drawn, hand_picked
from tests.warehouse.edge_settings import settings
from tests.warehouse.edge_writeback import change_of_ours, note_of_ours
from tests.warehouse.golden_settings import Record, Settings

Rows = list[dict[str, Any]]
Tables = dict[str, Rows]

PEOPLE = ["c-ann", "c-bob", "c-key", "c-nowhere", "e-kari", "e-per", "u-1", "u-7"]


def changed(records: Mapping[str, Sequence[Record]], chance: random.Random, count: int) -> Tables:
    """The records after so many changes; those that were given stay as they are."""
    tables: Tables = {table: [dict(row) for row in rows] for table, rows in records.items()}
    for _ in range(count):
        chance.choice(CHANGES)(tables, chance)
    return tables


def _a_ticket_comes(tables: Tables, chance: random.Random) -> None:
    number = chance.randrange(10**9)
    for table, rows in drawn(seed=number, count=1).items():
        for row in rows:
            names = {"notes": ("ticket_id", "id"), "writeback_log": ("ticket_id", "note_id", "attempt_id")}
            ticket_id, *own_ids = names.get(table, ("id",))
            renamed = {name: f"late {number} {row[name]}" for name in own_ids if row.get(name)}
            tables[table].append({**row, ticket_id: f"late {number}", **renamed})


def _a_ticket_changes(tables: Tables, chance: random.Random) -> None:
    [new] = drawn(seed=chance.randrange(10**9), count=1)["tickets"]
    fields = chance.sample(sorted(new.keys() - {"connection_id", "id", "_deleted_at"}), k=3)
    chance.choice(tables["tickets"]).update({name: new[name] for name in fields})


def _a_ticket_is_gone(tables: Tables, chance: random.Random) -> None:
    ticket = chance.choice(tables["tickets"])
    ticket.update(chance.choice([{"_deleted_at": at(hours=11), "_deletion_reason": "gone"}, {"_deleted_at": None}]))


def _a_ticket_is_removed(tables: Tables, chance: random.Random) -> None:
    """With what hangs on it, or without."""
    ticket = _taken(tables["tickets"], chance)
    if chance.random() < 0.7:
        for table, key in (("notes", "ticket_id"), ("ticket_versions", "id"), ("note_sweeps", "ticket_id")):
            tables[table] = [row for row in tables[table] if (row["connection_id"], row[key]) != _key(ticket)]


def _a_note_comes_late(tables: Tables, chance: random.Random) -> None:
    ticket = chance.choice(tables["tickets"])
    sent_at = (ticket["created_at"] or at()) + timedelta(seconds=chance.choice([-30, 0, 40, 5_000, 100_000]))
    tables["notes"].append(
        {
            **_note_of_anybody(chance),
            "connection_id": ticket["connection_id"],
            "id": f"late {chance.randrange(10**9)}",
            "ticket_id": ticket["id"],
            "created_at": sent_at,
        }
    )


def _a_note_changes(tables: Tables, chance: random.Random) -> None:
    chance.choice(tables["notes"]).update(_note_of_anybody(chance))


def _a_note_moves(tables: Tables, chance: random.Random) -> None:
    note, ticket = chance.choice(tables["notes"]), chance.choice(tables["tickets"])
    if note["connection_id"] == ticket["connection_id"]:
        note["ticket_id"] = ticket["id"]


def _a_note_is_gone(tables: Tables, chance: random.Random) -> None:
    chance.choice(tables["notes"]).update(_deleted_at=chance.choice([None, at(hours=12)]))


def _a_note_is_removed(tables: Tables, chance: random.Random) -> None:
    _taken(tables["notes"], chance)


def _a_state_is_seen(tables: Tables, chance: random.Random) -> None:
    """After all that were seen of its ticket before, or of one that is not stored; its update may be before theirs, as
    where events overtake each other."""
    before = chance.choice(tables["ticket_versions"])
    seen = [row for row in tables["ticket_versions"] if _key(row) == _key(before)]
    last_at = max(max(row["observed_at"], row["updated_at"] or row["observed_at"]) for row in seen)
    observed_at = last_at + timedelta(seconds=chance.choice([1, 90, 7_200]))
    overtaken_at = chance.choice(seen)["observed_at"] - timedelta(seconds=chance.choice([0, 1, 60, 7_200]))
    tables["ticket_versions"].append(
        {
            **before,
            "state_hash": f"new {chance.randrange(10**9)}",
            "status": chance.choice(["ACTIVE", "CLOSED"]),
            "closed_at": chance.choice([None, observed_at, overtaken_at]),
            "user_id": chance.choice([None, *PEOPLE]),
            "priority": chance.choice([None, "urgent", "low"]),
            "updated_at": chance.choice([observed_at, last_at, overtaken_at, None]),
            "observed_at": observed_at,
            "is_baseline": False,
        }
    )


def _states_are_removed(tables: Tables, chance: random.Random) -> None:
    key = _key(chance.choice(tables["ticket_versions"]))
    tables["ticket_versions"] = [row for row in tables["ticket_versions"] if _key(row) != key]


def _we_have_written(tables: Tables, chance: random.Random) -> None:
    """A note, or a state; where it has come before what was logged of it, the log alone makes its ticket due."""
    note, state = chance.choice(tables["notes"]), chance.choice(tables["ticket_versions"])
    attempt = note_of_ours(note) if chance.random() < 0.5 else change_of_ours(state, chance)
    tables["writeback_log"].append({**attempt, "attempt_id": f"late {chance.randrange(10**9)}"})


def _what_we_have_written_is_forgotten(tables: Tables, chance: random.Random) -> None:
    _taken(tables["writeback_log"], chance)


def _somebody_is_renamed(tables: Tables, chance: random.Random) -> None:
    person = chance.choice(tables[chance.choice(["customers", "employees"])])
    person["name"] = chance.choice([None, f"Renamed {chance.randrange(100)}"])


def _a_customer_is_tagged(tables: Tables, chance: random.Random) -> None:
    chance.choice(tables["customers"])["tags"] = chance.choice([None, [], ["other"], ["KEY account", "other"], ["x"]])


def _somebody_comes(tables: Tables, chance: random.Random) -> None:
    table, desk, id = (
        chance.choice(["customers", "employees"]),
        chance.choice([DESK, OTHER_DESK]),
        chance.choice(PEOPLE),
    )
    if all(_key(row) != (desk, id) for row in tables[table]):
        tables[table].append({"connection_id": desk, "id": id, "name": f"New {id}"})


def _somebody_leaves(tables: Tables, chance: random.Random) -> None:
    table = chance.choice(["customers", "employees"])
    if chance.random() < 0.5:
        chance.choice(tables[table]).update(_deleted_at=chance.choice([None, at(hours=2), at(days=3)]))
    elif len(tables[table]) > 3:
        _taken(tables[table], chance)


def _a_category_changes(tables: Tables, chance: random.Random) -> None:
    category = chance.choice(tables["categories"])
    category.update(
        chance.choice([{"name": "Billing"}, {"name": "Other"}, {"_deleted_at": at()}, {"_deleted_at": None}])
    )


def _a_sync_ends(tables: Tables, chance: random.Random) -> None:
    """At a time that may lie before that of others."""
    run = chance.choice([row for row in tables["sync_runs"] if row.get("read_through") and row["command"] == "sync"])
    began_at = chance.choice([at(minutes=chance.randrange(10_000)), AS_OF - timedelta(minutes=chance.randrange(90))])
    ends = {"started_at": began_at, "read_through": began_at, "ended_at": began_at + timedelta(minutes=1)}
    tables["sync_runs"].append({**run, **ends, "run_id": f"new {chance.randrange(10**9)}"})


def _a_sweep_ends(tables: Tables, chance: random.Random) -> None:
    swept = {(row["connection_id"], row["ticket_id"]) for row in tables["note_sweeps"]}
    tickets = [row for row in tables["tickets"] if row["connection_id"] == PER_TICKET_DESK and _key(row) not in swept]
    for ticket in chance.sample(tickets, k=min(1, len(tickets))):
        sweep = {"connection_id": PER_TICKET_DESK, "ticket_id": ticket["id"], "notes_found": 0, "swept_at": at(days=2)}
        tables["note_sweeps"].append(sweep)


def _a_connection_goes_or_comes_back(tables: Tables, chance: random.Random) -> None:
    """What is stored of it stays."""
    known = {row["id"] for row in tables["connections"]}
    gone = [dict(row) for row in hand_picked()["connections"] if row["id"] not in known]
    if gone and chance.random() < 0.5:
        tables["connections"].append(chance.choice(gone))
    elif len(known) > 2:
        _taken(tables["connections"], chance)


def _a_connection_changes(tables: Tables, chance: random.Random) -> None:
    """What is told of it; it is another helpdesk's only where somebody has put it right."""
    told: list[dict[str, Any]] = [
        {"is_paused": True},
        {"is_paused": None},
        {"integration_type": "gorgias"},
        {"integration_type": "zendesk"},
    ]
    chance.choice(tables["connections"]).update(chance.choice(told))


CHANGES: Sequence[Callable[[Tables, random.Random], None]] = [
    _a_ticket_comes,
    _a_ticket_changes,
    _a_ticket_changes,
    _a_ticket_is_gone,
    _a_ticket_is_removed,
    _a_note_comes_late,
    _a_note_comes_late,
    _a_note_changes,
    _a_note_moves,
    _a_note_is_gone,
    _a_note_is_removed,
    _a_state_is_seen,
    _a_state_is_seen,
    _states_are_removed,
    _we_have_written,
    _we_have_written,
    _what_we_have_written_is_forgotten,
    _somebody_is_renamed,
    _a_customer_is_tagged,
    _somebody_comes,
    _somebody_leaves,
    _a_category_changes,
    _a_sync_ends,
    _a_sweep_ends,
    _a_connection_changes,
    _a_connection_goes_or_comes_back,
]


def _note_of_anybody(chance: random.Random) -> dict[str, Any]:
    """Who wrote it, who may see it, and what it says."""
    return {
        "user_id": chance.choice([None, None, *PEOPLE]),
        "customer_id": chance.choice([None, *PEOPLE]),
        "description": chance.choice(["Help", "Done", "<p>It does not work</p>", None]),
        "raw": chance.choice(
            [None, None, {"public": False}, {"author": {"type": "admin", "id": "u-1"}}, {"author": {"type": "bot"}}]
        ),
    }


def _taken(rows: Rows, chance: random.Random) -> dict[str, Any]:
    return rows.pop(chance.randrange(len(rows)))


def _key(row: Record) -> tuple[Any, Any]:
    return row["connection_id"], row["id"]


def with_other_tiers(given: Settings, chance: random.Random) -> Settings:
    """With some of the rows that tell which tier a customer is of, in another order."""
    tiers = settings().seeds["customer_tiers"]
    chosen = chance.sample(tiers, k=chance.randrange(2, len(tiers)))
    return replace(given, seeds={**given.seeds, "customer_tiers": chosen})


def moved(moment: datetime, chance: random.Random) -> datetime:
    """A later clock, from the same moment to days on."""
    return moment + timedelta(seconds=chance.choice([0, 60, 3_600, 300_000]))
