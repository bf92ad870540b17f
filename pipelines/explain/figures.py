"""Each figure of a ticket: its value, its rule, and the rows from which anybody can count it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from pipelines.explain import unknowns
from pipelines.explain.explanation import Figure, How, Source, Value
from pipelines.explain.moments import second
from pipelines.explain.spans import spans
from pipelines.explain.ticket_rows import Row, TicketRows


class Needs(Enum):
    """What must be known of a ticket for a figure to be there at all."""

    RECORD = "record"
    CONVERSATION = "conversation"
    HISTORY = "history"
    STATES = "states"
    """Some states of it, be they all or not."""
    RAW = "raw"


@dataclass(frozen=True)
class _Recipe:
    """How a column of `tickets` comes about."""

    column: str
    needs: Needs
    how: How
    rows: Callable[[TicketRows], list[Source]]
    why_null: Callable[[TicketRows], str] = unknowns.not_said


def figures_of(rows: TicketRows) -> list[Figure]:
    """All of them, in the order of a ticket's life."""
    figures = []
    for recipe in _RECIPES:
        figures.append(_figure_of_ticket(recipe, rows))
        if recipe.column == "first_reply_business_seconds":
            figures += _next_replies(rows)
    return figures


def counted_again(how: How, rows: list[Source]) -> int | None:
    """What the rows of a figure give; None where there is nothing to count."""
    values = [row.value for row in rows]
    if how is How.BETWEEN:
        times = [value for value in values if isinstance(value, datetime)]
        return _whole_seconds(times[-1]) - _whole_seconds(times[0]) if len(times) == len(values) > 1 else None
    if how is How.SUM:
        return sum(value for value in values if isinstance(value, int))
    if how is How.COUNT:
        return len(values)
    if how is How.DISTINCT:
        return len({value for value in values if value is not None})
    return None


def _whole_seconds(moment: datetime) -> int:
    return int(second(moment).timestamp())


def _figure_of_ticket(recipe: _Recipe, rows: TicketRows) -> Figure:
    value = rows.ticket[recipe.column]
    if value is None and (why_unknowable := _why_unknowable(recipe.needs, rows)):
        return _figure(rows, recipe.column, ("tickets", recipe.column), None, recipe.how, [], why_unknowable)
    why_null = _why_not(recipe, rows) if value is None else None
    figure = _figure(rows, recipe.column, ("tickets", recipe.column), value, recipe.how, recipe.rows(rows), why_null)
    is_of_history = recipe.needs in (Needs.HISTORY, Needs.STATES)
    return replace(figure, doubts=[*_doubts_of_history(rows.ticket), *figure.doubts]) if is_of_history else figure


def _figure(
    rows: TicketRows,
    name: str,
    place: tuple[str, str],
    value: Value,
    how: How,
    sources: list[Source],
    why_null: str | None,
    turn_number: int | None = None,
) -> Figure:
    counted = counted_again(how, sources)
    return Figure(
        name=name,
        column=".".join(place),
        turn_number=turn_number,
        value=value,
        rule=rows.rules.get(place),
        how=how,
        rows=sources,
        adds_up=None if value is None or counted is None else counted == value,
        why_null=why_null,
        doubts=_doubts([*sources, *_waited(name, turn_number, rows)], rows),
    )


def _waited(name: str, turn_number: int | None, rows: TicketRows) -> list[Source]:
    """The turn that waited for a reply: what is doubtful of it is so of the reply."""
    firsts = (row["turn_number"] for row in rows.turns if row["reply_kind"] == "first")
    number = next(firsts, None) if name.startswith("first_reply") else turn_number
    return [] if number is None else [Source("turn", number, "wait_seconds", None)]


def _next_replies(rows: TicketRows) -> list[Figure]:
    """The answers to the customer's later turns, of which `tickets` has no column."""
    figures = []
    for turn in rows.turns:
        if turn["reply_kind"] == "next":
            business = _amounts("turn", [turn], "wait_business_seconds")
            figures += [
                _next_reply(rows, turn, "wait_seconds", How.BETWEEN, _question_and_answer(turn, rows)),
                _next_reply(rows, turn, "wait_business_seconds", How.SUM, business),
            ]
    return figures


