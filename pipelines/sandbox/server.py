"""The sandbox on a socket: an ASGI application, its control surface, and the server around it."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import struct
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipelines.sandbox.answers import Answer, Api, Request, error
from pipelines.sandbox.courier import Courier
from pipelines.sandbox.faults import Fate, Faults, Strike
from pipelines.sandbox.instants import to_http_date
from pipelines.sandbox.outbox import Outbox
from pipelines.sandbox.post_faults import PostFaults
from pipelines.sandbox.signing import DEFAULT_WEBHOOK_SECRET
from pipelines.sandbox.world import World

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

DEFAULT_API_KEY = "sandbox-api-key"
DEFAULT_HELPDESKS = ("zendesk", "intercom", "freshdesk", "servicenow")

_HTML = b"<!DOCTYPE html><html><head><title>%d</title></head><body><center><h1>%d %s</h1></center></body></html>"
_NOT_JSON = b"upstream connect error or disconnect/reset before headers. reset reason: overflow"


class Application:
    """The ASGI application: faults around the API, and `/_sandbox` beside it."""

    def __init__(
        self,
        world: World,
        api_key: str = DEFAULT_API_KEY,
        faults: Faults | None = None,
        webhook_secret: str = DEFAULT_WEBHOOK_SECRET,
        post_faults: PostFaults | None = None,
    ) -> None:
        self.world = world
        self.outbox = Outbox(world, webhook_secret, post_faults)
        self.requests: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self._api = Api(world, api_key)
        self._fate = Fate(faults or Faults())

    @property
    def faults(self) -> Faults:
        """The bad day in force; setting it rolls fresh dice."""
        return self._fate.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._fate = Fate(faults)

    def reset_counters(self) -> None:
        """Begin to count requests, answers and deliveries anew."""
        self.requests.clear()
        self.answers.clear()
        self.outbox.outcomes.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = await _read(scope, receive)
        if request.segments[0] == "_sandbox":
            await self._send(send, self._control(scope, request))
            return
        self.requests[f"{request.method} {_template(request)}"] += 1
        fate = self._fate
        if not fate.concerns(request.connection_id):
            await self._send(send, self._api.answer(request, Fate(Faults())), counted=True)
            return
        if fate.faults.latency_ms:
            await asyncio.sleep(fate.faults.latency_ms / 1_000)
        await self._serve(scope, send, request, fate)

    async def _serve(self, scope: Scope, send: Send, request: Request, fate: Fate) -> None:
        wait = fate.seconds_over_limit()
        if wait is not None:
            await self._send(send, self._too_many(fate, wait), counted=True)
            return
        match fate.strike(f"{request.method} {request.path}?{request.query}"):
            case None:
                await self._send(send, self._api.answer(request, fate), counted=True)
            case Strike.RESET:
                await _reset(scope)
            case Strike.LOST_ANSWER:
                self._api.answer(request, fate)
                await _reset(scope)
            case Strike.TRUNCATION:
                await self._send(send, self._api.answer(request, fate), cut_short=scope)
            case Strike.GARBAGE:
                await self._send(send, Answer(200, _NOT_JSON), counted=True)
            case Strike.TOO_MANY:
                await self._send(send, self._too_many(fate, 1.0), counted=True)
            case Strike.STATUS_500:
                await self._send(send, error(500, "Internal server error"), counted=True)
            case Strike.STATUS_502:
                await self._send(send, error(502, "Bad gateway"), counted=True)
            case Strike.HTML_ERROR:
                await self._send(send, _html_error(fate), counted=True)

    def _too_many(self, fate: Fate, wait: float) -> Answer:
        refusal = error(429, "Too many requests to Unified.to")
        seconds = max(1, round(wait + 0.499))
        match fate.faults.retry_after:
            case "seconds":
                return Answer(429, refusal.body, {**refusal.headers, "retry-after": str(seconds)})
            case "http-date":
                at = to_http_date(self.world.now_milliseconds + seconds * 1_000)
                return Answer(429, refusal.body, {**refusal.headers, "retry-after": at})
        return refusal

    async def _send(self, send: Send, answer: Answer, *, counted: bool = False, cut_short: Scope | None = None) -> None:
        if counted:
            self.answers[answer.status] += 1
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        headers.append((b"date", to_http_date(self.world.now_milliseconds).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        if cut_short is None:
            await send({"type": "http.response.body", "body": answer.body})
            return
        await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})
        _transport(cut_short).close()

    # The control surface

    def _control(self, scope: Scope, request: Request) -> Answer:
        if not _is_loopback(scope):
            return error(403, "The control surface answers on loopback only")
        try:
            return Answer(200, msgspec.json.encode(self._controlled(request)))
        except (KeyError, ValueError, msgspec.MsgspecError) as fault:
            return error(400, str(fault))

    def _controlled(self, request: Request) -> Any:
        match request.method, request.segments[1:]:
            case "GET", []:
                return self._overview()
            case "POST", ["clock"]:
                wanted = msgspec.json.decode(request.body, type=dict[str, float])
                self.world.advance(timedelta(seconds=wanted["advance_seconds"]))
                return {"now": self.world.now}
            case "POST", ["live"]:
                wanted = msgspec.json.decode(request.body, type=dict[str, float])
                return {**self.world.live(hours=wanted["hours"]), "now": self.world.now}
            case "GET", ["faults"]:
                return asdict(self.faults)
            case "PUT", ["faults"]:
                self.faults = msgspec.json.decode(request.body, type=Faults)
                return asdict(self.faults)
            case "GET", ["state", connection_id, object_name]:
                return self.world.records(connection_id, object_name)
            case "POST", ["reset-counters"]:
                self.reset_counters()
                return {}
        raise ValueError(f"no such control: {request.method} {request.path}")

    def _overview(self) -> dict[str, Any]:
        return {
            "now": self.world.now,
            "connections": self.world.counts(),
            "requests": dict(self.requests),
            "answers": {str(status): count for status, count in self.answers.items()},
            "deliveries": {**self.outbox.outcomes, "waiting": self.outbox.waiting()},
        }


class Sandbox:
    """A running sandbox: `with Sandbox(seed=7) as sandbox: … sandbox.base_url`."""

    def __init__(
        self,
        seed: int = 7,
        tickets: int = 60,
        *,
        helpdesks: tuple[str, ...] = DEFAULT_HELPDESKS,
        faults: Faults | None = None,
        world: World | None = None,
        api_key: str = DEFAULT_API_KEY,
        webhook_secret: str = DEFAULT_WEBHOOK_SECRET,
        post_faults: PostFaults | None = None,
        port: int = 0,
    ) -> None:
        self.world = world or World.seeded(seed=seed, tickets=tickets, helpdesks=helpdesks)
        self.api_key = api_key
        self.webhook_secret = webhook_secret
        self.base_url = ""
        self._application = Application(self.world, api_key, faults, webhook_secret, post_faults)
        self._courier = Courier(self._application.outbox)
        self._port = port

    def __enter__(self) -> Self:
        """Start the server in a thread of its own; it answers when this returns."""
        self._socket = socket.create_server(("127.0.0.1", self._port), backlog=512)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = _ThreadedServer(_config(self._application))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        if not self._server.is_ready.wait(timeout=10):
            raise RuntimeError("the sandbox's server did not start")
        self._courier.come_when_subscribed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the deliveries and the server, and close its socket."""
        self._courier.stop()
        self._server.stop()
        self._thread.join(timeout=10)
        self._socket.close()

    @property
    def faults(self) -> Faults:
        """The bad day in force; may be set while the server runs."""
        return self._application.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._application.faults = faults

    @property
    def post_faults(self) -> PostFaults:
        """The bad day of the post; setting it concerns deliveries that are not made yet."""
        return self._application.outbox.faults

    @post_faults.setter
    def post_faults(self, faults: PostFaults) -> None:
        self._application.outbox.faults = faults

    @property
    def deliveries(self) -> Counter[str]:
        """Deliveries of webhooks so far, by outcome as in `Outbox.outcomes`."""
        return self._application.outbox.outcomes.copy()

    def wait_for_deliveries(self, timeout: float = 10) -> None:
        """Wait until all that is due has been delivered or given up. Raises `TimeoutError` after so many seconds."""
        if not self._application.outbox.wait_until_settled(timeout):
            raise TimeoutError(f"after {timeout} s some deliveries are not settled; so far: {dict(self.deliveries)}")

    @property
    def requests(self) -> Counter[str]:
        """Requests so far, by method and path template."""
        return self._application.requests.copy()

    @property
    def answers(self) -> Counter[int]:
        """Answers so far, by status; resets and truncated bodies are no answers."""
        return self._application.answers.copy()

    def reset_counters(self) -> None:
        """Begin to count anew."""
        self._application.reset_counters()


