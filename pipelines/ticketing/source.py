"""The dlt source `unified`: support data of a Unified.to workspace as five resources.

pipeline = dlt.pipeline("support", destination="duckdb", dataset_name="raw_unified")
pipeline.run(unified(api_key="...").with_resources("tickets"))
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

import dlt
from dlt.extract import DltResource

from pipelines.settings import DEFAULT_BASE_URL, LARGEST_PAGE, UnifiedSettings
from pipelines.ticketing.resources import Stage, account_resource, connections_resource, record_resource
from pipelines.ticketing.run import Run
from pipelines.unified_api.endpoints import ENDPOINTS


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
    *,
    select: Collection[str] = tuple(ENDPOINTS),
    since: datetime | None = None,
    full_refresh: bool = False,
) -> Iterator[DltResource]:
    """Tickets, customers, notes and categories, each incrementally by `updated_at`, and the connections they
    come from; merged by (`connection_id`, `id`).

    Every argument up to `note_sweep_calls` is also a setting of section `sources.unified`. `select` names the tables
    to read (the others are only made, if they are not there). `since` reads again from that time on and leaves the
    cursors alone; `full_refresh` reads everything again. Both merge: nothing is dropped.

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
        }
    )
    settings.on_resolved()
    yield from _resources(Run.begin("sync", settings, select, since=since, full_refresh=full_refresh))


@dlt.source(name="unified", section="unified", max_table_nesting=0)
def source_of(run: Run) -> Iterator[DltResource]:
    """The same source for a run that is under way, or for a part of it."""
    yield from _resources(run)


@dlt.source(name="unified", section="unified", max_table_nesting=0)
def account_of(run: Run) -> DltResource:
    """Only what became of a part of a run, for `sync_runs`: where the rows that it speaks of were not taken."""
    return account_resource(run)


def _resources(run: Run) -> Iterator[DltResource]:
    stage = Stage()
    yield connections_resource(run, stage)
    for endpoint in ENDPOINTS.values():
        yield record_resource(endpoint, run, stage)
