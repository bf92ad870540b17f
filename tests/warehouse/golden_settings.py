"""What a user decides for the build: the seeds, the variables and the clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.warehouse.golden_text import lower

Record = Mapping[str, Any]
Row = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True)
class Settings:
    """The seeds' rows, where a blank is None; the variables that are not as shipped; the build's clock."""

    seeds: Mapping[str, Sequence[Record]]
    variables: Mapping[str, Any]
    as_of: datetime

    @property
    def assumed_note_visibility(self) -> str | None:
        return self.variables.get("assumed_note_visibility")

    @property
    def reporting_timezone(self) -> ZoneInfo:
        return ZoneInfo(self.variables.get("reporting_timezone", "UTC"))

    @property
    def settle_seconds(self) -> int:
        return int(self.variables.get("settle_seconds", 300))

    @property
    def history_gap_seconds(self) -> int:
        return int(self.variables.get("history_gap_seconds", 86_400))

    @property
    def at_risk_share(self) -> Decimal:
        return Decimal(str(self.variables.get("sla_at_risk_share", 0.8)))

    @property
    def waiting_long_seconds(self) -> int:
        return int(self.variables.get("triage_waiting_seconds", 86_400))

    @property
    def vip_tags(self) -> set[str]:
        return {lower(tag) for tag in self.variables.get("vip_tags", ["vip"])}

    @property
    def answer_limits(self) -> Sequence[int]:
        return [int(limit) for limit in self.variables.get("answer_limits_seconds", [3600, 14400, 86400, 259200])]

    @property
    def customer_trend_days(self) -> int:
        return int(self.variables.get("customer_trend_days", 30))

    @property
    def category_levels(self) -> int:
        return int(self.variables.get("category_levels", 20))

    @property
    def sync_stale_seconds(self) -> int:
        return int(self.variables.get("sync_stale_seconds", 86_400))

    @property
    def sync_failing_runs(self) -> int:
        return int(self.variables.get("sync_failing_runs", 1))

    @property
    def sync_recent_days(self) -> int:
        return int(self.variables.get("sync_recent_days", 7))

    @property
    def weights(self) -> Mapping[str, int]:
        return {row["reason"]: int(row["weight"]) for row in self.seeds["triage_weights"]}
