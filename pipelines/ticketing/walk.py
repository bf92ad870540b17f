"""Walks over a list that other people change while it is read. Each yields the records that it has not yielded
before; each ends only when the server has shown that nothing is left.

They take a function from parameters to a page and know nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Self, TypeAlias, TypedDict

from pipelines.errors import ContradictsSupportTable
from pipelines.ticketing.cursor import as_text
from pipelines.unified_api.client import Parameters
from pipelines.unified_api.records import Listed, Page, State

ListPage: TypeAlias = Callable[[Parameters], Page]

Walk: TypeAlias = Generator[Page, None, bool]
"""Its return value says whether the end of the list was seen; if not, only what came is known, not what is absent."""

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


def walk_by_anchor(list_page: ListPage, start: datetime | None, page_size: int) -> Walk:
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
    previous: list[State] = []
    granularity = timedelta(0)
    seen: set[State] = set()
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
            return True
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
            return True
        newest = _newest(records)
        if newest is not None and newest > began_at:
            requests_past_the_start += 1
            if requests_past_the_start > _REQUESTS_PAST_THE_START:
                return False
        if newest is not None and (anchor is None or _floor(newest, granularity) > _floor(anchor, granularity)):
            anchor, offset = newest, 0
            kept_from = _floor(newest, max(granularity, _GRANULARITIES[0]))
            seen = {state for state in seen if state[1] is None or state[1] >= kept_from}
        else:
            offset += max(1, len(records) - 1)


def walk_newest_first(list_page: ListPage, start: datetime | None, page_size: int) -> Walk:
    """Read a list that is sorted by `updated_at` but cannot be filtered by it: newest first, until what comes is older
    than `start`.

    What changes meanwhile jumps to the front, and is the next run's; what is deleted makes the rest move up. So each
    page must begin with a record already seen, or the walk steps back until it does.

    Raises `ContradictsSupportTable` when the server does not sort as it must for this.
    """
    offset = longest_page = steps_back = repeats = 0
    previous: list[State] = []
    seen: set[State] = set()
    while True:
        page = list_page({"limit": page_size, "offset": offset, "sort": "updated_at", "order": "desc"})
        records = page.records
        states = [record.state for record in records]
        if offset > 0 and (not records or states[0] not in seen):
            steps_back += 1
            if steps_back > _STEPS_BACK:
                raise ContradictsSupportTable(_UNSTEADY.format("some moment"))
            offset = max(0, offset - max(1, longest_page - 1))
            continue
        if not records:
            return True
        repeats = repeats + 1 if offset > 0 and states == previous else 0
        if repeats == _REPEATS and len(records) > 1:
            raise ContradictsSupportTable("expected offset to move through the list, but the same page came again")
        previous = states
        longest_page = max(longest_page, len(records))
        _refuse_disorder(records[::-1], set())
        newest, oldest = _newest(records), min(_times(records), default=None)
        if not seen and start is not None and (newest is None or newest < start):
            raise ContradictsSupportTable(f"expected the newest records first, but all are older than {start}")
        fresh = [record for record in records if record.state not in seen]
        seen.update(states)
        if fresh:
            steps_back = 0
            yield Page(fresh, page.served_at)
        elif len(records) < longest_page or len(records) == 1:
            return True
        if start is not None and oldest is not None and oldest < start:
            return True
        offset += max(1, len(records) - 1)


def walk_whole_list(
    list_page: ListPage, page_size: int, *, pages_by_offset: bool, start: datetime | None = None
) -> Walk:
    """Read a list that cannot be sorted by `updated_at`, from end to end, again and again, until a whole pass shows no
    record that was not known; what fits one page came in one moment, and once. With `start`, only what the server says
    was updated from then on.

    Raises `ContradictsSupportTable` where the list is longer than a page and cannot be paged.
    """
    asked: Parameters = {"limit": page_size} | ({} if start is None else {"updated_gte": as_text(start)})
    if not pages_by_offset:
        page = list_page(asked)
        if len(page.records) >= page_size:
            raise ContradictsSupportTable(f"expected a list without offset to fit a page, but {_MAY_BE_MORE}")
        yield page
        return True
    seen: set[State] = set()
    known: set[str] = set()
    for _ in range(_PASSES):
        known_before, pages = len(known), 0
        for page in _one_pass(list_page, asked, page_size):
            fresh = [record for record in page.records if record.state not in seen]
            seen.update(record.state for record in fresh)
            known.update(record.id for record in fresh)
            if fresh:
                pages += 1
                yield Page(fresh, page.served_at)
        if len(known) == known_before or (pages == 1 and not known_before):
            return True
    return False


class TicketLists:
    """The short lists of one ticket's notes each, of which there are many: one request for most of them.

    A page that is shorter than the longest that ever came was not cut by the server, so it is the whole list.
    """

    def __init__(self, page_size: int, *, pages_by_offset: bool) -> None:
        self._page_size = page_size
        self._pages_by_offset = pages_by_offset
        self._longest = 0

    def walk(self, list_page: ListPage) -> Walk:
        """Read the list of one ticket. Raises `ContradictsSupportTable` if it is cut and cannot be paged."""
        if not self._pages_by_offset:
            return (yield from walk_whole_list(list_page, self._page_size, pages_by_offset=False))
        page = list_page({"limit": self._page_size, "offset": 0})
        count = len(page.records)
        may_be_cut = count >= max(1, self._longest)
        self._longest = max(self._longest, count)
        if may_be_cut and not self._ends_with(page, list_page):
            return (yield from walk_whole_list(list_page, self._page_size, pages_by_offset=True))
        yield page
        return True

    def _ends_with(self, page: Page, list_page: ListPage) -> bool:
        """Whether nothing lies behind the list's first page; asked so that the answer joins it where it can."""
        overlap = 0 if len(page.records) == 1 else 1
        behind = list_page({"limit": self._page_size, "offset": len(page.records) - overlap})
        return [record.id for record in behind.records] == [record.id for record in page.records[-1:]][:overlap]


