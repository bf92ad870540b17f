"""Loading through dlt: one pipeline, and what a run before this one left unfinished comes first."""

from __future__ import annotations

import dlt
import duckdb
from dlt.extract import DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.errors import LoadFailed, TicketingError, WarehouseBusy
from pipelines.settings import WarehouseSettings
from transforms.schemas import DATASET

PIPELINE = "unified_ticketing"


def open_pipeline(warehouse: WarehouseSettings) -> dlt.Pipeline:
    """The project's dlt pipeline on this warehouse; its working folder lies in the state folder.

    Raises `WarehouseBusy` if another program holds the DuckDB file.
    """
    warehouse.duckdb_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        duckdb.connect(str(warehouse.duckdb_path)).close()
    except duckdb.IOException as error:
        raise WarehouseBusy(
            f"Cannot open {warehouse.duckdb_path}: {str(error).splitlines()[0]}. If another program has the file "
            "open (a notebook, a BI tool, the duckdb shell), close it there and run this again."
        ) from error
    return dlt.pipeline(
        PIPELINE,
        pipelines_dir=str(warehouse.state_dir / "dlt"),
        destination=dlt.destinations.duckdb(str(warehouse.duckdb_path)),
        dataset_name=DATASET,
    )


def finish_pending(pipeline: dlt.Pipeline) -> bool:
    """Load what an earlier run extracted but did not get to load. Says whether there was anything.

    dlt would otherwise load it in place of new data, and say nothing.
    """
    pipeline.activate()
    if not pipeline.has_pending_data:
        return False
    try:
        pipeline.normalize()
        pipeline.load()
    except PipelineStepFailed as error:
        raise _named(error) from error
    return True


def load(pipeline: dlt.Pipeline, source: DltSource) -> None:
    """Extract and load a source in one package. Raises the `TicketingError` that stopped it, or `LoadFailed`.

    The working folder is emptied first, so that cursors come from the warehouse and nowhere else: a local copy
    would run ahead of a warehouse that was put back from a backup. Call `finish_pending` before.
    """
    try:
        pipeline.drop().run(source)
    except PipelineStepFailed as error:
        raise _named(error) from error


def _named(error: PipelineStepFailed) -> BaseException:
    """What really happened: dlt wraps whatever ends a step, Ctrl-C too. A bug in extracting stays as it is."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TicketingError | KeyboardInterrupt):
            return cause
        cause = cause.__cause__ or cause.__context__
    if error.step == "extract":
        return error
    reason = next(iter(str(error.exception or error).strip().splitlines()), str(error))
    return LoadFailed(
        f"The warehouse did not take the load package {error.load_id} ({error.step}): {reason}. Nothing is lost: it "
        "stays pending, no cursor has moved in the warehouse, and the next `ticketing sync` loads it first."
    )
