"""What deliveries say of one object of a connection beside what the warehouse holds of it: the rows to be stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from pipelines.unified_api.records import Record
from pipelines.warehouse.intake import Seen
from pipelines.webhooks.arbitration import Event, Standing, settled
from pipelines.webhooks.sorting import Change
from transforms.shaping import UNSEEN, Observation, Row, tombstones

VIA = "webhook"
"""How a row came that a delivery brought."""

DELETED = "deleted"
"""Why a record is gone of which a delivery says so."""


def seen_of(changes: Sequence[Change], stored: Mapping[str, Row]) -> Iterator[Seen]:
    """What was seen, for shaping. `stored`: the rows that are stored of these records, by their ids."""
    for ordinal, change in enumerate(changes, start=1):
        record = change.record
        fields = record.fields if isinstance(record, Record) else {}
        gone_at = (record.updated_at or change.received_at) if change.is_deletion else None
        is_baseline = change.is_initial and record.id not in stored
        yield record, Observation(fields, change.received_at, ordinal, is_baseline, gone_at)


def standing_rows(table: str, seen: pa.Table, stored: Mapping[str, Row]) -> pa.Table:
    """Of the rows of all that was seen, in the order in which it came, those in which their records stand after it and
    did not before."""
    events = seen.select(["id", "updated_at", "_observed_at", "_deleted_at"]).to_pylist()
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(events):
        places[row["id"]].append(place)
    kept: list[int] = []
    gone: list[pa.Table] = []
    for id, own in places.items():
        standing = settled(_before(stored.get(id)), [_event(events[place]) for place in own])
        if standing is None or standing.is_as_before:
            continue
        brought_by = None if standing.by is None else own[standing.by]
        if brought_by is not None and (standing.deleted_at is None or standing.is_unseen):
            kept.append(brought_by)
        else:
            values = stored[id] if brought_by is None else seen.slice(brought_by, 1).to_pylist()[0]
            gone.append(_tombstone(table, values, standing, stored.get(id)))
    return pa.concat_tables([seen.take(pa.array(kept, pa.int64())), *gone])


def _tombstone(table: str, values: Row, standing: Standing, before: Row | None) -> pa.Table:
    """The row of a record that is gone; why, as it was known before if no delivery has said it since."""
    known = before["_deletion_reason"] if before and standing.gone_by is None else None
    return tombstones(
        table,
        [values],
        deleted_at=standing.deleted_at or standing.seen_at,
        reason=known if known and known != UNSEEN else DELETED,
        observed_via=VIA,
        observed_at=standing.seen_at,
    )


def _event(row: Row) -> Event:
    return Event(row["updated_at"], row["_observed_at"], row["_deleted_at"] is not None)


def _before(row: Row | None) -> Standing | None:
    if row is None:
        return None
    return Standing(
        row["updated_at"],
        row["_observed_at"],
        row["_deleted_at"],
        is_polled=row["_observed_via"] != VIA,
        is_unseen=row["_deletion_reason"] == UNSEEN,
    )
