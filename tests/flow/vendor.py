"""The API as a sender of webhooks: it goes on with each delivery until somebody has acknowledged it."""

from __future__ import annotations

import json
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from typing import Any

import httpx

from tests.flow.signed import Record, signed

CONNECTIONS = ("c-one", "c-two")
SENDERS = 3
SHUFFLED = 12
"""So many deliveries are under way at once, in no order."""

SECONDS_UNTIL_REPEATED = 2.0
"""Later some are sent once more, though they were acknowledged: many servers are one vendor."""

STATES = ("ACTIVE", "PENDING", "CLOSED")


@dataclass(frozen=True)
class _Delivery:
    connection_id: str
    event: str
    data: bytes
    nonce: str

    @property
    def body(self) -> bytes:
        return signed(self.data, self.nonce, connection_id=self.connection_id, event=self.event)


@dataclass
class Histories:
    """Tickets that change all the time, and now and then go; what each has been is kept to be held against."""

    chance: random.Random
    states: dict[tuple[str, str], list[Record]] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    _living: list[tuple[str, str]] = field(default_factory=list)
    _moment: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(days=2))

    def next(self) -> tuple[str, str, list[Record]]:
        """What happens next: connection, event and the records of one delivery."""
        if len(self._living) < 40 or self.chance.random() < 0.05:
            self._begin()
        key = self.chance.choice(self._living)
        if self.chance.random() < 0.04:
            return key[0], "deleted", [self._end(key)]
        others = [each for each in self._living if each[0] == key[0] and each != key]
        keys = [key, *self.chance.sample(others, min(len(others), self.chance.choice((0, 0, 0, 1, 2))))]
        return key[0], "updated", [self._go_on(each) for each in keys]

    def _begin(self) -> None:
        key = self.chance.choice(CONNECTIONS), f"t-{len(self.states)}"
        self.states[key] = []
        self._living.append(key)

    def _go_on(self, key: tuple[str, str]) -> Record:
        number = len(self.states[key])
        state = {
            "id": key[1],
            "updated_at": self._now(),
            "subject": f"{key[1]} for the {number}th time",
            "status": self.chance.choice(STATES),
            "tags": self.chance.sample(["vip", "billing", "żółw"], self.chance.randrange(3)),
            "raw": {"status": self.chance.choice(STATES), "words": ["so it is"] * self.chance.randrange(30)},
            "nobody_knew": number,
        }
        self.states[key].append(state)
        return state

    def _end(self, key: tuple[str, str]) -> Record:
        self._living.remove(key)
        self.gone.add(key)
        end = {"id": key[1], "updated_at": self._now()}
        return end if self.chance.random() < 0.7 else {"id": key[1]}

    def _now(self) -> str:
        self._moment += timedelta(milliseconds=self.chance.randrange(1, 1_000))
        return self._moment.isoformat()


class Vendor:
    """Sends what happens, from several threads, to whatever listens on a port; out of order, some of it twice."""

    def __init__(self, port: int, seed: int) -> None:
        self.histories = Histories(random.Random(seed))
        self.acknowledged = 0
        self.refused: list[str] = []
        self._chance = random.Random(seed)
        self._url = f"http://127.0.0.1:{port}/hook"
        self._under_way: list[_Delivery] = []
        self._to_repeat: list[tuple[float, _Delivery]] = []
        self._lock = Lock()
        self._is_over = Event()
        self._threads = [Thread(target=self._send, daemon=True) for _ in range(SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Nothing happens any more; return once all that has is acknowledged."""
        self._is_over.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads), "nobody acknowledges what is left"

    def _send(self) -> None:
        with httpx.Client(timeout=5) as client:
            while delivery := self._next():
                try:
                    answer = client.post(self._url, content=delivery.body)
                except httpx.TransportError:
                    self._again(delivery)
                else:
                    self._note(delivery, answer)
                self._is_over.wait(0.05)

    def _next(self) -> _Delivery | None:
        with self._lock:
            while len(self._under_way) < SHUFFLED and not self._is_over.is_set():
                connection_id, event, records = self.histories.next()
                self._under_way.append(_Delivery(connection_id, event, json.dumps(records).encode(), self._nonce()))
            if self._to_repeat and self._to_repeat[0][0] < time.monotonic():
                return self._to_repeat.pop(0)[1]
            if not self._under_way:
                return None
            return self._under_way.pop(self._chance.randrange(len(self._under_way)))

    def _again(self, delivery: _Delivery) -> None:
        """The same bytes, or signed anew; who sends it does not know whether it was taken."""
        with self._lock:
            nonce = self._nonce() if self._chance.random() < 0.3 else delivery.nonce
            self._under_way.append(replace(delivery, nonce=nonce))

    def _note(self, delivery: _Delivery, answer: httpx.Response) -> None:
        if not answer.is_success:
            self.refused.append(answer.text)
            self._again(delivery)
            return
        with self._lock:
            self.acknowledged += 1
            if self._chance.random() < 0.1:
                again = replace(delivery, nonce=self._nonce())
                self._to_repeat.append((time.monotonic() + SECONDS_UNTIL_REPEATED, again))

    def _nonce(self) -> str:
        return self._chance.randbytes(8).hex()


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else is given, and that whoever shares it can listen on."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        port: Any = holder.getsockname()[1]
        yield port
