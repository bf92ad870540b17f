"""When something seems to be wrong with webhooks, and what is to be polled then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.webhooks.inbox import Channel, Covered, hook_url_hash
from pipelines.webhooks.silence import LONGEST_WAIT, SHORTEST_RHYTHM, UNKNOWN_RHYTHM, Gap, find_gaps, rhythm
from pipelines.webhooks.subscriptions import Existing

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
URL = "https://support.example/hook"
HOUR = timedelta(hours=1)


def minutes_ago(minutes: float) -> datetime:
    return NOON - timedelta(minutes=minutes)


def heard(minutes: float, webhook_id: str = "w1", table: str = "tickets", connection_id: str = "c1") -> Channel:
    return Channel(webhook_id, connection_id, table, "native", hook_url_hash(URL), minutes_ago(minutes))


def webhook(
    id: str = "w1",
    object_type: str = "ticketing_ticket",
    url: str = URL,
    *,
    is_healthy: bool = True,
    is_paused: bool = False,
) -> Existing:
    return Existing(id, "c1", object_type, "updated", url, is_healthy=is_healthy, is_paused=is_paused)


def gaps(
    channels: list[Channel],
    webhooks: list[Existing],
    covered: dict[tuple[str, str], Covered] | None = None,
    usual: timedelta = HOUR,
) -> list[Gap]:
    return find_gaps(channels, webhooks, {"c1": usual}, covered or {}, NOON)


def test_the_rhythm_of_a_busy_connection_is_short_and_that_of_a_quiet_one_long() -> None:
    busy = [NOON + timedelta(minutes=n) for n in range(100)]
    quiet = [NOON + timedelta(hours=5 * n) for n in range(20)]
    assert rhythm(busy) == SHORTEST_RHYTHM
    assert rhythm(quiet) == timedelta(hours=15)
    assert rhythm(busy[:5]) == rhythm([]) == UNKNOWN_RHYTHM


def test_a_night_now_and_then_does_not_make_a_rhythm() -> None:
    days = [NOON + timedelta(days=day, minutes=minute) for day in range(5) for minute in range(0, 480, 5)]
    assert rhythm(days) == SHORTEST_RHYTHM


def test_nothing_is_polled_while_webhooks_are_heard_as_usual() -> None:
    assert gaps([heard(10)], [webhook()]) == []


def test_after_a_long_silence_all_that_is_pushed_of_the_connection_is_polled_since_it_was_heard() -> None:
    found = gaps(
        [heard(90), heard(70, "w2", "notes")], [webhook(), webhook("w2", "ticketing_note")], usual=timedelta(hours=1)
    )
    assert [(gap.table, gap.since) for gap in found] == [("notes", minutes_ago(70)), ("tickets", minutes_ago(70))]
    assert {gap.reason for gap in found} == {"they are silent for longer than usual"}


def test_another_object_of_the_connection_shows_that_it_is_alive() -> None:
    assert gaps([heard(500), heard(5, "w2", "notes")], [webhook(), webhook("w2", "ticketing_note")]) == []


@pytest.mark.parametrize("word", ["unhealthy", "paused"])
def test_of_a_webhook_that_is_not_well_all_is_polled_since_it_was_heard(word: str) -> None:
    unwell = webhook(is_healthy=word != "unhealthy", is_paused=word == "paused")
    [gap] = gaps([heard(30), heard(2, "w2")], [unwell, webhook("w2")])
    assert (gap.table, gap.since) == ("tickets", minutes_ago(30))
    assert gap.reason == f"the webhook of updated is {word}"


def test_one_that_was_never_heard_may_have_missed_all_that_the_others_brought() -> None:
    [gap] = gaps([heard(30), heard(2, "w2")], [webhook("w9", is_healthy=False), webhook(), webhook("w2")])
    assert gap.since == minutes_ago(30)


def test_what_goes_elsewhere_or_is_not_subscribed_any_more_is_none_of_ours() -> None:
    assert gaps([heard(30)], [webhook("w9", url="https://other.example", is_healthy=False), webhook()]) == []
    assert gaps([heard(10_000)], []) == []


def test_what_was_polled_is_not_polled_again_and_the_rest_of_a_long_fault_is() -> None:
    covered = {("c1", "tickets"): Covered(minutes_ago(5), 1, "")}
    [gap] = gaps([heard(600)], [webhook(is_healthy=False)], covered)
    assert (gap.since, gap.polls) == (minutes_ago(5), 1)


def test_a_silence_that_was_empty_is_looked_into_ever_more_seldom() -> None:
    def is_due(minutes: float, polls: int) -> bool:
        return bool(gaps([heard(6_000)], [webhook()], {("c1", "tickets"): Covered(minutes_ago(minutes), polls, "")}))

    assert not is_due(119, 1)
    assert is_due(121, 1)
    assert not is_due(239, 2)
    assert is_due(241, 2)
    assert is_due(LONGEST_WAIT / timedelta(minutes=1) + 1, 20)


def test_once_it_is_heard_again_the_count_begins_anew() -> None:
    covered = {("c1", "tickets"): Covered(minutes_ago(100), 9, "")}
    [gap] = gaps([heard(90)], [webhook()], covered)
    assert (gap.since, gap.polls) == (minutes_ago(90), 0)
