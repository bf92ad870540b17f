"""Requests whose head has no end, or takes its time: a parser keeps the one, and a connection waits for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LARGEST_HEAD = 64 * 1024
SECONDS_TO_SEND = 30.0
"""For a head to come. As many connections as there may be would else be had for nothing."""

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHeads(HttpToolsProtocol):
    """Speaks HTTP with whoever sends heads of a reasonable size in a reasonable time."""

    _is_in_head = True
    _head_bytes = 0
    _requests = 0
    _unanswered: Sequence[RequestResponseCycle] = ()
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)
        self._hang_up()

    def data_received(self, data: bytes) -> None:
        was_in_head, requests = self._is_in_head, self._requests
        super().data_received(data)
        is_of_head = was_in_head and self._is_in_head and self._requests == requests
        if not is_of_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > LARGEST_HEAD:
            self.send_400_response("The head of the request is too long.")
        elif self._timer is None:
            self._start_timer()

    def send_400_response(self, msg: str) -> None:
        """What came before it on the same connection goes without an answer: there is nobody to be told any more."""
        super().send_400_response(msg)
        self._hang_up()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        self._is_in_head = False
        super().on_headers_complete()
        self._unanswered = [cycle for cycle in (*self._unanswered, self.cycle) if not cycle.response_complete]

    def on_header(self, name: bytes, value: bytes) -> None:
        """Those that follow a body in chunks are none that anybody reads."""
        if self._is_in_head:
            super().on_header(name, value)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_in_head, self._head_bytes = True, 0
        self._requests += 1

    def _hang_up(self) -> None:
        """Have nobody write to a connection that is closed: of several requests the parent thinks of the last alone."""
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(SECONDS_TO_SEND, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if self._head_bytes:
            self.transport.write(_TOO_SLOW)
        self.transport.close()
