"""What a run reads, while it is read: readers side by side in threads of their own, and loads that take from them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf
from queue import Empty, Queue, SimpleQueue
from threading import Event, Lock, Thread
from time import monotonic
from typing import NamedTuple, TypeAlias

from pipelines.ticketing.crew import put
from pipelines.ticketing.reading import Handed
from pipelines.ticketing.run import Run
from pipelines.warehouse.stored import Ask, Rows

ROWS_A_LOAD = 120_000
"""About so many rows make a load of their own: a run that is killed reads these once more, and what was waiting."""

SECONDS_A_LOAD = 300.0
"""A load that has rows waits no longer for more: what one connection brings is not to wait for a slower one."""

_MOST_READERS = 256
"""So many objects are read at once: they wait for the API most of the time, and some for one that does not answer."""

_MOST_READERS_UNDER_A_CEILING = 1
"""Where calls are few all of them are for the first object: only so does each that fits into a run come to its end."""

_WAITING_TABLES = 32
"""So many tables of each object may wait for the next load while one is under way."""

_LOOK_UP = 0.1
"""Seconds after which a load that waits for readers lets dlt see that it is alive."""

_PATIENCE = 1.0
"""Seconds that threads are given to end."""

Begun: TypeAlias = Callable[[], Iterator[Handed]]
"""A reader that only has to be run."""


class Due(NamedTuple):
    """A reader that is to begin. `waits_since`: when the calls of a run were used up before it, as text; empty: not."""

    waits_since: str
    begin: Begun


@dataclass(frozen=True)
class _Ended:
    """A reader has come to its end, or met an error that nobody foresaw."""

    error: BaseException | None = None


@dataclass(frozen=True)
class _Question:
    """A query of a reader that waits for its rows."""

    query: str
    parameters: tuple[object, ...]
    answer: Future[Rows] = field(default_factory=Future)


class Stream:
    """What the readers of one object hand over, each in its own order."""

    def __init__(self, table: str, readers: int, news: Event) -> None:
        self.table = table
        self._waiting: Queue[Handed | _Ended] = Queue(_WAITING_TABLES)
        self._is_closed = Event()
        self._readers = readers
        self._news = news

    @property
    def is_over(self) -> bool:
        """Whether all has been taken, or nobody wants the rest."""
        return self._readers == 0 or self._is_closed.is_set()

    @property
    def has_nothing(self) -> bool:
        """Whether nothing is to be taken by now."""
        return self.is_over or self._waiting.empty()

    def close(self) -> None:
        """Take nothing more: readers end as soon as they have something to hand over."""
        self._is_closed.set()

    def hand_over(self, handed: Handed | _Ended) -> bool:
        """Have something taken, as soon as there is room for it; False if nobody wants it any more."""
        is_wanted = put(self._waiting, handed, self._is_closed)
        self._news.set()
        return is_wanted

    def take(self) -> Handed | None:
        """What has been handed over first; None if nothing has by now. Raises the error of a reader that failed."""
        try:
            handed = self._waiting.get_nowait()
        except Empty:
            return None
        if not isinstance(handed, _Ended):
            return handed
        self._readers -= 1
        if handed.error is not None:
            raise handed.error
        return None


class Extraction:
    """One run, or a part of it, under way. Its readers go on while a load is written: only what they hand over waits.

    A load takes about `rows_a_load`. What a reader asks the warehouse is answered while a load takes from readers, and
    never while it is written.
    """

    def __init__(self, run: Run, rows_a_load: float = inf) -> None:
        self.run = run
        self.loads = 0
        self._rows_a_load = rows_a_load
        self._most_readers = _MOST_READERS_UNDER_A_CEILING if run.settings.max_calls_per_run else _MOST_READERS
        self._rows = 0
        self._began_at = monotonic()
        self._questions: SimpleQueue[_Question] = SimpleQueue()
        self._news = Event()
        self._streams: dict[str, Stream] = {}
        self._tasks: deque[tuple[Due, Stream]] = deque()
        self._threads: list[Thread] = []
        self._at_work = 0
        self._lock = Lock()
        self._is_closed = Event()

    def begin_load(self) -> None:
        self.loads += 1
        self._rows = 0
        self._began_at = monotonic()

    @property
    def is_over(self) -> bool:
        """Whether all that is to be read has been taken."""
        return all(table in self._streams and self._streams[table].is_over for table in self.run.tables)

    @property
    def is_full(self) -> bool:
        """Whether the load that is under way has taken its share, or its time."""
        is_late = self._rows > 0 and monotonic() - self._began_at > SECONDS_A_LOAD
        return self._rows >= self._rows_a_load or (is_late and self._rows_a_load < inf)

    def take_note(self, rows: int) -> None:
        """So many records have been taken."""
        self._rows += rows

    def ask(self, query: str, *parameters: object) -> Rows:
        """What the warehouse says, for a reader in its thread. Raises `CancelledError` once nobody will answer."""
        question = _Question(query, parameters)
        self._questions.put(question)
        self._news.set()
        if self._is_closed.is_set():
            question.answer.cancel()
        return question.answer.result()

    def answer(self, ask: Ask) -> None:
        """Answer what readers have asked by now."""
        for question in _all(self._questions):
            if not question.answer.set_running_or_notify_cancel():
                continue
            try:
                question.answer.set_result(ask(question.query, *question.parameters))
            except Exception as error:
                question.answer.set_exception(error)

    def rest(self) -> None:
        """Wait for a moment where no reader has anything to take or to ask."""
        self._news.clear()
        if self._questions.empty() and all(stream.has_nothing for stream in self._streams.values()):
            self._news.wait(_LOOK_UP)

    def stream(self, table: str, readers: Callable[[], Iterable[Due]]) -> Stream:
        """What is read of one object, once `begin` is called; its readers are due when it is first asked for."""
        goes_on = self._rows_a_load < inf
        if table in self._streams and not goes_on:
            # A source that is used again reads again.
            self.run.part([table]).forget()
            self._is_closed.clear()
        if table not in self._streams or not goes_on:
            due = list(readers())
            self._streams[table] = Stream(table, len(due), self._news)
            with self._lock:
                self._tasks.extend((reader, self._streams[table]) for reader in due)
        return self._streams[table]

    def begin(self) -> None:
        """Let readers begin, as many as may be at work; first those whose objects have waited longest."""
        with self._lock:
            self._tasks = deque(sorted(self._tasks, key=lambda task: task[0].waits_since or "~"))
            wanted = min(len(self._tasks), self._most_readers - self._at_work)
            self._at_work += wanted
        for _ in range(wanted):
            self._threads.append(Thread(target=self._work, name="reader", daemon=True))
            self._threads[-1].start()

    def close(self) -> None:
        """Let every reader end that has not: nobody takes what it hands over. One that waits for the API is not waited
        for."""
        self._is_closed.set()
        with self._lock:
            self._tasks.clear()
        for stream in self._streams.values():
            stream.close()
        for question in _all(self._questions):
            question.answer.cancel()
        deadline = monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))

    def _work(self) -> None:
        while (task := self._next_task()) is not None:
            due, stream = task
            ended = _Ended()
            try:
                for handed in due.begin():
                    if not stream.hand_over(handed):
                        break
            except BaseException as error:
                ended = _Ended(error)
            stream.hand_over(ended)

    def _next_task(self) -> tuple[Due, Stream] | None:
        """What a thread is to do next; None, and it is no longer at work, if there is nothing."""
        with self._lock:
            if self._tasks:
                return self._tasks.popleft()
            self._at_work -= 1
            return None


def _all(questions: SimpleQueue[_Question]) -> Iterator[_Question]:
    while True:
        try:
            yield questions.get_nowait()
        except Empty:
            return
