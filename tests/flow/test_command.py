"""The command as a shell and a scheduler see it: exit codes, output, help, and its errors' words."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from pipelines.cli import main
from pipelines.draining import DrainReport, opened_inbox
from pipelines.sandbox import Faults, Sandbox
from pipelines.settings import DuckdbWarehouse, PostgresWarehouse, WarehouseSettings
from pipelines.sync import SyncReport
from pipelines.warehouse.load import Pending, PendingLoad
from pipelines.warehouse.marts import reading_published
from pipelines.warehouse.outcome import Outcome
from tests.flow.conftest import (
    at_length,
    destination_environment,
    on_both,
    on_both_at_length,
    on_postgres,
    project_in,
    slow,
)
from tests.flow.signed import put_into_inbox
from tests.flow.truth import assert_same, change, query
from tests.warehouse.raw_warehouse import copy_project

FOREIGN = ("SOURCES", "DESTINATION", "TICKETING_")
TICKETING = Path(sys.executable).parent / "ticketing"


def ticketing(*arguments: str, env: dict[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
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


@pytest.mark.slow
def test_the_road_of_a_new_account(
    sandbox: Sandbox, warehouse: DuckdbWarehouse, command_environment: dict[str, str]
) -> None:
    checked = ticketing("check", env=command_environment)
    assert checked.returncode == 0, checked.stderr
    assert last_line(checked.stdout) == "All well. Next: ticketing sync"
    assert not warehouse.path.exists()

    synced = ticketing("sync", env=command_environment)
    assert synced.returncode == 0, synced.stderr
    assert last_line(synced.stdout).startswith("Done: ")
    assert "requests, done" in synced.stderr
    assert_same(sandbox.world, warehouse)

    shown = ticketing("status", "--json", env=command_environment)
    objects = json.loads(shown.stdout)["objects"]
    assert len(objects) == 20
    assert sum(item["rows"] for item in objects if item["object"] == "tickets") == 40
    offered = [item for item in objects if not item["last_plan"].startswith("not_offered")]
    assert len(offered) == 19
    assert all(item["last_success_at"] for item in offered)
    assert all(item["last_error"] is None for item in objects)

    again = ticketing("sync", "--json", "--select", "tickets", env=command_environment)
    result = json.loads(again.stdout)
    assert result["exit_code"] == 0
    assert {item["object"] for item in result["objects"]} == {"tickets"}
    assert sandbox.api_key not in checked.stdout + checked.stderr + synced.stdout + synced.stderr + again.stderr


@pytest.mark.slow
def test_a_missing_key_names_itself_and_where_it_may_be_set(command_environment: dict[str, str]) -> None:
    del command_environment["SOURCES__UNIFIED__API_KEY"]
    ended = ticketing("sync", env=command_environment)
    assert ended.returncode == 2
    for word in ("sources.unified.api_key", "SOURCES__UNIFIED__API_KEY", ".dlt/secrets.toml", "make demo"):
        assert word in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PAGE_SIZE", "1", "from 2 to 100"),
        ("API_KEY", "smart “quotes”", "characters that no key has"),
        ("BASE_URL", "http://api.unified.to", "https://"),
        slow("PAGE_SIZE", "many", "page_size"),
        slow("LOOKBACK_SECONDS", "-1", "from 0 to"),
        slow("LOOKBACK_SECONDS", "99999999999", "from 0 to"),
        slow("BASE_URL", "https://", "https://"),
        slow("START_DATE", "yesterday", "ISO-8601"),
        slow("CONNECTION_IDS", "not-a-list", "connection_ids"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_was_expected(
    command_environment: dict[str, str], name: str, value: str, expected: str
) -> None:
    ended = ticketing("sync", env=command_environment | {f"SOURCES__UNIFIED__{name}": value})
    assert ended.returncode == 2, ended.stderr
    assert expected in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("config.toml", "[sources.unified]\npagesize = 5\n", ".dlt/config.toml and .dlt/secrets.toml, got pagesize."),
        slow("secrets.toml", '[sources.unified]\napikey = ""\n', ".dlt/config.toml and .dlt/secrets.toml, got apikey."),
        slow("config.toml", "x = [", "cannot be read"),
        ("config.toml", '[sources.unified.privacy]\nprivacy_key = "k"\n', "protected"),
    ],
)
def test_a_configuration_file_with_a_mistake_is_named(
    command_environment: dict[str, str], tmp_path: Path, file: str, content: str, expected: str
) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / file).write_text(content)
    for command in ("check", "sync", "status"):
        ended = ticketing(command, env=command_environment, cwd=tmp_path)
        if command != "status" or expected == "cannot be read":
            assert ended.returncode == 2, ended.stderr
            assert expected in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.slow
def test_settings_in_the_file_that_is_not_looked_at_first_are_known_too(
    command_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text('[sources.unified]\nprivacy_key = "a key of some length"\n')
    (tmp_path / ".dlt" / "config.toml").write_text("[sources.unified]\npagesize = 5\n")
    ended = ticketing("check", env=command_environment, cwd=tmp_path)
    assert ended.returncode == 2
    assert "got pagesize." in ended.stderr


@pytest.mark.slow
def test_rules_of_privacy_in_two_places_are_refused_for_one_would_count_for_nothing(
    command_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text('[sources.unified.privacy]\nemails = "drop"\n')
    at_once = {"SOURCES__UNIFIED__PRIVACY": '{"raw": "drop"}'}
    one_by_one = {"SOURCES__UNIFIED__PRIVACY__RAW": "drop"}
    for changed, expected in ((at_once, "in one place"), (one_by_one, "in one variable")):
        ended = ticketing("sync", env=command_environment | changed, cwd=tmp_path)
        assert ended.returncode == 2, ended.stderr
        assert expected in ended.stderr
    assert ticketing("sync", "--select", "categories", env=command_environment, cwd=tmp_path).returncode == 0


@pytest.mark.slow
def test_part_of_it_failing_is_exit_code_3(sandbox: Sandbox, command_environment: dict[str, str]) -> None:
    living = sandbox.world.connections()[0]["id"]
    wanted = {"SOURCES__UNIFIED__CONNECTION_IDS": json.dumps([living, "dead"])}
    ended = ticketing("sync", env=command_environment | wanted)
    assert ended.returncode == 3
    assert last_line(ended.stdout).startswith("Partly done: 5 of 10 objects failed")
    assert "no ticketing connection 'dead'" in ended.stderr
    assert ticketing("check", env=command_environment | wanted).returncode == 3


@pytest.mark.slow
def test_nothing_working_is_exit_code_1(command_environment: dict[str, str]) -> None:
    ended = ticketing("sync", "--connection", "dead", env=command_environment)
    assert ended.returncode == 1
    assert last_line(ended.stdout).startswith("Nothing worked")


@pytest.mark.slow
def test_it_does_not_matter_from_where_it_is_run(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str], tmp_path: Path
) -> None:
    for cwd in (None, tmp_path):
        sandbox.world.live(hours=3)
        ended = ticketing("sync", env=command_environment, cwd=cwd)
        assert ended.returncode == 0, ended.stderr
    assert_same(sandbox.world, warehouse)


@on_both_at_length
def test_run_brings_an_analyst_from_nothing_to_marts(
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
    command_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """All of dbt's tests of the data pass, too."""
    monkeypatch.chdir(project_in(tmp_path))
    ended = ticketing("run", "--as-of", sandbox.world.now.isoformat(), env=command_environment)
    assert ended.returncode == 0, ended.stderr
    assert last_line(ended.stdout).startswith("Done: ")
    assert re.search(r"[1-9]\d\d tests passed", ended.stdout)
    assert re.search(r"\d\d tables with [\d,]+ rows published in .*, data as of ", ended.stdout)
    with reading_published(warehouse) as ask:
        assert ask("select count(*) as n from tickets") == [{"n": 40}]
    (tickets,) = query(warehouse, "select count(*) as n, count(first_reply_seconds) as answered from marts.tickets")
    assert tickets["n"] == 40
    assert tickets["answered"] > 0
    (people,) = query(warehouse, "select count(*) as n from marts.customer_support_summary")
    assert people["n"] >= 8
    if isinstance(warehouse, PostgresWarehouse):
        for written in (ended.stdout, ended.stderr, Path("dbt_project/logs/dbt.log").read_text()):
            assert warehouse.password not in written


