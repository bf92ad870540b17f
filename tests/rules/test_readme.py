"""The README keeps its promises: its commands, settings and tables are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import dlt
import pytest
import yaml

from pipelines import triage
from pipelines.cli import main
from pipelines.settings import NotificationSettings, TriageSettings, UnifiedSettings, WebhookSettings
from pipelines.ticketing.plans import Strategy
from pipelines.writeback.proposals import COLUMNS
from transforms.schemas import DATASET, RAW_TABLES, RECORD_TABLES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_every_command_is_in_the_readme_and_every_command_there_exists() -> None:
    assert set(re.findall(r"`ticketing (\w+)`", README)) == set(main.commands)


@pytest.mark.parametrize("command", ["sync", "reconcile", "verify", "forget", "explain", "serve", "drain", "inbox"])
def test_every_option_that_the_readme_names_exists(command: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `ticketing {command}`"))
    options = {option for parameter in main.commands[command].params for option in parameter.opts}
    named = set(re.findall(r"--[\w-]+", row))
    assert named
    assert named <= options


def test_every_plan_is_in_the_readme() -> None:
    table = README.split("\n## Plans\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == [strategy.value for strategy in Strategy]


def test_every_raw_table_is_in_the_readme() -> None:
    for table in RAW_TABLES:
        assert re.search(rf"(\b|`){table}(\b|`)", README), table


def test_every_setting_is_documented_with_its_default() -> None:
    settings = UnifiedSettings()
    rows = dict(re.findall(r"^\| `(\w+)` \| `SOURCES__UNIFIED__\w+[^|]*\| (.*) \|$", README, flags=re.MULTILINE))
    assert rows.keys() == {*UnifiedSettings.get_resolvable_fields(), "state_dir"}
    for name in rows.keys() - {"api_key", "connection_ids", "start_date", "state_dir", "privacy_key"}:
        default = settings[name]
        assert rows[name].startswith(f"`{str(default).lower() if isinstance(default, bool) else default}`"), name


def test_every_setting_of_webhooks_is_documented_with_its_default() -> None:
    settings = WebhookSettings()
    rows = dict(re.findall(r"^\| `(\w+)` \| `WEBHOOKS__\w+` \| (.*) \|$", README, flags=re.MULTILINE))
    assert rows.keys() == {*WebhookSettings.get_resolvable_fields()}
    for name in rows.keys() - {"secret", "secret_before"}:
        assert rows[name].startswith(f"`{str(settings[name]).lower()}`"), name


def test_every_setting_of_triage_is_documented_with_its_default() -> None:
    settings = TriageSettings()
    rows = dict(re.findall(r"^\| `(\w+)` \| `TRIAGE__\w+[^|]*\| (.*) \|$", README, flags=re.MULTILINE))
    assert rows.keys() == {*TriageSettings.get_resolvable_fields()}
    for name in rows.keys() - {"allowed_connections", "allowed_fields"}:
        assert rows[name].startswith(f"`{settings[name]}`"), name


def test_every_setting_of_notifications_is_documented_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `NOTIFICATIONS__\w+` \| (.*) \|$", README, flags=re.MULTILINE))
    assert rows.keys() == {*NotificationSettings.get_resolvable_fields()}
    assert rows["format"].startswith(f"`{NotificationSettings().format}`")


def test_every_column_of_proposals_is_in_the_readme() -> None:
    table = README.split("| Column | What is wanted |")[1].split("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == {*COLUMNS}


def test_the_example_configuration_names_only_settings_that_exist() -> None:
    text = (ROOT / ".dlt" / "config.toml").read_text()
    unified, webhooks, triage, notifications = (
        re.findall(r"^# (\w+) = ", part, flags=re.MULTILINE)
        for part in re.split(r"\[webhooks\]|\[triage\]|\[notifications\]", text)
    )
    assert {*unified} == set(UnifiedSettings.get_resolvable_fields()) - {"api_key", "privacy_key"}
    assert {*webhooks} == set(WebhookSettings.get_resolvable_fields()) - {"secret", "secret_before"}
    assert {*triage} == {*TriageSettings.get_resolvable_fields()}
    assert {*notifications} == {*NotificationSettings.get_resolvable_fields()} - {"url"}


def test_every_mart_is_in_the_readme_with_its_one_row() -> None:
    marts = {path.stem for path in (ROOT / "dbt_project" / "models" / "marts").glob("*.sql")}
    assert set(re.findall(r"^\| `(\w+)` \| an? ", README, flags=re.MULTILINE)) == marts


def test_dbt_reads_exactly_the_raw_tables_and_their_columns() -> None:
    sources = yaml.safe_load((ROOT / "dbt_project/models/staging/_staging__sources.yml").read_text())["sources"]
    assert [source.get("schema", source["name"]) for source in sources] == [DATASET]
    assert {table["name"] for table in sources[0]["tables"]} >= set(RECORD_TABLES)


def test_every_folder_and_file_that_the_readme_names_exists() -> None:
    table = README.split("\n## Where is what\n")[1]
    named = re.findall(r"^\| `([\w/]+)` \|", table, flags=re.MULTILINE)
    linked = re.findall(r"\]\(([\w/.]+)\)", README)
    assert named
    assert linked
    for name in named + linked:
        assert (ROOT / name).exists(), name


def test_own_scripts_of_the_readme_are_python_that_imports() -> None:
    names: dict[str, object] = {}
    for script in (part.split("```")[0] for part in README.split("```python\n")[1:]):
        compile(script, "README.md", "exec")
        imports = "\n".join(line for line in script.splitlines() if "import" in line)
        exec(imports, names)
    assert names["dlt"] is dlt
    assert names["triage"] is triage
