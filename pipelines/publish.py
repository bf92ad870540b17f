"""The marts, published: a copy for whoever reads, which is never locked, never half made, and of one moment."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.errors import FixConfiguration, ModelsFailed
from pipelines.settings import DuckdbWarehouse, WarehouseSettings, draft_of
from pipelines.warehouse import anew
from pipelines.warehouse.destinations import destination_of
from pipelines.warehouse.destinations.destination import PUBLICATION, NotThere
from pipelines.warehouse.lock import one_writer
from pipelines.warehouse.marts import are_half_built, reading_published


@dataclass(frozen=True)
class PublishReport:
    """What was published: when, of when the data are (None: of no time), how many rows of each mart, where it lies,
    and how long it took."""

    published_at: datetime
    data_as_of: datetime | None
    rows: dict[str, int]
    lies_in: str
    seconds: float


def publish(warehouse: WarehouseSettings, *, wait_seconds: float = 0.0) -> PublishReport:
    """Publish the marts as they stand. Raises `ModelsFailed` where the last build has broken off, `FixConfiguration`
    where there was none, and as the lock does."""
    if isinstance(warehouse, DuckdbWarehouse) and not warehouse.path.exists():
        raise FixConfiguration(f"Nothing has been synced into {warehouse.name} yet. Run `ticketing run`.")
    with one_writer(warehouse, wait_seconds):
        return publish_beside(warehouse, wait_seconds)


def publish_beside(warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> PublishReport:
    """The same for whoever holds the lock."""
    started = time.monotonic()
    destination = destination_of(warehouse)
    keeps_older = not anew.is_due_of_published(warehouse)
    if are_half_built(warehouse):
        raise ModelsFailed(
            f"Expected the marts of {warehouse.name} to be those of one build, but the last one broke off. What was "
            "published before stays. Run `ticketing build`, and then this again."
        )
    published_at = datetime.now(UTC)
    try:
        rows = destination.publish(published_at, started + wait_seconds, keeps_older=keeps_older)
    except NotThere as error:
        raise FixConfiguration(f"Expected marts to publish, but {error}. Run `ticketing build` first.") from error
    if not keeps_older:
        for report in (warehouse.report_path, draft_of(warehouse.report_path)):
            report.unlink(missing_ok=True)
    anew.mark_published(warehouse)
    with reading_published(warehouse) as ask:
        [of] = ask(f"select data_as_of from {PUBLICATION}")
    data_as_of = of["data_as_of"] and of["data_as_of"].replace(tzinfo=UTC)
    return PublishReport(published_at, data_as_of, rows, destination.published, time.monotonic() - started)
