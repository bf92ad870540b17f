"""The door: what is proven is on the disk before it is acknowledged; what is not is refused, whatever it is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import sqlite3
import tracemalloc
from collections.abc import Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pipelines.settings import WebhookSettings
from pipelines.webhooks import receiver as receiver_module
from pipelines.webhooks.inbox import Contents, Inbox
from pipelines.webhooks.receiver import OUTCOMES, receiver

SECRET = "s3cr3t"
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def settings_with(**changed: Any) -> WebhookSettings:
    webhooks = WebhookSettings()
    webhooks.update({"secret": SECRET, **changed})
    return webhooks


DATA = b'[{"id": "t1", "description": "the payload"}]'
"""What is signed in the first delivery, without its nonce."""


def delivery(number: int = 1, secret: str = SECRET, **changed: Any) -> bytes:
    data = json.dumps([{"id": f"t{number}", "description": "the payload"}])
    nonce = changed.pop("nonce", f"n{number}")
    signature = base64.b64encode(hmac.digest(secret.encode(), f"{data}{nonce}".encode(), "sha256")).decode()
    webhook = {"connection_id": "c", "object_type": "ticketing_ticket", "event": "updated"}
    rest = json.dumps({"webhook": webhook, "nonce": nonce, "sig256": signature, "type": "NATIVE", **changed})
    return f'{{"data": {data}, {rest[1:]}'.encode()


@pytest.fixture
def inbox_path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.sqlite3"


@contextmanager
def open_door(inbox_path: Path, **changed: Any) -> Iterator[TestClient]:
    with TestClient(receiver(inbox_path, settings_with(**changed), lambda: NOON)) as client:
        yield client


@pytest.fixture
def door(inbox_path: Path) -> Iterator[TestClient]:
    with open_door(inbox_path) as client:
        yield client


def kept(inbox_path: Path) -> list[bytes]:
    with Inbox(inbox_path) as inbox:
        return [letter.body for letter in inbox.first(10**6, 10**9, 0, 10**9)]


@pytest.mark.parametrize("path", ["/", "/hook", "/a/b/c"])
def test_what_is_proven_is_kept_as_it_came_on_whatever_path(door: TestClient, inbox_path: Path, path: str) -> None:
    answer = door.post(path, content=delivery())
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    assert kept(inbox_path) == [delivery()]


def test_a_second_time_it_is_acknowledged_and_not_kept(door: TestClient, inbox_path: Path) -> None:
    """The vendor must not take a receiver for unhealthy to which it repeats itself."""
    door.post("/", content=delivery())
    again = door.post("/", content=delivery(type="VIRTUAL", webhook={"event": "deleted"}))
    assert (again.status_code, again.json()) == (200, {"status": "known"})
    assert kept(inbox_path) == [delivery()]
    assert door.post("/", content=delivery(nonce="another")).json() == {"status": "accepted"}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (delivery(secret="another"), 401, "webhooks.secret"),
        (delivery(sig256=None), 401, "no signature"),
        (delivery(sig256=None, sig="AAAA"), 401, "webhooks.accept_sha1"),
        (b"no JSON", 400, "expected a JSON object"),
        (b'{"data": []}', 400, "nonce"),
        (delivery() + b" " * 1024 * 1024, 413, "at most 1 MB"),
    ],
    ids=["another secret", "no signature", "sig alone", "no JSON", "no nonce", "too large"],
)
def test_what_is_refused_is_told_why_and_nobody_reads_of_it(
    inbox_path: Path, caplog: pytest.LogCaptureFixture, body: bytes, status: int, reason: str
) -> None:
    with caplog.at_level(logging.INFO), open_door(inbox_path, largest_body_mb=1) as door:
        answer = door.post("/", content=body)
    assert answer.status_code == status
    assert reason in answer.json()["error"]
    assert f"refused with {status}" in caplog.text
    assert reason in caplog.text
    for secret in (SECRET, "the payload", "AAAA"):
        assert secret not in caplog.text + answer.text
    assert kept(inbox_path) == []


def test_a_delivery_is_known_again_however_it_is_spaced(door: TestClient, inbox_path: Path) -> None:
    """Where the API signs what it does not send byte for byte, whoever has one delivery could make many of it."""
    signature = base64.b64encode(hmac.digest(SECRET.encode(), b'[{"id":"t1"}]n1', "sha256")).decode()
    rest = f'"nonce": "n1", "sig256": "{signature}", "webhook": {{"event": '
    answers = [
        door.post("/", content=f'{{"data": {data}, {rest} "{event}"}}}}'.encode()).json()
        for data, event in (
            ('[ {"id": "t1"} ]', "updated"),
            ('[{"id" : "t1"}]', "deleted"),
            ('[{"id":"t1"}]', "updated"),
        )
    ]
    assert answers == [{"status": "accepted"}, {"status": "known"}, {"status": "known"}]
    assert len(kept(inbox_path)) == 1


@pytest.mark.parametrize("fault", [MemoryError("no more"), RuntimeError("whatever")])
def test_a_fault_that_nobody_foresaw_is_answered_and_the_next_delivery_is_kept(
    door: TestClient, inbox_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(*_: object) -> None:
        raise fault

    with monkeypatch.context() as broken:
        broken.setattr(Inbox, "add", fail)
        assert door.post("/", content=delivery(1)).status_code == 503
    assert door.post("/", content=delivery(2)).status_code == 200
    assert door.get("/readyz").status_code == 200
    assert kept(inbox_path) == [delivery(2)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": [' + b"{}," * 2_000_000 + b'{}], "nonce": "n", "sig256": "AAAA"}',
        b'{"data": [], "nonce": "n", "sig256": "AAAA", "webhook": [' + b"{}," * 2_000_000 + b"{}]}",
        b'{"data": [NaN,' + b"{}," * 2_000_000 + b'{}], "nonce": "n", "sig256": "AAAA"}',
    ],
    ids=["data", "webhook", "data that a strict reader refuses"],
)
def test_what_anybody_may_send_takes_little_memory(inbox_path: Path, body: bytes) -> None:
    """Brackets alone take thirty times their size once they are taken apart."""
    with open_door(inbox_path) as door:
        tracemalloc.start()
        status = door.post("/", content=body).status_code
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert status == 401
    assert peak < 8 * len(body)


def test_a_body_is_refused_before_all_of_it_has_come(inbox_path: Path) -> None:
    """Asked as a server asks it: a client of tests reads all that it is to send first."""
    chunks = 0
    said: list[MutableMapping[str, Any]] = []

    async def endless() -> dict[str, Any]:
        nonlocal chunks
        chunks += 1
        return {"type": "http.request", "body": b"x" * 100_000, "more_body": chunks < 1_000}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    asyncio.run(receiver(inbox_path, settings_with(largest_body_mb=1))(scope, endless, send))
    assert said[0]["status"] == 413
    assert chunks == 11, "so many are more than a megabyte"


def test_an_inbox_that_cannot_be_written_acknowledges_nothing(
    inbox_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_door(inbox_path) as door:
        assert door.get("/readyz").status_code == 200
        monkeypatch.setattr("pipelines.webhooks.inbox._SECONDS_TO_WAIT", 0.1)
        with closing(sqlite3.connect(inbox_path, isolation_level=None)) as other:
            other.execute("begin immediate")
            assert door.post("/", content=delivery()).status_code == 503
            assert door.get("/readyz").status_code == 503
            assert door.get("/healthz").status_code == 200
            other.execute("rollback")
        assert door.get("/readyz").status_code == 200
        assert door.post("/", content=delivery()).json() == {"status": "accepted"}
    assert kept(inbox_path) == [delivery()]


def test_where_the_inbox_was_removed_nothing_is_acknowledged_until_the_receiver_is_started_again(
    door: TestClient, inbox_path: Path
) -> None:
    assert door.post("/", content=delivery(1)).status_code == 200
    inbox_path.unlink()
    assert door.post("/", content=delivery(2)).status_code == 503
    assert door.get("/readyz").status_code == 503
    with open_door(inbox_path) as another:
        assert another.post("/", content=delivery(2)).status_code == 200


def test_whoever_asks_at_once_has_the_inbox_looked_into_once(inbox_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look may take as long as another process writes, and holds a thread that deliveries need."""
    looks = []
    contents = Inbox.contents

    def slow(inbox: Inbox) -> Contents:
        looks.append(inbox)
        sleep(1)
        return contents(inbox)

    monkeypatch.setattr(Inbox, "contents", slow)
    with open_door(inbox_path) as door, ThreadPoolExecutor(20) as callers:
        answers = list(callers.map(lambda path: door.get(path).status_code, ["/readyz", "/metrics"] * 10))
    assert answers == [200] * 20
    assert len(looks) < 5


