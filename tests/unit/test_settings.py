"""The warehouse that the configuration chooses, and what is said of a configuration that chooses none."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.providers import ConfigTomlProvider
from dlt.common.configuration.specs.config_providers_context import ConfigProvidersContainer
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext

from pipelines.errors import FixConfiguration
from pipelines.settings import (
    LIBPQ_VARIABLES,
    TRIAGE_FIELDS,
    DuckdbWarehouse,
    PostgresWarehouse,
    load_triage_settings,
    load_unified_settings,
    load_warehouse_settings,
)
from pipelines.warehouse.destinations import destination_of

URL = "DESTINATION__POSTGRES__CREDENTIALS"


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TICKETING_DESTINATION", raising=False)


def loaded_postgres() -> PostgresWarehouse:
    warehouse = load_warehouse_settings("postgres")
    assert isinstance(warehouse, PostgresWarehouse)
    return warehouse


def test_without_a_word_it_is_a_duckdb_file() -> None:
    warehouse = load_warehouse_settings()
    assert warehouse == DuckdbWarehouse(Path("data/warehouse.duckdb"), Path("data/warehouse.duckdb.state"))
    assert warehouse.name == "data/warehouse.duckdb"


@pytest.mark.parametrize("path", ["elsewhere/x.duckdb", "duckdb:///elsewhere/x.duckdb"])
def test_the_duckdb_file_may_be_another(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", path)
    assert load_warehouse_settings() == DuckdbWarehouse(Path("elsewhere/x.duckdb"), Path("elsewhere/x.duckdb.state"))


def test_the_state_folder_may_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__UNIFIED__STATE_DIR", "kept")
    monkeypatch.setenv(URL, "postgresql://me:secret@db/support")
    assert load_warehouse_settings().state_dir == loaded_postgres().state_dir == Path("kept")


def test_a_postgres_url_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TICKETING_DESTINATION", "postgres")
    monkeypatch.setenv(URL, "postgres://me:se%40cr%2Fet@db.example.org:6432/support?sslmode=require")
    warehouse = load_warehouse_settings()
    assert isinstance(warehouse, PostgresWarehouse)
    assert (warehouse.host, warehouse.port, warehouse.database) == ("db.example.org", 6432, "support")
    assert (warehouse.username, warehouse.password) == ("me", "se@cr/et")
    assert warehouse.options["sslmode"] == "require"
    assert warehouse.name == "support on db.example.org:6432"
    assert warehouse.state_dir == Path("data/postgres-db.example.org-6432-support.state")
    assert "se@cr" not in repr(warehouse) + str(warehouse)


def test_a_postgres_may_be_given_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"host": "::1", "database": "a/b c", "username": "me", "password": "secret"}.items():
        monkeypatch.setenv(f"{URL}__{name.upper()}", value)
    warehouse = loaded_postgres()
    assert (warehouse.port, warehouse.password) == (5432, "secret")
    assert warehouse.state_dir == Path("data/postgres--1-a-b-c.state")


def test_a_postgres_may_want_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL, "postgresql://me@db/support")
    assert loaded_postgres().password == ""


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, "got no database, username, host"),
        ("", "a URL"),
        ("me:secret@db/support", "a URL"),
        ("postgresql://me:secret@db:many/support", "a URL"),
        ("host=db dbname=support password=secret", "a URL"),
        ("mysql://me:secret@db/support", "'mysql'"),
        ("postgresql://me:secret@db", "got no database"),
        ("postgresql://me:secret@db/", "got no database"),
        ("postgresql://:secret@db/support", "got no username"),
        ("postgresql://me:secret@one,two/support", "one host, got a list"),
        ("postgresql://me:secret@db/support?host=one&host=two", "one host, got a list"),
        ("postgresql://me:secret@%2Fvar%2Frun/support", "the name or address of a host"),
        ("postgresql://me:secret@db/support?host=/var/run", "the name or address of a host"),
        ("postgresql://me:secret@db/support?port=many", "a URL"),
        ("postgresql://me:secret@db/support?connect_timeout=long", "a URL"),
        ("postgresql://me:secret@db/support?sslpassword=x&keepalives=1", "got keepalives, sslpassword"),
        ("postgresql://me:secret@db/support?client_encoding=latin1", "got client_encoding"),
    ],
)
def test_what_is_wrong_with_a_postgres_setting_is_said_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str | None, expected: str
) -> None:
    if url is not None:
        monkeypatch.setenv(URL, url)
    with pytest.raises(FixConfiguration) as raised:
        load_warehouse_settings("postgres")
    message = str(raised.value)
    assert expected in message
    assert "secret@" not in message
    assert "=secret" not in message
    for word in ("destination.postgres.credentials", f"{URL}=postgresql://", ".dlt/secrets.toml"):
        assert word in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pie/ce@of@db:5599/support",
        "postgresql://me:pie@ce/of@db/support",
        "postgresql://me:pie@ce:of@db/support",
        "postgresql://me:pie@ce/x?of@db/support",
        "postgresql://pie@ce:of@db/support",
    ],
)
def test_no_piece_of_a_password_passes_for_another_part(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv(URL, url)
    with pytest.raises(FixConfiguration, match="written as %3A %2F %40 %25") as raised:
        load_warehouse_settings("postgres")
    assert not any(piece in str(raised.value) for piece in ("pie", "ce@", "of@", "@db"))


@pytest.mark.parametrize("part", ["host", "database"])
@pytest.mark.parametrize("value", ["ce@db", "a%b"])
def test_nor_does_one_that_is_given_in_parts(monkeypatch: pytest.MonkeyPatch, part: str, value: str) -> None:
    parts = {"host": "db", "database": "support", "username": "me", "password": "secret", part: value}
    for name, given in parts.items():
        monkeypatch.setenv(f"{URL}__{name.upper()}", given)
    with pytest.raises(FixConfiguration, match=f"of a {part}, got another") as raised:
        load_warehouse_settings("postgres")
    assert value not in str(raised.value)


def test_parts_may_stand_among_the_options_as_libpq_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        URL, "postgresql:///?host=db&port=6432&user=me&password=se%2Fcret&dbname=support&sslmode=require"
    )
    warehouse = loaded_postgres()
    assert (warehouse.host, warehouse.port, warehouse.database) == ("db", 6432, "support")
    assert (warehouse.username, warehouse.password) == ("me", "se/cret")
    assert warehouse.options.keys() == {"sslmode", "connect_timeout"}


def test_dbt_connects_with_every_option_that_a_sync_connects_with(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {name: f"value-of-{name}" for name in LIBPQ_VARIABLES} | {"connect_timeout": "7"}
    monkeypatch.setenv(URL, f"postgresql://me@db/support?{urlencode(given)}")
    warehouse = loaded_postgres()
    assert warehouse.options == given
    variables = destination_of(warehouse).environment_for_dbt()
    assert set(given.values()) <= set(variables.values())
    assert variables["PGCLIENTENCODING"] == "UTF8"
    assert variables["PGPASSFILE"] == "value-of-passfile"
    assert variables["PGSSLMINPROTOCOLVERSION"] == "value-of-ssl_min_protocol_version"


@pytest.mark.parametrize("destination", ["oracle", "DuckDB"])
def test_another_destination_is_refused(destination: str) -> None:
    with pytest.raises(FixConfiguration, match="duckdb or postgres"):
        load_warehouse_settings(destination)


def test_a_warehouse_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", ":memory:")
    with pytest.raises(FixConfiguration, match="must be a file"):
        load_warehouse_settings()


@pytest.mark.parametrize(
    ("setting", "path", "expected"),
    [
        ("SOURCES__UNIFIED__STATE_DIR", "100%/state", "the state folder to be UTF-8 without any of % '"),
        ("SOURCES__UNIFIED__STATE_DIR", "o'neil/state", "the state folder to be UTF-8 without any of % '"),
        ("SOURCES__UNIFIED__STATE_DIR", "caf\udce9", "the state folder to be UTF-8"),
        ("DESTINATION__DUCKDB__CREDENTIALS", "why?/x.duckdb", "the DuckDB file to be UTF-8 without any of ? #"),
        ("DESTINATION__DUCKDB__CREDENTIALS", "a#b.duckdb", "the DuckDB file to be UTF-8 without any of ? #"),
        (
            "DESTINATION__DUCKDB__CREDENTIALS",
            "a;b.duckdb",
            "the name of the DuckDB file to be UTF-8 without any of ; ' \"",
        ),
        ("DESTINATION__DUCKDB__CREDENTIALS", "a%20b.duckdb", "the state folder to be UTF-8 without any of % '"),
    ],
)
def test_a_path_that_would_be_taken_for_something_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, setting: str, path: str, expected: str
) -> None:
    monkeypatch.setenv(setting, path)
    with pytest.raises(FixConfiguration) as raised:
        load_warehouse_settings()
    assert str(raised.value).startswith(f"Expected {expected}")
    assert str(raised.value).isprintable()


def test_the_folder_that_it_is_run_in_counts_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "100%").mkdir()
    monkeypatch.chdir(tmp_path / "100%")
    with pytest.raises(FixConfiguration, match="100%"):
        load_warehouse_settings()


def test_a_path_may_have_every_other_character(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = "o'neil; 100%/a [b] *{c}* $d é.duckdb"
    monkeypatch.setenv("DESTINATION__DUCKDB__CREDENTIALS", path)
    monkeypatch.setenv("SOURCES__UNIFIED__STATE_DIR", 'why?/a#b; "c" [d] é')
    assert load_warehouse_settings() == DuckdbWarehouse(Path(path), Path('why?/a#b; "c" [d] é'))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("max_concurrency", "0", "from 1 to 64"),
        ("max_concurrency", "65", "from 1 to 64"),
        ("max_concurrency", "many", "from 1 to 64"),
        ("requests_per_second", "-1", "a number, 0 or more"),
        ("requests_per_second", "nan", "a number, 0 or more"),
        ("requests_per_second", "inf", "a number, 0 or more"),
        ("max_calls_per_run", "-1", "a whole number, 0 or more"),
        ("max_calls_per_run", "1.5", "a whole number, 0 or more"),
    ],
)
def test_a_budget_that_no_run_could_keep_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv("SOURCES__UNIFIED__API_KEY", "key")
    monkeypatch.setenv(f"SOURCES__UNIFIED__{name.upper()}", value)
    with pytest.raises(FixConfiguration, match=expected) as caught:
        load_unified_settings()
    assert f"sources.unified.{name}" in str(caught.value)


def test_a_budget_may_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"api_key": "key", "max_concurrency": "64", "requests_per_second": "0.5"}.items():
        monkeypatch.setenv(f"SOURCES__UNIFIED__{name.upper()}", value)
    loaded = load_unified_settings()
    assert (loaded.max_concurrency, loaded.requests_per_second, loaded.max_calls_per_run) == (64, 0.5, 0)


def test_without_a_word_a_plan_may_be_about_all_that_can_be_written_and_not_about_many_tickets() -> None:
    triage = load_triage_settings()
    assert triage.fields == [*TRIAGE_FIELDS]
    assert triage.allows("any")
    assert (triage.max_tickets, triage.max_share, triage.max_failures_in_a_row) == (200, 0.5, 5)


@pytest.mark.parametrize(
    ("name", "value", "loaded"),
    [
        ("allowed_connections", '["c1"]', ["c1"]),
        ("allowed_connections", "[]", []),
        ("allowed_fields", '["tags", "note"]', ["tags", "note"]),
        ("allowed_fields", "[]", []),
        ("max_tickets", "1", 1),
        ("max_tickets", "100000", 100_000),
        ("max_share", "1", 1.0),
        ("max_share", "0.001", 0.001),
        ("max_failures_in_a_row", "1", 1),
    ],
)
def test_the_brakes_of_triage_may_be_set(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, loaded: object
) -> None:
    monkeypatch.setenv(f"TRIAGE__{name.upper()}", value)
    assert load_triage_settings()[name] == loaded


@pytest.mark.parametrize(
    ("value", "fields"),
    [('["tags"]', ["tags"]), ('["note", "category"]', ["note", "category"]), ("[]", [])],
)
def test_fields_are_those_that_are_allowed_or_else_all(
    monkeypatch: pytest.MonkeyPatch, value: str, fields: list[str]
) -> None:
    monkeypatch.setenv("TRIAGE__ALLOWED_FIELDS", value)
    assert load_triage_settings().fields == fields


@pytest.mark.parametrize(("value", "allowed"), [('["c1", "c2"]', ["c1", "c2"]), ('["c2"]', ["c2"]), ("[]", [])])
def test_connections_may_be_changed_that_are_allowed(
    monkeypatch: pytest.MonkeyPatch, value: str, allowed: list[str]
) -> None:
    monkeypatch.setenv("TRIAGE__ALLOWED_CONNECTIONS", value)
    triage = load_triage_settings()
    assert [id for id in ("c1", "c2", "c3") if triage.allows(id)] == allowed


@pytest.mark.parametrize(
    ("name", "value", "got"),
    [
        ("allowed_connections", "c1", "'c1'"),
        ("allowed_connections", "[1]", "1"),
        ("allowed_fields", "tags", "'tags'"),
        ("allowed_fields", "", "''"),
        ("allowed_fields", '["tags", "colour"]', "'colour'"),
        ("allowed_fields", '["category_id"]', "'category_id'"),
        ("allowed_fields", '["Tags"]', "'Tags'"),
        ("allowed_fields", '{"tags": true}', "{'tags': True}"),
        ("allowed_fields", '[1, "colour"]', ""),
        ("allowed_fields", '[["tags"]]', "['tags']"),
        *((name, "0", "0") for name in ("max_tickets", "max_failures_in_a_row")),
        *((name, "-1", "-1") for name in ("max_tickets", "max_failures_in_a_row")),
        *((name, "1.5", "'1.5'") for name in ("max_tickets", "max_failures_in_a_row")),
        *((name, "many", "'many'") for name in ("max_tickets", "max_failures_in_a_row", "max_share")),
        *((name, "", "''") for name in ("max_tickets", "max_failures_in_a_row", "max_share")),
        *((name, "true", "'true'") for name in ("max_tickets", "max_failures_in_a_row", "max_share")),
        ("max_share", "0", "0.0"),
        ("max_share", "-0.5", "-0.5"),
        ("max_share", "1.01", "1.01"),
        ("max_share", "50%", "'50%'"),
        ("max_share", "nan", "nan"),
        ("max_share", "inf", "inf"),
    ],
)
def test_brakes_of_triage_that_cannot_be_meant_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, got: str
) -> None:
    expected = {
        "allowed_connections": "a list of connection ids",
        "allowed_fields": f"a list of {', '.join(TRIAGE_FIELDS)}",
        "max_share": "a number above 0 and up to 1",
    }.get(name, "a whole number of at least 1")
    monkeypatch.setenv(f"TRIAGE__{name.upper()}", value)
    with pytest.raises(FixConfiguration) as caught:
        load_triage_settings()
    message = str(caught.value)
    assert message.startswith(f"The setting triage.{name} must be {expected}, got {got}")
    assert message.endswith(f"Set it in .dlt/config.toml under [triage] or as TRIAGE__{name.upper()}.")


def in_a_file(text: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have the settings in `.dlt/config.toml`, as dlt finds it when a program starts."""
    (folder / "config.toml").write_text(text)
    providers = ConfigProvidersContainer([ConfigTomlProvider(str(folder))])
    monkeypatch.setattr(Container()[PluggableRunContext], "providers", providers)


