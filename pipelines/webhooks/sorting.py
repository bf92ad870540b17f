"""From deliveries in the order in which they came to what they say of each object of each connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pipelines.unified_api.records import Listed, NotAPage, parse_records
from pipelines.webhooks.delivery import Delivery, MalformedDelivery, parse_delivery
from pipelines.webhooks.inbox import Heard, Letter
from pipelines.webhooks.subscriptions import TABLES
from transforms.values import LONGEST_ID, mended_text

_BOUNDED = ("id", "connection_id", "integration_type", "event", "webhook_type")
"""What is stored of a webhook. No signature covers it, and a key that is too long keeps a table from being indexed."""


class Undeliverable(ValueError):
    """A delivery of which nothing can be stored; says why."""


class Change(NamedTuple):
    """What one delivery says of one record. `is_initial`: the record was so before anybody subscribed."""

    record: Listed
    received_at: datetime
    is_deletion: bool
    is_initial: bool


class Unwanted(ValueError):
    """A delivery of a connection that is left out on purpose."""


@dataclass
class Changes:
    """What came of one object of one connection, in the order in which it came."""

    connection_id: str
    integration_type: str
    table: str
    changes: list[Change] = field(default_factory=list)

    @property
    def place(self) -> tuple[str, str]:
        return self.connection_id, self.table


@dataclass
class SortedLetters:
    """What deliveries say, by connection and table; which webhooks have brought it, and when; and why some deliveries,
    by their ids, say nothing that can be stored, or nothing that is wanted."""

    changes: dict[tuple[str, str], Changes] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    undeliverable: dict[int, str] = field(default_factory=dict)
    unwanted: dict[int, str] = field(default_factory=dict)


def sort_letters(letters: Iterable[Letter], is_wanted: Callable[[str], bool]) -> SortedLetters:
    """Sort deliveries; `is_wanted`: whether what is of a connection is to be stored."""
    found = SortedLetters()
    for letter in letters:
        try:
            delivery = parse_delivery(letter.body)
            connection_id, table = _place(delivery, is_wanted)
            changes = [*_changes(delivery, letter.received_at)]
        except (MalformedDelivery, Undeliverable, NotAPage) as error:
            found.undeliverable[letter.id] = str(error)
            continue
        except Unwanted as error:
            found.unwanted[letter.id] = str(error)
            continue
        fresh = Changes(connection_id, delivery.webhook.integration_type, table)
        found.changes.setdefault((connection_id, table), fresh).changes.extend(changes)
        found.heard.append(Heard(delivery.webhook, table, letter.received_at))
    return found


def _place(delivery: Delivery, is_wanted: Callable[[str], bool]) -> tuple[str, str]:
    """The connection and the table that a delivery is of. Raises `Undeliverable`."""
    webhook = delivery.webhook
    for name in _BOUNDED:
        if len(getattr(webhook, name).encode()) > LONGEST_ID:
            raise Undeliverable(f"expected the webhook's {name} to be of at most {LONGEST_ID:,} bytes")
    table = TABLES.get(webhook.object_type)
    if table is None:
        raise Undeliverable(f"expected an object_type of {', '.join(TABLES)}, got {_shown(webhook.object_type)}")
    if not webhook.connection_id.strip():
        raise Undeliverable("expected a connection_id, got none")
    if not is_wanted(webhook.connection_id):
        raise Unwanted(f"the connection {_shown(webhook.connection_id)} is not among sources.unified.connection_ids")
    return webhook.connection_id, table


def _changes(delivery: Delivery, received_at: datetime) -> Iterable[Change]:
    for record in parse_records(delivery.data):
        yield Change(record, received_at, delivery.is_deletion, delivery.is_initial)


def _shown(text: str) -> str:
    return repr(mended_text(text)[:60]) if text else "nothing"
