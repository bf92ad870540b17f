"""Takes deliveries in: proves each, puts it on the disk, and only then acknowledges it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pipelines.settings import WebhookSettings
from pipelines.webhooks.delivery import Delivery, MalformedDelivery, parse_delivery
from pipelines.webhooks.inbox import Arrival, Contents, Inbox
from pipelines.webhooks.keeper import Keeper, NotKept
from pipelines.webhooks.signature import proven_message

MEGABYTE = 1024 * 1024

_MOST_IN_FLIGHT = 128 * MEGABYTE
"""Bytes of bodies that are being read or kept at once."""

_SECONDS_TO_SEND = 30.0
"""For a body to come; whoever takes longer holds up nobody else."""

_HASH_BYTES = 16
"""Of a message; enough to tell it from any other, for millions of them are remembered."""

_SMALL = 64 * 1024

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


class Refused(Exception):
    """A delivery that is not taken: the status of the answer, and why, which says nothing of what was sent."""

    def __init__(self, status: int, outcome: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.outcome = outcome


OUTCOMES = ("accepted", "known", "unsigned", "malformed", "too_large", "too_slow", "too_many", "not_kept")
"""What may become of a delivery: `accepted` is new and kept, `known` was taken before."""


def _now() -> datetime:
    return datetime.now(UTC)


def receiver(inbox_path: Path, settings: WebhookSettings, clock: Clock = _now) -> Starlette:
    """The ASGI application: it takes deliveries by POST on any path, and tells of itself on `/healthz`, `/readyz` and
    `/metrics`."""
    door = _Door(inbox_path, settings, clock)
    routes = [
        Route("/healthz", _healthy),
        Route("/readyz", door.ready),
        Route("/metrics", door.metrics),
        Route("/{path:path}", door.deliver, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=door.open)


async def _healthy(request: Request) -> Response:  # noqa: ARG001
    return PlainTextResponse("ok\n")


class _Door:
    """Where deliveries come in."""

    def __init__(self, inbox_path: Path, settings: WebhookSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._open_inbox = partial(Inbox, inbox_path, settings.largest_inbox_mb * MEGABYTE)
        self._largest_body = settings.largest_body_mb * MEGABYTE
        self._in_flight = 0
        self._large = asyncio.Semaphore(1)
        self._look: asyncio.Task[Contents] | None = None
        self._outcomes = Counter(dict.fromkeys(OUTCOMES, 0))
        self._began_at = monotonic()

    @asynccontextmanager
    async def open(self, application: Starlette) -> AsyncIterator[None]:  # noqa: ARG002
        self._keeper = Keeper(self._open_inbox)
        self._keeper.start()
        yield
        await self._keeper.stop()

    async def deliver(self, request: Request) -> Response:
        """Answer a delivery: 2xx once it is on the disk, or was before."""
        try:
            outcome = "accepted" if await self._take(request) else "known"
        except Refused as refused:
            self._outcomes[refused.outcome] += 1
            _log.warning("refused with %d: %s", refused.status, refused)
            return JSONResponse({"error": str(refused)}, refused.status)
        except ClientDisconnect:
            return Response(status_code=400)  # which nobody reads
        except asyncio.CancelledError:  # it takes longer than the server has to end
            return JSONResponse({"error": "the receiver is being stopped; try again later"}, 503)
        self._outcomes[outcome] += 1
        return JSONResponse({"status": outcome})

    async def _take(self, request: Request) -> bool:
        """Whether a delivery was new."""
        with self._holding() as hold:
            arrival = await self._proven(await self._body(request, hold))
            try:
                return await self._keeper.keep(arrival)
            except NotKept as error:
                said = "the inbox is full" if error.is_full else f"the inbox cannot be written ({error})"
                raise Refused(503, "not_kept", f"{said}; try again later") from error

    async def _proven(self, body: bytes) -> Arrival:
        """A large body is proven in a thread, so that others need not wait for it, and one at a time: it takes memory
        before it is known whether anybody has signed it."""
        if len(body) <= _SMALL:
            return self._arrival(body)
        async with self._large:
            return await run_in_threadpool(self._arrival, body)

    async def _body(self, request: Request, hold: Callable[[int], None]) -> bytes:
        """The body, as it comes. Raises `Refused` where it is too large, or too slow."""
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(_SECONDS_TO_SEND):
                async for chunk in request.stream():
                    hold(len(chunk))
                    chunks.append(chunk)
        except TimeoutError:
            raise Refused(408, "too_slow", f"expected the body within {_SECONDS_TO_SEND:.0f} seconds") from None
        return b"".join(chunks)

    @contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        """What is told of the bytes of one delivery that this process holds, until the block ends. It raises `Refused`
        where they are too many, of this one or of all."""
        held = 0

        def hold(size: int) -> None:
            nonlocal held
            if held + size > self._largest_body:
                largest = self._settings.largest_body_mb
                raise Refused(413, "too_large", f"expected a body of at most {largest} MB (webhooks.largest_body_mb)")
            if self._in_flight + size > _MOST_IN_FLIGHT:
                raise Refused(503, "too_many", "too many deliveries at once; try again later")
            held += size
            self._in_flight += size

        try:
            yield hold
        finally:
            self._in_flight -= held

    def _arrival(self, body: bytes) -> Arrival:
        """A delivery that is proven. Raises `Refused`."""
        try:
            delivery = parse_delivery(body)
        except MalformedDelivery as error:
            raise Refused(400, "malformed", str(error)) from None
        message = proven_message(delivery, self._settings.secrets, accepts_sha1=self._settings.accept_sha1)
        if message is None:
            raise Refused(401, "unsigned", self._why_not(delivery))
        return Arrival(body, hashlib.blake2b(message, digest_size=_HASH_BYTES).digest(), self._clock())

    def _why_not(self, delivery: Delivery) -> str:
        if delivery.sig256 is not None:
            return "sig256 is not that of the workspace's secret (webhooks.secret, webhooks.secret_before)"
        if delivery.sig is None or self._settings.accept_sha1:
            return "there is no signature that fits"
        return "there is no sig256, and sig alone counts only where webhooks.accept_sha1 allows it"

    async def ready(self, request: Request) -> Response:  # noqa: ARG002
        """Whether a delivery could be kept at this moment."""
        try:
            contents = await self._contents()
        except (sqlite3.Error, OSError) as error:
            return PlainTextResponse(f"the inbox cannot be written: {error}\n", 503)
        if not self._keeper.is_able:
            return PlainTextResponse("the receiver can keep no more; start it again\n", 503)
        if contents.is_full:
            return PlainTextResponse("the inbox is full (webhooks.largest_inbox_mb)\n", 503)
        return PlainTextResponse("ready\n")

    async def metrics(self, request: Request) -> Response:  # noqa: ARG002
        """Counters of this process and the state of the inbox, as Prometheus reads them."""
        try:
            contents = await self._contents()
        except (sqlite3.Error, OSError):
            contents = None
        return PlainTextResponse(
            _exposition(self._outcomes, contents, self._clock(), monotonic() - self._began_at),
            media_type="text/plain; version=0.0.4",
        )

    async def _contents(self) -> Contents:
        """What is in the inbox. Whoever asks while it is looked into shares that look, as it takes a thread, and a lock
        that the keeper and drains need; without the lock it would not be known whether the inbox can be written."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(run_in_threadpool(self._look_into_inbox))
        return await asyncio.shield(self._look)

    def _look_into_inbox(self) -> Contents:
        with self._open_inbox() as inbox:
            return inbox.contents()


def _exposition(outcomes: Counter[str], contents: Contents | None, now: datetime, seconds_up: float) -> str:
    lines = [
        "# HELP ticketing_deliveries_total Deliveries that came to this process, by what became of them.",
        "# TYPE ticketing_deliveries_total counter",
        *(f'ticketing_deliveries_total{{outcome="{name}"}} {count}' for name, count in outcomes.items()),
        "# HELP ticketing_receiver_seconds Seconds since this process began.",
        "# TYPE ticketing_receiver_seconds gauge",
        f"ticketing_receiver_seconds {seconds_up:.0f}",
    ]
    if contents is not None:
        age = (now - contents.oldest_at).total_seconds() if contents.oldest_at else 0.0
        for name, help_text, value in (
            ("waiting", "Deliveries in the inbox that are not loaded yet.", contents.waiting),
            ("oldest_seconds", "The age of the oldest of them, in seconds.", max(0.0, age)),
            ("dead_letters", "Deliveries that no load will take.", contents.dead),
        ):
            lines += [
                f"# HELP ticketing_inbox_{name} {help_text}",
                f"# TYPE ticketing_inbox_{name} gauge",
                f"ticketing_inbox_{name} {value:g}",
            ]
    return "\n".join(lines) + "\n"
