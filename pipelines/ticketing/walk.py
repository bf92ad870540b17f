"""Walks over a list that other people change while it is read. Each yields the records that it has not yielded
before; each ends only when the server has shown that nothing is left.

They take a function from parameters to a page and know nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from math import inf
from typing import Self, TypeAlias, TypedDict

from pipelines.errors import ContradictsSupportTable
from pipelines.ticketing.coverage import Stretch
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

NEEDS_OFFSET = "expected a list without offset to show the records of one updated_at in one page, but it has more"
IGNORES_OFFSET = "expected offset to move through the list, but the same page came again"
_MAY_BE_MORE = "a full page came and there may be more"
_GRANULARITIES = tuple(timedelta(seconds=seconds) for seconds in (1, 60, 3600, 86400))
_RESTLESS = "expected to come to the end of the list, but it moves as fast as it is read"
_PATIENCE = 200
"""So many requests in a row without anything new, and the list cannot be read by its offset."""

_FAR_AHEAD = timedelta(days=1)
_BELOW = timedelta(milliseconds=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_LATEST = datetime.max.replace(tzinfo=UTC)


def walk_stretch(list_page: ListPage, stretch: Stretch, page_size: int, *, pages_by_offset: bool = True) -> Walk:
    """Read a stretch of a list sorted by `updated_at`, anchoring each request at the last time seen.

    An offset is used only where an anchor cannot help: inside a tie longer than a page, or where the server cuts
    `updated_gte` down to a coarser time. Without offset, such a tie cannot be read: what lies behind it is, before that
    is said. Where a server leaves out the time that it is asked from, the anchors go a little below it.

    A list that is changed as fast as it is read has no end: once what comes is later than the server's clock when the
    walk began, a stretch without end is read for a few requests only. What is later still is the next run's.

    Raises `ContradictsSupportTable` when the server does not sort and filter as it must for this.
    """
    start = anchor = stretch.start
    margin, granularity = timedelta(0), stretch.granularity
    requests_past_the_start = 0
    looked_behind: datetime | None = None
    is_cut = False
    window = _Window()
    while True:
        asked_from = None if anchor is None else lowered(anchor, margin)
        page = list_page(_sorted_from(asked_from, window.offset if pages_by_offset else None, page_size))
        records, newest = page.records, newest_of(page.records)
        if anchor is not None and anchor != start and window.offset == 0 and not margin:
            margin = timedelta(0) if any(moment <= anchor for moment in times_of(records)) else _BELOW
            if margin:
                continue
        fresh = window.take(page)
        if fresh is None:
            continue
        if asked_from is not None and window.offset == 0:
            stretch.granularity = granularity = max(granularity, _granularity(asked_from, records))
        if fresh:
            yield Page(fresh, page.served_at)
        is_end = window.ends_with(records, fresh) or stretch.is_behind(newest)
        if window.goes_back(records, fresh, is_end=is_end):
            continue
        if is_end:
            return _ended(True, is_cut)
        if stretch.end is None and newest is not None and window.came_since(newest, page.served_at):
            requests_past_the_start += 1
            if requests_past_the_start > _REQUESTS_PAST_THE_START:
                return _ended(False, is_cut)
        if newest is not None and (anchor is None or floor(newest, granularity) > floor(anchor, granularity)):
            anchor = newest
            if not is_cut:
                stretch.move_on(lowered(newest, _BELOW), min(times_of(records)))
            window.begin_again(floor(lowered(newest, _BELOW), max(granularity, _GRANULARITIES[0])))
        elif pages_by_offset:
            window.move_on(records)
        else:
            is_long = len(records) >= page_size or window.is_cut_after(records)
            behind = None
            if anchor is not None and len(records) > 1:
                behind = _time_behind(list_page, anchor, granularity, page_size)
            if behind is None:
                return _ended(False, is_cut or is_long)
            if is_long or anchor == looked_behind:
                anchor, is_cut = behind, True
                window.begin_again(behind)
            else:
                # It may have come just now: if the page at this anchor does not show it, that one is cut.
                looked_behind = anchor


def _ended(saw_the_end: bool, is_cut: bool) -> bool:
    if is_cut:
        raise ContradictsSupportTable(NEEDS_OFFSET)
    return saw_the_end


def _time_behind(list_page: ListPage, anchor: datetime, granularity: timedelta, page_size: int) -> datetime | None:
    """The first time in a list that the server can tell from an anchor and that is later, however coarsely it reads."""
    while True:
        asked_from = _next(anchor, granularity)
        records = list_page(_sorted_from(asked_from, None, page_size)).records
        coarser = max(granularity, _granularity(asked_from, records))
        if coarser == granularity:
            return min((moment for moment in times_of(records) if moment > anchor), default=None)
        granularity = coarser


def walk_newest_first(list_page: ListPage, start: datetime | None, page_size: int) -> Walk:
    """Read a list that is sorted by `updated_at` but cannot be filtered by it: newest first, until what comes is older
    than `start`.

    What changes meanwhile jumps to the front, and is the next run's; what is deleted makes the rest move up.

    Raises `ContradictsSupportTable` when the server does not sort as it must for this, or when the list grows at its
    front as fast as it is read: to end there would leave out what lies behind.
    """
    window = _Window(newest_first=True)
    is_first = True
    requests_past_the_start = 0
    while True:
        page = list_page({"limit": page_size, "offset": window.offset, "sort": "updated_at", "order": "desc"})
        records = page.records
        fresh = window.take(page)
        if fresh is None:
            continue
        newest, oldest = newest_of(records), min(times_of(records), default=None)
        if is_first and records and start is not None and (newest is None or newest < start):
            raise ContradictsSupportTable(f"expected the newest records first, but all are older than {start}")
        is_first = False
        if fresh:
            yield Page([record for record in fresh if not _is_older(record, start)], page.served_at)
            requests_past_the_start += all(window.came_since(record.updated_at, page.served_at) for record in fresh)
        if requests_past_the_start > _REQUESTS_PAST_THE_START:
            raise ContradictsSupportTable(_RESTLESS)
        is_end = window.ends_with(records, fresh) or (start is not None and oldest is not None and oldest < start)
        if window.goes_back(records, fresh, is_end=is_end):
            continue
        if is_end:
            return True
        window.move_on(records)


class _Window:
    """A sorted list, or what of it lies behind an anchor, read by offset while it moves.

    Each page begins with the tie in which the one before it ended, so its first record was seen; if it was not,
    records in front of it have moved away, and the window steps back until it was. A tie longer than a page is read
    again until a whole pass over it brings nothing new. So nothing slips between pages.

    How long a page can be is learned from the pages that come, for a server may serve fewer than it is asked for.
    """

    def __init__(self, *, newest_first: bool = False) -> None:
        self.offset = 0
        self._newest_first = newest_first
        self._began_at: datetime | None = None
        self._longest_page = self._steps_back = self._repeats = 0
        self._patience = _PATIENCE
        self._previous: list[State] = []
        self._is_cut = False
        self._seen: dict[State, int] = {}
        self._places = count()
        self._tie_from: int | None = None
        self._tie_is_new = False

    def take(self, page: Page) -> list[Listed] | None:
        """What of a page was not seen before; None where the page does not join, and the window has stepped back."""
        records, states = page.records, [record.state for record in page.records]
        self._began_at = self._began_at or page.served_at
        self._patience -= 1
        if self._patience < 0:
            raise ContradictsSupportTable(_RESTLESS)
        before, self._previous = self._previous, states
        if not self._joins(states, before):
            self._step_back()
            return None
        self._repeats = self._repeats + 1 if self.offset > 0 and states == before else 0
        if self._repeats == _REPEATS and len(records) > 1:
            raise ContradictsSupportTable(IGNORES_OFFSET)
        self._longest_page = max(self._longest_page, len(records))
        self._refuse_disorder(page)
        fresh = [record for record in records if record.state not in self._seen]
        self._is_cut = self._is_cut or (bool(fresh) and len(before) == self._longest_page)
        self._seen.update((record.state, next(self._places)) for record in fresh)
        if not all(self.came_since(record.updated_at, page.served_at) for record in fresh):
            self._patience = _PATIENCE + len(self._seen) // max(1, self._longest_page - 1)
        return fresh

    def came_since(self, moment: datetime | None, served_at: datetime) -> bool:
        """Whether something was updated since the window's first page."""
        return self._began_at is not None and _came_between(self._began_at, moment, served_at)

    def ends_with(self, records: list[Listed], fresh: list[Listed]) -> bool:
        """Whether a page shows that nothing lies behind it."""
        is_single = self.offset > 0 and len(records) == 1
        return not fresh and (is_single or not records or len(records) < self._longest_page)

    def is_cut_after(self, records: list[Listed]) -> bool:
        """Whether a page is as long as those that were shown not to be all there was."""
        return self._is_cut and len(records) == self._longest_page

    def goes_back(self, records: list[Listed], fresh: list[Listed], *, is_end: bool) -> bool:
        """Whether a tie longer than a page ends here and has to be read again: then the window is where it began."""
        is_inside = not is_end and len(records) > 1 and _last_tie(records) == 0
        if is_inside and self._tie_from is None:
            self._tie_from, self._tie_is_new = self.offset, False
        self._tie_is_new = self._tie_is_new or bool(fresh)
        if is_inside or self._tie_from is None:
            return False
        if not self._tie_is_new:
            self._tie_from = None
            return False
        self.offset, self._tie_is_new = self._tie_from, False
        return True

    def move_on(self, records: list[Listed]) -> None:
        """Go on behind a page."""
        self.offset += max(1, _last_tie(records) or len(records) - 1)

    def begin_again(self, kept_from: datetime) -> None:
        """Go on at a new anchor, behind which nothing comes that is older than `kept_from`."""
        self.offset, self._tie_from = 0, None
        self._seen = {state: place for state, place in self._seen.items() if state[1] is None or state[1] >= kept_from}

    def _joins(self, states: list[State], before: list[State]) -> bool:
        """Whether a page overlaps with what was seen. Pages of one record cannot: of those only the list's end is
        believed, or that the server ignores the offset."""
        if self.offset == 0:
            return True
        if self._longest_page == 1:
            return not states or (states == before and not self._newest_first)
        return bool(states) and states[0] in self._seen

    def _step_back(self) -> None:
        self._steps_back += 1
        if self._longest_page == 1 and self._steps_back > _REPEATS:
            raise ContradictsSupportTable("expected pages of more than one record, for only such can be joined")
        self.offset, self._repeats = max(0, self.offset - max(1, self._longest_page - 1)), 0

    def _refuse_disorder(self, page: Page) -> None:
        """Times must not go the wrong way; inside one time, what was seen must come as it came, and then what is new.

        Where the time is later than the walk's begin, anything may come between.
        """
        timed = [
            (record.updated_at, self._seen.get(record.state, inf))
            for record in page.records
            if record.updated_at is not None
        ]
        for (former, place), (latter, next_place) in pairwise(timed):
            if (latter > former) if self._newest_first else (latter < former):
                raise ContradictsSupportTable(
                    f"expected records sorted by updated_at, but {latter} came after {former}"
                )
            if former == latter and next_place < place and not self.came_since(former, page.served_at):
                raise ContradictsSupportTable(
                    f"expected the records of one updated_at in a steady order, but at {former} it changed between "
                    "two answers"
                )


