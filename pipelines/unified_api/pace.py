"""What a scope bears, learnt from its answers: how fast it may be asked, and how often at once.

Functions of a clock reading, in seconds: nothing here waits, locks or looks at a clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, log2

FIRST_GUESS = 5.0
"""Requests a second after a refusal before which hardly anything was answered."""
SLOWEST = 1 / 30
PAUSE = 1.0
"""Seconds to wait after a refusal that names no time; twice as long each time until something is answered."""
LONGEST_PAUSE = 30.0
HOPELESS = 8
"""Refusals in a row, each after the wait that the one before asked for."""
HORIZON = 10.0
"""Seconds after which about twice the rate last measured is tried: a limit may have been lifted."""
FEWEST = 60
"""Requests that lie at least within a horizon: where few are borne, each refusal is a larger share of them."""
SLACK = 0.1
"""Seconds by which a request may be late and the next one still be in time."""
IDLE = 1.0
"""Seconds without a request after which nobody wants any, where nothing keeps them waiting."""
OWN_TIME = 0.02
"""Seconds between two requests that may be our own: threads that wait for each other, on a busy machine."""


class Pace:
    """How fast a scope may be asked: at any speed until it refuses, then close to what it bore.

    After a refusal the rate follows a cubic: nearly flat while it passes what was measured, so that the server's
    reserve lasts long, then ever steeper, until the next refusal or until it limits nothing any more.
    """

    def __init__(self, now: float, ceiling: float = inf) -> None:
        self.ready_at = now
        """When the next request may begin."""
        self._begun_at = -inf
        self._ceiling = ceiling
        self._borne = inf
        self._grows_from = now
        self._backed_off_at = -inf
        self._fruitless = 0
        self._counted_from = now
        self._count = 0.0

    def rate(self, now: float) -> float:
        """Requests a second, at this moment."""
        grown = (max(0.0, now - self._grows_from) / self._horizon) ** 3
        return min(self._ceiling, self._borne * (1 + grown))

    def is_hopeless(self, now: float) -> bool:
        """Whether so many refusals came with no answer between them that waiting for the next is not worth it."""
        return self._fruitless >= HOPELESS and self.ready_at > now

    def begin(self, now: float) -> None:
        """A request begins. Time in which none was wanted says nothing of what is borne."""
        unused = now - SLACK - self.ready_at
        if unused > (0 if self._borne < inf else IDLE):
            self._counted_from += unused
        self.ready_at = max(self.ready_at, now - SLACK) + 1 / self.rate(now)
        self._begun_at = now

    def kept_waiting(self, since: float) -> float:
        """Seconds for which the pace, and nothing else, kept a request that begins now."""
        return max(0.0, self.ready_at - since) if self.ready_at > self._begun_at else 0.0

    def answered(self, now: float) -> None:
        """A request was not refused."""
        self._count += 1
        self._fruitless = 0
        if now - self._counted_from > self._horizon:
            self._count /= 2
            self._counted_from = (self._counted_from + now) / 2

    def refused(self, begun_at: float, now: float, retry_after: float) -> None:
        """A request was refused; all of the scope waits as long as the server said (0: it did not say)."""
        self.ready_at = max(self.ready_at, now + retry_after)
        if begun_at >= self._backed_off_at:
            self._back_off(now, retry_after or min(PAUSE * 2**self._fruitless, LONGEST_PAUSE))

    def _back_off(self, now: float, pause: float) -> None:
        """Once for all requests that were in flight."""
        if self._count or self._borne == inf:
            self._borne = self._measured(now)
            self._counted_from, self._count = now, 0
        self._fruitless += 1
        self._backed_off_at = now
        self._grows_from = self.ready_at = max(self.ready_at, now + pause)

    def _measured(self, now: float) -> float:
        measured = self._count / max(now - self._counted_from, 1.0)
        rate = self.rate(now)
        return max(measured, FIRST_GUESS) if rate == inf else max(min(measured, rate), SLOWEST)

    @property
    def _horizon(self) -> float:
        return max(HORIZON, FEWEST / self._borne)


@dataclass
class _Level:
    """What was seen with about so many requests in flight: how many exactly, and the seconds to an answer."""

    in_flight: float
    seconds: float
    seen: int = 1
    seen_at: float = 0.0

    @property
    def throughput(self) -> float:
        return self.in_flight / (self.seconds + OWN_TIME)

    def add(self, in_flight: int, seconds: float) -> None:
        """Averages that lean towards the newest; one straggler alone does not tip them."""
        weight = max(1 / 16, 1 / (self.seen + 1))
        self.in_flight += (in_flight - self.in_flight) * weight
        self.seconds += (min(seconds, 4 * self.seconds) - self.seconds) * weight
        self.seen += 1


class Room:
    """How many requests a connection is worth having in flight: as few as bring nearly the most answers a second.

    By Little's law answers a second are requests in flight by seconds to an answer. What merely takes long brings
    twice as much with twice as many; what is saturated brings the same, later. Levels are powers of two.
    """

    START = 4
    """Enough to see whether more bring more; few enough for a helpdesk that is down to hold up little."""
    ENOUGH = 0.9
    """Share of the most answers a second seen, from which on fewer in flight are preferred."""
    FORGET = 10.0
    """Seconds after which more in flight are tried again, though they brought no more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._levels: dict[int, _Level] = {}
        self._level = self._level_of(min(self.START, most))

    @property
    def limit(self) -> int:
        """Requests that may be in flight at once; at least one."""
        return min(1 << self._level, self._most)

    def answered(self, in_flight: int, seconds: float, now: float) -> None:
        """An answer came, to a request that was the `in_flight`th of those under way when it began."""
        number = self._level_of(in_flight)
        if number in self._levels:
            self._levels[number].add(in_flight, seconds)
        else:
            self._levels[number] = _Level(in_flight, seconds)
        self._levels[number].seen_at = now
        if number == self._level and 2 * self._levels[number].seen >= in_flight:
            self._choose(now)

    def failed(self) -> None:
        """No answer came: whoever is out of reach gets less room."""
        self._level = max(0, self._level - 1)

    def _choose(self, now: float) -> None:
        higher = self._levels.get(self._level + 1)
        if higher is not None and now - higher.seen_at > self.FORGET:
            self._levels.pop(self._level + 1)
        best = max(level.throughput for level in self._levels.values())
        self._level = min(n for n, level in self._levels.items() if level.throughput >= self.ENOUGH * best)
        if self._level + 1 not in self._levels and self.limit < self._most:
            self._level += 1

    @staticmethod
    def _level_of(in_flight: int) -> int:
        return ceil(log2(in_flight))
