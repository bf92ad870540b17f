"""What a run would meet: the key, the connections, the plan of each object, and what reading it will cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.errors import GrantPermission, RequestRefused, TicketingError
from pipelines.settings import UnifiedSettings
from pipelines.ticketing.cursor import Cursor, as_text, starts_at
from pipelines.ticketing.object_api import all_fields
from pipelines.ticketing.plans import Plan, Strategy
from pipelines.ticketing.stretches import LONG
from pipelines.ticketing.workspace import Target, Workspace
from pipelines.unified_api.budget import Budget
from pipelines.unified_api.client import Calls, Parameters, UnifiedClient
from pipelines.unified_api.endpoints import ENDPOINTS, NOTES, TICKETS, Endpoint
from pipelines.unified_api.records import Page, Record
from pipelines.warehouse.runs import NOTHING_STORED, StoredPrivacy

Cursors = Mapping[tuple[str, str], Cursor]
"""How far the warehouse has read each (connection id, table)."""

DueTickets = Callable[[datetime], Mapping[str, set[str]]]
"""By connection, the tickets whose notes a sync would read at a time of the server's, as far as the warehouse knows;
no connection whose notes it has never read ticket by ticket."""

ATTEMPTS = 3
"""A check is asked by a person who waits: it gives up sooner than a sync."""

TOLERANCE = 0.1
"""How closely a forecast counts records: it stops asking when it is this sure."""

MOVES_BY_OFFSET = "offset moves through the list"


@dataclass(frozen=True)
class Finding:
    """A fact about the API that was only assumed, and what a look at it showed."""

    fact: str
    holds: bool


@dataclass
class ObjectCheck:
    """One object of one connection. The forecast is of the next sync: None where it cannot be told."""

    table: str
    plan: Plan
    problem: str | None = None
    records_forecast: int | None = None
    calls_forecast: int | None = None
    seconds_forecast: float | None = None
    findings: list[Finding] = field(default_factory=list)


@dataclass
class ConnectionCheck:
    """One connection and its objects; `problem` if none of them can be read, `skipped` if a sync leaves it out."""

    id: str
    integration_type: str
    problem: str | None
    skipped: str | None
    objects: list[ObjectCheck] = field(default_factory=list)


@dataclass(frozen=True)
class PrivacyCheck:
    """What is done to a table's columns before they are stored, None: nothing; how many rows are stored under other
    rules, by those, and how many of its `rejected_records`; and which columns are kept that may say the same."""

    connection_id: str
    table: str
    in_force: str | None
    stored_otherwise: Mapping[str, int]
    rejected_otherwise: int
    kept_beside: tuple[str, ...]


@dataclass
class CheckReport:
    """What a check found, connection by connection."""

    base_url: str
    connections: list[ConnectionCheck]
    max_concurrency: int
    privacy: list[PrivacyCheck] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        found = [f"{connection.id}: {connection.problem}" for connection in self.connections if connection.problem]
        for connection in self.connections:
            found += [f"{connection.id} {item.table}: {item.problem}" for item in connection.objects if item.problem]
        return found

    @property
    def exit_code(self) -> int:
        """0 all well, 1 nothing can be read, 3 some of it cannot."""
        objects = [item for connection in self.connections for item in connection.objects]
        readable = any(not item.problem and item.plan.strategy is not Strategy.NOT_OFFERED for item in objects)
        if not self.problems:
            return 0 if readable else 1
        return 3 if readable else 1


def check(
    settings: UnifiedSettings,
    cursors: Cursors,
    told: Callable[[str], None] = lambda line: None,
    due_tickets: DueTickets = lambda now: {},
    stored_privacy: StoredPrivacy = NOTHING_STORED,
) -> CheckReport:
    """Look at everything a sync would read, without reading it. Raises a `TicketingError` if nobody can be asked."""
    budget = Budget(settings.max_concurrency, settings.requests_per_second)
    with UnifiedClient(settings.base_url, settings.api_key, budget=budget, attempts=ATTEMPTS) as client:
        workspace = Workspace(client, settings)
        is_per_ticket = any(target.plan(NOTES).strategy is Strategy.PER_TICKET for target in workspace.targets)
        due = due_tickets(workspace.observed_at) if is_per_ticket else {}
        checks = []
        for target in workspace.targets:
            told(f"looking at {target.id}")
            checks.append(_check_connection(target, client, settings, cursors, due.get(target.id)))
        ids = dict.fromkeys([*(target.id for target in workspace.targets), *sorted(stored_privacy.connections)])
        privacy = [found for id in ids for found in _check_privacy(id, settings, stored_privacy)]
        return CheckReport(settings.base_url, checks, settings.max_concurrency, privacy)


def _check_privacy(connection_id: str, settings: UnifiedSettings, stored: StoredPrivacy) -> Iterator[PrivacyCheck]:
    """The tables in which something is protected, or was when rows were stored."""
    protection = settings.protection(connection_id)
    for table in ENDPOINTS:
        label = protection.label(table)
        otherwise = stored.rows_otherwise(connection_id, table, label)
        rejected = stored.rejected_otherwise(connection_id, table, label)
        if label or otherwise or rejected:
            beside = protection.kept_beside(table, with_raw=settings.include_raw)
            yield PrivacyCheck(connection_id, table, label, otherwise, rejected, beside)


def _check_connection(
    target: Target, client: UnifiedClient, settings: UnifiedSettings, cursors: Cursors, due: set[str] | None
) -> ConnectionCheck:
    found = ConnectionCheck(target.id, target.connection.integration_type, target.problem, target.skipped)
    if target.problem is None and target.skipped is None:
        found.objects = [
            _check_object(target, endpoint, client, settings, cursors.get((target.id, endpoint.table)))
            for endpoint in ENDPOINTS.values()
        ]
        tickets, notes = (
            next(item for item in found.objects if item.table == endpoint.table) for endpoint in (TICKETS, NOTES)
        )
        if notes.plan.strategy is Strategy.PER_TICKET and tickets.records_forecast is not None:
            object_list = _ObjectList(client, target, TICKETS, settings.page_size)
            _forecast_per_ticket(notes, tickets, object_list, cursors.get((target.id, TICKETS.table)), due)
    return found


def _forecast_per_ticket(
    notes: ObjectCheck, tickets: ObjectCheck, ticket_list: _ObjectList, cursor: Cursor | None, due: set[str] | None
) -> None:
    """A request for each ticket whose notes a sync will read: those that are due, and those that have changed."""
    records = tickets.records_forecast or 0
    if due is None or cursor is None or cursor.through is None:
        notes.calls_forecast = records
    else:
        try:
            changed, are_all = ticket_list.changed_since(cursor.through, tickets.plan)
        except TicketingError as error:
            notes.problem = str(error)
            return
        notes.calls_forecast = len(due | changed) if are_all else len(due - changed) + records
    if tickets.seconds_forecast is not None and tickets.calls_forecast:
        notes.seconds_forecast = notes.calls_forecast * tickets.seconds_forecast / tickets.calls_forecast


def _check_object(
    target: Target, endpoint: Endpoint, client: UnifiedClient, settings: UnifiedSettings, cursor: Cursor | None
) -> ObjectCheck:
    plan = target.plan(endpoint)
    found = ObjectCheck(endpoint.table, plan)
    if plan.strategy is Strategy.NOT_OFFERED:
        return found
    if target.lacks_permission(endpoint):
        found.problem = f"the connection lacks the permission {endpoint.permission}"
        return found
    if plan.strategy is Strategy.PER_TICKET:
        return found
    object_list = _ObjectList(client, target, endpoint, settings.page_size)
    with_raw = "raw" in all_fields(target, endpoint, include_raw=settings.include_raw)
    start = starts_at(cursor, settings.earliest(), settings.lookback, with_raw=with_raw)
    try:
        found.findings = _look(object_list, plan, endpoint)
        is_countable = plan.pages_by_offset and Finding(MOVES_BY_OFFSET, holds=False) not in found.findings
        records = object_list.count(start if plan.is_incremental else None, plan) if is_countable else None
    except GrantPermission as refusal:
        if endpoint.is_optional:
            found.plan = Plan(Strategy.NOT_OFFERED, f"the server refuses it without {endpoint.permission}")
        else:
            found.problem = str(refusal)
        return found
    except TicketingError as error:
        found.problem = str(error)
        return found
    if records is not None:
        found.records_forecast = records
        looks_again = cursor is not None and plan.is_incremental and plan.pages_by_offset
        found.calls_forecast = _calls(records, plan, settings)
        found.calls_forecast += settings.reread_pages if looks_again else 0
        found.seconds_forecast = found.calls_forecast * object_list.seconds_per_call
    return found


class _ObjectList:
    """One object's list, asked in small bites, with a watch in hand."""

    def __init__(self, client: UnifiedClient, target: Target, endpoint: Endpoint, page_size: int) -> None:
        self._client = client
        self._path = endpoint.list_path(target.id)
        self._fields = all_fields(target, endpoint, include_raw=False)
        self._page_size = page_size
        self._calls = Calls()
        self._seconds = 0.0

    @property
    def seconds_per_call(self) -> float:
        return self._seconds / max(1, self._calls.requests)

    def page(self, parameters: Parameters) -> Page:
        started = time.monotonic()
        try:
            asked = {"fields": self._fields, **parameters} if self._fields else parameters
            return self._client.list(self._path, asked, self._calls)
        finally:
            self._seconds += time.monotonic() - started

    def count(self, start: datetime | None, plan: Plan) -> int:
        """About how many records a walk will meet, by doubling and halving an offset that moves through the list."""
        held, beyond = 0, self._page_size
        while self._reaches(beyond, start, plan):
            held, beyond = beyond, beyond * 2
        while beyond - held > max(self._page_size // 2, TOLERANCE * beyond):
            middle = (held + beyond) // 2
            held, beyond = (middle, beyond) if self._reaches(middle, start, plan) else (held, middle)
        return beyond

    def changed_since(self, moment: datetime, plan: Plan) -> tuple[set[str], bool]:
        """The ids of what one page shows to have changed since, and whether there is no more of it. None of a plan
        that neither sorts nor filters: what changed there, only reading all of it shows."""
        if not plan.is_incremental:
            return set(), True
        parameters: dict[str, str | int] = {"limit": self._page_size}
        parameters |= {"updated_gte": as_text(moment)} if plan.filters else {"sort": "updated_at", "order": "desc"}
        page = self.page(parameters)
        records = [record for record in page.records if isinstance(record, Record)]
        changed = {record.id for record in records if record.updated_at is not None and record.updated_at > moment}
        return changed, len(page.records) < self._page_size or (not plan.filters and len(changed) < len(records))

    def _reaches(self, offset: int, start: datetime | None, plan: Plan) -> bool:
        parameters: dict[str, str | int] = {"limit": 1, "offset": offset}
        if start is None:
            return bool(self.page(parameters).records)
        if plan.filters:
            return bool(self.page(parameters | {"updated_gte": as_text(start)}).records)
        newest_first = self.page(parameters | {"sort": "updated_at", "order": "desc"})
        return any(moment >= start for moment in _times(newest_first))


def _look(object_list: _ObjectList, plan: Plan, endpoint: Endpoint) -> list[Finding]:
    """Try on a few short pages what the client takes for granted."""
    sorting: Parameters = {"sort": "updated_at", "order": "asc" if plan.filters else "desc"} if plan.sorts else {}
    page = object_list.page({**sorting, "limit": 100 if plan.sorts else 2})
    findings = []
    if plan.pages_by_offset and len(page.records) > 1:
        (first, *_), behind = page.records, object_list.page({**sorting, "limit": 1, "offset": 1}).records
        findings.append(Finding(MOVES_BY_OFFSET, [record.id for record in behind] != [first.id]))
    times = _times(page)
    if plan.sorts:
        order = "oldest first" if plan.filters else "newest first"
        findings.append(Finding(f"sorts by updated_at, {order}", times == sorted(times, reverse=not plan.filters)))
    if plan.strategy is not Strategy.BY_ANCHOR:
        return findings
    if times:
        middle = times[len(times) // 2]
        since = _times(object_list.page({**sorting, "limit": 100, "updated_gte": as_text(middle)}))
        findings.append(Finding("updated_gte leaves out what is older", bool(since) and min(since) >= middle))
        findings.append(Finding("updated_gte includes its own time", middle in since))
    if endpoint.undocumented_fields:
        undocumented = ", ".join(endpoint.undocumented_fields)
        findings.append(Finding(f"names {undocumented} in fields", _names(object_list, endpoint)))
    return findings


def _names(object_list: _ObjectList, endpoint: Endpoint) -> bool:
    try:
        object_list.page({"limit": 1, "fields": ["id", *endpoint.undocumented_fields]})
    except RequestRefused:
        return False
    return True


def _times(page: Page) -> list[datetime]:
    return [record.updated_at for record in page.records if record.updated_at is not None]


def _calls(records: int, plan: Plan, settings: UnifiedSettings) -> int:
    """Two walks where one must prove the other; and where a list is divided, about a call in vain for each hand."""
    pages = math.ceil(records / settings.page_size) + 1
    if plan.strategy is Strategy.BY_ANCHOR and pages > LONG:
        return pages + min(pages // 2, settings.max_concurrency)
    return pages if plan.sorts else 2 * pages


def total_forecast(report: CheckReport) -> tuple[int, float]:
    """Calls and seconds of the next sync, over everything that could be forecast; so many calls are made at once."""
    objects = [item for connection in report.connections for item in connection.objects]
    calls = sum(item.calls_forecast or 0 for item in objects)
    return calls, sum(item.seconds_forecast or 0.0 for item in objects) / report.max_concurrency
