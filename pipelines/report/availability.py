"""What the data can tell, and why not where they cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.report.tables import Column, Table, TableRow
from pipelines.report.words import Unit, one_line, spaced
from pipelines.warehouse.destinations.destination import AskRows

_METRICS = """
select connection_id, metric, availability, reason, missing_field, applicable_count, known_count, known_share
from metric_availability
order by metric, connection_id
"""


@dataclass(frozen=True)
class Metric:
    """One metric of one connection."""

    connection_id: str
    metric: str
    availability: str
    reason: str | None
    missing_field: str | None
    applicable_count: int
    known_count: int
    known_share: float | None

    @property
    def why(self) -> str:
        missing = f" ({one_line(self.missing_field)})" if self.missing_field else ""
        return spaced(self.reason or "") + missing


@dataclass(frozen=True)
class Availability:
    """All of them, and what the connections are called."""

    metrics: Sequence[Metric]
    names: Mapping[str, str]

    def is_known(self, metric: str) -> bool:
        """Whether any connection can tell it."""
        return any(each.availability != "unavailable" for each in self._of(metric))

    def what_lacks(self, metric: str) -> str | None:
        """Of which connections nothing is known, and why, in a sentence; None where all can tell at least a part."""
        if not self._of(metric):
            return f"Nothing tells whether {spaced(metric)} is known."
        lacking = [each for each in self._of(metric) if each.availability == "unavailable"]
        said = "; ".join(f"{self.names.get(each.connection_id, each.connection_id)}: {each.why}" for each in lacking)
        return f"Not known of {said}." if lacking else None

    def _of(self, metric: str) -> list[Metric]:
        return [each for each in self.metrics if each.metric == metric]


def availability_of(ask: AskRows, names: Mapping[str, str]) -> Availability:
    """As the marts have it."""
    return Availability([Metric(**row) for row in ask(_METRICS)], names)


def what_is_missing(available: Availability) -> Table:
    """Each metric that a connection cannot tell wholly, with the reason; the least known first."""
    lacking = [each for each in available.metrics if each.availability != "available"]
    lacking.sort(key=lambda each: (each.known_share or 0.0, each.metric, each.connection_id))
    return Table(
        "missing",
        "What the data cannot tell wholly, and why",
        [
            Column("metric", "Metric", Unit.WORDS),
            Column("helpdesk", "Helpdesk", Unit.WORDS),
            Column("known_share", "Known", Unit.SHARE, "metric_availability"),
            Column("known_count", "Rows known", Unit.COUNT, "metric_availability"),
            Column("applicable_count", "Rows in all", Unit.COUNT, "metric_availability"),
            Column("reason", "Why not the rest", Unit.WORDS),
        ],
        [
            TableRow(
                f"{each.connection_id} {each.metric}",
                [
                    spaced(each.metric),
                    available.names.get(each.connection_id, each.connection_id),
                    each.known_share,
                    each.known_count,
                    each.applicable_count,
                    each.why,
                ],
            )
            for each in lacking
        ],
    )
