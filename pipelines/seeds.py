"""The CSV files that a user edits, before dbt loads them: whether each is a table of its columns at all. What its cells
say is for dbt's tests."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipelines.errors import FixConfiguration


class _Project(msgspec.Struct):
    """What counts here of `dbt_project.yml`."""

    name: str
    seeds: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)


def refuse_unreadable_seeds(project: Path) -> None:
    """Raises `FixConfiguration` with every seed of a dbt project that cannot be read as what it should be."""
    folder = project / "seeds"
    faults = {folder / f"{name}.csv": columns for name, columns in _columns_of_seeds(project).items()}
    told = [f"{path}: {fault}" for path, columns in faults.items() if (fault := _fault(path, columns))]
    if told:
        raise FixConfiguration("\n".join([*told, "Save it as CSV with commas, in UTF-8."]))


def _columns_of_seeds(project: Path) -> Mapping[str, Sequence[str]]:
    """The columns of each seed as they are declared to dbt, which itself says what may be wrong with that file."""
    try:
        declared = msgspec.yaml.decode((project / "dbt_project.yml").read_bytes(), type=_Project)
    except msgspec.MsgspecError:
        return {}
    seeds = declared.seeds.get(declared.name, {})
    return {name: list(seed["+column_types"]) for name, seed in seeds.items() if not name.startswith("+")}


def _fault(path: Path, columns: Sequence[str]) -> str | None:
    """What keeps a file from being read, in words."""
    expected = f"Expected the columns {','.join(columns)}"
    try:
        lines = _lines(path)
    except FileNotFoundError:
        return f"{expected}, but there is no such file."
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return f"{expected}, but line {line} is not in UTF-8."
    except csv.Error as error:
        return f"{expected}, but it is not CSV: {error}."
    header = lines[0][1] if lines else []
    if sorted(header) != sorted(columns):
        return f"{expected}, got {','.join(header) or 'none'}."
    for number, cells in lines:
        if cells and len(cells) != len(header):
            return f"{expected}, but line {number} has another number of cells: {len(cells)}."
    return None


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """The cells of each line, with the number of the line on which they end."""
    text = path.read_bytes().decode("utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    return [(reader.line_num, cells) for cells in reader]
