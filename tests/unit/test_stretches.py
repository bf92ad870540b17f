"""A list read in stretches by walkers that take turns as dice have it, while it moves."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import CallsUsedUp, ContradictsSupportTable, ParameterRefused, TryAgainLater
from pipelines.ticketing import stretches
from pipelines.ticketing.coverage import Coverage, Stretch
from pipelines.ticketing.crew import Crew
from pipelines.ticketing.cursor import as_text
from pipelines.ticketing.stretches import Stretches, Wanted
from pipelines.ticketing.walk import ListPage, walk_stretch
from pipelines.unified_api.client import Parameters
from pipelines.unified_api.records import Page
from tests.unit.moving_list import NOON, MovingList, Rows, assert_nothing_lost, final_states, rows_from

Item = TypeVar("Item")
Result = TypeVar("Result")

counts = st.integers(0, 150)
cuts = st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(minutes=1)])


class Dice(Crew):
    """Hands that take turns, page by page, as the dice fall: the same each time for one seed."""

    def __init__(self, hands: int, seed: int) -> None:
        super().__init__(hands)
        self.most_at_once = 0
        self._dice = random.Random(seed)

    def side_by_side(self, first: Iterator[Item], another: Callable[[], Iterator[Item] | None]) -> Iterator[Item]:
        at_work = [first]
        while at_work:
            while len(at_work) <= self.hands and self._dice.random() < 0.9 and (more := another()) is not None:
                at_work.append(more)
            self.most_at_once = max(self.most_at_once, len(at_work))
            one = self._dice.choice(at_work)
            try:
                item = next(one)
            except StopIteration:
                at_work.remove(one)
                if (more := another()) is not None:
                    at_work.append(more)
            else:
                yield item

    def begin(self, work: Callable[[], Result]) -> Future[Result] | None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def short_lists_are_worth_dividing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "LONG", 0)
    monkeypatch.setattr(stretches, "_DIVISIBLE", 0.1)
    monkeypatch.setattr(stretches, "_INDIVISIBLE", timedelta(milliseconds=2))


def moments(count: int, seed: int) -> Rows:
    """So many records of ten seconds, ties among them."""
    dice = random.Random(seed)
    return rows_from([dice.randint(0, 40) for _ in range(count)])


def reading(server: ListPage, page_size: int, crew: Crew, coverage: Coverage | None = None) -> Stretches:
    known = coverage or Coverage(None)
    return Stretches(server, Wanted(None, page_size, crew, known), pages_by_offset=True)


@settings(max_examples=200, deadline=None)
@given(
    count=counts,
    page_size=st.integers(2, 12),
    moves=st.integers(0, 60),
    moves_a_page=st.integers(1, 3),
    cut=cuts,
    page_cap=st.sampled_from([2, 3, 5, 1000]),
    deletes=st.integers(0, 20),
    inserts=st.integers(0, 20),
    leaves_out_updated_gte=st.booleans(),
    hands=st.integers(0, 6),
    seed=st.integers(0, 2**16),
)
def test_no_record_slips_between_walkers(
    count: int,
    page_size: int,
    moves: int,
    moves_a_page: int,
    cut: timedelta,
    page_cap: int,
    deletes: int,
    inserts: int,
    leaves_out_updated_gte: bool,
    hands: int,
    seed: int,
) -> None:
    server = MovingList(
        moments(count, seed),
        moves,
        moves_a_page,
        deletes,
        inserts,
        cut=cut,
        page_cap=page_cap,
        leaves_out_updated_gte=leaves_out_updated_gte,
        seed=seed,
        clock=NOON + timedelta(seconds=11),
    )
    try:
        pages = list(reading(server, page_size, Dice(hands, seed)).walk())
    except ContradictsSupportTable as contradiction:
        if "same page" not in str(contradiction):
            raise
        return
    assert_nothing_lost(server, pages, None)


@settings(max_examples=200, deadline=None)
@given(
    count=counts,
    page_size=st.integers(2, 12),
    moves=st.integers(0, 40),
    cut=cuts,
    inserts=st.integers(0, 20),
    leaves_out_updated_gte=st.booleans(),
    hands=st.integers(0, 6),
    killed_after=st.lists(st.integers(0, 12), max_size=3),
    seed=st.integers(0, 2**16),
)
def test_a_reading_that_is_killed_again_and_again_loses_nothing_of_what_it_did_not_read_twice(
    count: int,
    page_size: int,
    moves: int,
    cut: timedelta,
    inserts: int,
    leaves_out_updated_gte: bool,
    hands: int,
    killed_after: list[int],
    seed: int,
) -> None:
    server = MovingList(
        moments(count, seed),
        moves,
        1,
        0,
        inserts,
        cut=cut,
        leaves_out_updated_gte=leaves_out_updated_gte,
        seed=seed,
        clock=NOON + timedelta(seconds=11),
    )
    pages: list[Page] = []
    coverage = Coverage(None)
    try:
        for at_page in killed_after:
            walk = reading(server, page_size, Dice(hands, seed), coverage).walk()
            pages += [page for page, _ in zip(walk, range(at_page), strict=False)]
            walk.close()
            server.clock += timedelta(minutes=5)
            coverage = Coverage.from_state(coverage.to_state(with_raw=True), None, with_raw=True)
        server.began_at = None
        pages += list(reading(server, page_size, Dice(hands, seed), coverage).walk())
    except ContradictsSupportTable as contradiction:
        if "same page" not in str(contradiction):
            raise
        return
    assert_nothing_lost(server, pages, None)


@settings(max_examples=200, deadline=None)
@given(
    count=counts,
    page_size=st.integers(2, 6),
    end=st.integers(0, 40),
    cut=cuts,
    leaves_out_updated_gte=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_a_stretch_shows_all_of_the_moment_at_its_end(
    count: int, page_size: int, end: int, cut: timedelta, leaves_out_updated_gte: bool, seed: int
) -> None:
    server = MovingList(moments(count, seed), cut=cut, leaves_out_updated_gte=leaves_out_updated_gte)
    stretch = Stretch(None, NOON + timedelta(milliseconds=250 * end))
    found = final_states(list(walk_stretch(server, stretch, page_size)))
    assert {
        id for id, moment in server.rows.items() if moment and stretch.end and moment <= stretch.end
    } <= found.keys()


def long_list(days: int = 2_000) -> MovingList:
    return MovingList({f"r{day}": NOON + timedelta(days=day) for day in range(days)}, clock=NOON + timedelta(days=days))


def test_a_long_list_is_read_by_all_hands_at_little_more_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    server, crew = long_list(20_000), Dice(15, seed=1)
    pages = list(reading(server, 100, crew).walk())
    assert final_states(pages) == server.rows
    assert crew.most_at_once == 16
    assert server.requests < 1.25 * 20_000 / 99


def test_a_short_list_is_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    server, crew = long_list(150), Dice(15, seed=1)
    list(reading(server, 100, crew).walk())
    assert (server.requests, crew.most_at_once) == (3, 0)


def test_a_reading_goes_on_where_it_was_cut_short() -> None:
    server, coverage = long_list(), Coverage(None)
    walk = reading(server, 10, Dice(3, seed=1), coverage).walk()
    first = [page for page, _ in zip(walk, range(150), strict=False)]
    walk.close()
    kept = Coverage.from_state(coverage.to_state(with_raw=True), None, with_raw=True)
    requests_before = server.requests
    then = list(reading(server, 10, Dice(3, seed=2), kept).walk())
    assert final_states(first) | final_states(then) == server.rows
    assert server.requests - requests_before < 110


def test_a_stretch_that_was_named_is_all_that_is_read() -> None:
    server = long_list()
    since, until = NOON + timedelta(days=500), NOON + timedelta(days=900)
    wanted = Wanted(since, 10, Dice(3, seed=1), Coverage(since), until)
    found = final_states(list(Stretches(server, wanted, pages_by_offset=True).walk()))
    assert {id for id, moment in server.rows.items() if moment and since <= moment <= until} <= found.keys()
    assert server.requests < 75


def test_what_comes_to_light_late_is_read_by_the_last_pass() -> None:
    server, hidden = long_list(300), NOON + timedelta(days=299, minutes=-2)
    wanted = Wanted(None, 10, Dice(3, 1), Coverage(None), lookback=timedelta(minutes=5))
    pages = []
    for page in Stretches(server, wanted, pages_by_offset=True).walk():
        pages.append(page)
        if "r299" in final_states(pages):
            server.rows.setdefault("late", hidden)
    assert final_states(pages)["late"] == hidden


def test_what_came_to_light_since_a_reading_was_killed_is_read_by_the_next_one() -> None:
    server, coverage = long_list(300), Coverage(None)
    wanted = Wanted(None, 10, Dice(3, 1), coverage, lookback=timedelta(minutes=5))
    walk = Stretches(server, wanted, pages_by_offset=True).walk()
    for page in walk:
        if "r299" in final_states([page]) and not coverage.gaps(NOON + timedelta(days=298), NOON + timedelta(days=299)):
            break
    walk.close()
    server.rows["late"] = NOON + timedelta(days=299, minutes=-2)
    kept = Coverage.from_state(coverage.to_state(with_raw=True), None, with_raw=True)
    assert not kept.is_empty
    wanted = Wanted(None, 10, Dice(3, 1), kept, lookback=timedelta(minutes=5))
    assert "late" in final_states(list(Stretches(server, wanted, pages_by_offset=True).walk()))


def test_a_helpdesk_whose_clock_is_behind_loses_nothing_to_the_last_pass() -> None:
    behind = timedelta(hours=2)
    server = MovingList(
        {f"r{day}": NOON + timedelta(days=day) for day in range(300)},
        moves=120,
        moves_a_page=1,
        clock=NOON + timedelta(days=300),
    )

    def list_page(parameters: dict[str, object]) -> Page:
        page = server(parameters)  # type: ignore[arg-type]
        return Page(page.records, page.served_at + behind)

    wanted = Wanted(None, 10, Dice(3, 1), Coverage(None))
    pages = list(Stretches(list_page, wanted, pages_by_offset=True).walk())  # type: ignore[arg-type]
    assert final_states(pages) == server.rows


def test_bulk_imports_of_one_moment_are_found_by_all_hands() -> None:
    rows: dict[str, datetime | None] = {f"r{day}": NOON + timedelta(days=day) for day in range(1_000)}
    rows |= {f"import{number}": NOON + timedelta(days=333) for number in range(300)}
    server = MovingList(rows, clock=NOON + timedelta(days=1_000))
    assert final_states(list(reading(server, 10, Dice(5, 3)).walk())) == server.rows


def test_a_walker_that_is_held_up_claims_nothing_that_it_did_not_show() -> None:
    """While its second page is waited for, thousands are updated in bulk, and a fault cuts the reading short later."""
    day = NOON + timedelta(days=2)
    server = MovingList({f"r{number}": NOON + timedelta(hours=number * 0.8) for number in range(60)}, clock=day)
    calls, most = 0, 300

    def list_page(parameters: Parameters) -> Page:
        nonlocal calls
        calls += 1
        if calls == 2:
            moments = (day + timedelta(seconds=1, milliseconds=100 * number) for number in range(4_000))
            server.rows |= {f"bulk{number}": moment for number, moment in enumerate(moments)}
            server.clock = day + timedelta(minutes=20)
            server.rows["last"] = day + timedelta(minutes=19)
        if calls > most:
            raise TryAgainLater("503")
        return server(parameters)

    coverage = Coverage(None)
    pages: list[Page] = []
    wanted = Wanted(None, 10, Dice(3, 1), coverage, lookback=timedelta(minutes=5))
    with pytest.raises(TryAgainLater):
        pages.extend(Stretches(list_page, wanted, pages_by_offset=True).walk())
    most = 10**6
    server.clock += timedelta(hours=1)
    kept = Coverage.from_state(coverage.to_state(with_raw=True), None, with_raw=True)
    wanted = Wanted(None, 10, Dice(3, 1), kept, lookback=timedelta(minutes=5))
    pages += list(Stretches(list_page, wanted, pages_by_offset=True).walk())
    assert server.rows.keys() <= final_states(pages).keys()


def test_what_was_read_is_not_forgotten_by_a_reading_that_fails_at_its_first_request() -> None:
    server, coverage = long_list(), Coverage(None)
    walk = reading(server, 10, Dice(3, seed=1), coverage).walk()
    list(zip(walk, range(150), strict=False))
    walk.close()
    state = coverage.to_state(with_raw=True)
    kept = Coverage.from_state(state, None, with_raw=True)

    def down(parameters: Parameters) -> Page:
        raise TryAgainLater("503")

    with pytest.raises(TryAgainLater):
        list(Stretches(down, Wanted(None, 10, Dice(3, seed=1), kept), pages_by_offset=True).walk())
    assert kept.to_state(with_raw=True) == state


def test_a_tie_that_cannot_be_read_keeps_nothing_else_from_being_read() -> None:
    rows: Rows = {f"r{day}": NOON + timedelta(days=day) for day in range(600)}
    rows |= {f"tie{number}": NOON + timedelta(days=100) for number in range(30)}
    server = MovingList(rows, honours_offset=False, clock=NOON + timedelta(days=600))
    pages: list[Page] = []
    with pytest.raises(ContradictsSupportTable, match="more"):
        pages.extend(Stretches(server, Wanted(None, 10, Dice(3, 1), Coverage(None)), pages_by_offset=False).walk())
    assert {f"r{day}" for day in range(600)} <= final_states(pages).keys()


def test_a_server_that_refuses_to_show_the_newest_first_is_read_by_one_walker() -> None:
    server, crew = long_list(600), Dice(3, 1)

    def list_page(parameters: Parameters) -> Page:
        if parameters["order"] == "desc":
            raise ParameterRefused("400: order must be asc")
        return server(parameters)

    pages = list(Stretches(list_page, Wanted(None, 10, crew, Coverage(None)), pages_by_offset=False).walk())
    assert final_states(pages) == server.rows
    assert crew.most_at_once == 0


@pytest.mark.parametrize("ceiling", [6, 8, 12, 20])
def test_each_run_under_a_ceiling_of_calls_comes_further(ceiling: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    server, left = long_list(), 0
    coverage = Coverage(None)

    def list_page(parameters: Parameters) -> Page:
        nonlocal left
        if left == 0:
            raise CallsUsedUp("no more")
        left -= 1
        server.requests = 0
        return server(parameters)

    for run in range(3 * len(server.rows) // ceiling):
        left = ceiling
        walk = Stretches(list_page, Wanted(None, 10, Dice(15, run), coverage), pages_by_offset=True).walk()
        try:
            assert all(page.records for page in walk)
        except CallsUsedUp:
            coverage = Coverage.from_state(coverage.to_state(with_raw=True), None, with_raw=True)
        else:
            assert run * ceiling < 4 * len(server.rows) / 9
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("hands", [0, 4])
def test_a_list_that_ends_again_and_again_before_what_it_shows_is_not_believed(hands: int) -> None:
    """It shows half of what there is, and the newest to who asks for that."""
    rows = moments(120, 1)
    server = MovingList(rows, 0, 1)
    whole = server({"limit": 1_000, "sort": "updated_at", "order": "asc", "offset": 0})
    times = sorted(record.updated_at for record in whole.records if record.updated_at)
    newest = times[-1]

    def list_page(parameters: Parameters) -> Page:
        page = server(parameters)
        is_newest = parameters.get("order") == "desc" or str(parameters.get("updated_gte", "")) >= as_text(newest)
        shown = page.records if is_newest else [r for r in page.records if r.updated_at and r.updated_at < times[60]]
        return Page(shown, page.served_at)

    with pytest.raises(TryAgainLater, match="Expected a list that goes on"):
        for _ in reading(list_page, 5, Dice(hands, 1)).walk():
            pass
