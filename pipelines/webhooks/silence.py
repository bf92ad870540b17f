"""What webhooks have left uncovered: a function of what was heard, of how they are, and of the time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import quantiles
from typing import NamedTuple, TypeAlias

from pipelines.unified_api.capabilities import DELETED
from pipelines.webhooks.inbox import RHYTHM_WINDOW, Channel, Covered, hook_url_hash
from pipelines.webhooks.subscriptions import TABLES, Existing

SHORTEST_RHYTHM = timedelta(minutes=15)
UNKNOWN_RHYTHM = timedelta(hours=6)
"""Of an object of which little has been heard yet."""

LONGEST_WAIT = timedelta(hours=6)
"""However often a silence has turned out to be one in which nothing happened."""

SILENT = "a silence that is longer than usual"
WAS_UNWELL = "a webhook that was not well until lately"

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
    """How long an object may be silent before something seems to be wrong: three times as long as nine in ten of its
    pauses. `pulses`: the minutes in which it was heard of, in order."""
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(pulses)]
    if len(pauses) < _FEW:
        return UNKNOWN_RHYTHM
    usual = timedelta(seconds=quantiles(pauses, n=10)[-1])
    return max(SHORTEST_RHYTHM, _TIMES_THE_USUAL * usual)


def find_gaps(
    channels: Collection[Channel],
    webhooks: Collection[Existing],
    pulses: Mapping[Place, Sequence[datetime]],
    covered: Mapping[Place, Covered],
    now: datetime,
) -> list[Gap]:
    """What is to be polled now, of all that webhooks are to bring.

    `channels`: which webhooks were heard and when; `webhooks`: how they are, as the API shows them; `pulses`: the
    minutes in which each object was heard of; `covered`: up to when it was polled in their place. What is deleted is
    shown by no list, so that webhooks of that alone leave nothing to be polled.
    """
    ours: dict[Place, list[Existing]] = {}
    for webhook in _ours(channels, webhooks):
        ours.setdefault((webhook.connection_id, TABLES[webhook.object_type]), []).append(webhook)
    heard = {channel.webhook_id: channel.heard_at for channel in channels}
    return [
        gap
        for place, own in sorted(ours.items(), key=lambda item: item[0])
        if (gap := _gap(place, own, heard, pulses.get(place, []), covered.get(place), now))
    ]


def _ours(channels: Collection[Channel], webhooks: Iterable[Existing]) -> Iterator[Existing]:
    """The webhooks that were heard, and those that go where one goes that was."""
    ids = {channel.webhook_id for channel in channels}
    addresses = {channel.hook_url_hash for channel in channels}
    for webhook in webhooks:
        is_ours = webhook.id in ids or hook_url_hash(webhook.hook_url) in addresses
        if is_ours and webhook.object_type in TABLES and webhook.event != DELETED:
            yield webhook


def _gap(
    place: Place,
    webhooks: Sequence[Existing],
    heard: Mapping[str, datetime],
    pulses: Sequence[datetime],
    covered: Covered | None,
    now: datetime,
) -> Gap | None:
    """Since the first time of which it is not sure that all came, if there is one. What was never heard of is silent
    since it was subscribed to."""
    usual = rhythm(pulses)
    pulses = [*_beginning(webhooks, pulses, now), *pulses]
    unwell = [webhook for webhook in webhooks if webhook.is_paused or not webhook.is_healthy]
    pause = _first_pause(pulses, usual, covered, now)
    doubts: list[tuple[datetime, str]] = [] if pause is None else [(pause, SILENT)]
    if unwell:
        # One that was never heard may have missed all that its object brought lately.
        known = [heard.get(webhook.id, pulses[0]) for webhook in unwell] if pulses else []
        doubts += [(min(known), _complaint(unwell))] if known else []
    elif covered is not None and covered.is_unwell:
        doubts.append((covered.until, WAS_UNWELL))
    if not doubts:
        return None
    since, reason = min(doubts)
    polls = covered.polls if covered is not None and (not pulses or covered.until >= pulses[-1]) else 0
    return Gap(*place, max(since, covered.until) if covered else since, reason, polls)


def _beginning(webhooks: Iterable[Existing], pulses: Sequence[datetime], now: datetime) -> list[datetime]:
    """When an object was subscribed to, if that was lately and before it was first heard of."""
    made = [moment for webhook in webhooks if (moment := webhook.made_at) is not None]
    is_of_now = made and now - RHYTHM_WINDOW < min(made) < (pulses[0] if pulses else now)
    return [min(made)] if is_of_now else []


def _first_pause(
    pulses: Sequence[datetime], usual: timedelta, covered: Covered | None, now: datetime
) -> datetime | None:
    """The beginning of the first pause that is longer than usual and not polled yet, the one until now among them,
    which is looked into the more seldom the more often it turned out to be empty."""
    if not pulses:
        return None
    until = covered.until if covered else pulses[0]
    for earlier, later in pairwise(pulses):
        if later > until and later - max(earlier, until) > usual:
            return max(earlier, until)
    wait = min(usual * 2.0**covered.polls, max(usual, LONGEST_WAIT)) if covered and until >= pulses[-1] else usual
    return max(pulses[-1], until) if now - max(pulses[-1], until) > wait else None


def _complaint(unwell: Sequence[Existing]) -> str:
    state = "paused" if all(webhook.is_paused for webhook in unwell) else "unhealthy"
    return f"the webhook of {', '.join(sorted({webhook.event for webhook in unwell}))}, which is {state}"
