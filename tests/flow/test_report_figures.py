"""Every figure of the report, as a browser shows it, against the same counted from tickets, turns and messages."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median
from typing import Any

import pytest

from pipelines.publish import publish
from pipelines.report import report_of
from pipelines.report.waits import BANDS
from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, PostgresWarehouse, WarehouseSettings
from pipelines.warehouse.marts import reading_published
from tests.chromium import chromium, opened
from tests.flow.conftest import at_length, on_postgres, warehouse_in
from tests.flow.test_command import ticketing
from tests.flow.truth import query
from tests.hand_made_marts import Tables, make_marts
from tests.report_marts import READ

MADE_AT = datetime(2026, 5, 29, tzinfo=UTC)
Row = dict[str, Any]

_READ_PAGE = """() => ({
    figures: [...document.querySelectorAll('[data-figure]:not(th)')].map(each => ({
        name: each.dataset.figure,
        mart: each.dataset.mart,
        key: each.closest('[data-key]')?.dataset.key ?? null,
        value: each.getAttribute('value') ?? each.getAttribute('datetime'),
        text: each.textContent.trim(),
    })),
    tables: [...document.querySelectorAll('table')].map(table => ({
        name: table.dataset.table,
        columns: [...table.tHead.rows[0].cells].map(cell => cell.dataset.figure),
        figures: [...table.tHead.querySelectorAll('[data-mart]')].map(cell => cell.dataset.figure),
        rows: [...table.tBodies[0].rows].map(row => ({
            key: row.dataset.key,
            values: [...row.cells].map(cell => {
                const figure = cell.querySelector('data, time');
                return figure ? figure.getAttribute('value') ?? figure.getAttribute('datetime') : cell.innerText.trim();
            }),
            texts: [...row.cells].map(cell => cell.innerText.trim()),
        })),
        more: Number(table.closest('.scroll').nextElementSibling?.querySelector('data')?.value ?? 0),
    })),
})"""


@dataclass
class PageRead:
    """What the page shows: single figures with their text, and tables with their figures by key and column."""

    figures: dict[tuple[str, str, str | None], tuple[str, str]]
    tables: dict[str, dict[str, dict[str, str]]]
    texts: dict[str, dict[str, dict[str, str]]]
    more: dict[str, int]


class Counted:
    """The marts' rows, and everything counted from them in plain Python."""

    def __init__(self, warehouse: WarehouseSettings) -> None:
        self.rows = {mart: query(warehouse, f"select * from marts.{mart}") for mart in READ}
        self.periods = query(warehouse, "select * from marts.ticket_periods order by period_number")
        self.changes = query(warehouse, "select * from marts.ticket_changes")
        self.as_of = max(row["as_of"] for row in self.rows["sync_health"])
        self.known_until = max(row["data_as_of"] for row in self.rows["connections"])
        self.last = self.known_until.date() - timedelta(days=1)
        self.tickets = {
            (row["connection_id"], row["ticket_id"]): row
            for row in self.rows["tickets"]
            if not row["is_deleted"] and row["kind"] not in ("spam", "merged")
        }
        self.open = [row for row in self.tickets.values() if not row["is_closed"]]
        self.since = datetime.combine(self.last - timedelta(days=90), time(), self.as_of.tzinfo)

    def week(self, moments: Iterable[datetime], weeks_ago: int = 0) -> int:
        """How many of them lie in the last seven whole days, or in seven before."""
        last = self.last - timedelta(days=7 * weeks_ago)
        return sum(last - timedelta(days=6) <= moment.date() <= last for moment in moments)

    def opened(self, **of: Any) -> list[datetime]:
        return [row["opened_at"] for row in self.tickets.values() if of.items() <= row.items()]

    def messages(self, flag: str, **of: Any) -> list[datetime]:
        found = []
        for row in self.rows["conversation_messages"]:
            counts = row["is_agent_reply"] if flag == "agent" else row["side"] == "customer"
            if counts and row["sent_at"] and of.items() <= row.items():
                found.append(row["sent_at"])
        return found

    def closings(self) -> dict[tuple[str, str], list[datetime]]:
        """The beginnings of the periods in which a ticket is closed and was not just before."""
        found: dict[tuple[str, str], list[datetime]] = defaultdict(list)
        states: dict[tuple[str, str], str] = {}
        for row in self.periods:
            key = (row["connection_id"], row["ticket_id"])
            if row["status"] == "closed" != states.get(key) and key in self.tickets and row["started_at"]:
                found[key].append(row["started_at"])
            states[key] = row["status"]
        return found

    def overdue(self) -> set[tuple[str, str]]:
        return self._clocks(lambda row: row["outcome"] == "overdue")

    def at_risk(self) -> set[tuple[str, str]]:
        return self._clocks(lambda row: row["is_at_risk"])

    def _clocks(self, chosen: Any) -> set[tuple[str, str]]:
        is_open = {(row["connection_id"], row["ticket_id"]) for row in self.open}
        found = {(row["connection_id"], row["ticket_id"]) for row in self.rows["sla_outcomes"] if chosen(row)}
        return found & is_open