def walk_whole_list(
    list_page: ListPage, page_size: int, *, pages_by_offset: bool, start: datetime | None = None
) -> Walk:
    """Read a list that cannot be sorted by `updated_at`, from end to end, again and again, until a whole pass shows no
    record that was not known, or several such passes where each shows another order; what fits one page came in one
    moment, and once. With `start`, only what the server says was updated from then on.

    Where there is no offset, a page shorter than was asked for is all that can be had; that the server has not cut it
    is not known.

    Raises `ContradictsSupportTable` where the list is longer than a page and cannot be paged, or grows in front of
    what was read as fast as it is read.
    """
    asked: Parameters = {"limit": page_size} | ({} if start is None else {"updated_gte": as_text(start)})
    if not pages_by_offset:
        page = list_page(asked)
        if len(page.records) >= page_size:
            raise ContradictsSupportTable(f"expected a list without offset to fit a page, but {_MAY_BE_MORE}")
        yield page
        return False
    passes = _Passes(list_page, asked, page_size)
    made = quiet = 0
    while made < (_PASSES if passes.are_alike else 2 * _PASSES):
        known_before = len(passes.ids)
        pages = yield from passes.next_one()
        made += 1
        if pages is None:
            return False
        quiet = quiet + 1 if len(passes.ids) == known_before else 0
        if quiet >= (1 if passes.are_alike else _PASSES) or (pages == 1 and not known_before):
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


