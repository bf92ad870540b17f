"""Shaping: any JSON becomes a row that loads, nothing of it is lost, and equal content has an equal hash."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.schemas import (
    NOTE_SWEEPS,
    RECORD_TABLES,
    REJECTED_RECORDS,
    SCHEMA_VERSION,
    SYNC_RUNS,
    TICKET_VERSIONS,
    TICKETS,
    TRACKED_FIELDS,
    Kind,
)
from transforms.shaping import (
    Observation,
    connections_table,
    note_sweeps_table,
    rejected_table,
    revived,
    shape,
    sync_runs_table,
    tombstones,
)
from transforms.values import (
    FITS,
    MAX_DEPTH,
    Fit,
    Misfit,
    Unusual,
    as_id,
    cast,
    cast_usual,
    digest,
    microseconds,
    parse_time,
)

SEEN = datetime(2026, 5, 29, 12, tzinfo=UTC)

clean_characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(clean_characters),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(clean_characters, max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
field_names = st.sampled_from([*RECORD_TABLES["categories"].columns, "brand_new", "another"]) | st.text(
    clean_characters, max_size=6
)


def raw(fields: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode("utf-8", "surrogatepass")) for name, value in fields.items()}


def shaped(table: str, *records: dict[str, Any], seen: datetime = SEEN) -> list[dict[str, Any]]:
    observations = [Observation(raw(record), seen, ordinal) for ordinal, record in enumerate(records)]
    rows: list[dict[str, Any]] = shape(table, "c1", observations, observed_via="poll").records.to_pylist()
    return rows


@given(st.dictionaries(field_names, json_values, max_size=8))
def test_any_record_becomes_a_row_of_the_schema_and_keeps_every_value(fields: dict[str, Any]) -> None:
    fields = {**fields, "id": "x"}
    shaped = shape("categories", "c1", [Observation(raw(fields), SEEN)], observed_via="poll")
    table = shaped.records
    assert shaped.repaired == 0
    schema = RECORD_TABLES["categories"]
    assert table.schema.equals(schema.arrow())
    row = table.to_pylist()[0]
    extra = json.loads(row["_extra"] or "{}")
    api_columns = [name for name in schema.columns if not name.startswith("_") and name != "connection_id"]
    for name, value in fields.items():
        if value is None:
            continue
        kept = row[name] if name in api_columns else None
        blank_time = value == "" and name in {"created_at", "updated_at"}
        assert kept is not None or extra.get(name) == value or blank_time, name


def test_columns_hold_the_values_of_the_api() -> None:
    row = shaped(
        "tickets",
        {
            "id": 17,
            "created_at": "2026-05-01T10:00:00+02:00",
            "updated_at": "2026-05-02T10:00:00.250Z",
            "subject": 42,
            "tags": ["b", "a"],
            "raw": {"z": 1, "a": {"deep": [1.5, None]}},
            "sentiment": "angry",
            "due_at": "soon",
        },
    )[0]
    assert row["id"] == "17"
    assert row["subject"] == "42"
    assert row["created_at"] == datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert row["updated_at"] == datetime(2026, 5, 2, 10, 0, 0, 250_000, tzinfo=UTC)
    assert row["tags"] == '["b","a"]'
    assert json.loads(row["raw"]) == {"z": 1, "a": {"deep": [1.5, None]}}
    assert row["due_at"] is None
    assert json.loads(row["_extra"]) == {"due_at": "soon", "sentiment": "angry"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-01T10:00:00Z", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01T10:00:00.123456789Z", datetime(2026, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-05-01T10:00:00-07:00", datetime(2026, 5, 1, 17, tzinfo=UTC)),
        ("2026-05-01 10:00:00", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("20260501", datetime(2026, 5, 1, tzinfo=UTC)),
        ("20260501T100000Z", datetime(2026, 5, 1, 10, tzinfo=UTC)),
        (1_777_629_600, datetime(2026, 5, 1, 10, tzinfo=UTC)),
        (1_777_629_600_250, datetime(2026, 5, 1, 10, 0, 0, 250_000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("", None),
        ("  ", None),
        (None, None),
    ],
)
def test_times_in_every_usual_form_are_read(text: object, expected: datetime | None) -> None:
    assert parse_time(text) == expected


NO_TIMES = [
    "soon",
    "0000-00-00",
    "0000-00-00T00:00:00Z",
    "31/12/2025",
    "1700010112345",
    "1777629600",
    "10000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-05-01\ud800",
    1e300,
    10**4000,
    float("inf"),
    float("nan"),
    True,
    ["2026"],
]


@pytest.mark.parametrize("value", NO_TIMES)
def test_what_is_no_time_is_a_misfit(value: object) -> None:
    with pytest.raises(Misfit):
        parse_time(value)


@given(st.datetimes(timezones=st.just(UTC)))
def test_microseconds_are_exact(moment: datetime) -> None:
    assert pa.array([microseconds(moment)], pa.timestamp("us", tz="UTC"))[0].as_py() == moment


@given(st.dictionaries(st.sampled_from(list(TICKETS.columns)[1:21]), json_values, min_size=2), st.randoms())
def test_the_hash_does_not_depend_on_the_order_of_fields_and_keys(fields: dict[str, Any], chance: Any) -> None:
    fields = {**fields, "id": "x"}
    names = list(fields)
    chance.shuffle(names)
    one, other = shaped("tickets", fields), shaped("tickets", {name: fields[name] for name in names})
    assert one[0]["_row_hash"] == other[0]["_row_hash"]


def test_the_hash_changes_with_every_column_and_with_unknown_fields() -> None:
    base = {"id": "x"}
    hashes = {shaped("tickets", base)[0]["_row_hash"]}
    api_columns = [name for name in TICKETS.columns if not name.startswith("_") and name != "connection_id"]
    for name in [*api_columns, "unheard_of"]:
        value = "2026-05-01T00:00:00Z" if name.endswith("_at") else "changed"
        hashes.add(shaped("tickets", base | {name: value})[0]["_row_hash"])
    assert len(hashes) == len(api_columns) + 2


def test_the_hash_does_not_change_with_when_it_was_seen() -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    assert shaped("tickets", {"id": "x"})[0]["_row_hash"] == shaped("tickets", {"id": "x"}, seen=later)[0]["_row_hash"]


@given(st.lists(st.tuples(st.none() | st.datetimes(timezones=st.just(UTC)), st.integers(0, 5)), min_size=2, max_size=6))
def test_version_keys_sort_by_updated_at_then_by_order_of_sight(states: list[tuple[datetime | None, int]]) -> None:
    records = [{"id": "x", "updated_at": moment.isoformat() if moment else None} for moment, _ in states]
    rows = shaped("tickets", *records)
    oldest = datetime.min.replace(tzinfo=UTC)
    by_key = sorted(rows, key=lambda row: row["_version_key"])
    by_time = sorted(rows, key=lambda row: row["updated_at"] or oldest)
    assert [row["updated_at"] for row in by_key] == [row["updated_at"] for row in by_time]


KEPT = {
    "id": "t1",
    "created_at": "2026-05-01T10:00:00.250Z",
    "updated_at": "2026-05-02T10:00:00+02:00",
    "subject": 'Brake "squeals" 😀',
    "status": "ACTIVE",
    "customer_id": "c1",
    "tags": ["b", "a"],
    "raw": {"status": "open", "z": {"b": 1.5, "a": [None, True, 2**70]}, "html": "<p>é</p>\n"},
}
ODD = {
    "id": 17,
    "updated_at": "soon",
    "due_at": 1_777_629_600_250,
    "subject": "a\0b",
    "brand_new": {"z": 1, "a": "\ud800"},
    "is_active": " Yes ",
}


@pytest.mark.parametrize(
    ("table", "record", "row_hash", "state_hash"),
    [
        ("tickets", {"id": "x"}, "c4ac8b1ed380bef2e8f1145882583382", "031752c8db2e4f7ad666394745c00a2c"),
        ("tickets", KEPT, "ccf964844c1821427dc30809b01217d9", "b13aee2eb2cfb8d2a3868bd4faa63a7c"),
        ("tickets", ODD, "6a3f39f17f4f6e8d4c9ca9f8b846bf19", "280b485a504ca543d66e12e440a338ad"),
        ("notes", KEPT, "55d9327ede521198f94aefc9c9351840", None),
        ("customers", KEPT, "d7a4062f079db3c673364ee6f62fd685", None),
        ("categories", ODD, "9a8e0be398505db020d722fdaf29e87f", None),
    ],
)
def test_hashes_are_those_that_warehouses_hold(
    table: str, record: dict[str, Any], row_hash: str, state_hash: str | None
) -> None:
    result = shape(table, "c1", [Observation(raw(record), SEEN, 7)], observed_via="poll")
    assert result.records.column("_row_hash").to_pylist() == [row_hash]
    if result.versions is not None:
        assert result.versions.column("state_hash").to_pylist() == [state_hash]


def test_version_keys_json_and_other_hashes_are_those_that_warehouses_hold() -> None:
    [row] = shape("tickets", "c1", [Observation(raw(KEPT), SEEN, 7)], observed_via="poll").records.to_pylist()
    assert row["_version_key"] == "00101777708800000000/00101780056000000000/000000000007"
    assert row["raw"] == '{"html":"<p>é</p>\\n","status":"open","z":{"a":[null,true,1180591620717411303424],"b":1.5}}'
    [odd] = shaped("categories", ODD)
    assert odd["_version_key"] == "/00101780056000000000/000000000000"
    assert odd["_extra"] == ('{"brand_new":{"a":"�","z":1},"due_at":1777629600250,"subject":"a␀b","updated_at":"soon"}')
    [gone] = tombstones("tickets", [row], deleted_at=SEEN, reason="absent", observed_via="poll").to_pylist()
    assert gone["_row_hash"] == "5a67097c4a2bfbe8118982b5a4f9d849"
    connection = raw({"id": "c1", "integration_type": "zendesk", "support": {"b": 1, "a": 2}})
    [stored] = connections_table([connection], SEEN).to_pylist()
    assert stored["_row_hash"] == "4f8311052c12eca6f5de6434ba19bcab"
    [rejected] = rejected_table("c1", "notes", [("{}", "no id", SEEN)], observed_via="poll").to_pylist()
    assert rejected["record_hash"] == "2afb9b83f9314e5d029766197f539792"


def test_a_connection_is_stored_without_anything_that_authorises() -> None:
    secrets = {"auth": {"access_token": "s3cret"}, "auth_aws_arn": "s3cret", "new": "s3cret"}
    connection = raw({"id": "c1", "integration_type": "zendesk", **secrets})
    table = connections_table([connection], SEEN)
    assert "s3cret" not in str(table.to_pylist())
    assert table.to_pylist()[0]["integration_type"] == "zendesk"


@given(st.dictionaries(field_names | st.sampled_from([*RECORD_TABLES["employees"].columns]), json_values))
def test_of_an_employee_nothing_is_stored_but_the_columns(fields: dict[str, Any]) -> None:
    allowed = RECORD_TABLES["employees"].fields
    known = {name: value for name, value in fields.items() if name in allowed}
    [row], [narrowed] = shaped("employees", {**fields, "id": "1"}), shaped("employees", {**known, "id": "1"})
    assert row == narrowed
    assert json.loads(row["_extra"] or "{}").keys() <= allowed.keys()


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        ({"name": "Jo", "date_of_birth": "1960", "raw": {"a": 1}, "_extra": {"a": 1}}, '{"name":"Jo"}'),
        ([{"date_of_birth": "1960"}], None),
        ("born 1960", None),
    ],
)
def test_an_employee_that_no_table_can_hold_is_set_aside_without_what_may_not_be_stored(
    record: object, kept: str | None
) -> None:
    [row] = rejected_table("c1", "employees", [(json.dumps(record), "no id", SEEN)], observed_via="poll").to_pylist()
    assert row["record"] == kept
    assert row["record_hash"] == digest((kept or "").encode())


def nested(levels: int) -> bytes:
    return b"[" * levels + b"1" + b"]" * levels


def one(table: str, **fields: bytes) -> tuple[dict[str, Any], int]:
    """The row of a record whose fields are given as JSON text, and how many records had to be repaired."""
    sent = {"id": b'"x"', **fields}
    observation = Observation({name: msgspec.Raw(text) for name, text in sent.items()}, SEEN)
    shaped = shape(table, "c1", [observation], observed_via="poll")
    return shaped.records.to_pylist()[0], shaped.repaired


def test_nul_becomes_its_symbol_in_texts_and_in_json_and_in_names() -> None:
    row, repaired = one("tickets", id=b'"a\\u0000b"', subject=b'"\\u0000"', raw=b'{"k\\u0000":["v\\u0000"]}')
    assert (row["id"], row["subject"], row["raw"], repaired) == ("a␀b", "␀", '{"k␀":["v␀"]}', 1)


def test_a_backslash_before_u0000_is_no_nul() -> None:
    row, repaired = one("tickets", raw=rb'{"path":"C:\\u0000"}')
    assert json.loads(row["raw"]) == {"path": r"C:\u0000"}
    assert repaired == 0


@pytest.mark.parametrize(
    "text", [b'"half \\ud83d"', b'"half \xed\xa0\xbd"', b'"half \xf0\x9f"', b'"half \\udc00\\ud800"']
)
def test_what_is_no_unicode_becomes_the_replacement_character(text: bytes) -> None:
    row, repaired = one("tickets", subject=text, raw=b"[%b]" % text)
    assert row["subject"].rstrip("\N{REPLACEMENT CHARACTER}") == "half "
    assert json.loads(row["raw"]) == [row["subject"]]
    assert repaired == 1


def test_surrogates_in_pairs_are_characters() -> None:
    row, repaired = one("tickets", subject=b'"\\ud83d\\ude00"', raw=b'["\\ud83d\\ude00"]')
    assert (row["subject"], row["raw"], repaired) == ("😀", '["😀"]', 0)


def test_names_that_are_mended_alike_are_both_kept() -> None:
    names = b'{"a\\u0000":1,"a\\u2400":2,"\\ud800":3,"\\ud801":4}'
    row, _ = one("tickets", raw=names, metadata=names[:-1] + b',"z":5}')
    assert sorted(json.loads(row["raw"]).values()) == [1, 2, 3, 4]
    assert json.loads(row["raw"])["a␀"] == 2
    observation = Observation({"id": msgspec.Raw(b'"x"'), "a\0": msgspec.Raw(b"1"), "a␀": msgspec.Raw(b"2")}, SEEN)
    shaped = shape("notes", "c1", [observation], observed_via="poll")
    assert sorted(json.loads(shaped.records.to_pylist()[0]["_extra"]).values()) == [1, 2]
    assert shaped.repaired == 1


@pytest.mark.parametrize("number", [str(2**63), str(-(2**64)), "1" * 300])
def test_integers_beyond_64_bits_stay_numbers(number: str) -> None:
    row, repaired = one("tickets", raw=b'{"n":%b}' % number.encode(), subject=number.encode())
    assert row["raw"] == f'{{"n":{number}}}'
    assert row["subject"] == number
    assert repaired == 0


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" * 5000])
def test_numbers_that_no_machine_holds_are_kept_as_text(number: str) -> None:
    row, repaired = one("tickets", raw=b"[%b]" % number.encode(), due_at=number.encode())
    assert json.loads(row["raw"]) == [number]
    assert row["due_at"] is None
    assert json.loads(row["_extra"]) == {"due_at": number}
    assert repaired == 1


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_are_none_become_null(constant: bytes) -> None:
    row, repaired = one("categories", is_active=constant, name=constant, raw=b"[%b]" % constant)
    assert (row["is_active"], row["name"], row["raw"], row["_extra"], repaired) == (None, None, "[null]", None, 1)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 900, 2000, 100_000])
@pytest.mark.parametrize("name", ["raw", "subject", "due_at", "unheard_of"])
def test_what_is_nested_too_deep_is_kept_as_its_text(levels: int, name: str) -> None:
    row, repaired = one("tickets", **{name: nested(levels)})
    assert row.get(name) is None
    assert json.loads(row["_extra"]) == {name: nested(levels).decode()}
    assert repaired == 1


def test_what_is_not_nested_too_deep_stays_where_it_belongs() -> None:
    row, repaired = one("tickets", raw=nested(MAX_DEPTH), unheard_of=nested(MAX_DEPTH))
    assert row["raw"] == nested(MAX_DEPTH).decode()
    assert json.loads(row["_extra"])["unheard_of"] == json.loads(nested(MAX_DEPTH))
    assert repaired == 0


def test_many_brackets_are_not_depth() -> None:
    wide = b"[" + b",".join([b"[]"] * 1000) + b"]"
    row, repaired = one("tickets", raw=wide)
    assert (row["raw"], repaired) == (wide.decode(), 0)


def test_an_id_that_is_too_long_to_be_looked_up_is_kept_beside() -> None:
    ids = ("customer_id", "user_id", "category_id")
    longest, longer = "ż" * 500, "ż" * 501
    assert shaped("tickets", {"id": "a", **dict.fromkeys(ids, longest)})[0]["_extra"] is None
    [row] = shaped("tickets", {"id": "a", **dict.fromkeys(ids, longer), "subject": longer})
    assert [row[name] for name in ids] == [None] * 3
    assert row["subject"] == longer
    assert json.loads(row["_extra"]) == dict.fromkeys(ids, longer)
    [note] = shaped("notes", {"id": "a", "ticket_id": longer})
    assert (note["ticket_id"], json.loads(note["_extra"])) == (None, {"ticket_id": longer})


def test_a_plain_misfit_is_no_repair() -> None:
    row, repaired = one("categories", updated_at=b'"31/12/2025"', is_active=b'"maybe"', unheard_of=b"1")
    assert json.loads(row["_extra"]) == {"updated_at": "31/12/2025", "is_active": "maybe", "unheard_of": 1}
    assert repaired == 0


@pytest.mark.parametrize(("sent", "kept"), [(b"1", True), (b'" No "', False), (b"false", False), (b"null", None)])
def test_truths_in_every_usual_form_are_read(sent: bytes, kept: bool | None) -> None:
    row, _ = one("categories", is_active=sent)
    assert row["is_active"] is kept
    assert row["_extra"] is None


@pytest.mark.parametrize("sent", [b"2", b"1.5", b"[]", b"1e999", b"1" * 4300, nested(900)])
def test_what_is_no_truth_is_kept_beside(sent: bytes) -> None:
    row, _ = one("categories", is_active=sent)
    assert row["is_active"] is None
    assert "is_active" in json.loads(row["_extra"])


times = (
    st.datetimes().map(datetime.isoformat)
    | st.datetimes().map(lambda moment: f"{moment.isoformat(timespec='milliseconds')}Z")
    | st.from_regex(r"\A[012]\d{3}-[01]\d-[0-3]\d[T ]\d\d:\d\d:\d\d(\.\d{3,9})?(Z|\+0\d:?00)?\n?\Z")
    | st.sampled_from(["0000-01-01T00:00:00Z", "2026-02-29T00:00:00Z", "2016-12-31T23:59:60Z"])
)
long_ids = st.builds(str.__mul__, st.sampled_from("xż😀"), st.sampled_from([249, 250, 251, 333, 334, 500, 501, 1000]))
usual_values: dict[Fit, st.SearchStrategy[Any]] = {
    FITS[Kind.TEXT]: st.text(),
    as_id: st.text() | long_ids,
    FITS[Kind.TIMESTAMP]: times,
    FITS[Kind.JSON]: json_values | st.dictionaries(st.text(), st.text()),
    FITS[Kind.BOOLEAN]: st.booleans(),
}


def sent(value: Any) -> bytes:
    return json.dumps(value).encode()


unusual = json_values.map(sent) | st.sampled_from(
    [b'"\xff"', b"NaN", b"1e999", b'"\\u0000"', b'"\\\\u0000"', nested(MAX_DEPTH), nested(MAX_DEPTH + 1), nested(2000)]
)


@given(st.data(), st.sampled_from(list(usual_values)))
def test_a_column_that_is_cast_at_once_holds_what_each_value_is_cast_to(data: st.DataObject, fit: Fit) -> None:
    usual = (st.none() | usual_values[fit]).map(sent)
    column = data.draw(st.lists(usual, max_size=4)) + data.draw(st.lists(usual | unusual, max_size=1))
    with suppress(Unusual):
        assert cast_usual(column, fit) == [cast(json, fit) for json in column]


@pytest.mark.parametrize(
    "time", ["0000-01-01T00:00:00Z", "2026-05-01T10:00:00", "2026-05-01T10:00Z\n", "1700010112345Z"]
)
def test_times_in_other_forms_are_looked_at_one_by_one(time: str) -> None:
    with pytest.raises(Unusual):
        cast_usual([sent(time)], FITS[Kind.TIMESTAMP])


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Kind.TEXT, "Guten Tag"), (Kind.TIMESTAMP, "2026-05-01T10:00:00.250Z"), (Kind.JSON, {"b": [1, "😀"], "a": {}})],
)
def test_what_the_api_usually_sends_is_cast_at_once(kind: Kind, value: object) -> None:
    column = [sent(value), b"null"]
    assert cast_usual(column, FITS[kind]) == [cast(sent(value), FITS[kind]), None]


def versions(*tickets: dict[str, Any]) -> list[dict[str, Any]]:
    """The versions of tickets that were seen a minute apart, in this order."""
    observations = [
        Observation(raw({"id": "x", **ticket}), SEEN + timedelta(minutes=ordinal), ordinal, is_baseline=ordinal == 0)
        for ordinal, ticket in enumerate(tickets)
    ]
    table = shape("tickets", "c1", observations, observed_via="poll").versions
    assert table is not None
    assert table.schema.equals(TICKET_VERSIONS.arrow())
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def test_a_state_that_comes_back_later_is_a_version_of_its_own() -> None:
    states = [("NEW", "2026-05-01"), ("SOLVED", "2026-05-02"), ("NEW", "2026-05-03")]
    rows = versions(*({"status": status, "updated_at": updated} for status, updated in states))
    assert [row["status"] for row in rows] == ["NEW", "SOLVED", "NEW"]
    assert len({row["state_hash"] for row in rows}) == 3


def test_the_same_state_seen_twice_is_one_version_as_it_was_first_seen() -> None:
    rows = versions({"status": "NEW", "subject": "one"}, {"status": "NEW", "subject": "another"})
    assert [(row["observed_at"], row["is_baseline"]) for row in rows] == [(SEEN, True)]


def test_of_the_same_state_the_earlier_sight_counts_in_whatever_order_they_come() -> None:
    later, earlier = (Observation(raw({"id": "x"}), SEEN + timedelta(hours=hours)) for hours in (1, 0))
    table = shape("tickets", "c1", [later, earlier], observed_via="poll").versions
    assert table is not None
    assert table.column("observed_at").to_pylist() == [SEEN]


def test_two_tickets_in_the_same_state_are_two_versions() -> None:
    assert len({(row["id"], row["state_hash"]) for row in versions({"id": "a"}, {"id": "b"})}) == 2


def test_a_ticket_of_which_nothing_is_known_has_a_version() -> None:
    [row] = versions({})
    assert row["id"] == "x"
    assert {row[name] for name in TRACKED_FIELDS} == {None}


@pytest.mark.parametrize("name", TRACKED_FIELDS)
def test_every_tracked_field_makes_another_version(name: str) -> None:
    value = "2026-05-02" if name.endswith("_at") else "changed"
    own: dict[str, Any] = {"raw": {name.removeprefix("raw_"): value}}
    first, second = versions({}, own if name.startswith("raw_") else {name: value})
    assert first["state_hash"] != second["state_hash"]
    assert second[name] is not None


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("on-hold", "on-hold"),
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        ("a\0", "a␀"),
        (None, None),
        ({}, None),
        ([1], None),
    ],
)
def test_a_helpdesks_own_status_and_state_are_kept_where_they_are_scalars(own: object, expected: str | None) -> None:
    [row] = versions({"raw": {"status": own, "state": own, "inner": {"status": "never"}}})
    assert (row["raw_status"], row["raw_state"]) == (expected, expected)


@pytest.mark.parametrize("not_an_object", [None, [], [{"status": "x"}], "status", 1])
def test_raw_that_is_no_object_has_no_state(not_an_object: object) -> None:
    [row] = versions({"raw": not_an_object})
    assert (row["raw_status"], row["raw_state"]) == (None, None)


@pytest.mark.parametrize("table", ["customers", "notes", "categories"])
def test_only_tickets_have_versions(table: str) -> None:
    assert shape(table, "c1", [Observation(raw({"id": "x"}), SEEN)], observed_via="poll").versions is None


def test_no_tickets_have_no_versions() -> None:
    shaped = shape("tickets", "c1", [], observed_via="poll")
    assert shaped.records.num_rows == 0
    assert shaped.versions is not None
    assert shaped.versions.num_rows == 0


def test_what_was_rejected_is_kept_once() -> None:
    later = SEEN + timedelta(days=1)
    table = rejected_table(
        "c1", "notes", [("{}", "no id", SEEN), ("[\0]", "no object", SEEN), ("{}", "no id", later)], observed_via="poll"
    )
    assert table.schema.equals(REJECTED_RECORDS.arrow())
    first, second = table.to_pylist()
    assert (first["record"], first["reason"], first["observed_at"]) == ("{}", "no id", SEEN)
    assert (first["connection_id"], first["object"], first["observed_via"]) == ("c1", "notes", "poll")
    assert second["record"] == "[␀]"
    assert first["record_hash"] != second["record_hash"]


STORED = {
    "id": "x",
    "created_at": "2026-05-01T10:00:00.123456Z",
    "updated_at": "0001-01-01T00:00:00Z",
    "subject": "  ␀ 😀",
    "tags": ["b", 1.5, 2**80, None],
    "raw": {"z": [], "a": {"k": "v"}},
    "unheard_of": {"deep": [True]},
}


def stored_row(table: str = "tickets") -> dict[str, Any]:
    """A row as a warehouse that spaces its JSON gives it back, in another zone and with a column of its own."""
    row = shaped(table, STORED)[0]
    elsewhere = timezone(timedelta(hours=5))
    spaced = {
        name: json.dumps(json.loads(row[name]), indent=1)
        for name in RECORD_TABLES[table].json_columns()
        if row[name] is not None
    }
    return row | spaced | {"_dlt_id": "d1", "created_at": row["created_at"].astimezone(elsewhere)}


def deleted(stored: dict[str, Any], at: datetime = SEEN + timedelta(days=1)) -> dict[str, Any]:
    table = tombstones("tickets", [stored], deleted_at=at, reason="not_found", observed_via="reconcile")
    assert table.schema.equals(TICKETS.arrow())
    [row] = table.to_pylist()
    return dict(row)


def returned(stored: dict[str, Any], at: datetime) -> dict[str, Any]:
    table = revived("tickets", [stored], observed_at=at, observed_via="reconcile")
    assert table.schema.equals(TICKETS.arrow())
    [row] = table.to_pylist()
    return dict(row)


RESTATED = {
    "_row_hash",
    "_version_key",
    "_observed_at",
    "_observed_via",
    "_deleted_at",
    "_deletion_reason",
    "_schema_version",
}


def test_a_tombstone_keeps_every_value_and_says_when_and_why() -> None:
    stored, at = stored_row(), SEEN + timedelta(days=1)
    row = deleted(stored, at)
    assert {name: row[name] for name in TICKETS.columns if name not in RESTATED} == {
        name: stored[name] for name in TICKETS.columns if name not in RESTATED
    }
    assert (row["_deleted_at"], row["_deletion_reason"]) == (at, "not_found")
    assert (row["_observed_at"], row["_observed_via"], row["_schema_version"]) == (at, "reconcile", SCHEMA_VERSION)
    assert row["_row_hash"] != stored["_row_hash"]


def test_a_tombstone_gives_way_to_what_was_seen_in_the_same_second() -> None:
    """Times of the server are whole seconds: a note that moved to another ticket is seen in that of its absence."""
    stored = stored_row()
    seen_elsewhere = shape("tickets", "c1", [Observation(raw(STORED), SEEN, 1)], observed_via="poll").records
    assert stored["_version_key"] < seen_elsewhere.to_pylist()[0]["_version_key"]
    assert deleted(stored, SEEN)["_version_key"] < seen_elsewhere.to_pylist()[0]["_version_key"]
    assert stored["_version_key"] < deleted(stored, SEEN + timedelta(seconds=1))["_version_key"]


def test_the_same_deletion_has_the_same_hash_and_a_later_one_another() -> None:
    stored = stored_row()
    assert deleted(stored) == deleted(stored)
    assert deleted(stored)["_row_hash"] != deleted(stored, SEEN)["_row_hash"]


def test_a_revived_record_is_there_again_with_every_value() -> None:
    at = SEEN + timedelta(days=1)
    tombstone = deleted(stored_row(), at)
    row = returned(tombstone, at)
    assert {name: row[name] for name in TICKETS.columns if name not in RESTATED} == {
        name: tombstone[name] for name in TICKETS.columns if name not in RESTATED
    }
    assert (row["_deleted_at"], row["_deletion_reason"]) == (None, None)
    assert row["_row_hash"] != tombstone["_row_hash"]
    assert row["_version_key"] > tombstone["_version_key"]


def test_a_revived_record_can_be_deleted_again() -> None:
    tombstone = deleted(stored_row())
    revival = returned(tombstone, SEEN + timedelta(days=2))
    again = deleted(revival, SEEN + timedelta(days=3))
    assert len({row["_row_hash"] for row in (tombstone, revival, again)}) == 3
    assert tombstone["_version_key"] < revival["_version_key"] < again["_version_key"]


def test_nothing_stored_leaves_no_tombstone() -> None:
    assert tombstones("notes", [], deleted_at=SEEN, reason="absent", observed_via="reconcile").num_rows == 0


def test_what_a_run_quotes_can_be_stored() -> None:
    run = dict.fromkeys(SYNC_RUNS.columns) | {"error": "answered \0\ud800", "started_at": SEEN, "requests": 3}
    table = sync_runs_table([run])
    assert table.schema.equals(SYNC_RUNS.arrow())
    [row] = table.to_pylist()
    assert (row["error"], row["started_at"], row["requests"]) == ("answered ␀\N{REPLACEMENT CHARACTER}", SEEN, 3)
    assert row["_schema_version"] == SCHEMA_VERSION


def test_a_sweep_of_notes_is_a_row() -> None:
    sweep = {"connection_id": "c1", "ticket_id": "t1", "ticket_row_hash": "h", "notes_found": 0}
    sweep |= {"with_raw": True, "swept_at": SEEN}
    table = note_sweeps_table([sweep])
    assert table.schema.equals(NOTE_SWEEPS.arrow())
    assert table.to_pylist() == [sweep | {"_schema_version": SCHEMA_VERSION}]
