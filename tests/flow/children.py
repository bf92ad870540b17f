"""Syncs in processes of their own, to run side by side or to be killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess
from typing import Any

from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.sync import sync

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pipelines.sync"])


def start_sync(settings: UnifiedSettings, warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> BaseProcess:
    """A sync that has just been started."""
    child = _FORKS.Process(target=_sync, args=(dict(settings), warehouse, wait_seconds))
    child.start()
    return child


def sync_and_be_killed(settings: UnifiedSettings, warehouse: WarehouseSettings, after: float) -> bool:
    """Start a sync and kill it after so many seconds; whether it was still alive then."""
    child = start_sync(settings, warehouse)
    child.join(after)
    caught = child.is_alive()
    if caught:
        os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    return caught


def _sync(settings: dict[str, Any], warehouse: WarehouseSettings, wait_seconds: float) -> None:
    own = UnifiedSettings()
    own.update(settings)
    sync(own, warehouse, wait_seconds=wait_seconds)
