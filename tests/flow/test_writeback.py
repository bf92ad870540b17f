"""The promise of writeback: whatever happens on the way, no note comes twice, no human's change is undone, nothing is
written without a receipt, and a plan that is carried out again comes to its end."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sandbox import Faults, Sandbox, World
from pipelines.settings import TRIAGE_FIELDS, UnifiedSettings
from pipelines.unified_api.budget import Budget, Stopped
from pipelines.unified_api.client import UnifiedClient
from pipelines.unified_api.records import Record
from pipelines.warehouse.merging import LONGEST_LAG
from pipelines.writeback.acting import Acting
from pipelines.writeback.applying import Application, Applying
from pipelines.writeback.desks import Desk, Desks
from pipelines.writeback.journal import SETTLED, Action, Ending, Journal, last_by_action
from pipelines.writeback.live import Seen, note_seen
from pipelines.writeback.plan import Plan, Value, make_plan
from pipelines.writeback.planning import Categories, Sight, plan_ticket
from pipelines.writeback.proposals import read_proposals
from tests.clock import LeapingClock

HELPDESK = "zendesk"
TICKETS = ("1", "2", "3")
FIELDS = ("priority", "status", "tags")
NOTE = "We have found your parcel, and it will be with you on Monday."
STARTS_WITH: dict[str, Any] = {"priority": "normal", "status": "ACTIVE", "tags": ["parcel"]}
IS_WANTED: dict[str, Any] = {"priority": "urgent", "status": "CLOSED", "tags": ["parcel", "found"]}


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Write:
    """What somebody wrote to a field of a ticket, or a note to it, and what was there."""

    by: str
    ticket_id: str
    field: str
    old: Any
    new: Any


class Helpdesk:
    """One connection of a sandbox, its tickets, and all that is written to them; of a change it takes some fields only,
    if it is so."""

    takes: tuple[str, ...] = FIELDS

    def __init__(self, sandbox: Sandbox) -> None:
        self.world = sandbox.world
        self.id = self.world.add_connection(HELPDESK)
        self.writes: list[Write] = []
        self.world.create(self.id, "customer", {"id": "c", "name": "Ann"})
        for ticket_id in TICKETS:
            self.world.create(
                self.id, "ticket", {"id": ticket_id, "customer_id": "c", "subject": "Where is it?", **STARTS_WITH}
            )
            self.world.create(self.id, "note", {"ticket_id": ticket_id, "customer_id": "c", "description": "Hello?"})

    @property
    def notes(self) -> list[dict[str, Any]]:
        return self.world.records(self.id, "note")

    def edit(self, ticket_id: str, field: str, value: Any) -> None:
        """What a person does in the helpdesk."""
        self.patched("human", ticket_id, {field: value})
        self.world.patch(self.id, "ticket", ticket_id, {field: value})

    def answer(self, ticket_id: str) -> None:
        """A person writes to the customer."""
        self.writes.append(Write("human", ticket_id, "note", None, "I am looking into it."))
        self.world.create(
            self.id, "note", {"ticket_id": ticket_id, "user_id": None, "description": "I am looking into it."}
        )

    def patched(self, by: str, ticket_id: str, fields: Mapping[str, Any]) -> None:
        held = self.world.record(self.id, "ticket", ticket_id)
        self.writes += [Write(by, ticket_id, name, held.get(name), value) for name, value in fields.items()]


Deed: TypeAlias = tuple[str, Callable[[], None]]
"""Something that a person does to a ticket."""


class Life:
    """Counts the steps of a process, and ends it at one of them; at others, people do something in the helpdesk.

    They do nothing to a ticket between the last look at it and the change of it: the API has no way to make one depend
    on the other. It is done once that is over.
    """

    def __init__(self, ends_at: int | None = None, deeds: Mapping[int, Deed] | None = None) -> None:
        self._ends_at = ends_at
        self._deeds = {**(deeds or {})}
        self._waiting: list[Deed] = []
        self._changing: dict[int, str] = {}
        self._lock = threading.Lock()
        self._step = 0
        self._is_over = False

    def pass_by(self) -> None:
        with self._lock:
            if self._is_over:
                raise Killed
            self._step += 1
            if self._step in self._deeds:
                self._waiting.append(self._deeds.pop(self._step))
            untouched = [deed for deed in self._waiting if deed[0] in self._changing.values()]
            for deed in self._waiting:
                if deed not in untouched:
                    deed[1]()
            self._waiting = untouched
            if self._step == self._ends_at:
                self._is_over = True
                raise Killed

    def look(self, ticket_id: str) -> None:
        """Before the last look at a ticket."""
        self.pass_by()
        with self._lock:
            self._changing[threading.get_ident()] = ticket_id

    def let_go(self) -> None:
        """After the change of it, or where there is none."""
        with self._lock:
            self._changing.pop(threading.get_ident(), None)


class MortalDesk(Desk):
    """The real calls, before and after each of which the process may end."""

    def __init__(self, desk: Desk, life: Life) -> None:
        self._desk = desk
        self._life = life

    def ticket(self, ticket_id: str) -> Seen:
        self._life.look(ticket_id)
        return self._desk.ticket(ticket_id)

    def notes(self, ticket_id: str) -> list[Seen]:
        self._life.look(ticket_id)
        return self._desk.notes(ticket_id)

    def change(self, ticket_id: str, fields: Mapping[str, Value], known: Any) -> Seen:
        return self._written(lambda: self._desk.change(ticket_id, fields, known))

    def add_note(self, ticket_id: str, text: str) -> Seen:
        return self._written(lambda: self._desk.add_note(ticket_id, text))

    def _written(self, write: Callable[[], Seen]) -> Seen:
        self._life.pass_by()
        try:
            return write()
        finally:
            self._life.let_go()
            self._life.pass_by()


class MortalJournal(Journal):
    """The real journal, before and after each entry of which the process may end."""

    def __init__(self, path: Path, now: Callable[[], datetime], life: Life) -> None:
        super().__init__(path, now)
        self._life = life

    def begin(self, *args: Any, **entry: Any) -> int:
        self._life.pass_by()
        attempt_id = super().begin(*args, **entry)
        self._life.pass_by()
        return attempt_id

    def end(self, *args: Any, **entry: Any) -> None:
        self._life.let_go()
        self._life.pass_by()
        super().end(*args, **entry)
        self._life.pass_by()


@dataclass
class Office:
    """Where plans are made and carried out, round by round."""

    sandbox: Sandbox
    helpdesk: Helpdesk
    path: Path
    now: datetime = field(default_factory=lambda: datetime(2026, 6, 1, tzinfo=UTC))

    def client(self) -> UnifiedClient:
        budget = Budget(clock=LeapingClock())
        return UnifiedClient(self.sandbox.base_url, self.sandbox.api_key, budget=budget, sleep=lambda seconds: None)

    def desks(self, client: UnifiedClient) -> Desks:
        chosen = UnifiedSettings()
        chosen.update({"connection_ids": [self.helpdesk.id], "include_raw": False})
        desks = Desks(client, chosen)
        desks.require([self.helpdesk.id])
        return desks

    def plan(self, tickets: Sequence[str] = TICKETS) -> Plan:
        proposals = read_proposals(
            {"connection_id": self.helpdesk.id, "ticket_id": ticket_id, "priority": "urgent", "status": "CLOSED"}
            | {"tags_add": "found", "note": NOTE}
            for ticket_id in tickets
        )
        with self.client() as client:
            desk = self.desks(client).of(self.helpdesk.id)
            steps = []
            for proposal in proposals:
                notes = [note_seen(seen.record) for seen in desk.notes(proposal.ticket_id)]
                sight = Sight(desk.ticket(proposal.ticket_id).record, None, notes)
                step, left = plan_ticket(proposal, sight, desk.writable(TRIAGE_FIELDS), Categories(None))
                assert step is not None, left
                steps.append(step)
        return make_plan(steps, [])

    def apply(self, plan: Plan, life: Life, hands: int = 1) -> Application | None:
        """Carry out a plan; None where the process came to its end before."""
        with self.client() as client, MortalJournal(self.path, lambda: self.now, life) as journal:
            desks = self.desks(client)
            acting = Acting(plan, journal, lambda each: MortalDesk(desks.of(each), life), "tester", LONGEST_LAG)
            before = last_by_action(journal.of_plan(plan.id))
            applying = Applying(plan, acting, before, hands=hands, most_failures=1_000)
            try:
                return applying.run()
            except Killed:
                return None

    def let_pass(self, time: timedelta) -> None:
        self.now += time
        self.sandbox.world.advance(time)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    world = World.seeded(seed=7, tickets=4, helpdesks=(HELPDESK,))
    with Sandbox(world=world) as running:
        yield running


def watched(sandbox: Sandbox) -> Helpdesk:
    """A fresh helpdesk that keeps account of what comes by the API."""
    helpdesk = Helpdesk(sandbox)
    WATCHED[helpdesk.id] = helpdesk
    return helpdesk


WATCHED: dict[str, Helpdesk] = {}


@pytest.fixture(scope="module", autouse=True)
def account_of_writes(sandbox: Sandbox) -> Iterator[None]:
    """What the API carries out, whether its answer arrives or not."""
    api = sandbox._application._api
    answer = api._route

    def route(request: Any, fate: Any) -> Any:
        helpdesk = WATCHED.get(request.connection_id or "")
        if helpdesk and request.method == "PATCH":
            sent = msgspec.json.decode(request.body)
            taken = {name: value for name, value in sent.items() if name in helpdesk.takes}
            helpdesk.patched("api", request.segments[-1], taken)
            request = replace(request, body=msgspec.json.encode(taken))
        if helpdesk and request.method == "POST":
            body = msgspec.json.decode(request.body)
            helpdesk.writes.append(Write("api", body["ticket_id"], "note", None, body["description"]))
        return answer(request, fate)

    api._route = route  # type: ignore[method-assign]
    yield
    api._route = answer  # type: ignore[method-assign]


FAULTS = st.builds(
    Faults,
    seed=st.integers(0, 10_000),
    lost_answer=st.sampled_from([0, 0.2, 0.6]),
    too_many=st.sampled_from([0, 0.2]),
    status_500=st.sampled_from([0, 0.2]),
    html_error=st.sampled_from([0, 0.1]),
    truncation=st.sampled_from([0, 0.2]),
    garbage=st.sampled_from([0, 0.2]),
    reset=st.sampled_from([0, 0.2]),
    visible_after_seconds=st.sampled_from([0, 1_800]),
)

WHAT_PEOPLE_DO: list[tuple[str, Any]] = [
    *(("priority", value) for value in ("low", "normal", "urgent")),
    *(("status", value) for value in ("ACTIVE", "CLOSED")),
    *(("tags", value) for value in (["parcel"], ["lost"])),
    *(("subject", "Found!"), ("note", None)),
]
DEEDS = st.dictionaries(
    st.integers(1, 60), st.tuples(st.sampled_from(TICKETS), st.sampled_from(WHAT_PEOPLE_DO)), max_size=4
)


@dataclass(frozen=True)
class Round:
    """One time that the plan is carried out: on which day, until when, and what the helpdesk takes and people do."""

    faults: Faults
    takes: tuple[str, ...]
    deeds: dict[int, tuple[str, tuple[str, Any]]]
    ends_at: int | None
    minutes_later: int


ROUNDS = st.lists(
    st.builds(
        Round,
        FAULTS,
        st.sampled_from([FIELDS, FIELDS[:1], FIELDS[1:], ()]),
        DEEDS,
        st.none() | st.integers(1, 40),
        st.sampled_from([0, 5, 90]),
    ),
    min_size=1,
    max_size=4,
)


@given(rounds=ROUNDS, hands=st.sampled_from([1, 3]))
@settings(max_examples=max(25, settings().max_examples // 4))
def test_no_note_comes_twice_no_human_is_overruled_and_a_rerun_completes(
    sandbox: Sandbox, rounds: list[Round], hands: int
) -> None:
    with TemporaryDirectory() as folder:
        office = opened(sandbox, Path(folder))
        plan = office.plan()
        for each in rounds:
            sandbox.faults = each.faults
            office.helpdesk.takes = each.takes
            office.apply(
                plan,
                Life(each.ends_at, {step: deed(office.helpdesk, *what) for step, what in each.deeds.items()}),
                hands,
            )
            office.let_pass(timedelta(minutes=each.minutes_later))
        sandbox.faults = Faults()
        office.helpdesk.takes = FIELDS
        for _ in range(3):
            office.let_pass(LONGEST_LAG)
            application = office.apply(plan, Life())
            assert application is not None
        assert application is not None
        with Journal(office.path) as journal:
            took_a_part = any(each.takes != FIELDS for each in rounds)
            require_kept_promises(office.helpdesk, plan, journal, application, took_a_part=took_a_part)
        sandbox.world.remove_connection(office.helpdesk.id)


@pytest.fixture
def office(sandbox: Sandbox, tmp_path: Path) -> Office:
    return opened(sandbox, tmp_path)


def opened(sandbox: Sandbox, folder: Path) -> Office:
    """One on a good day, a while after its tickets were written."""
    sandbox.faults = Faults()
    office = Office(sandbox, watched(sandbox), folder / "writeback.sqlite3")
    office.let_pass(LONGEST_LAG)
    return office


def test_whichever_step_is_the_last_of_a_process_the_next_one_completes_the_plan(office: Office) -> None:
    plan = office.plan(TICKETS[:1])
    steps = 0
    application = None
    while application is None or not {*endings(application)} <= SETTLED:
        application = office.apply(plan, Life(steps + 1))
        steps += 1
        office.let_pass(LONGEST_LAG)
    assert steps >= 8
    with Journal(office.path) as journal:
        application = office.apply(plan, Life())
        assert application is not None
        assert [done.ending for done in application.done] == [Ending.WRITTEN, Ending.WRITTEN]
        require_kept_promises(office.helpdesk, plan, journal, application)


def test_a_note_whose_answer_was_lost_and_that_lists_show_late_is_not_sent_again(office: Office) -> None:
    plan = office.plan(TICKETS)
    office.sandbox.faults = Faults(lost_answer=1.0, max_consecutive=1, visible_after_seconds=3_000)
    seen = [office.apply(plan, Life()) for _ in range(3)]
    assert all(Ending.UNKNOWN in endings(each) for each in seen)
    assert all({*endings(each)} <= {Ending.UNKNOWN, Ending.WRITTEN, None} for each in seen)
    office.sandbox.faults = Faults()
    assert {*endings(office.apply(plan, Life()))} == {Ending.WRITTEN}
    assert sum(note["description"] == NOTE for note in office.helpdesk.notes) == len(TICKETS)


def test_a_note_that_is_not_there_an_hour_after_its_answer_was_lost_is_sent_then_and_not_before(office: Office) -> None:
    plan = office.plan(TICKETS[:1])
    office.sandbox.faults = Faults(reset=1.0, max_consecutive=1)
    assert endings(office.apply(plan, Life())) == [Ending.UNKNOWN, None]
    office.sandbox.faults = Faults()
    office.let_pass(LONGEST_LAG - timedelta(minutes=1))
    assert endings(office.apply(plan, Life())) == [Ending.UNKNOWN, None]
    office.let_pass(timedelta(minutes=1))
    assert endings(office.apply(plan, Life())) == [Ending.WRITTEN, Ending.WRITTEN]


def test_a_note_that_went_out_long_after_it_was_begun_is_not_taken_for_lost_at_once(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = office.plan(TICKETS[:1])
    add_note = MortalDesk.add_note

    def after_a_sleep(desk: MortalDesk, ticket_id: str, text: str) -> Seen:
        office.let_pass(2 * LONGEST_LAG)
        office.sandbox.faults = Faults(lost_answer=1.0, max_consecutive=1, visible_after_seconds=3_000)
        return add_note(desk, ticket_id, text)

    monkeypatch.setattr(MortalDesk, "add_note", after_a_sleep)
    assert endings(office.apply(plan, Life())) == [Ending.UNKNOWN, None]
    office.sandbox.faults = Faults()
    office.let_pass(LONGEST_LAG)
    assert {*endings(office.apply(plan, Life()))} <= SETTLED
    assert sum(note["description"] == NOTE for note in office.helpdesk.notes) == 1


def test_a_change_that_was_carried_out_as_somebody_stopped_the_process_is_known_as_ours(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan([msgspec.structs.replace(step, note=None) for step in office.plan(TICKETS[:1]).steps], [])
    change = UnifiedClient.change_record

    def and_is_stopped(client: UnifiedClient, *call: Any) -> tuple[Any, datetime]:
        record, served_at = change(client, *call)
        client.budget.close()
        assert isinstance(record, Record)
        return replace(record, fields={"id": record.fields["id"]}), served_at

    monkeypatch.setattr(UnifiedClient, "change_record", and_is_stopped)
    with pytest.raises(Stopped):
        office.apply(plan, Life())
    monkeypatch.undo()
    assert endings(office.apply(plan, Life())) == [Ending.WRITTEN]
    with Journal(office.path) as journal:
        assert [attempt.taken.keys() for attempt in journal.of_plan(plan.id)] == [{*FIELDS}]


def test_a_change_whose_answer_was_lost_and_that_somebody_has_taken_back_is_held(office: Office) -> None:
    plan = office.plan(TICKETS[:1])
    office.apply(plan, Life())
    plan = make_plan([msgspec.structs.replace(step, note=None) for step in plan.steps], [])
    for name, value in STARTS_WITH.items():
        office.helpdesk.edit(TICKETS[0], name, value)
    life = Life(5)  # once the change is carried out, and before that is written down
    assert office.apply(plan, life) is None
    for name, value in STARTS_WITH.items():
        office.helpdesk.edit(TICKETS[0], name, value)
    assert endings(office.apply(plan, Life())) == [Ending.HELD]
    assert {
        name: office.sandbox.world.record(office.helpdesk.id, "ticket", "1")[name] for name in FIELDS
    } == STARTS_WITH


def endings(application: Application | None) -> list[Ending | None]:
    assert application is not None
    return [done.ending for done in application.done]


def deed(helpdesk: Helpdesk, ticket_id: str, what: tuple[str, Any]) -> Deed:
    name, value = what
    if name == "note":
        return ticket_id, lambda: helpdesk.answer(ticket_id)
    return ticket_id, lambda: helpdesk.edit(ticket_id, name, value)


def require_kept_promises(
    helpdesk: Helpdesk, plan: Plan, journal: Journal, last: Application, *, took_a_part: bool = False
) -> None:
    sent = [note["ticket_id"] for note in helpdesk.notes if note["description"] == NOTE]
    assert len(sent) == len({*sent}), "a note came twice"
    for ticket_id in TICKETS:
        for name in FIELDS:
            require_no_human_overruled(
                [write for write in helpdesk.writes if (write.ticket_id, write.field) == (ticket_id, name)], name
            )
    attempts = journal.of_plan(plan.id)
    written: dict[tuple[str, Action], set[str]] = defaultdict(set)
    for attempt in attempts:
        if attempt.ending is Ending.WRITTEN:
            written[attempt.ticket_id, attempt.action] |= attempt.taken.keys()
    held = {(attempt.ticket_id, attempt.action) for attempt in attempts if attempt.ending is Ending.HELD}
    for write in helpdesk.writes:
        action = Action.NOTE if write.field == "note" else Action.CHANGE
        if write.by == "api" and (write.ticket_id, action) not in held:
            assert write.field in written[write.ticket_id, action], f"no receipt of {write}"
    disturbed = {write.ticket_id for write in helpdesk.writes if write.by == "human"}
    for done in last.done:
        if done.step.ticket_id not in disturbed and not took_a_part:
            assert done.ending in SETTLED, done
        else:
            assert done.ending in (*SETTLED, Ending.CONFLICT, Ending.HELD, None), done


def require_no_human_overruled(writes: list[Write], name: str) -> None:
    """Of all that was written to one field of a ticket, in order."""
    api_wrote = human_since = False
    for write in writes:
        if write.by == "human":
            human_since = api_wrote
            continue
        is_same = _comparable(write.old) in (_comparable(STARTS_WITH[name]), _comparable(IS_WANTED[name]))
        assert is_same, f"what a human had set was overwritten: {write}"
        assert not human_since, f"what a human had set after it was written was overwritten: {write}"
        api_wrote = True


def _comparable(value: Any) -> Any:
    return frozenset(value) if isinstance(value, list) else value