def _next_reply(rows: TicketRows, turn: Row, column: str, how: How, sources: list[Source]) -> Figure:
    is_answered = turn["end_reason"] == "answered"
    value = turn[column] if is_answered else None
    why_null = None
    if value is None:
        is_timed = is_answered and turn["wait_seconds"] is not None
        why_null = unknowns.NOT_IN_BUSINESS_YEARS if is_timed else unknowns.no_next_reply(turn)
    name = f"next_reply{column.removeprefix('wait')}"
    return _figure(rows, name, ("conversation_turns", column), value, how, sources, why_null, turn["turn_number"])


def _why_unknowable(needs: Needs, rows: TicketRows) -> str | None:
    """Why a figure of that kind cannot be there, whatever the ticket's rows; None where it can."""
    if rows.ticket["is_deleted"] and needs is not Needs.RAW:
        return unknowns.DELETED
    if needs is Needs.CONVERSATION and not rows.ticket["is_conversation_known"]:
        return _with_availability(unknowns.CONVERSATION_NOT_KNOWN, "conversation", rows)
    if needs in (Needs.HISTORY, Needs.STATES) and (why := unknowns.history_not_whole(rows.ticket)):
        return _with_availability(why, "changes", rows)
    return None


def _why_not(recipe: _Recipe, rows: TicketRows) -> str:
    by_the_clock = recipe.column.replace("_business_", "_")
    if by_the_clock != recipe.column and rows.ticket[by_the_clock] is not None:
        return unknowns.NOT_IN_BUSINESS_YEARS
    if recipe.needs is Needs.RAW:
        return _with_availability(unknowns.NOT_IN_RAW, recipe.column, rows)
    return recipe.why_null(rows)


def _with_availability(why: str, metric: str, rows: TicketRows) -> str:
    """The reason, and what the marts say of that metric for the whole connection, if it is not wholly available."""
    found = rows.availability.get(metric)
    if found is None or found["reason"] is None:
        return why
    missing = f", for want of {found['missing_field']}" if found["missing_field"] else ""
    return f"{why} Of this connection {metric} is {found['availability']} ({found['reason']}{missing})."


def _question_and_answer(turn: Row, rows: TicketRows) -> list[Source]:
    numbers = (turn["first_message_number"], turn["answered_by_message_number"])
    return _sent(rows.message[number] for number in numbers if number in rows.message)


def _sent(messages: Iterable[Row]) -> list[Source]:
    return [Source("message", row["message_number"], "sent_at", row["sent_at"]) for row in messages]


def _first_reply(rows: TicketRows) -> list[Source]:
    asked = [row for row in rows.messages if row["side"] == "customer"][:1]
    replied = [row for row in rows.messages if row["is_agent_reply"]][:1]
    return _sent([*asked, *replied])


def _of_ticket(*columns: str) -> Callable[[TicketRows], list[Source]]:
    return lambda rows: [Source("ticket", None, column, rows.ticket[column]) for column in columns]


def _first_resolution(rows: TicketRows) -> list[Source]:
    closed_at = rows.ticket["first_closed_at"]
    closings = [
        Source("change", row["change_number"], "changed_at", row["changed_at"])
        for row in rows.changes
        if row["is_closing"] and row["changed_at"] == closed_at
    ]
    return [*_of_ticket("opened_at")(rows), *(closings[:1] or _of_ticket("first_closed_at")(rows))]


def _amounts(entry: str, among: Iterable[Row], column: str) -> list[Source]:
    """Those that have an amount: what still runs is not counted."""
    return [Source(entry, row[f"{entry}_number"], column, row[column]) for row in among if row[column] is not None]


def _waiting(column: str, side: str, seconds: str) -> _Recipe:
    """The sum of the waits that the turns of a side began."""
    return _Recipe(
        column,
        Needs.CONVERSATION,
        How.SUM,
        lambda rows: _amounts("turn", (row for row in rows.turns if row["side"] == side), seconds),
        unknowns.no_waiting_of(side),
    )


def _messages(column: str, counts: Callable[[Row], bool]) -> Callable[[TicketRows], list[Source]]:
    return lambda rows: [
        Source("message", row["message_number"], column, row[column]) for row in rows.messages if counts(row)
    ]


