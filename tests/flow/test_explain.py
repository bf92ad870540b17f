"""`ticketing explain` as a user meets it: on the terminal, as JSON, and where there is nothing to explain."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from pipelines.cli import main
from pipelines.errors import FixConfiguration, WarehouseBusy
from pipelines.explain import explain
from pipelines.explain.explanation import PAUSING
from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, PostgresWarehouse, WarehouseSettings
from pipelines.status import status
from pipelines.warehouse.lock import one_writer
from tests.flow.conftest import destination_environment, on_both, on_postgres
from tests.flow.test_command import ticketing
from tests.flow.truth import change, connected, query
from tests.hand_made_marts import DESK, HOSTILE, Ticket, every_ticket, make_marts, normal, paused, reopened

EVIL = "'; drop table marts.tickets; --"


@pytest.fixture
def told(warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs the command in this process over the hand-made marts."""
    monkeypatch.chdir(tmp_path)
    for name, value in destination_environment(warehouse).items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Result:
        ended = CliRunner().invoke(main, ["explain", *arguments])
        assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
        return ended

    return run


@on_both
def test_a_ticket_is_explained_on_the_terminal(warehouse: WarehouseSettings, told: Any) -> None:
    make_marts(warehouse, every_ticket())
    ended = told(DESK, "normal")
    assert ended.exit_code == 0
    words = " ".join(ended.stdout.split())
    for expected in (
        "Ticket normal of desk (zendesk)",
        "message 1 customer Ann Lee (assumed), public (raw_public), speaks: “Message 1”",
        "does not speak (internal): “Message 4”",
        "the customer waits for us from here on, answered by message 3 at 2026-05-04 10:00:00: 3,600 s (1.0 h)",
        "assignee: nothing → agent-1; seen between 2026-05-04 09:29:00 and 2026-05-04 09:31:00",
        "message 1 (2026-05-04 09:00:00) to message 3 (2026-05-04 10:00:00)",
        "turn 1 (3,600 s) + turn 3 (5,400 s)",
        "agent-1: message 3; agent-2: message 6",
        "The agents' notes that speak, in or after the second of the customer's first message.",
        "message 6: counted as if public, for nothing says who can see it",
        "eight hours met first_reply of turn 1: 3,600 s (1.0 h) of 28,800 s (8.0 h) used, by the calendar office",
    ):
        assert expected in words
    assert ended.stdout.splitlines()[-1] == (
        "Shown: 17 entries, 25 of 28 figures and 3 service levels. Next: the same with --json, or "
        "dbt_project/DECISIONS.md for the definitions"
    )


@on_both
@pytest.mark.parametrize(
    "ticket", ["agent opened", "reopened", "answered later", "unjudged", "unread", "deleted", "paused"]
)
def test_every_kind_of_ticket_is_explained(warehouse: WarehouseSettings, told: Any, ticket: str) -> None:
    make_marts(warehouse, every_ticket())
    assert told(DESK, ticket).exit_code == 0
    document = json.loads(told(DESK, ticket, "--json").stdout)
    assert [figure["name"] for figure in document["figures"] if not _adds_up(figure)] == []


@on_both
def test_json_is_one_document_of_plain_numbers_and_times(warehouse: WarehouseSettings, told: Any) -> None:
    make_marts(warehouse, every_ticket())
    document = json.loads(told(DESK, "normal", "--json").stdout)
    assert document["exit_code"] == 0
    assert document["ticket"]["opened_at"] == "2026-05-04T09:00:00Z"
    [turn] = [entry for entry in document["timeline"] if (entry["entry"], entry["number"]) == ("turn", 3)]
    assert (turn["at"], turn["wait_seconds"]) == ("2026-05-04T11:00:00Z", 5_400)
    [found] = [figure for figure in document["figures"] if figure["name"] == "first_reply_seconds"]
    assert found == {
        "name": "first_reply_seconds",
        "column": "tickets.first_reply_seconds",
        "turn_number": None,
        "value": 3_600,
        "rule": found["rule"],
        "how": "between",
        "rows": [
            {"entry": "message", "number": 1, "column": "sent_at", "value": "2026-05-04T09:00:00Z"},
            {"entry": "message", "number": 3, "column": "sent_at", "value": "2026-05-04T10:00:00Z"},
        ],
        "adds_up": True,
        "why_null": None,
        "doubts": ["message 1: taken as the requester's, for nothing says otherwise"],
    }
    assert found["rule"].startswith("From first_customer_message_at to first_replied_at")


