"""The daily marts once more: each ticket is walked through from day to day, and looked at when a day ends."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from tests.warehouse.golden_account import Account
from tests.warehouse.golden_service_levels import nearest
from tests.warehouse.golden_settings import Key, Record, Row
from tests.warehouse.golden_signs import as_text
from tests.warehouse.golden_text import comparable, lower, text

ONE_DAY = timedelta(days=1)
FIRST_DAY = date(1990, 1, 1)


class Group(NamedTuple):
    """What tickets are told apart by."""

    category: str | None
    priority: str | None
    assignee_user_id: str | None


class Step(NamedTuple):
    """What a ticket came to be, from when and which day on."""

    at: datetime
    day: date
    is_open: bool
    group: Group
    is_observed: bool
    is_ours: bool = False


class Place(NamedTuple):
    """What makes a row of the two marts by group one row."""

    connection_id: str
    day_on: date
    category: str | None
    priority: str | None
    assignee_user_id: str | None
    customer_tier: str | None


@dataclass(frozen=True)
class Story:
    """A ticket and its steps, with what was said on it."""

    ticket: Row
    tier: str | None
    steps: Sequence[Step]
    messages: Sequence[Row]
    turns: Sequence[Row]

    def place(self, day: date, group: Group) -> Place:
        return Place(self.ticket["connection_id"], day, *group, self.tier)

    def group_at(self, moment: datetime) -> Group:
        """What it was at a moment; before its opening, what it was then."""
        return [step for step in self.steps if step is self.steps[0] or step.at <= moment][-1].group

    def at_the_end_of(self, day: date) -> Step | None:
        """What it was when a day ended; None before its opening."""
        return next((step for step in reversed(self.steps) if step.day <= day), None)


def daily_marts(made: Mapping[str, Sequence[Row]], account: Account) -> dict[str, list[Row]]:
    """The rows of the marts of days, from those of the others."""
    stories = [*_stories(made, account)]
    return {
        "ticket_backlog_daily": [*_backlog_rows(stories, account)],
        "support_daily": [*_support_rows(stories, account)],
        "customer_support_daily": [*_customer_rows(stories, account)],
    }


def counted_day(moment: datetime, connection_id: str, account: Account) -> date:
    """The local day, kept between 1990 and the later of the build's clock and what has been read."""
    through = account.data_as_of(connection_id)
    zone = account.settings.reporting_timezone
    last = max(known.astimezone(zone).date() for known in (account.settings.as_of, through) if known)
    return min(max(moment.astimezone(zone).date(), FIRST_DAY), last)


def _stories(made: Mapping[str, Sequence[Row]], account: Account) -> Iterator[Story]:
    """Of every ticket that is neither deleted, spam nor merged."""
    records = {(record["connection_id"], record["id"]): record for record in account.records.get("tickets", ())}
    periods, messages, turns = (
        _of_tickets(made[mart]) for mart in ("ticket_periods", "conversation_messages", "conversation_turns")
    )
    for ticket in made["tickets"]:
        if ticket["is_deleted"] or ticket["kind"] in ("spam", "merged"):
            continue
        key = (ticket["connection_id"], ticket["ticket_id"])
        tier = tier_of(ticket["connection_id"], ticket["customer_id"], account)
        steps = _steps(ticket, records[key], periods[key], account)
        yield Story(ticket, tier, steps, messages[key], turns[key])


def _of_tickets(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["connection_id"], row["ticket_id"]].append(row)
    return found


def tier_of(connection_id: str, customer_id: str | None, account: Account) -> str | None:
    """The tier of a customer, by the first row of the seed that is for them."""
    if customer_id is None:
        return None
    customer = account.customers.get((connection_id, customer_id), {})
    tags = {lower(word) for tag in customer.get("tags") or [] if (word := as_text(tag))}
    rows = [
        row
        for row in account.settings.seeds["customer_tiers"]
        if row["connection_id"] in (None, connection_id)
        and row["customer_id"] in (None, customer_id)
        and (row["tag"] is None or lower(row["tag"]) in tags)
    ]
    first = min(rows, key=lambda row: (int(row["place"]), row["tier"].encode()), default={"tier": "standard"})
    return str(first["tier"])


