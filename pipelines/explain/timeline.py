"""What happened to a ticket, in order of time."""

from __future__ import annotations

from datetime import UTC, datetime

from pipelines.explain.explanation import Change, Entry, Message, Period, Turn
from pipelines.explain.moments import second
from pipelines.explain.ticket_rows import Row, TicketRows

LONGEST_TEXT = 100
"""Characters of a message that are shown: enough to know it again."""

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)

_AFTER_MESSAGES = 2**62
_AFTER_CHANGES = 2**63
"""Behind every number by time, for what lies in the same second."""

_NOWHERE = (_LAST, 0)
"""Of a turn whose message was taken away while the rows were read."""


def timeline_of(rows: TicketRows) -> list[Entry]:
    """All that is known to have happened, by whole seconds as figures are; in the same second messages by their order,
    each turn behind its first message, then changes and what they have begun. What has no time stands where its order
    puts it: a message 1 first, another message last, a period from before anything was known first."""
    places = {row["message_number"]: (second(_message_time(row)), row["number_by_time"]) for row in rows.messages}
    entries: list[tuple[tuple[object, ...], Entry]] = [
        *(((*places[row["message_number"]], 0), _message(row, rows.ticket["kind"])) for row in rows.messages),
        *(((*places.get(row["first_message_number"], _NOWHERE), 1), _turn(row)) for row in rows.turns),
        *(((second(row["changed_at"]), _AFTER_MESSAGES, row["change_number"]), _change(row)) for row in rows.changes),
        *(
            ((second(row["started_at"] or _FIRST), _AFTER_CHANGES, row["period_number"]), _period(row))
            for row in rows.periods
        ),
    ]
    return [entry for _, entry in sorted(entries, key=lambda placed: placed[0])]


def _message_time(row: Row) -> datetime:
    sent_at: datetime | None = row["sent_at"]
    return sent_at or (_FIRST if row["number_by_time"] == 1 else _LAST)


def _message(row: Row, kind: str | None) -> Message:
    return Message(
        at=row["sent_at"],
        number=row["message_number"],
        role=row["author_role"],
        role_source=row["author_role_source"],
        author_id=row["author_id"],
        author_name=row["author_name"],
        visibility=row["visibility"],
        visibility_source=row["visibility_source"],
        speaks=row["side"] is not None,
        silent_because=None if row["side"] is not None else _why_silent(row, kind),
        is_agent_reply=row["is_agent_reply"],
        text=_beginning(row["body_text"]),
    )


def _why_silent(row: Row, kind: str | None) -> str:
    if row["visibility"] == "internal":
        return "internal"
    if row["author_role"] == "bot":
        return "ours" if row["author_role_source"] == "writeback" else "a bot's"
    if row["is_automatic"]:
        return "automatic"
    return f"the ticket is {kind}"


def _beginning(text: str | None) -> str | None:
    """The beginning of a text as one line: its first one is often no more than a greeting."""
    words = " ".join((text or "").split())
    if len(words) <= LONGEST_TEXT:
        return words or None
    return f"{words[: LONGEST_TEXT - 1].rstrip()}…"


def _turn(row: Row) -> Turn:
    return Turn(
        at=row["started_at"],
        number=row["turn_number"],
        side=row["side"],
        waits_for="us" if row["side"] == "customer" else "customer",
        first_message_number=row["first_message_number"],
        last_message_number=row["last_message_number"],
        end_reason=row["end_reason"],
        ended_at=row["ended_at"],
        answered_by_message_number=row["answered_by_message_number"],
        wait_seconds=row["wait_seconds"],
        wait_business_seconds=row["wait_business_seconds"],
        has_unknown_author=row["has_unknown_author"],
    )


def _change(row: Row) -> Change:
    return Change(
        at=row["changed_at"],
        number=row["change_number"],
        field=row["field"],
        from_value=row["from_value"],
        to_value=row["to_value"],
        observed_after=row["observed_after"],
        observed_by=row["observed_by"],
        uncertainty_seconds=row["uncertainty_seconds"],
        is_own=row["is_own"],
    )


def _period(row: Row) -> Period:
    return Period(
        at=row["started_at"],
        number=row["period_number"],
        status=row["status"],
        vendor_status=row["vendor_status"],
        assignee_user_id=row["assignee_user_id"],
        priority=row["priority"],
        category=row["category"],
        start_source=row["start_source"],
        observed_from=row["observed_from"],
        ended_at=row["ended_at"],
        seconds=row["seconds"],
        business_seconds=row["business_seconds"],
    )
