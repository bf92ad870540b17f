"""Why a figure is not there: a sentence for each reason that a mart has to leave it NULL, or an outcome unknown."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.explain.spans import spans
from pipelines.explain.ticket_rows import Row, TicketRows

NOBODY_WAITS = {"spam", "merged"}
"""The kinds of tickets in which nobody speaks, and so nobody waits."""

DELETED = "The ticket is deleted: it keeps the facts of its record, and no figure counts it."

CONVERSATION_NOT_KNOWN = "The conversation is not known: the ticket's notes are not offered, or were not read yet."

NOT_IN_BUSINESS_YEARS = "A time lies outside the years that the business calendars count."
"""Of a figure that is there by the clock on the wall."""

NOT_IN_RAW = "The ticket's raw shows none by the signs of the seed raw_signs."

NO_TIME_OF_END = "It has ended, but its end has no time, or one before its start."
"""Of the clock of a service level."""

NOT_SAID = "The marts do not say why."


def history_not_whole(ticket: Row) -> str | None:
    """Why nothing can be said of all states of a ticket; None where it can."""
    if ticket["is_history_complete"]:
        return None
    since = ticket["history_since_at"]
    if ticket["is_history_complete"] is None or since is None:
        return "No state of the ticket is stored."
    seen = f"{since:%Y-%m-%d %H:%M:%S}Z"
    return f"The history is not whole: the ticket was first seen at {seen}, and may have changed before."


def no_first_reply(rows: TicketRows) -> str:
    ticket = rows.ticket
    if ticket["kind"] in NOBODY_WAITS:
        return f"The ticket is {ticket['kind']}: nobody waits, and nobody replies."
    if not any(row["side"] == "customer" for row in rows.messages):
        return "The customer has not written, so nobody waits for a reply."
    if not any(row["is_agent_reply"] for row in rows.messages):
        return f"No agent has replied{' before it was closed' if ticket['is_closed'] else ' yet'}."
    return "The customer's first message or its reply has no time."


def no_next_reply(turn: Row) -> str:
    if turn["end_reason"] == "open":
        return "No agent has answered yet."
    if turn["end_reason"] == "closed":
        return "The ticket was closed without an answer."
    if turn["end_reason"] == "after_closing":
        return "The customer wrote after the ticket had been closed, and nobody waits then."
    return "The customer's message or its answer has no time."


def no_resolution(rows: TicketRows) -> str:
    ticket = rows.ticket
    if not ticket["is_closed"]:
        return f"The ticket is not closed: its status is {ticket['status']}."
    if ticket["closed_at"] is None:
        return "The helpdesk does not say when the ticket was closed."
    return _no_time_from_opening(rows, "closed_at")


def no_first_resolution(rows: TicketRows) -> str:
    if rows.ticket["first_closed_at"] is None:
        if rows.periods and rows.periods[0]["status"] == "closed":
            return "The ticket was closed when it was first seen, and nothing says since when."
        return "The ticket was never seen to be closed."
    return _no_time_from_opening(rows, "first_closed_at")


def _no_time_from_opening(rows: TicketRows, closing: str) -> str:
    ticket = rows.ticket
    if ticket["opened_at"] is None:
        return "The helpdesk does not say when the ticket was opened."
    if ticket[closing] < ticket["opened_at"]:
        return f"{closing} lies before opened_at: the two contradict each other."
    return NOT_SAID


def no_start_of_waiting(rows: TicketRows) -> str:
    if rows.ticket["waiting_on"] == "nobody":
        return "Nobody waits."
    if rows.ticket["waiting_on"] == "unknown":
        return "It is unknown who waits."
    return "The message since which somebody waits has no time."


def no_agent_count(rows: TicketRows) -> str:
    nameless = [row["message_number"] for row in rows.messages if row["is_agent_reply"] and row["author_id"] is None]
    return f"A reply names no author: message {spans(nameless)}." if nameless else NOT_SAID


def no_waiting_of(side: str) -> Callable[[TicketRows], str]:
    """Why there is no sum of the waits that the turns of that side began."""

    def why(rows: TicketRows) -> str:
        ended = [row for row in rows.turns if row["side"] == side and row["end_reason"] in ("answered", "closed")]
        timeless = [row["turn_number"] for row in ended if row["wait_seconds"] is None]
        return f"A turn that has ended has no time: turn {spans(timeless)}." if timeless else NOT_SAID

    return why


def no_unassigned_seconds(rows: TicketRows) -> str:
    lengthless = [row["period_number"] for row in rows.unassigned_periods if row["seconds"] is None]
    return f"A period without an assignee has no length: period {spans(lengthless)}." if lengthless else NOT_SAID


def no_outcome(level: Row) -> str | None:
    """Why nothing can be said of how the clock of a service level went; None where it can."""
    if level["outcome"] != "unknown":
        return None
    if level["elapsed_seconds"] is None:
        return NOT_IN_BUSINESS_YEARS if level["is_running"] or level["ended_at"] else NO_TIME_OF_END
    doubts = {
        "it may have been paused longer than is known": level["has_unknown_pauses"],
        "somebody unknown wrote before its end, which may have been the answer": level["has_unknown_author"],
    }
    said = [doubt for doubt, is_so in doubts.items() if is_so]
    return f"More than the target is used as far as is known, but {', and '.join(said)}." if said else NOT_SAID


def not_said(rows: TicketRows) -> str:  # noqa: ARG001
    return NOT_SAID
