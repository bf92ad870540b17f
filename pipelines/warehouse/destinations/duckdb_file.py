"""A warehouse in a DuckDB file: one process at a time has it open, be it to write or to read."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any

import dlt
import duckdb
from dlt.common.destination import Destination as DltDestination
from dlt.destinations.exceptions import DestinationConnectionError
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

from pipelines.errors import FixConfiguration, ModelsFailed, WarehouseBusy
from pipelines.settings import DuckdbWarehouse
from pipelines.warehouse.destinations.destination import (
    MARTS,
    AskRows,
    Destination,
    NotThere,
    QueryRefused,
    Row,
    quoted,
    rows_of,
)
from pipelines.warehouse.destinations.editions import DATABASE, LATEST, make_edition

POLL_SECONDS = 0.2

_OPTIONS = {
    "memory_limit": "160MB",
    "checkpoint_threshold": "1GB",
}
"""Of every connection of dlt: a load needs no more memory, however much is stored, and is no slower; and it goes into
the file as a whole where it is `held_open`, without what was staged on the way."""


class DuckdbFile(Destination):
    """The file's own lock keeps other programs out; the lock in the state folder is enough among ourselves."""

    dbt_target = "duckdb"
    readers_wait = True
    descriptions = """
        select table_name, column_name, comment as description
        from duckdb_columns()
        where database_name = current_database() and schema_name = %s and comment is not null
    """

    def __init__(self, warehouse: DuckdbWarehouse) -> None:
        self._path = warehouse.path
        self._published_dir = warehouse.published_dir
        self.published = str(self._published_dir / LATEST / DATABASE)

    def exists(self) -> bool:
        return self._path.exists()

    def prove_writable(self, deadline: float) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._opened(deadline).close()

    @contextmanager
    def reading(self, deadline: float) -> Iterator[AskRows]:
        with closing(self._opened(deadline, read_only=True)) as database:
            yield _asking(database)

    def publish(self, published_at: datetime, deadline: float, *, keeps_older: bool) -> dict[str, int]:
        self._opened(deadline, read_only=True).close()
        try:
            return make_edition(self._published_dir, self._path, published_at, keeps_older=keeps_older)
        except duckdb.IOException as error:
            raise OSError(f"The marts could not be published: {_first_line(error)}") from error
        except duckdb.Error as error:
            raise ModelsFailed(
                f"Expected marts of {self._path} that can be copied, but: {_first_line(error)}. Run `ticketing build`, "
                "and then this again."
            ) from error

    def has_published(self) -> bool:
        return self._published_dir.exists()

    @contextmanager
    def reading_published(self, deadline: float) -> Iterator[AskRows]:  # noqa: ARG002
        edition = (self._published_dir / LATEST).resolve()
        if not edition.exists():
            raise NotThere(f"there is no {self._published_dir / LATEST}")
        try:
            database = duckdb.connect(str(edition / DATABASE), read_only=True)
        except duckdb.Error as error:
            raise NotThere(_first_line(error)) from error
        with closing(database):
            database.execute(f"set schema = '{MARTS}'")
            yield _asking(database)

    def _opened(self, deadline: float, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
        while True:
            try:
                return duckdb.connect(str(self._path), read_only=read_only)
            except duckdb.Error as error:
                reason = _first_line(error)
                if "lock" not in reason.lower():
                    use = "read" if read_only else "written"
                    raise FixConfiguration(
                        f"Expected {self._path} to be a DuckDB database that can be {use}, but: {reason}. Set "
                        "DESTINATION__DUCKDB__CREDENTIALS to another path, or move what is there out of the way."
                    ) from error
                if time.monotonic() >= deadline:
                    raise WarehouseBusy(
                        f"Cannot open {self._path}: {reason}. If another program has the file open (a notebook, "
                        "a BI tool, the duckdb shell), close it there and run this again."
                    ) from error
                time.sleep(POLL_SECONDS)

    def exclusively(self, deadline: float) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def prove_exclusive(self) -> None:
        """Nothing can take the lock of the operating system away."""

    @contextmanager
    def naming_faults(self) -> Iterator[None]:
        """There is no connection to lose, but another program may come to open the file first."""
        try:
            yield
        except DestinationConnectionError as error:
            raise WarehouseBusy(
                f"Cannot open {self._path}: {error.inner_exc}. If another program has the file open, close it there "
                "and run this again: it goes on where it was."
            ) from error

    def for_dlt(self) -> DltDestination[Any, Any]:
        return dlt.destinations.duckdb(DuckDbCredentials(str(self._path), global_config=_OPTIONS))

    @contextmanager
    def held_open(self) -> Iterator[None]:
        with ExitStack() as held:
            # If it cannot be opened, the load itself says so.
            with suppress(duckdb.Error):
                held.enter_context(closing(duckdb.connect(str(self._path))))
            yield

    def environment_for_dbt(self) -> dict[str, str]:
        return {"TICKETING_DUCKDB_PATH": str(self._path.absolute())}

    def compact(self) -> None:
        path = self._path.resolve()
        fresh = path.with_name(f"compacting-{path.name}")
        fresh.unlink(missing_ok=True)
        try:
            with closing(duckdb.connect(str(fresh))) as database:
                # The views name the database, which is called as its file is.
                name = quoted(self._path.stem)
                place = str(path).replace("'", "''")
                [(itself,)] = database.execute("select current_database()").fetchall()
                database.execute(f"attach '{place}' as {name}")
                database.execute(f"checkpoint {name}")
                database.execute(f"copy from database {name} to {quoted(itself)}")
        except duckdb.Error as error:
            fresh.unlink(missing_ok=True)
            raise WarehouseBusy(
                f"Could not write {path} anew, so that removed rows may still stand in it: {error}. If another program "
                "has it open, close it there. Run this again in any case."
            ) from error
        shutil.copymode(path, fresh)
        fresh.replace(path)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)

    def tidy(self, pipeline: dlt.Pipeline) -> None:
        """A DuckDB file needs no indexes."""


def _asking(database: duckdb.DuckDBPyConnection) -> AskRows:
    def ask(query: str, *parameters: object) -> list[Row]:
        try:
            database.execute(query.replace("%s", "?") if parameters else query, parameters)
            names = [column[0] for column in database.description or []]
            rows = database.fetchall()
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise NotThere(_first_line(error)) from error
        except duckdb.Error as error:
            raise QueryRefused(_first_line(error)) from error
        return rows_of(names, rows)

    return ask


def _first_line(error: duckdb.Error) -> str:
    return next(iter(str(error).splitlines()), "no reason given")
