"""A believable past, from one integer: ninety days of Nordlys Cycles, a maker of smart bicycles."""

from __future__ import annotations

import random
from collections.abc import Mapping
from itertools import accumulate

from pipelines.sandbox import people, topics
from pipelines.sandbox.helpdesks import Backstage, Helpdesk, State
from pipelines.sandbox.instants import DAY, HOUR, MINUTE, from_iso, to_iso
from pipelines.sandbox.life import Life, contact, moment_of_day, remembered, workplace
from pipelines.sandbox.people import Person
from pipelines.sandbox.shelf import Record
from pipelines.sandbox.store import Store
from pipelines.sandbox.story import Author, Effect, Story, arranged, effect
from pipelines.sandbox.topics import Category

HISTORY = 90 * DAY

_SHARES = {"zendesk": 0.36, "intercom": 0.29, "freshdesk": 0.2, "servicenow": 0.15}
_URLS = {
    "zendesk": "https://nordlys.zendesk.example/agent/tickets/{id}",
    "intercom": "https://app.intercom.example/a/inbox/nordlys/conversation/{id}",
    "freshdesk": "https://nordlys.freshdesk.example/a/tickets/{id}",
    "servicenow": "https://nordlys.service-now.example/nav_to.do?uri=incident.do?sys_id={id}",
}
_TICKETS_FOR_SAGAS = 400
_RETIRED = Category("Old website")


def populate(store: Store, life: Life, seed: int, tickets: int, helpdesks: tuple[str, ...]) -> None:
    """Give the store a connection for each helpdesk named, with its share of the tickets and their past."""
    shares = [_SHARES.get(helpdesk, 0.25) for helpdesk in helpdesks]
    ends = [round(tickets * part / sum(shares)) for part in accumulate(shares)]
    known: list[Person] = []
    for begin, end, integration_type in zip([0, *ends], ends, helpdesks, strict=False):
        connection_id = store.add_connection(integration_type)
        rng = random.Random(f"{seed}:{connection_id}:{integration_type}")
        is_first = begin == 0
        _History(store, life, rng, connection_id, known).write(end - begin, _sagas(tickets, is_first=is_first))


