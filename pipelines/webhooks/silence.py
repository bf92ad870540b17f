"""What webhooks have left uncovered: a function of what was heard, of how they are, and of the time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from operator import itemgetter
from statistics import quantiles
from typing import NamedTuple, TypeAlias

from pipelines.webhooks.inbox import Channel, Covered, hook_url_hash
from pipelines.webhooks.subscriptions import TABLES, Existing

SHORTEST_RHYTHM = timedelta(minutes=15)
UNKNOWN_RHYTHM = timedelta(hours=6)
"""Of a connection of which little has been heard yet."""

LONGEST_WAIT = timedelta(hours=6)
"""However often a silence has turned out to be one in which nothing happened."""

_FEW = 8
_TIMES_THE_USUAL = 3

Place: TypeAlias = tuple[str, str]
"""A connection and a table."""


class Gap(NamedTuple):
    """What was not brought of an object: all that changed since a time; why, and how often it was polled by now."""

    connection_id: str
    table: str
    since: datetime
    reason: str
    polls: int


def rhythm(pulses: Sequence[datetime]) -> timedelta:
    """How long a connection may be silent before something seems to be wrong: three times as long as nine in ten of its
    pauses. `pulses`: the minutes in which it was heard of, in order."""
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(pulses)]
    if len(pauses) < _FEW:
        return UNKNOWN_RHYTHM
    usual = timedelta(seconds=quantiles(pauses, n=10)[-1])
    return max(SHORTEST_RHYTHM, _TIMES_THE_USUAL * usual)


def find_gaps(
    channels: Collection[Channel],
    webhooks: Collection[Existing],
    rhythms: Mapping[str, timedelta],
    covered: Mapping[Place, Covered],
    now: datetime,
) -> list[Gap]:
    """What is to be polled now, of all that webhooks have ever brought and are still to bring.

    `channels`: which webhooks were heard and when; `webhooks`: how they are, as the API shows them; `rhythms`: by
    connection; `covered`: up to when an object was polled in their place.
    """
    heard_at = {channel.connection_id: channel.heard_at for channel in sorted(channels, key=lambda each: each.heard_at)}
    by_place: dict[Place, list[Existing]] = defaultdict(list)
    for webhook in _ours(channels, webhooks):
        by_place[webhook.connection_id, TABLES[webhook.object_type]].append(webhook)
    return [
        gap
        for (connection_id, table), own in sorted(by_place.items(), key=itemgetter(0))
        if (
            gap := _gap(
                (connection_id, table),
                [channel for channel in channels if (channel.connection_id, channel.table) == (connection_id, table)],
                own,
                heard_at[connection_id],
                rhythms[connection_id],
                covered.get((connection_id, table)),
                now,
            )
        )
    ]


def _ours(channels: Collection[Channel], webhooks: Iterable[Existing]) -> Iterator[Existing]:
    """The webhooks that were heard, and those that go where one of their connection goes that was."""
    ids = {channel.webhook_id for channel in channels}
    addresses = {(channel.connection_id, channel.hook_url_hash) for channel in channels}
    for webhook in webhooks:
        is_heard = webhook.id in ids or (webhook.connection_id, hook_url_hash(webhook.hook_url)) in addresses
        if is_heard and webhook.object_type in TABLES:
            yield webhook


def _gap(
    place: Place,
    channels: Sequence[Channel],
    webhooks: Sequence[Existing],
    heard_at: datetime,
    usual: timedelta,
    covered: Covered | None,
    now: datetime,
) -> Gap | None:
    is_covered = covered is not None and covered.until >= heard_at
    polls = covered.polls if covered is not None and is_covered else 0
    unwell = [webhook for webhook in webhooks if webhook.is_paused or not webhook.is_healthy]
    if unwell:
        since, reason = _last_heard(unwell, channels, heard_at), _complaint(unwell)
    elif now - max(heard_at, covered.until if covered else heard_at) > min(usual * 2.0**polls, _longest(usual)):
        since, reason = heard_at, "they are silent for longer than usual"
    else:
        return None
    return Gap(*place, max(since, covered.until) if covered else since, reason, polls)


def _longest(usual: timedelta) -> timedelta:
    return max(usual, LONGEST_WAIT)


def _last_heard(webhooks: Iterable[Existing], channels: Sequence[Channel], heard_at: datetime) -> datetime:
    """When all of these were still heard; one that never was may have missed what others of its object brought, or of
    its connection."""
    heard = {channel.webhook_id: channel.heard_at for channel in channels}
    return min(heard.get(webhook.id, min(heard.values(), default=heard_at)) for webhook in webhooks)


def _complaint(unwell: Sequence[Existing]) -> str:
    state = "paused" if all(webhook.is_paused for webhook in unwell) else "unhealthy"
    return f"the webhook of {', '.join(sorted({webhook.event for webhook in unwell}))} is {state}"
