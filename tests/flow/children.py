"""Syncs, receivers, drains and plans in processes of their own, to run side by side or to be killed."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from pipelines import sync as sync_module
from pipelines.draining import drain, inbox_of
from pipelines.publish import publish
from pipelines.settings import TriageSettings, UnifiedSettings, WarehouseSettings, WebhookSettings
from pipelines.sync import sync
from pipelines.ticketing import reading, stretches
from pipelines.triage import apply
from pipelines.warehouse.marts import reading_published
from pipelines.webhooks.serving import serve
from pipelines.writeback.plan import Plan

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["pipelines.sync", "pipelines.triage", "pipelines.webhooks.serving", "uvicorn.lifespan.on", "uvicorn.loops.auto"]
)


def in_small_portions(set_attribute: Callable[[object, str, object], object], rows_a_load: int) -> None:
    """Divide lists that would be too short for it, and load what is read a few rows at a time."""
    set_attribute(stretches, "LONG", 1)
    set_attribute(stretches, "_DIVISIBLE", 0.5)
    set_attribute(sync_module, "ROWS_A_LOAD", rows_a_load)
    set_attribute(reading, "ROWS_A_TABLE", max(1, rows_a_load // 4))


def start_sync(
    settings: UnifiedSettings, warehouse: WarehouseSettings, wait_seconds: float = 0.0, rows_a_load: int | None = None
) -> BaseProcess:
    """A sync that has just been started, in small portions if it is told how many rows make a load."""
    return _started(_sync, dict(settings), warehouse, wait_seconds, rows_a_load)


def sync_and_be_killed(
    settings: UnifiedSettings, warehouse: WarehouseSettings, after: float, rows_a_load: int | None = None
) -> bool:
    """Start a sync and kill it after so many seconds; whether it was still alive then."""
    child = start_sync(settings, warehouse, rows_a_load=rows_a_load)
    child.join(after)
    caught = child.is_alive()
    if caught:
        os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    return caught


def start_receiver(
    webhooks: WebhookSettings, warehouse: WarehouseSettings, port: int, *limits: tuple[str, float]
) -> BaseProcess:
    """A receiver that has just been started, with other limits than usual; any number may share a port and an inbox."""
    return _started(_serve, dict(webhooks), warehouse, port, limits)


def start_drain(settings: UnifiedSettings, warehouse: WarehouseSettings, wait_seconds: float) -> BaseProcess:
    """A drain that has just been started."""
    return _started(_drain, dict(settings), warehouse, wait_seconds)


def start_applying(
    plan: Plan, settings: UnifiedSettings, limits: TriageSettings, warehouse: WarehouseSettings
) -> BaseProcess:
    """A triage plan that has just begun to be carried out."""
    return _started(_apply, plan, dict(settings), dict(limits), warehouse)


def start_publishing(warehouse: WarehouseSettings) -> BaseProcess:
    """A publishing of the marts that has just begun."""
    return _started(_publish, warehouse)


def start_reading(warehouse: WarehouseSettings, seen: Path) -> BaseProcess:
    """A reader of what is published, in a loop until there is a file `.over`. It keeps in the file `seen` which
    generations of tickets it has found, and fails unless all tables are there and of one generation each time."""
    return _started(_read, warehouse, seen)


def _started(target: Callable[..., object], *arguments: object) -> BaseProcess:
    child = _FORKS.Process(target=target, args=arguments)
    child.start()
    return child


def _sync(settings: dict[str, Any], warehouse: WarehouseSettings, wait_seconds: float, rows_a_load: int | None) -> None:
    if rows_a_load is not None:
        in_small_portions(setattr, rows_a_load)
    sync(_unified(settings), warehouse, wait_seconds=wait_seconds)


def _serve(
    settings: dict[str, Any], warehouse: WarehouseSettings, port: int, limits: tuple[tuple[str, float], ...]
) -> None:
    own = WebhookSettings()
    own.update(settings)
    for name, limit in limits:
        module = importlib.import_module(name.rpartition(".")[0])
        setattr(module, name.rpartition(".")[2], limit)
    serve(inbox_of(warehouse), own, "127.0.0.1", port, lambda address: None)


def _drain(settings: dict[str, Any], warehouse: WarehouseSettings, wait_seconds: float) -> None:
    drain(_unified(settings), warehouse, wait_seconds=wait_seconds)


def _apply(plan: Plan, settings: dict[str, Any], limits: dict[str, Any], warehouse: WarehouseSettings) -> None:
    own = TriageSettings()
    own.update(limits)
    apply(plan, _unified(settings), own, warehouse, wait_seconds=60)


def _publish(warehouse: WarehouseSettings) -> None:
    publish(warehouse)


def _read(warehouse: WarehouseSettings, seen: Path) -> None:
    generations: dict[str, int] = {}
    while not seen.with_suffix(".over").exists():
        with reading_published(warehouse) as ask:
            [tickets] = ask("select count(*) as n, min(generation) as low, max(generation) as high from tickets")
            [views] = ask("select count(*) as n, min(generation) as low, max(generation) as high from open_tickets")
            [clock] = ask("select count(*) as n, min(generation) as low, max(generation) as high from now")
        assert tickets["n"] == 2 * views["n"] > 0
        assert clock["n"] == 1
        assert {tickets["low"], tickets["high"], views["low"], views["high"], clock["low"]} == {tickets["low"]}
        generations[str(tickets["low"])] = generations.get(str(tickets["low"]), 0) + 1
        seen.with_suffix(".new").write_text(json.dumps(generations))
        seen.with_suffix(".new").replace(seen)


def _unified(settings: dict[str, Any]) -> UnifiedSettings:
    own = UnifiedSettings()
    own.update(settings)
    return own
