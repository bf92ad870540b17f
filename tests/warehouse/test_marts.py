"""The real dbt on raw tables made here, in DuckDB and in Postgres; every row and column of the marts against the same
in plain Python."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.built_marts import (
    GRAINS,
    MakeWarehouse,
    by_key,
    comparable,
    duckdb_warehouse,
    naive,
    on_both,
    on_both_at_length,
    postgres_with,
    project_with,
)
from tests.warehouse.changing_records import changed
from tests.warehouse.edge_parts import (
    AS_OF,
    DAY,
    DAYS_DESK,
    DESK,
    FAR_DESK,
    GONE_DESK,
    OTHER_DESK,
    PAUSED_DESK,
    PEOPLE_DESK,
    PER_TICKET_DESK,
    UNLISTED_DESK,
    UNREAD_DESK,
    Rows,
    at,
    on,
    seen,
    states_of,
    ticket_of,
)
from tests.warehouse.edge_records import drawn, hand_picked
from tests.warehouse.edge_settings import settings
from tests.warehouse.golden_figures import marts
from tests.warehouse.golden_settings import Row, Settings
from tests.warehouse.raw_warehouse import DuckDBWarehouse, RawWarehouse

pytestmark = pytest.mark.timeout(900)

DAYS = "has to be a day of the calendar, written YYYY-MM-DD, and not"
NUMBERS = "has to be a whole number of up to nine digits, such as 3, and not"
TIMES = "the times are written HH:MM, from 00:00 to 24:00"
WEEKDAYS = "the weekday is 1 for Monday to 7 for Sunday"

_HOURS: Row = {"calendar": "oslo", "weekday": 7, "opens_at": "09:00", "closes_at": "17:00"}
_POLICY: Row = {"policy": "quick", "place": 1, "metric": "first_reply", "target_minutes": 5}
_SIGN: Row = {"object": "note", "path": "a", "value": "b", "sign": "visibility", "meaning": "public", "place": 1}

FAULTS: dict[str, list[tuple[Row, str]]] = {
    "business_calendars": [
        ({"calendar": "mars", "time_zone": "Mars/Base"}, "mars: Mars/Base: business_calendars: no such time zone"),
        ({"time_zone": "Europe/Rome"}, "Europe/Rome: business_calendars: a calendar needs a name and a time zone"),
        ({"calendar": " oslo", "time_zone": "UTC"}, "oslo: business_calendars: the calendar stands there more than"),
    ],
    "business_hours": [
        ({**_HOURS, "weekday": 8}, f"oslo, weekday 8, 09:00 to 17:00: {WEEKDAYS}"),
        ({**_HOURS, "weekday": "Mon"}, f"oslo, weekday Mon, 09:00 to 17:00: {WEEKDAYS}"),
        ({**_HOURS, "weekday": None}, f"oslo, no day, 09:00 to 17:00: {WEEKDAYS}"),
        ({**_HOURS, "opens_at": "9:00"}, f"oslo, weekday 7, 9:00 to 17:00: {TIMES}"),
        ({**_HOURS, "closes_at": "5 pm"}, f"oslo, weekday 7, 09:00 to 5 pm: {TIMES}"),
        ({**_HOURS, "weekday": 2}, "oslo, weekday 2, 09:00 to 17:00: it opens before the stretch before has closed"),
    ],
    "business_holidays": [
        ({"calendar": "oslo", "holiday_on": day}, f"oslo, {day},  to : business_holidays: holiday_on {DAYS} {day}")
        for day in ("31.12.2026", "12/31/2026", "2026-02-30", "46387")
    ]
    + [
        ({"calendar": "oslo", "holiday_on": " "}, "oslo, no day,  to : business_holidays: the calendar or the day is"),
        (
            {"calendar": "oslo", "holiday_on": "2027-01-01", "opens_at": "ten", "closes_at": "12:00"},
            f"oslo, 2027-01-01, ten to 12:00: {TIMES}",
        ),
    ],
    "connection_calendars": [
        ({"connection_id": "d", "calendar": "osloo"}, "d: osloo: business_calendars has no such calendar"),
        ({"connection_id": "e"}, "e: no calendar: business_calendars has no such calendar"),
        ({"connection_id": "  ", "calendar": "oslo"}, "all others: the connection has more than one calendar"),
    ],
    "sla_policies": [
        ({**_POLICY, "metric": "reply"}, "quick, reply: the metric is first_reply, next_reply or resolution"),
        ({**_POLICY, "target_minutes": 0}, "quick, first_reply: target_minutes has to be above 0"),
        ({**_POLICY, "target_minutes": " "}, "quick, first_reply: target_minutes has to be above 0"),
        ({**_POLICY, "target_minutes": "1,5"}, f"quick, first_reply: target_minutes {NUMBERS} 1,5"),
        ({**_POLICY, "target_minutes": "9" * 20}, f"quick, first_reply: target_minutes {NUMBERS} {'9' * 20}"),
        ({**_POLICY, "place": "first"}, f"quick, first_reply: place {NUMBERS} first"),
        ({**_POLICY, "valid_from": "01.03.2026"}, f"quick, first_reply: valid_from {DAYS} 01.03.2026"),
        ({**_POLICY, "valid_from": "2026-02-30"}, f"quick, first_reply: valid_from {DAYS} 2026-02-30"),
        ({**_POLICY, "calendar": "osloo"}, "quick, first_reply: business_calendars has no such calendar: osloo"),
        ({**_POLICY, "policy": None}, "no name, first_reply: a policy needs a name and a place"),
    ],
    "triage_weights": [
        ({"reason": "bored", "weight": 1}, "bored: there is no such reason"),
        ({"weight": 1}, "no reason: there is no such reason"),
        ({"reason": "vip", "weight": "2.5"}, f"vip: weight {NUMBERS} 2.5"),
        ({"reason": "vip"}, "vip: the reason needs one weight"),
    ],
    "customer_tiers": [
        ({"place": 1, "tag": "a"}, "no tier, tag a, any customer, any connection: a tier needs a name and a place"),
        ({"tier": "top", "tag": "b"}, "top, tag b, any customer, any connection: a tier needs a name and a place"),
        ({"tier": "top", "place": "2."}, f"top, any tag, any customer, any connection: place {NUMBERS} 2."),
        ({"tier": "silver", "place": 5, "tag": "KEY account "}, "these customers stand there more than once at the"),
    ],
    "raw_signs": [
        ({**_SIGN, "meaning": None}, "note, a = b: this sign means something else, and never nothing: a blank"),
        ({**_SIGN, "value": "c", "place": "1st"}, f"note, a = c: place {NUMBERS} 1st"),
        ({**_SIGN, "value": "d", "place": " "}, "note, a = d: value and place are needed"),
        (
            {**_SIGN, "path": "flags.who_sees", "value": "only-us ", "place": 7},
            "note, flags.who_sees = only_us: the sign stands there more than once for the same helpdesk: visibility",
        ),
    ],
}
"""Rows that a user may leave in a seed, and what is said of them."""


class Warehouse:
    """The marts of one build, and the same from the records it was built from."""

    def __init__(self, raw: RawWarehouse, records: Mapping[str, Rows], given: Settings) -> None:
        self.rows = raw.rows
        self.expected = marts(records, given)
        self.of = cache(self._of)

    def row(self, mart: str, *key: Any) -> Row:
        """One row of a mart, by its key."""
        return self.of(mart)[key]

    def _of(self, mart: str) -> dict[tuple[Any, ...], Row]:
        """All rows of a mart."""
        return by_key(mart, [comparable(mart, row) for row in self.rows(f"select * from marts.{mart}")])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(duckdb_warehouse, id="duckdb", marks=pytest.mark.xdist_group("golden in DuckDB")),
        pytest.param(
            postgres_with("--locale-provider=icu", "--icu-locale=tr-TR"),
            id="postgres",
            marks=[pytest.mark.slow, pytest.mark.xdist_group("golden in Postgres")],
        ),
    ],
)
def warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Built in sessions that are not in UTC; the Postgres is Turkish, sorts "a" before "B" and has an i of its own.
    Most of the tickets were built when their records were others."""
    folder = tmp_path_factory.mktemp("golden")
    records = hand_picked()
    for table, more in drawn(seed=20260302, count=400).items():
        records[table] = [*records[table], *more]
    raw: RawWarehouse = request.param(folder, request)
    given = settings()
    project = project_with(folder, given)
    for written, options in (
        (changed(records, random.Random(7), count=200), ["--exclude-resource-type=test"]),
        (records, []),
    ):
        raw.write(written)
        outcome = raw.build(
            *options, as_of=AS_OF, target_path=folder / "target", project=project, variables=given.variables
        )
        assert outcome.returncode == 0, outcome.stdout[-5000:]
    [due] = raw.rows("select count(*) as due_count from intermediate.int_tickets_due")
    assert 100 < due["due_count"] < len(records["tickets"]) - 100, "some were due, and others were not"
    assert "WARN 1 notes_of_unknown_tickets" in outcome.stdout, "the orphan note is warned of"
    return Warehouse(raw, records, given)


