"""One action on one live ticket: compared, kept in the journal, sent once, and looked for where no answer came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from pipelines.errors import ApiKeyRejected, CallsUsedUp, OutcomeUnknown, TicketingError, TryAgainLater
from pipelines.unified_api.budget import Stopped
from pipelines.writeback.desk import Desk
from pipelines.writeback.intents import (
    NOTE,
    Intent,
    Result,
    changed,
    intend_change,
    intend_note,
    look_at_change,
    look_at_note,
    noted,
)
from pipelines.writeback.journal import OPEN, SETTLED, Action, Attempt, Ending, Journal
from pipelines.writeback.plan import Plan, Step, Value

TRIES = 3
"""So often a change is sent that certainly was not carried out, before it is left to the next run."""


class Acting:
    """Acts on the tickets of one plan. What may have been carried out though no answer came is looked for before it is
    sent again: a change at once, a note, which lists may show late, until `shown_late` after it was sent. What no look
    can tell is held. `desk_of`: the calls to a connection, or the `TicketingError` that says why there are none.
    """

    def __init__(
        self, plan: Plan, journal: Journal, desk_of: Callable[[str], Desk], by_whom: str, shown_late: timedelta
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._desk_of = desk_of
        self._by_whom = by_whom
        self._shown_late = shown_late

    def act(self, step: Step, action: Action, last: Attempt | None) -> Result:
        """Carry out what is not carried out yet; `last` is the last attempt at it. Raises what concerns more than the
        one ticket: a rejected key, calls used up, a journal that cannot be written."""
        if last and (last.ending in SETTLED or last.ending is Ending.HELD):
            return Result(last.ending, last.told)
        if last and last.ending in OPEN:
            result = self._look(last)
            if result.ending is not Ending.FAILED:
                return result
        tries = TRIES if action is Action.CHANGE else 1
        while True:
            tries -= 1
            attempt_id, result = self._try(step, action)
            if result.ending is Ending.UNKNOWN:
                result = self._look(self._journal.attempt(attempt_id))
                if result.ending is Ending.FAILED and tries:
                    continue
            return result

    def _try(self, step: Step, action: Action) -> tuple[int, Result]:
        """One attempt, its id and what became of it."""
        try:
            intent = self._intent(step, action)
        except (ApiKeyRejected, CallsUsedUp):
            raise
        except TicketingError as error:
            intent = _without_result(error)
        if isinstance(intent, Result):
            attempt_id = self._begin(step, action, Intent({}, _wanted(step, action), None))
            self._end(attempt_id, intent)
            return attempt_id, intent
        attempt_id = self._begin(step, action, intent)
        try:
            result = self._sent(step, action, intent)
        except OutcomeUnknown as error:
            result = Result(Ending.UNKNOWN, str(error))
        except (ApiKeyRejected, CallsUsedUp, Stopped) as error:
            self._end(attempt_id, Result(Ending.FAILED, str(error) or "it was stopped before anything was sent"))
            raise
        except TicketingError as error:
            result = _without_result(error)
        self._end(attempt_id, result)
        return attempt_id, result

    def _intent(self, step: Step, action: Action) -> Intent | Result:
        desk = self._desk_of(step.connection_id)
        if action is Action.CHANGE or step.note is None:
            return intend_change(step, desk.ticket(step.ticket_id))
        if open_notes := self._journal.open_notes(step.place):
            why = f"nobody knows yet whether the note of plan {open_notes[0].plan_id} was sent: see triage status"
            return Result(Ending.CONFLICT, why)
        return intend_note(step.note, desk.notes(step.ticket_id))

    def _sent(self, step: Step, action: Action, intent: Intent) -> Result:
        desk = self._desk_of(step.connection_id)
        if action is Action.NOTE:
            return noted(intent, desk.add_note(step.ticket_id, str(intent.new[NOTE])))
        known = intent.before.fields.keys() if intent.before else ()
        return changed(intent, desk.change(step.ticket_id, intent.new, known))

    def _look(self, attempt: Attempt) -> Result:
        """Find out whether an attempt to which no answer came was carried out."""
        is_early = self._journal.now() - attempt.begun_at < self._shown_late
        try:
            desk = self._desk_of(attempt.connection_id)
            if attempt.action is Action.CHANGE:
                result = look_at_change(attempt.new, attempt.baseline, desk.ticket(attempt.ticket_id))
            else:
                notes = desk.notes(attempt.ticket_id)
                result = look_at_note(attempt.new, attempt.baseline, notes, is_early=is_early)
        except (ApiKeyRejected, CallsUsedUp):
            raise
        except TicketingError as error:
            result = Result(Ending.UNKNOWN, f"no answer came, and nobody could look whether it was done: {error}")
        self._end(attempt.id, result)
        return result

    def _begin(self, step: Step, action: Action, intent: Intent) -> int:
        return self._journal.begin(
            self._plan,
            step,
            action,
            by_whom=self._by_whom,
            old=intent.old,
            new=intent.new,
            baseline=intent.baseline,
            before=intent.before,
        )

    def _end(self, attempt_id: int, result: Result) -> None:
        self._journal.end(
            attempt_id,
            result.ending,
            result.told,
            taken=result.taken,
            record_id=result.record_id,
            after=result.after,
        )


def _without_result(error: TicketingError) -> Result:
    """What an error amounts to that says that nothing was carried out."""
    return Result(Ending.FAILED if isinstance(error, TryAgainLater) else Ending.REFUSED, str(error))


def _wanted(step: Step, action: Action) -> dict[str, Value]:
    if action is Action.NOTE and step.note:
        return {NOTE: step.note.text}
    return {name: change.new for name, change in step.changes.items()}
