"""Editions of the marts: copies in a DuckDB file and in Parquet, which no writer ever opens again.

```
warehouse.duckdb.published/
    latest -> 20261128T081500.000Z
    20261128T081500.000Z/  support.duckdb  tickets.parquet  conversation_messages.parquet …
```
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines.warehouse.destinations.destination import (
    MARTS,
    PUBLICATION,
    PUBLICATION_COLUMNS,
    PUBLICATION_ROW,
    NotThere,
    quoted,
)

LATEST = "latest"
DATABASE = "support.duckdb"
"""Not called as the schema is: DuckDB could not tell the two apart."""

EDITIONS_KEPT = 3
"""The newest among them."""

_OPTIONS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "512MB",
    "preserve_insertion_order": "false",
}
"""A copy needs no more, however much there is."""

LONGEST_NAME = 200
"""Bytes of the name of a file, without its ending."""

_MAKING = "making"

_EDITION = re.compile(r"\d{8}T\d{6}\.\d{3}Z")

_TABLES = "select table_name from information_schema.tables where table_catalog = ? and table_schema = ? order by 1"

_COMMENTS = """
select 'table', table_name, null, comment from duckdb_tables() where {of_marts}
union all
select 'table', view_name, null, comment from duckdb_views() where {of_marts}
union all
select 'column', table_name, column_name, comment from duckdb_columns() where {of_marts}
""".format(of_marts="database_name = $1 and schema_name = $2 and comment is not null")


def make_edition(folder: Path, warehouse: Path, published_at: datetime, *, keeps_older: bool) -> dict[str, int]:
    """Copy the marts of a DuckDB file that nobody writes to; all at one moment, views as the tables they show then.
    Returns the rows of each. What is half made is seen by nobody. Raises `duckdb.Error`."""
    edition = folder / f"{published_at.astimezone(UTC):%Y%m%dT%H%M%S}.{published_at.microsecond // 1000:03}Z"
    with _making(folder) as making:
        with closing(duckdb.connect(str(making / f"copy-of-{warehouse.stem}"), config=_OPTIONS)) as database:
            rows = _copy(database, warehouse, published_at)
            for table in filter(_is_file_name, rows):
                place = _text(str(making / f"{table}.parquet"))
                database.execute(f"copy {MARTS}.{quoted(table)} to {place} (format parquet, compression zstd)")
        (making / f"copy-of-{warehouse.stem}").rename(making / DATABASE)
        _put_on_disk(making)
        making.rename(edition)
    _point_to(edition)
    _remove_older(edition, EDITIONS_KEPT if keeps_older else 1)
    return rows


def _is_file_name(table: str) -> bool:
    """Not every name of a table is; one that is not has no file."""
    return Path(table).name == table and not table.startswith(".") and len(table.encode()) < LONGEST_NAME


@contextmanager
def _making(folder: Path) -> Iterator[Path]:
    making = folder / _MAKING
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        yield making
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _copy(database: duckdb.DuckDBPyConnection, warehouse: Path, published_at: datetime) -> dict[str, int]:
    """Fill an empty database; how many rows each table has got."""
    source = warehouse.stem  # which the views call it by
    database.execute(f"attach {_text(str(warehouse))} as {quoted(source)} (read_only)")
    tables = [table for (table,) in database.execute(_TABLES, [source, MARTS]).fetchall()]
    if not tables:
        raise NotThere(f"{warehouse} has no schema {MARTS}")
    database.execute(f"create schema {MARTS}")
    database.begin()
    for table in tables:
        whole = f"{quoted(source)}.{MARTS}.{quoted(table)}"
        database.execute(f"create table {MARTS}.{quoted(table)} as from {whole}")
    rows = {table: _count(database, table) for table in tables}
    row = PUBLICATION_ROW.format(published_at="$1", row_counts="$2", connections=f"{MARTS}.connections")
    at = published_at.astimezone(UTC).replace(tzinfo=None)
    database.execute(f"create table {MARTS}.{PUBLICATION} as {row}", [at, json.dumps(rows)])
    comments = database.execute(_COMMENTS, [source, MARTS]).fetchall()
    comments += [("column", PUBLICATION, column, said) for column, said in PUBLICATION_COLUMNS.items()]
    for kind, table, column, said in comments:
        of = f"{MARTS}.{quoted(table)}" + (f".{quoted(column)}" if column else "")
        database.execute(f"comment on {kind} {of} is {_text(said)}")
    database.commit()
    database.execute("checkpoint")
    return rows | {PUBLICATION: 1}


def _count(database: duckdb.DuckDBPyConnection, table: str) -> int:
    [(rows,)] = database.execute(f"select count(*) from {MARTS}.{quoted(table)}").fetchall()
    return int(rows)


def _put_on_disk(folder: Path) -> None:
    """So that it is whole after a power cut if it is there at all; and to be read, not written."""
    for path in (*folder.iterdir(), folder):
        if path.is_file():
            path.chmod(0o444)
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _point_to(edition: Path) -> None:
    """Make an edition the latest one, in one step."""
    pointer = edition.with_name(f"{LATEST}.new")
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(edition.name, target_is_directory=True)
    pointer.replace(edition.with_name(LATEST))


def _remove_older(newest: Path, kept: int) -> None:
    """Whatever the clock said when they were made, the newest stays."""
    editions = [path for path in newest.parent.iterdir() if _EDITION.fullmatch(path.name) and path != newest]
    for edition in sorted(editions)[: max(0, len(editions) - (kept - 1))]:
        shutil.rmtree(edition)


def _text(word: str) -> str:
    return "'" + word.replace("'", "''") + "'"
