"""Each fault, as a raw client meets it."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import httpx
import msgspec
import pytest

from pipelines.sandbox import Faults, Sandbox
from pipelines.sandbox.faults import Fate, Strike, Unrest
from pipelines.sandbox.instants import from_iso
from pipelines.sandbox.support import OBJECTS
from tests.sandbox.conftest import connection_id

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


def test_each_unrest_counts_up_to_a_limit_of_its_own() -> None:
    fate = Fate(Faults(moves=3, moves_until=4, quiet_edits=2, deletes=5, deletes_until=0, inserts=2, inserts_until=3))
    due = {unrest: [fate.due(unrest, 4) for _ in range(3)] for unrest in Unrest}
    assert due == {
        Unrest.MOVE: [3, 1, 0],
        Unrest.QUIET_EDIT: [2, 2, 2],
        Unrest.DELETE: [0, 0, 0],
        Unrest.INSERT: [2, 1, 0],
    }
    assert Fate(Faults(moves=3)).due(Unrest.MOVE, 2) == 2


@pytest.mark.parametrize(
    ("object_name", "fields"),
    [
        ("ticket", {"subject", "description", "status"}),
        ("customer", {"name", "emails"}),
        ("note", {"ticket_id", "description"}),
        ("category", {"name", "is_active"}),
    ],
)
@pytest.mark.parametrize("integration_type", ["zendesk", "intercom", "servicenow", "helpscout"])
def test_new_records_can_appear_while_a_list_is_read(
    sandbox: Sandbox, client: httpx.Client, integration_type: str, object_name: str, fields: set[str]
) -> None:
    world = sandbox.world
    connection = world.add_connection(integration_type, id="growing")
    ticket = world.create(connection, "ticket", {"subject": "the first"})
    before = [row["id"] for row in world.records(connection, object_name)]
    sandbox.faults = Faults(inserts=2, inserts_until=5)
    question = f"ticket_id={ticket['id']}" if object_name == "note" else "sort=updated_at"
    pages = [client.get(f"/ticketing/{connection}/{object_name}?{question}").json() for _ in range(4)]
    assert [len(page) - len(before) for page in pages] == [2, 4, 5, 5]
    for record in world.records(connection, object_name)[len(before) :]:
        assert all(record[name] for name in fields)
        assert set(record) <= set(world.helpdesk_of(connection).support[f"ticketing_{object_name}"]["inbound_fields"])
        assert "2026-05-29T16:00:00.000Z" < record["created_at"] == record["updated_at"] < "2026-05-29T16:00:01Z"


def test_new_notes_belong_to_any_ticket_and_need_one(sandbox: Sandbox, client: httpx.Client) -> None:
    helpscout = sandbox.world.add_connection("helpscout")
    sandbox.faults = Faults(inserts=30)
    assert client.get(f"/ticketing/{helpscout}/note?ticket_id=a").json() == []
    for ticket_id in "abc":
        sandbox.world.create(helpscout, "ticket", {"id": ticket_id})
    shown = client.get(f"/ticketing/{helpscout}/note?ticket_id=a").json()
    notes = sandbox.world.records(helpscout, "note")
    assert len(notes) == 30
    assert {note["ticket_id"] for note in notes} == set("abc")
    assert {note["ticket_id"] for note in shown} == {"a"}


def test_new_agents_can_appear_too(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    before = client.get(f"/hris/{zendesk}/employee").json()
    sandbox.faults = Faults(inserts=1)
    assert client.get(f"/hris/{zendesk}/employee").json()[:-1] == before


def test_records_can_vanish_while_a_list_is_read(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    world = sandbox.world
    tickets = [ticket["id"] for ticket in world.records(zendesk, "ticket")]
    sandbox.faults = Faults(deletes=4, deletes_until=10)
    counts = [len(client.get(f"/ticketing/{zendesk}/ticket").json()) - len(tickets) for _ in range(4)]
    assert counts == [-4, -8, -10, -10]
    left = {ticket["id"] for ticket in world.records(zendesk, "ticket")}
    assert left < set(tickets)
    assert {note["ticket_id"] for note in world.records(zendesk, "note")} <= left
    sandbox.faults = Faults(deletes=10**6)
    assert client.get(f"/ticketing/{zendesk}/ticket").json() == []
    assert world.records(zendesk, "note") == []
    assert client.get(f"/ticketing/{zendesk}/ticket").json() == []


@pytest.mark.parametrize("object_name", OBJECTS)
def test_content_can_change_without_a_trace(
    sandbox: Sandbox, client: httpx.Client, zendesk: str, object_name: str
) -> None:
    title = {"ticket": "subject", "note": "description"}.get(object_name, "name")
    before = {row["id"]: row for row in sandbox.world.records(zendesk, object_name)}
    sandbox.faults = Faults(quiet_edits=3, quiet_edits_until=4)
    for _ in range(4):
        client.get(f"/ticketing/{zendesk}/{object_name}?limit=1")
    after = {row["id"]: row for row in sandbox.world.records(zendesk, object_name)}
    changed = [record_id for record_id in before if after[record_id] != before[record_id]]
    assert 3 <= len(changed) <= 4
    for record_id in changed:
        told = {name for name, value in after[record_id].items() if value != before[record_id].get(name)}
        assert title in told <= {title, "raw"}


def test_every_kind_of_unrest_takes_its_time(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    start = sandbox.world.now
    sandbox.faults = Faults(moves=1, quiet_edits=1, deletes=1, inserts=1, moves_apart_seconds=30)
    client.get(f"/ticketing/{zendesk}/category")
    assert sandbox.world.now == start + 4 * timedelta(seconds=30, milliseconds=1)


def test_unrest_comes_from_the_seed_and_stays_where_it_belongs(client: httpx.Client, sandbox: Sandbox) -> None:
    faults = Faults(seed=3, moves=2, quiet_edits=2, deletes=2, inserts=2)
    worlds = []
    for _ in range(2):
        with Sandbox(seed=7, tickets=40, faults=faults) as twin:
            zendesk = connection_id(twin, "zendesk")
            for object_name in OBJECTS:
                httpx.get(
                    f"{twin.base_url}/ticketing/{zendesk}/{object_name}",
                    headers={"authorization": f"bearer {twin.api_key}"},
                )
            worlds.append([twin.world.records(zendesk, object_name) for object_name in OBJECTS])
    assert worlds[0] == worlds[1]
    ill, well, *_ = (row["id"] for row in sandbox.world.connections())
    before = sandbox.world.records(well, "ticket")
    sandbox.faults = Faults(moves=2, quiet_edits=2, deletes=2, inserts=2, connections=(ill,))
    client.get(f"/ticketing/{well}/ticket")
    assert sandbox.world.records(well, "ticket") == before


def test_lists_can_lag_behind_while_a_record_by_its_id_does_not(
    sandbox: Sandbox, client: httpx.Client, zendesk: str
) -> None:
    world = sandbox.world
    world.advance(timedelta(hours=1))
    old = [ticket["id"] for ticket in world.records(zendesk, "ticket")]
    sandbox.faults = Faults(visible_after_seconds=600)
    assert len(client.get(f"/ticketing/{zendesk}/ticket").json()) == len(old)

    new = [world.create(zendesk, "ticket", {"subject": "new"})["id"] for _ in range(40)]
    for record_id in old[:2]:
        world.touch(zendesk, "ticket", record_id)
    assert client.get(f"/ticketing/{zendesk}/ticket/{new[0]}").json()["subject"] == "new"
    shown = [_ids(client, f"/ticketing/{zendesk}/ticket?sort=updated_at")]
    assert set(shown[0]) == set(old[2:])
    for _ in range(10):
        world.advance(timedelta(seconds=60))
        shown.append(_ids(client, f"/ticketing/{zendesk}/ticket?sort=updated_at"))
    assert [len(ids) for ids in shown] == sorted(len(ids) for ids in shown)
    assert len({len(ids) for ids in shown}) > 5, "each state lags by a share of its own"
    assert set(shown[-1]) == {*old, *new}


def test_what_lags_is_missing_from_every_form_of_a_list(sandbox: Sandbox, client: httpx.Client) -> None:
    world, since = sandbox.world, "2026-05-29T16:00:00Z"
    zendesk = world.add_connection("zendesk", id="lagging")
    sandbox.faults = Faults(visible_after_seconds=100)
    world.create(zendesk, "ticket", {"id": "t"})
    for number in range(30):
        world.create(zendesk, "note", {"id": f"{number:02}", "ticket_id": "t", "customer_id": "c"})
    world.advance(timedelta(seconds=50))
    url = f"/ticketing/{zendesk}/note?"
    plain = _ids(client, f"{url}sort=updated_at")
    assert 5 < len(plain) < 25
    assert plain == sorted(plain)
    assert _ids(client, f"{url}sort=updated_at&updated_gte={since}") == plain
    assert _ids(client, f"{url}sort=updated_at&order=desc") == plain[::-1]
    assert _ids(client, f"{url}sort=updated_at&updated_gte={since}&offset=2&limit=3") == plain[2:5]
    for question in ("", "ticket_id=t", "customer_id=c", "ticket_id=t&sort=updated_at", "sort=created_at"):
        assert _ids(client, f"{url}{question}") == plain


def test_a_lag_is_a_share_that_the_record_and_its_state_decide() -> None:
    fate, now = Fate(Faults(visible_after_seconds=100)), from_iso("2026-05-29T16:00:00Z")
    lags = [
        next(ms for ms in range(0, 100_001, 100) if not fate.hides(record_id, updated, updated + ms))
        for record_id in ("a", "b", "c", "d")
        for updated in range(now, now + 50)
    ]
    assert len(set(lags)) > 100
    assert 45_000 < sum(lags) / len(lags) < 55_000
    assert not fate.hides("a", -1, now)
    assert not fate.hides("a", now + 1, now), "a time that is still to come is nonsense, not a lag"
    assert not Fate(Faults()).hides("a", now, now)


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


def test_fields_can_be_ignored_so_that_all_of_a_record_is_shown(
    sandbox: Sandbox, client: httpx.Client, zendesk: str
) -> None:
    question = f"/hris/{zendesk}/employee?fields=name&limit=1"
    [narrowed] = client.get(question).json()
    assert narrowed.keys() == {"id", "name"}
    sandbox.faults = Faults(fields_ignored=True)
    [whole] = client.get(question).json()
    assert whole.keys() > {"id", "name", "date_of_birth", "ssn_sin", "compensation", "address"}


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


def _ids(client: httpx.Client, url: str) -> list[str]:
    return [row["id"] for row in client.get(url).json()]


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
