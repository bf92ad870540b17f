"""After any change of an account the marts are, row for row, what is computed from its records in plain Python, though
only the tickets that are due are made anew."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.warehouse.changing_records import Tables, changed, moved
from tests.warehouse.edge_records import drawn, hand_picked
from tests.warehouse.edge_settings import settings
from tests.warehouse.golden_figures import marts
from tests.warehouse.raw_warehouse import RawWarehouse
from tests.warehouse.test_marts import GRAINS, MakeWarehouse, _by_key, _comparable, _project, on_both

ROUNDS = int(os.environ.get("TICKETING_TEST_ROUNDS", "4"))


class Account:
    """A warehouse, and what it is to be built from."""

    def __init__(self, raw: RawWarehouse, folder: Path) -> None:
        self.raw = raw
        self.folder = folder
        self.given = settings()
        self.project = _project(folder, self.given)
        self.records: Tables = {table: list(rows) for table, rows in hand_picked().items()}
        for table, more in drawn(seed=7, count=60).items():
            self.records[table] = [*self.records[table], *more]

    def build(self, *arguments: str) -> None:
        """Make the models of the records as they are now, or some of them."""
        self.raw.write(self.records)
        variables = {**self.given.variables, "as_of": self.given.as_of.isoformat()}
        outcome = self.raw.dbt(
            *(*(arguments or ["run"]), f"--vars={variables!r}"),
            target_path=self.folder / "target",
            project=self.project,
        )
        assert outcome.returncode == 0, outcome.stdout[-5000:]

    def due(self) -> set[str]:
        """The tickets that were made anew by the last build."""
        rows = self.raw.rows("select connection_id, ticket_id from intermediate.int_tickets_due")
        return {f"{row['connection_id']}/{row['ticket_id']}" for row in rows}

    def prove(self) -> None:
        """Compare every mart."""
        expected = marts(self.records, self.given)
        for mart in GRAINS:
            found = _by_key(mart, [_comparable(mart, row) for row in self.raw.rows(f"select * from marts.{mart}")])
            wanted = _by_key(mart, [_comparable(mart, row) for row in expected[mart]])
            assert found.keys() == wanted.keys(), mart
            for key, row in wanted.items():
                assert found[key] == row, (mart, key)


@pytest.fixture
def account(make: MakeWarehouse, request: pytest.FixtureRequest, tmp_path: Path) -> Account:
    account = Account(make(tmp_path, request), tmp_path)
    account.build("build", "--exclude-resource-type=unit_test", "--exclude-resource-type=test")
    return account


@pytest.mark.slow
@on_both
def test_whatever_changes_the_marts_are_those_of_a_build_from_nothing(account: Account) -> None:
    chance = random.Random(20261126)
    for number in range(ROUNDS):
        account.records = changed(account.records, chance, count=40)
        account.given = replace(account.given, as_of=moved(account.given.as_of, chance))
        if number % 3 == 1:
            # A build that leaves some out; what changed before it and what changes after it are both still due.
            account.build("run", "--exclude", chance.choice(["conversation_threads", "int_turns_taken+", "tickets"]))
            account.records = changed(account.records, chance, count=10)
        account.build()
        account.prove()


@pytest.mark.slow
@on_both
def test_only_what_has_changed_is_made_anew(account: Account) -> None:
    account.build()
    assert account.due() == set()
    note = next(row for row in account.records["notes"] if row["ticket_id"] == "two replies")
    account.records["notes"] = [
        {**row, "description": "Other"} if row is note else row for row in account.records["notes"]
    ]
    account.build()
    assert account.due() == {f"{note['connection_id']}/{note['ticket_id']}"}
