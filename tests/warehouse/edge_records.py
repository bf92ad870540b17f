"""Records that try the models: one hand-picked ticket for each trap, and as many drawn at random as one likes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

DAY = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DESK = "desk-1"
OTHER_DESK = "desk-2"

Rows = list[dict[str, Any]]

CONNECTIONS: Rows = [
    {"id": DESK, "integration_type": "zendesk", "integration_name": "Zendesk"},
    {"id": OTHER_DESK, "integration_type": "intercom", "integration_name": "Intercom"},
]
CUSTOMERS: Rows = [
    {
        "connection_id": DESK,
        "id": "c-ann",
        "name": "Ann\n",
        "created_at": DAY,
        "emails": [{"email": "ann@example.com", "type": "WORK"}, {"email": "ann@home.example", "type": "HOME"}],
    },
    {
        "connection_id": DESK,
        "id": "c-bob",
        "name": " ",
        "emails": [{"type": "WORK"}, {"email": "\t"}, {"email": " bob@example.com"}],
        "telephones": [{"telephone": None}, {"telephone": "+47 1", "type": "WORK"}, {"telephone": "+47 2"}],
    },
    {"connection_id": DESK, "id": "c-gone", "name": "Gone", "_deleted_at": DAY, "_deletion_reason": "not_found"},
    {"connection_id": DESK, "id": "c-silent", "name": "Never asked", "emails": []},
    {
        "connection_id": OTHER_DESK,
        "id": "c-ann",
        "name": "Another Ann",
        "telephones": [{"telephone": {"of": "no use"}}, {"telephone": "+1"}],
    },
    {"connection_id": OTHER_DESK, "id": "c-gone", "name": "Not gone here"},
]
CATEGORIES: Rows = [
    {"connection_id": DESK, "id": "k-billing", "name": "Billing"},
    {"connection_id": DESK, "id": "k-twin-1", "name": "Twin"},
    {"connection_id": DESK, "id": "k-twin-2", "name": "twin"},
    {"connection_id": DESK, "id": "k-old", "name": "Before", "_deleted_at": DAY},
    {"connection_id": DESK, "id": "k-bare", "name": " "},
    {"connection_id": DESK, "id": "k-accent", "name": "\u00c4rger"},
    {"connection_id": OTHER_DESK, "id": "k-billing", "name": "Invoices"},
    {"connection_id": OTHER_DESK, "id": "k-gone", "name": "Not gone here"},
    {"connection_id": OTHER_DESK, "id": "k-twin-1", "name": "Twin"},
    {"connection_id": OTHER_DESK, "id": "k-old", "name": "Before"},
]
SYNC_RUNS: Rows = [
    {
        "run_id": "r-1",
        "connection_id": DESK,
        "object": "tickets",
        "integration_type": "zendesk",
        "plan": "updated_gte",
        "started_at": DAY,
        "ended_at": DAY + timedelta(seconds=9),
        "requests": 3,
        "rows_received": 205,
        "retries": 1,
        "seconds_waited": 2.25,
        "cursor_before": DAY - timedelta(days=1),
        "cursor_after": DAY,
        "is_complete": True,
        "error": "\n",
        "command": "reconcile",
        "rows_rejected": 2,
        "rows_repaired": 1,
        "rows_deleted": 4,
    }
]


def at(**offset: float) -> datetime:
    return DAY + timedelta(**offset)


def hand_picked() -> dict[str, Rows]:
    """Each ticket's id says what it tries; the other desk has tickets and notes of the same ids, with the contents of
    the next case, so that what is joined without the connection's id is seen."""
    cases = list(_cases())
    tickets, notes = [], []
    for place, (name, ticket, ticket_notes) in enumerate(cases):
        tickets.append(_ticket(name, DESK, ticket))
        notes.extend(_notes(name, DESK, ticket_notes))
        _, other_ticket, other_notes = cases[(place + 1) % len(cases)]
        tickets.append(_ticket(name, OTHER_DESK, {**other_ticket, "connection_id": OTHER_DESK}))
        notes.extend(_notes(name, OTHER_DESK, other_notes))
    return {
        "connections": CONNECTIONS,
        "customers": CUSTOMERS,
        "categories": CATEGORIES,
        "sync_runs": SYNC_RUNS,
        "tickets": tickets,
        "notes": [*notes, {"connection_id": DESK, "id": "orphan", "ticket_id": "not-there", "created_at": DAY}],
    }


