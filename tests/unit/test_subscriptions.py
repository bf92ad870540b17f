"""What is to be done so that the API sends exactly what is wanted, once, whatever is there already."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import FixConfiguration
from pipelines.unified_api.capabilities import ObjectSupport, read_integration
from pipelines.webhooks.hook_url import require_hook_url, without_secrets
from pipelines.webhooks.subscriptions import (
    Change,
    Create,
    Existing,
    Keep,
    Remove,
    Replace,
    Step,
    Wanted,
    changes,
    plan_subscriptions,
    read_existing,
    wanted_subscriptions,
)

HOOK = "https://support.example/hook"
OTHER = "https://elsewhere.example/hook"
KEYS = st.tuples(
    st.sampled_from(["c1", "c2"]),
    st.sampled_from(["ticketing_ticket", "ticketing_note"]),
    st.sampled_from(["created", "updated", "deleted"]),
)
NAMES = ("id", "subject", "raw")


@st.composite
def wishes(draw: st.DrawFn) -> list[Wanted]:
    wanted = []
    for key in draw(st.lists(KEYS, unique=True)):
        interval = draw(st.none() | st.sampled_from([1, 60]))
        kind = "native" if interval is None else "virtual"
        wanted.append(Wanted(*key, kind, interval, draw(st.sampled_from([(), NAMES]))))
    return wanted


@st.composite
def webhooks(draw: st.DrawFn) -> list[Existing]:
    return [
        Existing(
            f"w{number}",
            *key,
            draw(st.sampled_from([HOOK, OTHER])),
            webhook_type=draw(st.sampled_from(["native", "virtual", ""])),
            interval=draw(st.sampled_from([None, 1.0, 5.0, 60.0])),
            fields=draw(st.sampled_from([frozenset[str](), frozenset(NAMES), frozenset({"id"})])),
            is_healthy=draw(st.booleans()),
            is_paused=draw(st.booleans()),
            created_at=draw(st.sampled_from(["", "2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z"])),
        )
        for number, key in enumerate(draw(st.lists(KEYS, max_size=12)))
    ]


def carried_out(steps: list[Step], existing: list[Existing]) -> list[Existing]:
    """What is there once the API has done what a plan says."""
    numbers, there = count(1), {each.id: each for each in existing}
    for step in steps:
        match step:
            case Remove(gone):
                del there[gone.id]
            case Change(wanted, old):
                there[old.id] = changed(old, changes(wanted, old))
            case Create(wanted) | Replace(wanted, _):
                made = made_from(wanted, f"new{next(numbers)}")
                there[made.id] = made
                if isinstance(step, Replace):
                    del there[step.existing.id]
    return [*there.values()]


def made_from(wanted: Wanted, id: str) -> Existing:
    made = read_existing({"id": id, **wanted.body(HOOK)})
    assert made is not None
    return made


def changed(old: Existing, due: dict[str, object]) -> Existing:
    fields = old.fields if "fields" not in due else frozenset(filter(None, str(due["fields"]).split(",")))
    interval = float(str(due.get("interval", old.interval))) if due.get("interval", old.interval) else None
    return replace(old, fields=fields, interval=interval, is_paused=bool(due.get("is_paused", old.is_paused)))


@given(wishes(), webhooks())
def test_what_is_wanted_is_what_is_there_afterwards(wanted: list[Wanted], existing: list[Existing]) -> None:
    after = [
        each for each in carried_out(plan_subscriptions(wanted, existing, HOOK), existing) if each.hook_url == HOOK
    ]
    assert Counter(each.key for each in after) == Counter(each.key for each in wanted)
    by_key = {each.key: each for each in after}
    for each in wanted:
        found = by_key[each.key]
        assert found.webhook_type in ("", each.webhook_type)
        assert each.interval in (None, found.interval)
        assert found.fields == frozenset(each.fields or ())
        assert found.is_healthy
        assert not found.is_paused


@given(wishes(), webhooks())
def test_a_second_time_changes_nothing(wanted: list[Wanted], existing: list[Existing]) -> None:
    after = carried_out(plan_subscriptions(wanted, existing, HOOK), existing)
    assert {type(step) for step in plan_subscriptions(wanted, after, HOOK)} <= {Keep}


@given(wishes(), webhooks())
def test_what_goes_to_another_address_is_never_touched(wanted: list[Wanted], existing: list[Existing]) -> None:
    steps = plan_subscriptions(wanted, existing, HOOK)
    assert all(isinstance(step, Create) or step.existing.hook_url == HOOK for step in steps)
    others = [each for each in existing if each.hook_url == OTHER]
    assert [each for each in carried_out(steps, existing) if each.hook_url == OTHER] == others


@given(wishes(), webhooks())
def test_nothing_is_removed_before_what_is_to_stand_for_it_is_there(
    wanted: list[Wanted], existing: list[Existing]
) -> None:
    steps = plan_subscriptions(wanted, existing, HOOK)
    before = {each.key for each in existing if each.hook_url == HOOK} & {each.key for each in wanted}
    for number in range(len(steps) + 1):
        there = {each.key for each in carried_out(steps[:number], existing) if each.hook_url == HOOK}
        assert before <= there


def test_of_two_the_one_that_is_as_wanted_stays_and_of_two_alike_the_older_one() -> None:
    wanted = Wanted("c1", "ticketing_ticket", "created", "virtual", 1)
    good = replace(made_from(wanted, "good"), created_at="2026-05-02")
    older, slow = replace(good, id="older", created_at="2026-05-01"), replace(good, id="slow", interval=60)
    assert plan_subscriptions([wanted], [slow, good], HOOK) == [Keep(wanted, good), Remove(slow)]
    assert plan_subscriptions([wanted], [good, older], HOOK) == [Keep(wanted, older), Remove(good)]


def test_a_virtual_one_is_changed_in_place_and_one_of_another_type_or_unhealthy_is_replaced() -> None:
    wanted = Wanted("c1", "ticketing_ticket", "created", "virtual", 5, NAMES)
    good = made_from(wanted, "w1")
    for other in (replace(good, interval=60), replace(good, fields=frozenset()), replace(good, is_paused=True)):
        assert plan_subscriptions([wanted], [other], HOOK) == [Change(wanted, other)]
    for other in (replace(good, webhook_type="native"), replace(good, is_healthy=False)):
        assert plan_subscriptions([wanted], [other], HOOK) == [Replace(wanted, other)]


def test_native_is_taken_where_there_is_one_and_virtual_elsewhere() -> None:
    support = ObjectSupport(webhook_events={"created": ["virtual", "native"], "updated": ["virtual"], "deleted": []})
    native, virtual = wanted_subscriptions("c1", "ticketing_note", support, 5, NAMES)
    assert (native.event, native.webhook_type, native.interval) == ("created", "native", None)
    assert (virtual.event, virtual.webhook_type, virtual.interval) == ("updated", "virtual", 5)
    assert "interval" not in native.body(HOOK)
    assert virtual.body(HOOK) == {
        "connection_id": "c1",
        "object_type": "ticketing_note",
        "event": "updated",
        "webhook_type": "virtual",
        "hook_url": HOOK,
        "interval": 5,
        "fields": "id,subject,raw",
    }


@pytest.mark.parametrize(
    "told", [None, 5, "native", [], ["created"], {"created": "native"}, {"created": [["native"], {}, 7, "pigeon"]}]
)
def test_events_of_another_shape_are_not_offered_and_hide_nothing_else(told: object) -> None:
    row = {"methods": {"list": True}, "list_offset": "supported", "webhook_events": told}
    integration = read_integration({"type": "x", "support": {"ticketing_ticket": row}})
    assert integration is not None
    support = integration.support["ticketing_ticket"]
    assert support is not None
    assert support.offers_list
    assert support.pages_by_offset
    assert wanted_subscriptions("c1", "ticketing_ticket", support, 1) == []


def test_what_can_be_read_of_the_events_is_offered_though_the_rest_cannot() -> None:
    row = {"webhook_events": {"created": 7, "updated": ["virtual", 3, "native"], "exploded": ["native"]}}
    integration = read_integration({"type": "x", "support": {"ticketing_ticket": row}})
    assert integration is not None
    support = integration.support["ticketing_ticket"]
    assert support is not None
    assert support.webhook_events == {"updated": ["native", "virtual"]}


SHOWN = {"id": "w", "connection_id": "c", "object_type": "ticketing_note", "event": "created", "hook_url": HOOK}


@pytest.mark.parametrize("answer", [None, [], "x", {}, *({**SHOWN, name: None} for name in SHOWN)])
def test_what_names_no_address_or_not_whose_it_is_is_no_webhook_of_ours(answer: object) -> None:
    assert read_existing(answer) is None


def test_a_webhook_that_says_nothing_else_is_taken_for_healthy() -> None:
    nulls = dict.fromkeys(("webhook_type", "interval", "fields", "is_healthy", "is_paused", "created_at"))
    assert read_existing({**SHOWN, **nulls}) == Existing("w", "c", "ticketing_note", "created", HOOK)
    odd = {"interval": "often", "fields": ["id"], "is_healthy": "no"}
    assert read_existing({**SHOWN, **odd}) == Existing("w", "c", "ticketing_note", "created", HOOK)


@pytest.mark.parametrize("url", [HOOK, f"{HOOK}?token=x", "http://127.0.0.1:8766/hook", "http://localhost/hook"])
def test_an_address_is_https_or_of_this_machine(url: str) -> None:
    require_hook_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://support.example/SECRET",
        "http://127.0.0.1.evil.example/SECRET",
        "https://me:SECRET@support.example/hook",
        "https://me:SE/CRET@support.example/hook",
        "https://support.example:SECRET/hook",
        "https://support.example/hook#SECRET",
        "https://support.example/a SECRET",
        "https://support.example/\x1bSECRET",
        "https:///SECRET",
        "support.example/SECRET",
        "",
    ],
)
def test_any_other_address_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(FixConfiguration, match="--url") as caught:
        require_hook_url(url)
    assert "SECRET" not in str(caught.value)
    assert "CRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"{HOOK}?token=x#y", HOOK),
        ("https://me:secret@support.example/a@b?c", "https://support.example/a@b"),
        ("no address?at=all", "no address"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
