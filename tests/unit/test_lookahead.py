"""Pages asked for ahead of a walk: fewer waits, the same records, little in vain."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import ContradictsSupportTable
from pipelines.ticketing.crew import Crew
from pipelines.ticketing.lookahead import Lookahead
from pipelines.ticketing.walk import walk_newest_first, walk_whole_list
from pipelines.unified_api.client import Parameters
from pipelines.unified_api.records import Page
from tests.unit.moving_list import NOON, MovingList, Rows, assert_nothing_lost, final_states, rows_from

Result = TypeVar("Result")


class Eager(Crew):
    """Hands that have done a thing as soon as they are told, so that pages come in another order than they are read."""

    def begin(self, work: Callable[[], Result]) -> Future[Result] | None:
        future: Future[Result] = Future()
        try:
            future.set_result(work())
        except ContradictsSupportTable as error:
            future.set_exception(error)
        return future if self.hands else None


@settings(max_examples=300, deadline=None)
@given(
    offsets=st.lists(st.integers(0, 40), max_size=80),
    page_size=st.integers(2, 12),
    moves=st.integers(0, 60),
    page_cap=st.sampled_from([2, 3, 5, 1000]),
    inserts=st.integers(0, 20),
    newest_first=st.booleans(),
    hands=st.integers(1, 8),
    seed=st.integers(0, 2**16),
)
def test_a_walk_that_looks_ahead_loses_nothing(
    offsets: list[int],
    page_size: int,
    moves: int,
    page_cap: int,
    inserts: int,
    newest_first: bool,
    hands: int,
    seed: int,
) -> None:
    server = MovingList(rows_from(offsets), moves, 1, 0, inserts, page_cap=page_cap, seed=seed, sorts=newest_first)
    ahead = Lookahead(server, Eager(hands))
    try:
        if newest_first:
            pages = list(walk_newest_first(ahead, None, page_size))
        else:
            pages = list(walk_whole_list(ahead, page_size, pages_by_offset=True))
    except ContradictsSupportTable as contradiction:
        if not any(words in str(contradiction) for words in ("same page", "as fast as")):
            raise
        return
    assert_nothing_lost(server, pages, None)


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_quiet_list_costs_little_more_than_without(newest_first: bool) -> None:
    rows: Rows = {f"r{day}": NOON + timedelta(days=day) for day in range(5_000)}
    alone, together = MovingList(rows), MovingList(rows)
    waited_for = [0]

    def counted(parameters: Parameters) -> Page:
        waited_for[0] += 1
        return together(parameters)

    class Apart(Eager):
        def begin(self, work: Callable[[], Result]) -> Future[Result] | None:
            waited_for[0] -= 1
            return super().begin(work)

    ahead = Lookahead(counted, Apart(8))
    for list_page in (alone, ahead):
        if newest_first:
            pages = list(walk_newest_first(list_page, None, 100))
        else:
            pages = list(walk_whole_list(list_page, 100, pages_by_offset=True))
        assert final_states(pages) == rows
    assert together.requests <= alone.requests + 2 * 16
    assert waited_for[0] <= 6, "nearly all pages had been asked for before"


def test_a_list_of_one_page_is_not_looked_ahead_of() -> None:
    server = MovingList(rows_from(list(range(40))))
    list(walk_whole_list(Lookahead(server, Eager(8)), 100, pages_by_offset=True))
    alone = MovingList(rows_from(list(range(40))))
    list(walk_whole_list(alone, 100, pages_by_offset=True))
    assert server.requests == alone.requests
