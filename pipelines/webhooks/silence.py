"""What webhooks have left uncovered: a function of what was heard, of how they are, and of the time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import quantiles
from typing import NamedTuple, TypeAlias

from pipelines.unified_api.capabilities import DELETED
from pipelines.webhooks.inbox import RHYTHM_WINDOW, Channel, Covered, Pulses, hook_url_hash
from pipelines.webhooks.subscriptions import TABLES, Existing

SHORTEST_RHYTHM = timedelta(minutes=15)
UNKNOWN_RHYTHM = timedelta(hours=6)
"""Of an event of which little has been heard yet, or is ever heard."""

LONGEST_WAIT = timedelta(hours=6)
"""However often a silence has been looked into."""

SILENT = "a silence that is longer than usual"
WAS_UNWELL = "a webhook that was not well until lately"

_FEW = 8
_TIMES_THE_USUAL = 3
_MOST_DOUBLINGS = 5
"""Of the shortest rhythm, until the longest wait is reached."""

Place: TypeAlias = tuple[str, str]
"""A connection and a table."""


class Gap(NamedTuple):
    """What was not brought of an object: all that changed since a time; and why. `looks`: how often its silence will
    have been looked into once this is polled; `is_unwell`: whether it is to be polled on, for a webhook is not well."""

    connection_id: str
    table: str
    since: datetime
    reason: str
    looks: int = 0
    is_unwell: bool = False

    def covered(self, until: datetime) -> Covered:
        """What is known of the object once it was polled up to a time."""
        return Covered(until, self.looks, self.reason, self.is_unwell)


class _Pause(NamedTuple):
    """A time in which nothing was heard of an event: since when, and how often it has been looked into."""

    since: datetime
    looks: int


def rhythm(pulses: Sequence[datetime]) -> timedelta:
    """How long an event may be silent before something seems to be wrong: three times as long as nine in ten of its
    pauses, six hours at most. `pulses`: the minutes in which it was heard of, in order."""
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(pulses)]
    if len(pauses) < _FEW:
        return UNKNOWN_RHYTHM
    usual = timedelta(seconds=quantiles(pauses, n=10)[-1])
    return min(max(SHORTEST_RHYTHM, _TIMES_THE_USUAL * usual), UNKNOWN_RHYTHM)


def find_gaps(
    channels: Collection[Channel],
    webhooks: Collection[Existing],
    pulses: Pulses,
    covered: Mapping[Place, Covered],
    now: datetime,
) -> list[Gap]:
    """What is to be polled now, of all that webhooks are to bring.

    `channels`: which webhooks were heard and when; `webhooks`: how they are, as the API shows them; `pulses`: the
    minutes in which each event was heard of; `covered`: up to when each object was polled in their place. What lies in
    the future was written by a clock that was wrong, and counts for nothing. What is deleted is shown by no list, so
    that webhooks of that alone leave nothing to be polled.
    """
    heard = {channel.webhook_id: at for channel in channels if (at := channel.heard_at) and at <= now}
    ours: dict[Place, list[Existing]] = defaultdict(list)
    for webhook in _ours(channels, webhooks):
        ours[webhook.connection_id, TABLES[webhook.object_type]].append(webhook)
    gaps = []
    for place, own in sorted(ours.items(), key=lambda item: item[0]):
        until = covered.get(place)
        gap = _gap(place, own, heard, pulses, until if until and until.until <= now else None, now)
        gaps += [gap] if gap else []
    return gaps


def _ours(channels: Collection[Channel], webhooks: Iterable[Existing]) -> Iterator[Existing]:
    """The webhooks that were heard or are expected, and those that go where one of them goes."""
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
    pulses: Pulses,
    covered: Covered | None,
    now: datetime,
) -> Gap | None:
    """Since the first time of which it is not sure that all came, if there is one."""
    beats = {event: _beats(webhooks, pulses.get((*place, event), []), event, now) for event in _events(webhooks)}
    pauses = [pause for each in beats.values() if (pause := _first_pause(each, covered, now))]
    unwell = [webhook for webhook in webhooks if webhook.is_paused or not webhook.is_healthy]
    doubts: list[tuple[datetime, str]] = []
    # One that was never heard may have missed all that was heard of its event lately.
    if known := [at for each in unwell if (at := heard.get(each.id) or next(iter(beats[each.event]), None))]:
        doubts.append((min(known), _complaint(unwell)))
    elif covered is not None and covered.is_unwell:
        doubts.append((covered.until, WAS_UNWELL))
    doubts += [(pause.since, SILENT) for pause in pauses]
    if not doubts:
        return None
    since, reason = min(doubts, key=lambda doubt: doubt[0])
    since = max(since, covered.until) if covered else since
    return Gap(*place, since, reason, max((pause.looks + 1 for pause in pauses), default=0), bool(unwell))


def _events(webhooks: Iterable[Existing]) -> list[str]:
    return sorted({webhook.event for webhook in webhooks})


def _beats(webhooks: Iterable[Existing], pulses: Sequence[datetime], event: str, now: datetime) -> list[datetime]:
    """When an event was heard of; before that, when it was subscribed to, if that was lately or nothing was heard."""
    beats = [pulse for pulse in pulses if pulse <= now]
    made = [at for webhook in webhooks if webhook.event == event and (at := webhook.made_at) and at <= now]
    if made and (not beats or now - RHYTHM_WINDOW < min(made) < beats[0]):
        return [min(made), *beats]
    return beats


def _first_pause(beats: Sequence[datetime], covered: Covered | None, now: datetime) -> _Pause | None:
    """The first pause that is longer than usual and not polled yet, the one until now among them, which is looked into
    ever more seldom."""
    if not beats:
        return None
    usual = rhythm(beats)
    until = covered.until if covered else beats[0]
    for earlier, later in pairwise(beats):
        if later > until and later - max(earlier, until) > usual:
            return _Pause(max(earlier, until), 0)
    is_the_same = covered is not None and until - beats[-1] > usual  # and not that of another event
    looks = covered.looks if covered and is_the_same else 0
    wait = min(usual * 2 ** min(looks, _MOST_DOUBLINGS), LONGEST_WAIT)
    since = max(beats[-1], until)
    return _Pause(since, looks) if now - since > wait else None


def _complaint(unwell: Sequence[Existing]) -> str:
    state = "paused" if all(webhook.is_paused for webhook in unwell) else "unhealthy"
    return f"the webhook of {', '.join(_events(unwell))}, which is {state}"
