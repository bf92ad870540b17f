"""Triage on the terminal: what a plan would do and what not, what became of it, and what nobody knows."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from pipelines import console
from pipelines.triage import ApplyReport, TriageStatus
from pipelines.writeback.applying import Done
from pipelines.writeback.journal import OPEN, Attempt, Ending
from pipelines.writeback.plan import LeftOut, Plan, Step, told

_ROWS_SHOWN = 50
"""So many rows of a table are shown; all stand in the plan, in the warehouse, and in the JSON."""

_TEXT_SHOWN = 60


def tell_plan(plan: Plan, place: str, refusal: str | None) -> None:
    """What would be done, what not, and how to go on. `refusal`: why it would not be carried out."""
    _show(["connection", "helpdesk", "ticket", "field", "from", "to", "why"], _rows(plan.steps), "What would be done")
    _show(
        ["connection", "ticket", "field", "wanted", "why not"], map(_left_out, plan.left_out), "What would not be done"
    )
    if refusal:
        console.complain(refusal)
    console.say(_planned(plan, place, refusal))


def wanted(plan: Plan) -> str:
    """What a plan is about, in one phrase."""
    fields = ", ".join(f"{name} of {count:,}" for name, count in plan.fields.items())
    connections = len({step.connection_id for step in plan.steps})
    tickets, of = console.count(len(plan.steps), "ticket"), console.count(connections, "connection")
    return f"{tickets} of {of} ({fields})"


def tell_applied(report: ApplyReport, place: str) -> None:
    """What could not be done and why, and how to go on."""
    application = report.application
    odd = [done for done in application.done if done.ending not in (Ending.WRITTEN, Ending.STANDING) or done.told]
    _show(["connection", "ticket", "action", "ending", "because"], map(_done, odd), "What is to be known")
    if application.stopped:
        console.complain(f"The rest was not tried: {application.stopped}")
    if report.unloaded:
        console.complain(report.unloaded)
    console.say(_applied(report, place))


def tell_status(status: TriageStatus) -> None:
    """Every plan that was begun, and what a person has to find out."""
    endings = [ending.value for ending in Ending]
    console.show_table(
        ["plan", "undoes", "last at", "by", *endings],
        [
            [plan_id, last.undoes, _minute(last.begun_at), last.by_whom, *(counts.get(each, 0) for each in Ending)]
            for plan_id, last, counts in status.plans
        ],
    )
    _show(
        ["attempt", "plan", "connection", "ticket", "sent at", "what", "because"], map(_open, status.open), "Not known"
    )
    console.say(_standing(status))


def applied_json(report: ApplyReport) -> dict[str, Any]:
    """The report for a program."""
    return {
        "exit_code": report.exit_code,
        "plan": report.application.plan.id,
        "stopped": report.application.stopped,
        "unloaded": report.unloaded,
        "actions": [
            {
                "connection_id": done.step.connection_id,
                "ticket_id": done.step.ticket_id,
                "action": done.action,
                "ending": done.ending,
                "because": done.told,
            }
            for done in report.application.done
        ],
    }


def status_json(status: TriageStatus) -> dict[str, Any]:
    """The status for a program."""
    return {
        "exit_code": 0,
        "plans": [
            {"plan": plan_id, "undoes": last.undoes, "last_at": last.begun_at, "by": last.by_whom, "endings": counts}
            for plan_id, last, counts in status.plans
        ],
        "open": [_attempt(attempt) for attempt in status.open],
        "unloaded": status.unloaded,
    }


def plan_json(plan: Plan, place: str, refusal: str | None) -> dict[str, Any]:
    """The plan for a program."""
    return {"exit_code": 0, "file": place, "refused": refusal, **msgspec.to_builtins(plan)}


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "attempt": attempt.id,
        "plan": attempt.plan_id,
        "connection_id": attempt.connection_id,
        "ticket_id": attempt.ticket_id,
        "action": attempt.action,
        "begun_at": attempt.begun_at,
        "new": attempt.new,
        "ending": attempt.ending,
        "because": attempt.told,
    }


def _show(headings: Sequence[str], rows: Iterable[Sequence[object]], title: str) -> None:
    known = [*rows]
    if known:
        console.show_table(headings, known[:_ROWS_SHOWN], title=title)
    if len(known) > _ROWS_SHOWN:
        console.say(f"... and {len(known) - _ROWS_SHOWN:,} more: see --json.")


def _rows(steps: Iterable[Step]) -> Iterable[Sequence[object]]:
    for step in steps:
        place = (step.connection_id, step.integration_type, step.ticket_id)
        if step.note:
            yield *place, "note", None, _short(step.note.text), step.reason
        for name, change in step.changes.items():
            yield *place, name, told(change.old), told(change.new), step.reason


def _left_out(left: LeftOut) -> Sequence[object]:
    value = None if left.field is None else _short(told(left.value))
    return left.connection_id, left.ticket_id, left.field or "all", value, left.why


def _done(done: Done) -> Sequence[object]:
    return done.step.connection_id, done.step.ticket_id, done.action, done.ending or "not tried", done.told


def _open(attempt: Attempt) -> Sequence[object]:
    what = "; ".join(f"{name}: {_short(told(value))}" for name, value in attempt.new.items())
    place = (str(attempt.id), attempt.plan_id, attempt.connection_id, attempt.ticket_id)
    return *place, _minute(attempt.begun_at), what, attempt.told or "it was cut short"


def _planned(plan: Plan, place: str, refusal: str | None) -> str:
    leave = f"{console.count(len(plan.left_out), 'proposal')} left out"
    if not plan.steps:
        return f"Nothing to do; {leave}, for the reasons above. Nothing was sent."
    what = f"Plan {plan.id}: {wanted(plan)}; {leave}. Nothing was sent."
    return f"{what} Next: {'propose less' if refusal else f'ticketing triage apply {shlex.quote(place)}'}"


def _applied(report: ApplyReport, place: str) -> str:
    counts = Counter(done.ending for done in report.application.done)
    said = ", ".join(f"{count:,} {'not tried' if ending is None else ending.value}" for ending, count in counts.items())
    if report.exit_code == 0:
        undo = f"ticketing triage undo {shlex.quote(place)}"
        return f"Done: {said or 'nothing to do'}. Next: ticketing build; to take it back: {undo}"
    if report.application.exit_code == 0:
        return f"Done: {said or 'nothing to do'}, but the receipts wait. Next: ticketing sync, which loads them"
    head = "Nothing worked" if report.exit_code == 1 else "Partly done"
    if any(ending in OPEN for ending in counts):
        return f"{head}: {said}. Next: ticketing triage status, then the same again; it repeats nothing"
    return f"{head}: {said}. Next: see to the above, then the same again; it repeats nothing"


def _standing(status: TriageStatus) -> str:
    if not status.plans:
        return "No plan has been carried out from here. Next: ticketing triage plan PROPOSALS"
    said = f"{console.count(len(status.plans), 'plan')}; {console.count(len(status.open), 'action')} not known"
    waiting = f"; {console.count(status.unloaded, 'receipt')} to be loaded by the next sync" if status.unloaded else ""
    if not status.open:
        return f"{said}{waiting}. Next: ticketing build"
    return (
        f"{said}{waiting}. Next: carry its plan out again; where that holds it, look in the helpdesk, then ticketing "
        "triage settle ATTEMPT --sent or --not-sent"
    )


def _short(text: str) -> str:
    line = console.one_line(text)
    return line if len(line) <= _TEXT_SHOWN else f"{line[:_TEXT_SHOWN]}..."


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