def test_a_full_inbox_says_so_until_there_is_room(inbox_path: Path) -> None:
    with open_door(inbox_path, largest_inbox_mb=1) as door:
        answers = [door.post("/", content=delivery(n, filling="x" * 60_000)) for n in range(20)]
        assert [answer.status_code for answer in answers][-1] == 503
        assert "inbox is full" in answers[-1].json()["error"]
        accepted = sum(answer.status_code == 200 for answer in answers)
        assert len(kept(inbox_path)) == accepted > 5
        assert "is full" in door.get("/readyz").text
        with Inbox(inbox_path) as inbox:
            inbox.belong([1, 2, 3], "load")
            inbox.settle("load", is_loaded=True)
        assert door.post("/", content=delivery(19, filling="x" * 60_000)).json() == {"status": "accepted"}


def test_too_many_at_once_are_told_to_come_back(inbox_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "_MOST_IN_FLIGHT", 100)
    with open_door(inbox_path) as door:
        assert door.post("/", content=delivery()).status_code == 503
        monkeypatch.setattr(receiver_module, "_MOST_IN_FLIGHT", 10_000)
        assert door.post("/", content=delivery()).status_code == 200


def test_during_a_rotation_both_secrets_open(inbox_path: Path) -> None:
    with open_door(inbox_path, secret="new", secret_before=SECRET) as door:
        assert door.post("/", content=delivery(1)).status_code == 200
        assert door.post("/", content=delivery(2, secret="new")).status_code == 200


