"""The command as a shell and a scheduler see it: exit codes, output, help, and its errors' words."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import click
import duckdb
import pytest

from pipelines.cli import main
from pipelines.sandbox import Faults, Sandbox
from pipelines.settings import WarehouseSettings
from tests.flow.truth import assert_same

ROOT = Path(__file__).resolve().parents[2]
TICKETING = Path(sys.executable).parent / "ticketing"


def ticketing(*arguments: str, env: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SOURCES", "DESTINATION"))}
    return subprocess.run(
        [str(TICKETING), *arguments], env=inherited | env, cwd=cwd, capture_output=True, text=True, check=False
    )


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    context = click.Context(main.commands[name], info_name=name)
    text = main.commands[name].get_help(context)
    assert f"Example:  ticketing {name}" in text


def test_the_road_of_a_new_account(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str]
) -> None:
    checked = ticketing("check", env=command_environment)
    assert checked.returncode == 0, checked.stderr
    assert last_line(checked.stdout) == "All well. Next: ticketing sync"
    assert not warehouse.duckdb_path.exists()

    synced = ticketing("sync", env=command_environment)
    assert synced.returncode == 0, synced.stderr
    assert last_line(synced.stdout).startswith("Done: ")
    assert "requests, done" in synced.stderr
    assert_same(sandbox.world, warehouse.duckdb_path)

    shown = ticketing("status", "--json", env=command_environment)
    objects = json.loads(shown.stdout)["objects"]
    assert len(objects) == 16
    assert sum(item["rows"] for item in objects if item["object"] == "tickets") == 40
    assert all(item["last_success_at"] and item["last_error"] is None for item in objects)

    again = ticketing("sync", "--json", "--select", "tickets", env=command_environment)
    result = json.loads(again.stdout)
    assert result["exit_code"] == 0
    assert {item["object"] for item in result["objects"]} == {"tickets"}
    assert sandbox.api_key not in checked.stdout + checked.stderr + synced.stdout + synced.stderr + again.stderr


def test_a_missing_key_names_itself_and_where_it_may_be_set(command_environment: dict[str, str]) -> None:
    del command_environment["SOURCES__UNIFIED__API_KEY"]
    ended = ticketing("sync", env=command_environment)
    assert ended.returncode == 2
    for word in ("sources.unified.api_key", "SOURCES__UNIFIED__API_KEY", ".dlt/secrets.toml", "make demo"):
        assert word in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PAGE_SIZE", "1", "from 2 to 100"),
        ("PAGE_SIZE", "many", "page_size"),
        ("LOOKBACK_SECONDS", "-1", "from 0 to"),
        ("LOOKBACK_SECONDS", "99999999999", "from 0 to"),
        ("API_KEY", "smart “quotes”", "characters that no key has"),
        ("BASE_URL", "https://", "https://"),
        ("START_DATE", "yesterday", "ISO-8601"),
        ("BASE_URL", "http://api.unified.to", "https://"),
        ("CONNECTION_IDS", "not-a-list", "connection_ids"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_was_expected(
    command_environment: dict[str, str], name: str, value: str, expected: str
) -> None:
    ended = ticketing("sync", env=command_environment | {f"SOURCES__UNIFIED__{name}": value})
    assert ended.returncode == 2, ended.stderr
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("content", "expected"), [("[sources.unified]\npagesize = 5\n", "pagesize"), ("x = [", "cannot be read")]
)
def test_a_configuration_file_with_a_mistake_is_named(
    command_environment: dict[str, str], tmp_path: Path, content: str, expected: str
) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(content)
    for command in ("check", "sync", "status"):
        ended = ticketing(command, env=command_environment, cwd=tmp_path)
        if command != "status" or expected == "cannot be read":
            assert ended.returncode == 2, ended.stderr
            assert expected in ended.stderr
        assert "Traceback" not in ended.stderr


def test_part_of_it_failing_is_exit_code_3(sandbox: Sandbox, command_environment: dict[str, str]) -> None:
    living = sandbox.world.connections()[0]["id"]
    wanted = {"SOURCES__UNIFIED__CONNECTION_IDS": json.dumps([living, "dead"])}
    ended = ticketing("sync", env=command_environment | wanted)
    assert ended.returncode == 3
    assert last_line(ended.stdout).startswith("Partly done: 4 of 8 objects failed")
    assert "no ticketing connection 'dead'" in ended.stderr
    assert ticketing("check", env=command_environment | wanted).returncode == 3


def test_nothing_working_is_exit_code_1(command_environment: dict[str, str]) -> None:
    ended = ticketing("sync", "--connection", "dead", env=command_environment)
    assert ended.returncode == 1
    assert last_line(ended.stdout).startswith("Nothing worked")


def test_it_does_not_matter_from_where_it_is_run(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str], tmp_path: Path
) -> None:
    for cwd in (ROOT, tmp_path, ROOT, tmp_path):
        sandbox.world.live(hours=3)
        ended = ticketing("sync", env=command_environment, cwd=cwd)
        assert ended.returncode == 0, ended.stderr
    assert_same(sandbox.world, warehouse.duckdb_path)


def test_run_brings_an_analyst_from_nothing_to_marts(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str]
) -> None:
    ended = ticketing("run", "--as-of", sandbox.world.now.isoformat(), env=command_environment)
    assert ended.returncode == 0, ended.stderr
    assert last_line(ended.stdout).startswith("Done: ")
    with duckdb.connect(str(warehouse.duckdb_path), read_only=True) as connection:
        tickets = connection.execute("select count(*), count(first_reply_seconds) from marts.tickets").fetchone()
        people = connection.execute("select count(*) from marts.customer_support_summary").fetchone()
    assert tickets is not None
    assert tickets[0] == 40
    assert tickets[1] > 0
    assert people is not None
    assert people[0] >= 8


def test_run_builds_the_marts_of_an_account_without_records(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str]
) -> None:
    for old in sandbox.world.connections():
        sandbox.world.remove_connection(old["id"])
    sandbox.world.add_connection("zendesk", id="fresh")
    ended = ticketing("run", env=command_environment)
    assert ended.returncode == 0, ended.stderr
    with duckdb.connect(str(warehouse.duckdb_path), read_only=True) as connection:
        marts = connection.execute(
            "select table_name, estimated_size from duckdb_tables() where schema_name = 'marts'"
        ).fetchall()
    assert dict(marts) == dict.fromkeys(
        ["tickets", "conversation_messages", "conversation_threads", "customer_support_summary"], 0
    )


def test_run_says_in_one_json_what_loaded_and_what_did_not_build(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str], tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "dbt_project", tmp_path / "dbt_project", ignore=shutil.ignore_patterns("target", "logs"))
    (tmp_path / "dbt_project" / "models" / "marts" / "tickets.sql").write_text("select nonsense")
    ended = ticketing("run", "--json", "--select", "tickets", env=command_environment, cwd=tmp_path)
    result = json.loads(ended.stdout)
    assert ended.returncode == result["exit_code"] == 1
    assert sum(item["rows_received"] for item in result["objects"]) == 40
    assert "nonsense" in result["build"]["error"]


def test_run_looks_for_what_it_needs_before_it_reads(
    sandbox: Sandbox, command_environment: dict[str, str], tmp_path: Path
) -> None:
    assert ticketing("run", env=command_environment, cwd=tmp_path).returncode == 2
    assert ticketing("run", "--as-of", "whenever", env=command_environment).returncode == 2
    assert not sandbox.requests


@pytest.mark.parametrize("content", [b"this is no database", b"\x00" * 5000])
def test_a_file_that_is_no_database_is_called_that(
    warehouse: WarehouseSettings, command_environment: dict[str, str], content: bytes
) -> None:
    warehouse.duckdb_path.write_bytes(content)
    ended = ticketing("sync", env=command_environment)
    assert ended.returncode == 2
    assert "to be a DuckDB database" in ended.stderr
    assert warehouse.duckdb_path.read_bytes() == content


def test_control_c_ends_a_sync_with_a_word_and_loses_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str]
) -> None:
    sandbox.faults = Faults(latency_ms=200)
    with subprocess.Popen(
        [str(TICKETING), "sync"], env=os.environ | command_environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        assert " rows, " in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        said = running.stderr.read()
    assert running.returncode == 130, said
    assert "Stopped." in said
    assert "Traceback" not in said
    sandbox.faults = Faults()
    assert ticketing("sync", env=command_environment).returncode == 0
    assert_same(sandbox.world, warehouse.duckdb_path)


@pytest.mark.parametrize(
    "arguments",
    [
        ("sync", "--select", "tikets"),
        ("sync", "--select", ","),
        ("sync", "--since", "yesterday"),
        ("sync", "--since", "2026-01-01", "--full-refresh"),
        ("sync", "--destination", "oracle"),
        ("fly",),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], command_environment: dict[str, str]) -> None:
    assert ticketing(*arguments, env=command_environment).returncode == 2


def test_building_before_any_sync_says_what_to_do_first(command_environment: dict[str, str]) -> None:
    ended = ticketing("build", env=command_environment)
    assert ended.returncode == 2
    assert "ticketing sync" in ended.stderr
