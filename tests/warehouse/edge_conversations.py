"""Conversations that try the models, each named for what it tries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tests.warehouse.edge_parts import AS_OF, OPENED_BY_AN_AGENT, Rows, agent, at, customer, stranger

Conversation = tuple[str, dict[str, Any], Rows]

NOBODY = {"user_id": None, "customer_id": None}


def conversations() -> Iterator[Conversation]:
    same = "<p>It does  not</p><p>work</p>".replace("</p><p>", " ")
    yield "no notes", {}, []
    yield "only agent notes", {}, [agent(5), agent(9)]
    yield "description withheld", {"description": None, "_privacy": "description drop"}, [customer(0.2), agent(5)]
    yield "replies by agents without a name", {}, [agent(5), {**stranger(9), "raw": {"incoming": False}}]
    yield "opened after the clock", {"created_at": AS_OF + timedelta(minutes=30)}, []
    yield "opened in the clock's second", {"created_at": AS_OF + timedelta(milliseconds=500)}, []
    yield "three customer messages in a row", {}, [customer(1), customer(2), customer(3), agent(60)]
    yield "turn is ours since the first of two", {}, [agent(5), customer(6), customer(7)]
    yield (
        "opened by an agent, zendesk",
        {"raw": {"submitter_id": 5, "requester_id": 6}},
        [agent(1), customer(9), agent(12)],
    )
    yield "opened by the customer, zendesk", {"raw": {"submitter_id": 6, "requester_id": 6}}, [agent(1)]
    yield "opened by an agent, intercom", {"raw": {"source": {"author": {"type": "admin", "id": "77"}}}}, [customer(3)]
    yield (
        "opened by a bot, intercom",
        {"raw": {"source": {"author": {"type": "bot", "id": "b"}}}},
        [agent(1), customer(3)],
    )
    yield "opened by a number of Freshdesk's elsewhere", {"raw": {"source": 10}}, []
    yield "opened by mail, freshdesk", {"raw": {"source": 1}}, [agent(2)]
    yield "opened by phone, freshdesk", {"raw": {"source": 3}}, [agent(2)]
    yield "opened by an agent, text", {"raw": {"opened_by": "aa", "caller_id": "bb"}}, [agent(2)]
    yield (
        "opened by an agent, servicenow",
        {"raw": {"opened_by": {"value": "a"}, "caller_id": {"value": "b"}}},
        [agent(2)],
    )
    yield "a link without a value, servicenow", {"raw": {"opened_by": {"value": ""}, "caller_id": {"value": "b"}}}, []
    yield "note before its ticket, customer", {}, [customer(-10), agent(-5), agent(5)]
    yield (
        "conversation older than its ticket",
        {},
        [customer(-60), agent(-50), customer(-34), agent(-17)],
    )
    yield "agent's ticket of an older conversation", {"raw": OPENED_BY_AN_AGENT}, [customer(-60), agent(-50)]
    yield "same second, fractions above", {"created_at": at(milliseconds=500)}, [agent(0)]
    yield (
        "same second, agent opened",
        {"raw": OPENED_BY_AN_AGENT},
        [{**customer(5), "created_at": at(minutes=5, milliseconds=400)}, agent(5)],
    )
    yield "same second as an agent's opening", {"raw": OPENED_BY_AN_AGENT}, [customer(0)]
    yield "note before its ticket, agent", {}, [agent(-0.1)]
    yield "equal times", {}, [agent(0), customer(0), agent(0, "Second")]
    yield "equal times later", {"raw": OPENED_BY_AN_AGENT}, [agent(5), customer(5)]
    yield "repeat within a minute by the agent", {}, [agent(1, same), customer(4), agent(5)]
    yield "repeat after a minute by the agent", {}, [agent(1.02, same)]
    yield "repeat within five minutes by the customer", {}, [customer(5, same), agent(6)]
    yield "repeat after five minutes by the customer", {}, [customer(5.02, same), agent(6)]
    yield "repeat a minute before", {}, [agent(-1, same), customer(3)]
    yield "repeat by nobody known", {}, [{"created_at": at(seconds=30), "description": "it does not WORK"}, agent(6)]
    yield "repeat by a bot", {}, [agent(0, same, raw={"author": {"type": "bot"}}), agent(6)]
    yield "internal repeat", {}, [agent(0, same, raw={"public": False}), customer(6)]
    yield "internal repeat by nobody known", {}, [{**agent(0, same, raw={"public": False}), **NOBODY}, agent(6)]
    yield "internal repeat by the customer", {}, [customer(0, same, raw={"private": True}), agent(6)]
    yield (
        "repeat in other signs",
        {"description": "Caf\u00e9 10\u202f000\u2007kr\u2009\u00a0a"},
        [customer(1, "Cafe\u0301 10 000 kr a"), agent(6)],
    )
    yield "no repeat, but the next one's note has this text", {}, [agent(9)]
    yield "repeat of another ticket's text", {"description": "Another matter"}, [customer(1, same), agent(6)]
    yield "repeat is not the earliest", {}, [customer(0.1), customer(0.2, same)]
    yield "two repeats", {}, [customer(0, same), customer(0, same)]
    yield "repeat and a greeting at once", {}, [customer(0, "Hello"), customer(0, same)]
    yield (
        "repeat unlike what raw shows",
        {"raw": {"submitter_id": 5, "requester_id": 6}},
        [customer(0, same), agent(4)],
    )
    yield "blank description, customer's note", {"description": " "}, [customer(1, "<b>Help</b>"), agent(3)]
    yield "blank description, blank note", {"description": "<p></p>"}, [agent(0, "<p></p>"), customer(9)]
    yield "blank description, agent's note", {"description": None}, [agent(0.5), customer(9)]
    yield "blank all over", {"description": "", "subject": " "}, []
    yield (
        "picture only",
        {"description": "<p><img src='a.png'></p>"},
        [customer(1, "<p><img src='a.png'></p>"), customer(2, "<br>")],
    )
    yield "empty body", {}, [agent(4, None), customer(5, "")]
    yield (
        "internal notes",
        {},
        [
            agent(1, raw={"public": False}),
            agent(2, raw={"private": True}),
            agent(3, raw={"part_type": "note"}),
            agent(4, raw={"element": "work_notes"}),
            agent(9, raw={"public": True}),
        ],
    )
    yield (
        "internal notes, other spellings",
        {},
        [
            agent(1, raw={"part_type": "note_and_reopen"}),
            agent(2, raw={"part_type": "Note"}),
            agent(3, raw={"public": 0}),
            agent(4, raw={"private": 1}),
            agent(5, raw={"element": {"value": "work_notes"}}),
            agent(6, raw={"element": "Work notes"}),
            agent(7, raw={"element": {"display_value": "Comments", "value": "comments"}}),
            agent(8, raw={"part_type": "Comment"}),
            agent(9, raw={"private": 0}),
            agent(10, raw={"public": 1}),
            agent(11, None, raw={"part_type": "note_and_close"}),
        ],
    )
    yield (
        "public notes",
        {},
        [
            agent(1, raw={"private": False}),
            agent(2, raw={"part_type": "comment"}),
            agent(3, raw={"element": "comments"}),
        ],
    )
    yield "signs that disagree", {}, [agent(1, raw={"public": True, "private": True})]
    yield (
        "events",
        {},
        [
            agent(1, None, raw={"part_type": "assignment"}),
            agent(2, "<p> </p>", raw={"part_type": "close"}),
            agent(3, "Bye", raw={"part_type": "close"}),
        ],
    )
    yield (
        "roles from raw",
        {},
        [
            customer(1, raw={"author": {"type": "admin", "id": "77"}}),
            agent(2, raw={"author": {"type": "lead", "id": "l-1"}}),
            agent(3, raw={"author": {"type": "bot", "id": "b-1"}}),
            agent(4, raw={"incoming": True}),
            customer(5, raw={"incoming": False}),
            agent(6, raw={"author": {"type": "team"}}),
            {"created_at": at(minutes=7), "description": "?", "raw": {"author": {"type": "contact", "id": "x"}}},
        ],
    )
    yield "a bot answers first", {}, [agent(1, raw={"author": {"type": "bot"}}), agent(8)]
    yield "only a bot answers", {}, [agent(1, raw={"author": {"type": "bot"}})]
    yield "unknown author", {}, [{"created_at": at(minutes=4), "description": "Who am I?"}, agent(8)]
    yield "unknown author last", {}, [agent(3), {"created_at": at(minutes=4), "description": "Who am I?"}]
    yield "reopened", {"status": "ACTIVE", "closed_at": at(hours=3)}, [agent(4)]
    yield "closed", {"status": "CLOSED", "closed_at": at(hours=3, milliseconds=900)}, [agent(4)]
    yield "closed without a reply", {"status": "CLOSED", "closed_at": at(hours=1)}, []
    yield "closed at an unknown time", {"status": "CLOSED"}, [agent(4)]
    yield "closed before it was opened", {"status": "closed", "closed_at": at(hours=-1)}, []
    yield "unknown status", {"status": "PENDING", "closed_at": at(hours=1)}, [agent(4)]
    yield "status with a line end", {"status": "CLOSED\n", "closed_at": at(milliseconds=-200)}, [agent(4)]
    yield "no status", {"status": None}, []
    yield "no time", {"created_at": None}, [agent(4), customer(8)]
    yield "note without a time", {}, [{**agent(0), "created_at": None, "updated_at": at(minutes=8)}]
    yield "notes without any time", {}, [{**agent(0), "created_at": None}, {**customer(0), "created_at": None}]
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
    yield "customer absent", {"customer_id": "c-nowhere"}, [agent(7)]
    yield "customer deleted", {"customer_id": "c-gone"}, [agent(8)]
    yield "customer without a name", {"customer_id": "c-bob", "priority": "Very High"}, [agent(90)]
    yield "no customer", {"customer_id": " "}, [agent(9)]
    yield (
        "deleted ticket",
        {"_deleted_at": at(days=1), "_deletion_reason": "absent", "status": "CLOSED", "closed_at": at(hours=1)},
        [agent(4)],
    )
    yield "deleted note", {}, [agent(4, _deleted_at=at(days=1)), agent(9)]
    yield "connection unknown", {"connection_id": "desk-9"}, []
    yield "ids are numbers in text", {}, [{**customer(5, "nine"), "id": "9"}, {**customer(5, "ten"), "id": "10"}]
    yield (
        "ids that sort by bytes",
        {},
        [{**customer(5, text), "id": f"id {text}"} for text in ("a", "\u00e9", "B", "_", "b", "A")],
    )
    yield from _who_speaks()
    yield from _who_was_an_agent()
    yield from _what_the_helpdesk_says()
    for number, body in enumerate(BODIES):
        yield f"body {number}", {"description": body}, [agent(5, body)]


def _who_speaks() -> Iterator[Conversation]:
    """Turns, bots, automatic messages, strangers and tickets that are no conversation."""
    yield "a long talk", {}, [customer(2), agent(5), agent(6), customer(20), customer(21), agent(50), customer(70)]
    yield "stranger in the middle of a wait", {}, [customer(3), stranger(4), customer(5), agent(9)]
    yield "stranger between two turns", {}, [agent(3), stranger(4), customer(5), stranger(6)]
    yield "strangers only", {"raw": {"source": {"author": {"type": "bot"}}}}, [stranger(4), stranger(5)]
    yield "stranger behind closed doors", {}, [agent(3), stranger(4, raw={"public": False})]
    closed = {"status": "CLOSED", "closed_at": at(minutes=30)}
    yield "stranger before and after the closing", closed, [stranger(10), stranger(40)]
    yield "stranger after the closing", closed, [stranger(40)]
    yield "customer after the closing", closed, [agent(5), customer(40)]
    yield (
        "customer in the second of the closing",
        closed,
        [agent(5), {**customer(30), "created_at": at(seconds=1800.7)}],
    )
    yield "answered after the closing", closed, [agent(5), customer(40), agent(50)]
    yield "agent opened, customer after the closing", {**closed, "raw": OPENED_BY_AN_AGENT}, [customer(40)]
    yield "agent opened, answered after the closing", {**closed, "raw": OPENED_BY_AN_AGENT}, [customer(40), agent(45)]
    yield "closed at an unknown time, agent last", {"status": "CLOSED"}, [agent(4), customer(6), agent(9)]
    yield "closed with one reply by each of two", closed, [agent(4), agent(6, user_id="u-2")]
    yield "replies by many", {}, [agent(4), agent(5, user_id="u-2"), agent(6, user_id=" u-2"), customer(7), agent(8)]
    yield (
        "replies by people without an id",
        {},
        [agent(4, user_id=None, raw={"incoming": False}), agent(5, user_id=None, raw={"author": {"type": "admin"}})],
    )
    yield "agent's opening after the customer", {"raw": OPENED_BY_AN_AGENT}, [customer(-5), customer(3), agent(8)]
    yield "agent's opening between two customers", {"raw": OPENED_BY_AN_AGENT}, [customer(-5), agent(-3), customer(4)]
    yield (
        "three agents' notes, then the customer",
        {"raw": OPENED_BY_AN_AGENT},
        [agent(3), agent(4), customer(9), agent(11)],
    )
    yield "auto-reply, then a person", {}, [agent(1, raw={"via": {"source": {"rel": "trigger"}}}), agent(8)]
    yield "auto-reply only", {}, [agent(1, raw={"auto_response": True})]
    yield "auto-reply that is turned off", {}, [agent(1, raw={"auto_response": False, "automation_id": " "})]
    yield "rule", {}, [agent(1, raw={"via": {"channel": "Rule"}}), agent(9, raw={"automation_id": 77})]
    yield "customer's out of office", {}, [agent(2), customer(3, "I am away", raw={"sent_by": "Out of office, 2 days"})]
    yield (
        "out of office opens the ticket",
        {},
        [customer(0, "It does not work", raw={"auto_response": "true"}), agent(7)],
    )
    yield "seen by us only, by the user's sign", {}, [agent(1, raw={"flags": {"who_sees": "only  us"}}), agent(9)]
    yield (
        "the user's sign against the shipped one",
        {},
        [
            agent(1, raw={"flags": {"who_sees": "Only-Us"}, "public": True}),
            agent(2, raw={"flags": {"who_sees": {"value": "EVERYBODY"}}}),
            agent(3, raw={"public": False, "private": True, "flags": {"who_sees": "only us"}}),
        ],
    )
    yield (
        "sign of one helpdesk only",
        {},
        [agent(1, raw={"sent_by": "Operator"}), customer(5, raw={"sent_by": "operator"})],
    )
    yield "signs of an author that disagree", {}, [customer(1, raw={"author": {"type": "admin"}, "incoming": True})]
    yield "an object where a word should be", {}, [agent(1, raw={"public": {"is": False}, "incoming": [True]})]
    yield "opened by phone, the user's sign", {"raw": {"form": "phone call"}}, [agent(3)]
    yield "opened by a letter, the user's sign", {"raw": {"form": {"value": "Letter of ours"}}}, [customer(3)]
    yield (
        "sign of the opening against the submitter",
        {"raw": {"form": "phone call", "submitter_id": 1, "requester_id": 2}},
        [],
    )
    yield (
        "sign of the opening against the caller",
        {"raw": {"form": "phone call", "opened_by": "a", "caller_id": "b"}},
        [],
    )
    yield "spam", {"raw": {"spam": True}}, [customer(1), agent(5)]
    yield "spam by a tag", {"tags": ["Spam-suspected"]}, [agent(5)]
    yield "no spam", {"raw": {"spam": False}}, [agent(5)]
    yield "closed by merge", {**closed, "tags": ["closed_by_merge"]}, [customer(1), agent(5, "Closed into #5")]
    yield "merged, still open", {"raw": {"via": {"source": {"rel": "merge"}}}}, [customer(1), stranger(2)]
    yield "spam before merged", {"raw": {"spam": "true"}, "tags": ["Closed by merge"]}, [agent(5)]
    yield "outbound", {"raw": {"source": {"delivered_as": "campaigns_initiated"}}}, [customer(30), agent(31)]
    yield "outbound, nobody answered", {"raw": {"source": {"delivered_as": "Operator Initiated"}}}, [agent(5)]
    yield (
        "outbound, and the submitter is the customer",
        {"raw": {"source": {"delivered_as": "automated"}}},
        [customer(0, "It does not work"), agent(5)],
    )
    yield "outbound by a tag of one helpdesk", {"tags": ["We wrote first"]}, [customer(5)]
    yield (
        "merged by a sign and outbound by a tag",
        {"raw": {"via": {"source": {"rel": "merge"}}}, "tags": ["we wrote first"]},
        [],
    )
    yield (
        "ten thousand messages",
        {"tags": None},
        [
            (agent if number % 7 in (3, 4, 6) else customer)(1 + number / 10, f"Message {number}")
            for number in range(10_000)
        ],
    )


def _who_was_an_agent() -> Iterator[Conversation]:
    """Agents who are told as customers after they have left; see the employees and states for who was one, and when."""
    yield "employee named as the customer", {}, [customer(3, customer_id="e-kari"), customer(5)]
    yield "employee without a name of their own", {}, [customer(3, customer_id="e-per"), agent(4, user_id="e-per")]
    yield "employee is the ticket's customer", {"customer_id": "e-asks"}, [customer(3, customer_id="e-asks")]
    yield "employee who asks elsewhere", {}, [customer(3, customer_id="e-asks")]
    yield "employee and no customer", {"customer_id": None}, [customer(3, customer_id=" e-kari")]
    yield (
        "employee who has left",
        {},
        [
            customer(600, customer_id="e-left"),
            customer(601, customer_id="e-left"),
            {**customer(0, customer_id="e-left"), "created_at": None},
        ],
    )
    yield (
        "assignee who became a user",
        {},
        [
            customer(120, customer_id="u-was"),
            {**customer(0, customer_id="u-was"), "created_at": at(minutes=120.009)},
            customer(120.02, customer_id="u-was"),
        ],
    )
    yield (
        "assignee of long ago is the employee who left",
        {},
        [customer(900, customer_id="e-both"), customer(960, customer_id="e-both")],
    )
    yield (
        "known agent, and the sign says customer",
        {},
        [customer(3, customer_id="e-kari", raw={"author": {"type": "user"}})],
    )
    yield (
        "known agent repeats the description",
        {},
        [customer(1, "It does not work", customer_id="e-kari"), customer(4), agent(6)],
    )
    yield "known agent quotes the description late", {}, [customer(3, "It does not work", customer_id="e-kari")]
    yield (
        "author of a sign",
        {"raw": {"source": {"author": {"type": "admin", "id": "e-per"}}}},
        [agent(3, user_id=None, raw={"author": {"type": "admin", "id": "e-kari"}}), customer(4)],
    )


def _what_the_helpdesk_says() -> Iterator[Conversation]:
    """Its own states, times and ratings, in each of the three ways and in none."""
    for number, word in enumerate(VENDOR_TIMES):
        yield f"vendor time {number}", {"raw": {"stats": {"first_responded_at": word}, "resolved_at": word}}, []
    yield (
        "vendor times that disagree",
        {
            "raw": {
                "stats": {"first_responded_at": "soon"},
                "statistics": {"first_admin_reply_at": 1772442000, "last_close_at": {"value": 1772445600}},
                "resolved_at": "2026-03-02 12:00:00",
            }
        },
        [agent(3)],
    )
    yield "a good rating", {"raw": {"satisfaction_rating": {"score": "good", "id": 5}}}, []
    yield "a rating that was offered", {"raw": {"satisfaction_rating": {"score": "offered"}}}, []
    yield "a rating in numbers", {"raw": {"conversation_rating": {"rating": 4}}}, []
    yield "a rating in the user's sign", {"raw": {"verdict": {"stars": " Very Good "}}}, []
    yield "a rating in a word and its beginning", {"raw": {"verdict": {"word": "fine"}}}, []
    yield "a rating in the beginning of a word", {"raw": {"verdict": {"word": "Finest"}}}, []
    yield "two ratings", {"raw": {"verdict": {"stars": "5"}, "satisfaction_rating": {"score": "Bad"}}}, []
    for state in ("new", "Pending", "hold", "solved", "parked", 3, "3"):
        yield f"vendor status {state!r}", {"raw": {"status": state}}, []
    yield "vendor state snoozed", {"raw": {"state": "snoozed"}}, []
    yield "vendor state in a list", {"raw": {"state": {"display_value": "On Hold", "value": "3"}}}, []
    yield "vendor status and state", {"raw": {"status": "pending", "state": "closed"}}, []


VENDOR_TIMES: list[Any] = [
    "2026-03-02T09:20:00Z",
    "2026-03-02T11:20:00.250+02:00",
    "2026-03-02 09:20:00",
    1772443200,
    "1772443200",
    "2024-02-29 12:00:00",
    "2026-02-29 12:00:00",
    "2026-02-30T10:00:00Z",
    "2026-13-45",
    "2026-13-45 10:00:00",
    "2026-03-02 25:00:00",
    "0000-01-01 00:00:00",
    "soon",
    "",
    "9999999999999999999",
    {"at": "2026-03-02 09:20:00"},
    True,
]
"""When the helpdesk says that it happened."""


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
