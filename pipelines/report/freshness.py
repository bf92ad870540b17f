"""How fresh and how whole the data are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.report.tables import Column, Table, TableRow
from pipelines.report.words import Unit, counted, cut, duration, shown, spaced
from pipelines.warehouse.destinations.destination import AskRows

_HEALTH = """
select
    connection_id, object_name, health, read_through_at, age_seconds, last_success_at, failures_since_success_count,
    last_error, last_error_at, last_verified_at, is_verified_by_sample, unrepaired_gap_count, coverage_share
from sync_health
order by place
"""

_CONNECTIONS = """
with ranked as (
    select
        connection_id,
        health,
        row_number() over (
            partition by connection_id order by case when health = 'not_offered' then 1 else 0 end, place
        ) as its_place
    from sync_health
)
select
    connections.connection_id,
    ranked.health,
    connections.data_as_of,
    connections.ticket_count,
    connections.customer_count,
    connections.note_count,
    connections.history_since_at
from connections
left join ranked on connections.connection_id = ranked.connection_id and ranked.its_place = 1
order by connections.ticket_count desc, connections.connection_id
"""

_GRAVE = {"failing", "never_read"}
_AMISS = {*_GRAVE, "stale", "gaps", "paused"}
_ERROR_SHOWN = 300


@dataclass(frozen=True)
class Concern:
    """Something that makes the figures doubtful, in a sentence."""

    sentence: str
    is_grave: bool


@dataclass(frozen=True)
class Freshness:
    """What is amiss, and how each object stands."""

    concerns: Sequence[Concern]
    connections: Table
    health: Table


def freshness_of(ask: AskRows, names: Mapping[str, str]) -> Freshness:
    """The worst first."""
    rows = ask(_HEALTH)
    amiss: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["health"] in _AMISS:
            amiss.setdefault((row["connection_id"], row["health"]), []).append(row)
    concerns = [_concern(found, names) for found in amiss.values()]
    return Freshness(concerns, _connections(ask, names), _table(rows, names))


def _concern(rows: Sequence[dict[str, Any]], names: Mapping[str, str]) -> Concern:
    """Of the objects of a connection that have the same, told by the worst of them."""
    row = rows[0]
    objects = ", ".join(each["object_name"] for each in rows)
    until = f" Known up to {shown(row['read_through_at'], Unit.MOMENT)}." if row["read_through_at"] else ""
    said = {
        "paused": "the connection is paused",
        "never_read": "never read to the end",
        "failing": f"the last {counted(row['failures_since_success_count'], 'sync')} failed: {_error(row)}",
        "stale": f"not read for {duration(row['age_seconds'] or 0)}",
        "gaps": f"{counted(row['unrepaired_gap_count'] or 0, 'gap')} found and not repaired",
    }[row["health"]]
    name = names.get(row["connection_id"], row["connection_id"])
    return Concern(f"{name} ({objects}): {said}.{until}", row["health"] in _GRAVE)


def _error(row: dict[str, Any]) -> str:
    return cut(row["last_error"] or "no reason given", _ERROR_SHOWN)


def _connections(ask: AskRows, names: Mapping[str, str]) -> Table:
    """Each connection by the worst of its objects."""
    mart = "connections"
    columns = [
        Column("health", "State", Unit.WORDS),
        Column("data_as_of", "Known up to", Unit.MOMENT, mart),
        Column("ticket_count", "Tickets", Unit.COUNT, mart, has_bars=True),
        Column("customer_count", "Customers", Unit.COUNT, mart),
        Column("note_count", "Notes", Unit.COUNT, mart),
        Column("history_since_at", "Changes seen since", Unit.MOMENT, mart),
    ]
    return Table(
        "connections",
        "Each connection, by the worst of what is read of it",
        [Column("name", "Helpdesk", Unit.WORDS), *columns],
        [
            TableRow(
                row["connection_id"],
                [
                    names[row["connection_id"]],
                    spaced(row["health"] or "not there any more"),
                    *(row[column.name] for column in columns[1:]),
                ],
            )
            for row in ask(_CONNECTIONS)
        ],
    )


def _table(rows: Sequence[dict[str, Any]], names: Mapping[str, str]) -> Table:
    mart = "sync_health"
    return Table(
        "health",
        "Each object of each connection, the worst first",
        [
            Column("object", "What", Unit.WORDS),
            Column("health", "State", Unit.WORDS),
            Column("read_through_at", "Known up to", Unit.MOMENT, mart),
            Column("age_seconds", "Age", Unit.SECONDS, mart),
            Column("failures_since_success_count", "Failed since", Unit.COUNT, mart),
            Column("verified", "Verified", Unit.WORDS),
            Column("unrepaired_gap_count", "Gaps", Unit.COUNT, mart),
            Column("last_error", "Last error", Unit.WORDS),
        ],
        [
            TableRow(
                f"{row['connection_id']} {row['object_name']}",
                [
                    f"{names.get(row['connection_id'], row['connection_id'])}, {row['object_name']}",
                    spaced(row["health"]),
                    row["read_through_at"],
                    row["age_seconds"],
                    row["failures_since_success_count"],
                    _verified(row),
                    row["unrepaired_gap_count"],
                    _last_error(row),
                ],
            )
            for row in rows
        ],
    )


def _verified(row: dict[str, Any]) -> str:
    if row["last_verified_at"] is None:
        return "never"
    return shown(row["last_verified_at"], Unit.MOMENT) + (" (a sample)" if row["is_verified_by_sample"] else "")


def _last_error(row: dict[str, Any]) -> str:
    if not row["last_error"]:
        return "none"
    times = row["last_success_at"], row["last_error_at"]
    is_over = None not in times and times[0] > times[1]
    return f"{_error(row)}{' (over)' if is_over else ''}"
