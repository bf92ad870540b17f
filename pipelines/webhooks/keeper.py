"""Keeps what arrives in an inbox, from many requests at once: all that wait share one commit, and with it one fsync."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from pipelines.webhooks.inbox import Arrival, Inbox, InboxRemoved

_MOST_A_COMMIT = 500


class NotKept(Exception):
    """A delivery could not be put on the disk. `is_full`: there is no room for it."""

    def __init__(self, reason: str, *, is_full: bool) -> None:
        super().__init__(reason)
        self.is_full = is_full


class _Waiting(NamedTuple):
    arrival: Arrival
    kept: asyncio.Future[bool]


class Keeper:
    """A thread with an inbox of its own. `open_inbox` is called in it."""

    def __init__(self, open_inbox: Callable[[], Inbox]) -> None:
        self._open_inbox = open_inbox
        self._is_lost = False
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="keeper", daemon=True)

    @property
    def is_able(self) -> bool:
        """Whether it goes on, and what it keeps is to be found."""
        return self._thread.is_alive() and not self._is_lost

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def keep(self, arrival: Arrival) -> bool:
        """Whether a delivery is new, once it is on the disk. Raises `NotKept`."""
        waiting = _Waiting(arrival, self._loop.create_future())
        self._queue.put(waiting)
        return await waiting.kept

    async def stop(self) -> None:
        """End, once all that waits has been kept."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        inbox: Inbox | None = None
        while some := self._next():
            try:
                inbox = inbox or self._open_inbox()
                self._tell(some, inbox.add([waiting.arrival for waiting in some]))
                self._is_lost = False
            except Exception as error:  # whatever it is, they are answered, and the next are kept
                self._is_lost = isinstance(error, InboxRemoved)
                self._tell(some, [NotKept(f"{type(error).__name__}: {error}", is_full=_is_full(error))] * len(some))
        if inbox is not None:
            inbox.close()

    def _next(self) -> list[_Waiting]:
        """All that waits, once anything does; nothing at the end."""
        some = [self._queue.get()]
        with suppress(Empty):
            while some[-1] is not None and len(some) < _MOST_A_COMMIT:
                some.append(self._queue.get_nowait())
        if some[-1] is None and len(some) > 1:
            self._queue.put(None)
        return [waiting for waiting in some if waiting is not None]

    def _tell(self, some: Sequence[_Waiting], answers: Sequence[bool | Exception]) -> None:
        self._loop.call_soon_threadsafe(_tell, some, answers)


def _tell(some: Sequence[_Waiting], answers: Sequence[bool | Exception]) -> None:
    for waiting, answer in zip(some, answers, strict=True):
        if waiting.kept.cancelled():
            continue  # whoever sent it has gone; it is kept all the same
        if isinstance(answer, Exception):
            waiting.kept.set_exception(answer)
        else:
            waiting.kept.set_result(answer)


def _is_full(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode == sqlite3.SQLITE_FULL
