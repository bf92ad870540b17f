"""What webhooks have left uncovered, polled: exactly that time of exactly those objects."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pipelines.draining import DrainReport, opened_inbox
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.subscribing import list_webhooks
from pipelines.sync import sync
from pipelines.ticketing.plans import Strategy
from pipelines.warehouse.outcome import Outcome
from pipelines.webhooks.inbox import Heard, Inbox
from pipelines.webhooks.silence import Gap, find_gaps
from pipelines.webhooks.subscriptions import TABLES, Existing


@dataclass(frozen=True)
class Repair:
    """A gap, and what became of its object when it was polled."""

    gap: Gap
    outcome: Outcome

    @property
    def is_over(self) -> bool:
        """Whether no more of it can be had."""
        return self.outcome.is_complete or self.is_vain

    @property
    def is_vain(self) -> bool:
        """Whether nothing but a webhook tells of the object."""
        return self.outcome.plan.startswith(Strategy.NOT_OFFERED.value)


def watch(warehouse: WarehouseSettings, webhooks: Collection[Existing]) -> None:
    """Have webhooks repaired of which nothing was heard yet. Raises `TicketingError` where that cannot be noted."""
    if webhooks:
        with opened_inbox(warehouse) as inbox:
            inbox.hear(Heard(webhook, TABLES[webhook.object_type]) for webhook in webhooks)


def repair_gaps(
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    inbox: Inbox,
    now: datetime,
    wait_seconds: float,
    drained: DrainReport | None = None,
) -> Iterator[Repair]:
    """Poll what webhooks that are paused, unhealthy or silent have not brought; what was `drained` in the meantime is
    told there. Raises a `TicketingError` where nobody can be asked; a gap that could not be closed is tried again the
    next time."""
    channels = inbox.channels()
    if not channels:
        return
    webhooks = list_webhooks(settings)
    # One that was just made may not be listed yet.
    inbox.unhear({channel.webhook_id for channel in channels if channel.heard_at} - {hook.id for hook in webhooks})
    wanted = [webhook for webhook in webhooks if settings.wants(webhook.connection_id)]
    gaps = find_gaps(channels, wanted, inbox.pulses(), inbox.covered(), now)
    for (connection_id, since), some in groupby(gaps, key=lambda gap: (gap.connection_id, gap.since)):
        of_tables = {gap.table: gap for gap in some}
        report = sync(
            settings,
            warehouse,
            select=[*of_tables],
            connections=[connection_id],
            since=since - settings.lookback,  # what came to light late
            until=now,
            wait_seconds=wait_seconds,
            drained=drained,
        )
        for outcome in report.outcomes:
            repair = Repair(of_tables[outcome.object], outcome)
            if repair.is_over:
                inbox.cover(connection_id, outcome.object, repair.gap.covered(now))
            yield repair