def whole_seconds(start: datetime, end: datetime) -> int:
    return int((end.replace(microsecond=0) - start.replace(microsecond=0)).total_seconds())


def read_page(text: str, folder: Any) -> PageRead:
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    with chromium() as browser:
        page = opened(browser, path).page
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        found = page.evaluate(_READ_PAGE)
    figures = {(each["mart"], each["name"], each["key"]): (each["value"], each["text"]) for each in found["figures"]}
    values, texts = (
        {
            table["name"]: {row["key"]: _figures_of(table, row[what]) for row in table["rows"]}
            for table in found["tables"]
        }
        for what in ("values", "texts")
    )
    return PageRead(figures, values, texts, {table["name"]: table["more"] for table in found["tables"]})


def _figures_of(table: Row, cells: list[str]) -> dict[str, str]:
    row = dict(zip(table["columns"], cells, strict=True))
    return {name: row[name] for name in table["figures"]}


def built_page(sandbox: Sandbox, warehouse: WarehouseSettings, environment: dict[str, str]) -> str:
    for _ in range(2):
        assert ticketing("sync", env=environment).returncode == 0
        sandbox.world.live(hours=60)
    assert ticketing("build", "--as-of", sandbox.world.now.isoformat(), env=environment).returncode == 0
    publish(warehouse)
    with reading_published(warehouse) as ask:
        return report_of(ask, "the warehouse", MADE_AT)[0]


@pytest.fixture
def sandbox() -> Any:
    with Sandbox(seed=7, tickets=120) as running:
        yield running


@pytest.mark.slow
@pytest.mark.xdist_group("chromium")
@pytest.mark.parametrize("warehouse", ["duckdb", at_length("postgres")], indirect=True)
def test_every_figure_in_the_browser_is_that_of_the_tickets_turns_and_messages(
    sandbox: Sandbox, warehouse: WarehouseSettings, command_environment: dict[str, str], tmp_path: Any
) -> None:
    page = read_page(built_page(sandbox, warehouse, command_environment), tmp_path)
    counted = Counted(warehouse)
    expected = single_figures(counted)
    shown = {key: value for key, (value, _) in page.figures.items() if key[0] != "triage_candidates"}
    assert {key: value for key, value in shown.items() if key[1] not in ("as_of", "data_as_of")} == expected
    for (_, name, _), (value, text) in page.figures.items():
        if name.endswith(("_count", "_count_before")):
            assert text == f"{int(value):,}"
    assert triage_shown(page) == triage_counted(counted)
    assert page.tables.keys() == TABLES.keys()
    for name, count in TABLES.items():
        wanted = {key: {column: as_text(value) for column, value in row.items()} for key, row in count(counted).items()}
        found = page.tables[name]
        assert found == {key: wanted[key] for key in found}, name
        assert len(wanted) == len(found) + page.more[name], name
        for key, row in found.items():
            for column in (each for each in row if each.endswith("_count")):
                written = f"{int(row[column]):,}" if row[column] else "–"
                assert page.texts[name][key][column] == written


def as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None)
    return value.isoformat() if isinstance(value, date) else str(value)


