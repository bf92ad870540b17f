"""The README keeps its promises: its commands, settings and tables are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import dlt
import yaml

from pipelines.cli import main
from pipelines.settings import UnifiedSettings
from transforms.schemas import DATASET, RECORD_TABLES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_every_command_is_in_the_readme_and_every_command_there_exists() -> None:
    assert set(re.findall(r"`ticketing (\w+)`", README)) == set(main.commands)


def test_every_option_of_sync_that_the_readme_names_exists() -> None:
    row = next(line for line in README.splitlines() if line.startswith("| `ticketing sync`"))
    options = {option for parameter in main.commands["sync"].params for option in parameter.opts}
    assert set(re.findall(r"--[\w-]+", row)) <= options


def test_every_setting_is_documented_with_its_default() -> None:
    settings = UnifiedSettings()
    rows = dict(re.findall(r"^\| `(\w+)` \| `SOURCES__UNIFIED__\w+[^|]*\| (.*) \|$", README, flags=re.MULTILINE))
    assert rows.keys() == {*UnifiedSettings.get_resolvable_fields(), "state_dir"}
    for name in ("base_url", "lookback_seconds", "page_size", "include_raw"):
        default = settings[name]
        assert rows[name].startswith(f"`{str(default).lower() if isinstance(default, bool) else default}`"), name


def test_the_example_configuration_names_only_settings_that_exist() -> None:
    text = (ROOT / ".dlt" / "config.toml").read_text()
    named = set(re.findall(r"^# (\w+) = ", text, flags=re.MULTILINE))
    assert named == set(UnifiedSettings.get_resolvable_fields()) - {"api_key"}


def test_every_mart_is_in_the_readme_with_its_one_row() -> None:
    marts = {path.stem for path in (ROOT / "dbt_project" / "models" / "marts").glob("*.sql")}
    assert set(re.findall(r"^\| `(\w+)` \| an? ", README, flags=re.MULTILINE)) == marts


def test_dbt_reads_exactly_the_raw_tables_and_their_columns() -> None:
    sources = yaml.safe_load((ROOT / "dbt_project/models/staging/_staging__sources.yml").read_text())["sources"]
    assert [source.get("schema", source["name"]) for source in sources] == [DATASET]
    assert {table["name"] for table in sources[0]["tables"]} >= set(RECORD_TABLES)


def test_every_folder_and_file_that_the_readme_names_exists() -> None:
    for name in re.findall(r"\]\(([\w/.]+)\)|^\| `([\w/]+)` \| (?!`SOURCES|an? )", README, flags=re.MULTILINE):
        assert (ROOT / (name[0] or name[1])).exists(), name


def test_the_own_script_of_the_readme_is_python_that_imports() -> None:
    script = README.split("```python\n")[1].split("```")[0]
    compile(script, "README.md", "exec")
    imports = "\n".join(line for line in script.splitlines() if "import" in line)
    names: dict[str, object] = {}
    exec(imports, names)
    assert names["dlt"] is dlt
