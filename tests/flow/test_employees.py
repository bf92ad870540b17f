"""Agents by name, from the staff directory of a connection that has one, and nothing else of what it knows of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import dlt
import pytest

from pipelines.build import build, complete_tables
from pipelines.check import ObjectCheck, check
from pipelines.errors import GrantPermission
from pipelines.forget import forget, preview
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from pipelines.status import cursors_in, status
from pipelines.sync import SyncReport, reconcile, sync
from pipelines.ticketing import source
from pipelines.ticketing.source import unified
from pipelines.unified_api.client import Calls, Parameters, UnifiedClient
from pipelines.unified_api.endpoints import EMPLOYEES, ENDPOINTS
from pipelines.unified_api.records import Page
from pipelines.verify import verify
from pipelines.warehouse.load import open_pipeline
from pipelines.warehouse.lock import one_writer
from tests.flow.conftest import at_length, destination_environment, on_both, on_both_at_length, settings_for, slow
from tests.flow.truth import KEPT_OF_EMPLOYEES, assert_same, every_row, query, stored_rows, true_rows

RunSync = Callable[..., SyncReport]

PERMISSION = "hris_employee_read"
PRIVATE = re.compile(r"19\d\d-02-17|170260-|SALARY|Fjordgata|555 01|MARRIED")
"""What the sandbox's directory tells of everybody."""

