"""A long list read in several places at once: each walker has a stretch of time of its own, and who has come to the end
of one takes half of the longest that is left."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from threading import Lock
from typing import NamedTuple

from pipelines.errors import (
    CallNotOffered,
    CallsUsedUp,
    ContradictsSupportTable,
    GrantPermission,
    ParameterRefused,
    RequestRefused,
    TicketingError,
    TryAgainLater,
)
from pipelines.ticketing.coverage import Coverage, Stretch
from pipelines.ticketing.crew import Crew
from pipelines.ticketing.cursor import as_text
from pipelines.ticketing.walk import NEEDS_OFFSET, ListPage, Walk, floor, lowered, newest_of, times_of, walk_stretch
from pipelines.unified_api.client import Parameters
from pipelines.unified_api.records import Page

LONG = 8
"""So many pages still to come, and a list is worth dividing."""

_DIVISIBLE = 3
"""So many pages still to come, and half of a stretch is worth taking."""

_INDIVISIBLE = timedelta(seconds=1)

_MOST_DOUBTS = 10
"""So many ends of stretches that were none, and the list cannot be believed in this run."""

_BELOW = timedelta(milliseconds=1)


_REFUSALS = (CallNotOffered, GrantPermission, ParameterRefused, RequestRefused, TryAgainLater)


class EndsTooSoon(TryAgainLater):
    """A list is said to end before something that it shows."""


class _Sight(NamedTuple):
    """What a walker has come by: a page, None at its end, and up to which time all of its stretch has been shown."""

    stretch: Stretch
    page: Page | None
    shown_until: datetime | None


@dataclass
class Wanted:
    """What is to be read of a list: what was updated from `start` (None: all) to `until` (None: to its end), by so many
    hands of the `crew`.

    `coverage` holds what an earlier run has read of it, and what has been read by now. `looks_ahead`: whether a list
    that can only be paged by offset may be asked for several pages at once.
    """

    start: datetime | None
    page_size: int
    crew: Crew
    coverage: Coverage
    until: datetime | None = None
    lookback: timedelta = timedelta(0)
    looks_ahead: bool = True


class Stretches:
    """A list sorted by `updated_at`, read in as many stretches as there are hands for.

    No record is lost between walkers: a stretch ends when something later than its end has come, so that neighbours
    both show the moment where they meet. What is changed meanwhile moves behind the newest record that the list had
    before it was divided; all from a `lookback` before that on is read once more when every stretch has been.
    """

    def __init__(self, list_page: ListPage, wanted: Wanted, *, pages_by_offset: bool) -> None:
        self._list_page = list_page
        self._page_size = wanted.page_size
        self._pages_by_offset = pages_by_offset
        self._crew = wanted.crew
        self._coverage = wanted.coverage
        self._lookback = wanted.lookback
        self._until = wanted.until
        self._whole = Stretch(wanted.start, wanted.until)
        self._saw_every_end = True
        self._hindrance: TicketingError | None = None
        """What kept a walker from the end of its stretch; told when the others have come to theirs."""
        self._doubts = 0
        self._lock = Lock()
        self._waiting: list[Stretch] = []
        self._under_way: list[Stretch] = []

    def walk(self) -> Walk:
        """Read the list; raises what `walk_stretch` raises, after all that can be read has been."""
        saw_the_end = yield from self._walk()
        if self._hindrance is not None:
            raise self._hindrance
        return saw_the_end

    def _walk(self) -> Walk:
        walker = self._read(self._whole)
        if self._coverage.is_empty and (yield from self._ends_soon(walker)):
            return self._whole.saw_the_end
        divided_at = self._until or self._newest_shown()
        if divided_at is None or (self._whole.reached is not None and divided_at <= self._whole.reached):
            yield from _pages(walker)
            return self._whole.saw_the_end
        tail_from = lowered(divided_at, self._lookback + _BELOW)
        self._coverage.trusted_until = tail_from
        yield from self._divided(walker, divided_at)
        if self._until is not None or isinstance(self._hindrance, CallsUsedUp):
            return self._saw_every_end
        tail = Stretch(tail_from if self._whole.start is None else max(tail_from, self._whole.start))
        yield from _pages(self._read(tail))
        return self._saw_every_end and tail.saw_the_end

    def _ends_soon(self, walker: Iterator[_Sight]) -> Generator[Page, None, bool]:
        """Yield what a walker shows until it has come to its end; False as soon as that seems to be far."""
        for sight in walker:
            if sight.page is not None:
                yield sight.page
                if self._is_long_behind(sight.page):
                    return False
        return True

    def _is_long_behind(self, page: Page) -> bool:
        times = times_of(page.records)
        is_full = len(page.records) >= self._page_size or self._whole.pages > 0
        if not times or not is_full:
            return False
        span = max(times) - min(times)
        is_long = (self._until or page.served_at) - max(times) > LONG * span
        if is_long and self._whole.pages == 0:
            # It begins there, so that others can begin before its walker comes by a second page.
            self._whole.reached, self._whole.time_a_page = min(times), span
        return is_long

    def _newest_shown(self) -> datetime | None:
        """The newest time in the list at this moment, as far as it can be believed: what is changed from now on is
        later. A time in the future is none, unless all are: then the helpdesk's clock is ahead. None where it cannot
        be asked for."""
        try:
            page = self._list_page(self._first_page("desc"))
        except _REFUSALS:
            return None  # one walker can read it all the same
        times = times_of(page.records)
        return max((moment for moment in times if moment <= page.served_at), default=page.served_at) if times else None

    def _first_page(self, order: str) -> Parameters:
        asked: Parameters = {"limit": self._page_size, "sort": "updated_at", "order": order}
        return {**asked, "offset": 0} if self._pages_by_offset else asked

    def _divided(self, walker: Iterator[_Sight], until: datetime) -> Iterator[Page]:
        """The pages of every stretch up to a time."""
        first: Iterator[_Sight] | None = walker
        if self._coverage.is_empty:
            self._whole.end = until
            self._under_way = [self._whole]
        else:
            gaps = self._coverage.gaps(self._whole.start, until)
            # What lies behind all that can be trusted is read by the last pass.
            self._waiting = [gap for gap in gaps if gap.start is None or gap.start < self._coverage.trusted_until]
            first = self._another()
        if first is None:
            return
        for sight in self._crew.side_by_side(first, self._another):
            if sight.page is not None:
                yield sight.page
            self._coverage.add(sight.stretch.start, sight.shown_until)

    def _another(self) -> Iterator[_Sight] | None:
        """A walker for a stretch that nobody reads yet; None if there is none that is worth it."""
        if isinstance(self._hindrance, CallsUsedUp):
            return None
        with self._lock:
            stretch = self._waiting.pop() if self._waiting else self._half_of_the_longest()
            if stretch is None:
                return None
            self._under_way.append(stretch)
        return self._read(stretch)

    def _half_of_the_longest(self) -> Stretch | None:
        longest = max(self._under_way, key=_pages_left, default=None)
        if longest is None or longest.reached is None or longest.end is None or _pages_left(longest) < _DIVISIBLE:
            return None
        granularity = max(stretch.granularity for stretch in self._under_way)
        middle = floor(longest.reached + (longest.end - longest.reached) / 2, max(granularity, _INDIVISIBLE))
        if middle <= longest.reached:
            return None
        half = Stretch(middle, longest.end, longest.time_a_page, granularity)
        longest.end = middle
        return half

    def _read(self, stretch: Stretch) -> Iterator[_Sight]:
        saw_the_end: bool | None = False
        try:
            saw_the_end = yield from self._sights(stretch)
        except (CallsUsedUp, ContradictsSupportTable, EndsTooSoon) as error:
            if isinstance(error, ContradictsSupportTable) and str(error) != NEEDS_OFFSET:
                raise
            self._hindrance = error
        stretch.saw_the_end = saw_the_end is True
        with self._lock:
            self._saw_every_end = self._saw_every_end and saw_the_end is not False
            if saw_the_end is None:
                begins = stretch.reached or stretch.start
                self._waiting.append(Stretch(begins, stretch.end, stretch.time_a_page, stretch.granularity))
            self._under_way = [other for other in self._under_way if other is not stretch]
        yield _Sight(stretch, None, stretch.end if stretch.saw_the_end else stretch.reached)

    def _sights(self, stretch: Stretch) -> Generator[_Sight, None, bool | None]:
        """What a walker comes by before its end; whether that was seen, None: it is to be looked for again."""
        walk = walk_stretch(self._list_page, stretch, self._page_size, pages_by_offset=self._pages_by_offset)
        newest: datetime | None = None
        while True:
            try:
                page = next(walk)
            except StopIteration as end:
                is_doubtful = end.value and self._goes_on_behind(stretch, newest)
                return None if is_doubtful else bool(end.value)
            newest = max(filter(None, [newest, newest_of(page.records)]), default=None)
            yield _Sight(stretch, page, stretch.reached)

    def _goes_on_behind(self, stretch: Stretch, newest: datetime | None) -> bool:
        """Whether a list that ended before its stretch shows something behind that: it came just now, or an answer was
        empty that should not have been. What others see there would carry the cursor past what is hidden.

        Raises `EndsTooSoon` if it is so again and again, or if nobody else is there to look for the end.
        """
        end = stretch.end
        if end is None or (newest is not None and newest >= end):
            return False
        behind = newest_of(self._list_page({**self._first_page("asc"), "updated_gte": as_text(end)}).records)
        if behind is None or behind < end:
            return False
        self._doubts += 1
        if self._doubts > _MOST_DOUBTS or not self._under_way:
            raise EndsTooSoon(
                f"Expected a list that goes on to {end}, for it shows what was updated from then on, but got its end "
                "before that. Nothing is lost: no cursor moved. Try again later."
            )
        return True


def _pages(walker: Iterator[_Sight]) -> Iterator[Page]:
    return (sight.page for sight in walker if sight.page is not None)


def _pages_left(stretch: Stretch) -> float:
    """About how many pages a stretch still has, if its records lie as close as those that came last; none as long as
    nothing is known of that."""
    if stretch.reached is None or stretch.end is None or stretch.time_a_page is None:
        return 0
    left = stretch.end - stretch.reached
    if left < _INDIVISIBLE:
        return 0
    return left / stretch.time_a_page if stretch.time_a_page else inf
