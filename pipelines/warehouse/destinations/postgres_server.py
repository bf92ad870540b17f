"""A warehouse in a Postgres database: anyone may read at any time, one process of one machine writes."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import psycopg2  # type: ignore[import-untyped]
from dlt.common.configuration.specs import configspec
from dlt.common.destination import Destination as DltDestination
from dlt.destinations.exceptions import DatabaseException
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from psycopg2.errors import (  # type: ignore[import-untyped]
    DependentObjectsStillExist,
    InsufficientPrivilege,
    InvalidSchemaName,
    LockNotAvailable,
    UndefinedColumn,
    UndefinedObject,
    UndefinedTable,
)
from psycopg2.extensions import make_dsn  # type: ignore[import-untyped]

from pipelines.errors import FixConfiguration, LoadFailed, TicketingError, TryAgainLater, WarehouseBusy
from pipelines.settings import LIBPQ_VARIABLES, PostgresWarehouse, readers
from pipelines.warehouse.destinations.destination import (
    HOW_TO_WAIT,
    PUBLICATION,
    AskRows,
    Destination,
    NotThere,
    QueryRefused,
    Row,
    causes,
    rows_of,
)
from pipelines.warehouse.destinations.postgres_copy import PostgresByCopy
from pipelines.warehouse.destinations.postgres_published import PUBLISHED, publish, published_name
from transforms.schemas import DATASET, NOTES, RAW_TABLES

POLL_SECONDS = 0.2

_OLDER_SNAPSHOTS = """
select count(*) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    and backend_xmin is not null and xact_start < %(now)s
"""

_LACKS_STATISTICS = """
select 1 from pg_class
where oid = to_regclass(%s)
    and (
        pg_relation_size(oid) > 1.1 * relpages * cast(current_setting('block_size') as integer)
        or not exists (
            select 1 from pg_stats
            where schemaname = cast(relnamespace as regnamespace)::text and tablename = relname
        )
    )
"""
"""Whether a table has no statistics, or takes a tenth more room than it did when they were gathered."""

_LOCK_SECONDS = 60
"""So long a table that is to be written anew is waited for."""

WRITE_LOCK = 0x756E_6966_6965_6400
"""The key of the advisory lock: `unified` in ASCII. Such a lock is of one database."""

KEEPALIVE = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
"""Seconds, seconds and tries: a lock is held for hours in silence, which a firewall would cut."""

ENCODING = "UTF8"
"""Of every connection: what we write is in it, whatever the server, the environment or a service file prefer."""

INDEXES = {f"{table.name}_key": (table.name, table.key, "unique") for table in RAW_TABLES.values()} | {
    "notes_by_ticket": (NOTES.name, ("connection_id", "ticket_id"), "")
}
"""By name: the table, the columns and whether they are unique. A merge looks up each row by its key."""

_PASSING_CODES = ("08", "53300", "57P")
"""The beginnings of the SQLSTATEs of what may be another thing a moment later: connections, their number, restarts."""

_PASSING = (
    "Connection refused",
    "Network is unreachable",
    "No route to host",
    "Temporary failure in name resolution",
    "accepting connections",
    "closed the connection",
    "connection slots",
    "in recovery mode",
    "reset by peer",
    "shutting down",
    "starting up",
    "timed out",
    "timeout expired",
    "too many clients",
    "too many connections",
)
"""The same in the words of a server, or of the lack of one: a connection that is not made has no SQLSTATE."""

_HOLDER = """
select activity.pid, activity.application_name, host(activity.client_addr), activity.backend_start
from pg_locks
join pg_stat_activity as activity on activity.pid = pg_locks.pid
where pg_locks.locktype = 'advisory' and pg_locks.granted and pg_locks.objsubid = 1
    and pg_locks.database = (select oid from pg_database where datname = current_database())
    and (pg_locks.classid::bigint << 32) + pg_locks.objid::bigint = %s
