"""Builds that follow each other closely make the tables alone anew, and the marts are those of a whole build."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.build import SECONDS_WITHOUT_TESTS, BuildReport, Renewals, build
from pipelines.errors import ModelsFailed, WarehouseBusy
from pipelines.sandbox import Sandbox
from pipelines.settings import WarehouseSettings
from pipelines.sync import SyncReport
from pipelines.warehouse import anew
from tests.flow.conftest import at_length, warehouse_in
from tests.flow.truth import change, query
from tests.warehouse.built_marts import GRAINS

RunSync = Callable[..., SyncReport]

MADE = ("marts", "intermediate", "staging", "seeds")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("warehouse", [at_length("duckdb"), at_length("postgres")], indirect=True)
def test_renewed_tables_make_the_marts_of_a_build_from_nothing(
    sandbox: Sandbox, warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    as_of = sandbox.world.now + timedelta(days=1)
    renewals = Renewals(warehouse, as_of=as_of)
    assert renewals.build().is_whole
    before = _marts(warehouse)
    sandbox.world.live(hours=8)
    run_sync()
    report = renewals.build()
    assert not report.is_whole
    assert report.warnings == []
    due, tickets = (_count(warehouse, table) for table in ("int_tickets_due", "int_tickets_built"))
    assert 0 < due < tickets
    assert _count(warehouse, "int_tickets_built where coalesce(inputs_hash, '') = ''") == 0
    renewed = _marts(warehouse)
    assert renewed["tickets"] != before["tickets"]
    change(warehouse, *(f"drop schema {schema} cascade" for schema in MADE))
    build(warehouse, as_of=as_of)
    from_nothing = _marts(warehouse)
    for mart in GRAINS:
        assert renewed[mart] == from_nothing[mart], mart


@pytest.mark.slow
@pytest.mark.long
def test_where_it_is_due_all_is_built_though_the_tables_alone_were_asked_for(
    warehouse: WarehouseSettings, run_sync: RunSync
) -> None:
    run_sync()
    first = build(warehouse, renews=True)
    assert first.is_whole
    assert any("could not be made anew alone" in warning for warning in first.warnings)
    anew.mark_due(warehouse)
    assert build(warehouse, renews=True).is_whole
    assert not anew.is_due(warehouse)
    assert not build(warehouse, renews=True).is_whole


class Builds:
    """Stands for `build`, and keeps whether each was to renew the tables alone."""

    def __init__(self) -> None:
        self.renewing: list[bool] = []
        self.error: Exception | None = None

    def __call__(self, warehouse: WarehouseSettings, *, renews: bool, **options: Any) -> BuildReport:
        self.renewing.append(renews)
        if self.error:
            raise self.error
        return BuildReport(is_whole=not renews)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Builds:
    """In a small project, which a test may change."""
    for name in ("models/marts", "seeds", "target", "logs"):
        (tmp_path / "dbt_project" / name).mkdir(parents=True)
    for name in ("dbt_project.yml", "models/marts/tickets.sql", "seeds/customer_tiers.csv"):
        (tmp_path / "dbt_project" / name).touch()
    monkeypatch.chdir(tmp_path)
    builds = Builds()
    monkeypatch.setattr("pipelines.build.build", builds)
    return builds


def test_all_is_built_first_and_once_an_hour(builds: Builds, tmp_path: Path) -> None:
    moments = iter([0.0, 30.0, SECONDS_WITHOUT_TESTS - 1, SECONDS_WITHOUT_TESTS, SECONDS_WITHOUT_TESTS + 30])
    renewals = Renewals(warehouse_in(tmp_path), clock=lambda: next(moments))
    for _ in range(5):
        renewals.build()
    assert builds.renewing == [False, True, True, False, True]


@pytest.mark.parametrize(
    "change_it",
    [
        lambda project: (project / "dbt_project.yml").write_text("vars: {settle_seconds: 1}"),
        lambda project: (project / "models" / "marts" / "tickets.sql").write_text("select 1"),
        lambda project: (project / "seeds" / "customer_tiers.csv").unlink(),
        lambda project: (project / "models" / ".#tickets.sql").symlink_to("nowhere"),
    ],
    ids=["variable", "model", "seed", "lock of an editor"],
)
def test_all_is_built_after_a_change_of_the_projects_files(
    builds: Builds, tmp_path: Path, change_it: Callable[[Path], object]
) -> None:
    renewals = Renewals(warehouse_in(tmp_path))
    renewals.build()
    change_it(tmp_path / "dbt_project")
    renewals.build()
    renewals.build()
    assert builds.renewing == [False, False, True]


def test_what_dbt_leaves_behind_is_no_change_of_the_project(builds: Builds, tmp_path: Path) -> None:
    renewals = Renewals(warehouse_in(tmp_path))
    for name in ("target/manifest.json", "logs/dbt.log"):
        renewals.build()
        (tmp_path / "dbt_project" / name).touch()
    renewals.build()
    assert builds.renewing == [False, True, True]


def test_all_is_built_after_a_build_that_failed_but_not_after_one_that_did_not_begin(
    builds: Builds, tmp_path: Path
) -> None:
    renewals = Renewals(warehouse_in(tmp_path))
    renewals.build()
    for builds.error in (WarehouseBusy("locked"), ModelsFailed("broken")):
        with pytest.raises(type(builds.error)):
            renewals.build()
    builds.error = None
    renewals.build()
    renewals.build()
    assert builds.renewing == [False, True, True, False, True]


def _marts(warehouse: WarehouseSettings) -> dict[str, list[dict[str, Any]]]:
    return {mart: sorted(query(warehouse, f"select * from marts.{mart}"), key=str) for mart in GRAINS}


def _count(warehouse: WarehouseSettings, rows: str) -> int:
    [row] = query(warehouse, f"select count(*) as number from intermediate.{rows}")
    return int(row["number"])
