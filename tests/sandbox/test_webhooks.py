"""Webhooks: what is told, to whom, in which form, when, and what becomes of it on a bad day."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import Any

import httpx
import msgspec
import pytest
import unified_python_sdk
from hypothesis import given
from hypothesis import strategies as st
from unified_python_sdk.models import shared

from pipelines.sandbox import Outbox, PostFaults, Sandbox, World
from pipelines.sandbox.events import Event
from pipelines.sandbox.outbox import PATIENCE
from pipelines.sandbox.shelf import Record
from pipelines.sandbox.store import DEFAULT_START
from pipelines.sandbox.support import OBJECTS, support_table
from tests.sandbox.conftest import connection_id

HOOK = "https://receiver.example/hook"
EVENTS = ("created", "updated", "deleted")
SHARES = (
    "duplicate", "redeliver_with_new_nonce", "delay", "reorder", "drop", "lost_answer", "deletions_by_id_only",
)  # fmt: skip


class Receiver:
    """Takes what is delivered; answers with the statuses it was given, and then with 200."""

    def __init__(self, *statuses: int | None) -> None:
        self.statuses = list(statuses)
        self.urls: list[str] = []
        self.bodies: list[bytes] = []

    def __call__(self, url: str, body: bytes) -> int | None:
        self.urls.append(url)
        self.bodies.append(body)
        return self.statuses.pop(0) if self.statuses else 200

    @property
    def deliveries(self) -> list[Record]:
        return [json.loads(body) for body in self.bodies]

    @property
    def records(self) -> list[Record]:
        return [record for delivery in self.deliveries for record in delivery["data"]]


def desk() -> World:
    """Two connections to a desk that offers every webhook there is."""
    world = World.empty()
    world.register_integration("desk", support_table(native=EVENTS), note_moves_ticket=True)
    world.add_connection("desk", id="one")
    world.add_connection("desk", id="two")
    return world


@pytest.fixture
def world() -> World:
    return desk()


@pytest.fixture
def outbox(world: World) -> Outbox:
    return Outbox(world)


def subscribe(world: World, event: str, object_name: str = "ticket", **options: Any) -> str:
    """Subscribe to an object of connection one; the webhook's id."""
    return str(world.add_webhook("one", f"ticketing_{object_name}", event, HOOK, **options)["id"])


def ticket(world: World, subject: str = "x", **fields: Any) -> str:
    return str(world.create("one", "ticket", {"subject": subject, **fields})["id"])


def delivered(outbox: Outbox, *statuses: int | None) -> Receiver:
    receiver = Receiver(*statuses)
    outbox.deliver(receiver)
    return receiver


def shown(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "raw"}


# What is told


def test_each_change_is_told_at_once_with_the_record_as_it_was_then(world: World, outbox: Outbox) -> None:
    for event in EVENTS:
        subscribe(world, event)
    made = world.create("one", "ticket", {"subject": "Bell"})
    patched = world.patch("one", "ticket", made["id"], {"subject": "Big bell"})
    world.touch("one", "ticket", made["id"])
    touched = world.record("one", "ticket", made["id"])
    world.bulk_edit("one", "ticket", [made["id"]], {"priority": "high"})
    edited = world.record("one", "ticket", made["id"])
    world.delete("one", "ticket", made["id"])

    receiver = delivered(outbox)
    assert [row["webhook"]["event"] for row in receiver.deliveries] == ["created", *["updated"] * 3, "deleted"]
    assert receiver.records == [shown(state) for state in (made, patched, touched, edited, edited)]
    assert {row["type"] for row in receiver.deliveries} == {"NATIVE"}
    assert len({record["updated_at"] for record in receiver.records}) == 4
    assert set(receiver.urls) == {HOOK}


def test_a_note_tells_of_itself_and_of_the_ticket_that_it_moves(world: World, outbox: Outbox) -> None:
    ticket_id = ticket(world)
    subscribe(world, "created", "note")
    subscribe(world, "updated")
    note = world.create("one", "note", {"ticket_id": ticket_id, "description": "ding"})
    assert delivered(outbox).records == [shown(note), shown(world.record("one", "ticket", ticket_id))]
    assert world.record("one", "ticket", ticket_id)["updated_at"] == note["created_at"]


def test_a_deleted_ticket_tells_of_the_notes_that_it_takes_along(world: World, outbox: Outbox) -> None:
    ticket_id = ticket(world)
    notes = [world.create("one", "note", {"ticket_id": ticket_id}) for _ in range(2)]
    subscribe(world, "deleted", "note")
    subscribe(world, "deleted")
    last = world.record("one", "ticket", ticket_id)
    world.delete("one", "ticket", ticket_id)
    assert delivered(outbox).records == [shown(record) for record in (*notes, last)]


@pytest.mark.parametrize("object_name", OBJECTS)
def test_every_object_is_told_of(world: World, outbox: Outbox, object_name: str) -> None:
    for name in OBJECTS:
        subscribe(world, "created", name)
    made = world.create("one", object_name, {})
    [delivery] = delivered(outbox).deliveries
    assert (delivery["data"], delivery["webhook"]["object_type"]) == ([shown(made)], f"ticketing_{object_name}")