"""

_NEVER_IDLE = "select count(set_config(name, '0', false)) from pg_settings where name = 'idle_session_timeout'"

_TABLES = """
select format('%%I.%%I', schemaname, tablename) from pg_tables where schemaname = any(%s) order by 1
"""

_RIGHTS = """
select
    current_setting('server_encoding') = 'UTF8',
    current_setting('transaction_read_only') = 'off',
    has_database_privilege(current_database(), 'CREATE') or (
        select count(*) = 2
        from pg_namespace
        where nspname = any(%(schemas)s) and has_schema_privilege(oid, 'USAGE') and has_schema_privilege(oid, 'CREATE')
    ),
    (
        select min(pg_get_userbyid(relowner))
        from pg_class
        join pg_namespace on pg_namespace.oid = relnamespace
        where nspname = any(%(schemas)s) and relkind = 'r' and not pg_has_role(relowner, 'USAGE')
    )
"""
"""Only its owner may add a column to a table."""


@configspec(init=False)
class _Credentials(PostgresCredentials):
    """dlt's own, but handed to libpq as it reads them: it takes the plus for one that a blank is in dlt's URL."""

    def to_native_representation(self) -> str:
        parts = {"host": self.host, "port": self.port, "dbname": self.database, "user": self.username}
        dsn: str = make_dsn(**parts, password=self.password or None, **self.get_query())
        return dsn


class PostgresServer(Destination):
    """The write lock is an advisory one of a connection of its own, so that it holds on whatever machine a run is."""

    dbt_target = "postgres"
    readers_wait = False
    descriptions = """
        select relname as table_name, attname as column_name, col_description(pg_class.oid, attnum) as description
        from pg_attribute
        join pg_class on pg_class.oid = attrelid
        join pg_namespace on pg_namespace.oid = relnamespace
        where nspname = %s and attnum > 0 and not attisdropped and col_description(pg_class.oid, attnum) is not null
    """

    def __init__(self, warehouse: PostgresWarehouse) -> None:
        self._warehouse = warehouse
        self.published = f"the schema {PUBLISHED} of {warehouse.name}"
        self._lock: Any = None

    def exists(self) -> bool:
        with self.naming_faults(), closing(self._connect(time.monotonic())) as connection:
            (found,) = _row(connection, "select to_regclass(%s) is not null", [f"{DATASET}._dlt_loads"])
        return bool(found)

    def prove_writable(self, deadline: float) -> None:
        with closing(self._connect(deadline)) as connection:
            is_utf8, is_primary, may_create, owner = _row(
                connection, _RIGHTS, {"schemas": [DATASET, f"{DATASET}_staging"]}
            )
        database, user = self._warehouse.database, self._warehouse.username
        if not is_utf8:
            raise self._wrong(
                'its encoding is not UTF8. Make one that is: create database "..." encoding UTF8 template template0'
            )
        if not is_primary:
            raise self._wrong("it can only be read, as a replica can")
        if not may_create:
            raise self._wrong(
                f'the user may not create a schema in it. As its owner: grant create on database "{database}" to '
                f'"{user}"'
            )
        if owner:
            raise self._wrong(
                f'tables of the schema {DATASET} are those of user {owner}. Connect as {owner}, or: grant "{owner}" to '
                f'"{user}"'
            )

    @contextmanager
    def exclusively(self, deadline: float) -> Iterator[None]:
        with self.naming_faults(), closing(self._connect(deadline)) as connection:
            # Servers from 14 on may be set to end a session that is silent for long.
            _row(connection, _NEVER_IDLE)
            while not _row(connection, "select pg_try_advisory_lock(%s)", [WRITE_LOCK])[0]:
                if time.monotonic() >= deadline:
                    raise self._busy(connection)
                time.sleep(POLL_SECONDS)
            self._lock = connection
            try:
                yield
            finally:
                self._lock = None
                with suppress(psycopg2.Error):
                    _row(connection, "select pg_advisory_unlock(%s)", [WRITE_LOCK])

    def prove_exclusive(self) -> None:
        try:
            if self._lock is not None:
                _row(self._lock, "select 1")
                return
            reason = "it is not held"
        except psycopg2.Error as error:
            reason = _first_line(error)
        raise WarehouseBusy(
            f"The lock on {self._warehouse.name} was lost on the way ({reason}), so another process may be writing "
            "there. Nothing was loaded, and no cursor has moved. Run this again."
        )

    @contextmanager
    def naming_faults(self) -> Iterator[None]:
        try:
            yield
        except TicketingError:
            raise
        except Exception as error:
            fault = next((cause for cause in causes(error) if isinstance(cause, psycopg2.Error)), None)
            if isinstance(fault, psycopg2.OperationalError | psycopg2.InterfaceError):
                raise self._lost(_first_line(fault)) from error
            if isinstance(error, psycopg2.Error):
                raise self._wrong(_first_line(error)) from error
            raise

    def for_dlt(self) -> DltDestination[Any, Any]:
        # Parquet would make columns of another type.
        return PostgresByCopy(
            self._credentials(),
            supported_loader_file_formats=["insert_values", "csv"],
            loader_file_format_selector=None,
        )

    def held_open(self) -> AbstractContextManager[None]:
        """A server stays open."""
        return nullcontext()

    @contextmanager
    def reading(self, deadline: float) -> Iterator[AskRows]:
        with self.naming_faults(), closing(self._connect(deadline)) as connection:
            connection.set_session(readonly=True, autocommit=True)
            yield _asking(connection)

    def publish(self, published_at: datetime, deadline: float, *, keeps_older: bool) -> dict[str, int]:
        with self.naming_faults(), closing(self._connect(deadline)) as connection:
            connection.set_session(isolation_level="REPEATABLE READ", autocommit=False)
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute(f"set local lock_timeout = '{_LOCK_SECONDS}s'")
                    rows = publish(cursor, published_at.astimezone(UTC).replace(tzinfo=None), readers())
            except (LockNotAvailable, DependentObjectsStillExist) as error:
                raise WarehouseBusy(
                    f"Expected to change the columns of a table of the schema {PUBLISHED}, for those of its mart are "
                    f"others now, but: {' '.join(str(error).split())} End what reads it, or drop what stands over it, "
                    "and run this again."
                ) from error
            except UndefinedObject as error:
                raise FixConfiguration(
                    f"Expected roles of the database in TICKETING_READERS, but: {_first_line(error)}. Make it there, "
                    "or take it out. What was published before stays."
                ) from error
            connection.autocommit = True
            with connection.cursor() as cursor:
                tables = [*map(published_name, rows)]
                if keeps_older:
                    cursor.execute(f"vacuum (skip_locked, analyze) {', '.join(tables)}")
                else:
                    self._write_anew(cursor, tables)
        return rows

    def has_published(self) -> bool:
        with self.naming_faults(), closing(self._connect(time.monotonic())) as connection:
            (found,) = _row(connection, "select to_regnamespace(%s) is not null", [PUBLISHED])
        return bool(found)

    @contextmanager
    def reading_published(self, deadline: float) -> Iterator[AskRows]:
        with self.naming_faults(), closing(self._connect(deadline)) as connection:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True, autocommit=False)
            with connection.cursor() as cursor:
                cursor.execute(
                    "select set_config('search_path', %s, false), to_regclass(%s)",
                    [PUBLISHED, f"{PUBLISHED}.{PUBLICATION}"],
                )
                if cursor.fetchone()[1] is None:
                    raise NotThere(f"there is no {PUBLISHED}.{PUBLICATION}")
            yield _asking(connection)

    def environment_for_dbt(self) -> dict[str, str]:
        options = self._warehouse.options.items()
        return {LIBPQ_VARIABLES[name]: value for name, value in options} | {
            "PGCLIENTENCODING": ENCODING,
            "TICKETING_POSTGRES_HOST": self._warehouse.host,
            "TICKETING_POSTGRES_PORT": str(self._warehouse.port),
            "TICKETING_POSTGRES_USER": self._warehouse.username,
            # dbt hands an empty password on, which libpq prefers to the variable.
            "TICKETING_POSTGRES_PASSWORD": self._warehouse.password or os.environ.get("PGPASSWORD", ""),
            "TICKETING_POSTGRES_DATABASE": self._warehouse.database,
        }

    def compact(self) -> None:
        with (
            self.naming_faults(),
            closing(self._connect(time.monotonic())) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(_TABLES, [[DATASET, f"{DATASET}_staging"]])
            self._write_anew(cursor, [table for (table,) in cursor.fetchall()])

    def _write_anew(self, cursor: Any, tables: Sequence[str]) -> None:
        """Raises `WarehouseBusy`."""
        self._outlast_snapshots(cursor)
        cursor.execute(f"set lock_timeout = '{_LOCK_SECONDS}s'")
        for table in tables:
            try:
                cursor.execute(f"vacuum (full, analyze) {table}")
            except LockNotAvailable as error:
                raise WarehouseBusy(
                    f"Could not write {table} anew, so that removed rows may still stand in its files: somebody "
                    f"has been reading it for {_LOCK_SECONDS} seconds. Run this again when they have ended."
                ) from error

    def _outlast_snapshots(self, cursor: Any) -> None:
        """Wait until nobody can see what was removed before: it would be written anew for them. Raises
        `WarehouseBusy`."""
        cursor.execute("select clock_timestamp()")
        [(now,)] = cursor.fetchall()
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            cursor.execute(_OLDER_SNAPSHOTS, {"now": now})
            [(count,)] = cursor.fetchall()
            if not count:
                return
            if time.monotonic() >= deadline:
                raise WarehouseBusy(
                    "Could not write tables anew, so that removed rows may still stand in their files: "
                    f"{count} transactions that began before have not ended for {_LOCK_SECONDS} seconds. Run this "
                    "again when they have."
                )
            time.sleep(POLL_SECONDS)

    def tidy(self, pipeline: dlt.Pipeline) -> None:
        """Index what a merge looks up, in the raw tables that are there, and gather the statistics of those that have
        grown: the server itself would take a minute, and whoever asks before plans for what was there."""
        there = set(pipeline.default_schema.data_table_names(seen_data_only=True))
        with pipeline.sql_client() as client:
            for name, (table, columns, unique) in INDEXES.items():
                if table in there:
                    try:
                        client.execute_sql(
                            f"create {unique} index if not exists {name} "
                            f"on {client.make_qualified_table_name(table)} ({', '.join(columns)})"
                        )
                    except DatabaseException as error:
                        raise LoadFailed(
                            f"The rows are loaded, but {DATASET}.{table} could not be indexed by {', '.join(columns)}: "
                            f"{_first_line(error)}. If records stand there twice, `ticketing verify --repair` keeps "
                            "the newest row of each; the next `ticketing sync` tries it again."
                        ) from error
            for table in sorted(there):
                name = client.make_qualified_table_name(table)
                with suppress(DatabaseException):  # the server itself will do it
                    if client.execute_sql(_LACKS_STATISTICS, name):
                        client.execute_sql(f"analyze (skip_locked) {name}")

    def _credentials(self) -> _Credentials:
        """What each connection is made with, be it our own or dlt's."""
        options = KEEPALIVE | {"application_name": _application_name()} | dict(self._warehouse.options)
        # As libpq would have it, did dlt not give options of its own.
        options.setdefault("options", os.environ.get("PGOPTIONS", ""))
        credentials = _Credentials(
            {
                "host": self._warehouse.host,
                "port": self._warehouse.port,
                "database": self._warehouse.database,
                "username": self._warehouse.username,
                "password": self._warehouse.password,
                "query": options,
                "connect_timeout": int(options.get("connect_timeout", PostgresCredentials.connect_timeout)),
                "client_encoding": ENCODING,
                "session_timezone": "UTC",
            }
        )
        # dlt would resolve it to its own class otherwise, and look for more in the environment.
        return credentials.resolve()

    def _connect(self, deadline: float) -> Any:
        credentials = self._credentials()
        while True:
            try:
                connection = psycopg2.connect(credentials.to_native_representation())
                connection.autocommit = True
                return connection
            except psycopg2.Error as error:
                refusal = self._refusal(error)
                if isinstance(refusal, FixConfiguration) or time.monotonic() >= deadline:
                    raise refusal from error
            time.sleep(POLL_SECONDS)

    def _refusal(self, error: psycopg2.Error) -> TicketingError:
        reason = _last_attempt(error)
        if error.pgcode:
            is_passing = error.pgcode.startswith(_PASSING_CODES)
        else:
            is_passing = any(words in reason for words in _PASSING)
        return self._lost(reason) if is_passing else self._wrong(reason)

    def _lost(self, reason: str) -> TryAgainLater:
        return TryAgainLater(
            f"Expected Postgres to answer as {self._warehouse.name}, but: {reason}. If that is where it is, run "
            "this again once it is up; if not, correct DESTINATION__POSTGRES__CREDENTIALS."
        )

    def _wrong(self, reason: str) -> FixConfiguration:
        return FixConfiguration(
            f"Expected a Postgres database that user {self._warehouse.username} can use, {self._warehouse.name}, but: "
            f"{reason}. Mend that there, or set DESTINATION__POSTGRES__CREDENTIALS to another one (or "
            "[destination.postgres.credentials] in .dlt/secrets.toml)."
        )

    def _busy(self, connection: Any) -> WarehouseBusy:
        holder = _row(connection, _HOLDER, [WRITE_LOCK])
        return WarehouseBusy(
            f"Another process writes to {self._warehouse.name}, on another machine or with another state folder: "
            f"{_described(holder)}. {HOW_TO_WAIT}"
        )


