"""Where proposals come from: a file of rows, or a query over the warehouse."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.parquet

from pipelines.errors import FixConfiguration
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.destinations.destination import QueryRefused
from pipelines.warehouse.marts import reading_marts

Rows: TypeAlias = list[Mapping[str, Any]]

_UNREADABLE = (csv.Error, msgspec.MsgspecError, pa.ArrowException, ValueError, OverflowError, RecursionError, OSError)

_DELIMITERS = ",;\t"


def proposed_rows(path: Path, warehouse: WarehouseSettings, wait_seconds: float = 0.0) -> Rows:
    """The rows of a file by its ending: .csv, .json (a list of objects), .parquet, or .sql, a query that the
    warehouse answers. Raises `FixConfiguration` where it cannot be read so."""
    if path.suffix == ".sql":
        return _answered(path, warehouse, wait_seconds)
    read = _READERS.get(path.suffix)
    if read is None:
        endings = ", ".join((*_READERS, ".sql"))
        raise FixConfiguration(f"Expected proposals in a file that ends in one of {endings}, got {path.name!r}.")
    try:
        return read(path)
    except _UNREADABLE as error:
        raise FixConfiguration(f"Expected {path} to be {_FORMS[path.suffix]}, but: {error}.") from error


def _answered(path: Path, warehouse: WarehouseSettings, wait_seconds: float) -> Rows:
    try:
        query = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FixConfiguration(f"Expected {path} to be a query in UTF-8, but: {error}.") from error
    with reading_marts(warehouse, wait_seconds) as ask:
        try:
            return [*ask(query)]
        except QueryRefused as error:
            raise FixConfiguration(
                f"Expected {path} to be one query that {warehouse.name} answers, but: {error}. Correct it; where the "
                "marts are not built yet, run `ticketing build` first."
            ) from error


def _csv(path: Path) -> Rows:
    """Rows under a heading, with commas, semicolons or tabs between cells, as spreadsheets write them."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        heading = file.readline()
        file.seek(0)
        rows = csv.reader(file, delimiter=max(_DELIMITERS, key=heading.count), strict=True)
        names = [name.strip() for name in next(rows, [])]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"the heading has {doubled[0]!r} more than once")
        return [_row(names, cells, number) for number, cells in enumerate(filter(None, rows), start=1)]


def _row(names: list[str], cells: list[str], number: int) -> Mapping[str, Any]:
    if len(cells) != len(names):
        raise ValueError(f"row {number} has {len(cells)} cells under a heading of {len(names)}")
    return dict(zip(names, cells, strict=True))


def _json(path: Path) -> Rows:
    return [*msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])]


def _parquet(path: Path) -> Rows:
    return [*pyarrow.parquet.read_table(path).to_pylist()]


_READERS: Mapping[str, Callable[[Path], Rows]] = {
    ".csv": _csv,
    ".json": _json,
    ".parquet": _parquet,
}

_FORMS = {
    ".csv": "a CSV file in UTF-8 with a heading",
    ".json": "a JSON list of objects",
    ".parquet": "a Parquet file",
}
