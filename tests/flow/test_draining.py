"""What waits is loaded as what is polled is: mended, protected, withheld and accounted for alike; and whatever no load
takes keeps nothing else from being loaded."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import SimpleNamespace
from typing import Any

import pytest
from dlt.common.schema import Schema
from dlt.load import Load

from pipelines import draining
from pipelines.draining import Draining, DrainReport, drain, inbox_of, opened_inbox
from pipelines.errors import LoadFailed, TicketingError
from pipelines.following import Follower, Following, follow
from pipelines.forget import forget
from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, UnifiedSettings, WarehouseSettings
from pipelines.sync import SyncReport
from pipelines.ticketing.progress import Watcher
from pipelines.warehouse.outcome import Outcome
from pipelines.webhooks import settling, source
from pipelines.webhooks.inbox import DeadLetter
from pipelines.webhooks.sorting import Changes
from tests.flow.children import in_small_portions
from tests.flow.conftest import on_both, on_both_at_length, on_postgres, slow
from tests.flow.signed import CONNECTION, NOON, Record, put_into_inbox, signed
from tests.flow.test_poison import accept, refuse
from tests.flow.test_privacy import RULES
from tests.flow.truth import change, deleted_rows, query, stored_rows
from transforms.values import digest

pytestmark = pytest.mark.slow

RunSync = Callable[..., SyncReport]


def ticket(id: str, minute: int = 0, **fields: Any) -> Record:
    return {"id": id, "updated_at": (NOON + timedelta(minutes=minute)).isoformat(), **fields}


def settings_with(**changed: Any) -> UnifiedSettings:
    settings = UnifiedSettings()
    settings.update({"api_key": "none is needed", **changed})
    return settings


def drained(
    warehouse: WarehouseSettings, *bodies: bytes, at: datetime = NOON, settings: dict[str, Any] | None = None
) -> DrainReport:
    """What becomes of deliveries."""
    put_into_inbox(warehouse, *bodies, at=at)
    return drain(settings_with(**(settings or {})), warehouse)


def waiting(warehouse: WarehouseSettings) -> int:
    with opened_inbox(warehouse) as inbox:
        return inbox.contents().waiting


def dead_letters(warehouse: WarehouseSettings) -> list[DeadLetter]:
    with opened_inbox(warehouse) as inbox:
        return inbox.dead_letters()


def dead_body(warehouse: WarehouseSettings, id: int) -> bytes:
    with opened_inbox(warehouse) as inbox:
        return inbox.dead_body(id)


def ids(warehouse: WarehouseSettings, table: str = "tickets") -> set[str]:
    return {id for _, id in stored_rows(warehouse, table)}


HOSTILE_TICKETS = {
    "nul": rb'{"id":"nul","subject":"a\u0000b","raw":{"k\u0000":["\u0000"]}}',
    "surrogate": rb'{"id":"surrogate","description":"a\udfffb\ud800","raw":{"\ud800":"\udfff"}}',
    "nan": b'{"id":"nan","raw":{"a":NaN,"b":-Infinity,"c":1e999}}',
    "deep": b'{"id":"deep","raw":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "number": b'{"id":"number","subject":1' + b"0" * 5_000 + b"}",
    "no bytes of text": b'{"id":"no bytes of text","subject":"\xff\xfe"}',
    "times": b'{"id":"times","updated_at":"31/12/2025","created_at":1e30,"due_at":{"at":"noon"}}',
    "first day": b'{"id":"first day","updated_at":"0001-01-01T00:00:00+14:00"}',
    "last day": b'{"id":"last day","updated_at":"9999-12-31T23:59:59-12:00"}',
}
NO_TICKETS = {
    b"null": "it is not a JSON object",
    b"5": "it is not a JSON object",
    b'"text"': "it is not a JSON object",
    b"[[]]": "it is not a JSON object",
    b"{}": "it has no id",
    b'{"id":null}': "it has no id",
    b'{"id":" "}': "its id is blank",
    b'{"id":"' + b"x" * 9_000 + b'"}': "its id is longer than 1,000 bytes",
}


@on_both
def test_poison_arrives_mended_or_is_rejected_by_name_beside_what_is_well(warehouse: WarehouseSettings) -> None:
    good = [signed([ticket("before")], "1"), signed([ticket("after")], "2")]
    poison = [signed(b"[" + each + b"]", "p") for each in (*HOSTILE_TICKETS.values(), *NO_TICKETS)]
    report = drained(warehouse, good[0], *poison, good[1])
    assert (report.delivered, report.buried, waiting(warehouse)) == (2 + len(poison), 0, 0)
    assert ids(warehouse) == {"before", "after", *HOSTILE_TICKETS}
    stored = stored_rows(warehouse, "tickets")
    assert stored[CONNECTION, "nul"] == {"id": "nul", "subject": "a␀b", "raw": {"k␀": ["␀"]}}
    assert stored[CONNECTION, "surrogate"]["description"] == "a\ufffdb\ufffd"
    rejected = query(warehouse, "select reason, observed_via from raw_unified.rejected_records")
    assert sorted(row["reason"] for row in rejected) == sorted(NO_TICKETS.values())
    assert {row["observed_via"] for row in rejected} == {"webhook"}
    [outcome] = report.outcomes.values()
    assert outcome.rows_received == 2 + len(poison)
    assert outcome.rows_rejected == len(NO_TICKETS)
    assert outcome.rows_repaired >= 4


@on_both_at_length
def test_poison_of_what_is_gone_holds_nobody_up_either(warehouse: WarehouseSettings) -> None:
    drained(warehouse, *(signed(b"[" + each + b"]", "p") for each in HOSTILE_TICKETS.values()))
    ends = [signed(b"[" + each + b"]", "q", event="deleted") for each in (*HOSTILE_TICKETS.values(), *NO_TICKETS)]
    report = drained(warehouse, *ends)
    assert report.buried == waiting(warehouse) == 0
    assert {id for _, id in deleted_rows(warehouse, "tickets")} == {*HOSTILE_TICKETS}
    assert ids(warehouse) == set()


@on_both_at_length
def test_what_can_be_stored_nowhere_is_a_dead_letter_with_its_reason_and_can_be_replayed(
    warehouse: WarehouseSettings,
) -> None:
    of_whom = "the connection 'c-other' is not among sources.unified.connection_ids"
    unplaceable = {
        signed([ticket("1")], "1", object_type="crm_deal"): "expected an object_type of .*, got 'crm_deal'",
        signed([ticket("2")], "2", object_type=""): "expected an object_type of .*, got nothing",
        signed([ticket("3")], "3", connection_id=" "): "expected a connection_id, got none",
        signed([ticket("4")], "4", connection_id="c-other"): of_whom,
        b'{"data":[],"nonce":5}': "expected a text as nonce",
        b'{"data":[{"id":],"nonce":"6"}': "expected",
    }
    report = drained(warehouse, signed([ticket("good")], "0"), *unplaceable, settings={"connection_ids": [CONNECTION]})
    assert (report.delivered, report.buried, waiting(warehouse)) == (1, len(unplaceable), 0)
    assert ids(warehouse) == {"good"}
    for letter, expected in zip(dead_letters(warehouse), unplaceable.values(), strict=True):
        assert re.search(expected, letter.reason), letter
    with opened_inbox(warehouse) as inbox:
        inbox.replay([letter.id for letter in dead_letters(warehouse) if letter.reason == of_whom])
    again = drained(warehouse)
    assert (again.delivered, again.buried) == (1, 0)
    assert stored_rows(warehouse, "tickets").keys() == {(CONNECTION, "good"), ("c-other", "4")}
    assert len(dead_letters(warehouse)) == len(unplaceable) - 1


HOSTILE_WORDS = [
    '"c\\u0000d"',
    '"c\\ud800d"',
    '"' + "".join(chr(0x4E00 + step * step % 20_000) for step in range(3_000)) + '"',
    '"' + "x" * 3_000_000 + '"',
    '"c\\u001b[2J\'; drop table tickets"',
]


@on_both_at_length
def test_whatever_a_delivery_says_of_its_webhook_stops_no_other(warehouse: WarehouseSettings) -> None:
    """No signature covers it."""
    names = ["id", "connection_id", "integration_type", "object_type", "event", "webhook_type", "hook_url"]
    hostile = [saying(name, word) for name in names for word in HOSTILE_WORDS]
    report = drained(warehouse, *hostile, signed([ticket("good")], "1"))
    assert report.delivered + report.buried == len(hostile) + 1
    assert report.delivered > len(hostile) / 2
    assert waiting(warehouse) == 0
    assert (CONNECTION, "good") in stored_rows(warehouse, "tickets")
    assert all(len(letter.reason) < 500 for letter in dead_letters(warehouse))
    assert drained(warehouse, signed([ticket("next")], "2")).delivered == 1


def saying(name: str, word: str) -> bytes:
    """A delivery that says a word, as JSON, of one property of its webhook."""
    said = {"connection_id": '"c"', "object_type": '"ticketing_ticket"', name: word}
    webhook = ",".join(f'"{key}":{value}' for key, value in said.items())
    return f'{{"data":[{{"id":"its"}}],"nonce":"n","webhook":{{{webhook}}}}}'.encode()


def refuse_words(warehouse: WarehouseSettings) -> str:
    """From now on the warehouse takes no ticket whose subject is no number; what it says of such."""
    if isinstance(warehouse, DuckdbWarehouse):
        change(warehouse, "alter table raw_unified.tickets alter column subject type integer using 1")
        return "Could not convert string (not shown)"
    change(warehouse, "alter table raw_unified.tickets add constraint polite check (subject ~ '^[0-9]+$') not valid")
    return 'violates check constraint "polite"'


@on_both
def test_what_the_warehouse_never_takes_is_buried_alone(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drained(warehouse, signed([ticket("first", subject="1")], "1"))
    said = refuse_words(warehouse)
    bodies = [signed([ticket(f"t{n}", subject="hunter2" if n == 4 else f"{n}")], f"{n}") for n in range(7)]
    # A load that is refused may leave its account, until another is taken: one is, where the first are tried last.
    monkeypatch.setattr(draining, "random", SimpleNamespace(sample=lambda letters, _: letters[::-1]))
    report = drained(warehouse, *bodies)
    assert (report.delivered, report.buried, waiting(warehouse)) == (6, 1, 0)
    assert ids(warehouse) == {"first", "t0", "t1", "t2", "t3", "t5", "t6"}
    [letter] = dead_letters(warehouse)
    assert dead_body(warehouse, letter.id) == bodies[4]
    assert said in letter.reason
    assert "hunter2" not in letter.reason
    runs = query(warehouse, "select rows_received from raw_unified.sync_runs order by started_at")
    assert [row["rows_received"] for row in runs] == [1, 6]


@on_both_at_length
@pytest.mark.parametrize("unplaceable", [1, slow(0)])
def test_what_takes_none_of_several_is_hardly_to_be_blamed_on_them(
    warehouse: WarehouseSettings, unplaceable: int
) -> None:
    drained(warehouse, signed([ticket("first")], "1"))
    refuse(warehouse, "tickets")
    nowhere = [signed([ticket("x")], "x", object_type="crm_deal")] * unplaceable
    report = drained(warehouse, *nowhere, *(signed([ticket(f"t{n}")], f"{n}") for n in range(3)))
    assert re.search(r"takes nothing of tickets.*They wait in the inbox", str(report.error))
    assert (report.delivered, report.exit_code) == (0, 1)
    assert waiting(warehouse) == 3
    assert len(dead_letters(warehouse)) == unplaceable
    accept(warehouse, "tickets")
    assert drained(warehouse).delivered == 3
    assert ids(warehouse) == {"first", "t0", "t1", "t2"}


def test_deliveries_that_write_nothing_into_a_broken_table_put_no_blame_on_the_others(
    warehouse: WarehouseSettings,
) -> None:
    drained(warehouse, signed([ticket("first")], "1"))
    refuse(warehouse, "tickets")
    good = [signed([ticket(f"t{n}")], f"{n}") for n in range(3)]
    report = drained(warehouse, *good, signed([], "empty"), signed([{"no": "id"}], "no id"))
    assert (report.delivered, report.buried, waiting(warehouse)) == (2, 0, 3)
    assert "takes nothing of tickets" in str(report.error)


@on_postgres
def test_what_waits_for_a_table_of_versions_is_not_to_blame_for_it(warehouse: WarehouseSettings) -> None:
    drained(warehouse, signed([ticket("first"), ticket("second")], "1"))
    refuse(warehouse, "ticket_versions")
    report = drained(warehouse, signed([ticket("new")], "2"), signed([ticket("first")], "3", event="deleted"))
    assert (report.delivered, report.buried, waiting(warehouse)) == (1, 0, 1)


def test_a_table_that_refuses_all_holds_up_no_other_and_is_told_until_it_is_mended(
    warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    category = {"object_type": "ticketing_category"}
    drained(warehouse, signed([ticket("first")], "1"), signed([{"id": "c"}], "2", **category))
    refuse(warehouse, "categories")
    put_into_inbox(warehouse, signed([ticket("next")], "3"), signed([{"id": "poison"}], "4", **category))
    with opened_inbox(warehouse) as inbox:
        draining = Draining(settings_with(), warehouse, inbox)
        draining.take_turn(0.0)
        report = draining.report
        assert "takes nothing of categories," in str(report.error)
        assert (report.delivered, report.buried, report.exit_code) == (1, 0, 3)
        assert ids(warehouse) == {"first", "next"}
        assert waiting(warehouse) == 1
        accept(warehouse, "categories")
        draining.take_turn(0.0)
    assert (report.delivered, report.error, report.exit_code) == (2, None, 0)
    assert ids(warehouse, "categories") == {"c", "poison"}


class Loads:
    """In the place of loads, which take a second: each is counted, and fails for good if it has a record that is to be
    refused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, is_refused: Callable[[str, str], bool]) -> None:
        self.number = 0
        self._is_refused = is_refused
        self._tables: set[str] = set()
        monkeypatch.setattr(draining, "gc", SimpleNamespace(collect=int))
        monkeypatch.setattr(draining, "deliveries_of", lambda changes, intake_of: changes)
        monkeypatch.setattr(draining, "load", self._load)
        monkeypatch.setattr(draining, "is_loaded", lambda pipeline, load_id: True)
        monkeypatch.setattr(draining, "_written", lambda pipeline: self._tables)

    def _load(self, pipeline: object, found: list[Changes], *_: object, extracted: Callable[[str], None]) -> None:
        self.number += 1
        if any(self._is_refused(each.table, change.record.id or "") for each in found for change in each.changes):
            raise LoadFailed("It is refused.", is_final=True)
        extracted(f"load {self.number}")
        tables = {each.table for each in found}
        self._tables = tables | {"ticket_versions"} if "tickets" in tables else tables


