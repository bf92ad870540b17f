"""What every table of the report is made of; each number knows the mart that it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.report.words import Unit, Value, one_line


@dataclass(frozen=True)
class Ticket:
    """A ticket to be named, and opened where its address is one of the web."""

    connection_id: str
    ticket_id: str
    subject: str | None
    url: str | None

    @property
    def title(self) -> str:
        return one_line(self.subject or "") or f"Ticket {one_line(self.ticket_id)}"

    @property
    def link(self) -> str | None:
        """Nothing but http and https: any other scheme may run something."""
        url = (self.url or "").strip()
        return url if url.lower().startswith(("https://", "http://")) and url.isprintable() else None


@dataclass(frozen=True)
class Column:
    """One column; `mart` says where its numbers are from."""

    name: str
    label: str
    unit: Unit = Unit.COUNT
    mart: str | None = None
    has_bars: bool = False

    @property
    def is_number(self) -> bool:
        return self.unit in (Unit.COUNT, Unit.SECONDS, Unit.LIMIT, Unit.SHARE)


@dataclass(frozen=True)
class TableRow:
    """One row; its key tells it from the others, and its note stands below what it is called."""

    key: str
    values: Sequence[Value | Ticket]
    note: str | None = None


@dataclass(frozen=True)
class Table:
    """A table with its caption; `more_count` rows are not shown."""

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[TableRow]
    more_count: int = 0

    def share_of_most(self, column: int, value: Value) -> float:
        """How long a bar is beside the longest of its column, 0 to 1."""
        numbers = [row.values[column] for row in self.rows]
        most = max((number for number in numbers if isinstance(number, int | float)), default=0)
        return value / most if isinstance(value, int | float) and most else 0.0
