"""What is sent to a live ticket, what an answer makes of it, and what a later look tells where no answer came."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.unified_api.records import Record, parse_record
from pipelines.writeback.intents import (
    Intent,
    Result,
    changed,
    intend_change,
    intend_note,
    look_at_change,
    look_at_note,
    noted,
)
from pipelines.writeback.journal import Ending, Sighting
from pipelines.writeback.live import Comparison, Seen, compare, is_same, thread_of
from pipelines.writeback.plan import NOTE, Change, Note, Step, Value, told

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
BEFORE = "2026-05-01T11:00:00.000Z"
SINCE = "2026-05-01T12:00:00.000Z"
LIVE = {"id": "t1", "updated_at": BEFORE, "priority": "low", "status": "ACTIVE", "tags": ["new"], "raw": {"n": 1}}

OLD, NEW, OTHER = "low", "high", "urgent"


def seen(fields: dict[str, Any]) -> Seen:
    record = parse_record(json.dumps(fields).encode())
    assert isinstance(record, Record)
    return Seen(record, NOON)


def ticket(**fields: Any) -> Seen:
    return seen(LIVE | fields)


def ticket_without(name: str, **fields: Any) -> Seen:
    return seen({key: value for key, value in (LIVE | fields).items() if key != name})


def note(id: str, text: str | None) -> Seen:
    return seen({"id": id, "ticket_id": "t1", "description": text})


def step(**changes: tuple[Value, Value]) -> Step:
    return Step("c1", "zendesk", "t1", BEFORE, {name: Change(*values) for name, values in changes.items()})


def intended(of: Step, at: Seen) -> Intent:
    intent = intend_change(of, at)
    assert isinstance(intent, Intent)
    return intent


def kept(baseline: Any) -> Any:
    """A baseline as the journal gives it back."""
    return msgspec.json.decode(msgspec.json.encode(baseline))


@pytest.mark.parametrize(
    ("old", "new", "live", "is_now"),
    [
        (OLD, NEW, OLD, "due"),
        (OLD, NEW, NEW, "standing"),
        (OLD, NEW, OTHER, "conflicts"),
        (OLD, NEW, None, "conflicts"),
        (OLD, NEW, "", "conflicts"),
        (OLD, NEW, "LOW", "conflicts"),
        (None, NEW, None, "due"),
        (None, NEW, "", "due"),
        (None, NEW, NEW, "standing"),
        (None, NEW, OTHER, "conflicts"),
        (OLD, None, OLD, "due"),
        (OLD, None, None, "standing"),
        (OLD, None, "", "standing"),
        (OLD, None, OTHER, "conflicts"),
        ("5", "6", 5, "due"),
        ("5", "6", 6, "standing"),
    ],
)
def test_a_live_value_is_as_it_was_or_as_it_is_to_be_or_somebody_elses(
    old: Value, new: Value, live: object, is_now: str
) -> None:
    compared = compare({"priority": Change(old, new)}, ticket(priority=live).record)
    assert _judged(compared, "priority") == is_now
    assert [*compared.due.values()] == ([new] if is_now == "due" else [])


def _judged(compared: Comparison, name: str) -> str:
    if name in compared.due:
        return "due"
    return "conflicts" if name in compared.conflicts else "standing"


@pytest.mark.parametrize(
    ("old", "new", "live", "is_now"),
    [
        (["a", "b"], ["a", "c"], ["a", "b"], "due"),
        (["a", "b"], ["a", "c"], ["b", "a"], "due"),
        (["a", "b"], ["a", "c"], ["b", "a", "b"], "due"),
        (["a", "b"], ["a", "c"], ["c", "a"], "standing"),
        (["a", "b"], ["a", "c"], ["a"], "conflicts"),
        (["a", "b"], ["a", "c"], ["a", "b", "c"], "conflicts"),
        (["a", "b"], ["a", "c"], ["A", "B"], "conflicts"),
        (["a", "b"], [], None, "standing"),
        ([], ["a"], None, "due"),
        ([], ["a"], [], "due"),
        ([], ["a"], ["b"], "conflicts"),
    ],
)
def test_live_tags_are_compared_as_a_set(old: Value, new: Value, live: object, is_now: str) -> None:
    compared = compare({"tags": Change(old, new)}, ticket(tags=live).record)
    assert _judged(compared, "tags") == is_now


VALUES = st.sampled_from([None, "low", "high", "urgent"])


@given(VALUES, VALUES, VALUES, st.sampled_from([None, "ACTIVE", "CLOSED"]))
def test_each_field_is_judged_once_and_for_itself(old: Value, new: Value, live: Value, status: Value) -> None:
    changes = {"priority": Change(old, new), "status": Change("ACTIVE", "CLOSED")}
    compared = compare(changes, ticket(priority=live, status=status).record)
    for name, change in changes.items():
        alone = compare({name: change}, ticket(priority=live, status=status).record)
        assert _judged(compared, name) == _judged(alone, name)
    assert not set(compared.due) & set(compared.conflicts)


def test_what_is_still_to_be_sent_is_sent_with_what_was_there_before() -> None:
    before = ticket(status="CLOSED")
    intent = intended(step(priority=(OLD, NEW), status=("ACTIVE", "CLOSED"), tags=(["new"], ["vip"])), before)
    assert intent.old == {"priority": OLD, "tags": ["new"]}
    assert intent.new == {"priority": NEW, "tags": ["vip"]}
    assert intent.before == Sighting.of(*before)
    assert intent.baseline


def test_a_ticket_that_is_so_already_is_sent_nothing() -> None:
    result = intend_change(step(priority=("urgent", OLD), tags=([], ["new"])), ticket())
    assert result == Result(Ending.STANDING, "it was so already")


def test_what_somebody_else_has_changed_leaves_the_whole_ticket_alone() -> None:
    result = intend_change(
        step(priority=("x", NEW), status=("ACTIVE", "CLOSED"), tags=(["x"], ["y"]), user_id=("u1", "u2")),
        ticket(tags=["a", "b"]),
    )
    assert isinstance(result, Result)
    assert result.ending is Ending.CONFLICT
    assert result.told == "somebody has changed since it was planned: priority, tags, user_id"


def test_conflicts_are_told_in_the_order_of_the_plan() -> None:
    names = [f"field_{number}" for number in range(9, 0, -1)]
    compared = compare({name: Change("x", "y") for name in names}, ticket().record)
    assert compared.conflicts == names


@pytest.mark.parametrize(
    ("shown", "ending", "taken"),
    [
        ({"priority": NEW, "tags": ["vip", "new"]}, Ending.WRITTEN, {"priority": NEW, "tags": ["vip", "new"]}),
        ({"priority": NEW, "tags": ["new"]}, Ending.WRITTEN, {"priority": NEW}),
        ({"priority": OLD, "tags": ["new", "vip"]}, Ending.WRITTEN, {"tags": ["new", "vip"]}),
        ({"priority": "High", "tags": ["new", "VIP"]}, Ending.WRITTEN, {"priority": "High", "tags": ["new", "VIP"]}),
        ({"priority": OLD, "tags": ["new"]}, Ending.REFUSED, None),
    ],
    ids=["all", "one of two", "the other", "in words of its own", "nothing"],
)
def test_an_answer_tells_what_the_helpdesk_has_taken(
    shown: dict[str, Any], ending: Ending, taken: dict[str, Value] | None
) -> None:
    intent = intended(step(priority=(OLD, NEW), tags=(["new"], ["new", "vip"])), ticket())
    answer = ticket(updated_at=SINCE, **shown)
    result = changed(intent, answer)
    assert (result.ending, result.taken) == (ending, taken)
    if ending is Ending.WRITTEN:
        assert (result.record_id, result.after) == ("t1", Sighting.of(*answer))
    else:
        assert result.told == "the API has answered that it was done, but shows as before: priority, tags"


def test_of_what_was_not_taken_it_is_said_what_is_there_still() -> None:
    intent = intended(step(priority=(OLD, NEW), user_id=(None, "u2")), ticket())
    result = changed(intent, ticket(priority=NEW))
    assert result.told == "the helpdesk has not taken all of it, and shows as before: user_id"
    assert changed(intent, ticket(priority=NEW, user_id="u2")).told is None


@pytest.mark.parametrize(
    ("live", "ending"),
    [
        ({}, Ending.FAILED),
        ({"raw": {"n": 2}}, Ending.FAILED),
        ({"updated_at": "2026-05-01T11:00:00Z"}, Ending.HELD),
        ({"updated_at": SINCE}, Ending.HELD),
        ({"status": "CLOSED"}, Ending.HELD),
        ({"updated_at": SINCE, "status": "CLOSED"}, Ending.HELD),
        ({"priority": NEW}, Ending.WRITTEN),
        ({"priority": NEW, "updated_at": SINCE}, Ending.WRITTEN),
        ({"priority": NEW, "updated_at": SINCE, "status": "CLOSED"}, Ending.WRITTEN),
        ({"priority": OTHER}, Ending.HELD),
        ({"priority": OTHER, "updated_at": SINCE}, Ending.HELD),
        ({"priority": None, "updated_at": SINCE}, Ending.HELD),
    ],
    ids=[
        *("as it was", "as it was but for raw", "another way to write the time", "a person's change back"),
        *("another field", "another field since", "as wanted", "as wanted since", "as wanted and more"),
        *("another value", "another value since", "no value since"),
    ],
)
def test_a_look_tells_whether_a_change_without_an_answer_was_carried_out(live: dict[str, Any], ending: Ending) -> None:
    """A value that is old again on a ticket that has changed since may be our change, taken back by a person."""
    intent = intended(step(priority=(OLD, NEW)), ticket())
    look = ticket(**live)
    result = look_at_change(intent.new, kept(intent.baseline), look)
    assert result.ending is ending
    assert result.told
    if ending is Ending.WRITTEN:
        assert (result.taken, result.record_id, result.after) == ({"priority": NEW}, "t1", Sighting.of(*look))
    else:
        assert (result.taken, result.record_id, result.after) == (None, None, None)


@pytest.mark.parametrize(
    ("live", "ending"),
    [
        ({"priority": NEW, "tags": ["vip"]}, Ending.WRITTEN),
        ({"priority": NEW}, Ending.HELD),
        ({"tags": ["vip"]}, Ending.HELD),
        ({}, Ending.FAILED),
    ],
    ids=["both", "one", "the other", "neither"],
)
def test_of_two_fields_both_have_to_be_as_wanted(live: dict[str, Any], ending: Ending) -> None:
    intent = intended(step(priority=(OLD, NEW), tags=(["new"], ["vip"])), ticket())
    assert look_at_change(intent.new, kept(intent.baseline), ticket(**live)).ending is ending


@pytest.mark.parametrize("time", [None, "", "soon"], ids=repr)
def test_of_a_ticket_without_a_time_nobody_can_say_that_nothing_was_done(time: str | None) -> None:
    timeless = ticket(updated_at=time) if time is not None else ticket_without("updated_at")
    intent = intended(step(priority=(OLD, NEW)), timeless)
    assert intent.baseline is None
    assert look_at_change(intent.new, kept(intent.baseline), timeless).ending is Ending.HELD
    assert look_at_change(intent.new, kept(intent.baseline), ticket()).ending is Ending.HELD
    written = ticket_without("updated_at", priority=NEW)
    assert look_at_change(intent.new, kept(intent.baseline), written).ending is Ending.WRITTEN


def test_a_ticket_that_has_lost_its_time_since_is_held() -> None:
    intent = intended(step(priority=(OLD, NEW)), ticket())
    assert look_at_change(intent.new, kept(intent.baseline), ticket_without("updated_at")).ending is Ending.HELD


LOOKED_AT = st.fixed_dictionaries(
    {
        "priority": st.sampled_from([OLD, NEW, OTHER, None]),
        "updated_at": st.sampled_from([BEFORE, SINCE, None]),
        "tags": st.sampled_from([["new"], ["vip"], [], None]),
    }
)


@given(LOOKED_AT, LOOKED_AT)
def test_it_is_sent_again_only_to_the_very_state_that_it_was_sent_to(
    before: dict[str, Any], now: dict[str, Any]
) -> None:
    intent = intend_change(step(priority=(before["priority"], "done")), ticket(**before))
    assert isinstance(intent, Intent)
    result = look_at_change(intent.new, kept(intent.baseline), ticket(**now))
    assert (result.ending is Ending.FAILED) == (before == now and before["updated_at"] is not None)


NOTES = [note("n1", "Hi"), note("n2", None)]
PLANNED = Note("Dear Ann,\nit is mended.", thread_of(["n1", "n2"]))
IN_HTML = "<p>Dear&nbsp;Ann,<br>it is <b>mended</b>.</p>"


@pytest.mark.parametrize("notes", [NOTES, NOTES[::-1]], ids=["in order", "in another order"])
def test_a_note_is_sent_to_the_thread_that_it_was_planned_for(notes: list[Seen]) -> None:
    intent = intend_note(PLANNED, notes)
    assert isinstance(intent, Intent)
    assert (intent.old, intent.new) == ({}, {NOTE: PLANNED.text})
    assert sorted(intent.baseline) == ["n1", "n2"]
    assert intent.before is None


@pytest.mark.parametrize(
    ("notes", "why"),
    [
        ([*NOTES, note("n3", "One more thing")], "its conversation has gone on since it was planned"),
        (NOTES[:1], "its conversation has gone on since it was planned"),
        ([], "its conversation has gone on since it was planned"),
        ([NOTES[0], note("n9", None)], "its conversation has gone on since it was planned"),
        ([*NOTES, note("n3", PLANNED.text)], "the note n3 reads the same already"),
        ([*NOTES, note("n3", IN_HTML)], "the note n3 reads the same already"),
        ([note("n1", IN_HTML), NOTES[1]], "the note n1 reads the same already"),
    ],
    ids=["one more", "one less", "none", "another", "the same", "the same in HTML", "one has become the same"],
)
def test_a_note_is_not_sent_to_a_thread_that_has_gone_on(notes: list[Seen], why: str) -> None:
    assert intend_note(PLANNED, notes) == Result(Ending.CONFLICT, why)


def test_a_note_without_words_does_not_stand_in_the_way_of_another() -> None:
    text = "See <https://status.example.org>"
    empty = [note("n1", None), note("n2", ""), note("n3", "<img src='x'>"), seen({"id": "n4"})]
    planned = Note(text, thread_of(["n1", "n2", "n3", "n4"]))
    assert isinstance(intend_note(planned, empty), Intent)


def test_an_answer_to_a_note_is_the_note() -> None:
    intent = intend_note(PLANNED, NOTES)
    assert isinstance(intent, Intent)
    answer = note("n3", IN_HTML)
    assert noted(intent, answer) == Result(Ending.WRITTEN, None, {NOTE: PLANNED.text}, "n3", Sighting.of(*answer))


@pytest.mark.parametrize(
    ("fresh", "early", "late"),
    [
        ([], Ending.UNKNOWN, Ending.FAILED),
        ([note("n3", PLANNED.text)], Ending.WRITTEN, Ending.WRITTEN),
        ([note("n3", IN_HTML)], Ending.WRITTEN, Ending.WRITTEN),
        ([note("n3", "Thanks!")], Ending.UNKNOWN, Ending.HELD),
        ([note("n3", "Thanks!"), note("n4", IN_HTML)], Ending.WRITTEN, Ending.WRITTEN),
        ([note("n3", f"{PLANNED.text}\n-- \nYour team")], Ending.UNKNOWN, Ending.HELD),
        ([note("n3", None)], Ending.UNKNOWN, Ending.HELD),
    ],
    ids=["none", "ours", "ours in HTML", "another's", "another's and ours", "with a signature", "without words"],
)
def test_a_look_tells_whether_a_note_without_an_answer_was_sent(fresh: list[Seen], early: Ending, late: Ending) -> None:
    intent = intend_note(PLANNED, NOTES)
    assert isinstance(intent, Intent)
    for is_early, ending in ((True, early), (False, late)):
        result = look_at_note(intent.new, kept(intent.baseline), [*NOTES, *fresh], is_early=is_early)
        assert result.ending is ending
        assert result.told
        if ending is Ending.WRITTEN:
            assert (result.taken, result.record_id) == ({NOTE: PLANNED.text}, fresh[-1].record.id)
            assert result.after == Sighting.of(*fresh[-1])
        else:
            assert (result.taken, result.record_id, result.after) == (None, None, None)


def test_a_note_that_was_there_before_is_not_taken_for_ours() -> None:
    """It was of other words when ours was sent, and has been edited since."""
    edited: Sequence[Seen] = [note("n1", PLANNED.text), NOTES[1]]
    result = look_at_note({NOTE: PLANNED.text}, ["n1", "n2"], edited, is_early=False)
    assert result.ending is Ending.FAILED


def test_notes_that_are_gone_hide_nothing() -> None:
    assert look_at_note({NOTE: "x"}, ["n1", "n2"], [], is_early=False).ending is Ending.FAILED
    assert look_at_note({NOTE: "x"}, ["n1"], [note("n2", "x")], is_early=False).ending is Ending.WRITTEN


@pytest.mark.parametrize(
    ("value", "words"),
    [("low", "low"), ("", "nothing"), (None, "nothing"), ([], "nothing"), (["a", "b"], "a, b")],
    ids=repr,
)
def test_a_value_is_told_as_a_person_would(value: Value, words: str) -> None:
    assert told(value) == words


@given(st.lists(st.sampled_from("abc")), st.lists(st.sampled_from("abc")))
def test_tags_are_the_same_in_any_order_and_however_often(one: list[str], other: list[str]) -> None:
    assert is_same(one, other) == (set(one) == set(other))
    assert is_same(one, other) == is_same(other, one)
