"""Triage as its users meet it: planned, carried out, found in the warehouse, taken back, and held up by its brakes."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from pipelines import telling_triage, triage
from pipelines.build import build
from pipelines.cli import main
from pipelines.errors import FixConfiguration, WarehouseBusy
from pipelines.forget import forget
from pipelines.proposed import proposed_rows
from pipelines.receipts import journal_of
from pipelines.sandbox import Faults, Sandbox, World
from pipelines.settings import DuckdbWarehouse, TriageSettings, UnifiedSettings, WarehouseSettings
from pipelines.sync import sync
from pipelines.warehouse.lock import one_writer
from pipelines.writeback.journal import Action, Ending, Journal
from pipelines.writeback.plan import Change, Plan
from pipelines.writeback.proposals import read_proposals
from tests.flow.children import start_applying
from tests.flow.conftest import at_length, destination_environment, on_both, settings_for, warehouse_in
from tests.flow.truth import query, stored_rows, true_rows
from tests.warehouse.raw_warehouse import ROOT

pytestmark = pytest.mark.slow

NOTE = "We have found it: <b>Monday</b> & not before."


@dataclass
class Desk:
    """A synced warehouse, the sandbox behind it, and the open tickets of one of its connections."""

    sandbox: Sandbox
    warehouse: WarehouseSettings
    connection_id: str
    tickets: list[str]
    settings: UnifiedSettings
    limits: TriageSettings

    def proposed(self, count: int, **wishes: Any) -> list[dict[str, Any]]:
        return [{"connection_id": self.connection_id, "ticket_id": id, **wishes} for id in self.tickets[:count]]

    def plan(self, rows: list[dict[str, Any]]) -> Plan:
        return triage.plan(rows, self.settings, self.limits, self.warehouse)

    def apply(self, plan: Plan, **options: Any) -> triage.ApplyReport:
        return triage.apply(plan, self.settings, self.limits, self.warehouse, **options)

    def ticket(self, number: int) -> Mapping[str, Any]:
        return self.sandbox.world.record(self.connection_id, "ticket", self.tickets[number])

    def edit(self, number: int, **fields: Any) -> None:
        self.sandbox.world.patch(self.connection_id, "ticket", self.tickets[number], fields)

    def log(self) -> list[tuple[Any, ...]]:
        columns = "ticket_id, action, ending, cast(old as varchar), cast(taken as varchar), note_id, answer"
        rows = query(self.warehouse, f"select {columns} from raw_unified.writeback_log order by begun_at, action")
        return [(*row.values(),) for row in rows]


def running() -> Sandbox:
    """The same world each time, a dozen tickets of which are open."""
    world = World.seeded(seed=7, tickets=40, helpdesks=("zendesk",))
    [connection] = world.connections()
    for record in world.records(connection["id"], "ticket")[:12]:
        world.patch(connection["id"], "ticket", record["id"], {"status": "ACTIVE", "priority": "Normal"})
    return Sandbox(world=world)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a warehouse that was synced from that world."""
    folder = tmp_path_factory.mktemp("synced")
    with running() as sandbox:
        assert sync(settings_for(sandbox), warehouse_in(folder)).exit_code == 0
    return folder


@pytest.fixture
def desk(sandbox: Sandbox, warehouse: WarehouseSettings, synced: Path, tmp_path: Path) -> Desk:
    if isinstance(warehouse, DuckdbWarehouse):
        shutil.copytree(synced, tmp_path, dirs_exist_ok=True)
    else:
        assert sync(settings_for(sandbox), warehouse).exit_code == 0
    [connection] = sandbox.world.connections()
    tickets = [
        record["id"] for record in sandbox.world.records(connection["id"], "ticket") if record["status"] == "ACTIVE"
    ]
    limits = TriageSettings()
    limits.max_share = 1.0
    return Desk(sandbox, warehouse, connection["id"], tickets, settings_for(sandbox), limits)


def endings(report: triage.ApplyReport) -> list[str | None]:
    return [done.ending.value if done.ending else None for done in report.application.done]