@pytest.mark.slow
@pytest.mark.long
@on_postgres
def test_postgres_is_checked_synced_built_and_looked_at(
    sandbox: Sandbox, warehouse: PostgresWarehouse, command_environment: dict[str, str]
) -> None:
    empty = ticketing("status", env=command_environment)
    assert empty.returncode == 0, empty.stderr
    assert "Nothing has been synced yet" in empty.stdout
    for command in (["check"], ["sync"], ["build", "--as-of", sandbox.world.now.isoformat()]):
        ended = ticketing(*command, env=command_environment)
        assert ended.returncode == 0, ended.stderr
    assert_same(sandbox.world, warehouse)
    shown = json.loads(ticketing("status", "--json", env=command_environment).stdout)
    assert shown["warehouse"] == f"{warehouse.database} on 127.0.0.1:{warehouse.port}"
    assert sum(item["rows"] for item in shown["objects"] if item["object"] == "tickets") == 40
    indexes = {row["indexname"] for row in query(warehouse, "select indexname from pg_indexes")}
    assert indexes >= {
        "tickets_key",
        "customers_key",
        "notes_key",
        "categories_key",
        "sync_runs_key",
        "notes_by_ticket",
    }


@pytest.mark.slow
@on_postgres
@pytest.mark.parametrize(
    ("damage", "code", "expected"),
    [
        (lambda url: re.sub(r"://(\w+):\w+@", r"://\1:wrong@", url), 2, "password authentication failed"),
        (lambda url: re.sub(r"/\w+$", "/nowhere", url), 2, 'database "nowhere" does not exist'),
        # No host can be called so, which is known without asking a name server that may be away.
        (lambda url: url.replace("127.0.0.1", "-.-"), 2, "-.-"),
        (lambda url: re.sub(r":\d+/", ":1/", url), 1, "Connection refused"),
        (lambda url: f"{url}?sslmode=nonsense", 2, "sslmode"),
        (lambda url: f"{url}?nonsense=1", 2, "got nonsense"),
    ],
    ids=["password", "database", "host", "port", "value of an option", "name of an option"],
)
def test_a_postgres_that_cannot_be_reached_is_said_to_be_which_and_why(
    warehouse: PostgresWarehouse,
    command_environment: dict[str, str],
    damage: Callable[[str], str],
    code: int,
    expected: str,
) -> None:
    name = "DESTINATION__POSTGRES__CREDENTIALS"
    ended = ticketing("sync", "--wait", "0", env=command_environment | {name: damage(command_environment[name])})
    assert ended.returncode == code, ended.stderr
    assert expected in ended.stderr
    assert name in ended.stderr
    assert "Traceback" not in ended.stderr
    assert warehouse.password not in ended.stderr


