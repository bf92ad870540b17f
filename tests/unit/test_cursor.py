"""Cursor arithmetic: never ahead of what was read, never behind without need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipelines.ticketing.cursor import Cursor, advanced, as_text, starts_at
from transforms.values import parse_time

times = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 2000 <= moment.year < 2100)
maybe = st.none() | times
cursors = st.builds(Cursor, times, maybe, st.booleans())
lookbacks = st.timedeltas(timedelta(0), timedelta(days=2))


@given(st.none() | cursors, maybe, lookbacks, st.booleans())
def test_a_walk_never_starts_after_what_is_unread(
    cursor: Cursor | None, start_date: datetime | None, lookback: timedelta, with_raw: bool
) -> None:
    start = starts_at(cursor, start_date, lookback, with_raw=with_raw)
    if cursor is None or start is None:
        assert start == start_date or start is None
    elif not cursor.covers(start_date, with_raw):
        assert start == start_date
    else:
        assert start <= max(cursor.through - lookback, start_date or start)
        assert start_date is None or start >= start_date


@given(st.none() | cursors, maybe, maybe, maybe, st.booleans())
def test_a_cursor_never_goes_back_and_never_passes_the_servers_clock(
    cursor: Cursor | None,
    start: datetime | None,
    newest: datetime | None,
    served_at: datetime | None,
    with_raw: bool,
) -> None:
    after = advanced(cursor, start, newest, served_at, with_raw=with_raw)
    if after is None:
        assert cursor is None
        return
    if cursor is not None and start is not None and start > cursor.through:
        assert after in (cursor, Cursor(after.through, start, with_raw)), "what was skipped is not claimed"
    elif cursor is not None:
        assert after.through >= cursor.through
        assert after.since is None or (cursor.since is not None and after.since <= cursor.since)
    if after != cursor:
        assert newest is not None
        assert served_at is not None
        assert after.through <= max(served_at, cursor.through if cursor else served_at)
        assert after.through <= max(newest, cursor.through if cursor else newest)


@given(cursors)
def test_a_cursor_survives_being_kept(cursor: Cursor) -> None:
    assert Cursor.from_state(cursor.to_state()) == cursor


@given(times)
def test_a_time_is_sent_as_it_was_read(moment: datetime) -> None:
    assert parse_time(as_text(moment)) == moment
    assert as_text(moment).endswith("Z")


def test_a_cursor_from_absurd_times_claims_nothing() -> None:
    cursor = Cursor(datetime(1, 1, 1, tzinfo=UTC), None, with_raw=True)
    assert starts_at(cursor, None, timedelta(seconds=300), with_raw=True) is None