def reread(
    list_page: ListPage, place: Place, page_size: int, *, sort: bool, anchor: bool, pages_by_offset: bool = True
) -> tuple[Page, Place | None]:
    """The page of a list at a place, and the place behind it; None when the list has ended there.

    Made for looking again at what has long been read, a page a run: it may miss what moves, for it comes round again.
    Without offset it comes as far as its anchors move.

    Raises `ContradictsSupportTable` where the server does not sort.
    """
    parameters: dict[str, str | int] = {"limit": page_size}
    if pages_by_offset:
        parameters["offset"] = place.offset
    if sort:
        parameters |= {"sort": "updated_at", "order": "asc"}
    if anchor and place.anchor is not None:
        parameters["updated_gte"] = as_text(place.anchor)
    page = list_page(parameters)
    newest, times = newest_of(page.records), times_of(page.records)
    if sort and times != sorted(times):
        raise ContradictsSupportTable("expected records sorted by updated_at, but the slow second look found others")
    if not page.records:
        return page, None
    if not pages_by_offset:
        has_moved = anchor and newest is not None and (place.anchor is None or newest > place.anchor)
        return page, Place(newest) if has_moved else None
    if anchor and newest is not None and _is_worth_an_anchor(newest, place, page):
        # The last record comes once more: it tells the next page that the list has not ended there.
        return page, Place(newest, 0) if len(page.records) > 1 else Place(newest, 1)
    return page, Place(place.anchor, place.offset + len(page.records))


