"""What is about to be sent, from the live ticket; and what came of it, from the answer or from a later look."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from pipelines.unified_api.records import Record
from pipelines.writeback.journal import Ending, Sighting
from pipelines.writeback.live import (
    Seen,
    compare,
    is_same,
    note_seen,
    reads_alike,
    thread_of,
    updated_at_of,
    values_of,
)
from pipelines.writeback.plan import NOTE, Note, Step, Value
from transforms.values import decode, digest_of, mended_names

FOUND = "a later look has found it"


class Intent(NamedTuple):
    """What is about to be sent: by field what is there and what is to be. `baseline`: by what a look tells later
    whether it was carried out. `before`: the ticket as it was."""

    old: Mapping[str, Value]
    new: Mapping[str, Value]
    baseline: Any
    before: Sighting | None = None


class Result(NamedTuple):
    """What became of an action. `taken`: by field what the helpdesk shows since it was carried out; `record_id` and
    `after`: the record that was changed, or made."""

    ending: Ending
    told: str | None = None
    taken: Mapping[str, Value] | None = None
    record_id: str | None = None
    after: Sighting | None = None


def intend_change(step: Step, seen: Seen, taken: Collection[str] = ()) -> Intent | Result:
    """What of the changes is still to be sent; or why nothing is. `taken`: the fields that the helpdesk has taken from
    an attempt before; whatever they hold since is somebody's own."""
    compared = compare({name: change for name, change in step.changes.items() if name not in taken}, seen.record)
    if compared.conflicts:
        return Result(Ending.CONFLICT, f"somebody has changed since it was planned: {', '.join(compared.conflicts)}")
    if not compared.due:
        return Result(Ending.STANDING, "it was so already")
    old = values_of(seen.record, compared.due)
    return Intent(old, compared.due, _state(seen.record), Sighting.of(*seen))


def changed(intent: Intent, seen: Seen) -> Result:
    """What the helpdesk's answer makes of a change: it may have taken some of it only, or in words of its own."""
    shown = values_of(seen.record, intent.new)
    left = [name for name, value in shown.items() if is_same(value, intent.old[name])]
    taken = {name: value for name, value in shown.items() if name not in left}
    still = ", ".join(left)
    if not taken:
        refusal = f"the API has answered that it was done, but shows as before: {still}"
        return Result(Ending.REFUSED, refusal, None, seen.record.id, Sighting.of(*seen))
    why = f"the helpdesk has not taken all of it, and shows as before: {still}" if still else None
    return Result(Ending.WRITTEN, why, taken, seen.record.id, Sighting.of(*seen))


def look_at_change(new: Mapping[str, Value], baseline: Any, seen: Seen) -> Result:
    """What a look at the ticket tells of a change to which no answer came."""
    shown = values_of(seen.record, new)
    if all(is_same(value, new[name]) for name, value in shown.items()):
        return Result(Ending.WRITTEN, FOUND, shown, seen.record.id, Sighting.of(*seen))
    if baseline is not None and baseline == _state(seen.record):
        return Result(Ending.FAILED, "no answer came, and a look has shown that it was not carried out")
    return Result(Ending.HELD, "no answer came, and the ticket has changed since; by whom, nobody can tell")


def moved(step: Step, ticket: Seen) -> Result | None:
    """Why a note is not to be sent, of the ticket itself; None where it is as it was planned for."""
    if compare(step.changes, ticket.record).conflicts or updated_at_of(ticket.record) != step.updated_at:
        return Result(Ending.CONFLICT, "the ticket has changed since it was planned")
    return None


def intend_note(note: Note, notes: Sequence[Seen]) -> Intent | Result:
    """The note that is to be sent; or why it is not."""
    seen = [note_seen(each.record) for each in notes]
    if same := next((each for each in seen if reads_alike(each.text, note.text)), None):
        return Result(Ending.CONFLICT, f"the note {same.id} reads the same already")
    ids = [each.id for each in seen]
    if thread_of(ids) != note.thread:
        return Result(Ending.CONFLICT, "its conversation has gone on since it was planned")
    return Intent({}, {NOTE: note.text}, ids)


def noted(intent: Intent, seen: Seen) -> Result:
    """What the helpdesk's answer makes of a note."""
    return Result(Ending.WRITTEN, None, intent.new, seen.record.id, Sighting.of(*seen))


def look_at_note(new: Mapping[str, Value], baseline: Any, notes: Sequence[Seen], *, is_early: bool) -> Result:
    """What a look at the ticket's notes tells of one to which no answer came; `is_early`: it may not be shown yet."""
    text = str(new[NOTE])
    fresh = [note for note in notes if note.record.id not in baseline]
    ours = next((note for note in fresh if reads_alike(note_seen(note.record).text, text)), None)
    if ours is not None:
        return Result(Ending.WRITTEN, FOUND, new, ours.record.id, Sighting.of(*ours))
    if is_early:
        return Result(Ending.UNKNOWN, "no answer came, and it is not shown; it may be yet")
    if fresh:
        return Result(Ending.HELD, f"no answer came; of the {len(fresh)} notes since then none reads just so")
    return Result(Ending.FAILED, "no answer came, and a look long after has shown that it was not carried out")


def _state(ticket: Record) -> dict[str, object] | None:
    """Tells one state of a ticket from another; None where it has no time by which that could be known."""
    if ticket.updated_at is None:
        return None
    fields = mended_names({name: decode(json) for name, json in ticket.fields.items() if name != "raw"})
    return {"updated_at": ticket.updated_at.isoformat(), "digest": digest_of(fields)}
