"""The life of one ticket: who writes what and when, from its opening to its last closing."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from math import log
from typing import Any

from pipelines.sandbox.helpdesks import Backstage, Helpdesk, Part, State
from pipelines.sandbox.instants import DAY, HOUR, MINUTE, SECOND, to_iso
from pipelines.sandbox.letters import Slots, agent_mail, customer_mail, to_html
from pipelines.sandbox.people import Agent, Person
from pipelines.sandbox.shelf import Record
from pipelines.sandbox.support import FIELDS
from pipelines.sandbox.topics import PHRASES, Desk, Progress, Round, Topic


class Move(Enum):
    """What can happen to a ticket."""

    DESCRIPTION = "description"
    CUSTOMER = "customer"
    REPLY = "reply"
    INTERNAL = "internal"
    BOT = "bot"
    ASSIGN = "assign"
    SNOOZE = "snooze"
    CLOSE = "close"
    EDIT = "edit"


@dataclass(frozen=True, order=True)
class Act:
    """One thing that happens to a ticket, at a moment."""

    at: int
    move: Move = field(compare=False)
    agent: Agent | None = field(default=None, compare=False)
    text: str | None = field(default=None, compare=False)
    changes: Mapping[str, Any] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Effect:
    """What an act does: to the ticket, and the note that it leaves."""

    changes: Record
    state: State | None = None
    note: Record | None = None
    backstage: Backstage = field(default_factory=Backstage)


@dataclass(frozen=True)
class Story:
    """A ticket as it was opened, and all that happens to it."""

    ticket: Record
    opened_by: Agent | None
    author_name: str
    acts: list[Act]


@dataclass(frozen=True)
class Pace:
    """How fast a desk and its customers are: medians in minutes, and their spread."""

    first_reply: float
    later_reply: float
    customer: float
    spread: float
    works_weekends: bool = False


PACES = {
    "zendesk": Pace(65, 120, 420, 1.1),
    "intercom": Pace(7, 4, 6, 1.3, works_weekends=True),
    "freshdesk": Pace(150, 220, 300, 0.9),
    "servicenow": Pace(32, 70, 80, 1.2),
}
_HTML_NOTES = ("zendesk", "intercom", "freshdesk")
_HTML_DESCRIPTIONS = ("intercom", "freshdesk")
_UNSIGNED = ("zendesk", "servicenow")
"""Where a message can come without the ids of who wrote it, as imports leave them."""


def effect(helpdesk: Helpdesk, ticket: Record, act: Act) -> Effect:
    """What an act does to a ticket in its present state."""
    at = to_iso(act.at)
    changes = dict(act.changes)
    state, note, part = _STATES.get(act.move), None, _PARTS.get(act.move, Part.REPLY)
    is_closed = ticket.get("status") == "CLOSED"
    if act.move is Move.CUSTOMER and is_closed:
        changes["status"] = "ACTIVE"
        if not helpdesk.keeps_closed_at:
            changes["closed_at"] = None
    if act.move is Move.CLOSE and is_closed:
        return Effect({})
    if act.move is Move.CLOSE:
        changes |= {"status": "CLOSED", "closed_at": at}
    if act.move is Move.ASSIGN and act.agent:
        changes["user_id"] = act.agent.id
    if is_closed and act.move in (Move.REPLY, Move.INTERNAL, Move.BOT):
        state = None
    if act.text is not None or (helpdesk.type == "intercom" and act.move in _EVENTS):
        note = _note(ticket, act, at)
        if helpdesk.note_moves_ticket:
            changes["updated_at"] = at
    if changes:
        changes["updated_at"] = at
    author = act.agent.name if act.agent else "Polaris" if act.move is Move.BOT else None
    if note and _is_unsigned(helpdesk, act):
        note |= {"customer_id": None, "user_id": None}
        author = None
    is_from_customer = act.agent is None and act.move in (Move.CUSTOMER, Move.DESCRIPTION)
    backstage = Backstage(part=part, author_name=author, is_from_customer=is_from_customer)
    return Effect(changes, state if changes else None, note, backstage)


def _is_unsigned(helpdesk: Helpdesk, act: Act) -> bool:
    return helpdesk.type in _UNSIGNED and act.move in (Move.CUSTOMER, Move.REPLY) and act.at % 101 == 0


def _note(ticket: Record, act: Act, at: str) -> Record:
    is_from_customer = act.agent is None and act.move in (Move.CUSTOMER, Move.DESCRIPTION)
    is_to_customer = act.move is Move.REPLY and act.at % 5 == 0
    return {
        "created_at": at,
        "updated_at": at,
        "ticket_id": ticket["id"],
        "customer_id": ticket.get("customer_id") if is_from_customer or is_to_customer else None,
        "user_id": act.agent.id if act.agent else None,
        "description": act.text,
    }


_STATES = {
    Move.CUSTOMER: State.OPEN,
    Move.REPLY: State.PENDING,
    Move.ASSIGN: State.OPEN,
    Move.SNOOZE: State.HOLD,
    Move.CLOSE: State.SOLVED,
}
_PARTS = {
    Move.INTERNAL: Part.INTERNAL,
    Move.BOT: Part.BOT,
    Move.ASSIGN: Part.ASSIGNMENT,
    Move.SNOOZE: Part.SNOOZED,
    Move.CLOSE: Part.CLOSE,
}
_EVENTS = (Move.ASSIGN, Move.SNOOZE, Move.CLOSE)


def arranged(object_name: str, record: Record, helpdesk: Helpdesk) -> Record:
    """The record with its fields in the API's order; what is null is sent as null or left out, by helpdesk."""
    row = {name: record.get(name) for name in FIELDS[object_name] if name != "raw"}
    return row if helpdesk.sends_nulls else {name: value for name, value in row.items() if value is not None}