@on_both
def test_what_stopped_a_clock_is_told(warehouse: WarehouseSettings, told: Any) -> None:
    ticket = reopened().clock("resolution", 0, 0, 180, paused_seconds=3_600)
    make_marts(warehouse, every_ticket() | {"sla_outcomes": _clocks(paused()) + _clocks(ticket)})
    words = " ".join(told(DESK, "paused").stdout.split())
    assert "paused for 3,600 s (1.0 h) by turn 2 (waiting for the customer), period 1 (pending)" in words
    words = " ".join(told(DESK, "reopened").stdout.split())
    assert "paused for 3,600 s (1.0 h) by period 2 (closed), due at" in words


@on_both
def test_why_an_outcome_is_unknown_is_told(warehouse: WarehouseSettings, told: Any) -> None:
    make_marts(warehouse, every_ticket())
    words = " ".join(told(DESK, "unjudged").stdout.split())
    assert (
        "to 2026-05-04 19:00:00, due at 2026-05-04 17:00:00. More than the target is used as far as is known, but "
        "somebody unknown wrote before its end, which may have been the answer."
    ) in words
    assert "from 2026-05-04 09:00:00 to an unknown time. It has ended, but its end has no time" in words
    replied, resolved = json.loads(told(DESK, "unjudged", "--json").stdout)["service_levels"]
    assert (replied["has_unknown_pauses"], replied["has_unknown_author"]) == (False, True)
    assert replied["why_unknown"].startswith("More than the target is used")
    for level in (replied, resolved):
        assert (level["outcome"], level["is_breached"], level["is_at_risk"]) == ("unknown", None, None)


def _clocks(ticket: Ticket) -> list[dict[str, Any]]:
    return ticket.tables["sla_outcomes"]


def test_a_word_of_others_is_shown_and_does_nothing(warehouse: WarehouseSettings, told: Any) -> None:
    make_marts(warehouse, every_ticket())
    ended = told(DESK, HOSTILE[:60])
    assert ended.exit_code == 0
    lines = ended.stdout.splitlines()
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines if line.startswith("Shown")] == lines[-1:]
    assert "[bold red]mend[/]" in ended.stdout
    assert max(len(line) for line in lines[:-1]) <= 160
    assert len(lines) < 200
    document = told(DESK, HOSTILE[:60], "--json").stdout
    assert all(line.isprintable() for line in document.splitlines())
    assert json.loads(document)["ticket"]["subject"] == HOSTILE


def test_a_figure_that_its_rows_do_not_give_is_shouted(warehouse: WarehouseSettings, told: Any) -> None:
    ticket = normal()
    ticket.tables["tickets"][0]["message_count"] = 7
    make_marts(warehouse, ticket.tables)
    ended = told(DESK, "normal")
    assert "THE ROWS DO NOT ADD UP TO IT" in ended.stdout
    assert "Not what their rows give: message_count. Next: ticketing build" in ended.stdout.splitlines()[-1]


def test_what_is_not_settled_may_still_get_company_and_the_last_line_says_so(
    warehouse: WarehouseSettings, told: Any
) -> None:
    make_marts(warehouse, every_ticket())
    assert told(DESK, "agent opened").stdout.splitlines()[-1].endswith("Next: ticketing run, then this again")


