"""Bad days, on demand: which fault strikes which request, from one seed."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from threading import Lock
from typing import Literal


@dataclass(frozen=True)
class Faults:
    """What goes wrong, how often. Shares are from 0 to 1 of all requests; everything is off by default."""

    seed: int = 0
    latency_ms: float = 0
    """Each answer comes this much later."""
    rate_limit_per_second: float | None = None
    """Above it, 429: a bucket that holds one second's worth."""
    retry_after: Literal["seconds", "http-date", "absent"] = "seconds"
    """How a 429 tells when to come back."""
    too_many: float = 0
    """Share of 429 without any limit being reached."""
    status_500: float = 0
    status_502: float = 0
    """Shares of server errors with a JSON body."""
    html_error: float = 0
    """Share of 502 and 503 with a body of HTML."""
    reset: float = 0
    """Share of connections reset before a byte is answered; the request is not carried out."""
    lost_answer: float = 0
    """Share of requests that are carried out, after which the connection is reset."""
    truncation: float = 0
    """Share of bodies that end before their content-length."""
    garbage: float = 0
    """Share of 200s whose body is no JSON."""
    max_consecutive: int = 2
    """So many of these in a row for one request at most: the next try succeeds. The rate limit stands apart."""
    connections: tuple[str, ...] = ()
    """Only these connections suffer; none named: all."""
    moves: int = 0
    """Before each list answer, so many random records of that list are touched and jump to its end."""
    moves_until: int | None = None
    """Touches in total, after which the lists stand still."""
    quiet_edits: int = 0
    """Before each list answer, so many random records of that list get another content and keep `updated_at`."""
    quiet_edits_until: int | None = None
    """Quiet edits in total."""
    deletes: int = 0
    """Before each list answer, so many random records of that list are removed; a ticket takes its notes along."""
    deletes_until: int | None = None
    """Removals in total."""
    inserts: int = 0
    """Before each list answer, so many new records appear in that list; notes only where there are tickets."""
    inserts_until: int | None = None
    """New records in total."""
    moves_apart_seconds: float = 0
    """So much time passes before each touch, quiet edit, removal and new record."""
    visible_after_seconds: float = 0
    """Lists leave a record out until a share of this time has passed since its `updated_at`: each state has its own."""
    cut_updated_gte: Literal["seconds", "minutes"] | None = None
    """The server cuts `updated_gte` down before it compares."""
    ignore_updated_gte: bool = False
    """The server takes no notice of `updated_gte`, whatever its support table says."""
    unstable_ties: bool = False
    """The order inside one `updated_at` is another one in each answer."""
    fields_strict: bool = False
    """Field names outside the published list parameter are answered with 400."""
    fields_ignored: bool = False
    """Records are shown in full, whatever `fields` asks for."""
    page_cap: int | None = None
    """No page is longer, whatever `limit` asks for."""

    def __post_init__(self) -> None:
        for share in _SHARES:
            if not 0 <= getattr(self, share) <= 1:
                raise ValueError(f"{share} is a share from 0 to 1, not {getattr(self, share)}")


class Strike(Enum):
    """One fault of one request; the value is its share's name."""

    TOO_MANY = "too_many"
    STATUS_500 = "status_500"
    STATUS_502 = "status_502"
    HTML_ERROR = "html_error"
    RESET = "reset"
    LOST_ANSWER = "lost_answer"
    TRUNCATION = "truncation"
    GARBAGE = "garbage"


_SHARES = tuple(strike.value for strike in Strike)


class Unrest(Enum):
    """What befalls the records of a list that is being read; the value is its number's name."""

    MOVE = "moves"
    QUIET_EDIT = "quiet_edits"
    DELETE = "deletes"
    INSERT = "inserts"


class Fate:
    """Decides, request by request, what `faults` ask for. Holds the dice and the counts."""

    def __init__(self, faults: Faults, clock: Callable[[], float] = time.monotonic) -> None:
        self.faults = faults
        self.rng = random.Random(faults.seed)
        self._clock = clock
        self._lock = Lock()
        self._in_a_row: dict[str, int] = {}
        self._befallen: Counter[Unrest] = Counter()
        self._bucket = faults.rate_limit_per_second or 0.0
        self._filled_at = clock()

    def concerns(self, connection_id: str | None) -> bool:
        """Whether requests for this connection suffer at all."""
        return not self.faults.connections or connection_id in self.faults.connections

    def seconds_over_limit(self) -> float | None:
        """Take one request out of the rate limit; if it holds none, after how many seconds it will."""
        rate = self.faults.rate_limit_per_second
        if rate is None:
            return None
        with self._lock:
            now = self._clock()
            self._bucket = min(max(rate, 1.0), self._bucket + (now - self._filled_at) * rate)
            self._filled_at = now
            if self._bucket < 1:
                return (1 - self._bucket) / rate
            self._bucket -= 1
            return None

    def strike(self, request: str) -> Strike | None:
        """The fault for this request (its method and whole target), if any."""
        with self._lock:
            drawn = self._draw()
            if drawn is None or self._in_a_row.get(request, 0) >= self.faults.max_consecutive:
                self._in_a_row.pop(request, None)
                return None
            self._in_a_row[request] = self._in_a_row.get(request, 0) + 1
            return drawn

    def due(self, unrest: Unrest, available: int | None = None) -> int:
        """How many records this is to befall before this list answer, of so many that there are."""
        with self._lock:
            wanted: int = getattr(self.faults, unrest.value)
            until: int | None = getattr(self.faults, f"{unrest.value}_until")
            if available is not None:
                wanted = min(wanted, available)
            if until is not None:
                wanted = max(0, min(wanted, until - self._befallen[unrest]))
            self._befallen[unrest] += wanted
            return wanted

    def hides(self, record_id: str, updated: int, now: int) -> bool:
        """Whether lists leave out, still, the state that a record got at `updated`. Times are in milliseconds."""
        digest = blake2b(f"{record_id} {updated}".encode(), digest_size=8).digest()
        share = int.from_bytes(digest) / 2**64
        return 0 <= now - updated < share * self.faults.visible_after_seconds * 1_000

    def _draw(self) -> Strike | None:
        ball = self.rng.random()
        for strike in Strike:
            ball -= getattr(self.faults, strike.value)
            if ball < 0:
                return strike
        return None
