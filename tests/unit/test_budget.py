"""The budget: what it never does, whom it never forgets, and how close it comes to what a server bears."""

from __future__ import annotations

import heapq
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from math import ceil, inf
from random import Random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import CallsUsedUp, TryAgainLater
from pipelines.sandbox import Faults, Sandbox
from pipelines.unified_api.budget import Budget, Refusal, Request, Stopped, Turns
from pipelines.unified_api.client import ATTEMPTS, Calls, UnifiedClient
from pipelines.unified_api.endpoints import EMPLOYEES, TICKETS, connection_of
from pipelines.unified_api.pace import HOPELESS
from tests.clock import LeapingClock

Answer = tuple[float, Refusal | None]
Server = Callable[[float, str | None], Answer | None]
"""When a request sent at a time is answered, and how; None: it is lost after a minute."""


class Play:
    """Callers that ask again as soon as they are answered, a server, and a clock that is a number."""

    def __init__(
        self, server: Server, callers: Sequence[str | None], most: int = 16, requests_per_second: float = 0
    ) -> None:
        self.turns = Turns(most, requests_per_second, 0.0)
        self.now = 0.0
        self.ended: list[Request] = []
        self._server = server
        self._under_way: list[tuple[float, int, Answer | None, Request]] = []
        self._number = count()
        for connection in callers:
            self.turns.join(Request(connection, 0.0))

    def until(self, end: float = inf, requests: float = inf) -> None:
        """Go on until a time, or until so many requests have been answered well."""
        well = 0
        while self.now < end and well < requests:
            while request := self.turns.next(self.now):
                answer = self._server(self.now, request.connection_id)
                ends_at = answer[0] if answer else self.now + 60
                heapq.heappush(self._under_way, (ends_at, next(self._number), answer, request))
            due = self.turns.due()
            if self._under_way and self._under_way[0][0] <= due:
                well += self._end_next()
            else:
                self.now = max(self.now, due)

    def rest(self, seconds: float) -> None:
        """Let what is under way end, and then ask nothing for some time."""
        while self._under_way:
            self._end_next()
        self.now += seconds

    def _end_next(self) -> bool:
        self.now, _, answer, request = heapq.heappop(self._under_way)
        if answer is not None:
            request.answered(answer[1])
        self.turns.end(request, self.now)
        self.ended.append(request)
        self.turns.join(Request(request.connection_id, self.now))
        return answer is not None and answer[1] is None

    def in_flight(self, since: float = 0.0) -> float:
        """How many the connection had in flight, on average, when a request began."""
        numbers = [request.in_flight for request in self.ended if request.begun_at >= since]
        return sum(numbers) / len(numbers)

    def per_second(self, since: float = 0.0) -> float:
        return sum(request.begun_at >= since and not request.refusal for request in self.ended) / (self.now - since)

    def share_refused(self, since: float = 0.0) -> float:
        refused = [request.refusal is not None for request in self.ended if request.begun_at >= since]
        return sum(refused) / len(refused)


class Limited:
    """A server that answers after about 100 ms and bears so many requests a second, with one second's worth saved."""

    def __init__(self, rate: float, *, says_when: bool, of_workspace: bool = True, seed: int = 0) -> None:
        self.rate = self._saved = rate
        self._says_when = says_when
        self._of_workspace = of_workspace
        self._at = 0.0
        self._rng = Random(seed)

    def change(self, rate: float) -> None:
        self.rate = self._saved = rate

    def __call__(self, now: float, connection_id: str | None) -> Answer:
        self._saved = min(self.rate, self._saved + (now - self._at) * self.rate)
        self._at = now
        answered_at = now + 0.1 + 0.03 * self._rng.random()
        if self._saved >= 1:
            self._saved -= 1
            return answered_at, None
        seconds = max(1, ceil((1 - self._saved) / self.rate)) if self._says_when else 0
        return answered_at, Refusal(self._of_workspace, seconds)


def after(seconds: float, seed: int = 0) -> Server:
    rng = Random(seed)
    return lambda now, connection: (now + seconds * (1 + 0.2 * rng.random()), None)


