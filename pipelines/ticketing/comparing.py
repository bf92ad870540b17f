"""One object as its source lists it, beside what the warehouse holds of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from pipelines.errors import ContradictsSupportTable, ParameterRefused
from pipelines.ticketing.absences import Absences, ask_for_each
from pipelines.ticketing.ledger import Sight
from pipelines.ticketing.object_api import ID_FIELDS, ObjectApi, all_fields
from pipelines.ticketing.plans import Plan, Strategy
from pipelines.ticketing.reading import Handed, Reader, observation
from pipelines.ticketing.run import Run
from pipelines.ticketing.threads import ticket_of
from pipelines.ticketing.walk import lowered
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.endpoints import Endpoint
from pipelines.unified_api.records import Page, Record
from pipelines.warehouse.intake import Staged
from pipelines.warehouse.stored import Stored

_MARGIN = timedelta(days=1)
"""A list is read from this long before the oldest time that is stored."""


class Comparison(Reader):
    """Reads an object's list by its plan, in pages of ids and times only unless it asks for other fields, into a ledger
    beside the stored rows."""

    looks_ahead = False  # a record that moves while pages are served out of order may be taken for absent

    def __init__(
        self,
        run: Run,
        target: Target,
        endpoint: Endpoint,
        stored: Stored,
        *,
        fields: tuple[str, ...] | None = ID_FIELDS,
    ) -> None:
        super().__init__(run, target, endpoint, stored, fields=fields)
        whole = all_fields(target, endpoint, include_raw=run.settings.include_raw)
        self._records = ObjectApi(run.workspace.client, target, endpoint, whole, self.outcome.calls)
        self._witness = self._records
        """Lists something as long as the connection answers."""
        self._ledger = run.ledgers.open()
        self._served_at = run.workspace.observed_at

    def tables(self) -> Iterator[Handed]:
        try:
            yield from super().tables()
        finally:
            self._ledger.close()

    def _show_list(self) -> bool:
        """Show the ledger all that the list shows; whether its end was seen."""
        walk = self._pages(self._start())
        while True:
            try:
                page = next(walk)
            except StopIteration as end:
                return bool(end.value)
            self._show(page)

    def _show(self, page: Page) -> None:
        self._count(page)
        self._served_at = page.served_at
        known = self.run.forgotten.knows
        place = self.target.id, self.endpoint.table
        self._ledger.show(
            Sight(record.id, record.updated_at, ticket_of(record))
            for record in page.records
            if isinstance(record, Record) and not known(*place, record.id)
        )

    def _start(self) -> datetime | None:
        """From the beginning; with a start date from there, or from a while before the oldest row, as there may be some
        that were stored under an earlier one."""
        earliest = self.run.settings.earliest()
        oldest = self.stored.oldest_update(self.endpoint.table) if earliest is not None else None
        return min(earliest, lowered(oldest, _MARGIN)) if earliest is not None and oldest is not None else None

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
            saw_the_end = self._show_list()
        except (ContradictsSupportTable, ParameterRefused):
            saw_the_end = False
        unseen = absent & {*self._ledger.unseen()}
        return unseen if saw_the_end else unseen - hidden

    def _ask_for(self, ids: list[str]) -> Absences:
        return ask_for_each(self._records, ids, self._ledger.shown_id, self._witness, self._tick)

    def _found(self, found: Iterable[tuple[Record, datetime]], unknown: Collection[str] = ()) -> Iterator[Staged]:
        """The tables of records that were asked for one by one. `unknown`: the ids of those of which nothing was known
        before, so that their states tell of no change."""
        seen = [
            (record, observation(record, at, ordinal, is_baseline=record.id in unknown))
            for ordinal, (record, at) in enumerate(found, start=1)
        ]
        return self.intake.staged(seen, self.observed_via)

    def _tick(self) -> None:
        self.run.watcher.page_read(self.outcome)
