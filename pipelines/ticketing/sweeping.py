"""A sweep over the ids of one object: what the warehouse holds and the source no longer shows is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pipelines.errors import ContradictsSupportTable, ParameterRefused
from pipelines.ticketing.absences import ask_for_each, brake, raise_refusals
from pipelines.ticketing.object_api import ID_FIELDS, ObjectApi, all_fields
from pipelines.ticketing.plans import Plan, Strategy
from pipelines.ticketing.reading import Reader, Staged, observation
from pipelines.ticketing.run import Run
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.endpoints import Endpoint
from pipelines.unified_api.records import Record
from pipelines.warehouse.stored import Stored
from transforms.schemas import RECORD_TABLES
from transforms.shaping import revived

_MARGIN = timedelta(days=1)
"""A sweep begins this long before the oldest time that is stored."""


class Sweep(Reader):
    """Reads every id of an object by its plan, in pages of ids and times only.

    A stored record that the list does not show is asked for by its id: a 404 makes it a tombstone, and what is found
    after all is stored. Where records cannot be asked for, not to be shown is enough, if the list was seen to its end.
    A tombstone whose id the list shows comes back to life. A sweep whose list fails removes nothing.
    """

    looks_ahead = False  # a record that moves while pages are served out of order may be taken for absent

    def __init__(self, run: Run, target: Target, endpoint: Endpoint, stored: Stored) -> None:
        super().__init__(run, target, endpoint, stored, fields=ID_FIELDS)
        fields = all_fields(target, endpoint, include_raw=run.settings.include_raw)
        self._records = ObjectApi(run.workspace.client, target, endpoint, fields, self.outcome.calls)
        self._listed: set[str] = set()
        self._served_at = run.workspace.observed_at

    def _tables(self) -> Iterator[Staged]:
        saw_the_end = self._list_ids()
        if self.plan.strategy is Strategy.PER_TICKET:
            self.run.put_off(self.target, self.plan)
            return
        yield from self._settle_returned()
        yield from self._settle_absent(saw_the_end=saw_the_end)
        self.outcome.is_complete = True

    def _list_ids(self) -> bool:
        """Fill `_listed`; whether the end of the list was seen."""
        walk = self._pages(self._start())
        while True:
            try:
                page = next(walk)
            except StopIteration as end:
                return bool(end.value)
            self._count(page)
            self._served_at = page.served_at
            self._listed.update(record.id for record in page.records if isinstance(record, Record))

    def _start(self) -> datetime | None:
        """From the beginning; with a start date, before which nothing is stored, from a while before the oldest row."""
        if self.run.settings.earliest() is None:
            return None
        oldest = self.stored.oldest_update(self.endpoint.table)
        return oldest - _MARGIN if oldest is not None and oldest.year > 1 else None

    def _settle_absent(self, *, saw_the_end: bool) -> Iterator[Staged]:
        table = self.endpoint.table
        known = self.stored.living_ids(table)
        absent = sorted(known - self._listed)
        brake(self.api, len(absent), len(known), self.run.largest_deletion)
        asked = ask_for_each(self._records, absent, next(iter(self._listed), None), self._records, self._tick)
        yield from self._found(asked.found)
        yield from self._tombstones(table, asked.not_found, self._served_at, "not_found")
        if saw_the_end and asked.cannot_be_asked:
            gone = self._not_listed(set(asked.cannot_be_asked))
            yield from self._tombstones(table, sorted(gone), self._served_at, "absent")
        if asked.stopped is not None:
            raise asked.stopped
        raise_refusals(asked.refusals, table)

    def _not_listed(self, absent: set[str]) -> set[str]:
        """Which of the records that the list has not shown are not in it. One that filters by `updated_at` may leave
        out what has none: of such records only a reading to the end without the filter tells."""
        hidden = absent & self.stored.undated_ids(self.endpoint.table) if self.plan.filters else set[str]()
        if not hidden:
            return absent
        if self.api.always_filters:
            return absent - hidden
        why = "for records without updated_at, which a filter may leave out"
        self._change_plan(Plan(Strategy.WHOLE_LIST, why, self.plan.pages_by_offset))
        try:
            saw_the_end = self._list_ids()
        except (ContradictsSupportTable, ParameterRefused):
            saw_the_end = False
        return absent - self._listed if saw_the_end else absent - hidden - self._listed

    def _settle_returned(self) -> Iterator[Staged]:
        table = self.endpoint.table
        returned = sorted(self.stored.deleted_ids(table) & self._listed)
        asked = ask_for_each(self._records, returned, next(iter(self._listed), None), self._records, self._tick)
        yield from self._found(asked.found)
        if asked.cannot_be_asked:
            stored = self.stored.records(table, asked.cannot_be_asked)
            yield (
                RECORD_TABLES[table],
                revived(table, stored, observed_at=self._served_at, observed_via=self.observed_via),
            )
        if asked.stopped is not None:
            raise asked.stopped

    def _found(self, found: list[tuple[Record, datetime]]) -> Iterator[Staged]:
        return self._staged(
            (
                (record, observation(record, served_at, ordinal))
                for ordinal, (record, served_at) in enumerate(found, start=1)
            ),
            self.observed_via,
        )

    def _tick(self) -> None:
        self.run.watcher.page_read(self.outcome)
