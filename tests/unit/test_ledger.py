"""A ledger tells what differs between two sides exactly as a comparison of two dictionaries would."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.ticketing.ledger import Difference, Differs, Ledger, Ledgers, Sight
from pipelines.warehouse.stored import StoredState

NOON = datetime(2026, 5, 29, 12, 0, tzinfo=UTC)
IDS = ["1", "2", "10", "ä", "a'b", "", "A", "a"]

moments = st.none() | st.builds(lambda micros: NOON + timedelta(microseconds=micros), st.integers(-3, 3))
sights = st.lists(st.builds(Sight, st.sampled_from(IDS), moments), max_size=20)


@st.composite
def states(draw: st.DrawFn) -> list[StoredState]:
    rows = draw(st.lists(st.tuples(st.sampled_from(IDS), moments, st.booleans()), unique_by=lambda row: row[0]))
    return [StoredState(id, moment, None, NOON, is_deleted, "1") for id, moment, is_deleted in rows]


@pytest.fixture
def ledgers() -> Iterator[Ledgers]:
    opened = Ledgers()
    yield opened
    opened.close()


def filled(ledgers: Ledgers, shown: list[Sight], held: list[StoredState]) -> Ledger:
    ledger = ledgers.open()
    ledger.show(shown)
    ledger.hold(held)
    return ledger


def newest_shown(shown: list[Sight]) -> dict[str, datetime | None]:
    newest: dict[str, datetime | None] = {}
    for sight in shown:
        known = newest.get(sight.id)
        newest[sight.id] = max(filter(None, [known, sight.updated_at]), default=None)
    return newest


def living(held: list[StoredState]) -> dict[str, datetime | None]:
    return {state.id: state.updated_at for state in held if not state.is_deleted}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sights, states())
def test_it_tells_every_difference_and_no_other(ledgers: Ledgers, shown: list[Sight], held: list[StoredState]) -> None:
    ledger = filled(ledgers, shown, held)
    source, here = newest_shown(shown), living(held)
    gone = {state.id for state in held} - here.keys()
    expected = {
        **dict.fromkeys(source.keys() - here.keys() - gone, Differs.MISSING),
        **dict.fromkeys(source.keys() & gone, Differs.DELETED),
        **{id: Differs.OTHER_STATE for id in source.keys() & here.keys() if source[id] != here[id]},
    }
    assert {difference.id: difference.differs for difference in ledger.differences()} == expected
    assert ledger.unseen() == sorted(here.keys() - source.keys())
    assert ledger.returned() == sorted(source.keys() & gone)
    assert ledger.count() == (len(source), len(here))
    ledger.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sights, states())
def test_it_tells_the_times_of_both_sides(ledgers: Ledgers, shown: list[Sight], held: list[StoredState]) -> None:
    source, here = newest_shown(shown), {state.id: state.updated_at for state in held}
    ledger = filled(ledgers, shown, held)
    for difference in ledger.differences():
        assert difference.shown_at == source[difference.id]
        assert difference.held_at == here.get(difference.id)
    ledger.close()


def test_places_count_what_is_shown_by_its_time_so_that_neighbours_can_be_told(ledgers: Ledgers) -> None:
    shown = [Sight(str(number), NOON + timedelta(minutes=number)) for number in (4, 0, 2, 1, 3)]
    ledger = filled(ledgers, shown, [StoredState("2", NOON + timedelta(minutes=2), None, NOON, False, "1")])
    assert [(difference.id, difference.place) for difference in ledger.differences()] == [
        ("0", 0), ("1", 1), ("3", 3), ("4", 4),
    ]  # fmt: skip


def test_what_says_something_else_at_the_same_time_differs_in_its_content(ledgers: Ledgers) -> None:
    held = [StoredState(id, NOON, "7", NOON, False, "1") for id in ("a", "b")]
    ledger = filled(ledgers, [Sight("a", NOON, "7"), Sight("b", NOON, "7")], held)
    ledger.hold_other(["b"])
    ledger.hold_other([])
    [difference] = ledger.differences()
    assert difference == Difference(Differs.OTHER_CONTENT, "b", NOON, NOON, NOON, "7", difference.place)


def test_an_id_that_was_shown_can_be_named_while_it_fills(ledgers: Ledgers) -> None:
    ledger = ledgers.open()
    assert ledger.shown_id is None
    ledger.show([Sight("first", NOON), Sight("second", NOON)])
    assert ledger.shown_id == "first"


def test_ledgers_that_are_open_at_once_do_not_see_each_other(ledgers: Ledgers) -> None:
    first, second = filled(ledgers, [Sight("a", NOON)], []), filled(ledgers, [Sight("b", NOON)], [])
    assert [difference.id for difference in first.differences()] == ["a"]
    assert [difference.id for difference in second.differences()] == ["b"]


def test_more_records_than_its_memory_holds_are_told_all_the_same(ledgers: Ledgers) -> None:
    count = 120_000
    ledger = ledgers.open()
    ledger.show(Sight(f"{number:09}", NOON + timedelta(seconds=number)) for number in range(count))
    for start in range(0, count, 10_000):
        ledger.hold(
            [
                StoredState(f"{number:09}", NOON + timedelta(seconds=number), None, NOON, False, "1")
                for number in range(start, start + 10_000)
                if number % 50_000
            ]
        )
    assert [int(difference.id) for difference in ledger.differences()] == [0, 50_000, 100_000]
