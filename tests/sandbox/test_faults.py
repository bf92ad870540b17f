"""Each fault, as a raw client meets it."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import httpx
import msgspec
import pytest

from pipelines.sandbox import Faults, Sandbox
from pipelines.sandbox.faults import Fate, Strike

ALWAYS = 10**9


def test_nothing_goes_wrong_by_default(client: httpx.Client, zendesk: str) -> None:
    assert {client.get(f"/ticketing/{zendesk}/ticket?offset={n}").status_code for n in range(50)} == {200}


@pytest.mark.parametrize("strike", Strike)
def test_never_more_than_so_many_faults_in_a_row(
    sandbox: Sandbox, client: httpx.Client, zendesk: str, strike: Strike
) -> None:
    sandbox.faults = msgspec.convert({strike.value: 1.0, "max_consecutive": 2}, Faults)
    outcomes = [_outcome(client, f"/ticketing/{zendesk}/ticket?limit=3") for _ in range(6)]
    assert [outcome == "fine" for outcome in outcomes] == [False, False, True] * 2


@pytest.mark.parametrize(
    ("faults", "outcomes"),
    [
        (Faults(status_500=1, max_consecutive=ALWAYS), {"500 json"}),
        (Faults(status_502=1, max_consecutive=ALWAYS), {"502 json"}),
        (Faults(html_error=1, max_consecutive=ALWAYS), {"502 html", "503 html"}),
        (Faults(too_many=1, max_consecutive=ALWAYS), {"429 json"}),
        (Faults(reset=1, max_consecutive=ALWAYS), {"reset"}),
        (Faults(truncation=1, max_consecutive=ALWAYS), {"truncated"}),
        (Faults(garbage=1, max_consecutive=ALWAYS), {"200 garbage"}),
    ],
)
def test_each_fault_is_what_its_name_says(
    sandbox: Sandbox, client: httpx.Client, zendesk: str, faults: Faults, outcomes: set[str]
) -> None:
    sandbox.faults = faults
    assert {_outcome(client, f"/ticketing/{zendesk}/ticket?offset={n}") for n in range(24)} == outcomes
    assert {_outcome(client, f"/unified/connection?offset={n}") for n in range(24)} == outcomes
    assert client.get("/_sandbox").status_code == 200


def test_shares_are_shares_and_come_from_the_seed(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    runs = []
    for seed in (1, 1, 2):
        sandbox.faults = Faults(seed=seed, status_500=0.3, status_502=0.2)
        runs.append([client.get(f"/ticketing/{zendesk}/category?offset={n}").status_code for n in range(200)])
    assert runs[0] == runs[1] != runs[2]
    counts = Counter(runs[0])
    assert 40 <= counts[500] <= 80
    assert 25 <= counts[502] <= 60


def test_a_request_that_was_reset_was_not_carried_out_and_one_whose_answer_was_lost_was(
    sandbox: Sandbox, client: httpx.Client, zendesk: str
) -> None:
    for faults, is_carried_out in ((Faults(reset=1), False), (Faults(lost_answer=1), True)):
        before = len(sandbox.world.records(zendesk, "ticket"))
        sandbox.faults = faults
        with pytest.raises(httpx.TransportError):
            client.post(f"/ticketing/{zendesk}/ticket", json={"subject": "once"})
        assert len(sandbox.world.records(zendesk, "ticket")) == before + is_carried_out


def test_latency_comes_before_every_answer(sandbox: Sandbox, client: httpx.Client) -> None:
    sandbox.faults = Faults(latency_ms=60)
    begin = time.perf_counter()
    client.get("/unified/connection")
    assert time.perf_counter() - begin >= 0.06


@pytest.mark.parametrize(
    ("form", "header"), [("seconds", "1"), ("http-date", "Fri, 29 May 2026 16:00:01 GMT"), ("absent", None)]
)
def test_the_rate_limit_refuses_what_is_too_much(
    sandbox: Sandbox, client: httpx.Client, form: str, header: str | None
) -> None:
    sandbox.faults = Faults(rate_limit_per_second=5, retry_after=form)  # type: ignore[arg-type]
    answers = [client.get("/unified/connection") for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 6
    assert [answer.status_code for answer in answers[:5]] == [200] * 5
    assert {answer.json()["message"] for answer in refused} == {"Too many requests to Unified.to"}
    assert {answer.headers.get("retry-after") for answer in refused} == {header}
    assert sandbox.answers[429] == len(refused)


def test_the_rate_limit_lets_through_exactly_its_rate() -> None:
    now = 0.0
    fate = Fate(Faults(rate_limit_per_second=20), clock=lambda: now)
    passed = 0
    for step in range(1_000):
        now = step / 100
        passed += fate.seconds_over_limit() is None
    assert 20 + 9.99 * 20 - 1 <= passed <= 20 + 10 * 20


def test_moves_push_records_to_the_end_while_a_client_walks(
    sandbox: Sandbox, client: httpx.Client, zendesk: str
) -> None:
    count = len(sandbox.world.records(zendesk, "ticket"))
    sandbox.faults = Faults(moves=4, moves_until=16)
    seen: list[str] = []
    for offset in range(0, count + 10, 5):
        page = client.get(f"/ticketing/{zendesk}/ticket?sort=updated_at&limit=5&offset={offset}").json()
        seen += [ticket["id"] for ticket in page]
    assert len(seen) == count
    assert len(set(seen)) < count, "a walk by offset alone loses what moved, that is the point of it"
    still = client.get(f"/ticketing/{zendesk}/ticket?sort=updated_at").json()
    assert still == client.get(f"/ticketing/{zendesk}/ticket?sort=updated_at").json()
    start = "2026-05-29T16:00:00.000Z"
    assert len([row for row in sandbox.world.records(zendesk, "ticket") if row["updated_at"] > start]) <= 16


def test_time_can_pass_before_each_move(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    start = sandbox.world.now
    sandbox.faults = Faults(moves=3, moves_until=6, moves_apart_seconds=90)
    for _ in range(4):
        client.get(f"/ticketing/{zendesk}/ticket?limit=1")
    moved = [
        row["updated_at"] for row in sandbox.world.records(zendesk, "ticket") if row["updated_at"] > start.isoformat()
    ]
    assert len(set(moved)) == len(moved) > 1
    assert sandbox.world.now == start + 6 * timedelta(seconds=90, milliseconds=1)


@pytest.mark.parametrize(("grain", "floor"), [("seconds", "2026-05-01T10:20:30Z"), ("minutes", "2026-05-01T10:20:00Z")])
def test_updated_gte_can_be_cut_down(
    sandbox: Sandbox, client: httpx.Client, zendesk: str, grain: str, floor: str
) -> None:
    for record_id, moment in (("at floor", floor), ("before", "2026-05-01T10:19:59.999Z")):
        sandbox.world.create(zendesk, "ticket", {"id": record_id, "updated_at": moment})
    question = f"/ticketing/{zendesk}/ticket?sort=updated_at&updated_gte=2026-05-01T10:20:30.900Z&limit=1"
    assert client.get(question).json()[0]["id"] != "at floor"
    sandbox.faults = Faults(cut_updated_gte=grain)  # type: ignore[arg-type]
    assert client.get(question).json()[0]["id"] == "at floor"


def test_updated_gte_can_be_ignored(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    question = f"/ticketing/{zendesk}/ticket?updated_gte=2030-01-01"
    assert client.get(question).json() == []
    sandbox.faults = Faults(ignore_updated_gte=True)
    assert len(client.get(question).json()) == len(sandbox.world.records(zendesk, "ticket"))


def test_ties_can_come_in_another_order_each_time(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    ids = [ticket["id"] for ticket in sandbox.world.records(zendesk, "ticket")]
    sandbox.world.bulk_edit(zendesk, "ticket", ids, {"priority": "low"})
    question = f"/ticketing/{zendesk}/ticket?sort=updated_at&fields=id"
    assert client.get(question).json() == client.get(question).json()
    sandbox.faults = Faults(unstable_ties=True)
    orders = [[row["id"] for row in client.get(question).json()] for _ in range(3)]
    assert orders[0] != orders[1] != orders[2]
    assert [sorted(order) for order in orders] == [sorted(ids)] * 3


def test_fields_can_be_held_to_the_published_list(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    question = f"/ticketing/{zendesk}/ticket?fields=id,due_at"
    assert client.get(question).status_code == 200
    sandbox.faults = Faults(fields_strict=True)
    answer = client.get(question)
    assert answer.status_code == 400
    assert "due_at" in answer.json()["message"]
    assert client.get(f"/ticketing/{zendesk}/ticket?fields=id,category,raw").status_code == 200


def test_pages_can_be_shorter_than_asked_for(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    sandbox.faults = Faults(page_cap=7)
    assert len(client.get(f"/ticketing/{zendesk}/ticket?limit=100").json()) == 7
    assert len(client.get(f"/ticketing/{zendesk}/ticket?limit=3").json()) == 3


def test_faults_can_be_kept_to_some_connections(sandbox: Sandbox, client: httpx.Client) -> None:
    ill, well, *_ = (row["id"] for row in sandbox.world.connections())
    sandbox.faults = Faults(status_500=1, max_consecutive=ALWAYS, connections=(ill,))
    assert client.get(f"/ticketing/{ill}/ticket").status_code == 500
    assert client.get(f"/ticketing/{well}/ticket").status_code == 200
    assert client.get("/unified/connection").status_code == 200


def test_a_share_is_between_nothing_and_all() -> None:
    with pytest.raises(ValueError, match="status_500"):
        Faults(status_500=1.5)


def _outcome(client: httpx.Client, url: str) -> str:
    try:
        answer = client.get(url)
    except httpx.ReadError:
        return "reset"
    except httpx.RemoteProtocolError as fault:
        return "truncated" if "incomplete" in str(fault) or "complete message body" in str(fault) else "reset"
    if "text/html" in answer.headers["content-type"]:
        return f"{answer.status_code} html"
    try:
        answer.json()
    except ValueError:
        return f"{answer.status_code} garbage"
    return "fine" if answer.status_code == 200 else f"{answer.status_code} json"