def serve(
    seed: int = 7,
    tickets: int = 400,
    port: int = 8765,
    host: str = "127.0.0.1",
    *,
    helpdesks: tuple[str, ...] = DEFAULT_HELPDESKS,
    faults: Faults | None = None,
    api_key: str = DEFAULT_API_KEY,
    webhook_secret: str = DEFAULT_WEBHOOK_SECRET,
    post_faults: PostFaults | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve a seeded sandbox until SIGTERM or SIGINT; `announce` is told its address once it listens."""
    world = World.seeded(seed=seed, tickets=tickets, helpdesks=helpdesks)
    listening = socket.create_server((host, port), backlog=512)
    if announce:
        announce(f"http://{host}:{listening.getsockname()[1]}")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    application = Application(world, api_key, faults, webhook_secret, post_faults)
    courier = Courier(application.outbox)
    courier.come_when_subscribed()
    try:
        uvicorn.Server(_config(application)).run(sockets=[listening])
    except KeyboardInterrupt:
        return
    finally:
        courier.stop()
        signal.signal(signal.SIGTERM, before)


class _Protocol(HttpToolsProtocol):
    """Uvicorn's own, with the transport within reach of the faults."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"sandbox": {"transport": self.transport}}


class _ThreadedServer(uvicorn.Server):
    """Starts and stops at once, where uvicorn's own looks ten times a second whether it should."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = threading.Event()
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Make it stop, from any thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.is_ready.set()
        await self._stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in self.server_state.tasks:
            task.cancel()
        for listening in sockets or []:
            listening.close()


def _config(application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=_Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="critical",
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=2,
    )


async def _read(scope: Scope, receive: Receive) -> Request:
    headers = dict(scope["headers"])
    body = b""
    if scope["method"] not in ("GET", "HEAD"):
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
    authorization = headers.get(b"authorization")
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        authorization=authorization.decode("latin-1") if authorization else None,
        body=body,
    )


def _template(request: Request) -> str:
    match request.segments:
        case ["ticketing" | "hris" as category, _, object_name]:
            return f"/{category}/{{connection_id}}/{object_name}"
        case ["ticketing" | "hris" as category, _, object_name, _]:
            return f"/{category}/{{connection_id}}/{object_name}/{{id}}"
        case ["unified", object_name]:
            return f"/unified/{object_name}"
        case ["unified", object_name, _]:
            return f"/unified/{object_name}/{{id}}"
    return "(unknown)"


def _html_error(fate: Fate) -> Answer:
    status, words = fate.rng.choice([(502, b"Bad Gateway"), (503, b"Service Temporarily Unavailable")])
    return Answer(status, _HTML % (status, status, words), {"content-type": "text/html"})


def _is_loopback(scope: Scope) -> bool:
    client = scope.get("client")
    return client is None or ipaddress.ip_address(client[0]).is_loopback


def _transport(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["extensions"]["sandbox"]["transport"]
    return transport


async def _reset(scope: Scope) -> None:
    transport = _transport(scope)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0.01)
