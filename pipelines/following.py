"""The inbox, drained as it fills, and the models built over it and published: until somebody ends it."""

from __future__ import annotations

import re
import sqlite3
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.build import Renewals
from pipelines.draining import Draining, DrainReport, opened_inbox
from pipelines.errors import TicketingError
from pipelines.publish import publish
from pipelines.repairing import Repair, repair_gaps
from pipelines.settings import UnifiedSettings, WarehouseSettings
from pipelines.stopping import heeding_signals
from pipelines.warehouse.reason import reason
from pipelines.webhooks.inbox import Inbox

SECONDS_BETWEEN_LOOKS = 0.5
"""What comes in the meantime makes one load."""

SECONDS_BETWEEN_REPAIRS = 300.0
"""So often it is asked how the webhooks are."""

PAUSE_TO_PUBLISHING = 9.0
"""So many times as long as publishing has taken is paused after it: it takes a tenth of the time at most."""

LONGEST_PAUSE = 60.0
"""Seconds between two tries where something stands in the way."""

SECONDS_BETWEEN_REMINDERS = 3600.0
"""Of what goes on standing in the way."""

_NUMBER = re.compile(r"\d+")

_MOST_DOUBLINGS = 7
"""Of the pause between two looks, until the longest is reached."""

PATIENCE = 60.0
"""Seconds that it waits, before it says so, behind another process that writes. A sync drains the inbox itself."""


@dataclass
class Follower:
    """What whoever watches is told; this one says nothing."""

    said: Callable[[str], None] = lambda line: None
    complained: Callable[[str], None] = lambda line: None
    is_over: Callable[[], bool] = lambda: False
    """Whether to end; asked between two looks."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep


class Following:
    """Drains an inbox and builds the models, turn by turn. Between two turns the write lock is free, and whoever waits
    for it is first."""

    def __init__(
        self,
        settings: UnifiedSettings,
        draining: Draining,
        warehouse: WarehouseSettings,
        inbox: Inbox,
        follower: Follower,
        build_every: float | None,
        is_stopped: Callable[[], bool],
    ) -> None:
        self._is_stopped = is_stopped
        self._settings = settings
        self._draining = draining
        self._warehouse = warehouse
        self._inbox = inbox
        self._follower = follower
        self._build_every = build_every
        self._renewals = Renewals(warehouse)
        self._built_at = self._repaired_at = -float("inf")
        self._publish_at = 0.0
        self._has_polled = self._is_unpublished = False
        self._built_over: int | None = None
        self._failures = 0
        self._told_at: dict[str, float] = {}

    def run(self) -> None:
        """Take turns until it is over."""
        while not self._is_over():
            try:
                self._take_turn()
            except (TicketingError, sqlite3.Error) as error:
                self._failures += 1
                self._complain(str(error))
            except Exception as error:  # a disk that is full, a server that has gone: it may be over the next time
                self._failures += 1
                place = traceback.extract_tb(error.__traceback__)[-1]
                said = f"{type(error).__name__}: {reason(error)}"
                self._complain(f"{said} ({Path(place.filename).name}, line {place.lineno})")
            if not self._is_stopped():
                doublings = min(self._failures, _MOST_DOUBLINGS)
                self._follower.sleep(min(LONGEST_PAUSE, SECONDS_BETWEEN_LOOKS * 2**doublings))

    def _is_over(self) -> bool:
        return self._is_stopped() or self._follower.is_over()

    def _take_turn(self) -> None:
        is_vain = bool(self._inbox.last_id()) and not self._drain()
        if time.monotonic() - self._repaired_at >= SECONDS_BETWEEN_REPAIRS:
            self._repair()
        if self._build_every is not None and time.monotonic() - self._built_at >= self._build_every and self._is_stale:
            self._build()
        if self._is_unpublished and time.monotonic() >= self._publish_at:
            self._publish()
        self._failures = self._failures + 1 if is_vain else 0

    @property
    def _is_stale(self) -> bool:
        """Whether something may have come since the models were built: by this inbox, whoever has drained it, or by a
        repair."""
        return self._has_polled or self._inbox.let_go() != self._built_over

    def _drain(self) -> bool:
        """Whether something of what waited was taken, or nothing stands in the way of it."""
        before = self._draining.report.delivered, self._draining.report.buried
        try:
            self._draining.take_turn(PATIENCE)
        finally:
            report = self._draining.report
            delivered, buried = report.delivered - before[0], report.buried - before[1]
            if delivered or buried:
                dead = f", {buried:,} can be stored nowhere (ticketing inbox)" if buried else ""
                self._follower.said(f"{delivered:,} deliveries loaded{dead}")
            if report.error:
                self._complain(report.error)
        return delivered > 0 or report.error is None

    def _repair(self) -> None:
        self._repaired_at = time.monotonic()
        for repair in repair_gaps(
            self._settings, self._warehouse, self._inbox, self._follower.now(), PATIENCE, self._draining.report
        ):
            self._tell_repair(repair)

    def _tell_repair(self, repair: Repair) -> None:
        gap, outcome = repair.gap, repair.outcome
        what = f"{gap.connection_id} {gap.table} since {gap.since:%Y-%m-%d %H:%M}Z, for {gap.reason}"
        if outcome.is_complete:
            self._has_polled = self._has_polled or outcome.rows_received > 0
            self._follower.said(f"{outcome.rows_received:,} records polled of {what}")
        elif repair.is_vain:
            self._complain(f"could not poll {what}: nothing but a webhook tells of it")
        else:
            self._complain(f"could not poll {what}: {outcome.error or 'max_calls_per_run was reached'}")

    def _build(self) -> None:
        self._built_at = time.monotonic()
        built_over = self._inbox.let_go()
        report = self._renewals.build(PATIENCE)
        self._built_over, self._has_polled = built_over, False
        what = "models built and tested" if report.is_whole else "tables built"
        self._follower.said(f"{report.models:,} {what} in {report.seconds:.0f} s")
        for warning in report.warnings:
            self._complain(f"warning: {warning}")
        self._is_unpublished = True

    def _publish(self) -> None:
        report = publish(self._warehouse, wait_seconds=PATIENCE)
        self._is_unpublished = False
        self._publish_at = time.monotonic() + PAUSE_TO_PUBLISHING * report.seconds
        self._follower.said(f"{len(report.rows):,} tables published in {report.seconds:.1f} s")

    def _complain(self, error: str) -> None:
        """Say what stands in the way, once an hour, whatever times and numbers there are in it."""
        text, now = _NUMBER.sub("", error), time.monotonic()
        if now - self._told_at.get(text, -float("inf")) >= SECONDS_BETWEEN_REMINDERS:
            self._told_at[text] = now
            self._follower.complained(error)


def follow(
    settings: UnifiedSettings,
    warehouse: WarehouseSettings,
    report: DrainReport,
    *,
    build_every: float | None,
    follower: Follower,
) -> None:
    """Drain the inbox as it fills, and build the models `build_every` so many seconds (None: not) where something has
    come. What stands in the way is told, and tried again. The `report` goes on all the while."""
    with opened_inbox(warehouse) as inbox, heeding_signals() as is_stopped:
        draining = Draining(settings, warehouse, inbox, report)
        Following(settings, draining, warehouse, inbox, follower, build_every, is_stopped).run()
