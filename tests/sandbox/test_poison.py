"""Records that are sent otherwise than they are, and a fixed set of hostile ones."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from pipelines.sandbox import Sandbox, poison_records
from pipelines.sandbox.poison import NUMERIC_ID
from pipelines.sandbox.support import FIELDS, OBJECTS


@pytest.mark.parametrize("body", [b"null", b"5", b'"text"', b"[]", b'{"subject":"no id"}', b'{"id":"cut o'])
def test_a_mangled_record_is_sent_as_these_bytes_in_its_place(
    sandbox: Sandbox, client: httpx.Client, zendesk: str, body: bytes
) -> None:
    tickets = sorted(sandbox.world.records(zendesk, "ticket"), key=lambda ticket: str(ticket["updated_at"]))
    record_id, question = tickets[3]["id"], "sort=updated_at&offset=2&limit=3"
    whole = client.get(f"/ticketing/{zendesk}/ticket?{question}").content
    true = client.get(f"/ticketing/{zendesk}/ticket/{record_id}").content
    truth = sandbox.world.record(zendesk, "ticket", record_id)
    sandbox.world.mangle(zendesk, "ticket", record_id, body)
    assert client.get(f"/ticketing/{zendesk}/ticket?{question}").content == whole.replace(true, body)
    assert b"," + body + b"," in client.get(f"/ticketing/{zendesk}/ticket?{question}&fields=id,raw").content
    assert client.get(f"/ticketing/{zendesk}/ticket/{record_id}").content == body
    assert sandbox.world.record(zendesk, "ticket", record_id) == truth
    sandbox.world.mangle(zendesk, "ticket", record_id, None)
    assert client.get(f"/ticketing/{zendesk}/ticket?{question}").content == whole


def test_a_mangled_record_stays_so_until_it_is_gone(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    world = sandbox.world
    world.create(zendesk, "ticket", {"id": "m", "subject": "old"})
    world.create(zendesk, "ticket", {"id": "n", "subject": "next"})
    world.mangle(zendesk, "ticket", "m", b"null")
    last_two = f"/ticketing/{zendesk}/ticket?sort=updated_at&order=desc&limit=2&fields=id"
    assert client.get(last_two).json() == [{"id": "n"}, None]
    world.touch(zendesk, "ticket", "m")
    assert client.get(last_two).json() == [None, {"id": "n"}]
    world.patch(zendesk, "ticket", "m", {"subject": "new"})
    world.patch(zendesk, "ticket", "m", {"subject": "newest"}, quiet=True)
    assert client.get(f"/ticketing/{zendesk}/ticket?query=newest").json() == [None]
    assert world.record(zendesk, "ticket", "m")["subject"] == "newest"
    world.delete(zendesk, "ticket", "m")
    assert client.get(f"/ticketing/{zendesk}/ticket/m").status_code == 404
    world.create(zendesk, "ticket", {"id": "m"})
    assert client.get(f"/ticketing/{zendesk}/ticket/m").json()["id"] == "m"


def test_only_what_is_there_can_be_mangled(sandbox: Sandbox, zendesk: str) -> None:
    with pytest.raises(KeyError, match="no ticket 'nothing'"):
        sandbox.world.mangle(zendesk, "ticket", "nothing", b"null")


@pytest.mark.parametrize("integration_type", ["zendesk", "servicenow", "gorgias"])
@pytest.mark.parametrize("object_name", OBJECTS)
def test_poison_is_served_in_full(
    sandbox: Sandbox, client: httpx.Client, integration_type: str, object_name: str
) -> None:
    connection = sandbox.world.add_connection(integration_type, id="poisoned")
    arriving, rejected = poison_records(sandbox.world, connection, object_name)
    assert sorted(arriving + rejected) == sorted(row["id"] for row in sandbox.world.records(connection, object_name))
    url = f"/ticketing/{connection}/{object_name}?fields={','.join(FIELDS[object_name])}"
    for question in ("sort=updated_at", "sort=created_at", "sort=name", "updated_gte=2026-01-01", "query=x"):
        assert client.get(f"{url}&{question}").status_code == 200
    sent = _lenient(client.get(url).content)
    assert [_id(record) for record in sent[: len(arriving)]] == arriving
    assert not {_id(record) for record in sent[len(arriving) :]} & {*arriving, *rejected}
    assert len(sent) == len(arriving) + len(rejected)


def test_poison_is_as_bad_as_it_says(sandbox: Sandbox, client: httpx.Client, zendesk: str) -> None:
    poison_records(sandbox.world, zendesk)
    fields = ",".join(FIELDS["ticket"])

    def sent(name: str) -> bytes:
        return client.get(f"/ticketing/{zendesk}/ticket/{name}?fields={fields}").content

    nul = json.loads(sent("poison-nul"))
    assert all("\0" in str(nul[name]) or "\\x00" in str(nul[name]) for name in ("subject", "description", "tags"))
    assert list(nul["raw"]) == ["a\0b", "\0"]
    assert rb"\ud800" in sent("poison-lone-surrogates")
    assert {json.loads(sent(f"poison-updated-at-{n}"))["updated_at"] for n in (0, 1, 3, 4)} == {
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0000-00-00",
        "31/12/2025",
    }
    assert json.loads(sent("poison-no-text-0"))["subject"] == 5
    assert json.loads(sent("poison-no-text-4"))["description"] == {"a": 1}
    assert json.loads(sent("poison-no-list-0"))["tags"] == "not a list"
    assert b'"raw":{"a":NaN}' in sent("poison-nan")
    assert b'"raw":{"a":1e999}' in sent("poison-endless-float")
    assert len(sent("poison-huge")) > 3_000_000
    assert sent("poison-deep-object").count(b'{"a":') == 2_000
    assert json.loads(sent("poison-big-integers"))["raw"]["beyond"] == 10**40
    assert json.loads(sent(NUMERIC_ID))["id"] == int(NUMERIC_ID)
    assert "id" not in json.loads(sent("poison-no-id"))
    assert sent("poison-list") == b"[]"


def test_a_poisoned_world_lives_on(sandbox: Sandbox) -> None:
    for connection in sandbox.world.connections():
        for object_name in OBJECTS:
            poison_records(sandbox.world, connection["id"], object_name)
    assert sandbox.world.live(hours=72)["new_tickets"] > 0


def _lenient(body: bytes) -> list[Any]:
    """What a decoder makes of a list that is told to be lenient; nesting and digits without end are cut short."""
    text = body.replace(b'{"a":' * 2_000 + b"1" + b"}" * 2_000, b"1").replace(b"[" * 2_000 + b"]" * 2_000, b"1")
    decoded: list[Any] = json.loads(text.replace(b"0" * 5_000, b""))
    return decoded


def _id(record: Any) -> str | None:
    return str(record["id"]) if isinstance(record, dict) and record.get("id") else None
