"""A sweep over the ids of one object: what the warehouse holds and the source no longer shows is gone."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.ticketing.absences import brake, raise_refusals
from pipelines.ticketing.comparing import Comparison
from pipelines.ticketing.plans import Strategy
from pipelines.warehouse.intake import Staged
from transforms.schemas import RECORD_TABLES
from transforms.shaping import revived


class Sweep(Comparison):
    """Compares the ids of a list with those of the warehouse.

    A stored record that the list does not show is asked for by its id: a 404 makes it a tombstone, and what is found
    after all is stored. Where records cannot be asked for, not to be shown is enough, if the list was seen to its end.
    A tombstone whose id the list shows comes back to life. A sweep whose list fails removes nothing.
    """

    def _tables(self) -> Iterator[Staged]:
        saw_the_end = self._show_list()
        if self.plan.strategy is Strategy.PER_TICKET:
            self.run.put_off(self.target, self.plan)
            return
        for states in self.stored.states(self.endpoint.table):
            self._ledger.hold(states)
        yield from self._settle_returned()
        yield from self._settle_absent(saw_the_end=saw_the_end)
        self.outcome.is_complete = True

    def _settle_absent(self, *, saw_the_end: bool) -> Iterator[Staged]:
        table = self.endpoint.table
        _, known = self._ledger.count()
        absent = self._ledger.unseen()
        brake(self.api, len(absent), known, self.run.largest_deletion)
        asked = self._ask_for(absent)
        yield from self._found(asked.found)
        yield from self._tombstones(table, asked.not_found, self._served_at, "not_found")
        if saw_the_end and asked.cannot_be_asked:
            gone = self._not_listed(set(asked.cannot_be_asked))
            yield from self._tombstones(table, sorted(gone), self._served_at, "absent")
        if asked.stopped is not None:
            raise asked.stopped
        raise_refusals(asked.refusals, table)

    def _settle_returned(self) -> Iterator[Staged]:
        table = self.endpoint.table
        asked = self._ask_for(self._ledger.returned())
        yield from self._found(asked.found)
        if asked.cannot_be_asked:
            stored = self.stored.records(table, asked.cannot_be_asked)
            yield (
                RECORD_TABLES[table],
                revived(table, stored, observed_at=self._served_at, observed_via=self.observed_via),
            )
        if asked.stopped is not None:
            raise asked.stopped
