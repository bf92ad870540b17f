"""A warehouse in a folder of its own, a sandbox to fill it from, and the truth to hold it against."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, PostgresWarehouse, UnifiedSettings, WarehouseSettings
from pipelines.sync import SyncReport, sync
from pipelines.ticketing import run
from pipelines.unified_api.budget import Budget
from tests.clock import LeapingClock
from tests.flow.truth import change
from tests.warehouse.raw_warehouse import ROOT, copy_project


def project_in(folder: Path) -> Path:
    """The project's folder as a user has it."""
    copy_project(folder)
    shutil.copytree(ROOT / ".dlt", folder / ".dlt", ignore=shutil.ignore_patterns("secrets.toml"))
    return folder


@pytest.fixture(scope="session")
def own_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for this process of the tests alone: what dbt leaves behind lies in it. Its tests of the data, which take a
    third of a build, are run where somebody asks for them."""
    folder = project_in(tmp_path_factory.mktemp("project"))
    with (folder / "dbt_project" / "dbt_project.yml").open("a") as file:
        file.write("\ndata_tests:\n  +enabled: false\n")
    return folder


@pytest.fixture(autouse=True)
def run_from_the_project(own_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_project)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=40) as running:
        yield running


slow = partial(pytest.param, marks=pytest.mark.slow)
"""Parameters of which others of the same test stand for these in the everyday run."""

at_length = partial(pytest.param, marks=[pytest.mark.slow, pytest.mark.long])
"""The same where they take minutes."""

on_both = pytest.mark.parametrize("warehouse", ["duckdb", slow("postgres")], indirect=True)
"""For the tests that are about the warehouse; the others run on DuckDB."""

on_both_at_length = pytest.mark.parametrize("warehouse", ["duckdb", at_length("postgres")], indirect=True)
"""The same for those that take minutes."""

on_postgres = pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)


@pytest.fixture
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> WarehouseSettings:
    """A warehouse of the test's own, empty: DuckDB's, or see above."""
    if getattr(request, "param", "duckdb") == "duckdb":
        return warehouse_in(tmp_path)
    return postgres_warehouse(request.getfixturevalue("postgres_server").new_database(), tmp_path / "warehouse.state")


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once: the clock of the budget is the only thing not real here."""
    monkeypatch.setattr(run, "Budget", partial(Budget, clock=LeapingClock()))


@pytest.fixture
def command_environment(sandbox: Sandbox, warehouse: WarehouseSettings) -> dict[str, str]:
    """What a shell would export to point the command at the sandbox and the warehouse."""
    return {
        "SOURCES__UNIFIED__BASE_URL": sandbox.base_url,
        "SOURCES__UNIFIED__API_KEY": sandbox.api_key,
        "SOURCES__UNIFIED__STATE_DIR": str(warehouse.state_dir),
        **destination_environment(warehouse),
    }


def destination_environment(warehouse: WarehouseSettings) -> dict[str, str]:
    if isinstance(warehouse, DuckdbWarehouse):
        return {"DESTINATION__DUCKDB__CREDENTIALS": str(warehouse.path)}
    credentials = f"{quote(warehouse.username)}:{quote(warehouse.password, safe='')}"
    server = f"{warehouse.host}:{warehouse.port}"
    return {
        "TICKETING_DESTINATION": "postgres",
        "DESTINATION__POSTGRES__CREDENTIALS": f"postgresql://{credentials}@{server}/{warehouse.database}",
    }


def warehouse_in(folder: Path) -> DuckdbWarehouse:
    return DuckdbWarehouse(folder / "warehouse.duckdb", folder / "warehouse.state")


def postgres_warehouse(url: str, state_dir: Path) -> PostgresWarehouse:
    parts = urlsplit(url)
    return PostgresWarehouse(
        host=parts.hostname or "",
        port=parts.port or 5432,
        database=parts.path.removeprefix("/"),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        options={},
        state_dir=state_dir,
    )


def backup(warehouse: WarehouseSettings, folder: Path) -> Callable[[], object]:
    """Copy the warehouse as it is; what is returned puts the copy in its place."""
    if isinstance(warehouse, DuckdbWarehouse):
        path = warehouse.path
        shutil.copy(path, folder / "backup")
        return lambda: path.write_bytes((folder / "backup").read_bytes())
    server = replace(warehouse, database="postgres")
    name = warehouse.database
    change(server, f"create database {name}_backup template {name}")
    return lambda: change(
        server, f"drop database {name} with (force)", f"create database {name} template {name}_backup"
    )


def lose(warehouse: WarehouseSettings) -> None:
    """What an operator does who begins anew."""
    if isinstance(warehouse, DuckdbWarehouse):
        warehouse.path.unlink()
    else:
        change(warehouse, "drop schema raw_unified cascade")


def settings_for(sandbox: Sandbox, **changed: Any) -> UnifiedSettings:
    settings = UnifiedSettings()
    settings.update({"api_key": sandbox.api_key, "base_url": sandbox.base_url, **changed})
    return settings


@pytest.fixture
def run_sync(sandbox: Sandbox, warehouse: WarehouseSettings) -> Callable[..., SyncReport]:
    """`sync` against the sandbox; keywords of `sync`, or `settings={...}` for the source's."""

    def run_now(settings: dict[str, Any] | None = None, **options: Any) -> SyncReport:
        return sync(settings_for(sandbox, **(settings or {})), warehouse, **options)

    return run_now