def _changes(flag: str) -> Callable[[TicketRows], list[Source]]:
    return lambda rows: [
        Source("change", row["change_number"], "to_value", row["to_value"]) for row in rows.changes if row[flag]
    ]


def _unassigned_periods(rows: TicketRows) -> list[Source]:
    return _amounts("period", rows.unassigned_periods, "seconds")


def _who_waits(rows: TicketRows) -> list[Source]:
    ticket = rows.ticket
    if ticket["is_closed"] and ticket["waiting_on"] == "nobody":
        return _of_ticket("status")(rows)
    if not ticket["is_conversation_known"]:
        return _of_ticket("is_conversation_known")(rows)
    if ticket["kind"] in unknowns.NOBODY_WAITS:
        return _of_ticket("kind")(rows)
    last_turn = [Source("turn", row["turn_number"], "side", row["side"]) for row in rows.turns[-1:]]
    return last_turn + (_unknown_since(rows) if ticket["waiting_on"] == "unknown" else [])


def _unknown_since(rows: TicketRows) -> list[Source]:
    """What somebody unknown has said since the last turn."""
    last = rows.turns[-1]["last_message_number"] if rows.turns else None
    place = rows.message[last]["number_by_time"] if last in rows.message else 0
    return _messages("side", lambda row: row["side"] == "unknown" and row["number_by_time"] > place)(rows)


def _start_of_waiting(rows: TicketRows) -> list[Source]:
    if rows.ticket["waiting_on"] not in ("us", "customer"):
        return []
    return [Source("turn", row["turn_number"], "started_at", row["started_at"]) for row in rows.turns[-1:]]


def _what_it_is(rows: TicketRows) -> list[Source]:
    if rows.ticket["kind"] in ("inbound", "agent_opened"):
        return _messages("author_role", lambda row: row["message_number"] == 1)(rows)
    return [Source("raw_unified.tickets", None, "tags", None), *_raw(rows)]


def _raw(rows: TicketRows) -> list[Source]:  # noqa: ARG001
    """What the helpdesk itself says of the ticket, in which the seed `raw_signs` looks for signs."""
    return [Source("raw_unified.tickets", None, "raw", None)]


def _doubts(sources: list[Source], rows: TicketRows) -> list[str]:
    """What of the rows may be otherwise than it was taken to be."""
    found: dict[tuple[str, str], set[int]] = {}
    for source in sources:
        if source.entry == "message" and source.number:
            doubts = _doubts_of_message(rows.message[source.number], source.column)
        elif source.entry == "turn" and source.number:
            doubts = _doubts_of_turn(rows.turn[source.number], rows.periods)
        elif source.entry == "change" and source.number:
            doubts = _doubts_of_change(rows.change[source.number], source.column)
        else:
            continue
        for doubt in doubts:
            found.setdefault((source.entry, doubt), set()).add(source.number)
    return [
        f"{entry}{'s' if len(numbers) > 1 else ''} {spans(numbers)}: {doubt}"
        for (entry, doubt), numbers in found.items()
    ]


def _doubts_of_history(ticket: Row) -> list[str]:
    """However soon a ticket is seen, it was there a while before."""
    seen, opened = ticket["history_since_at"], ticket["opened_at"]
    unseen = _whole_seconds(seen) - _whole_seconds(opened) if seen and opened else 0
    if unseen <= 0:
        return []
    return [f"the ticket was first seen {unseen:,} seconds after its opening: what changed before that is not counted"]


def _doubts_of_message(row: Row, column: str) -> list[str]:
    doubts = []
    if row["author_role_source"] == "assumed" and column != "visibility":
        doubts.append("taken as the requester's, for nothing says otherwise")
    if row["side"] is not None and row["visibility"] == "unknown" and column != "author_role":
        doubts.append("counted as if public, for nothing says who can see it")
    if row["visibility_source"] == "assumed" and column != "author_role":
        doubts.append(f"taken as {row['visibility']} by the variable assumed_note_visibility")
    return doubts