def _steps(ticket: Row, record: Record, periods: Sequence[Row], account: Account) -> list[Step]:
    """What a ticket was, one after the other; none of it before what was before."""
    steps: list[Step] = []
    for moment, *state in _told(ticket, record, periods):
        day = counted_day(moment, ticket["connection_id"], account)
        floor = steps[-1] if steps else Step(moment, day, *state)
        steps.append(Step(max(moment, floor.at), max(day, floor.day), *state))
    return steps


def _told(ticket: Row, record: Record, periods: Sequence[Row]) -> Iterator[tuple[Any, ...]]:
    """Each time, whether the ticket was open from then on, its group, whether it was seen so, and whether by us."""
    own = Group(
        text(record.get("category_id")) or text(record.get("category")),
        ticket["priority"],
        ticket["assignee_user_id"],
    )
    opened_at, closed_at, updated_at = ticket["opened_at"], ticket["closed_at"], ticket["updated_at"]
    read_at = record.get("_observed_at")
    if not periods:
        yield opened_at or closed_at or updated_at or read_at, True, own, False
        if ticket["is_closed"]:
            yield closed_at or updated_at or read_at or opened_at, False, own, False
        return
    first, last = periods[0], periods[-1]
    was_open, seen_at, group = _is_open(first), first["observed_from"], _group(first)
    told_at = first["started_at"] or seen_at
    yield opened_at or told_at, True, group, was_open and bool(ticket["is_history_complete"])
    if was_open:
        yield min(seen_at, first["ended_at"] or seen_at), True, group, True
    else:
        yield told_at, False, group, True
    for period in periods[1:]:
        yield period["started_at"], _is_open(period), _group(period), True, period["has_own_status"]
    if (_is_open(last), _group(last)) != (not ticket["is_closed"], own):
        yield closed_at or updated_at or last["observed_from"], not ticket["is_closed"], own, True


def _is_open(period: Row) -> bool:
    return bool(period["status"] != "closed")


def _group(period: Row) -> Group:
    return Group(period["category"], period["priority"], period["assignee_user_id"])


def _flows(story: Story) -> Iterator[tuple[Step, Group, str]]:
    """What came and went by each step: under which group, and as what."""
    yield story.steps[0], story.steps[0].group, "opened_count"
    for before, step in pairwise(story.steps):
        if before.is_open and before.group != step.group:
            yield step, before.group, "moved_out_count"
            yield step, step.group, "moved_in_count"
        if before.is_open != step.is_open:
            reopened = "own_reopened_count" if step.is_ours else "reopened_count"
            yield step, step.group, reopened if step.is_open else "closed_count"


def _backlog_rows(stories: Sequence[Story], account: Account) -> Iterator[Row]:
    counts: dict[Place, Counter[str]] = defaultdict(Counter)
    last_days = _last_days(stories, account)
    for story in stories:
        for step, group, flow in _flows(story):
            counts[story.place(step.day, group)][flow] += 1
        day = story.steps[0].day
        while day <= last_days[story.ticket["connection_id"]]:
            last = story.at_the_end_of(day)
            if last and last.is_open:
                counts[story.place(day, last.group)]["open_ticket_count"] += 1
                counts[story.place(day, last.group)]["unobserved_open_ticket_count"] += not last.is_observed
            day += ONE_DAY
    figures = (
        "opened_count reopened_count own_reopened_count closed_count moved_in_count moved_out_count "
        "open_ticket_count unobserved_open_ticket_count"
    )
    for place, count in counts.items():
        yield {**_about(place, account), **{name: count[name] for name in figures.split()}}


def _last_days(stories: Sequence[Story], account: Account) -> dict[str, date]:
    """The day up to which each connection is known: what a closed ticket becomes tells nothing of it."""
    last: dict[str, date] = {}
    for story in stories:
        connection_id = story.ticket["connection_id"]
        through = account.data_as_of(connection_id)
        known = [step.day for step, _, _ in _flows(story)] + [last.get(connection_id, FIRST_DAY)]
        known += [step.day for before, step in pairwise(story.steps) if before.is_open and step.is_open]
        known += [through.astimezone(account.settings.reporting_timezone).date()] if through else []
        last[connection_id] = max(known)
    return last


