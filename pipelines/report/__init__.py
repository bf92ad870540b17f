"""The morning report: one HTML file that says how support does, made from what is published alone."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pipelines.errors import FixConfiguration
from pipelines.report.figures import figures_of
from pipelines.settings import WarehouseSettings, draft_of
from pipelines.warehouse.destinations.destination import AskRows
from pipelines.warehouse.marts import reading_published

__all__ = ["Written", "report_of", "write_report"]


@dataclass(frozen=True)
class Written:
    """Where the report lies, and up to when its data reach; None where there are no tickets."""

    path: Path
    data_as_of: datetime | None


def report_of(ask: AskRows, warehouse: str, made_at: datetime) -> tuple[str, datetime | None]:
    """The page, and up to when its data reach."""
    from pipelines.report.page import page_of  # loads what draws, which takes a second

    figures = figures_of(ask)
    page = page_of(figures, warehouse, made_at, version("unified-ticketing"))
    return page, figures.support.days.read_until if figures.support else None


def write_report(warehouse: WarehouseSettings, path: Path | None = None) -> Written:
    """Write the page of what is published, all of it or nothing, beside that if no place is told. Raises
    `FixConfiguration` where nothing is published."""
    path = _writable(path or warehouse.report_path)
    with reading_published(warehouse) as ask:
        page, data_as_of = report_of(ask, warehouse.name, datetime.now(UTC))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    try:
        draft.write_text(page, encoding="utf-8", newline="\n")
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return Written(path, data_as_of)


def _writable(path: Path) -> Path:
    """The file that a path leads to. Raises `FixConfiguration` where it is something else than a file."""
    target = path.resolve() if path.is_symlink() else path
    if not target.name or target.name == "-" or (target.exists() and not target.is_file()):
        raise FixConfiguration(
            f"Expected --out to be a file, or the name of one that is not there yet, got {str(path)!r}. Example: "
            "--out monday.html"
        )
    return target