def _doubts_of_turn(row: Row, periods: list[Row]) -> list[str]:
    doubts = []
    if row["has_unknown_author"]:
        doubts.append("somebody unknown wrote before its end, which may have been the answer")
    if closed := sum(_seconds_shared(row, period) for period in periods if period["status"] == "closed"):
        doubts.append(f"{closed:,} seconds of it count although the ticket was closed then")
    return doubts


def _seconds_shared(turn: Row, period: Row) -> int:
    """How long both lasted, as far as both have ended."""
    times = (turn["started_at"], turn["ended_at"], period["started_at"], period["ended_at"])
    if None in times:
        return 0
    start, end, period_start, period_end = map(_whole_seconds, times)
    return max(0, min(end, period_end) - max(start, period_start))


def _doubts_of_change(row: Row, column: str) -> list[str]:
    seconds = row["uncertainty_seconds"] if column == "changed_at" else 0
    return [f"its time is known to within {seconds:,} seconds"] if seconds else []


_RECORD, _CONVERSATION, _HISTORY, _STATES, _RAW = Needs

_RECIPES = (
    _Recipe("kind", _RECORD, How.TOLD, _what_it_is),
    _Recipe("first_reply_seconds", _CONVERSATION, How.BETWEEN, _first_reply, unknowns.no_first_reply),
    _Recipe("first_reply_business_seconds", _CONVERSATION, How.TOLD, _first_reply, unknowns.no_first_reply),
    _Recipe("resolution_seconds", _RECORD, How.BETWEEN, _of_ticket("opened_at", "closed_at"), unknowns.no_resolution),
    _Recipe(
        "resolution_business_seconds", _RECORD, How.TOLD, _of_ticket("opened_at", "closed_at"), unknowns.no_resolution
    ),
    _Recipe("first_resolution_seconds", _HISTORY, How.BETWEEN, _first_resolution, unknowns.no_first_resolution),
    _Recipe("waiting_on", _RECORD, How.TOLD, _who_waits),
    _Recipe("waiting_since_at", _CONVERSATION, How.TOLD, _start_of_waiting, unknowns.no_start_of_waiting),
    _waiting("waiting_on_us_seconds", "customer", "wait_seconds"),
    _waiting("waiting_on_us_business_seconds", "customer", "wait_business_seconds"),
    _waiting("waiting_on_customer_seconds", "agent", "wait_seconds"),
    _Recipe("message_count", _CONVERSATION, How.COUNT, _messages("author_role", lambda row: True)),
    _Recipe(
        "customer_message_count", _CONVERSATION, How.COUNT, _messages("side", lambda row: row["side"] == "customer")
    ),
    _Recipe("agent_message_count", _CONVERSATION, How.COUNT, _messages("side", lambda row: row["side"] == "agent")),
    _Recipe("agent_reply_count", _CONVERSATION, How.COUNT, _messages("side", lambda row: row["is_agent_reply"])),
    _Recipe(
        "agent_count",
        _CONVERSATION,
        How.DISTINCT,
        _messages("author_id", lambda row: row["is_agent_reply"]),
        unknowns.no_agent_count,
    ),
    _Recipe(
        "bot_message_count",
        _CONVERSATION,
        How.COUNT,
        _messages("author_role", lambda row: row["author_role"] == "bot"),
    ),
    _Recipe(
        "internal_message_count",
        _CONVERSATION,
        How.COUNT,
        _messages("visibility", lambda row: row["visibility"] == "internal"),
    ),
    _Recipe("reopen_count", _HISTORY, How.COUNT, _changes("is_reopening")),
    _Recipe("observed_reopen_count", _STATES, How.COUNT, _changes("is_reopening")),
    _Recipe("reassignment_count", _HISTORY, How.COUNT, _changes("is_reassignment")),
    _Recipe("unassigned_seconds", _HISTORY, How.SUM, _unassigned_periods, unknowns.no_unassigned_seconds),
    _Recipe("satisfaction", _RAW, How.TOLD, _raw),
    _Recipe("vendor_status", _RAW, How.TOLD, _raw),
    _Recipe("vendor_first_replied_at", _RAW, How.TOLD, _raw),
    _Recipe("vendor_resolved_at", _RAW, How.TOLD, _raw),
)