def test_quiet_changes_and_loaded_records_are_told_to_nobody(world: World, outbox: Outbox) -> None:
    ticket_id = ticket(world)
    for event in ("created", "updated"):
        subscribe(world, event)
        subscribe(world, event, webhook_type="virtual")
    world.patch("one", "ticket", ticket_id, {"subject": "y"}, quiet=True)
    world.load("one", "ticket", [{"id": "loaded", "updated_at": "2026-05-29T16:00:00.000Z"}])
    world.advance(timedelta(hours=2))
    assert delivered(outbox).bodies == []


def test_nobody_is_told_as_long_as_nobody_has_subscribed(world: World) -> None:
    class Watcher:
        told = 0

        def happened(self, event: Event) -> None:
            self.told += 1

        def time_passed(self) -> None:
            self.told += 1

        def subscribed(self, webhook: Record, *, include_all: bool) -> None:
            pass

    watcher = Watcher()
    world.watch(watcher)
    world.touch("one", "ticket", ticket(world))
    assert watcher.told == 0
    webhook_id = subscribe(world, "created")
    ticket(world)
    assert watcher.told > 0
    world.remove_webhook(webhook_id)
    watcher.told = 0
    ticket(world)
    assert watcher.told == 0


def test_a_webhook_hears_of_its_own_connection_object_and_event_only(world: World, outbox: Outbox) -> None:
    subscribe(world, "created")
    world.create("two", "ticket", {})
    world.create("one", "customer", {})
    ticket_id = ticket(world, "mine")
    world.patch("one", "ticket", ticket_id, {"subject": "still mine"})
    assert [record["subject"] for record in delivered(outbox).records] == ["mine"]


def test_what_the_integration_does_not_offer_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="offers no virtual webhook"):
        subscribe(world, "deleted", webhook_type="virtual")
    with pytest.raises(ValueError, match="object_type"):
        subscribe(world, "created", "gadget")


# In which form


def signature(message: bytes, algorithm: Callable[..., Any]) -> str:
    return base64.b64encode(hmac.new(b"sandbox-webhook-secret", message, algorithm).digest()).decode()


def test_a_delivery_is_signed_over_its_data_and_nonce(world: World, outbox: Outbox) -> None:
    webhook_id = subscribe(world, "created")
    ticket(world, "Żółta dzwonek ☃ </script>")
    [body] = delivered(outbox).bodies
    delivery = json.loads(body)
    assert set(delivery) == {"data", "webhook", "nonce", "sig256", "sig", "type"}
    assert delivery["webhook"] == world.webhooks[webhook_id]
    compact = json.dumps(delivery["data"], ensure_ascii=False, separators=(",", ":")).encode()
    assert b'"data":' + compact in body
    message = compact + delivery["nonce"].encode()
    assert delivery["sig256"] == signature(message, hashlib.sha256)
    assert delivery["sig"] == signature(message, hashlib.sha1)


def test_another_secret_signs_otherwise(world: World) -> None:
    outbox = Outbox(world, "another secret")
    subscribe(world, "created")
    ticket(world)
    [delivery] = delivered(outbox).deliveries
    message = json.dumps(delivery["data"], separators=(",", ":")).encode() + delivery["nonce"].encode()
    expected = hmac.new(b"another secret", message, hashlib.sha256).digest()
    assert base64.b64decode(delivery["sig256"]) == expected


def test_no_two_deliveries_share_a_nonce(world: World, outbox: Outbox) -> None:
    for _ in range(2):
        subscribe(world, "updated")
    ticket_id = ticket(world)
    world.bulk_edit("one", "ticket", [ticket_id] * 50, {})
    nonces = [delivery["nonce"] for delivery in delivered(outbox).deliveries]
    assert len(set(nonces)) == len(nonces) == 100


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (None, {"id", "created_at", "updated_at", "subject"}),
        ("subject", {"id", "subject"}),
        ("id,updated_at,due_at", {"id", "updated_at"}),
        ("subject,raw", {"id", "subject", "raw"}),
    ],
)
def test_fields_choose_what_is_in_a_record(
    world: World, outbox: Outbox, fields: str | None, expected: set[str]
) -> None:
    subscribe(world, "created", fields=fields)
    made = world.create("one", "ticket", {"subject": "x"})
    [record] = delivered(outbox).records
    assert record == {name: made[name] for name in expected}


def test_raw_is_not_told_where_the_integration_cannot_read_it(world: World, outbox: Outbox) -> None:
    world.register_integration("desk", support_table(native=EVENTS, raw=False))
    subscribe(world, "created", fields="id,raw")
    assert delivered(outbox).records == []
    world.create("one", "ticket", {"id": "1", "raw": {"secret": 1}})
    assert delivered(outbox).records == [{"id": "1"}]


def test_some_helpdesks_tell_of_a_deletion_no_more_than_the_id(world: World, outbox: Outbox) -> None:
    world.register_integration("desk", support_table(native=EVENTS), deletions_by_id_only=True)
    for event in EVENTS:
        subscribe(world, event)
    ticket_id = ticket(world)
    world.delete("one", "ticket", ticket_id)
    made, deleted = delivered(outbox).records
    assert (made["subject"], deleted) == ("x", {"id": ticket_id})


# Virtual webhooks


