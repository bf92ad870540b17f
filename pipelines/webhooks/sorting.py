"""From deliveries in the order in which they came to what they say of each object of each connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pipelines.unified_api.endpoints import ENDPOINTS, TICKETING
from pipelines.unified_api.records import Listed, NotAPage, parse_records
from pipelines.webhooks.delivery import Delivery, MalformedDelivery, parse_delivery
from pipelines.webhooks.inbox import Letter
from transforms.values import mended_text

_TABLES = {endpoint.support_key: endpoint.table for endpoint in ENDPOINTS.values() if endpoint.category == TICKETING}


class Undeliverable(ValueError):
    """A delivery of which nothing can be stored; says why."""


class Change(NamedTuple):
    """What one delivery says of one record. `is_initial`: the record was so before anybody subscribed."""

    record: Listed
    received_at: datetime
    is_deletion: bool
    is_initial: bool


@dataclass
class Changes:
    """What came of one object of one connection, in the order in which it came."""

    connection_id: str
    integration_type: str
    table: str
    changes: list[Change] = field(default_factory=list)


def sort_letters(letters: Iterable[Letter], is_wanted: Callable[[str], bool]) -> tuple[list[Changes], dict[int, str]]:
    """What deliveries say, by connection and table, and why some of them, by their ids, say nothing that can be stored.

    `is_wanted`: whether what is of a connection is to be stored.
    """
    sorted_changes: dict[tuple[str, str], Changes] = {}
    undeliverable: dict[int, str] = {}
    for letter in letters:
        try:
            delivery = parse_delivery(letter.body)
            place = _place(delivery, is_wanted)
            found = [*_changes(delivery, letter.received_at)]
        except (MalformedDelivery, Undeliverable, NotAPage) as error:
            undeliverable[letter.id] = str(error)
            continue
        integration_type = delivery.webhook.integration_type
        sorted_changes.setdefault(place, Changes(place[0], integration_type, place[1])).changes.extend(found)
    return [*sorted_changes.values()], undeliverable


def _place(delivery: Delivery, is_wanted: Callable[[str], bool]) -> tuple[str, str]:
    """The connection and the table that a delivery is of. Raises `Undeliverable`."""
    webhook = delivery.webhook
    table = _TABLES.get(webhook.object_type)
    if table is None:
        raise Undeliverable(f"expected an object_type of {', '.join(_TABLES)}, got {_shown(webhook.object_type)}")
    if not webhook.connection_id.strip():
        raise Undeliverable("expected a connection_id, got none")
    if not is_wanted(webhook.connection_id):
        raise Undeliverable(
            f"the connection {_shown(webhook.connection_id)} is not among sources.unified.connection_ids"
        )
    return webhook.connection_id, table


def _changes(delivery: Delivery, received_at: datetime) -> Iterable[Change]:
    for record in parse_records(delivery.data):
        yield Change(record, received_at, delivery.is_deletion, delivery.is_initial)


def _shown(text: str) -> str:
    return repr(mended_text(text)[:60]) if text else "nothing"