@pytest.mark.slow
@on_postgres
def test_a_postgres_may_be_configured_in_a_table_of_secrets(
    warehouse: PostgresWarehouse, command_environment: dict[str, str], tmp_path: Path
) -> None:
    del command_environment["DESTINATION__POSTGRES__CREDENTIALS"]
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text(
        f'[destination.postgres.credentials]\nhost = "{warehouse.host}"\nport = {warehouse.port}\n'
        f'database = "{warehouse.database}"\nusername = "{warehouse.username}"\npassword = "{warehouse.password}"\n'
    )
    ended = ticketing("sync", "--select", "tickets", env=command_environment, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert query(warehouse, "select * from raw_unified.tickets")


@pytest.mark.slow
@on_postgres
def test_a_postgres_is_found_by_a_url_with_its_parts_among_the_options(
    warehouse: PostgresWarehouse, command_environment: dict[str, str]
) -> None:
    name = "DESTINATION__POSTGRES__CREDENTIALS"
    url = f"postgresql://{warehouse.username}@/{warehouse.database}?password={warehouse.password}&host=127.0.0.1"
    ended = ticketing("sync", "--select", "tickets", env=command_environment | {name: f"{url}&port={warehouse.port}"})
    assert ended.returncode == 0, ended.stderr
    assert query(warehouse, "select * from raw_unified.tickets")


@pytest.mark.slow
@on_postgres
def test_no_row_that_postgres_refuses_is_shown(
    sandbox: Sandbox, warehouse: PostgresWarehouse, command_environment: dict[str, str]
) -> None:
    connection_id = sandbox.world.connections()[0]["id"]
    command = ("sync", "--select", "tickets", "--connection", connection_id)
    assert ticketing(*command, env=command_environment).returncode == 0
    change(warehouse, "alter table raw_unified.tickets add constraint polite check (subject not like '%SECRET%')")
    sandbox.world.create(connection_id, "ticket", {"subject": "\x1b[2J\x1b[31mSECRET\x1b]0;pwned\x07"})
    ended = ticketing(*command, env=command_environment)
    assert ended.returncode == 1
    assert 'violates check constraint "polite"' in ended.stderr
    assert "SECRET" not in ended.stdout + ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr
    wordy = ticketing(*command, env=command_environment | {"RUNTIME__LOG_LEVEL": "ERROR"})
    assert "SECRET" in wordy.stderr


@pytest.mark.slow
@on_postgres
def test_a_user_who_may_not_write_is_told_before_anything_is_read(
    sandbox: Sandbox, warehouse: PostgresWarehouse, command_environment: dict[str, str]
) -> None:
    name = f"reader_of_{warehouse.database}"
    change(warehouse, f"create role {name} login password 'reading'")
    reader = command_environment | destination_environment(replace(warehouse, username=name, password="reading"))
    ended = ticketing("sync", env=reader)
    assert ended.returncode == 2
    assert f'grant create on database "{warehouse.database}" to "{name}"' in ended.stderr
    assert not sandbox.requests
    assert ticketing("sync", "--select", "tickets", env=command_environment).returncode == 0
    for statement in ("grant usage on schema raw_unified", "grant select on all tables in schema raw_unified"):
        refused = ticketing("status", env=reader)
        assert refused.returncode == 2
        assert "permission denied" in refused.stderr
        change(warehouse, f"{statement} to {name}")
    assert ticketing("status", env=reader).returncode == 0
    change(warehouse, f"grant create on database {warehouse.database} to {name}")
    stranger = ticketing("sync", env=reader)
    assert stranger.returncode == 2
    assert f'grant "{warehouse.username}" to "{name}"' in stranger.stderr


@pytest.mark.slow
@pytest.mark.long
@on_both
def test_run_builds_the_marts_of_an_account_without_records(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str]
) -> None:
    for old in sandbox.world.connections():
        sandbox.world.remove_connection(old["id"])
    sandbox.world.add_connection("zendesk", id="fresh")
    ended = ticketing("run", env=command_environment)
    assert ended.returncode == 0, ended.stderr
    for mart in ("tickets", "conversation_messages", "conversation_threads", "customer_support_summary"):
        assert query(warehouse, f"select * from marts.{mart}") == []


