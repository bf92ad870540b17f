"""Who is forgotten is nowhere any more, and does not come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.build import build
from pipelines.errors import FixConfiguration
from pipelines.forget import Preview, Receipt, forget
from pipelines.sandbox import Sandbox, World
from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from pipelines.sync import SyncReport
from pipelines.verify import verify
from tests.flow.conftest import on_both, settings_for, slow
from tests.flow.truth import change, every_row, query, stored_rows, true_rows

HELPDESKS = ("zendesk", "freshdesk", "kustomer")
"""By anchor, categories as a whole list, notes per ticket."""

RunSync = Callable[..., SyncReport]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=30, helpdesks=HELPDESKS) as running:
        yield running


@pytest.fixture
def forget_now(sandbox: Sandbox, warehouse: WarehouseSettings) -> Callable[..., Receipt | None]:
    def run_now(who: str, settings: dict[str, Any] | None = None, **options: Any) -> Receipt | None:
        options.setdefault("confirm", lambda preview: True)
        return forget(who, settings_for(sandbox, **(settings or {})), warehouse, **options)

    return run_now


ForgetNow = Callable[..., Receipt | None]


class Ann:
    """A customer with two tickets on each of two helpdesks, and what is told of her elsewhere."""

    address = "Ann.Forgetmenot@example.com"
    name = "Ann Forgetmenot"
    telephone = "+49 30 7654321"
    words = "my zeppelin will not inflate"
    needles = ("forgetmenot", "7654321", "zeppelin")

    def __init__(self, world: World) -> None:
        self.world = world
        self.ids = {connection["id"]: self._begin(connection["id"]) for connection in world.connections()[:3:2]}
        other = world.connections()[1]["id"]
        stranger = world.records(other, "ticket")[0]
        self.mention = (
            other,
            world.create(
                other, "note", {"ticket_id": stranger["id"], "description": f"Seen {self.address.lower()} on copy"}
            )["id"],
        )

    def _begin(self, connection_id: str) -> str:
        customer = self.world.create(
            connection_id,
            "customer",
            {
                "name": self.name,
                "emails": [{"email": self.address, "type": "WORK"}],
                "telephones": [{"telephone": self.telephone, "type": "WORK"}],
            },
        )
        for _ in range(2):
            self.write(connection_id, customer["id"])
        return str(customer["id"])

    def write(self, connection_id: str, customer_id: str) -> str:
        """A ticket with an answer that names her."""
        ticket = self.world.create(
            connection_id,
            "ticket",
            {"customer_id": customer_id, "subject": self.words, "description": self.words, "status": "ACTIVE"},
        )
        self.world.create(connection_id, "note", {"ticket_id": ticket["id"], "description": f"Dear {self.name}"})
        return str(ticket["id"])


def scatter(ann: Ann, warehouse: WarehouseSettings) -> None:
    """Copies of her wherever the project keeps any."""
    record = json.dumps({"emails": [ann.address], "note": ann.words})
    connection_id = next(iter(ann.ids))
    change(
        warehouse,
        "insert into raw_unified.rejected_records (connection_id, object, record_hash, reason, record, _dlt_load_id) "
        f"values ('{connection_id}', 'customers', 'x', 'it has no id', '{record}', '0')",
        f"update raw_unified.sync_runs set error = 'refused: {ann.address}' where object = 'customers'",
    )
    place = warehouse.state_dir / "quarantine" / "1700000000.5" / "unified_ticketing"
    place.mkdir(parents=True)
    (place / "rows.jsonl").write_text(record)


def traces_of(ann: Ann, warehouse: WarehouseSettings) -> list[str]:
    """Every table and file in which something of her stands, whatever its schema or folder."""
    found = [str(path) for path in files_of(warehouse) if is_named(ann, path.read_bytes().decode(errors="replace"))]
    found += [f"{table}: {row}" for table, row in every_row(warehouse) if is_named(ann, row)]
    return found


def files_of(warehouse: WarehouseSettings) -> list[Path]:
    files = [path for path in warehouse.state_dir.rglob("*") if path.is_file()]
    if isinstance(warehouse, DuckdbWarehouse):
        files += list(warehouse.path.parent.glob(f"{warehouse.path.name}*"))
    return [path for path in files if path.is_file()]


def is_named(ann: Ann, text: str) -> bool:
    return any(needle in text.casefold() for needle in ann.needles)


@on_both
def test_who_is_forgotten_is_in_no_table_and_no_file(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    scatter(ann, warehouse)
    assert len(traces_of(ann, warehouse)) > 15
    others = {table: stored_rows(warehouse, table).keys() for table in ("tickets", "customers", "notes")}
    receipt = forget_now(ann.address)
    assert receipt is not None
    assert receipt.customers == len(ann.ids)
    assert traces_of(ann, warehouse) == []
    for table, gone in (("tickets", 4), ("customers", 2), ("notes", 4)):
        left = stored_rows(warehouse, table).keys()
        assert left < others[table]
        assert len(others[table] - left) == gone
    assert stored_rows(warehouse, "notes")[ann.mention]["description"] == "Seen (forgotten) on copy"
    assert json.loads(Path(receipt.lies_in).read_text())["removed"] == receipt.removed


@on_both
def test_who_is_forgotten_does_not_come_back(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    forget_now(ann.address)
    run_sync(full_refresh=True)
    assert traces_of(ann, warehouse) == []
    for connection_id, customer_id in ann.ids.items():
        ann.write(connection_id, customer_id)
    ann.ids[sandbox.world.connections()[1]["id"]] = ann._begin(sandbox.world.connections()[1]["id"])
    for _ in range(2):
        report = run_sync()
        assert report.exit_code == 0
        assert traces_of(ann, warehouse) == []
    assert sum(outcome.rows_withheld for outcome in report.outcomes) > 0
    found = verify(settings_for(sandbox), warehouse)
    assert found.gaps_left == 0
    everybody = true_rows(sandbox.world, "tickets")
    assert len(everybody.keys() - stored_rows(warehouse, "tickets").keys()) == 8


@pytest.mark.parametrize("warehouse", [slow("duckdb"), slow("postgres")], indirect=True)
def test_the_models_are_built_again_without_whoever_is_forgotten(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    build(warehouse)
    assert any(trace.startswith("marts.") for trace in traces_of(ann, warehouse))
    receipt = forget_now(ann.address)
    assert receipt is not None
    assert "built again" in receipt.marts
    assert traces_of(ann, warehouse) == []
    assert query(warehouse, "select count(*) as rows from marts.tickets")[0]["rows"] == 30


def test_a_preview_shows_who_is_meant_and_changes_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    scatter(ann, warehouse)
    before = traces_of(ann, warehouse)
    seen: list[Preview] = []

    def refuse(preview: Preview) -> bool:
        seen.append(preview)
        return False

    assert forget_now(ann.address, confirm=refuse) is None
    [preview] = seen
    assert {customer.connection_id: customer.id for customer in preview.customers} == ann.ids
    assert preview.traces == {
        "customers": 2,
        "tickets": 4,
        "ticket_versions": 4,
        "notes": 4,
        "note_sweeps": 2,
        "notes of others that name them": 1,
        "rejected_records": 1,
        "sync_runs of others that name them": 3,
        "load packages that were put aside, whole": 1,
    }
    assert traces_of(ann, warehouse) == before


@pytest.mark.slow
def test_an_id_means_the_person_on_every_connection_or_only_on_the_one_that_is_named(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    (first, customer_id), (second, _) = ann.ids.items()
    forget_now(customer_id, {"connection_ids": [first]})
    assert {key[0] for key in stored_rows(warehouse, "customers") if key[1] in ann.ids.values()} == {second}
    run_sync(full_refresh=True)
    assert {key[0] for key in stored_rows(warehouse, "customers") if key[1] in ann.ids.values()} == {second}
    forget_now(ann.ids[second])
    assert traces_of(ann, warehouse) == []


@pytest.mark.slow
def test_an_id_of_two_connections_has_to_be_told_apart(
    sandbox: Sandbox, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    for connection in sandbox.world.connections()[:2]:
        sandbox.world.load(connection["id"], "customer", [{"id": "42", "name": "Two of them"}])
    run_sync(full_refresh=True)
    with pytest.raises(FixConfiguration, match="--connection"):
        forget_now("42")


def test_nobody_is_forgotten_where_nobody_is_known(run_sync: RunSync, forget_now: ForgetNow) -> None:
    run_sync()
    with pytest.raises(FixConfiguration, match="nothing of"):
        forget_now("nobody@example.com")


@pytest.mark.slow
def test_forgetting_again_removes_what_has_come_since(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    forget_now(ann.address)
    scatter(ann, warehouse)
    assert forget_now(ann.address) is not None
    assert traces_of(ann, warehouse) == []


@pytest.mark.slow
def test_who_is_stored_under_a_hash_is_found_by_the_address(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    privacy = {"privacy": {"emails": "hash", "raw": "drop"}, "privacy_key": "a key of some length"}
    ann = Ann(sandbox.world)
    run_sync(privacy)
    receipt = forget_now(ann.address, privacy)
    assert receipt is not None
    assert receipt.customers == 2
    run_sync(privacy, full_refresh=True)
    assert traces_of(ann, warehouse) == []
