"""How near triage comes to the rate limit, and what it costs beside a loop that looks at nothing."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import httpx

from pipelines.sandbox import Faults, Sandbox
from tests.benchmarks.contestants import warehouse_in
from tests.benchmarks.measuring import ask_duckdb, new_folder, run
from tests.benchmarks.programs import TICKETING, environment_in
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.server import API_KEY

A_SECOND = 20.0
LATENCY_MS = 100.0
_LIMITS = {"TRIAGE__MAX_TICKETS": "1000000", "TRIAGE__MAX_SHARE": "1"}


def writeback(work: Work, repeat: int) -> Report:
    """Another priority for each of a quarter of the tickets, under a limit; a tenth of them by the loop."""
    tickets = max(20, work.tickets // 4)
    what = f"{tickets:,} changes at {A_SECOND:g} requests a second and {LATENCY_MS:g} ms, {repeat} run(s)"
    headings = ("what", "changes", "seconds", "requests", "requests/s to the limit", "refused", "CPU s", "problem")
    report = Report("writeback", what, headings)
    faults = Faults(rate_limit_per_second=A_SECOND, latency_ms=LATENCY_MS)
    for _ in range(repeat):
        with Sandbox(tickets=tickets, helpdesks=("zendesk",), api_key=API_KEY, faults=faults) as api:
            report.rows += [*_planned_and_applied(api, tickets), _looped(api, max(10, tickets // 10))]
    return report


def _planned_and_applied(api: Sandbox, tickets: int) -> list[tuple[object, ...]]:
    with new_folder() as folder:
        environment = environment_in(folder) | _LIMITS | {"SOURCES__UNIFIED__BASE_URL": api.base_url}
        _propose(api, folder / "proposals.csv", tickets)
        planned = _command(api, "plan", ["proposals.csv", "--out", "plan.json"], tickets, folder, environment)
        applied = _command(api, "apply", ["plan.json", "--yes"], tickets, folder, environment)
        count = "select count(*) from raw_unified.writeback_log where ending = 'written'"
        [(written,)] = ask_duckdb(warehouse_in(folder), count)
        problem = None if written == tickets == _urgent(api) else f"{written:,} receipts, {_urgent(api):,} changed"
        return [(*planned, None), (*applied, problem)]


def _propose(api: Sandbox, path: Path, tickets: int) -> None:
    [connection] = api.world.connections()
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["connection_id", "ticket_id", "priority", "reason"])
        for record in api.world.records(connection["id"], "ticket")[:tickets]:
            rows.writerow([connection["id"], record["id"], "urgent!", "measured"])


def _urgent(api: Sandbox) -> int:
    [connection] = api.world.connections()
    return sum(record["priority"] == "urgent!" for record in api.world.records(connection["id"], "ticket"))


def _command(
    api: Sandbox, name: str, arguments: list[str], tickets: int, folder: Path, environment: Mapping[str, str]
) -> tuple[object, ...]:
    api.reset_counters()
    sys.stderr.write(f"  triage {name}\n")
    log = folder / f"{name}.log"
    seconds, usage, code = run([*TICKETING, "triage", name, *arguments], environment, log)
    assert code == 0, log.read_text()[-600:]
    return (f"triage {name}", tickets, seconds, *_asked(api, seconds), usage.ru_utime + usage.ru_stime)


def _looped(api: Sandbox, tickets: int) -> tuple[object, ...]:
    """What one writes without a tool: a change after the other, and again after a refusal."""
    [connection] = api.world.connections()
    api.reset_counters()
    began, began_cpu = time.monotonic(), time.process_time()
    path = f"{api.base_url}/ticketing/{connection['id']}/ticket"
    with httpx.Client(headers={"authorization": f"bearer {API_KEY}"}, trust_env=False) as client:
        for record in api.world.records(connection["id"], "ticket")[:tickets]:
            while client.patch(f"{path}/{record['id']}", json={"priority": "normal!"}).status_code == 429:
                time.sleep(1)
    seconds = time.monotonic() - began
    row = ("a loop of PATCH that looks at nothing", tickets, seconds, *_asked(api, seconds))
    return (*row, time.process_time() - began_cpu, None)


def _asked(api: Sandbox, seconds: float) -> tuple[int, float, int]:
    """Requests that were answered, their share of the limit, and how many were refused."""
    refused = api.answers[429]
    answered = sum(api.requests.values()) - refused
    return answered, answered / seconds / A_SECOND, refused