def _sagas(tickets: int, *, is_first: bool) -> int:
    """Very long threads in one connection: from 400 tickets on each has some, from 50 on the first has one."""
    if tickets >= _TICKETS_FOR_SAGAS:
        return max(1, tickets // 3_000)
    return 1 if is_first and tickets >= 50 else 0


class _History:
    """The past of one connection."""

    def __init__(self, store: Store, life: Life, rng: random.Random, connection_id: str, known: list[Person]) -> None:
        self.store, self.life, self.rng, self.connection_id, self.known = store, life, rng, connection_id, known
        self.helpdesk: Helpdesk = store.helpdesk_of(connection_id)
        self.now = store.now_milliseconds
        self.tickets: list[Record] = []
        self.notes: list[Record] = []
        self.first_seen: dict[str, int] = {}

    def write(self, tickets: int, sagas: int) -> None:
        self._hire(min(12, 3 + tickets // 150))
        self._name_categories()
        author = self.life.author(self.connection_id)
        customers = self._meet(max(8, tickets // 5), author)
        begin = self.now - HISTORY
        moments = sorted(moment_of_day(self.rng, begin, self.now) for _ in range(tickets))
        weights = list(accumulate(1 / (rank + 8) for rank in range(len(customers))))
        are_sagas = set(self.rng.sample(range(1, tickets // 3), sagas)) if sagas else set()
        for number, at in enumerate(moments, start=1):
            customer = self.rng.choices(customers, cum_weights=weights)[0]
            told = (at, customer["id"], remembered(customer))
            self._tell(number, self._saga(*told, tickets) if number in are_sagas else author.story(*told))
            self.first_seen.setdefault(customer["id"], at)
        self._settle_customers(customers)
        self.store.load(self.connection_id, "ticket", self.tickets)
        self.store.load(self.connection_id, "note", sorted(self.notes, key=lambda note: str(note["created_at"])))

    def _saga(self, at: int, customer_id: str, person: Person, tickets: int) -> Story:
        """A very long thread, shorter in a small world; some go on after the past has ended."""
        shortest = min(50, 20 + tickets // 2)
        share = self.rng.uniform(0.6, 1.1)
        rounds = int(self.rng.triangular(shortest, shortest + min(45, tickets // 25), shortest) * max(1, share * 1.1))
        until = at + int(share * (self.now - at))
        return self.life.author(self.connection_id).saga(at, customer_id, person, rounds, until)

    def _identifier(self, object_name: str, number: int) -> str:
        return self.helpdesk.identifier(self.connection_id, object_name, number)

    def _hire(self, count: int) -> None:
        for number, (given, family) in enumerate(self.rng.sample(people.AGENT_NAMES, count), start=1):
            hired = to_iso(self.now - self.rng.randint(150, 1_400) * DAY)
            agent = {
                "id": self._identifier("employee", number),
                "created_at": hired,
                "updated_at": hired,
                "name": f"{given} {family}",
                "first_name": given,
                "last_name": family,
                "emails": [{"email": f"{people.local_part(given)}@nordlys-cycles.example", "type": "WORK"}],
                "title": "Team Lead" if number == 1 else "Support Specialist",
                "employment_status": "ACTIVE",
                "employee_roles": ["MANAGER"] if number == 1 else [],
                **({} if number == 1 else {"manager_id": self._identifier("employee", 1)}),
                "timezone": "UTC",
                **_private(number, hired),
            }
            self.store.load(self.connection_id, "employee", [agent])

    def _name_categories(self) -> None:
        desk = topics.desk_of(self.helpdesk.type)
        categories = [*desk.categories, _RETIRED]
        ids = {category.name: self._identifier("category", n) for n, category in enumerate(categories, start=1)}
        for number, category in enumerate(categories, start=1):
            made = to_iso(self.now - 400 * DAY + number * HOUR)
            is_active = category is not _RETIRED
            row = {
                "id": ids[category.name],
                "created_at": made,
                "updated_at": made if is_active else to_iso(self.now - 30 * DAY),
                "name": category.name,
                "description": f"Requests about {category.name[0].lower()}{category.name[1:]}",
                "is_active": is_active,
                "parent_id": ids[category.parent] if category.parent else None,
            }
            self.store.load(self.connection_id, "category", [self._finished("category", row)])

    def _meet(self, count: int, author: Author) -> list[Record]:
        customers: list[Record] = []
        met = list(self.known)
        for number in range(1, count + 1):
            is_known = bool(met) and self.rng.random() < 0.15
            person = (
                met.pop(self.rng.randrange(len(met)))
                if is_known
                else people.customer(self.rng, number, workplace(self.rng, author))
            )
            if not author.desk.workplaces:
                self.known.append(person)
            customers.append({"id": self._identifier("customer", number), **self._profile(person)})
        return customers

    def _profile(self, person: Person) -> Record:
        profile = contact(person)
        if self.helpdesk.type == "intercom" and self.rng.random() < 0.05:
            profile |= {"name": f"Visitor {self.rng.randrange(16**4):04X}", "emails": None, "telephones": None}
        if self.rng.random() < 0.1:
            profile["tags"] = [self.rng.choice(("newsletter", "vip", "beta-tester", "company"))]
        return profile

    def _settle_customers(self, customers: list[Record]) -> None:
        """A customer is older than their first ticket, and their profile was last changed at some time since."""
        for customer in customers:
            first = self.first_seen.get(customer["id"], self.now - self.rng.randint(1, 200) * HOUR)
            created = first - self.rng.choice((2 * MINUTE, HOUR, 30 * DAY, 300 * DAY)) - self.rng.randrange(HOUR)
            updated = created if self.rng.random() < 0.6 else self.rng.randint(created, self.now)
            customer |= {"created_at": to_iso(created), "updated_at": to_iso(updated)}
        self.store.load(self.connection_id, "customer", [self._finished("customer", row) for row in customers])

    def _tell(self, number: int, story: Story) -> None:
        """Fold a story's past into a ticket and its notes, and leave its future to life."""
        ticket = {**story.ticket, "id": self._identifier("ticket", number)}
        ticket |= self._references(ticket, number)
        state = State.NEW
        past = [act for act in story.acts if act.at < self.now]
        for act in past:
            done = effect(self.helpdesk, ticket, act)
            ticket |= done.changes
            state = done.state or state
            if done.note:
                self._keep_note(done.note, done)
        if state is State.SOLVED and self.now - from_iso(ticket["closed_at"]) > 4 * DAY:
            state = State.CLOSED
        opened_by = story.opened_by.id if story.opened_by else None
        backstage = Backstage(state=state, opened_by=opened_by, author_name=story.author_name)
        self.tickets.append(self._finished("ticket", ticket, backstage))
        self.life.plan(self.connection_id, ticket["id"], story.acts[len(past) :])

    def _references(self, ticket: Record, number: int) -> Record:
        references: dict[str, Record] = {
            "servicenow": {"source_ref": f"INC{1_004_200 + number:07d}"},
            "zendesk": {"source_ref": f"<{ticket['id']}.{number * 7919 % 99991:05d}@mail.nordlys-cycles.example>"},
        }
        url = _URLS.get(self.helpdesk.type, "").format(id=ticket["id"])
        has_mail = self.helpdesk.type == "servicenow" or ticket.get("source") == "email"
        return {"url": url or None, **(references.get(self.helpdesk.type, {}) if has_mail else {})}

    def _keep_note(self, note: Record, done: Effect) -> None:
        row = {**note, "id": self._identifier("note", len(self.notes) + 1)}
        self.notes.append(self._finished("note", row, done.backstage))

    def _finished(self, object_name: str, record: Mapping[str, object], backstage: Backstage | None = None) -> Record:
        row = arranged(object_name, dict(record), self.helpdesk)
        raw = self.helpdesk.raw(object_name, row, backstage or Backstage())
        return {**row, "raw": raw} if raw is not None else row


def _private(number: int, hired: str) -> Record:
    """What a staff directory knows of an employee besides, and nobody needs in order to name an agent."""
    return {
        "telephones": [{"telephone": f"+47 555 01{number:02d} 77", "type": "HOME"}],
        "date_of_birth": f"19{60 + number % 40}-02-17T00:00:00.000Z",
        "gender": "FEMALE" if number % 2 else "MALE",
        "marital_status": "MARRIED",
        "address": {"address1": f"Fjordgata {number} B", "city": "Trondheim", "country_code": "NO"},
        "ssn_sin": f"170260-{number:05d}",
        "compensation": [{"type": "SALARY", "amount": 61_234 + number, "currency": "EUR", "frequency": "YEAR"}],
        "hired_at": hired,
    }
