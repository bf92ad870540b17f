"""README.md and docs/ keep their promises: what they name is the code's, and what the code has is named there."""

from __future__ import annotations

import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import dlt
import duckdb
import psycopg2  # type: ignore[import-untyped]
import pytest
import yaml
from dlt.common.configuration.specs import BaseConfiguration

from pipelines import errors, settings, triage
from pipelines.cli import main
from pipelines.settings import NotificationSettings, TriageSettings, UnifiedSettings, WebhookSettings
from pipelines.ticketing.plans import Strategy
from pipelines.ticketing.verdict import Kind
from pipelines.warehouse.destinations.destination import PUBLICATION, PUBLICATION_COLUMNS
from pipelines.writeback.proposals import COLUMNS
from tests.hand_made_marts import TYPES, contract, normal, reopened
from tests.postgres_server import PostgresServer
from transforms.schemas import DATASET, RAW_TABLES, RECORD_TABLES

ROOT = Path(__file__).resolve().parents[2]
PAGES = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))}
README, RUNBOOK, TABLES = PAGES["README.md"], PAGES["docs/runbook.md"], PAGES["docs/tables.md"]
ALL = "\n".join(PAGES.values())

COMMON_OPTIONS = {"--destination", "--wait", "--json"}
"""What many commands have is told once."""

SECTIONS: dict[type[BaseConfiguration], str] = {
    UnifiedSettings: "SOURCES__UNIFIED",
    WebhookSettings: "WEBHOOKS",
    TriageSettings: "TRIAGE",
    NotificationSettings: "NOTIFICATIONS",
}
WITHOUT_DEFAULT = {
    *("api_key", "connection_ids", "start_date", "privacy_key"),
    *("secret", "secret_before", "url"),
    *("allowed_connections", "allowed_fields"),
}

MARTS = {path.stem for path in (ROOT / "dbt_project" / "models" / "marts").glob("*.sql")}
SEEDS = {path.stem for path in (ROOT / "dbt_project" / "seeds").glob("*.csv")}

MESSAGES_OF_OTHERS = {
    *("database is locked", "Conflicting lock", "too many connections"),
    *("role … does not exist", "unable to read … version"),
}
"""What a database or a tool says, which stands in no file of ours."""

every_page = pytest.mark.parametrize("page", sorted(PAGES))


def commands(group: click.Group = main, path: str = "ticketing") -> Iterator[tuple[str, click.Command]]:
    """Each command by the words that call it, those of groups for their own."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands())


def options_of(command: click.Command) -> set[str]:
    return {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in (*parameter.opts, *parameter.secondary_opts)
    }


def rows_of(page: str, header: str) -> list[list[str]]:
    """The cells of a table, by the beginning of its header."""
    [_, rest] = page.split(f"\n{header}", 1)
    body = rest.split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in body]


def codes(page: str, language: str) -> list[str]:
    """The blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


# What is said of the command


def test_every_command_is_in_the_readme_and_every_command_there_exists() -> None:
    named = [cells[0] for cells in rows_of(README, "| Command |")]
    assert sorted(named) == sorted(f"`ticketing {name}`" for name in main.commands)


def test_every_command_stands_in_the_list_with_all_of_its_options_and_no_others() -> None:
    page = PAGES["docs/commands.md"]
    rows = {cells[0].strip("`"): cells[1] for cells in rows_of(page, "| Command |")}
    assert rows.keys() == COMMANDS.keys()
    for name, command in COMMANDS.items():
        assert {*re.findall(r"--[\w-]+", rows[name])} == options_of(command) - COMMON_OPTIONS, name
    assert {*re.findall(r"--[\w-]+", "\n".join(cells[0] for cells in rows_of(page, "| Option of many |")))} == (
        COMMON_OPTIONS
    )


def said_commands(page: str) -> Iterator[str]:
    """What a reader would type: in blocks of the shell and in code within a line."""
    for block in codes(page, "sh"):
        yield from re.findall(r"^.*?\b(ticketing [a-z].*)$", block.replace("\\\n", " "), flags=re.MULTILINE)
    without_blocks = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`(?:[A-Z_]+=\S+ )*(?:uv run )?(ticketing [a-z][^`]*)`", " ".join(without_blocks.split()))


def faults_of(said: str) -> list[str]:
    """What is wrong with a command as it is said."""
    words = shlex.split(said, comments=True)[1:]
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        if words[0] not in command.commands:
            return [f"no command {words[0]}"]
        command = command.commands[words.pop(0)]
    known = options_of(command) | {"--help"}
    return [word for word in words if word.startswith("--") and word.split("=")[0] not in known]


@every_page
def test_every_command_and_option_that_a_page_says_exists(page: str) -> None:
    assert {said: faults for said in said_commands(PAGES[page]) if (faults := faults_of(said))} == {}


def test_a_command_that_does_not_exist_is_found() -> None:
    assert [*said_commands("so `uv run ticketing sink --all`,\n```sh\nA=b uv run ticketing sync --x  # y\n```\n")] == [
        *("ticketing sync --x  # y", "ticketing sink --all")
    ]
    assert faults_of("ticketing sink") == ["no command sink"]
    assert faults_of("ticketing sync --x 1  # --y") == ["--x"]
    assert faults_of("ticketing triage apply PLAN --yes") == []


