"""What a list answers, against a second, naive reading of the rules."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.sandbox.instants import from_iso, to_iso
from pipelines.sandbox.shelf import Listing, Shelf

START = 1_780_000_000_000
MOMENTS = st.integers(0, 12).map(lambda step: START + step * 250)

RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "updated": MOMENTS,
            "created": MOMENTS,
            "ticket_id": st.sampled_from(["t1", "t2", None]),
            "customer_id": st.sampled_from(["c1", "c2", None]),
            "name": st.sampled_from(["Ada", "bo", "Cy", None]),
        }
    ),
    max_size=30,
)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("move"), st.integers(0, 29), MOMENTS),
        st.tuples(st.just("hand over"), st.integers(0, 29), st.sampled_from(["t1", "t2", None])),
        st.tuples(st.just("remove"), st.integers(0, 29), st.none()),
    ),
    max_size=12,
)


@given(
    rows=RECORDS,
    changes=CHANGES,
    updated_gte=st.none() | MOMENTS,
    sort=st.sampled_from([None, "updated_at", "created_at", "name"]),
    descending=st.booleans(),
    filters=st.dictionaries(st.sampled_from(["ticket_id", "customer_id"]), st.sampled_from(["t1", "c1", "x"])),
    hidden=st.sets(st.integers(0, 29).map(str), max_size=3),
    offset=st.integers(0, 35),
    limit=st.integers(1, 35),
)
def test_a_page_is_what_a_naive_reading_of_the_rules_gives(
    rows: list[dict[str, Any]],
    changes: list[tuple[str, int, Any]],
    updated_gte: int | None,
    sort: str | None,
    descending: bool,
    filters: dict[str, str],
    hidden: set[str],
    offset: int,
    limit: int,
) -> None:
    truth = {str(number): _record(str(number), row) for number, row in enumerate(rows)}
    shelf = Shelf()
    half = len(truth) // 2
    shelf.load(list(truth.values())[:half])
    for record in list(truth.values())[half:]:
        shelf.put(record)
    for change, number, value in changes:
        _apply(truth, shelf, change, str(number), value)

    listing = Listing(
        limit=limit,
        offset=offset,
        updated_gte=updated_gte,
        sort=sort,
        descending=descending,
        filters=filters,
        hides=(lambda stored: stored.id in hidden) if hidden else None,
    )
    visible = [record for record in truth.values() if record["id"] not in hidden]
    assert [row.record() for row in shelf.page(listing)] == _naive(visible, listing)
    assert len(shelf) == len(truth)


@given(rows=RECORDS, seed=st.integers(0, 99), updated_gte=st.none() | MOMENTS)
def test_unstable_ties_change_the_order_inside_one_moment_only(
    rows: list[dict[str, Any]], seed: int, updated_gte: int | None
) -> None:
    shelf = Shelf()
    shelf.load(_record(str(number), row) for number, row in enumerate(rows))
    steady = Listing(sort="updated_at", updated_gte=updated_gte)
    shaken = Listing(sort="updated_at", updated_gte=updated_gte, shuffle_ties=random.Random(seed))

    expected, found = shelf.page(steady), shelf.page(shaken)
    assert [row.updated for row in found] == [row.updated for row in expected]
    assert {row.id for row in found} == {row.id for row in expected}


def test_a_walk_by_offset_over_a_still_list_sees_every_record_once() -> None:
    shelf = Shelf()
    shelf.load({"id": str(number), "updated_at": to_iso(START + number // 7)} for number in range(250))
    pages = [shelf.page(Listing(sort="updated_at", offset=offset)) for offset in (0, 100, 200, 300)]
    assert [len(page) for page in pages] == [100, 100, 50, 0]
    assert [row.id for page in pages for row in page] == [str(number) for number in range(250)]


def test_a_changed_record_keeps_its_place_among_those_it_ties_with() -> None:
    shelf = Shelf()
    shelf.load({"id": name, "ticket_id": "t", "updated_at": to_iso(START)} for name in "abc")
    for name in "ba":
        shelf.put({"id": name, "ticket_id": "t", "updated_at": to_iso(START), "name": "changed"})
    for listing in (Listing(), Listing(sort="updated_at"), Listing(filters={"ticket_id": "t"})):
        assert [row.id for row in shelf.page(listing)] == ["a", "b", "c"]


def test_a_record_without_updated_at_is_never_newer_than_anything() -> None:
    shelf = Shelf()
    shelf.load([{"id": "dated", "updated_at": to_iso(START)}, {"id": "undated", "updated_at": None}, {"id": "bare"}])
    assert [row.id for row in shelf.page(Listing(sort="updated_at"))] == ["undated", "bare", "dated"]
    assert [row.id for row in shelf.page(Listing(sort="updated_at", updated_gte=0))] == ["dated"]
    assert [row.id for row in shelf.page(Listing(updated_gte=0))] == ["dated"]


def _record(record_id: str, row: dict[str, Any]) -> dict[str, Any]:
    record = {
        "id": record_id,
        "created_at": to_iso(row["created"]),
        "updated_at": to_iso(row["updated"]),
        "raw": {"of": record_id},
    }
    return record | {name: row[name] for name in ("ticket_id", "customer_id", "name") if row[name] is not None}


def _apply(truth: dict[str, dict[str, Any]], shelf: Shelf, change: str, record_id: str, value: Any) -> None:
    if record_id not in truth:
        return
    if change == "remove":
        del truth[record_id]
        shelf.remove(record_id)
        return
    name = "updated_at" if change == "move" else "ticket_id"
    truth[record_id] = {**truth[record_id], name: to_iso(value) if change == "move" else value}
    shelf.put(truth[record_id])


def _naive(records: list[dict[str, Any]], listing: Listing) -> list[dict[str, Any]]:
    keys = {
        None: lambda record: 0,
        "updated_at": lambda record: record["updated_at"],
        "created_at": lambda record: record["created_at"],
        "name": lambda record: (record.get("name") or "").lower(),
    }
    chosen = [
        record
        for record in records
        if all(record.get(name) == value for name, value in listing.filters.items())
        and (listing.updated_gte is None or from_iso(record["updated_at"]) >= listing.updated_gte)
    ]
    if listing.sort is None and listing.descending:
        chosen.reverse()
    chosen.sort(key=keys[listing.sort], reverse=listing.descending)
    return chosen[listing.offset : listing.offset + listing.limit]
