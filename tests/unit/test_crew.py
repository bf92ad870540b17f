"""Hands that work side by side: all that they bring is heard, none is lent twice, and whoever stops is obeyed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import islice
from threading import Barrier, Event, Lock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.ticketing import crew as crew_module
from pipelines.ticketing.crew import Crew


class Heap:
    """Pieces of work to take from, each a number of items."""

    def __init__(self, sizes: list[int]) -> None:
        self._pieces = [[(piece, item) for item in range(size)] for piece, size in enumerate(sizes)]
        self._lock = Lock()

    def another(self) -> Iterator[tuple[int, int]] | None:
        with self._lock:
            return iter(self._pieces.pop()) if self._pieces else None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 90), max_size=12), st.integers(0, 5))
def test_everything_is_heard_once_and_each_piece_in_its_order(sizes: list[int], hands: int) -> None:
    crew, heap = Crew(hands), Heap(sizes)
    heard = list(crew.side_by_side(iter([]), heap.another))
    assert sorted(heard) == [(piece, item) for piece, size in enumerate(sizes) for item in range(size)]
    for piece in range(len(sizes)):
        assert [item for of, item in heard if of == piece] == list(range(sizes[piece]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(), max_size=60), st.integers(0, 5))
def test_results_come_in_the_order_of_what_was_asked(items: list[int], hands: int) -> None:
    assert list(Crew(hands).in_order(lambda item: item * 2, items)) == [(item, item * 2) for item in items]


def test_hands_work_at_the_same_time() -> None:
    meeting = Barrier(4, timeout=20)

    def work() -> Iterator[int]:
        yield meeting.wait()

    pieces = iter([work(), work(), work()])
    assert sorted(Crew(3).side_by_side(work(), lambda: next(pieces, None))) == [0, 1, 2, 3]
    assert len(list(Crew(3).in_order(lambda _: Barrier(1).wait(), range(9)))) == 9


def test_no_more_hands_are_lent_than_there_are_however_many_ask() -> None:
    crew, at_work, most, lock = Crew(3), [0], [0], Lock()

    def ask(_: int) -> None:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        time.sleep(0.002)
        with lock:
            at_work[0] -= 1

    askers = [threading.Thread(target=lambda: list(crew.in_order(ask, range(20)))) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert 3 < most[0] <= 3 + 4, "three hands, and each who asks is one too"


def test_threads_that_have_nothing_to_do_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew_module, "_REST", 0.05)
    crew, before = Crew(4), set(threading.enumerate())
    for _ in range(50):
        assert list(crew.in_order(lambda item: item, range(5))) == [(item, item) for item in range(5)]
        time.sleep(0.004)
    assert len(set(threading.enumerate()) - before) <= 4
    deadline = time.monotonic() + 20
    while set(threading.enumerate()) - before:
        assert time.monotonic() < deadline, "a thread never ended"
        time.sleep(0.01)


def test_one_that_takes_long_keeps_no_hands_from_what_comes_after_it() -> None:
    others = Barrier(2, timeout=20)
    results = Crew(3).in_order(lambda item: item if 0 < item < 20 else others.wait(), range(21))
    assert len(list(results)) == 21


def test_whoever_only_waits_takes_no_room() -> None:
    crew, may_end = Crew(3, room=lambda: 1), Event()
    first = crew.begin(lambda: may_end.wait(20))
    assert first is not None
    assert crew.begin(lambda: True) is None
    may_end.set()
    assert first.result()


def test_nobody_is_hired_where_there_is_no_room() -> None:
    full = Crew(3, room=lambda: 0)
    assert full.begin(lambda: 1) is None
    assert list(full.in_order(lambda _: threading.current_thread(), [1])) == [(1, threading.current_thread())]
    crew = Crew(3, room=lambda: 1)
    names = {threading.current_thread().name for _ in crew.side_by_side(iter(range(3)), lambda: None)}
    assert names == {threading.current_thread().name}


def test_an_error_of_a_hand_ends_them_all_and_is_told_after_what_came_before_it() -> None:
    stopped = Event()

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "more"
                time.sleep(0.001)
        finally:
            stopped.set()

    def failing() -> Iterator[str]:
        yield "before"
        raise ValueError("it broke")

    pieces = iter([failing()])
    heard: list[str] = []
    with pytest.raises(ValueError, match="it broke"):
        heard.extend(Crew(2).side_by_side(endless(), lambda: next(pieces, None)))
    assert "before" in heard


def test_hands_stop_when_nobody_listens_any_more() -> None:
    count = [0]

    def endless() -> Iterator[int]:
        while True:
            count[0] += 1
            yield count[0]

    crew = Crew(2)
    taken = crew.side_by_side(endless(), endless)
    assert len(list(islice(taken, 5))) == 5
    taken.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 20
    while crew.begin(lambda: None) is None or crew.begin(lambda: None) is None:
        assert time.monotonic() < deadline, "the hands never came back"
        time.sleep(0.01)
    reached = count[0]
    time.sleep(0.05)
    assert count[0] == reached


def test_who_is_not_heard_waits_and_fills_no_memory() -> None:
    count = [0]

    def endless() -> Iterator[int]:
        while True:
            count[0] += 1
            yield count[0]

    pieces = iter([endless()])
    taken = Crew(1).side_by_side(iter([0]), lambda: next(pieces, None))
    next(iter(taken))
    time.sleep(0.2)
    assert count[0] < 50
    taken.close()  # type: ignore[attr-defined]