def _asking(connection: Any) -> AskRows:
    def ask(query: str, *parameters: object) -> list[Row]:
        with connection.cursor() as cursor:
            try:
                cursor.execute(query, parameters or None)
            except (InvalidSchemaName, UndefinedTable, UndefinedColumn) as error:
                raise NotThere(_first_line(error)) from error
            except InsufficientPrivilege:
                raise
            except (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.InternalError) as error:
                raise QueryRefused(_first_line(error)) from error
            if cursor.description is None:  # no query, and without rows
                return []
            return rows_of([column.name for column in cursor.description], cursor.fetchall())

    return ask


def _row(connection: Any, query: str, arguments: Sequence[object] | dict[str, object] = ()) -> Sequence[Any]:
    """The first row of the answer, empty where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments or None)
        return cursor.fetchone() or ()


def _described(holder: Sequence[Any]) -> str:
    if not holder:
        return "it has ended just now"
    backend, application, address, since = holder
    where = f" from {address}" if address else ""
    when = f", since {since.isoformat(timespec='seconds')}" if since else ""
    return f"{application or 'it has not said who it is'}{where} (Postgres process {backend}){when}"


def _application_name() -> str:
    """Who we are, for whoever waits for us; Postgres keeps the first 63 characters."""
    return (
        f"process {os.getpid()} on {socket.gethostname()}: {Path(sys.argv[0]).name} {' '.join(sys.argv[1:2])}".strip()
    )


def _last_attempt(error: Exception) -> str:
    """What came of the last of the host's addresses, for libpq goes on to the next one until a server answers."""
    attempts = [line.strip() for line in str(error).splitlines() if line.startswith("connection to server")]
    return attempts[-1].rstrip(".") if attempts else _first_line(error)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason given").rstrip(".")
