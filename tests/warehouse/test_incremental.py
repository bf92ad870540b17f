"""After any change of an account the marts are, row for row, what is computed from its records in plain Python, though
only the tickets that are due are made anew."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests.warehouse.built_marts import (
    GRAINS,
    MakeWarehouse,
    by_key,
    comparable,
    duckdb_warehouse,
    on_both_at_length,
    postgres_with,
    project_with,
)
from tests.warehouse.changing_records import Tables, changed, moved, with_other_tiers
from tests.warehouse.edge_parts import DAYS_DESK, DESK
from tests.warehouse.edge_records import drawn, hand_picked
from tests.warehouse.edge_settings import settings, write_seeds
from tests.warehouse.edge_writeback import change_written, note_written
from tests.warehouse.golden_figures import marts
from tests.warehouse.golden_settings import Row
from tests.warehouse.raw_warehouse import DuckDBWarehouse, RawWarehouse

pytestmark = pytest.mark.timeout(1800)

ROUNDS = int(os.environ.get("TICKETING_TEST_ROUNDS", "2"))

on_duckdb = pytest.mark.parametrize("make", [pytest.param(duckdb_warehouse, id="duckdb")])

WITHOUT_TESTS = ("build", "--exclude-resource-type=unit_test", "--exclude-resource-type=test")

TABLES_ALONE = ("run", "--exclude", "config.materialized:view")


class Account:
    """A warehouse, and what it is to be built from."""

    def __init__(self, raw: RawWarehouse, folder: Path) -> None:
        self.raw = raw
        self.given = settings()
        self.records: Tables = {table: list(rows) for table, rows in hand_picked().items()}
        for table, more in drawn(seed=7, count=60).items():
            self.records[table] = [*self.records[table], *more]
        self.project = project_with(folder, self.given)
        self._target = folder / "target"

    def build(self, *words: str) -> None:
        """Make the models of the records as they are now, or some of them."""
        self.raw.write(self.records)
        variables = {**self.given.variables, "as_of": self.given.as_of.isoformat()}
        outcome = self.raw.dbt(
            *(*(words or ["run"]), f"--vars={variables!r}"), target_path=self._target, project=self.project
        )
        assert outcome.returncode == 0, outcome.stdout[-5000:]

    def due(self) -> set[tuple[str, str]]:
        """The tickets that were made anew by the last build, by connection and id."""
        rows = self.raw.rows("select connection_id, ticket_id from intermediate.int_tickets_due")
        return {(row["connection_id"], row["ticket_id"]) for row in rows}

    def counted_again(self) -> dict[str, list[Row]]:
        """The days that do not show the count which no day can have."""
        return {
            table: self.raw.rows(f"select * from intermediate.{table} where agent_reply_count <> -1 order by day_on")
            for table in DAYS
        }

    def tickets(self) -> set[tuple[str, str]]:
        """All of them."""
        return {(row["connection_id"], row["id"]) for row in self.records["tickets"]}

    def prove(self) -> None:
        """Compare every mart."""
        expected = marts(self.records, self.given)
        for mart in GRAINS:
            found = by_key(mart, [comparable(mart, row) for row in self.raw.rows(f"select * from marts.{mart}")])
            wanted = by_key(mart, [comparable(mart, row) for row in expected[mart]])
            assert found.keys() == wanted.keys(), mart
            for key, row in wanted.items():
                assert found[key] == row, (mart, key)


@pytest.fixture(scope="module")
def first_build(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[MakeWarehouse], RawWarehouse]:
    """It takes as long as what most tests do after it, so that each warehouse has one."""

    @cache
    def built(make: MakeWarehouse) -> RawWarehouse:
        folder = tmp_path_factory.mktemp("first-build")
        account = Account(make(folder, request), folder)
        account.build(*WITHOUT_TESTS)
        return account.raw

    return built


@pytest.fixture
def account(make: MakeWarehouse, first_build: Callable[[MakeWarehouse], RawWarehouse], tmp_path: Path) -> Account:
    """As the first build has left it."""
    return Account(first_build(make).copy(tmp_path), tmp_path)


@pytest.mark.timeout(900 + 900 * ROUNDS)
@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(duckdb_warehouse, id="duckdb", marks=pytest.mark.long),
        pytest.param(postgres_with("--locale=C"), id="postgres"),
    ],
)
def test_whatever_changes_the_marts_are_those_of_a_build_from_nothing(account: Account) -> None:
    chance = random.Random(int(os.environ.get("TICKETING_TEST_SEED", "20261126")))
    account.prove()
    for number in range(ROUNDS):
        account.records = changed(account.records, chance, count=40)
        account.given = replace(account.given, as_of=moved(account.given.as_of, chance))
        if number % 3 == 1:
            # A build that leaves some out; what changed before it and what changes after it are both still due.
            account.build(
                "run", "--exclude", chance.choice(["conversation_threads", "int_turns_taken+", "ticket_periods+"])
            )
            account.records = changed(account.records, chance, count=10)
        account.given = with_other_tiers(account.given, chance)
        write_seeds(account.given, account.project)
        account.build(*WITHOUT_TESTS)
        account.prove()


@pytest.mark.slow
@pytest.mark.long
@on_duckdb
def test_only_what_has_changed_is_made_anew(account: Account) -> None:
    """A record, or what the log alone has since told of one."""
    account.build()
    assert account.due() == set()
    note = next(
        row for row in account.records["notes"] if row["connection_id"] == DESK and row["ticket_id"] != "not-there"
    )
    account.records["notes"] = [
        {**row, "description": "Something else"} if row is note else row for row in account.records["notes"]
    ]
    account.records["writeback_log"] = [
        *account.records["writeback_log"],
        note_written("a long talk"),
        note_written("three customer messages in a row", ending="unknown"),
        change_written("reopened twice", 120, {"status": "CLOSED"}, {"status": "ACTIVE"}),
        change_written("there and back", 9, {"user_id": "u-7"}, {"user_id": "u-8"}, ending="refused"),
    ]
    account.build()
    assert account.due() == {(DESK, ticket_id) for ticket_id in (note["ticket_id"], "a long talk", "reopened twice")}
    figures = "select reopen_count, bot_message_count from marts.tickets where connection_id = 'desk-1' and ticket_id"
    assert account.raw.rows(f"{figures} = 'reopened twice'") == [{"reopen_count": 1, "bot_message_count": 0}]
    assert account.raw.rows(f"{figures} = 'a long talk'") == [{"reopen_count": None, "bot_message_count": 1}]


DAYS = ("int_support_days", "int_customer_days")


@pytest.mark.long
@pytest.mark.slow
@on_both_at_length
def test_only_days_on_which_something_else_has_happened_are_counted_again(account: Account) -> None:
    """And all of them where they are counted by another rule."""
    account.build()
    for table in DAYS:
        account.raw.execute(f"update intermediate.{table} set agent_reply_count = -1")
    ticket_id = "moved and closed at once"
    [ticket] = [row for row in account.records["tickets"] if row["id"] == ticket_id]
    [note] = [row for row in account.records["notes"] if row["ticket_id"] == ticket_id]
    others = [row for row in account.records["notes"] if row is not note]
    account.records["notes"] = [*others, {**note, "description": "Something else"}]
    account.build()
    assert account.due() == {(DAYS_DESK, ticket_id)}
    assert account.counted_again() == {table: [] for table in DAYS}
    account.records["notes"] = others
    account.build()
    again = account.counted_again()
    assert {row["customer_id"] for row in again["int_customer_days"]} == {ticket["customer_id"]}
    assert [str(row["day_on"]) for row in again["int_support_days"]] == ["2026-03-10", "2026-03-12"]
    for table in DAYS:
        model = account.project / "models" / "intermediate" / f"{table}.sql"
        model.write_text(model.read_text() + "-- by another rule")
    account.build()
    assert account.due() == set()
    account.prove()


@pytest.mark.long
@pytest.mark.slow
@on_duckdb
def test_where_a_rule_has_changed_all_is_made_anew_by_itself(account: Account) -> None:
    """And where somebody has dropped a table."""
    account.given = replace(
        account.given, seeds={**account.given.seeds, "raw_signs": account.given.seeds["raw_signs"][1:]}
    )
    write_seeds(account.given, account.project)
    account.build("run")
    assert account.due() == set(), "the seed's table is as it was"
    account.build(*WITHOUT_TESTS)
    assert account.due() == account.tickets()
    account.prove()
    account.raw.execute("drop table marts.conversation_threads cascade")
    account.build()
    assert account.due() == account.tickets()
    account.prove()
    policies = [{**row, "target_minutes": 61} for row in account.given.seeds["sla_policies"]]
    for twice in ([*account.given.seeds["sla_policies"], *account.given.seeds["sla_policies"]], [*policies, *policies]):
        account.given = replace(account.given, seeds={**account.given.seeds, "sla_policies": twice})
        write_seeds(account.given, account.project)
        account.build(*WITHOUT_TESTS)
    assert account.due() == account.tickets(), "two equal changes are no less than one"


@pytest.mark.long
@pytest.mark.slow
def test_what_makes_other_rows_is_another_logic_and_nothing_else_is(tmp_path: Path) -> None:
    raw = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    raw.write({})
    project = project_with(tmp_path, settings())

    def logic(**variables: object) -> str:
        query = "{{ logic_hash() }}"
        outcome = raw.dbt(
            *("compile", "--quiet", "--inline", query, f"--vars={variables!r}"),
            target_path=tmp_path / "target",
            project=project,
        )
        assert outcome.returncode == 0, outcome.stdout
        return outcome.stdout.strip()

    def changed_by(path: str, old: str, new: str) -> bool:
        file = project / path
        before = file.read_text()
        assert old in before
        file.write_text(before.replace(old, new, 1))
        try:
            return logic() != as_it_is
        finally:
            file.write_text(before)

    as_it_is = logic()
    assert len(as_it_is) == 32
    assert logic(as_of="2026-01-01") == as_it_is
    assert logic(triage_waiting_seconds=7) == as_it_is
    assert logic(assumed_note_visibility="internal") != as_it_is
    assert logic(reporting_timezone="Europe/Oslo") != as_it_is
    assert changed_by("macros/whole_second.sql", "'second'", "'minute'")
    assert changed_by("models/staging/stg_unified__notes.sql", "from notes", "from notes where true")
    assert not changed_by("seeds/business_holidays.csv", "oslo", "Oslo"), "its table tells"
    assert not changed_by("models/marts/agents.sql", "with replies", "with  replies")


@pytest.mark.long
@pytest.mark.slow
@on_duckdb
def test_a_full_refresh_of_one_table_leaves_all_its_rows(account: Account) -> None:
    account.build()
    account.build("run", "--full-refresh", "--select", "conversation_threads")
    account.prove()
    account.build("run", "--full-refresh")
    assert account.due() == account.tickets()
    account.prove()


@pytest.mark.long
@pytest.mark.slow
@on_both_at_length
def test_what_a_partial_run_has_made_is_made_anew(account: Account) -> None:
    """Of records that are then again as they were; or of views that it has left out."""
    before, after = account.records, changed(account.records, random.Random(5), count=40)
    account.records = after
    account.build("run", "--select", "ticket_changes")
    account.records = before
    account.build()
    account.prove()
    view = account.project / "models" / "staging" / "stg_unified__notes.sql"
    view.write_text(view.read_text() + "-- as before")
    account.build("run", "--select", "int_tickets_due+")
    account.build()
    assert account.due() == account.tickets()


@pytest.mark.long
@pytest.mark.slow
@on_both_at_length
def test_without_the_views_the_marts_are_those_of_a_whole_build(account: Account) -> None:
    account.records = changed(account.records, random.Random(8), count=40)
    account.build(*TABLES_ALONE)
    assert account.due()
    account.prove()
    account.build(*TABLES_ALONE)
    assert account.due() == set()


@pytest.mark.long
@pytest.mark.slow
@on_both_at_length
def test_what_is_made_from_views_of_another_logic_is_made_anew(account: Account) -> None:
    """From those of the present one, that were not made yet, and from one that was tried and taken back."""
    view = account.project / "models" / "intermediate" / "int_notes_classified.sql"
    as_it_was = view.read_text()
    view.write_text(
        as_it_was.replace("    body_text,\n    body_html,", "    upper(body_text) as body_text,\n    body_html,")
    )
    assert view.read_text() != as_it_was
    account.build("run", "--select", "int_notes_classified")
    view.write_text(as_it_was)
    account.records = changed(account.records, random.Random(8), count=40)
    account.build(*TABLES_ALONE)
    due = account.due()
    assert due
    account.build()
    assert account.due() == due
    account.prove()
    view.write_text(as_it_was + "-- as before")
    with pytest.raises(AssertionError, match="but it is left out"):
        account.build(*TABLES_ALONE)
    account.prove()
    account.build("run", "--exclude", "int_notes_classified")
    account.build()
    assert account.due() == account.tickets()


@pytest.mark.slow
@pytest.mark.long
@on_both_at_length
def test_a_ticket_that_came_with_a_build_cut_short_and_went_after_it_is_gone(account: Account) -> None:
    everything = account.records
    without = {
        **everything,
        "tickets": [row for row in everything["tickets"] if row["id"] != "moved and closed at once"],
    }
    account.records = without
    account.build()
    account.records = everything
    account.build("run", "--exclude", "conversation_threads")
    account.records = without
    account.build()
    account.prove()


@pytest.mark.slow
@pytest.mark.long
@on_duckdb
def test_a_run_of_one_table_is_refused_where_it_would_make_less_than_is_due(account: Account) -> None:
    account.records = changed(account.records, random.Random(3), count=5)
    account.build()
    one = ("run", "--select", "conversation_threads")
    account.build(*one)
    usual = account.given
    account.given = replace(usual, variables={**usual.variables, "assumed_note_visibility": "internal"})
    with pytest.raises(AssertionError, match="but they are others now"):
        account.build(*one)
    account.given = usual
    account.raw.execute("drop table marts.conversation_threads cascade")
    with pytest.raises(AssertionError, match="but it is not there"):
        account.build(*one)
    account.build("run", "--select", "int_tickets_due+")
    account.prove()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("make", [pytest.param(postgres_with("--locale=C"), id="postgres")])
def test_what_stands_upon_the_marts_stands_through_a_build(account: Account) -> None:
    """Whoever reads at any moment of a build finds every mart, and views of one's own are there after it."""
    for mart in GRAINS:
        account.raw.execute(f"create view public.{mart} as select count(*) as row_count from marts.{mart}")
    account.records = changed(account.records, random.Random(1), count=40)
    is_over = threading.Event()
    failures: list[Exception] = []
    looks = 0

    def look() -> None:
        nonlocal looks
        while not is_over.is_set():
            for mart in GRAINS:
                try:
                    account.raw.rows(f"select * from marts.{mart} limit 1")
                except Exception as error:
                    failures.append(error)
            looks += 1
            time.sleep(0.05)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        account.build(*WITHOUT_TESTS)
    finally:
        is_over.set()
        reader.join()
    assert looks > 10
    assert failures == []
    account.prove()
    for mart in GRAINS:
        [row] = account.raw.rows(f"select row_count from public.{mart}")
        assert row["row_count"] == len(account.raw.rows(f"select 1 from marts.{mart}"))
