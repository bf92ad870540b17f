"""Spans of time that have been read: joined, cut to what can be trusted, and what is left between them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.ticketing.coverage import Coverage, CoverageState, Stretch

NOON = datetime(2026, 5, 29, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(days=1)

spans = st.lists(st.tuples(st.none() | st.integers(0, 40), st.integers(0, 40)), max_size=12)


def at(minute: int | None) -> datetime | None:
    return None if minute is None else NOON + timedelta(minutes=minute)


def covered(added: list[tuple[int | None, int]]) -> Coverage:
    coverage = Coverage(None)
    for start, end in added:
        coverage.add(at(start), at(end))
    return coverage


def minutes_in(stretches: list[Stretch]) -> set[float]:
    """The quarters of minutes that lie inside; from one before the first that a span may name."""
    quarters = [quarter / 4 + 1 / 8 for quarter in range(-4, 4 * 50)]
    return {
        minute
        for minute in quarters
        for stretch in stretches
        if (stretch.start is None or NOON + timedelta(minutes=minute) > stretch.start)
        and stretch.end is not None
        and NOON + timedelta(minutes=minute) < stretch.end
    }


@given(spans, st.none() | st.integers(0, 40), st.integers(0, 45))
def test_gaps_are_exactly_what_no_span_holds(added: list[tuple[int | None, int]], start: int | None, end: int) -> None:
    wanted = minutes_in([Stretch(at(start), at(end))])
    held = minutes_in([Stretch(at(first), at(last)) for first, last in added])
    gaps = covered(added).gaps(at(start), NOON + timedelta(minutes=end))
    assert minutes_in(gaps) == wanted - held
    assert all(former.end and latter.start and former.end < latter.start for former, latter in pairwise(gaps))


@given(spans, st.integers(0, 45))
def test_what_is_kept_is_what_was_read_before_it_could_change(
    added: list[tuple[int | None, int]], trusted_until: int
) -> None:
    coverage = covered(added)
    coverage.trusted_until = NOON + timedelta(minutes=trusted_until)
    kept: CoverageState | None = json.loads(json.dumps(coverage.to_state(with_raw=True)))
    again = Coverage.from_state(kept, None, with_raw=True)
    held = minutes_in([Stretch(None, LATER)]) - minutes_in(coverage.gaps(None, LATER))
    held_again = minutes_in([Stretch(None, LATER)]) - minutes_in(again.gaps(None, LATER))
    assert held_again == {minute for minute in held if minute < trusted_until}
    assert again.is_empty == (not held_again and kept is None)


def test_nothing_is_kept_that_nobody_said_could_be_trusted() -> None:
    assert covered([(None, 10)]).to_state(with_raw=True) is None


def test_a_reading_from_another_time_or_without_raw_goes_on_from_none() -> None:
    coverage = covered([(None, 10)])
    coverage.trusted_until = LATER
    state = coverage.to_state(with_raw=True)
    assert not Coverage.from_state(state, None, with_raw=True).is_empty
    assert Coverage.from_state(state, NOON, with_raw=True).is_empty
    assert Coverage.from_state(state, None, with_raw=False).is_empty
