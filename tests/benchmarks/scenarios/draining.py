"""From the inbox of webhooks on: how quickly it is drained, beside a sync of the same, and when it is in the marts."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import msgspec

from pipelines.sandbox import Sandbox
from pipelines.webhooks.inbox import Arrival, Inbox
from tests.benchmarks.contestants import OURS, warehouse_in
from tests.benchmarks.deliveries import changed, deliveries, delivery, tickets_of
from tests.benchmarks.measuring import Measured, ask_duckdb, measure, new_folder, run
from tests.benchmarks.programs import TICKETING, Program, environment_in, free_port, receiver, running, until
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.scenarios.pushing import inbox_in
from tests.benchmarks.server import API_KEY, Options
from tests.benchmarks.stand_in import StandIn, stand_in
from tests.warehouse.raw_warehouse import copy_project

BUILD_EVERY = 30.0
_EVENTS = 9
"""Each is of another ticket."""
_PERIODS = 3
"""So many times the models are to be built while events come."""

_DRAIN = replace(OURS, name="ticketing drain", program=(*TICKETING, "drain", "--json"))

_LOADED = re.compile(r"([\d,]+) deliveries loaded")
_BUILT = re.compile(r"(?:models built and tested|tables built) in (\d+) s")


def webhooks_draining(work: Work, repeat: int) -> Report:
    """A delivery of each ticket, drained, beside a sync of the tickets; then all of them once more, changed."""
    headings = ("command", "seconds", "CPU s", "peak MB", "records/s", "to the sync", "CPU to the sync", "problem")
    what = f"{work.tickets:,} tickets, a delivery of each of them, {repeat} run(s) each"
    report = Report("webhooks_draining", what, headings)
    with stand_in(Options(Work(work.tickets, 0, 0, 0))) as server:
        for _ in range(repeat):
            with new_folder() as polled, new_folder() as pushed:
                report.rows += _first_and_changed(server, polled, pushed)
    return report


def _first_and_changed(server: StandIn, polled: Path, pushed: Path) -> Iterator[tuple[object, ...]]:
    records, at = tickets_of(server.options.work), datetime(2026, 1, 1, tzinfo=UTC)
    _fill(pushed, deliveries(records))
    synced, drained = measure(OURS, server, polled), measure(_DRAIN, server, pushed)
    if not (synced.problem or drained.problem) and _contents(polled) != _contents(pushed):
        drained = replace(drained, problem="the rows are not those that the sync has stored")
    yield from _beside_sync("the first", len(records), synced, drained)
    server.touch("ticket", len(records))
    _fill(pushed, deliveries((changed(record, at) for record in records), first=len(records)))
    yield from _beside_sync("all changed", len(records), measure(OURS, server, polled), measure(_DRAIN, server, pushed))
    yield _row("nothing waits", 0, measure(_DRAIN, server, pushed))


def _contents(folder: Path) -> list[tuple[Any, ...]]:
    return ask_duckdb(warehouse_in(folder), "select count(*), sum(hash(id, _row_hash)) from raw_unified.tickets")


def _fill(folder: Path, bodies: Iterable[bytes]) -> None:
    """Put deliveries into the inbox, as the receiver would."""
    bodies = iter(bodies)
    with Inbox(inbox_in(folder)) as inbox:
        while some := [*islice(bodies, 500)]:
            now = datetime.now(UTC)
            inbox.add([Arrival(body, hashlib.sha256(body).digest(), now) for body in some])


def _beside_sync(what: str, records: int, synced: Measured, drained: Measured) -> Iterator[tuple[object, ...]]:
    for measured in (synced, drained):
        yield _row(what, records, measured, synced)


def _row(what: str, records: int, measured: Measured, synced: Measured | None = None) -> tuple[object, ...]:
    seconds, cpu_seconds = measured.seconds, measured.cpu_seconds
    return (
        *(f"{measured.contestant}, {what}", seconds, cpu_seconds, round(measured.peak_mb), records / seconds),
        *((seconds / synced.seconds, cpu_seconds / synced.cpu_seconds) if synced else (None, None)),
        measured.problem,
    )


@dataclass
class _Event:
    """Something that happened to a ticket, by the clock: when that was acknowledged, and when it stood where."""

    acknowledged_at: float
    loaded_at: float = 0.0
    built_at: float = 0.0


def webhooks_to_mart(work: Work, repeat: int) -> Report:
    """From the acknowledgement of an event until it is in a raw table, and in a mart, by the builds of the follower."""
    tickets, build_every = max(20, work.tickets // 50), max(1.0, min(BUILD_EVERY, work.tickets / 100))
    what = f"{_EVENTS} events for a warehouse of {tickets:,} tickets, the models built every {build_every:g} s"
    report = Report("webhooks_to_mart", what, ("until it stands in", "median s", "worst s", "problem"))
    with new_folder() as folder, Sandbox(tickets=tickets, helpdesks=("zendesk",), api_key=API_KEY) as api:
        copy_project(folder)
        environment = environment_in(folder) | {"SOURCES__UNIFIED__BASE_URL": api.base_url}
        for name in ("sync", "build"):
            seconds, _, code = run([*TICKETING, name], environment, folder / "output.log")
            assert code == 0, (folder / "output.log").read_text()[-600:]
            report.notes.append(f"- The first {name} took {seconds:.1f} s.")
        bodies = [*_event_bodies(api, _EVENTS)]
        follow = (*TICKETING, "drain", "--follow", f"--build-every={build_every:g}")
        with receiver(folder, port := free_port()), running(follow, folder / "drain.log", environment) as draining:
            following = _Following(draining, f"http://127.0.0.1:{port}/hook", build_every * _PERIODS / _EVENTS)
            events = following.send(bodies)
        report.notes.append(following.in_words())
        for table, took in (
            ("raw_unified.tickets", [event.loaded_at - event.acknowledged_at for event in events]),
            ("marts.tickets", [event.built_at - event.acknowledged_at for event in events]),
        ):
            report.rows.append((table, median(took), max(took), _missing(folder, table)))
    return report


def _event_bodies(api: Sandbox, count: int) -> Iterator[bytes]:
    """Deliveries of which each gives another ticket another subject."""
    connection = api.world.connections()[0]
    answer = httpx.get(
        f"{api.base_url}/ticketing/{connection['id']}/ticket",
        params={"limit": 100},
        headers={"authorization": f"bearer {API_KEY}"},
        trust_env=False,
    )
    tickets = answer.raise_for_status().json()
    for number in range(count):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        record = tickets[number] | {"subject": f"Event {number}", "updated_at": now}
        yield delivery(msgspec.json.encode(record), number, connection["id"], connection["integration_type"])


class _Following:
    """Sends events, and takes the time when the follower says that it has loaded them, and that it has built."""

    def __init__(self, program: Program, url: str, pause: float) -> None:
        self._program = program
        self._url = url
        self._pause = pause
        self._lines_read = 0
        self._events: list[_Event] = []
        self._builds: list[float] = []

    def send(self, bodies: Sequence[bytes]) -> list[_Event]:
        """All of them, with pauses; returns once the last one stands in the marts."""
        for body in bodies:
            httpx.post(self._url, content=body, trust_env=False).raise_for_status()
            self._events.append(_Event(time.monotonic()))
            self._listen_for(self._pause)
        until(self._all_built, "the models to be built", 600)
        return self._events

    def in_words(self) -> str:
        return f"- The models were built {len(self._builds)} times, in {median(self._builds):.0f} s at the median."

    def _listen_for(self, seconds: float) -> None:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            self._listen()
            time.sleep(0.02)

    def _all_built(self) -> bool:
        self._listen()
        return all(event.built_at for event in self._events)

    def _listen(self) -> None:
        """What is built holds all that was loaded before: one comes after the other."""
        now = time.monotonic()
        lines = self._program.log.read_text().splitlines()
        for line in lines[self._lines_read :]:
            sys.stderr.write(f"  {line}\n")
            if loaded := _LOADED.search(line):
                for event in [event for event in self._events if not event.loaded_at][: int(loaded[1])]:
                    event.loaded_at = now
            if built := _BUILT.search(line):
                self._builds.append(float(built[1]))
                for event in self._events:
                    event.built_at = event.built_at or (now if event.loaded_at else 0.0)
        self._lines_read = len(lines)


def _missing(folder: Path, table: str) -> str | None:
    query = f"select count(distinct subject) from {table} where subject like 'Event %'"
    [(found,)] = ask_duckdb(warehouse_in(folder), query)
    return None if found == _EVENTS else f"expected {_EVENTS} events, found {found}"
