"""What an explanation says: the ticket, what happened to it in order of time, and each figure with what it came from.

The names of the fields are those of the marts' columns, so that what is said here can be looked up there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True)
class Message:
    """One message. `silent_because` is None where it speaks; `text` is its beginning, on one line."""

    at: datetime | None
    number: int
    role: str
    role_source: str
    author_id: str | None
    author_name: str | None
    visibility: str
    visibility_source: str
    speaks: bool
    silent_because: str | None
    is_agent_reply: bool
    text: str | None
    entry: Literal["message"] = "message"


@dataclass(frozen=True)
class Turn:
    """One side has spoken and waits for the other: `waits_for` is us or the customer."""

    at: datetime | None
    number: int
    side: str
    waits_for: str
    first_message_number: int
    last_message_number: int
    end_reason: str
    ended_at: datetime | None
    answered_by_message_number: int | None
    wait_seconds: int | None
    wait_business_seconds: int | None
    has_unknown_author: bool
    entry: Literal["turn"] = "turn"


@dataclass(frozen=True)
class Change:
    """A field has become another; when, is known as well as the two times of observation lie together. `is_own`: a
    triage decision of ours has made it, which is neither a reopening nor a reassignment."""

    at: datetime | None
    number: int
    field: str
    from_value: str | None
    to_value: str | None
    observed_after: datetime
    observed_by: datetime
    uncertainty_seconds: int
    is_own: bool
    entry: Literal["change"] = "change"


@dataclass(frozen=True)
class Period:
    """So long nothing that is tracked has changed. `at` is None where it began before anything was known."""

    at: datetime | None
    number: int
    status: str
    vendor_status: str | None
    assignee_user_id: str | None
    priority: str | None
    category: str | None
    start_source: str
    observed_from: datetime
    ended_at: datetime | None
    seconds: int | None
    business_seconds: int | None
    entry: Literal["period"] = "period"


Entry: TypeAlias = Message | Turn | Change | Period

Value: TypeAlias = datetime | int | str | None


class How(Enum):
    """How a figure comes of its rows."""

    BETWEEN = "between"
    """The whole seconds from the first row's time to the last one's."""
    SUM = "sum"
    COUNT = "count"
    DISTINCT = "distinct"
    """How many different values the rows have."""
    TOLD = "told"
    """The rows tell it; there is nothing to count."""


@dataclass(frozen=True)
class Source:
    """Where a part of a figure stands: an entry of the timeline by its number, or the ticket itself (without one)."""

    entry: str
    number: int | None
    column: str
    value: Value


@dataclass(frozen=True)
class Figure:
    """A figure, its rule in the warehouse's own words, and the rows it came from.

    `column` is where it stands; `turn_number` is that of figures of a turn. `adds_up` is whether the rows give the
    figure, None where there is nothing to add. `why_null` is None where there is a value. `doubts` are what may be
    otherwise than it was counted.
    """

    name: str
    column: str
    turn_number: int | None
    value: Value
    rule: str | None
    how: How
    rows: list[Source]
    adds_up: bool | None
    why_null: str | None
    doubts: list[str]


PAUSING = {"side", "vendor_status", "status"}
"""The columns that say why a turn or a period stopped the clock of a service level."""


@dataclass(frozen=True)
class ServiceLevel:
    """One clock of a policy: how long it may run and how long it has; `rule` is that of `elapsed_seconds`.

    `rows` are what its start and end hang on, then what stopped it, by `PAUSING` columns. `why_unknown` is
    None where the outcome is known; `is_breached` and `is_at_risk` are None where it is not.
    """

    policy: str
    metric: str
    turn_number: int
    calendar: str | None
    target_seconds: int
    elapsed_seconds: int | None
    paused_seconds: int | None
    pauses_on: str | None
    remaining_seconds: int | None
    started_at: datetime
    ended_at: datetime | None
    due_at: datetime | None
    outcome: str
    why_unknown: str | None
    has_unknown_pauses: bool
    has_unknown_author: bool
    is_breached: bool | None
    is_running: bool
    is_at_risk: bool | None
    as_of: datetime
    rule: str | None
    rows: list[Source]


@dataclass(frozen=True)
class Explanation:
    """All that the marts tell of a ticket. `ticket` has columns of `marts.tickets`; times are UTC."""

    ticket: dict[str, Any]
    timeline: list[Entry]
    figures: list[Figure]
    service_levels: list[ServiceLevel]
