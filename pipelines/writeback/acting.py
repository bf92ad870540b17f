"""One action on one live ticket: compared, kept in the journal, sent once, and looked for where no answer came."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta

from pipelines.errors import ApiKeyRejected, CallsUsedUp, OutcomeUnknown, TicketingError, TryAgainLater
from pipelines.unified_api.budget import Stopped
from pipelines.writeback.desks import Desk
from pipelines.writeback.intents import (
    FOUND,
    Intent,
    Result,
    changed,
    intend_change,
    intend_note,
    look_at_change,
    look_at_note,
    moved,
    noted,
)
from pipelines.writeback.journal import OPEN, Action, Attempt, Ending, Journal
from pipelines.writeback.plan import NOTE, Plan, Step, Value
from pipelines.writeback.planning import why_not_again

TRIES = 8
"""So often something is sent that certainly was not carried out, each time after a look, before it is left to the next
run."""


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
        if last and (last.is_settled or last.ending is Ending.HELD):
            return Result(last.ending, last.told)
        if last and last.ending in OPEN:
            result = self._look(last)
            if result.ending is not Ending.FAILED:
                return result
        if last and self._was_carried_out_late(last):
            return Result(Ending.WRITTEN, FOUND)
        taken = self._taken(step) if last else {}
        for _ in range(TRIES):
            intent = self._intent(step, action, taken)
            if isinstance(intent, Result):
                self._leave(step, action, _wanted(step, action), intent)
                return intent._replace(taken=taken)
            result = self._try(step, action, intent)
            if result.ending is not Ending.FAILED:
                break
        return result._replace(taken={**taken, **(result.taken or {})})

    def _taken(self, step: Step) -> dict[str, Value]:
        """What the helpdesk has taken from this plan before, by field as it has shown it."""
        taken: dict[str, Value] = {}
        for attempt in self._journal.changes_of(step.place):
            taken |= attempt.taken if attempt.plan_id == self._plan.id else {}
        return taken

    def _was_carried_out_late(self, last: Attempt) -> bool:
        """Whether a change that was answered, and not shown, stands since."""
        if last.action is not Action.CHANGE or last.ending is not Ending.REFUSED or last.record_id is None:
            return False
        try:
            seen = self._desk_of(last.connection_id).ticket(last.ticket_id)
        except (ApiKeyRejected, CallsUsedUp):
            raise
        except TicketingError:
            return False
        result = look_at_change(last.new, None, seen)
        if result.ending is Ending.WRITTEN:
            self._end(last.id, result)
        return result.ending is Ending.WRITTEN

    def _intent(self, step: Step, action: Action, taken: Collection[str]) -> Intent | Result:
        """What is to be sent, after a look at what is there; or why nothing is."""
        try:
            desk = self._desk_of(step.connection_id)
            ticket = desk.ticket(step.ticket_id)
            if action is Action.CHANGE or step.note is None:
                return intend_change(step, ticket, taken)
            if why := why_not_again(step.note.text, self._journal.notes_of(step.place)):
                return Result(Ending.CONFLICT, why)
            return moved(step, ticket) or intend_note(step.note, desk.notes(step.ticket_id))
        except (ApiKeyRejected, CallsUsedUp):
            raise
        except TicketingError as error:
            return _without_result(error)

    def _try(self, step: Step, action: Action, intent: Intent) -> Result:
        """Send it once. What the helpdesk has taken of a change, and what it has left, are two attempts."""
        attempt_id = self._begin(step, action, intent)
        try:
            result = self._sent(step, action, intent)
        except OutcomeUnknown as error:
            self._end(attempt_id, Result(Ending.UNKNOWN, str(error)))
            return self._look(self._journal.attempt(attempt_id))
        except (ApiKeyRejected, CallsUsedUp, Stopped) as error:
            self._end(attempt_id, Result(Ending.FAILED, str(error) or "it was stopped before anything was sent"))
            raise
        except TicketingError as error:
            result = _without_result(error)
        self._end(attempt_id, result)
        left = {name: value for name, value in intent.new.items() if name not in (result.taken or intent.new)}
        if left:
            result = result._replace(ending=Ending.REFUSED)
            self._leave(step, action, left, result, {name: intent.old[name] for name in left})
        return result

    def _sent(self, step: Step, action: Action, intent: Intent) -> Result:
        desk = self._desk_of(step.connection_id)
        if action is Action.NOTE:
            return noted(intent, desk.add_note(step.ticket_id, str(intent.new[NOTE])))
        known = intent.before.fields.keys() if intent.before else ()
        result = changed(intent, desk.change(step.ticket_id, intent.new, known))
        if result.ending is Ending.WRITTEN and not result.told:
            return result
        try:  # what an answer shows may be older than what it answers
            return changed(intent, desk.ticket(step.ticket_id))
        except (TicketingError, Stopped) as error:
            raise OutcomeUnknown(f"{result.told}; and it could not be looked at again: {error}") from error

    def _look(self, attempt: Attempt) -> Result:
        """Find out whether an attempt to which no answer came was carried out."""
        is_early = attempt.ended_at is None or self._journal.now() - attempt.ended_at < self._shown_late
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
        if attempt.ended_at is None or result.ending is not Ending.UNKNOWN:
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

    def _leave(
        self,
        step: Step,
        action: Action,
        new: Mapping[str, Value],
        result: Result,
        old: Mapping[str, Value] | None = None,
    ) -> None:
        """Keep that nothing is sent, or nothing was taken, and why."""
        self._journal.begin(
            *(self._plan, step, action),
            by_whom=self._by_whom,
            old=old,
            new=new,
            ending=result.ending,
            told=result.told,
            record_id=result.record_id,
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
