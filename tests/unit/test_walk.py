"""The walks against a list that moves, ties, cuts and caps, held in memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.errors import ContradictsSupportTable
from pipelines.ticketing.coverage import Stretch
from pipelines.ticketing.walk import (
    ListPage,
    Place,
    TicketLists,
    Walk,
    reread,
    walk_newest_first,
    walk_stretch,
    walk_whole_list,
)
from pipelines.unified_api.client import Parameters
from pipelines.unified_api.records import Page, Record
from tests.unit.moving_list import NOON, MovingList, Rows, assert_nothing_lost, final_states, rows_from


def walk_by_anchor(
    list_page: ListPage, start: datetime | None, page_size: int, *, pages_by_offset: bool = True
) -> Walk:
    return walk_stretch(list_page, Stretch(start), page_size, pages_by_offset=pages_by_offset)


def walk_whole(list_page: ListPage, start: datetime | None, page_size: int) -> Walk:
    return walk_whole_list(list_page, page_size, pages_by_offset=True, start=start)


def walked(walk: Walk) -> tuple[list[Page], bool]:
    """The pages of a walk, and what it says when it has ended."""
    pages = []
    while True:
        try:
            pages.append(next(walk))
        except StopIteration as end:
            return pages, bool(end.value)


def saw_the_end(walk: Walk) -> bool:
    return walked(walk)[1]


def without_offset(server: MovingList) -> ListPage:
    """The list as one that knows no offset, and must not be told of it."""

    def list_page(parameters: Parameters) -> Page:
        assert "offset" not in parameters
        return server(parameters)

    return list_page


lists = st.lists(st.integers(0, 40), min_size=0, max_size=60)


@settings(max_examples=400, deadline=None)
@given(
    offsets=lists,
    page_size=st.integers(2, 12),
    moves=st.integers(0, 60),
    moves_a_page=st.integers(1, 3),
    cut=st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)]),
    page_cap=st.sampled_from([1, 2, 3, 5, 1000]),
    deletes=st.integers(0, 20),
    inserts=st.integers(0, 20),
    leaves_out_updated_gte=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_by_anchor_yields_every_record_as_it_was_when_the_walk_began_or_later(
    offsets: list[int],
    page_size: int,
    moves: int,
    moves_a_page: int,
    cut: timedelta,
    page_cap: int,
    deletes: int,
    inserts: int,
    leaves_out_updated_gte: bool,
    seed: int,
) -> None:
    server = MovingList(
        rows_from(offsets),
        moves,
        moves_a_page,
        deletes if page_cap > 1 else 0,  # pages of one record do not show that the one before them has gone
        inserts,
        cut=cut,
        page_cap=page_cap,
        leaves_out_updated_gte=leaves_out_updated_gte,
        seed=seed,
    )
    try:
        pages = list(walk_by_anchor(server, None, page_size))
    except ContradictsSupportTable as contradiction:
        # A list that moves as fast as it is read looks like the first.
        if "same page" not in str(contradiction) and ("more than one record" not in str(contradiction) or page_cap > 1):
            raise
        return
    assert_nothing_lost(server, pages, None)
    states = [record.state for page in pages for record in page.records]
    assert cut > timedelta(seconds=1) or len(states) == len(set(states)), "a state was yielded twice"


@settings(max_examples=400, deadline=None)
@given(
    offsets=lists,
    page_size=st.integers(5, 12),
    moves=st.integers(0, 60),
    moves_a_page=st.integers(1, 3),
    deletes=st.integers(0, 20),
    inserts=st.integers(0, 20),
    start=st.none() | st.integers(0, 40),
    page_cap=st.sampled_from([1, 5, 1000]),
    seed=st.integers(0, 2**16),
)
def test_newest_first_yields_every_record_from_its_start_as_it_was_or_later(
    offsets: list[int],
    page_size: int,
    moves: int,
    moves_a_page: int,
    deletes: int,
    inserts: int,
    start: int | None,
    page_cap: int,
    seed: int,
) -> None:
    deletes = deletes if page_cap > 1 else 0
    server = MovingList(rows_from(offsets), moves, moves_a_page, deletes, inserts, page_cap=page_cap, seed=seed)
    since = None if start is None else NOON + timedelta(milliseconds=250 * start)
    try:
        pages = list(walk_newest_first(server, since, page_size))
    except ContradictsSupportTable as contradiction:
        expected = ["all are older", "same page", *(["more than one record"] if page_cap == 1 else [])]
        if not any(words in str(contradiction) for words in expected):
            raise
        return
    assert_nothing_lost(server, pages, since)


@settings(max_examples=200, deadline=None)
@given(offsets=lists, page_size=st.integers(2, 12), start=st.integers(0, 40))
def test_newest_first_stops_where_a_quiet_list_is_older_than_its_start(
    offsets: list[int], page_size: int, start: int
) -> None:
    rows = rows_from(offsets)
    rows["newest"] = NOON + timedelta(minutes=1)
    server = MovingList(rows)
    since = NOON + timedelta(milliseconds=250 * start)
    yielded = final_states(list(walk_newest_first(server, since, page_size)))
    wanted = {identity for identity, moment in rows.items() if moment and moment >= since}
    assert wanted == yielded.keys()
    assert server.requests <= 2 * len(wanted) // (page_size - 1) + 3


def test_newest_first_of_a_quiet_list_costs_one_request() -> None:
    server = MovingList({f"r{day}": NOON + timedelta(days=day) for day in range(300)})
    list(walk_newest_first(server, NOON + timedelta(days=299), 100))
    assert server.requests == 1


def test_a_server_that_sorts_the_other_way_round_is_found_out() -> None:
    server = MovingList({f"r{day}": NOON + timedelta(days=day) for day in range(30)}, sorts=False)
    with pytest.raises(ContradictsSupportTable, match="sorted by updated_at"):
        list(walk_newest_first(server, None, 10))


def test_a_tie_that_hides_an_unsorted_list_is_not_taken_for_its_end() -> None:
    rows: Rows = {**{f"old{index}": NOON for index in range(10)}, "new": NOON + timedelta(days=1)}
    with pytest.raises(ContradictsSupportTable, match="all are older"):
        list(walk_newest_first(MovingList(rows, sorts=False), NOON + timedelta(hours=1), 10))


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 25), max_size=30),
    page_size=st.sampled_from([2, 5, 100]),
    page_cap=st.sampled_from([1, 3, 1000]),
)
def test_each_short_list_is_read_whole_whatever_its_pages(lengths: list[int], page_size: int, page_cap: int) -> None:
    lists_of_tickets = TicketLists(page_size, pages_by_offset=True)
    for length in lengths:
        server = MovingList(rows_from(list(range(length))), page_cap=page_cap)
        assert final_states(list(lists_of_tickets.walk(server))) == server.rows


def test_most_short_lists_cost_one_request() -> None:
    lists_of_tickets = TicketLists(100, pages_by_offset=True)
    servers = [MovingList(rows_from(list(range(length)))) for length in (6, 3, 0, 5, 2)]
    for server in servers:
        list(lists_of_tickets.walk(server))
    assert [server.requests for server in servers] == [2, 1, 1, 1, 1]


@settings(max_examples=200, deadline=None)
@given(
    offsets=lists,
    page_size=st.integers(2, 12),
    anchor=st.booleans(),
    cut=st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(minutes=1)]),
)
@example(offsets=[0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5], page_size=2, anchor=True, cut=timedelta(minutes=1))
def test_looking_again_comes_round_the_whole_list_a_page_at_a_time(
    offsets: list[int], page_size: int, anchor: bool, cut: timedelta
) -> None:
    server = MovingList(rows_from(offsets), cut=cut)
    place: Place | None = Place()
    pages = []
    while place is not None:
        page, place = reread(server, place, page_size, sort=anchor, anchor=anchor)
        pages.append(page)
    assert final_states(pages) == server.rows
    assert len(pages) <= 2 * len(offsets) + 3


@settings(max_examples=200, deadline=None)
@given(offsets=lists, page_size=st.integers(2, 12))
def test_looking_again_without_offset_comes_as_far_as_its_anchors_move(offsets: list[int], page_size: int) -> None:
    server = MovingList(rows_from(offsets))
    place: Place | None = Place()
    pages = []
    while place is not None:
        page, place = reread(without_offset(server), place, page_size, sort=True, anchor=True, pages_by_offset=False)
        pages.append(page)
    longest_tie = max((offsets.count(offset) for offset in offsets), default=0)
    assert longest_tie >= page_size or final_states(pages) == server.rows
    assert len(pages) <= len(offsets) + 2


def test_looking_again_where_nothing_moves_is_one_page() -> None:
    server = MovingList(rows_from(list(range(5))))
    page, behind = reread(without_offset(server), Place(), 10, sort=False, anchor=False, pages_by_offset=False)
    assert final_states([page]) == server.rows
    assert behind is None


@settings(max_examples=200, deadline=None)
@given(offsets=lists, page_size=st.integers(2, 12), start=st.integers(0, 40))
def test_by_anchor_reads_everything_from_its_start_and_nothing_before(
    offsets: list[int], page_size: int, start: int
) -> None:
    server = MovingList(rows_from(offsets))
    since = NOON + timedelta(milliseconds=250 * start)
    expected = {identity: moment for identity, moment in server.rows.items() if moment and moment >= since}
    assert final_states(list(walk_by_anchor(server, since, page_size))) == expected


@settings(max_examples=200, deadline=None)
@given(
    offsets=lists,
    page_size=st.integers(2, 12),
    page_cap=st.sampled_from([2, 5, 1000]),
    moves=st.integers(0, 60),
    deletes=st.integers(0, 20),
    inserts=st.integers(0, 20),
    seed=st.integers(0, 2**16),
)
def test_the_whole_list_yields_every_record_though_records_move_come_and_go(
    offsets: list[int], page_size: int, page_cap: int, moves: int, deletes: int, inserts: int, seed: int
) -> None:
    server = MovingList(rows_from(offsets), moves, 1, deletes, inserts, page_cap=page_cap, seed=seed)
    pages, is_end = walked(walk_whole_list(server, page_size, pages_by_offset=True))
    assert_nothing_lost(server, pages, None)
    before = rows_from(offsets).keys() & server.rows.keys()
    assert not is_end or before <= final_states(pages).keys()


@settings(max_examples=100, deadline=None)
@given(offsets=lists, page_size=st.integers(2, 12), start=st.integers(0, 40))
def test_the_changed_list_is_what_the_server_says_has_changed(offsets: list[int], page_size: int, start: int) -> None:
    server = MovingList(rows_from(offsets), sorts=False)
    since = NOON + timedelta(milliseconds=250 * start)
    expected = {identity: moment for identity, moment in server.rows.items() if moment and moment >= since}
    pages = list(walk_whole_list(server, page_size, pages_by_offset=True, start=since))
    assert final_states(pages) == expected


@settings(max_examples=100, deadline=None)
@given(offsets=lists, page_size=st.integers(2, 12), page_cap=st.sampled_from([1, 2, 5, 1000]))
def test_the_whole_list_of_a_quiet_server_is_read_whatever_its_pages(
    offsets: list[int], page_size: int, page_cap: int
) -> None:
    server = MovingList(rows_from(offsets), page_cap=page_cap)
    assert final_states(list(walk_whole_list(server, page_size, pages_by_offset=True))) == server.rows


def test_a_quiet_list_costs_three_requests_at_most() -> None:
    server = MovingList(rows_from([1, 2, 3, 3]))
    list(walk_by_anchor(server, NOON, 100))
    assert server.requests <= 3


@pytest.mark.parametrize("start", [None, NOON])
def test_a_list_of_one_record_costs_three_requests_at_most(start: datetime | None) -> None:
    for walk in (walk_by_anchor, walk_newest_first):
        server = MovingList({"r": NOON})
        assert final_states(list(walk(server, start, 100))) == server.rows
        assert server.requests <= 3


def test_a_tie_of_many_pages_is_read_twice() -> None:
    server = MovingList({f"r{index}": NOON for index in range(990)})
    list(walk_by_anchor(server, None, 100))
    assert server.requests <= 2 * (10 + 2)


def test_a_second_of_many_pages_on_a_server_that_cuts_to_seconds_is_read_once() -> None:
    rows: Rows = {f"r{index}": NOON + timedelta(milliseconds=index) for index in range(990)}
    server = MovingList(rows, cut=timedelta(seconds=1))
    list(walk_by_anchor(server, None, 100))
    assert server.requests <= 10 + 4


def test_an_empty_list_costs_one_request() -> None:
    server = MovingList({})
    assert list(walk_by_anchor(server, NOON, 100)) == []
    assert server.requests == 1


def test_records_without_a_time_are_read_where_the_server_lists_them_first() -> None:
    rows: Rows = {f"n{index}": None for index in range(7)}
    server = MovingList(rows | rows_from([1, 2, 3]))
    assert len(final_states(list(walk_by_anchor(server, None, 3)))) == 10


def test_a_list_that_changes_as_fast_as_it_is_read_comes_to_an_end() -> None:
    list(walk_by_anchor(MovingList(rows_from(list(range(40))), moves=10**9, moves_a_page=2), None, 10))
    busy = MovingList(rows_from(list(range(40))), moves=10**9, moves_a_page=2)
    list(walk_whole_list(busy, 10, pages_by_offset=True))


def test_a_list_that_grows_as_fast_as_it_is_read_comes_to_an_end() -> None:
    old = rows_from(list(range(40)))
    for walk in (walk_by_anchor, walk_whole):
        growing = MovingList(dict(old), inserts=10**9, inserts_a_page=11)
        pages = list(walk(growing, None, 10))
        assert old.items() <= final_states(pages).items()
        assert growing.requests < 40
        assert not saw_the_end(walk(MovingList(dict(old), inserts=10**9, inserts_a_page=11), None, 10))


@pytest.mark.parametrize("inserts_a_page", [8, 9, 10, 11, 30])
def test_a_list_that_grows_at_its_front_as_fast_as_it_is_read_is_not_taken_for_read(inserts_a_page: int) -> None:
    old = rows_from(list(range(40)))
    for walk in (walk_newest_first, walk_whole):
        growing = MovingList(dict(old), inserts=10**9, inserts_a_page=inserts_a_page, lists_newest_first=True)
        try:
            pages = list(walk(growing, None, 10))
        except ContradictsSupportTable as contradiction:
            if "moves as fast" not in str(contradiction) and "offset to move" not in str(contradiction):
                raise
        else:
            assert old.items() <= final_states(pages).items()
        assert growing.requests < 600


def test_changes_here_and_there_in_a_whole_list_of_single_records_are_not_taken_for_its_growth() -> None:
    rows: Rows = {f"r{index}": NOON for index in range(60)}
    clock = NOON + timedelta(days=1)

    def list_page(parameters: Parameters) -> Page:
        offset = int(str(parameters["offset"]))
        if offset < 50 and offset % 2:
            rows[f"r{offset}"] = clock
        return Page([Record(name, moment, {}) for name, moment in [*rows.items()][offset : offset + 1]], clock)

    assert final_states(list(walk_whole(list_page, None, 10))) == rows


def test_a_whole_list_whose_helpdesk_runs_ahead_of_the_server_is_read_to_its_end() -> None:
    rows: Rows = {f"r{minute}": NOON + timedelta(days=1, minutes=minute) for minute in range(-600, 600)}
    ahead = MovingList(rows, lists_newest_first=True, sorts=False)
    assert final_states(list(walk_whole(ahead, None, 10))) == rows


def test_times_at_either_end_of_the_calendar_are_read_like_others() -> None:
    for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        for leaves_out_updated_gte in (False, True):
            server = MovingList({f"r{n}": moment for n in range(9)}, leaves_out_updated_gte=leaves_out_updated_gte)
            assert final_states(list(walk_by_anchor(server, None, 10))) == server.rows


@pytest.mark.parametrize("years_ahead", [1, 73])
def test_what_is_dated_far_in_the_future_is_read_like_the_rest(years_ahead: int) -> None:
    then = NOON + timedelta(days=365 * years_ahead)
    rows: Rows = {f"r{index}": then + timedelta(minutes=index) for index in range(200)}
    for walk in (walk_by_anchor, walk_newest_first, walk_whole):
        assert final_states(list(walk(MovingList(rows), None, 10))) == rows
        assert saw_the_end(walk(MovingList(rows), None, 10))


def test_a_tie_on_a_server_that_ignores_the_offset_is_found_out() -> None:
    server = MovingList({f"r{index}": NOON for index in range(30)}, honours_offset=False)
    with pytest.raises(ContradictsSupportTable, match="offset"):
        list(walk_by_anchor(server, None, 10))


def test_a_server_that_does_not_sort_is_found_out() -> None:
    server = MovingList(dict(reversed(rows_from([1, 2, 3]).items())), sorts=False)
    with pytest.raises(ContradictsSupportTable, match="sorted by updated_at"):
        list(walk_by_anchor(server, None, 10))


def test_a_server_that_ignores_updated_gte_is_found_out() -> None:
    rows: Rows = {f"r{day}": NOON + timedelta(days=day) for day in range(9)}
    server = MovingList(rows, ignores_updated_gte=True)
    with pytest.raises(ContradictsSupportTable, match="nothing updated before"):
        list(walk_by_anchor(server, NOON + timedelta(days=8), 3))


def test_a_server_whose_ties_come_in_another_order_each_time_is_found_out() -> None:
    server = MovingList({f"r{index}": NOON for index in range(200)}, shuffles_ties=True)
    with pytest.raises(ContradictsSupportTable, match="steady order"):
        list(walk_by_anchor(server, None, 50))


@settings(max_examples=400, deadline=None)
@given(
    before=st.integers(0, 12),
    tie=st.integers(2, 40),
    behind=st.integers(0, 12),
    page_size=st.integers(5, 12),
    newest_first=st.booleans(),
    cut=st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(minutes=1)]),
    seed=st.integers(0, 2**16),
)
def test_ties_in_another_order_each_time_are_found_out_or_read_whole(
    before: int, tie: int, behind: int, page_size: int, newest_first: bool, cut: timedelta, seed: int
) -> None:
    offsets = [*range(before), *([before] * tie), *range(before + 1, before + 1 + behind)]
    server = MovingList(rows_from(offsets), shuffles_ties=True, cut=cut, seed=seed)
    walk = walk_newest_first if newest_first else walk_by_anchor
    try:
        pages = list(walk(server, None, page_size))
    except ContradictsSupportTable as contradiction:
        if "steady order" not in str(contradiction):
            raise
        return
    assert final_states(pages) == server.rows


@pytest.mark.parametrize(("tie", "length", "page_size"), [(6, 6, 5), (7, 20, 5), (12, 20, 10), (20, 40, 10)])
def test_a_tie_slightly_longer_than_a_page_loses_nothing_in_any_of_many_orders(
    tie: int, length: int, page_size: int
) -> None:
    offsets = [0] * tie + list(range(1, 1 + length - tie))
    for walk in (walk_by_anchor, walk_newest_first):
        for seed in range(300):
            server = MovingList(rows_from(offsets), shuffles_ties=True, seed=seed)
            try:
                pages = list(walk(server, None, page_size))
            except ContradictsSupportTable:
                continue
            assert final_states(pages) == server.rows


@pytest.mark.parametrize(("length", "page_size"), [(6, 5), (20, 5), (25, 10), (110, 100)])
def test_a_whole_list_in_another_order_each_time_is_read_whole(length: int, page_size: int) -> None:
    for seed in range(100):
        server = MovingList(rows_from(list(range(length))), shuffles_ties=True, seed=seed)
        assert final_states(list(walk_whole(server, None, page_size))) == server.rows


def test_a_second_look_finds_out_that_a_server_does_not_sort() -> None:
    """A walk may never: what changed since its start may be a single record."""
    server = MovingList(rows_from([5, 3, 4]), sorts=False, lists_newest_first=True)
    with pytest.raises(ContradictsSupportTable, match="second look"):
        reread(server, Place(), 10, sort=True, anchor=True)


def test_a_whole_list_whose_neighbours_change_places_is_no_list_that_ignores_its_offset() -> None:
    """Steps back show the same page again and again, until two answers agree."""
    rows = [Record(f"r{number}", NOON, {}) for number in range(12)]
    for seed in range(300):
        chance = random.Random(seed)

        def list_page(parameters: Parameters, chance: random.Random = chance) -> Page:
            pairs = [rows[start : start + 2] for start in range(0, len(rows), 2)]
            order = [record for pair in pairs for record in (pair if chance.random() < 0.5 else pair[::-1])]
            offset = int(str(parameters["offset"]))
            return Page([*order[offset : offset + 3]], NOON)

        assert final_states(list(walk_whole(list_page, None, 3))) == {record.id: NOON for record in rows}


@settings(max_examples=200, deadline=None)
@given(offsets=lists, page_size=st.integers(5, 12))
def test_ties_in_another_order_each_time_are_no_matter_where_the_order_is_steady(
    offsets: list[int], page_size: int
) -> None:
    for walk in (walk_by_anchor, walk_newest_first):
        server = MovingList(rows_from(offsets))
        assert final_states(list(walk(server, None, page_size))) == server.rows
        assert saw_the_end(walk(MovingList(rows_from(offsets)), None, page_size))


def test_what_moves_to_the_front_in_the_second_of_the_walk_is_no_disorder() -> None:
    server = MovingList(rows_from(list(range(30))))
    requests = []

    def list_page(parameters: Parameters) -> Page:
        requests.append(parameters)
        server.rows = {f"new{len(requests)}": server.clock, **server.rows}
        if len(requests) == 2:
            del server.rows["r20"], server.rows["r21"], server.rows["r22"], server.rows["r23"]
        return server(parameters)

    pages = list(walk_newest_first(list_page, None, 10))
    assert_nothing_lost(server, [*pages, *[Page([Record(f"new{n}", server.clock, {})], NOON) for n in range(40)]], None)


@pytest.mark.parametrize("walk", [walk_by_anchor, walk_newest_first])
def test_a_server_of_one_record_a_page_is_left_to_a_safer_plan(walk: Callable[..., Walk]) -> None:
    with pytest.raises(ContradictsSupportTable, match="more than one record"):
        list(walk(MovingList(rows_from(list(range(9))), page_cap=1), None, 10))


def test_a_server_that_leaves_out_the_time_it_is_asked_from_loses_nothing() -> None:
    rows = rows_from([index // 4 for index in range(40)])
    server = MovingList(rows, leaves_out_updated_gte=True)
    assert final_states(list(walk_by_anchor(server, None, 5))) == rows
    assert server.requests <= 40


@settings(max_examples=400, deadline=None)
@given(
    offsets=lists,
    page_size=st.integers(2, 12),
    page_cap=st.sampled_from([1, 2, 5, 1000]),
    cut=st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(minutes=1)]),
    moves=st.integers(0, 30),
    deletes=st.integers(0, 20),
    inserts=st.integers(0, 20),
    seed=st.integers(0, 2**16),
)
def test_by_anchor_without_offset_reads_all_or_says_that_it_does_not(
    offsets: list[int],
    page_size: int,
    page_cap: int,
    cut: timedelta,
    moves: int,
    deletes: int,
    inserts: int,
    seed: int,
) -> None:
    server = MovingList(rows_from(offsets), moves, 1, deletes, inserts, cut=cut, page_cap=page_cap, seed=seed)
    walk = walk_by_anchor(without_offset(server), None, page_size, pages_by_offset=False)
    try:
        pages, is_end = walked(walk)
    except ContradictsSupportTable as contradiction:
        if "without offset" not in str(contradiction):
            raise
        return
    if is_end:
        assert_nothing_lost(server, pages, None)


def test_by_anchor_without_offset_reads_a_list_of_many_short_pages_to_its_end() -> None:
    server = MovingList(rows_from([index // 3 for index in range(60)]), page_cap=10)
    walk = walk_by_anchor(without_offset(server), None, 100, pages_by_offset=False)
    assert final_states(list(walk)) == server.rows
    server.requests = 0
    assert saw_the_end(walk_by_anchor(without_offset(server), None, 100, pages_by_offset=False))


@pytest.mark.parametrize("page_size", [10, 100])
def test_a_tie_longer_than_a_page_without_offset_is_refused(page_size: int) -> None:
    server = MovingList(rows_from([*range(5), *([5] * 30)]), page_cap=10)
    with pytest.raises(ContradictsSupportTable, match="without offset"):
        list(walk_by_anchor(without_offset(server), None, page_size, pages_by_offset=False))


def test_by_anchor_without_offset_of_a_quiet_list_costs_two_requests_and_a_third_where_all_is_one_tie() -> None:
    for offsets in ([], [1], [1, 2, 3], [1, 1, 1]):
        server = MovingList(rows_from(offsets))
        assert (
            final_states(list(walk_by_anchor(without_offset(server), NOON, 100, pages_by_offset=False))) == server.rows
        )
        assert server.requests <= (3 if offsets == [1, 1, 1] else 2)


@pytest.mark.parametrize("cut", [timedelta(0), timedelta(seconds=1), timedelta(minutes=1)])
@pytest.mark.parametrize("before", [0, 7])
def test_what_lies_behind_a_tie_that_a_list_without_offset_cuts_is_read_before_that_is_said(
    cut: timedelta, before: int
) -> None:
    tie = {f"tie{index}": NOON + timedelta(minutes=before) for index in range(60)}
    others = {f"r{index}": NOON + timedelta(minutes=index) for index in range(100) if index != before}
    rows: Rows = {**tie, **others}
    pages: list[Page] = []
    with pytest.raises(ContradictsSupportTable, match="without offset"):
        pages.extend(
            walk_by_anchor(without_offset(MovingList(rows, page_cap=50, cut=cut)), None, 100, pages_by_offset=False)
        )
    assert others.items() <= final_states(pages).items()


@pytest.mark.parametrize("cut", [timedelta(0), timedelta(minutes=1), timedelta(days=1)])
@pytest.mark.parametrize("moment", [datetime.max.replace(tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
@pytest.mark.parametrize("page_size", [10, 100])
def test_a_tie_at_the_end_of_the_calendar_ends_a_list_without_offset(
    cut: timedelta, moment: datetime, page_size: int
) -> None:
    server = MovingList({f"r{index}": moment for index in range(60)}, page_cap=50, cut=cut)
    walk = walk_by_anchor(without_offset(server), None, page_size, pages_by_offset=False)
    with pytest.raises(ContradictsSupportTable, match="without offset") if page_size == 10 else nullcontext():
        list(walk)
    assert server.requests < 10


def test_what_comes_while_the_end_of_a_list_without_offset_is_looked_at_is_read() -> None:
    server = MovingList(dict.fromkeys(("a", "b", "c"), NOON))
    quiet = without_offset(server)

    def list_page(parameters: Parameters) -> Page:
        if server.requests == 2:
            server.rows["late"] = NOON + timedelta(minutes=1)
        return quiet(parameters)

    assert final_states(list(walk_by_anchor(list_page, None, 100, pages_by_offset=False))) == server.rows


def test_a_short_page_of_a_list_without_offset_does_not_say_that_the_end_was_seen() -> None:
    server = MovingList(rows_from(list(range(5))))
    assert not saw_the_end(walk_whole_list(without_offset(server), 10, pages_by_offset=False))


def test_a_list_longer_than_a_page_without_offset_is_refused_rather_than_cut() -> None:
    server = MovingList(rows_from(list(range(30))), honours_offset=False)
    with pytest.raises(ContradictsSupportTable, match="without offset"):
        list(walk_whole_list(server, 10, pages_by_offset=False))


def test_a_server_that_ignores_the_offset_is_found_out() -> None:
    server = MovingList(rows_from(list(range(30))), honours_offset=False)
    with pytest.raises(ContradictsSupportTable, match="move through the list"):
        list(walk_whole_list(server, 10, pages_by_offset=True))


def test_a_server_that_ignores_the_offset_of_a_short_list_is_read() -> None:
    server = MovingList(rows_from([1, 2, 3]), honours_offset=False)
    assert final_states(list(walk_whole_list(server, 10, pages_by_offset=True))) == server.rows
    assert not saw_the_end(walk_whole_list(server, 10, pages_by_offset=True))