def test_every_exit_code_is_in_the_readme_and_in_the_runbook() -> None:
    told = [re.findall(r"\b\d+\b", cells[0]) for cells in rows_of(README, "| Code |")]
    acted_on = [re.findall(r"\b\d+\b", cells[0]) for cells in rows_of(RUNBOOK, "| Code |")]
    of_errors = {str(kind.exit_code) for kind in error_classes().values()}
    assert told == acted_on == [["0"], ["1"], ["2"], ["3"], ["130"]]
    assert of_errors <= {code for [code] in told}
    assert {*re.findall(r"\b[0-3]\b(?= \w)", str(main.help).split("Exit codes:")[1])} <= {code for [code] in told}


# What is said of what goes wrong


def error_classes() -> dict[str, type[errors.TicketingError]]:
    return {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.TicketingError)
    }


def test_every_kind_of_error_is_in_the_runbook_with_what_to_do() -> None:
    rows = rows_of(RUNBOOK, "| Kind |")
    assert [cells[0].strip("`") for cells in rows] == [name for name in vars(errors) if name in error_classes()]
    assert all(len(cells) == 4 and cells[1] and cells[3] for cells in rows)


def test_every_health_of_an_object_is_in_the_runbook_in_its_order() -> None:
    [model] = yaml.safe_load((ROOT / "dbt_project/models/marts/sync_health.yml").read_text())["models"]
    [health] = [column for column in model["columns"] if column["name"] == "health"]
    values = health["data_tests"][0]["accepted_values"]["arguments"]["values"]
    assert sorted(cells[0].strip("`") for cells in rows_of(RUNBOOK, "| `health` |")) == sorted(values)


def test_every_message_that_the_runbook_quotes_is_one_of_ours() -> None:
    paths = [*(ROOT / "pipelines").rglob("*.py"), ROOT / "Makefile"]
    ours = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text() for path in paths))
    quoted = {*re.findall(r'"([^"]+)"', re.sub(r"`[^`]*`", "", " ".join(RUNBOOK.split())))}
    assert len(quoted) > 15
    said = {part.strip(" .") for quote in quoted - MESSAGES_OF_OTHERS for part in quote.split("…")}
    assert {part for part in said if part not in ours} == set()


def test_every_gap_is_told_of() -> None:
    assert [cells[0] for cells in rows_of(PAGES["docs/proof.md"], "| Gap |")] == [kind.value for kind in Kind]


# What is said of settings


def documented(section: str) -> dict[str, str]:
    """The settings of a section with what is said of their defaults."""
    return dict(re.findall(rf"^\| `(\w+)` \| `{section}__\w+[^|]*\| (.*) \|$", ALL, flags=re.MULTILINE))


def test_every_section_of_settings_is_known_here() -> None:
    classes = {
        kind
        for name, kind in inspect.getmembers(settings, inspect.isclass)
        if kind.__module__ == settings.__name__ and issubclass(kind, BaseConfiguration) and not name.startswith("_")
    }
    assert classes == SECTIONS.keys()


@pytest.mark.parametrize("kind", SECTIONS)
def test_every_setting_is_documented_with_its_default_and_its_name_in_the_environment(
    kind: type[BaseConfiguration],
) -> None:
    section, default = SECTIONS[kind], kind()
    rows = documented(section)
    assert rows.keys() - {"state_dir"} == {*kind.get_resolvable_fields()}
    for name in rows.keys() - WITHOUT_DEFAULT - {"state_dir"}:
        value = default[name]
        assert rows[name].startswith(f"`{str(value).lower() if isinstance(value, bool) else value}`"), name
    for name in rows:
        assert re.search(rf"^\| `{name}` \| `{section}__{name.upper()}\b", ALL, flags=re.MULTILINE), name


@every_page
def test_every_setting_that_a_page_names_in_the_environment_exists(page: str) -> None:
    known = {
        f"{section}__{name.upper()}" for kind, section in SECTIONS.items() for name in kind.get_resolvable_fields()
    }
    known |= {"SOURCES__UNIFIED__STATE_DIR", "DESTINATION__DUCKDB__CREDENTIALS", "DESTINATION__POSTGRES__CREDENTIALS"}
    known |= {"RUNTIME__LOG_LEVEL"}
    named = {*re.findall(r"\b[A-Z]+__[A-Z_]+[A-Z]\b", PAGES[page])}
    assert named - known == set()


