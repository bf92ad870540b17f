"""What the models have made of the raw tables, to be read and not changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipelines.errors import FixConfiguration
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.destinations import destination_of
from pipelines.warehouse.destinations.destination import MARTS, AskRows, NotThere
from pipelines.warehouse.lock import one_writer


@contextmanager
def reading_marts(warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> Iterator[AskRows]:
    """Ask for rows of the marts; whoever does needs to be able to read them, and nothing else.

    Raises `WarehouseBusy` if they cannot be read beside the process that still writes after the wait, and
    `FixConfiguration` where they are not built yet, or were by an older version of this program.
    """
    destination = destination_of(warehouse)
    with ExitStack() as held:
        if destination.readers_wait:
            if not destination.exists():
                raise FixConfiguration(
                    f"Nothing has been synced into {warehouse.name} yet. Run `ticketing sync`, then `ticketing build`."
                )
            held.enter_context(one_writer(warehouse, wait_seconds))
        try:
            yield held.enter_context(destination.reading(time.monotonic() + wait_seconds))
        except NotThere as error:
            raise FixConfiguration(
                f"Expected the schema {MARTS} of {warehouse.name} as this version of the models makes it, but: "
                f"{error}. Run `ticketing build` first."
            ) from error


@contextmanager
def reading_published(warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> Iterator[AskRows]:
    """Ask for rows of what was published last, by the names of its tables alone; no writer is in the way.

    Raises `FixConfiguration` where nothing was, or by an older version of this program.
    """
    try:
        with destination_of(warehouse).reading_published(time.monotonic() + wait_seconds) as ask:
            yield ask
    except NotThere as error:
        raise FixConfiguration(
            f"Expected the marts of {warehouse.name} to be published as this version makes them, but: {error}. Run "
            "`ticketing publish` first."
        ) from error


@contextmanager
def being_built(warehouse: WarehouseSettings) -> Iterator[None]:
    """While dbt works on the marts, and after it has broken off, they are half of one build and half of another."""
    mark = _half_built(warehouse)
    mark.touch()
    yield
    mark.unlink(missing_ok=True)


def are_half_built(warehouse: WarehouseSettings) -> bool:
    """Whether the last build from here has not come to a good end."""
    return _half_built(warehouse).exists()


def _half_built(warehouse: WarehouseSettings) -> Path:
    return warehouse.state_dir / "half_built"


def descriptions(ask: AskRows, warehouse: WarehouseSettings) -> dict[tuple[str, str], str]:
    """What the warehouse itself says of the marts' columns, by table and column."""
    rows = ask(destination_of(warehouse).descriptions, MARTS)
    return {(row["table_name"], row["column_name"]): row["description"] for row in rows}
