"""One writer at a time: a lock of the operating system, which a dead process cannot hold, and the destination's own
against other machines."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import filelock
import msgspec

from pipelines.errors import WarehouseBusy
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.destinations import destination_of
from pipelines.warehouse.destinations.destination import HOW_TO_WAIT


class Holder(msgspec.Struct):
    """Who holds the lock; written for people, trusted for nothing."""

    pid: int
    host: str
    command: str
    since: str


@contextmanager
def one_writer(warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the warehouse's write lock. Raises `WarehouseBusy` if another process still holds it after the wait.

    The lock ends with its process however that ends, so one found free is free: nothing stale to clear away.
    """
    deadline = time.monotonic() + wait_seconds
    warehouse.state_dir.mkdir(parents=True, exist_ok=True)
    card = warehouse.state_dir / "writer.json"
    lock = _lock(warehouse)
    try:
        # Who waits stands in the door, so that whoever has just let go cannot be first again.
        with filelock.FileLock(warehouse.state_dir / "door.lock").acquire(timeout=wait_seconds):
            lock.acquire(timeout=max(0.0, deadline - time.monotonic()))
    except filelock.Timeout:
        raise WarehouseBusy(
            f"Another process is writing to this warehouse: {_described(card)}. {HOW_TO_WAIT}"
        ) from None
    try:
        with destination_of(warehouse).exclusively(deadline):
            card.write_bytes(msgspec.json.encode(_this_process()))
            try:
                yield
            finally:
                card.unlink(missing_ok=True)
    finally:
        lock.release()


def has_writer(warehouse: WarehouseSettings) -> bool:
    """Whether a process of this machine holds the lock at this moment."""
    if not warehouse.state_dir.exists():
        return False
    lock = _lock(warehouse)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return True
    lock.release()
    return False


def _lock(warehouse: WarehouseSettings) -> filelock.BaseFileLock:
    return filelock.FileLock(warehouse.state_dir / "writer.lock")


def _this_process() -> Holder:
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:2]])  # what follows may name a person
    return Holder(os.getpid(), socket.gethostname(), command, datetime.now(UTC).isoformat(timespec="seconds"))


def _described(card: Path) -> str:
    try:
        holder = msgspec.json.decode(card.read_bytes(), type=Holder)
    except (OSError, msgspec.DecodeError):
        return "it has not said who it is"
    return f"process {holder.pid} on {holder.host} ({holder.command}), since {holder.since}"