def _ticket(name: str, desk: str, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "connection_id": desk,
        "id": name,
        "subject": f"{name}\t",
        "description": "It does not work",
        "status": "ACTIVE",
        "customer_id": "c-ann",
        "user_id": f"u-owner-{desk}",
        "source": "Web Form",
        "url": f"https://{desk}.example/{name.replace(' ', '-')}",
        "tags": [desk, "vip"],
        "created_at": DAY,
        "updated_at": at(hours=5),
        "due_at": at(days=3),
        **more,
    }


def _notes(name: str, desk: str, notes: Rows) -> Rows:
    return [
        {"connection_id": desk, "id": f"{name}-{number}", "ticket_id": name, **note}
        for number, note in enumerate(notes, 1)
    ]


def _agent(minutes: float, text: str | None = "We are looking", **more: Any) -> dict[str, Any]:
    return {"user_id": "u-1", "customer_id": "c-ann", "created_at": at(minutes=minutes), "description": text, **more}


def _customer(minutes: float, text: str | None = "And now?", **more: Any) -> dict[str, Any]:
    return {"customer_id": "c-ann", "created_at": at(minutes=minutes), "description": text, **more}


NOBODY = {"user_id": None, "customer_id": None}


def _cases() -> Iterator[tuple[str, dict[str, Any], Rows]]:
    same = "<p>It does  not</p><p>work</p>".replace("</p><p>", " ")
    yield "no notes", {}, []
    yield "only agent notes", {}, [_agent(5), _agent(9)]
    yield "three customer messages in a row", {}, [_customer(1), _customer(2), _customer(3), _agent(60)]
    yield "turn is ours since the first of two", {}, [_agent(5), _customer(6), _customer(7)]
    yield (
        "opened by an agent, zendesk",
        {"raw": {"submitter_id": 5, "requester_id": 6}},
        [_agent(1), _customer(9), _agent(12)],
    )
    yield "opened by the customer, zendesk", {"raw": {"submitter_id": 6, "requester_id": 6}}, [_agent(1)]
    yield "opened by an agent, intercom", {"raw": {"source": {"author": {"type": "admin", "id": "77"}}}}, [_customer(3)]
    yield (
        "opened by a bot, intercom",
        {"raw": {"source": {"author": {"type": "bot", "id": "b"}}}},
        [_agent(1), _customer(3)],
    )
    yield "opened by an agent, freshdesk", {"raw": {"source": 10}}, []
    yield "opened by mail, freshdesk", {"raw": {"source": 1}}, [_agent(2)]
    yield "opened by phone, freshdesk", {"raw": {"source": 3}}, [_agent(2)]
    yield "opened by an agent, text", {"raw": {"opened_by": "aa", "caller_id": "bb"}}, [_agent(2)]
    yield (
        "opened by an agent, servicenow",
        {"raw": {"opened_by": {"value": "a"}, "caller_id": {"value": "b"}}},
        [_agent(2)],
    )
    yield "a link without a value, servicenow", {"raw": {"opened_by": {"value": ""}, "caller_id": {"value": "b"}}}, []
    yield "note before its ticket, customer", {}, [_customer(-10), _agent(-5), _agent(5)]
    yield (
        "conversation older than its ticket",
        {},
        [_customer(-60), _agent(-50), _customer(-34), _agent(-17)],
    )
    yield "agent's ticket of an older conversation", {"raw": {"source": 10}}, [_customer(-60), _agent(-50)]
    yield "same second, fractions above", {"created_at": at(milliseconds=500)}, [_agent(0)]
    yield (
        "same second, agent opened",
        {"raw": {"source": 10}},
        [{**_customer(5), "created_at": at(minutes=5, milliseconds=400)}, _agent(5)],
    )
    yield "same second as an agent's opening", {"raw": {"source": 10}}, [_customer(0)]
    yield "note before its ticket, agent", {}, [_agent(-0.1)]
    yield "equal times", {}, [_agent(0), _customer(0), _agent(0, "Second")]
    yield "equal times later", {"raw": {"source": 10}}, [_agent(5), _customer(5)]
    yield "repeat within a minute by the agent", {}, [_agent(1, same), _customer(4), _agent(5)]
    yield "repeat after a minute by the agent", {}, [_agent(1.02, same)]
    yield "repeat within five minutes by the customer", {}, [_customer(5, same), _agent(6)]
    yield "repeat after five minutes by the customer", {}, [_customer(5.02, same), _agent(6)]
    yield "repeat a minute before", {}, [_agent(-1, same), _customer(3)]
    yield "repeat by nobody known", {}, [{"created_at": at(seconds=30), "description": "it does not WORK"}, _agent(6)]
    yield "repeat by a bot", {}, [_agent(0, same, raw={"author": {"type": "bot"}}), _agent(6)]
    yield "internal repeat", {}, [_agent(0, same, raw={"public": False}), _customer(6)]
    yield "internal repeat by nobody known", {}, [{**_agent(0, same, raw={"public": False}), **NOBODY}, _agent(6)]
    yield "internal repeat by the customer", {}, [_customer(0, same, raw={"private": True}), _agent(6)]
    yield (
        "repeat in other signs",
        {"description": "Caf\u00e9 10\u202f000\u2007kr\u2009\u00a0a"},
        [_customer(1, "Cafe\u0301 10 000 kr a"), _agent(6)],
    )
    yield "no repeat, but the next one's note has this text", {}, [_agent(9)]
    yield "repeat of another ticket's text", {"description": "Another matter"}, [_customer(1, same), _agent(6)]
    yield "repeat is not the earliest", {}, [_customer(0.1), _customer(0.2, same)]
    yield "two repeats", {}, [_customer(0, same), _customer(0, same)]
    yield "repeat and a greeting at once", {}, [_customer(0, "Hello"), _customer(0, same)]
    yield (
        "repeat unlike what raw shows",
        {"raw": {"submitter_id": 5, "requester_id": 6}},
        [_customer(0, same), _agent(4)],
    )
    yield "blank description, customer's note", {"description": " "}, [_customer(1, "<b>Help</b>"), _agent(3)]
    yield "blank description, blank note", {"description": "<p></p>"}, [_agent(0, "<p></p>"), _customer(9)]
    yield "blank description, agent's note", {"description": None}, [_agent(0.5), _customer(9)]
    yield "blank all over", {"description": "", "subject": " "}, []
    yield (
        "picture only",
        {"description": "<p><img src='a.png'></p>"},
        [_customer(1, "<p><img src='a.png'></p>"), _customer(2, "<br>")],
    )
    yield "empty body", {}, [_agent(4, None), _customer(5, "")]
    yield (
        "internal notes",
        {},
        [
            _agent(1, raw={"public": False}),
            _agent(2, raw={"private": True}),
            _agent(3, raw={"part_type": "note"}),
            _agent(4, raw={"element": "work_notes"}),
            _agent(9, raw={"public": True}),
        ],
    )
    yield (
        "internal notes, other spellings",
        {},
        [
            _agent(1, raw={"part_type": "note_and_reopen"}),
            _agent(2, raw={"part_type": "Note"}),
            _agent(3, raw={"public": 0}),
            _agent(4, raw={"private": 1}),
            _agent(5, raw={"element": {"value": "work_notes"}}),
            _agent(6, raw={"element": "Work notes"}),
            _agent(7, raw={"element": {"display_value": "Comments", "value": "comments"}}),
            _agent(8, raw={"part_type": "Comment"}),
            _agent(9, raw={"private": 0}),
            _agent(10, raw={"public": 1}),
            _agent(11, None, raw={"part_type": "note_and_close"}),
        ],
    )
    yield (
        "public notes",
        {},
        [
            _agent(1, raw={"private": False}),
            _agent(2, raw={"part_type": "comment"}),
            _agent(3, raw={"element": "comments"}),
        ],
    )
    yield "signs that disagree", {}, [_agent(1, raw={"public": True, "private": True})]
    yield (
        "events",
        {},
        [
            _agent(1, None, raw={"part_type": "assignment"}),
            _agent(2, "<p> </p>", raw={"part_type": "close"}),
            _agent(3, "Bye", raw={"part_type": "close"}),
        ],
    )
    yield (
        "roles from raw",
        {},
        [
            _customer(1, raw={"author": {"type": "admin", "id": "77"}}),
            _agent(2, raw={"author": {"type": "lead", "id": "l-1"}}),
            _agent(3, raw={"author": {"type": "bot", "id": "b-1"}}),
            _agent(4, raw={"incoming": True}),
            _customer(5, raw={"incoming": False}),
            _agent(6, raw={"author": {"type": "team"}}),
            {"created_at": at(minutes=7), "description": "?", "raw": {"author": {"type": "contact", "id": "x"}}},
        ],
    )
    yield "a bot answers first", {}, [_agent(1, raw={"author": {"type": "bot"}}), _agent(8)]
    yield "only a bot answers", {}, [_agent(1, raw={"author": {"type": "bot"}})]
    yield "unknown author", {}, [{"created_at": at(minutes=4), "description": "Who am I?"}, _agent(8)]
    yield "unknown author last", {}, [_agent(3), {"created_at": at(minutes=4), "description": "Who am I?"}]
    yield "reopened", {"status": "ACTIVE", "closed_at": at(hours=3)}, [_agent(4)]
    yield "closed", {"status": "CLOSED", "closed_at": at(hours=3, milliseconds=900)}, [_agent(4)]
    yield "closed without a reply", {"status": "CLOSED", "closed_at": at(hours=1)}, []
    yield "closed at an unknown time", {"status": "CLOSED"}, [_agent(4)]
    yield "closed before it was opened", {"status": "closed", "closed_at": at(hours=-1)}, []
    yield "unknown status", {"status": "PENDING", "closed_at": at(hours=1)}, [_agent(4)]
    yield "status with a line end", {"status": "CLOSED\n", "closed_at": at(milliseconds=-200)}, [_agent(4)]
    yield "no status", {"status": None}, []
    yield "no time", {"created_at": None}, [_agent(4), _customer(8)]
    yield "note without a time", {}, [{**_agent(0), "created_at": None, "updated_at": at(minutes=8)}]
    yield "notes without any time", {}, [{**_agent(0), "created_at": None}, {**_customer(0), "created_at": None}]
    yield "dangling category", {"category_id": "k-gone", "category": "Old stuff"}, []
    yield "category deleted", {"category_id": "k-old", "category": "as it was"}, []
    yield "category without a name", {"category_id": "k-bare", "category": "as the ticket says"}, []
    yield "category by a deleted one's name", {"category": "before"}, []
    yield "category by id", {"category_id": "k-billing", "category": "as the ticket says"}, []
    yield "category by name", {"category": " billing "}, []
    yield (
        "words beyond ASCII",
        {"category": "\u00e4RGER", "priority": "\u00c9LEV\u00c9", "source": "\u03a5\u03a8\u0397\u039b\u039f\u03a3\vIt"},
        [],
    )
    yield "category by a name of two", {"category": "Twin"}, []
    yield "customer absent", {"customer_id": "c-nowhere"}, [_agent(7)]
    yield "customer deleted", {"customer_id": "c-gone"}, [_agent(8)]
    yield "customer without a name", {"customer_id": "c-bob", "priority": "Very High"}, [_agent(90)]
    yield "no customer", {"customer_id": " "}, [_agent(9)]
    yield (
        "deleted ticket",
        {"_deleted_at": at(days=1), "_deletion_reason": "absent", "status": "CLOSED", "closed_at": at(hours=1)},
        [_agent(4)],
    )
    yield "deleted note", {}, [_agent(4, _deleted_at=at(days=1)), _agent(9)]
    yield "connection unknown", {"connection_id": "desk-9"}, []
    yield "ids are numbers in text", {}, [{**_customer(5, "nine"), "id": "9"}, {**_customer(5, "ten"), "id": "10"}]
    yield (
        "ids that sort by bytes",
        {},
        [{**_customer(5, text), "id": f"id {text}"} for text in ("a", "\u00e9", "B", "_", "b", "A")],
    )
    for number, body in enumerate(BODIES):
        yield f"body {number}", {"description": body}, [_agent(5, body)]