def _about(place: Place, account: Account) -> Row:
    """What a row by group says beside its figures."""
    category_id, category_name = _category(place.connection_id, place.category, account)
    return {
        **place._asdict(),
        **_read(place.connection_id, place.day_on, account),
        "category_id": category_id,
        "category_name": category_name,
        "assignee_name": account.employee_name(place.connection_id, place.assignee_user_id),
    }


def _read(connection_id: str, day: date, account: Account) -> Row:
    """How far a connection was read, beside a day."""
    through = account.data_as_of(connection_id)
    ends_at = datetime.combine(day + ONE_DAY, time(), account.settings.reporting_timezone).astimezone(UTC)
    return {
        "integration_type": account.helpdesk(connection_id),
        "is_day_over": through is not None and ends_at <= through,
        "data_as_of": through,
    }


def _category(connection_id: str, category: str | None, account: Account) -> tuple[str | None, str | None]:
    """The id and the name of the category that stands for it today."""
    if category is None:
        return None, None
    rows = account.categories[connection_id]
    by_id = [row for row in rows if row["id"] == category]
    living = [row for row in rows if text(row.get("name")) and not row.get("_deleted_at")]
    by_name = [row for row in living if comparable(str(text(row["name"]))) == comparable(category)]
    found = [*by_id, *(by_name if len(by_name) == 1 else [])]
    names = [name for row in found if (name := text(row.get("name")))]
    return next((row["id"] for row in found), None), next(iter(names), category)


class _Figures(defaultdict[str, list[int]]):
    """The values of each figure in one row."""

    def __init__(self) -> None:
        super().__init__(list)

    def count(self, name: str) -> int:
        return len(self[name])

    def middle(self, name: str) -> int | None:
        return nearest(Fraction(median(self[name]))) if self[name] else None


def _support_rows(stories: Sequence[Story], account: Account) -> Iterator[Row]:
    rows: dict[Place, _Figures] = defaultdict(_Figures)
    for story in stories:
        ticket, connection_id = story.ticket, story.ticket["connection_id"]
        flows = [(step, group, flow) for step, group, flow in _flows(story) if not flow.startswith("moved")]
        for step, group, flow in flows:
            row = rows[story.place(step.day, group)]
            row[flow].append(1)
            row["known"] += [1] * ticket["is_conversation_known"]
        step, group, flow = flows[-1]
        if flow == "closed_count":
            _note(rows[story.place(step.day, group)], "resolution_seconds", ticket["resolution_seconds"])
        _add_to_cohort(rows[story.place(story.steps[0].day, story.steps[0].group)], ticket)
        for moment, name, value in _acts(story):
            row = rows[story.place(counted_day(moment, connection_id, account), story.group_at(moment))]
            row[name].append(value)
            row["known"].append(1)
    for place, row in rows.items():
        yield {**_about(place, account), **_support_figures(row)}


def _acts(story: Story) -> Iterator[tuple[datetime, str, int]]:
    """What was done on a ticket whose conversation is known, and when."""
    if not story.ticket["is_conversation_known"]:
        return
    for message in story.messages:
        if message["sent_at"] and message["side"] == "customer":
            yield message["sent_at"], "customer_message", 1
        if message["sent_at"] and message["is_agent_reply"]:
            yield message["sent_at"], "agent_reply", 1
    if story.ticket["first_reply_seconds"] is not None:
        yield story.ticket["first_replied_at"], "first_reply_seconds", story.ticket["first_reply_seconds"]
    for turn in story.turns:
        if turn["side"] == "customer" and turn["end_reason"] == "answered" and turn["wait_seconds"] is not None:
            yield turn["ended_at"], "wait_seconds", turn["wait_seconds"]


