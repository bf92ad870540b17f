"""What the project asks of a destination, beyond what dlt does alike on all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeAlias

import dlt
from dlt.common.destination import Destination as DltDestination

HOW_TO_WAIT = "Wait for it to end and run this again; sync, reconcile, build and run queue behind it: --wait SECONDS."
"""What to do where another process writes to the warehouse."""

MARTS = "marts"
"""The schema of the models that others read."""

PUBLICATION = "publication"
"""The table that says of published marts of when they are."""

PUBLICATION_COLUMNS = {
    "published_at": "When these marts were published, UTC.",
    "data_as_of": "Up to when the connection that was read longest ago has been read, UTC (marts.connections tells of "
    "each); NULL where there is none.",
    "latest_data_as_of": "The same of the one that was read last.",
    "row_counts": "A JSON object: how many rows each of the tables has that were published with it.",
}
"""Its columns, and what is said of them."""

PUBLICATION_ROW = """
select
    cast({published_at} as timestamp) as published_at,
    min(data_as_of) as data_as_of,
    max(data_as_of) as latest_data_as_of,
    cast({row_counts} as json) as row_counts
from {connections}
"""

Row: TypeAlias = dict[str, Any]
"""A row by the names of its columns."""

AskRows: TypeAlias = Callable[..., list[Row]]
"""The rows of a query, with a `%s` for each of its parameters, if it has any. Raises `QueryRefused`."""


class QueryRefused(Exception):
    """The warehouse does not answer a query; says why, on one line."""


class NotThere(QueryRefused):
    """A table or a column that was asked for is not there."""


def quoted(name: str) -> str:
    """A name as it stands in SQL, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def rows_of(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Row]:
    """Rows by the names of their columns. Raises `QueryRefused` where two have the same."""
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise QueryRefused(f"it has the column {doubled[0]} more than once")
    return [dict(zip(names, row, strict=True)) for row in rows]


class Destination(Protocol):
    """One kind of warehouse. A `deadline` is a reading of `time.monotonic()`: until then a busy warehouse is waited
    for; `WarehouseBusy` or `TryAgainLater` is raised after it, `FixConfiguration` at once."""

    dbt_target: str
    """The name of the output in dbt's profile."""

    readers_wait: bool
    """Whether reading needs the write lock."""

    descriptions: str
    """The query for what is said of the columns of a schema: `table_name`, `column_name`, `description`."""

    published: str
    """Where readers find what is published."""

    def exists(self) -> bool:
        """Whether anything has been loaded yet. Makes nothing."""

    def prove_writable(self, deadline: float) -> None:
        """Raise a `TicketingError` that says why, unless it can be opened and written; a DuckDB file is made here."""

    def exclusively(self, deadline: float) -> AbstractContextManager[None]:
        """Keep out writers on other machines. It ends with its process, however that ends. Names faults inside."""

    def prove_exclusive(self) -> None:
        """Raise `WarehouseBusy` if the hold of `exclusively` has been lost since."""

    def naming_faults(self) -> AbstractContextManager[None]:
        """Turn the loss of a connection, of whoever's inside, into the `TicketingError` that says so."""

    def for_dlt(self) -> DltDestination[Any, Any]:
        """The destination for a dlt pipeline."""

    def held_open(self) -> AbstractContextManager[None]:
        """Keep what is costly to open from being closed between dlt's own connections."""

    def reading(self, deadline: float) -> AbstractContextManager[AskRows]:
        """Ask for rows, and be able to change none. Names faults inside."""

    def publish(self, published_at: datetime, deadline: float, *, keeps_older: bool) -> dict[str, int]:
        """Leave a copy of the marts, and of when it is, that readers find whole and all at once; returns the rows of
        each table. Raises `NotThere` where there are none."""

    def has_published(self) -> bool:
        """Whether anything that was published may still be there, be it whole or not."""

    def reading_published(self, deadline: float) -> AbstractContextManager[AskRows]:
        """Ask what was published last by the names of its tables alone. Raises `NotThere` where nothing was."""

    def environment_for_dbt(self) -> dict[str, str]:
        """The variables that the dbt target reads."""

    def compact(self) -> None:
        """Write anew what is stored, so that nothing of removed rows is left in its files."""

    def tidy(self, pipeline: dlt.Pipeline) -> None:
        """What is to be done after a load."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, the latest first, each once: what was unwrapped may lead to itself."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