def many_tickets(number: int) -> list[bytes]:
    return [signed([ticket(f"t{n}")], f"{n}") for n in range(number)]


def customers(number: int) -> list[bytes]:
    return [signed([{"id": f"c{n}"}], f"{n}", object_type="ticketing_customer") for n in range(number)]


@pytest.mark.parametrize("number", [60, 500])
def test_a_broken_table_is_tried_a_few_times_a_turn_however_much_waits_for_it(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(draining, "LETTERS_A_LOAD", 250)
    loads = Loads(monkeypatch, lambda table, _: table == "tickets")
    report = drained(warehouse, *many_tickets(number), *customers(3))
    assert (report.delivered, report.buried, waiting(warehouse)) == (3, 0, number)
    assert "takes nothing of tickets," in str(report.error)
    assert loads.number <= 3 * 20


def test_a_table_that_takes_nothing_any_more_is_given_up_and_what_waits_for_it_not_blamed(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "LETTERS_A_LOAD", 50)
    loads = Loads(monkeypatch, lambda _, record_id: int(record_id[1:]) >= 50)
    put_into_inbox(warehouse, *many_tickets(500))
    with opened_inbox(warehouse) as inbox:
        turns = Draining(settings_with(), warehouse, inbox)
        turns.take_turn(0.0)
        assert (turns.report.delivered, turns.report.buried, turns.report.exit_code) == (50, 0, 3)
        assert loads.number <= 1 + 3 * 20
        before = loads.number
        turns.take_turn(0.0)
        assert loads.number - before <= 1 + 6, "once it has taken nothing, one try will do"
    assert waiting(warehouse) == 450


def test_what_a_table_alone_refused_is_buried_once_the_table_takes_something_else(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    Loads(monkeypatch, lambda _, record_id: record_id == "poison")
    put_into_inbox(warehouse, signed([ticket("poison")], "0"))
    with opened_inbox(warehouse) as inbox:
        turns = Draining(settings_with(), warehouse, inbox)
        turns.take_turn(0.0)
        assert turns.report.buried == 0
        put_into_inbox(warehouse, *many_tickets(1))
        for _ in range(30):  # which of the two is tried first is a matter of chance
            if waiting(warehouse):
                turns.take_turn(0.0)
        assert (turns.report.delivered, turns.report.buried, turns.report.error) == (1, 1, None)


def test_each_table_is_tried_for_itself(warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = Loads(monkeypatch, lambda table, record_id: table == "tickets" or record_id == "c7")
    report = drained(warehouse, *many_tickets(63), *customers(50))
    assert (report.delivered, report.buried, waiting(warehouse)) == (49, 1, 63)
    assert [letter.reason for letter in dead_letters(warehouse)] == ["It is refused."]
    assert loads.number <= 3 * 20 + 2 * 6


def test_poison_among_many_is_found_in_a_few_loads_a_piece(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = {f"t{number}" for number in range(0, 352, 16)}
    loads = Loads(monkeypatch, lambda _, record_id: record_id in poison)
    report = drained(warehouse, *many_tickets(352))
    assert (report.delivered, report.buried, waiting(warehouse)) == (352 - len(poison), len(poison), 0)
    assert report.exit_code == 3
    assert loads.number <= len(poison) * 2 * 7


@on_both_at_length
def test_a_full_disk_leaves_everything_waiting(warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    drained(warehouse, signed([ticket("first")], "1"))
    with monkeypatch.context() as broken:
        broken.setattr(Load, "load_single_package", _full)
        for _ in range(2):
            with pytest.raises(LoadFailed, match="No space left on device"):
                drained(warehouse, signed([ticket("second")], "2"), signed([ticket("third")], "3"))
            assert ids(warehouse) == {"first"}
    assert waiting(warehouse) == 4
    drained(warehouse)
    assert (waiting(warehouse), dead_letters(warehouse)) == (0, [])
    assert ids(warehouse) == {"first", "second", "third"}


def _full(self: Load, load_id: str, schema: Schema) -> None:
    raise OSError(28, "No space left on device")


def test_a_disk_that_fills_up_while_it_is_shaped_leaves_everything_waiting(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(source, "standing_rows", full)
        with pytest.raises(TicketingError, match="No space left on device"):
            drained(warehouse, signed([ticket("one")], "1"))
    assert (waiting(warehouse), dead_letters(warehouse)) == (1, [])
    assert drained(warehouse).delivered == 1


@on_both_at_length
def test_what_shaping_breaks_on_is_buried_alone(warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The poison that nobody thought of, which would stand at the front of the inbox for ever."""
    shape = settling.standing_rows

    def break_on_it(table: str, seen: Any, stored: Any) -> Any:
        if "evil" in seen["id"].to_pylist():
            raise ValueError("of hunter2")
        return shape(table, seen, stored)

    monkeypatch.setattr(source, "standing_rows", break_on_it)
    bodies = [signed([ticket(id)], id) for id in ("one", "evil", "two")]
    report = drained(warehouse, *bodies)
    assert (report.delivered, report.buried) == (2, 1)
    assert ids(warehouse) == {"one", "two"}
    [letter] = dead_letters(warehouse)
    assert dead_body(warehouse, letter.id) == bodies[1]
    assert "ValueError" in letter.reason
    assert "hunter2" not in letter.reason


CUSTOMER = {
    "id": "ann",
    "name": "Ann Ymous",
    "emails": [{"email": "Ann@Example.com", "type": "WORK"}],
    "telephones": [{"telephone": "+49 30 9182736"}],
    "raw": {"tel": "9182736"},
    "nickname": "kept as it comes",
}


@on_both_at_length
def test_what_is_protected_is_stored_nowhere_as_it_came(warehouse: WarehouseSettings) -> None:
    nobody = {**CUSTOMER, "id": None}
    note = {"id": "n", "ticket_id": "t", "description": "my zeppelin will not inflate"}
    report = drained(
        warehouse,
        signed([CUSTOMER, nobody], "1", object_type="ticketing_customer"),
        signed([note], "2", object_type="ticketing_note"),
        signed([{"id": "ann"}], "3", object_type="ticketing_customer", event="deleted"),
        settings=RULES,
    )
    assert (report.delivered, report.buried) == (3, 0)
    text = str([query(warehouse, f"select * from raw_unified.{name}") for name in ("customers", "rejected_records")])
    for needle in ("Ann", "ann@example.com", "9182736"):
        assert needle not in text
    [rejected] = query(warehouse, "select record, record_hash, _privacy from raw_unified.rejected_records")
    assert rejected["record_hash"] == digest(rejected["record"].encode())
    assert rejected["_privacy"].startswith("emails hash")
    [customer] = query(warehouse, "select _extra, _privacy, _deleted_at from raw_unified.customers")
    assert customer["_extra"] == {"nickname": "kept as it comes"}
    assert customer["_deleted_at"] is not None
    [stored] = query(warehouse, "select description, raw, _privacy from raw_unified.notes")
    assert stored == {
        "description": "my zeppelin ",
        "raw": None,
        "_privacy": "description truncate 12, raw drop",
    }


@on_both_at_length
def test_a_misfit_does_not_escape_into_extra(warehouse: WarehouseSettings) -> None:
    misfit = {"id": "m", "emails": "ann@example.com", "name": {"first": "Ann"}}
    drained(warehouse, signed([misfit], "1", object_type="ticketing_customer"), settings=RULES)
    assert "ann" not in str(query(warehouse, "select * from raw_unified.customers")).lower().replace("annot", "")


@on_both_at_length
def test_what_is_of_a_forgotten_person_is_withheld_and_counted(warehouse: WarehouseSettings) -> None:
    hers = {"id": "t", "customer_id": "ann", "subject": "my zeppelin"}
    her_note = {"id": "n", "ticket_id": "t", "description": "Dear Ann Ymous"}
    first = [
        signed([CUSTOMER], "1", object_type="ticketing_customer"),
        signed([hers], "2"),
        signed([her_note], "3", object_type="ticketing_note"),
        signed([ticket("other", subject="not hers")], "4"),
    ]
    drained(warehouse, *first)
    forget("ann@example.com", settings_with(), warehouse)
    assert ids(warehouse) == {"other"}
    mention = {"id": "m", "ticket_id": "other", "description": "ann@example.com on copy"}
    report = drained(
        warehouse,
        *first,
        signed([{"id": "t-new", "customer_id": "ann"}], "5"),
        signed([{**CUSTOMER, "id": "ann-again"}], "6", object_type="ticketing_customer"),
        signed([hers], "7", event="deleted"),
        signed([mention], "8", object_type="ticketing_note"),
    )
    assert sum(outcome.rows_withheld for outcome in report.outcomes.values()) == 6
    assert (report.buried, waiting(warehouse)) == (0, 0)
    assert ids(warehouse) == {"other"}
    assert deleted_rows(warehouse, "tickets") == {}
    assert ids(warehouse, "customers") == set()
    [kept] = stored_rows(warehouse, "notes").values()
    assert kept["description"] == "(forgotten) on copy"
    told = query(warehouse, "select sum(rows_withheld) as number from raw_unified.sync_runs")
    assert int(told[0]["number"]) == 6


@on_both_at_length
def test_what_was_there_before_anybody_subscribed_is_a_baseline_where_it_was_not_known(
    warehouse: WarehouseSettings,
) -> None:
    drained(warehouse, signed([ticket("known", 1)], "1"))
    drained(
        warehouse,
        signed([ticket("known", 2), ticket("new", 1)], "2", type="INITIAL-PARTIAL"),
        signed([ticket("newer", 1)], "3", type="INITIAL-COMPLETE"),
        signed([ticket("newer", 2)], "4"),
    )
    versions = query(warehouse, "select id, updated_at, is_baseline from raw_unified.ticket_versions order by 1, 2")
    assert [(row["id"], row["updated_at"].minute, row["is_baseline"]) for row in versions] == [
        ("known", 1, False),
        ("known", 2, False),
        ("new", 1, True),
        ("newer", 1, True),
        ("newer", 2, False),
    ]


@on_both
def test_a_drain_has_one_row_a_connection_and_object_however_many_loads_it_takes(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draining, "LETTERS_A_LOAD", 2)
    bodies = [
        *(signed([ticket(f"t{n}"), ticket(f"u{n}")], f"{n}") for n in range(3)),
        signed([ticket("t0")], "end", event="deleted"),
        signed([ticket("t1")], "there", connection_id="c-other"),
        signed([{"id": "n"}, {"no": "id"}], "note", object_type="ticketing_note"),
        signed([ticket("t2", 1)], "last"),
    ]
    assert drained(warehouse, *bodies).delivered == len(bodies)
    assert drained(warehouse, signed([ticket("t2", 2)], "next")).delivered == 1
    runs = query(
        warehouse,
        "select run_id, connection_id, object, command, plan, rows_received, rows_rejected, rows_deleted, is_complete,"
        " integration_type, requests, cursor_after, read_through from raw_unified.sync_runs order by started_at, 2, 3",
    )
    assert [
        (row["connection_id"], row["object"], row["rows_received"], row["rows_rejected"], row["rows_deleted"])
        for row in runs
    ] == [
        ("c-other", "tickets", 1, 0, 0),
        (CONNECTION, "notes", 2, 1, 0),
        (CONNECTION, "tickets", 8, 0, 1),
        (CONNECTION, "tickets", 1, 0, 0),
    ]
    assert len({row["run_id"] for row in runs}) == 2
    assert {(row["command"], row["integration_type"], row["requests"]) for row in runs} == {("drain", "zendesk", 0)}
    assert all(row["cursor_after"] is row["read_through"] is None for row in runs)


@on_both_at_length
def test_what_says_nothing_new_is_not_written_again(warehouse: WarehouseSettings) -> None:
    bodies = [
        signed([ticket("changes", 1), ticket("stays", 1)], "1"),
        signed([ticket("goes", 1)], "2"),
        signed([ticket("goes", 2)], "3", event="deleted"),
    ]
    drained(warehouse, *bodies)
    before = loads_of(warehouse)
    drained(warehouse, *bodies, signed([ticket("changes", 0), ticket("stays", 1)], "old"), at=NOON + timedelta(hours=1))
    assert loads_of(warehouse) == before
    drained(warehouse, signed([ticket("changes", 2), ticket("stays", 1)], "new"), at=NOON + timedelta(hours=2))
    after = loads_of(warehouse)
    assert {id for id in after if after[id] != before[id]} == {"changes"}


def loads_of(warehouse: WarehouseSettings) -> dict[str, str]:
    return {
        row["id"]: row["_dlt_load_id"] for row in query(warehouse, "select id, _dlt_load_id from raw_unified.tickets")
    }


@on_both
def test_a_page_that_was_read_before_word_of_an_end_came_brings_nothing_back_and_a_later_one_does(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    """A list shows what is there when it is asked, so that what it shows after the end has come is there again."""
    world = sandbox.world
    connection_id = world.connections()[0]["id"]
    key = connection_id, world.records(connection_id, "ticket")[0]["id"]
    run_sync()
    end = signed([{"id": key[1]}], "end", connection_id=connection_id, event="deleted")
    drained(warehouse, end, at=world.now.astimezone(UTC) + timedelta(minutes=10))
    assert key in deleted_rows(warehouse, "tickets")
    run_sync(full_refresh=True)
    assert key in deleted_rows(warehouse, "tickets")
    world.advance(timedelta(minutes=30))
    run_sync(full_refresh=True)
    assert key in stored_rows(warehouse, "tickets")


def test_a_sync_loads_what_comes_while_it_runs_between_its_own_loads(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_small_portions(monkeypatch.setattr, 20)

    class Post(Watcher):
        numbers = iter(range(3))
        lock = Lock()  # several readers tell it of a page at once

        def page_read(self, outcome: Outcome) -> None:
            with self.lock:
                if (number := next(self.numbers, None)) is not None:
                    put_into_inbox(warehouse, signed([ticket(f"pushed-{number}")], f"{number}"))

    report = run_sync(watcher=Post())
    assert report.exit_code == 0
    assert (report.drained.delivered, report.drained.error) == (3, None)
    assert waiting(warehouse) == 0
    told = query(
        warehouse,
        "select command, count(distinct _dlt_load_id) as loads from raw_unified.sync_runs group by 1 order by 1",
    )
    assert [row["command"] for row in told] == ["drain", "sync"]
    assert {id for id in ids(warehouse) if id.startswith("pushed")} == {"pushed-0", "pushed-1", "pushed-2"}


def test_a_sync_of_one_connection_reads_that_and_loads_what_waits_of_the_others(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    one, other, *_ = (connection["id"] for connection in sandbox.world.connections())
    put_into_inbox(warehouse, signed([ticket("pushed")], "1", connection_id=other))
    report = run_sync(select=["tickets"], connections=[one])
    assert {outcome.connection_id for outcome in report.outcomes} == {one}
    assert (other, "pushed") in stored_rows(warehouse, "tickets")


def test_a_sync_is_not_at_fault_for_an_inbox_that_cannot_be_read(
    warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    put_into_inbox(warehouse)
    inbox_of(warehouse).write_bytes(b"no database " * 1_000)
    report = run_sync()
    assert report.failed == []
    assert report.exit_code == 3
    assert "Expected the inbox" in str(report.drained.error)
    assert len(ids(warehouse)) == 40


def test_a_sync_buries_what_can_be_stored_nowhere_or_is_of_a_connection_that_is_left_out_and_says_so(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    one, other, *_ = (connection["id"] for connection in sandbox.world.connections())
    unwanted, crm = signed([ticket("x")], "1", connection_id=other), signed([], "2", object_type="crm_deal")
    put_into_inbox(warehouse, unwanted, crm)
    report = run_sync(settings={"connection_ids": [one]}, select=["tickets"])
    assert report.failed == []
    assert (report.drained.buried, report.exit_code) == (2, 3)
    assert [dead_body(warehouse, letter.id) for letter in dead_letters(warehouse)] == [unwanted, crm]
    assert run_sync(settings={"connection_ids": [one]}, select=["tickets"]).exit_code == 0


def test_an_inbox_that_nothing_has_ever_come_into_is_not_made_by_a_sync(
    warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    assert not inbox_of(warehouse).exists()
    assert drain(settings_with(), warehouse) == DrainReport()


def test_a_signal_that_comes_as_a_load_ends_ends_a_follower(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dlt holds signals back while it loads, and forgets them in the end."""
    complete = Load.complete_package

    def complete_and_be_told_to_stop(self: Load, *arguments: Any, **options: Any) -> None:
        complete(self, *arguments, **options)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Load, "complete_package", complete_and_be_told_to_stop)
    looks = iter(range(3))
    follower = Follower(is_over=lambda: next(looks, None) is None)
    put_into_inbox(warehouse, signed([ticket("one")], "1"))
    settings = settings_with(base_url="http://127.0.0.1:9")
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            follow(settings, warehouse, DrainReport(), build_every=None, follower=follower)
    finally:
        signal.signal(signal.SIGTERM, before)
    monkeypatch.undo()
    drained(warehouse)
    assert ids(warehouse) == {"one"}
    assert waiting(warehouse) == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_python_drops_ends_a_follower_all_the_same(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is raised while something is cleared away is told on standard error and goes no further."""
    take_turn = Following._take_turn

    class Passing:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    def take_turn_and_clear_away(self: Following) -> None:
        take_turn(self)
        Passing()

    monkeypatch.setattr(Following, "_take_turn", take_turn_and_clear_away)
    looks = iter(range(3))
    follower = Follower(is_over=lambda: next(looks, None) is None)
    follow(settings_with(), warehouse, DrainReport(), build_every=None, follower=follower)
    assert [*looks] == [1, 2], "it has gone on"
