"""A user's own decisions for the golden run, unlike those shipped: seeds, variables and clock."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.warehouse.edge_categories import LEVELS
from tests.warehouse.edge_parts import AS_OF, DESK, FAR_DESK, OTHER_DESK, PER_TICKET_DESK, UNREAD_DESK
from tests.warehouse.golden_settings import Settings
from tests.warehouse.raw_warehouse import PROJECT

SEED_COLUMNS = {
    "raw_signs": "object integration_type path value sign meaning place",
    "business_calendars": "calendar time_zone",
    "business_hours": "calendar weekday opens_at closes_at",
    "business_holidays": "calendar holiday_on opens_at closes_at holiday_name",
    "connection_calendars": "connection_id calendar",
    "sla_policies": (
        "policy place metric connection_id priority tag category customer_id target_minutes calendar pauses_on "
        "valid_from"
    ),
    "triage_weights": "reason weight",
    "customer_tiers": "tier place tag customer_id connection_id",
}

OWN_SIGNS = [
    # A flag of the user's own, in words that are written in other ways.
    ("note", None, "flags.who_sees", "Only Us", "visibility", "internal", 1),
    ("note", None, "flags.who_sees", "everybody", "visibility", "public", 2),
    ("note", None, "sent_by", "out_of_office*", "automatic", "true", 1),
    ("note", "intercom", "sent_by", "operator", "author_role", "bot", 1),
    ("note", "zendesk", "sent_by", "operator", "author_role", "agent", 1),
    ("ticket", None, "form", "Phone Call", "author_role", "customer", 3),
    ("ticket", None, "form", "Letter of ours", "author_role", "agent", 3),
    ("tag", None, None, "spam*", "kind", "spam", 4),
    ("tag", "zendesk", None, "we wrote first", "kind", "outbound", 5),
    ("ticket", None, "status", "parked", "vendor_status", "hold", 1),
    ("ticket", None, "verdict.stars", "*", "satisfaction", None, 3),
    ("ticket", None, "verdict.word", "Fine*", "satisfaction", "roughly so", 3),
    ("ticket", None, "verdict.word", "fine", "satisfaction", "just so", 3),
]

CALENDARS = {
    "oslo": "Europe/Oslo",
    "newfoundland": "America/St_Johns",
    "night": "Europe/Oslo",
    "always": "UTC",
    "small hours": "Europe/Oslo",
}
HOURS = [
    ("oslo", range(1, 6), [("08:00", "11:30"), ("12:15", "16:00")]),
    ("oslo", [6], [("10:00", "14:00")]),
    ("newfoundland", range(1, 6), [("08:30", "12:00"), ("13:00", "17:30")]),
    ("night", range(1, 8), [("00:00", "06:00"), ("22:00", "24:00")]),
    ("always", range(1, 8), [("00:00", "24:00")]),
    ("small hours", [7], [("01:00", "02:15"), ("02:30", "04:00")]),
]
HOLIDAYS = [
    ("oslo", "2025-12-24", "08:00", "12:00", "Christmas Eve"),
    ("oslo", "2025-12-25", None, None, "Christmas Day"),
    ("oslo", "2025-12-26", None, None, "Boxing Day"),
    ("oslo", "2026-01-01", None, None, "New Year"),
    ("oslo", "2026-03-08", "09:00", "10:30", "A Sunday that is open"),
    ("oslo", "2026-04-03", None, None, "Good Friday"),
    ("newfoundland", "2026-03-16", None, None, "Saint Patrick"),
    ("newfoundland", "2026-03-04", "10:00", "11:00", "A short Wednesday"),
    ("night", "2026-03-07", None, None, "A night off"),
    ("always", "2026-05-01", None, None, "May Day"),
]
CONNECTION_CALENDARS = [
    (None, "oslo"),
    (OTHER_DESK, "newfoundland"),
    (PER_TICKET_DESK, "night"),
    (UNREAD_DESK, "always"),
    (FAR_DESK, "small hours"),
]

POLICIES: list[dict[str, Any]] = [
    {"policy": "urgent", "place": 1, "metric": "first_reply", "priority": "urgent", "target_minutes": 60},
    {"policy": "gold", "place": 2, "metric": "first_reply", "tag": "GOLD", "target_minutes": 30, "calendar": "oslo"},
    {"policy": "bob", "place": 3, "metric": "first_reply", "customer_id": "c-bob", "target_minutes": 300,
     "calendar": "night"},
    {"policy": "billing", "place": 4, "metric": "first_reply", "category": " billing", "target_minutes": 10},
    {"policy": "old", "place": 4, "metric": "first_reply", "category": "k-old", "target_minutes": 20,
     "connection_id": DESK},
    {"policy": "usual", "place": 9, "metric": "first_reply", "connection_id": DESK, "target_minutes": 8,
     "calendar": "oslo", "valid_from": "2000-01-01"},
    {"policy": "usual since March", "place": 9, "metric": "first_reply", "connection_id": DESK, "target_minutes": 480,
     "calendar": "oslo", "valid_from": "2026-03-04"},
    {"policy": "a", "place": 9, "metric": "first_reply", "connection_id": OTHER_DESK, "target_minutes": 90,
     "calendar": "newfoundland", "valid_from": "2000-01-01"},
    {"policy": "a", "place": 9, "metric": "first_reply", "connection_id": OTHER_DESK, "target_minutes": 95,
     "valid_from": "2000-01-01"},
    {"policy": "b", "place": 9, "metric": "first_reply", "connection_id": OTHER_DESK, "target_minutes": 9,
     "valid_from": "2000-01-01"},
    {"policy": "next", "place": 5, "metric": "next_reply", "target_minutes": 5,
     "pauses_on": "hold pending"},
    {"policy": "next, by night", "place": 1, "metric": "next_reply", "connection_id": PER_TICKET_DESK,
     "target_minutes": 120, "calendar": "night", "pauses_on": "waiting_on_customer"},
    {"policy": "solved in time", "place": 5, "metric": "resolution", "connection_id": DESK, "target_minutes": 1200,
     "calendar": "oslo", "pauses_on": "waiting_on_customer pending hold"},
    {"policy": "solved on the wall", "place": 3, "metric": "resolution", "priority": "urgent",
     "target_minutes": 2880, "pauses_on": "waiting_on_customer"},
    {"policy": "solved without a pause", "place": 2, "metric": "resolution", "tag": "no pause",
     "target_minutes": 600, "calendar": "always"},
    {"policy": "solved by the clock", "place": 1, "metric": "resolution", "tag": "plain clock", "target_minutes": 600},
    {"policy": "solved but for pending", "place": 6, "metric": "resolution", "connection_id": OTHER_DESK,
     "target_minutes": 130_000, "pauses_on": "pending"},
    {"policy": "held", "place": 7, "metric": "resolution", "connection_id": PER_TICKET_DESK,
     "target_minutes": 600, "calendar": "night", "pauses_on": "hold"},
    {"policy": "unread", "place": 7, "metric": "resolution", "connection_id": UNREAD_DESK,
     "target_minutes": 70, "pauses_on": "waiting_on_customer pending"},
]  # fmt: skip

WEIGHTS = {
    "sla_breached": 40,
    "sla_at_risk": 35,
    "waiting_long": 10,
    "vip": 20,
    "reopened": 10,
    "unassigned": 7,
    "no_category": 0,
}

TIERS = [
    ("gold", 5, "Key account", None, None),
    ("of no use", 6, "other", None, None),
    ("bob's own", 3, None, "c-bob", None),
    ("bob of desk 2", 2, None, "c-bob", OTHER_DESK),
    ("bob by a tag that he lacks", 1, "other", "c-bob", DESK),
    ("key by a tag", 4, "OTHER", "c-key", DESK),
    ("by night", 7, None, None, PER_TICKET_DESK),
    ("by night", 5, "x", None, PER_TICKET_DESK),
    ("a tie, by its name", 5, "x", "c-ann", None),
]

VARIABLES: dict[str, Any] = {
    "reporting_timezone": "Pacific/Auckland",
    "tickets_per_batch": 100,
    "settle_seconds": 600,
    "history_gap_seconds": 180_000,
    "sla_at_risk_share": 0.75,
    "triage_waiting_seconds": 7_000_000,
    "vip_tags": ["gold", "Key account"],
    "answer_limits_seconds": [0, 240, 300, 600, 86_400, 2_140_000],
    "customer_trend_days": 45,
    "category_levels": LEVELS,
    "sync_stale_seconds": 7200,
    "sync_failing_runs": 2,
    "sync_recent_days": 3,
}


def settings(**variables: Any) -> Settings:
    """Those of the golden run; further variables may be given."""
    seeds = {
        "raw_signs": [*shipped("raw_signs"), *_rows("raw_signs", OWN_SIGNS)],
        "business_calendars": _rows("business_calendars", CALENDARS.items()),
        "business_hours": _rows(
            "business_hours",
            [
                (calendar, weekday, opens, closes)
                for calendar, weekdays, spans in HOURS
                for weekday in weekdays
                for opens, closes in spans
            ],
        ),
        "business_holidays": _rows("business_holidays", HOLIDAYS),
        "connection_calendars": _rows("connection_calendars", CONNECTION_CALENDARS),
        "sla_policies": [_row("sla_policies", policy) for policy in POLICIES],
        "triage_weights": _rows("triage_weights", WEIGHTS.items()),
        "customer_tiers": _rows("customer_tiers", TIERS),
    }
    return Settings(seeds, {**VARIABLES, **variables}, AS_OF)


def shipped(seed: str) -> list[dict[str, Any]]:
    """The rows of a seed as the project brings it."""
    with (PROJECT / "seeds" / f"{seed}.csv").open(encoding="utf-8", newline="") as file:
        return [{name: value or None for name, value in row.items()} for row in csv.DictReader(file)]


def _rows(seed: str, rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    columns = SEED_COLUMNS[seed].split()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _row(seed: str, told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told.get(name) for name in SEED_COLUMNS[seed].split()}


def write_seeds(given: Settings, project: Path) -> None:
    """Into a copy of the project, in place of those shipped, as spreadsheets leave such files: with a byte order mark,
    blanks around what is written, the word null in every other row where nothing is, and a row of blanks and an empty
    line at the end."""
    for seed, rows in given.seeds.items():
        columns = SEED_COLUMNS[seed].split()
        with (project / "seeds" / f"{seed}.csv").open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            for number, row in enumerate(rows):
                nothing = ("", "NULL")[number % 2]
                writer.writerow(f" {nothing if row.get(name) is None else row[name]} " for name in columns)
            writer.writerows([[" " for _ in columns], []])
