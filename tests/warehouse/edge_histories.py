"""Tickets whose states were seen, and times that try calendars and service levels; each named for what it tries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.warehouse.edge_parts import OPENED_BY_AN_AGENT, Case, Rows, agent, at, customer, on, seen, stranger


def histories() -> Iterator[Case]:
    yield from _changes()
    yield from _what_is_hard_to_order()
    yield from _service_levels()
    for name, opened_at, replied_at in CALENDAR_TRAPS:
        yield name, {"created_at": on(opened_at), "updated_at": on(replied_at)}, [agent(on(replied_at))], []


def _closed(when: float, closed: float | None = None, **more: Any) -> dict[str, Any]:
    """Seen to be closed."""
    return seen(when, status="CLOSED", closed_at=None if closed is None else at(minutes=closed), **more)


def _changes() -> Iterator[Case]:
    yield "seen once", {}, [], [seen(5, changed=0)]
    yield "seen for the first time after two days", {}, [], [seen(3000, changed=2990, user_id=None), seen(3100)]
    yield "seen for the first time too late", {}, [], [seen(3000 + 1 / 60, changed=2990, user_id=None), seen(3100)]
    yield "seen late and unchanged", {}, [], [seen(9000, changed=at(milliseconds=900), user_id=None), seen(9100)]
    yield "seen late and changed at once", {}, [], [seen(9000, changed=at(seconds=1)), seen(9100)]
    yield "seen once, as a baseline", {}, [], [seen(5, changed=0, is_baseline=True)]
    yield (
        "reopened twice",
        {"status": "CLOSED", "closed_at": at(minutes=300)},
        [agent(55), customer(110), agent(170), customer(220), agent(290)],
        [seen(5, changed=0), _closed(61, 60), seen(121), _closed(181, 180), seen(241), _closed(301, 300)],
    )
    yield (
        "reopened and still open",
        {"closed_at": at(minutes=60)},
        [agent(50), customer(119)],
        [seen(5, changed=0), _closed(65, 60), seen(121, changed=120, closed_at=at(minutes=60))],
    )
    yield (
        "reopened, since a baseline",
        {},
        [agent(50)],
        [seen(5, changed=0, is_baseline=True), _closed(65, 60), seen(121)],
    )
    yield (
        "thanks, and a new question a week later",
        {},
        [agent(50), customer(62, "Thanks"), customer(10_142), agent(10_152)],
        [seen(5, changed=0), _closed(65, 62), seen(10_143), _closed(10_200, 10_160), seen(10_300)],
    )
    yield (
        "closed between two messages, twice",
        {},
        [customer(30), stranger(58), stranger(70), customer(200), customer(210)],
        [seen(5, changed=0), _closed(65, 60), seen(121), _closed(181, 180), seen(191)],
    )
    yield (
        "closed in the second of a message",
        {},
        [customer(60), customer(119), customer(180)],
        [seen(5, changed=0), _closed(65, 60), seen(121), _closed(181, 180), seen(191)],
    )
    yield (
        "closed before the answer",
        {},
        [agent(100), customer(130), customer(185)],
        [seen(5, changed=0), _closed(65, 60), seen(121), _closed(181, 180)],
    )
    yield (
        "closed between two agents, and closed now",
        {"status": "CLOSED", "closed_at": at(minutes=180)},
        [agent(30), agent(100, user_id="u-2"), agent(200)],
        [seen(5, changed=0), _closed(65, 60), seen(90), _closed(181, 180)],
    )
    yield (
        "first seen closed, reopened, closed again",
        {"status": "CLOSED", "closed_at": at(minutes=200)},
        [],
        [_closed(65, 60), seen(121), _closed(205, 200)],
    )
    yield "first seen closed, as a baseline", {}, [], [_closed(65, 60, is_baseline=True), seen(121)]
    yield "first seen closed at an unknown time", {}, [], [_closed(65, is_baseline=True), seen(121), _closed(130, 125)]
    yield (
        "reopened into a word that nobody knows",
        {"status": "PENDING"},
        [],
        [seen(5, changed=0), _closed(65, 60), seen(121, status="PENDING"), seen(130, status=None), seen(140)],
    )
    yield (
        "there and back",
        {},
        [],
        [seen(5, changed=0), seen(10, user_id="u-8"), seen(15), seen(20, user_id="u-8"), seen(25, user_id=" ")],
    )
    yield (
        "unassigned twice, and now",
        {"user_id": None},
        [],
        [
            seen(5, changed=0, user_id=None),
            seen(31, changed=30),
            seen(61, changed=60, user_id=None),
            seen(91, changed=90, user_id=None, priority="low"),
            seen(121, changed=120, user_id="u-8"),
            seen(181, changed=180, user_id=None),
        ],
    )
    yield (
        "unassigned while closed",
        {"user_id": None},
        [],
        [seen(5, changed=0, user_id=None), _closed(31, 30, user_id=None), seen(61, changed=60, user_id=None)],
    )
    yield (
        "several fields at once",
        {},
        [],
        [
            seen(5, changed=0, priority="low", category="Billing", tags=["b", "a"], raw_status="open"),
            _closed(
                50,
                40,
                user_id="u-8",
                priority="High",
                category_id="k-old",
                category="Before",
                tags=["c"],
                raw_status="solved",
            ),
        ],
    )
    yield (
        "the same in other words",
        {},
        [],
        [
            seen(5, changed=0, priority="Very High", tags=["b", "a"], category_id="k-old", status="active"),
            seen(15, priority="very-high ", tags=["a", "b", "a"], category_id="k-old", category="x", status="ACTIVE\n"),
            seen(25, priority="very_high", tags=["B", "\u00e9", "a"], category="k-old"),
            seen(35, priority="very_high", tags=["a", "\u00e9", "B"], category=" ", category_id="k-old"),
            seen(45, tags=[]),
            seen(55, tags=None),
        ],
    )
    yield (
        "vendor status, pending and on hold",
        {"raw": {"status": "solved"}},
        [],
        [
            seen(5, changed=0, raw_status="new"),
            seen(15, raw_status="Pending"),
            seen(25, raw_status="hold"),
            seen(35, raw_status="waiting for a colleague"),
            seen(45, raw_status="open"),
            seen(55, raw_status="solved", is_baseline=True),
            seen(65, raw_status="parked", raw_state="open"),
            seen(75, raw_status="of no use", raw_state="Snoozed"),
        ],
    )
    yield (
        "vendor status in numbers",
        {"raw": {"state": 3}},
        [],
        [seen(5, changed=0, raw_state="1"), seen(15, raw_state="2"), seen(25, raw_state="3"), seen(35, raw_status="3")],
    )
    yield (
        "raw was asked for later",
        {},
        [],
        [seen(5, changed=0), seen(15, changed=0, raw_status="pending", is_baseline=True), seen(25, raw_status="open")],
    )
    yield (
        "states of a deleted ticket",
        {"_deleted_at": at(days=1), "_deletion_reason": "not_found", "user_id": None},
        [agent(4)],
        [seen(5, changed=0, user_id=None), _closed(65, 60), seen(121)],
    )
    yield "due date only", {}, [], [seen(5, changed=0), seen(15, due_at=at(days=4)), seen(25, customer_id="c-bob")]


def _what_is_hard_to_order() -> Iterator[Case]:
    yield (
        "equal updates",
        {},
        [],
        [seen(5, changed=0), seen(15, changed=0, user_id="u-8"), seen(10, changed=0, user_id="u-9")],
    )
    yield (
        "equal updates and sights",
        {},
        [],
        [
            seen(5, changed=0, state_hash="b", priority="b"),
            seen(5, changed=0, state_hash="C", priority="c"),
            seen(5, changed=0, state_hash="a", priority="a"),
        ],
    )
    yield "an update that does not move", {}, [], [seen(65, changed=0), seen(200, changed=0, user_id="u-8")]
    yield (
        "no updates at all",
        {},
        [],
        [seen(65, user_id="u-7") | {"updated_at": None}, seen(200, user_id="u-8") | {"updated_at": None}],
    )
    yield (
        "updates now and then",
        {},
        [],
        [
            seen(5, changed=0),
            seen(65, user_id="u-8") | {"updated_at": None},
            seen(200, changed=190),
            seen(210, user_id="u-8"),
        ],
    )
    yield (
        "an update of the future",
        {},
        [],
        [seen(5, changed=0), seen(65, changed=600, user_id="u-8"), seen(605, changed=601)],
    )
    yield "late, before the last sight", {}, [], [seen(65, changed=60), seen(130, changed=62, user_id="u-8")]
    yield "late, and a walk between", {}, [], [seen(65, changed=60), seen(250, changed=62, user_id="u-8")]
    yield "a walk before the change", {}, [], [seen(30, changed=0), seen(190, changed=185, user_id="u-8")]
    yield "a walk in the second of the change", {}, [], [seen(30, changed=0), seen(190, changed=120, user_id="u-8")]
    yield "a walk after the change", {}, [], [seen(30, changed=0), seen(190, changed=119, user_id="u-8")]
    yield (
        "a walk in the second of a sight",
        {},
        [],
        [seen(120, changed=0), seen(190, changed=185, user_id="u-8")],
    )
    yield (
        "a walk in the second in which it was seen",
        {},
        [],
        [seen(30, changed=0), seen(180, changed=150, user_id="u-8")],
    )
    yield "one walk only", {}, [], [seen(30, changed=0), seen(110, changed=105, user_id="u-8")]
    yield "a walk long ago", {}, [], [seen(4_000, changed=3_990), seen(4_100, changed=4_050, user_id="u-8")]
    yield (
        "closed before the last sight",
        {"status": "CLOSED", "closed_at": at(minutes=50)},
        [],
        [seen(65, changed=40), _closed(130, 50)],
    )
    yield (
        "closed in the second of the last sight",
        {"status": "CLOSED", "closed_at": at(minutes=65)},
        [],
        [seen(65, changed=40), _closed(130, 65, changed=70)],
    )
    yield (
        "closed after it was seen closed",
        {"status": "CLOSED", "closed_at": at(minutes=140)},
        [],
        [seen(65, changed=40), _closed(130, 140, changed=129)],
    )
    yield (
        "closed, and the update is later",
        {"status": "CLOSED", "closed_at": at(minutes=100)},
        [],
        [seen(65, changed=40), _closed(130, 100, changed=120, user_id="u-8"), _closed(140, 100, changed=135)],
    )
    yield (
        "never before an earlier change",
        {},
        [],
        [
            seen(5, changed=0),
            seen(70, changed=0, user_id="u-8"),
            seen(80, changed=30),
            seen(90, changed=75, user_id="u-8"),
        ],
    )
    yield (
        "never before an earlier state without a change",
        {},
        [],
        [seen(5, changed=0), seen(70, changed=0, due_at=at(days=5)), seen(80, changed=30, user_id="u-8")],
    )
    yield (
        "seen in the other order",
        {},
        [],
        [seen(5, changed=0), seen(120, changed=0, user_id="u-8"), seen(90, changed=60), seen(130, user_id="u-8")],
    )
    yield (
        "opened later than its first change",
        {"created_at": at(minutes=100)},
        [],
        [seen(5, changed=0), seen(65, user_id="u-8"), seen(125)],
    )
    yield "history of a ticket without a time", {"created_at": None}, [], [seen(5, changed=0), _closed(65, 60)]
    yield (
        "fractions of a second",
        {},
        [],
        [
            seen(at(minutes=5, milliseconds=900), changed=0),
            seen(at(minutes=6, milliseconds=100), changed=5.5, user_id="u-8"),
        ],
    )


def _service_levels() -> Iterator[Case]:
    urgent = {"priority": "Urgent"}
    last_friday, last_sunday = on("2026-05-29 12:00"), on("2026-05-31 23:00")
    yield "urgent, answered in time", urgent, [agent(60)], []
    yield "urgent, answered a second late", urgent, [agent(60 + 1 / 60)], []
    yield "urgent, closed in time", {**urgent, "status": "CLOSED", "closed_at": at(minutes=59)}, [], []
    yield "urgent, closed too late", {**urgent, "status": "CLOSED", "closed_at": at(minutes=61)}, [], []
    yield "urgent, running", {**urgent, "created_at": last_sunday, "updated_at": last_sunday}, [], []
    yield "urgent, not yet at risk", {**urgent, "created_at": on("2026-05-31 23:15:01")}, [], []
    yield "urgent, just at risk", {**urgent, "created_at": on("2026-05-31 23:15:00")}, [], []
    yield "urgent, and somebody unknown wrote", urgent, [stranger(10)], []
    yield "urgent, and a question without a time", urgent, [agent(10), {**customer(20), "created_at": None}], []
    yield (
        "urgent, closed and reopened before the customer wrote",
        {**urgent, "status": "CLOSED", "closed_at": at(minutes=660)},
        [agent(60), customer(600)],
        [seen(5, changed=0), _closed(121, 120), seen(181, changed=180), _closed(661, 660)],
    )
    yield "next reply, and no state told", {}, [agent(5), customer(20), agent(40)], [seen(10, changed=0)]
    yield "usual, at risk over the weekend", {"created_at": last_friday, "updated_at": last_friday}, [], []
    yield "usual, running over the weekend", {"created_at": on("2026-05-29 12:00:01")}, [], []
    yield "gold by a tag", {"tags": ["Gold"]}, [agent(45)], []
    yield "gold and urgent", {**urgent, "tags": ["gold"]}, [agent(45)], []
    yield "billing by the category's name", {"category_id": "k-billing"}, [agent(10)], []
    yield "billing by the ticket's own text", {"category": "BILLING"}, [agent(11)], []
    yield "the day before it counts", {"created_at": on("2026-03-03 23:59:59")}, [agent(on("2026-03-04 08:00"))], []
    yield "the day from which it counts", {"created_at": on("2026-03-04 00:00")}, [agent(on("2026-03-04 08:00"))], []
    yield (
        "next replies, paused and not",
        {},
        [agent(5), customer(20), agent(40), customer(60), agent(65), customer(100), agent(110)],
        [
            seen(10, changed=0, raw_status="open"),
            seen(31, changed=25, raw_status="pending"),
            seen(41, changed=38, raw_status="open"),
            seen(104, changed=102, raw_status="hold"),
            seen(108, changed=107, raw_status="open"),
        ],
    )
    yield (
        "next reply, paused now",
        {},
        [agent(5), customer(20)],
        [seen(10, changed=0, raw_status="open"), seen(30, changed=22, raw_status="pending")],
    )
    yield (
        "next reply, overdue and then paused",
        {},
        [agent(5), customer(20)],
        [seen(10, changed=0, raw_status="open"), seen(30, changed=27, raw_status="hold")],
    )
    yield (
        "next reply, paused since before it was known",
        {},
        [agent(5), customer(20), agent(50)],
        [seen(21, changed=0, raw_status="pending", is_baseline=True), seen(46, changed=45, raw_status="open")],
    )
    yield (
        "paused when the target was just reached",
        {},
        [agent(5), customer(20)],
        [seen(10, changed=0, raw_status="open"), seen(30, changed=25, raw_status="pending")],
    )
    yield (
        "resolution, paused twice",
        {"status": "CLOSED", "closed_at": on("2026-03-05 12:00")},
        [agent(30), customer(90), agent(120), customer(on("2026-03-04 09:00")), agent(on("2026-03-05 11:00"))],
        [],
    )
    yield (
        "resolution, pauses that overlap",
        {"status": "CLOSED", "closed_at": on("2026-03-04 15:00")},
        [agent(60), customer(300)],
        [
            seen(30, changed=0, raw_status="open"),
            seen(121, changed=120, raw_status="pending"),
            seen(361, changed=360, raw_status="open"),
            _closed(3300, 3240, raw_status="solved"),
        ],
    )
    yield (
        "resolution, solved while pending",
        {"status": "CLOSED", "closed_at": at(minutes=240)},
        [],
        [
            seen(30, changed=0, raw_status="open"),
            seen(121, changed=120, raw_status="pending"),
            _closed(245, 240, raw_status="solved"),
        ],
    )
    yield "resolution, closed while we wait", {"status": "CLOSED", "closed_at": at(minutes=240)}, [agent(120)], []
    yield "resolution, answered by closing", {"status": "CLOSED", "closed_at": at(minutes=120)}, [agent(120)], []
    yield "resolution, waiting for the customer", urgent, [agent(120)], []
    yield (
        "resolution by the clock, reopened",
        {"tags": ["Plain clock"], "status": "CLOSED", "closed_at": at(minutes=90)},
        [agent(10)],
        [seen(5, changed=0), _closed(30, 29), seen(61, changed=59), _closed(91, 90)],
    )
    yield "resolution without a pause", {"tags": ["No Pause"], "created_at": on("2026-05-01 00:00")}, [], []
    yield (
        "agent opened, resolution from the customer's first turn",
        {"raw": OPENED_BY_AN_AGENT, "status": "CLOSED", "closed_at": at(minutes=300)},
        [customer(60), stranger(70), agent(100)],
        [],
    )
    yield (
        "reopened, of a key customer",
        {"customer_id": "c-key"},
        [customer(9)],
        [seen(5, changed=0), _closed(65, 60), seen(121)],
    )


CALENDAR_TRAPS = [
    ("over midnight by two seconds", "2026-03-10 22:59:59", "2026-03-10 23:00:01"),
    ("over a weekend", "2026-03-06 14:30:00", "2026-03-09 07:30:00"),
    ("over a lunch", "2026-03-10 10:20:00", "2026-03-10 11:20:00"),
    ("within a lunch", "2026-03-10 10:35:00", "2026-03-10 11:05:00"),
    ("over the end of daylight saving", "2025-10-24 13:00:00", "2025-10-27 08:00:00"),
    ("over the end of daylight saving elsewhere", "2025-10-31 19:00:00", "2025-11-03 13:00:00"),
    ("over the beginning of daylight saving", "2026-03-27 14:00:00", "2026-03-30 07:00:00"),
    ("over the beginning of daylight saving elsewhere", "2026-03-06 20:00:00", "2026-03-09 12:00:00"),
    ("over a leap day", "2024-02-28 14:30:00", "2024-03-01 07:30:00"),
    ("over New Year", "2025-12-31 14:00:00", "2026-01-02 08:00:00"),
    ("over Christmas", "2025-12-23 14:00:00", "2025-12-29 07:30:00"),
    ("over Good Friday", "2026-04-02 13:00:00", "2026-04-07 07:00:00"),
    ("over a Sunday that is open", "2026-03-07 12:00:00", "2026-03-09 07:00:00"),
    ("over a short Wednesday", "2026-03-03 19:30:00", "2026-03-05 12:30:00"),
    ("in half seconds", "2026-03-10 09:00:00.900000", "2026-03-10 09:00:03.100000"),
    ("over three years", "2023-01-02 00:00:00", "2026-01-02 00:00:00"),
]
"""When each was opened and answered, UTC."""


def night_traps() -> Iterator[Case]:
    """For a desk that works from 22:00 to 06:00, Europe/Oslo; without daylight saving from 21:00 to 05:00 UTC."""
    for name, opened_at, replied_at in (
        ("a night", "2026-03-10 20:00:00", "2026-03-11 12:00:00"),
        ("a night in which the clock goes back", "2025-10-25 21:00:00", "2025-10-26 06:00:00"),
        ("a night in which the clock goes forward", "2026-03-28 21:30:00", "2026-03-29 05:00:00"),
        ("a night before a night off", "2026-03-06 20:00:00", "2026-03-08 12:00:00"),
        ("two nights, asked twice", "2026-03-10 20:00:00", "2026-03-12 03:00:00"),
    ):
        notes = [agent(on(replied_at))]
        if name == "two nights, asked twice":
            notes = [agent(on("2026-03-10 22:00:00")), customer(on("2026-03-11 02:00:00")), *notes]
        yield name, {"created_at": on(opened_at)}, notes, []


def far_traps() -> Iterator[Case]:
    """Of a desk that works on Sundays from 01:00 to 02:15 and 02:30 to 04:00, Europe/Oslo; and beyond its calendar."""
    for name, opened_at, replied_at in (
        ("times that come twice", "2025-10-25 22:00:00", "2025-10-26 04:00:00"),
        ("times that are left out", "2026-03-28 22:00:00", "2026-03-29 04:00:00"),
        ("before the calendar", "1985-05-05 10:00:00", "1989-12-01 10:00:00"),
        ("into the calendar", "1989-12-01 10:00:00", "1990-02-01 10:00:00"),
    ):
        yield name, {"created_at": on(opened_at)}, [agent(on(replied_at))], []
    yield "out of the calendar", {"status": "CLOSED", "closed_at": on("2101-01-01 10:00:00")}, [agent(7)], []


def unread() -> Iterator[Case]:
    """Of a desk whose notes were never read; but one of them came by itself."""
    closed: dict[str, Any] = {"status": "CLOSED", "closed_at": at(minutes=90)}
    pending: Rows = [
        seen(10, changed=0, raw_status="2"),
        seen(31, changed=30, raw_status="3"),
        seen(61, changed=60, raw_status="2"),
    ]
    yield "never read", {}, [], []
    yield "never read, opened by an agent", {"raw": {"source": 10}}, [], []
    yield "never read, closed", closed, [], [*pending, _closed(95, 90, raw_status="5")]
    yield "never read, pending", {"raw": {"status": 3}}, [], pending[:2]
    yield "never read, spam", {"raw": {"spam": True}}, [], []
    yield "never read, deleted", {"_deleted_at": at(days=1), "_deletion_reason": "absent"}, [], []
    yield "never read, but a note is there", {}, [agent(30)], []
    yield "never read, but a deleted note is there", {}, [agent(30, _deleted_at=at(days=1))], []


def per_ticket() -> Iterator[Case]:
    """Of a desk whose notes are listed by ticket; `SWEEPS` says which tickets were looked at."""
    yield "swept, no notes", {}, [], []
    yield "swept", {}, [agent(600), customer(660)], []
    yield "swept in vain", {}, [], []
    yield "not swept", {"raw": {"state": "3"}}, [], []
    yield "not swept, but a note is there", {}, [agent(600)], []
    yield "swept, gone", {"_deleted_at": at(days=1), "_deletion_reason": "not_found"}, [], []
    yield (
        "held for a while",
        {},
        [agent(600)],
        [
            seen(10, changed=0, raw_state="2"),
            seen(790, changed=780, raw_state="3"),
            seen(1000, changed=990, raw_state="2"),
        ],
    )
    yield from night_traps()


SWEEPS = {"swept, no notes": 0, "swept": 2, "swept in vain": None, "swept, gone": 0, "not at this desk": 3}
"""How many notes each ticket had."""
