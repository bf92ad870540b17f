"""What a load leaves behind, and what it leaves alone: dlt and a real warehouse, without an API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pytest
from dlt.extract import DltSource

from pipelines.errors import LoadFailed
from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from pipelines.warehouse.load import PIPELINE, load, open_pipeline
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.staging import Stage
from tests.flow.conftest import on_both, on_postgres, postgres_warehouse
from tests.flow.truth import change, query
from transforms.schemas import NOTES, TICKET_VERSIONS, TableSchema

THEN = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)

TEXTS = [
    "",
    " ",
    "null",
    "NULL",
    '"',
    '""',
    "a,b;c\td",
    "\\.",
    "\\",
    "\\n",
    "\r",
    "\r\n",
    "one\n\\.\ntwo",
    "l\u2028s\x85v\x0b",
    "ünïcode 🎉",
    "'quoted'",
    "%s {braces}",
    None,
]


def row(schema: TableSchema, **values: Any) -> dict[str, Any]:
    return dict.fromkeys(schema.columns) | dict.fromkeys(schema.key, "k") | values


def note(id: str, state: str = "one", at: datetime = THEN, seen: datetime = THEN, **values: Any) -> dict[str, Any]:
    states = {"updated_at": at, "_observed_at": seen, "_row_hash": state, "_version_key": f"{at} {seen} {state}"}
    return row(NOTES, connection_id="c", id=id, **states) | values


@pytest.fixture
def load_rows(warehouse: WarehouseSettings) -> Iterator[Callable[..., None]]:
    """Loads rows of one table, always through the same pipeline, as a run of several loads does."""
    with one_writer(warehouse):
        pipeline = open_pipeline(warehouse)

        def load_now(*rows: dict[str, Any], schema: TableSchema = NOTES) -> None:
            load(pipeline, _source(schema, list(rows)), warehouse)

        yield load_now


def _source(schema: TableSchema, rows: list[dict[str, Any]]) -> DltSource:
    @dlt.resource(name=schema.name)
    def read() -> Iterator[Any]:
        yield Stage()((schema, pa.Table.from_pylist(rows, schema=schema.arrow())))

    @dlt.source(name="unified", section="unified", max_table_nesting=0)
    def unified() -> Any:
        return read()

    return unified()


@on_both
def test_each_text_comes_back_as_it_was(warehouse: WarehouseSettings, load_rows: Callable[..., None]) -> None:
    load_rows(*(note(str(number), description=text) for number, text in enumerate(TEXTS)))
    stored = query(warehouse, "select id, description from raw_unified.notes")
    assert {int(found["id"]): found["description"] for found in stored} == dict(enumerate(TEXTS))


@on_both
@pytest.mark.parametrize(
    "moment", [datetime(1, 1, 1, tzinfo=UTC), THEN, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)]
)
def test_times_and_json_keep_their_type(
    warehouse: WarehouseSettings, load_rows: Callable[..., None], moment: datetime
) -> None:
    load_rows(note("n", created_at=moment, raw='{"a": ["", null, "\\n", 1.5e300]}'), note("none"))
    same = f"created_at = timestamptz '{moment.isoformat()}' as same"
    (stored,) = query(warehouse, f"select {same}, raw ->> 'a' as a from raw_unified.notes where id = 'n'")
    assert stored["same"]
    assert stored["a"].replace(" ", "").startswith('["",null,"\\n",1')
    assert query(warehouse, "select 1 as one from raw_unified.notes where raw is null and created_at is null")


@pytest.mark.slow
@on_both
def test_what_has_not_changed_is_not_written_again(
    warehouse: WarehouseSettings, load_rows: Callable[..., None]
) -> None:
    load_rows(note("same"), note("changes"), note("late", state="new", at=THEN + timedelta(minutes=1)))
    before = _loads_by_id(warehouse)
    later = THEN + timedelta(minutes=10)
    load_rows(
        note("same", seen=later),
        note("changes", state="two", at=later, seen=later),
        note("late", state="old", seen=later),
        note("comes"),
    )
    after = _loads_by_id(warehouse)
    assert {id for id in before if after[id] == before[id]} == {"same", "late"}
    assert sorted(after) == ["changes", "comes", "late", "same"]


@pytest.mark.slow
@on_both
def test_the_newest_of_the_states_in_one_load_wins(
    warehouse: WarehouseSettings, load_rows: Callable[..., None]
) -> None:
    load_rows(note("n", state="one"))
    states = [
        note("n", state=state, at=THEN + timedelta(hours=hours)) for hours, state in enumerate(["one", "two", "three"])
    ]
    load_rows(*states, *reversed(states))
    assert query(warehouse, "select _row_hash from raw_unified.notes") == [{"_row_hash": "three"}]


@pytest.mark.slow
@on_both
def test_history_is_written_once(warehouse: WarehouseSettings, load_rows: Callable[..., None]) -> None:
    versions = [row(TICKET_VERSIONS, state_hash=state, observed_at=THEN) for state in "ab"]
    load_rows(*versions, schema=TICKET_VERSIONS)
    load_rows(*(version | {"observed_at": THEN + timedelta(days=1)} for version in versions), schema=TICKET_VERSIONS)
    assert len(query(warehouse, f"select 1 as one from raw_unified.ticket_versions where observed_at = '{THEN}'")) == 2


@pytest.mark.slow
@on_both
def test_nothing_stays_outside_the_tables(warehouse: WarehouseSettings, load_rows: Callable[..., None]) -> None:
    for number in range(3):
        load_rows(*(note(f"{number} {other}") for other in range(10)))
    assert len(query(warehouse, "select id from raw_unified.notes")) == 30
    assert _staged(warehouse) == 0
    assert not _files_with_rows(warehouse)


@pytest.mark.slow
@on_both
def test_what_a_killed_load_has_staged_goes_with_the_next_load_of_whatever_table(
    warehouse: WarehouseSettings, load_rows: Callable[..., None]
) -> None:
    load_rows(note("n"))
    change(warehouse, "insert into raw_unified_staging.notes select * from raw_unified.notes")
    assert _staged(warehouse) == 1
    load_rows(row(TICKET_VERSIONS, observed_at=THEN), schema=TICKET_VERSIONS)
    assert _staged(warehouse) == 0
    assert len(query(warehouse, "select id from raw_unified.notes")) == 1


@pytest.mark.slow
@on_postgres
def test_a_row_that_postgres_refuses_is_refused_for_good_and_not_shown(
    warehouse: WarehouseSettings, load_rows: Callable[..., None]
) -> None:
    load_rows(note("n"))
    with pytest.raises(LoadFailed, match="invalid input syntax for type json") as refused:
        load_rows(note("m", raw="{secret"))
    assert refused.value.is_final
    assert "secret" not in str(refused.value)


def test_empty_text_is_no_null_in_postgres_either(postgres_server: Any, tmp_path: Path) -> None:
    """The one everyday test of the copy's format; the others are slow on Postgres."""
    warehouse = postgres_warehouse(postgres_server.new_database(), tmp_path / "state")
    with one_writer(warehouse):
        pipeline = open_pipeline(warehouse)
        load(pipeline, _source(NOTES, [note("a", description=""), note("b", raw='"\\\\"')]), warehouse)
    stored = query(warehouse, "select description, raw::text as raw from raw_unified.notes order by id")
    assert stored == [{"description": "", "raw": None}, {"description": None, "raw": '"\\\\"'}]


