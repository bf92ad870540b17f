"""A plan carried out, ticket by ticket, by several hands and under brakes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from pipelines.errors import CallsUsedUp
from pipelines.writeback.acting import Acting
from pipelines.writeback.intents import Result
from pipelines.writeback.journal import SETTLED, Action, Attempt, Ending, Place
from pipelines.writeback.plan import Plan, Step

FAILING = frozenset({Ending.REFUSED, Ending.FAILED, Ending.UNKNOWN, Ending.HELD})
"""What counts towards so many failures in a row."""


class Done(NamedTuple):
    """What became of one action of a plan; `result` None: it was not tried."""

    step: Step
    action: Action
    result: Result | None

    @property
    def ending(self) -> Ending | None:
        return self.result.ending if self.result else None

    @property
    def told(self) -> str | None:
        return self.result.told if self.result else None


@dataclass
class Application:
    """What became of a plan. `stopped`: why the rest of it was not tried."""

    plan: Plan
    done: list[Done] = field(default_factory=list)
    stopped: str | None = None

    @property
    def exit_code(self) -> int:
        """0 all of it stands; 1 nothing of it, 3 some."""
        if all(done.ending in SETTLED for done in self.done):
            return 0
        return 3 if any(done.ending in SETTLED or (done.result and done.result.taken) for done in self.done) else 1


def actions_of(step: Step) -> list[Action]:
    """The note first: a ticket that is closed would be opened again by it, and one that could not be answered is not to
    be closed."""
    return [*([Action.NOTE] if step.note else []), *([Action.CHANGE] if step.changes else [])]


class Applying:
    """Carries out one plan; each ticket is in one hand. `before`: the last attempts there were;
    `most_failures`: so many in a row end it; `stop`: has whoever waits for a turn wait no more."""

    def __init__(
        self,
        plan: Plan,
        acting: Acting,
        before: dict[tuple[Place, Action], Attempt],
        *,
        hands: int,
        most_failures: int,
        told: Callable[[int], object] = lambda steps: None,
        stop: Callable[[], object] = lambda: None,
    ) -> None:
        self._acting = acting
        self._before = before
        self._hands = hands
        self._most_failures = most_failures
        self._told = told
        self._stop = stop
        self._application = Application(plan)
        self._lock = threading.Lock()
        self._taken = 0
        self._failures = 0

    def run(self) -> Application:
        """Carry it out, but for what stands already. Raises what leaves nothing to be tried any more: a key that is not
        accepted, a journal that cannot be written."""
        application = self._application
        with ThreadPoolExecutor(self._hands, "triage") as pool:
            try:
                results = [pool.submit(self._take, step) for step in application.plan.steps]
                application.done = [done for result in results for done in result.result()]
            except BaseException:
                application.stopped = "it was stopped"
                self._stop()
                pool.shutdown(cancel_futures=True)
                raise
        return application

    def _take(self, step: Step) -> list[Done]:
        done = [*self._actions(step)]
        with self._lock:
            self._taken += 1
            self._told(self._taken)
        return done

    def _actions(self, step: Step) -> Iterator[Done]:
        may_go_on = True
        for action in actions_of(step):
            result = self._result(step, action) if may_go_on and not self._application.stopped else None
            may_go_on = result is not None and result.ending in SETTLED
            yield Done(step, action, result)

    def _result(self, step: Step, action: Action) -> Result | None:
        try:
            last = self._before.get((step.place, action))
            result = self._acting.act(step, action, last)
        except CallsUsedUp as error:
            self._application.stopped = str(error)
            return None
        if last is None or last.ending not in FAILING:  # what failed before is not to keep a rerun from the rest
            self._count(result.ending)
        return result

    def _count(self, ending: Ending) -> None:
        with self._lock:
            if ending in FAILING:
                self._failures += 1
            elif ending is Ending.WRITTEN:
                self._failures = 0
            if self._failures >= self._most_failures:
                self._application.stopped = f"{self._failures} in a row could not be carried out"
