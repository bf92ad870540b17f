"""A proposal beside the live ticket: what will be done, what will not and why not; and the plan that holds it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import FixConfiguration
from pipelines.settings import TRIAGE_FIELDS
from pipelines.unified_api.records import Record, parse_record
from pipelines.writeback.journal import Action, Attempt, Ending
from pipelines.writeback.live import NoteSeen, thread_of
from pipelines.writeback.plan import FORMAT, Change, LeftOut, Note, Plan, Step, Value, make_plan, read_plan, write_plan
from pipelines.writeback.planning import Categories, Sight, Writable, plan_ticket, plan_undoing
from pipelines.writeback.proposals import Proposal

PLACE = ("c1", "t1")
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
READ_AT = "2026-05-01T12:00:00.000Z"
LIVE: dict[str, Any] = {
    "id": "t1",
    "updated_at": READ_AT,
    "priority": "low",
    "category_id": "7",
    "category": "Delivery",
    "user_id": "u1",
    "status": "ACTIVE",
    "tags": ["new", "late"],
}
WRITABLE = Writable("zendesk", TRIAGE_FIELDS)
CATEGORIES = Categories(
    {"7": "Delivery", "8": "Billing", "9": "billing", "10": " Access ", "11": "Twice", "12": "Twice"}
)
UNREAD = Categories(None)
SO_ALREADY = "nothing to change: it is so already"


def ticket(**fields: Any) -> Record:
    record = parse_record(json.dumps(LIVE | fields).encode())
    assert isinstance(record, Record)
    return record


def ticket_without(*names: str) -> Record:
    record = parse_record(json.dumps({name: value for name, value in LIVE.items() if name not in names}).encode())
    assert isinstance(record, Record)
    return record


def planned(
    writable: Writable = WRITABLE,
    categories: Categories = CATEGORIES,
    sight: Sight | None = None,
    **wanted: Any,
) -> tuple[Step | None, list[LeftOut]]:
    return plan_ticket(Proposal(*PLACE, **wanted), sight or Sight(ticket(), notes=[]), writable, categories)


def change(name: str, **wanted: Any) -> Change:
    """The change of this field, which is all that is planned."""
    step, left = planned(**wanted)
    assert step
    assert (left, [*step.changes], step.note) == ([], [name], None)
    return step.changes[name]


def why_not(name: str, value: Value, **wanted: Any) -> str:
    """Why all that was wanted is left out."""
    step, [left] = planned(**wanted)
    assert step is None
    assert (left.connection_id, left.ticket_id, left.field, left.value) == (*PLACE, name, value)
    return left.why


@pytest.mark.parametrize(
    ("wanted", "name", "old", "new"),
    [
        ({"priority": "urgent"}, "priority", "low", "urgent"),
        ({"user_id": "u2"}, "user_id", "u1", "u2"),
        ({"status": "CLOSED"}, "status", "ACTIVE", "CLOSED"),
        ({"category_id": "8"}, "category_id", "7", "8"),
        ({"category": "Billing"}, "category_id", "7", "8"),
        ({"tags_set": ("vip",)}, "tags", ["new", "late"], ["vip"]),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, dict) else "",
)
def test_a_change_says_what_is_there_and_what_is_to_be(
    wanted: dict[str, Any], name: str, old: Value, new: Value
) -> None:
    assert change(name, **wanted) == Change(old, new)


def test_a_step_has_the_ticket_as_it_was_read_and_the_reason() -> None:
    step, left = planned(priority="high", note="Hello", reason="late")
    assert left == []
    assert step == Step(
        *("c1", "zendesk", "t1", READ_AT),
        changes={"priority": Change("low", "high")},
        note=Note("Hello", thread_of([])),
        reason="late",
    )


def test_of_a_ticket_without_a_time_or_a_value_nothing_is_known_before() -> None:
    bare = Sight(ticket_without("updated_at", "priority", "tags"), stored_at=NOON)
    shown = replace(WRITABLE, shown=["priority", "tags"])
    step, left = planned(sight=bare, writable=shown, priority="high", tags_add=("vip",))
    assert step
    assert left == []
    assert step.updated_at is None
    assert step.changes == {"priority": Change(None, "high"), "tags": Change([], ["vip"])}


@pytest.mark.parametrize("nothing", [None, ""], ids=repr)
def test_nothing_and_an_empty_text_are_alike(nothing: str | None) -> None:
    step, _ = planned(sight=Sight(ticket(priority=nothing)), priority="high")
    assert step
    assert step.changes == {"priority": Change(None, "high")}


def test_what_can_be_done_is_planned_beside_what_cannot() -> None:
    step, left = planned(priority="low", status="CLOSED", category="Nowhere", note="Hello")
    assert step
    assert step.changes == {"status": Change("ACTIVE", "CLOSED")}
    assert step.note == Note("Hello", thread_of([]))
    assert [(each.field, each.value, each.why) for each in left] == [
        ("priority", "low", SO_ALREADY),
        ("category", "Nowhere", "unknown category: the connection has none of this name"),
    ]


@pytest.mark.parametrize(
    ("wanted", "name", "value"),
    [
        ({"priority": "low"}, "priority", "low"),
        ({"user_id": "u1"}, "user_id", "u1"),
        ({"status": "ACTIVE"}, "status", "ACTIVE"),
        ({"category_id": "7"}, "category", "7"),
        ({"category": "Delivery"}, "category", "Delivery"),
        ({"tags_set": ("late", "new")}, "tags", ["late", "new"]),
        ({"tags_add": ("late", "new")}, "tags", ["+late", "+new"]),
        ({"tags_remove": ("gone",)}, "tags", ["-gone"]),
        ({"tags_add": ("late",), "tags_remove": ("gone",)}, "tags", ["+late", "-gone"]),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, dict) else "",
)
def test_what_is_so_already_is_left_out(wanted: dict[str, Any], name: str, value: Value) -> None:
    assert why_not(name, value, **wanted) == SO_ALREADY


@pytest.mark.parametrize(
    ("live", "wanted", "new"),
    [
        (["new", "late"], {"tags_add": ("vip", "late", "big")}, ["new", "late", "vip", "big"]),
        (["new", "late"], {"tags_remove": ("new", "gone")}, ["late"]),
        (["new", "late"], {"tags_remove": ("new", "late")}, []),
        (["new", "late"], {"tags_add": ("vip",), "tags_remove": ("new",)}, ["late", "vip"]),
        (["new", "late"], {"tags_set": ("b", "a")}, ["b", "a"]),
        (["new", "late"], {"tags_set": ()}, []),
        (["a", "b", "a"], {"tags_remove": ("a",)}, ["b"]),
        (["a", "b", "a"], {"tags_add": ("c",)}, ["a", "b", "a", "c"]),
        (["a", "A"], {"tags_remove": ("a",)}, ["A"]),
        (None, {"tags_add": ("vip",)}, ["vip"]),
        ([], {"tags_set": ("vip",)}, ["vip"]),
    ],
    ids=lambda each: repr(each) if isinstance(each, dict) else "",
)
def test_tags_are_those_that_are_there_with_what_is_added_and_without_what_is_removed(
    live: list[str] | None, wanted: dict[str, Any], new: list[str]
) -> None:
    step, left = planned(sight=Sight(ticket(tags=live)), **wanted)
    assert step
    assert left == []
    assert step.changes == {"tags": Change(live or [], new)}


@pytest.mark.parametrize("told", ["new, late", {"name": "new"}, 7, [{"name": "new"}]], ids=repr)
def test_to_tags_that_cannot_be_read_none_are_added_in_place_of_all(told: object) -> None:
    step, [left] = planned(sight=Sight(ticket(tags=told)), tags_add=("vip",))
    assert step is None
    assert (left.field, left.value) == ("tags", ["+vip"])
    assert left.why != SO_ALREADY


@given(
    st.lists(st.sampled_from("abc")),
    st.lists(st.sampled_from("abcd"), unique=True),
    st.lists(st.sampled_from("abcd"), unique=True),
)
def test_a_second_plan_about_tags_finds_nothing_to_change(live: list[str], add: list[str], remove: list[str]) -> None:
    wanted: dict[str, Any] = {
        "tags_add": tuple(add),
        "tags_remove": tuple(tag for tag in remove if tag not in add),
    }
    step, _ = planned(sight=Sight(ticket(tags=live)), **wanted)
    new = step.changes["tags"].new if step else live
    assert isinstance(new, list)
    assert {*new} == ({*live} - {*wanted["tags_remove"]}) | {*add}
    assert planned(sight=Sight(ticket(tags=new)), **wanted)[0] is None


@pytest.mark.parametrize(
    ("name", "id"),
    [("Billing", "8"), ("billing", "9"), ("Access", "10"), ("ACCESS", "10"), ("delivery", None)],
)
def test_a_category_is_known_by_its_name_just_so_and_else_in_any_case(name: str, id: str | None) -> None:
    if id is None:
        assert why_not("category", name, category=name) == SO_ALREADY
    else:
        assert change("category_id", category=name) == Change("7", id)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"category": "Nowhere"}, "unknown category: the connection has none of this name"),
        ({"category_id": "13"}, "unknown category: the connection has none with the id 13"),
        ({"category": "Twice"}, "2 categories have this name (11, 12): give one as category_id"),
        ({"category": "BILLING"}, "2 categories have this name (8, 9): give one as category_id"),
    ],
    ids=lambda each: repr(each) if isinstance(each, dict) else "",
)
def test_a_category_that_is_not_one_is_left_out(wanted: dict[str, str], why: str) -> None:
    [told] = wanted.values()
    assert why_not("category", told, **wanted) == why


def test_of_categories_that_cannot_be_read_an_id_can_be_meant_and_no_name() -> None:
    assert change("category_id", categories=UNREAD, category_id="13") == Change("7", "13")
    why = why_not("category", "Billing", categories=UNREAD, category="Billing")
    assert why == "the connection's categories cannot be read, so that only an id can be meant: category_id"


def test_a_connection_without_categories_has_none_of_any_name() -> None:
    assert "none of this name" in why_not("category", "Billing", categories=Categories({}), category="Billing")
    assert "none with the id 8" in why_not("category", "8", categories=Categories({}), category_id="8")


@pytest.mark.parametrize(
    ("fields", "wanted", "changed"),
    [
        (None, {"category": "Billing"}, {"category_id": Change("7", "8")}),
        ({"category_id", "category"}, {"category": "Billing"}, {"category_id": Change("7", "8")}),
        ({"category"}, {"category": "billing"}, {"category": Change("Delivery", "billing")}),
        ({"category"}, {"category_id": "8"}, {"category": Change("Delivery", "Billing")}),
        ({"priority"}, {"priority": "high", "user_id": "u2"}, {"priority": Change("low", "high")}),
    ],
    ids=["unknown", "both", "by name", "by name from an id", "one of two"],
)
def test_what_an_integration_takes_is_told_it_in_its_field(
    fields: set[str] | None, wanted: dict[str, Any], changed: dict[str, Change]
) -> None:
    step, _ = planned(writable=replace(WRITABLE, fields=fields), **wanted)
    assert step
    assert step.changes == changed


@pytest.mark.parametrize(
    ("wanted", "name", "field", "value"),
    [
        ({"priority": "high"}, "priority", "priority", "high"),
        ({"priority": "low"}, "priority", "priority", "low"),
        ({"user_id": "u2"}, "user_id", "user_id", "u2"),
        ({"status": "CLOSED"}, "status", "status", "CLOSED"),
        ({"tags_add": ("vip",)}, "tags", "tags", ["+vip"]),
        ({"category": "Billing"}, "category", "category_id", "Billing"),
        ({"category_id": "8"}, "category", "category_id", "8"),
    ],
    ids=lambda each: repr(each) if isinstance(each, dict) else "",
)
def test_what_an_integration_does_not_take_is_left_out(
    wanted: dict[str, Any], name: str, field: str, value: Value
) -> None:
    why = why_not(name, value, writable=replace(WRITABLE, fields={"subject"}), **wanted)
    assert why == f"zendesk does not let {field} be written"


@pytest.mark.parametrize(
    ("name", "wanted", "value"),
    [
        ("priority", {"priority": "high"}, "high"),
        ("category", {"category": "Billing"}, "Billing"),
        ("category", {"category_id": "8"}, "8"),
        ("user_id", {"user_id": "u2"}, "u2"),
        ("status", {"status": "CLOSED"}, "CLOSED"),
        ("tags", {"tags_set": ("vip",)}, ["vip"]),
        ("tags", {"tags_add": ("a",), "tags_remove": ("new",)}, ["+a", "-new"]),
        ("note", {"note": "Hello"}, "Hello"),
    ],
    ids=lambda each: repr(each) if isinstance(each, dict) else "",
)
def test_what_the_settings_do_not_allow_is_left_out(name: str, wanted: dict[str, Any], value: Value) -> None:
    others = replace(WRITABLE, allowed=[field for field in TRIAGE_FIELDS if field != name])
    why = why_not(name, value, writable=others, **wanted)
    assert why == "the setting triage.allowed_fields does not allow it"
    step, left = planned(writable=replace(WRITABLE, allowed=[name]), **wanted)
    assert step
    assert left == []


def test_without_the_permission_to_change_only_a_note_is_added_and_the_other_way_round() -> None:
    why = "the connection does not grant the permission"
    wanted: dict[str, Any] = {"priority": "high", "tags_add": ("vip",), "category": "Nowhere", "note": "Hello"}
    step, left = planned(writable=replace(WRITABLE, change_refusal=why), **wanted)
    assert step
    assert (step.changes, step.note) == ({}, Note("Hello", thread_of([])))
    assert [(each.field, each.why) for each in left] == [("priority", why), ("category", why), ("tags", why)]
    step, left = planned(writable=replace(WRITABLE, note_refusal=why), priority="high", note="Hello")
    assert step
    assert (step.changes, step.note) == ({"priority": Change("low", "high")}, None)
    assert left == [LeftOut(*PLACE, "note", "Hello", why)]


@pytest.mark.parametrize(
    ("stored_at", "is_stale"),
    [
        (None, False),
        (NOON, False),
        (NOON.astimezone(tz=None), False),
        (NOON - timedelta(microseconds=1), True),
        (NOON + timedelta(days=1), True),
    ],
    ids=["unknown", "the same", "the same in another zone", "older", "younger"],
)
def test_of_a_ticket_that_the_warehouse_knows_in_another_state_nothing_is_planned(
    stored_at: datetime | None, is_stale: bool
) -> None:
    step, left = planned(sight=Sight(ticket(), stored_at, []), priority="high", note="Hello")
    assert (step is None) == is_stale
    if is_stale:
        [whole] = left
        assert (whole.field, whole.value) == (None, None)
        assert whole.why.startswith("it has changed since the warehouse saw it")
        assert whole.why.endswith("sync, build and plan again")
    else:
        assert left == []


def test_a_note_knows_the_thread_that_it_is_for_in_any_order() -> None:
    notes = [NoteSeen("n1", "Hi"), NoteSeen("n2", "")]
    for seen in (notes, notes[::-1]):
        step, _ = planned(sight=Sight(ticket(), notes=seen), note="Hello")
        assert step
        assert step.note == Note("Hello", thread_of(["n1", "n2"]))
    assert thread_of(["n1", "n2"]) != thread_of(["n1"])
    assert thread_of(["n1", "n2"]) != thread_of(["n1", "n3"])


@pytest.mark.parametrize(
    "there",
    [
        "Dear Ann,\n\nit is mended & ready.",
        "  Dear Ann, it is  mended & ready.\r\n",
        "<p>Dear Ann,</p><p>it is mended &amp; ready.</p>",
        '<div class="x">Dear&nbsp;Ann,<br/>it is <b>mended</b> &#38; ready.</div>',
        "Dear\u00a0Ann, it is mended &amp; ready.",
    ],
    ids=["the same", "other blanks", "HTML", "more HTML", "escaped alone"],
)
def test_a_note_that_reads_the_same_is_not_added_again(there: str) -> None:
    text = "Dear Ann,\n\nit is mended & ready."
    sight = Sight(ticket(), notes=[NoteSeen("n1", "Hi"), NoteSeen("n2", there)])
    assert why_not("note", text, sight=sight, note=text) == "nothing to add: the note n2 reads the same"


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("If x < 3 and y > 2, call us.", "<p>If x &lt; 3 and y &gt; 2, call us.</p>"),
        ("Write to <ann@example.org>.", "Write to &lt;ann@example.org&gt;."),
        ("Type &lt; for <.", "Type &amp;lt; for &lt;."),
    ],
    ids=["a comparison", "an address", "an escape"],
)
def test_a_note_with_angle_brackets_is_known_again_in_html(text: str, there: str) -> None:
    sight = Sight(ticket(), notes=[NoteSeen("n1", there)])
    assert why_not("note", text, sight=sight, note=text) == "nothing to add: the note n1 reads the same"


@pytest.mark.parametrize(
    "there",
    ["Hello Ann", "hello", "Hello!", "<p>Hello Ann</p>", "", "<img src='Hello'>"],
    ids=repr,
)
def test_another_note_does_not_stand_in_the_way(there: str) -> None:
    step, left = planned(sight=Sight(ticket(), notes=[NoteSeen("n1", there)]), note="Hello")
    assert step
    assert left == []
    assert step.note == Note("Hello", thread_of(["n1"]))


@pytest.mark.parametrize(
    ("text", "there"),
    [("Restart <server 1>", "Restart <server 2>"), ("<server 1>", ""), ("<server 1>", "<img src='x'>")],
    ids=["two names", "an attachment alone", "a picture alone"],
)
def test_what_stands_in_angle_brackets_tells_notes_from_each_other(text: str, there: str) -> None:
    step, _ = planned(sight=Sight(ticket(), notes=[NoteSeen("n1", there)]), note=text)
    assert step
    assert step.note == Note(text, thread_of(["n1"]))


def test_what_the_api_may_not_show_is_not_overwritten() -> None:
    step, left = planned(sight=Sight(ticket_without("tags")), tags_add=("vip",))
    assert step is None
    assert left[0].why == "the API does not show tags of it, so that nobody could tell what it was"


@pytest.mark.parametrize(
    ("ending", "text", "why"),
    [
        (Ending.UNKNOWN, "Another", "nobody knows yet whether the note of plan 3e0029 was sent: see triage status"),
        (Ending.HELD, "Another", "nobody knows yet whether the note of plan 3e0029 was sent: see triage status"),
        (Ending.WRITTEN, "<p>Hello</p>", "nothing to add: plan 3e0029 has sent the same note"),
        (Ending.WRITTEN, "Another", None),
    ],
    ids=["unknown", "held", "sent", "another"],
)
def test_no_note_is_planned_that_was_sent_or_may_have_been_whatever_the_ticket_shows(
    ending: Ending, text: str, why: str | None
) -> None:
    sight = Sight(ticket(), notes=[], sent=[sent(ending, text)])
    step, left = planned(sight=sight, priority="high", note="Hello")
    assert step
    assert (step.note is None) is (why is not None)
    assert [each.why for each in left] == ([why] if why else [])


def sent(ending: Ending, text: str) -> Attempt:
    return Attempt(
        id=1,
        plan_id="3e0029",
        connection_id="c1",
        ticket_id="t1",
        action=Action.NOTE,
        integration_type="zendesk",
        undoes=None,
        reason=None,
        by_whom="ann",
        begun_at=NOON,
        old={},
        new={"note": text},
        baseline=[],
        before=None,
        ending=ending,
        ended_at=NOON,
        told=None,
        taken={},
        record_id=None,
        after=None,
        is_loaded=True,
    )


def test_no_note_is_planned_where_notes_cannot_be_read() -> None:
    why = why_not("note", "Hello", sight=Sight(ticket(), notes=None), note="Hello")
    assert why == "its notes cannot be read, so that nobody could tell whether this one was sent"


def undone(
    taken: dict[str, Change], live: Record | None = None, writable: Writable = WRITABLE
) -> tuple[Step | None, list[LeftOut]]:
    return plan_undoing(PLACE, taken, live or ticket(), writable, "takes it back", 3)


def test_what_was_written_is_taken_back_to_what_was_there() -> None:
    taken = {
        "priority": Change(None, "low"),
        "category_id": Change("8", "7"),
        "tags": Change(["old"], ["late", "new"]),
    }
    step, left = undone(taken)
    assert left == []
    assert step == Step(
        *("c1", "zendesk", "t1", READ_AT),
        changes={
            "priority": Change("low", None),
            "category_id": Change("7", "8"),
            "tags": Change(["new", "late"], ["old"]),
        },
        reason="takes it back",
        after=3,
    )


@pytest.mark.parametrize(
    ("live", "why"),
    [
        ("low", None),
        ("high", SO_ALREADY),
        ("urgent", "somebody has changed it since, to urgent"),
        (None, "somebody has changed it since, to nothing"),
        ("", "somebody has changed it since, to nothing"),
    ],
    ids=repr,
)
def test_what_is_not_as_it_was_written_is_not_taken_back(live: str | None, why: str | None) -> None:
    step, left = undone({"priority": Change("high", "low")}, ticket(priority=live))
    if why is None:
        assert step
        assert step.changes == {"priority": Change("low", "high")}
        assert left == []
    else:
        assert (step, left) == (None, [LeftOut(*PLACE, "priority", "high", why)])


def test_tags_that_somebody_has_changed_since_are_told_as_they_are() -> None:
    _, [left] = undone({"tags": Change(["old"], ["new"])}, ticket(tags=["new", "vip"]))
    assert (left.value, left.why) == (["old"], "somebody has changed it since, to new, vip")


def test_what_cannot_be_written_any_more_is_not_taken_back() -> None:
    taken = {"priority": Change("high", "low"), "status": Change("CLOSED", "ACTIVE")}
    step, [left] = undone(taken, writable=replace(WRITABLE, fields={"status"}))
    assert step
    assert [*step.changes] == ["status"]
    assert left == LeftOut(*PLACE, "priority", "high", "zendesk does not let priority be written")
    step, left_all = undone(taken, writable=replace(WRITABLE, change_refusal="no permission"))
    assert step is None
    assert [each.why for each in left_all] == ["no permission"] * 2


STEP = Step(
    *("c1", "zendesk", "t1", "2026-05-01T12:00:00Z"),
    changes={"priority": Change("low", "high"), "tags": Change([], ["a", "b"]), "category_id": Change("7", None)},
    note=Note("Dear Ann\n<b>\u2028", "2:0011"),
    reason="late",
)
BARE = Step("c1", "zendesk", "t2", None, note=Note("x", "0:00"))
LEFT = LeftOut("c1", "t3", "priority", "low", SO_ALREADY)
PLANS = [
    make_plan([], []),
    make_plan([STEP, BARE], [LEFT, LeftOut("c2", "t4", None, None, "unknown ticket")]),
    make_plan([STEP], [], undoes="3e0029dfa6351d09"),
]


def test_the_same_plan_has_the_same_id_and_another_one_has_another() -> None:
    assert make_plan([STEP, BARE], [LEFT]) == make_plan((STEP, BARE), (LEFT,))
    edits: dict[str, Any] = {"updated_at": None, "note": None, "reason": None, "changes": {}}
    others = [
        make_plan([STEP, BARE], []),
        make_plan([BARE, STEP], [LEFT]),
        make_plan([STEP, BARE], [LEFT], undoes="x"),
        *(make_plan([msgspec.structs.replace(STEP, **{name: value}), BARE], [LEFT]) for name, value in edits.items()),
    ]
    ids = [plan.id for plan in (make_plan([STEP, BARE], [LEFT]), *others)]
    assert len({*ids}) == len(ids)
    assert all(len(id) == 16 for id in ids)


def test_two_plans_of_the_same_proposals_are_the_same() -> None:
    wanted: dict[str, Any] = {"priority": "high", "tags_add": ("vip",), "note": "Hello", "category": "Nowhere"}
    steps = [planned(**wanted) for _ in range(2)]
    one, other = (make_plan([step] if step else [], left) for step, left in steps)
    assert one == other


def test_a_plan_counts_the_tickets_that_each_field_is_changed_of() -> None:
    assert PLANS[0].fields == {}
    assert PLANS[1].fields == {"priority": 1, "tags": 1, "category_id": 1, "note": 2}


@pytest.mark.parametrize("plan", PLANS, ids=["empty", "full", "undoing"])
def test_a_plan_is_read_as_it_was_written(plan: Plan) -> None:
    text = write_plan(plan)
    assert text.endswith(b"\n")
    assert read_plan(text, "plan.json") == plan
    assert read_plan(json.dumps(json.loads(text)).encode(), "plan.json") == plan


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "to be a plan of"),
        (b"connection_id,ticket_id\n", "to be a plan of"),
        (b"[]", "to be a plan of"),
        (b"{}", "to be a plan of"),
        (b"\xff\xfe", "to be a plan of"),
        (b'{"format": "\xff"}', "to be a plan of"),
        (b'{"more": ' + b"[" * 10_000, "to be a plan of"),
        (b'{"format":"x' + b"x" * 5_000 + b'","id":"","undoes":null,"steps":[],"left_out":[]}', "Make it anew"),
        (write_plan(PLANS[1]).replace(FORMAT.encode(), FORMAT.encode() + b"0"), "Make it anew"),
        (write_plan(PLANS[1])[:-20], "to be a plan of"),
        (write_plan(PLANS[1]).replace(b'"high"', b'"urgent"'), "was changed after it was made"),
        (write_plan(PLANS[1]).replace(b'"high"', b"5"), "to be a plan of"),
    ],
    ids=[
        *("empty", "CSV", "a list", "an object", "UTF-16", "no UTF-8", "deep", "another form", "a later form"),
        *("cut off", "edited", "a number"),
    ],
)
def test_what_is_no_plan_or_was_edited_is_refused_by_name(text: bytes, expected: str) -> None:
    with pytest.raises(FixConfiguration, match=expected) as caught:
        read_plan(text, "my plan.json")
    assert "my plan.json" in str(caught.value)
    assert len(str(caught.value)) < 400


def _places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where in a document something stands."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield (*at, name)
        yield from _places(each, (*at, name))


OTHERS = st.sampled_from([None, "", "x", "low", "high", "c1", "t1", 5, True, [], ["a"], ["b", "a"], {}, {"old": None}])


@given(st.sampled_from(PLANS[1:]), st.data())
def test_a_plan_of_which_anything_was_changed_is_refused_or_still_the_same(plan: Plan, data: st.DataObject) -> None:
    document = json.loads(write_plan(plan))
    *path, last = data.draw(st.sampled_from([*_places(document)]))
    edited = deepcopy(document)
    place: Any = edited
    for name in path:
        place = place[name]
    match data.draw(st.sampled_from(["changed", "removed", "doubled", "renamed"])):
        case "changed":
            place[last] = data.draw(OTHERS)
        case "removed":
            del place[last]
        case "doubled" if isinstance(place, list):
            place.append(place[int(last)])
        case "renamed" if isinstance(place, dict):
            place[f"{last}x"] = place.pop(last)
    try:
        read = read_plan(json.dumps(edited).encode(), "plan.json")
    except FixConfiguration:
        return
    assert read == plan


@given(st.binary())
def test_whatever_is_in_a_file_it_is_a_plan_or_refused(text: bytes) -> None:
    with pytest.raises(FixConfiguration):
        read_plan(text, "plan.json")
