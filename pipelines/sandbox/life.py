"""Time passes: tickets arrive, are answered, closed, reopened and edited."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from math import sqrt

from pipelines.sandbox import people, topics
from pipelines.sandbox.helpdesks import Backstage
from pipelines.sandbox.helpdesks.helpdesk import first
from pipelines.sandbox.instants import DAY, HOUR, SECOND, moment_in, to_iso
from pipelines.sandbox.letters import Slots, to_html
from pipelines.sandbox.people import Agent, Person
from pipelines.sandbox.shelf import Record
from pipelines.sandbox.store import Store
from pipelines.sandbox.story import PACES, Act, Author, Move, Story, arranged, effect
from pipelines.sandbox.topics import PHRASES, Round

COUNTED = ("new_tickets", "new_customers", "replies", "closings", "reopenings", "edits", "notes")

_HOURS = (1, 1, 1, 1, 1, 2, 4, 7, 11, 13, 14, 13, 10, 11, 13, 13, 12, 12, 11, 11, 10, 8, 5, 3)
_HOURS_OF_HISTORY = 2_160
_RUSH_HOURS = 8
"""So long after the start more happens than the past would suggest, so that a look at a small world is worth it."""
_DAYS_OF_SILENCE = 4
_WEEKDAYS = (1.25, 1.1, 1.0, 1.0, 0.9, 0.5, 0.55)


class Life:
    """What is still going to happen, and the chance of more."""

    def __init__(self, store: Store, seed: int) -> None:
        self._store = store
        self._rng = random.Random(f"life of {seed}")
        self._authors: dict[str, Author] = {}
        self._due: list[tuple[int, int, str, str, Act]] = []
        self._planned = 0

    def plan(self, connection_id: str, ticket_id: str, acts: list[Act]) -> None:
        """Remember what will happen to a ticket."""
        for act in acts:
            self._planned += 1
            heappush(self._due, (act.at, self._planned, connection_id, ticket_id, act))

    def pass_time(self, hours: float) -> dict[str, int]:
        """Live for so many hours; the clock ends where they end. Returns how much of what happened."""
        counts = Counter(dict.fromkeys(COUNTED, 0))
        begin = self._store.now_milliseconds
        end = begin + int(hours * HOUR)
        occasions = sorted(self._occasions(begin, end), key=lambda occasion: occasion[0])
        for at, connection_id, kind in occasions:
            self._catch_up(at, counts)
            self._happen(at, connection_id, kind, counts)
        self._catch_up(end - SECOND, counts)
        self._store.advance_to(end)
        return dict(counts)

    def _occasions(self, begin: int, end: int) -> Iterator[tuple[int, str, str]]:
        """When somebody new writes, and when somebody does what no story had foreseen."""
        hours = (end - begin) / HOUR
        for connection in self._store.connections():
            tickets = len(self._store.shelf(connection["id"], "ticket"))
            busyness = tickets * hours / _HOURS_OF_HISTORY + max(0.12 * sqrt(tickets), 0.1) * min(hours, _RUSH_HOURS)
            for kind, weight in (
                ("arrival", 1.0),
                ("edit", 0.5),
                ("reopening", 0.12),
                ("holding", 0.3),
                ("closing", 0.3),
            ):
                for at in self._moments(busyness * weight, begin, end):
                    yield at, connection["id"], kind

    def _moments(self, expected: float, begin: int, end: int) -> list[int]:
        count = int(expected) + (self._rng.random() < expected % 1)
        return [moment_of_day(self._rng, begin, end - 2 * SECOND) for _ in range(count)]

    def _happen(self, at: int, connection_id: str, kind: str, counts: Counter[str]) -> None:
        author = self.author(connection_id)
        if kind == "arrival":
            self._arrive(at, connection_id, author, counts)
        elif kind == "holding":
            self._hold(at, connection_id, author)
        elif kind == "reopening":
            self._reopen(at, connection_id, author, counts)
        elif kind == "edit" and (ticket := self._some_ticket(connection_id, _is_active)):
            self._perform(connection_id, ticket["id"], Act(at, Move.EDIT, changes=self._edit(author, ticket)), counts)
        elif kind == "closing" and (ticket := self._forgotten(connection_id, at)):
            self._perform(connection_id, ticket["id"], Act(at, Move.CLOSE, self._rng.choice(author.agents)), counts)

    def _hold(self, at: int, connection_id: str, author: Author) -> None:
        """The agent who owes somebody an answer says that it will take a while."""
        owed: dict[str, Act] = {}
        for _, _, where, ticket_id, act in sorted(self._due):
            if where == connection_id and act.move in (Move.CUSTOMER, Move.REPLY):
                owed.setdefault(ticket_id, act)
        at = author.in_office(at)
        waiting = [(ticket_id, act) for ticket_id, act in owed.items() if act.move is Move.REPLY and act.at > at + HOUR]
        if waiting:
            ticket_id, act = self._rng.choice(waiting)
            said = self._said(author, self._rng.choice(PHRASES.holding))
            self.plan(connection_id, ticket_id, [Act(at, Move.REPLY, act.agent, said)])

    def _reopen(self, at: int, connection_id: str, author: Author, counts: Counter[str]) -> None:
        """A customer comes back after the end, and is answered."""
        ticket = self._some_ticket(connection_id, _may_come_back)
        if ticket is None:
            return
        rng, agent = self._rng, self._rng.choice(author.agents)
        comeback = rng.choice(self._comebacks(author, ticket))
        slots = Slots(rng, agent=agent.given, colleague=author.colleague_of(agent).given)
        says, answer = (self._said(author, slots.fill(text)) for text in (comeback.says, comeback.answer))
        self._perform(connection_id, ticket["id"], Act(at, Move.CUSTOMER, None, says), counts)
        answered_at = author.agent_moment(at, author.pace.later_reply)
        closed_at = author.in_office(answered_at + DAY)
        acts = [Act(answered_at, Move.REPLY, agent, answer), Act(closed_at, Move.CLOSE, agent)]
        self.plan(connection_id, ticket["id"], acts)

    def _comebacks(self, author: Author, ticket: Record) -> tuple[Round, ...]:
        for topic in author.desk.topics:
            known_as = (ticket.get("category"), ticket.get("category_id"))
            if topic.comebacks and (topic.category in known_as or author.category_ids.get(topic.category) in known_as):
                return topic.comebacks
        return PHRASES.comebacks

    def _arrive(self, at: int, connection_id: str, author: Author, counts: Counter[str]) -> None:
        store = self._store
        shelf = store.shelf(connection_id, "customer")
        if not len(shelf) or self._rng.random() < 0.3:
            person = people.customer(self._rng, shelf.made + 1, workplace(self._rng, author))
            self._pass_to(at)
            made = {**contact(person), "created_at": to_iso(at), "updated_at": to_iso(at)}
            customer = store.create(connection_id, "customer", arranged_new("customer", made, author))
            counts["new_customers"] += 1
        else:
            customer = self._rng.choice(list(shelf)).record()
            person = remembered(customer)
        story = author.story(at + SECOND, customer["id"], person)
        self._pass_to(at + SECOND)
        counts["new_tickets"] += 1
        self._plan_story(connection_id, author, story)

    def _plan_story(self, connection_id: str, author: Author, story: Story) -> None:
        opened_by = story.opened_by.id if story.opened_by else None
        backstage = Backstage(opened_by=opened_by, author_name=story.author_name)
        fields = arranged_new("ticket", story.ticket, author)
        ticket = self._store.create(connection_id, "ticket", fields, backstage=backstage)
        self.plan(connection_id, ticket["id"], story.acts)

    def _catch_up(self, until: int, counts: Counter[str]) -> None:
        while self._due and self._due[0][0] < until:
            _, _, connection_id, ticket_id, act = heappop(self._due)
            self._perform(connection_id, ticket_id, act, counts)

    def _perform(self, connection_id: str, ticket_id: str, act: Act, counts: Counter[str]) -> None:
        store = self._store
        stored = store.shelf(connection_id, "ticket").get(ticket_id) if store.connection(connection_id) else None
        if stored is None:
            return
        self._pass_to(act.at)
        ticket = stored.record()
        helpdesk = store.helpdesk_of(connection_id)
        done = effect(helpdesk, ticket, act)
        if done.note:
            note = arranged_new("note", done.note, self.author(connection_id))
            store.create(connection_id, "note", note, backstage=done.backstage)
            counts["notes"] += 1
        if done.changes:
            store.patch(connection_id, "ticket", ticket_id, done.changes, state=done.state)
        counts["replies"] += act.move is Move.REPLY
        counts["edits"] += act.move is Move.EDIT
        counts["closings"] += act.move is Move.CLOSE and ticket.get("status") != "CLOSED"
        counts["reopenings"] += done.changes.get("status") == "ACTIVE"

    def _pass_to(self, at: int) -> None:
        self._store.advance_to(at)

    def _some_ticket(self, connection_id: str, is_meant: Callable[[Record], bool]) -> Record | None:
        shelf = list(self._store.shelf(connection_id, "ticket"))
        for _ in range(12 if shelf else 0):
            ticket = self._rng.choice(shelf[-400:]).record()
            if is_meant(ticket):
                return ticket
        return None

    def _forgotten(self, connection_id: str, at: int) -> Record | None:
        """An open ticket with nothing to come, in which nobody has written for days."""
        has_future = {ticket_id for _, _, where, ticket_id, _ in self._due if where == connection_id}
        notes = self._store.shelf(connection_id, "note")

        def is_forgotten(ticket: Record) -> bool:
            if not _is_active(ticket) or ticket["id"] in has_future:
                return False
            moments = [
                ticket.get("created_at"),
                *(note.record().get("created_at") for note in notes.of_ticket(ticket["id"])),
            ]
            return max((moment_in(moment) or 0 for moment in moments), default=0) < at - _DAYS_OF_SILENCE * DAY

        return self._some_ticket(connection_id, is_forgotten)

    def _edit(self, author: Author, ticket: Record) -> Record:
        rng = self._rng
        return rng.choice(
            (
                {"priority": rng.choice(author.helpdesk.priorities)},
                {"tags": sorted({*_tags(ticket), rng.choice(("escalated", "callback", "vip", "waiting"))})},
                {"user_id": rng.choice(author.agents).id},
                {"subject": f"{ticket.get('subject') or 'Request'} [{rng.choice(('part 2', 'urgent', 'callback'))}]"},
            )
        )

    def _said(self, author: Author, text: str) -> str:
        return text if author.helpdesk.type == "servicenow" else to_html(text)

    def author(self, connection_id: str) -> Author:
        """Who writes the stories of a connection; hires agents and names categories where there are none."""
        if connection_id not in self._authors:
            self._authors[connection_id] = self._new_author(connection_id)
        return self._authors[connection_id]

    def _new_author(self, connection_id: str) -> Author:
        store = self._store
        helpdesk = store.helpdesk_of(connection_id)
        if not len(store.shelf(connection_id, "employee")):
            store.create(connection_id, "employee", {"name": "Jonas Eriksen", "employment_status": "ACTIVE"})
        agents = [Agent(row["id"], *row["name"].split(" ", 1)) for row in store.records(connection_id, "employee")]
        categories = {str(row.get("name")): row["id"] for row in store.records(connection_id, "category")}
        return Author(
            random.Random(f"{self._rng.random()}:{connection_id}"),
            helpdesk,
            topics.desk_of(helpdesk.type),
            PACES.get(helpdesk.type, PACES["zendesk"]),
            agents,
            categories,
        )


def _is_active(ticket: Record) -> bool:
    return ticket.get("status") != "CLOSED"


def _may_come_back(ticket: Record) -> bool:
    return not _is_active(ticket) and "proactive" not in _tags(ticket)


def _tags(ticket: Record) -> list[str]:
    tags = ticket.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def moment_of_day(rng: random.Random, begin: int, end: int) -> int:
    """A moment between two, more likely by day and in the week."""
    for _ in range(40):
        at = begin + int(rng.random() * (end - begin))
        if rng.random() < _HOURS[at % DAY // HOUR] / 14 * _WEEKDAYS[(at // DAY + 3) % 7] / 1.25:
            return at
    return at


def workplace(rng: random.Random, author: Author) -> str | None:
    """The mail domain of a desk whose customers write from work."""
    if not author.desk.workplaces:
        return None
    town = rng.choice(topics.SLOTS["city"]).lower().translate(str.maketrans("öńü", "onu"))
    return rng.choice(author.desk.workplaces).format(town=town)


def contact(person: Person) -> Record:
    """A customer record's fields."""
    return {
        "name": person.name,
        "emails": [{"email": person.email, "type": "WORK" if "nordlys" in person.email else "HOME"}],
        "telephones": [{"telephone": person.telephone, "type": "MOBILE"}] if person.telephone else None,
    }


def remembered(customer: Record) -> Person:
    """A person again, out of a customer record."""
    name = customer.get("name")
    given, _, family = (name if name and isinstance(name, str) else "there").partition(" ")
    marker = sum(str(customer["id"]).encode())
    city = topics.SLOTS["city"][marker % len(topics.SLOTS["city"])]
    return Person(
        given,
        family,
        first(customer.get("emails"), "email") or "",
        None,
        city,
        ("Hi", "Hello", "Hi there")[marker % 3],
        marker % 3 == 0,
    )


def arranged_new(object_name: str, record: Record, author: Author) -> Record:
    """The record arranged as the helpdesk does, without the id that it is about to get."""
    row = arranged(object_name, record, author.helpdesk)
    row.pop("id", None)
    return row
