"""Sends deliveries as fast as they are taken: over some connections that are kept, on each the next one once the one
before has been answered. A process of its own, with as little work as may be.

    python -m tests.benchmarks.pusher '{"port": 8080, "connections": 8, "deliveries": 1000}'

Prints what it found as JSON.
"""

from __future__ import annotations

import asyncio
import gc
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import msgspec
import uvloop

from tests.benchmarks.deliveries import events

_HEAD = (
    b"POST /hook HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: benchmarks\r\naccept: */*\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_WARMING_UP = 5
"""So many deliveries a connection come before those that are measured."""


class Push(msgspec.Struct, frozen=True):
    """What is sent where. The deliveries tell of so many `tickets` in turn, and begin with the number `first`."""

    port: int
    connections: int
    deliveries: int
    tickets: int = 1_000
    first: int = 0
    is_prepared: bool = True
    """Whether all of them are made before the clock starts; else one is made when it is sent."""

    @property
    def all_deliveries(self) -> int:
        """Those that come before the clock starts among them."""
        return self.deliveries + (self.connections * _WARMING_UP if self.is_prepared else 0)


class Pushed(msgspec.Struct, frozen=True):
    """What came of it. `cpu_share`: of a core, what the sender needed."""

    seconds: float
    refused: int
    median_ms: float
    p99_ms: float
    mean_bytes: float
    cpu_share: float


@dataclass
class _Answers:
    seconds: list[float] = field(default_factory=list)
    refused: int = 0


class _Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: Iterator[bytes], answers: _Answers) -> None:
        self._requests = requests
        self._answers = answers
        self._answer = b""
        self._is_waiting = False
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._is_waiting = True
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, _, body = self._answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        self._answers.seconds.append(time.perf_counter() - self._sent_at)
        self._answers.refused += not head.startswith(b"HTTP/1.1 200")
        self._answer, self._is_waiting = b"", False
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_waiting:
            self.done.set_exception(exc or ConnectionError("closed before it had answered"))
        else:
            self.done.set_result(None)


async def _send(port: int, connections: int, requests: Iterable[bytes]) -> _Answers:
    answers, shared, loop = _Answers(), iter(requests), asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda: _Caller(shared, answers), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(caller.done for caller in callers))
    return answers


async def push(what: Push) -> Pushed:
    """Send it all, and wait for the last answer."""
    sizes: list[int] = []
    requests = _requests(what, sizes)
    if what.is_prepared:
        await _send(what.port, what.connections, islice(requests, what.connections * _WARMING_UP))
        requests = iter(list(requests))
    gc.freeze()
    began_at, cpu_began_at = time.perf_counter(), time.process_time()
    answers = await _send(what.port, what.connections, requests)
    seconds, cpu_seconds = time.perf_counter() - began_at, time.process_time() - cpu_began_at
    took = sorted(answers.seconds)
    return Pushed(
        seconds=seconds,
        refused=answers.refused,
        median_ms=took[len(took) // 2] * 1000,
        p99_ms=took[len(took) * 99 // 100] * 1000,
        mean_bytes=sum(sizes) / len(sizes),
        cpu_share=cpu_seconds / seconds,
    )


def _requests(what: Push, sizes: list[int]) -> Iterator[bytes]:
    for body in events(what.tickets, what.first, what.all_deliveries):
        sizes.append(len(body))
        yield _HEAD % len(body) + body


if __name__ == "__main__":
    gc.disable()
    pushed = uvloop.run(push(msgspec.json.decode(sys.argv[1], type=Push)))
    sys.stdout.write(msgspec.json.encode(pushed).decode())
