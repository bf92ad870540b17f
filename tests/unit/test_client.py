"""The client against every kind of answer: what passes is retried, what does not is named, the key is never told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx
import pytest

from pipelines.errors import (
    ApiKeyRejected,
    CallNotOffered,
    FixConfiguration,
    GrantPermission,
    OutcomeUnknown,
    ParameterRefused,
    RequestRefused,
    TicketingError,
    TryAgainLater,
    UnknownId,
)
from pipelines.sandbox import Sandbox
from pipelines.unified_api.budget import Budget
from pipelines.unified_api.client import ATTEMPTS, Calls, UnifiedClient
from pipelines.unified_api.records import Record, Rejected
from tests.clock import LeapingClock

KEY = "key-that-must-stay-secret"
GOOD = httpx.Response(200, json=[{"id": "1", "updated_at": "2026-05-01T00:00:00Z"}])


class Server:
    """Answers from a list, one after the other; the last one again and again."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        clock = LeapingClock()
        self.slept = clock.waits
        self.client = UnifiedClient(
            "https://api.example.com", KEY, budget=Budget(clock=clock), transport=httpx.MockTransport(self.answer)
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(given, Exception):
            raise given
        return httpx.Response(given.status_code, content=given.content, headers=given.headers)


@pytest.mark.parametrize(
    "fault",
    [
        httpx.Response(429),
        httpx.Response(500, json={"message": "oops"}),
        httpx.Response(502, html="<html>Bad gateway</html>"),
        httpx.Response(503),
        httpx.Response(200, html="<html>Sign in</html>"),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b'[{"id": "1"'),
        httpx.Response(200, json={"error": "not a list"}),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("peer closed connection"),
    ],
)
def test_a_passing_fault_is_tried_again_and_counted(fault: httpx.Response | Exception) -> None:
    server, calls = Server(fault, fault, GOOD), Calls()
    assert [record.id for record in server.client.list("/x", {}, calls).records] == ["1"]
    assert (calls.requests, calls.retries) == (3, 2)
    assert calls.seconds_waited == pytest.approx(sum(server.slept), abs=0.1)


def test_a_fault_that_does_not_pass_ends_after_a_bounded_number_of_tries() -> None:
    server = Server(httpx.Response(503))
    with pytest.raises(TryAgainLater, match="answered 503, after 8 attempts"):
        server.client.list("/x", {}, Calls())
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [("7", 7.0), ("1.5", 1.5), (format_datetime(datetime(2026, 5, 1, 0, 0, 9, tzinfo=UTC)), 9.0)],
)
def test_the_server_is_asked_again_when_it_said(retry_after: str, expected: float) -> None:
    served = format_datetime(datetime(2026, 5, 1, tzinfo=UTC))
    server = Server(httpx.Response(429, headers={"retry-after": retry_after, "date": served}), GOOD)
    server.client.list("/x", {}, Calls())
    assert expected - 0.1 <= sum(server.slept) <= expected + 1.0


@pytest.mark.parametrize("retry_after", ["soon", "", "0"])
def test_a_wait_that_cannot_be_read_is_one_of_our_own(retry_after: str) -> None:
    server = Server(httpx.Response(429, headers={"retry-after": retry_after}), GOOD)
    server.client.list("/x", {}, Calls())
    assert 0 < sum(server.slept) < 5


def test_waits_without_a_word_from_the_server_grow_and_differ() -> None:
    server = Server(httpx.Response(500))
    with pytest.raises(TryAgainLater):
        server.client.list("/x", {}, Calls())
    assert server.slept[-1] > server.slept[0]
    assert len(set(server.slept)) == len(server.slept)