@pytest.mark.slow
@pytest.mark.long
def test_run_says_in_one_json_what_loaded_and_what_did_not_build(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str], tmp_path: Path
) -> None:
    copy_project(tmp_path, Path("dbt_project"))
    (tmp_path / "dbt_project" / "models" / "marts" / "tickets.sql").write_text("select nonsense")
    ended = ticketing("run", "--json", "--select", "tickets", env=command_environment, cwd=tmp_path)
    result = json.loads(ended.stdout)
    assert ended.returncode == result["exit_code"] == 1
    assert sum(item["rows_received"] for item in result["objects"]) == 40
    assert "nonsense" in result["build"]["error"]


@pytest.mark.slow
@pytest.mark.long
def test_a_build_finds_its_own_results_wherever_else_dbt_is_told_to_put_them(
    command_environment: dict[str, str], tmp_path: Path
) -> None:
    copy_project(tmp_path, Path("dbt_project"))
    elsewhere = {"DBT_TARGET_PATH": str(tmp_path / "elsewhere"), "DBT_LOG_PATH": str(tmp_path / "elsewhere")}
    ended = ticketing("run", env=command_environment | elsewhere, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.slow
def test_run_looks_for_what_it_needs_before_it_reads(
    sandbox: Sandbox, command_environment: dict[str, str], tmp_path: Path
) -> None:
    assert ticketing("run", env=command_environment, cwd=tmp_path).returncode == 2
    assert ticketing("run", "--as-of", "whenever", env=command_environment).returncode == 2
    assert not sandbox.requests


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"this is no database", b"\x00" * 5000])
def test_a_file_that_is_no_database_is_called_that(
    warehouse: DuckdbWarehouse, command_environment: dict[str, str], content: bytes
) -> None:
    warehouse.path.write_bytes(content)
    ended = ticketing("sync", env=command_environment)
    assert ended.returncode == 2
    assert "to be a DuckDB database" in ended.stderr
    assert warehouse.path.read_bytes() == content


