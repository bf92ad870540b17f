"""Triage decisions: from proposals to a plan, and from a plan to the helpdesks and back into the warehouse."""

from __future__ import annotations

import getpass
import os
import socket
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from pipelines.errors import ApiKeyRejected, CallsUsedUp, FixConfiguration, TicketingError, UnknownId
from pipelines.receipts import applying_alone, attempts_at, journal_of, load_receipts, opened_journal, plans_of
from pipelines.settings import TRIAGE_FIELDS, TriageSettings, UnifiedSettings, WarehouseSettings
from pipelines.tombstones import recalled
from pipelines.unified_api.budget import Budget
from pipelines.unified_api.client import UnifiedClient
from pipelines.warehouse.load import reading
from pipelines.warehouse.merging import LONGEST_LAG
from pipelines.warehouse.stored import Stored, asking, count_attempts, count_open_tickets
from pipelines.writeback.acting import Acting
from pipelines.writeback.applying import Application, Applying, actions_of
from pipelines.writeback.desks import Desk, Desks
from pipelines.writeback.journal import OPEN, Action, Attempt, Ending, Journal, Place, last_by_action
from pipelines.writeback.live import NoteSeen, Seen, note_seen
from pipelines.writeback.plan import Change, LeftOut, Plan, Step, make_plan, read_plan, write_plan
from pipelines.writeback.planning import Categories, Sight, Writable, left_out, plan_ticket, plan_undoing
from pipelines.writeback.proposals import Proposal, read_proposals
from transforms.schemas import NOTES, TICKETS

Told: TypeAlias = Callable[[int, int], object]
"""Is told how many of how many tickets are done."""


Planned: TypeAlias = tuple[Step | None, list[LeftOut]]
"""The step for a ticket, None where there is nothing to be done, and what is left out."""

Item = TypeVar("Item")


def _nobody(done: int, total: int) -> None: ...


@dataclass
class ApplyReport:
    """What became of a plan. `unloaded`: why receipts wait for the next run; None where all are in the warehouse."""

    application: Application
    unloaded: str | None = None

    @property
    def exit_code(self) -> int:
        """0 all of it stands; 1 nothing of it, 3 some, or receipts wait."""
        return self.application.exit_code or (3 if self.unloaded else 0)


@dataclass(frozen=True)
class TriageStatus:
    """Each plan that was begun from here, with its last attempt and how many of its actions ended how; what may or may
    not have been carried out; and how many attempts are not in the warehouse yet."""

    plans: list[tuple[str, Attempt, Mapping[Ending, int]]]
    open: list[Attempt]
    unloaded: int


def plan(
    rows: Iterable[Mapping[str, Any]],
    settings: UnifiedSettings,
    triage: TriageSettings,
    warehouse: WarehouseSettings,
    *,
    wait_seconds: float = 0.0,
    told: Told = _nobody,
) -> Plan:
    """What the proposals in these rows come to, beside the live tickets. Sends nothing.

    A row has `connection_id`, `ticket_id` and any of `priority`, `category` or `category_id`, `user_id`, `status`,
    `tags_add`, `tags_remove`, `tags_set`, `note` and `reason`. Raises `ProposalsRefused` with every fault of them.
    """
    proposals = read_proposals(rows)
    stored = _stored(proposals, settings, warehouse, wait_seconds)
    with _client(settings) as client, opened_journal(warehouse) as journal:
        desks = Desks(client, settings)
        desks.require({proposal.connection_id for proposal in proposals})
        named = {proposal.connection_id for proposal in proposals if proposal.category or proposal.category_id}
        asked = {id for id in named & desks.open_ids if triage.allows(id)}
        categories = {id: desks.of(id).categories() for id in asked}

        def plan_one(proposal: Proposal) -> Planned:
            if not triage.allows(proposal.connection_id):
                return None, [left_out(proposal, "the setting triage.allowed_connections does not allow it")]
            if proposal.place in stored.forgotten:
                return None, [left_out(proposal, "whoever it is about was forgotten")]
            seen = _live_ticket(desks, *proposal.place)
            if isinstance(seen, str):
                return None, [left_out(proposal, seen)]
            desk = desks.of(proposal.connection_id)
            writable = desk.writable(triage.fields)
            sight = Sight(
                seen.record,
                stored.times.get(proposal.place),
                _live_notes(desk, proposal, writable),
                stored.notes_of(proposal.place),
                journal.notes_of(proposal.place),
                journal.last_id(proposal.place),
            )
            return plan_ticket(proposal, sight, writable, categories.get(proposal.connection_id, Categories(None)))

        return make_plan(*_planned(proposals, plan_one, settings.max_concurrency, told))