@pytest.mark.slow
@on_postgres
def test_what_postgres_plans_by_is_known_as_soon_as_much_is_loaded(
    warehouse: WarehouseSettings, load_rows: Callable[..., None]
) -> None:
    """A build that follows at once would otherwise take tables for small that are not."""
    load_rows(*(note(str(number)) for number in range(2_000)))
    assert _gathered_count(warehouse) == 1
    load_rows(*(note(str(number)) for number in range(2_000, 2_100)))
    assert _gathered_count(warehouse) == 1, "a twentieth more is no other table"
    load_rows(*(note(str(number)) for number in range(2_100, 5_000)))
    assert _gathered_count(warehouse) == 2


@pytest.mark.slow
def test_one_load_goes_into_the_file_with_little_more_than_its_rows(
    warehouse: DuckdbWarehouse, load_rows: Callable[..., None]
) -> None:
    """Neither what is staged on the way nor what has not changed is written into it."""
    load_rows(*(note(str(number), raw=f'"{number}"') for number in range(20_000)))
    size = warehouse.path.stat().st_size
    later = THEN + timedelta(hours=2)
    load_rows(*(note(str(number), seen=later, raw=f'"{number}"') for number in range(20_000)))
    assert warehouse.path.stat().st_size < size + 1_000_000


def _gathered_count(warehouse: WarehouseSettings) -> int:
    """How often the statistics of the notes were gathered by a command, and not by the server itself."""
    (found,) = query(
        warehouse,
        "select analyze_count from pg_stat_user_tables where schemaname = 'raw_unified' and relname = 'notes'",
    )
    return int(found["analyze_count"])


def _loads_by_id(warehouse: WarehouseSettings) -> dict[str, str]:
    return {found["id"]: found["_dlt_load_id"] for found in query(warehouse, "select * from raw_unified.notes")}


def _staged(warehouse: WarehouseSettings) -> int:
    tables = query(
        warehouse,
        "select table_name from information_schema.tables where table_schema = 'raw_unified_staging' "
        "and table_name not like '\\_dlt%' escape '\\'",
    )
    return sum(
        query(warehouse, f"select count(*) as rows from raw_unified_staging.{table['table_name']}")[0]["rows"]
        for table in tables
    )


def _files_with_rows(warehouse: WarehouseSettings) -> list[Path]:
    working_dir = warehouse.state_dir / "dlt" / PIPELINE
    return [path for path in working_dir.rglob("*") if path.suffix in {".parquet", ".csv", ".insert_values", ".gz"}]
