"""What people write about, by desk: riders, the web shop, the dealers, and the company's own IT."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files

import msgspec


@dataclass(frozen=True)
class Case:
    """One trouble: how it is told, what is asked and answered, and what helps. Any choice of each makes sense."""

    subjects: tuple[str, ...]
    openings: tuple[str, ...]
    asks: tuple[str, ...]
    answers: tuple[str, ...]
    fixes: tuple[str, ...]


@dataclass(frozen=True)
class Progress:
    """An exchange on the way, when the first question did not settle it: the agent speaks, the customer answers."""

    says: str
    answer: str


@dataclass(frozen=True)
class Round:
    """An exchange that a customer begins and an agent ends."""

    says: str
    answer: str


@dataclass(frozen=True)
class Topic:
    """A category's troubles, what agents note about them, and how urgent they are: a share from 0 to 1."""

    category: str
    urgency: float
    tags: tuple[str, ...]
    internals: tuple[str, ...]
    cases: tuple[Case, ...]
    details: tuple[str, ...] = ()
    """What customers mention beside: true of every case."""
    progress: tuple[Progress, ...] = ()
    comebacks: tuple[Round, ...] = ()
    """How customers come back after the solution, and what settles it then."""


@dataclass(frozen=True)
class Saga:
    """A very long thread: many rounds about one matter, each with its number, and what ends it."""

    category: str
    subject: str
    opening: str
    solution: str
    rounds: tuple[Round, ...]


@dataclass(frozen=True)
class Category:
    """A category of a desk, perhaps under another one."""

    name: str
    parent: str | None = None


@dataclass(frozen=True)
class Outreach:
    """A ticket that an agent opens, and what may come of it."""

    subject: str
    text: str
    answers: tuple[Round, ...]


@dataclass(frozen=True)
class Desk:
    """A support desk: what it is asked, what it asks, and how it signs. Its progress and details fit every topic."""

    signature: str
    categories: tuple[Category, ...]
    topics: tuple[Topic, ...]
    progress: tuple[Progress, ...]
    details: tuple[str, ...]
    sagas: tuple[Saga, ...]
    outreach: tuple[Outreach, ...]
    workplaces: tuple[str, ...] = ()
    """Mail domains of customers who write from work; empty where they write from home."""


@dataclass(frozen=True)
class Phrases:
    """What is said on every desk and about everything."""

    nudges: tuple[str, ...]
    thanks: tuple[str, ...]
    bot_lines: tuple[str, ...]
    follow_ups: tuple[str, ...]
    remarks: tuple[str, ...]
    """What agents note for each other."""
    holding: tuple[str, ...]
    """What agents say who have nothing to say yet."""
    duplicates: tuple[str, ...]
    """Why agents close a ticket without a reply."""
    comebacks: tuple[Round, ...]


@dataclass(frozen=True)
class _Book:
    phrases: Phrases
    slots: dict[str, tuple[str, ...]]
    numbers: dict[str, tuple[int, int]]
    desks: dict[str, Desk]


_BOOK = msgspec.convert(
    tomllib.loads(files("pipelines.sandbox").joinpath("conversations.toml").read_text(encoding="utf-8")), _Book
)

PHRASES = _BOOK.phrases
SLOTS = _BOOK.slots
"""What a name in braces may stand for."""
NUMBERS = _BOOK.numbers
"""The ranges of those that stand for a number."""


def desk_of(integration_type: str) -> Desk:
    """Whom a helpdesk of this type serves; one that has no desk of its own serves the riders."""
    return _BOOK.desks.get(integration_type, _BOOK.desks["zendesk"])
