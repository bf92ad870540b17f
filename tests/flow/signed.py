"""Deliveries as the API signs them, made by hand: no code of the project or the sandbox makes what is to be proven."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from pipelines.draining import opened_inbox
from pipelines.settings import WarehouseSettings, WebhookSettings
from pipelines.webhooks.inbox import Arrival

SECRET = "s3cr3t of the workspace"
CONNECTION = "c-signed"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

Record = dict[str, Any]


def signed(
    data: bytes | Sequence[Record],
    nonce: str,
    *,
    secret: str = SECRET,
    connection_id: str = CONNECTION,
    object_type: str = "ticketing_ticket",
    event: str = "updated",
    type: str = "NATIVE",
) -> bytes:
    """The body of a delivery of records, or of their JSON."""
    text = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    webhook = {
        "id": "w",
        "connection_id": connection_id,
        "integration_type": "zendesk",
        "object_type": object_type,
        "event": event,
    }
    signature = base64.b64encode(hmac.digest(secret.encode(), text + nonce.encode(), "sha256")).decode()
    rest = json.dumps({"webhook": webhook, "nonce": nonce, "sig256": signature, "type": type})
    return b'{"data":' + text + b"," + rest[1:].encode()


def webhook_settings(**changed: Any) -> WebhookSettings:
    settings = WebhookSettings()
    settings.update({"secret": SECRET, **changed})
    return settings


def put_into_inbox(warehouse: WarehouseSettings, *bodies: bytes, at: datetime = NOON) -> None:
    """Have deliveries wait as if they had come a second after one another; each counts, be it the same as another."""
    with opened_inbox(warehouse) as inbox:
        inbox.add([Arrival(body, uuid4().bytes, at + timedelta(seconds=place)) for place, body in enumerate(bodies)])