BODIES = [
    "<div>Hello<div>there</div><div><br></div><div>friend</div></div>",
    "<p>One</p>\n\n  <p>Two<br>lines<br/>here</p><ul><li>a</li><li>b &amp; c</li></ul>",
    "<style>p {color: red}</style><script>alert('<p>no</p>')</script><p>Seen</p><!-- hidden <b>x</b> -->",
    "<html><head><title>T</title></head><body>Body <span class='a>b'>text</span></body></html>",
    "AT&amp;T &lt;b&gt; &quot;x&quot; &#39;y&#39; &#8217; &#x2019; &nbsp; &euro; &uuml; &amp;lt; & &nosuch;",
    "plain  text\r\nwith lines\n\n\n\nand a < b > c, <name>, List<String>, <joe@example.com>\t.",
    "<table><tr><td>A</td><td>B</td></tr><tr><td>C</td><td>D</td></tr></table>",
    "<p>Grüße aus Ålesund \u2014 \U0001f600</p>",
    "<p>a</p><span></span><p>b</p>c<hr>d",
    '<P CLASS="x">Upper</P><BR>case',
    "<p></p><br><p> &nbsp; </p>",
    'Outlook<o:p></o:p> says <a href="https://x.example/?a=1&amp;b=2">this</a>.',
    "&#0; &#55357; &#99999999;",
    "Use List<A> not\nMap<S>",
    "if a <b and c> d then\nif a <b and c=3> d",
    "Send to <address>\nplease <label>, <address is real but here>",
    "<p>One <custom>two</custom> <joe@example.com>three",
    "See <a href='https://x.example'>this\nlink",
    "<!doctype html>\nHello\nthere",
    "<p>seen</p><script>var a = '<p>no</p>'",
    "<p>seen</p><style>p {}",
    "<p>seen</p><!-- not <b>this</b>",
    "a&nbsp b &amp c &Igrave;&THORN;&brvbar; don&#146;t &permil;",
    "one\r\ntwo\rthree\n\rfour",
    "<select><option>A</option><option>B</option></select><noscript>C</noscript><svg>D</svg>",
    "1\u202f000\u2007kr\u2009a\u00a0b\u3000c",
    "<p>Dear team,</p>" + "<p>again and again</p>" * 200,
]