def test_a_virtual_webhook_tells_after_its_interval_where_things_stand(world: World, outbox: Outbox) -> None:
    first, second = ticket(world, "first"), ticket(world, "second")
    webhook_id = subscribe(world, "updated", webhook_type="virtual", interval=5)
    subscribed_at = world.now
    for ticket_id, subject in ((first, "passing"), (second, "second, changed"), (first, "first, changed")):
        world.patch("one", "ticket", ticket_id, {"subject": subject})
    world.advance(timedelta(minutes=4))
    assert delivered(outbox).bodies == []
    world.advance(timedelta(minutes=1))
    [delivery] = delivered(outbox).deliveries
    assert delivery["type"] == "VIRTUAL"
    assert delivery["data"] == [shown(world.record("one", "ticket", row)) for row in (second, first)]
    assert [record["subject"] for record in delivery["data"]] == ["second, changed", "first, changed"]
    assert world.webhooks[webhook_id]["checked_at"] == delivery["webhook"]["checked_at"]
    assert delivery["webhook"]["checked_at"][:19] == (subscribed_at + timedelta(minutes=5)).isoformat()[:19]
    world.advance(timedelta(minutes=5))
    assert delivered(outbox).bodies == []


def test_created_is_what_was_made_since_and_updated_what_was_made_before(world: World, outbox: Outbox) -> None:
    old = ticket(world, "old")
    for event in ("created", "updated"):
        subscribe(world, event, webhook_type="virtual")
    new, gone = ticket(world, "new"), ticket(world, "gone")
    for ticket_id in (new, old, gone):
        world.patch("one", "ticket", ticket_id, {"priority": "high"})
    world.delete("one", "ticket", gone)
    world.advance(timedelta(hours=1))
    told = {row["webhook"]["event"]: row["data"] for row in delivered(outbox).deliveries}
    assert {event: [record["id"] for record in rows] for event, rows in told.items()} == {
        "created": [new],
        "updated": [old],
    }
    assert told["created"][0]["priority"] == "high"


def test_what_was_removed_and_made_anew_is_new(world: World, outbox: Outbox) -> None:
    ticket_id = ticket(world)
    for event in ("created", "updated"):
        subscribe(world, event, webhook_type="virtual")
    world.touch("one", "ticket", ticket_id)
    world.delete("one", "ticket", ticket_id)
    ticket(world, "again", id=ticket_id)
    world.advance(timedelta(hours=1))
    [delivery] = delivered(outbox).deliveries
    assert (delivery["webhook"]["event"], delivery["data"][0]["subject"]) == ("created", "again")


def test_a_change_that_comes_with_a_run_is_left_to_the_next(world: World, outbox: Outbox) -> None:
    subscribe(world, "created", webhook_type="virtual")
    ticket(world, "before")
    world.advance(timedelta(hours=1) - timedelta(milliseconds=2))
    assert not outbox.has_due()
    ticket(world, "at that very moment")
    assert [record["subject"] for record in delivered(outbox).records] == ["before"]


def test_a_leap_over_many_runs_leaves_the_next_one_at_its_own_time(world: World, outbox: Outbox) -> None:
    subscribe(world, "created", webhook_type="virtual")
    world.advance(timedelta(hours=10))
    ticket(world)
    world.advance(timedelta(minutes=59))
    assert delivered(outbox).bodies == []
    world.advance(timedelta(minutes=1))
    assert len(delivered(outbox).bodies) == 1


def test_a_virtual_webhook_sends_no_more_than_a_hundred_at_once(world: World, outbox: Outbox) -> None:
    subscribe(world, "created", webhook_type="virtual")
    ids = [ticket(world) for _ in range(201)]
    world.advance(timedelta(hours=1))
    receiver = delivered(outbox)
    assert [len(delivery["data"]) for delivery in receiver.deliveries] == [100, 100, 1]
    assert [record["id"] for record in receiver.records] == ids


def test_runs_come_at_their_own_moments_while_time_passes(world: World, outbox: Outbox) -> None:
    ticket_id = ticket(world)
    subscribe(world, "updated", webhook_type="virtual", interval=1)
    for subject in ("a", "b", "c"):
        world.advance(timedelta(seconds=61))
        world.patch("one", "ticket", ticket_id, {"subject": subject})
    world.advance(timedelta(days=1))
    assert [record["subject"] for record in delivered(outbox).records] == ["a", "b", "c"]


def test_no_interval_is_shorter_than_a_minute(world: World, outbox: Outbox) -> None:
    webhook_id = subscribe(world, "created", webhook_type="virtual", interval=0.1)
    ticket(world)
    world.advance(timedelta(seconds=59))
    assert delivered(outbox).bodies == []
    world.advance(timedelta(seconds=1))
    assert len(delivered(outbox).bodies) == 1
    world.change_webhook(webhook_id, interval=None)
    ticket(world)
    world.advance(timedelta(minutes=59))
    assert delivered(outbox).bodies == []


# All that there is


