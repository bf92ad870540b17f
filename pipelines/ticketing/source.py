"""The dlt source `unified`: support data of a Unified.to workspace as six resources.

pipeline = dlt.pipeline("support", destination="duckdb", dataset_name="raw_unified")
pipeline.run(unified(api_key="...").with_resources("tickets"))
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

import dlt
from dlt.extract import DltResource

from pipelines.settings import DEFAULT_BASE_URL, LARGEST_PAGE, UnifiedSettings
from pipelines.ticketing.extraction import Extraction
from pipelines.ticketing.resources import (
    account_resource,
    connections_resource,
    forgotten_resource,
    record_resource,
    tables_resource,
)
from pipelines.ticketing.run import Run
from pipelines.unified_api.endpoints import ENDPOINTS
from pipelines.warehouse.staging import Stage
from transforms.shaping import Row


@dlt.source(name="unified", section="unified", max_table_nesting=0, spec=UnifiedSettings)
def unified(
    api_key: dlt.TSecretStrValue = dlt.secrets.value,
    base_url: str = DEFAULT_BASE_URL,
    connection_ids: Sequence[str] | None = None,
    start_date: str | None = None,
    lookback_seconds: int = 300,
    page_size: int = LARGEST_PAGE,
    include_raw: bool = True,
    reread_pages: int = 1,
    note_sweep_calls: int = 500,
    max_concurrency: int = 16,
    requests_per_second: float = 0,
    max_calls_per_run: int = 0,
    privacy: dict[str, Any] | None = None,
    privacy_key: dlt.TSecretStrValue = "",
    *,
    select: Collection[str] = tuple(ENDPOINTS),
    since: datetime | None = None,
    until: datetime | None = None,
    full_refresh: bool = False,
) -> Iterator[DltResource]:
    """Tickets, customers, notes, categories and employees, each incrementally by `updated_at`, and the connections
    they come from; merged by (`connection_id`, `id`).

    Every argument up to `privacy_key` is also a setting of section `sources.unified`. `select` names the tables
    to read (the others are only made, if they are not there). `since` and `until` read again what was updated between
    these times and leave the cursors alone; `full_refresh` reads everything again. All merge: nothing is dropped.

    Notes that a helpdesk lists only ticket by ticket are read for the tickets that the warehouse holds: run the source
    a second time with `select=["notes"]`, as `ticketing sync` does.

    Raises a `TicketingError` when no connection can be listed. What fails later is told per connection and object
    in the table `sync_runs`, which travels with every load.
    """
    settings = UnifiedSettings()
    settings.update(
        {
            "api_key": api_key,
            "base_url": base_url,
            "connection_ids": list(connection_ids or []),
            "start_date": start_date,
            "lookback_seconds": lookback_seconds,
            "page_size": page_size,
            "include_raw": include_raw,
            "reread_pages": reread_pages,
            "note_sweep_calls": note_sweep_calls,
            "max_concurrency": max_concurrency,
            "requests_per_second": requests_per_second,
            "max_calls_per_run": max_calls_per_run,
            "privacy": privacy,
            "privacy_key": privacy_key,
        }
    )
    settings.on_resolved()
    run = Run.begin("sync", settings, select, since=since, until=until, full_refresh=full_refresh)
    yield from _resources(Extraction(run))


@dlt.source(name="unified", section="unified", max_table_nesting=0)
def source_of(extraction: Extraction) -> Iterator[DltResource]:
    """The same source for what is being extracted, as much of it as one load takes."""
    yield from _resources(extraction)


@dlt.source(name="unified", section="unified", max_table_nesting=0)
def account_of(run: Run) -> DltResource:
    """Only what became of a part of a run, for `sync_runs`: where the rows that it speaks of were not taken."""
    return account_resource(run)


@dlt.source(name="unified", section="unified", max_table_nesting=0)
def tombstones_of(rows: Sequence[Row]) -> DltResource:
    """Only that persons have been forgotten, for the table of that name."""
    return forgotten_resource(rows)


@dlt.source(name="unified", section="unified", max_table_nesting=0)
def tables_of() -> DltResource:
    """Only the raw tables that the warehouse has not yet, without rows."""
    return tables_resource()


def _resources(extraction: Extraction) -> Iterator[DltResource]:
    extraction.begin_load()
    stage = Stage()
    yield connections_resource(extraction, stage)
    for endpoint in ENDPOINTS.values():
        yield record_resource(endpoint, extraction, stage)
