"""How the report writes its figures, what it makes of odd ones, and what of a ticket's words becomes a link."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipelines.report import charts
from pipelines.report.backlog import OTHERS, Backlog, Day, groups_of
from pipelines.report.days import Days
from pipelines.report.glance import Tile, _next_due, _seen_since
from pipelines.report.names import names_of
from pipelines.report.promises import share_met
from pipelines.report.replies import replies_among
from pipelines.report.tables import Column, Table, TableRow, Ticket
from pipelines.report.triage_list import triage_list_of
from pipelines.report.words import Unit, duration, limit, one_line, percent, short_moment, shown

NOON = datetime(2026, 5, 20, 12)  # noqa: DTZ001, as the marts have their times
HOUR = 3_600


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (1_234_567, Unit.COUNT, "1,234,567"),
        (0, Unit.COUNT, "0"),
        (None, Unit.COUNT, "not known"),
        (45, Unit.SECONDS, "45 s"),
        (12_000, Unit.SECONDS, "3 h 20 min"),
        (7_200, Unit.SECONDS, "2 h"),
        (90_000, Unit.SECONDS, "1 d 1 h"),
        (86_400 * 1_200, Unit.SECONDS, "1,200 d"),
        (86_400, Unit.LIMIT, "24 h"),
        (259_200, Unit.LIMIT, "3 d"),
        (144_000, Unit.LIMIT, "40 h"),
        (900, Unit.LIMIT, "15 min"),
        (0.875, Unit.SHARE, "88%"),
        (date(2026, 5, 4), Unit.DAY, "4 May 2026"),
        (datetime(2026, 5, 4, 9, 5, tzinfo=UTC), Unit.MOMENT, "4 May 2026, 09:05 UTC"),
    ],
)
def test_values_are_written_as_a_reader_wants_them(value: Any, unit: Unit, written: str) -> None:
    assert shown(value, unit) == written


def test_a_share_is_all_or_nothing_only_where_it_is() -> None:
    assert [percent(part) for part in (0, 0.001, 0.999, 1)] == ["0%", "under 1%", "over 99%", "100%"]


def test_the_year_is_told_where_it_is_another_one() -> None:
    assert short_moment(NOON, 2026) == "20 May, 12:00"
    assert short_moment(NOON, 2027) == "20 May 2026, 12:00"


def test_no_duration_is_too_short_or_too_long_to_say() -> None:
    assert [duration(seconds) for seconds in (0, 59.6, 3_599, 86_399)] == ["0 s", "1 min", "59 min", "23 h 59 min"]
    assert limit(90) == "2 min"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("two\nlines\ttabbed", "two lines tabbed"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("\x00\x1b[2J\ud800", "[2J"),
        ("  ", ""),
        ("Zażółć 😀 שלום", "Zażółć 😀 שלום"),
    ],
)
def test_what_cannot_be_seen_or_turns_the_text_is_taken_out(text: str, line: str) -> None:
    assert one_line(text) == line


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://desk.example/1", True),
        (" HTTP://desk.example/1", True),
        ("javascript:alert(1)", False),
        ("java\nscript:alert(1)", False),
        ("data:text/html,<script>", False),
        ("//desk.example", False),
        ("https://desk.example/\x00", False),
        ("", False),
        (None, False),
    ],
)
def test_only_addresses_of_the_web_are_links(url: str | None, is_link: bool) -> None:
    assert bool(Ticket("desk", "1", "Brakes", url).link) is is_link


def test_a_ticket_without_a_subject_is_called_by_its_id() -> None:
    assert Ticket("desk", "42", " \u202e", None).title == "Ticket 42"


def question(hours_ago: float, wait: float | None, ending: str = "answered") -> dict[str, Any]:
    return {
        "started_at": NOON - timedelta(hours=hours_ago),
        "wait_seconds": None if wait is None else round(wait * HOUR),
        "end_reason": ending,
        "data_as_of": NOON,
    }


def test_those_who_still_wait_count_as_longer_than_any_other() -> None:
    answered = [question(90, 1), question(80, 2), question(70, 3)]
    assert replies_among(answered, HOUR).median_seconds == 2 * HOUR
    waiting = [*answered, question(60, None, "open"), question(50, None, "open")]
    assert replies_among(waiting, HOUR).median_seconds == 3 * HOUR
    still = replies_among([*waiting, question(40, None, "open")], HOUR)
    assert (still.median_seconds, still.why_no_median) == (None, "Half of them still wait.")


def test_the_share_within_a_limit_is_of_those_who_had_its_time() -> None:
    rows: list[dict[str, Any]] = [
        question(90, 1),
        question(80, 30),
        question(70, None, "open"),
        question(60, 30, "closed"),
        question(60, 2, "closed"),  # might still have been answered
        question(1, 0.5),  # too young
    ]
    found = replies_among(rows, 24 * HOUR)
    assert (found.old_enough_count, found.within_count, found.within_share) == (4, 1, 0.25)
    assert (found.case_count, found.open_count) == (4, 1)


def test_of_nothing_there_is_no_share_and_no_median() -> None:
    found = replies_among([], HOUR)
    assert (found.within_share, found.median_seconds, found.why_no_median) == (
        None,
        None,
        "Nobody asked in these days.",
    )


@pytest.mark.parametrize(
    ("value", "before", "unit", "said", "arrow"),
    [
        (12, 9, Unit.COUNT, "3 more than", "↑"),
        (9, 12, Unit.COUNT, "3 fewer than", "↓"),
        (9, 9, Unit.COUNT, "as before:", "→"),
        (3_600, 7_200, Unit.SECONDS, "1 h shorter than", "↓"),
        (0.88, 0.87, Unit.SHARE, "1 point higher than", "↑"),
        (None, 3, Unit.COUNT, None, "→"),
        (3, None, Unit.COUNT, None, "→"),
    ],
)
def test_a_change_is_told_in_words(value: Any, before: Any, unit: Unit, said: str | None, arrow: str) -> None:
    tile = Tile("name", "mart", "Label", value, "Rule.", unit, before)
    assert (tile.change, tile.arrow) == (said, arrow)


def test_what_is_overdue_counts_as_not_met() -> None:
    assert share_met({"met_count": 6, "missed_count": 1, "overdue_count": 1, "unknown_count": 2}) == 0.6
    assert share_met({"met_count": 0, "missed_count": 0, "overdue_count": 0, "unknown_count": 0}) is None


def test_bars_are_as_long_as_their_share_of_the_longest() -> None:
    table = Table("name", "Caption", [Column("count", "Count")], [TableRow("a", [4]), TableRow("b", [None])])
    assert [table.share_of_most(0, value) for value in (4, 1, None)] == [1, 0.25, 0]
    assert Table("name", "Caption", [Column("count", "Count")], [TableRow("a", [0])]).share_of_most(0, 0) == 0


def test_connections_of_one_helpdesk_are_told_apart() -> None:
    rows: list[dict[str, Any]] = [
        {"connection_id": "1", "helpdesk": "Zendesk", "external_xref": "shop"},
        {"connection_id": "2", "helpdesk": "Zendesk", "external_xref": None},
        {"connection_id": "3", "helpdesk": "Intercom", "external_xref": "shop"},
        {"connection_id": "4", "helpdesk": None, "external_xref": None},
    ]
    names = names_of(lambda _: rows)
    assert list(names.values()) == ["Zendesk (shop)", "Zendesk (2)", "Intercom", "Helpdesk (4)"]


def test_where_there_are_too_many_helpdesks_for_colours_the_small_ones_are_one() -> None:
    many = {str(number): f"Desk {number}" for number in range(9)}
    assert list(dict.fromkeys(groups_of(many).values())) == [*(f"Desk {number}" for number in range(5)), OTHERS]
    few = dict(list(many.items())[:6])
    assert groups_of(few) == few


def test_reasons_are_read_from_text_as_from_what_it_means() -> None:
    row: dict[str, Any] = dict.fromkeys(
        ("connection_id", "ticket_id", "subject", "url", "customer_name", "assignee_name"), "1"
    )
    row |= dict.fromkeys(("assignee_user_id", "priority", "waiting_on"), "1")
    row |= {"place": 1, "score": 50, "waiting_seconds": 1, "next_due_at": None, "candidate_count": 1}
    for reasons in ('[{"reason": "sla_breached", "weight": 50}]', [{"reason": "sla_breached", "weight": 50}]):
        found = triage_list_of(lambda *_, told=reasons: [row | {"reasons": told}], {})
        assert found.candidates[0].reasons == [("sla breached", 50)]


def test_a_chart_is_one_named_image_with_a_hint_on_each_day_and_nothing_that_runs() -> None:
    evil = '"><script>alert(1)</script>&'
    days = [Day(date(2026, 5, number), number < 5, {evil: number}, 2, 1) for number in range(1, 6)]
    chart = charts.backlog_chart(Backlog(days, [evil]))
    for svg in (chart.wide, chart.narrow):
        assert svg.startswith("<svg ")
        assert 'role="img" aria-label="Open at each day\'s end. 4 tickets at the end of Mon 4 May;' in svg
        assert '<title>Tue 5 May so far: 5 open ("&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp; 5)</title>' in svg
        assert svg.count("<title>") == len(days)
        assert "<script" not in svg
        assert "style=" not in svg
        assert "var(--series-1)" in svg
    assert charts.backlog_chart(Backlog(days, [evil])) == chart


@pytest.mark.parametrize(
    ("due", "said"),
    [
        (None, None),
        (NOON.replace(day=28, hour=17), "the next is due as soon as business hours go on"),
        (NOON.replace(day=28, hour=20, minute=1), "the next is due 28 May, 20:01 UTC"),
    ],
)
def test_what_is_not_used_up_at_closing_time_is_due_once_business_hours_go_on(
    due: datetime | None, said: str | None
) -> None:
    at = NOON.replace(day=28, hour=20)
    assert _next_due(due, Days(as_of=at, read_until=at, known_until=at, last=date(2026, 5, 27))) == said


@pytest.mark.parametrize(("seen_on", "is_said"), [(13, False), (14, True), (26, True)])
def test_reopenings_are_compared_where_all_of_both_weeks_was_seen(seen_on: int, is_said: bool) -> None:
    at = NOON.replace(day=28, hour=20)
    days = Days(as_of=at, read_until=at, known_until=at, last=date(2026, 5, 27))
    assert (_seen_since(NOON.replace(day=seen_on), days) is not None) == is_said
