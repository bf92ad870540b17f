"""A lean stand-in for the API, in a process of its own: as quick as may be, so that it is not what is measured.

    python -m tests.benchmarks.server '{"work": {"notes": 1000}, "latency_ms": 100}'

Prints its address once it listens, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import formatdate
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httptools
import msgspec
import uvloop

from tests.benchmarks.records import Shelf, Work, id_and_time, shelves

API_KEY = "key-of-the-benchmarks"
PAGE_CAP = 100
_LEVELS = ("limit", "offset", "order", "sort_by_updated_at", "updated_gte", "ticket_id", "customer_id")
_COMMON = ("id", "created_at", "updated_at", "raw")
_FIELDS = {
    "ticket": (
        *("customer_id", "subject", "description", "status", "closed_at", "priority", "category_id", "source"),
        *("tags", "user_id", "url"),
    ),
    "note": ("customer_id", "description", "ticket_id", "user_id"),
    "customer": ("name", "emails", "telephones"),
    "category": ("name", "description", "is_active"),
}


class Options(msgspec.Struct, frozen=True):
    """What is served, and how."""

    work: Work = Work()
    connections: int = 1
    latency_ms: float = 0
    """Each answer comes this much later."""
    rate_limit: float | None = None
    """Requests a second, above which 429 is answered: a bucket that holds one second's worth."""

    @property
    def pages(self) -> int:
        """The fewest pages that hold it all."""
        return self.work.pages(PAGE_CAP) * self.connections

    def ideal_seconds(self, in_flight: int) -> float:
        """What reading would take if nothing but latency cost anything."""
        return self.pages * self.latency_ms / 1000 / in_flight

    def in_words(self, repeat: int) -> str:
        """What is served and how often it is read, for a heading."""
        work = self.work
        limit = f", {self.rate_limit:g} requests a second" if self.rate_limit else ""
        return (
            f"{self.connections} connection(s), {work.records * self.connections:,} records ({work.tickets:,} tickets, "
            f"{work.notes:,} notes, {work.customers:,} customers each), {self.latency_ms:g} ms{limit}, "
            f"{repeat} run(s) each"
        )


@dataclass
class Counts:
    """What came in since the last reset. Times are seconds since the epoch, None before the first list request."""

    lists: dict[str, int] = field(default_factory=dict)
    """List requests by object."""
    answered: int = 0
    """List requests within the rate limit."""
    refused: int = 0
    """And above it."""
    in_flight: int = 0
    peak_in_flight: int = 0
    first_list_at: float | None = None
    last_list_at: float | None = None
    """When the last list request was answered."""
    busy_seconds: float = 0
    """How long at least one list request was in flight."""
    bytes_sent: int = 0
    busy_since: float = 0

    def begin(self, object_name: str) -> None:
        """A list request has come in."""
        now = time.time()
        self.lists[object_name] = self.lists.get(object_name, 0) + 1
        self.first_list_at = self.first_list_at or now
        if not self.in_flight:
            self.busy_since = now
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)

    def end(self) -> None:
        """The answer to one goes out."""
        self.last_list_at = time.time()
        self.in_flight -= 1
        if not self.in_flight:
            self.busy_seconds += self.last_list_at - self.busy_since


class Bucket:
    """A rate limit."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._size = max(rate or 0, 1.0)
        self._left = self._size
        self._filled_at = time.monotonic()

    def take(self) -> bool:
        """Whether one request more is within the limit."""
        if self._rate is None:
            return True
        now = time.monotonic()
        self._left = min(self._size, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Site:
    """All that is served; answers in bytes, without a socket."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.counts = Counts()
        self.bucket = Bucket(options.rate_limit)
        self._shelves = {
            connection: shelves(options.work, seed=number)
            for number, connection in enumerate(connection_ids(options.connections))
        }

    def answer(self, path: str, query: str) -> tuple[int, bytes]:
        """The status and body for a request that was let in."""
        asked = parse_qs(query)
        parameters = {name: values[-1] for name, values in asked.items()}
        match path.strip("/").split("/"):
            case ["ticketing", connection, object_name]:
                page = self._page(self._shelves[connection][object_name], parameters)
                in_part = asked.get("fields") == ["id", "updated_at"]
                return 200, b"[%s]" % b",".join(map(id_and_time, page) if in_part else page)
            case ["ticketing", connection, object_name, record_id]:
                record = self._shelves[connection][object_name].find(record_id)
                return (200, record) if record else (404, b'{"message":"no such record"}')
            case ["unified", "connection"]:
                offset, limit = _window(parameters)
                return 200, msgspec.json.encode([_connection(id) for id in self._shelves][offset : offset + limit])
            case ["unified", "integration"]:
                return 200, msgspec.json.encode([_integration()])
        return 404, b'{"message":"no such call"}'

    def control(self, path: str, query: str) -> bytes:
        """What the benchmarks ask for: counts, forgetting them, and touching records."""
        parameters = {name: values[-1] for name, values in parse_qs(query).items()}
        match path.strip("/").split("/"):
            case ["control", "counts"]:
                return msgspec.json.encode(self.counts)
            case ["control", "reset"]:
                self.counts, self.bucket = Counts(), Bucket(self.options.rate_limit)
            case ["control", "touch", object_name]:
                for by_object in self._shelves.values():
                    by_object[object_name].touch(int(parameters["count"]), int(time.time() * 1000))
        return b"{}"

    def _page(self, shelf: Shelf, parameters: dict[str, str]) -> list[bytes]:
        since = parameters.get("updated_gte")
        offset, limit = _window(parameters)
        return shelf.page(
            None if since is None else _milliseconds(since), offset, limit, descending=parameters.get("order") == "desc"
        )