@pytest.mark.parametrize(("kind", "event"), [("native", "created"), ("native", "updated"), ("virtual", "updated")])
@pytest.mark.parametrize(("count", "sizes"), [(0, [0]), (1, [1]), (100, [100]), (201, [100, 100, 1])])
def test_include_all_sends_everything_first(
    world: World, outbox: Outbox, kind: str, event: str, count: int, sizes: list[int]
) -> None:
    ids = [ticket(world) for _ in range(count)]
    subscribe(world, event, webhook_type=kind, include_all=True, fields="id")
    receiver = delivered(outbox)
    assert [len(delivery["data"]) for delivery in receiver.deliveries] == sizes
    assert [record["id"] for record in receiver.records] == ids
    types = [delivery["type"] for delivery in receiver.deliveries]
    assert types == ["INITIAL-PARTIAL"] * (len(sizes) - 1) + ["INITIAL-COMPLETE"]


def test_include_all_of_what_was_deleted_is_nothing(world: World, outbox: Outbox) -> None:
    ticket(world)
    subscribe(world, "deleted", include_all=True)
    [delivery] = delivered(outbox).deliveries
    assert (delivery["type"], delivery["data"]) == ("INITIAL-COMPLETE", [])


def test_without_include_all_the_past_is_not_told(world: World, outbox: Outbox) -> None:
    ticket(world)
    subscribe(world, "created")
    subscribe(world, "created", webhook_type="virtual")
    world.advance(timedelta(days=1))
    assert delivered(outbox).bodies == []


# What becomes of it


@pytest.mark.parametrize("status", [None, 199, 300, 302, 400, 401, 404, 410, 429, 500, 503])
def test_only_2xx_is_acceptance_and_a_native_delivery_is_lost_after_three_tries(
    world: World, outbox: Outbox, status: int | None
) -> None:
    webhook_id = subscribe(world, "created")
    ticket(world)
    receiver = delivered(outbox, *[status] * 9)
    assert len(receiver.bodies) == 3
    assert len(set(receiver.bodies)) == 1
    assert world.webhooks[webhook_id]["is_healthy"] is False
    word = "unreachable" if status is None else "refused"
    assert outbox.outcomes == {word: 3, "lost": 1}
    assert outbox.waiting() == 0


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_delivery_that_was_accepted_is_not_repeated(world: World, outbox: Outbox, status: int) -> None:
    webhook_id = subscribe(world, "created")
    ticket(world)
    assert len(delivered(outbox, 500, 500, status).bodies) == 3
    assert delivered(outbox).bodies == []
    assert world.webhooks[webhook_id]["is_healthy"] is True
    assert outbox.outcomes == {"refused": 2, "accepted": 1}


def test_an_unhealthy_webhook_is_tried_once_for_each_event_until_one_is_accepted(world: World, outbox: Outbox) -> None:
    webhook_id = subscribe(world, "created")
    ticket(world)
    delivered(outbox, 500, 500, 500)
    for _ in range(3):
        ticket(world)
        assert len(delivered(outbox, 500, 500).bodies) == 1
    assert world.webhooks[webhook_id]["is_healthy"] is False
    ticket(world)
    assert len(delivered(outbox).bodies) == 1
    assert world.webhooks[webhook_id]["is_healthy"] is True
    ticket(world)
    assert len(delivered(outbox, 500, 500).bodies) == 3


def test_a_virtual_delivery_is_tried_again_after_growing_waits_for_three_days(world: World, outbox: Outbox) -> None:
    webhook_id = subscribe(world, "created", webhook_type="virtual")
    ticket(world)
    world.advance(timedelta(hours=1))
    begin, tries = world.now_milliseconds, []
    while outbox.waiting():
        if delivered(outbox, 503).bodies:
            tries.append((world.now_milliseconds - begin) / 60_000)
        world.advance(timedelta(minutes=1))
    assert tries[:6] == [0, 1, 3, 7, 15, 31]
    waits = [after - before for before, after in pairwise(tries)]
    assert waits == sorted(waits)
    assert max(waits) == 360
    assert PATIENCE / 60_000 - 360 < tries[-1] <= PATIENCE / 60_000
    assert world.webhooks[webhook_id]["is_healthy"] is False
    assert outbox.outcomes["lost"] == 1


def test_a_virtual_delivery_outlives_a_receiver_that_is_down(world: World, outbox: Outbox) -> None:
    webhook_id = subscribe(world, "created", webhook_type="virtual")
    ticket(world)
    world.advance(timedelta(hours=1))
    first = delivered(outbox, None)
    assert delivered(outbox).bodies == []
    world.advance(timedelta(minutes=1))
    assert delivered(outbox).bodies == first.bodies
    assert world.webhooks[webhook_id]["is_healthy"] is True


def test_the_three_days_begin_with_the_first_try(world: World, outbox: Outbox) -> None:
    subscribe(world, "created", webhook_type="virtual")
    ticket(world)
    world.advance(timedelta(days=10))
    assert len(delivered(outbox, 503).bodies) == 1
    world.advance(timedelta(minutes=1))
    assert len(delivered(outbox).bodies) == 1


def test_a_paused_native_webhook_loses_what_happens_meanwhile(world: World, outbox: Outbox) -> None:
    webhook_id = subscribe(world, "created")
    ticket(world, "waiting when the pause begins")
    world.change_webhook(webhook_id, is_paused=True)
    ticket(world, "made in the pause")
    assert delivered(outbox).bodies == []
    world.change_webhook(webhook_id, is_paused=False)
    ticket(world, "made after it")
    assert [record["subject"] for record in delivered(outbox).records] == ["made after it"]
    assert outbox.outcomes == {"lost": 1, "accepted": 1}


