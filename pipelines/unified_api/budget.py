"""One budget for all that talks to the API: who asks next, how many at once, how fast, and how often in all."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from operator import attrgetter

from pipelines.errors import CallsUsedUp, TryAgainLater
from pipelines.unified_api.pace import HOPELESS, Pace, Room

MAX_CONCURRENCY = 16


class Stopped(Exception):
    """The budget was closed while somebody waited in it.

    No `TicketingError`, as nothing went wrong that an operator could mend: whoever closed the budget knows why. It
    passes by what catches those, and ends the thread.
    """


class Clock:
    """Time as a budget knows it; tests have one that leaps over each wait."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        """Wait until notified, at most so long."""
        condition.wait(seconds)


@dataclass(frozen=True)
class Refusal:
    """A request was one too many: for the workspace, or else for the connection's helpdesk.

    `retry_after` is the seconds that the server asked for, 0 where it did not.
    """

    is_of_workspace: bool
    retry_after: float = 0.0


class Request:
    """One request on its way: waiting for its turn, then in flight."""

    def __init__(self, connection_id: str | None, now: float) -> None:
        self.connection_id = connection_id
        self.joined_at = now
        self.begun_at = inf
        self.in_flight = 0
        """Requests of the connection in flight when this one began, itself among them."""
        self.seconds_paced = 0.0
        """Seconds it was kept waiting for the pace, rather than for others to end."""
        self.refusal: Refusal | None = None
        self.is_answered = False

    def answered(self, refusal: Refusal | None = None) -> None:
        """The server has answered, be it with a refusal. Without it, the request counts as lost."""
        self.refusal = refusal
        self.is_answered = True


class _Connection:
    """Those of one connection that wait, and what it bears."""

    def __init__(self, now: float, most: int) -> None:
        self.waiting: deque[Request] = deque()
        self.in_flight = 0
        self.answers: bool | None = None
        """Whether its last request was answered; None: none has ended."""
        self.pace = Pace(now)
        self.room = Room(most)

    @property
    def is_asked(self) -> bool:
        return bool(self.waiting or self.in_flight)

    @property
    def ready_at(self) -> float:
        """When the first that waits may begin; never, as long as nothing of the connection ends, without room."""
        return self.pace.ready_at if self.in_flight < self.room.limit else inf


class Turns:
    """Whose turn it is. Of the connections that wait, the one with the fewest in flight; of several the one that has
    waited longest. However many there are that do not answer, half of the turns is for others; and a quarter, however
    many there are of which one does not know whether they do.

    Functions of a clock reading; not for several threads at once.
    """

    def __init__(self, max_concurrency: int, requests_per_second: float, now: float) -> None:
        self.in_flight = 0
        self._most = max_concurrency
        self._most_that_may_hang = {
            True: inf,
            None: max(1, max_concurrency - max(1, max_concurrency // 4)),
            False: max(1, max_concurrency // 2),
        }
        """By what is known of a connection's answers: so many requests to those that may hang, and it has no turn."""
        self._workspace = Pace(now, requests_per_second or inf)
        self._connections: dict[str | None, _Connection] = {}
        self._waiting: dict[_Connection, None] = {}
        """In the order in which they began to wait, or had their last turn."""

    def room(self, connection_id: str | None) -> int:
        """How many requests of a connection can be in flight at once, as far as it bears them and the others let it; 0
        where one waits already."""
        connection = self._connections.get(connection_id)
        if connection is None:
            return min(Room.START, self._most)
        if connection.waiting:
            return 0
        others = [each for each in self._connections.values() if each is not connection and each.is_asked]
        left = self._most - sum(each.in_flight for each in others)
        return min(connection.room.limit, max(left, self._most // (len(others) + 1)))

    def join(self, request: Request) -> None:
        """Wait for a turn."""
        connection = self._connections.get(request.connection_id)
        if connection is None:
            connection = _Connection(request.joined_at, self._most)
            self._connections[request.connection_id] = connection
        connection.waiting.append(request)
        self._waiting.setdefault(connection)

    def leave(self, request: Request) -> None:
        """Wait no longer."""
        connection = self._connections[request.connection_id]
        connection.waiting.remove(request)
        if not connection.waiting:
            del self._waiting[connection]

    def due(self) -> float:
        """When the next turn is, if nothing ends before: in the past if at once, infinity if then only."""
        if self.in_flight >= self._most:
            return inf
        return max(self._workspace.ready_at, min((connection.ready_at for connection in self._able()), default=inf))

    def next(self, now: float) -> Request | None:
        """The request that begins now, if one may."""
        if self.in_flight >= self._most or self._workspace.ready_at > now:
            return None
        ready = (connection for connection in self._able() if connection.ready_at <= now)
        connection = min(ready, key=attrgetter("in_flight"), default=None)
        if connection is None:
            return None
        request = connection.waiting.popleft()
        del self._waiting[connection]
        if connection.waiting:
            self._waiting[connection] = None
        self._begin(request, connection, now)
        return request

    def end(self, request: Request, now: float) -> None:
        """A request that had begun has ended, one way or another."""
        connection = self._connections[request.connection_id]
        self.in_flight -= 1
        connection.in_flight -= 1
        connection.answers = request.is_answered
        refusal = request.refusal
        if not request.is_answered:
            connection.room.failed()
        elif refusal is None:
            self._workspace.answered(now)
            connection.pace.answered(now)
            connection.room.answered(request.in_flight, now - request.begun_at, now)
        elif refusal.is_of_workspace:
            self._workspace.refused(request.begun_at, now, refusal.retry_after)
        else:
            self._workspace.answered(now)
            connection.pace.refused(request.begun_at, now, refusal.retry_after)

    def is_hopeless(self, request: Request, now: float) -> bool:
        """Whether a request that waits is to be refused so surely that it need not wait."""
        paces = (self._workspace, self._connections[request.connection_id].pace)
        return any(pace.is_hopeless(now) for pace in paces)

    def _able(self) -> Iterable[_Connection]:
        """Those that wait, and have a turn as soon as they are ready."""
        may_hang = sum(connection.in_flight for connection in self._connections.values() if not connection.answers)
        if not may_hang:
            return self._waiting
        most = self._most_that_may_hang
        return [connection for connection in self._waiting if may_hang < most[connection.answers]]

    def _begin(self, request: Request, connection: _Connection, now: float) -> None:
        self.in_flight += 1
        connection.in_flight += 1
        request.seconds_paced = max(pace.kept_waiting(request.joined_at) for pace in (connection.pace, self._workspace))
        request.in_flight = connection.in_flight
        request.begun_at = now
        connection.pace.begin(now)
        self._workspace.begin(now)


class Budget:
    """What all requests of a run share; safe between threads. `max_calls` and `requests_per_second`: 0 for no limit.

    Threads wait each on a condition of its own, so that a turn wakes none but the one whose it is. One of those that
    wait, the timekeeper, sees to it that a turn that only time brings is given.
    """

    def __init__(
        self,
        max_concurrency: int = MAX_CONCURRENCY,
        requests_per_second: float = 0.0,
        max_calls: int = 0,
        *,
        clock: Clock | None = None,
    ) -> None:
        self.max_concurrency = max_concurrency
        self.calls = 0
        """Requests begun so far."""
        self._max_calls = max_calls
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._closing = threading.Condition(self._lock)
        self._is_closed = False
        self._turns = Turns(max_concurrency, requests_per_second, self._clock.now())
        self._waiting: dict[Request, threading.Condition] = {}
        self._timekeeper: Request | None = None
        self._wakes_at = inf

    @property
    def calls_left(self) -> float:
        """How many calls may still be begun; infinity without a limit."""
        return self._max_calls - self.calls if self._max_calls else inf

    @property
    def is_used_up(self) -> bool:
        """Whether all the calls that may be made have been begun."""
        return self.calls_left <= 0

    def room(self, connection_id: str | None) -> int:
        """How many requests of a connection it is worth making at once: what it bears, as far as the others leave it
        more than its share of `max_concurrency`; 0 where one waits for its turn."""
        with self._lock:
            return self._turns.room(connection_id)

    @contextmanager
    def request(self, connection_id: str | None) -> Iterator[Request]:
        """A turn for one request to a connection, or to the workspace (None); it is in flight as long as the context.

        Raises `CallsUsedUp` where it would be one too many, `TryAgainLater` where it would wait only to be refused
        like many before it, and `Stopped` once the budget is closed.
        """
        request = self._begin(connection_id)
        try:
            yield request
        finally:
            with self._lock:
                self._turns.end(request, self._clock.now())
                self._give_turns()
                if request.refusal and self._turns.is_hopeless(request, self._clock.now()):
                    self._wake_all()

    def sleep(self, seconds: float) -> None:
        """Wait outside of any turn. Raises `Stopped` as soon as the budget is closed."""
        with self._lock:
            until = self._clock.now() + seconds
            while (left := until - self._clock.now()) > 0:
                self._raise_if_closed()
                self._clock.wait(self._closing, left)
            self._raise_if_closed()

    def close(self) -> None:
        """Begin nothing more: whoever waits raises `Stopped`. What is in flight is not touched."""
        with self._lock:
            self._is_closed = True
            self._closing.notify_all()
            self._wake_all()

    def _begin(self, connection_id: str | None) -> Request:
        with self._lock:
            request = Request(connection_id, self._clock.now())
            self._raise_if_ended()
            self._turns.join(request)
            self._waiting[request] = threading.Condition(self._lock)
            try:
                self._give_turns()
                self._wait_for_turn(request)
            except BaseException:
                self._give_up(request)
                raise
            finally:
                self._hand_over(request)
            return request

    def _wait_for_turn(self, request: Request) -> None:
        while request.begun_at == inf:
            self._raise_if_ended()
            self._raise_if_hopeless(request)
            self._timekeeper = self._timekeeper or request
            self._clock.wait(self._waiting[request], self._seconds_to_wait(request))
            if self._timekeeper is request:
                self._give_turns()

    def _seconds_to_wait(self, request: Request) -> float | None:
        if self._timekeeper is not request:
            return None
        self._wakes_at = self._turns.due()
        return None if self._wakes_at == inf else max(0.0, self._wakes_at - self._clock.now())

    def _give_turns(self) -> None:
        """Let begin all that may, and have the timekeeper look again where the next turn has come nearer."""
        now = self._clock.now()
        while not (self._is_closed or self.is_used_up) and (request := self._turns.next(now)):
            self.calls += 1
            self._waiting.pop(request).notify()
        if self.is_used_up:
            self._wake_all()
        elif self._timekeeper in self._waiting and self._turns.due() < self._wakes_at:
            self._waiting[self._timekeeper].notify()

    def _give_up(self, request: Request) -> None:
        if self._waiting.pop(request, None):
            self._turns.leave(request)
        else:
            self._turns.end(request, self._clock.now())
            self._give_turns()

    def _hand_over(self, request: Request) -> None:
        if self._timekeeper is request:
            self._timekeeper, self._wakes_at = next(iter(self._waiting), None), inf
            if self._timekeeper:
                self._waiting[self._timekeeper].notify()

    def _wake_all(self) -> None:
        for condition in self._waiting.values():
            condition.notify()

    def _raise_if_closed(self) -> None:
        if self._is_closed:
            raise Stopped

    def _raise_if_ended(self) -> None:
        self._raise_if_closed()
        if self.is_used_up:
            raise CallsUsedUp(
                f"The run has made all the {self._max_calls} requests that sources.unified.max_calls_per_run allows. "
                "The next run goes on from the last cursor."
            )

    def _raise_if_hopeless(self, request: Request) -> None:
        if self._turns.is_hopeless(request, self._clock.now()):
            asked = "The API" if request.connection_id is None else f"The API for connection {request.connection_id}"
            raise TryAgainLater(
                f"{asked} has refused {HOPELESS} requests in a row as too many, after ever longer waits. "
                "Try again later, or see who else uses up its limit. Nothing is lost: no cursor moved."
            )