def _add_to_cohort(row: _Figures, ticket: Row) -> None:
    row["cohort"].append(1)
    row["cohort_known"] += [1] * ticket["is_conversation_known"]
    row["cohort_closed"] += [1] * ticket["is_closed"]
    _note(row, "cohort_answered", None if ticket["is_answered"] is None else int(ticket["is_answered"]))
    _note(row, "cohort_first_reply_seconds", ticket["first_reply_seconds"])
    _note(row, "cohort_resolution_seconds", ticket["resolution_seconds"])


def _note(row: _Figures, name: str, value: int | None) -> None:
    row[name] += [] if value is None else [value]


def _support_figures(row: _Figures) -> Row:
    is_known = bool(row["known"])
    is_cohort_known = bool(row["cohort_known"] or not row["cohort"])
    talk = {
        "customer_message_count": row.count("customer_message"),
        "agent_reply_count": row.count("agent_reply"),
        "timed_first_reply_count": row.count("first_reply_seconds"),
        "first_reply_seconds_sum": sum(row["first_reply_seconds"]),
        "timed_answer_count": row.count("wait_seconds"),
        "answer_seconds_sum": sum(row["wait_seconds"]),
    }
    cohort_talk = {
        "cohort_timed_first_reply_count": row.count("cohort_first_reply_seconds"),
        "cohort_first_reply_seconds_sum": sum(row["cohort_first_reply_seconds"]),
    }
    is_answered_told = row["cohort_answered"] or not row["cohort"]
    return {
        **{name: row.count(name) for name in ("opened_count", "reopened_count", "own_reopened_count", "closed_count")},
        **(talk if is_known else dict.fromkeys(talk)),
        "median_first_reply_seconds": row.middle("first_reply_seconds"),
        "resolved_count": row.count("resolution_seconds"),
        "resolution_seconds_sum": sum(row["resolution_seconds"]),
        "median_resolution_seconds": row.middle("resolution_seconds"),
        "cohort_ticket_count": row.count("cohort"),
        "cohort_known_conversation_ticket_count": row.count("cohort_known"),
        "cohort_answered_ticket_count": sum(row["cohort_answered"]) if is_answered_told else None,
        "cohort_closed_ticket_count": row.count("cohort_closed"),
        **(cohort_talk if is_cohort_known else dict.fromkeys(cohort_talk)),
        "cohort_median_first_reply_seconds": row.middle("cohort_first_reply_seconds"),
        "cohort_resolved_count": row.count("cohort_resolution_seconds"),
        "cohort_resolution_seconds_sum": sum(row["cohort_resolution_seconds"]),
        "cohort_median_resolution_seconds": row.middle("cohort_resolution_seconds"),
    }


def _customer_rows(stories: Sequence[Story], account: Account) -> Iterator[Row]:
    of_customers: dict[Key, list[Story]] = defaultdict(list)
    for story in stories:
        if story.ticket["customer_id"]:
            of_customers[story.ticket["connection_id"], story.ticket["customer_id"]].append(story)
    for (connection_id, customer_id), own in of_customers.items():
        days: dict[date, _Figures] = defaultdict(_Figures)
        for story in own:
            for step, _, flow in _flows(story):
                if not flow.startswith("moved"):
                    days[step.day][flow].append(1)
                    days[step.day]["known"] += [1] * story.ticket["is_conversation_known"]
            for moment, name, value in _acts(story):
                if name != "wait_seconds":
                    day = counted_day(moment, connection_id, account)
                    days[day][name].append(value)
                    days[day]["known"].append(1)
        for day, row in days.items():
            figures = _support_figures(row)
            ends = [story.at_the_end_of(day) for story in own]
            told = (
                "opened_count reopened_count own_reopened_count closed_count customer_message_count agent_reply_count "
                "timed_first_reply_count first_reply_seconds_sum"
            )
            yield {
                "connection_id": connection_id,
                "customer_id": customer_id,
                "day_on": day,
                **_read(connection_id, day, account),
                **{name: figures[name] for name in told.split()},
                "open_ticket_count": sum(step.is_open for step in ends if step),
            }
