"""An explanation on the terminal: what stands in it, in words and tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pipelines import console
from pipelines.explain import Explanation
from pipelines.explain.explanation import (
    PAUSING,
    Change,
    Entry,
    Figure,
    How,
    Message,
    Period,
    ServiceLevel,
    Source,
    Turn,
)
from pipelines.explain.spans import spans

_PARTS_SHOWN = 12
"""So many parts of a sum, or pauses of a clock, are shown; all are in the JSON."""

_LONGEST_CELL = 500
"""So many characters of a cell are shown; all are in the JSON."""


def tell(explanation: Explanation) -> None:
    """The ticket, its timeline, its figures and its service levels, and what to do next."""
    figures = explanation.figures
    _show(_title(explanation.ticket), ["fact", "value"], _facts(explanation.ticket))
    _show(
        "What happened",
        ["time (UTC)", "what", "told"],
        [[_time(entry.at), f"{entry.entry} {entry.number}", _told(entry)] for entry in explanation.timeline],
    )
    _show(
        "The figures",
        ["figure", "the rows it came from, and its rule"],
        [row for figure in figures if figure.why_null is None for row in _figure(figure)],
    )
    _show_grouped("Figures that are not there", "why", ((figure.why_null, figure) for figure in figures))
    _show_grouped(
        "What may be otherwise", "because", ((doubt, figure) for figure in figures for doubt in figure.doubts)
    )
    _show(
        "The service levels",
        ["service level", "outcome", "its clock"],
        [_service_level(level) for level in explanation.service_levels],
    )
    for rule in {level.rule for level in explanation.service_levels if level.rule}:
        console.say(console.one_line(f"Used: {rule}"))
    console.say(f"\n{_closing(explanation)}")


def _show_grouped(title: str, heading: str, told: Iterable[tuple[str | None, Figure]]) -> None:
    """Figures of which the same is to be told, together."""
    together: dict[str, list[str]] = {}
    for reason, figure in told:
        if reason is not None:
            together.setdefault(reason, []).append(_name(figure))
    _show(title, ["figures", heading], [[", ".join(names), reason] for reason, names in together.items()])


def _show(title: str, headings: list[str], rows: list[list[object]]) -> None:
    """A table, unless there is nothing to stand in it."""
    if rows:
        console.show_table(headings, [[_cut(cell) for cell in row] for row in rows], title=title)


def _cut(cell: object) -> object:
    """A word of others may be as long as it likes, and would push the rest off the screen."""
    is_long = isinstance(cell, str) and len(cell) > _LONGEST_CELL
    return f"{str(cell)[: _LONGEST_CELL - 1]}…" if is_long else cell


def _title(ticket: dict[str, object]) -> str:
    return f"Ticket {ticket['ticket_id']} of {ticket['connection_id']} ({ticket['integration_type'] or 'not there'})"


def _facts(ticket: dict[str, object]) -> list[list[object]]:
    left_out = {"connection_id", "ticket_id", "integration_type", "is_closed"}
    return [
        [name, _time(value) if isinstance(value, datetime) else value]
        for name, value in ticket.items()
        if value is not None and name not in left_out
    ]


def _told(entry: Entry) -> str:
    match entry:
        case Message():
            return _message(entry)
        case Turn():
            return _turn(entry)
        case Change():
            return _change(entry)
        case Period():
            return _period(entry)


def _message(message: Message) -> str:
    who = message.author_name or message.author_id
    author = f"{message.role} {who}" if who else message.role
    visibility = f"{message.visibility} ({message.visibility_source})"
    if message.visibility == "unknown":
        visibility = "visibility unknown"
    speaks = "speaks" if message.speaks else f"does not speak ({message.silent_because})"
    text = f"“{message.text}”" if message.text else "no text"
    return f"{author} ({message.role_source}), {visibility}, {speaks}: {text}"


def _turn(turn: Turn) -> str:
    who = "the customer waits for us" if turn.waits_for == "us" else "we wait for the customer"
    ends = {
        "answered": f"answered by message {turn.answered_by_message_number}",
        "closed": "until the ticket was closed",
        "after_closing": "but the ticket was closed already, so that nobody waits",
        "open": "and it is not answered yet",
    }
    waited = ""
    if turn.wait_seconds is not None:
        business = "unknown" if turn.wait_business_seconds is None else _business_seconds(turn.wait_business_seconds)
        waited = f": {_seconds(turn.wait_seconds)}, {business} in business hours"
    until = f" at {_time(turn.ended_at)}" if turn.ended_at else ""
    return f"{who} from here on, {ends.get(turn.end_reason, turn.end_reason)}{until}{waited}"


def _change(change: Change) -> str:
    became = f"{change.field}: {_or_nothing(change.from_value)} → {_or_nothing(change.to_value)}"
    if change.is_own:
        became += " by a triage decision of ours"
    if not change.uncertainty_seconds:
        return became
    return f"{became}; seen between {_time(change.observed_after)} and {_time(change.observed_by)}"


def _period(period: Period) -> str:
    parts = [
        period.vendor_status and f"vendor status {period.vendor_status}",
        f"assigned to {period.assignee_user_id}" if period.assignee_user_id else "nobody assigned",
        period.priority and f"priority {period.priority}",
        period.category and f"category {period.category}",
    ]
    state = ", ".join([period.status, *(part for part in parts if part)])
    start = "" if period.at else " (since when is unknown)"
    if period.ended_at is None:
        return f"{state}{start}, still so"
    lasted = "" if period.seconds is None else f": {_seconds(period.seconds)}"
    return f"{state}{start}, until {_time(period.ended_at)}{lasted}"


def _figure_value(name: str, value: object) -> str:
    if isinstance(value, int) and name.endswith("_business_seconds"):
        return _business_seconds(value)
    return _seconds(value) if isinstance(value, int) and name.endswith("_seconds") else _shown(value)


def _figure(figure: Figure) -> Iterable[list[object]]:
    yield [_name(figure), _came_from(figure)]
    shown = _figure_value(figure.name, figure.value)
    yield [f"= {shown}", figure.rule or "This warehouse does not tell the rule: `ticketing build` writes it there."]
    if figure.adds_up is False:
        yield ["", "THE ROWS DO NOT ADD UP TO IT. If a build was under way, look again after it."]


def _name(figure: Figure) -> str:
    return figure.name if figure.turn_number is None else f"{figure.name}, turn {figure.turn_number}"


def _came_from(figure: Figure) -> str:
    rows = figure.rows
    if figure.how is How.BETWEEN:
        return " to ".join(f"{_place(row)} ({_shown(row.value)})" for row in rows)
    if figure.how is How.SUM:
        parts = [f"{_place(row)} ({_shown(row.value)} s)" for row in rows]
        return " + ".join(_first(parts)) or "nothing that has ended"
    if figure.how is How.COUNT:
        return _listed(rows) or "none"
    if figure.how is How.DISTINCT:
        return _by_value(rows) or "none"
    return ", ".join(_place(row) + (f" ({_shown(row.value)})" if row.value is not None else "") for row in rows)


def _first(parts: list[str]) -> list[str]:
    more = [f"{len(parts) - _PARTS_SHOWN} more"] if len(parts) > _PARTS_SHOWN else []
    return [*parts[:_PARTS_SHOWN], *more]


def _listed(rows: list[Source]) -> str:
    numbers = [row.number for row in rows if row.number is not None]
    if not numbers:
        return ""
    return f"{rows[0].entry}{'s' if len(numbers) > 1 else ''} {spans(numbers)}"


def _by_value(rows: list[Source]) -> str:
    by_value = {value: [row for row in rows if row.value == value] for value in dict.fromkeys(r.value for r in rows)}
    return "; ".join(f"{value or 'without an id'}: {_listed(of_it)}" for value, of_it in by_value.items())


def _place(row: Source) -> str:
    if row.entry == "ticket":
        return row.column
    return f"{row.entry}.{row.column}" if row.number is None else f"{row.entry} {row.number}"


def _service_level(level: ServiceLevel) -> list[object]:
    of_turn = f" of turn {level.turn_number}" if level.metric != "resolution" else ""
    told = _seconds if level.calendar is None else _business_seconds
    used = "an unknown time" if level.elapsed_seconds is None else told(level.elapsed_seconds)
    paused = "" if level.paused_seconds is None else _paused(told(level.paused_seconds), level)
    due = f", due at {_time(level.due_at)}" if level.due_at else ""
    since = f"from {_time(level.started_at)}"
    still = f"and still at {_time(level.as_of)}" if level.is_running else "to an unknown time"
    until = f"to {_time(level.ended_at)}" if level.ended_at else still
    why = f". {level.why_unknown}" if level.why_unknown else ""
    return [
        level.policy,
        f"{level.outcome}, at risk" if level.is_at_risk else level.outcome,
        f"{level.metric}{of_turn}: {used} of {told(level.target_seconds)} used, by "
        f"{f'the calendar {level.calendar}' if level.calendar else 'the clock'} {since} {until}{paused}{due}{why}",
    ]


def _paused(how_long: str, level: ServiceLevel) -> str:
    """For how long, and by what."""
    pauses = [row for row in level.rows if row.column in PAUSING]
    if not pauses:
        return f", paused for {how_long}" if level.paused_seconds else ""
    parts = [f"{_place(row)} ({'waiting for the customer' if row.entry == 'turn' else row.value})" for row in pauses]
    return f", paused for {how_long} by {', '.join(_first(parts))}"


def _closing(explanation: Explanation) -> str:
    ticket, figures = explanation.ticket, explanation.figures
    there = sum(figure.value is not None for figure in figures)
    shown = (
        f"Shown: {console.count(len(explanation.timeline), 'entry')}, {there} of "
        f"{console.count(len(figures), 'figure')} and {console.count(len(explanation.service_levels), 'service level')}"
    )
    wrong = [figure.name for figure in figures if figure.adds_up is False]
    if wrong:
        return f"{shown}. Not what their rows give: {', '.join(wrong)}. Next: ticketing build, then this again"
    if not (ticket["is_settled"] or ticket["is_deleted"]):
        until = _time(ticket["data_as_of"]) or "an unknown time"
        return f"{shown}, read up to {until}: something of before may still come. Next: ticketing run, then this again"
    return f"{shown}. Next: the same with --json, or dbt_project/DECISIONS.md for the definitions"


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return _time(value) or ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else "unknown" if value is None else str(value)


def _seconds(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds:,} s ({console.duration(seconds)})"


def _business_seconds(seconds: int) -> str:
    """In hours: a day of a calendar has fewer than the clock's 24."""
    return f"{seconds:,} s ({seconds / 3_600:.1f} h)"


def _time(moment: object) -> str | None:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if isinstance(moment, datetime) else None


def _or_nothing(value: str | None) -> str:
    return "nothing" if value is None else value
