"""Requests whose head has no end, or takes its time: a parser keeps the one, and a connection waits for the other.

What frames a body in chunks is as a head is, and so is what nobody reads of a body that was answered before its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LARGEST_HEAD = 64 * 1024
"""Bytes. So much may also stand between two pieces of a body, or after the last."""

SECONDS_TO_SEND = 30.0
"""For a head to come, counted from the first that comes once all is answered. As many connections as there may be would
else be had for nothing."""

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHeads(HttpToolsProtocol):
    """Speaks HTTP with whoever sends heads of a reasonable size in a reasonable time.

    The time of a body is up to the application, until it has answered; that of a silence is up to the parent.
    """

    _is_getting_on = False
    _bytes_without_end = 0
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
        self._is_getting_on = False
        super().data_received(data)
        self._bytes_without_end = 0 if self._is_getting_on else self._bytes_without_end + len(data)
        if self.transport.is_closing():
            return
        if self._bytes_without_end > LARGEST_HEAD:
            self.send_400_response("The head of the request, or what frames its body, is too long.")
        elif self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._start_timer()

    def send_400_response(self, msg: str) -> None:
        """What came before it on the same connection goes without an answer: there is nobody to be told any more."""
        super().send_400_response(msg)
        self._hang_up()

    def on_headers_complete(self) -> None:
        self._is_getting_on = True
        self._stop_timer()
        super().on_headers_complete()
        self._unanswered = [cycle for cycle in (*self._unanswered, self.cycle) if not cycle.response_complete]

    def on_body(self, body: bytes) -> None:
        self._is_getting_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_getting_on = True
        super().on_message_complete()

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
        if self._bytes_without_end:
            self.transport.write(_TOO_SLOW)
        self.transport.close()