def test_a_server_that_wants_an_hour_is_left_to_the_next_run() -> None:
    server = Server(httpx.Response(429, headers={"retry-after": "3600"}))
    with pytest.raises(TryAgainLater):
        server.client.list("/x", {}, Calls())
    assert server.slept == []


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefused),
        (401, ApiKeyRejected),
        (403, GrantPermission),
        (404, UnknownId),
        (422, RequestRefused),
        (301, RequestRefused),
        (501, CallNotOffered),
    ],
)
def test_a_final_answer_is_named_once_and_not_retried(status: int, error: type[TicketingError]) -> None:
    server = Server(httpx.Response(status, json={"message": f"no, and your key is {KEY}\x1b[31m"}))
    with pytest.raises(error) as caught:
        server.client.list("/ticketing/c1/ticket", {}, Calls())
    assert len(server.requests) == 1
    assert f"answered {status}" in str(caught.value)
    assert "/ticketing/c1/ticket" in str(caught.value)
    assert KEY not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_an_id_that_no_url_can_hold_is_refused_and_not_shown_whole() -> None:
    server = Server(GOOD)
    for path, parameters in (("/x/" + "i" * 70_000, {}), ("/x", {"ticket_id": "i" * 70_000})):
        with pytest.raises(RequestRefused, match="an id that a URL can hold") as caught:
            server.client.list(path, parameters, Calls())
        assert len(str(caught.value)) < 400
    assert not server.requests


def test_every_request_carries_the_key_as_a_bearer() -> None:
    server = Server(GOOD)
    server.client.list("/x", {"fields": ["id", "raw"]}, Calls())
    assert server.requests[0].headers["authorization"] == f"bearer {KEY}"
    assert server.requests[0].url.query == b"fields=id&fields=raw"


@pytest.mark.parametrize(
    "base_url", ["http://api.unified.to", "ftp://x", "api.unified.to", "http://127.0.0.1.evil.com"]
)
def test_the_key_is_never_sent_in_the_clear(base_url: str) -> None:
    with pytest.raises(FixConfiguration, match="https://"):
        UnifiedClient(base_url, KEY)


def test_a_body_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.unified_api.client.LARGEST_BODY", 1000)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 100
            yield b" " * 100

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless())

    client = UnifiedClient("https://api.example.com", KEY, transport=httpx.MockTransport(respond))
    with pytest.raises(RequestRefused, match="page_size"):
        client.list("/x", {}, Calls())
    assert sent < 2000


def test_a_body_that_comes_by_drops_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.unified_api.client.LONGEST_ANSWER", 0.05)

    def drops() -> Iterator[bytes]:
        yield b"["
        for _ in range(100):
            time.sleep(0.01)
            yield b" "
        yield b"]"

    client = UnifiedClient(
        "https://api.example.com",
        KEY,
        attempts=2,
        transport=httpx.MockTransport(lambda _: httpx.Response(200, content=drops())),
        sleep=lambda _: None,
    )
    calls = Calls()
    with pytest.raises(TryAgainLater, match="expected the whole answer within"):
        client.list("/x", {}, calls)
    assert calls.requests == 2


def test_bodies_that_strict_readers_refuse_are_read_without_losing_their_records() -> None:
    surrogate, control, encoding = b'"lone \\ud800 half"', b'"raw\ttab","score":NaN', b'"\xff"'
    body = b'[{"id":"1","subject":%b},{"id":"2","subject":%b},{"id":"3","name":%b}]' % (surrogate, control, encoding)
    server = Server(httpx.Response(200, content=body))
    page = server.client.list("/x", {}, Calls())
    assert [record.id for record in page.records] == ["1", "2", "3"]
    first = page.records[0]
    assert isinstance(first, Record)
    assert "lone" in bytes(first.fields["subject"]).decode()


def test_a_page_knows_when_the_server_made_it() -> None:
    served = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
    server = Server(httpx.Response(200, json=[], headers={"date": format_datetime(served)}))
    assert server.client.list("/x", {}, Calls()).served_at == served


@pytest.mark.parametrize("body", [b"[" * 200_000, b'[{"raw":' + b"[" * 200_000])
def test_a_body_nested_without_end_is_a_fault_like_any_other(body: bytes) -> None:
    with pytest.raises(TryAgainLater, match="expected"):
        Server(httpx.Response(200, content=body)).client.list("/x", {}, Calls())


