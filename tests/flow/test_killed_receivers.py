"""Receivers and drains are killed at random moments while deliveries come: what was acknowledged is stored, once."""

from __future__ import annotations

import math
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from typing import Any

import pytest

from pipelines.draining import drain, opened_inbox
from pipelines.settings import UnifiedSettings, WarehouseSettings
from tests.flow.children import start_drain, start_receiver
from tests.flow.conftest import at_length, slow
from tests.flow.signed import Record, webhook_settings
from tests.flow.truth import deleted_rows, query, stored_rows
from tests.flow.vendor import Histories, Vendor, reserved_port

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("TICKETING_TEST_KILLS", "6"))
LONGEST_LIFE = 6.0


@dataclass
class Doomed:
    """Processes one after another, each of which is killed at a random moment unless it has ended by then.

    Where they end by themselves, one is let live to see how long it takes, and the others get such a time that some
    come to their end: so they are killed anywhere in their lives, on a quick machine and on a slow one.
    """

    begin: Callable[[], BaseProcess]
    longest_life: float
    wanted: int
    has_an_end: bool = False
    bereaved: Callable[[], object] = lambda: None
    """Called after each kill."""
    killed: int = 0
    ended: int = 0
    process: BaseProcess | None = None
    _born_at: float = 0.0
    _dies_at: float = 0.0

    def go_on(self, chance: random.Random) -> bool:
        """Begin, kill or begin again, if it is time for it; whether there is more to be done."""
        if self.process is None:
            self._begin(chance)
        elif not self.process.is_alive():
            self._note_end()
        elif time.monotonic() >= self._dies_at:
            os.kill(self.process.pid or 0, signal.SIGKILL)
            self.process.join()
            self.process = None
            self.killed += 1
            if self.has_an_end:
                self.longest_life = min(self.longest_life * 1.03, LONGEST_LIFE)
            self.bereaved()
        return self.killed < self.wanted

    def _begin(self, chance: random.Random) -> None:
        self.process = self.begin()
        self._born_at = time.monotonic()
        is_let_live = self.has_an_end and self.killed and not self.ended
        self._dies_at = math.inf if is_let_live else self._born_at + chance.uniform(0.05, self.longest_life)

    def _note_end(self) -> None:
        self.process = None
        self.ended += 1
        lived = time.monotonic() - self._born_at
        self.longest_life = 1.2 * lived if self._dies_at == math.inf else self.longest_life * 0.8


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("warehouse", "receivers", "drains"),
    [("duckdb", 8, 4), slow("duckdb", 16 * KILLS, 8 * KILLS), at_length("postgres", 8 * KILLS, 4 * KILLS)],
    indirect=["warehouse"],
)
def test_what_was_acknowledged_is_stored_once_whoever_was_killed(
    warehouse: WarehouseSettings, receivers: int, drains: int
) -> None:
    webhooks, unified, chance = webhook_settings(), UnifiedSettings(), random.Random(receivers)
    with reserved_port() as port:
        vendor = Vendor(port, seed=receivers)
        doomed_receivers = [
            Doomed(lambda: start_receiver(webhooks, warehouse, port), 1.5, receivers // 2) for _ in range(2)
        ]
        doomed_drains = Doomed(
            lambda: start_drain(unified, warehouse, 60.0),
            1.5,
            drains,
            has_an_end=True,
            bereaved=lambda: lose_what_is_half_done(warehouse, chance),
        )
        vendor.start()
        kill_all([*doomed_receivers, doomed_drains], chance)
        last = start_receiver(webhooks, warehouse, port)
        vendor.finish()
        last.terminate()
        last.join()
    for doomed in (*doomed_receivers, doomed_drains):
        assert doomed.killed > (doomed.killed + doomed.ended) / 3, "too few were caught alive to prove anything"
    assert vendor.acknowledged > receivers
    assert vendor.refused == []
    drain(unified, warehouse, wait_seconds=60.0)
    nothing_is_left(warehouse)
    rows_are_newest_states(warehouse, vendor.histories)
    each_state_is_known_once(warehouse, vendor.histories)


def kill_all(doomed: Sequence[Doomed], chance: random.Random) -> None:
    """Until each has been killed as often as is wanted; who is ready lives on and dies on, so that all the while
    somebody writes and somebody reads."""
    while sum(each.go_on(chance) for each in doomed):
        time.sleep(0.01)
    for each in doomed:
        while each.process is not None:
            each.go_on(chance)


def lose_what_is_half_done(warehouse: WarehouseSettings, chance: random.Random) -> None:
    """A power cut takes files that no one has put on the disk for good: now and then all of dlt's."""
    if chance.random() < 0.3:
        shutil.rmtree(warehouse.state_dir / "dlt", ignore_errors=True)


def nothing_is_left(warehouse: WarehouseSettings) -> None:
    with opened_inbox(warehouse) as inbox:
        contents = inbox.contents()
        assert (contents.waiting, inbox.loads()) == (0, [])
        assert inbox.dead_letters() == []


def rows_are_newest_states(warehouse: WarehouseSettings, histories: Histories) -> None:
    living, gone = stored_rows(warehouse, "tickets"), deleted_rows(warehouse, "tickets")
    assert gone.keys() == histories.gone
    assert living.keys() == {key for key, states in histories.states.items() if states} - histories.gone
    for key, states in histories.states.items():
        if states:
            row = dict(living.get(key) or gone[key])
            row.pop("_deleted_at", None), row.pop("_deletion_reason", None)
            assert row == as_stored(states[-1]), key


def each_state_is_known_once(warehouse: WarehouseSettings, histories: Histories) -> None:
    versions = query(warehouse, "select connection_id, id, updated_at, state_hash from raw_unified.ticket_versions")
    told = Counter((row["connection_id"], row["id"], row["updated_at"]) for row in versions)
    assert told == Counter((*key, moment(state)) for key, states in histories.states.items() for state in states)
    assert max(Counter((row["connection_id"], row["id"], row["state_hash"]) for row in versions).values()) == 1


def as_stored(state: Record) -> dict[str, Any]:
    return state | {"updated_at": moment(state)}


def moment(state: Record) -> datetime:
    return datetime.fromisoformat(state["updated_at"]).astimezone(UTC)