def _is_worth_an_anchor(newest: datetime, place: Place, page: Page) -> bool:
    """Whether a page that begins at `newest` would be a new one. Behind an offset the server may cut times, down to a
    day at worst, and begin that day again."""
    if place.anchor is None:
        return True
    is_exact = place.offset == 0 and min(times_of(page.records)) >= place.anchor
    coarseness = timedelta(0) if is_exact else _GRANULARITIES[-1]
    return floor(newest, coarseness) > floor(place.anchor, coarseness)


class _Passes:
    """Passes over a whole list, from the first page to where nothing new of that pass comes."""

    def __init__(self, list_page: ListPage, asked: Parameters, page_size: int) -> None:
        self.ids: set[int] = set()
        """The ids that were shown, hashed like their states: a list may be long, and two of a million are alike in one
        of many millions of lists."""
        self.are_alike = True
        """Whether the order was the same in each."""
        self._known: set[int] = set()
        self._places: dict[int, int] = {}
        self._list_page = list_page
        self._asked = asked
        self._page_size = page_size
        self._began_at: datetime | None = None

    def next_one(self) -> Generator[Page, None, int | None]:
        """Yield what is not yet known, and make it so. Pages overlap by one record.

        Returns how many pages showed more than an overlap; None where the end was not seen, for the server ignores the
        offset, or the list grows at its end as fast as it is read.
        """
        offset = longest_page = repeats = pages = requests_past_the_start = 0
        patience = _PATIENCE
        before, seen = self._places, dict[int, int]()
        self._places = seen
        previous: list[int] = []
        while True:
            page = self._list_page({**self._asked, "offset": offset})
            self._began_at = self._began_at or _clock_of(page)
            states = [hash(record.state) for record in page.records]
            patience -= 1
            if patience < 0:
                raise ContradictsSupportTable(_RESTLESS)
            joins = offset == 0 or longest_page == 1 or (bool(states) and states[0] in seen)
            if not joins:
                offset, repeats = max(0, offset - (longest_page - 1)), 0
                continue
            if not states:
                return pages
            repeats = repeats + 1 if states == previous else 0
            if repeats == _REPEATS:
                if len(states) >= self._page_size:
                    raise ContradictsSupportTable(f"expected offset to move through the list, but {_MAY_BE_MORE}")
                return None
            previous = states
            longest_page = max(longest_page, len(states))
            fresh = [record for record, state in zip(page.records, states, strict=True) if state not in self._known]
            is_late = all(_came_between(self._began_at, record.updated_at, page.served_at) for record in fresh)
            pages += bool(fresh) or len(states) > 1
            if fresh:
                self._known.update(states)
                self.ids.update(hash(record.id) for record in fresh)
                yield Page(fresh, page.served_at)
            if not all(_came_between(self._began_at, record.updated_at, page.served_at) for record in page.records):
                requests_past_the_start = 0
            elif fresh and offset > 0:
                requests_past_the_start += 1
                if requests_past_the_start > _REQUESTS_PAST_THE_START:
                    return None
            is_all_seen = seen.keys() >= set(states)
            if is_all_seen and len(states) < longest_page:
                return pages
            if not is_all_seen and (offset > 0 or not is_late):
                patience = _PATIENCE
            places = [before[state] for state in states if state in before]
            self.are_alike = self.are_alike and places == sorted(places)
            for state in states:
                seen.setdefault(state, len(seen))
            offset += max(1, len(states) - 1)