class PlaceState(TypedDict):
    """A place as dlt's state keeps it."""

    anchor: str | None
    offset: int


@dataclass(frozen=True)
class Place:
    """Where a slow reading of a list has come to: behind `offset` records of those updated from `anchor` on."""

    anchor: datetime | None = None
    offset: int = 0

    @classmethod
    def from_state(cls, state: PlaceState | None) -> Self | None:
        """The place as it was kept, or None at the beginning."""
        if state is None:
            return None
        return cls(datetime.fromisoformat(state["anchor"]) if state["anchor"] else None, state["offset"])

    def to_state(self) -> PlaceState:
        """A form that JSON can keep."""
        return {"anchor": self.anchor.isoformat() if self.anchor else None, "offset": self.offset}


def reread(list_page: ListPage, place: Place, page_size: int, *, sort: bool, anchor: bool) -> tuple[Page, Place | None]:
    """The page of a list at a place, and the place behind it; None when the list has ended there.

    Made for looking again at what has long been read, a page a run: it may miss what moves, for it comes round again.
    """
    parameters: dict[str, str | int] = {"limit": page_size, "offset": place.offset}
    if sort:
        parameters |= {"sort": "updated_at", "order": "asc"}
    if anchor and place.anchor is not None:
        parameters["updated_gte"] = as_text(place.anchor)
    page = list_page(parameters)
    newest = _newest(page.records)
    if not page.records:
        return page, None
    if anchor and newest is not None and _is_worth_an_anchor(newest, place, page):
        # The last record comes once more: it tells the next page that the list has not ended there.
        return page, Place(newest, 0) if len(page.records) > 1 else Place(newest, 1)
    return page, Place(place.anchor, place.offset + len(page.records))


def _is_worth_an_anchor(newest: datetime, place: Place, page: Page) -> bool:
    """Whether a page that begins at `newest` would be a new one. Behind an offset the server may cut times, down to a
    day at worst, and begin that day again."""
    if place.anchor is None:
        return True
    is_exact = place.offset == 0 and min(_times(page.records)) >= place.anchor
    coarseness = timedelta(0) if is_exact else _GRANULARITIES[-1]
    return _floor(newest, coarseness) > _floor(place.anchor, coarseness)


def _one_pass(list_page: ListPage, asked: Parameters, page_size: int) -> Iterator[Page]:
    """From the first page to where nothing new of this pass comes. Pages overlap by one record, as in a tie."""
    offset = longest_page = steps_back = repeats = 0
    seen: set[State] = set()
    previous: list[State] = []
    while True:
        page = list_page({**asked, "offset": offset})
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


def _refuse_disorder(records: list[Listed], seen: set[State]) -> None:
    """Times must not fall, and inside one time what is new must not stand before what was seen."""
    timed = [(record.updated_at, record.state in seen) for record in records if record.updated_at is not None]
    for (earlier, earlier_was_seen), (later, later_was_seen) in pairwise(timed):
        if later < earlier:
            raise ContradictsSupportTable(f"expected records sorted by updated_at, but {later} came after {earlier}")
        if later == earlier and later_was_seen and not earlier_was_seen:
            raise ContradictsSupportTable(_UNSTEADY.format(later))


def _granularity(anchor: datetime, records: list[Listed]) -> timedelta:
    """How coarsely the server reads `updated_gte`: zero if nothing older than the anchor came."""
    times = _times(records)
    too_old = anchor - min(times) if times else timedelta(0)
    if too_old <= timedelta(0):
        return timedelta(0)
    for granularity in _GRANULARITIES:
        if too_old < granularity:
            return granularity
    raise ContradictsSupportTable(f"expected nothing updated before {anchor}, but {min(times)} came")


def _times(records: Iterable[Listed]) -> list[datetime]:
    return [record.updated_at for record in records if record.updated_at is not None]


def _newest(records: list[Listed]) -> datetime | None:
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
