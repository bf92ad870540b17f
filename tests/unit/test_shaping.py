"""Shaping: any JSON becomes a row that loads, nothing of it is lost, and equal content has an equal hash."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.schemas import RECORD_TABLES, TICKETS
from transforms.shaping import Observation, connections_table, record_table
from transforms.values import Misfit, microseconds, parse_time

SEEN = datetime(2026, 5, 29, 12, tzinfo=UTC)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
field_names = st.sampled_from([*RECORD_TABLES["categories"].columns, "brand_new", "another"]) | st.text(max_size=6)


def raw(fields: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(json.dumps(value).encode("utf-8", "surrogatepass")) for name, value in fields.items()}


def shaped(table: str, *records: dict[str, Any], seen: datetime = SEEN) -> list[dict[str, Any]]:
    observations = [Observation(raw(record), seen, ordinal) for ordinal, record in enumerate(records)]
    rows: list[dict[str, Any]] = record_table(table, "c1", observations, observed_via="poll").to_pylist()
    return rows


@given(st.dictionaries(field_names, json_values, max_size=8))
def test_any_record_becomes_a_row_of_the_schema_and_keeps_every_value(fields: dict[str, Any]) -> None:
    fields = {**fields, "id": "x"}
    table = record_table("categories", "c1", [Observation(raw(fields), SEEN)], observed_via="poll")
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
        (1_777_629_600, datetime(2026, 5, 1, 10, tzinfo=UTC)),
        (1_777_629_600_250, datetime(2026, 5, 1, 10, 0, 0, 250_000, tzinfo=UTC)),
        ("", None),
        (None, None),
    ],
)
def test_times_in_every_usual_form_are_read(text: object, expected: datetime | None) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize("value", ["soon", "0000-00-00T00:00:00Z", 1e300, True, ["2026"], "0001-01-01T00:00:00+14:00"])
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


def test_a_connection_is_stored_without_anything_that_authorises() -> None:
    secrets = {"auth": {"access_token": "s3cret"}, "auth_aws_arn": "s3cret", "new": "s3cret"}
    connection = raw({"id": "c1", "integration_type": "zendesk", **secrets})
    table = connections_table([connection], SEEN)
    assert "s3cret" not in str(table.to_pylist())
    assert table.to_pylist()[0]["integration_type"] == "zendesk"
