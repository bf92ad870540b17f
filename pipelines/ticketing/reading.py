"""Reading one object of one connection: from its cursor, by its plan, to tables and a new cursor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from pipelines.errors import ContradictsSupportTable, ParameterRefused, RequestRefused, TicketingError
from pipelines.settings import UnifiedSettings
from pipelines.ticketing.cursor import Cursor, advanced, starts_at
from pipelines.ticketing.plans import Strategy, safer_plan
from pipelines.ticketing.progress import Outcome, Watcher
from pipelines.ticketing.workspace import Target
from pipelines.unified_api.client import Parameters, UnifiedClient
from pipelines.unified_api.endpoints import Endpoint
from pipelines.unified_api.records import Page
from transforms.shaping import Observation, record_table

ROWS_A_TABLE = 10_000
"""dlt pays a fixed price for each table it is handed."""


@dataclass(frozen=True)
class Run:
    """What one run wants: its settings, which tables it reads, and whether it departs from the cursors."""

    id: str
    settings: UnifiedSettings
    tables: frozenset[str]
    since: datetime | None = None
    full_refresh: bool = False

    def start(self, cursor: Cursor | None, *, with_raw: bool) -> datetime | None:
        """Where to begin an object that has been read up to `cursor`."""
        if self.since is not None:
            return self.since
        known = None if self.full_refresh else cursor
        return starts_at(known, self.settings.earliest(), self.settings.lookback, with_raw=with_raw)


def fields_to_ask_for(target: Target, endpoint: Endpoint, settings: UnifiedSettings) -> tuple[str, ...]:
    """Every field by name, where that is how to get `raw`; none where the API's own choice will do."""
    support = target.support(endpoint)
    if not settings.include_raw or support is None or not support.reads_raw:
        return ()
    return (*endpoint.fields, *endpoint.undocumented_fields, "raw")


class ObjectReader:
    """One object of one connection, read once. `outcome` and `cursor` are final when `tables` has ended."""

    def __init__(
        self,
        run: Run,
        client: UnifiedClient,
        target: Target,
        endpoint: Endpoint,
        cursor: Cursor | None,
        watcher: Watcher,
    ) -> None:
        self.cursor = cursor
        self.outcome = Outcome(
            run_id=run.id,
            connection_id=target.id,
            integration_type=target.connection.integration_type,
            object=endpoint.table,
            plan=target.plan(endpoint).strategy.value,
            started_at=datetime.now(UTC),
            cursor_before=cursor.through if cursor else None,
        )
        self._run = run
        self._client = client
        self._target = target
        self._endpoint = endpoint
        self._watcher = watcher
        self._fields = fields_to_ask_for(target, endpoint, run.settings)
        self._with_raw = bool(self._fields)
        self._start = run.start(cursor, with_raw=self._with_raw)
        self._began_at: datetime | None = None
        self._newest: datetime | None = None

    def tables(self) -> Iterator[pa.Table]:
        """Arrow tables of what there is to read. A `TicketingError` ends them and is told in the outcome."""
        try:
            yield from self._tables()
        except TicketingError as error:
            self.outcome.error = str(error)
        self.outcome.ended_at = datetime.now(UTC)
        if self.outcome.is_complete and self._run.since is None:
            self.cursor = advanced(self.cursor, self._start, self._newest, self._began_at, with_raw=self._with_raw)
        self.outcome.cursor_after = self.cursor.through if self.cursor else None

    def _tables(self) -> Iterator[pa.Table]:
        if self._target.problem is not None:
            raise RequestRefused(self._target.problem)
        if self._target.skipped is not None:
            self.outcome.plan = f"skipped, {self._target.skipped}"
            return
        if self._target.plan(self._endpoint).strategy is Strategy.NOT_OFFERED:
            return
        unshaped: list[Observation] = []
        for page in self._pages():
            self._take_note(page)
            unshaped += [
                Observation(record.fields, page.served_at, self.outcome.rows_received + ordinal)
                for ordinal, record in enumerate(page.records)
            ]
            self.outcome.pages += 1
            self.outcome.rows_received += len(page.records)
            self._watcher.page_read(self.outcome)
            if len(unshaped) >= ROWS_A_TABLE:
                yield self._shaped(unshaped)
                unshaped = []
        if unshaped:
            yield self._shaped(unshaped)
        self.outcome.is_complete = True

    def _pages(self) -> Iterator[Page]:
        """The walk of the plan; where the server contradicts its support table, the walk of a safer one after it."""
        plan = self._target.plan(self._endpoint)
        page_size = self._run.settings.page_size
        try:
            yield from plan.walk(self._list, self._start, page_size)
        except ContradictsSupportTable as contradiction:
            safer = safer_plan(plan, str(contradiction))
            if safer is None:
                raise
            self.outcome.plan = f"{safer.strategy.value}, {safer.reason}"
            yield from safer.walk(self._list, self._start, page_size)

    def _list(self, parameters: Parameters) -> Page:
        """One page; where the API refuses, twice, fields that its list does not document, one without them."""
        undocumented = self._endpoint.undocumented_fields
        try:
            return self._list_fields(parameters)
        except ParameterRefused:
            if not set(undocumented) & set(self._fields):
                raise
        try:
            return self._list_fields(parameters)
        except ParameterRefused:
            self._fields = tuple(name for name in self._fields if name not in undocumented)
            page = self._list_fields(parameters)
            self.outcome.plan += f", without {', '.join(undocumented)} (the API refuses to name them)"
            return page

    def _list_fields(self, parameters: Parameters) -> Page:
        asked: Parameters = {**parameters, "fields": self._fields} if self._fields else parameters
        return self._client.list(self._endpoint.list_path(self._target.id), asked, self.outcome.calls)

    def _take_note(self, page: Page) -> None:
        self._began_at = self._began_at or page.served_at
        times = [record.updated_at for record in page.records if record.updated_at is not None]
        self._newest = max(times if self._newest is None else [*times, self._newest], default=None)

    def _shaped(self, observations: list[Observation]) -> pa.Table:
        return record_table(self._endpoint.table, self._target.id, observations, observed_via="poll")