def test_a_paused_virtual_webhook_catches_up(world: World, outbox: Outbox) -> None:
    webhook_id = subscribe(world, "created", webhook_type="virtual")
    ticket(world, "waiting when the pause begins")
    world.advance(timedelta(hours=1))
    world.change_webhook(webhook_id, is_paused=True)
    meanwhile = ticket(world, "made in the pause")
    world.advance(timedelta(days=5))
    world.patch("one", "ticket", meanwhile, {"subject": "made in the pause and changed"})
    assert delivered(outbox).bodies == []
    assert not outbox.has_due()
    world.change_webhook(webhook_id, is_paused=False)
    subjects = [record["subject"] for record in delivered(outbox).records]
    assert subjects == ["waiting when the pause begins", "made in the pause and changed"]


def test_a_pause_in_the_middle_of_a_round_holds_the_rest_back(world: World, outbox: Outbox) -> None:
    webhook_id = subscribe(world, "created", webhook_type="virtual")
    for _ in range(150):
        ticket(world)
    world.advance(timedelta(hours=1))

    def pausing(url: str, body: bytes) -> int:
        world.change_webhook(webhook_id, is_paused=True)
        return 200

    assert outbox.deliver(pausing) == 1
    world.change_webhook(webhook_id, is_paused=False)
    assert [len(delivery["data"]) for delivery in delivered(outbox).deliveries] == [50]


def test_what_waits_for_a_subscription_that_has_ended_is_not_sent(world: World, outbox: Outbox) -> None:
    native, virtual = subscribe(world, "created"), subscribe(world, "created", webhook_type="virtual")
    ticket(world)
    world.advance(timedelta(hours=1))
    world.change_webhook(virtual, is_paused=True)
    for webhook_id in (native, virtual):
        world.remove_webhook(webhook_id)
    assert delivered(outbox).bodies == []
    assert (outbox.outcomes, outbox.waiting()) == ({"unsubscribed": 2}, 0)


def test_webhooks_end_with_their_connection(world: World, outbox: Outbox) -> None:
    for kind in ("native", "virtual"):
        subscribe(world, "created", webhook_type=kind)
    ticket(world)
    world.remove_connection("one")
    world.advance(timedelta(days=1))
    assert (world.webhooks, delivered(outbox).bodies) == ({}, [])


def test_a_new_address_holds_for_what_waits_already(world: World, outbox: Outbox) -> None:
    webhook_id = subscribe(world, "created")
    ticket(world)
    world.change_webhook(webhook_id, hook_url="https://elsewhere.example")
    assert delivered(outbox).urls == ["https://elsewhere.example"]


# Bad days


def test_a_duplicate_has_the_same_bytes_and_comes_now_or_later(world: World) -> None:
    outbox = Outbox(world, faults=PostFaults(duplicate=1, delay_seconds=30))
    subscribe(world, "created")
    for _ in range(40):
        ticket(world)
    at_once = Counter(delivered(outbox).bodies)
    assert set(at_once.values()) == {1, 2}
    world.advance(timedelta(seconds=30))
    assert set((at_once + Counter(delivered(outbox).bodies)).values()) == {2}


def test_a_redelivery_has_another_nonce_and_signature_for_the_same_data(world: World) -> None:
    outbox = Outbox(world, faults=PostFaults(redeliver_with_new_nonce=1))
    subscribe(world, "created")
    ticket(world)
    receiver = delivered(outbox)
    world.advance(timedelta(minutes=1))
    outbox.deliver(receiver)
    one, other = receiver.deliveries
    assert one["data"] == other["data"]
    assert all(one[name] != other[name] for name in ("nonce", "sig", "sig256"))
    data = json.dumps(other["data"], separators=(",", ":"))
    assert other["sig256"] == signature((data + other["nonce"]).encode(), hashlib.sha256)


def test_a_delayed_delivery_is_passed_by_others(world: World) -> None:
    outbox = Outbox(world, faults=PostFaults(delay=0.5, delay_seconds=600))
    subscribe(world, "created")
    ids = [ticket(world) for _ in range(40)]
    receiver = delivered(outbox)
    assert 0 < len(receiver.bodies) < 40
    world.advance(timedelta(seconds=600))
    outbox.deliver(receiver)
    told = [record["id"] for record in receiver.records]
    assert told != ids
    assert sorted(told) == sorted(ids)


def test_reordered_deliveries_are_shuffled_among_what_waits(world: World) -> None:
    outbox = Outbox(world, faults=PostFaults(reorder=1))
    subscribe(world, "created")
    ids = [ticket(world) for _ in range(40)]
    told = [record["id"] for record in delivered(outbox).records]
    assert told != ids
    assert sorted(told) == sorted(ids)


def test_a_dropped_delivery_never_comes_and_nobody_is_told(world: World) -> None:
    outbox = Outbox(world, faults=PostFaults(drop=0.5))
    webhook_id = subscribe(world, "created")
    for _ in range(40):
        ticket(world)
    receiver = delivered(outbox)
    world.advance(timedelta(days=4))
    outbox.deliver(receiver)
    assert 0 < len(receiver.bodies) < 40
    assert outbox.outcomes == {"accepted": len(receiver.bodies), "dropped": 40 - len(receiver.bodies)}
    assert world.webhooks[webhook_id]["is_healthy"] is True