def undo(plan_id: str, settings: UnifiedSettings, warehouse: WarehouseSettings, *, told: Told = _nobody) -> Plan:
    """The plan that takes back what another has changed. Sends nothing; a note cannot be taken back, and it says so.

    Raises `FixConfiguration` where nothing is known of the other plan.
    """
    with _client(settings) as client, opened_journal(warehouse) as journal:
        written: dict[Place, list[Attempt]] = defaultdict(list)
        for attempt in journal.of_plan(plan_id):
            written[attempt.place].append(attempt)
        if not written:
            raise FixConfiguration(f"Expected a plan that was applied from here, got {plan_id}. See triage status.")
        desks = Desks(client, settings)
        desks.require({connection_id for connection_id, _ in written})

        def undo_one(place: Place) -> Planned:
            attempts = [attempt for attempt in written[place] if attempt.ending is Ending.WRITTEN]
            leave = [_unsent(attempt) for attempt in attempts if attempt.action is Action.NOTE]
            leave += [_not_known(attempt) for attempt in written[place] if attempt.ending in OPEN]
            written_at = journal.changes_of(place)
            changes: dict[str, Change] = {}
            for attempt in attempts:
                for name, value in attempt.taken.items() if attempt.action is Action.CHANGE else ():
                    if other := _written_since(name, attempt, written_at):
                        why = f"plan {other.plan_id} has written it since"
                        leave.append(LeftOut(*place, name, attempt.old[name], why))
                    else:
                        changes[name] = Change(attempt.old[name], value)
            if not changes:
                return None, leave
            seen = _live_ticket(desks, *place)
            if isinstance(seen, str):
                return None, [*leave, LeftOut(*place, None, None, seen)]
            known = dict.fromkeys(each.told for each in attempts if each.told and each.action is Action.CHANGE)
            reason = "; ".join([f"takes back what plan {plan_id} has changed", *known])
            writable = desks.of(place[0]).writable(TRIAGE_FIELDS)
            step, left = plan_undoing(place, changes, seen.record, writable, reason, journal.last_id(place))
            return step, [*leave, *left]

        return make_plan(*_planned([*written], undo_one, settings.max_concurrency, told), undoes=plan_id)


def apply(
    plan: Plan,
    settings: UnifiedSettings,
    triage: TriageSettings,
    warehouse: WarehouseSettings,
    *,
    by_whom: str | None = None,
    wait_seconds: float = 0.0,
    told: Told = _nobody,
) -> ApplyReport:
    """Carry out a plan, but for what stands already; then bring into the warehouse what was written.

    Raises a `TicketingError` where the brakes refuse the plan, or nobody can be asked: nothing was sent then, or what
    was sent stands in the journal.
    """
    with applying_alone(warehouse):
        if why := why_braked(plan, settings, triage, warehouse, wait_seconds):
            raise FixConfiguration(why)
        try:
            with opened_journal(warehouse) as journal:
                if undone_by := journal.undone_by(plan.id):
                    raise FixConfiguration(
                        f"Plan {plan.id} was taken back by plan {undone_by}. Nothing was sent. To have it again, plan "
                        "again."
                    )
                application = _applied(plan, settings, triage, journal, by_whom or _this_person(), told)
        except BaseException:
            load_receipts(settings, warehouse, wait_seconds)
            raise
        return ApplyReport(application, load_receipts(settings, warehouse, wait_seconds))