def test_a_rule_that_the_warehouse_does_not_tell_is_not_made_up(warehouse: WarehouseSettings, told: Any) -> None:
    make_marts(warehouse, every_ticket())
    change(warehouse, "comment on column marts.tickets.kind is null")
    assert "This warehouse does not tell the rule: `ticketing build` writes it there." in told(DESK, "normal").stdout


@on_both
def test_an_unknown_connection_or_ticket_is_named_with_what_is_there(warehouse: WarehouseSettings, told: Any) -> None:
    elsewhere = Ticket("77")
    elsewhere.tables["tickets"][0]["connection_id"] = "other"
    tables = every_ticket()
    tables["tickets"].extend(elsewhere.tables["tickets"])
    make_marts(warehouse, tables)
    for arguments, expected in (
        (("dusk", "normal"), "got 'dusk'. There are: 'desk' (zendesk), 'other' (zendesk). Has it been synced"),
        ((DESK, "abnormal"), "got 'abnormal'. There are 9 others of that connection, as of 2026-05-05 09:00Z. Has it"),
        ((DESK, "77"), "got '77'. That is the id of a ticket of 'other'."),
        ((EVIL, "normal"), f"got {EVIL!r}"),
        ((DESK, EVIL), f"got {EVIL!r}"),
        ((DESK, HOSTILE[:30]), f"got {HOSTILE[:30]!r}"),
    ):
        ended = told(*arguments)
        assert ended.exit_code == 2
        assert expected in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
    assert json.loads(told("dusk", "normal", "--json").stdout)["exit_code"] == 2
    assert len(query(warehouse, "select * from marts.tickets")) == 10


@on_both
def test_marts_that_are_not_there_or_of_an_older_version_are_to_be_built(
    warehouse: WarehouseSettings, told: Any
) -> None:
    with connected(warehouse):
        pass
    ended = told(DESK, "normal")
    assert ended.exit_code == 2
    assert "Run `ticketing build` first." in ended.stderr
    make_marts(warehouse, {})
    assert "the marts hold no ticket at all. Run `ticketing run` first." in told(DESK, "normal").stderr
    change(warehouse, "alter table marts.ticket_changes drop column observed_by")
    change(warehouse, "insert into marts.tickets (connection_id, ticket_id) values ('desk', 'old')")
    ended = told(DESK, "old")
    assert ended.exit_code == 2
    assert "observed_by" in ended.stderr
    assert "Run `ticketing build` first." in ended.stderr


def test_before_any_sync_nothing_is_made_and_the_next_step_is_said(warehouse: DuckdbWarehouse, told: Any) -> None:
    ended = told(DESK, "normal")
    assert ended.exit_code == 2
    assert "Run `ticketing sync`, then `ticketing build`." in ended.stderr
    assert not warehouse.path.exists()
    assert not warehouse.state_dir.exists()


def test_a_file_that_is_no_database_is_called_that(warehouse: DuckdbWarehouse, told: Any) -> None:
    warehouse.path.write_bytes(b"this is no database")
    ended = told(DESK, "normal")
    assert ended.exit_code == 2
    assert "to be a DuckDB database that can be read, but" in ended.stderr