@dataclass
class Author:
    """Writes the stories of one connection."""

    rng: random.Random
    helpdesk: Helpdesk
    desk: Desk
    pace: Pace
    agents: list[Agent]
    category_ids: Mapping[str, str]

    def story(self, at: int, customer_id: str, person: Person) -> Story:
        """A ticket opened at a moment, and what becomes of it."""
        return _Telling(self, at, customer_id, person).ordinary()

    def saga(self, at: int, customer_id: str, person: Person, rounds: int, until: int) -> Story:
        """A ticket of so many rounds that they fill the time `until`, and that is solved soon after."""
        return _Telling(self, at, customer_id, person).endless(rounds, until)

    def colleague_of(self, agent: Agent) -> Agent:
        """Another agent, if there is one."""
        return self.rng.choice([other for other in self.agents if other is not agent] or self.agents)

    def agent_moment(self, after: int, median_minutes: float) -> int:
        """When an agent gets to it: some time later, in office hours."""
        delay = self.rng.lognormvariate(log(median_minutes), self.pace.spread) * MINUTE
        return self.in_office(after + 20 * SECOND + int(delay))

    def in_office(self, moment: int) -> int:
        """The moment itself, or the next one at which somebody works."""
        rng, day, time = self.rng, moment // DAY, moment % DAY
        if time >= 18 * HOUR:
            day, time = day + 1, 0
        if not self.pace.works_weekends:
            while (day + 3) % 7 > 4:
                day, time = day + 1, 0
        if time < 8 * HOUR:
            time = 8 * HOUR + int(rng.expovariate(1 / 40) * MINUTE)
        elif 12 * HOUR <= time < 13 * HOUR and rng.random() < 0.7:
            time = 13 * HOUR + int(rng.random() * 25 * MINUTE)
        return day * DAY + time

    def customer_moment(self, after: int) -> int:
        """When a customer writes again: any time, but seldom at night."""
        delay = self.rng.lognormvariate(log(self.pace.customer), self.pace.spread) * MINUTE
        return self.awake(after + 30 * SECOND + int(delay))

    def awake(self, moment: int) -> int:
        """The moment itself, or more likely the morning after it if it is at night."""
        if moment % DAY < 6 * HOUR and self.rng.random() < 0.8:
            return moment // DAY * DAY + 6 * HOUR + int(self.rng.random() * 4 * HOUR)
        return moment


