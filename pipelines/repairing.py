"""What webhooks have left uncovered, polled: exactly that time of exactly those objects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.subscribing import list_webhooks
from pipelines.sync import sync
from pipelines.warehouse.outcome import Outcome
from pipelines.webhooks.inbox import Covered, Inbox
from pipelines.webhooks.silence import SILENT, WAS_UNWELL, Gap, find_gaps


@dataclass(frozen=True)
class Repair:
    """A gap, and what became of its object when it was polled."""

    gap: Gap
    until: datetime
    outcome: Outcome


def repair_gaps(
    settings: UnifiedSettings, warehouse: WarehouseSettings, inbox: Inbox, now: datetime, wait_seconds: float
) -> list[Repair]:
    """Poll what webhooks that are paused, unhealthy or silent have not brought. Raises a `TicketingError` where nobody
    can be asked; a gap that could not be closed is tried again the next time."""
    channels = inbox.channels()
    if not channels:
        return []
    webhooks = list_webhooks(settings)
    inbox.unhear({channel.webhook_id for channel in channels} - {webhook.id for webhook in webhooks})
    gaps = find_gaps(channels, webhooks, inbox.pulses(), inbox.covered(), now)
    repairs = []
    for (connection_id, since), some in groupby(gaps, key=lambda gap: (gap.connection_id, gap.since)):
        polled = _poll(settings, warehouse, connection_id, since, {gap.table: gap for gap in some}, now, wait_seconds)
        for repair in polled:
            if repair.outcome.is_complete:
                _cover(inbox, repair)
        repairs += polled
    return repairs


def _cover(inbox: Inbox, repair: Repair) -> None:
    gap = repair.gap
    is_unwell = gap.reason not in {SILENT, WAS_UNWELL}
    inbox.cover(gap.connection_id, gap.table, Covered(repair.until, gap.polls + 1, gap.reason, is_unwell))


def _poll(
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    connection_id: str,
    since: datetime,
    gaps: dict[str, Gap],
    now: datetime,
    wait_seconds: float,
) -> list[Repair]:
    narrowed = UnifiedSettings()
    narrowed.update({**settings, "connection_ids": [connection_id]})
    since -= settings.lookback  # what came to light late
    report = sync(narrowed, warehouse, select=[*gaps], since=since, until=now, wait_seconds=wait_seconds)
    return [Repair(gaps[outcome.object], now, outcome) for outcome in report.outcomes if outcome.object in gaps]