@pytest.mark.slow
def test_control_c_ends_a_sync_with_a_word_and_loses_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str]
) -> None:
    sandbox.faults = Faults(latency_ms=200)
    with subprocess.Popen(
        [str(TICKETING), "sync"], env=os.environ | command_environment, stderr=subprocess.PIPE, text=True
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
    assert_same(sandbox.world, warehouse)


@pytest.mark.slow
@pytest.mark.parametrize("form", [(), at_length(("--json",))])
def test_a_reader_that_has_gone_away_changes_no_exit_code(command_environment: dict[str, str], form: list[str]) -> None:
    for options, code in (("--connection", "dead"), 1), ((), 0):
        assert _exit_code_without_readers("sync", *options, *form, env=command_environment) == code
    shown = ticketing("status", "--json", env=command_environment)
    assert sum(item["rows"] for item in json.loads(shown.stdout)["objects"] if item["object"] == "tickets") == 40


def _exit_code_without_readers(*arguments: str, env: dict[str, str]) -> int:
    """What the command ends with if nobody reads what it writes, be it a result or a word of its progress."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [str(TICKETING), *arguments], env=os.environ | env, stdout=writing, stderr=writing
        ).returncode
    finally:
        os.close(writing)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["--select", slow("--connection"), slow("--since"), slow("--destination")])
def test_an_argument_that_is_no_text_is_refused(command_environment: dict[str, str], option: str) -> None:
    command = [str(TICKETING), "sync", "--json", option, os.fsdecode(b"caf\xe9")]
    ended = subprocess.run(command, env=os.environ | command_environment, capture_output=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert json.loads(ended.stdout)["error"].startswith("Expected arguments in UTF-8, got 'caf\\udce9'.")
    assert b"Traceback" not in ended.stderr


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_seed_that_is_no_csv_file_is_named_and_keeps_nothing_from_being_read(
    sandbox: Sandbox, warehouse: DuckdbWarehouse, command_environment: dict[str, str], tmp_path: Path
) -> None:
    copy_project(tmp_path, Path("dbt_project"))
    (tmp_path / "dbt_project" / "seeds" / "triage_weights.csv").write_text("reason;weight\nvip;20\n")
    for command in (("build",), ("run", "--select", "tickets")):
        ended = ticketing(*command, env=command_environment, cwd=tmp_path)
        assert ended.returncode == 2
        assert ended.stderr.splitlines()[-2:] == [
            "error: dbt_project/seeds/triage_weights.csv: Expected the columns reason,weight, got reason;weight.",
            "Save it as CSV with commas, in UTF-8.",
        ]
        assert warehouse.path.exists() == (command[0] == "run")
    (told,) = query(warehouse, "select count(*) as number from raw_unified.tickets")
    assert told["number"] == 40


@pytest.mark.slow
def test_building_before_any_sync_says_what_to_do_first(command_environment: dict[str, str]) -> None:
    ended = ticketing("build", env=command_environment)
    assert ended.returncode == 2
    assert "ticketing sync" in ended.stderr


def test_dead_letters_are_discarded_one_by_one_or_all(
    warehouse: DuckdbWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in destination_environment(warehouse).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SOURCES__UNIFIED__STATE_DIR", str(warehouse.state_dir))
    put_into_inbox(warehouse, *(f"letter {number}".encode() for number in range(5)))
    with opened_inbox(warehouse) as inbox:
        inbox.bury(dict.fromkeys(range(1, 6), "for a test"))

    def asked(*options: str) -> Result:
        return CliRunner().invoke(main, ["inbox", *options])

    both = asked("--discard", "1", "--replay", "1")
    assert (both.exit_code, "either to be replayed or discarded" in both.stderr) == (2, True)
    assert asked("--discard-all", "--replay", "1").exit_code == asked("--discard", "1", "--replay-all").exit_code == 2
    unknown = asked("--discard", "9", "--discard", "1")
    assert (unknown.exit_code, "(1, 2, 3, 4, 5), got 9" in unknown.stderr) == (2, True)
    some = asked("--discard", "1", "--discard", "3", "--replay", "2")
    assert some.exit_code == 0
    assert last_line(some.stdout).endswith(
        "; 2 dead letters. Put back: 1 dead letter. Removed: 2 dead letters. Next: ticketing drain"
    )
    every = json.loads(asked("--discard-all", "--json").stdout)
    assert (every["discarded"], every["replayed"], every["waiting"], every["dead_letters"]) == (2, 0, 1, [])
    assert b"letter 0" not in b"".join(path.read_bytes() for path in warehouse.state_dir.glob("inbox.sqlite3"))


@pytest.mark.parametrize(
    ("drained", "code", "words"),
    [
        (DrainReport(delivered=2), 0, "Done: "),
        (DrainReport(delivered=2, buried=1), 3, "1 dead letter: see ticketing inbox. Next: ticketing build"),
        (DrainReport(error="It was refused."), 3, "Mend the errors above and run this again."),
    ],
)
@pytest.mark.parametrize("command", ["sync", "reconcile"])
def test_what_came_by_webhooks_and_could_not_be_stored_is_told_beside_what_was_read(
    monkeypatch: pytest.MonkeyPatch, command: str, drained: DrainReport, code: int, words: str
) -> None:
    monkeypatch.setenv("SOURCES__UNIFIED__API_KEY", "key")
    outcome = Outcome("run", "c", "zendesk", "tickets", "by_anchor", datetime.now(UTC), is_complete=True)
    report = SyncReport(PendingLoad(Pending.NOTHING), [outcome], drained=drained)
    monkeypatch.setattr(f"pipelines.cli.{command}", lambda *_, **__: report)
    ended = CliRunner().invoke(main, [command])
    assert ended.exit_code == code
    assert words in last_line(ended.stdout)
    assert last_line(ended.stdout).startswith("Done" if code == 0 else "Partly done")
    assert "failed" not in ended.stdout


@pytest.mark.parametrize(("delivered", "code", "words"), [(5, 3, "Partly done"), (0, 1, "Nothing worked")])
def test_a_drain_tells_how_much_it_has_loaded_beside_what_was_refused(
    monkeypatch: pytest.MonkeyPatch, delivered: int, code: int, words: str
) -> None:
    monkeypatch.setenv("SOURCES__UNIFIED__API_KEY", "key")
    report = DrainReport(delivered=delivered, error="It was refused.")
    monkeypatch.setattr("pipelines.cli.drain", lambda *_, **__: report)
    ended = CliRunner().invoke(main, ["drain"])
    assert (ended.exit_code, last_line(ended.stdout).split(":")[0]) == (code, words)
    assert "It was refused." in ended.stderr
    told = json.loads(CliRunner().invoke(main, ["drain", "--json"]).stdout)
    assert (told["exit_code"], told["delivered"], told["error"]) == (code, delivered, "It was refused.")
