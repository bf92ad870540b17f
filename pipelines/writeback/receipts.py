"""The dlt source of what was written: attempts into `writeback_log`, records into the tables of what is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dlt
import msgspec
from dlt.extract import DltResource

from pipelines.unified_api.records import Record
from pipelines.warehouse.intake import Intake, Seen
from pipelines.warehouse.outcome import Outcome
from pipelines.warehouse.staging import Stage, lacking
from pipelines.writeback.journal import Action, Attempt, Ending, Sighting
from pipelines.writeback.plan import Value
from transforms.forgotten import Forgotten
from transforms.privacy import Protection
from transforms.schemas import NOTES, RAW_TABLES, TICKETS, WRITEBACK_LOG
from transforms.shaping import Observation, Row, writeback_log_table
from transforms.values import canonical, decode, digest_of, identity, parse_time

VIA = "writeback"
"""How a row came that a triage decision has made so."""

_TABLES = {Action.NOTE: NOTES.name, Action.CHANGE: TICKETS.name}


@dlt.source(name="unified", section="unified", max_table_nesting=0)
def receipts_of(
    attempts: Sequence[Attempt], protection: Callable[[str], Protection], forgotten: Forgotten
) -> DltResource:
    """What attempts have led to; `protection`: of a connection, what may be stored of it."""

    @dlt.resource(name="receipts")
    def read() -> Iterator[Any]:
        stage = Stage()
        yield from lacking(RAW_TABLES.values(), stage)
        known = [
            attempt for attempt in attempts if not forgotten.knows(attempt.connection_id, "tickets", attempt.ticket_id)
        ]
        by_place: dict[tuple[str, str], list[Attempt]] = defaultdict(list)
        for attempt in known:
            by_place[attempt.connection_id, _TABLES[attempt.action]].append(attempt)
        for (connection_id, table), some in by_place.items():
            intake = Intake(_account(connection_id, table, some[0]), protection(connection_id), forgotten)
            for staged in intake.staged(_seen(some), VIA):
                yield stage(staged)
        rows = [_row(attempt, protection(attempt.connection_id)) for attempt in known]
        yield stage((WRITEBACK_LOG, writeback_log_table(rows)))

    return read()


def _seen(attempts: Sequence[Attempt]) -> Iterator[Seen]:
    """The records that attempts have met and made, each ticket as it was before it is as it is since."""
    ordinal = 0
    for attempt in attempts:
        for sighting in (attempt.before, attempt.after):
            if sighting is not None:
                ordinal += 1
                record = _record(sighting)
                yield record, Observation(record.fields, sighting.served_at, ordinal)


def _record(sighting: Sighting) -> Record:
    fields = {name: msgspec.Raw(json) for name, json in sighting.fields.items()}
    updated_at = parse_time(decode(fields["updated_at"])) if "updated_at" in fields else None
    return Record(identity(fields["id"]), updated_at, fields)


def _account(connection_id: str, table: str, attempt: Attempt) -> Outcome:
    """What shaping needs to know of where records come from; the attempts themselves are the account of the run."""
    return Outcome("", connection_id, attempt.integration_type, table, VIA, datetime.now(UTC), command=VIA)


def _row(attempt: Attempt, protection: Protection) -> Row:
    updated_at = None if attempt.after is None else _record(attempt.after).updated_at
    return {
        "connection_id": attempt.connection_id,
        "attempt_id": digest_of([attempt.plan_id, *attempt.place, attempt.action.value, attempt.begun_at.isoformat()]),
        "plan_id": attempt.plan_id,
        "undoes_plan_id": attempt.undoes,
        "integration_type": attempt.integration_type,
        "ticket_id": attempt.ticket_id,
        "action": attempt.action.value,
        "written_by": attempt.by_whom,
        "reason": attempt.reason,
        "begun_at": attempt.begun_at,
        "ended_at": attempt.ended_at,
        "ending": attempt.ending.value,
        "answer": attempt.told,
        "old": _json(attempt.action, attempt.old, protection),
        "new": _json(attempt.action, attempt.new, protection),
        "taken": _json(attempt.action, attempt.taken, protection) if attempt.ending is Ending.WRITTEN else None,
        "note_id": attempt.record_id if attempt.action is Action.NOTE else None,
        "record_updated_at": updated_at,
    }


def _json(action: Action, values: dict[str, Value], protection: Protection) -> str:
    """Values by field, as they may be stored."""
    if action is Action.CHANGE:
        protected = protection.rules.get(TICKETS.name, {})
        return canonical({name: value for name, value in values.items() if name not in protected})
    texts = protection.column(NOTES.name, "description", [*values.values()])
    return canonical(dict(zip(values, texts, strict=True)))