@pytest.mark.parametrize("mart", GRAINS)
def test_every_row_is_as_recomputed(warehouse: Warehouse, mart: str) -> None:
    found = warehouse.of(mart)
    expected = by_key(mart, [comparable(mart, row) for row in warehouse.expected[mart]])
    assert set(found) == set(expected)
    for key, row in expected.items():
        assert found[key] == row, key


@pytest.mark.slow
@on_both
def test_an_account_without_any_data_builds_and_dbts_unit_tests_pass(
    make: MakeWarehouse, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Also where an earlier version has loaded a seed into columns of other types, and a view looks at it."""
    raw = make(tmp_path, request)
    raw.write({})
    raw.execute(
        "create schema seeds; create table seeds.business_hours (calendar varchar, weekday integer);"
        "create view seeds.of_before as select weekday + 1 as weekday from seeds.business_hours"
    )
    outcome = raw.build(as_of=AS_OF, target_path=tmp_path / "target", unit_tests=True)
    assert outcome.returncode == 0, outcome.stdout[-5000:]
    for mart in GRAINS:
        assert raw.rows(f"select * from marts.{mart}") == []


@pytest.mark.slow
@on_both
def test_an_object_is_as_fresh_as_in_the_connection_where_it_is_least(
    make: MakeWarehouse, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    raw = make(tmp_path, request)
    now = datetime.now(UTC)
    hours_ago: dict[str, dict[str, list[int | None]]] = {  # by object and connection; None: begun, and never read whole
        "tickets": {"d": [100, 1], "e": [2]},
        "customers": {"d": [1], "e": [30]},
        "notes": {"d": [1], "e": [80]},
        "categories": {"d": [1], "e": [None]},
        "employees": {"d": [1], "paused": [100], "gone": [100]},
    }
    runs: Rows = [
        {
            "run_id": "r",
            "connection_id": connection_id,
            "object": name,
            "command": "sync",
            "plan": "updated_gte",
            "read_through": None if hours is None else now - timedelta(hours=hours),
        }
        for name, of_connections in hours_ago.items()
        for connection_id, all_hours in of_connections.items()
        for hours in all_hours
    ]
    reconciled = {**runs[0], "object": "notes", "connection_id": "e", "command": "reconcile", "read_through": now}
    not_offered = {**runs[0], "object": "employees", "connection_id": "e", "plan": "not_offered, it has none"}
    connections: Rows = [{"id": "d"}, {"id": "e"}, {"id": "paused", "is_paused": True}]
    raw.write({"connections": connections, "sync_runs": [*runs, reconciled, not_offered]})
    raw.dbt("source", "freshness", target_path=tmp_path / "target")
    results = json.loads((tmp_path / "target" / "sources.json").read_text())["results"]
    assert {result["unique_id"].rsplit(".", 1)[1]: result["status"] for result in results} == {
        "tickets": "pass",
        "customers": "warn",
        "notes": "error",
        "categories": "error",
        "employees": "pass",
    }


@pytest.mark.slow
@on_both
def test_a_seed_that_cannot_be_read_is_told_in_words(
    make: MakeWarehouse, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Each cell with what was expected and what came, and never by an error of the database."""
    raw = make(tmp_path, request)
    raw.write({})
    usual = settings()
    given = replace(
        usual, seeds={seed: [*rows, *(row for row, _ in FAULTS.get(seed, []))] for seed, rows in usual.seeds.items()}
    )
    outcome = raw.build(as_of=AS_OF, target_path=tmp_path / "target", project=project_with(tmp_path, given))
    assert outcome.returncode == 1
    for told in (problem for faults in FAULTS.values() for _, problem in faults):
        assert told in outcome.stdout, told
    for word in ("Database Error", "Runtime Error", "None:"):
        assert word not in outcome.stdout, word


@pytest.mark.slow
@on_both
def test_a_time_zone_that_nobody_knows_is_refused_in_words(
    make: MakeWarehouse, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Before anything is built."""
    raw = make(tmp_path, request)
    raw.write({})
    outcome = raw.build(target_path=tmp_path / "target", variables={"reporting_timezone": "Europe/Olso's"})
    assert outcome.returncode != 0
    assert "reporting_timezone is to be mended" in outcome.stdout
    assert '"Europe/Olso\'s": no such time zone; they are called like Europe/Oslo' in outcome.stdout
    assert "Database Error" not in outcome.stdout
    assert raw.rows("select * from information_schema.tables where table_schema = 'marts'") == []


@pytest.mark.slow
@on_both_at_length
def test_a_state_that_is_found_late_changes_the_days_since_it_came_about(
    make: MakeWarehouse, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A closing of the eleventh is not known until the twentieth, when a sync has read it."""
    raw = make(tmp_path, request)
    opened_at, closed_at = on("2026-03-09 10:00"), on("2026-03-11 10:00")
    first = seen(opened_at, changed=opened_at)
    late = seen(on("2026-03-20 10:00"), changed=closed_at, status="CLOSED", closed_at=closed_at)
    days: list[dict[int, int]] = []
    for states, status in (([first], "ACTIVE"), ([first, late], "CLOSED")):
        raw.execute("drop schema if exists raw_unified cascade")
        fields = {"created_at": opened_at, "user_id": "u-7", "status": status, "closed_at": closed_at}
        raw.write(
            {
                "connections": [{"id": DAYS_DESK}],
                "tickets": [ticket_of("late", DAYS_DESK, fields)],
                "ticket_versions": states_of("late", DAYS_DESK, states),
                "sync_runs": [
                    {"connection_id": DAYS_DESK, "object": "tickets", "read_through": states[-1]["observed_at"]},
                    {"connection_id": DAYS_DESK, "object": "tickets", "read_through": on("2026-03-15 10:00")},
                ],
            }
        )
        outcome = raw.dbt(
            "build",
            "--exclude-resource-type=unit_test",
            "--exclude-resource-type=test",
            target_path=tmp_path / "target",
        )
        assert outcome.returncode == 0, outcome.stdout[-5000:]
        rows = raw.rows("select day_on, open_ticket_count from marts.ticket_backlog_daily")
        days.append({row["day_on"].day: row["open_ticket_count"] for row in rows})
    assert days == [dict.fromkeys(range(9, 16), 1), {9: 1, 10: 1, 11: 0}]


@pytest.mark.slow
def test_without_a_clock_of_its_own_a_build_has_views_that_move_with_time(tmp_path: Path) -> None:
    """And what the variable says of notes of which nothing tells who may see them."""
    raw = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    records = hand_picked()
    raw.write(records)
    given = settings(assumed_note_visibility="internal")
    outcome = raw.build(
        target_path=tmp_path / "target", project=project_with(tmp_path, given), variables=given.variables
    )
    assert outcome.returncode == 0, outcome.stdout[-5000:]
    query = "select connection_id, ticket_id, open_seconds, as_of from marts.open_tickets"
    before = by_key("open_tickets", raw.rows(query))
    time.sleep(1.1)
    after = by_key("open_tickets", raw.rows(query))
    assert before.keys() == after.keys() != set()
    for key, row in before.items():
        assert after[key]["as_of"] > row["as_of"]
        if row["open_seconds"] is not None:
            assert after[key]["open_seconds"] > row["open_seconds"]
    expected = marts(records, given)["conversation_messages"]
    messages = by_key("conversation_messages", raw.rows("select * from marts.conversation_messages"))
    assert messages == by_key("conversation_messages", [comparable("conversation_messages", row) for row in expected])


@pytest.mark.slow
@on_both_at_length
def test_at_a_clock_in_the_past_no_more_is_used_up_than_has_gone_by(
    make: MakeWarehouse, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """An hour after the day began, though the build knows of what came later."""
    raw = make(tmp_path, request)
    raw.write(hand_picked())
    given = settings()
    outcome = raw.build(
        as_of=at(hours=1),
        target_path=tmp_path / "target",
        project=project_with(tmp_path, given),
        variables=given.variables,
    )
    assert outcome.returncode == 0, outcome.stdout[-5000:]
    query = "select ticket_id, elapsed_seconds, is_breached from marts.sla_outcomes where metric = 'resolution'"
    rows = raw.rows(f"{query} and connection_id = '{DESK}' and ticket_id = 'resolution, waiting for the customer'")
    assert rows == [
        {"ticket_id": "resolution, waiting for the customer", "elapsed_seconds": 3600, "is_breached": False}
    ]


@pytest.mark.parametrize(
    ("ticket_id", "figures"),
    [
        ("same second, fractions above", {"agent_reply_count": 1, "first_reply_seconds": 0}),
        ("same second, agent opened", {"agent_reply_count": 1, "first_reply_seconds": 0}),
        ("same second as an agent's opening", {"agent_reply_count": 0, "waiting_on": "us"}),
        ("internal repeat by nobody known", {"customer_message_count": 1, "first_reply_seconds": 360}),
        ("internal repeat by the customer", {"customer_message_count": 1, "first_reply_seconds": 360}),
        ("internal notes, other spellings", {"agent_reply_count": 4, "internal_message_count": 7}),
        ("conversation older than its ticket", {"agent_reply_count": 2, "first_reply_seconds": 600}),
        ("agent's ticket of an older conversation", {"agent_reply_count": 1, "first_reply_seconds": 600}),
        ("blank description, customer's note", {"message_count": 3, "first_reply_seconds": 180}),
        ("repeat in other signs", {"message_count": 2, "customer_message_count": 1}),
        ("opened by an agent, text", {"is_agent_opened": True}),
        ("category by name", {"category_id": "k-billing", "category_name": "Billing"}),
        ("status with a line end", {"is_closed": True, "resolution_seconds": None}),
        # 21 minutes of waiting in three turns: 5, 30 (from the first of two) and one that still runs.
        (
            "a long talk",
            {"waiting_on_us_seconds": 300 + 1800, "waiting_on_customer_seconds": 900 + 1200, "waiting_on": "us",
             "waiting_since_at": at(minutes=70), "agent_count": 1, "reply_band": "several"},
        ),
        ("stranger in the middle of a wait", {"waiting_on": "customer", "first_reply_seconds": 540}),
        ("unknown author last", {"waiting_on": "unknown", "waiting_since_at": None}),
        ("strangers only", {"waiting_on": "unknown", "opened_by_role": "bot"}),
        ("auto-reply, then a person", {"agent_reply_count": 1, "first_reply_seconds": 480, "message_count": 3}),
        ("auto-reply only", {"is_answered": False, "waiting_on": "us"}),
        ("spam", {"kind": "spam", "waiting_on": "nobody", "customer_message_count": 0, "agent_reply_count": 0}),
        ("closed by merge", {"kind": "merged", "is_answered": False, "waiting_on_us_seconds": 0}),
        ("outbound", {"kind": "outbound", "opened_by_role": "agent", "first_reply_seconds": 60}),
        ("opened by a number of Freshdesk's elsewhere", {"kind": "inbound", "opened_by_role": "customer"}),
        ("a rating in a word and its beginning", {"satisfaction": "just so"}),
        ("a rating in the beginning of a word", {"satisfaction": "roughly so"}),
        ("employee named as the customer", {"agent_reply_count": 1, "first_reply_seconds": 180, "waiting_on": "us"}),
        ("closed with one reply by each of two", {"agent_count": 2, "reply_band": "two", "is_one_touch": False}),
        ("replies by agents without a name", {"agent_count": None, "reply_band": "two"}),
        ("closed", {"is_one_touch": True, "reply_band": "one"}),
        # Closed after 1, 3 and 5 hours, opened again after 2 and 4 of them.
        (
            "reopened twice",
            {"reopen_count": 2, "observed_reopen_count": 2, "first_closed_at": at(hours=1),
             "first_resolution_seconds": 3600, "resolution_seconds": 18_000, "is_history_complete": True},
        ),
        ("reopened and still open", {"reopen_count": 1, "first_resolution_seconds": 3600, "resolution_seconds": None}),
        ("reopened, since a baseline", {"reopen_count": None, "observed_reopen_count": 1, "first_closed_at": None}),
        ("first seen closed, reopened, closed again", {"first_closed_at": at(minutes=60), "reopen_count": 1}),
        ("there and back", {"reassignment_count": 3}),
        ("seen for the first time after two days", {"is_history_complete": True, "unassigned_seconds": 3099 * 60}),
        ("seen for the first time too late", {"is_history_complete": False, "unassigned_seconds": None}),
        ("seen late and unchanged", {"is_history_complete": True, "reassignment_count": 0}),
        ("seen late and changed at once", {"is_history_complete": False, "reassignment_count": None}),
        # 50 minutes to the first reply, none after "Thanks", which closed it, ten minutes a week later.
        (
            "thanks, and a new question a week later",
            {"waiting_on_us_seconds": 3000 + 0 + 600, "waiting_on_customer_seconds": 720, "waiting_on": "customer"},
        ),
        # From the opening to the first closing, and since the question after the second.
        (
            "closed between two messages, twice",
            {"waiting_on_us_seconds": 3600, "waiting_on": "us", "waiting_since_at": at(minutes=200)},
        ),
        # From the opening to the first half hour, then the second hour's second half hour and the one after.
        ("unassigned twice, and now", {"unassigned_seconds": 1800 + 1800 + 1800}),
        ("vendor time 1", {"vendor_first_replied_at": on("2026-03-02 09:20:00.250"), "vendor_resolved_at":
            on("2026-03-02 09:20:00.250")}),
        ("vendor time 3", {"vendor_first_replied_at": on("2026-03-02 09:20:00")}),
        ("vendor time 7", {"vendor_first_replied_at": None, "vendor_resolved_at": None}),
        ("vendor times that disagree", {"vendor_first_replied_at": None, "vendor_resolved_at": at(hours=1)}),
        # Friday 15:00 to 16:00, Saturday's four hours, Monday 08:00 to 09:00: the clock went back in between.
        ("over the end of daylight saving", {"first_reply_business_seconds": 6 * 3600, "first_reply_seconds": 241_200}),
        # Wednesday 15:30 to 16:00, the leap day's 3.5 and 3.75 hours, Friday 08:00 to 08:30.
        ("over a leap day", {"first_reply_business_seconds": 29_700}),
        ("over New Year", {"first_reply_business_seconds": 7200}),
        # Tuesday's last hour, four on Christmas Eve, Saturday's four, Monday's first half hour.
        ("over Christmas", {"first_reply_business_seconds": 34_200}),
        # Friday 15:30 to 16:00, Saturday's four hours, an hour and a half on the Sunday, Monday 08:00 to 08:30.
        ("over a weekend", {"first_reply_business_seconds": 1800 + 14_400 + 5400 + 1800}),
        ("over midnight by two seconds", {"first_reply_business_seconds": 0, "first_reply_seconds": 2}),
        ("in half seconds", {"first_reply_business_seconds": 3, "first_reply_seconds": 3}),
        ("ours, a note", {"agent_reply_count": 1, "first_reply_seconds": 1800, "bot_message_count": 1}),
        ("ours, a note though a sign says otherwise", {"customer_message_count": 1, "first_reply_seconds": 1800}),
        ("ours, a note that repeats the description", {"opened_by_role": "customer", "message_count": 3}),
        ("ours, a note without an answer", {"is_answered": False, "waiting_on": "us", "last_contact_at": DAY}),
        ("perhaps ours, a note", {"is_answered": True, "agent_reply_count": 1}),
        ("ours, opened again", {"reopen_count": 0, "observed_reopen_count": 0, "is_closed": False}),
        ("ours, opened again and seen by a sync, then by the customer", {"reopen_count": 1}),
        ("not ours, opened again", {"reopen_count": 1}),
        ("ours in the second of the customer's", {"reopen_count": 1, "reassignment_count": 1}),
        ("ours, assigned", {"reassignment_count": 1}),
        # Whoever asked has waited an hour for a closing.
        ("ours, closed", {"first_closed_at": at(hours=1), "waiting_on": "nobody", "waiting_on_us_seconds": 3600}),
    ],
)  # fmt: skip
def test_a_ticket_is_as_a_person_says(warehouse: Warehouse, ticket_id: str, figures: dict[str, Any]) -> None:
    row = warehouse.row("tickets", DESK, ticket_id)
    assert {name: row[name] for name in figures} == {name: naive(value) for name, value in figures.items()}


@pytest.mark.parametrize(
    ("desk", "ticket_id", "seconds"),
    [
        # From 21:00, an hour before the desk opens; 2 hours until midnight and 6 after it.
        (PER_TICKET_DESK, "a night", 8 * 3600),
        # 23:00 to midnight, then midnight to 06:00 with the hour from 02:00 to 03:00 twice.
        (PER_TICKET_DESK, "a night in which the clock goes back", 8 * 3600),
        # 22:30 to midnight, then midnight to 06:00 without the hour from 02:00 to 03:00.
        (PER_TICKET_DESK, "a night in which the clock goes forward", 5400 + 5 * 3600),
        # Friday 22:00 to midnight and Sunday 00:00 to 06:00: Saturday is off, both its morning and its evening.
        (PER_TICKET_DESK, "a night before a night off", 8 * 3600),
        # 01:00 summer time to the later 02:15 is 2.25 hours, the later 02:30 to 04:00 is 1.5.
        (FAR_DESK, "times that come twice", 13_500),
        # 01:00 to the change at 02:00 is an hour, the change to 04:00 summer time another.
        (FAR_DESK, "times that are left out", 6300),
        (FAR_DESK, "into the calendar", None),
    ],
)
def test_business_seconds_are_as_a_person_counts_them(
    warehouse: Warehouse, desk: str, ticket_id: str, seconds: int | None
) -> None:
    assert warehouse.row("tickets", desk, ticket_id)["first_reply_business_seconds"] == seconds


@pytest.mark.parametrize(
    ("ticket_id", "metric", "turn_number", "figures"),
    [
        ("urgent, answered in time", "first_reply", 1, {"policy": "urgent", "outcome": "met", "due_at": at(hours=1)}),
        ("urgent, answered a second late", "first_reply", 1, {"outcome": "missed", "elapsed_seconds": 3601}),
        ("urgent, closed in time", "first_reply", 1, {"outcome": "cancelled", "is_breached": False}),
        ("urgent, closed too late", "first_reply", 1, {"outcome": "missed", "is_breached": True}),
        ("urgent, running", "first_reply", 1, {"outcome": "running", "elapsed_seconds": 3600}),
        ("urgent, just at risk", "first_reply", 1, {"outcome": "running", "elapsed_seconds": 2700, "is_at_risk": True}),
        ("urgent, not yet at risk", "first_reply", 1, {"elapsed_seconds": 2699, "is_at_risk": False}),
        ("urgent, and somebody unknown wrote", "first_reply", 1, {"outcome": "unknown", "is_breached": None}),
        (
            "urgent, and a question without a time",
            "resolution",
            0,
            {"outcome": "unknown", "has_unknown_pauses": True, "is_breached": None},
        ),
        # An hour until the answer, nine of waiting for the customer, closed in between, and the last hour.
        (
            "urgent, closed and reopened before the customer wrote",
            "resolution",
            0,
            {"elapsed_seconds": 7200, "paused_seconds": 32_400, "outcome": "met", "due_at": at(hours=57)},
        ),
        ("next reply, and no state told", "next_reply", 3, {"elapsed_seconds": 1200, "outcome": "unknown"}),
        # Friday 14:00 to 16:00 and Saturday 10:00 to 14:00 are six of eight hours; due on Monday at 10:00.
        (
            "usual, at risk over the weekend",
            "first_reply",
            1,
            {"policy": "usual since March", "elapsed_seconds": 21_600, "is_at_risk": True,
             "due_at": on("2026-06-01 08:00")},
        ),
        # Asked at 09:20, answered at 09:40, five minutes; pending from 09:25 to 09:38, when they were just used up.
        (
            "next replies, paused and not",
            "next_reply",
            3,
            {"elapsed_seconds": 420, "outcome": "missed", "due_at": at(minutes=25)},
        ),
        ("next replies, paused and not", "next_reply", 5, {"elapsed_seconds": 300, "outcome": "met"}),
        # Asked at 10:40, on hold from 10:42 to 10:47, answered at 10:50.
        (
            "next replies, paused and not",
            "next_reply",
            7,
            {"elapsed_seconds": 300, "outcome": "met", "due_at": at(minutes=110)},
        ),
        ("next reply, paused now", "next_reply", 3, {"elapsed_seconds": 120, "outcome": "paused", "due_at": None}),
        (
            "next reply, overdue and then paused",
            "next_reply",
            3,
            {"elapsed_seconds": 420, "outcome": "overdue", "due_at": at(minutes=25)},
        ),
        (
            "paused when the target was just reached",
            "next_reply",
            3,
            {"elapsed_seconds": 300, "outcome": "paused", "due_at": at(minutes=25)},
        ),
        # Of the Monday 10:00 to 10:30 and 11:30 (lunch until 12:15) to 12:00, none of the Tuesday, of the Wednesday
        # from 10:00 to 11:30 and from 12:15 to 16:00, of the Thursday 08:00 to 11:30: then it waits for the customer.
        (
            "resolution, paused twice",
            "resolution",
            0,
            {"elapsed_seconds": 1800 + 5400 + 13_500 + 12_600, "outcome": "met", "due_at": None},
        ),
        # Waits for the customer from 11:00 to 15:00 Oslo time, pending from 12:00 to 16:00; then Tuesday, and 16:00.
        (
            "resolution, pauses that overlap",
            "resolution",
            0,
            {"elapsed_seconds": 3600 + 26_100 + 26_100, "outcome": "met"},
        ),
        ("resolution, waiting for the customer", "resolution", 0, {"elapsed_seconds": 7200, "outcome": "paused"}),
        # The first of May is a holiday, the other thirty days of the month are not.
        # Closed from 09:29 to 09:59.
        (
            "resolution by the clock, reopened",
            "resolution",
            0,
            {"elapsed_seconds": 3600, "paused_seconds": 1800, "due_at": at(minutes=630), "outcome": "met"},
        ),
        ("resolution without a pause", "resolution", 0, {"elapsed_seconds": 30 * 86_400}),
    ],
)  # fmt: skip
def test_a_service_level_is_as_a_person_says(
    warehouse: Warehouse, ticket_id: str, metric: str, turn_number: int, figures: dict[str, Any]
) -> None:
    row = warehouse.row("sla_outcomes", DESK, ticket_id, metric, turn_number)
    assert {name: row[name] for name in figures} == {name: naive(value) for name, value in figures.items()}


@pytest.mark.parametrize(
    ("ticket_id", "changed_at", "observed_after"),
    [
        # Walks had read all until 10:00, 11:00 and 12:00; the last of them may be the one that saw it.
        ("a walk before the change", at(minutes=185), at(minutes=120)),
        ("a walk in the second of the change", at(minutes=120), at(minutes=120)),
        ("a walk after the change", at(minutes=119), at(minutes=30)),
        ("a walk in the second of a sight", at(minutes=185), at(minutes=120)),
        ("a walk in the second in which it was seen", at(minutes=150), at(minutes=120)),
        ("one walk only", at(minutes=105), at(minutes=30)),
        ("late, before the last sight", at(minutes=62), at(minutes=62)),
        ("late, and a walk between", at(minutes=62), at(minutes=62)),
        ("an update that does not move", at(minutes=200), at(minutes=120)),
        ("closed before the last sight", at(minutes=129), at(minutes=65)),
        ("closed, and the update is later", at(minutes=100), at(minutes=65)),
    ],
)
def test_a_change_lies_between_two_sights_as_a_person_says(
    warehouse: Warehouse, ticket_id: str, changed_at: datetime, observed_after: datetime
) -> None:
    row = warehouse.row("ticket_changes", DESK, ticket_id, 1)
    assert (row["changed_at"], row["observed_after"]) == (naive(changed_at), naive(observed_after))


@pytest.mark.parametrize(
    ("metric", "limit", "figures"),
    [
        # Answered after 2, 7.5, 9, 10 (thrice), 16 and 40 hours, and one never; the swept ones and a late note's.
        (
            "first_reply",
            86_400,
            {"case_count": 9, "answered_count": 8, "open_count": 1, "old_enough_count": 9, "answered_within_count": 7,
             "answered_share": 7 / 9, "mean_answered_seconds": 47_025, "median_answered_seconds": 36_000,
             "median_seconds": 36_000},
        ),
        # Those from before the sixth of March: three of ten hours, one of nine, one that waits.
        ("first_reply", 2_140_000, {"old_enough_count": 5, "answered_within_count": 4, "answered_share": 0.8}),
        # One after 25 hours, one that waits: the middle of the two is still open.
        (
            "next_reply",
            86_400,
            {"case_count": 2, "answered_count": 1, "answered_within_count": 0, "mean_answered_seconds": 90_000,
             "median_answered_seconds": 90_000, "median_seconds": None},
        ),
        ("resolution", 86_400, {"answered_count": 0, "answered_share": 0.0, "median_seconds": None}),
    ],
)  # fmt: skip
def test_answers_are_counted_as_a_person_counts_them(
    warehouse: Warehouse, metric: str, limit: int, figures: dict[str, Any]
) -> None:
    row = warehouse.row("answer_statistics", PER_TICKET_DESK, metric, limit)
    assert {name: row[name] for name in figures} == figures


@pytest.mark.parametrize(
    ("name", "days"),
    [
        # Opened, reopened, closed, moved in, moved out; open at the day's end, and of these never seen.
        ("a day of 25 hours", {("2026-04-05", None): (1, 0, 1, 0, 0, 0, 0)}),
        ("a day of 23 hours", {("2025-09-28", None): (1, 0, 1, 0, 0, 0, 0)}),
        (
            "a day of 25 hours, and a second",
            {
                ("2026-04-04", None): (1, 0, 0, 0, 0, 1, 0),
                ("2026-04-05", None): (0, 0, 0, 0, 0, 1, 0),
                ("2026-04-06", None): (0, 0, 1, 0, 0, 0, 0),
            },
        ),
        (
            "moved and closed at once",
            {
                ("2026-03-10", "low"): (1, 0, 0, 0, 0, 1, 0),
                ("2026-03-11", "low"): (0, 0, 0, 0, 0, 1, 0),
                ("2026-03-12", "low"): (0, 0, 0, 0, 1, 0, 0),
                ("2026-03-12", "high"): (0, 0, 1, 1, 0, 0, 0),
            },
        ),
        (
            "moved while closed",
            {
                ("2026-03-10", "low"): (1, 0, 0, 0, 0, 1, 0),
                ("2026-03-11", "low"): (0, 0, 1, 0, 0, 0, 0),
                ("2026-03-13", "high"): (0, 1, 0, 0, 0, 1, 0),
                ("2026-03-14", "high"): (0, 0, 0, 0, 0, 1, 0),
                ("2026-03-15", "high"): (0, 0, 1, 0, 0, 0, 0),
            },
        ),
        (
            "a backfill, closed",
            {
                ("2026-03-10", None): (1, 0, 0, 0, 0, 1, 1),
                ("2026-03-11", None): (0, 0, 0, 0, 0, 1, 1),
                ("2026-03-12", None): (0, 0, 1, 0, 0, 0, 0),
            },
        ),
        ("a backfill without times", {("2026-04-04", None): (1, 0, 1, 0, 0, 0, 0)}),
        ("closed before it was opened", {("2026-03-12", None): (1, 0, 1, 0, 0, 0, 0)}),
        (
            "of the first computers",
            {("1990-01-01", None): (1, 0, 0, 0, 0, 1, 1), ("1990-01-02", None): (0, 0, 1, 0, 0, 0, 0)},
        ),
        ("spam on a day", {}),
        ("deleted on a day", {}),
    ],
)
def test_a_day_ends_as_a_person_counts_it(
    warehouse: Warehouse, name: str, days: Mapping[tuple[str, str | None], tuple[int, ...]]
) -> None:
    figures = (
        "opened_count reopened_count closed_count moved_in_count moved_out_count open_ticket_count "
        "unobserved_open_ticket_count"
    )
    rows = [row for row in warehouse.of("ticket_backlog_daily").values() if row["category"] == name]
    assert {
        (row["day_on"].isoformat(), row["priority"]): tuple(row[figure] for figure in figures.split()) for row in rows
    } == days


def test_what_we_have_opened_again_is_open_and_stands_apart(warehouse: Warehouse) -> None:
    """Closed by us on the eleventh of March and opened again on the twelfth; by others on the two days after it."""
    name = "closed and opened again by us"
    rows = {
        row["day_on"].day: row
        for row in warehouse.of("ticket_backlog_daily").values()
        if row["category"] == name and row["day_on"] <= date(2026, 3, 14)
    }
    figures = ("reopened_count", "own_reopened_count", "closed_count", "open_ticket_count")
    assert {day: tuple(row[figure] for figure in figures) for day, row in rows.items()} == {
        10: (0, 0, 0, 1),
        11: (0, 0, 1, 0),
        12: (0, 1, 0, 1),
        13: (0, 0, 1, 0),
        14: (1, 0, 0, 1),
    }
    assert warehouse.row("tickets", DAYS_DESK, name)["reopen_count"] == 1
    assert not warehouse.row("tickets", UNREAD_DESK, "never read, but a note of ours is there")["is_conversation_known"]


def test_a_quiet_day_and_the_day_that_is_not_over_are_told(warehouse: Warehouse) -> None:
    """There and back on the tenth of March in Auckland, then nothing; read up to the first moment of the eighth of
    April."""
    of_ticket = [
        row for row in warehouse.of("ticket_backlog_daily").values() if row["category"] == "there and back within a day"
    ]
    low = {row["day_on"].isoformat(): row for row in of_ticket if row["priority"] == "low"}
    assert [row["moved_in_count"] for row in of_ticket if row["priority"] == "high"] == [2]
    assert (low["2026-03-10"]["moved_in_count"], low["2026-03-10"]["moved_out_count"]) == (2, 2)
    assert {row["open_ticket_count"] for row in low.values()} == {1}
    assert (low["2026-04-07"]["is_day_over"], low["2026-04-08"]["is_day_over"]) == (True, False)


def test_what_wants_action_is_in_order_as_a_person_says(warehouse: Warehouse) -> None:
    """The last one may have been paused in a past that nobody knows, so that nothing of it is breached."""
    scores = {
        "reopened, of a key customer": {"sla_breached": 40, "vip": 20, "reopened": 10, "waiting_long": 10},
        "unassigned twice, and now": {"sla_breached": 40, "waiting_long": 10, "unassigned": 7},
        "no notes": {"sla_breached": 40, "waiting_long": 10},
        "usual, at risk over the weekend": {"sla_at_risk": 35},
        "turn is ours since the first of two": {"waiting_long": 10},
    }
    rows = [warehouse.row("triage_candidates", DESK, ticket_id) for ticket_id in scores]
    for row, reasons in zip(rows, scores.values(), strict=True):
        assert row["score"] == sum(reasons.values())
        assert row["reasons"] == [{"reason": name, "weight": weight} for name, weight in reasons.items()]
    places = [row["place"] for row in rows]
    assert places == sorted(set(places))
    assert {row["place"] for row in warehouse.of("triage_candidates").values()} >= {1, 2, 3}


@pytest.mark.parametrize(
    ("mart", "key", "figures"),
    [
        # Left, and keeps what they did: replies after 60, 5, 21 and (of an agent's ticket) 18 minutes; two came first.
        (
            "agents",
            (PEOPLE_DESK, "p-left"),
            {"agent_name": "Left in April", "is_deleted": True, "reply_count": 4, "first_reply_count": 2,
             "median_first_reply_seconds": 1170, "p90_first_reply_seconds": 1242, "closed_ticket_count": 3},
        ),
        ("agents", (PEOPLE_DESK, "p-slow"), {"median_first_reply_seconds": 6, "p90_first_reply_seconds": 10}),
        ("agents", (PEOPLE_DESK, "p-idle"), {"reply_count": 0, "assigned_ticket_count": 1, "closed_ticket_count": 0}),
        # In Auckland it is 22:00 on the Monday when the day begins, and an hour less than that in April.
        (
            "agent_daily",
            (PEOPLE_DESK, "p-slow", date(2026, 3, 2)),
            {"reply_count": 10, "first_reply_count": 10, "first_reply_seconds_sum": 59, "closed_ticket_count": 0},
        ),
        (
            "agent_daily",
            (PEOPLE_DESK, "p-left", date(2026, 4, 11)),
            {"reply_count": 0, "closed_ticket_count": 1, "last_replied_at": None},
        ),
        ("agent_hours", (PEOPLE_DESK, "p-slow", 1, 22), {"reply_count": 10, "first_reply_count": 10}),
        # Three of its own; two, and one each in four, below it.
        (
            "categories",
            (PEOPLE_DESK, "top"),
            {"path": "The top", "depth": 0, "ticket_count": 3, "open_ticket_count": 1, "with_children_ticket_count": 9,
             "with_children_open_ticket_count": 1, "median_first_reply_seconds": 3600, "has_broken_path": False},
        ),
        ("categories", (PEOPLE_DESK, "bottom"), {"path": "The top / middle / Bottom", "depth": 2}),
        ("categories", (PEOPLE_DESK, "below gone"), {"path": "The below gone", "has_broken_path": True}),
        ("categories", (PEOPLE_DESK, "ring 1"), {"path": "The ring 1", "has_broken_path": True, "depth": 0}),
        (
            "categories",
            (PEOPLE_DESK, "below the ring"),
            {"path": "The ring 2 / The below the ring", "has_broken_path": True, "depth": 1},
        ),
        ("categories", (PEOPLE_DESK, "ring 2"), {"ticket_count": 1, "with_children_ticket_count": 2}),
        ("categories", (PEOPLE_DESK, "long ring 2"), {"path": "The long ring 2", "with_children_ticket_count": 1}),
        ("categories", (PEOPLE_DESK, "chain 4"), {"depth": 4, "has_broken_path": False}),
        ("categories", (PEOPLE_DESK, "chain 5"), {"path": "The chain 5", "depth": 0, "has_broken_path": True}),
        ("connections", (GONE_DESK,), {"last_listed_at": None, "is_paused": None, "ticket_count": 1}),
        ("connections", ("supports notes per ticket",), {"has_notes_listed": False}),
        ("connections", (PAUSED_DESK,), {"is_paused": True, "has_notes_listed": True, "tells_author": None}),
        (
            "sync_health",
            (PEOPLE_DESK, "tickets"),
            {"health": "ok", "age_seconds": 3600, "failures_since_success_count": 0, "coverage_share": 0.5,
             "gap_count": 11, "last_error": "Too much would go.", "last_error_command": "reconcile"},
        ),
        ("sync_health", (PEOPLE_DESK, "customers"), {"health": "gaps", "failures_since_success_count": 1}),
        ("sync_health", (PEOPLE_DESK, "notes"), {"health": "failing", "failures_since_success_count": 3}),
        ("sync_health", (PEOPLE_DESK, "categories"), {"health": "stale", "age_seconds": 7201}),
        ("sync_health", (PEOPLE_DESK, "employees"), {"health": "not_offered", "read_through_at": None}),
        ("sync_health", (PAUSED_DESK, "tickets"), {"health": "paused"}),
        ("sync_health", (UNLISTED_DESK, "notes"), {"health": "never_read", "last_listed_at": None}),
        (
            "customer_support_summary",
            (PEOPLE_DESK, "c-edges"),
            {"recent_opened_ticket_count": 2, "previous_opened_ticket_count": 3, "trend_share": -1 / 3},
        ),
        ("customer_support_summary", (PEOPLE_DESK, "c-new"), {"recent_opened_ticket_count": 2, "trend_share": None}),
        (
            "customer_support_summary",
            (PEOPLE_DESK, "c-edges"),
            {"top_categories": [{"category_name": "B", "ticket_count": 3}, {"category_name": "a", "ticket_count": 2},
                                {"category_name": "z", "ticket_count": 1}]},
        ),
    ],
)  # fmt: skip
def test_people_and_connections_are_as_a_person_says(
    warehouse: Warehouse, mart: str, key: tuple[Any, ...], figures: dict[str, Any]
) -> None:
    row = warehouse.row(mart, *key)
    assert {name: row[name] for name in figures} == figures


def test_where_notes_were_never_read_nothing_is_told_of_them(warehouse: Warehouse) -> None:
    row = warehouse.row("tickets", UNREAD_DESK, "never read")
    figures = [name for name in row if name.endswith("_count") or "_reply_" in name]
    assert {row[name] for name in figures} == {None}
    assert (row["waiting_on"], row["kind"], row["is_conversation_known"]) == ("unknown", "inbound", False)
    assert warehouse.row("tickets", UNREAD_DESK, "never read, closed")["waiting_on"] == "nobody"
    assert warehouse.row("tickets", UNREAD_DESK, "never read, opened by an agent")["opened_by_role"] == "agent"
    assert warehouse.row("tickets", PER_TICKET_DESK, "swept, no notes")["agent_reply_count"] == 0
    assert warehouse.row("tickets", PER_TICKET_DESK, "swept in vain")["agent_reply_count"] is None
    # 90 minutes, less the half hour in which it was pending.
    resolved = warehouse.row("sla_outcomes", UNREAD_DESK, "never read, closed", "resolution", 0)
    assert (resolved["elapsed_seconds"], resolved["outcome"]) == (3600, "met")


def test_a_deleted_ticket_keeps_its_row_and_loses_its_figures(warehouse: Warehouse) -> None:
    for ticket_id in ("deleted ticket", "states of a deleted ticket"):
        row = warehouse.row("tickets", DESK, ticket_id)
        assert row["is_deleted"]
        figures = [name for name in row if name.endswith(("_count", "_seconds")) or name in ("waiting_on", "kind")]
        assert len(figures) == 21
        assert {name: row[name] for name in figures} == dict.fromkeys(figures)
        assert (DESK, ticket_id) not in warehouse.of("conversation_threads")


def test_every_note_that_is_no_message_says_why(warehouse: Warehouse) -> None:
    query = "select connection_id, note_id, exclusion_reason from intermediate.int_notes_classified"
    reasons = {(row["connection_id"], row["note_id"]): row["exclusion_reason"] for row in warehouse.rows(query)}
    assert (DESK, "orphan") not in reasons
    assert reasons[DESK, "deleted ticket-1"] == "ticket_deleted"
    assert reasons[OTHER_DESK, "deleted ticket-1"] == "note_deleted"
    assert reasons[DESK, "deleted note-1"] == "note_deleted"
    assert reasons[DESK, "events-1"] == reasons[DESK, "events-2"] == "event"
    assert reasons[DESK, "events-3"] is None


def test_a_sync_run_is_told_as_it_was(warehouse: Warehouse) -> None:
    assert warehouse.rows("select * from staging.stg_unified__sync_runs where run_id = 'r-1'") == [
        {
            "run_id": "r-1",
            "connection_id": DESK,
            "object_name": "tickets",
            "integration_type": "zendesk",
            "plan": "updated_gte",
            "started_at": naive(DAY),
            "ended_at": naive(at(seconds=9)),
            "request_count": 3,
            "received_row_count": 205,
            "retry_count": 1,
            "waited_seconds": 3,
            "cursor_before_at": naive(at(days=-1)),
            "cursor_after_at": naive(DAY),
            "read_through_at": None,
            "is_complete": True,
            "error_text": None,
            "command": "reconcile",
            "rejected_row_count": 2,
            "repaired_row_count": 1,
            "deleted_row_count": 4,
        }
    ]