def single_figures(counted: Counted) -> dict[tuple[str, str, str | None], str]:
    """What the tiles say, and of how many cases nothing is known."""
    replied = [row["changed_at"] for row in counted.changes if row["is_reopening"] and not row["is_own"]]
    closings = [moment for moments in counted.closings().values() for moment in moments]
    flows = {
        "opened_count": counted.opened(),
        "closed_count": closings,
        "reopened_count": replied,
        "customer_message_count": counted.messages("customer"),
        "agent_reply_count": counted.messages("agent"),
    }
    week_before = sum(
        row["open_ticket_count"]
        for row in counted.rows["ticket_backlog_daily"]
        if row["day_on"] == counted.last - timedelta(days=7)
    )
    found: dict[tuple[str, str, str | None], Any] = {
        ("open_tickets", "open_count", None): len(counted.open),
        ("open_tickets", "open_count_before", None): week_before,
        ("open_tickets", "waiting_on_us_count", None): sum(row["waiting_on"] == "us" for row in counted.open),
        ("open_tickets", "overdue_count", None): len(counted.overdue()),
        ("open_tickets", "at_risk_count", None): len(counted.at_risk()),
    }
    for name, moments in flows.items():
        found["support_daily", name, None] = counted.week(moments)
        found["support_daily", f"{name}_before", None] = counted.week(moments, 1)
    # The sandbox is first read within the days that are compared.
    del found["support_daily", "reopened_count_before", None]
    for suffix, weeks_ago in (("", 0), ("_before", 1)):
        for name, value in first_replies(counted, weeks_ago).items():
            found["conversation_turns", f"{name}{suffix}", None] = value
    for metric in ("first_reply", "next_reply", "resolution"):
        if left_out := bands(counted, metric)["left out"]:
            found["conversation_turns", f"left_out {metric}", None] = left_out
    return {key: str(value) for key, value in found.items()}


def first_replies(counted: Counted, weeks_ago: int) -> dict[str, Any]:
    until = counted.known_until - timedelta(days=1 + 7 * weeks_ago)
    turns = [
        row
        for row in counted.rows["conversation_turns"]
        if row["reply_kind"] == "first"
        and until - timedelta(days=7) < row["started_at"] <= until
        and row["end_reason"] != "after_closing"
        and not row["has_unknown_author"]
    ]
    waits = [row["wait_seconds"] for row in turns if row["end_reason"] == "answered"]
    still_open = sum(row["end_reason"] == "open" for row in turns)
    closed_late = sum(row["end_reason"] == "closed" and row["wait_seconds"] >= 86_400 for row in turns)
    old_enough = len(waits) + still_open + closed_late
    middle = median([*waits, *[10**12] * still_open]) if waits or still_open else 10**12
    return {
        "median_first_reply_seconds": int(middle + 0.5) if middle < 10**11 else "",
        "first_reply_within_share": sum(wait <= 86_400 for wait in waits) / old_enough if old_enough else "",
        "first_reply_open_count": still_open,
    }


LABELS = ("15 min or less", "to 1 h", "to 4 h", "to 8 h", "to 24 h", "to 3 days", "to 7 days", "longer")


def bands(counted: Counted, metric: str) -> Counter[str]:
    return _resolutions(counted) if metric == "resolution" else _replies(counted, metric.removesuffix("_reply"))