def drawn(seed: int, count: int) -> dict[str, Rows]:
    """Tickets with notes on few instants and of few texts, so that ties and repeats are common."""
    chance = random.Random(seed)
    tickets, notes = [], []
    for number in range(count):
        desk = chance.choice([DESK, OTHER_DESK])
        name = f"drawn {number}"
        opened_at = at(hours=number)
        is_closed = chance.random() < 0.4
        tickets.append(
            {
                "connection_id": desk,
                "id": name,
                "created_at": opened_at,
                "status": "CLOSED" if is_closed else "ACTIVE",
                "closed_at": chance.choice([None, opened_at + timedelta(seconds=chance.randrange(90_000))]),
                "customer_id": chance.choice(["c-ann", "c-bob", "c-gone", "c-nowhere", None]),
                "description": chance.choice(["Help", "<p>help</p>", "Help me", None]),
                "raw": chance.choice([None, None, {"source": 10}, {"source": {"author": {"type": "user"}}}]),
                "_deleted_at": chance.choice([None] * 9 + [DAY]),
            }
        )
        for note in range(chance.randrange(6)):
            offset = chance.choice([-61, -1, 0, 0, 30, 60, 61, 299, 300, 301, 900, 86_400])
            notes.append(
                {
                    "connection_id": desk,
                    "id": f"{number}-{note}",
                    "ticket_id": name,
                    "created_at": opened_at + timedelta(seconds=offset, milliseconds=chance.choice([0, 0, 0, 500])),
                    "description": chance.choice(["Help", "<div>HELP</div>", "Done", "", None]),
                    "user_id": chance.choice([None, "u-1", "u-2"]),
                    "customer_id": chance.choice([None, "c-ann"]),
                    "raw": chance.choice(
                        [
                            None,
                            None,
                            {"public": True},
                            {"private": True},
                            {"part_type": "close"},
                            {"author": {"type": "bot"}},
                        ]
                    ),
                    "_deleted_at": chance.choice([None] * 9 + [DAY]),
                }
            )
    return {"tickets": tickets, "notes": notes}
