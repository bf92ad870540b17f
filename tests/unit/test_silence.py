"""When something seems to be wrong with webhooks, and what is to be polled then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.webhooks.inbox import Channel, Covered, hook_url_hash
from pipelines.webhooks.silence import (
    LONGEST_WAIT,
    SHORTEST_RHYTHM,
    SILENT,
    UNKNOWN_RHYTHM,
    WAS_UNWELL,
    Gap,
    find_gaps,
    rhythm,
)
from pipelines.webhooks.subscriptions import Existing

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
URL = "https://support.example/hook"
TICKETS = ("c1", "tickets")
UPDATED = (*TICKETS, "updated")


def minutes_ago(minutes: float) -> datetime:
    return NOON - timedelta(minutes=minutes)


def heard(minutes: float, webhook_id: str = "w1", table: str = "tickets") -> Channel:
    return Channel(webhook_id, "c1", table, "native", hook_url_hash(URL), minutes_ago(minutes))


def webhook(
    id: str = "w1",
    object_type: str = "ticketing_ticket",
    event: str = "updated",
    *,
    url: str = URL,
    is_healthy: bool = True,
    is_paused: bool = False,
    created_at: str = "",
) -> Existing:
    return Existing(
        id, "c1", object_type, event, url, is_healthy=is_healthy, is_paused=is_paused, created_at=created_at
    )


def hourly(until: float, hours: int = 40) -> list[datetime]:
    """Heard of once an hour, the last time so many minutes ago: the rhythm is three hours."""
    return [minutes_ago(until + 60 * hour) for hour in range(hours, -1, -1)]


def gaps(
    pulses: Sequence[datetime], *webhooks: Existing, covered: Covered | None = None, channels: Sequence[Channel] = ()
) -> list[Gap]:
    last = (NOON - pulses[-1]) / timedelta(minutes=1) if pulses else 0.0
    known = {TICKETS: covered} if covered else {}
    return find_gaps(channels or [heard(last)], webhooks or [webhook()], {UPDATED: pulses}, known, NOON)


def test_the_rhythm_of_a_busy_object_is_short_and_that_of_a_quiet_one_long() -> None:
    busy = [NOON + timedelta(minutes=n) for n in range(100)]
    quiet = [NOON + timedelta(hours=5 * n) for n in range(20)]
    assert rhythm(busy) == SHORTEST_RHYTHM
    assert rhythm(quiet) == UNKNOWN_RHYTHM
    assert rhythm(busy[:5]) == rhythm([]) == UNKNOWN_RHYTHM


def test_a_night_now_and_then_does_not_make_a_rhythm() -> None:
    days = [NOON + timedelta(days=day, minutes=minute) for day in range(5) for minute in range(0, 480, 5)]
    assert rhythm(days) == SHORTEST_RHYTHM


def test_nothing_is_polled_while_webhooks_are_heard_as_usual() -> None:
    assert gaps(hourly(10)) == []
    assert gaps(hourly(179)) == []


def test_after_a_long_silence_an_object_is_polled_since_it_was_heard() -> None:
    assert gaps(hourly(181)) == [Gap(*TICKETS, minutes_ago(181), SILENT, 1)]


def test_each_object_has_a_rhythm_of_its_own() -> None:
    """Notes go on, and do not speak for tickets."""
    pulses = {UPDATED: hourly(200), ("c1", "notes", "updated"): hourly(1)}
    webhooks = [webhook(), webhook("w2", "ticketing_note")]
    found = find_gaps([heard(200), heard(1, "w2", "notes")], webhooks, pulses, {}, NOON)
    assert [(gap.table, gap.since) for gap in found] == [("tickets", minutes_ago(200))]


def test_an_outage_that_is_over_is_polled_from_its_beginning() -> None:
    """Whoever follows may not have been there to see it."""
    pulses = [*hourly(700), *hourly(10, hours=3)]
    assert gaps(pulses) == [Gap(*TICKETS, minutes_ago(700), SILENT, 1)]
    assert gaps(pulses, covered=Covered(minutes_ago(5), 1, SILENT)) == []


def test_what_was_polled_in_the_middle_of_an_outage_is_polled_from_there() -> None:
    pulses = [*hourly(900), *hourly(10, hours=1)]
    [gap] = gaps(pulses, covered=Covered(minutes_ago(600), 1, SILENT))
    assert gap.since == minutes_ago(600)


@pytest.mark.parametrize("word", ["unhealthy", "paused"])
def test_of_a_webhook_that_is_not_well_all_is_polled_since_it_was_heard(word: str) -> None:
    unwell = webhook(is_healthy=word != "unhealthy", is_paused=word == "paused")
    [gap] = gaps(hourly(2), unwell, webhook("w2"), channels=[heard(30), heard(2, "w2")])
    assert (gap.table, gap.since) == ("tickets", minutes_ago(30))
    assert gap.reason == f"the webhook of updated, which is {word}"


def test_one_that_was_never_heard_may_have_missed_all_since_its_object_was_heard_or_it_was_made() -> None:
    never = webhook("w9", is_healthy=False, created_at=minutes_ago(500).isoformat())
    [gap] = gaps(hourly(2, hours=10), never, webhook())
    assert gap.since == minutes_ago(602)
    [gap] = find_gaps([heard(2, "w2", "notes")], [never], {}, {}, NOON)
    assert (gap.table, gap.since) == ("tickets", minutes_ago(500))


def test_an_object_that_was_never_heard_of_is_silent_since_it_was_subscribed_to() -> None:
    made = webhook("w9", "ticketing_customer", created_at=minutes_ago(400).isoformat())
    [gap] = find_gaps([heard(2)], [webhook(), made], {UPDATED: hourly(2)}, {}, NOON)
    assert (gap.table, gap.since) == ("customers", minutes_ago(400))


def test_what_is_deleted_is_shown_by_no_list_and_not_polled_for() -> None:
    assert gaps(hourly(2), webhook(event="deleted", is_healthy=False)) == []


def test_what_goes_elsewhere_or_is_not_subscribed_any_more_is_none_of_ours() -> None:
    assert gaps(hourly(2), webhook("w9", url="https://other.example", is_healthy=False), webhook()) == []
    assert find_gaps([heard(10_000)], [], {UPDATED: hourly(10_000)}, {}, NOON) == []


def test_what_was_polled_is_not_polled_again_and_the_rest_of_a_long_fault_is() -> None:
    covered = Covered(minutes_ago(5), 1, "", is_unwell=True)
    [gap] = gaps(hourly(60), webhook(is_healthy=False), covered=covered)
    assert (gap.since, gap.looks, gap.is_unwell) == (minutes_ago(5), 0, True)


def test_once_a_webhook_is_well_again_what_it_missed_at_last_is_polled() -> None:
    covered = Covered(minutes_ago(5), 3, "", is_unwell=True)
    [gap] = gaps(hourly(1), covered=covered)
    assert (gap.since, gap.reason) == (minutes_ago(5), WAS_UNWELL)
    assert gaps(hourly(1), covered=covered._replace(until=NOON, is_unwell=False)) == []


def test_a_silence_that_was_empty_is_looked_into_ever_more_seldom() -> None:
    def is_due(minutes: float, looks: int) -> bool:
        return bool(gaps(hourly(9_000), covered=Covered(minutes_ago(minutes), looks, SILENT)))

    assert not is_due(359, 1)
    assert is_due(361, 1)
    assert is_due(LONGEST_WAIT / timedelta(minutes=1) + 1, 10_000)


def test_once_it_is_heard_again_the_count_begins_anew() -> None:
    [gap] = gaps(hourly(190), covered=Covered(minutes_ago(200), 9, SILENT))
    assert (gap.since, gap.looks) == (minutes_ago(190), 1)


def test_each_event_has_a_rhythm_of_its_own() -> None:
    """What is created goes on, and does not speak for what is updated."""
    pulses = {UPDATED: hourly(600), (*TICKETS, "created"): hourly(1)}
    webhooks = [webhook(), webhook("w2", event="created")]
    [gap] = find_gaps([heard(600), heard(1, "w2")], webhooks, pulses, {}, NOON)
    assert (gap.since, gap.reason) == (minutes_ago(600), SILENT)
    assert find_gaps([heard(600), heard(1, "w2")], webhooks, pulses, {TICKETS: gap.covered(NOON)}, NOON) == []


def test_one_that_is_both_silent_and_unwell_is_polled_on_until_it_is_well() -> None:
    unwell = webhook(is_healthy=False)
    [gap] = gaps(hourly(200), unwell, channels=[heard(199.5)])
    covered = gap.covered(minutes_ago(5))
    assert [gap.since for gap in gaps(hourly(200), unwell, covered=covered)] == [minutes_ago(5)]
    assert [gap.reason for gap in gaps(hourly(200), covered=covered)] == [WAS_UNWELL]


@pytest.mark.parametrize(
    ("webhooks", "looks"),
    [
        ([webhook(is_paused=True)], 288 * 40),
        ([webhook()], 150),
        ([webhook(created_at="2025-01-01T00:00:00Z")], 0),
    ],
    ids=["paused", "silent", "never heard"],
)
def test_however_long_it_lasts_it_is_looked_into_to_the_end(webhooks: list[Existing], looks: int) -> None:
    """For forty days, every five minutes."""
    is_heard = looks > 0
    pulses = {UPDATED: [minutes_ago(60)]} if is_heard else {}
    channels = [heard(60) if is_heard else heard(0)._replace(heard_at=None)]
    covered: dict[tuple[str, str], Covered] = {}
    polled = []
    for turn in range(288 * 40):
        now = NOON + timedelta(minutes=5 * turn)
        for gap in find_gaps(channels, webhooks, pulses, covered, now):
            covered[TICKETS] = gap.covered(now)
            polled.append(now)
    assert len(polled) >= looks
    assert NOON + timedelta(days=40) - polled[-1] <= LONGEST_WAIT + timedelta(minutes=5)


def test_what_a_wrong_clock_wrote_into_the_future_hides_nothing() -> None:
    future = NOON + timedelta(days=365)
    pulses = [*hourly(200), future]
    channel = heard(0)._replace(heard_at=future)
    [silent] = gaps(pulses, channels=[channel], covered=Covered(future, 1, SILENT))
    assert silent.since == minutes_ago(200)
    [unwell] = gaps(pulses, webhook(is_paused=True), channels=[channel])
    assert unwell.since <= minutes_ago(200)


def test_how_often_another_event_was_looked_into_says_nothing_of_one_that_has_just_gone_silent() -> None:
    busy = [minutes_ago(20 + minute) for minute in range(100, -1, -1)]
    pulses = {UPDATED: busy, (*TICKETS, "created"): hourly(3_000)}
    webhooks = [webhook(), webhook("w2", event="created")]
    covered = {TICKETS: Covered(minutes_ago(18), 7, SILENT)}
    [gap] = find_gaps([heard(20), heard(3_000, "w2")], webhooks, pulses, covered, NOON)
    assert gap.since == minutes_ago(18)