@on_both
def test_what_is_written_is_in_the_warehouse_at_once_and_a_second_run_repeats_nothing(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(3, priority="urgent", status="CLOSED", tags_add="found", note=NOTE, reason="late"))
    assert plan.left_out == []
    report = desk.apply(plan, by_whom="ann")
    assert (report.exit_code, endings(report)) == (0, ["written"] * 6)
    for table in ("tickets", "notes"):
        true, stored = true_rows(desk.sandbox.world, table), stored_rows(desk.warehouse, table)
        assert true == {key: {name: row[name] for name in true[key]} for key, row in stored.items()}
    log = desk.log()
    assert sorted((ticket, action, ending) for ticket, action, ending, *_ in log) == [
        (id, action, "written") for id in sorted(desk.tickets[:3]) for action in ("change", "note")
    ]
    assert {json.loads(taken)["status"] for _, action, _, _, taken, *_ in log if action == "change"} == {"CLOSED"}
    ours = query(desk.warehouse, "select id from raw_unified.notes where _observed_via = 'writeback' order by id")
    assert sorted(note_id for *_, note_id, _ in log if note_id) == [row["id"] for row in ours]
    versions = query(
        desk.warehouse, "select id, status from raw_unified.ticket_versions where observed_via = 'writeback'"
    )
    assert {(id, "CLOSED") for id in desk.tickets[:3]} <= {(row["id"], row["status"]) for row in versions}

    desk.sandbox.reset_counters()
    assert endings(desk.apply(plan)) == ["written"] * 6
    assert not any(call.startswith(("PATCH", "POST")) for call in desk.sandbox.requests)
    again = desk.plan(desk.proposed(3, priority="urgent", status="CLOSED", tags_add="found", note=NOTE))
    assert again.steps == []
    assert {left.why.split(":")[0] for left in again.left_out} == {"nothing to change", "nothing to add"}


def test_the_same_proposals_make_the_same_plan_and_send_nothing(desk: Desk) -> None:
    desk.sandbox.reset_counters()
    rows = desk.proposed(5, priority="urgent", note=NOTE)
    assert desk.plan(rows) == desk.plan(rows)
    assert not any(call.startswith(("PATCH", "POST", "PUT", "DELETE")) for call in desk.sandbox.requests)


def test_what_cannot_be_done_is_left_out_with_the_reason(desk: Desk) -> None:
    desk.edit(1, subject="somebody was faster")
    place = {"connection_id": desk.connection_id}
    plan = desk.plan([
        {**place, "ticket_id": desk.tickets[0], "category": "No such thing"},
        {**place, "ticket_id": desk.tickets[1], "priority": "urgent"},
        {**place, "ticket_id": "no such ticket", "priority": "urgent"},
        {"connection_id": "elsewhere", "ticket_id": "1", "priority": "urgent"},
    ])  # fmt: skip
    assert plan.steps == []
    whys = [left.why for left in plan.left_out]
    assert [why.split(":")[0].split(" (")[0] for why in whys] == [
        "unknown category",
        "it has changed since the warehouse saw it",
        "unknown ticket",
        "unknown connection",
    ]


@pytest.mark.parametrize(
    ("taken_away", "wish", "why"),
    [
        ("ticketing_ticket_write", {"priority": "urgent"}, "does not grant the permission ticketing_ticket_write"),
        ("ticketing_note_write", {"note": NOTE}, "does not grant the permission ticketing_note_write"),
        ("ticketing_note_read", {"note": NOTE}, "its notes cannot be read"),
    ],
)
def test_without_the_permission_nothing_is_planned(desk: Desk, taken_away: str, wish: Any, why: str) -> None:
    [connection] = desk.sandbox.world.connections()
    granted = [each for each in connection["permissions"] if each != taken_away]
    desk.sandbox.world.change_connection(desk.connection_id, permissions=granted)
    plan = desk.plan(desk.proposed(1, **wish))
    assert plan.steps == []
    assert why in plan.left_out[0].why


def test_what_somebody_changed_after_the_plan_is_left_as_it_is(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(3, priority="urgent", status="CLOSED"))
    desk.edit(0, priority="low")
    desk.edit(1, subject="of no concern")
    report = desk.apply(plan)
    assert endings(report) == ["conflict", "written", "written"]
    assert report.exit_code == 3
    assert (desk.ticket(0)["priority"], desk.ticket(0)["status"]) == ("low", "ACTIVE")
    assert [ending for _, _, ending, *_ in desk.log()].count("conflict") == 1


def test_a_conversation_that_went_on_is_not_answered_and_its_ticket_not_closed(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(1, status="CLOSED", note=NOTE))
    note = {"ticket_id": desk.tickets[0], "description": "It is here already, thanks!"}
    desk.sandbox.world.create(desk.connection_id, "note", note)
    report = desk.apply(plan)
    assert endings(report) == ["conflict", None]
    assert desk.ticket(0)["status"] == "ACTIVE"