def test_brakes_of_triage_may_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_a_file('[triage]\nallowed_fields = ["tags"]\nmax_tickets = 7\nmax_share = 1\n', monkeypatch, tmp_path)
    triage = load_triage_settings()
    assert (triage.fields, triage.max_tickets, triage.max_share) == (["tags"], 7, 1.0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("max_ticket = 5", "got max_ticket. Known are: allowed_connections, allowed_fields, max_failures_in_a_row,"),
        ("fields = []", "got fields. Known are"),
        ("max_tickets = true", "triage.max_tickets must be a whole number of at least 1, got True"),
        ("max_tickets = [5]", "triage.max_tickets must be a whole number of at least 1, got [5]"),
        ("max_tickets = 1.5", "triage.max_tickets must be a whole number of at least 1, got 1.5"),
        ('max_share = "half"', "triage.max_share must be a number above 0 and up to 1, got 'half'"),
        ("max_share = 1.5", "triage.max_share must be a number above 0 and up to 1, got 1.5"),
        ('allowed_fields = "tags"', "triage.allowed_fields must be a list of priority"),
        ('allowed_fields = [1, "colour"]', "triage.allowed_fields must be a list of priority"),
        ('allowed_fields = [["tags"]]', "triage.allowed_fields must be a list of priority"),
    ],
)
def test_a_wrong_line_about_triage_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, expected: str
) -> None:
    in_a_file(f"[triage]\n{line}\n", monkeypatch, tmp_path)
    with pytest.raises(FixConfiguration) as caught:
        load_triage_settings()
    assert expected in str(caught.value)
