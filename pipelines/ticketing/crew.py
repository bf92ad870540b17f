"""Threads that lend a hand where more than one thing can be asked for at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from functools import partial
from math import inf
from queue import Empty, Full, Queue, SimpleQueue
from threading import Event, Lock, Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 32
"""So much may wait to be taken from those who work side by side, or behind one that takes long."""

_LOOK_UP = 0.2
"""Seconds after which a hand that waits looks whether it is still wanted."""

_REST = 2.0
"""Seconds after which a thread that has nothing to do ends."""

_Task = tuple[Callable[[], object], "Future[object]"]


@dataclass(frozen=True)
class _Ended:
    """A hand has nothing left to do, or met an error."""

    error: BaseException | None = None


class Crew:
    """A number of hands, shared by all that a run reads of one connection. Whoever asks for one where none is free goes
    on alone.

    `room` says how many can work at once, whoever asks among them, without one waiting for the other. The hands are
    daemon threads: a process that is stopped does not wait for what they wait for.
    """

    def __init__(self, hands: int, room: Callable[[], float] = lambda: inf) -> None:
        self.hands = hands
        self._room = room
        self._free = hands
        self._idle = 0
        self._lock = Lock()
        self._tasks: SimpleQueue[_Task] = SimpleQueue()

    def begin(self, work: Callable[[], Result]) -> Future[Result] | None:
        """Have a free hand do it, while whoever asks does nothing else; None if there is none."""
        return self._start(work) if self._reserve(beside=0) else None

    def side_by_side(self, first: Iterator[Item], another: Callable[[], Iterator[Item] | None]) -> Iterator[Item]:
        """What `first`, and every other iterator that `another` gives, yields, as it comes.

        `another` is asked as long as hands are free or one has come to its end, from any thread; None: there is no
        more now. An error of one ends them all.
        """
        heard: Queue[Item | _Ended] = Queue(_AHEAD)
        stop = Event()
        mine: Iterator[Item] | None = first
        hired = 0
        try:
            while True:
                hired += self._hire(another, heard, stop)
                mine = another() if mine is None else mine
                if mine is None and not hired:
                    return
                if mine is not None:
                    try:
                        item = next(mine)
                    except StopIteration:
                        mine = None
                    else:
                        yield item
                for each in _heard(heard, waits=mine is None and hired > 0):
                    if not isinstance(each, _Ended):
                        yield each
                    elif each.error is not None:
                        raise each.error
                    else:
                        hired -= 1
        finally:
            stop.set()

    def in_order(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """Each item with its result, in their order; free hands work ahead."""
        pending: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                work = partial(function, item)
                while (hired := self.begin(work)) is None and pending:
                    yield from _those_done(pending, at_most=_AHEAD)
                pending.append((item, hired or _done(work)))
                if len(pending) > _AHEAD:
                    yield from _those_done(pending, at_most=_AHEAD)
            yield from _those_done(pending, at_most=0)
        finally:
            for _, result in pending:
                result.cancel()

    def _hire(self, another: Callable[[], Iterator[Item] | None], heard: Queue[Item | _Ended], stop: Event) -> int:
        hired = 0
        while self._reserve(beside=1):
            work = another()
            if work is None:
                self._release()
                break
            self._start(partial(_feed, work, another, heard, stop))
            hired += 1
        return hired

    def _reserve(self, beside: int) -> bool:
        """Whether a hand is free and has room beside the others, and so many who are none."""
        with self._lock:
            at_work = self.hands - self._free + beside
            if not self._free or at_work >= self._room():
                return False
            self._free -= 1
            return True

    def _release(self) -> None:
        with self._lock:
            self._free += 1

    def _start(self, work: Callable[[], Result]) -> Future[Result]:
        """Have a hand that was reserved do it."""
        future: Future[Result] = Future()
        with self._lock:
            self._tasks.put((work, future))  # type: ignore[arg-type]
            needs_a_thread = self._idle == 0
            self._idle -= not needs_a_thread
        if needs_a_thread:
            Thread(target=self._work, name="crew", daemon=True).start()
        return future

    def _work(self) -> None:
        while (task := self._next_task()) is not None:
            work, future = task
            tell = _do(work, future) if future.set_running_or_notify_cancel() else None
            with self._lock:
                self._free += 1
                self._idle += 1
            if tell is not None:
                tell()

    def _next_task(self) -> _Task | None:
        """What a thread is to do next; None if it has long had nothing to do."""
        while True:
            try:
                return self._tasks.get(timeout=_REST)
            except Empty:
                with self._lock:
                    if self._idle > 0 and self._tasks.empty():
                        self._idle -= 1
                        return None


def _those_done(pending: deque[tuple[Item, Future[Result]]], at_most: int) -> Iterator[tuple[Item, Result]]:
    """Those in front that have ended, once one more has and at most so many are left; all others wait for them."""
    under_way = [result for _, result in pending if not result.done()]
    if under_way:
        wait(under_way, return_when=FIRST_COMPLETED)
    while pending and (pending[0][1].done() or len(pending) > at_most):
        item, result = pending.popleft()
        yield item, result.result()


def _done(work: Callable[[], Result]) -> Future[Result]:
    future: Future[Result] = Future()
    _do(work, future)()
    return future


def _do(work: Callable[[], Result], future: Future[Result]) -> Callable[[], None]:
    """Do it; what is returned tells the future of it."""
    try:
        result = work()
    except BaseException as error:
        return partial(future.set_exception, error)
    return partial(future.set_result, result)


def _feed(
    work: Iterator[Item] | None,
    another: Callable[[], Iterator[Item] | None],
    heard: Queue[Item | _Ended],
    stop: Event,
) -> None:
    """Put what an iterator yields into a queue, and what others do after it, until nobody wants it any more."""
    ended = _Ended()
    try:
        while work is not None and not stop.is_set():
            for item in work:
                if not put(heard, item, stop):
                    return
            work = another()
    except BaseException as error:
        ended = _Ended(error)
    put(heard, ended, stop)


def put(heard: Queue[Item], item: Item, stop: Event) -> bool:
    """Hand an item over as soon as there is room for it; False if nobody wants it any more."""
    while not stop.is_set():
        try:
            heard.put(item, timeout=_LOOK_UP)
        except Full:
            continue
        return True
    return False


def _heard(heard: Queue[Item], *, waits: bool) -> Iterator[Item]:
    """All that is there by now; the first of it is waited for if need be."""
    try:
        while True:
            yield heard.get(block=waits)
            waits = False
    except Empty:
        return
