"""However events come, the same state stands in the end, and it is the latest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.webhooks.arbitration import Event, Standing, settled

START = datetime(2026, 5, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def state(seconds: float | None, received: float = 1_000) -> Event:
    return Event(None if seconds is None else at(seconds), at(received))


def deletion(seconds: float | None, received: float = 1_000) -> Event:
    return Event(None if seconds is None else at(seconds), at(received), is_deletion=True)


def polled(seconds: float | None, seen: float = 500, deleted: float | None = None) -> Standing:
    return Standing(
        None if seconds is None else at(seconds),
        at(seen),
        None if deleted is None else at(deleted),
        is_polled=True,
    )


def last(before: Standing | None, *events: Event) -> Standing:
    standing = settled(before, events)
    assert standing is not None
    return standing


histories = st.lists(st.booleans(), min_size=1, max_size=6)
"""Of each time whether the record was there in a new state, or gone."""


@given(st.data(), histories, st.sampled_from([None, "polled", "pushed"]))
def test_the_latest_state_stands_in_whatever_order_and_however_often_events_come(
    data: st.DataObject, history: list[bool], first: str | None
) -> None:
    events = [state(10 * n) if is_there else deletion(10 * n) for n, is_there in enumerate(history, start=1)]
    arrived = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=4))))
    received = [event._replace(received_at=at(100 + n)) for n, event in enumerate(arrived)]
    before = None if first is None else Standing(at(5), at(50), is_polled=first == "polled")
    standing = last(before, *received)
    assert (standing.deleted_at is None) == history[-1]
    assert standing.updated_at == at(10 * len(history)) or not history[-1]
    assert not standing.is_unseen or not any(history)


@given(st.data(), histories)
def test_events_in_portions_end_as_they_do_at_once(data: st.DataObject, history: list[bool]) -> None:
    events = [
        (state if is_there else deletion)(10 * n, received=100 + n) for n, is_there in enumerate(history, start=1)
    ]
    cut = data.draw(st.integers(0, len(events)))
    first, at_once = settled(None, events[:cut]), last(None, *events)
    in_portions = last(first, *events[cut:])
    assert (in_portions.updated_at, in_portions.deleted_at) == (at_once.updated_at, at_once.deleted_at)


def test_a_late_event_does_not_turn_a_newer_row_back() -> None:
    assert last(polled(20), state(10)).is_as_before


def test_of_two_states_of_one_time_the_later_event_counts_but_never_before_what_was_polled() -> None:
    assert last(None, state(10, 100), state(10, 101)).by == 1
    assert last(polled(10), state(10)).is_as_before


def test_what_has_no_time_is_told_by_polling_alone() -> None:
    assert last(None, state(None)).by == 0
    assert last(polled(10), state(None)).is_as_before
    assert last(polled(None), state(10)).is_as_before


def test_a_record_that_was_never_seen_is_gone_before_its_states_come() -> None:
    unseen = last(None, deletion(30))
    assert (unseen.deleted_at, unseen.is_unseen) == (at(30), True)
    told = last(None, deletion(30), state(10), state(30), state(20))
    assert (told.deleted_at, told.is_unseen, told.by) == (at(30), False, 2)
    assert last(None, deletion(30), state(31)).deleted_at is None


def test_a_tombstone_is_lifted_by_a_later_state_only() -> None:
    assert last(polled(10, deleted=40), state(41)).deleted_at is None
    for late in (state(40), state(20)):
        told = last(polled(10, deleted=40), late)
        assert (told.deleted_at, told.updated_at, told.by) == (at(40), late.updated_at, 0)
    assert last(polled(30, deleted=40), state(20)).is_as_before


@pytest.mark.parametrize(("seen", "is_gone"), [(990, True), (1_200, True), (1_400, False)])
def test_word_of_an_end_without_a_time_counts_unless_the_record_was_polled_since(seen: float, *, is_gone: bool) -> None:
    standing = last(polled(10, seen=seen), deletion(None, received=1_000))
    assert (standing.deleted_at is not None) == is_gone


def test_word_of_an_end_without_a_time_does_not_count_before_a_change_since() -> None:
    assert last(None, state(1_005, received=1_006), deletion(None, received=1_000)).deleted_at is None


def test_a_second_end_is_later_than_what_was_between() -> None:
    assert last(None, deletion(10), deletion(30), state(20)).deleted_at == at(30)