def test_a_lost_answer_makes_the_vendor_deliver_again(world: World) -> None:
    outbox = Outbox(world, faults=PostFaults(lost_answer=1))
    webhook_id = subscribe(world, "created")
    ticket(world)
    receiver = delivered(outbox)
    assert len(receiver.bodies) == 3
    assert len(set(receiver.bodies)) == 1
    assert outbox.outcomes == {"lost_answer": 3, "lost": 1}
    assert world.webhooks[webhook_id]["is_healthy"] is False


def test_deletions_by_id_only_concern_a_share_of_deletions_and_nothing_else(world: World) -> None:
    outbox = Outbox(world, faults=PostFaults(deletions_by_id_only=0.5))
    for event in EVENTS:
        subscribe(world, event)
    for _ in range(40):
        world.delete("one", "ticket", ticket(world))
    told: dict[str, list[Record]] = {event: [] for event in EVENTS}
    for delivery in delivered(outbox).deliveries:
        told[delivery["webhook"]["event"]] += delivery["data"]
    assert all("subject" in record for record in told["created"])
    assert {len(record) for record in told["deleted"]} == {1, len(told["created"][0])}


def test_another_seed_has_another_bad_day() -> None:
    def dropped(seed: int) -> list[str]:
        world = desk()
        outbox = Outbox(world, faults=PostFaults(seed=seed, drop=0.5))
        subscribe(world, "created")
        ids = [ticket(world) for _ in range(40)]
        return sorted(set(ids) - {record["id"] for record in delivered(outbox).records})

    assert dropped(1) == dropped(1) != dropped(2)


