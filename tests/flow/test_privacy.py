"""What is protected is stored nowhere as it came, and joins by it still hold."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from pipelines.check import check
from pipelines.errors import FixConfiguration
from pipelines.sandbox import Sandbox
from pipelines.settings import WarehouseSettings
from pipelines.status import privacy_in
from pipelines.sync import SyncReport
from pipelines.verify import verify
from tests.flow.conftest import on_both, settings_for
from tests.flow.truth import OBJECTS, connected, query, true_rows

KEY = "a key of some length"
RULES = {
    "privacy": {
        "emails": "hash",
        "telephones": "drop",
        "name": "hash",
        "notes.description": "truncate 12",
        "raw": "drop",
    },
    "privacy_key": KEY,
}

RunSync = Callable[..., SyncReport]


@on_both
def test_what_is_protected_is_in_no_table_as_it_came(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync(RULES)
    customers = true_rows(sandbox.world, "customers").values()
    addresses = {contact["email"] for row in customers for contact in row.get("emails", [])}
    numbers = {contact["telephone"] for row in customers for contact in row.get("telephones", [])}
    assert addresses
    assert numbers
    with connected(warehouse) as connection:
        cursor = connection.cursor()
        for table in (*OBJECTS, "ticket_versions", "rejected_records"):
            cursor.execute(f"select cast(each as varchar) from raw_unified.{table} as each")
            text = "\n".join(row[0] for row in cursor.fetchall())
            assert not [needle for needle in addresses | numbers if needle in text], table
    for row in query(warehouse, "select description, raw, _privacy from raw_unified.notes"):
        assert len(row["description"] or "") <= 12
        assert row["raw"] is None
        assert row["_privacy"] == "description truncate 12, raw drop"


@on_both
def test_who_has_the_same_address_can_still_be_joined_by_it(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    first, second = [connection["id"] for connection in sandbox.world.connections()[:2]]
    for connection_id, address in ((first, "Ann@Example.com"), (second, " ann@example.com")):
        sandbox.world.create(connection_id, "customer", {"name": "Ann", "emails": [{"email": address, "type": "WORK"}]})
    run_sync(RULES)
    rows = query(warehouse, "select connection_id, emails from raw_unified.customers where emails is not null")
    hashes: dict[str, set[str]] = {}
    for row in rows:
        for contact in row["emails"]:
            hashes.setdefault(contact["email"], set()).add(row["connection_id"])
    assert {first, second} in hashes.values()
    assert all(len(hash) == 64 for hash in hashes)


def test_rules_of_a_connection_stand_before_those_of_all(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    first = sandbox.world.connections()[0]["id"]
    rules = {"privacy": {"emails": "hash", "connections": {first: {"emails": "keep"}}}, "privacy_key": KEY}
    run_sync(rules)
    stored = query(warehouse, "select connection_id, _privacy from raw_unified.customers")
    assert {row["_privacy"] is None for row in stored if row["connection_id"] == first} == {True}
    assert {row["_privacy"] is None for row in stored if row["connection_id"] != first} == {False}


def test_check_tells_what_is_in_force_and_what_is_stored_otherwise(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    before = check(settings_for(sandbox, **RULES), {}, stored_privacy=privacy_in(warehouse))
    first = before.connections[0]
    customers = next(item for item in first.privacy if item.table == "customers")
    assert customers.in_force is not None
    assert customers.in_force.startswith("emails hash, name hash, raw drop, telephones drop (key ")
    assert customers.stored_otherwise == {"nothing": len([*_of(sandbox, "customers", first.id)])}
    run_sync(RULES, full_refresh=True)
    after = check(settings_for(sandbox, **RULES), {}, stored_privacy=privacy_in(warehouse))
    assert not any(item.stored_otherwise for connection in after.connections for item in connection.privacy)
    other_key = RULES | {"privacy_key": "another key of some length"}
    changed = check(settings_for(sandbox, **other_key), {}, stored_privacy=privacy_in(warehouse))
    assert any(item.stored_otherwise for connection in changed.connections for item in connection.privacy)


def _of(sandbox: Sandbox, table: str, connection_id: str) -> list[str]:
    return [key[1] for key in true_rows(sandbox.world, table) if key[0] == connection_id]


def test_a_deep_look_finds_no_gap_in_what_is_protected(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync(RULES)
    assert verify(settings_for(sandbox, **RULES), warehouse, is_deep=True).gaps_left == 0


@pytest.mark.parametrize(
    ("privacy", "said"),
    [
        ({"emailss": "hash"}, "columns that can be protected"),
        ({"tickets.status": "drop"}, "columns that can be protected"),
        ({"id": "hash"}, "columns that can be protected"),
        ({"raw": "hash"}, "raw to be one of keep, drop"),
        ({"emails": "truncate 5"}, "emails to be one of"),
        ({"name": "truncate"}, "truncate and a number"),
        ({"name": "truncate 0"}, "truncate and a number"),
        ({"name": "erase"}, "name to be hash, drop"),
        ({"connections": "all"}, "rules by connection id"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(sandbox: Sandbox, privacy: dict[str, str], said: str) -> None:
    with pytest.raises(FixConfiguration, match=said):
        settings_for(sandbox, privacy=privacy, privacy_key=KEY).on_resolved()


def test_hashes_take_a_key(sandbox: Sandbox) -> None:
    with pytest.raises(FixConfiguration, match="privacy_key"):
        settings_for(sandbox, privacy={"emails": "hash"}).on_resolved()


def test_a_record_that_no_table_can_hold_is_set_aside_without_what_is_protected(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    connection_id = sandbox.world.connections()[0]["id"]
    customer = sandbox.world.records(connection_id, "customer")[0]
    body = json.dumps({**customer, "id": None, "name": "Zebulon Quill"}).encode()
    sandbox.world.mangle(connection_id, "customer", customer["id"], body)
    run_sync(RULES)
    [row] = query(warehouse, "select record from raw_unified.rejected_records")
    assert "Zebulon" not in row["record"]
    assert "emails" not in json.loads(row["record"])