class _Telling:
    """One story while it is being told."""

    def __init__(self, author: Author, at: int, customer_id: str, person: Person) -> None:
        rng = author.rng
        self.author, self.rng, self.helpdesk = author, rng, author.helpdesk
        self.at, self.person = at, person
        self.customer_id: str | None = customer_id
        self.topic: Topic = rng.choice(author.desk.topics)
        self.case = rng.choice(self.topic.cases)
        self.agent = rng.choice(author.agents)
        self.slots = Slots(
            rng, city=person.city, agent=self.agent.given, colleague=author.colleague_of(self.agent).given
        )
        self.acts: list[Act] = []
        self.last_mail = ""
        self.details = list(dict.fromkeys((*self.topic.details, *author.desk.details)))
        self.is_chat = author.helpdesk.type == "intercom"
        self.is_brief = author.helpdesk.type in ("intercom", "servicenow")

    def ordinary(self) -> Story:
        rng = self.rng
        if rng.random() < 0.1 and self.author.in_office(self.at) == self.at:
            return self._outreach()
        is_anonymous = rng.random() < 0.012
        if is_anonymous:
            self.customer_id = None
        ticket = self._opening()
        if is_anonymous:
            ticket["source"] = self.helpdesk.web_form
        assigned_at = self.at
        if rng.random() < 0.85:
            assigned_at = self._add(self.author.agent_moment(self.at, self.author.pace.first_reply / 6), Move.ASSIGN)
        fate = rng.random()
        if fate < 0.04:
            self._silence()
        elif fate < 0.075:
            self._duplicate(self.author.in_office(assigned_at + int(rng.uniform(1, 30) * HOUR)))
        else:
            self._exchange(assigned_at, turns=rng.choices((1, 2, 3, 4, 6), (54, 28, 11, 5, 2))[0])
        self._edits()
        return self._finished(ticket, None)

    def endless(self, rounds: int, until: int) -> Story:
        rng, author = self.rng, self.author
        saga = rng.choice(author.desk.sagas)
        self.topic = next(topic for topic in author.desk.topics if topic.category == saga.category)
        ticket = self._opened(self.slots.fill(saga.subject), self.slots.fill(saga.opening))
        at = self._add(author.agent_moment(self.at, 10), Move.ASSIGN)
        story_wide = {name: self.slots[name] for name in ("model", "city", "colleague")}
        said: Round | None = None
        for number in range(1, rounds + 1):
            said = rng.choice([each for each in saga.rounds if each is not said])
            slots = Slots(rng, **story_wide, n=str(number))
            gap = max(until - at, HOUR) / (rounds - number + 1)
            at = self._customer_writes(author.awake(at + int(gap * rng.uniform(0.2, 0.9))), slots.fill(said.says))
            at = self._agent_replies(author.in_office(at + rng.randint(2, 120) * MINUTE), slots.fill(said.answer))
        at = self._agent_replies(author.in_office(at + 2 * DAY), saga.solution)
        at = self._customer_writes(author.customer_moment(at), rng.choice(PHRASES.thanks))
        self._add(author.in_office(at + HOUR), Move.CLOSE)
        return self._finished(ticket, None)

    # Openings

    def _opening(self) -> Record:
        subject = self.slots.fill(self.rng.choice(self.case.subjects))
        text = self.slots.fill(self.rng.choice(self.case.openings))
        if self.rng.random() < 0.3 and self.helpdesk.type != "servicenow" and (detail := self._detail()):
            text += f"\n\n{detail[0].upper()}{detail[1:]}."
        return self._opened(subject, text)

    def _opened(self, subject: str, text: str) -> Record:
        body = text if self.is_brief else customer_mail(self.rng, self.person, text, greets=True)
        return self._ticket(subject, body, None)

    def _outreach(self) -> Story:
        """A ticket that the agent opens; it is closed when all is said, or after two days of silence."""
        rng, author = self.rng, self.author
        outreach = rng.choice(author.desk.outreach)
        body = self.slots.fill(outreach.text)
        if not self.is_chat:
            body = agent_mail(rng, self.agent, self.person, body, author.desk.signature)
        ticket = {
            **self._ticket(self.slots.fill(outreach.subject), body, self.agent),
            "tags": ["proactive"],
            "category_id": author.category_ids.get(author.desk.categories[0].name),
            "category": None,
        }
        at = self.at
        if rng.random() < 0.85:
            at = self._add(author.agent_moment(at, author.pace.first_reply / 6), Move.ASSIGN)
        if rng.random() < 0.55:
            said = rng.choice(outreach.answers)
            at = self._customer_writes(author.customer_moment(at), said.says)
            at = self._agent_replies(author.agent_moment(at, author.pace.later_reply), said.answer)
        self._close_after(at, days=2)
        return self._finished(ticket, self.agent)

    def _ticket(self, subject: str, body: str, opened_by: Agent | None) -> Record:
        rng, helpdesk = self.rng, self.helpdesk
        self.last_mail = body
        if helpdesk.type == "zendesk" or (helpdesk.type == "servicenow" and rng.random() < 0.3):
            note_at = self.at + rng.choice((0, 0, 0, 400, 1_000, 1_800))
            self.acts.append(Act(note_at, Move.DESCRIPTION, opened_by, self._dressed(body)))
        if self.is_chat and opened_by is None and rng.random() < 0.35:
            line = self.slots.fill(rng.choice(PHRASES.bot_lines))
            self._add(self.at + rng.randint(2, 7) * SECOND, Move.BOT, text=to_html(line))
        is_html = helpdesk.type in _HTML_DESCRIPTIONS
        created_at = to_iso(self.at)
        source = rng.choice(helpdesk.sources)
        return {
            "created_at": created_at,
            "updated_at": created_at,
            "customer_id": self.customer_id,
            "subject": subject,
            "description": to_html(body) if is_html else body,
            "status": "ACTIVE",
            "priority": self._priority(),
            **self._category(),
            "source": source,
            "tags": self._tags(),
            "due_at": to_iso(self.at + rng.randint(24, 120) * HOUR) if rng.random() < 0.15 else None,
            "attachment_ids": [f"att_{rng.randrange(10**8):08d}"] if rng.random() < 0.07 else None,
            "metadata": self._metadata(),
        }

    def _category(self) -> Record:
        name, roll = self.topic.category, self.rng.random()
        if roll < 0.04:
            return {}
        if roll < 0.055:
            return {"category_id": "999999"}
        if self.helpdesk.type == "servicenow" and roll < 0.35:
            return {"category": name}
        return {"category_id": self.author.category_ids.get(name)}

    def _priority(self) -> str | None:
        priorities = self.helpdesk.priorities
        if self.rng.random() < 0.08 and self.helpdesk.type != "freshdesk":
            return None
        middle = 0 if len(priorities) < 3 else 1
        roll, urgency = self.rng.random(), self.topic.urgency
        if roll < urgency * 0.35:
            return priorities[-1]
        if roll < urgency:
            return priorities[-2] if len(priorities) > 2 else priorities[-1]
        return priorities[middle] if roll < 0.85 else priorities[0]

    def _tags(self) -> list[str]:
        tags = [self.slots.fill(tag) for tag in self.topic.tags if self.rng.random() < 0.6]
        return [*tags, "vip"] if self.rng.random() < 0.04 else tags

    def _metadata(self) -> list[Record] | None:
        if self.rng.random() > 0.1:
            return None
        return [{"id": "order", "slug": "order_number", "format": "TEXT", "value": self.slots["order"]}]

    # What follows

    def _exchange(self, after: int, *, turns: int) -> None:
        rng, author, case, at = self.rng, self.author, self.case, after
        first = Progress(rng.choice(case.asks), rng.choice(case.answers))
        further = [*self.topic.progress, *author.desk.progress]
        chosen = sorted(rng.sample(range(len(further)), min(max(turns - 2, 0), len(further))))
        exchanges = [first, *(further[index] for index in chosen)][: turns - 1]
        for number, exchange in enumerate(exchanges):
            at = self._reply(at, exchange.says, is_first=number == 0)
            if number == 0 and rng.random() < 0.16:
                self._close_after(at, days=5)
                return
            at = self._customer_writes(author.customer_moment(at), exchange.answer)
            if rng.random() < 0.1 and (detail := self._detail()):
                text = rng.choice(PHRASES.follow_ups).replace("{detail}", detail)
                at = self._customer_writes(at + rng.randint(40, 600) * SECOND, text)
        at = self._reply(at, rng.choice(case.fixes), is_first=not exchanges)
        if rng.random() < 0.3:
            at = self._customer_writes(author.customer_moment(at), rng.choice(PHRASES.thanks))
        if rng.random() < 0.9:
            self._close_and_maybe_reopen(at)

    def _reply(self, after: int, text: str, *, is_first: bool) -> int:
        rng, author = self.rng, self.author
        at = author.agent_moment(after, author.pace.first_reply if is_first else author.pace.later_reply)
        if at - after > 2 * DAY and rng.random() < 0.35:
            self._customer_writes(after + int((at - after) * 0.7), rng.choice(PHRASES.nudges))
        if rng.random() < 0.14:
            remark = self.slots.fill(rng.choice(self.topic.internals if rng.random() < 0.4 else PHRASES.remarks))
            noted_at = at - min(rng.randint(2, 15) * MINUTE, at % DAY - 8 * HOUR)
            self._add(max(after + SECOND, noted_at), Move.INTERNAL, text=self._dressed(remark))
        if self.is_chat and rng.random() < 0.05:
            self._add(at - SECOND, Move.SNOOZE)
        return self._agent_replies(at, text)

    def _close_and_maybe_reopen(self, after: int) -> None:
        rng, author = self.rng, self.author
        wait = rng.choice((0.1, 0.3, 2, 20, 48)) * HOUR
        at = self._add(author.in_office(after + MINUTE + int(wait)), Move.CLOSE)
        if rng.random() > 0.08:
            return
        at = author.customer_moment(at + int(rng.uniform(0.5, 6) * DAY))
        comeback = rng.choice(self.topic.comebacks or PHRASES.comebacks)
        at = self._customer_writes(at, comeback.says)
        if rng.random() < 0.85:
            at = self._agent_replies(author.agent_moment(at, author.pace.later_reply), comeback.answer)
            if rng.random() < 0.8:
                self._add(author.in_office(at + DAY), Move.CLOSE)

    def _duplicate(self, at: int) -> None:
        """Closed without a reply, and a note says why."""
        self._add(at, Move.INTERNAL, text=self._dressed(self.rng.choice(PHRASES.duplicates)))
        self._add(at + 20 * SECOND, Move.CLOSE)

    def _close_after(self, at: int, days: int) -> None:
        self._add(at + days * DAY + self.rng.randint(0, 3_000) * SECOND, Move.CLOSE)

    def _silence(self) -> None:
        if self.rng.random() < 0.5:
            nudge = self.at + int(self.rng.uniform(2, 6) * DAY)
            self._customer_writes(nudge, self.rng.choice(PHRASES.nudges))

    def _edits(self) -> None:
        rng = self.rng
        if rng.random() > 0.12:
            return
        at = self.author.in_office(self.at + int(rng.uniform(0.2, 30) * HOUR))
        changes = rng.choice(
            (
                {"priority": rng.choice(self.helpdesk.priorities)},
                {"tags": sorted({*self._tags(), "escalated"})},
                {"category_id": self.author.category_ids.get(self.topic.category)},
            )
        )
        self.acts.append(Act(at, Move.EDIT, changes=changes))

    # Messages

    def _customer_writes(self, at: int, text: str) -> int:
        filled = self.slots.fill(text)
        body = filled if self.is_brief else customer_mail(self.rng, self.person, filled, greets=self.rng.random() < 0.4)
        quotes = not self.is_brief and self.rng.random() < 0.3
        self._add(at, Move.CUSTOMER, text=self._dressed(body, quotes=quotes))
        return at

    def _agent_replies(self, at: int, text: str) -> int:
        filled = self.slots.fill(text)
        if not self.is_brief:
            filled = agent_mail(self.rng, self.agent, self.person, filled, self.author.desk.signature)
        elif self.is_chat and self.rng.random() < 0.4:
            filled = f"Hi {self.person.given}! {filled}"
        self._add(at, Move.REPLY, text=self._dressed(filled))
        self.last_mail = filled
        return at

    def _dressed(self, text: str, *, quotes: bool = False) -> str:
        if self.helpdesk.type not in _HTML_NOTES:
            return text
        return to_html(text, self.last_mail if quotes else "", self.author.desk.signature)

    def _detail(self) -> str | None:
        """Something that the customer mentions beside, and once only."""
        if not self.details:
            return None
        return self.slots.fill(self.details.pop(self.rng.randrange(len(self.details))))

    def _add(self, at: int, move: Move, *, text: str | None = None) -> int:
        is_agents = move not in (Move.CUSTOMER, Move.BOT)
        self.acts.append(Act(at, move, self.agent if is_agents else None, text))
        return at

    def _finished(self, ticket: Record, opened_by: Agent | None) -> Story:
        return Story(ticket, opened_by, (opened_by or self.person).name, list(_spread(sorted(self.acts))))


def _spread(acts: list[Act]) -> Iterator[Act]:
    """No two acts in one millisecond."""
    last = 0
    for act in acts:
        last = max(act.at, last + 1)
        yield act if act.at == last else Act(last, act.move, act.agent, act.text, act.changes)
