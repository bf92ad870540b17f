"""Rows in, proposals out: what each cell asks for, and every fault of a file at once, each with its row."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.writeback.proposals import COLUMNS, Proposal, ProposalsRefused, read_proposals

HOSTILE = "evil\nrow 7: all is well.\r\x1b[2J\x1b]0;pwned\x07\u2028\u202e\x85[bold red]mend[/] " + "x" * 5000
HEADING = "These proposals cannot be meant. Nothing was planned, nothing sent."
WISHES = "priority, category_id, category, user_id, status, tags_add, tags_remove, tags_set, note"

Row = dict[str, Any]


def row(ticket_id: Any = "t1", **cells: Any) -> Row:
    return {"connection_id": "c1", "ticket_id": ticket_id, **cells}


def read_one(**cells: Any) -> Proposal:
    [proposal] = read_proposals([row(**cells)])
    return proposal


def faults(*rows: Row) -> list[str]:
    with pytest.raises(ProposalsRefused) as caught:
        read_proposals(rows)
    heading, *found = str(caught.value).split("\n")
    assert heading == HEADING
    return found


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("priority", " urgent ", "urgent"),
        ("priority", "1 - Critical", "1 - Critical"),
        ("priority", 4, "4"),
        ("category_id", 360_000_123, "360000123"),
        ("category", "Bike & more", "Bike & more"),
        ("user_id", "007", "007"),
        ("status", "closed", "CLOSED"),
        ("status", " Active ", "ACTIVE"),
        ("tags_add", "vip", ("vip",)),
        ("tags_add", " vip , late ", ("vip", "late")),
        ("tags_add", ["vip", " late "], ("vip", "late")),
        ("tags_add", ("vip",), ("vip",)),
        ("tags_add", ' ["vip", "a, b"] ', ("vip", "a, b")),
        ("tags_add", "vip,late,vip", ("vip", "late")),
        ("tags_remove", '["new"]', ("new",)),
        ("tags_set", "b,a", ("b", "a")),
        ("note", " Two lines,\n  kept as they are. ", " Two lines,\n  kept as they are. "),
        ("note", "[no tags]", "[no tags]"),
    ],
    ids=repr,
)
def test_a_cell_is_read_as_it_is_meant(name: str, given: Any, read: Any) -> None:
    proposal = read_one(**{name: given})
    assert getattr(proposal, name) == read
    assert proposal == Proposal("c1", "t1", **{name: read})


def test_ids_may_be_numbers_and_a_reason_goes_along() -> None:
    [proposal] = read_proposals([{"connection_id": 5, "ticket_id": 7, "priority": "low", "reason": "quiet"}])
    assert proposal.place == ("5", "7")
    assert proposal.reason == "quiet"
    assert proposal.rows == (1,)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("connection_id", True, "text"),
        ("ticket_id", 1.5, "text"),
        ("priority", ["high"], "text"),
        ("priority", True, "text"),
        ("category_id", 12.0, "text"),
        ("category", {}, "text"),
        ("user_id", b"u1", "text"),
        ("status", "pending", "ACTIVE or CLOSED"),
        ("status", 5, "ACTIVE or CLOSED"),
        ("tags_add", 7, "a list of tags"),
        ("tags_add", [1], "a list of tags"),
        ("tags_add", "a,,b", "tags that are not empty"),
        ("tags_remove", [" "], "tags that are not empty"),
        ("tags_remove", "[1]", "a list of tags"),
        ("tags_set", '["a"', "a list of tags, as JSON or with commas between them"),
        ("tags_set", {"a": 1}, "a list of tags"),
        ("note", 5, "text"),
        ("reason", ["late"], "text"),
    ],
    ids=repr,
)
def test_a_cell_that_cannot_be_meant_is_named_with_its_row(name: str, given: Any, expected: str) -> None:
    wrong = row("t2", priority="low") | {name: given}
    assert faults(row(priority="low"), wrong) == [f"row 2: expected {name} to be {expected}, got {given!r}"]


@pytest.mark.parametrize("missing", [None, float("nan"), "", "  ", "\t\n"], ids=repr)
def test_a_cell_without_a_value_asks_for_nothing(missing: Any) -> None:
    nothing = dict.fromkeys(COLUMNS.keys() - {"connection_id", "ticket_id"}, missing)
    assert read_proposals([row() | nothing | {"priority": "low"}]) == [Proposal("c1", "t1", priority="low")]
    assert faults(row() | nothing) == [f"row 1: expected one of {WISHES}, got none"]
    for name in ("connection_id", "ticket_id"):
        assert faults(row(priority="low") | {name: missing}) == [f"row 1: expected a {name}, got none"]


def test_a_reason_alone_asks_for_nothing() -> None:
    assert faults(row(reason="late")) == [f"row 1: expected one of {WISHES}, got none"]


def test_no_tags_to_add_or_to_remove_ask_for_nothing() -> None:
    assert faults(row(tags_add=[], tags_remove="[]")) == [f"row 1: expected one of {WISHES}, got none"]


@pytest.mark.parametrize("empty", [[], (), "[]"], ids=repr)
def test_an_empty_list_of_tags_to_be_set_asks_for_none_to_be_left(empty: Any) -> None:
    assert read_one(tags_set=empty).tags_set == ()


def test_all_faults_are_told_at_once() -> None:
    found = faults(
        row(status="open", tags_add=5),
        row("t2", priority="low"),
        {"ticket_id": "t3", "priority": "low"},
        {},
        row("t5", category="Billing", category_id="7"),
        row("t6", colour="red"),
        row("t7", note="one"),
        row("t7", note="two"),
    )
    assert sorted(found) == sorted(
        [
            "row 1: expected status to be ACTIVE or CLOSED, got 'open'",
            "row 1: expected tags_add to be a list of tags, got 5",
            "row 3: expected a connection_id, got none",
            "row 4: expected a connection_id, got none",
            "row 4: expected a ticket_id, got none",
            "row 5: expected category or category_id, got both",
            f"row 6: expected one of {WISHES}, got none",
            f"row 6: expected the columns {', '.join(COLUMNS)}, got 'colour'",
            "rows 7, 8: expected one note for a ticket, got 'one' and 'two'",
        ]
    )


def test_rows_of_a_ticket_are_put_together_and_tickets_stay_in_order() -> None:
    later, first = read_proposals(
        [
            row("t2", priority="high", tags_add="a", reason="late"),
            row("t1", status="CLOSED"),
            row("t2", priority="high", tags_add="b,a", tags_remove="c", note="Hello", reason="vip"),
            row("t2", user_id="u1"),
        ]
    )
    assert later == Proposal(
        *("c1", "t2"),
        priority="high",
        user_id="u1",
        tags_add=("a", "b"),
        tags_remove=("c",),
        note="Hello",
        reason="late; vip",
    )
    assert (later.rows, first.rows) == ((1, 3, 4), (2,))


def test_the_same_ticket_id_at_another_connection_is_another_ticket() -> None:
    rows = [row(priority="low"), row(priority="high") | {"connection_id": "c2"}]
    assert [proposal.place for proposal in read_proposals(rows)] == [("c1", "t1"), ("c2", "t1")]


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (
            [row(category="A", category_id="1")],
            "row 1: expected category or category_id, got both",
        ),
        (
            [row(category="A"), row(category_id="1")],
            "rows 1, 2: expected category or category_id, got both",
        ),
        (
            [row(tags_set="a", tags_add="b")],
            "row 1: expected tags_set, or tags_add and tags_remove, got both",
        ),
        (
            [row(tags_set="a"), row(tags_remove="b")],
            "rows 1, 2: expected tags_set, or tags_add and tags_remove, got both",
        ),
        (
            [row(tags_add="b,a,c", tags_remove="c,a")],
            "row 1: expected a tag to be added or removed, got both for 'a', 'c'",
        ),
        (
            [row(tags_add="a"), row(tags_remove="a")],
            "rows 1, 2: expected a tag to be added or removed, got both for 'a'",
        ),
        *(
            ([row(**{name: "1"}), row(**{name: "2"})], f"rows 1, 2: expected one {name} for a ticket, got '1' and '2'")
            for name in ("priority", "category_id", "category", "user_id", "note")
        ),
        (
            [row(status="ACTIVE"), row(status="CLOSED")],
            "rows 1, 2: expected one status for a ticket, got 'ACTIVE' and 'CLOSED'",
        ),
        (
            [row(tags_set="a"), row(tags_set="b")],
            "rows 1, 2: expected one tags_set for a ticket, got ('a',) and ('b',)",
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_contradiction_is_named_with_its_rows(rows: list[Row], fault: str) -> None:
    assert faults(*rows) == [fault]


def test_a_contradiction_between_rows_names_no_row_that_has_no_part_in_it() -> None:
    found = faults(row(tags_add="a"), row("t2", note="x"), row(priority="low"), row(priority="high"))
    assert found == ["rows 3, 4: expected one priority for a ticket, got 'low' and 'high'"]


def test_tags_to_be_set_have_no_order() -> None:
    [proposal] = read_proposals([row(tags_set="a,b"), row(tags_set="b,a")])
    assert {*(proposal.tags_set or ())} == {"a", "b"}


def test_a_reason_that_many_rows_give_is_told_once() -> None:
    reasons = ("late", "vip", "vip", "late")
    rows = [row(tags_add=f"tag {number}", reason=reason) for number, reason in enumerate(reasons)]
    assert [proposal.reason for proposal in read_proposals(rows)] == ["late; vip"]


def test_an_unknown_column_is_told_once_however_many_rows_have_it() -> None:
    known = ", ".join(COLUMNS)
    many = [row(f"t{number}", priority="low", colour="red") for number in range(1, 1001)]
    assert faults(*many) == [f"row 1 and 999 more: expected the columns {known}, got 'colour'"]
    assert faults(*many[:5]) == [f"rows 1, 2, 3, 4, 5: expected the columns {known}, got 'colour'"]
    assert faults(*many[:6]) == [f"row 1 and 5 more: expected the columns {known}, got 'colour'"]
    assert faults(row(priority="low"), row("t2", note="x", colour=None)) == [
        f"row 2: expected the columns {known}, got 'colour'"
    ]


def test_unknown_columns_are_told_in_the_order_in_which_they_stand() -> None:
    names = [f"column{number}" for number in range(9, 0, -1)]
    found = faults(row(priority="low") | dict.fromkeys(names))
    assert [fault.rsplit("'")[-2] for fault in found] == names


@pytest.mark.parametrize(
    "rows",
    [
        [row(HOSTILE, status=HOSTILE)],
        [row(tags_add="[" + HOSTILE)],
        [row(priority=[HOSTILE])],
        [row(priority={HOSTILE: HOSTILE})],
        [row(priority="low") | {HOSTILE: "x"}],
        [row(note=HOSTILE), row(note=HOSTILE + "!")],
        [row(tags_set=[HOSTILE]), row(tags_set=[HOSTILE + "!"])],
        [row(tags_add=[HOSTILE], tags_remove=[HOSTILE])],
    ],
    ids=["status", "tags", "list", "object", "column", "notes", "sets of tags", "tag"],
)
def test_hostile_values_are_quoted_short_on_one_line(rows: list[Row]) -> None:
    [fault] = faults(*rows)
    assert fault.isprintable()
    assert len(fault) < 300


def test_of_many_tags_that_are_added_and_removed_a_few_are_named() -> None:
    tags = [f"tag number {number}" for number in range(1_000)]
    [fault] = faults(row(tags_add=tags, tags_remove=tags))
    assert len(fault) < 1_000


def _nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "cells",
    [
        {"tags_add": "[" * 5_000},
        {"tags_add": '["\ud800"]'},
        {"tags_add": ["\ud800"]},
        {"priority": "\ud800"},
        {"note": "a\0b"},
        {"priority": 10**5_000},
        {"priority": _nested(50_000)},
    ],
    ids=["deep JSON", "no Unicode in JSON", "no Unicode in a tag", "no Unicode", "NUL", "a long number", "deep"],
)
def test_what_nobody_could_send_is_refused_by_its_row(cells: Row) -> None:
    [fault] = faults(row("t0", priority="low"), row(**cells))
    assert fault.startswith("row 2: ")
    assert len(fault) < 300


def test_no_rows_are_no_proposals() -> None:
    assert read_proposals([]) == []


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
)
ANY_ROWS = st.lists(
    st.dictionaries(st.sampled_from([*COLUMNS, "colour", ""]), ANYTHING | st.sampled_from(["[", "[]", "CLOSED", "a"])),
    max_size=4,
)


@given(ANY_ROWS)
def test_whatever_stands_in_a_row_is_read_or_refused(rows: list[Row]) -> None:
    try:
        proposals = read_proposals(rows)
    except ProposalsRefused:
        assert all(fault.isprintable() for fault in faults(*rows))
    else:
        assert len({proposal.place for proposal in proposals}) == len(proposals)
        assert not any(proposal.asks_for_nothing for proposal in proposals)


TICKETS = st.sampled_from(["t1", "t2"])
AGREEING = st.fixed_dictionaries(
    {"connection_id": st.just("c1"), "ticket_id": TICKETS, "tags_add": st.sampled_from(["a", "b", "b,c"])},
    optional={
        "priority": st.just("high"),
        "status": st.sampled_from(["closed", "CLOSED"]),
        "tags_remove": st.sampled_from(["x", "y,x"]),
        "note": st.just("Hello"),
        "reason": st.sampled_from(["late", "vip"]),
    },
)


def wanted(proposals: list[Proposal]) -> dict[tuple[str, str], tuple[object, ...]]:
    """What is wanted of each ticket, whatever its order."""
    return {
        each.place: (
            *(each.priority, each.status, each.note, {*each.tags_add}, {*each.tags_remove}),
            {*(each.reason or "").split("; ")},
        )
        for each in proposals
    }


@given(st.lists(AGREEING, max_size=4))
def test_rows_that_agree_want_the_same_in_any_order(rows: list[Row]) -> None:
    expected = wanted(read_proposals(rows))
    for other in permutations(rows):
        assert wanted(read_proposals(other)) == expected
