"""A warehouse with the raw tables as a sync leaves them, made from plain records; and dbt run upon it."""

from __future__ import annotations

import json
import multiprocessing
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import duckdb
import psycopg2  # type: ignore[import-untyped]
import pyarrow as pa
from psycopg2.extras import (  # type: ignore[import-untyped]
    execute_values,
    register_default_json,
    register_default_jsonb,
)

from transforms.schemas import DATASET, RAW_TABLES, Kind, TableSchema

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "dbt_project"

LOADS = f"create table if not exists {DATASET}._dlt_loads as select 'load-1' as load_id, 0 as status"
"""dlt's own table of the loads that came to their end; the rows of the raw tables are all of one."""

Record = Mapping[str, Any]

_PARSED: dict[tuple[str, ...], bytes] = {}
"""What dbt has made of the project's files, by the warehouse and the variables that this depends on."""


_FORKS = multiprocessing.get_context("forkserver")
"""Processes that have imported dbt before they begin, which takes it three seconds of computing each time."""
_FORKS.set_forkserver_preload(["dbt.cli.main", "dbt.adapters.duckdb", "dbt.adapters.postgres", __name__])


def copy_project(folder: Path, project: Path = PROJECT) -> Path:
    """The dbt project in another folder, without what dbt has left behind."""
    return shutil.copytree(project, folder / project.name, ignore=shutil.ignore_patterns("target", "logs"))


