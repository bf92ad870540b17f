"""What is published is whole, of one moment, and never in the way: read by real readers beside real writers."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow.parquet
import pytest

from pipelines.build import build_models
from pipelines.errors import FixConfiguration, ModelsFailed, WarehouseBusy
from pipelines.publish import publish
from pipelines.settings import DuckdbWarehouse, PostgresWarehouse, WarehouseSettings
from pipelines.warehouse import anew
from pipelines.warehouse.destinations import postgres_server
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.marts import being_built, reading_published
from tests.flow.children import start_publishing, start_reading
from tests.flow.conftest import on_both, on_postgres
from tests.flow.test_command import last_line, ticketing
from tests.flow.truth import change, connected, query

ROWS = 2_000


@pytest.fixture
def marts(warehouse: WarehouseSettings) -> WarehouseSettings:
    """Marts of generation 0: two tables and a view over one, all of whose rows say so."""
    if isinstance(warehouse, DuckdbWarehouse):
        warehouse.path.parent.mkdir(parents=True, exist_ok=True)
    change(
        warehouse,
        "create schema marts",
        "create schema elsewhere",
        "create table marts.connections (connection_id varchar, data_as_of timestamp)",
        "insert into marts.connections values ('a', '2026-05-04 09:00:00'), ('b', '2026-05-05 09:00:00')",
        *(f"create table {table} (id bigint, generation bigint)" for table in ("marts.tickets", "elsewhere.clock")),
        f"insert into marts.tickets select n, 0 from generate_series(1, {ROWS}) as numbers (n)",
        "insert into elsewhere.clock values (1, 0)",
        "create view marts.open_tickets as select id, generation from marts.tickets where id % 2 = 0",
        "create view marts.now as select id, generation from elsewhere.clock",
        "comment on table marts.tickets is 'One row per ticket; it''s told.'",
        "comment on column marts.tickets.generation is 'Of which build it is.'",
    )
    return warehouse


def grow(warehouse: WarehouseSettings, generation: int) -> None:
    """What a build does, not all at once."""
    change(
        warehouse,
        f"update marts.tickets set generation = {generation}",
        f"update elsewhere.clock set generation = {generation}",
    )


def published(warehouse: WarehouseSettings, sql: str) -> list[dict[str, Any]]:
    with reading_published(warehouse) as ask:
        return ask(sql)


@on_both
def test_the_marts_are_published_as_they_stand_with_what_is_said_of_them(marts: WarehouseSettings) -> None:
    report = publish(marts)
    assert report.rows == {"connections": 2, "now": 1, "open_tickets": 1000, "publication": 1, "tickets": ROWS}
    [of] = published(marts, "select published_at, data_as_of, latest_data_as_of from publication")
    assert of["published_at"] == report.published_at.replace(tzinfo=None)
    assert (str(of["data_as_of"]), str(of["latest_data_as_of"])) == ("2026-05-04 09:00:00", "2026-05-05 09:00:00")
    assert report.data_as_of is not None
    assert report.data_as_of.isoformat() == "2026-05-04T09:00:00+00:00"
    grow(marts, 1)
    assert published(marts, "select max(generation) as newest from open_tickets") == [{"newest": 0}]
    publish(marts)
    assert published(marts, "select min(generation) as oldest from open_tickets") == [{"oldest": 1}]
    said = {(row["table_name"], row["column_name"]): row["description"] for row in descriptions_of_published(marts)}
    assert said["tickets", "generation"] == "Of which build it is."
    assert "UTC" in said["publication", "data_as_of"]


def descriptions_of_published(warehouse: WarehouseSettings) -> list[dict[str, Any]]:
    if isinstance(warehouse, PostgresWarehouse):
        return query(warehouse, postgres_server.PostgresServer.descriptions.replace("%s", "'published'"))
    return published(
        warehouse,
        "select table_name, column_name, comment as description from duckdb_columns() where comment is not null",
    )


def test_beside_the_duckdb_file_lie_the_same_rows_as_parquet(marts: DuckdbWarehouse) -> None:
    report = publish(marts)
    latest = marts.published_dir / "latest"
    for table, rows in report.rows.items():
        assert pyarrow.parquet.read_table(latest / f"{table}.parquet").num_rows == rows
    assert {path.suffix for path in latest.iterdir()} == {".duckdb", ".parquet"}
    with closing(duckdb.connect(str(latest / "support.duckdb"), read_only=True)) as database:
        assert database.execute("select count(*) from marts.tickets").fetchall() == [(ROWS,)]
        assert database.execute("select comment from duckdb_tables() where table_name = 'tickets'").fetchall() == [
            ("One row per ticket; it's told.",)
        ]


def test_what_is_published_is_to_be_read_and_not_written(marts: DuckdbWarehouse) -> None:
    publish(marts)
    for path in (marts.published_dir / "latest").iterdir():
        assert path.stat().st_mode & 0o222 == 0


def test_the_last_three_are_kept_and_nothing_that_is_not_ours_is_removed(marts: DuckdbWarehouse) -> None:
    publish(marts)
    first = (marts.published_dir / "latest").resolve()
    (marts.published_dir / "mine").mkdir()
    shutil.copytree(first, marts.published_dir / "29991231T000000.000Z")  # of a clock that was set back since
    reader = duckdb.connect(str(first / "support.duckdb"), read_only=True)
    for generation in (1, 2, 3):
        grow(marts, generation)
        publish(marts)
    latest = (marts.published_dir / "latest").resolve()
    editions = {path.name for path in marts.published_dir.iterdir() if not path.is_symlink()} - {"mine"}
    assert len(editions) == 3
    assert {latest.name, "29991231T000000.000Z"} < editions
    assert first.name not in editions
    assert (marts.published_dir / "mine").exists()
    assert reader.execute("select sum(generation), count(*) from marts.tickets").fetchall() == [(0, ROWS)]
    reader.close()
    assert published(marts, "select min(generation) as oldest from tickets") == [{"oldest": 3}]


@on_both
def test_nothing_of_before_is_left_once_what_must_not_stay_has_been_removed(marts: WarehouseSettings) -> None:
    change(marts, "update marts.tickets set generation = 4711471147114711 where id = 7")
    publish(marts)
    publish(marts)
    change(marts, "update marts.tickets set generation = 0 where id = 7")
    anew.mark_due(marts)
    publish(marts)
    if isinstance(marts, DuckdbWarehouse):
        assert len([path for path in marts.published_dir.iterdir() if not path.is_symlink()]) == 1
    else:
        [sizes] = query(marts, "select pg_relation_size('published.tickets') as all_of_it")
        publish(marts)  # which does not write it anew, so that it grows
        [sizes_after] = query(marts, "select pg_relation_size('published.tickets') as all_of_it")
        assert sizes["all_of_it"] < sizes_after["all_of_it"]
    assert not anew.is_due_of_published(marts)


@on_both
def test_a_reader_in_a_loop_finds_what_is_published_whole_and_of_one_build_beside_writers(
    marts: WarehouseSettings, tmp_path: Path
) -> None:
    publish(marts)
    seen = tmp_path / "seen"
    reader = start_reading(marts, seen)
    deadline = time.monotonic() + 60
    for generation in range(1, 12):
        grow(marts, generation)
        with writing(marts):
            time.sleep(0.05)
        publish(marts)
        while not seen.exists() or f'"{generation}"' not in seen.read_text():
            assert reader.is_alive(), reader.exitcode
            assert time.monotonic() < deadline
            time.sleep(0.02)
    seen.with_suffix(".over").touch()
    reader.join(30)
    assert reader.exitcode == 0


@contextmanager
def writing(warehouse: WarehouseSettings) -> Iterator[None]:
    """As a load or a build does."""
    with one_writer(warehouse), connected(warehouse) as database:
        database.cursor().execute("insert into elsewhere.clock select 2, generation from elsewhere.clock where id = 1")
        yield
        database.cursor().execute("delete from elsewhere.clock where id = 2")


@on_both
def test_a_publishing_that_is_killed_leaves_what_was_there_and_is_made_good_by_the_next(
    marts: WarehouseSettings,
) -> None:
    chance = random.Random(11)
    publish(marts)
    killed = 0
    for generation in range(1, 9):
        before = published(marts, "select min(generation) as oldest, max(generation) as newest from tickets")
        grow(marts, generation)
        child = start_publishing(marts)
        child.join(chance.uniform(0.0, 0.6))
        if child.is_alive():
            os.kill(child.pid or 0, signal.SIGKILL)
            killed += 1
        child.join()
        after = published(marts, "select min(generation) as oldest, max(generation) as newest from tickets")
        assert after in (before, [{"oldest": generation, "newest": generation}])
    assert killed
    publish(marts)
    assert published(marts, "select min(generation) as oldest from tickets") == [{"oldest": 8}]
    if isinstance(marts, DuckdbWarehouse):
        assert not (marts.published_dir / "making").exists()


@on_both
def test_marts_of_a_build_that_broke_off_are_not_published(marts: WarehouseSettings) -> None:
    publish(marts)
    with suppress(ZeroDivisionError), being_built(marts):
        grow(marts, 1)
        raise ZeroDivisionError
    with pytest.raises(ModelsFailed, match="broke off"):
        publish(marts)
    assert published(marts, "select max(generation) as newest from tickets") == [{"newest": 0}]
    with being_built(marts):
        pass
    publish(marts)
    assert published(marts, "select min(generation) as oldest from tickets") == [{"oldest": 1}]


def test_a_build_that_could_not_begin_leaves_the_marts_to_be_published(
    marts: DuckdbWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    marts.state_dir.mkdir(exist_ok=True)
    monkeypatch.setattr("pipelines.build.sys", SimpleNamespace(executable="/nowhere/python"))
    with pytest.raises(FileNotFoundError):
        build_models(marts, None, lambda done, total: None)
    assert publish(marts).rows["tickets"] == ROWS


@on_both
def test_before_there_is_anything_it_is_said_what_to_do(
    warehouse: WarehouseSettings, command_environment: dict[str, str]
) -> None:
    with pytest.raises(FixConfiguration, match="ticketing publish"), reading_published(warehouse):
        pass
    ended = ticketing("publish", env=command_environment)
    assert ended.returncode == 2, ended.stderr
    assert "Run `ticketing" in ended.stderr
    assert not warehouse.published_dir.exists()


@on_both
def test_a_warehouse_without_marts_is_not_published(warehouse: WarehouseSettings) -> None:
    if isinstance(warehouse, DuckdbWarehouse):
        warehouse.path.parent.mkdir(parents=True, exist_ok=True)
    change(warehouse, "create schema raw_unified")
    with pytest.raises(FixConfiguration, match="ticketing build"):
        publish(warehouse)


@on_both
def test_a_writer_is_waited_for_and_otherwise_named(marts: WarehouseSettings) -> None:
    with one_writer(marts), pytest.raises(WarehouseBusy, match="--wait"):
        publish(marts)
    held = threading.Event()

    def hold() -> None:
        with one_writer(marts):
            held.set()
            time.sleep(0.5)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    assert publish(marts, wait_seconds=30).rows["tickets"] == ROWS
    holder.join()


def test_the_command_says_what_lies_where(marts: DuckdbWarehouse, command_environment: dict[str, str]) -> None:
    ended = ticketing("publish", env=command_environment)
    assert ended.returncode == 0, ended.stderr
    place = marts.published_dir / "latest" / "support.duckdb"
    assert last_line(ended.stdout).startswith("Done: 5 tables with 3,004 rows published in ")
    assert last_line(ended.stdout).endswith(f"data as of 2026-05-04 09:00Z: {place}")
    told = json.loads(ticketing("publish", "--json", env=command_environment).stdout)
    assert (told["exit_code"], told["lies_in"], told["rows"]["tickets"]) == (0, str(place), ROWS)


def test_a_disk_that_is_full_leaves_what_was_there(marts: DuckdbWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(marts)
    latest = (marts.published_dir / "latest").resolve()
    full = duckdb.IOException('IO Error: Could not write file "x": No space left on device')
    monkeypatch.setattr("pipelines.warehouse.destinations.editions._count", _raising(full))
    with pytest.raises(OSError, match="No space left"):
        publish(marts)
    assert [path for path in marts.published_dir.iterdir() if not path.is_symlink()] == [latest]
    assert (marts.published_dir / "latest").resolve() == latest


def _raising(error: Exception) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


@on_postgres
def test_views_and_rights_of_others_stay_on_what_is_published(
    marts: PostgresWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(marts, "create role bi_tool")
    monkeypatch.setenv("TICKETING_READERS", "bi_tool")
    publish(marts)
    change(marts, "create view public.mine as select count(*) as n, min(generation) as g from published.tickets")
    grow(marts, 5)
    publish(marts)
    assert query(marts, "select n, g from public.mine") == [{"n": ROWS, "g": 5}]
    [may] = query(
        marts,
        "select has_table_privilege('bi_tool', 'published.tickets', 'select') as reads, "
        "has_schema_privilege('bi_tool', 'published', 'usage') as finds, "
        "has_table_privilege('bi_tool', 'published.tickets', 'delete') as deletes",
    )
    assert may == {"reads": True, "finds": True, "deletes": False}


@on_postgres
def test_a_mart_with_other_columns_is_published_over_the_same_table(marts: PostgresWarehouse) -> None:
    publish(marts)
    change(
        marts,
        "create role reader_of_one",
        "grant select on published.tickets to reader_of_one",
        "create view public.mine as select id, generation from published.tickets",
        "alter table marts.tickets add column subject varchar default 'Brakes'",
        "drop view marts.now",
        "comment on column marts.tickets.subject is 'What it is about.'",
    )
    assert "now" not in publish(marts).rows
    assert query(marts, "select to_regclass('published.now') as gone") == [{"gone": None}]
    said = {(row["table_name"], row["column_name"]): row["description"] for row in descriptions_of_published(marts)}
    assert said["tickets", "subject"] == "What it is about."
    assert query(marts, "select count(*) as n from public.mine") == [{"n": ROWS}]
    assert query(marts, "select distinct subject from published.tickets") == [{"subject": "Brakes"}]
    assert query(marts, "select has_table_privilege('reader_of_one', 'published.tickets', 'select') as reads") == [
        {"reads": True}
    ]


@on_postgres
def test_a_column_that_a_view_of_others_needs_is_not_taken_from_it(marts: PostgresWarehouse) -> None:
    publish(marts)
    change(
        marts,
        "create view public.mine as select generation from published.now",
        "drop view marts.now",
        "create view marts.now as select id from elsewhere.clock",
    )
    with pytest.raises(WarehouseBusy, match="mine"):
        publish(marts)
    assert query(marts, "select generation from public.mine") == [{"generation": 0}]


@on_postgres
def test_who_has_begun_to_read_sees_no_empty_table_though_columns_change(marts: PostgresWarehouse) -> None:
    publish(marts)
    with connected(marts) as reader:
        reader.set_session(isolation_level="REPEATABLE READ", autocommit=False)
        cursor = reader.cursor()
        cursor.execute("select count(*) from published.connections")
        change(marts, "alter table marts.tickets add column subject varchar")
        publish(marts)
        cursor.execute("select count(*) from published.tickets")
        assert cursor.fetchall() == [(ROWS,)]


@on_postgres
def test_whose_both_schemas_are_needs_no_right_to_make_any(marts: PostgresWarehouse) -> None:
    change(
        marts,
        "create role limited login password 'limited'",
        "create schema published authorization limited",
        "grant usage on schema marts, elsewhere to limited",
        "grant select on all tables in schema marts to limited",
        f"grant connect on database {marts.database} to limited",
    )
    limited = replace(marts, username="limited", password="limited")
    assert publish(limited).rows["tickets"] == ROWS
    assert publish(limited).rows["tickets"] == ROWS


@on_postgres
def test_a_reader_that_is_no_role_is_named_with_its_setting(
    marts: PostgresWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TICKETING_READERS", "nobody_of_that_name")
    with pytest.raises(FixConfiguration, match=r"TICKETING_READERS.*nobody_of_that_name"):
        publish(marts)


def test_a_table_whose_name_is_none_of_a_file_is_published_without_one(marts: DuckdbWarehouse) -> None:
    names = ["../../evil", "a/b", ".hidden", "a.b", "ä ö", "x" * 220]
    change(marts, *(f'create table marts."{name}" as select 1 as n' for name in names))
    assert publish(marts).rows.keys() >= {*names}
    files = {path.stem for path in marts.path.parent.rglob("*.parquet")}
    assert files & {*names} == {"a.b", "ä ö"}
    assert files == {"connections", "now", "open_tickets", "publication", "tickets", "a.b", "ä ö"}


@pytest.mark.parametrize("what", ["is gone", "is no database"])
def test_an_edition_that_cannot_be_read_is_told_in_words_and_made_good(marts: DuckdbWarehouse, what: str) -> None:
    publish(marts)
    database = marts.published_dir / "latest" / "support.duckdb"
    database.unlink()
    if what == "is no database":
        database.write_text("This is a letter, and no database at all. " * 500)
    with pytest.raises(FixConfiguration, match="ticketing publish"), reading_published(marts):
        pass
    publish(marts)
    assert published(marts, "select count(*) as n from tickets") == [{"n": ROWS}]


@on_postgres
def test_what_others_have_in_the_schema_is_left_alone_and_never_written_over(
    marts: PostgresWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(
        marts,
        "create role stranger",
        "create schema published",
        "create table published.salaries as select 1 as id",
    )
    monkeypatch.setenv("TICKETING_READERS", "stranger")
    publish(marts)
    publish(marts)
    assert query(marts, "select id from published.salaries") == [{"id": 1}]
    assert query(marts, "select has_table_privilege('stranger', 'published.salaries', 'select') as reads") == [
        {"reads": False}
    ]
    change(marts, "create table marts.salaries as select 2 as id")
    with pytest.raises(FixConfiguration, match="salaries"):
        publish(marts)
    assert query(marts, "select id from published.salaries") == [{"id": 1}]


@on_postgres
def test_who_reads_in_a_transaction_holds_nobody_up_and_sees_one_moment(marts: PostgresWarehouse) -> None:
    publish(marts)
    with connected(marts) as reader:
        reader.set_session(isolation_level="REPEATABLE READ", autocommit=False)
        cursor = reader.cursor()
        cursor.execute("select max(generation) from published.tickets")
        grow(marts, 1)
        publish(marts)
        cursor.execute("select max(generation), count(*) from published.open_tickets")
        assert cursor.fetchall() == [(0, ROWS // 2)]
        reader.rollback()
        cursor.execute("select max(generation), count(*) from published.open_tickets")
        assert cursor.fetchall() == [(1, ROWS // 2)]