PRIVACY = {"privacy": {"emails": "hash", "name": "hash", "raw": "drop"}, "privacy_key": "a key of some length"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """One helpdesk with a staff directory, and one without."""
    with Sandbox(seed=7, tickets=12, helpdesks=("zendesk", "front")) as running:
        yield running


@pytest.fixture
def zendesk(sandbox: Sandbox) -> str:
    return str(sandbox.world.connections()[0]["id"])


@pytest.fixture
def fields_asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Which fields every request for employees names."""
    asked: list[tuple[str, ...]] = []
    list_page = UnifiedClient.list

    def listed(client: UnifiedClient, path: str, parameters: Parameters, calls: Calls) -> Page:
        if path.endswith("/employee"):
            asked.append(tuple(parameters.get("fields", ())))  # type: ignore[arg-type]
        return list_page(client, path, parameters, calls)

    monkeypatch.setattr(UnifiedClient, "list", listed)
    return asked


def plans(report: SyncReport) -> dict[str, str]:
    """By connection, of employees."""
    return {outcome.connection_id: outcome.plan for outcome in report.outcomes if outcome.object == "employees"}


def checked(sandbox: Sandbox, warehouse: WarehouseSettings, connection_id: str) -> ObjectCheck:
    report = check(settings_for(sandbox), cursors_in(warehouse))
    assert report.exit_code == 0, report.problems
    [connection] = [each for each in report.connections if each.id == connection_id]
    return next(item for item in connection.objects if item.table == "employees")


def withdraw_permission(world: World, connection_id: str) -> None:
    [connection] = [each for each in world.connections() if each["id"] == connection_id]
    world.change_connection(
        connection_id, permissions=[each for each in connection["permissions"] if each != PERMISSION]
    )


@pytest.mark.slow
@on_both
def test_every_agent_of_a_ticket_has_a_name(sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync) -> None:
    run_sync()
    assert_same(sandbox.world, warehouse)
    [found] = query(
        warehouse,
        "select count(*) as tickets, count(employees.name) as named from raw_unified.tickets as tickets "
        "left join raw_unified.employees as employees "
        "on employees.connection_id = tickets.connection_id and employees.id = tickets.user_id "
        "where tickets.user_id is not null "
        "and tickets.connection_id in (select connection_id from raw_unified.employees)",
    )
    assert found["tickets"] == found["named"] > 0


@pytest.mark.slow
def test_employees_alone_are_read_and_read_on_from_their_cursor(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, zendesk: str
) -> None:
    assert run_sync(select=["employees"]).exit_code == 0
    assert not any("/ticketing/" in path for path in sandbox.requests)
    newcomer = sandbox.world.create(zendesk, "employee", {"name": "Signe Dahl", "employment_status": "ACTIVE"})
    [outcome] = [each for each in run_sync(select=["employees"]).outcomes if each.connection_id == zendesk]
    assert outcome.plan == "by_anchor"
    assert outcome.cursor_before is not None
    assert stored_rows(warehouse, "employees")[zendesk, newcomer["id"]]["name"] == "Signe Dahl"
    assert ("employees", len(true_rows(sandbox.world, "employees"))) in {
        (item.object, item.rows) for item in status(warehouse).objects
    }


@pytest.mark.slow
@on_both_at_length
def test_what_else_a_staff_directory_knows_reaches_no_table_and_no_file(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, zendesk: str
) -> None:
    """The server shows all of it, though only some fields are asked for, and some of it where no table can hold it."""
    world = sandbox.world
    for _ in range(4):
        world.create(zendesk, "employee", {"name": "Signe Dahl"})
    first, *others = world.records(zendesk, "employee")
    second, third, fourth = others[-3:]
    private = {name: first[name] for name in first.keys() - KEPT_OF_EMPLOYEES}
    assert all(PRIVATE.search(str(private[name])) for name in ("date_of_birth", "ssn_sin", "compensation", "address"))
    everything = {**first, "raw": private, "_extra": private, "_privacy": "Fjordgata", "metadata": [private]}
    world.mangle(zendesk, "employee", first["id"], json.dumps(everything).encode())
    world.mangle(zendesk, "employee", second["id"], json.dumps({**everything, "id": None}).encode())
    world.mangle(zendesk, "employee", third["id"], json.dumps([private]).encode())
    world.mangle(zendesk, "employee", fourth["id"], json.dumps({**everything, "id": " ", "name": "x\0"}).encode())
    sandbox.faults = Faults(fields_ignored=True)
    assert run_sync(select=["employees"]).exit_code == 0
    assert not [row for _, row in every_row(warehouse) if PRIVATE.search(row)]
    files = [path for path in warehouse.state_dir.rglob("*") if path.is_file()]
    files += [warehouse.path] if isinstance(warehouse, DuckdbWarehouse) else []
    assert not [path for path in files if PRIVATE.search(path.read_bytes().decode(errors="replace"))]
    rejected = query(warehouse, "select record from raw_unified.rejected_records where object = 'employees'")
    kept = [row["record"] and json.loads(row["record"]) for row in rejected]
    assert len(kept) == 3
    assert None in kept
    assert all(record.keys() <= KEPT_OF_EMPLOYEES for record in kept if record)


@pytest.mark.long
@pytest.mark.slow
def test_only_what_may_be_stored_is_asked_for_by_any_command(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, fields_asked: list[tuple[str, ...]]
) -> None:
    settings, employees = settings_for(sandbox), ["employees"]
    check(settings, {})
    run_sync(select=["categories"])
    verify(settings, warehouse, select=employees)
    run_sync(select=employees)
    run_sync(select=employees, full_refresh=True)
    reconcile(settings, warehouse, select=employees)
    verify(settings, warehouse, select=employees, is_deep=True)
    verify(settings, warehouse, select=employees, sample=2, repairs=True)
    assert EMPLOYEES.fields in fields_asked
    assert all(fields and {*fields} <= KEPT_OF_EMPLOYEES for fields in fields_asked)


@pytest.mark.slow
def test_a_connection_without_a_staff_directory_costs_no_call_and_is_no_failure(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    front = sandbox.world.connections()[1]["id"]
    sandbox.reset_counters()
    report = run_sync()
    assert report.exit_code == 0
    assert plans(report)[front] == "not_offered, the connection does not have the category hris"
    assert sandbox.requests["GET /hris/{connection_id}/employee"] <= 2
    assert run_sync(settings={"connection_ids": [front]}, select=["employees"]).exit_code == 0
    assert checked(sandbox, warehouse, front).calls_forecast is None


@pytest.mark.slow
@pytest.mark.parametrize("was_read_before", [False, slow(True)])
def test_a_permission_that_is_not_granted_is_no_failure_of_any_command_and_says_so(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, zendesk: str, *, was_read_before: bool
) -> None:
    employees = ["employees"]
    if was_read_before:
        run_sync(select=employees)
    rows = stored_rows(warehouse, "employees") if was_read_before else {}
    withdraw_permission(sandbox.world, zendesk)
    sandbox.reset_counters()
    said = f"not_offered, the connection does not grant the permission {PERMISSION}"
    for command in (sync, reconcile):
        report = command(settings_for(sandbox), warehouse, select=employees)
        assert report.exit_code == 0
        assert plans(report)[zendesk] == said
    assert verify(settings_for(sandbox), warehouse, select=employees).exit_code == 0
    assert PERMISSION in checked(sandbox, warehouse, zendesk).plan.reason
    assert not any("/hris/" in path for path in sandbox.requests)
    assert stored_rows(warehouse, "employees") == rows
    told = query(
        warehouse, f"select distinct plan from raw_unified.sync_runs where connection_id = '{zendesk}' and "
        "object = 'employees' and plan like 'not_offered%'"
    )  # fmt: skip
    assert told == [{"plan": said}]


@pytest.mark.long
@pytest.mark.slow
def test_a_refusal_that_nothing_foretold_is_taken_for_a_permission_that_is_not_granted(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    zendesk: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    list_page = UnifiedClient.list

    def refused(client: UnifiedClient, path: str, parameters: Parameters, calls: Calls) -> Page:
        if path.endswith(("/employee", "/category")):
            raise GrantPermission("403")
        return list_page(client, path, parameters, calls)

    monkeypatch.setattr(UnifiedClient, "list", refused)
    for command in (sync, reconcile):
        report = command(settings_for(sandbox, connection_ids=[zendesk]), warehouse)
        assert [outcome.object for outcome in report.failed] == ["categories"]
        assert plans(report)[zendesk] == f"not_offered, the server refuses it without {PERMISSION}"
    look = verify(settings_for(sandbox, connection_ids=[zendesk]), warehouse)
    assert [finding.outcome.object for finding in look.unverified] == ["categories"]
    found = check(settings_for(sandbox, connection_ids=[zendesk]), {})
    assert [problem.split(":")[0] for problem in found.problems] == [f"{zendesk} categories"]


def test_what_is_not_offered_makes_no_workspace_readable(sandbox: Sandbox) -> None:
    for connection in sandbox.world.connections():
        sandbox.world.change_connection(connection["id"], permissions=["none"])
    assert check(settings_for(sandbox), {}).exit_code == 1


@pytest.mark.slow
def test_a_staff_directory_that_is_gone_from_the_support_table_fails_as_any_other_object(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, zendesk: str
) -> None:
    run_sync()
    support = sandbox.world.helpdesk_of(zendesk).support
    sandbox.world.publish("zendesk", {name: row for name, row in support.items() if name != "hris_employee"})
    [failed] = run_sync().failed
    assert failed.object == "employees"
    assert "read before" in str(failed.error)


@pytest.mark.slow
@on_both
def test_names_and_addresses_of_employees_are_protected_by_the_rules_of_all_tables(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync(PRIVACY)
    rows = stored_rows(warehouse, "employees")
    for employee in true_rows(sandbox.world, "employees").values():
        said = (employee["first_name"], employee["last_name"], employee["emails"][0]["email"])
        assert not [row for row in rows.values() if any(each in str(row) for each in said)]
    hashed = {name for row in rows.values() for name in (row["name"], row["first_name"], row["emails"][0]["email"])}
    assert all(len(each) == 64 for each in hashed)
    assert verify(settings_for(sandbox, **PRIVACY), warehouse, is_deep=True).gaps_left == 0


@pytest.mark.long
@pytest.mark.slow
@on_both_at_length
@pytest.mark.parametrize("rules", [PRIVACY, *map(at_length, ({}, PRIVACY | {"privacy": {"employees.emails": "hash"}}))])
def test_who_is_forgotten_as_a_customer_stays_an_employee_without_the_address(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, zendesk: str, rules: dict[str, Any]
) -> None:
    world, settings = sandbox.world, settings_for(sandbox, **rules)
    address, other = "Ann.Forgetmenot@example.com", {"email": "ann@work.example", "type": "OTHER"}
    contact = {"emails": [{"email": address, "type": "WORK"}]}
    employee = world.create(zendesk, "employee", {"name": "Ann", "emails": [*contact["emails"], other]})["id"]
    world.create(zendesk, "customer", {"name": "Ann", **contact})
    run_sync(rules)
    hashed = settings.address_hash()
    needles = {address.lower(), *([hashed(address.lower())] if hashed else [])}
    found = preview(address, settings, warehouse)
    assert found.traces == {"customers": 1, "employees with an address of theirs, who stay without it": 1}
    forget(address, settings, warehouse)
    for _ in range(2):
        first, second = stored_rows(warehouse, "employees")[zendesk, employee]["emails"]
        assert (first, second["type"]) == ({"email": "(forgotten)", "type": "WORK"}, "OTHER")
        assert not [row for _, row in every_row(warehouse) if any(needle in row.lower() for needle in needles)]
        assert verify(settings, warehouse, is_deep=True).gaps_left == 0
        run_sync(rules, full_refresh=True)


@pytest.fixture
def older_warehouse(
    sandbox: Sandbox, warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> WarehouseSettings:
    """One that a release without employees has written."""
    tables = {name: each for name, each in ENDPOINTS.items() if name != "employees"}
    with monkeypatch.context() as patched:
        patched.setattr(source, "ENDPOINTS", tables)
        sync(settings_for(sandbox), warehouse, select=[*tables])
    assert not query(warehouse, "select 1 from information_schema.tables where table_name = 'employees'")
    return warehouse


@pytest.mark.slow
@on_both_at_length
def test_a_warehouse_without_the_table_goes_on_working_and_gets_it(
    sandbox: Sandbox, older_warehouse: WarehouseSettings, run_sync: RunSync, zendesk: str
) -> None:
    assert len(status(older_warehouse).objects) == 8
    assert checked(sandbox, older_warehouse, zendesk).records_forecast
    customer = sandbox.world.records(zendesk, "customer")[0]["id"]
    forget(customer, settings_for(sandbox), older_warehouse, connections=[zendesk])
    found = verify(settings_for(sandbox), older_warehouse)
    assert (found.gaps_left, [finding.outcome.object for finding in found.unverified]) == (0, ["employees"])
    assert run_sync().exit_code == 0
    assert stored_rows(older_warehouse, "employees") == true_rows(sandbox.world, "employees")


@pytest.mark.slow
def test_the_models_find_a_table_that_no_sync_has_made(older_warehouse: WarehouseSettings, run_sync: RunSync) -> None:
    for _ in range(2):
        with one_writer(older_warehouse):
            complete_tables(open_pipeline(older_warehouse), older_warehouse)
        assert query(older_warehouse, "select * from raw_unified.employees") == []
    cursors = [outcome.cursor_before for outcome in run_sync().outcomes if outcome.object == "tickets"]
    assert None not in cursors


@pytest.mark.slow
@pytest.mark.long
@on_both_at_length
def test_the_models_are_built_before_and_after_employees_are_read(
    sandbox: Sandbox, older_warehouse: WarehouseSettings, run_sync: RunSync, zendesk: str
) -> None:
    build(older_warehouse)
    rows = "select employee_id, employee_name, email, is_deleted, deletion_reason from staging.stg_unified__employees"
    assert query(older_warehouse, rows) == []
    given = sandbox.world.create(zendesk, "employee", {"first_name": " Teo", "last_name": "Marchetti", "name": " "})
    run_sync()
    sandbox.world.delete(zendesk, "employee", given["id"])
    reconcile(settings_for(sandbox), older_warehouse)
    told = {row["employee_id"]: row for row in query(older_warehouse, rows)}
    assert told[given["id"]] == {
        "employee_id": given["id"],
        "employee_name": "Teo Marchetti",
        "email": None,
        "is_deleted": True,
        "deletion_reason": "absent",
    }
    for employee in sandbox.world.records(zendesk, "employee"):
        assert told[employee["id"]]["employee_name"] == employee["name"]
        assert told[employee["id"]]["email"] == employee["emails"][0]["email"]


@pytest.mark.slow
def test_an_own_script_can_read_employees_alone(
    sandbox: Sandbox, warehouse: WarehouseSettings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in destination_environment(warehouse).items():
        monkeypatch.setenv(name, value)
    pipeline = dlt.pipeline(
        "support", pipelines_dir=str(tmp_path), destination=warehouse.destination, dataset_name="helpdesks"
    )
    for _ in range(2):
        made = unified(api_key=sandbox.api_key, base_url=sandbox.base_url)
        pipeline.run(made.with_resources("employees"))
    ids = {id for _, id in true_rows(sandbox.world, "employees")}
    assert set(pipeline.dataset().employees.df()["id"]) == ids