def test_every_variable_of_the_environment_that_the_models_read_is_documented_and_no_other() -> None:
    sources = [ROOT / "pipelines/settings.py", *(ROOT / "dbt_project").glob("*.yml")]
    read = {name for path in sources for name in re.findall(r"""['"](TICKETING_[A-Z_]+)['"]""", path.read_text())}
    assert {*re.findall(r"\bTICKETING_[A-Z_]+\b", PAGES["docs/settings.md"])} == read
    assert {*re.findall(r"\bTICKETING_[A-Z_]+\b", ALL)} == read


def test_every_variable_of_the_models_is_documented_with_its_default() -> None:
    variables = yaml.safe_load((ROOT / "dbt_project/dbt_project.yml").read_text())["vars"]
    told = {cells[0].strip("`"): cells[1].strip("`") for cells in rows_of(PAGES["docs/settings.md"], "| Variable |")}
    shipped = {
        name: value if isinstance(value, str) else yaml.safe_load(told[name]) for name, value in variables.items()
    }
    assert shipped == variables
    assert told.keys() == variables.keys()


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


# What is said of tables


def columns_of(table: str) -> set[str]:
    """Its columns; a name may be that of a mart and of a raw table."""
    return {
        *(contract(table) if table in MARTS else ()),
        *(RAW_TABLES[table].columns if table in RAW_TABLES else ()),
        *(PUBLICATION_COLUMNS if table == PUBLICATION else ()),
    }


def test_every_mart_is_documented_with_its_one_row() -> None:
    assert sorted(cells[0].strip("`") for cells in rows_of(TABLES, "| Mart, schema `marts` |")) == sorted(MARTS)
    assert all(re.match(r"an? ", cells[1]) for cells in rows_of(TABLES, "| Mart, schema `marts` |"))


def test_every_mart_answers_a_question() -> None:
    asked = {name for cells in rows_of(TABLES, "| Question |") for name in re.findall(r"`(\w+)`", cells[1])}
    assert asked == MARTS


def test_every_raw_table_is_documented() -> None:
    rows = rows_of(TABLES, "| Raw table |")
    assert {name for cells in rows for name in re.findall(r"`(\w+)`", cells[0])} == RAW_TABLES.keys()


def test_every_seed_is_documented() -> None:
    assert {name for cells in rows_of(TABLES, "| Seed |") for name in re.findall(r"`(\w+)`", cells[0])} == SEEDS


@every_page
def test_every_column_that_a_page_names_by_its_table_exists(page: str) -> None:
    named = {*re.findall(r"`(?:marts\.|raw_unified\.|published\.)?(\w+)\.(\w+)`", PAGES[page])}
    tables = MARTS | RAW_TABLES.keys() | {PUBLICATION}
    assert {
        f"{table}.{column}"
        for table, column in named
        if table in tables and column != "parquet" and column not in columns_of(table)
    } == set()
    schemas = {"marts", "published", "raw_unified"}
    assert {table for schema, table in named if schema in schemas} <= tables


def test_the_columns_of_marts_in_tables_of_metrics_are_those_of_the_contracts() -> None:
    for header in ("| Metric |", "| Column |", "| Question |"):
        cells = "\n".join(" ".join(cells) for cells in rows_of(TABLES, header))
        named = re.findall(r"`(\w+)\.(\w+)`", cells)
        assert named
        assert {f"{table}.{column}" for table, column in named if column not in contract(table)} == set()


def create_marts() -> Iterator[str]:
    """The statements that make all marts, with the columns of their contracts."""
    yield "create schema marts"
    for table in sorted(MARTS):
        columns = ", ".join(f"{name} {TYPES.get(kind, kind)}" for name, (kind, _) in contract(table).items())
        yield f"create table marts.{table} ({columns})"


@pytest.fixture(scope="module")
def marts_by_contract() -> Iterator[duckdb.DuckDBPyConnection]:
    """All marts, with the rows of two tickets."""
    with closing(duckdb.connect()) as database:
        for statement in create_marts():
            database.execute(statement)
        for ticket in (normal(), reopened()):
            for table, rows in ticket.tables.items():
                for row in rows:
                    signs = ", ".join("?" for _ in row)
                    database.execute(f"insert into marts.{table} ({', '.join(row)}) values ({signs})", [*row.values()])
        yield database


def queries() -> list[tuple[str, str]]:
    """The queries of all pages; a statement of another kind is no query of the marts."""
    return [(page, code) for page, text in PAGES.items() for code in codes(text, "sql") if code.startswith("select")]


