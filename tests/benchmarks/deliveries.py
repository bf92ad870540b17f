"""What webhooks bring: signed deliveries of one ticket each, as large as one with a helpdesk's own object is."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from tests.benchmarks.records import Work, shelves

SECRET = "secret-of-the-benchmarks"

_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
_TIME = re.compile(rb'(?<="updated_at":")[^"]+')
_CUSTOM_FIELDS = b'"custom_fields":[%s],' % b",".join(
    b'{"id":%d,"value":null}' % (360_000_000_000 + number) for number in range(50)
)


def tickets_of(work: Work) -> list[bytes]:
    """The tickets of the first connection of a stand-in that serves this work."""
    return shelves(work, seed=0)["ticket"].records


def events(tickets: int, first: int, count: int) -> Iterator[bytes]:
    """Deliveries from one on, so many of an endless row of them, which tell of so many tickets in turn: each time
    later, and closed where it was open."""
    records = [record.replace(b'"raw":{', b'"raw":{' + _CUSTOM_FIELDS) for record in tickets_of(Work(tickets, 0, 1, 1))]
    for number in range(first, first + count):
        step, place = divmod(number, tickets)
        yield delivery(changed(records[place], _FIRST + timedelta(seconds=number), turns=step), number)


def changed(record: bytes, at: datetime, turns: int = 1) -> bytes:
    """A ticket as it is later, opened or closed so many times since."""
    status = b"CLOSED" if (b'"status":"CLOSED"' in record) is (turns % 2 == 0) else b"ACTIVE"
    time = at.strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
    return re.sub(rb'(?<="status":")[A-Z]+', status, _TIME.sub(time, record), count=1)


def deliveries(records: Iterable[bytes], first: int = 0) -> Iterator[bytes]:
    """A delivery of each record, numbered on."""
    for number, record in enumerate(records, start=first):
        yield delivery(record, number)


def delivery(record: bytes, number: int, connection_id: str = "connection-000", type: str = "standin") -> bytes:
    """A ticket on its way, as Unified.to signs it; the number makes its nonce."""
    data, nonce = b"[%s]" % record, b"%032x" % number
    rest = {
        "webhook": {
            "id": "7d6941ba9d2caeb042b2de61",
            "created_at": "2026-01-01T00:00:00.000Z",
            "updated_at": "2026-01-01T00:00:00.000Z",
            "workspace_id": "66521f7be0c1aa5d0c1d0001",
            "connection_id": connection_id,
            "integration_type": type,
            "environment": "Production",
            "object_type": "ticketing_ticket",
            "event": "updated",
            "hook_url": "https://support.example/hook",
            "webhook_type": "native",
            "is_healthy": True,
            "is_paused": False,
        },
        "nonce": nonce.decode(),
        "sig256": base64.b64encode(hmac.digest(SECRET.encode(), data + nonce, "sha256")).decode(),
        "type": "NATIVE",
    }
    return b'{"data":' + data + b"," + msgspec.json.encode(rest)[1:]
