"""What is protected is stored nowhere as it came, and joins by it still hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipelines.check import CheckReport, check
from pipelines.errors import FixConfiguration
from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from pipelines.status import privacy_in, status
from pipelines.sync import SyncReport
from pipelines.verify import verify
from tests.flow.conftest import on_both, settings_for
from tests.flow.truth import OBJECTS, connected, query, true_rows
from transforms.values import digest

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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_rules_of_a_connection_stand_before_those_of_all(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    first = sandbox.world.connections()[0]["id"]
    rules = {"privacy": {"emails": "hash", "connections": {first: {"emails": "keep"}}}, "privacy_key": KEY}
    run_sync(rules)
    stored = query(warehouse, "select connection_id, _privacy from raw_unified.customers")
    assert {row["_privacy"] is None for row in stored if row["connection_id"] == first} == {True}
    assert {row["_privacy"] is None for row in stored if row["connection_id"] != first} == {False}


@pytest.mark.slow
def test_check_tells_what_is_in_force_and_what_is_stored_otherwise(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    before = checked(sandbox, warehouse, RULES)
    first = before.connections[0].id
    customers = next(item for item in before.privacy if (item.connection_id, item.table) == (first, "customers"))
    assert customers.in_force is not None
    assert customers.in_force.startswith("emails hash, name hash, raw drop, telephones drop (key ")
    assert customers.stored_otherwise == {"nothing": len([*_of(sandbox, "customers", first)])}
    run_sync(RULES, full_refresh=True)
    after = checked(sandbox, warehouse, RULES)
    assert not any(item.stored_otherwise for item in after.privacy)
    changed = checked(sandbox, warehouse, RULES | {"privacy_key": "another key of some length"})
    assert any(item.stored_otherwise for item in changed.privacy)


@pytest.mark.slow
def test_check_tells_of_rejected_records_and_connections_that_are_not_read(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    first, second = (connection["id"] for connection in sandbox.world.connections()[:2])
    customer = sandbox.world.records(second, "customer")[0]
    sandbox.world.mangle(second, "customer", customer["id"], b'{"id":null,"name":"Zebulon Quill"}')
    run_sync()
    found = {
        (item.connection_id, item.table): item
        for item in checked(sandbox, warehouse, RULES | {"connection_ids": [first]}).privacy
    }
    assert found[second, "customers"].rejected_otherwise == 1
    assert found[first, "customers"].rejected_otherwise == 0
    assert sum(found[second, "customers"].stored_otherwise.values()) == len([*_of(sandbox, "customers", second)]) - 1


def test_check_tells_which_columns_are_kept_that_may_say_what_is_protected(
    sandbox: Sandbox, warehouse: WarehouseSettings
) -> None:
    def beside(**privacy: str) -> dict[str, tuple[str, ...]]:
        rules = {"privacy": privacy, "privacy_key": KEY}
        return {item.table: item.kept_beside for item in checked(sandbox, warehouse, rules).privacy}

    assert beside(emails="hash") == {"customers": ("raw", "metadata", "_extra"), "employees": ()}
    assert beside(emails="hash", raw="drop", metadata="drop", _extra="drop")["customers"] == ()
    assert beside(raw="drop")["tickets"] == ()


def checked(sandbox: Sandbox, warehouse: WarehouseSettings, rules: dict[str, Any]) -> CheckReport:
    return check(settings_for(sandbox, **rules), {}, stored_privacy=privacy_in(warehouse))


@pytest.mark.slow
def test_rules_for_a_connection_that_there_is_not_are_refused_before_anything_is_stored(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    rules = {"privacy": {"connections": {"66d1fo": {"emails": "drop"}}}}
    with pytest.raises(FixConfiguration, match="got 66d1fo"):
        run_sync(rules)
    with pytest.raises(FixConfiguration, match="got 66d1fo"):
        checked(sandbox, warehouse, rules)
    assert status(warehouse).objects == []


@pytest.mark.slow
@on_both
def test_what_a_full_refresh_protects_is_not_left_in_the_files(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    run_sync(RULES, full_refresh=True)
    addresses = [
        contact["email"] for row in true_rows(sandbox.world, "customers").values() for contact in row.get("emails", [])
    ]
    if isinstance(warehouse, DuckdbWarehouse):
        data = warehouse.path.read_bytes()
        assert not [address for address in addresses if address.encode() in data]
    else:
        [dead] = query(
            warehouse,
            "select pg_relation_size('raw_unified.customers') as bytes, count(*) as rows from raw_unified.customers",
        )
        assert dead["bytes"] <= 8192 * (dead["rows"] // 8 + 1)


def _of(sandbox: Sandbox, table: str, connection_id: str) -> list[str]:
    return [key[1] for key in true_rows(sandbox.world, table) if key[0] == connection_id]


@pytest.mark.slow
def test_a_deep_look_finds_no_gap_in_what_is_protected(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync(RULES)
    assert verify(settings_for(sandbox, **RULES), warehouse, is_deep=True).gaps_left == 0


@pytest.mark.slow
def test_a_deep_look_does_not_take_other_rules_for_another_content(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    report = verify(settings_for(sandbox, **RULES), warehouse, is_deep=True)
    assert report.gaps_left == 0
    shown = sum(finding.verdict.shown for finding in report.findings if finding.outcome.object != "categories")
    assert sum(finding.verdict.not_comparable for finding in report.findings) >= shown > 0


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


@pytest.mark.slow
def test_a_record_that_no_table_can_hold_is_set_aside_without_what_is_protected(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    connection_id = sandbox.world.connections()[0]["id"]
    customer = sandbox.world.records(connection_id, "customer")[0]
    body = json.dumps({**customer, "id": None, "name": "Zebulon Quill"}).encode()
    sandbox.world.mangle(connection_id, "customer", customer["id"], body)
    run_sync(RULES)
    [row] = query(warehouse, "select record, record_hash, _privacy from raw_unified.rejected_records")
    assert "Zebulon" not in row["record"]
    assert "emails" not in json.loads(row["record"])
    assert row["_privacy"].startswith("emails hash")
    assert row["record_hash"] == digest(row["record"].encode())
