"""What the models have made of the raw tables, to be read and not changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipelines.errors import FixConfiguration
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.destinations import destination_of
from pipelines.warehouse.destinations.destination import AskRows, NotThere
from pipelines.warehouse.lock import one_writer

MARTS = "marts"
"""The schema of the models that others read."""


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


def descriptions(ask: AskRows, warehouse: WarehouseSettings) -> dict[tuple[str, str], str]:
    """What the warehouse itself says of the marts' columns, by table and column."""
    rows = ask(destination_of(warehouse).descriptions, MARTS)
    return {(row["table_name"], row["column_name"]): row["description"] for row in rows}
