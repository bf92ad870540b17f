"""What became of each object of a run, as `sync_runs` keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipelines.unified_api.client import Calls


@dataclass
class Outcome:
    """What became of one object of one connection in one run: a row of `sync_runs`."""

    run_id: str
    connection_id: str
    integration_type: str
    object: str
    plan: str
    started_at: datetime
    command: str = "sync"
    cursor_before: datetime | None = None
    cursor_after: datetime | None = None
    read_through: datetime | None = None
    ended_at: datetime | None = None
    pages: int = 0
    rows_received: int = 0
    rows_rejected: int = 0
    rows_repaired: int = 0
    rows_deleted: int = 0
    rows_withheld: int = 0
    is_complete: bool = False
    is_put_off: bool = False
    error: str | None = None
    calls: Calls = field(default_factory=Calls)

    @property
    def has_failed(self) -> bool:
        return self.error is not None

    def put_off(self) -> None:
        """The calls of the run were used up before it was complete: the next one goes on."""
        self.is_put_off = True
        self.plan += ", stopped at max_calls_per_run"

    def row(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "connection_id": self.connection_id,
            "object": self.object,
            "integration_type": self.integration_type,
            "plan": self.plan,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "requests": self.calls.requests,
            "rows_received": self.rows_received,
            "retries": self.calls.retries,
            "seconds_waited": self.calls.seconds_waited,
            "cursor_before": self.cursor_before,
            "cursor_after": self.cursor_after,
            "read_through": self.read_through,
            "is_complete": self.is_complete,
            "error": self.error,
            "command": self.command,
            "rows_rejected": self.rows_rejected,
            "rows_repaired": self.rows_repaired,
            "rows_deleted": self.rows_deleted,
            "rows_withheld": self.rows_withheld,
        }
