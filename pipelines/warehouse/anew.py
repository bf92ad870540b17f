"""Writing a warehouse anew once rows have been removed that must not stay in its files; what is due survives a run."""

from __future__ import annotations

import logging
from pathlib import Path

from pipelines.errors import WarehouseBusy
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.destinations import destination_of

_log = logging.getLogger(__name__)


def mark_due(warehouse: WarehouseSettings) -> None:
    """Note that it is due, before anything is removed."""
    _mark(warehouse).touch()
    _mark_of_published(warehouse).touch()


def is_due(warehouse: WarehouseSettings) -> bool:
    """Whether it is; then what was made of the removed rows has to be made anew, too."""
    return _mark(warehouse).exists()


def write(warehouse: WarehouseSettings) -> None:
    """Write it anew. Raises `WarehouseBusy` where others keep it from being so; it stays due then."""
    destination_of(warehouse).compact()
    _mark(warehouse).unlink(missing_ok=True)


def write_if_due(warehouse: WarehouseSettings) -> None:
    """The same where it is due, for a run that does not fail because of that."""
    if is_due(warehouse):
        try:
            write(warehouse)
        except WarehouseBusy as busy:
            _log.warning("Removed rows may still stand in the files; the next run tries again. %s", busy)


def is_due_of_published(warehouse: WarehouseSettings) -> bool:
    """Whether what was published may hold removed rows."""
    return _mark_of_published(warehouse).exists()


def mark_published(warehouse: WarehouseSettings) -> None:
    """Note that it does not any more."""
    _mark_of_published(warehouse).unlink(missing_ok=True)


def _mark_of_published(warehouse: WarehouseSettings) -> Path:
    return warehouse.state_dir / "publish_anew"


def _mark(warehouse: WarehouseSettings) -> Path:
    return warehouse.state_dir / "write_anew"