def _replies(counted: Counted, kind: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in counted.rows["conversation_turns"]:
        if row["reply_kind"] != kind or row["end_reason"] == "after_closing" or row["started_at"] < counted.since:
            continue
        if row["has_unknown_author"] or (row["end_reason"] != "open" and row["ended_at"] is None):
            found["left out"] += 1
        elif row["end_reason"] == "answered":
            found[LABELS[bisect_left(BANDS, whole_seconds(row["started_at"], row["ended_at"]))]] += 1
        else:
            found["still waiting" if row["end_reason"] == "open" else "closed, no reply"] += 1
    return found


def _resolutions(counted: Counted) -> Counter[str]:
    asked = {
        (row["connection_id"], row["ticket_id"]): row["started_at"]
        for row in counted.rows["conversation_turns"]
        if row["reply_kind"] == "first"
    }
    found: Counter[str] = Counter()
    for key, row in counted.tickets.items():
        start = row["opened_at"] if row["opened_by_role"] == "customer" else asked.get(key)
        if start is None or start < counted.since:
            continue
        if not row["is_closed"]:
            found["still open"] += 1
        elif row["closed_at"] and whole_seconds(start, row["closed_at"]) >= 0:
            found[LABELS[bisect_left(BANDS, whole_seconds(start, row["closed_at"]))]] += 1
        else:
            found["left out"] += 1
    return found


def bands_of(metric: str) -> Any:
    def count(counted: Counted) -> dict[str, Row]:
        found = bands(counted, metric)
        total = sum(found.values()) - found["left out"]
        others = ("still open",) if metric == "resolution" else ("still waiting", "closed, no reply")
        return {
            label: {"case_count": found[label], "share": found[label] / total if total else 0.0}
            for label in (*LABELS, *others)
        }

    return count


STATISTICS = (
    *("old_enough_count", "answered_within_count", "answered_share", "case_count", "open_count"),
    *("closed_unanswered_count", "left_out_count", "median_seconds", "median_answered_seconds"),
)


def statistics_of(metric: str) -> Any:
    def count(counted: Counted) -> dict[str, Row]:
        return {
            f"{row['connection_id']} {row['limit_seconds']}": {name: row[name] for name in STATISTICS}
            for row in counted.rows["answer_statistics"]
            if row["metric"] == metric
        }

    return count


def volume_of(flag: str) -> Any:
    def count(counted: Counted) -> dict[str, Row]:
        hours = Counter(
            (moment.hour, moment.strftime("%A").lower()) for moment in counted.messages(flag) if moment >= counted.since
        )
        weekdays = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
        return {str(hour): {day: hours[hour, day] for day in weekdays} for hour in range(24)}

    return count


def backlog(counted: Counted) -> dict[str, Row]:
    """Of each helpdesk by its name, which the sandbox has only one connection of."""
    names = {row["connection_id"]: row["integration_name"] for row in counted.rows["connections"]}
    by_day: dict[date, Counter[str]] = defaultdict(Counter)
    for row in counted.rows["ticket_backlog_daily"]:
        by_day[row["day_on"]]["open_ticket_count"] += row["open_ticket_count"]
        by_day[row["day_on"]][f"open {names[row['connection_id']]}"] += row["open_ticket_count"]
    assert by_day[counted.last + timedelta(days=1)]["open_ticket_count"] == len(counted.open)
    columns = ("open_ticket_count", *(f"open {name}" for name in names.values()))
    whole = [counted.last + timedelta(days=1 - back) for back in range(92)]
    return {str(on): {column: by_day[on][column] for column in columns} for on in whole}


def flow(counted: Counted) -> dict[str, Row]:
    opened = Counter(moment.date() for moment in counted.opened())
    closed = Counter(moment.date() for moments in counted.closings().values() for moment in moments)
    whole = [counted.last + timedelta(days=1 - back) for back in range(92)]
    return {str(on): {"opened_count": opened[on], "closed_count": closed[on]} for on in whole}


def helpdesks(counted: Counted) -> dict[str, Row]:
    medians = {
        row["connection_id"]: row["median_seconds"]
        for row in counted.rows["answer_statistics"]
        if row["metric"] == "first_reply"
    }
    found = {}
    for row in counted.rows["connections"]:
        of = {"connection_id": row["connection_id"]}
        mine = [each for each in counted.open if of.items() <= each.items()]
        closings = [
            moment
            for key, moments in counted.closings().items()
            if key[0] == row["connection_id"]
            for moment in moments
        ]
        found[row["connection_id"]] = {
            "open_count": len(mine),
            "waiting_on_us_count": sum(each["waiting_on"] == "us" for each in mine),
            "overdue_count": sum(key[0] == row["connection_id"] for key in counted.overdue()),
            "opened_count": counted.week(counted.opened(**of)),
            "closed_count": counted.week(closings),
            "customer_message_count": counted.week(counted.messages("customer", **of)),
            "agent_reply_count": counted.week(counted.messages("agent", **of)),
            "median_seconds": medians.get(row["connection_id"]),
        }
    return found


def categories(counted: Counted) -> dict[str, Row]:
    """By what is open, and what came: the week's rows of the mart, summed in Python."""
    first, before = counted.last - timedelta(days=6), counted.last - timedelta(days=13)
    found: dict[str, Row] = {}

    def row_of(row: Row) -> Row:
        nothing = dict.fromkeys(("opened_count", "opened_before_count", "closed_count", "open_count"), 0)
        return found.setdefault(f"{row['connection_id']} {row['category_name']}", nothing)

    for row in counted.rows["support_daily"]:
        if before <= row["day_on"] <= counted.last:
            is_recent = row["day_on"] >= first
            row_of(row)["opened_count" if is_recent else "opened_before_count"] += row["opened_count"]
            row_of(row)["closed_count"] += row["closed_count"] if is_recent else 0
    for row in counted.open:
        row_of(row)["open_count"] += 1
    return found


def agents(counted: Counted) -> dict[str, Row]:
    """By the authors of the replies themselves."""
    found: dict[str, Row] = {}
    assigned = Counter((row["connection_id"], row["assignee_user_id"]) for row in counted.open)
    replies: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for row in counted.rows["conversation_messages"]:
        if row["is_agent_reply"] and row["author_id"] and row["sent_at"]:
            replies[row["connection_id"], row["author_id"]].append(row["sent_at"])
    active = {
        (row["connection_id"], row["agent_id"])
        for row in counted.rows["agent_daily"]
        if counted.last - timedelta(days=13) <= row["day_on"] <= counted.last
    }
    for desk, agent in active:
        found[f"{desk} {agent}"] = {
            "reply_count": counted.week(replies[desk, agent]),
            "reply_before_count": counted.week(replies[desk, agent], 1),
            "assigned_open_ticket_count": assigned[desk, agent],
        } | _answers_and_closings(counted, desk, agent)
    return found


def _answers_and_closings(counted: Counted, desk: str, agent: str) -> Row:
    """From the turns that they answered, and the days of the mart, summed in Python."""
    waits = [
        row["wait_seconds"]
        for row in counted.rows["conversation_turns"]
        if (row["connection_id"], row["answered_by_author_id"], row["side"]) == (desk, agent, "customer")
        and counted.week([row["ended_at"]])
    ]
    days = [
        row
        for row in counted.rows["agent_daily"]
        if (row["connection_id"], row["agent_id"]) == (desk, agent)
        and counted.last - timedelta(days=6) <= row["day_on"] <= counted.last
    ]
    return {
        "first_reply_count": sum(row["first_reply_count"] for row in days),
        "closed_ticket_count": sum(row["closed_ticket_count"] for row in days),
        "mean_answer_seconds": round(sum(waits) / len(waits)) if waits else None,
    }


SAID = ("customer_message_count", "agent_reply_count", "opened_count", "open_count", "waiting_on_us_count")


def customers(counted: Counted) -> dict[str, Row]:
    found: dict[str, Row] = {}
    summaries = {
        (row["connection_id"], row["customer_id"]): {
            name: row[name] for name in ("ticket_count", "median_first_reply_seconds")
        }
        for row in counted.rows["customer_support_summary"]
    }
    owners = {key: (row["connection_id"], row["customer_id"]) for key, row in counted.tickets.items()}
    said: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for row in counted.rows["conversation_messages"]:
        owner = owners.get((row["connection_id"], row["ticket_id"]))
        if owner and row["sent_at"] and counted.week([row["sent_at"]]):
            said[owner]["customer_message_count"] += row["side"] == "customer"
            said[owner]["agent_reply_count"] += row["is_agent_reply"]
    for row in counted.tickets.values():
        said[row["connection_id"], row["customer_id"]]["opened_count"] += counted.week([row["opened_at"]])
        said[row["connection_id"], row["customer_id"]]["open_count"] += not row["is_closed"]
        said[row["connection_id"], row["customer_id"]]["waiting_on_us_count"] += row["waiting_on"] == "us"
    active = {
        (row["connection_id"], row["customer_id"])
        for row in counted.rows["customer_support_daily"]
        if counted.last - timedelta(days=6) <= row["day_on"] <= counted.last
    } | {(row["connection_id"], row["customer_id"]) for row in counted.open if row["customer_id"]}
    for desk, customer in active:
        found[f"{desk} {customer}"] = {name: said[desk, customer][name] for name in SAID} | summaries[desk, customer]
    return found


def service_levels(counted: Counted) -> dict[str, Row]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    targets: dict[str, set[int]] = defaultdict(set)
    for row in counted.rows["sla_outcomes"]:
        if row["started_at"] >= counted.since:
            key = f"{row['metric']} {row['policy']} {row['calendar'] or 'the clock'}"
            outcome = "at_risk" if row["is_at_risk"] else row["outcome"]
            found[key][f"{outcome}_count"] += 1
            targets[key].add(row["target_seconds"])
    outcomes = ("met", "missed", "overdue", "at_risk", "running", "paused", "cancelled", "unknown")
    result: dict[str, Row] = {}
    for key, counts in found.items():
        judged = counts["met_count"] + counts["missed_count"] + counts["overdue_count"] + counts["unknown_count"]
        share = counts["met_count"] / judged if judged else None
        result[key] = {f"{each}_count": counts[f"{each}_count"] for each in outcomes} | {
            "met_share": share,
            "target_seconds": min(targets[key]),
        }
    return result


def pressing(counted: Counted) -> dict[str, Row]:
    return {
        f"{row['connection_id']} {row['ticket_id']} {row['metric']} {row['turn_number']}": {"due_at": row["due_at"]}
        for row in counted.rows["sla_outcomes"]
        if row["outcome"] == "overdue" or row["is_at_risk"]
    }


CONNECTION = ("data_as_of", "ticket_count", "customer_count", "note_count", "history_since_at")


def connections(counted: Counted) -> dict[str, Row]:
    return {row["connection_id"]: {name: row[name] for name in CONNECTION} for row in counted.rows["connections"]}


HEALTH = ("read_through_at", "age_seconds", "failures_since_success_count", "unrepaired_gap_count")


def health(counted: Counted) -> dict[str, Row]:
    return {
        f"{row['connection_id']} {row['object_name']}": {name: row[name] for name in HEALTH}
        for row in counted.rows["sync_health"]
    }


def missing(counted: Counted) -> dict[str, Row]:
    return {
        f"{row['connection_id']} {row['metric']}": {
            name: row[name] for name in ("known_share", "known_count", "applicable_count")
        }
        for row in counted.rows["metric_availability"]
        if row["availability"] != "available"
    }


TABLES: dict[str, Any] = {
    "backlog": backlog,
    "flow": flow,
    **{f"bands {metric}": bands_of(metric) for metric in ("first_reply", "next_reply", "resolution")},
    **{f"statistics {metric}": statistics_of(metric) for metric in ("first_reply", "next_reply", "resolution")},
    "volume customer_count": volume_of("customer"),
    "volume reply_count": volume_of("agent"),
    "helpdesks": helpdesks,
    "categories": categories,
    "agents": agents,
    "customers": customers,
    "service_levels": service_levels,
    "pressing": pressing,
    "connections": connections,
    "health": health,
    "missing": missing,
}


def triage_shown(page: PageRead) -> dict[tuple[str, str | None], str]:
    return {(name, key): value for (mart, name, key), (value, _) in page.figures.items() if mart == "triage_candidates"}


def triage_counted(counted: Counted) -> dict[tuple[str, str | None], str]:
    """The score is the sum of its reasons, the wait is that of the ticket."""
    candidates = counted.rows["triage_candidates"]
    found: dict[tuple[str, str | None], str] = {("candidate_count", None): str(len(candidates))}
    for row in sorted(candidates, key=lambda row: row["place"])[:25]:
        key = f"{row['connection_id']} {row['ticket_id']}"
        ticket = counted.tickets[row["connection_id"], row["ticket_id"]]
        reasons = json.loads(row["reasons"]) if isinstance(row["reasons"], str) else row["reasons"]
        since = ticket["waiting_since_at"]
        found["score", key] = str(sum(each["weight"] for each in reasons))
        found["waiting_seconds", key] = as_text(whole_seconds(since, counted.as_of) if since else None)
        found["next_due_at", key] = as_text(row["next_due_at"])
    return found


@pytest.mark.slow
@pytest.mark.long
@on_postgres
def test_the_same_rows_make_the_same_page_on_any_warehouse(
    sandbox: Sandbox, warehouse: PostgresWarehouse, tmp_path: Any
) -> None:
    built = warehouse_in(tmp_path)
    page = built_page(sandbox, built, _environment(sandbox, built))
    rows: Tables = {mart: [*map(as_stored, query(built, f"select * from marts.{mart}"))] for mart in READ}
    make_marts(warehouse, rows, READ)
    publish(warehouse)
    with reading_published(warehouse) as ask:
        assert report_of(ask, "the warehouse", MADE_AT)[0] == page


def as_stored(row: Row) -> Row:
    """Lists and objects as JSON."""
    return {name: json.dumps(value) if isinstance(value, list | dict) else value for name, value in row.items()}


def _environment(sandbox: Sandbox, warehouse: DuckdbWarehouse) -> dict[str, str]:
    return {
        "SOURCES__UNIFIED__BASE_URL": sandbox.base_url,
        "SOURCES__UNIFIED__API_KEY": sandbox.api_key,
        "SOURCES__UNIFIED__STATE_DIR": str(warehouse.state_dir),
        "DESTINATION__DUCKDB__CREDENTIALS": str(warehouse.path),
    }
