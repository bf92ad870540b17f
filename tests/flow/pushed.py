"""Warehouses that are filled by webhooks: from the sandbox's post through the real door into the real inbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.testclient import TestClient

from pipelines.draining import drain, inbox_of, opened_inbox
from pipelines.repairing import Repair, repair_gaps, watch
from pipelines.sandbox import DEFAULT_WEBHOOK_SECRET, Outbox, PostFaults, World
from pipelines.sandbox.support import OBJECTS
from pipelines.settings import UnifiedSettings, WarehouseSettings, WebhookSettings
from pipelines.webhooks.receiver import receiver
from pipelines.webhooks.subscriptions import read_existing

EVENTS = ("created", "updated", "deleted")


@dataclass
class Post:
    """The sandbox's post, and to whom it brings what; made in place of the one that a running sandbox has of its own.

    The door's clock is the world's.
    """

    world: World
    faults: PostFaults = field(default_factory=PostFaults)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.world, faults=self.faults)
        self._doors: dict[str, Callable[[bytes], int]] = {}

    @contextmanager
    def to(self, warehouse: WarehouseSettings, settings: UnifiedSettings) -> Iterator[Pushed]:
        """The way into a warehouse."""
        webhooks = WebhookSettings()
        webhooks.update({"secret": DEFAULT_WEBHOOK_SECRET})
        url = f"http://door-{len(self._doors)}.example/hook"
        with TestClient(receiver(inbox_of(warehouse), webhooks, lambda: self.world.now)) as door:
            pushed = Pushed(self.world, url, door, warehouse, settings)
            self._doors[url] = pushed.take
            yield pushed

    def deliver(self) -> None:
        """Bring what is due."""
        self.outbox.deliver(lambda url, body: self._doors[url](body))


@dataclass
class Pushed:
    """One warehouse that webhooks fill. What is `lost` of a body never comes, and nobody is told."""

    world: World
    url: str
    door: TestClient
    warehouse: WarehouseSettings
    settings: UnifiedSettings
    is_lost: Callable[[], bool] = lambda: False

    def subscribe(self, connection_id: str, *, include_all: bool = False) -> None:
        """To all that happens to a connection; `include_all` sends first what is there."""
        support = self.world.helpdesk_of(connection_id).support
        for name in OBJECTS:
            fields = ",".join(support[f"ticketing_{name}"]["inbound_fields"])
            for event in EVENTS:
                self.world.add_webhook(
                    connection_id,
                    f"ticketing_{name}",
                    event,
                    self.url,
                    fields=fields,
                    include_all=include_all and event == "created",
                )
        watch(self.warehouse, [*filter(None, map(read_existing, self.webhooks()))])

    def take(self, body: bytes) -> int:
        return 200 if self.is_lost() else self.door.post("/", content=body).status_code

    def drain(self) -> None:
        """Load what has come."""
        assert drain(self.settings, self.warehouse).buried == 0

    def repair(self) -> list[Repair]:
        """Poll what has not come."""
        with opened_inbox(self.warehouse) as inbox:
            return [*repair_gaps(self.settings, self.warehouse, inbox, self.world.now, 5.0)]

    def webhooks(self) -> list[dict[str, Any]]:
        """Those that come here, as the world has them."""
        return [hook for hook in self.world.webhooks.values() if hook["hook_url"] == self.url]
