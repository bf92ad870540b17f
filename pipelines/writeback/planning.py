"""From what is proposed of a ticket, and what is known of it, to the step of a plan and to what is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.unified_api.records import Record
from pipelines.writeback.journal import Attempt, Ending
from pipelines.writeback.live import (
    TAGS,
    NoteSeen,
    is_same,
    reads_alike,
    tags_are_readable,
    thread_of,
    updated_at_of,
    value_of,
)
from pipelines.writeback.plan import NOTE, Change, LeftOut, Note, Step, Value, told
from pipelines.writeback.proposals import Proposal


@dataclass(frozen=True)
class Writable:
    """What can be written of one connection. `change_refusal`, `note_refusal`: why nothing can be; `fields`: those of a
    ticket that its integration takes, `shown`: those that it shows, None where it does not say; `allowed`: what the
    settings allow."""

    integration_type: str
    allowed: Collection[str]
    fields: Collection[str] | None = None
    shown: Collection[str] | None = None
    change_refusal: str | None = None
    note_refusal: str | None = None


@dataclass(frozen=True)
class Categories:
    """The categories of a connection: names by id; None where they cannot be read."""

    names: Mapping[str, str] | None

    def ids(self, name: str) -> list[str]:
        """Those of a name; if none is written just so, those that differ only in case."""
        known = self.names or {}
        exact = [id for id, its_name in known.items() if its_name.strip() == name]
        return exact or [id for id, its_name in known.items() if its_name.strip().casefold() == name.casefold()]


@dataclass(frozen=True)
class Sight:
    """What is known of a ticket as it is planned. `stored_at`: its `updated_at` in the warehouse, None where that has
    none; `notes` are those it has, None where they cannot be read, `stored_notes` the ids of those that the warehouse
    has of it, None where it has none of the connection; `sent` are the notes that the journal has of it, and `after`
    the last attempt at it."""

    ticket: Record
    stored_at: datetime | None = None
    notes: Sequence[NoteSeen] | None = None
    stored_notes: Collection[str] | None = None
    sent: Sequence[Attempt] = ()
    after: int | None = None


_NOTHING_TO_ADD = "nothing to add"


class _NotDone(Exception):
    """Why one field is left as it is."""


@dataclass
class _Planned:
    changes: dict[str, Change] = field(default_factory=dict)
    note: Note | None = None
    left_out: list[LeftOut] = field(default_factory=list)


def plan_ticket(
    proposal: Proposal, sight: Sight, writable: Writable, categories: Categories
) -> tuple[Step | None, list[LeftOut]]:
    """The step for a ticket, None where nothing is to be done, and what is left out of it."""
    if sight.stored_at and sight.ticket.updated_at and sight.stored_at != sight.ticket.updated_at:
        why = (
            f"it has changed since the warehouse saw it ({sight.stored_at.isoformat()}, now "
            f"{sight.ticket.updated_at.isoformat()}): sync, build and plan again"
        )
        return None, [left_out(proposal, why)]
    planned = _Planned()
    for name, value in _wishes(proposal):
        try:
            if name not in writable.allowed:
                raise _NotDone("the setting triage.allowed_fields does not allow it")
            if name == "note":
                planned.note = _note(str(value), sight, writable)
            else:
                planned.changes |= _change(name, proposal, sight.ticket, writable, categories)
        except _NotDone as reason:
            planned.left_out.append(LeftOut(*proposal.place, name, value, str(reason)))
    if "status" in planned.changes and any(_leaves_unanswered(left) for left in planned.left_out):
        status = planned.changes.pop("status")
        why = "its note is left out, and without it the status stays as it is"
        planned.left_out.append(LeftOut(*proposal.place, "status", status.new, why))
    if not (planned.changes or planned.note):
        return None, planned.left_out
    step = Step(
        *(proposal.connection_id, writable.integration_type, proposal.ticket_id),
        updated_at=updated_at_of(sight.ticket),
        changes=planned.changes,
        note=planned.note,
        reason=proposal.reason,
        after=sight.after,
    )
    return step, planned.left_out


def _leaves_unanswered(left: LeftOut) -> bool:
    """Whether a note is left out that the ticket does not have."""
    return left.field == NOTE and not left.why.startswith(_NOTHING_TO_ADD)


def why_not_again(text: str, sent: Iterable[Attempt]) -> str | None:
    """Why a note is not to be sent, of those that were sent or may have been to the same ticket; None if it is."""
    for attempt in sent:
        if attempt.ending is not Ending.WRITTEN:
            return f"nobody knows yet whether the note of plan {attempt.plan_id} was sent: see triage status"
        if reads_alike(str(attempt.new[NOTE]), text):
            return f"{_NOTHING_TO_ADD}: plan {attempt.plan_id} has sent the same note"
    return None


def plan_undoing(
    place: tuple[str, str],
    taken: Mapping[str, Change],
    ticket: Record,
    writable: Writable,
    reason: str,
    after: int | None,
) -> tuple[Step | None, list[LeftOut]]:
    """The step that takes back what was written of a ticket, and what is left as it is. `taken`: by field what was
    there before and after it was written; `after`: the last attempt at the ticket."""
    changes: dict[str, Change] = {}
    leave: list[LeftOut] = []
    for name, change in taken.items():
        held = value_of(ticket, name)
        if writable.change_refusal or not _takes(writable, name):
            why = writable.change_refusal or f"{writable.integration_type} does not let {name} be written"
            leave.append(LeftOut(*place, name, change.old, why))
        elif is_same(held, change.old):
            leave.append(LeftOut(*place, name, change.old, "nothing to change: it is so already"))
        elif not is_same(held, change.new):
            leave.append(LeftOut(*place, name, change.old, f"somebody has changed it since, to {told(held)}"))
        else:
            changes[name] = Change(held, change.old)
    if not changes:
        return None, leave
    at = updated_at_of(ticket)
    return Step(place[0], writable.integration_type, place[1], at, changes, None, reason, after), leave


def left_out(proposal: Proposal, why: str) -> LeftOut:
    """All that was proposed of a ticket."""
    return LeftOut(*proposal.place, None, None, why)


def _wishes(proposal: Proposal) -> Iterator[tuple[str, Value]]:
    """What is wanted, by the name that settings have for it, as it can be told."""
    wished: dict[str, Value] = {
        "priority": proposal.priority,
        "category": proposal.category_id or proposal.category,
        "user_id": proposal.user_id,
        "status": proposal.status,
        TAGS: _tags_told(proposal),
        "note": proposal.note,
    }
    return ((name, value) for name, value in wished.items() if value is not None)


def _tags_told(proposal: Proposal) -> list[str] | None:
    if proposal.tags_set is not None:
        return [*proposal.tags_set]
    told = [*(f"+{tag}" for tag in proposal.tags_add), *(f"-{tag}" for tag in proposal.tags_remove)]
    return told or None


def _change(
    name: str, proposal: Proposal, ticket: Record, writable: Writable, categories: Categories
) -> dict[str, Change]:
    if writable.change_refusal:
        raise _NotDone(writable.change_refusal)
    new: Value
    if name == "category":
        target, new = _category(proposal, writable, categories)
    else:
        target, new = name, _new_tags(proposal, ticket) if name == TAGS else getattr(proposal, name)
    if not _takes(writable, target):
        raise _NotDone(f"{writable.integration_type} does not let {target} be written")
    if writable.shown is not None and target not in writable.shown:
        raise _NotDone(f"{writable.integration_type} does not show {target}, so that nobody could tell what it was")
    if target not in ticket.fields and writable.shown is None:
        raise _NotDone(f"the API does not show {target} of it, so that nobody could tell what it was")
    if target == TAGS and not tags_are_readable(ticket):
        raise _NotDone("the tags that it has cannot be read, and would be lost")
    old = value_of(ticket, target)
    if is_same(old, new):
        raise _NotDone("nothing to change: it is so already")
    return {target: Change(old, new)}


def _takes(writable: Writable, name: str) -> bool:
    return writable.fields is None or name in writable.fields


def _category(proposal: Proposal, writable: Writable, categories: Categories) -> tuple[str, str]:
    """The field by which this integration is told a category, and its value."""
    takes_name_only = not _takes(writable, "category_id") and _takes(writable, "category")
    if takes_name_only and categories.names is None and proposal.category:
        return "category", proposal.category
    id = proposal.category_id or _id_of(proposal.category or "", categories)
    if categories.names is not None and id not in categories.names:
        raise _NotDone(f"unknown category: the connection has none with the id {id}")
    if takes_name_only and categories.names:
        return "category", categories.names[id]
    return "category_id", id


def _id_of(name: str, categories: Categories) -> str:
    if categories.names is None:
        raise _NotDone("the connection's categories cannot be read, so that only an id can be meant: category_id")
    match categories.ids(name):
        case [id]:
            return id
        case []:
            raise _NotDone("unknown category: the connection has none of this name")
        case several:
            raise _NotDone(f"{len(several)} categories have this name ({', '.join(several)}): give one as category_id")


def _new_tags(proposal: Proposal, ticket: Record) -> list[str]:
    if proposal.tags_set is not None:
        return [*proposal.tags_set]
    old = value_of(ticket, TAGS)
    kept = [tag for tag in old or [] if tag not in proposal.tags_remove]
    return [*kept, *(tag for tag in proposal.tags_add if tag not in kept)]


def _note(text: str, sight: Sight, writable: Writable) -> Note:
    if writable.note_refusal:
        raise _NotDone(writable.note_refusal)
    if why := why_not_again(text, sight.sent):
        raise _NotDone(why)
    if sight.notes is None:
        raise _NotDone("its notes cannot be read, so that nobody could tell whether this one was sent")
    if same := next((note for note in sight.notes if reads_alike(note.text, text)), None):
        raise _NotDone(f"{_NOTHING_TO_ADD}: the note {same.id} reads the same")
    if sight.stored_notes is not None and any(note.id not in sight.stored_notes for note in sight.notes):
        raise _NotDone("its conversation has gone on since the warehouse saw it: sync, build and plan again")
    return Note(text, thread_of(note.id for note in sight.notes))
