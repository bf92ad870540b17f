"""Loading through dlt: one pipeline, and what a run before this one left unfinished comes first."""

from __future__ import annotations

import logging
import os
import time
from enum import Enum

import dlt
import duckdb
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.errors import FixConfiguration, LoadFailed, TicketingError, WarehouseBusy
from pipelines.settings import WarehouseSettings
from transforms.schemas import DATASET

PIPELINE = "unified_ticketing"

_DLT_OPTIONS = {
    "normalize.parquet_normalizer.add_dlt_load_id": True,
    "load.delete_completed_jobs": True,
    "load.truncate_staging_dataset": True,
    "runtime.dlthub_telemetry": False,
}
"""How this project's tables are loaded: no user's choice, and the same from whatever folder a run is started."""

_BASE = "load.base"
"""The file, in the state folder, that names the load on top of which the pending one was extracted."""


class Pending(Enum):
    """What became of a load that an earlier run had left pending."""

    NOTHING = "nothing"
    FINISHED = "finished"
    DISCARDED = "discarded"


def open_pipeline(warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> dlt.Pipeline:
    """The project's dlt pipeline on this warehouse; its working folder lies in the state folder.

    Raises `WarehouseBusy` if another program still holds the DuckDB file after the wait, `FixConfiguration` if it
    is none.
    """
    for option, value in _DLT_OPTIONS.items():
        dlt.config[option] = value
    warehouse.duckdb_path.parent.mkdir(parents=True, exist_ok=True)
    _prove_openable(warehouse, time.monotonic() + wait_seconds)
    pipeline = dlt.pipeline(
        PIPELINE,
        pipelines_dir=str(warehouse.state_dir / "dlt"),
        destination=dlt.destinations.duckdb(str(warehouse.duckdb_path)),
        dataset_name=DATASET,
    )
    # dlt warns of every JSON column, whose Arrow type is text.
    logging.getLogger("dlt").setLevel(os.environ.get("RUNTIME__LOG_LEVEL", "ERROR"))
    return pipeline


def finish_pending(pipeline: dlt.Pipeline, warehouse: WarehouseSettings) -> Pending:
    """Load what an earlier run extracted but did not get to load; dlt would load it in place of new data.

    A load that was extracted on top of another state of the warehouse (one that has been put back from a backup
    since, say) is discarded instead: it would carry cursors past rows that are not there. The next extraction reads
    it again.
    """
    pipeline.activate()
    if not pipeline.has_pending_data:
        return Pending.NOTHING
    pending = {*pipeline.list_extracted_load_packages(), *pipeline.list_normalized_load_packages()}
    newest = _newest_load(pipeline)
    if newest not in pending and newest != _read_base(warehouse):
        pipeline.drop()
        return Pending.DISCARDED
    try:
        pipeline.normalize()
        pipeline.load()
    except PipelineStepFailed as error:
        raise _named(error) from error
    return Pending.FINISHED


def load(pipeline: dlt.Pipeline, source: DltSource, warehouse: WarehouseSettings) -> None:
    """Extract and load a source in one package. Raises the `TicketingError` that stopped it, or `LoadFailed`.

    The working folder is emptied first, so that cursors come from the warehouse and nowhere else: a local copy
    would run ahead of a warehouse that was put back from a backup. Call `finish_pending` before.
    """
    (warehouse.state_dir / _BASE).write_text(_newest_load(pipeline))
    try:
        pipeline.drop().run(source)
    except PipelineStepFailed as error:
        raise _named(error) from error


def _prove_openable(warehouse: WarehouseSettings, deadline: float) -> None:
    while True:
        try:
            duckdb.connect(str(warehouse.duckdb_path)).close()
        except duckdb.Error as error:
            reason = next(iter(str(error).splitlines()), "no reason given")
            if "lock" not in reason.lower():
                raise FixConfiguration(
                    f"Expected {warehouse.duckdb_path} to be a DuckDB database that can be written, but: {reason}. Set "
                    "DESTINATION__DUCKDB__CREDENTIALS to another path, or move what is there out of the way."
                ) from error
            if time.monotonic() >= deadline:
                raise WarehouseBusy(
                    f"Cannot open {warehouse.duckdb_path}: {reason}. If another program has the file open (a notebook, "
                    "a BI tool, the duckdb shell), close it there and run this again."
                ) from error
            time.sleep(0.2)
        else:
            return


def _newest_load(pipeline: dlt.Pipeline) -> str:
    """The id of the last load that the warehouse has; empty before the first."""
    with pipeline.sql_client() as client:
        loads = client.make_qualified_table_name("_dlt_loads")
        try:
            rows = client.execute_sql(f"select max(load_id) from {loads} where status = 0") or []
        except DatabaseUndefinedRelation:
            return ""
    return next((row[0] for row in rows if row[0]), "")


def _read_base(warehouse: WarehouseSettings) -> str | None:
    try:
        return (warehouse.state_dir / _BASE).read_text()
    except FileNotFoundError:
        return None


def _named(error: PipelineStepFailed) -> BaseException:
    """What really happened: dlt wraps whatever ends a step, Ctrl-C too. A bug in extracting stays as it is."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TicketingError | KeyboardInterrupt):
            return cause
        cause = cause.__cause__ or cause.__context__
    if error.step not in {"normalize", "load"}:
        return error
    reason = next(iter(str(error.exception or error).strip().splitlines()), str(error))
    return LoadFailed(
        f"The warehouse did not take the load package {error.load_id} ({error.step}): {reason}. Nothing is lost: it "
        "stays pending, no cursor has moved in the warehouse, and the next `ticketing sync` loads it first. If that "
        "fails again, delete the folder dlt in the state folder: what was pending is then read again."
    )
