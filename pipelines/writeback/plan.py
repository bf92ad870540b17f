"""A plan: for each ticket what will be changed, from what and why, and what will not be done and why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec

from pipelines.errors import FixConfiguration
from transforms.values import digest_of

Value: TypeAlias = str | list[str] | None
"""Of a field of a ticket; tags are a list, in order."""

NOTE = "note"
"""Under which name the text of a note stands beside the fields of tickets."""

FORMAT = "unified-ticketing triage plan, version 1"


class Change(msgspec.Struct, frozen=True):
    """One field of a ticket: what it holds and what it is to hold."""

    old: Value
    new: Value


class Note(msgspec.Struct, frozen=True):
    """A note to be added; `thread` tells the notes that the ticket had from any others."""

    text: str
    thread: str


class Step(msgspec.Struct, frozen=True):
    """What is to be done to one ticket; `changes` are by field of the API. `updated_at`: of the ticket, as it was read;
    `after`: the last attempt at it that the journal had."""

    connection_id: str
    integration_type: str
    ticket_id: str
    updated_at: str | None
    changes: dict[str, Change] = {}
    note: Note | None = None
    reason: str | None = None
    after: int | None = None

    @property
    def place(self) -> tuple[str, str]:
        return self.connection_id, self.ticket_id


class LeftOut(msgspec.Struct, frozen=True):
    """What was proposed and will not be done: one field of a ticket, or all of them where there is no `field`."""

    connection_id: str
    ticket_id: str
    field: str | None
    value: Value
    why: str

    @property
    def place(self) -> tuple[str, str]:
        return self.connection_id, self.ticket_id


class Plan(msgspec.Struct, frozen=True):
    """Steps in the order in which they were proposed, one a ticket. `id` is made from all else: the same plan has the
    same one. `undoes`: the plan that this one takes back."""

    format: str
    id: str
    undoes: str | None
    steps: list[Step]
    left_out: list[LeftOut]

    @property
    def fields(self) -> dict[str, int]:
        """How many tickets each field is changed of, notes among them."""
        return Counter(name for step in self.steps for name in (*step.changes, *([NOTE] if step.note else [])))


def told(value: Value) -> str:
    """A value as a person would read it."""
    return (", ".join(value) if isinstance(value, list) else value) or "nothing"


def make_plan(steps: Sequence[Step], left_out: Sequence[LeftOut], undoes: str | None = None) -> Plan:
    """A plan with its id."""
    plan = Plan(FORMAT, "", undoes, [*steps], [*left_out])
    return msgspec.structs.replace(plan, id=_id(plan))


def write_plan(plan: Plan) -> bytes:
    """The plan as the text of a file."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n"


def read_plan(text: bytes, name: str) -> Plan:
    """The plan of a file of this name. Raises `FixConfiguration` where it is none, or not as it was made."""
    try:
        plan = msgspec.json.decode(text, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FixConfiguration(f"Expected {name} to be a plan of `ticketing triage plan`, but: {error}.") from error
    if plan.format != FORMAT:
        raise FixConfiguration(f"Expected {name} to be a {FORMAT}, got {plan.format[:60]!r}. Make it anew.")
    if plan.id != _id(plan):
        raise FixConfiguration(
            f"{name} was changed after it was made: its id does not fit what it says. Nothing was sent. Change the "
            "proposals and plan again."
        )
    return plan


def _id(plan: Plan) -> str:
    told: Mapping[str, Any] = msgspec.to_builtins(plan)
    return digest_of({**told, "id": ""})[:16]