def test_the_older_signature_opens_where_it_is_allowed(inbox_path: Path) -> None:
    sha1 = base64.b64encode(hmac.new(SECRET.encode(), DATA + b"n1", hashlib.sha1).digest()).decode()
    with open_door(inbox_path, accept_sha1=True) as door:
        assert door.post("/", content=delivery(sig256=None, sig=sha1)).status_code == 200


def test_other_methods_take_nothing(door: TestClient, inbox_path: Path) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert door.request(method, "/hook", content=delivery()).status_code == 405
    assert kept(inbox_path) == []


def test_the_counters_tell_what_became_of_deliveries(door: TestClient) -> None:
    for body in (delivery(1), delivery(2), delivery(2), b"", delivery(secret="another")):
        door.post("/", content=body)
    told = dict(line.rsplit(" ", 1) for line in door.get("/metrics").text.splitlines() if line[0] != "#")
    counted = {name: int(told[f'ticketing_deliveries_total{{outcome="{name}"}}']) for name in OUTCOMES}
    assert counted == dict.fromkeys(OUTCOMES, 0) | {"accepted": 2, "known": 1, "malformed": 1, "unsigned": 1}
    assert (told["ticketing_inbox_waiting"], told["ticketing_inbox_dead_letters"]) == ("2", "0")


json_parts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
envelopes = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("data", "webhook", "nonce", "sig", "sig256", "type"), json_parts),
).map(lambda parts: json.dumps(parts).encode())
mangled = st.tuples(st.integers(0, 400), st.binary(max_size=3)).map(
    lambda cut: delivery()[: cut[0]] + cut[1] + delivery()[cut[0] + len(cut[1]) :]
)
headers = st.dictionaries(
    st.sampled_from(["content-type", "content-length", "transfer-encoding", "expect", "x-hub-signature"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
    max_size=2,
)


@settings(max_examples=300)
@given(
    body=st.binary() | envelopes | mangled,
    path=st.text(max_size=20),
    headers=headers,
    method=st.sampled_from(["POST", "POST", "POST", "GET", "OPTIONS", "HEAD"]),
)
def test_nothing_that_is_sent_to_it_upsets_the_door(
    shared_door: TestClient, body: bytes, path: str, headers: dict[str, str], method: str
) -> None:
    answer = shared_door.request(method, "/" + quote(path), content=body, headers=headers)
    assert answer.status_code < 500
    assert answer.status_code != 200 or DATA in body or method != "POST"


@pytest.fixture(scope="module")
def shared_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with open_door(tmp_path_factory.mktemp("door") / "inbox.sqlite3") as client:
        yield client