class Conversation(asyncio.Protocol):
    """One client's connection: requests in, answers out, in their order."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = self._authorization = b""

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._authorization = value

    def on_message_complete(self) -> None:
        parts = urlsplit(self._url.decode())
        if parts.path.startswith("/control/"):
            self._send(200, self._site.control(parts.path, parts.query))
        elif self._authorization.lower() != b"bearer " + API_KEY.encode():
            self._send(401, b'{"message":"not your key"}')
        else:
            self._serve(parts.path, parts.query)

    def _serve(self, path: str, query: str) -> None:
        counts = self._site.counts
        is_list = path.startswith("/ticketing/")
        is_within = self._site.bucket.take()
        if is_list:
            counts.begin(path.rsplit("/", 1)[1])
            counts.answered, counts.refused = counts.answered + is_within, counts.refused + (not is_within)

        def send() -> None:
            if is_list:
                counts.end()
            if is_within:
                self._send(*self._site.answer(path, query))
            else:
                self._send(429, b'{"message":"slow down"}', b"retry-after: 1\r\n")

        if latency := self._site.options.latency_ms:
            self._loop.call_later(latency / 1000, send)
        else:
            send()

    def _send(self, status: int, body: bytes, more: bytes = b"") -> None:
        self._site.counts.bytes_sent += len(body)
        if not self._transport.is_closing():
            self._transport.write(_HEAD % (status, formatdate(usegmt=True).encode(), len(body), more) + body)


_HEAD = b"HTTP/1.1 %d -\r\ncontent-type: application/json\r\ndate: %s\r\ncontent-length: %d\r\n%s\r\n"


def connection_ids(count: int) -> list[str]:
    """The ids of the workspace's connections."""
    return [f"connection-{number:03}" for number in range(count)]


def _window(parameters: dict[str, str]) -> tuple[int, int]:
    """Offset and limit, which the vendor's client writes as 100.0."""
    return int(float(parameters.get("offset", 0))), min(PAGE_CAP, int(float(parameters.get("limit", PAGE_CAP))))


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _connection(connection_id: str) -> dict[str, Any]:
    return {
        "id": connection_id,
        "created_at": "2023-01-01T00:00:00.000Z",
        "updated_at": "2023-01-01T00:00:00.000Z",
        "integration_type": "standin",
        "integration_name": "Stand-in",
        "environment": "Production",
        "categories": ["ticketing"],
        "permissions": [f"ticketing_{name}_read" for name in _FIELDS],
        "is_paused": False,
        "last_healthy_at": "2026-01-01T00:00:00.000Z",
    }


def _integration() -> dict[str, Any]:
    support = {f"ticketing_{name}": _support(fields) for name, fields in _FIELDS.items()}
    return {"type": "standin", "name": "Stand-in", "categories": ["ticketing"], "is_active": True, "support": support}


def _support(fields: tuple[str, ...]) -> dict[str, Any]:
    return {
        "methods": {"list": True, "get": True},
        **{f"list_{level}": "supported" for level in _LEVELS},
        "inbound_fields": {name: name for name in (*_COMMON, *fields)},
        "outbound_fields": {},
    }


async def serve(options: Options) -> None:
    """Serve until standard input ends."""
    site = Site(options)
    gc.collect()
    gc.freeze()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Conversation(site), "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    gc.disable()
    uvloop.run(serve(msgspec.json.decode(sys.argv[1] if len(sys.argv) > 1 else "{}", type=Options)))
