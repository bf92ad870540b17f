"""Who is forgotten is nowhere any more, and does not come back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.build import PROJECT_DIR, build
from pipelines.draining import drain, opened_inbox
from pipelines.errors import FixConfiguration, WarehouseBusy
from pipelines.forget import Receipt, forget, preview
from pipelines.publish import publish
from pipelines.sandbox import Sandbox, World
from pipelines.settings import DuckdbWarehouse, WarehouseSettings, draft_of
from pipelines.sync import SyncReport
from pipelines.verify import verify
from pipelines.warehouse.destinations.duckdb_file import DuckdbFile
from pipelines.warehouse.marts import reading_published
from tests.flow.conftest import at_length, on_both, on_both_at_length, settings_for, slow
from tests.flow.signed import put_into_inbox, signed
from tests.flow.test_poison import accept, refuse
from tests.flow.truth import change, connected, every_row, query, stored_rows, true_rows
from tests.warehouse.raw_warehouse import copy_project

pytestmark = pytest.mark.slow

HELPDESKS = ("zendesk", "freshdesk", "kustomer")
"""By anchor, categories as a whole list, notes per ticket."""

RunSync = Callable[..., SyncReport]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=30, helpdesks=HELPDESKS) as running:
        yield running


@pytest.fixture
def forget_now(sandbox: Sandbox, warehouse: WarehouseSettings) -> Callable[..., Receipt]:
    def run_now(who: str, settings: dict[str, Any] | None = None, **options: Any) -> Receipt:
        return forget(who, settings_for(sandbox, **(settings or {})), warehouse, **options)

    return run_now


ForgetNow = Callable[..., Receipt]


class Ann:
    """A customer with two tickets on each of two helpdesks, and what is told of her elsewhere."""

    address = "Ann.Forgetmenot@example.com"
    name = "Ann Forgetmenot"
    telephone = "+49 30 9182736"
    words = "my zeppelin will not inflate"
    needles = ("forgetmenot", "9182736", "zeppelin")

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

    def begin_under_another_address(self) -> Callable[[], object]:
        """A customer on the other connection whom nothing shows to be her until what is returned gives her address."""
        other = self.world.connections()[1]["id"]
        contact = {"name": self.name, "emails": [{"email": "other@x.example"}]}
        customer_id = self.world.create(other, "customer", contact)["id"]
        self.write(other, customer_id)
        return lambda: self.world.patch(other, "customer", customer_id, {"emails": [{"email": self.address}]})

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


def published_rows(warehouse: WarehouseSettings) -> list[str]:
    """What readers find of her tickets and of all customers."""
    with reading_published(warehouse) as ask:
        tables = ("conversation_threads", "customer_support_summary")
        return [str(row) for table in tables for row in ask(f"select * from {table}")]


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
    assert receipt.customers == len(ann.ids)
    assert traces_of(ann, warehouse) == []
    for table, gone in (("tickets", 4), ("customers", 2), ("notes", 4)):
        left = stored_rows(warehouse, table).keys()
        assert left < others[table]
        assert len(others[table] - left) == gone
    assert stored_rows(warehouse, "notes")[ann.mention]["description"] == "Seen (forgotten) on copy"
    assert json.loads(Path(receipt.lies_in).read_text())["removed"] == receipt.removed


@on_both_at_length
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


@pytest.mark.parametrize("warehouse", [slow("duckdb"), at_length("postgres")], indirect=True)
def test_the_models_are_built_again_without_whoever_is_forgotten(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    build(warehouse)
    for _ in range(2):
        publish(warehouse)
    assert any(trace.startswith("marts.") for trace in traces_of(ann, warehouse))
    assert [row for row in published_rows(warehouse) if is_named(ann, row)]
    reports = [warehouse.report_path, draft_of(warehouse.report_path)]
    for report in reports:
        report.parent.mkdir(exist_ok=True)
        report.write_text(ann.address)
    if isinstance(warehouse, DuckdbWarehouse):
        (warehouse.published_dir / "latest").unlink()  # as a process that was killed leaves it
    receipt = forget_now(ann.address)
    assert "built again" in receipt.marts
    assert traces_of(ann, warehouse) == []
    assert not [row for row in published_rows(warehouse) if is_named(ann, row)]
    assert not [report for report in reports if report.exists()]
    if isinstance(warehouse, DuckdbWarehouse):
        assert len([path for path in warehouse.published_dir.iterdir() if not path.is_symlink()]) == 1
    assert query(warehouse, "select count(*) as rows from marts.tickets")[0]["rows"] == 30


def test_a_preview_shows_who_is_meant_and_changes_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    scatter(ann, warehouse)
    before = traces_of(ann, warehouse)
    found = preview(ann.address, settings_for(sandbox), warehouse)
    assert {customer.connection_id: customer.id for customer in found.customers} == ann.ids
    assert found.traces == {
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
    assert json.loads(json.dumps(asdict(found)))["traces"] == found.traces
    assert traces_of(ann, warehouse) == before


def test_what_webhooks_have_brought_is_forgotten_wherever_it_waits(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    connection_id, customer_id = next(iter(ann.ids.items()))
    ticket = {"id": "pushed", "customer_id": customer_id, "subject": f"It is {ann.address}"}
    place = {"connection_id": connection_id}
    put_into_inbox(warehouse, signed([ticket], "1", **place), signed([ticket], "2", object_type="no_such", **place))
    assert drain(settings_for(sandbox), warehouse).buried == 1
    put_into_inbox(warehouse, signed([ticket | {"id": "waiting"}], "3", **place))
    assert preview(ann.address, settings_for(sandbox), warehouse).traces["dead letters of webhooks, whole"] == 1
    forget_now(ann.address)
    with opened_inbox(warehouse) as inbox:
        assert (inbox.contents().waiting, inbox.contents().dead) == (0, 0)
    put_into_inbox(warehouse, signed([ticket | {"id": "later"}], "4", **place))
    report = drain(settings_for(sandbox), warehouse)
    assert [outcome.rows_withheld for outcome in report.outcomes.values()] == [1]
    assert traces_of(ann, warehouse) == []


@pytest.mark.long
def test_an_id_means_the_person_who_has_its_addresses_on_every_connection(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    first, customer_id = next(iter(ann.ids.items()))
    assert forget_now(customer_id, connections=[first]).customers == 2
    run_sync(full_refresh=True)
    assert traces_of(ann, warehouse) == []


@pytest.mark.long
def test_an_id_of_two_connections_has_to_be_told_apart(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    for connection in sandbox.world.connections()[:2]:
        sandbox.world.load(connection["id"], "customer", [{"id": "42", "name": "Two of them"}])
    run_sync(full_refresh=True)
    with pytest.raises(FixConfiguration, match="--connection"):
        forget_now("42")
    first, second = (connection["id"] for connection in sandbox.world.connections()[:2])
    forget_now("42", connections=[first])
    run_sync(full_refresh=True)
    assert [key[0] for key in stored_rows(warehouse, "customers") if key[1] == "42"] == [second]


def test_nobody_is_forgotten_where_nobody_is_known(run_sync: RunSync, forget_now: ForgetNow) -> None:
    run_sync()
    with pytest.raises(FixConfiguration, match="nothing of"):
        forget_now("nobody@example.com")


@pytest.mark.long
def test_forgetting_again_removes_what_has_come_since(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    forget_now(ann.address)
    scatter(ann, warehouse)
    assert forget_now(ann.address).completed_at is not None
    assert traces_of(ann, warehouse) == []


@pytest.mark.long
def test_what_no_load_takes_keeps_nobody_from_being_forgotten_and_the_receipt_tells_of_it(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    connection_id = next(iter(ann.ids))
    refuse(warehouse, "categories")
    category = {"id": "c", "name": ann.name}
    place = {"object_type": "ticketing_category", "connection_id": connection_id}
    put_into_inbox(warehouse, signed([category], "1", **place))
    receipt = forget_now(ann.address)
    assert (receipt.left_waiting, receipt.exit_code) == (1, 3)
    assert receipt.completed_at is not None
    assert "what waits in the inbox" in receipt.not_reached[-1]
    assert json.loads(Path(receipt.lies_in).read_text())["left_waiting"] == 1
    assert {trace.split("/")[-1] for trace in traces_of(ann, warehouse)} <= {"inbox.sqlite3", "inbox.sqlite3-wal"}
    accept(warehouse, "categories")
    assert forget_now(ann.address).left_waiting == 0


def test_what_waits_of_a_connection_that_is_left_out_goes_with_the_dead_letters(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    theirs = signed([{"id": "x", "name": ann.name}], "1", object_type="ticketing_customer", connection_id="left out")
    put_into_inbox(warehouse, theirs)
    receipt = forget_now(ann.address, {"connection_ids": [*ann.ids]})
    assert (receipt.exit_code, receipt.removed["dead letters of webhooks, whole"]) == (0, 1)
    with opened_inbox(warehouse) as inbox:
        assert (inbox.contents().waiting, inbox.contents().dead) == (0, 0)
    assert traces_of(ann, warehouse) == []


@pytest.mark.long
def test_who_is_stored_under_a_hash_is_found_by_the_address(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    privacy = {"privacy": {"emails": "hash", "raw": "drop"}, "privacy_key": "a key of some length"}
    ann = Ann(sandbox.world)
    run_sync(privacy)
    receipt = forget_now(ann.address, privacy)
    assert receipt.customers == 2
    run_sync(privacy, full_refresh=True)
    assert traces_of(ann, warehouse) == []


@pytest.mark.long
def test_who_is_stored_under_a_hash_is_found_by_the_id_on_every_connection(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    privacy = {"privacy": {"emails": "hash", "raw": "drop"}, "privacy_key": "a key of some length"}
    ann = Ann(sandbox.world)
    run_sync(privacy)
    assert forget_now(next(iter(ann.ids.values())), privacy).customers == 2
    third = sandbox.world.connections()[1]["id"]
    ann.ids[third] = ann._begin(third)
    run_sync(privacy, full_refresh=True)
    assert traces_of(ann, warehouse) == []
    with pytest.raises(FixConfiguration, match="nothing of"):
        forget_now("bob@example.com", privacy)
    run_sync(privacy | {"privacy_key": "another key of some length"}, full_refresh=True)
    with pytest.raises(FixConfiguration, match="hashed with another key"):
        forget_now("bob@example.com", privacy)


@on_both_at_length
def test_nobody_elses_address_is_touched_and_what_is_cleaned_stays_clean(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann, world = Ann(sandbox.world), sandbox.world
    address = ann.address.lower()
    connection_id, note_id = ann.mention
    like = world.create(
        connection_id,
        "customer",
        {
            "name": "Jo",
            "emails": [{"email": f"jo{address}", "type": "WORK"}, {"email": f"{address}.au", "type": "HOME"}],
        },
    )["id"]
    text = f"copy:\n{address}\n<{address.title()}> jo{address} https://x.example/?to={address.replace('@', '%40')}"
    world.patch(connection_id, "note", note_id, {"description": text})
    tagged = world.records(connection_id, "ticket")[1]["id"]
    world.patch(connection_id, "ticket", tagged, {"tags": ["vip", address]})
    run_sync()
    before = stored_rows(warehouse, "customers")[connection_id, like]["emails"]
    forget_now(ann.address)
    for _ in range(2):
        notes, customers = stored_rows(warehouse, "notes"), stored_rows(warehouse, "customers")
        assert customers[connection_id, like]["emails"] == before
        cleaned = f"copy:\n(forgotten)\n<(forgotten)> jo{address} https://x.example/?to=(forgotten)"
        assert notes[connection_id, note_id]["description"] == cleaned
        assert stored_rows(warehouse, "tickets")[connection_id, tagged]["tags"] == ["vip", "(forgotten)"]
        versions = query(warehouse, f"select tags from raw_unified.ticket_versions where id = '{tagged}'")
        assert all(address not in str(version["tags"]) for version in versions)
        world.patch(connection_id, "note", note_id, {"ticket_id": world.records(connection_id, "note")[0]["ticket_id"]})
        run_sync(full_refresh=True)


def test_a_piece_of_an_address_means_nobody(run_sync: RunSync, forget_now: ForgetNow) -> None:
    run_sync()
    for who in ("@", "ann@", "@example.com", "ann@ example.com"):
        with pytest.raises(FixConfiguration, match="whole e-mail address"):
            forget_now(who)


def test_connections_cannot_be_named_beside_an_address(
    sandbox: Sandbox, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    run_sync()
    with pytest.raises(FixConfiguration, match="only beside an id"):
        forget_now("ann@example.com", connections=[sandbox.world.connections()[0]["id"]])


@pytest.mark.long
def test_connections_that_are_set_to_be_read_do_not_bound_who_is_forgotten(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    forget_now(ann.address, {"connection_ids": [next(iter(ann.ids))]})
    run_sync(full_refresh=True)
    assert traces_of(ann, warehouse) == []


def test_whoever_shares_an_address_is_the_same_person_and_so_on(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    connection_id = sandbox.world.connections()[0]["id"]
    ids = [
        sandbox.world.create(
            connection_id,
            "customer",
            {"name": str(number), "emails": [{"email": f"{each}@x.example"} for each in pair]},
        )["id"]
        for number, pair in enumerate([("a", "b"), ("b", "c"), ("c", "d"), ("e",)])
    ]
    run_sync()
    assert forget_now("a@x.example").customers == 3
    left = {id for _, id in stored_rows(warehouse, "customers")}
    assert left & {*ids} == {ids[3]}


@on_both
def test_a_rejected_record_goes_where_it_is_theirs_and_stays_where_it_is_not(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann, world = Ann(sandbox.world), sandbox.world
    connection_id, customer_id = next(iter(ann.ids.items()))
    ticket = next(each for each in world.records(connection_id, "ticket") if each.get("customer_id") == customer_id)
    strangers = [each["id"] for each in world.records(connection_id, "note") if each["ticket_id"] != ticket["id"]][:3]
    bodies = (
        {"id": None, "ticket_id": ticket["id"], "description": "theirs by the ticket"},
        {"id": None, "customer_id": int(customer_id), "description": "theirs by a number"},
        {"id": None, "priority": customer_id, "description": "not theirs"},
    )
    for note_id, body in zip(strangers, bodies, strict=True):
        world.mangle(connection_id, "note", note_id, json.dumps(body).encode())
    run_sync()
    forget_now(ann.address)
    rejected = [row["record"] for row in query(warehouse, "select record from raw_unified.rejected_records")]
    assert [json.loads(record)["description"] for record in rejected] == ["not theirs"]


@pytest.mark.long
def test_a_look_right_after_it_finds_no_gap(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    forget_now(ann.address)
    assert verify(settings_for(sandbox), warehouse, is_deep=True).gaps_left == 0


class Killed(BaseException):
    pass


@pytest.mark.long
@pytest.mark.parametrize("by_id", [False, True])
@pytest.mark.parametrize("step", ["Traces.remove", "build_models", "Traces.empty_staging", "clear_logs", "compact"])
def test_who_is_forgotten_by_a_request_that_was_cut_short_is_forgotten_by_the_next(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    forget_now: ForgetNow,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    *,
    by_id: bool,
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    build(warehouse)
    who = next(iter(ann.ids.values())) if by_id else ann.address

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        if step == "compact":
            patched.setattr(DuckdbFile, "compact", die)
        else:
            patched.setattr(f"pipelines.forget.{step}", die)
        with pytest.raises(Killed):
            forget_now(who)
    [begun] = (warehouse.state_dir / "receipts").glob("*.json")
    assert json.loads(begun.read_text())["completed_at"] is None
    assert forget_now(who).completed_at is not None
    assert traces_of(ann, warehouse) == []


@pytest.mark.long
@pytest.mark.parametrize("next_command", ["sync", at_length("verify")])
def test_what_a_run_has_recognised_and_not_come_to_remove_is_removed_by_the_next(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    forget_now: ForgetNow,
    monkeypatch: pytest.MonkeyPatch,
    next_command: str,
) -> None:
    """She is stored under another address; once that becomes the forgotten one, what is stored is hers."""
    ann = Ann(sandbox.world)
    become_known = ann.begin_under_another_address()
    run_sync()
    forget_now(ann.address)
    become_known()

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("pipelines.tombstones.Traces.remove", die)
        with pytest.raises(Killed):
            run_sync()
    assert traces_of(ann, warehouse)
    run_sync() if next_command == "sync" else verify(settings_for(sandbox), warehouse)
    assert traces_of(ann, warehouse) == []


@pytest.mark.parametrize("name", ["fresh.duckdb", "memory.duckdb", "two.dots.duckdb", "compacting.duckdb"])
def test_a_file_of_any_name_is_written_anew_with_its_mode_and_through_a_link(tmp_path: Path, name: str) -> None:
    real = tmp_path / "real" / name
    real.parent.mkdir()
    with closing(duckdb.connect(str(real))) as database:
        database.execute("create schema s")
        database.execute("create table s.t as select 'forgetmenot' as word from range(50000)")
        database.execute("create view s.v as select * from s.t")
        database.execute("checkpoint")
        database.execute("delete from s.t")
    real.chmod(0o600)
    link = tmp_path / name
    link.symlink_to(real)
    DuckdbFile(DuckdbWarehouse(link, tmp_path / "state")).compact()
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert b"forgetmenot" not in real.read_bytes()
    assert [path.name for path in real.parent.iterdir()] == [name]
    with closing(duckdb.connect(str(link))) as database:
        assert database.execute("select count(*) from s.v").fetchall() == [(0,)]


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_a_table_that_is_being_read_is_not_waited_for_without_end(
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    forget_now: ForgetNow,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    monkeypatch.setattr("pipelines.warehouse.destinations.postgres_server._LOCK_SECONDS", 1)
    with connected(warehouse) as reader:
        reader.cursor().execute("begin; select * from raw_unified.categories")
        with pytest.raises(WarehouseBusy, match="anew"):
            forget_now(ann.address)
    assert forget_now(ann.address).completed_at is not None
    assert traces_of(ann, warehouse) == []


@pytest.mark.long
def test_a_request_can_be_taken_back_and_leaves_the_others_forgotten(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann, connection_id = Ann(sandbox.world), sandbox.world.connections()[0]["id"]
    bob = sandbox.world.create(connection_id, "customer", {"name": "Bob", "emails": [{"email": "bob@x.example"}]})["id"]
    run_sync()
    forget_now(ann.address)
    receipt = forget_now("bob@x.example")
    change(warehouse, f"delete from raw_unified.forgotten where request_id = '{receipt.request_id}'")
    run_sync(full_refresh=True)
    assert traces_of(ann, warehouse) == []
    assert (connection_id, bob) in stored_rows(warehouse, "customers")


@pytest.mark.long
def test_of_whom_only_a_hash_is_known_others_do_not_name_the_address_any_more(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    privacy = {"privacy": {"emails": "hash", "raw": "drop"}, "privacy_key": "a key of some length"}
    ann = Ann(sandbox.world)
    run_sync(privacy)
    forget_now(next(iter(ann.ids.values())), privacy)
    assert stored_rows(warehouse, "notes")[ann.mention]["description"] == "Seen (forgotten) on copy"


@pytest.mark.long
def test_an_id_that_is_an_address_is_the_same_persons_on_every_connection(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    for connection in sandbox.world.connections()[:2]:
        sandbox.world.load(connection["id"], "customer", [{"id": "ann@x.example", "name": "Ann"}])
    run_sync(full_refresh=True)
    assert forget_now("ann@x.example").customers == 2


@pytest.mark.long
def test_what_a_look_has_said_of_them_goes_too(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    sandbox.world.live(hours=2)
    run_sync()
    connection_id, customer_id = next(iter(ann.ids.items()))
    theirs = f"select id from raw_unified.tickets where customer_id = '{customer_id}'"
    change(warehouse, f"update raw_unified.notes set updated_at = '2020-01-01' where ticket_id in ({theirs})")
    assert verify(settings_for(sandbox), warehouse).gaps_left > 0
    forget_now(ann.address)
    [gaps] = [
        row["gaps"]
        for row in query(warehouse, "select * from raw_unified.sync_coverage where object = 'notes'")
        if row["connection_id"] == connection_id
    ]
    assert gaps == []


def test_where_the_marts_could_not_be_built_again_nothing_is_forgotten_by_half(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    forget_now: ForgetNow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    change(warehouse, "create schema marts", "create table marts.tickets (ticket_id varchar)")
    before = sorted(every_row(warehouse))
    project = copy_project(tmp_path, PROJECT_DIR)
    (project / "seeds" / "triage_weights.csv").write_text("reason;weight\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FixConfiguration, match="triage_weights"):
        forget_now(ann.address)
    assert sorted(every_row(warehouse)) == before


@pytest.mark.long
def test_marts_that_are_built_later_leave_nothing_of_them_in_the_file(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, forget_now: ForgetNow
) -> None:
    ann = Ann(sandbox.world)
    become_known = ann.begin_under_another_address()
    run_sync()
    forget_now(ann.address)
    build(warehouse)
    become_known()
    run_sync()
    build(warehouse)
    assert traces_of(ann, warehouse) == []


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_a_transaction_that_still_sees_them_keeps_a_request_from_being_completed(
    warehouse: WarehouseSettings,
    run_sync: RunSync,
    forget_now: ForgetNow,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = Ann(sandbox.world)
    run_sync()
    monkeypatch.setattr("pipelines.warehouse.destinations.postgres_server._LOCK_SECONDS", 1)
    with connected(warehouse) as reader:
        cursor = reader.cursor()
        cursor.execute("begin isolation level repeatable read")
        cursor.execute("select 1")
        with pytest.raises(WarehouseBusy, match="anew"):
            forget_now(ann.address)
    assert forget_now(ann.address).completed_at is not None
