"""Why each figure of a ticket is what it is: its timeline, and the rule and the rows behind each of them."""

from __future__ import annotations

from pipelines.explain.explanation import Explanation
from pipelines.explain.figures import figures_of
from pipelines.explain.service_levels import service_levels_of
from pipelines.explain.ticket_rows import FACTS, TicketRows, rows_of
from pipelines.explain.timeline import timeline_of
from pipelines.settings import WarehouseSettings
from pipelines.warehouse.marts import reading_marts

__all__ = ["Explanation", "explain", "explanation_of"]

PATIENCE = 5.0
"""Seconds that a look at the marts waits for a writer to end: a DuckDB file cannot be read beside one."""


def explain(warehouse: WarehouseSettings, connection_id: str, ticket_id: str) -> Explanation:
    """What the marts tell of one ticket. Raises `FixConfiguration` where they are not built or do not have it."""
    with reading_marts(warehouse, PATIENCE) as ask:
        rows = rows_of(ask, warehouse, connection_id, ticket_id)
    return explanation_of(rows)


def explanation_of(rows: TicketRows) -> Explanation:
    """The same from rows that have been read."""
    return Explanation(
        ticket={name: rows.ticket[name] for name in FACTS},
        timeline=timeline_of(rows),
        figures=figures_of(rows),
        service_levels=service_levels_of(rows),
    )