class RawWarehouse(ABC):
    """An empty warehouse; its sessions are in the time zone it is given."""

    target: ClassVar[str]
    """The warehouse's name in dbt's profile."""
    folder = ROOT
    """Where dbt runs."""
    sql_types: ClassVar[Mapping[Kind, str]]

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The variables by which dbt finds the warehouse."""

    @abstractmethod
    def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows by column name; JSON is text."""

    @abstractmethod
    def write(self, records: Mapping[str, Sequence[Record]]) -> None:
        """Fill every raw table, which is made where it is not there; a table without records is empty."""

    @abstractmethod
    def execute(self, statements: str) -> None:
        """Change the warehouse."""

    @abstractmethod
    def copy(self, folder: Path) -> Self:
        """Another one with the same in it, while nobody is connected to this one; a file lies in the folder."""

    def build(
        self,
        *options: str,
        target_path: Path,
        project: Path = PROJECT,
        as_of: datetime | None = None,
        variables: Mapping[str, Any] | None = None,
        unit_tests: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run `dbt build` from the project's root, as `ticketing build` does; the project may be another folder."""
        clock = {} if as_of is None else {"as_of": as_of.isoformat()}
        arguments = [
            f"--vars={json.dumps({**(variables or {}), **clock})}",
            *([] if unit_tests else ["--exclude-resource-type=unit_test"]),
            *options,
        ]
        return self.dbt("build", *arguments, target_path=target_path, project=project)

    def dbt(self, *arguments: str, target_path: Path, project: Path = PROJECT) -> subprocess.CompletedProcess[str]:
        """Run a command of dbt's. Files that are as an earlier one has parsed them are not parsed again."""
        command = [
            "dbt",
            "--no-use-colors",
            *arguments,
            f"--project-dir={project}",
            f"--profiles-dir={project}",
            f"--target={self.target}",
            f"--target-path={target_path}",
            f"--log-path={target_path}",
        ]
        parsed = target_path / "partial_parse.msgpack"
        key = (self.target, *(word for word in arguments if word.startswith("--vars")))
        if key in _PARSED and not parsed.exists():
            target_path.mkdir(parents=True, exist_ok=True)
            parsed.write_bytes(_PARSED[key])
        with tempfile.NamedTemporaryFile() as output:
            environment = {**os.environ, **self.environment()}
            process = _FORKS.Process(target=_run_dbt, args=(command, self.folder, environment, output.name))
            process.start()
            try:
                process.join()
            finally:
                process.kill()  # where the test was cut short
                process.join()
            assert process.exitcode is not None
            outcome = subprocess.CompletedProcess(command, process.exitcode, Path(output.name).read_text())
        if parsed.exists():
            _PARSED.setdefault(key, parsed.read_bytes())
        return outcome

    def _table_definition(self, table: TableSchema) -> str:
        columns = ", ".join(f'"{name}" {self.sql_types[kind]}' for name, kind in table.columns.items())
        return f'create table if not exists {DATASET}.{table.name} ({columns}, "_dlt_load_id" varchar)'


def _run_dbt(command: list[str], folder: Path, environment: dict[str, str], output: str) -> None:
    """Be the command `dbt`, in a process of its own."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import cli

    with Path(output).open("w") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    try:
        cli()
    finally:
        # As it does at its exit, which a fork does not come to.
        DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]


class DuckDBWarehouse(RawWarehouse):
    """A file."""

    target = "duckdb"
    sql_types: ClassVar = {
        Kind.TEXT: "varchar",
        Kind.TIMESTAMP: "timestamptz",
        Kind.BOOLEAN: "boolean",
        Kind.INTEGER: "bigint",
        Kind.REAL: "double",
        Kind.JSON: "json",
    }

    def __init__(self, path: Path, time_zone: str = "UTC") -> None:
        self._path = path
        self._time_zone = time_zone
        self.folder = path.parent

    def environment(self) -> dict[str, str]:
        # A path from where dbt runs, for dbt parses all anew for a warehouse that is elsewhere.
        return {"TICKETING_DUCKDB_PATH": self._path.name, "TICKETING_DUCKDB_TIME_ZONE": self._time_zone}

    def rows(self, query: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(self._path), read_only=True) as connection:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, statements: str) -> None:
        with duckdb.connect(str(self._path)) as connection:
            connection.execute(statements)

    def copy(self, folder: Path) -> Self:
        return type(self)(shutil.copyfile(self._path, folder / self._path.name), self._time_zone)

    def write(self, records: Mapping[str, Sequence[Record]]) -> None:
        with duckdb.connect(str(self._path)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"create schema if not exists {DATASET}")
            connection.execute(LOADS)
            for table in RAW_TABLES.values():
                connection.execute(self._table_definition(table))
                connection.execute(f"delete from {DATASET}.{table.name}")
                columns = _columns(table, records.get(table.name, ()))
                arrays = [pa.array(columns[name], type=kind.arrow_type) for name, kind in table.columns.items()]
                connection.register("arrow_records", pa.Table.from_arrays(arrays, schema=table.arrow()))
                connection.execute(f"insert into {DATASET}.{table.name} select *, 'load-1' from arrow_records")
                connection.unregister("arrow_records")


class PostgresWarehouse(RawWarehouse):
    """A database, with the types that dlt gives the columns there."""

    target = "postgres"
    sql_types: ClassVar = {
        Kind.TEXT: "varchar",
        Kind.TIMESTAMP: "timestamp with time zone",
        Kind.BOOLEAN: "boolean",
        Kind.INTEGER: "bigint",
        Kind.REAL: "double precision",
        Kind.JSON: "jsonb",
    }

    def __init__(self, url: str, time_zone: str = "UTC") -> None:
        self._url = url
        self._time_zone = time_zone
        self._name = urlsplit(url).path.removeprefix("/")
        with self._cursor() as cursor:
            cursor.execute(f"alter database {self._name} set timezone = '{time_zone}'")

    def environment(self) -> dict[str, str]:
        parts = urlsplit(self._url)
        return {
            "TICKETING_POSTGRES_HOST": parts.hostname or "",
            "TICKETING_POSTGRES_PORT": str(parts.port),
            "TICKETING_POSTGRES_USER": parts.username or "",
            "TICKETING_POSTGRES_PASSWORD": parts.password or "",
            "TICKETING_POSTGRES_DATABASE": self._name,
        }

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self._cursor() as cursor:
            cursor.execute(query)
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, statements: str) -> None:
        with self._cursor() as cursor:
            cursor.execute(statements)

    def copy(self, folder: Path) -> Self:
        name = f"{self._name}_{secrets.token_hex(4)}"
        elsewhere = psycopg2.connect(urlsplit(self._url)._replace(path="/postgres").geturl())
        try:
            elsewhere.autocommit = True  # as a new database must be made
            with elsewhere.cursor() as cursor:
                cursor.execute(f"create database {name} template {self._name}")
        finally:
            elsewhere.close()
        return type(self)(urlsplit(self._url)._replace(path=f"/{name}").geturl(), self._time_zone)

    def write(self, records: Mapping[str, Sequence[Record]]) -> None:
        with self._cursor() as cursor:
            cursor.execute(f"create schema if not exists {DATASET}")
            cursor.execute(LOADS)
            for table in RAW_TABLES.values():
                cursor.execute(self._table_definition(table))
                cursor.execute(f"delete from {DATASET}.{table.name}")
                columns = _columns(table, records.get(table.name, ()))
                rows = [(*row, "load-1") for row in zip(*columns.values(), strict=True)]
                execute_values(cursor, f"insert into {DATASET}.{table.name} values %s", rows)

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """In a transaction of a connection of its own."""
        connection = psycopg2.connect(self._url)
        try:
            register_default_json(connection, loads=str)
            register_default_jsonb(connection, loads=str)
            with connection, connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


def _columns(table: TableSchema, records: Sequence[Record]) -> dict[str, list[Any]]:
    unknown = {name for record in records for name in record} - set(table.columns)
    assert not unknown, f"{table.name} has no columns {sorted(unknown)}"
    rows = [{"_row_hash": _hash_of(record), **record} for record in records]
    return {name: [_shaped(kind, row.get(name)) for row in rows] for name, kind in table.columns.items()}


def _hash_of(record: Record) -> str:
    """Another one for whatever is changed in a record, as the loader's."""
    return md5(json.dumps(record, default=str, sort_keys=True).encode(), usedforsecurity=False).hexdigest()


def _shaped(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind is Kind.JSON:
        return json.dumps(value)
    if kind is Kind.TIMESTAMP and isinstance(value, str):
        return datetime.fromisoformat(value).astimezone(UTC)
    return value
