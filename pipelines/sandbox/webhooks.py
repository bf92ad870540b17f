"""What a subscription hears of, and how often: plain functions of its record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pipelines.sandbox.events import Event
from pipelines.sandbox.instants import MINUTE, from_iso
from pipelines.sandbox.shelf import Record, Stored
from pipelines.sandbox.support import Support, field_set, readable, support_key

DEFAULT_INTERVAL = 60
"""In minutes."""
PAGE = 100
"""No delivery has more records."""


def is_about(webhook: Record, event: Event) -> bool:
    """Whether a subscription is about the connection and the object of an event."""
    return (webhook["connection_id"], webhook["object_type"]) == (event.connection_id, support_key(event.object_name))


def is_virtual(webhook: Record) -> bool:
    """Whether the vendor polls for it, where the helpdesk itself tells of each change to a native one."""
    return bool(webhook["webhook_type"] == "virtual")


def interval(webhook: Record) -> int:
    """The milliseconds between two runs; that nobody is polled for more often than each minute is assumed."""
    return max(int((webhook["interval"] or DEFAULT_INTERVAL) * MINUTE), MINUTE)


def runs_due(webhook: Record, now: int) -> tuple[int, int] | None:
    """The first and the last moment at which a virtual webhook ought to have been run since its last run, if any."""
    checked_at, step = from_iso(webhook["checked_at"]), interval(webhook)
    count = (now - checked_at) // step
    return (checked_at + step, checked_at + count * step) if count > 0 else None


def shown_fields(webhook: Record, support: Support) -> frozenset[str] | None:
    """What a record has in it for a subscription: all but `raw`, unless it names its fields."""
    named = field_set(webhook.get("fields") or "")
    return readable(named, support[webhook["object_type"]]) if named else None


def data(rows: Iterable[Stored], fields: frozenset[str] | None) -> bytes:
    """The records of a delivery as compact JSON."""
    return b"[" + b",".join(row.json(fields) for row in rows) + b"]"


def pages(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The records in portions that fit a delivery."""
    return (rows[start : start + PAGE] for start in range(0, len(rows), PAGE))
