"""The categories, each climbed by hand, and the tickets below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_people import SET_ASIDE, median_of
from tests.warehouse.golden_settings import Key, Record, Row
from tests.warehouse.golden_text import text


def category_rows(made: Mapping[str, Sequence[Row]], account: Account) -> list[Row]:
    """One row for each category of a connection."""
    categories = {(row["connection_id"], row["id"]): row for row in account.records.get("categories", ())}
    ways = {key: _way_up(key, categories, account.settings.category_levels) for key in categories}
    tickets = [row for row in made["tickets"] if not row["is_deleted"] and row["kind"] not in SET_ASIDE]
    return [_row(key, categories, ways, tickets, account) for key in categories]


def _way_up(key: Key, categories: Mapping[Key, Record], levels: int) -> tuple[list[Key], bool]:
    """The category and those above it, and whether something is wrong with the way."""
    way = [key]
    while True:
        if _is_in_ring(way[-1], categories, levels):
            return way, True
        parent_id = text(categories[way[-1]].get("parent_id"))
        if parent_id is None:
            return way, False
        above = (key[0], parent_id)
        if above not in categories or categories[above].get("_deleted_at"):
            return way, True
        if len(way) > levels:
            return [key], True
        way.append(above)


def _is_in_ring(key: Key, categories: Mapping[Key, Record], levels: int) -> bool:
    """Whether so many steps up lead back to where one was."""
    place = key
    for _ in range(levels):
        place = (key[0], text(categories[place].get("parent_id")) or "")
        if place not in categories or categories[place].get("_deleted_at"):
            return False
        if place == key:
            return True
    return False


def _row(
    key: Key,
    categories: Mapping[Key, Record],
    ways: Mapping[Key, tuple[list[Key], bool]],
    tickets: Sequence[Row],
    account: Account,
) -> Row:
    record, (way, is_broken) = categories[key], ways[key]
    own = [row for row in tickets if (row["connection_id"], row["category_id"]) == key]
    below = [
        row for row in tickets if key in ways.get((row["connection_id"], row["category_id"] or ""), ([], False))[0]
    ]
    opened = [row["opened_at"] for row in own if row["opened_at"]]
    return {
        "connection_id": key[0],
        "category_id": key[1],
        "integration_type": account.helpdesk(key[0]),
        "category_name": text(record.get("name")),
        "parent_category_id": text(record.get("parent_id")),
        "path": " / ".join(text(categories[step].get("name")) or step[1] for step in reversed(way)),
        "depth": len(way) - 1,
        **_counts("", own),
        **_counts("with_children_", below),
        "median_first_reply_seconds": median_of(row["first_reply_seconds"] for row in own),
        "median_resolution_seconds": median_of(row["resolution_seconds"] for row in own),
        "last_ticket_opened_at": max(opened, default=None),
        "has_broken_path": is_broken,
        "is_active": record.get("is_active") is not False,
        "is_deleted": bool(record.get("_deleted_at")),
    }


def _counts(prefix: str, tickets: Sequence[Row]) -> Row:
    closed = sum(row["is_closed"] for row in tickets)
    return {
        f"{prefix}ticket_count": len(tickets),
        f"{prefix}open_ticket_count": len(tickets) - closed,
        f"{prefix}closed_ticket_count": closed,
    }
