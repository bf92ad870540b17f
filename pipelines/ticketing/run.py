"""One run: what it wants, what it reads from, and what became of each object so far."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self
from uuid import uuid4

from pipelines.settings import UnifiedSettings
from pipelines.ticketing.crew import Crew
from pipelines.ticketing.cursor import Cursor, starts_at
from pipelines.ticketing.ledger import Ledgers
from pipelines.ticketing.plans import Plan, Strategy
from pipelines.ticketing.progress import Watcher
from pipelines.ticketing.verdict import Verdict
from pipelines.ticketing.workspace import Target, Workspace
from pipelines.unified_api.budget import Budget
from pipelines.unified_api.client import UnifiedClient
from pipelines.unified_api.endpoints import Endpoint
from pipelines.warehouse.doubles import Doubled
from pipelines.warehouse.outcome import Outcome
from transforms.forgotten import Forgotten
from transforms.privacy import Protection
from transforms.shaping import Row

Outcomes = dict[tuple[str, str], Outcome]
"""By connection id and table."""


@dataclass(frozen=True)
class Look:
    """How closely a `verify` looks, and whether it brings into order what it finds.

    `sample`: about so many records of each object, or None for every one. `is_deep`: at what they say, too.
    """

    sample: int | None = None
    is_deep: bool = False
    repairs: bool = False
    doubled: Doubled = field(default_factory=dict)
    """What stands in the warehouse more than once."""
    places: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    """Where the samples of each connection and table were taken, so that a second look is at the same."""


@dataclass(frozen=True)
class Run:
    """What one run wants. It may take more than one load: parts of a run share its id, outcomes and workspace."""

    id: str
    command: str
    settings: UnifiedSettings
    workspace: Workspace
    tables: frozenset[str]
    since: datetime | None = None
    until: datetime | None = None
    full_refresh: bool = False
    connections: frozenset[str] | None = None
    """Of the workspace's targets only these; None: all."""
    largest_deletion: float = 0.1
    """The share of an object's known records that may be gone at once and be believed."""
    look: Look = field(default_factory=Look)
    watcher: Watcher = field(default_factory=Watcher)
    verdicts: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    """By connection id and table, of a `verify`."""
    outcomes: Outcomes = field(default_factory=dict)
    per_ticket: dict[str, Plan] = field(default_factory=dict)
    """The connections whose notes are read one ticket at a time, after the tickets."""
    swept: dict[str, set[str]] = field(default_factory=dict)
    """Of each of these connections the tickets whose notes were read, or could not be."""
    crews: dict[str, Crew] = field(default_factory=dict)
    """Of each connection that is read."""
    began_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ledgers: Ledgers = field(default_factory=Ledgers)
    forgotten: Forgotten = field(default_factory=Forgotten)
    """Whose records are not to come back; known once the warehouse has been asked."""

    @classmethod
    def begin(
        cls,
        command: str,
        settings: UnifiedSettings,
        tables: Collection[str],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        full_refresh: bool = False,
        largest_deletion: float = 0.1,
        look: Look | None = None,
        watcher: Watcher | None = None,
    ) -> Self:
        """A run with a fresh id, workspace and budget."""
        budget = Budget(settings.max_concurrency, settings.requests_per_second, settings.max_calls_per_run)
        client = UnifiedClient(settings.base_url, settings.api_key, budget=budget)
        workspace = Workspace(client, settings)
        return cls(
            _fresh_id(),
            command,
            settings,
            workspace,
            frozenset(tables),
            since,
            until,
            full_refresh,
            largest_deletion=largest_deletion,
            look=look or Look(),
            watcher=watcher or Watcher(),
            forgotten=Forgotten(hashed=settings.address_hash()),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing more is asked for, and whoever waits for an answer is not waited for."""
        self.workspace.client.close()
        self.ledgers.close()

    def part(self, tables: Collection[str], connections: Collection[str] | None = None) -> Self:
        """The same run, for these tables and connections only."""
        return replace(
            self, tables=frozenset(tables), connections=None if connections is None else frozenset(connections)
        )

    def again(self, tables: Collection[str], connections: Collection[str]) -> Self:
        """Another run within the budget of this one, for these tables and connections: nothing has come of it yet."""
        return replace(
            self.part(tables, connections),
            id=_fresh_id(),
            verdicts={},
            outcomes={},
            per_ticket={},
            swept={},
            began_at=datetime.now(UTC),
        )

    def protection(self, target: Target) -> Protection:
        """What is done to the columns of a connection before they are stored."""
        return self.settings.protection(target.id)

    @property
    def targets(self) -> list[Target]:
        wanted = self.connections
        return [target for target in self.workspace.targets if wanted is None or target.id in wanted]

    @property
    def moves_cursors(self) -> bool:
        """Whether it reads on from where the run before it has come to, and not a stretch of time that was named."""
        return self.since is None and self.until is None

    @property
    def goes_on(self) -> bool:
        """Whether it reads only what the runs before it have not, and the next one goes on where it is cut short."""
        return self.command == "sync" and self.moves_cursors and not self.full_refresh

    def start(self, cursor: Cursor | None, *, with_raw: bool) -> datetime | None:
        """Where to begin an object that has been read up to `cursor`."""
        if self.since is not None:
            return self.since
        known = None if self.full_refresh or self.until is not None else cursor
        return starts_at(known, self.settings.earliest(), self.settings.lookback, with_raw=with_raw)

    def outcome(self, target: Target, endpoint: Endpoint) -> Outcome:
        """What became of an object of a connection so far in this run."""
        fresh = Outcome(
            run_id=self.id,
            connection_id=target.id,
            integration_type=target.connection.integration_type,
            object=endpoint.table,
            plan=target.plan(endpoint).strategy.value,
            started_at=datetime.now(UTC),
            command=self.command,
        )
        return self.outcomes.setdefault((target.id, endpoint.table), fresh)

    def fail(self, error: str) -> None:
        """What this part has read is not in the warehouse."""
        for outcome in self._own_outcomes():
            outcome.error, outcome.is_complete, outcome.cursor_after = error, False, outcome.cursor_before
            outcome.read_through = None

    def forget(self) -> None:
        """Read this part as if for the first time."""
        for outcome in self._own_outcomes():
            del self.outcomes[outcome.connection_id, outcome.object]
            self.verdicts.pop((outcome.connection_id, outcome.object), None)
            if outcome.object == "notes":
                self.swept.pop(outcome.connection_id, None)

    def _own_outcomes(self) -> list[Outcome]:
        wanted = {target.id for target in self.targets}
        return [
            outcome
            for (connection_id, table), outcome in self.outcomes.items()
            if connection_id in wanted and table in self.tables
        ]

    def account(self) -> list[Row]:
        """What became of this part's objects, as rows of `sync_runs`."""
        return [outcome.row() for outcome in self._own_outcomes()]

    def crew(self, target: Target) -> Crew:
        """The hands that read the long lists of a connection: as many as it bears, and as the others let it have."""
        budget = self.workspace.client.budget
        crew = Crew(self.settings.max_concurrency, lambda: budget.room(target.id))
        return self.crews.setdefault(target.id, crew)

    def put_off(self, target: Target, plan: Plan) -> None:
        """Leave a connection's notes until its tickets are in the warehouse."""
        self.per_ticket[target.id] = plan

    def leave_out(self, outcome: Outcome, reason: str) -> None:
        """Give up an object that is not offered, as only the server tells, or is not granted."""
        outcome.plan = f"{Strategy.NOT_OFFERED.value}, {reason}"
        if outcome.object == "notes":
            self.per_ticket.pop(outcome.connection_id, None)

    def notes_left(self) -> list[str]:
        """The connections whose notes are still to be read, ticket by ticket."""
        return [
            connection_id
            for connection_id in self.per_ticket
            if not (outcome := self.outcomes[connection_id, "notes"]).is_complete
            and not outcome.has_failed
            and not outcome.is_put_off
        ]

    def plan(self, target: Target, endpoint: Endpoint) -> Plan:
        """The plan of an object, as far as this run knows better than the support table."""
        known = self.per_ticket.get(target.id) if endpoint.table == "notes" else None
        return known or target.plan(endpoint)

    @property
    def queue(self) -> str:
        """The section of dlt's state that keeps since when a connection's object waits to be read to its end by a run
        of this kind: since the calls of one were used up before, or since one that began with it was not enough."""
        return "waits" if self.goes_on else f"waits_{self.command}"

    @property
    def has_asked_nothing(self) -> bool:
        """Whether no object has cost a call yet, where calls are counted."""
        limit = self.settings.max_calls_per_run
        return bool(limit) and self.workspace.client.budget.calls_left + self.workspace.calls.requests >= limit

    @property
    def calls_spent(self) -> int:
        """On the objects of this part."""
        return sum(outcome.calls.requests for outcome in self._own_outcomes())

    @property
    def reads_tickets_first(self) -> bool:
        """Whether notes that are read ticket by ticket wait for the tickets that are read beside them, unless they have
        done so in vain."""
        return "tickets" in self.tables


def _fresh_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:8]}"
