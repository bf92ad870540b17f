"""Loading through dlt: one pipeline, and what a run before this one left unfinished comes first."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import dlt
from dlt.common.exceptions import DltException, TerminalException
from dlt.destinations.exceptions import DatabaseException
from dlt.extract import DltSource
from dlt.normalize.exceptions import NormalizeJobFailed
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.errors import FixConfiguration, LoadFailed, TicketingError, TryAgainLater
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.destinations import destination_of
from pipelines.warehouse.destinations.destination import causes
from pipelines.warehouse.lock import has_writer, one_writer
from pipelines.warehouse.quarantine import KEPT, quarantine, unfinished_packages
from pipelines.warehouse.reason import reason
from pipelines.warehouse.runs import newest_load, refuse_newer_schema
from transforms.schemas import DATASET

PIPELINE = "unified_ticketing"

_DLT_OPTIONS = {
    "data_writer.compression": "none",
    "normalize.parquet_normalizer.add_dlt_load_id": True,
    "normalize.data_writer.quoting": "quote_all",
    "normalize.data_writer.disable_compression": True,
    "load.delete_completed_jobs": True,
    "load.truncate_staging_dataset": True,
    "runtime.dlthub_telemetry": False,
    "runtime.intercept_signals": False,  # one that comes as a load ends would be forgotten
}
"""How this project's tables are loaded: no user's choice, and the same from whatever folder a run is started."""

_BASE = "load.base"
"""The file, in the state folder, that names the load on top of which the pending one was extracted; empty for a first
load, which names no warehouse: a fresh one is like any other."""

_log = logging.getLogger(__name__)


class Pending(Enum):
    """What became of a load that an earlier run had left pending."""

    NOTHING = "nothing"
    FINISHED = "finished"
    DISCARDED = "discarded"
    QUARANTINED = "quarantined"


@dataclass(frozen=True)
class PendingLoad:
    """What became of a pending load; `lies_in` is the folder of one that was quarantined."""

    outcome: Pending
    lies_in: Path | None = None


def open_pipeline(warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> dlt.Pipeline:
    """The project's dlt pipeline, to write to this warehouse; its working folder lies in the state folder.

    Raises a `TicketingError` if the warehouse cannot be written, or was written by a newer version of this program.
    """
    destination_of(warehouse).prove_writable(time.monotonic() + wait_seconds)
    try:
        pipeline = _pipeline(warehouse, _pipelines_dir(warehouse))
        if pipeline.default_schema_name:
            pipeline.schemas.load_schema(pipeline.default_schema_name)
    except (DltException, ValueError) as error:
        working_dir = _working_dir(warehouse)
        if not working_dir.exists():
            raise
        # A power cut leaves empty files and a kill a state without its schema, which dlt cannot read.
        place = quarantine(working_dir, warehouse.state_dir, f"dlt could not read its working folder: {error}")
        _log.warning("What an earlier run left half done could not be read. It lies in %s and is read again.", place)
        pipeline = _pipeline(warehouse, _pipelines_dir(warehouse))
    refuse_newer_schema(pipeline, warehouse.name)
    return pipeline


@contextmanager
def reading(warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> Iterator[dlt.Pipeline | None]:
    """A dlt pipeline to look at the warehouse with, None before the first load. Leaves what is pending alone.

    Raises `WarehouseBusy` if the warehouse cannot be read beside the process that still writes to it after the wait,
    and the `TicketingError` that says so if it cannot be read at all.
    """
    destination = destination_of(warehouse)
    if not destination.exists():
        yield None
        return
    with ExitStack() as held:
        if destination.readers_wait:
            held.enter_context(one_writer(warehouse, wait_seconds))
            destination.prove_writable(time.monotonic() + wait_seconds)
        pipeline = _pipeline(warehouse, Path(held.enter_context(tempfile.TemporaryDirectory())))
        try:
            with destination.naming_faults():
                refuse_newer_schema(pipeline, warehouse.name)
                yield pipeline
        except (DatabaseException, PipelineStepFailed) as error:
            raise FixConfiguration(
                f"Expected to read the schema {DATASET} of {warehouse.name}, but: {reason(error)}. Let this user read "
                "it, or use one that can."
            ) from error


def has_pending(warehouse: WarehouseSettings) -> bool:
    """Whether a load waits to be finished and no process of this machine is at it."""
    return bool(unfinished_packages(_working_dir(warehouse))) and not has_writer(warehouse)


def finish_pending(pipeline: dlt.Pipeline, warehouse: WarehouseSettings) -> PendingLoad:
    """Load what an earlier run extracted but did not get to load; dlt would load it in place of new data.

    A load is discarded instead unless the newest that the warehouse has is the one on top of which it was extracted,
    or is a pending one itself: elsewhere (in a warehouse put back from a backup since, or behind a tunnel that leads
    to another server) it would carry cursors past rows that are not there. A first load is on top of none, so that it
    is never finished in a fresh warehouse. One that fails again is quarantined. Either is read again by the next
    extraction: no cursor in the warehouse has passed it.

    Raises a `TicketingError` if it is the warehouse that fails; the load then stays pending.
    """
    pipeline.activate()
    pending = unfinished_packages(Path(pipeline.working_dir))
    if not pending:
        return PendingLoad(Pending.NOTHING)
    newest = newest_load(pipeline)
    if not newest or newest not in {*pending, _read_base(warehouse)}:
        pipeline.drop()
        return PendingLoad(Pending.DISCARDED)
    try:
        with destination_of(warehouse).held_open():
            _normalize_and_load(pipeline)
    except LoadFailed as error:
        destination_of(warehouse).prove_writable(time.monotonic())
        return PendingLoad(Pending.QUARANTINED, set_aside(pipeline, warehouse, str(error)))
    destination_of(warehouse).tidy(pipeline)
    return PendingLoad(Pending.FINISHED)


def load(
    pipeline: dlt.Pipeline,
    source: DltSource,
    warehouse: WarehouseSettings,
    *,
    tidies: bool = True,
    extracted: Callable[[str], object] = lambda load_id: None,
) -> None:
    """Extract and load a source in one package, and tidy the warehouse after it; `extracted` is told the id of the load
    before any of it is written. Raises the `TicketingError` that stopped it, or `LoadFailed`.

    The working folder is emptied first, so that cursors come from the warehouse and nowhere else: a local copy
    would run ahead of a warehouse that was put back from a backup. Call `finish_pending` before.
    """
    base = newest_load(pipeline)
    (warehouse.state_dir / _BASE).write_text(base)
    try:
        pipeline.drop().sync_destination()
        told = pipeline.extract(source)
    except PipelineStepFailed as error:
        named = _named(error)
        if named is error:
            raise
        raise named from error
    for load_id in told.loads_ids:
        extracted(load_id)
    destination_of(warehouse).prove_exclusive()
    try:
        with destination_of(warehouse).held_open():
            _normalize_and_load(pipeline)
    except LoadFailed as error:
        if error.is_final:
            raise
        raise LoadFailed(
            f"{error} Nothing is lost: no cursor has moved in the warehouse. {_what_comes_next(base, warehouse)}"
        ) from error
    if tidies:
        destination_of(warehouse).tidy(pipeline)


def set_aside(pipeline: dlt.Pipeline, warehouse: WarehouseSettings, reason: str) -> Path:
    """Put the load packages that have not been loaded into quarantine, for this reason; returns where they lie.

    The pipeline is empty afterwards and can go on: it reads again what they hold, for no cursor in the warehouse has
    passed it.
    """
    place = quarantine(Path(pipeline.working_dir), warehouse.state_dir, reason)
    pipeline.drop()
    return place


def _normalize_and_load(pipeline: dlt.Pipeline) -> None:
    try:
        pipeline.normalize()
        pipeline.load()
    except PipelineStepFailed as error:
        raise _named(error) from error
    except (DltException, OSError, ValueError) as error:
        raise LoadFailed(_not_taken("the load package", error), is_final=_is_final(error)) from error


def _pipeline(warehouse: WarehouseSettings, pipelines_dir: Path) -> dlt.Pipeline:
    for option, value in _DLT_OPTIONS.items():
        dlt.config[option] = value
    pipeline = dlt.pipeline(
        PIPELINE,
        pipelines_dir=str(pipelines_dir),
        destination=destination_of(warehouse).for_dlt(),
        dataset_name=DATASET,
    )
    # dlt's errors quote the rows that were refused; our own say what happened without them.
    logging.getLogger("dlt").setLevel(os.environ.get("RUNTIME__LOG_LEVEL", "CRITICAL"))
    return pipeline


def _pipelines_dir(warehouse: WarehouseSettings) -> Path:
    return warehouse.state_dir / "dlt"


def _working_dir(warehouse: WarehouseSettings) -> Path:
    return _pipelines_dir(warehouse) / PIPELINE


def _read_base(warehouse: WarehouseSettings) -> str:
    try:
        return (warehouse.state_dir / _BASE).read_text()
    except FileNotFoundError:
        return ""


def _what_comes_next(base: str, warehouse: WarehouseSettings) -> str:
    if not base:
        return "It is this warehouse's first load, so the next `ticketing sync` reads it again."
    return (
        "The next `ticketing sync` loads it first; if it fails again it is put into "
        f"{warehouse.state_dir / 'quarantine'}, where the newest {KEPT} are kept, and what it holds is read again."
    )


def _named(error: PipelineStepFailed) -> BaseException:
    """What really happened: dlt wraps whatever ends a step, Ctrl-C too. A bug in extracting stays as it is."""
    for cause in causes(error):
        if isinstance(cause, TicketingError | KeyboardInterrupt):
            return cause
    if error.step == "sync":
        return TryAgainLater(f"What the warehouse holds could not be read: {reason(error)}. Run this again.")
    if error.step not in {"normalize", "load"}:
        return error
    what = f"the load package {error.load_id} ({error.step})"
    return LoadFailed(_not_taken(what, error), is_final=_is_final(error.exception or error))


def _is_final(error: BaseException) -> bool:
    """Whether another try would end the same way: dlt calls it terminal, and it is no fault of disk or network."""
    return isinstance(error, TerminalException | NormalizeJobFailed) and not any(
        isinstance(cause, OSError | MemoryError) for cause in causes(error)
    )


def _not_taken(what: str, error: Exception) -> str:
    return f"The warehouse did not take {what}: {reason(error)}."
