"""What the command makes of its options, of a report and of an error, without any server."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from pipelines.build import build_models
from pipelines.check import CheckReport, ConnectionCheck, ObjectCheck
from pipelines.cli import command, main
from pipelines.errors import ModelsFailed, TryAgainLater, WarehouseBusy
from pipelines.settings import DuckdbWarehouse
from pipelines.status import Push, Status
from pipelines.sync import SyncReport
from pipelines.ticketing.plans import Plan, Strategy
from pipelines.warehouse.load import Pending, PendingLoad
from pipelines.warehouse.outcome import Outcome
from pipelines.warehouse.runs import ObjectStatus
from pipelines.webhooks.inbox import Contents

EVIL = "evil\nDone: 99,999 rows received, all loaded.\x1b[2J"
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCES__UNIFIED__API_KEY", "key")
    monkeypatch.delenv("TICKETING_DESTINATION", raising=False)


def ticketing(*arguments: str) -> Result:
    ended = CliRunner().invoke(main, arguments)
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended


def outcome(table: str, rows: int, error: str | None = None, connection_id: str = "c1") -> Outcome:
    return Outcome(
        "run", connection_id, "zendesk", table, "by_anchor", NOW, rows_received=rows, is_complete=not error, error=error
    )


def syncs_to(monkeypatch: pytest.MonkeyPatch, *outcomes: Outcome, pending: PendingLoad | None = None) -> list[object]:
    """Every sync ends in a report of these; what it was asked to select is returned, call by call."""
    asked: list[object] = []

    def sync(*_: object, select: object, **__: object) -> SyncReport:
        asked.append(select)
        return SyncReport(pending or PendingLoad(Pending.NOTHING), [*outcomes])

    monkeypatch.setattr("pipelines.cli.sync", sync)
    return asked


def test_rows_of_what_failed_are_not_said_to_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    syncs_to(monkeypatch, outcome("tickets", 5), outcome("notes", 1000, "refused"))
    ended = ticketing("sync")
    assert ended.exit_code == 3
    assert "1 of 2 objects failed and kept their cursors; of the others 5 rows received and loaded." in ended.stdout


@pytest.mark.parametrize("command", ["check", "sync", "reconcile", "run", "status"])
def test_an_error_is_json_where_json_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise WarehouseBusy("held by another\nDone: not really")

    monkeypatch.setattr(f"pipelines.cli.{'sync' if command == 'run' else command}", fail)
    (tmp_path / "dbt_project").mkdir()
    (tmp_path / "dbt_project" / "dbt_project.yml").touch()
    ended = ticketing(command, "--json")
    assert ended.exit_code == 1
    assert json.loads(ended.stdout) == {"exit_code": 1, "error": "held by another\nDone: not really"}
    assert ended.stderr == "error: held by another Done: not really\n"
    assert ticketing(command).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["sync", "--json", "--wait", "nan"], "'nan' is not in the range x>=0"),
        (["sync", "--nope", "--json"], "--nope"),
        (["sync", "--json", "--select"], "--select"),
        (["fly", "--json"], "fly"),
        (["--nope", "sync", "--json"], "--nope"),
    ],
)
def test_wrong_usage_is_json_where_json_was_asked_for(arguments: list[str], expected: str) -> None:
    ended = ticketing(*arguments)
    assert ended.exit_code == 2
    result = json.loads(ended.stdout)
    assert result == {"exit_code": 2, "error": result["error"]}
    assert expected in result["error"]
    assert ended.stderr.endswith(f"Error: {result['error']}\n")
    assert ticketing(*(word for word in arguments if word != "--json")).stdout == ""


def test_an_error_of_the_disk_is_json_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipelines.cli.sync", fail)
    assert json.loads(ticketing("sync", "--json").stdout)["exit_code"] == 1


def test_json_says_where_a_pending_load_lies_that_failed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    syncs_to(monkeypatch, outcome("tickets", 1), pending=PendingLoad(Pending.QUARANTINED, Path("kept/17.5")))
    result = json.loads(ticketing("sync", "--json").stdout)
    assert (result["pending"], result["pending_lies_in"]) == ("quarantined", "kept/17.5")
    syncs_to(monkeypatch, outcome("tickets", 1))
    result = json.loads(ticketing("sync", "--json").stdout)
    assert (result["pending"], result["pending_lies_in"]) == ("nothing", None)


def test_a_comma_too_many_is_no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = syncs_to(monkeypatch, outcome("tickets", 1))
    for arguments in (["--select", "tickets, ,notes,"], []):
        assert ticketing("sync", *arguments).exit_code == 0
    assert asked == [["tickets", "notes"], []]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["sync", "--select", ","], "got ','. Example: --select tickets,notes"),
        (["sync", "--select", ""], "got ''"),
        (["sync", "--since", ""], "ISO-8601, got ''"),
        (["sync", "--since", "", "--full-refresh"], "got both"),
        (["build", "--as-of", ""], "ISO-8601, got ''"),
        (["sync", "--destination", ""], "got ''"),
        (["sync", "--wait", "nan"], "'nan' is not in the range x>=0"),
        (["build", "--wait", "-1"], "-1.0 is not in the range x>=0"),
        (["reconcile", "--brake", "nan"], "'nan' is not in the range 0<=x<=1"),
    ],
)
def test_an_option_without_a_meaning_is_refused(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], expected: str
) -> None:
    syncs_to(monkeypatch, outcome("tickets", 1))
    ended = ticketing(*arguments)
    assert ended.exit_code == 2
    assert expected in ended.stderr


def test_a_word_of_others_passes_for_no_line_of_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(Strategy.BY_ANCHOR, EVIL)
    checked = ConnectionCheck(EVIL, EVIL, None, None, [ObjectCheck("tickets", plan, problem=EVIL)])
    stored = ObjectStatus(EVIL, EVIL, "tickets", 1, NOW, NOW, NOW, "by_anchor", EVIL)
    evil = Push(EVIL, EVIL, [EVIL], NOW, NOW, EVIL)
    syncs_to(monkeypatch, outcome("tickets", 1, EVIL, connection_id=EVIL), outcome("notes", 1))
    monkeypatch.setattr("pipelines.cli.check", lambda *_: CheckReport("https://api.unified.to", [checked], 16))
    monkeypatch.setattr("pipelines.cli.status", lambda *_: Status("warehouse", False, [stored], [evil], None))
    for name in ("sync", "check", "status"):
        ended = ticketing(name)
        assert "evil Done: 99,999" in ended.output
        assert not any(line.startswith("Done") for line in ended.output.splitlines())
        assert "\x1b" not in ended.output


def test_the_status_tells_which_way_each_object_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    stored = [
        ObjectStatus("c1", "zendesk", table, 1, NOW, NOW, NOW, "by_anchor", None) for table in ("tickets", "notes")
    ]
    heard = datetime.now(UTC) - timedelta(minutes=7)
    repaired = Push(
        "c1", "notes", ["native", "virtual"], heard, heard + timedelta(minutes=5), "the webhook is unhealthy"
    )
    found = Status("warehouse", False, stored, [repaired], Contents(3, NOW, 1, False))
    monkeypatch.setattr("pipelines.cli.status", lambda *_: found)
    shown = ticketing("status").output
    assert re.search(r"tickets +1 +polling ", shown)
    assert "native and virtual webhook, 7 min ago; polled until" in shown
    assert "for the webhook is unhealthy" in shown
    assert "In the inbox: 3 deliveries waiting, the oldest since 2026-05-01 00:00Z; 1 dead letter." in shown


def test_what_the_server_said_passes_for_no_line_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TryAgainLater(EVIL)

    monkeypatch.setattr("pipelines.cli.sync", fail)
    assert ticketing("sync").stderr == "error: evil Done: 99,999 rows received, all loaded. [2J\n"


def test_what_dbt_said_passes_for_no_line_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """dbt is a program here that says what a row of the database may make it say."""
    dbt = tmp_path / "dbt"
    event = json.dumps({"info": {"level": "error", "msg": EVIL, "name": "RunResultError"}, "data": {}})
    dbt.write_text(f"#!{sys.executable}\nprint({event!r})\nprint({EVIL!r})\nraise SystemExit(1)\n")
    dbt.chmod(0o700)
    monkeypatch.setattr("pipelines.build._command", lambda *_: [str(dbt)])
    with pytest.raises(ModelsFailed) as raised:
        build_models(DuckdbWarehouse(tmp_path / "x.duckdb", tmp_path), NOW, lambda *_: None)
    lines = str(raised.value).splitlines()
    assert lines[0] == "dbt did not build the models:"
    assert lines[-1].startswith("The raw tables are untouched.")
    quoted = [line for line in lines[1:-1] if line]
    assert len(quoted) == 4
    assert all(line.startswith("  | ") for line in quoted)


def test_an_example_of_the_configuration_keeps_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCES__UNIFIED__API_KEY")
    assert '\n    [sources.unified]\n    api_key = "..."\n' in ticketing("sync").stderr


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, click.Abort], ids=["Ctrl-C", "Ctrl-C at a question"])
def test_who_stops_a_command_is_told_what_comes_of_it(stopped: type[BaseException]) -> None:
    @command("halt", "ticketing halt", click.Group(), once_stopped="Nothing was sent.")
    def halt() -> int:
        raise stopped

    ended = CliRunner().invoke(halt)
    assert (ended.exit_code, ended.stderr) == (130, "error: Stopped. Nothing was sent.\n")
