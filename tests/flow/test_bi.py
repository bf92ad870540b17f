"""What docs/bi.md tells readers to do, done as it stands there: by other processes, while the warehouse is held."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import psycopg2  # type: ignore[import-untyped]
import pytest
from sqlalchemy import create_engine, text

from pipelines.publish import publish
from pipelines.settings import DuckdbWarehouse, PostgresWarehouse, WarehouseSettings
from pipelines.warehouse.lock import one_writer
from tests.flow.conftest import on_postgres
from tests.flow.truth import change, connected
from tests.hand_made_marts import Tables, make_marts, normal, reopened
from tests.warehouse.raw_warehouse import ROOT

PAGE = (ROOT / "docs" / "bi.md").read_text()
SCRIPTS = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
OVER_FILES = [script for script in SCRIPTS if "postgresql" not in script]
[OVER_POSTGRES] = [script for script in SCRIPTS if "postgresql" in script]
[ROLE] = re.findall(r"^```sql\n(create role.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
IN_DOCS = "analyst:a-long-one@localhost:5432/support"


def give_marts(warehouse: WarehouseSettings) -> None:
    """The marts with a ticket that is closed and one that is open."""
    tables: Tables = {}
    for ticket in (normal(), reopened()):
        for table, rows in ticket.tables.items():
            tables.setdefault(table, []).extend(rows)
    make_marts(warehouse, tables)
    change(
        warehouse,
        "create table marts.connections (connection_id varchar, data_as_of timestamp)",
        "insert into marts.connections values ('desk', '2026-05-04 09:00:00')",
    )


@pytest.fixture
def published_files(tmp_path: Path) -> DuckdbWarehouse:
    """A copy where the docs have it, seen from the temporary folder."""
    folder = tmp_path / "data"
    folder.mkdir()
    warehouse = DuckdbWarehouse(folder / "warehouse.duckdb", folder / "warehouse.duckdb.state")
    give_marts(warehouse)
    publish(warehouse)
    return warehouse


@contextmanager
def written(warehouse: WarehouseSettings) -> Iterator[None]:
    """In the midst of a change by another process than those that read."""
    with one_writer(warehouse), connected(warehouse) as database:
        cursor = database.cursor()
        cursor.execute("begin")
        cursor.execute("delete from marts.tickets")
        yield
        cursor.execute("rollback")


def run(script: str, folder: Path) -> str:
    """What a script says that a reader runs in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_kinds_of_readers_are_in_the_docs() -> None:
    assert len(OVER_FILES) >= 6
    for kind in ("duckdb.connect", "pd.read_parquet", "pl.scan_parquet", "duckdb.read_parquet", "create_engine"):
        assert any(kind in script for script in OVER_FILES), kind


def test_readers_of_files_read_on_while_the_warehouse_is_written(published_files: DuckdbWarehouse) -> None:
    folder = published_files.path.parent.parent
    with written(published_files):
        with pytest.raises(AssertionError, match="lock"):  # which is why nobody is to read the warehouse itself
            run("import duckdb; duckdb.connect('data/warehouse.duckdb', read_only=True)", folder)
        for script in OVER_FILES:
            said = run(script, folder)
            if "write_csv" in script:
                said = (folder / "tickets.csv").read_text()
            assert "active" in said, script
            assert "closed" in said, script


def test_what_readers_of_files_are_told_is_what_the_tickets_are(published_files: DuckdbWarehouse) -> None:
    [script] = [script for script in OVER_FILES if "create_engine" in script]
    said = run(script, published_files.path.parent.parent)
    assert sorted(said.splitlines()) == ["active 1", "closed 1"]


def test_a_reader_sees_the_next_copy_once_it_opens_again_and_not_before(
    published_files: DuckdbWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(published_files.path.parent.parent)
    latest = "data/warehouse.duckdb.published/latest/support.duckdb"
    engine = create_engine(f"duckdb:///{latest}", connect_args={"read_only": True})

    def count() -> int:
        with engine.connect() as connection:
            return int(connection.execute(text("select count(*) from marts.tickets")).scalar_one())

    assert count() == 2
    change(published_files, "delete from marts.tickets where status = 'closed'")
    publish(published_files)
    assert count() == 2
    engine.dispose()
    assert count() == 1
    engine.dispose()
    with duckdb.connect(latest, read_only=True) as database:
        assert database.execute("select count(*) from marts.tickets").fetchall() == [(1,)]


@pytest.fixture
def reader(warehouse: PostgresWarehouse, monkeypatch: pytest.MonkeyPatch) -> str:
    """The role that the docs have one make, with the copy that it is granted; its part of a URL."""
    give_marts(warehouse)
    role = f"analyst_of_{warehouse.database}"
    for statement in ROLE.replace("analyst", role).replace("support", warehouse.database).split(";\n"):
        if statement.strip():
            change(warehouse, statement)
    monkeypatch.setenv("TICKETING_READERS", role)
    publish(warehouse)
    return f"{role}:a-long-one@{warehouse.host}:{warehouse.port}/{warehouse.database}"


@on_postgres
def test_a_role_that_only_reads_reads_by_sqlalchemy_while_the_warehouse_is_written(
    warehouse: PostgresWarehouse, reader: str, tmp_path: Path
) -> None:
    assert IN_DOCS in OVER_POSTGRES
    with written(warehouse):
        said = run(OVER_POSTGRES.replace(IN_DOCS, reader), tmp_path)
    assert sorted(said.splitlines()) == ["active 1", "closed 1"]


@on_postgres
def test_that_role_sees_what_is_published_with_what_is_said_of_it_and_can_change_nothing(
    warehouse: PostgresWarehouse, reader: str
) -> None:
    change(warehouse, "create schema raw_unified", "create table raw_unified.tickets (id varchar)")
    with closing(psycopg2.connect(f"postgresql://{reader}")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("select data_as_of from published.publication")
        assert str(cursor.fetchone()[0]) == "2026-05-04 09:00:00"
        cursor.execute("select count(*) from pg_description where objoid = 'published.tickets'::regclass")
        assert cursor.fetchone()[0] > 50
        for forbidden in (
            "delete from published.tickets",
            "create table published.mine (id integer)",
            "create schema mine",
            "select * from raw_unified.tickets",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(forbidden)