def test_a_body_that_cannot_be_unpacked_is_tried_again() -> None:
    answers = iter([httpx.Response(200, headers={"content-encoding": "gzip"}, stream=_Bytes(b"no gzip")), GOOD])
    transport = httpx.MockTransport(lambda request: next(answers))
    client = UnifiedClient("https://api.example.com", KEY, transport=transport, sleep=lambda seconds: None)
    assert len(client.list("/x", {}, Calls()).records) == 1


class _Bytes(httpx.SyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def __iter__(self) -> Iterator[bytes]:
        yield self._content


def test_a_date_beyond_all_dates_is_no_date() -> None:
    server = Server(httpx.Response(200, json=[], headers={"date": "Fri, 31 Dec 9999 23:59:59 -1200"}))
    assert server.client.list("/x", {}, Calls()).served_at.year < 9000


def test_what_is_no_record_is_listed_beside_those_that_are() -> None:
    server = Server(httpx.Response(200, json=[{"id": "1"}, {"subject": "whose?"}, 17]))
    records = server.client.list("/x", {}, Calls()).records
    assert [record.reason if isinstance(record, Rejected) else record.id for record in records] == [
        "1",
        "it has no id",
        "it is not a JSON object",
    ]
    assert len(server.requests) == 1


@pytest.mark.parametrize("cut", range(150, 230, 7))
def test_a_key_that_a_server_echoes_is_never_shown_in_part(cut: int) -> None:
    server = Server(httpx.Response(400, json={"message": "x" * cut + KEY}))
    with pytest.raises(RequestRefused) as caught:
        server.client.list("/x", {}, Calls())
    assert KEY[:6] not in str(caught.value)


def test_a_key_that_cannot_be_sent_is_refused_without_showing_it() -> None:
    with Sandbox(tickets=4) as sandbox, pytest.raises(FixConfiguration) as caught:
        UnifiedClient(sandbox.base_url, f"{KEY}\n").list("/x", {}, Calls())
    assert KEY not in str(caught.value)


def test_a_proxy_gets_nothing_of_what_a_machine_says_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Sandbox(tickets=4) as sandbox, UnifiedClient(sandbox.base_url, sandbox.api_key, attempts=1) as client:
        assert client.list("/unified/connection", {}, Calls()).records


MADE = httpx.Response(200, json={"id": "w1"})
OPEN_FAULTS = [
    httpx.Response(500, json={"message": "oops"}),
    httpx.Response(502, html="<html>Bad gateway</html>"),
    httpx.Response(503, headers={"retry-after": "1"}),
    httpx.Response(408),
    httpx.Response(530),
    httpx.Response(200, html="<html>Sign in</html>"),
    httpx.Response(200, content=b""),
    httpx.Response(200, content=b'{"id": "w'),
    httpx.ReadTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.WriteError("reset"),
    httpx.RemoteProtocolError("peer closed connection"),
]


def test_what_is_posted_is_json_and_so_is_the_answer() -> None:
    server, calls = Server(MADE), Calls()
    assert server.client.post("/x", {"name": "Zoë"}, calls, {"include_all": "true"}) == {"id": "w1"}
    (request,) = server.requests
    assert (request.method, request.url.query) == ("POST", b"include_all=true")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == f"bearer {KEY}"
    assert request.content == '{"name":"Zoë"}'.encode()
    assert calls.requests == 1


def test_a_list_is_asked_for_without_a_body() -> None:
    server = Server(GOOD)
    server.client.list("/x", {}, Calls())
    assert server.requests[0].content == b""
    assert "content-type" not in server.requests[0].headers


@pytest.mark.parametrize("method", ["post", "patch"])
@pytest.mark.parametrize("fault", OPEN_FAULTS)
def test_what_may_have_been_carried_out_is_not_sent_twice(method: str, fault: httpx.Response | Exception) -> None:
    server = Server(fault, MADE)
    with pytest.raises(OutcomeUnknown, match=f"{method.upper()} /x: .* Look there") as caught:
        getattr(server.client, method)("/x", {}, Calls())
    assert len(server.requests) == 1
    assert server.slept == []
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("method", ["post", "patch"])
@pytest.mark.parametrize(
    "fault", [httpx.Response(429), httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.ProxyError("no")]
)
def test_what_was_certainly_not_carried_out_is_sent_again(method: str, fault: httpx.Response | Exception) -> None:
    server, calls = Server(fault, fault, MADE), Calls()
    assert getattr(server.client, method)("/x", {}, calls) == {"id": "w1"}
    assert (calls.requests, calls.retries) == (3, 2)


def test_what_never_gets_through_does_not_speak_of_cursors() -> None:
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(TryAgainLater, match="POST /x: ConnectError: refused, after 8 attempts") as caught:
        server.client.post("/x", {}, Calls())
    assert "cursor" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, ParameterRefused), (401, ApiKeyRejected), (403, GrantPermission), (404, UnknownId), (501, CallNotOffered)],
)
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_final_answer_to_a_change_is_named_and_hides_the_key(
    method: str, status: int, error: type[TicketingError]
) -> None:
    server = Server(httpx.Response(status, json={"message": f"no, and your key is {KEY}\x1b[31m"}))
    with pytest.raises(error, match=f"{method} /x answered {status}: no") as caught:
        change(server.client, method)
    assert len(server.requests) == 1
    assert KEY not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def change(client: UnifiedClient, method: str) -> None:
    match method:
        case "POST":
            client.post("/x", {}, Calls())
        case "PATCH":
            client.patch("/x", {}, Calls())
        case "DELETE":
            client.delete("/x", Calls())