def status(warehouse: WarehouseSettings) -> TriageStatus:
    """What was carried out from here; nothing is made, and nobody asked."""
    if not journal_of(warehouse).exists():
        return TriageStatus([], [], 0)
    with opened_journal(warehouse) as journal:
        return TriageStatus(journal.plans(), journal.open_attempts(), journal.count_to_load())


def settle(
    attempt_id: int,
    warehouse: WarehouseSettings,
    *,
    was_sent: bool,
    record_id: str | None = None,
    by_whom: str | None = None,
) -> Attempt:
    """Keep what a person has found out of an attempt that nothing else can tell of; `record_id`: the note that it made.
    Raises `FixConfiguration` where it is none of those."""
    with applying_alone(warehouse), opened_journal(warehouse) as journal:
        known = {attempt.id: attempt for attempt in journal.open_attempts()}
        if attempt_id not in known:
            ids = ", ".join(map(str, known)) or "there is none"
            raise FixConfiguration(f"Expected an attempt of which nobody knows what became ({ids}), got {attempt_id}.")
        told = f"found out by {by_whom or _this_person()}"
        if was_sent:
            journal.end(attempt_id, Ending.WRITTEN, told, taken=known[attempt_id].new, record_id=record_id)
        else:
            journal.end(attempt_id, Ending.FAILED, told)
        return journal.attempt(attempt_id)


