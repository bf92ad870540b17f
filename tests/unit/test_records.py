"""Reading answers: every record of a page is read or rejected by name, whatever stands in the others."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NoReturn

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.unified_api import records
from pipelines.unified_api.records import Listed, NotAPage, Record, Rejected, parse_record, parse_records
from transforms import shaping
from transforms.schemas import RECORD_TABLES, Kind
from transforms.shaping import Observation, Shaped, shape
from transforms.values import Unusual

SEEN = datetime(2026, 5, 29, 12, tzinfo=UTC)
DEEP = b"[" * 2000 + b"]" * 2000
DEEPER = b'{"a":[' * 50_000 + b'"\\u0000"' + b"]}" * 50_000

POISON = [
    b'"\\u0000"',
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"cut \xf0\x9f\x98"',
    b'"raw \t \n \x01 \x00"',
    b'"say \\"[{,:}]\\" \\\\"',
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 40,
    b"9" * 5000,
    b'"0000-00-00"',
    b'"0001-01-01T00:00:00+14:00"',
    b"[" * 199 + b"]" * 199,
    b"[" * 950 + b"]" * 950,
    DEEP,
    DEEPER,
    b'{"\\ud800":1,"\\ud801":2,"\\u0000":3,"\xff":4}',
]
texts = st.text(st.characters(exclude_categories=[]), max_size=8).map(json.dumps)
scalars = st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.floats()
leaves = (scalars.map(json.dumps) | texts).map(str.encode) | st.sampled_from(POISON)
json_texts = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: b"[" + b" ,".join(items) + b"]")
        | st.lists(st.tuples(texts.map(str.encode), inner), max_size=3).map(lambda items: as_object(items))
    ),
    max_leaves=8,
)


def as_object(items: list[tuple[bytes, bytes]]) -> bytes:
    return b"{" + b",".join(b"%b : %b" % item for item in items) + b"}"


def record_bodies(table: str) -> st.SearchStrategy[bytes]:
    known = st.sampled_from(list(RECORD_TABLES[table].columns)).map(lambda name: json.dumps(name).encode())
    return st.lists(st.tuples(known | texts.map(str.encode), json_texts), max_size=5).map(as_object)


def usual_bodies(table: str) -> st.SearchStrategy[bytes]:
    """Records as the API sends them, but perhaps for one field."""
    times = st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='milliseconds')}Z")
    values = {
        Kind.TEXT: st.text(st.characters(exclude_categories=["Cs"])),
        Kind.TIMESTAMP: times,
        Kind.JSON: st.dictionaries(st.text(st.characters(codec="ascii")), st.integers() | st.none()),
        Kind.BOOLEAN: st.booleans(),
    }
    columns = [(name, kind) for name, kind in RECORD_TABLES[table].columns.items() if kind in values]
    usual = st.fixed_dictionaries(
        {"id": values[Kind.TEXT]}, optional={name: values[kind] for name, kind in columns if name != "id"}
    )
    fields = usual.map(
        lambda record: [(json.dumps(name).encode(), json.dumps(record[name]).encode()) for name in record]
    )
    known = st.sampled_from([name for name, _ in columns]).map(lambda name: json.dumps(name).encode())
    odd = st.lists(st.tuples(known | texts.map(str.encode), json_texts), max_size=1)
    return st.builds(lambda usual, odd: as_object([*usual, *odd]), fields, odd)


def read(*records: bytes) -> list[Listed]:
    return parse_records(b" [" + b"\n,".join(records) + b"] ")


def only_records(listed: list[Listed]) -> list[Record]:
    return [record for record in listed if isinstance(record, Record)]


def shaped(table: str, records: list[Record]) -> Shaped:
    observations = [Observation(record.fields, SEEN, ordinal) for ordinal, record in enumerate(records)]
    return shape(table, "c1", observations, observed_via="poll")


def assert_every_warehouse_holds(text: str) -> None:
    assert "\0" not in text
    text.encode()


def texts_within(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case list():
            return [text for item in value for text in texts_within(item)]
        case dict():
            return [*value, *texts_within(list(value.values()))]
    return []


@given(st.data(), st.sampled_from(list(RECORD_TABLES)))
def test_any_json_in_any_field_of_any_table_becomes_a_row_that_loads(data: st.DataObject, table: str) -> None:
    bodies = data.draw(st.lists(record_bodies(table), max_size=4))
    listed = read(*bodies)
    assert len(listed) == len(bodies)
    records = only_records(listed)
    rows = shaped(table, records).records
    assert rows.column("id").to_pylist() == [record.id for record in records]
    assert rows.column("updated_at").to_pylist() == [record.updated_at for record in records]
    json_columns = RECORD_TABLES[table].json_columns()
    for row in rows.to_pylist():
        for name, value in row.items():
            if isinstance(value, str):
                assert_every_warehouse_holds(value)
            if name in json_columns and value is not None:
                for text in texts_within(json.loads(value)):
                    assert_every_warehouse_holds(text)
    casts = ", ".join(f"cast({name} as json) as {name}" for name in json_columns)
    with duckdb.connect() as connection:
        connection.register("shaped", rows)
        assert len(connection.execute(f"select * replace ({casts}) from shaped").fetchall()) == len(records)


@given(st.data(), st.sampled_from(list(RECORD_TABLES)))
def test_many_records_are_read_and_shaped_as_each_would_be_alone(data: st.DataObject, table: str) -> None:
    bodies = data.draw(st.lists(usual_bodies(table) | record_bodies(table), max_size=4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "cast_usual", each_is_unusual)
        patch.setattr(shaping, "cast_usual", each_is_unusual)
        one_by_one = read(*bodies)
        expected = shaped(table, only_records(one_by_one))
    assert read(*bodies) == one_by_one
    result = shaped(table, only_records(one_by_one))
    assert result.records.equals(expected.records)
    assert (result.versions, result.repaired) == (expected.versions, expected.repaired)


def each_is_unusual(*column: object) -> NoReturn:
    raise Unusual


@given(st.lists(json_texts, max_size=4))
def test_whatever_is_listed_is_read_or_rejected(elements: list[bytes]) -> None:
    listed = read(*elements)
    assert len(listed) == len(elements)
    for record in listed:
        if isinstance(record, Rejected):
            assert_every_warehouse_holds(record.json)
            for text in texts_within(json.loads(record.json)):
                assert_every_warehouse_holds(text)


@given(st.binary(max_size=30) | st.text(st.sampled_from('[]{},:"\\1ae '), max_size=30).map(str.encode))
def test_whatever_is_answered_is_a_page_or_none(body: bytes) -> None:
    for parse in (parse_records, parse_record):
        with suppress(NotAPage):
            parse(body)


@pytest.mark.parametrize("poison", POISON)
def test_poison_in_one_record_leaves_all_records_readable(poison: bytes) -> None:
    first, second, third = read(b'{"id":"a"}', b'{"id":"b","raw":%b,"subject":"kept"}' % poison, b'{"id":"c"}')
    assert [first.id, second.id, third.id] == ["a", "b", "c"]
    rows = shaped("tickets", only_records([first, second, third]))
    assert rows.records.column("subject").to_pylist() == [None, "kept", None]


@pytest.mark.parametrize("deep", [DEEP, DEEPER])
def test_a_field_nested_too_deep_is_kept_as_text(deep: bytes) -> None:
    records = only_records(read(b'{"id":"a","raw":%b}' % deep))
    result = shaped("tickets", records)
    [extra] = result.records.column("_extra").to_pylist()
    assert json.loads(extra) == {"raw": deep.decode()}
    assert result.repaired == 1


def test_a_page_counts_only_the_records_that_were_repaired() -> None:
    records = only_records(read(b'{"id":"a"}', b'{"id":"b","subject":"\\ud800"}', b'{"id":"c","due_at":"soon"}'))
    assert shaped("tickets", records).repaired == 1


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"5", "5"),
        (b"5.0", "5.0"),
        (b"1e22", "1e22"),
        (b"1e999", "1e999"),
        (b"9" * 40, "9" * 40),
        (b'" x "', " x "),
        (b'"a\\u0000b"', "a␀b"),
        (b'"\\ud800"', "\N{REPLACEMENT CHARACTER}"),
        (b'"\xff"', "\N{REPLACEMENT CHARACTER}"),
        (b'"%b"' % (b"x" * 1000), "x" * 1000),
    ],
)
def test_the_id_of_a_record_is_that_of_its_row(sent: bytes, expected: str) -> None:
    records = only_records(read(b'{"id":%b}' % sent))
    assert [record.id for record in records] == [expected]
    assert shaped("notes", records).records.column("id").to_pylist() == [expected]


@pytest.mark.parametrize(
    ("element", "reason"),
    [
        (b"{}", "no id"),
        (b'{"id":null}', "no id"),
        (b'{"id":NaN}', "no id"),
        (b'{"id":""}', "blank"),
        (b'{"id":" \\t"}', "blank"),
        (b'{"id":true}', "neither text nor a number"),
        (b'{"id":["a"]}', "neither text nor a number"),
        (b'{"id":{}}', "neither text nor a number"),
        (b'{"id":%b}' % DEEP, "neither text nor a number"),
        (b'{"id":"%b"}' % (b"x" * 1001), "longer than 1,000 bytes"),
        (b'{"id":"%b"}' % ("ż" * 501).encode(), "longer than 1,000 bytes"),
        (b'{"id":%b}' % (b"9" * 5000), "longer than 1,000 bytes"),
        (b"null", "not a JSON object"),
        (b'"oops"', "not a JSON object"),
        (b"[]", "not a JSON object"),
        (DEEP, "not a JSON object"),
    ],
)
def test_what_no_table_can_hold_is_rejected_and_says_why(element: bytes, reason: str) -> None:
    rejected, record = read(element, b'{"id":"a"}')
    assert isinstance(rejected, Rejected)
    assert reason in rejected.reason
    assert record.id == "a"
    assert parse_record(element) == rejected


def test_a_rejected_record_is_told_from_others_and_from_every_record() -> None:
    one, same, other = read(b'{"name":"x","size":1}', b'{"size":1, "name":"x"}', b'{"name":"y"}')
    assert one == same
    assert one.id != other.id
    assert one.id.startswith("\0")


def test_a_rejected_record_keeps_its_time_and_its_json() -> None:
    [rejected] = read(b'{"updated_at":"2026-05-01","name":"a\\u0000","a\\ud800":NaN}')
    assert isinstance(rejected, Rejected)
    assert rejected.updated_at == datetime(2026, 5, 1, tzinfo=UTC)
    assert rejected.state == (rejected.id, rejected.updated_at)
    assert json.loads(rejected.json) == {
        "updated_at": "2026-05-01",
        "name": "a␀",
        "a\N{REPLACEMENT CHARACTER}": None,
    }


@pytest.mark.parametrize("time", [b'"soon"', b"null", b"[]", b"1e999", DEEP])
def test_a_record_without_a_time_is_still_a_record(time: bytes) -> None:
    [record] = read(b'{"id":"a","updated_at":%b}' % time)
    assert record.state == ("a", None)


NO_JSON = [
    b"",
    b" ",
    b"<html>",
    b"[",
    b'[{"id":1},{"id":2',
    b'[{"id":"1}]',
    b'[{"id":"1"}',
    b'[{"id":1}]]',
    b"[1}",
    b'[{"id":1},]',
    b'[{"id":1},oops]',
    b'[{"id":1,"a":tru}]',
    b'[{"id":1 "a":2}]',
    b'[{"id"}]',
    b'[{"id\\q":1}]',
    b"[" * 200_000,
    b'[{"raw":' + b"[" * 200_000,
]


@pytest.mark.parametrize("body", [*NO_JSON, b"{}", b'{"id":1}', b"null", b'"text"'])
def test_what_is_no_array_is_no_page(body: bytes) -> None:
    with pytest.raises(NotAPage, match="expected a JSON array"):
        parse_records(body)


@pytest.mark.parametrize("body", [*NO_JSON, b'{"id":1', b'{"id":1}}', b'{"id":1} more', b'{"id":1,}', b"oops"])
def test_what_is_no_json_is_no_record(body: bytes) -> None:
    with pytest.raises(NotAPage, match="expected a JSON object"):
        parse_record(body)


@pytest.mark.parametrize("poison", POISON)
def test_one_record_is_read_like_one_of_a_page(poison: bytes) -> None:
    record = b'{"id":"a","updated_at":"2026-05-01","raw":%b}' % poison
    [listed] = read(record)
    single = parse_record(b" %b\n" % record)
    assert single.state == listed.state
    assert isinstance(single, Record)


def test_of_a_name_sent_twice_the_last_counts_in_clean_and_in_broken_records() -> None:
    clean, broken = read(b'{"id":"a","id":"b"}', b'{"id":"a","id":"b","name":"\\ud800"}')
    assert [clean.id, broken.id] == ["b", "b"]
