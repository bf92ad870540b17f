"""Somebody who delivers: what is due in an outbox goes out over HTTP, from a thread of its own."""

from __future__ import annotations

from threading import Thread

import httpx

from pipelines.sandbox.outbox import Outbox, Post

_TIMEOUT_SECONDS = 5.0


class Courier:
    """Delivers whenever something is due, from the first subscription on."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._thread: Thread | None = None
        self._is_stopping = False

    def come_when_subscribed(self) -> None:
        """Begin to deliver as soon as there is a subscription."""
        self._is_stopping = False
        self._outbox.call_when_subscribed(self._start)

    def stop(self) -> None:
        """Finish what is in hand and deliver no more."""
        with self._outbox.changed:
            self._is_stopping = True
            self._outbox.changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=2 * _TIMEOUT_SECONDS)
            self._thread = None

    def _start(self) -> None:
        if self._thread is None and not self._is_stopping:
            self._thread = Thread(target=self._run, name="courier", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
            while not self._is_stopping:
                if post := self._next():
                    self._outbox.settle(post, _send(client, post))

    def _next(self) -> Post | None:
        with self._outbox.changed:
            self._outbox.changed.wait_for(lambda: self._is_stopping or self._outbox.has_due())
            return None if self._is_stopping else self._outbox.take()


def _send(client: httpx.Client, post: Post) -> int | None:
    try:
        headers = {"content-type": "application/json"}
        return client.post(post.webhook["hook_url"], content=post.body, headers=headers).status_code
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
        return None
