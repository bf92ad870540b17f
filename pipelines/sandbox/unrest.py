"""Lists that do not stand still: records move, change, go and come just before a list is answered."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta

from pipelines.sandbox import people
from pipelines.sandbox.faults import Fate, Unrest
from pipelines.sandbox.life import contact
from pipelines.sandbox.shelf import Record
from pipelines.sandbox.store import Store

Where = tuple[str, str]
"""A connection's id and an object's name."""

_TITLES = {"ticket": "subject", "note": "description"}
_SUBJECTS = ("Display stays dark", "Charger blinks red", "Chain skips in third gear", "Invoice for my last order")
_MESSAGES = (
    "It has been like this since the weekend.",
    "Could you tell me what to do next?",
    "I have tried it twice and nothing changed.",
    "Photos are on their way.",
)
_CATEGORIES = ("Accessories", "Recalls", "Workshop dates", "Gift cards")
_COLLEAGUES = ("Signe Dahl", "Amadou Diallo", "Rosa Lindqvist", "Teo Marchetti")


def stir(store: Store, where: Where, fate: Fate) -> None:
    """Let befall a list what the faults ask for."""
    if not fate.concerns(where[0]):
        return
    for record_id in _some(store, where, fate, Unrest.MOVE):
        store.touch(*where, record_id)
    for record_id in _some(store, where, fate, Unrest.QUIET_EDIT):
        title = _TITLES.get(where[1], "name")
        store.patch(*where, record_id, {title: f"Changed in passing, {fate.rng.getrandbits(32):08x}"}, quiet=True)
    for record_id in _some(store, where, fate, Unrest.DELETE):
        store.delete(*where, record_id)
    if where[1] == "note" and not len(store.shelf(where[0], "ticket")):
        return
    for _ in range(fate.due(Unrest.INSERT)):
        _let_pass(store, fate)
        store.create(*where, _newcomer(store, where, fate.rng))


def _some(store: Store, where: Where, fate: Fate, unrest: Unrest) -> Iterator[str]:
    """The random records of a list that this befalls, each when its time has come."""
    shelf = store.shelf(*where)
    due = fate.due(unrest, len(shelf))
    for record_id in fate.rng.sample([stored.id for stored in shelf], due) if due else ():
        _let_pass(store, fate)
        yield record_id


def _let_pass(store: Store, fate: Fate) -> None:
    store.advance(timedelta(seconds=fate.faults.moves_apart_seconds))


def _newcomer(store: Store, where: Where, rng: random.Random) -> Record:
    connection_id, object_name = where
    match object_name:
        case "ticket":
            return {"subject": rng.choice(_SUBJECTS), "description": rng.choice(_MESSAGES), "status": "ACTIVE"}
        case "note":
            ticket = rng.choice(list(store.shelf(connection_id, "ticket")))
            return {"ticket_id": ticket.id, "description": rng.choice(_MESSAGES)}
        case "customer":
            return contact(people.customer(rng, store.shelf(*where).made + 1))
        case "category":
            return {"name": rng.choice(_CATEGORIES), "is_active": True}
        case _:
            return {"name": rng.choice(_COLLEAGUES), "employment_status": "ACTIVE"}
