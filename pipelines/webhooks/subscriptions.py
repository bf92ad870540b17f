"""Which webhooks the API is to send, and what it takes until it does: a plan from what is wanted and what there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, TypeAlias

from pipelines.unified_api.capabilities import EVENTS, NATIVE, VIRTUAL, ObjectSupport
from pipelines.unified_api.endpoints import ENDPOINTS, TICKETING
from transforms.values import Misfit, parse_time

TABLES = {endpoint.support_key: endpoint.table for endpoint in ENDPOINTS.values() if endpoint.category == TICKETING}
"""What has webhooks: the API's name of an object, and the table."""

Key: TypeAlias = tuple[str, str, str]
"""Connection, object type and event: more than one subscription of these sends everything more than once."""


@dataclass(frozen=True)
class Wanted:
    """A subscription as it ought to be. `interval` is in minutes, None where the helpdesk sends by itself. `fields`:
    none for the API's own choice, None where they do not matter."""

    connection_id: str
    object_type: str
    event: str
    webhook_type: str
    interval: int | None = None
    fields: tuple[str, ...] | None = ()

    @property
    def key(self) -> Key:
        return self.connection_id, self.object_type, self.event

    def body(self, hook_url: str) -> dict[str, object]:
        """What the API is to make it from."""
        asked: dict[str, object] = {
            "connection_id": self.connection_id,
            "object_type": self.object_type,
            "event": self.event,
            "webhook_type": self.webhook_type,
            "hook_url": hook_url,
        }
        if self.interval is not None:
            asked["interval"] = self.interval
        if self.fields:
            asked["fields"] = ",".join(self.fields)
        return asked


@dataclass(frozen=True)
class Existing:
    """A subscription as the API shows it; empty or None where it says nothing."""

    id: str
    connection_id: str
    object_type: str
    event: str
    hook_url: str
    integration_type: str = ""
    webhook_type: str = ""
    interval: float | None = None
    fields: frozenset[str] = frozenset()
    is_healthy: bool = True
    is_paused: bool = False
    created_at: str = ""

    @property
    def key(self) -> Key:
        return self.connection_id, self.object_type, self.event

    @property
    def made_at(self) -> datetime | None:
        """When it was made, if that is told."""
        try:
            return parse_time(self.created_at)
        except Misfit:
            return None


@dataclass(frozen=True)
class Create:
    """Nothing there yet."""

    done: ClassVar[str] = "created"
    wanted: Wanted


@dataclass(frozen=True)
class Keep:
    """As wanted."""

    done: ClassVar[str] = "kept"
    wanted: Wanted
    existing: Existing


@dataclass(frozen=True)
class Change:
    """To be changed in place: it keeps the point up to which it has sent, so that no event falls between."""

    done: ClassVar[str] = "changed"
    wanted: Wanted
    existing: Existing


@dataclass(frozen=True)
class Replace:
    """Cannot be changed into what is wanted: made anew before the old one is removed, so that there always is one.

    What an old virtual one had not looked for yet is left to polling, as is what an unhealthy one could not deliver.
    """

    done: ClassVar[str] = "replaced"
    wanted: Wanted
    existing: Existing


@dataclass(frozen=True)
class Remove:
    """Not wanted, or there twice."""

    done: ClassVar[str] = "removed"
    existing: Existing


Step: TypeAlias = Create | Keep | Change | Replace | Remove


def wanted_subscriptions(
    connection_id: str, object_type: str, support: ObjectSupport, interval: int, fields: tuple[str, ...] = ()
) -> list[Wanted]:
    """A native webhook of each event that has one, else a virtual one that looks every `interval` minutes."""
    best = {event: _best(support.webhook_events.get(event, [])) for event in EVENTS}
    return [
        Wanted(connection_id, object_type, event, kind, interval if kind == VIRTUAL else None, fields)
        for event, kind in best.items()
        if kind
    ]


def _best(offered: list[str]) -> str | None:
    return next((kind for kind in (NATIVE, VIRTUAL) if kind in offered), None)


def plan_subscriptions(wanted: Iterable[Wanted], existing: Iterable[Existing], hook_url: str) -> list[Step]:
    """What to do so that exactly the wanted ones are sent to `hook_url`; what is sent elsewhere is none of ours."""
    ours: defaultdict[Key, list[Existing]] = defaultdict(list)
    for each in existing:
        if each.hook_url == hook_url:
            ours[each.key].append(each)
    steps = [step for each in wanted for step in _steps(each, ours.pop(each.key, []))]
    return [*steps, *(Remove(each) for unwanted in ours.values() for each in unwanted)]


def _steps(wanted: Wanted, alike: list[Existing]) -> Iterator[Step]:
    """For the one that takes the least to be as wanted, the oldest of several; the others are surplus."""
    if not alike:
        yield Create(wanted)
        return
    steps = [_step(wanted, each) for each in sorted(alike, key=lambda each: (each.created_at, each.id))]
    best = min(steps, key=lambda step: (Keep, Change, Replace).index(type(step)))
    yield best
    yield from (Remove(step.existing) for step in steps if step is not best)


def _step(wanted: Wanted, existing: Existing) -> Keep | Change | Replace:
    if existing.webhook_type not in ("", wanted.webhook_type) or not existing.is_healthy:
        return Replace(wanted, existing)
    return Change(wanted, existing) if changes(wanted, existing) else Keep(wanted, existing)


def changes(wanted: Wanted, existing: Existing) -> dict[str, object]:
    """The fields to change in place, with what they are to say; none where all is as wanted."""
    due: dict[str, object] = {}
    if wanted.interval is not None and existing.interval != wanted.interval:
        due["interval"] = wanted.interval
    if wanted.fields is not None and existing.fields != frozenset(wanted.fields):
        due["fields"] = ",".join(wanted.fields)
    if existing.is_paused:
        due["is_paused"] = False
    return due


def read_existing(answer: object) -> Existing | None:
    """A subscription from the API's answer; None where it sends nothing to an address, or says not whose or of what."""
    told = answer if isinstance(answer, dict) else {}
    names = ("id", "connection_id", "object_type", "event", "hook_url")
    id, connection_id, object_type, event, hook_url = (_text(told.get(name)) for name in names)
    if not all((id, connection_id, object_type, event, hook_url)):
        return None
    interval = told.get("interval")
    return Existing(
        id,
        connection_id,
        object_type,
        event,
        hook_url,
        integration_type=_text(told.get("integration_type")),
        webhook_type=_text(told.get("webhook_type")),
        interval=float(interval) if isinstance(interval, int | float) else None,
        fields=frozenset(name for name in _text(told.get("fields")).split(",") if name),
        is_healthy=told.get("is_healthy") is not False,
        is_paused=told.get("is_paused") is True,
        created_at=_text(told.get("created_at")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
