"""A warehouse in a folder of its own, a sandbox to fill it from, and the truth to hold it against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipelines.sandbox import Sandbox
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.sync import SyncReport, sync
from pipelines.ticketing import source
from pipelines.unified_api.client import UnifiedClient


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=40) as running:
        yield running


@pytest.fixture
def warehouse(tmp_path: Path) -> WarehouseSettings:
    return warehouse_in(tmp_path)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once: the clock of the client is the only thing not real here."""
    impatient = partial(UnifiedClient, sleep=lambda seconds: None)
    monkeypatch.setattr(source, "UnifiedClient", impatient)


@pytest.fixture
def command_environment(sandbox: Sandbox, warehouse: WarehouseSettings) -> dict[str, str]:
    """What a shell would export to point the command at the sandbox and the warehouse."""
    return {
        "SOURCES__UNIFIED__BASE_URL": sandbox.base_url,
        "SOURCES__UNIFIED__API_KEY": sandbox.api_key,
        "DESTINATION__DUCKDB__CREDENTIALS": str(warehouse.duckdb_path),
    }


def warehouse_in(folder: Path) -> WarehouseSettings:
    return WarehouseSettings("duckdb", folder / "warehouse.duckdb", folder / "warehouse.state")


def settings_for(sandbox: Sandbox, **changed: Any) -> UnifiedSettings:
    settings = UnifiedSettings()
    settings.update({"api_key": sandbox.api_key, "base_url": sandbox.base_url, **changed})
    return settings


@pytest.fixture
def run_sync(sandbox: Sandbox, warehouse: WarehouseSettings) -> Callable[..., SyncReport]:
    """`sync` against the sandbox; keywords of `sync`, or `settings={...}` for the source's."""

    def run(settings: dict[str, Any] | None = None, **options: Any) -> SyncReport:
        return sync(settings_for(sandbox, **(settings or {})), warehouse, **options)

    return run