def keep_plan(plan: Plan, warehouse: WarehouseSettings, path: Path | None = None) -> Path:
    """Write a plan to where it is found by its id and, if another place is asked for, there; its owner alone can read
    it. Where it was written last."""
    for place in filter(None, (_kept(warehouse, plan.id), path)):
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(place, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(write_plan(plan))
        place.chmod(0o600)
    return place


def kept_plan(name: str, warehouse: WarehouseSettings) -> Plan:
    """A plan by its file, or by its id where it was kept in the usual place. Raises `FixConfiguration`."""
    place = Path(name)
    if not place.exists() and name.isalnum():
        place = _kept(warehouse, name)
    try:
        return read_plan(place.read_bytes(), name)
    except OSError:
        raise FixConfiguration(f"Expected the file or the id of a plan, got {name!r}. Make one: triage plan.") from None


def plan_id_of(name: str, warehouse: WarehouseSettings) -> str:
    """The id of a plan by its file, or itself. Raises `FixConfiguration` for a file that is no plan."""
    return kept_plan(name, warehouse).id if Path(name).is_file() else name


def _kept(warehouse: WarehouseSettings, plan_id: str) -> Path:
    return plans_of(warehouse) / f"{plan_id}.json"


def why_braked(
    plan: Plan,
    settings: UnifiedSettings,
    triage: TriageSettings,
    warehouse: WarehouseSettings,
    wait_seconds: float = 0.0,
) -> str | None:
    """Why a plan is not to be carried out, as the settings and what is known of it say; None where it is."""
    with reading(warehouse, wait_seconds) as pipeline:
        forgotten = None if pipeline is None else recalled(pipeline, settings)
        open_tickets = {} if pipeline is None else count_open_tickets(asking(pipeline))
        known = 0 if pipeline is None else count_attempts(asking(pipeline), plan.id)
    if forgotten and any(forgotten.knows(step.connection_id, TICKETS.name, step.ticket_id) for step in plan.steps):
        return f"Plan {plan.id} is about somebody who was forgotten since. Nothing was sent. Plan again."
    attempts = attempts_at(plan.id, warehouse)
    if known > len(attempts):
        return (
            f"The warehouse knows of attempts at plan {plan.id} that the journal here, {journal_of(warehouse)}, does "
            "not have: it is carried out on another machine, or the journal was lost. Nothing was sent. Carry it out "
            "there, or sync and plan again."
        )
    return too_much(plan, _due(plan, attempts), triage, open_tickets)


def too_much(plan: Plan, due: Iterable[Step], triage: TriageSettings, open_tickets: Mapping[str, int]) -> str | None:
    """In what a plan is about more than the settings allow. `due`: its steps that are still to be done, for those that
    have closed tickets have made the open ones fewer; `open_tickets`: these, by connection."""
    if len(plan.steps) > triage.max_tickets:
        return (
            f"Expected a plan about at most {triage.max_tickets:,} tickets (triage.max_tickets), got one about "
            f"{len(plan.steps):,}. Nothing was sent. Propose less, or raise the setting (TRIAGE__MAX_TICKETS)."
        )
    for connection_id, steps in Counter(step.connection_id for step in due if not _is_about_closed(step)).items():
        known = open_tickets.get(connection_id, 0)
        if triage.max_share < 1 and steps > max(1, known * triage.max_share):
            return (
                f"Expected a plan about at most {triage.max_share:.0%} of the {known:,} open tickets of "
                f"{connection_id} (triage.max_share), got one about {steps:,}. Nothing was sent. Propose less, or "
                "raise the setting (TRIAGE__MAX_SHARE)."
            )
    if refused := sorted({step.connection_id for step in plan.steps if not triage.allows(step.connection_id)}):
        return (
            f"Expected a plan about {', '.join(triage.allowed_connections or []) or 'no connection'} alone "
            f"(triage.allowed_connections), got one about {', '.join(refused)}. Nothing was sent. Plan again, or allow "
            "it."
        )
    if refused := sorted({_setting_of(name) for name in plan.fields} - {*triage.fields}):
        return (
            f"Expected a plan about {', '.join(triage.fields) or 'nothing'} alone (triage.allowed_fields), got one "
            f"about {', '.join(refused)}. Nothing was sent. Plan again, or allow it."
        )
    return None


def _is_about_closed(step: Step) -> bool:
    """Whether a step opens a ticket again, which is none of the open ones."""
    return "status" in step.changes and step.changes["status"].old == "CLOSED"


def _due(plan: Plan, attempts: Iterable[Attempt]) -> list[Step]:
    """The steps of a plan that do not stand yet, after these attempts."""
    settled = {key for key, attempt in last_by_action(attempts).items() if attempt.is_settled}
    return [step for step in plan.steps if any((step.place, action) not in settled for action in actions_of(step))]


def _client(settings: UnifiedSettings) -> UnifiedClient:
    budget = Budget(settings.max_concurrency, settings.requests_per_second, settings.max_calls_per_run)
    return UnifiedClient(settings.base_url, settings.api_key, budget=budget)


def _planned(
    items: Sequence[Item], plan_one: Callable[[Item], Planned], hands: int, told: Told
) -> tuple[list[Step], list[LeftOut]]:
    """The steps for some items, and what is left out of them, in their order."""
    steps: list[Step] = []
    leave: list[LeftOut] = []
    with ThreadPoolExecutor(hands, "triage") as pool:
        results = [pool.submit(plan_one, item) for item in items]
        try:
            for done, result in enumerate(results, start=1):
                step, left = result.result()
                steps += [step] if step else []
                leave += left
                told(done, len(results))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return steps, leave


def _live_ticket(desks: Desks, connection_id: str, ticket_id: str) -> Seen | str:
    """A ticket as it is, or why it cannot be planned for."""
    try:
        return desks.of(connection_id).ticket(ticket_id)
    except UnknownId:
        return "unknown ticket: the API does not know its id"
    except (ApiKeyRejected, CallsUsedUp):
        raise
    except TicketingError as error:
        return str(error)


def _live_notes(desk: Desk, proposal: Proposal, writable: Writable) -> list[NoteSeen] | None:
    """The notes of a ticket for which one is proposed; None where they cannot be read."""
    if proposal.note is None or writable.note_refusal:
        return None
    try:
        return [note_seen(seen.record) for seen in desk.notes(proposal.ticket_id)]
    except (ApiKeyRejected, CallsUsedUp):
        raise
    except TicketingError:
        return None


def _not_known(attempt: Attempt) -> LeftOut:
    name = "note" if attempt.action is Action.NOTE else None
    return LeftOut(*attempt.place, name, None, "nobody knows whether it was written: see ticketing triage status")


def _written_since(name: str, attempt: Attempt, written: Iterable[Attempt]) -> Attempt | None:
    """Of what other plans have written the first that has changed a field after an attempt."""
    later = (each for each in written if each.id > attempt.id and each.plan_id != attempt.plan_id)
    return next((each for each in later if name in each.taken), None)


def _unsent(attempt: Attempt) -> LeftOut:
    return LeftOut(*attempt.place, "note", attempt.new["note"], "a note cannot be unsent: see to it in the helpdesk")


@dataclass
class _Stored:
    """What the warehouse has of tickets: the `updated_at` of each, the ids of its notes, the connections of which it
    has notes at all, and those that were forgotten."""

    times: dict[Place, datetime] = field(default_factory=dict)
    notes: dict[Place, set[str]] = field(default_factory=lambda: defaultdict(set))
    with_notes: set[str] = field(default_factory=set)
    forgotten: set[Place] = field(default_factory=set)

    def notes_of(self, place: Place) -> Collection[str] | None:
        return self.notes[place] if place[0] in self.with_notes else None


def _stored(
    proposals: Iterable[Proposal], settings: UnifiedSettings, warehouse: WarehouseSettings, wait_seconds: float
) -> _Stored:
    found = _Stored()
    by_connection: dict[str, list[Proposal]] = defaultdict(list)
    for proposal in proposals:
        by_connection[proposal.connection_id].append(proposal)
    with reading(warehouse, wait_seconds) as pipeline:
        if pipeline is None:
            return found
        forgotten = recalled(pipeline, settings)
        for connection_id, some in by_connection.items():
            ids = [proposal.ticket_id for proposal in some]
            found.forgotten |= {(connection_id, id) for id in ids if forgotten.knows(connection_id, TICKETS.name, id)}
            stored = Stored(asking(pipeline), connection_id)
            for ticket in stored.states_of(TICKETS.name, ids):
                if ticket.updated_at is not None:
                    found.times[connection_id, ticket.id] = ticket.updated_at
            if stored.count(NOTES.name):
                found.with_notes.add(connection_id)
            for note in stored.states_of_notes([proposal.ticket_id for proposal in some if proposal.note]):
                found.notes[connection_id, note.ticket_id or ""].add(note.id)
    return found


def _setting_of(name: str) -> str:
    return "category" if name == "category_id" else name


def _applied(
    plan: Plan, settings: UnifiedSettings, triage: TriageSettings, journal: Journal, by_whom: str, told: Told
) -> Application:
    with _client(settings) as client:
        desks = Desks(client, settings)
        desks.require({step.connection_id for step in plan.steps})
        return Applying(
            plan,
            Acting(plan, journal, desks.of, by_whom, LONGEST_LAG),
            last_by_action(journal.of_plan(plan.id)),
            hands=_hands(settings),
            most_failures=triage.max_failures_in_a_row,
            told=lambda done: told(done, len(plan.steps)),
            stop=client.budget.close,
        ).run()


def _hands(settings: UnifiedSettings) -> int:
    """So many that a change waits for its turn no longer than a second after the look that it rests on."""
    pace = settings.requests_per_second
    return max(1, min(settings.max_concurrency, int(pace))) if pace else settings.max_concurrency


def _this_person() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"