def test_a_busy_file_is_said_to_be_so_in_the_words_of_status(
    warehouse: DuckdbWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in ("explain", "status"):
        monkeypatch.setattr(f"pipelines.{command}.PATIENCE", 0.0)
    make_marts(warehouse, every_ticket())

    def said() -> list[str]:
        found = []
        for look in (lambda: explain(warehouse, DESK, "normal"), lambda: status(warehouse)):
            with pytest.raises(WarehouseBusy) as raised:
                look()
            found.append(str(raised.value))
        return found

    writing = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", writing, str(warehouse.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        of_explain, of_status = said()
        writer.kill()
    assert "Cannot open" in of_explain
    assert of_explain == of_status
    with one_writer(warehouse):
        of_explain, of_status = said()
    assert "Another process is writing to this warehouse" in of_explain
    assert of_explain == of_status
    assert explain(warehouse, DESK, "normal").figures


def test_others_may_read_the_file_meanwhile(warehouse: DuckdbWarehouse) -> None:
    make_marts(warehouse, every_ticket())
    reading = (
        "import duckdb, sys; held = duckdb.connect(sys.argv[1], read_only=True); print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", reading, str(warehouse.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        assert explain(warehouse, DESK, "normal").figures
        reader.kill()


@on_postgres
def test_whoever_may_read_the_marts_alone_can_have_them_explained(warehouse: PostgresWarehouse) -> None:
    make_marts(warehouse, every_ticket())
    name = f"analyst_of_{warehouse.database}"
    analyst = replace(warehouse, username=name, password="reading")
    change(warehouse, f"create role {name} login password 'reading'", f"grant usage on schema marts to {name}")
    with pytest.raises(FixConfiguration, match="permission denied"):
        explain(analyst, DESK, "normal")
    change(warehouse, f"grant select on all tables in schema marts to {name}")
    assert explain(analyst, DESK, "normal") == explain(warehouse, DESK, "normal")


@on_both
def test_the_same_is_explained_from_any_warehouse(warehouse: WarehouseSettings, tmp_path: Path) -> None:
    other = DuckdbWarehouse(tmp_path / "other.duckdb", tmp_path / "other")
    for each in (warehouse, other):
        make_marts(each, every_ticket())
    for ticket in every_ticket()["tickets"]:
        assert explain(warehouse, DESK, ticket["ticket_id"]) == explain(other, DESK, ticket["ticket_id"])


@pytest.mark.slow
@pytest.mark.long
@on_both
def test_every_figure_of_every_built_ticket_is_that_of_its_rows(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str]
) -> None:
    for _ in range(2):
        assert ticketing("sync", env=command_environment).returncode == 0
        sandbox.world.live(hours=60)
    assert ticketing("build", "--as-of", sandbox.world.now.isoformat(), env=command_environment).returncode == 0
    tickets = query(warehouse, "select connection_id, ticket_id, integration_type from marts.tickets")
    assert {ticket["integration_type"] for ticket in tickets} == {"zendesk", "intercom", "freshdesk", "servicenow"}
    counted: Counter[str] = Counter()
    for ticket in tickets:
        explanation = explain(warehouse, ticket["connection_id"], ticket["ticket_id"])
        for figure in msgspec.to_builtins(explanation)["figures"]:
            assert _adds_up(figure), (ticket, figure)
            assert figure["adds_up"] is not False
            assert figure["rule"], figure["column"]
            assert (figure["value"] is None) == (figure["why_null"] is not None)
            assert figure["why_null"] != "The marts do not say why.", (ticket, figure)
            counted[figure["name"]] += figure["value"] is not None
        for level in explanation.service_levels:
            is_paused = any(row.column in PAUSING for row in level.rows)
            assert is_paused or not level.paused_seconds, (ticket, level)
            counted[f"paused {level.metric}"] += is_paused
            assert (level.outcome == "unknown") == (level.why_unknown is not None)
            assert level.why_unknown != "The marts do not say why.", (ticket, level)
    assert {"first_reply_seconds", "next_reply_seconds", "resolution_seconds", "waiting_on_us_seconds"} <= set(+counted)
    assert counted["paused resolution"]
    [first, *_] = tickets
    shown = ticketing("explain", first["connection_id"], first["ticket_id"], env=command_environment)
    assert shown.returncode == 0, shown.stderr


def _adds_up(figure: dict[str, Any]) -> bool:
    """Whether the rows give the figure, counted from the document alone."""
    values = [row["value"] for row in figure["rows"]]
    match figure["value"], figure["how"]:
        case None, _:
            return True
        case value, "between":
            start, end = (datetime.fromisoformat(each).replace(microsecond=0) for each in values)
            return bool(value == (end - start).total_seconds())
        case value, "sum":
            return bool(value == sum(values))
        case value, "count":
            return bool(value == len(values))
        case value, "distinct":
            return len({*values} - {None}) == int(value)
    return True