def test_a_key_in_a_fault_is_hidden_from_whoever_is_to_look() -> None:
    with pytest.raises(OutcomeUnknown) as caught:
        Server(httpx.ReadError(f"while sending {KEY}")).client.post("/x", {}, Calls())
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("fault", OPEN_FAULTS[:5] + OPEN_FAULTS[7:])
@pytest.mark.parametrize("last", [httpx.Response(404), httpx.Response(410), httpx.Response(204), MADE])
def test_a_removal_is_sent_again_and_what_is_gone_by_then_is_removed(
    fault: httpx.Response | Exception, last: httpx.Response
) -> None:
    server, calls = Server(fault, last), Calls()
    server.client.delete("/x", calls)
    assert [request.method for request in server.requests] == ["DELETE", "DELETE"]
    assert (calls.requests, calls.retries) == (2, 1)


def test_what_was_never_there_cannot_be_removed() -> None:
    server, calls = Server(httpx.Response(404)), Calls()
    calls.add(retries=1)
    with pytest.raises(UnknownId):
        server.client.delete("/x", calls)
    assert (calls.requests, calls.retries) == (1, 1)


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_answer_without_end_to_a_change_leaves_open_what_was_done(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("pipelines.unified_api.client.LARGEST_BODY", 1000)
    server = Server(httpx.Response(200, content=b" " * 2000))
    with pytest.raises(OutcomeUnknown, match="answered more than"):
        change(server.client, method)
    assert len(server.requests) == 1


@pytest.mark.parametrize("path", ["/unified/webhook/..", "/ticketing/c1/ticket/.", "/ticketing/../ticket"])
def test_an_id_that_means_another_address_is_never_sent(path: str) -> None:
    server = Server(MADE)
    with pytest.raises(ParameterRefused, match="means another one"):
        server.client.delete(path, Calls())
    with pytest.raises(ParameterRefused, match="means another one"):
        server.client.list(path, {}, Calls())
    assert not server.requests


@pytest.mark.parametrize("fault", [httpx.Response(429), httpx.ConnectError("refused")], ids=["refused", "not sent"])
def test_a_record_is_written_in_one_try_for_it_may_have_changed_while_one_waits(
    fault: httpx.Response | Exception,
) -> None:
    server = Server(fault, httpx.Response(200, json={"id": "1"}))
    with pytest.raises(TryAgainLater, match="after 1 attempts"):
        server.client.change_record("/x/1", {"priority": "high"}, {}, Calls())
    record, _ = server.client.create_record("/x", {"description": "Hello"}, {"fields": ["id"]}, Calls())
    assert (record.id, len(server.requests)) == ("1", 2)
    assert server.requests[1].url.query == b"fields=id"
