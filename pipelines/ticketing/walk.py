"""Walks over a list that other people change while it is read. Each yields the records that it has not yielded
before; each ends only when the server has shown that nothing is left.

They take a function from parameters to a page and know nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

from pipelines.errors import ContradictsSupportTable
from pipelines.ticketing.cursor import as_text
from pipelines.unified_api.client import Parameters
from pipelines.unified_api.records import Page, Record

ListPage: TypeAlias = Callable[[Parameters], Page]

_REQUESTS_PAST_THE_START = 10
_PASSES = 5
"""So many passes over a whole list, and what is still new in it was made since the first."""

_REPEATS = 3
"""So many times the same page, and the server ignores the offset."""

_MAY_BE_MORE = "a full page came and there may be more"
_GRANULARITIES = tuple(timedelta(seconds=seconds) for seconds in (1, 60, 3600, 86400))
_UNSTEADY = "expected the records of one updated_at in a steady order, but at {} it changed between two answers"
_STEPS_BACK = 200
"""So many steps back in a row without anything new, and the order of the list cannot be trusted."""


def walk_by_anchor(list_page: ListPage, start: datetime | None, page_size: int) -> Iterator[Page]:
    """Read a list sorted by `updated_at`, anchoring each request at the last time seen.

    An offset is used only where an anchor cannot help: inside a tie longer than a page, or where the server cuts
    `updated_gte` down to a coarser time. There each page must begin with a record already seen; if it does not,
    records in front of it have moved away, and the walk steps back until it does. So nothing slips between pages.

    How long a page can be is learned from the pages that come, for a server may serve fewer than it is asked for.

    A list that is changed as fast as it is read has no end: once what comes is later than the server's clock when the
    walk began, the walk goes on for a few requests only. What is later still is the next run's.

    Raises `ContradictsSupportTable` when the server does not sort and filter as it must for this.
    """
    anchor, offset = start, 0
    longest_page = requests_past_the_start = repeats = 0
    began_at: datetime | None = None
    previous: list[tuple[str, datetime | None]] = []
    granularity = timedelta(0)
    seen: set[tuple[str, datetime | None]] = set()
    steps_back = 0
    while True:
        page = list_page(_sorted_from(anchor, offset, page_size))
        records = page.records
        began_at = began_at or page.served_at
        states = [record.state for record in records]
        repeats = repeats + 1 if offset > 0 and states == previous else 0
        if repeats == _REPEATS and len(records) > 1:
            raise ContradictsSupportTable("expected offset to move through the list, but the same page came again")
        previous = states
        if offset > 0 and (not records or records[0].state not in seen):
            steps_back += 1
            if steps_back > _STEPS_BACK:
                raise ContradictsSupportTable(_UNSTEADY.format(anchor))
            offset = max(0, offset - max(1, longest_page - 1))
            continue
        if not records:
            return
        longest_page = max(longest_page, len(records))
        _refuse_disorder(records, seen)
        if anchor is not None and offset == 0:
            granularity = max(granularity, _granularity(anchor, records))
        fresh = [record for record in records if record.state not in seen]
        seen.update(record.state for record in fresh)
        if fresh:
            steps_back = 0
            yield Page(fresh, page.served_at)
        elif len(records) < longest_page or len(records) == 1:
            return
        newest = _newest(records)
        if newest is not None and newest > began_at:
            requests_past_the_start += 1
            if requests_past_the_start > _REQUESTS_PAST_THE_START:
                return
        if newest is not None and (anchor is None or _floor(newest, granularity) > _floor(anchor, granularity)):
            anchor, offset = newest, 0
            kept_from = _floor(newest, max(granularity, _GRANULARITIES[0]))
            seen = {state for state in seen if state[1] is None or state[1] >= kept_from}
        else:
            offset += max(1, len(records) - 1)


def walk_whole_list(list_page: ListPage, page_size: int, *, pages_by_offset: bool) -> Iterator[Page]:
    """Read a list that can be neither filtered nor sorted by `updated_at`: from end to end, again and again,
    until a whole pass shows no record that was not known.

    Raises `ContradictsSupportTable` where the list is longer than a page and cannot be paged.
    """
    seen: set[tuple[str, datetime | None]] = set()
    if not pages_by_offset:
        page = list_page({"limit": page_size})
        if len(page.records) >= page_size:
            raise ContradictsSupportTable(f"expected a list without offset to fit a page, but {_MAY_BE_MORE}")
        yield page
        return
    known: set[str] = set()
    for _ in range(_PASSES):
        known_before = len(known)
        for page in _one_pass(list_page, page_size):
            fresh = [record for record in page.records if record.state not in seen]
            seen.update(record.state for record in fresh)
            known.update(record.id for record in fresh)
            if fresh:
                yield Page(fresh, page.served_at)
        if len(known) == known_before:
            return


def _one_pass(list_page: ListPage, page_size: int) -> Iterator[Page]:
    """From the first page to where nothing new of this pass comes. Pages overlap by one record, as in a tie."""
    offset = longest_page = steps_back = repeats = 0
    seen: set[tuple[str, datetime | None]] = set()
    previous: list[tuple[str, datetime | None]] = []
    while True:
        page = list_page({"limit": page_size, "offset": offset})
        states = [record.state for record in page.records]
        joins = offset == 0 or longest_page == 1 or (bool(states) and states[0] in seen)
        if not joins and steps_back < _STEPS_BACK:
            steps_back += 1
            offset = max(0, offset - (longest_page - 1))
            continue
        if not states:
            return
        repeats = repeats + 1 if states == previous else 0
        if repeats == _REPEATS:
            if len(states) >= page_size:
                raise ContradictsSupportTable(f"expected offset to move through the list, but {_MAY_BE_MORE}")
            return
        previous = states
        longest_page = max(longest_page, len(states))
        yield page
        if seen.issuperset(states) and len(states) < longest_page:
            return
        seen.update(states)
        offset += max(1, len(states) - 1)


def _sorted_from(anchor: datetime | None, offset: int, page_size: int) -> Parameters:
    parameters: dict[str, str | int] = {
        "limit": page_size,
        "offset": offset,
        "sort": "updated_at",
        "order": "asc",
    }
    if anchor is not None:
        parameters["updated_gte"] = as_text(anchor)
    return parameters


def _refuse_disorder(records: list[Record], seen: set[tuple[str, datetime | None]]) -> None:
    """Times must not fall, and inside one time what is new must not stand before what was seen."""
    timed = [(record.updated_at, record.state in seen) for record in records if record.updated_at is not None]
    for (earlier, earlier_was_seen), (later, later_was_seen) in pairwise(timed):
        if later < earlier:
            raise ContradictsSupportTable(f"expected records sorted by updated_at, but {later} came after {earlier}")
        if later == earlier and later_was_seen and not earlier_was_seen:
            raise ContradictsSupportTable(_UNSTEADY.format(later))


def _granularity(anchor: datetime, records: list[Record]) -> timedelta:
    """How coarsely the server reads `updated_gte`: zero if nothing older than the anchor came."""
    times = _times(records)
    too_old = anchor - min(times) if times else timedelta(0)
    if too_old <= timedelta(0):
        return timedelta(0)
    for granularity in _GRANULARITIES:
        if too_old < granularity:
            return granularity
    raise ContradictsSupportTable(f"expected nothing updated before {anchor}, but {min(times)} came")


def _times(records: Iterable[Record]) -> list[datetime]:
    return [record.updated_at for record in records if record.updated_at is not None]


def _newest(records: list[Record]) -> datetime | None:
    return max(_times(records), default=None)


def _floor(moment: datetime, granularity: timedelta) -> datetime:
    """The moment cut down to a whole second, minute, hour or day; unchanged for a granularity of zero."""
    if not granularity:
        return moment
    whole = moment.replace(microsecond=0)
    if granularity >= _GRANULARITIES[1]:
        whole = whole.replace(second=0)
    if granularity >= _GRANULARITIES[2]:
        whole = whole.replace(minute=0)
    if granularity >= _GRANULARITIES[3]:
        whole = whole.replace(hour=0)
    return whole