def test_a_note_is_not_sent_by_a_second_plan_though_the_ticket_does_not_show_the_first(desk: Desk) -> None:
    rows = desk.proposed(3, priority="urgent", note=NOTE)
    assert desk.apply(desk.plan(rows)).exit_code == 0
    before = {note["id"] for note in desk.sandbox.world.records(desk.connection_id, "note")}
    for note in desk.sandbox.world.records(desk.connection_id, "note"):
        if note["description"] == NOTE:  # as a helpdesk does that puts its signature below
            changed = {"description": f"{NOTE} -- The support team"}
            desk.sandbox.world.patch(desk.connection_id, "note", note["id"], changed)
    assert sync(desk.settings, desk.warehouse).exit_code == 0
    again = desk.plan(rows)
    assert again.steps == []
    assert {left.why.split(":")[0] for left in again.left_out} == {"nothing to change", "nothing to add"}
    assert {note["id"] for note in desk.sandbox.world.records(desk.connection_id, "note")} == before


def test_a_note_is_not_sent_to_a_ticket_that_somebody_has_taken_over(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(1, note=NOTE))
    desk.edit(0, status="CLOSED")
    assert endings(desk.apply(plan)) == ["conflict"]


def test_what_a_helpdesk_has_not_taken_is_refused_and_sent_by_a_rerun(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = desk.plan(desk.proposed(1, priority="urgent", status="CLOSED"))
    patch = desk.sandbox.world.patch

    def stubborn(connection_id: str, name: str, record_id: str, fields: Any, **options: Any) -> Any:
        return patch(connection_id, name, record_id, {"priority": fields["priority"]}, **options)

    monkeypatch.setattr(desk.sandbox.world, "patch", stubborn)
    report = desk.apply(plan)
    assert (report.exit_code, endings(report)) == (3, ["refused"])
    assert sorted(ending for _, _, ending, *_ in desk.log()) == ["refused", "written"]
    monkeypatch.undo()
    assert desk.apply(plan).exit_code == 0
    assert desk.ticket(0)["status"] == "CLOSED"
    undoing = triage.undo(plan.id, desk.settings, desk.warehouse)
    assert undoing.steps[0].changes.keys() == {"priority", "status"}


@pytest.fixture
def takes_priority_only(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A helpdesk that takes nothing but the priority, and has words of its own for it; until this is called."""
    patch = desk.sandbox.world.patch

    def stubborn(connection_id: str, name: str, record_id: str, fields: Any, **options: Any) -> Any:
        return patch(connection_id, name, record_id, {"priority": "P1"} if "priority" in fields else {}, **options)

    monkeypatch.setattr(desk.sandbox.world, "patch", stubborn)
    return monkeypatch.undo


def test_what_a_person_makes_of_what_was_taken_in_part_stays_and_the_rest_is_done(
    desk: Desk, takes_priority_only: Callable[[], None]
) -> None:
    plan = desk.plan(desk.proposed(1, priority="urgent", status="CLOSED"))
    before = desk.ticket(0)["priority"]
    assert desk.apply(plan).exit_code == 3
    takes_priority_only()
    desk.edit(0, priority=before)
    assert desk.apply(plan).exit_code == 0
    assert (desk.ticket(0)["priority"], desk.ticket(0)["status"]) == (before, "CLOSED")


def test_what_was_taken_in_words_of_the_helpdesks_own_does_not_stop_the_rest(
    desk: Desk, takes_priority_only: Callable[[], None]
) -> None:
    plan = desk.plan(desk.proposed(1, priority="urgent", status="CLOSED"))
    for _ in range(2):
        report = desk.apply(plan)
        assert (report.exit_code, endings(report)) == (3, ["refused"])
    takes_priority_only()
    assert desk.apply(plan).exit_code == 0
    assert (desk.ticket(0)["priority"], desk.ticket(0)["status"]) == ("P1", "CLOSED")


def test_what_a_helpdesk_carries_out_after_its_answer_is_found_by_a_rerun_and_can_be_taken_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = desk.plan(desk.proposed(1, priority="urgent"))
    patch = desk.sandbox.world.patch
    late: list[Callable[[], Any]] = []

    def later(connection_id: str, name: str, record_id: str, fields: Any, **options: Any) -> Any:
        late.append(lambda: patch(connection_id, name, record_id, fields))
        return desk.sandbox.world.record(connection_id, name, record_id)

    monkeypatch.setattr(desk.sandbox.world, "patch", later)
    assert endings(desk.apply(plan)) == ["refused"]
    monkeypatch.undo()
    for carry_out in late:
        carry_out()
    assert endings(desk.apply(plan)) == ["written"]
    assert [ending for _, _, ending, *_ in desk.log()] == ["written"]
    undoing = triage.undo(plan.id, desk.settings, desk.warehouse)
    assert undoing.steps[0].changes == {"priority": Change("urgent", "Normal")}


def test_of_a_change_that_was_taken_in_part_the_rest_is_due_though_the_process_ended_then(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(1, priority="urgent", status="CLOSED"))
    desk.edit(0, priority="urgent")
    with Journal(journal_of(desk.warehouse)) as journal:
        new = {name: change.new for name, change in plan.steps[0].changes.items()}
        attempt = journal.begin(plan, plan.steps[0], Action.CHANGE, by_whom="ann", new=new)
        journal.end(attempt, Ending.WRITTEN, taken={"priority": "urgent"})
    assert desk.apply(plan).exit_code == 0
    assert desk.ticket(0)["status"] == "CLOSED"


def test_tickets_that_are_gone_do_not_keep_a_rerun_from_the_others(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(8, priority="urgent"))
    for ticket_id in desk.tickets[:5]:
        desk.sandbox.world.delete(desk.connection_id, "ticket", ticket_id)
    desk.settings.max_concurrency = 1
    assert endings(desk.apply(plan)) == [*["refused"] * 5, *[None] * 3]
    assert endings(desk.apply(plan)) == [*["refused"] * 5, *["written"] * 3]


def test_a_plan_is_carried_out_where_its_journal_is(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(1, note=NOTE))
    assert desk.apply(plan).exit_code == 0
    for file in desk.warehouse.state_dir.glob("writeback.sqlite3*"):
        file.unlink()
    with pytest.raises(FixConfiguration, match="on another machine, or the journal was lost"):
        desk.apply(plan)


def test_the_same_change_after_it_was_taken_back_is_another_plan(desk: Desk) -> None:
    rows = desk.proposed(1, priority="urgent")
    first = desk.plan(rows)
    assert desk.apply(first).exit_code == 0
    assert desk.apply(triage.undo(first.id, desk.settings, desk.warehouse)).exit_code == 0
    with pytest.raises(FixConfiguration, match="was taken back by plan"):
        desk.apply(first)
    second = desk.plan(rows)
    assert second.id != first.id
    assert desk.apply(second).exit_code == 0


def test_without_a_warehouse_only_who_allows_all_may_change_any_share(desk: Desk, tmp_path: Path) -> None:
    elsewhere = warehouse_in(tmp_path / "elsewhere")
    rows = desk.proposed(3, priority="urgent")
    desk.limits.max_share = 0.5
    plan = triage.plan(rows, desk.settings, desk.limits, elsewhere)
    with pytest.raises(FixConfiguration, match="max_share"):
        triage.apply(plan, desk.settings, desk.limits, elsewhere)


def test_what_was_written_is_taken_back_but_for_notes_and_for_what_others_have_changed_since(desk: Desk) -> None:
    before = [{**desk.ticket(number)} for number in range(3)]
    plan = desk.plan(desk.proposed(3, priority="urgent", tags_set=["a", "b"], note=NOTE))
    assert desk.apply(plan).exit_code == 0
    desk.edit(2, priority="low")
    undoing = triage.undo(plan.id, desk.settings, desk.warehouse)
    assert undoing.undoes == plan.id
    assert sorted({(left.field, left.why.split(",")[0].split(":")[0]) for left in undoing.left_out}) == [
        ("note", "a note cannot be unsent"),
        ("priority", "somebody has changed it since"),
    ]
    assert desk.apply(undoing).exit_code == 0
    for number in (0, 1):
        assert {name: desk.ticket(number).get(name) for name in ("priority", "tags")} == {
            name: before[number].get(name) for name in ("priority", "tags")
        }
    assert (desk.ticket(2)["priority"], desk.ticket(2)["tags"]) == ("low", before[2]["tags"])


def test_a_plan_that_opens_again_what_another_has_closed_is_not_braked_for_there_being_few_open(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(len(desk.tickets), status="CLOSED"))
    assert desk.apply(plan).exit_code == 0
    desk.limits.max_share = 0.01
    assert desk.apply(triage.undo(plan.id, desk.settings, desk.warehouse)).exit_code == 0


def test_what_was_written_since_by_another_plan_or_taken_back_is_not_taken_back_again(desk: Desk) -> None:
    rows = desk.proposed(1, priority="urgent")
    first = desk.plan(rows)
    assert desk.apply(first).exit_code == 0
    undoing = triage.undo(first.id, desk.settings, desk.warehouse)
    assert desk.apply(undoing).exit_code == 0
    desk.edit(0, priority="urgent")  # a person decides so
    again = triage.undo(first.id, desk.settings, desk.warehouse)
    assert (again.steps, [left.why for left in again.left_out]) == ([], [f"plan {undoing.id} has written it since"])
    desk.edit(0, priority="Normal")
    assert sync(desk.settings, desk.warehouse).exit_code == 0
    assert desk.apply(desk.plan(rows)).exit_code == 0
    assert triage.undo(first.id, desk.settings, desk.warehouse).steps == []
    assert desk.ticket(0)["priority"] == "urgent"


def test_an_undoing_plan_is_another_one_though_the_ticket_has_no_time_to_tell_it_by(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch = desk.sandbox.world.patch

    def undated(connection_id: str, name: str, record_id: str, fields: Any, **options: Any) -> Any:
        return patch(connection_id, name, record_id, {**fields, "updated_at": None}, **options)

    monkeypatch.setattr(desk.sandbox.world, "patch", undated)
    first = desk.plan(desk.proposed(1, priority="urgent"))
    assert desk.apply(first).exit_code == 0
    undoing = triage.undo(first.id, desk.settings, desk.warehouse)
    assert undoing.steps[0].after is not None
    assert desk.apply(undoing).exit_code == 0
    redoing = triage.undo(undoing.id, desk.settings, desk.warehouse)
    assert desk.apply(redoing).exit_code == 0
    assert desk.ticket(0)["priority"] == "urgent"


def test_a_note_that_cannot_be_sent_leaves_its_ticket_open(desk: Desk) -> None:
    desk.limits.allowed_fields = ["status", "tags"]
    plan = desk.plan(desk.proposed(1, status="CLOSED", note=NOTE, tags_add="a"))
    assert plan.steps[0].changes.keys() == {"tags"}
    assert {left.field: left.why for left in plan.left_out}["status"].startswith("its note is left out")
    desk.limits.allowed_fields = None
    assert desk.apply(desk.plan(desk.proposed(1, note=NOTE))).exit_code == 0
    assert sync(desk.settings, desk.warehouse).exit_code == 0
    closing = desk.plan(desk.proposed(1, status="CLOSED", note=NOTE))
    assert closing.steps[0].changes.keys() == {"status"}


def test_a_ticket_of_the_oddest_text_is_written_and_told_of_like_others(desk: Desk) -> None:
    for number, odd in enumerate([b'"source":"\\ud83d"', b'"raw_\\ud800":1', b'"raw":{"n":NaN,"t":"\x07"}']):
        body = msgspec.json.encode(desk.ticket(number))[:-1] + b"," + odd + b"}"
        desk.sandbox.world.mangle(desk.connection_id, "ticket", desk.tickets[number], body)
    plan = desk.plan(desk.proposed(4, priority="urgent"))
    report = desk.apply(plan)
    assert (report.unloaded, endings(report)[3]) == (None, "written")
    assert len(desk.log()) == 4
    assert triage.status(desk.warehouse).unloaded == 0
    assert sync(desk.settings, desk.warehouse).exit_code == 0


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        ({"max_tickets": 2}, "max_tickets"),
        ({"max_share": 0.1}, "max_share"),
        ({"allowed_fields": ["tags"]}, "allowed_fields"),
        ({"allowed_connections": ["another"]}, "allowed_connections"),
    ],
    ids=["tickets", "share", "fields", "connections"],
)
def test_the_brakes_refuse_a_plan_as_a_whole(desk: Desk, limit: Any, name: str) -> None:
    plan = desk.plan(desk.proposed(6, priority="urgent"))
    desk.limits.update({**desk.limits, **limit})
    desk.sandbox.reset_counters()
    with pytest.raises(FixConfiguration, match=rf"triage\.{name}.*Nothing was sent"):
        desk.apply(plan)
    assert not desk.sandbox.requests


def test_a_connection_that_is_not_allowed_is_not_asked(desk: Desk) -> None:
    desk.limits.allowed_connections = []
    desk.sandbox.reset_counters()
    plan = desk.plan(desk.proposed(2, priority="urgent", category="Billing"))
    assert plan.steps == []
    assert {left.why for left in plan.left_out} == {"the setting triage.allowed_connections does not allow it"}
    assert not any("/ticketing/" in request for request in desk.sandbox.requests)


def test_what_a_plan_has_closed_itself_does_not_brake_its_rerun(desk: Desk) -> None:
    count = len(desk.tickets) - 2
    plan = desk.plan(desk.proposed(count, status="CLOSED"))
    desk.limits.max_share = 0.9
    desk.settings.max_concurrency = 1
    desk.settings.max_calls_per_run = count + 2
    assert desk.apply(plan).exit_code == 3
    desk.settings.max_calls_per_run = 0
    assert desk.apply(plan).exit_code == 0


def test_after_so_many_failures_in_a_row_the_rest_is_left_and_done_by_a_rerun(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(8, priority="urgent"))
    desk.settings.max_concurrency = 1
    desk.limits.max_failures_in_a_row = 2
    [connection] = desk.sandbox.world.connections()
    granted = connection["permissions"]
    desk.sandbox.world.change_connection(desk.connection_id, permissions=["ticketing_ticket_read"])
    report = desk.apply(plan)
    desk.sandbox.world.change_connection(desk.connection_id, permissions=granted)
    assert report.exit_code == 1
    assert report.application.stopped == "2 in a row could not be carried out"
    assert endings(report) == ["refused", "refused", *[None] * 6]
    assert desk.apply(plan).exit_code == 0


def test_receipts_that_cannot_be_loaded_wait_for_the_next_sync(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    plan = desk.plan(desk.proposed(2, priority="urgent"))
    with one_writer(desk.warehouse), pytest.raises(WarehouseBusy):
        desk.apply(plan)  # to count the open tickets of a DuckDB file takes the lock
    report = _applied_while_another_writes(desk, plan)
    assert report.exit_code == 3
    assert report.unloaded is not None
    telling_triage.tell_applied(report, plan.id)
    assert capsys.readouterr().out.startswith("Done: 2 written, but the receipts wait. Next: ticketing sync")
    assert triage.status(desk.warehouse).unloaded == 2
    assert sync(desk.settings, desk.warehouse, select=["categories"]).exit_code == 0
    assert triage.status(desk.warehouse).unloaded == 0
    assert [ending for _, _, ending, *_ in desk.log()] == ["written", "written"]


def _applied_while_another_writes(desk: Desk, plan: Plan) -> triage.ApplyReport:
    held = one_writer(desk.warehouse)
    try:
        return desk.apply(plan, told=lambda done, total: held.__enter__() if done == total else None)
    finally:
        held.__exit__(None, None, None)


def test_only_one_process_carries_out_plans(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(1, priority="urgent"))
    seen: list[str] = []

    def meanwhile(done: int, total: int) -> None:
        with pytest.raises(WarehouseBusy) as refused:
            desk.apply(plan)
        seen.append(str(refused.value))

    assert desk.apply(plan, told=meanwhile).exit_code == 0
    assert "Another process is carrying out a plan" in seen[0]


def test_what_a_lost_answer_leaves_open_is_found_held_and_settled_by_a_person(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(1, note=NOTE))
    with Journal(journal_of(desk.warehouse)) as journal:
        [step] = plan.steps
        attempt = journal.begin(
            plan, step, Action.NOTE, by_whom="ann", old={}, new={"note": NOTE}, baseline=["other notes"]
        )
        journal.end(attempt, Ending.HELD, "who knows")
    assert endings(desk.apply(plan)) == ["held"]
    [held] = triage.status(desk.warehouse).open
    other = desk.plan(desk.proposed(1, note="Another note"))
    assert "nobody knows yet" in other.left_out[0].why
    triage.settle(held.id, desk.warehouse, was_sent=False)
    assert endings(desk.apply(plan)) == ["written"]
    with pytest.raises(FixConfiguration, match="there is none"):
        triage.settle(held.id, desk.warehouse, was_sent=True)


def test_who_is_forgotten_is_forgotten_by_the_journal_and_the_plans_too(desk: Desk) -> None:
    customer = desk.ticket(0)["customer_id"]
    plan = desk.plan(desk.proposed(4, priority="urgent", note=NOTE))
    triage.keep_plan(plan, desk.warehouse)
    assert desk.apply(plan).exit_code == 0
    theirs = {
        id
        for id in desk.tickets[:4]
        if desk.sandbox.world.record(desk.connection_id, "ticket", id)["customer_id"] == customer
    }
    forget(customer, desk.settings, desk.warehouse, connections=[desk.connection_id])
    assert not theirs & {ticket for ticket, *_ in desk.log()}
    assert {ticket for ticket, *_ in desk.log()} == {*desk.tickets[:4]} - theirs
    with Journal(journal_of(desk.warehouse)) as journal:
        assert not theirs & {attempt.ticket_id for attempt in journal.of_plan(plan.id)}
    with pytest.raises(FixConfiguration, match="the file or the id of a plan"):
        triage.kept_plan(plan.id, desk.warehouse)
    with pytest.raises(FixConfiguration, match="about somebody who was forgotten"):
        desk.apply(plan)


def test_nobody_is_forgotten_while_a_plan_is_carried_out(desk: Desk) -> None:
    plan = desk.plan(desk.proposed(1, note=NOTE))
    customer = desk.ticket(0)["customer_id"]

    def meanwhile(*_: int) -> None:
        with pytest.raises(WarehouseBusy, match="carrying out a plan"):
            forget(customer, desk.settings, desk.warehouse, connections=[desk.connection_id])

    assert desk.apply(plan, told=meanwhile).exit_code == 0


RULE = """
-- Who is to be asked again, 100% of them: two closed tickets and two open ones.
(
    select connection_id, ticket_id, 'ACTIVE' as status, 'Is all well now?' as note, 'asked again' as reason
    from marts.tickets where is_closed and agent_reply_count > 0 order by ticket_id limit 2
)
union all
(
    select connection_id, ticket_id, 'CLOSED' as status, null as note, 'like "50%" of them' as reason
    from marts.open_tickets order by ticket_id limit 2
)
"""
FIGURES = "ticket_id, is_closed, agent_reply_count, first_reply_seconds, observed_reopen_count"


def example(language: str) -> str:
    """The first code of docs/triage.md in a language."""
    page = (ROOT / "docs" / "triage.md").read_text()
    return page.split(f"```{language}\n")[1].split("```")[0]


def test_the_examples_of_the_docs_are_planned_as_they_stand_beside_the_sandbox(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    reply: dict[str, Any] = {}
    exec(example("python"), reply)
    rows = [*proposed_rows(_file(tmp_path, "rows.csv", example("csv")), warehouse), reply["row"]]
    with Sandbox(seed=7, tickets=400) as sandbox:
        plan = triage.plan(rows, settings_for(sandbox), TriageSettings(), warehouse)
    assert plan.left_out == []
    assert plan.fields == {"category_id": 1, "user_id": 1, "tags": 1, "note": 1}


@pytest.mark.parametrize("warehouse", [at_length("duckdb"), "postgres"], indirect=True)
def test_from_the_marts_to_the_helpdesk_and_back_into_the_marts(desk: Desk, tmp_path: Path) -> None:
    build(desk.warehouse, wait_seconds=60)
    to_close = read_proposals(proposed_rows(_file(tmp_path, "close.sql", example("sql")), desk.warehouse))
    assert {proposal.status for proposal in to_close} == {"CLOSED"}
    rows = [*proposed_rows(_file(tmp_path, "ask_again.sql", RULE), desk.warehouse)]
    before = _figures(desk, rows)
    plan = desk.plan([*map(dict, rows)])
    assert [step.changes["status"].new for step in plan.steps] == ["ACTIVE", "ACTIVE", "CLOSED", "CLOSED"]
    assert desk.apply(plan).exit_code == 0
    assert sync(desk.settings, desk.warehouse).exit_code == 0
    build(desk.warehouse, wait_seconds=60)
    after = _figures(desk, rows)
    for ticket_id, was in before.items():
        assert after[ticket_id].pop("is_closed") is not was.pop("is_closed")
        assert after[ticket_id] == was, "our own notes and changes count in no figure of replies and reopenings"
    own = query(desk.warehouse, "select field, to_value from marts.ticket_changes where is_own and field = 'status'")
    assert sorted(row["to_value"] for row in own) == ["active", "active", "closed", "closed"]
    notes = query(
        desk.warehouse, "select body_text from marts.conversation_messages where author_role_source = 'writeback'"
    )
    assert [row["body_text"] for row in notes] == ["Is all well now?"] * 2
    again = desk.plan([*map(dict, rows)])
    assert again.steps == []


def _figures(desk: Desk, rows: list[Any]) -> dict[str, dict[str, Any]]:
    ids = ", ".join(f"'{row['ticket_id']}'" for row in rows)
    found = query(desk.warehouse, f"select {FIGURES} from marts.tickets where ticket_id in ({ids})")
    return {row["ticket_id"]: row for row in found}


KILLS = int(os.environ.get("TICKETING_TEST_KILLS", "3"))


def test_a_process_that_is_killed_again_and_again_sends_each_note_once_and_a_rerun_completes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(desk.tickets)
    plan = desk.plan(desk.proposed(count, priority="urgent!", note=NOTE))
    desk.sandbox.faults = Faults(latency_ms=60)
    desk.settings.max_concurrency = 2
    dice, caught = random.Random(0), 0
    for _ in range(KILLS):
        child = start_applying(plan, desk.settings, desk.limits, desk.warehouse)
        child.join(dice.uniform(0.5, 3.0))
        caught += child.is_alive()
        child.kill()
        child.join()
    assert caught
    desk.sandbox.faults = Faults()
    monkeypatch.setattr(triage, "LONGEST_LAG", timedelta())  # for a note that is not there an hour later was not sent
    report = desk.apply(plan)
    assert endings(report) == ["written"] * 2 * count
    notes = desk.sandbox.world.records(desk.connection_id, "note")
    assert sorted(note["ticket_id"] for note in notes if note["description"] == NOTE) == sorted(desk.tickets)
    assert {desk.ticket(number)["priority"] for number in range(count)} == {"urgent!"}
    written = {(ticket, action) for ticket, action, ending, *_ in desk.log() if ending == "written"}
    assert written == {(id, action) for id in desk.tickets for action in ("note", "change")}


# The command


def test_the_number_of_an_attempt_is_shown_as_settle_takes_it(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    plan = desk.plan(desk.proposed(1, note=NOTE))
    with Journal(journal_of(desk.warehouse)) as journal:
        attempt = journal.begin(plan, plan.steps[0], Action.NOTE, by_whom="ann", new={"note": NOTE}, baseline=[])
        held = [journal.attempt(attempt)._replace(id=1234)]
    telling_triage.tell_status(triage.TriageStatus([], held, 0))
    assert "1234" in capsys.readouterr().out


@pytest.fixture
def command(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    environment = {
        "SOURCES__UNIFIED__BASE_URL": desk.sandbox.base_url,
        "SOURCES__UNIFIED__API_KEY": desk.sandbox.api_key,
        "SOURCES__UNIFIED__STATE_DIR": str(desk.warehouse.state_dir),
        "TRIAGE__MAX_SHARE": "1",
        **destination_environment(desk.warehouse),
    }
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Result:
        ended = CliRunner().invoke(main, ["triage", *arguments])
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return ended

    return run


def test_the_command_plans_applies_tells_and_undoes(desk: Desk, command: Callable[..., Result], tmp_path: Path) -> None:
    proposals = tmp_path / "proposals.csv"
    lines = [f"{desk.connection_id};{id};urgent;found,late;=cmd()\x1b[31m" for id in desk.tickets[:2]]
    proposals.write_text("\n".join(["connection_id;ticket_id;priority;tags_add;reason", *lines]))
    planned = command("plan", str(proposals))
    assert planned.exit_code == 0, planned.output
    assert "\x1b" not in planned.output
    last = planned.stdout.strip().splitlines()[-1]
    assert last.startswith("Plan ")
    assert "Nothing was sent. Next: ticketing triage apply " in last
    plan_id = last.split()[-1]
    file = desk.warehouse.state_dir / "plans" / f"{plan_id}.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    asked = command("apply", plan_id)
    assert asked.exit_code == 2
    assert "--yes" in asked.stderr
    applied = command("apply", plan_id, "--yes", "--by", "ann")
    assert applied.exit_code == 0, applied.output
    assert applied.stdout.strip().splitlines()[-1].startswith("Done: 2 written. Next: ticketing build")
    shown = json.loads(command("status", "--json").stdout)
    assert [(plan["plan"], plan["by"], plan["endings"]) for plan in shown["plans"]] == [
        (plan_id, "ann", {"written": 2})
    ]
    assert "1 plan; 0 actions not known" in command("status").stdout

    undone = json.loads(command("undo", plan_id, "--json").stdout)
    assert undone["undoes"] == plan_id
    assert json.loads(command("apply", undone["id"], "--yes", "--json").stdout)["exit_code"] == 0
    assert "found" not in desk.ticket(0)["tags"]


def test_faults_of_proposals_are_all_told_and_nothing_is_kept(
    desk: Desk, command: Callable[..., Result], tmp_path: Path
) -> None:
    proposals = tmp_path / "proposals.json"
    proposals.write_text(json.dumps([{"ticket_id": "1", "status": "OPEN"}, {"connection_id": "c", "ticket_id": "2"}]))
    ended = command("plan", str(proposals))
    assert ended.exit_code == 2
    assert [line.split(":")[0] for line in ended.stderr.splitlines()[1:]] == ["row 1", "row 1", "row 2"]
    assert not (desk.warehouse.state_dir / "plans").exists()


def test_a_plan_that_was_edited_is_not_carried_out(desk: Desk, command: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    triage.keep_plan(desk.plan(desk.proposed(1, priority="urgent")), desk.warehouse, file)
    file.write_text(file.read_text().replace("urgent", "low"))
    ended = command("apply", str(file), "--yes")
    assert ended.exit_code == 2
    assert "was changed after it was made" in ended.stderr


def test_a_rule_in_sql_proposes_from_the_warehouse(warehouse: DuckdbWarehouse, tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match="ticketing build"):
        proposed_rows(_file(tmp_path, "rule.sql", "select 1"), warehouse)


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path
