"""What the journal tells of writeback, into the warehouse: the account of it, and the records as they are since."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dlt
import filelock

from pipelines.errors import FixConfiguration, TicketingError, WarehouseBusy
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.tombstones import recalled
from pipelines.warehouse.load import finish_pending, load, open_pipeline
from pipelines.warehouse.lock import one_writer
from pipelines.writeback.journal import FILE, Attempt, Journal, Place
from pipelines.writeback.plan import read_plan
from pipelines.writeback.receipts import receipts_of

ATTEMPTS_A_LOAD = 2_000


def journal_of(warehouse: WarehouseSettings) -> Path:
    """Where what was sent is kept."""
    return warehouse.state_dir / FILE


def plans_of(warehouse: WarehouseSettings) -> Path:
    """The folder of plans that were given no other place."""
    return warehouse.state_dir / "plans"


@contextmanager
def opened_journal(warehouse: WarehouseSettings) -> Iterator[Journal]:
    """The journal of a warehouse. Raises `TicketingError` where it cannot be read or written, then or in the block."""
    path = journal_of(warehouse)
    try:
        with Journal(path) as journal:
            yield journal
    except sqlite3.Error as error:
        raise TicketingError(
            f"Expected the journal {path} to be readable and writable, but: {error}. Nothing is sent without it. See "
            "to the disk and to who may write to the file, then run this again."
        ) from error


@contextmanager
def applying_alone(warehouse: WarehouseSettings) -> Iterator[None]:
    """Two that carry out plans at once could each send what the other has just sent, and what one sends while another
    forgets would leave its trace. Raises `WarehouseBusy`."""
    warehouse.state_dir.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(warehouse.state_dir / "writeback.lock").acquire(timeout=0):
            yield
    except filelock.Timeout:
        raise WarehouseBusy(
            "Another process is carrying out a plan for this warehouse, or forgets somebody. Nothing was sent, and "
            "nothing changed. Wait for it to end and run this again."
        ) from None


def attempts_at(plan_id: str, warehouse: WarehouseSettings) -> list[Attempt]:
    """What was tried of a plan from here; nothing is made."""
    if not journal_of(warehouse).exists():
        return []
    with opened_journal(warehouse) as journal:
        return journal.of_plan(plan_id)


def load_receipts(settings: UnifiedSettings, warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> str | None:
    """Load what waits; returns why it could not be, for a run that does not fail because of that."""
    try:
        if _any_waits(warehouse):
            with one_writer(warehouse, wait_seconds):
                pipeline = open_pipeline(warehouse, wait_seconds)
                finish_pending(pipeline, warehouse)
                return load_receipts_beside(pipeline, settings, warehouse)
    except TicketingError as error:
        return str(error)
    return None


def load_receipts_beside(pipeline: dlt.Pipeline, settings: UnifiedSettings, warehouse: WarehouseSettings) -> str | None:
    """The same for whoever holds the lock."""
    try:
        if _any_waits(warehouse):
            _load_all(pipeline, settings, warehouse)
    except TicketingError as error:
        return f"What triage has written could not be loaded; it stands in the journal and is loaded later. {error}"
    return None


def _any_waits(warehouse: WarehouseSettings) -> bool:
    if not journal_of(warehouse).exists():
        return False
    with opened_journal(warehouse) as journal:
        return bool(journal.to_load(1))


def _load_all(pipeline: dlt.Pipeline, settings: UnifiedSettings, warehouse: WarehouseSettings) -> None:
    forgotten = recalled(pipeline, settings)
    with opened_journal(warehouse) as journal:
        while attempts := journal.to_load(ATTEMPTS_A_LOAD):
            load(pipeline, receipts_of(attempts, settings.protection, forgotten), warehouse)
            journal.loaded(attempts)


def forget_attempts(warehouse: WarehouseSettings, tickets: Mapping[str, Collection[str]]) -> None:
    """Remove what the journal has of tickets, by connection, and the plans, in the usual place, that name one."""
    places = {(connection_id, ticket_id) for connection_id, ids in tickets.items() for ticket_id in ids}
    if journal_of(warehouse).exists():
        with opened_journal(warehouse) as journal:
            journal.remove(places)
    for file in plans_of(warehouse).glob("*.json"):
        if _names_any(file, places):
            file.unlink()


def _names_any(file: Path, places: Collection[Place]) -> bool:
    """Whether a plan names one of these tickets, or cannot be read."""
    try:
        plan = read_plan(file.read_bytes(), file.name)
    except FixConfiguration:
        return True
    return any(step.place in places for step in plan.steps) or any(left.place in places for left in plan.left_out)
