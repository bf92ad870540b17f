"""Long lists of several connections, read by the hands of each through one budget."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import repeat
from threading import Event, Lock, Thread

import pytest

from pipelines.ticketing.crew import Crew
from pipelines.unified_api.budget import Budget, Refusal

SECONDS_A_PAGE = 0.01


class Helpdesks:
    """Endless lists, each read by as many hands as its connection may have."""

    def __init__(self, budget: Budget, refuses: str = "") -> None:
        self.pages: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        """Requests in flight at once, by connection."""
        self._budget = budget
        self._refuses = refuses
        self._in_flight: Counter[str] = Counter()
        self._lock = Lock()
        self._is_over = Event()
        self._readers: list[Thread] = []

    def begin(self, connection: str) -> None:
        reader = Thread(target=self._read, args=[connection], daemon=True)
        self._readers.append(reader)
        reader.start()

    def forget(self) -> None:
        with self._lock:
            self.pages.clear()
            self.most.clear()

    def wait_for(self, pages: int, connection: str) -> None:
        deadline = time.monotonic() + 60
        while self.pages[connection] < pages:
            assert time.monotonic() < deadline, self.pages
            time.sleep(0.01)

    def end(self) -> None:
        self._is_over.set()
        for reader in self._readers:
            reader.join()

    def _read(self, connection: str) -> None:
        crew = Crew(self._budget.max_concurrency, lambda: self._budget.room(connection))
        for _ in crew.side_by_side(self._walk(connection), lambda: self._walk(connection)):
            if self._is_over.is_set():
                return

    def _walk(self, connection: str) -> Iterator[None]:
        for _ in repeat(None):
            with self._budget.request(connection) as request:
                with self._lock:
                    self._in_flight[connection] += 1
                    self.most[connection] = max(self.most[connection], self._in_flight[connection])
                time.sleep(SECONDS_A_PAGE)
                with self._lock:
                    self._in_flight[connection] -= 1
                    self.pages[connection] += 1
                request.answered(Refusal(False, 0.2) if connection == self._refuses else None)
            yield None


@pytest.mark.parametrize("others", [1, 3])
def test_a_list_that_began_first_keeps_no_hands_from_the_others(others: int) -> None:
    helpdesks = Helpdesks(Budget(16))
    helpdesks.begin("first")
    helpdesks.wait_for(300, "first")
    assert helpdesks.most["first"] == 16
    connections = [f"later {number}" for number in range(others)]
    for connection in connections:
        helpdesks.begin(connection)
        helpdesks.wait_for(30, connection)
    helpdesks.forget()
    helpdesks.wait_for(300, "first")
    helpdesks.end()
    assert min(helpdesks.pages[connection] for connection in connections) > 150, helpdesks.pages


def test_hands_that_wait_for_the_pace_of_one_helpdesk_are_none_that_others_lack() -> None:
    helpdesks = Helpdesks(Budget(16), refuses="slow")
    helpdesks.begin("slow")
    helpdesks.wait_for(4, "slow")
    helpdesks.begin("quick")
    helpdesks.wait_for(400, "quick")
    helpdesks.end()
    assert helpdesks.most["quick"] >= 14
    assert helpdesks.pages["slow"] < 60
