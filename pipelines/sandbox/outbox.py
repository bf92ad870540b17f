"""The post that leaves the sandbox: what waits to be delivered, when it is due, and what becomes of it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import count
from threading import Condition

import msgspec

from pipelines.sandbox import webhooks
from pipelines.sandbox.events import Event
from pipelines.sandbox.instants import DAY, HOUR, MINUTE, to_iso
from pipelines.sandbox.polling import Polling
from pipelines.sandbox.post_faults import PostFate, PostFaults
from pipelines.sandbox.shelf import Record, Shelf, Stored
from pipelines.sandbox.signing import DEFAULT_WEBHOOK_SECRET, nonce, signed_body
from pipelines.sandbox.store import Store

Send = Callable[[str, bytes], int | None]
"""Brings a body to an address: the status of the answer, or nothing where there was none."""

NATIVE_TRIES = 3
FIRST_WAIT = MINUTE
LONGEST_WAIT = 6 * HOUR
PATIENCE = 3 * DAY


@dataclass(frozen=True)
class Post:
    """One delivery for one subscription, signed and sealed: each try sends the same bytes."""

    number: int
    webhook: Record
    """The subscription as it stands now, not as it stood when this was sealed."""
    body: bytes
    due_at: int
    place: float
    tries: int = 0
    first_tried_at: int | None = None


class Outbox:
    """Makes deliveries of what a store tells, and keeps them until somebody delivers them.

    A native delivery is tried three times, at once; then it is lost and its webhook unhealthy. To an unhealthy
    webhook each later event is tried once, and the first that is accepted makes it healthy (assumed). A virtual
    delivery is tried again after waits that double from a minute to six hours, until three days after its first try
    (the waits are assumed); then it is lost and its webhook unhealthy too (assumed).
    Only a status of 2xx is acceptance. What waits for a subscription that was removed is never sent (assumed).
    """

    def __init__(
        self,
        store: Store,
        secret: str = DEFAULT_WEBHOOK_SECRET,
        faults: PostFaults | None = None,
    ) -> None:
        self.changed = Condition(store.lock)
        self.outcomes: Counter[str] = Counter()
        """Tries that were `accepted`, `refused`, `unreachable` or `lost_answer`; deliveries that were `lost` after
        their tries or to a pause, `dropped` by a fault or left behind by the `unsubscribed`."""
        self._store = store
        self._secret = secret
        self._fate = PostFate(faults or PostFaults())
        self._seed = self._fate.faults.seed
        self._when_subscribed: Callable[[], None] | None = None
        self._polling = Polling()
        self._numbers, self._nonces = count(1), count(1)
        self._waiting: list[Post] = []
        self._round: deque[Post] = deque()
        self._in_hand = 0
        store.watch(self)

    @property
    def faults(self) -> PostFaults:
        """The bad day in force; setting it concerns what is not sealed yet."""
        return self._fate.faults

    @faults.setter
    def faults(self, faults: PostFaults) -> None:
        self._fate = PostFate(faults)

    def deliver(self, send: Send) -> int:
        """Deliver all that is due; returns how often something was sent."""
        tries = 0
        while post := self.take():
            self.settle(post, send(post.webhook["hook_url"], post.body))
            tries += 1
        return tries

    def take(self) -> Post | None:
        """The next delivery that is due, which must be settled."""
        with self.changed:
            while self._round or self._begin_round():
                post = self._round.popleft()
                if self._may_go(post):
                    self._in_hand += 1
                    return post
            return None

    def settle(self, post: Post, status: int | None) -> None:
        """Say what became of a delivery that was taken: the status of the answer, or nothing."""
        with self.changed:
            self._in_hand -= 1
            outcome = self._outcome(post, status)
            self.outcomes[outcome] += 1
            if outcome == "accepted":
                post.webhook["is_healthy"] = True
            elif again := next_try(post, self._store.now_milliseconds):
                self._waiting.append(again)
            else:
                self.outcomes["lost"] += 1
                post.webhook["is_healthy"] = False
            self.changed.notify_all()

    def has_due(self) -> bool:
        """Whether something could be delivered now."""
        return bool(self._round) or any(map(self._is_due, self._waiting))

    def waiting(self) -> int:
        """How many deliveries have not been settled for good, those not due yet among them."""
        return len(self._waiting) + len(self._round) + self._in_hand

    def wait_until_settled(self, timeout: float) -> bool:
        """Wait while somebody else delivers, until nothing is due; whether that came in time, in seconds."""
        with self.changed:
            return self.changed.wait_for(lambda: not self._in_hand and not self.has_due(), timeout)

    def call_when_subscribed(self, call: Callable[[], None]) -> None:
        """Have this called when there is a subscription: at once if there is one, and at each that follows."""
        with self.changed:
            self._when_subscribed = call
            if self._store.webhooks:
                call()

    # What the store tells

    def happened(self, event: Event) -> None:
        """Make deliveries of it for native webhooks; virtual ones find it at their next run."""
        for webhook in self._store.webhooks.values():
            if not webhooks.is_about(webhook, event):
                continue
            if webhooks.is_virtual(webhook):
                self._polling.note(webhook["id"], event)
            elif webhook["event"] == event.happening and not webhook["is_paused"]:
                self._report(webhook, event)
        self.changed.notify_all()

    def time_passed(self) -> None:
        """Run the virtual webhooks whose interval is over."""
        for webhook in self._store.webhooks.values():
            if webhooks.is_virtual(webhook) and not webhook["is_paused"]:
                self._run(webhook)
        self.changed.notify_all()

    def subscribed(self, webhook: Record, *, include_all: bool) -> None:
        """Send what there is first, if it was asked for; that this is nothing for `deleted` is assumed."""
        if include_all:
            rows = [] if webhook["event"] == "deleted" else list(self._shelf(webhook))
            *others, last = list(webhooks.pages(rows)) or [[]]
            for portion in others:
                self._show(webhook, portion, "INITIAL-PARTIAL", self._store.now_milliseconds)
            self._show(webhook, last, "INITIAL-COMPLETE", self._store.now_milliseconds)
        if self._when_subscribed:
            self._when_subscribed()
        self.changed.notify_all()

    def _report(self, webhook: Record, event: Event) -> None:
        number = next(self._numbers)
        if event.happening == "deleted" and self._leaves_only_id(event, number):
            data = msgspec.json.encode([{"id": event.stored.id}])
        else:
            data = self._data(webhook, [event.stored])
        self._post(number, webhook, data, "NATIVE", event.at)

    def _leaves_only_id(self, event: Event, number: int) -> bool:
        is_habit = self._store.helpdesk_of(event.connection_id).deletions_by_id_only
        return is_habit or self._fate.leaves_only_id(number)

    def _run(self, webhook: Record) -> None:
        """Send what changed. Of several runs that the clock leapt over the first finds it, and the others nothing."""
        runs = webhooks.runs_due(webhook, self._store.now_milliseconds)
        if not runs:
            return
        webhook["checked_at"] = to_iso(runs[-1])
        ids, shelf = self._polling.take(webhook["id"], webhook["event"]), self._shelf(webhook)
        found = [row for row_id in ids if (row := shelf.get(row_id))]
        for portion in webhooks.pages(sorted(found, key=lambda row: row.position)):
            self._show(webhook, portion, "VIRTUAL", runs[0])

    def _show(self, webhook: Record, rows: Iterable[Stored], kind: str, at: int) -> None:
        self._post(next(self._numbers), webhook, self._data(webhook, rows), kind, at)

    def _shelf(self, webhook: Record) -> Shelf:
        return self._store.shelf(webhook["connection_id"], webhook["object_type"].partition("_")[2])

    def _data(self, webhook: Record, rows: Iterable[Stored]) -> bytes:
        support = self._store.helpdesk_of(webhook["connection_id"]).support
        return webhooks.data(rows, webhooks.shown_fields(webhook, support))

    # The post

    def _post(self, number: int, webhook: Record, data: bytes, kind: str, at: int) -> None:
        copies = self._fate.copies(number)
        if not copies:
            self.outcomes["dropped"] += 1
        body = self._sealed(webhook, data, kind)
        for copy in copies:
            sealed = self._sealed(webhook, data, kind) if copy.has_new_nonce else body
            self._waiting.append(Post(number, webhook, sealed, at + copy.held_back, number + copy.behind))

    def _sealed(self, webhook: Record, data: bytes, kind: str) -> bytes:
        return signed_body(data, webhook, kind, nonce(self._seed, next(self._nonces), data), self._secret)

    def _begin_round(self) -> bool:
        due = [post for post in self._waiting if self._is_due(post)]
        self._waiting = [post for post in self._waiting if not self._is_due(post)]
        self._round.extend(sorted(due, key=lambda post: post.place))
        return bool(due)

    def _is_due(self, post: Post) -> bool:
        is_held = webhooks.is_virtual(post.webhook) and post.webhook["is_paused"] and not self._is_orphan(post)
        return post.due_at <= self._store.now_milliseconds and not is_held

    def _is_orphan(self, post: Post) -> bool:
        return post.webhook["id"] not in self._store.webhooks

    def _may_go(self, post: Post) -> bool:
        if self._is_orphan(post):
            self.outcomes["unsubscribed"] += 1
        elif not post.webhook["is_paused"]:
            return True
        elif webhooks.is_virtual(post.webhook):
            self._waiting.append(post)
        else:
            self.outcomes["lost"] += 1
        return False

    def _outcome(self, post: Post, status: int | None) -> str:
        if status is None:
            return "unreachable"
        if not 200 <= status < 300:
            return "refused"
        return "lost_answer" if self._fate.loses_answer(post.number, post.tries) else "accepted"


def next_try(post: Post, now: int) -> Post | None:
    """The delivery after it failed: due again at some moment, or never."""
    tries = post.tries + 1
    if not webhooks.is_virtual(post.webhook):
        return replace(post, tries=tries) if post.webhook["is_healthy"] and tries < NATIVE_TRIES else None
    first_tried_at = now if post.first_tried_at is None else post.first_tried_at
    due_at = now + min(FIRST_WAIT * 2**post.tries, LONGEST_WAIT)
    if due_at > first_tried_at + PATIENCE:
        return None
    return replace(post, tries=tries, due_at=due_at, first_tried_at=first_tried_at)
