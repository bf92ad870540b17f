"""Cursor arithmetic: never ahead of what was read, never behind without need."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipelines.ticketing.cursor import Cursor, CursorState, advanced, as_text, starts_at
from transforms.values import parse_time

times = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
maybe = st.none() | times
cursors = st.builds(Cursor, maybe, maybe, st.booleans())
lookbacks = st.timedeltas(timedelta(0), timedelta(days=2))


@given(st.none() | cursors, maybe, lookbacks, st.booleans())
def test_a_walk_never_starts_after_what_is_unread(
    cursor: Cursor | None, start_date: datetime | None, lookback: timedelta, with_raw: bool
) -> None:
    start = starts_at(cursor, start_date, lookback, with_raw=with_raw)
    if cursor is None or cursor.through is None or start is None:
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
    before = cursor.through if cursor else None
    if cursor is None or before is None or (start is not None and start > before):
        assert after in (cursor, Cursor(after.through, start, with_raw)), "what was skipped is not claimed"
    else:
        assert after.through is not None
        assert after.through >= before
        gains_raw = with_raw and not cursor.with_raw and newest is not None and served_at is not None
        assert gains_raw or after.since is None or (cursor.since is not None and after.since <= cursor.since)
    if after.through != before:
        assert after.through is not None
        assert newest is not None
        assert served_at is not None
        assert after.through <= max(served_at, before or served_at)
        assert after.through <= max(newest, before or newest)


@given(times, maybe, maybe, times, times)
def test_a_cursor_that_gains_raw_claims_what_was_read_with_it_and_nothing_before(
    through: datetime, since: datetime | None, start: datetime | None, newest: datetime, served_at: datetime
) -> None:
    after = advanced(Cursor(through, since, with_raw=False), start, newest, served_at, with_raw=True)
    assert after.since == start
    assert after.covers(start, with_raw=True)
    assert start is None or not after.covers(None, with_raw=True)


@given(maybe, maybe, maybe)
def test_a_complete_walk_that_showed_no_time_is_known_and_the_next_one_reads_all_again(
    start: datetime | None, newest: datetime | None, served_at: datetime | None
) -> None:
    cursor = advanced(None, start, None, served_at, with_raw=True)
    assert cursor == Cursor(None, start, with_raw=True)
    assert starts_at(cursor, start, timedelta(seconds=300), with_raw=True) == start
    assert advanced(cursor, start, newest, served_at, with_raw=True) == advanced(
        None, start, newest, served_at, with_raw=True
    )


@given(cursors)
def test_a_cursor_survives_being_kept(cursor: Cursor) -> None:
    assert Cursor.from_state(cursor.to_state()) == cursor


def test_a_cursor_that_was_kept_when_each_had_a_time_is_still_read() -> None:
    kept: CursorState = {"through": "2026-05-29T16:00:00+00:00", "since": None, "with_raw": True}
    assert Cursor.from_state(kept) == Cursor(datetime(2026, 5, 29, 16, tzinfo=UTC), None, with_raw=True)


@given(times)
def test_a_time_is_sent_as_it_was_read(moment: datetime) -> None:
    assert parse_time(as_text(moment)) == moment
    assert as_text(moment).endswith("Z")


def test_a_cursor_from_absurd_times_claims_nothing() -> None:
    cursor = Cursor(datetime(1, 1, 1, tzinfo=UTC), None, with_raw=True)
    assert starts_at(cursor, None, timedelta(seconds=300), with_raw=True) is None
