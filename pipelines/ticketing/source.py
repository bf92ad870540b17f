"""The dlt source `unified`: support data of a Unified.to workspace as five resources.

pipeline = dlt.pipeline("support", destination="duckdb", dataset_name="raw_unified")
pipeline.run(unified(api_key="...").with_resources("tickets"))
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from uuid import uuid4

import dlt
from dlt.extract import DltResource

from pipelines.settings import DEFAULT_BASE_URL, LARGEST_PAGE, UnifiedSettings
from pipelines.ticketing.progress import Watcher
from pipelines.ticketing.reading import Run
from pipelines.ticketing.resources import connections_resource, record_resource
from pipelines.ticketing.workspace import Workspace
from pipelines.unified_api.client import UnifiedClient
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
    *,
    select: Collection[str] = tuple(ENDPOINTS),
    since: datetime | None = None,
    full_refresh: bool = False,
    watcher: Watcher | None = None,
) -> Iterator[DltResource]:
    """Tickets, customers, notes and categories, each incrementally by `updated_at`, and the connections they
    come from; merged by (`connection_id`, `id`).

    Every argument up to `include_raw` is also a setting of section `sources.unified`. `select` names the tables to
    read (the others are only made, if they are not there). `since` reads again from that time on and leaves the
    cursors alone; `full_refresh` reads everything again. Both merge: nothing is dropped.

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
        }
    )
    settings.on_resolved()
    run = Run(new_run_id(), settings, frozenset(select), since, full_refresh)
    workspace = Workspace(UnifiedClient(base_url, api_key), settings.connection_ids or [], page_size)
    yield connections_resource(workspace)
    for endpoint in ENDPOINTS.values():
        yield record_resource(endpoint, workspace, run, watcher or Watcher())


def new_run_id() -> str:
    """Sorts by time and never comes twice."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