def _sorted_from(anchor: datetime | None, offset: int | None, page_size: int) -> Parameters:
    parameters: dict[str, str | int] = {"limit": page_size, "sort": "updated_at", "order": "asc"}
    if offset is not None:
        parameters["offset"] = offset
    if anchor is not None:
        parameters["updated_gte"] = as_text(anchor)
    return parameters


def _clock_of(page: Page) -> datetime:
    """When a page was served, by the later of the server's clock and the helpdesk's, as far as its records show it."""
    shown = [moment for moment in times_of(page.records) if moment <= page.served_at + _FAR_AHEAD]
    return max([page.served_at, *shown])


def _came_between(began_at: datetime, moment: datetime | None, served_at: datetime) -> bool:
    """Whether something was updated since a walk began. What lies far in the future is not: it is only misdated."""
    return moment is not None and began_at <= moment <= served_at + _FAR_AHEAD


def _is_older(record: Listed, start: datetime | None) -> bool:
    return start is not None and record.updated_at is not None and record.updated_at < start


def _last_tie(records: list[Listed]) -> int:
    """Where those records begin that share the last one's time."""
    return next(
        (at for at in range(len(records) - 1, 0, -1) if records[at - 1].updated_at != records[-1].updated_at), 0
    )


def _granularity(anchor: datetime, records: list[Listed]) -> timedelta:
    """How coarsely the server reads `updated_gte`: zero if nothing older than the anchor came."""
    times = times_of(records)
    too_old = anchor - min(times) if times else timedelta(0)
    if too_old <= timedelta(0):
        return timedelta(0)
    for granularity in _GRANULARITIES:
        if too_old < granularity:
            return granularity
    raise ContradictsSupportTable(f"expected nothing updated before {anchor}, but {min(times)} came")


def times_of(records: Iterable[Listed]) -> list[datetime]:
    return [record.updated_at for record in records if record.updated_at is not None]


def newest_of(records: list[Listed]) -> datetime | None:
    return max(times_of(records), default=None)


def lowered(moment: datetime, by: timedelta) -> datetime:
    return moment - min(by, moment - _EARLIEST)


def _next(moment: datetime, granularity: timedelta) -> datetime:
    """The next moment that a server can tell from this one."""
    step = max(granularity, _BELOW)
    return floor(moment, granularity) + min(step, _LATEST - moment)


def floor(moment: datetime, granularity: timedelta) -> datetime:
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
