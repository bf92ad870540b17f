"""What a warehouse holds is told record by record, whatever its rows and however many are asked for at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.warehouse import stored
from pipelines.warehouse.stored import Stored, StoredState

NOON = datetime(2026, 5, 29, 12, 0, tzinfo=UTC)

Row = tuple[str, int | None, bool, int]
"""Id, minute, whether it is gone, version."""

rows_of_tickets = st.lists(
    st.tuples(st.sampled_from("abcä'0Z"), st.none() | st.integers(0, 5), st.booleans(), st.integers(0, 9)),
    max_size=25,
    unique_by=lambda row: (row[0], row[3]),
)


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(duckdb.connect()) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            "create table tickets (connection_id varchar, id varchar, updated_at timestamptz, "
            "_observed_at timestamptz, _deleted_at timestamptz, _version_key varchar)"
        )
        yield connection


def stored_in(database: duckdb.DuckDBPyConnection, rows: list[Row]) -> Stored:
    database.execute("delete from tickets")
    for id, minute, is_gone, version in rows:
        values = ["c1", id, at(minute), NOON, NOON if is_gone else None, str(version)]
        database.execute("insert into tickets values (?, ?, ?, ?, ?, ?)", values)
    database.execute("insert into tickets values ('c2', 'a', null, null, null, '99')")

    def ask(query: str, *parameters: object) -> list[tuple[Any, ...]]:
        query = query.format(tickets="tickets").replace("%s", "?")
        return database.execute(query, list(parameters)).fetchall()

    return Stored(ask, "c1")


def at(minute: int | None) -> datetime | None:
    return None if minute is None else NOON + timedelta(minutes=minute)


def newest(rows: list[Row]) -> dict[str, StoredState]:
    found = {}
    for id, minute, _, version in sorted(rows, key=lambda row: row[3]):
        is_gone = all(row[2] for row in rows if row[0] == id)
        found[id] = StoredState(id, at(minute), None, NOON, is_gone, str(version))
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_of_tickets, st.integers(1, 6))
def test_every_record_is_told_once_in_its_newest_state(
    database: duckdb.DuckDBPyConnection, rows: list[Row], at_once: int
) -> None:
    there = stored_in(database, rows)
    with patch.object(stored, "_STATES_A_QUERY", at_once):
        told = [state for some in there.states("tickets") for state in some]
    assert {state.id: state for state in told} == newest(rows)
    assert len(told) == len(newest(rows))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_of_tickets, st.lists(st.sampled_from("abcx"), max_size=4))
def test_some_records_are_told_by_their_ids(
    database: duckdb.DuckDBPyConnection, rows: list[Row], ids: list[str]
) -> None:
    told = stored_in(database, rows).states_of("tickets", ids)
    assert {state.id: state for state in told} == {id: state for id, state in newest(rows).items() if id in ids}
    assert len(told) == len({state.id for state in told})


spans_of_minutes = st.lists(st.tuples(st.none() | st.integers(0, 6), st.integers(0, 6)), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows_of_tickets, spans_of_minutes)
def test_what_was_updated_in_spans_is_told(
    database: duckdb.DuckDBPyConnection, rows: list[Row], minutes: list[tuple[int | None, int]]
) -> None:
    spans = [(at(start), NOON + timedelta(minutes=end)) for start, end in minutes]
    with patch.object(stored, "_SPANS_A_QUERY", 2):
        told = stored_in(database, rows).ids_between("tickets", spans)
    assert told == {
        id
        for id, minute, _, _ in rows
        if minute is not None and any((start is None or minute >= start) and minute < end for start, end in minutes)
    }