def test_every_query_of_the_docs_runs_over_the_marts_as_their_contracts_have_them(
    marts_by_contract: duckdb.DuckDBPyConnection,
) -> None:
    of_tables = [code for page, code in queries() if page == "docs/tables.md"]
    assert len(of_tables) >= 10
    for page, code in queries():
        try:
            marts_by_contract.execute(code)
        except duckdb.Error as error:
            pytest.fail(f"{page}: {error}\n{code}")


def test_every_query_of_the_docs_runs_on_postgres_too(postgres_server: PostgresServer) -> None:
    with closing(psycopg2.connect(postgres_server.new_database())) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        for statement in create_marts():
            cursor.execute(statement)
        for page, code in queries():
            try:
                cursor.execute(code)
            except psycopg2.Error as error:
                pytest.fail(f"{page}: {error}\n{code}")


def test_what_queries_of_the_docs_give_is_what_they_say(marts_by_contract: duckdb.DuckDBPyConnection) -> None:
    def answer(beginning: str) -> list[tuple[object, ...]]:
        [code] = [code for _, code in queries() if beginning in code]
        return marts_by_contract.execute(code).fetchall()

    assert [row[1:] for row in answer("median_hours_of_the_answered")] == [(2, 0, 1.0)]
    assert answer("reopened_share") == [("zendesk", 2, 0.5)]
    assert [row[:5] for row in answer("missed_or_overdue")] == [
        *(("eight hours", metric, 1, 0, 0) for metric in ("first_reply", "next_reply", "resolution"))
    ]


def test_dbt_reads_exactly_the_raw_tables_and_their_columns() -> None:
    sources = yaml.safe_load((ROOT / "dbt_project/models/staging/_staging__sources.yml").read_text())["sources"]
    assert [source.get("schema", source["name"]) for source in sources] == [DATASET]
    assert {table["name"] for table in sources[0]["tables"]} >= set(RECORD_TABLES)


# What is said of the rest


def test_every_plan_is_documented() -> None:
    assert [cells[0].strip("`") for cells in rows_of(PAGES["docs/plans.md"], "| Plan |")] == [
        strategy.value for strategy in Strategy
    ]


def test_every_column_of_proposals_is_documented() -> None:
    cells = [cells[0] for cells in rows_of(PAGES["docs/triage.md"], "| Column | What is wanted |")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == {*COLUMNS}


def test_the_layers_are_those_that_imports_are_held_to() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [{*layer.replace("pipelines.", "").replace("|", " ").split()} for layer in contracts[0]["layers"]]
    told = PAGES["docs/architecture.md"].split("## The layers")[1].split("```\n")[1].split("```")[0]
    assert [{*line.split()} for line in told.splitlines()] == layers


def test_every_folder_that_the_architecture_names_exists_and_has_its_line() -> None:
    table = PAGES["docs/architecture.md"].split("## Where is what")[1].split("## ")[0]
    named = re.findall(r"^\| `([\w/]+)` \|", table, flags=re.MULTILINE)
    packages = {f"pipelines/{path.parent.name}" for path in (ROOT / "pipelines").glob("*/__init__.py")}
    assert packages <= {*named}
    assert all((ROOT / name).is_dir() for name in named)


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings of a page."""
    found: list[str] = []
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in re.findall(r"^#+ (.+)$", without_blocks, flags=re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return {*found}


def broken_links(page: str, text: str) -> set[str]:
    """The links of a page that lead nowhere."""
    broken = set()
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        if (name and not path.exists()) or (anchor and anchor not in anchors(path.read_text() if name else text)):
            broken.add(link)
    return broken


@every_page
def test_every_link_leads_somewhere(page: str) -> None:
    assert broken_links(page, PAGES[page]) == set()


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = (
        "# Of a `thing_of`, here\n[a](#of-a-thing_of-here) [b](#there) [c](gone.md) [d](plans.md#plans) [e](plans.md#x)"
    )
    assert broken_links("docs/mine.md", text) == {"#there", "gone.md", "plans.md#x"}


def test_every_page_is_in_the_index_and_none_says_where_it_was_written() -> None:
    linked = {*re.findall(r"\]\((\w+\.md)", PAGES["docs/README.md"])}
    assert linked | {"README.md"} >= {path.name for path in (ROOT / "docs").glob("*.md")}
    assert not re.search(r"/home/|/tmp/|/root/", ALL)


def test_the_readme_is_no_book() -> None:
    assert len(README.splitlines()) <= 220


def test_own_scripts_of_the_docs_are_python_that_imports() -> None:
    names: dict[str, object] = {}
    for script in codes(PAGES["docs/own_script.md"], "python"):
        compile(script, "own_script.md", "exec")
        imports = "\n".join(line for line in script.splitlines() if "import" in line)
        exec(imports, names)
    assert names["dlt"] is dlt
    assert names["triage"] is triage
