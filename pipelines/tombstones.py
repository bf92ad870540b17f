"""Tombstones of forgotten persons: put up for them, and kept to, so that nothing of theirs is stored again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime

import dlt

from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.ticketing.source import tombstones_of
from pipelines.warehouse import anew
from pipelines.warehouse.forgetting import Findings, Traces
from pipelines.warehouse.load import load
from pipelines.warehouse.stored import asking, recall
from transforms.forgotten import RECOGNISED, Forgotten, Tombstone

_SETTLED = "recognised by a run, and removed"
"""The request of tombstones that a run has put up, after `RECOGNISED`."""


def recalled(pipeline: dlt.Pipeline, settings: UnifiedSettings) -> Forgotten:
    """Whom the warehouse knows to have been forgotten."""
    forgotten = Forgotten(hashed=settings.address_hash())
    recall(forgotten, asking(pipeline))
    return forgotten


def put_up(
    pipeline: dlt.Pipeline,
    warehouse: WarehouseSettings,
    tombstones: Iterable[Tombstone],
    request_id: str,
    forgotten_at: datetime,
) -> None:
    """Put up tombstones, under a request; those that are up already come under it."""
    since = {"forgotten_at": forgotten_at, "request_id": request_id}
    rows = [tombstone._asdict() | since for tombstone in tombstones]
    if rows:
        load(pipeline, tombstones_of(rows), warehouse, tidies=False)


def of_findings(forgotten: Forgotten, findings: Findings) -> Iterator[Tombstone]:
    """Of each record that was found, so that it is known by itself."""
    for table, ids in (findings.rows | {"tickets": findings.tickets}).items():
        yield from of_records(forgotten, table, ids)


def of_records(forgotten: Forgotten, table: str, ids: dict[str, set[str]]) -> Iterator[Tombstone]:
    """Of the records of a table, by their ids by connection."""
    return (forgotten.tombstone(each, table, id) for each, some in ids.items() for id in sorted(some))


def remove_recognised(
    pipeline: dlt.Pipeline,
    warehouse: WarehouseSettings,
    settings: UnifiedSettings,
    recognised: Collection[Tombstone] = (),
) -> None:
    """Remove what was stored before a run has recognised that it is a forgotten person's, such as notes that came
    before their ticket; for whoever holds the lock. What a run that was cut short has left is removed by the next.

    `recognised` are the tombstones that a run knows, of which a load that was refused may have lost some.
    """
    forgotten = recalled(pipeline, settings)
    if lost := {*recognised} - forgotten.tombstones:
        put_up(pipeline, warehouse, lost, RECOGNISED, datetime.now(UTC))
        forgotten.tombstones |= lost
    if not forgotten.tombstones:
        return
    traces = Traces(pipeline, forgotten)
    if traces.has_requests(RECOGNISED):
        findings = traces.find(*traces.known(), addresses=())
        if findings.count():
            anew.mark_due(warehouse)
            put_up(pipeline, warehouse, of_findings(forgotten, findings), RECOGNISED, datetime.now(UTC))
            traces.remove(findings)
        traces.rename_request(RECOGNISED, _SETTLED)
