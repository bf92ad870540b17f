"""The vendor's own client, `unified-python-sdk`, works against the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import unified_python_sdk
from unified_python_sdk.models import errors, shared

from pipelines.sandbox import Sandbox


@pytest.fixture
def sdk(sandbox: Sandbox) -> Iterator[Any]:
    security = shared.Security(jwt=f"bearer {sandbox.api_key}")
    with unified_python_sdk.UnifiedTo(security=security, server_url=sandbox.base_url) as client:
        yield client


def test_it_walks_every_list_of_every_helpdesk(sandbox: Sandbox, sdk: Any) -> None:
    lists = {
        "ticket": (sdk.ticketing.list_ticketing_tickets, "ticketing_tickets"),
        "note": (sdk.ticketing.list_ticketing_notes, "ticketing_notes"),
        "customer": (sdk.ticketing.list_ticketing_customers, "ticketing_customers"),
        "category": (sdk.ticketing.list_ticketing_categories, "ticketing_categories"),
    }
    for connection in sandbox.world.connections():
        for name, (call, attribute) in lists.items():
            found: list[Any] = []
            while True:
                request = {"connection_id": connection["id"], "limit": 40, "offset": len(found), "sort": "updated_at"}
                page = getattr(call(request=request), attribute)
                found += page
                if len(page) < 40:
                    break
            truth = {record["id"]: record for record in sandbox.world.records(connection["id"], name)}
            assert {record.id for record in found} == set(truth)
            assert len(found) == len(truth)
            assert all(record.updated_at == _moment(truth[record.id]["updated_at"]) for record in found)


def test_it_asks_for_raw_and_for_what_changed_since(sandbox: Sandbox, sdk: Any, zendesk: str) -> None:
    moments = sorted(ticket["updated_at"] for ticket in sandbox.world.records(zendesk, "ticket"))
    request = {
        "connection_id": zendesk,
        "updated_gte": moments[-4],
        "sort": "updated_at",
        "order": "desc",
        "fields": ["id", "updated_at", "raw"],
    }
    tickets = sdk.ticketing.list_ticketing_tickets(request=request).ticketing_tickets
    assert [ticket.updated_at for ticket in tickets] == [_moment(text) for text in reversed(moments[-4:])]
    assert all(ticket.raw["status"] and ticket.subject is None for ticket in tickets)


def test_it_creates_reads_changes_and_removes(sandbox: Sandbox, sdk: Any, zendesk: str) -> None:
    ticketing, here = sdk.ticketing, {"connection_id": zendesk}
    made = {
        "customer": ticketing.create_ticketing_customer(
            request={**here, "ticketing_customer": {"name": "Ada", "emails": [{"email": "ada@mailbox.example"}]}}
        ).ticketing_customer,
        "category": ticketing.create_ticketing_category(
            request={**here, "ticketing_category": {"name": "Bells"}}
        ).ticketing_category,
    }
    ticket = ticketing.create_ticketing_ticket(
        request={**here, "ticketing_ticket": {"subject": "Bell", "customer_id": made["customer"].id, "tags": ["bell"]}}
    ).ticketing_ticket
    note = ticketing.create_ticketing_note(
        request={**here, "ticketing_note": {"ticket_id": ticket.id, "description": "ding"}}
    ).ticketing_note
    assert (ticket.status, ticket.tags, note.description) == ("ACTIVE", ["bell"], "ding")

    patched = ticketing.patch_ticketing_ticket(
        request={**here, "id": ticket.id, "ticketing_ticket": {"status": "CLOSED"}}
    ).ticketing_ticket
    assert (patched.status, patched.closed_at, patched.subject) == ("CLOSED", patched.updated_at, "Bell")
    updated = ticketing.update_ticketing_note(
        request={**here, "id": note.id, "ticketing_note": {"description": "dong"}}
    ).ticketing_note
    assert updated.description == "dong"
    ticketing.patch_ticketing_customer(
        request={**here, "id": made["customer"].id, "ticketing_customer": {"name": "Ada L."}}
    )
    ticketing.patch_ticketing_category(
        request={**here, "id": made["category"].id, "ticketing_category": {"is_active": False}}
    )
    read = ticketing.get_ticketing_customer(request={**here, "id": made["customer"].id}).ticketing_customer
    assert (read.name, read.emails[0].email) == ("Ada L.", "ada@mailbox.example")
    assert sandbox.world.record(zendesk, "category", made["category"].id)["is_active"] is False

    ticketing.remove_ticketing_note(request={**here, "id": note.id})
    ticketing.remove_ticketing_ticket(request={**here, "id": ticket.id})
    ticketing.remove_ticketing_customer(request={**here, "id": made["customer"].id})
    ticketing.remove_ticketing_category(request={**here, "id": made["category"].id})
    with pytest.raises(errors.SDKError, match="404"):
        ticketing.get_ticketing_ticket(request={**here, "id": ticket.id})


def test_it_lists_the_workspace(sandbox: Sandbox, sdk: Any, zendesk: str) -> None:
    connections = sdk.connection.list_unified_connections(request={"categories": ["ticketing"]}).connections
    assert [row.id for row in connections] == [row["id"] for row in sandbox.world.connections()]
    assert connections[0].auth.access_token.startswith("fake-credential-")
    assert sdk.connection.get_unified_connection(request={"id": zendesk}).connection.integration_type == "zendesk"
    [integration] = sdk.integration.list_unified_integrations(request={"type": "servicenow"}).integrations
    support = integration.support["ticketing_category"]
    assert (support.list_updated_gte, support.methods["list"]) == ("not-supported", True)
    employees = sdk.hris.list_hris_employees(request={"connection_id": zendesk}).hris_employees
    assert {employee.name for employee in employees} == {
        row["name"] for row in sandbox.world.records(zendesk, "employee")
    }


def test_it_keeps_webhook_subscriptions(sdk: Any, zendesk: str) -> None:
    body = {
        "connection_id": zendesk,
        "object_type": "ticketing_note",
        "event": "created",
        "hook_url": "https://a.example/hook",
        "interval": 5,
    }
    made = sdk.webhook.create_unified_webhook(request={"webhook": body}).webhook
    assert (made.webhook_type, made.interval, made.is_healthy) == ("native", 5, True)
    assert [row.id for row in sdk.webhook.list_unified_webhooks(request={"connection_id": zendesk}).webhooks] == [
        made.id
    ]
    patched = sdk.webhook.patch_unified_webhook(request={"id": made.id, "webhook": {**body, "interval": 9}}).webhook
    assert patched.interval == 9
    assert sdk.webhook.get_unified_webhook(request={"id": made.id}).webhook == patched
    sdk.webhook.remove_unified_webhook(request={"id": made.id})
    assert sdk.webhook.list_unified_webhooks(request={}).webhooks == []


def test_a_wrong_key_is_an_error_there_too(sandbox: Sandbox) -> None:
    security = shared.Security(jwt="bearer wrong")
    with (
        unified_python_sdk.UnifiedTo(security=security, server_url=sandbox.base_url) as client,
        pytest.raises(errors.SDKError, match="401"),
    ):
        client.connection.list_unified_connections(request={})


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
