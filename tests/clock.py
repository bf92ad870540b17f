"""A clock for tests that leaps over each wait instead of waiting."""

from __future__ import annotations

import threading
import time

from pipelines.unified_api.budget import Clock


class LeapingClock(Clock):
    """The real time, plus all that was waited for; `waits` are the waits that had an end."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self._leapt = 0.0

    def now(self) -> float:
        return time.monotonic() + self._leapt

    def wait(self, condition: threading.Condition, seconds: float | None) -> None:
        if seconds is None:
            condition.wait()
        else:
            self.waits.append(seconds)
            self._leapt += seconds