def test_post_faults_are_off_by_default_and_can_be_set_at_any_time(world: World, outbox: Outbox) -> None:
    subscribe(world, "created")
    ids = [ticket(world) for _ in range(20)]
    assert [record["id"] for record in delivered(outbox).records] == ids
    outbox.faults = PostFaults(drop=1)
    ticket(world)
    outbox.faults = PostFaults()
    last = ticket(world)
    assert [record["id"] for record in delivered(outbox).records] == [last]


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_a_share_is_from_0_to_1(share: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{share} is a share"):
        msgspec.convert({share: value}, PostFaults)


def test_a_delay_is_no_negative_time() -> None:
    with pytest.raises(ValueError, match="delay_seconds"):
        PostFaults(delay_seconds=-1)


faults_without_drop = st.builds(
    PostFaults,
    seed=st.integers(0, 99),
    delay_seconds=st.floats(0, 600),
    **dict.fromkeys((share for share in SHARES if share != "drop"), st.floats(0, 1)),
)
changes = st.lists(st.tuples(st.sampled_from(("create", "patch", "delete")), st.integers(0, 9)), max_size=12)


class MoodyReceiver(Receiver):
    """Fails some bodies once or twice, by dice that know only the body and how often it came."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.accepted: list[Record] = []

    def __call__(self, url: str, body: bytes) -> int | None:
        super().__call__(url, body)
        tries = self.bodies.count(body)
        rolled = hashlib.sha256(b"%d %d " % (self.seed, tries) + body).digest()[0] % 3
        if rolled and tries < 3:
            return (503, None)[rolled - 1]
        self.accepted.append(json.loads(body))
        return 200


def a_day(world: World, outbox: Outbox, receiver: Receiver, happenings: list[tuple[str, int]]) -> set[tuple[str, str]]:
    """Let things happen, some of them delivered soon and some late; what happened to which tickets."""
    happened = set()
    for change, number in happenings:
        ids = [record["id"] for record in world.records("one", "ticket")]
        chosen = ids[number % len(ids)] if ids else ""
        if change == "create" or not ids:
            happened.add(("created", ticket(world)))
        elif change == "patch":
            happened.add(("updated", world.patch("one", "ticket", chosen, {})["id"]))
        else:
            happened.add(("deleted", chosen))
            world.delete("one", "ticket", chosen)
        if number % 2:
            outbox.deliver(receiver)
    while outbox.waiting() or world.now < DEFAULT_START + timedelta(days=1):
        world.advance(timedelta(hours=1))
        outbox.deliver(receiver)
    return happened


@given(faults_without_drop, st.integers(0, 99), changes)
def test_every_event_is_sent_at_least_once_and_the_same_seed_sends_the_same(
    faults: PostFaults, seed: int, happenings: list[tuple[str, int]]
) -> None:
    runs = []
    for _ in range(2):
        world, receiver = desk(), MoodyReceiver(seed)
        outbox = Outbox(world, faults=faults)
        for event in EVENTS:
            subscribe(world, event)
        happened = a_day(world, outbox, receiver, happenings)
        sent = {(row["webhook"]["event"], record["id"]) for row in receiver.deliveries for record in row["data"]}
        assert sent == happened
        runs.append(receiver.bodies)
    assert runs[0] == runs[1]


@given(faults_without_drop, st.integers(0, 99), changes)
def test_virtual_webhooks_get_where_each_record_stands_across_to_a_receiver_that_fails(
    faults: PostFaults, seed: int, happenings: list[tuple[str, int]]
) -> None:
    world, receiver = desk(), MoodyReceiver(seed)
    outbox = Outbox(world, faults=faults)
    for event in ("created", "updated"):
        subscribe(world, event, webhook_type="virtual", interval=60)
    a_day(world, outbox, receiver, happenings)
    accepted = [record for delivery in receiver.accepted for record in delivery["data"]]
    assert all(shown(record) in accepted for record in world.records("one", "ticket"))


# The running server


class Listener:
    """A receiver on a socket; `status` is its answer."""

    def __init__(self) -> None:
        self.status = 200
        self.bodies: list[bytes] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                listener.bodies.append(self.rfile.read(int(self.headers["content-length"])))
                listener.may_answer.wait(timeout=10)
                self.send_response(listener.status)
                self.send_header("location", listener.url)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    @property
    def records(self) -> list[Record]:
        return [record for body in self.bodies for record in json.loads(body)["data"]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    thread = threading.Thread(target=listener.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()
    thread.join()


def couriers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "courier"]


def hook(client: httpx.Client, connection: str, listener: Listener, event: str = "created", **fields: Any) -> Record:
    body = {"connection_id": connection, "object_type": "ticketing_ticket", "event": event, "hook_url": listener.url}
    answer = client.post("/unified/webhook", json={**body, **fields})
    assert answer.status_code == 200
    webhook: Record = answer.json()
    return webhook


def test_writes_through_the_api_are_delivered(
    sandbox: Sandbox, client: httpx.Client, zendesk: str, listener: Listener
) -> None:
    hook(client, zendesk, listener)
    hook(client, zendesk, listener, "updated")
    made = client.post(f"/ticketing/{zendesk}/ticket", json={"subject": "Bell"}).json()
    patched = client.patch(f"/ticketing/{zendesk}/ticket/{made['id']}", json={"subject": "Big bell"}).json()
    sandbox.wait_for_deliveries()
    assert listener.records == [made, patched]
    assert client.get("/_sandbox").json()["deliveries"] == {"accepted": 2, "waiting": 0}
    assert sandbox.deliveries == {"accepted": 2}
    sandbox.reset_counters()
    assert not sandbox.deliveries


def test_life_is_delivered(sandbox: Sandbox, client: httpx.Client, zendesk: str, listener: Listener) -> None:
    hook(client, zendesk, listener)
    before = {record["id"] for record in sandbox.world.records(zendesk, "ticket")}
    client.post("/_sandbox/live", json={"hours": 24})
    sandbox.wait_for_deliveries()
    new = [record["id"] for record in sandbox.world.records(zendesk, "ticket") if record["id"] not in before]
    assert [record["id"] for record in listener.records] == new != []


def test_all_that_there_is_is_delivered_first(
    sandbox: Sandbox, client: httpx.Client, zendesk: str, listener: Listener
) -> None:
    body = {"connection_id": zendesk, "object_type": "ticketing_note", "event": "created", "hook_url": listener.url}
    assert client.post("/unified/webhook?include_all=true", json=body).status_code == 200
    sandbox.wait_for_deliveries()
    assert listener.records == [shown(record) for record in sandbox.world.records(zendesk, "note")]
    assert json.loads(listener.bodies[-1])["type"] == "INITIAL-COMPLETE"


def test_the_clock_and_the_end_of_a_pause_bring_deliveries(
    sandbox: Sandbox, client: httpx.Client, listener: Listener
) -> None:
    servicenow = connection_id(sandbox, "servicenow")
    webhook = hook(client, servicenow, listener)
    sandbox.world.create(servicenow, "ticket", {"subject": "one"})
    sandbox.wait_for_deliveries()
    assert listener.bodies == []
    client.post("/_sandbox/clock", json={"advance_seconds": 3_600})
    sandbox.wait_for_deliveries()
    client.patch(f"/unified/webhook/{webhook['id']}", json={"is_paused": True})
    sandbox.world.create(servicenow, "ticket", {"subject": "two"})
    client.post("/_sandbox/clock", json={"advance_seconds": 3_600})
    sandbox.wait_for_deliveries()
    assert [record["subject"] for record in listener.records] == ["one"]
    client.patch(f"/unified/webhook/{webhook['id']}", json={"is_paused": False})
    sandbox.wait_for_deliveries()
    assert [record["subject"] for record in listener.records] == ["one", "two"]


@pytest.mark.parametrize("status", [302, 307, 500])
def test_redirects_are_not_followed_and_errors_make_a_webhook_unhealthy(
    sandbox: Sandbox, client: httpx.Client, zendesk: str, listener: Listener, status: int
) -> None:
    webhook = hook(client, zendesk, listener)
    listener.status = status
    sandbox.world.create(zendesk, "ticket", {"subject": "lost"})
    sandbox.wait_for_deliveries()
    assert len(listener.bodies) == 3
    assert sandbox.deliveries == {"refused": 3, "lost": 1}
    assert client.get(f"/unified/webhook/{webhook['id']}").json()["is_healthy"] is False


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/hook", "http", "http://.nowhere/", "http://[::1"])
def test_an_address_where_nobody_answers_hinders_no_other(
    sandbox: Sandbox, client: httpx.Client, zendesk: str, listener: Listener, url: str
) -> None:
    hook(client, zendesk, listener, hook_url=url)
    hook(client, zendesk, listener)
    sandbox.world.create(zendesk, "ticket", {"subject": "Bell"})
    sandbox.wait_for_deliveries()
    assert [record["subject"] for record in listener.records] == ["Bell"]
    assert sandbox.deliveries == {"unreachable": 3, "lost": 1, "accepted": 1}


def test_waiting_in_vain_is_an_error(sandbox: Sandbox, client: httpx.Client, zendesk: str, listener: Listener) -> None:
    hook(client, zendesk, listener)
    listener.may_answer.clear()
    sandbox.world.create(zendesk, "ticket", {})
    with pytest.raises(TimeoutError, match="not settled"):
        sandbox.wait_for_deliveries(timeout=0.05)
    listener.may_answer.set()
    sandbox.wait_for_deliveries()


def test_secret_and_post_faults_are_the_sandboxs(listener: Listener) -> None:
    with Sandbox(tickets=8, webhook_secret="mine", post_faults=PostFaults(drop=1)) as sandbox:
        zendesk = connection_id(sandbox, "zendesk")
        sandbox.world.add_webhook(zendesk, "ticketing_ticket", "created", listener.url)
        sandbox.world.create(zendesk, "ticket", {"subject": "dropped"})
        sandbox.post_faults = PostFaults()
        sandbox.world.create(zendesk, "ticket", {"subject": "signed"})
        sandbox.wait_for_deliveries()
    [delivery] = map(json.loads, listener.bodies)
    message = json.dumps(delivery["data"], separators=(",", ":")) + delivery["nonce"]
    expected = hmac.new(b"mine", message.encode(), hashlib.sha256).digest()
    assert base64.b64decode(delivery["sig256"]) == expected
    assert delivery["data"][0]["subject"] == "signed"
    assert (sandbox.webhook_secret, sandbox.deliveries) == ("mine", {"dropped": 1, "accepted": 1})


def test_nothing_is_started_before_a_subscription_and_nothing_goes_on_after_the_end(listener: Listener) -> None:
    world = World.seeded(tickets=8)
    with Sandbox(world=world) as sandbox:
        zendesk = connection_id(sandbox, "zendesk")
        world.create(zendesk, "ticket", {})
        assert couriers() == []
        world.add_webhook(zendesk, "ticketing_ticket", "created", listener.url)
        world.add_webhook(zendesk, "ticketing_ticket", "updated", listener.url)
        assert len(couriers()) == 1
    assert couriers() == []
    world.create(zendesk, "ticket", {})
    assert listener.bodies == []
    with Sandbox(world=world) as sandbox:
        world.create(zendesk, "ticket", {"subject": "heard by the next"})
        sandbox.wait_for_deliveries()
    assert [record["subject"] for record in listener.records] == ["heard by the next"]


def test_the_official_client_subscribes_with_fields_interval_and_include_all(
    sandbox: Sandbox, zendesk: str, listener: Listener
) -> None:
    body = {
        "connection_id": zendesk,
        "object_type": "ticketing_ticket",
        "event": "updated",
        "hook_url": listener.url,
        "webhook_type": "virtual",
        "interval": 15,
        "fields": "id,subject,raw",
    }
    security = shared.Security(jwt=f"bearer {sandbox.api_key}")
    with unified_python_sdk.UnifiedTo(security=security, server_url=sandbox.base_url) as sdk:
        made = sdk.webhook.create_unified_webhook(request={"webhook": body, "include_all": True}).webhook
        assert made is not None
        read = sdk.webhook.get_unified_webhook(request={"id": made.id}).webhook
    assert read == made
    assert (made.fields, made.interval, made.webhook_type) == ("id,subject,raw", 15, "virtual")
    assert made.checked_at == sandbox.world.now
    sandbox.wait_for_deliveries()
    assert [set(record) for record in listener.records] == [{"id", "subject", "raw"}] * len(
        sandbox.world.records(zendesk, "ticket")
    )


PROGRAM = "from pipelines.sandbox import serve; serve(tickets=20, port=0, announce=lambda url: print(url, flush=True))"


def test_a_program_of_its_own_delivers_and_ends_cleanly(listener: Listener) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with httpx.Client(base_url=url, headers={"authorization": "bearer sandbox-api-key"}) as client:
            connection = client.get("/unified/connection").json()[0]["id"]
            hook(client, connection, listener)
            client.post(f"/ticketing/{connection}/ticket", json={"subject": "Bell"})
            give_up_at = time.monotonic() + 10
            while client.get("/_sandbox").json()["deliveries"]["waiting"] and time.monotonic() < give_up_at:
                time.sleep(0.01)
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=10) == 0
    assert [record["subject"] for record in listener.records] == ["Bell"]


@pytest.mark.parametrize("interval", [-1, 1e7, "often", True])
def test_an_interval_is_a_number_of_minutes(client: httpx.Client, zendesk: str, interval: object) -> None:
    body = {"connection_id": zendesk, "object_type": "ticketing_ticket", "event": "created", "hook_url": HOOK}
    answer = client.post("/unified/webhook", json={**body, "interval": interval})
    assert (answer.status_code, answer.json()["message"][:9]) == (400, "interval:")
