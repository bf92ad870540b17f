"""From what has come of one object of a connection to rows of the raw tables, by whichever way it came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

import msgspec
import pyarrow as pa

from pipelines.unified_api.records import Listed, Record, Rejected
from pipelines.warehouse.outcome import Outcome
from transforms.forgotten import RECOGNISED, WITHHELD, Forgotten
from transforms.privacy import Protection
from transforms.schemas import FORGOTTEN, RECORD_TABLES, REJECTED_RECORDS, TICKET_VERSIONS, TableSchema
from transforms.shaping import Observation, Row, Shaped, forgotten_table, rejected_table, shape

Staged: TypeAlias = tuple[TableSchema, pa.Table]
"""Rows on their way to a raw table."""

Seen: TypeAlias = tuple[Listed, Observation]


def _all(records: pa.Table) -> pa.Table:
    return records


class Intake:
    """Shapes what has come of one object of a connection, nothing of persons who have been forgotten among it. What is
    withheld, mended or rejected is counted in its `outcome`."""

    def __init__(self, outcome: Outcome, protection: Protection, forgotten: Forgotten) -> None:
        self.outcome = outcome
        self._protection = protection
        self._forgotten = forgotten

    def staged(
        self, seen: Iterable[Seen], observed_via: str, settle: Callable[[pa.Table], pa.Table] = _all
    ) -> Iterator[Staged]:
        """The tables of what was seen: versions of tickets, records, and what no table can hold. `settle` makes of the
        rows of all records those that are to be stored."""
        recognised: list[Row] = []
        admitted = [*self._admitted(seen, recognised)]
        if recognised:
            yield FORGOTTEN, forgotten_table(recognised)
        observations = [observation for record, observation in admitted if isinstance(record, Record)]
        if observations:
            shaped = self.shaped(observations, observed_via)
            self.outcome.rows_repaired += shaped.repaired
            if shaped.versions is not None:
                yield TICKET_VERSIONS, shaped.versions
            yield RECORD_TABLES[self.outcome.object], settle(shaped.records)
        rejected = [
            (record.json, record.reason, observation.observed_at)
            for record, observation in admitted
            if isinstance(record, Rejected)
        ]
        if rejected:
            self.outcome.rows_rejected += len(rejected)
            yield REJECTED_RECORDS, self._rejected(rejected, observed_via)

    def shaped(self, observations: Sequence[Observation], observed_via: str) -> Shaped:
        """Rows, one an observation."""
        outcome = self.outcome
        return shape(
            outcome.object,
            outcome.connection_id,
            observations,
            observed_via=observed_via,
            protection=self._protection,
        )

    def _rejected(self, rejected: list[tuple[str, str, datetime]], observed_via: str) -> pa.Table:
        outcome = self.outcome
        return rejected_table(
            outcome.connection_id, outcome.object, rejected, observed_via=observed_via, protection=self._protection
        )

    def _admitted(self, seen: Iterable[Seen], recognised: list[Row]) -> Iterator[Seen]:
        """What is of nobody who has been forgotten; tombstones of what had none yet are put into `recognised`."""
        forgotten, place = self._forgotten, (self.outcome.connection_id, self.outcome.object)
        if not forgotten.tombstones:
            yield from seen
            return
        for record, sight in seen:
            is_known = forgotten.knows(*place, record.id)
            if isinstance(record, Rejected):
                is_new = forgotten.is_named_in(*place, record.json)
            elif is_new := not is_known and forgotten.is_theirs(*place, record.fields):
                tombstone = forgotten.recognise(*place, record.id)
                request_id = WITHHELD if self.outcome.object == "notes" else RECOGNISED
                since = {"forgotten_at": sight.observed_at, "request_id": request_id}
                recognised.append(tombstone._asdict() | since)
            if is_known or is_new:
                self.outcome.rows_withheld += 1
            else:
                yield record, msgspec.structs.replace(sight, fields=forgotten.redacted(sight.fields))
