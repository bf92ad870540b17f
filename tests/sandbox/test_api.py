"""The API as a client without the project's code sees it."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from pipelines.sandbox import Sandbox, World
from pipelines.sandbox.helpdesks import HELPDESKS
from pipelines.sandbox.store import PERMISSIONS
from pipelines.sandbox.support import FIELDS, support_table
from tests.sandbox.conftest import connection_id

OBJECTS = ("ticket", "customer", "note", "category")


# Who may ask


@pytest.mark.parametrize("header", [None, "", "bearer", "bearer wrong", "basic sandbox-api-key", "sandbox-api-key"])
def test_a_missing_or_wrong_key_is_401(sandbox: Sandbox, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = httpx.get(f"{sandbox.base_url}/unified/connection", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["status"] == 401


def test_a_missing_permission_is_403_and_names_it(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    sandbox.world.change_connection(zendesk, permissions=[right for right in PERMISSIONS if "note" not in right])
    answer = client.get(f"/ticketing/{zendesk}/note")
    assert answer.status_code == 403
    assert "ticketing_note_read" in answer.json()["message"]
    assert client.get(f"/ticketing/{zendesk}/ticket").status_code == 200


def test_reading_is_not_writing(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    sandbox.world.change_connection(zendesk, permissions=["ticketing_ticket_read"])
    assert client.get(f"/ticketing/{zendesk}/ticket").status_code == 200
    assert client.post(f"/ticketing/{zendesk}/ticket", json={"subject": "x"}).status_code == 403


# What there is


@pytest.mark.parametrize(
    "path",
    [
        "/ticketing/nowhere/ticket",
        "/unified/connection/nowhere",
        "/ticketing/{zendesk}/ticket/0",
        "/ticketing/{zendesk}/gadget",
        "/unified/webhook/0",
        "/",
        "/ticketing",
    ],
)
def test_what_is_not_there_is_404(client: httpx.Client, zendesk: str, path: str) -> None:
    answer = client.get(path.format(zendesk=zendesk))
    assert (answer.status_code, answer.json()["status"]) == (404, 404)


def test_what_the_integration_does_not_offer_is_501(sandbox: Sandbox, client: httpx.Client) -> None:
    servicenow = connection_id(sandbox, "servicenow")
    zoho = sandbox.world.add_connection("zohodesk")
    assert client.delete(f"/ticketing/{servicenow}/note/1").status_code == 501
    assert client.get(f"/hris/{servicenow}/employee").status_code == 501
    assert client.get(f"/ticketing/{zoho}/note").status_code == 501


@pytest.mark.parametrize("object_name", OBJECTS)
def test_a_helpdesk_can_lack_records_by_id_and_nothing_else(
    sandbox: Sandbox, client: httpx.Client, object_name: str
) -> None:
    groove = sandbox.world.add_connection("groove")
    ticket = client.post(f"/ticketing/{groove}/ticket", json={"subject": "x"}).json()
    body = {"ticket_id": ticket["id"]} if object_name == "note" else {}
    record = client.post(f"/ticketing/{groove}/{object_name}", json=body).json()
    url = f"/ticketing/{groove}/{object_name}/{record['id']}"
    assert client.get(url).status_code == 501
    assert client.get(f"/ticketing/{groove}/{object_name}/nothing").status_code == 501
    assert record in client.get(f"/ticketing/{groove}/{object_name}").json()
    assert client.patch(url, json={}).status_code == 200
    assert client.delete(url).status_code == 200


def test_a_paused_connection_refuses(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    sandbox.world.change_connection(zendesk, is_paused=True)
    assert client.get(f"/ticketing/{zendesk}/ticket").status_code == 400
    assert client.get(f"/unified/connection/{zendesk}").json()["is_paused"] is True


@pytest.mark.parametrize(
    "question",
    [
        "limit=abc", "limit=0", "limit=-1", "limit=1.5", "limit=inf", "limit=", "offset=-1", "offset=x",
        "updated_gte=yesterday", "updated_gte=2026-13-01", "updated_gte=2026-05-01T00:00:00 00:00", "sort=subject",
        "order=up",
    ],
)  # fmt: skip
def test_a_bad_parameter_is_400(client: httpx.Client, zendesk: str, question: str) -> None:
    assert client.get(f"/ticketing/{zendesk}/ticket?{question}").status_code == 400


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"x"'])
def test_a_body_that_is_no_json_object_is_400(client: httpx.Client, zendesk: str, body: bytes) -> None:
    assert client.post(f"/ticketing/{zendesk}/ticket", content=body).status_code == 400


# Lists


def test_a_list_is_a_bare_array_of_at_most_a_hundred(client: httpx.Client, zendesk: str, sandbox: Sandbox) -> None:
    assert len(sandbox.world.records(zendesk, "note")) > 100
    for question in ("", "limit=100", "limit=100.0", "limit=5000"):
        answer = client.get(f"/ticketing/{zendesk}/note?{question}").json()
        assert isinstance(answer, list)
        assert len(answer) == 100


def test_updated_gte_is_inclusive_to_the_millisecond(client: httpx.Client, zendesk: str, sandbox: Sandbox) -> None:
    moments = sorted(ticket["updated_at"] for ticket in sandbox.world.records(zendesk, "ticket"))
    for moment in (moments[5], moments[5].replace("Z", "+00:00").replace("+", "%2B")):
        listed = client.get(f"/ticketing/{zendesk}/ticket?sort=updated_at&updated_gte={moment}").json()
        assert [ticket["updated_at"] for ticket in listed] == moments[5:]


def test_the_answer_carries_the_sandboxs_time(client: httpx.Client, zendesk: str, sandbox: Sandbox) -> None:
    sandbox.world.advance(timedelta(days=3, seconds=7))
    answer = client.get(f"/ticketing/{zendesk}/ticket")
    assert answer.headers.get_list("date") == ["Mon, 01 Jun 2026 16:00:07 GMT"]
    assert parsedate_to_datetime(answer.headers["date"]) == sandbox.world.now
    assert "server" not in answer.headers


def test_raw_comes_only_when_asked_for(client: httpx.Client, zendesk: str, sandbox: Sandbox) -> None:
    truth = sandbox.world.records(zendesk, "ticket")[0]
    url = f"/ticketing/{zendesk}/ticket/{truth['id']}"
    assert client.get(url).json() == {name: value for name, value in truth.items() if name != "raw"}
    assert client.get(f"{url}?fields=raw").json() == {"id": truth["id"], "raw": truth["raw"]}


@pytest.mark.parametrize(
    "question", ["fields=subject&fields=updated_at", "fields=subject,updated_at", "fields=subject,&fields=updated_at"]
)
def test_fields_choose_what_comes_back_and_always_the_id(client: httpx.Client, zendesk: str, question: str) -> None:
    listed = client.get(f"/ticketing/{zendesk}/ticket?{question}").json()
    assert all(set(ticket) == {"id", "subject", "updated_at"} for ticket in listed)
    again = client.get(f"/ticketing/{zendesk}/ticket?fields=id,status").json()
    assert all(set(ticket) == {"id", "status"} for ticket in again)


def test_raw_is_not_shown_where_the_table_does_not_list_it(client: httpx.Client, sandbox: Sandbox) -> None:
    gorgias = sandbox.world.add_connection("gorgias")
    sandbox.world.create(gorgias, "ticket", {"id": "1", "subject": "x", "raw": {"secret": 1}})
    assert client.get(f"/ticketing/{gorgias}/ticket?fields=id,raw").json() == [{"id": "1"}]


@pytest.mark.parametrize("name", ["ticket_id", "customer_id"])
def test_lists_are_narrowed_by_reference(client: httpx.Client, zendesk: str, sandbox: Sandbox, name: str) -> None:
    notes = sandbox.world.records(zendesk, "note")
    wanted = next(note[name] for note in reversed(notes) if note.get(name))
    expected = [note["id"] for note in notes if note.get(name) == wanted][:100]
    assert [note["id"] for note in client.get(f"/ticketing/{zendesk}/note?{name}={wanted}").json()] == expected


def test_a_query_finds_words_in_names_and_subjects(client: httpx.Client, zendesk: str, sandbox: Sandbox) -> None:
    customer = sandbox.world.records(zendesk, "customer")[0]
    found = client.get(f"/ticketing/{zendesk}/customer", params={"query": customer["name"].upper()}).json()
    assert customer["id"] in [row["id"] for row in found]
    assert all(row["name"] == customer["name"] for row in found)


def test_parameters_that_the_integration_lacks_are_ignored(client: httpx.Client, sandbox: Sandbox) -> None:
    front = sandbox.world.add_connection("front")
    for number in (3, 1, 2):
        moment = f"2026-05-0{number}T00:00:00.000Z"
        sandbox.world.create(front, "ticket", {"id": str(number), "updated_at": moment})
    question = "sort=updated_at&order=desc&updated_gte=2026-05-02"
    assert [row["id"] for row in client.get(f"/ticketing/{front}/ticket?{question}").json()] == ["3", "1", "2"]
    sandbox.world.refuse_unsupported = True
    assert client.get(f"/ticketing/{front}/ticket?{question}").status_code == 400
    assert client.get(f"/ticketing/{front}/ticket?limit=2").status_code == 200


def test_a_required_parameter_is_required(client: httpx.Client, sandbox: Sandbox) -> None:
    helpscout = sandbox.world.add_connection("helpscout")
    sandbox.world.create(helpscout, "ticket", {"id": "t"})
    sandbox.world.create(helpscout, "note", {"id": "n", "ticket_id": "t"})
    assert client.get(f"/ticketing/{helpscout}/note").status_code == 400
    assert [row["id"] for row in client.get(f"/ticketing/{helpscout}/note?ticket_id=t").json()] == ["n"]


@pytest.mark.parametrize(("integration_type", "status"), [("zendesk", 200), ("helpscout", 200), ("kustomer", 404)])
def test_notes_of_an_unknown_ticket_are_none_or_404(
    client: httpx.Client, sandbox: Sandbox, integration_type: str, status: int
) -> None:
    connection = sandbox.world.add_connection(integration_type, id="asked")
    sandbox.world.create(connection, "ticket", {"id": "t"})
    known = client.get(f"/ticketing/{connection}/note?ticket_id=t")
    assert (known.status_code, known.json()) == (200, [])
    sandbox.world.delete(connection, "ticket", "t")
    for ticket_id in ("t", "unknown"):
        answer = client.get(f"/ticketing/{connection}/note?ticket_id={ticket_id}")
        assert answer.status_code == status
        assert answer.json() == [] or answer.json()["message"] == f"No ticket {ticket_id}"


def test_a_helpdesk_without_offset_always_shows_its_first_page(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.world.register_integration("pageless", support_table(offset=False))
    pageless = sandbox.world.add_connection("pageless")
    for number in range(4):
        sandbox.world.create(pageless, "ticket", {"id": str(number)})
    listed = client.get(f"/ticketing/{pageless}/ticket?limit=2&offset=2").json()
    assert [row["id"] for row in listed] == ["0", "1"]


# Records


@pytest.mark.parametrize("object_name", OBJECTS)
@pytest.mark.parametrize("verb", ["PATCH", "PUT"])
def test_a_record_is_created_read_changed_and_removed(
    client: httpx.Client, zendesk: str, sandbox: Sandbox, object_name: str, verb: str
) -> None:
    ticket_id = sandbox.world.records(zendesk, "ticket")[0]["id"]
    text = {"ticket": "subject", "note": "description"}.get(object_name, "name")
    url = f"/ticketing/{zendesk}/{object_name}"
    body = {text: "Bell is too quiet", **({"ticket_id": ticket_id} if object_name == "note" else {})}
    made = client.post(url, json=body).json()
    assert body.items() <= made.items()
    assert made["created_at"] == made["updated_at"]

    changed = client.request(verb, f"{url}/{made['id']}", json={text: "Bell is too loud"}).json()
    assert changed == {**made, text: "Bell is too loud", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > made["updated_at"]
    assert client.get(f"{url}/{made['id']}").json() == changed
    assert sandbox.world.record(zendesk, object_name, made["id"]).items() >= changed.items()

    assert client.delete(f"{url}/{made['id']}").status_code == 200
    assert client.get(f"{url}/{made['id']}").status_code == 404
    assert client.delete(f"{url}/{made['id']}").status_code == 404


def test_what_is_not_writable_is_ignored_or_refused(client: httpx.Client, sandbox: Sandbox) -> None:
    intercom = connection_id(sandbox, "intercom")
    ticket = sandbox.world.records(intercom, "ticket")[0]
    url = f"/ticketing/{intercom}/ticket/{ticket['id']}"
    body = {"priority": "changed", "id": "other", "created_at": "2020-01-01"}
    after = client.patch(url, json=body).json()
    assert {**after, "updated_at": ticket["updated_at"]} == {k: v for k, v in ticket.items() if k != "raw"}
    sandbox.world.refuse_unsupported = True
    assert client.patch(url, json=body).status_code == 400


@pytest.mark.parametrize("verb", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize(
    ("object_name", "body"),
    [
        ("ticket", {"subject": 5}), ("ticket", {"tags": "x"}), ("ticket", {"tags": [5]}),
        ("ticket", {"description": {"a": 1}}), ("ticket", {"description": 7}), ("ticket", {"due_at": "not a date"}),
        ("ticket", {"due_at": 1}), ("ticket", {"priority": 5}), ("ticket", {"status": "WEIRD"}),
        ("ticket", {"status": None}), ("ticket", {"metadata": [{"slug": 5}]}), ("ticket", {"attachment_ids": [None]}),
        ("customer", {"name": ["x"]}), ("customer", {"emails": "nope"}), ("customer", {"emails": ["a@b"]}),
        ("customer", {"emails": [{"type": "WORK"}]}), ("customer", {"emails": [{"email": "a@b", "type": "MOON"}]}),
        ("customer", {"telephones": [{"telephone": 5}]}), ("customer", {"telephones": {"telephone": "5"}}),
        ("category", {"is_active": "yes"}), ("category", {"name": False}), ("note", {"description": ["hello"]}),
    ],
)  # fmt: skip
def test_what_is_badly_typed_is_400_and_leaves_no_trace(
    client: httpx.Client, zendesk: str, sandbox: Sandbox, verb: str, object_name: str, body: dict[str, object]
) -> None:
    before = sandbox.world.records(zendesk, object_name)
    url = f"/ticketing/{zendesk}/{object_name}" + ("" if verb == "POST" else f"/{before[0]['id']}")
    answer = client.request(verb, url, json=body)
    [name] = body
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{name}: expected ")
    assert ", got " in answer.json()["message"]
    assert sandbox.world.records(zendesk, object_name) == before


def test_what_is_well_typed_is_taken_and_null_clears(client: httpx.Client, zendesk: str, sandbox: Sandbox) -> None:
    customer = {
        "name": "Ada",
        "emails": [{"email": "ada@mailbox.example", "type": "WORK"}, {"email": "l@mailbox.example"}],
        "telephones": [{"telephone": "+1 202 555 0100", "type": "MOBILE"}],
        "metadata": [{"slug": "size", "value": {"any": ["thing"]}}],
    }
    made = client.post(f"/ticketing/{zendesk}/customer", json=customer).json()
    assert customer.items() <= made.items()
    ticket: dict[str, object] = {
        "subject": "x",
        "status": "CLOSED",
        "due_at": "2026-06-01T10:00:00+02:00",
        "tags": [],
        "user_id": None,
    }
    ticket_id = client.post(f"/ticketing/{zendesk}/ticket", json=ticket).json()["id"]
    cleared = client.patch(f"/ticketing/{zendesk}/ticket/{ticket_id}", json={"due_at": None, "tags": None}).json()
    assert (cleared["due_at"], cleared["tags"]) == (None, None)


@pytest.mark.parametrize("verb", ["POST", "PATCH", "PUT"])
@pytest.mark.parametrize(
    ("object_name", "name", "value"),
    [
        ("note", "ticket_id", "nope"), ("note", "ticket_id", None), ("note", "customer_id", "nope"),
        ("note", "user_id", "nope"), ("ticket", "customer_id", "nope"), ("ticket", "category_id", ""),
        ("ticket", "user_id", "nope"), ("category", "parent_id", "nope"),
    ],
)  # fmt: skip
def test_an_unknown_reference_is_400(
    client: httpx.Client, zendesk: str, sandbox: Sandbox, verb: str, object_name: str, name: str, value: str | None
) -> None:
    known = sandbox.world.records(zendesk, object_name)[0]
    url = f"/ticketing/{zendesk}/{object_name}" + ("" if verb == "POST" else f"/{known['id']}")
    good = {"ticket_id": known["ticket_id"]} if object_name == "note" else {}
    answer = client.request(verb, url, json={**good, name: value})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(f"{name}: expected the id of a known ")


def test_agents_are_not_checked_where_none_are_known(client: httpx.Client, sandbox: Sandbox) -> None:
    gorgias = sandbox.world.add_connection("gorgias")
    made = client.post(f"/ticketing/{gorgias}/ticket", json={"subject": "x", "user_id": "somebody"})
    assert made.json()["user_id"] == "somebody"


_POISON = [5, 1.5, True, "nope", "", ["x"], [5], [{}], {"a": 1}, None]


@pytest.mark.parametrize("integration_type", ["zendesk", "intercom", "freshdesk", "servicenow", "gorgias"])
def test_the_python_api_stores_any_poison_and_serves_it(
    client: httpx.Client, integration_type: str, sandbox: Sandbox
) -> None:
    connection = sandbox.world.add_connection(integration_type, id="poisoned")
    for object_name in OBJECTS:
        for field in set(FIELDS[object_name]) - {"id"}:
            for number, value in enumerate(_POISON):
                record_id = f"{field}-{number}"
                sandbox.world.create(connection, object_name, {"id": record_id, field: value})
                sandbox.world.patch(connection, object_name, record_id, {field: value})
        for question in ("sort=updated_at", "sort=created_at", "sort=name", "query=x", "fields=id,raw"):
            assert client.get(f"/ticketing/{connection}/{object_name}?{question}").status_code == 200
    sandbox.world.live(hours=48)


def test_what_nobody_foresaw_is_a_500_in_json(
    client: httpx.Client, zendesk: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.world, "page", lambda *_: 1 / 0)
    answer = client.get(f"/ticketing/{zendesk}/ticket")
    assert answer.status_code == 500
    assert answer.json()["message"] == "Internal server error: ZeroDivisionError: division by zero"


def test_a_note_needs_its_ticket_and_moves_it_where_the_helpdesk_does(client: httpx.Client, sandbox: Sandbox) -> None:
    assert (
        client.post(f"/ticketing/{connection_id(sandbox, 'zendesk')}/note", json={"ticket_id": "0"}).status_code == 400
    )
    moved = {}
    for integration_type in ("zendesk", "intercom", "freshdesk", "servicenow"):
        connection = connection_id(sandbox, integration_type)
        ticket = sandbox.world.records(connection, "ticket")[0]
        client.post(f"/ticketing/{connection}/note", json={"ticket_id": ticket["id"], "description": "hello"})
        after = sandbox.world.record(connection, "ticket", ticket["id"])
        moved[integration_type] = after["updated_at"] > ticket["updated_at"]
    assert moved == {"zendesk": True, "intercom": True, "freshdesk": False, "servicenow": False}


# The workspace


def test_connections_are_listed_with_credentials_that_nobody_may_keep(client: httpx.Client, sandbox: Sandbox) -> None:
    listed = client.get("/unified/connection?categories=ticketing&limit=3").json()
    listed += client.get("/unified/connection?categories=ticketing&limit=3&offset=3").json()
    assert listed == sandbox.world.connections()
    assert all(row["auth"]["access_token"].startswith("fake-credential-") for row in listed)
    assert {row["integration_type"] for row in client.get("/unified/connection?categories=hris").json()} == {
        "zendesk",
        "intercom",
        "freshdesk",
    }
    assert client.get("/unified/connection?categories=crm").json() == []
    sandbox.world.add_connection("gorgias", id="trial", environment="Sandbox")
    assert [row["id"] for row in client.get("/unified/connection?env=Sandbox").json()] == ["trial"]
    assert client.get("/unified/connection?env=Production").json() == listed
    assert client.get(f"/unified/connection/{listed[0]['id']}").json() == listed[0]


def test_integrations_show_their_support_tables(client: httpx.Client) -> None:
    [zendesk] = client.get("/unified/integration?type=zendesk").json()
    assert zendesk["support"] == HELPDESKS["zendesk"].support
    assert zendesk["active_healthy_connections"] == 1
    assert len(client.get("/unified/integration").json()) == len(HELPDESKS)
    assert client.get("/unified/integration?type=nothing").json() == []
    active = client.get("/unified/integration?active=true").json()
    assert [row["type"] for row in active] == ["zendesk", "intercom", "freshdesk", "servicenow"]
    assert client.get("/unified/integration?active=true&env=Sandbox").json() == []
    with_employees = client.get("/unified/integration?categories=hris").json()
    assert [row["type"] for row in with_employees] == ["zendesk", "intercom", "freshdesk"]
    assert client.get("/unified/integration?categories=crm").json() == []
    assert all("support" not in row for row in client.get("/unified/integration?summary=true").json())


def test_an_integration_can_go_unlisted(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.world.register_integration("hidden", support_table(), is_listed=False)
    hidden = sandbox.world.add_connection("hidden")
    assert client.get("/unified/integration?type=hidden").json() == []
    assert "hidden" not in [row["type"] for row in client.get("/unified/integration").json()]
    assert client.get(f"/unified/connection/{hidden}").json()["integration_type"] == "hidden"
    assert client.get(f"/ticketing/{hidden}/ticket").json() == []


def test_a_published_table_can_claim_more_than_is_true(client: httpx.Client, sandbox: Sandbox) -> None:
    claimed = support_table()
    true = support_table(
        updated_gte=False, sort_by_updated_at=False, sort_by_created_at=False, notes_per_ticket=True, raw=False
    )
    sandbox.world.register_integration("boaster", true, published=claimed)
    boaster = sandbox.world.add_connection("boaster")
    for number in (3, 1, 2):
        sandbox.world.create(
            boaster, "ticket", {"id": str(number), "updated_at": f"2026-05-0{number}", "raw": {"a": 1}}
        )
    [integration] = client.get("/unified/integration?type=boaster").json()
    assert integration["support"] == claimed
    question = f"/ticketing/{boaster}/ticket?sort=updated_at&order=desc&updated_gte=2026-05-02&fields=id,raw"
    assert client.get(question).json() == [{"id": "3"}, {"id": "1"}, {"id": "2"}]
    assert client.get(f"/ticketing/{boaster}/note").status_code == 400
    assert client.get(f"/ticketing/{boaster}/note?ticket_id=1").json() == []
    sandbox.world.refuse_unsupported = True
    assert client.get(question).status_code == 400
    assert client.get(f"/ticketing/{boaster}/ticket?limit=2").status_code == 200


@pytest.mark.parametrize(
    "claimed",
    [{}, support_table(objects=("ticket",), updated_gte=False, sort_by_updated_at=False, raw=False, methods=("list",))],
)
def test_a_published_table_can_claim_less_than_is_true(
    client: httpx.Client, sandbox: Sandbox, claimed: dict[str, object]
) -> None:
    sandbox.world.register_integration("modest", support_table(), published=claimed)
    sandbox.world.refuse_unsupported = True
    modest = sandbox.world.add_connection("modest")
    for number in (3, 1, 2):
        sandbox.world.create(modest, "ticket", {"id": str(number), "updated_at": f"2026-05-0{number}"})
    [integration] = client.get("/unified/integration?type=modest").json()
    assert integration["support"] == claimed
    question = f"/ticketing/{modest}/ticket?sort=updated_at&order=desc&updated_gte=2026-05-02&fields=id"
    assert client.get(question).json() == [{"id": "3"}, {"id": "2"}]
    assert client.get(f"/ticketing/{modest}/ticket/1").status_code == 200
    assert client.get(f"/ticketing/{modest}/note").json() == []


def test_employees_name_the_agents(client: httpx.Client, zendesk: str, sandbox: Sandbox) -> None:
    employees = client.get(f"/hris/{zendesk}/employee").json()
    assert employees == sandbox.world.records(zendesk, "employee")
    assigned = {ticket.get("user_id") for ticket in sandbox.world.records(zendesk, "ticket")} - {None}
    assert assigned <= {employee["id"] for employee in employees}


def test_webhook_subscriptions_are_kept(client: httpx.Client, zendesk: str) -> None:
    body = {
        "connection_id": zendesk,
        "object_type": "ticketing_ticket",
        "event": "updated",
        "hook_url": "https://a.example",
    }
    made = client.post("/unified/webhook", json=body).json()
    assert body.items() <= made.items()
    assert (made["webhook_type"], made["is_healthy"]) == ("native", True)
    other = client.post("/unified/webhook", json={**body, "event": "created", "webhook_type": "virtual"}).json()
    assert client.get(f"/unified/webhook?connection_id={zendesk}").json() == [made, other]
    assert client.get("/unified/webhook?object=ticketing_note").json() == []
    changed = client.patch(f"/unified/webhook/{made['id']}", json={"is_paused": True, "id": "x"}).json()
    assert changed == {**made, "is_paused": True, "updated_at": changed["updated_at"]}
    assert client.delete(f"/unified/webhook/{made['id']}").status_code == 200
    assert client.get("/unified/webhook").json() == [other]
    assert client.post("/unified/webhook", json={**body, "event": "deleted"}).status_code == 400
    assert client.post("/unified/webhook", json={**body, "connection_id": "0"}).status_code == 404
    assert "hook_url" in client.post("/unified/webhook", json={**body, "hook_url": None}).json()["message"]
    del body["hook_url"]
    assert client.post("/unified/webhook", json=body).status_code == 400
    for changes in ({"interval": "often"}, {"hook_url": 5}, {"is_paused": "no"}):
        answer = client.patch(f"/unified/webhook/{other['id']}", json=changes)
        assert answer.status_code == 400
        assert answer.json()["message"].startswith(f"{next(iter(changes))}: expected ")
    assert client.post("/unified/webhook", json={**body, "hook_url": "https://a", "interval": True}).status_code == 400


# The control surface


def test_another_process_can_look_and_steer_without_a_key(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    client.get(f"/ticketing/{zendesk}/ticket")
    client.get(f"/ticketing/{zendesk}/ticket/40001")
    with httpx.Client(base_url=f"{sandbox.base_url}/_sandbox") as control:
        overview = control.get("").json()
        assert overview["requests"] == {
            "GET /ticketing/{connection_id}/ticket": 1,
            "GET /ticketing/{connection_id}/ticket/{id}": 1,
        }
        assert overview["answers"] == {"200": 2}
        assert overview["connections"] == sandbox.world.counts()
        assert control.get(f"state/{zendesk}/ticket").json() == sandbox.world.records(zendesk, "ticket")

        assert control.post("clock", json={"advance_seconds": 90}).json() == {"now": "2026-05-29T16:01:30Z"}
        lived = control.post("live", json={"hours": 2}).json()
        assert lived["now"] == "2026-05-29T18:01:30Z"
        assert lived["new_tickets"] > 0

        assert control.put("faults", json={"status_500": 1.0, "max_consecutive": 99}).status_code == 200
        assert client.get("/unified/connection").status_code == 500
        assert control.get("").status_code == 200
        assert control.put("faults", json={"status_500": 2.0}).status_code == 400
        assert control.put("faults", json={}).status_code == 200

        control.post("reset-counters")
        assert control.get("").json()["requests"] == {}
        assert not sandbox.requests
        assert control.get("nonsense").status_code == 400


def test_two_sandboxes_run_side_by_side_on_ports_of_their_own() -> None:
    with Sandbox(world=World.empty()) as one, Sandbox(world=World.empty()) as two:
        assert one.base_url != two.base_url
        for sandbox in (one, two):
            headers = {"authorization": f"bearer {sandbox.api_key}"}
            assert httpx.get(f"{sandbox.base_url}/unified/connection", headers=headers).json() == []