class Saturated:
    """A server of so many workers, each of which takes its time; the rest queue."""

    def __init__(self, workers: int, seconds: float) -> None:
        self._free_at = [0.0] * workers
        self._seconds = seconds

    def change(self, workers: int) -> None:
        self._free_at = [max(self._free_at)] * workers

    def __call__(self, now: float, connection_id: str | None) -> Answer:
        ends_at = max(now, heapq.heappop(self._free_at)) + self._seconds
        heapq.heappush(self._free_at, ends_at)
        return ends_at, None


moves = st.lists(st.tuples(st.sampled_from(["join", "join", "end", "lose", "leave"]), st.sampled_from("abcde")))


@given(most=st.integers(1, 6), moves=moves)
def test_all_slots_are_used_and_no_more_and_none_is_given_twice_before_all_who_wait_have_one(
    most: int, moves: list[tuple[str, str]]
) -> None:
    turns, waiting, flying, answers = Turns(most, 0, 0.0), list[Request](), list[Request](), dict[str | None, bool]()
    for now, (move, connection) in enumerate(moves):
        if move == "join":
            waiting.append(Request(connection, now))
            turns.join(waiting[-1])
        elif move == "leave" and waiting:
            turns.leave(waiting.pop())
        elif move in ("end", "lose") and flying:
            ended = flying.pop(0)
            answers[ended.connection_id] = move == "end"
            if move == "end":
                ended.answered()
            turns.end(ended, now)
        while request := turns.next(now):
            held = Counter(other.connection_id for other in flying)
            assert not held[request.connection_id] or all(
                held[other.connection_id] for other in waiting if answers.get(other.connection_id)
            )
            waiting.remove(request)
            flying.append(request)
        held = Counter(request.connection_id for request in flying)
        may_hang = sum(held[connection] for connection in held if not answers.get(connection))
        bound = {None: max(1, most - max(1, most // 4)), False: max(1, most // 2)}
        assert turns.in_flight == len(flying) <= most
        assert len(flying) == most or all(
            held[request.connection_id] or may_hang >= bound.get(answers.get(request.connection_id), inf)
            for request in waiting
        )


@given(most=st.integers(1, 6), callers=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=60))
def test_each_connection_gets_its_share_however_many_callers_it_has(most: int, callers: list[str]) -> None:
    play = Play(lambda now, connection: (now + 0.1, None), callers, most)
    play.until(requests=400)
    served = Counter(request.connection_id for request in play.ended)
    greedy = [n for connection, n in served.items() if callers.count(connection or "") >= most]
    assert len(served) == len(set(callers))
    assert not greedy or max(greedy) - min(greedy) <= 0.1 * max(greedy) + 2 * most


def test_a_dead_connection_and_a_slow_one_among_hundreds_delay_nobody() -> None:
    names = [f"c{n}" for n in range(200)]

    def server(now: float, connection: str | None) -> Answer | None:
        if connection == "c7":
            return None
        return now + (20 if connection == "c8" else 0.1), None

    play = Play(server, [name for name in names for _ in range(4)])
    play.until(60)
    served = Counter(request.connection_id for request in play.ended)
    ideal = 14 / 0.1 * 60 / 198
    assert all(0.9 * ideal <= served[name] for name in names if name not in ("c7", "c8"))


def test_helpdesks_that_hang_by_the_dozen_leave_a_quarter_of_the_turns_to_those_that_answer_and_later_half() -> None:
    names = [f"{kind}{n}" for n in range(40) for kind in ("hangs", "answers")]
    Random(1).shuffle(names)
    play = Play(lambda now, name: None if "hangs" in str(name) else (now + 0.1, None), [*names, *names])
    play.until(400)
    served = [request.begun_at for request in play.ended if "answers" in str(request.connection_id)]
    assert len(served) >= 0.9 * 4 / 0.1 * 400
    assert sum(begun_at > 300 for begun_at in served) >= 0.9 * 8 / 0.1 * 100
    assert len({request.connection_id for request in play.ended}) == 80


@pytest.mark.parametrize(("others", "most"), [(10, 16), (40, 16), (1, 1), (4, 2)])
def test_a_connection_that_lost_a_request_has_its_turns_like_the_others(others: int, most: int) -> None:
    lost = iter([None])

    def server(now: float, connection: str | None) -> Answer | None:
        return next(lost, (now + 0.1, None)) if connection == "unlucky" else (now + 0.1, None)

    play = Play(server, ["unlucky", *(f"c{n}" for n in range(others))], most)
    play.until(200)
    served = Counter(request.connection_id for request in play.ended if request.begun_at > 100)
    assert served["unlucky"] >= 0.9 * served["c0"]


def test_those_that_hang_keep_no_turn_from_those_that_nobody_has_asked_yet() -> None:
    names = [f"{'hangs' if n < 8 else 'answers'}{n}" for n in range(100)]
    play = Play(lambda now, name: None if "hangs" in str(name) else (now + 0.1, None), names)
    play.until(10)
    assert len({request.connection_id for request in play.ended}) == 92


@pytest.mark.parametrize("says_when", [True, False])
def test_of_a_limit_nearly_all_is_used_and_little_refused(says_when: bool) -> None:
    play = Play(Limited(20, says_when=says_when), ["c"] * 16)
    play.until(requests=1000)
    assert 0.9 * (20 + 20 * play.now) <= 1000
    assert play.share_refused() < 0.05


@pytest.mark.parametrize("says_when", [True, False])
@pytest.mark.parametrize("rate", [5, 40])
@pytest.mark.parametrize("seed", range(8))
def test_ten_seconds_after_a_limit_changes_nearly_all_of_it_is_used(says_when: bool, rate: float, seed: int) -> None:
    server = Limited(20, says_when=says_when, seed=seed)
    play = Play(server, ["c"] * 16)
    changes_at = 10 + 1.3 * seed
    play.until(changes_at)
    server.change(rate)
    play.until(changes_at + 50)
    assert play.per_second(changes_at + 10) >= 0.9 * rate
    assert play.share_refused(changes_at + 10) < 0.05


def test_the_limit_of_a_helpdesk_slows_its_connection_and_no_other() -> None:
    limited = Limited(5, says_when=True, of_workspace=False)
    plain = after(0.1)
    play = Play(lambda now, name: limited(now, name) if name == "a" else plain(now, name), ["a"] * 8 + ["b"] * 8)
    play.until(40)
    served = Counter(request.connection_id for request in play.ended if request.refusal is None)
    assert served["a"] == pytest.approx(5 * 40, rel=0.15)
    assert served["b"] >= 0.9 * 8 / 0.11 * 40


def test_a_limit_that_is_gone_is_forgotten() -> None:
    server = Limited(5, says_when=True)
    play = Play(server, ["c"] * 16)
    play.until(30)
    server.change(10_000)
    play.until(120)
    assert play.per_second(90) >= 0.9 * 16 / 0.115


def test_after_a_time_in_which_nothing_was_asked_a_limit_is_used_as_before() -> None:
    play = Play(Limited(20, says_when=True), ["c"] * 16)
    for until in (1, 20, 400):
        play.until(until)
        play.rest(300)
    begins = play.now
    play.until(begins + 40)
    assert play.per_second(begins + 10) >= 0.9 * 20


def test_a_wait_that_the_server_asks_for_is_kept_by_all_and_does_not_end_in_a_storm() -> None:
    play = Play(Limited(20, says_when=True), ["c"] * 16)
    play.until(15)
    refusals = [request for request in play.ended if request.refusal]
    first = min(refusals, key=lambda request: request.begun_at)
    heard_at = min(request.begun_at for request in play.ended if request.begun_at > first.begun_at + 0.2)
    assert heard_at >= first.begun_at + 1.1
    begun = [request.begun_at for request in play.ended]
    assert sum(heard_at <= at < heard_at + 0.2 for at in begun) <= 8


def test_a_pace_of_our_own_is_kept() -> None:
    play = Play(after(0.1), ["a", "b", "c"] * 10, requests_per_second=30)
    play.until(20)
    assert play.per_second() == pytest.approx(30, rel=0.05)


@pytest.mark.parametrize("seconds", [0.002, 0.1, 0.3, 0.5])
def test_answers_that_merely_take_long_are_no_reason_for_fewer_in_flight(seconds: float) -> None:
    play = Play(after(seconds), ["c"] * 20)
    play.until(requests=1000)
    assert play.per_second() >= 0.92 * 16 / (1.1 * seconds)


def test_answers_of_every_kind_at_once_are_no_reason_for_fewer_in_flight() -> None:
    rng = Random(1)
    play = Play(lambda now, name: (now + rng.choice([0.02, 0.1, 0.4]), None), ["c"] * 20)
    play.until(60)
    assert play.per_second() >= 0.85 * 16 / 0.1733


@pytest.mark.parametrize(("workers", "at_most"), [(1, 4), (2, 5), (4, 9)])
def test_a_helpdesk_that_saturates_has_fewer_in_flight_and_loses_nothing(workers: int, at_most: float) -> None:
    play = Play(Saturated(workers, 0.1), ["c"] * 20)
    play.until(60)
    assert play.in_flight(5) <= at_most
    assert play.per_second(5) >= 0.9 * workers / 0.1


def test_a_helpdesk_that_recovers_has_more_in_flight_again() -> None:
    server = Saturated(2, 0.1)
    play = Play(server, ["c"] * 20)
    play.until(30)
    server.change(16)
    play.until(60)
    assert play.in_flight(45) >= 15


# With threads


@contextmanager
def answering(answer: Callable[[httpx.Request], httpx.Response], budget: Budget) -> Iterator[UnifiedClient]:
    with UnifiedClient(
        "https://api.example.com", "key", budget=budget, transport=httpx.MockTransport(answer)
    ) as client:
        yield client


def test_threads_never_have_more_in_flight_than_there_are_slots() -> None:
    budget, lock, flying, most = Budget(5), threading.Lock(), Counter[str](), 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal most
        with lock:
            flying["now"] += 1
            most = max(most, flying["now"])
        time.sleep(0.002)
        with lock:
            flying["now"] -= 1
        return httpx.Response(200, json=[])

    calls = Calls()
    with answering(answer, budget) as client, ThreadPoolExecutor(60) as pool:
        list(pool.map(lambda n: client.list(f"/ticketing/c{n % 7}/ticket", {}, calls), range(600)))
    assert most == 5
    assert calls.requests == budget.calls == 600
    assert calls.seconds_waited == 0


@pytest.mark.parametrize("status", [200, 429, 503])
def test_the_ceiling_is_exact_and_holds_for_retries(status: int) -> None:
    budget, sent, calls = Budget(max_calls=37, clock=LeapingClock()), Counter[int](), Calls()

    def answer(request: httpx.Request) -> httpx.Response:
        sent[status] += 1
        return httpx.Response(200 if sent[status] % 2 else status, json=[])

    def ask(number: int) -> bool:
        with suppress(CallsUsedUp):
            client.list(f"/ticketing/c{number % 7}/ticket", {}, calls)
            return True
        return False

    with answering(answer, budget) as client, ThreadPoolExecutor(30) as pool:
        answered = sum(pool.map(ask, range(100)))
    assert sent.total() == calls.requests == budget.calls == 37
    assert answered == (37 if status == 200 else 19)
    assert budget.is_used_up


def test_without_a_ceiling_nothing_is_used_up() -> None:
    with Budget().request(None):
        pass
    assert not Budget().is_used_up


def test_closing_ends_every_wait_at_once_and_lets_what_is_in_flight_end() -> None:
    budget, release = Budget(1), threading.Event()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ticketing/faulty/ticket":
            return httpx.Response(500)
        release.wait(10)
        return httpx.Response(200, json=[])

    def ask(connection: str) -> type[BaseException] | None:
        try:
            client.list(f"/ticketing/{connection}/ticket", {}, Calls())
        except Stopped as stopped:
            return type(stopped)
        return None

    with answering(answer, budget) as client, ThreadPoolExecutor(8) as pool:
        sleeping = pool.submit(ask, "faulty")
        while budget.calls < 1:
            time.sleep(0.01)
        flying = pool.submit(ask, "slow")
        while budget.calls < 2:
            time.sleep(0.01)
        waiting = [pool.submit(ask, f"c{n}") for n in range(4)]
        time.sleep(0.05)
        budget.close()
        assert [future.result(timeout=5) for future in [sleeping, *waiting]] == [Stopped] * 5
        release.set()
        assert flying.result(timeout=5) is None
        with pytest.raises(Stopped):
            budget.sleep(0)


def test_a_wait_for_the_pace_ends_on_closing_and_is_counted_where_it_is_sat_out() -> None:
    budget, calls = Budget(requests_per_second=4), Calls()

    def ask(_: int) -> bool:
        with suppress(Stopped):
            client.list("/unified/connection", {}, calls)
            return True
        return False

    with answering(lambda request: httpx.Response(200, json=[]), budget) as client, ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(ask, n) for n in range(40)]
        while budget.calls < 3:
            time.sleep(0.01)
        budget.close()
        answered = sum(future.result(timeout=5) for future in asked)
    assert 3 <= answered <= 5
    assert calls.seconds_waited == pytest.approx(sum(n / 4 for n in range(1, answered)), abs=0.5)


def test_an_interrupted_wait_leaves_its_place_to_others() -> None:
    budget, interrupted = Budget(1), LeapingClock()

    def interrupt(condition: threading.Condition, seconds: float | None) -> None:
        raise KeyboardInterrupt

    interrupted.wait = interrupt  # type: ignore[method-assign]
    budget._clock = interrupted
    with budget.request("a"), pytest.raises(KeyboardInterrupt), budget.request("b"):
        pass
    with budget.request("c"):
        assert budget.calls == 2


def test_a_scope_that_refuses_everything_is_given_up_as_a_whole() -> None:
    clock = LeapingClock()
    budget, sent = Budget(clock=clock), Counter[str | None]()

    def answer(request: httpx.Request) -> httpx.Response:
        connection = connection_of(request.url.path)
        sent[connection] += 1
        return httpx.Response(429 if connection == "full" else 200, json=[])

    def ask(number: int) -> bool:
        try:
            client.list(f"/ticketing/{'full' if number % 2 else 'well'}/ticket", {}, Calls())
        except TryAgainLater:
            return False
        return True

    with answering(answer, budget) as client, ThreadPoolExecutor(100) as pool:
        assert sum(pool.map(ask, range(100))) == 50
    assert sent["full"] < HOPELESS + 16 + ATTEMPTS
    assert sum(clock.waits) < 200


def test_the_pool_of_connections_never_holds_back_what_the_budget_allows() -> None:
    together = threading.Barrier(64)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.partition("?")[0].endswith("/ticket"):
                together.wait(timeout=20)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Threaded(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    with Threaded(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with (
            UnifiedClient(f"http://127.0.0.1:{server.server_port}", "key", budget=Budget(64)) as client,
            ThreadPoolExecutor(64) as pool,
        ):
            for table in ("category", "ticket"):  # one that has not answered yet is asked only beside a few others
                list(pool.map(lambda n, of=table: client.list(f"/ticketing/c{n}/{of}", {}, Calls()), range(64)))
        server.shutdown()


def test_the_connection_of_a_request_is_read_from_its_path() -> None:
    for connection in ("c1", "a/b", "ü %"):
        assert connection_of(TICKETS.list_path(connection)) == connection
        assert connection_of(TICKETS.record_path(connection, "t/1")) == connection
        assert connection_of(EMPLOYEES.list_path(connection)) == connection
    assert connection_of("/unified/connection") is None


@pytest.mark.slow
@pytest.mark.parametrize("retry_after", ["seconds", pytest.param("absent", marks=pytest.mark.long)])
def test_of_a_real_limit_nearly_all_is_used_and_little_refused(retry_after: str) -> None:
    faults = Faults(latency_ms=100, rate_limit_per_second=20, retry_after=retry_after)  # type: ignore[arg-type]
    with Sandbox(tickets=10) as sandbox, UnifiedClient(sandbox.base_url, sandbox.api_key) as client:
        path = TICKETS.list_path(next(iter(sandbox.world.counts())))
        for rate, requests in ((20.0, 1000), (5.0, 150), (40.0, 800)):
            sandbox.faults = Faults(**{**vars(faults), "rate_limit_per_second": rate})
            _ask(client, path, int(10 * rate) if rate != 20 else 0)
            sandbox.reset_counters()
            began = time.monotonic()
            _ask(client, path, requests)
            allowed = rate * (time.monotonic() - began) + (rate if rate == 20 else 0)
            refused = sandbox.answers[429] / sandbox.answers.total()
            print(f"{retry_after} {rate}: {sandbox.answers[200] / allowed:.1%} used, {refused:.1%} refused")  # noqa: T201
            assert sandbox.answers[200] >= 0.9 * allowed
            assert refused < 0.05


def _ask(client: UnifiedClient, path: str, requests: int) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: client.list(path, {"limit": 2}, Calls()), range(requests)))
