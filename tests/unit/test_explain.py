"""Why each figure of a ticket is what it is, from tickets written by hand."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.explain import Explanation, explanation_of
from pipelines.explain.explanation import PAUSING, Figure, Message, Source
from pipelines.explain.spans import spans
from pipelines.telling import tell
from tests.hand_made_marts import (
    NOTHING_OF_A_CONVERSATION,
    UNKNOWN,
    Ticket,
    agent_opened,
    answered_later,
    at,
    contract,
    deleted,
    everyone,
    normal,
    paused,
    reopened,
    rows_by_hand,
    unread,
)


def explained(ticket: Ticket) -> Explanation:
    return explanation_of(rows_by_hand(ticket))


def figure(explanation: Explanation, name: str, turn: int | None = None) -> Figure:
    [found] = [each for each in explanation.figures if (each.name, each.turn_number) == (name, turn)]
    return found


def where(rows: list[Source]) -> list[str]:
    return [f"{row.entry} {row.number or row.column}" for row in rows]


def without_a_time(side: str) -> Ticket:
    """Its second turn was closed, and nothing says when; its third one still waits."""
    nothing = dict.fromkeys(
        ("waiting_on_us_seconds", "waiting_on_us_business_seconds", "waiting_on_customer_seconds"),
    )
    ticket = Ticket("timeless", **nothing).turn(1, side, 0, 5)
    return ticket.turn(2, side, 10, None, end_reason="closed").turn(3, side, 20, None)


@pytest.mark.parametrize("ticket", everyone(), ids=lambda ticket: ticket.id[:12].split("\n")[0])
def test_every_figure_is_there_with_its_rule_and_rows_that_add_up_or_the_reason_why_not(
    ticket: Ticket,
) -> None:
    explanation = explained(ticket)
    for each in explanation.figures:
        table, column = each.column.split(".")
        assert each.rule == contract(table)[column][1]
        assert each.adds_up is not False, each
        assert (each.value is None) == (each.why_null is not None)
    assert len({(each.name, each.turn_number) for each in explanation.figures}) == len(explanation.figures)


@pytest.mark.parametrize(
    ("name", "turn", "value", "rows"),
    [
        ("kind", None, "inbound", ["message 1"]),
        ("first_reply_seconds", None, 3_600, ["message 1", "message 3"]),
        ("first_reply_business_seconds", None, 3_600, ["message 1", "message 3"]),
        ("next_reply_seconds", 3, 5_400, ["message 5", "message 6"]),
        ("next_reply_business_seconds", 3, 5_400, ["turn 3"]),
        ("resolution_seconds", None, 14_400, ["ticket opened_at", "ticket closed_at"]),
        ("first_resolution_seconds", None, 14_400, ["ticket opened_at", "change 3"]),
        ("waiting_on", None, "nobody", ["ticket status"]),
        ("waiting_on_us_seconds", None, 9_000, ["turn 1", "turn 3"]),
        ("waiting_on_customer_seconds", None, 5_400, ["turn 2", "turn 4"]),
        ("message_count", None, 6, [f"message {number}" for number in range(1, 7)]),
        ("customer_message_count", None, 2, ["message 1", "message 5"]),
        ("agent_reply_count", None, 2, ["message 3", "message 6"]),
        ("agent_count", None, 2, ["message 3", "message 6"]),
        ("bot_message_count", None, 1, ["message 2"]),
        ("internal_message_count", None, 1, ["message 4"]),
        ("reopen_count", None, 0, []),
        ("reassignment_count", None, 1, ["change 2"]),
        ("unassigned_seconds", None, 1_800, ["period 1"]),
        ("satisfaction", None, "good", ["raw_unified.tickets raw"]),
    ],
)
def test_a_figure_names_the_rows_it_came_from(name: str, turn: int | None, value: object, rows: list[str]) -> None:
    found = figure(explained(normal()), name, turn)
    assert (found.value, where(found.rows)) == (value, rows)


@pytest.mark.parametrize(
    ("ticket", "name", "why"),
    [
        (agent_opened(), "first_reply_seconds", "The customer has not written"),
        (reopened(), "first_reply_business_seconds", "No agent has replied yet"),
        (reopened(), "resolution_seconds", "not closed: its status is active"),
        (paused(), "first_resolution_seconds", "never seen to be closed"),
        (paused(), "satisfaction", "satisfaction is partly (raw shows a rating of few tickets, for want of raw.sat"),
        (normal(), "waiting_since_at", "Nobody waits"),
        (unread(), "agent_reply_count", "The conversation is not known"),
        (unread(), "first_reply_seconds", "The conversation is not known"),
        (unread(), "reopen_count", "The history is not whole: the ticket was first seen at 2026-05-04 09:01:00Z"),
        (deleted(), "resolution_seconds", "The ticket is deleted"),
        (deleted(), "observed_reopen_count", "The ticket is deleted"),
        (Ticket("new", is_history_complete=None, reopen_count=None), "reopen_count", "No state of the ticket is stor"),
        (Ticket("junk", kind="spam"), "first_reply_seconds", "The ticket is spam: nobody waits"),
        (Ticket("shut", is_closed=True), "resolution_seconds", "does not say when the ticket was closed"),
        (
            Ticket("odd", is_closed=True, closed_at=at(-5)),
            "resolution_seconds",
            "closed_at lies before opened_at: the two contradict each other",
        ),
        (
            Ticket("far", is_closed=True, closed_at=at(5), resolution_seconds=300),
            "resolution_business_seconds",
            "outside the years that the business calendars count",
        ),
        (
            Ticket("met shut").period(1, None, 60, status="closed").period(2, 60, None),
            "first_resolution_seconds",
            "closed when it was first seen, and nothing says since when",
        ),
        (
            Ticket("nameless", agent_count=None).message(1, "customer", 0).message(2, "agent", 5, author_id=None),
            "agent_count",
            "A reply names no author: message 2",
        ),
        (without_a_time("customer"), "waiting_on_us_seconds", "A turn that has ended has no time: turn 2"),
        (without_a_time("customer"), "waiting_on_us_business_seconds", "A turn that has ended has no time: turn 2"),
        (without_a_time("agent"), "waiting_on_customer_seconds", "A turn that has ended has no time: turn 2"),
        (
            Ticket("far off", waiting_on_us_business_seconds=None),
            "waiting_on_us_business_seconds",
            "outside the years that the business calendars count",
        ),
        (
            Ticket("nobody's", unassigned_seconds=None)
            .period(1, 9, 5, assignee_user_id=None, seconds=None)
            .period(2, 5, None, assignee_user_id=None),
            "unassigned_seconds",
            "A period without an assignee has no length: period 1",
        ),
        (Ticket("cut", is_closed=True).message(1, "customer", 0), "first_reply_seconds", "before it was closed"),
    ],
)
def test_a_figure_that_is_not_there_says_why(ticket: Ticket, name: str, why: str) -> None:
    found = figure(explained(ticket), name)
    assert found.value is None
    assert why in (found.why_null or "")


@pytest.mark.parametrize(
    ("end_reason", "why"),
    [
        ("open", "No agent has answered yet"),
        ("closed", "closed without an answer"),
        ("after_closing", "after the ticket had been closed"),
        ("answered", "has no time"),
    ],
)
def test_a_later_question_without_an_answer_says_why(end_reason: str, why: str) -> None:
    ticket = normal()
    ticket.tables["conversation_turns"][2] |= {"end_reason": end_reason, "wait_seconds": None}
    found = figure(explained(ticket), "next_reply_seconds", 3)
    assert found.value is None
    assert why in (found.why_null or "")


def test_time_orders_what_happened_and_each_turn_stands_behind_its_first_message() -> None:
    timeline = explained(normal()).timeline
    assert [f"{entry.entry} {entry.number}" for entry in timeline] == [
        *("message 1", "turn 1", "period 1", "message 2", "change 1", "period 2", "message 3", "turn 2", "message 4"),
        *("message 5", "turn 3", "change 2", "period 3", "message 6", "turn 4", "change 3", "period 4"),
    ]
    at_once = explained(paused()).timeline
    assert [f"{entry.entry} {entry.number}" for entry in at_once] == [
        *("message 1", "turn 1", "message 2", "turn 2", "period 1"),
    ]


def test_what_has_no_time_stands_where_its_order_puts_it() -> None:
    ticket = Ticket("undated").message(1, "customer", None).message(2, "agent", 5).message(3, "agent", None)
    ticket.change(1, "priority", "low", "high", 60).period(1, None, 60).period(2, 60, None)
    timeline = explained(ticket).timeline
    assert [f"{entry.entry} {entry.number}" for entry in timeline] == [
        *("message 1", "period 1", "message 2", "change 1", "period 2", "message 3"),
    ]


def test_a_message_that_does_not_speak_says_why() -> None:
    ticket = Ticket("silent", kind="merged").message(1, "customer", 0, side=None)
    ticket.message(2, "agent", 1, side=None, visibility="internal").message(3, "bot", 2, side=None)
    ticket.message(4, "agent", 3, side=None, is_automatic=True).message(5, "unknown", 4)
    ticket.message(6, "bot", 5, side=None, author_role_source="writeback")
    messages = [entry for entry in explained(ticket).timeline if isinstance(entry, Message)]
    assert [(each.speaks, each.silent_because) for each in messages] == [
        (False, "the ticket is merged"),
        (False, "internal"),
        (False, "a bot's"),
        (False, "automatic"),
        (True, None),
        (False, "ours"),
    ]


def test_a_change_of_ours_is_told_as_one_and_counts_in_no_figure(capsys: pytest.CaptureFixture[str]) -> None:
    ticket = Ticket("ours", observed_reopen_count=0).message(1, "customer", 0)
    ticket.change(1, "status", "closed", "active", 60, is_own=True, is_reopening=False)
    assert where(figure(explained(ticket), "observed_reopen_count").rows) == []
    tell(explained(ticket))
    assert "status: closed → active by a triage decision of ours; seen" in " ".join(capsys.readouterr().out.split())


def test_the_beginning_of_a_text_stands_on_one_line() -> None:
    ticket = Ticket("long").message(1, "customer", 0, body_text="Hello,\n\nmy printer " + "burns " * 500)
    ticket.message(2, "agent", 1, body_text=None)
    long, none = (entry for entry in explained(ticket).timeline if isinstance(entry, Message))
    assert (long.text or "").startswith("Hello, my printer burns burns")
    assert (long.text or "").endswith("…")
    assert len(long.text or "") <= 100
    assert none.text is None


def test_whom_an_unknown_author_leaves_waiting_is_said_to_be_unknown_because_of_it() -> None:
    ticket = Ticket("guess", waiting_on="unknown").message(1, "unknown", -5).message(2, "customer", 0)
    ticket.message(3, "unknown", 5).turn(1, "customer", 0, None, first_message_number=2, last_message_number=2)
    found = figure(explained(ticket), "waiting_on")
    assert where(found.rows) == ["turn 1", "message 3"]


@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        ("first_reply_seconds", "message 1: taken as the requester's"),
        ("agent_reply_count", "message 6: counted as if public"),
        ("first_resolution_seconds", "change 3: its time is known to within 120 seconds"),
        ("reopen_count", "first seen 60 seconds after its opening"),
        ("waiting_on_us_seconds", "turn 3: somebody unknown wrote before its end"),
        ("agent_count", "message 3: taken as public by the variable assumed_note_visibility"),
    ],
)
def test_what_may_be_otherwise_is_said_of_the_figures_it_touches(name: str, doubt: str) -> None:
    ticket = normal()
    ticket.tables["conversation_turns"][2] |= {"has_unknown_author": True}
    ticket.tables["conversation_messages"][2] |= {"visibility_source": "assumed"}
    explanation = explained(ticket)
    assert any(doubt in each for each in figure(explanation, name).doubts)
    assert figure(explanation, "bot_message_count").doubts == []


def test_a_wait_through_which_the_ticket_was_closed_says_how_long_that_was() -> None:
    ticket = reopened()
    ticket.tables["conversation_turns"].clear()
    ticket.turn(1, "customer", 0, 180).message(2, "agent", 180)
    doubt = "turn 1: 3,600 seconds of it count although the ticket was closed then"
    for name in ("waiting_on_us_seconds", "first_reply_seconds", "first_reply_business_seconds"):
        assert figure(explained(ticket), name).doubts == [doubt]
    assert figure(explained(normal()), "waiting_on_us_seconds").doubts == []


@pytest.mark.parametrize(
    "name",
    [
        *("first_reply_seconds", "resolution_seconds", "first_resolution_seconds"),
        *("waiting_on_us_seconds", "waiting_on_customer_seconds", "message_count", "agent_count"),
        *("reopen_count", "reassignment_count", "unassigned_seconds"),
    ],
)
def test_a_figure_that_its_rows_do_not_give_is_found_out(name: str) -> None:
    ticket = normal()
    ticket.tables["tickets"][0][name] += 1
    explanation = explained(ticket)
    assert [each.name for each in explanation.figures if each.adds_up is False] == [name]


def test_a_first_reply_after_a_reopening_counts_from_the_first_message_to_it() -> None:
    explanation = explained(answered_later())
    for name in ("first_reply_seconds", "first_reply_business_seconds"):
        found = figure(explanation, name)
        assert (found.value, where(found.rows)) == (10_800, ["message 1", "message 3"])
        assert found.adds_up is not False


def test_seconds_are_counted_between_whole_ones() -> None:
    figures: dict[str, Any] = {"first_reply_seconds": 1, "first_customer_message_at": at(0.015)}
    ticket = Ticket("fractions", **figures).message(1, "customer", 0.99 / 60).message(2, "agent", 1.01 / 60)
    assert figure(explained(ticket), "first_reply_seconds").adds_up


def test_service_levels_name_the_rows_their_clocks_hang_on() -> None:
    first, following, resolution = explained(normal()).service_levels
    assert [(each.metric, where(each.rows)) for each in (first, following, resolution)] == [
        ("first_reply", ["turn 1"]),
        ("next_reply", ["turn 3"]),
        ("resolution", ["ticket opened_at", "ticket closed_at"]),
    ]
    assert (first.outcome, first.elapsed_seconds, first.due_at) == ("met", 3_600, at(480))
    [stopped] = explained(paused()).service_levels
    assert (stopped.outcome, stopped.due_at) == ("paused", None)
    assert (stopped.paused_seconds, stopped.pauses_on) == (3_600, "waiting_on_customer pending")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"elapsed_seconds": None, "ended_at": None, "is_running": False}, "It has ended, but its end has no time"),
        ({"elapsed_seconds": None}, "outside the years that the business calendars count"),
        (
            {"elapsed_seconds": None, "ended_at": None, "is_running": True},
            "outside the years that the business calendars count",
        ),
        ({"has_unknown_pauses": True}, "used as far as is known, but it may have been paused longer than is known."),
        ({"has_unknown_author": True}, "used as far as is known, but somebody unknown wrote before its end, which may"),
        (
            {"has_unknown_pauses": True, "has_unknown_author": True},
            "but it may have been paused longer than is known, and somebody unknown wrote before its end",
        ),
    ],
)
def test_an_outcome_that_is_unknown_says_why(changed: dict[str, Any], why: str) -> None:
    ticket = Ticket("late").clock("resolution", 0, 0, 600, **(UNKNOWN | changed))
    [level] = explained(ticket).service_levels
    assert why in (level.why_unknown or "")
    assert (level.is_breached, level.is_at_risk) == (None, None)
    assert level.has_unknown_pauses == changed.get("has_unknown_pauses", False)
    assert level.has_unknown_author == changed.get("has_unknown_author", False)


def test_what_is_unknown_of_a_clock_needs_no_reason_where_its_outcome_is_known() -> None:
    ticket = Ticket("soon").clock("resolution", 0, 0, 60, has_unknown_pauses=True, has_unknown_author=True)
    [level] = explained(ticket).service_levels
    assert (level.outcome, level.why_unknown, level.is_breached) == ("met", None, False)


def paused_by(ticket: Ticket, metric: str, start: float, end: float | None, pauses_on: str | None) -> list[str]:
    """What stopped that clock of the ticket."""
    turn_number = 0 if metric == "resolution" else 1
    ticket.tables["sla_outcomes"] = []
    [level] = explained(ticket.clock(metric, turn_number, start, end, pauses_on=pauses_on)).service_levels
    return [f"{row.entry} {row.number} {row.value}" for row in level.rows if row.column in PAUSING]


def test_a_resolution_names_the_waits_for_the_customer_that_stopped_it() -> None:
    ticket = Ticket("waited").turn(1, "customer", 0, 10).turn(2, "agent", 10, 20).turn(3, "customer", 20, 30)
    ticket.turn(4, "agent", 30, 40, end_reason="closed").turn(5, "customer", 60, 70).turn(6, "agent", 70, None)
    pauses = ["turn 2 agent", "turn 4 agent", "turn 6 agent"]
    assert paused_by(ticket, "resolution", 0, None, "waiting_on_customer") == pauses
    assert paused_by(ticket, "resolution", 0, 70, "waiting_on_customer") == pauses[:2]
    assert paused_by(ticket, "resolution", 20, None, "waiting_on_customer") == pauses[1:]
    assert paused_by(ticket, "resolution", 50, None, "waiting_on_customer") == pauses[1:]
    assert paused_by(ticket, "resolution", 60, None, "waiting_on_customer") == pauses[2:]
    assert paused_by(ticket, "resolution", 0, None, "pending hold") == []


def test_a_wait_for_the_customer_of_which_an_end_is_not_known_is_no_pause() -> None:
    ticket = Ticket("untold").turn(1, "agent", 0, None, end_reason="closed", ended_at=at(5))
    ticket.turn(2, "customer", 10, 20, started_at=None).turn(3, "agent", 20, None, started_at=None)
    assert paused_by(ticket, "resolution", 0, None, "waiting_on_customer") == []


@pytest.mark.parametrize("metric", ["resolution", "next_reply"])
def test_a_clock_names_the_vendor_states_that_stopped_it(metric: str) -> None:
    ticket = Ticket("held").period(1, None, 10, vendor_status="pending").period(2, 10, 20, vendor_status="hold")
    ticket.period(3, 20, 30, vendor_status="open").period(4, 30, None, vendor_status="pending")
    assert paused_by(ticket, metric, 0, None, "pending hold") == [
        *("period 1 pending", "period 2 hold", "period 4 pending"),
    ]
    assert paused_by(ticket, metric, 0, 30, "waiting_on_customer pending") == ["period 1 pending"]
    assert paused_by(ticket, metric, 10, 30, "pending hold") == ["period 2 hold"]
    assert paused_by(ticket, metric, 0, 10.5, "pending hold") == ["period 1 pending", "period 2 hold"]
    assert paused_by(ticket, metric, 0, 1, "pending hold") == []
    assert paused_by(ticket, metric, 0, 30, "open") == []
    assert paused_by(ticket, metric, 0, 30, None) == []


def test_a_resolution_stands_still_while_its_ticket_was_closed_before_a_reopening() -> None:
    ticket = reopened()
    assert paused_by(ticket, "resolution", 0, None, None) == ["period 2 closed"]
    assert paused_by(ticket, "resolution", 0, 60, None) == []
    assert paused_by(ticket, "first_reply", 0, None, "waiting_on_customer pending hold") == []
    assert paused_by(normal(), "resolution", 0, None, None) == []


def test_what_stopped_a_clock_is_named_in_order_of_time() -> None:
    ticket = Ticket("both").turn(1, "customer", 0, 50).turn(2, "agent", 50, None)
    ticket.period(1, 0, 20, vendor_status="open").period(2, 20, 60, vendor_status="hold").period(3, 60, None)
    pauses_on = "waiting_on_customer hold"
    assert paused_by(ticket, "resolution", 0, None, pauses_on) == ["period 2 hold", "turn 2 agent"]


def test_a_resolution_that_began_when_the_customer_came_in_says_so() -> None:
    ticket = agent_opened().message(2, "customer", 30).clock("resolution", 0, 30, None)
    ticket.turn(2, "customer", 30, None, reply_kind="first")
    [level] = explained(ticket).service_levels
    assert where(level.rows) == ["turn 2", "ticket closed_at"]


def test_a_turn_whose_message_was_taken_away_meanwhile_stops_nothing() -> None:
    ticket = normal()
    del ticket.tables["conversation_messages"][4:]
    explanation = explained(ticket)
    assert figure(explanation, "message_count").adds_up is False


def test_numbers_are_listed_as_a_person_would() -> None:
    assert spans([]) == ""
    assert spans([3, 1, 2, 7, 9, 8, 5]) == "1 to 3, 5, 7 to 9"
    assert spans([1, 2, 4]) == "1, 2, 4"


def test_nothing_of_a_conversation_is_counted_on_its_opening_alone() -> None:
    explanation = explained(unread())
    for name in NOTHING_OF_A_CONVERSATION:
        assert figure(explanation, name).rows == []
    assert where(figure(explanation, "waiting_on").rows) == ["ticket is_conversation_known"]
