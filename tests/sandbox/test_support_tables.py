"""Support tables and records speak the published description's language, copied here word by word."""

from __future__ import annotations

import pytest

from pipelines.sandbox import World
from pipelines.sandbox.helpdesks import HELPDESKS
from pipelines.sandbox.support import LISTABLE_FIELDS, support_table

# fmt: off
SUPPORT_PROPERTIES = {
    "inbound_fields", "list_category_id", "list_customer_id", "list_limit", "list_offset", "list_order",
    "list_parent_id", "list_query", "list_raw_fields", "list_sort_by_created_at", "list_sort_by_name",
    "list_sort_by_updated_at", "list_status", "list_ticket_id", "list_type", "list_updated_gte", "list_user_id",
    "methods", "native_webhook_parent_id", "native_webhook_type", "outbound_fields", "raw_objects", "slow_fields",
    "virtual_webhook_customer_id", "virtual_webhook_limit", "virtual_webhook_parent_id", "virtual_webhook_status",
    "virtual_webhook_ticket_id", "virtual_webhook_type", "virtual_webhook_updated_gte", "virtual_webhook_user_id",
    "webhook_events",
}
CONNECTION_PROPERTIES = {
    "auth", "auth_aws_arn", "auth_azure_keyvault_id", "auth_gcp_secret_name", "auth_hashi_vault_path", "categories",
    "created_at", "environment", "external_xref", "id", "integration_name", "integration_type", "is_paused",
    "last_healthy_at", "last_unhealthy_at", "permissions", "updated_at", "workspace_id",
}
RECORD_PROPERTIES = {
    "ticket": {
        "attachment_ids", "category", "category_id", "closed_at", "created_at", "customer_id", "description",
        "due_at", "id", "metadata", "priority", "raw", "source", "source_ref", "status", "subject", "tags",
        "updated_at", "url", "user_id",
    },
    "customer": {
        "created_at", "emails", "id", "metadata", "name", "raw", "tags", "telephones", "updated_at",
    },
    "note": {
        "created_at", "customer_id", "description", "id", "metadata", "raw", "ticket_id", "updated_at", "user_id",
    },
    "category": {
        "created_at", "description", "id", "is_active", "metadata", "name", "parent_id", "raw", "updated_at",
    },
}
# fmt: on
LIST_FIELDS = {
    "ticket": RECORD_PROPERTIES["ticket"] - {"attachment_ids", "due_at", "metadata"},
    "customer": RECORD_PROPERTIES["customer"] - {"metadata"},
    "note": RECORD_PROPERTIES["note"] - {"metadata"},
    "category": RECORD_PROPERTIES["category"] - {"metadata"},
}
LEVELS = {"supported", "supported-required", "not-supported"}


@pytest.mark.parametrize("integration_type", HELPDESKS)
def test_a_support_table_has_the_published_form(integration_type: str) -> None:
    for name, support in HELPDESKS[integration_type].support.items():
        assert set(support) <= SUPPORT_PROPERTIES
        assert set(support["methods"]) == {"list", "get", "create", "update", "remove"}
        assert {level for key, level in support.items() if key.startswith("list_")} <= LEVELS
        assert set(support["webhook_events"]) == {"created", "updated", "deleted"}
        assert {kind for kinds in support["webhook_events"].values() for kind in kinds} <= {"native", "virtual"}
        if name.startswith("ticketing_"):
            properties = RECORD_PROPERTIES[name.removeprefix("ticketing_")]
            assert set(support["outbound_fields"]) <= set(support["inbound_fields"]) <= properties
        assert not {"id", "created_at", "updated_at", "raw"} & set(support["outbound_fields"])


@pytest.mark.parametrize("integration_type", ["zendesk", "intercom", "freshdesk", "servicenow"])
def test_the_four_helpdesks_fully_support_walking_tickets_and_notes(integration_type: str) -> None:
    for name in ("ticketing_ticket", "ticketing_note", "ticketing_customer"):
        support = HELPDESKS[integration_type].support[name]
        for trait in ("list_updated_gte", "list_sort_by_updated_at", "list_order", "list_limit", "list_offset"):
            assert support[trait] == "supported"
        assert "raw" in support["inbound_fields"]


def test_the_others_each_lack_what_they_are_there_to_lack() -> None:
    tables = {name: helpdesk.support for name, helpdesk in HELPDESKS.items()}
    assert tables["helpscout"]["ticketing_note"]["list_ticket_id"] == "supported-required"
    assert tables["gorgias"]["ticketing_ticket"]["list_updated_gte"] == "not-supported"
    assert tables["gorgias"]["ticketing_ticket"]["list_sort_by_updated_at"] == "supported"
    assert tables["hubspot"]["ticketing_ticket"]["list_sort_by_updated_at"] == "not-supported"
    assert tables["hubspot"]["ticketing_ticket"]["list_updated_gte"] == "supported"
    assert tables["front"]["ticketing_ticket"]["list_updated_gte"] == "not-supported"
    assert "ticketing_note" not in tables["zohodesk"]
    assert tables["kustomer"]["ticketing_note"]["list_ticket_id"] == "supported-required"
    assert HELPDESKS["kustomer"].unknown_ticket_is_404
    assert not HELPDESKS["helpscout"].unknown_ticket_is_404
    for support in tables["groove"].values():
        assert [method for method, is_offered in support["methods"].items() if not is_offered] == ["get"]
    assert "priority" not in tables["intercom"]["ticketing_ticket"]["outbound_fields"]


def test_every_integration_is_listed_with_its_true_table() -> None:
    assert all(helpdesk.is_listed and helpdesk.published is None for helpdesk in HELPDESKS.values())


def test_traits_build_a_table_and_overrides_bend_single_objects() -> None:
    table = support_table(updated_gte=False, raw=False, overrides={"note": {"updated_gte": True, "methods": ("list",)}})
    assert table["ticketing_ticket"]["list_updated_gte"] == "not-supported"
    assert table["ticketing_note"]["list_updated_gte"] == "supported"
    assert table["ticketing_note"]["methods"]["get"] is False
    assert "raw" not in table["ticketing_note"]["inbound_fields"]


@pytest.mark.parametrize("integration_type", HELPDESKS)
def test_seeded_records_have_published_fields_only_and_what_their_table_reads(integration_type: str) -> None:
    world = World.seeded(seed=2, tickets=120, helpdesks=(integration_type,))
    world.live(hours=12)
    [connection] = world.connections()
    assert set(connection) <= CONNECTION_PROPERTIES
    for name, properties in RECORD_PROPERTIES.items():
        support = world.helpdesk_of(connection["id"]).support.get(f"ticketing_{name}")
        for record in world.records(connection["id"], name):
            assert set(record) <= properties
            assert support is None or set(record) <= set(support["inbound_fields"])


def test_the_strict_list_parameter_is_the_published_one() -> None:
    for name, fields in LIST_FIELDS.items():
        assert LISTABLE_FIELDS[name] == fields
