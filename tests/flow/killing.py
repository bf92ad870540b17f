"""A sync in a process of its own, killed while it runs."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import Any

from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.sync import sync

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pipelines.sync"])


def sync_and_be_killed(settings: UnifiedSettings, warehouse: WarehouseSettings, after: float) -> bool:
    """Start a sync and kill it after so many seconds; whether it was still alive then."""
    child = _FORKS.Process(target=_sync, args=(dict(settings), warehouse))
    child.start()
    child.join(after)
    caught = child.is_alive()
    if caught:
        os.kill(child.pid or 0, signal.SIGKILL)
    child.join()
    return caught


def _sync(settings: dict[str, Any], warehouse: WarehouseSettings) -> None:
    own = UnifiedSettings()
    own.update(settings)
    sync(own, warehouse)
