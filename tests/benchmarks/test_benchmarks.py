"""The benchmarks work: every contestant brings every record, and what they say can be read. How long anything takes is
asserted nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from tests.benchmarks.__main__ import main
from tests.benchmarks.contestants import OURS, PEERS
from tests.benchmarks.deliveries import events
from tests.benchmarks.records import Work
from tests.benchmarks.report import Report
from tests.benchmarks.samples import Samples
from tests.benchmarks.scenarios import SCENARIOS
from tests.benchmarks.server import API_KEY, Options
from tests.benchmarks.stand_in import StandIn, stand_in

README = (Path(__file__).parent / "README.md").read_text()

pytestmark = pytest.mark.xdist_group("benchmarks")


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with stand_in(Options(Work(tickets=30, notes=250, customers=5, categories=2), connections=2)) as running:
        yield running


@pytest.fixture
def api(server: StandIn) -> Iterator[httpx.Client]:
    headers = {"authorization": f"bearer {API_KEY}"}
    with httpx.Client(base_url=server.base_url, headers=headers, trust_env=False) as client:
        yield client


@pytest.mark.slow
def test_every_contestant_brings_every_record_and_the_table_is_printed() -> None:
    outcome = CliRunner().invoke(main, ["idle_network", "--scale", "0.005"])
    assert outcome.exit_code == 0, outcome.output
    assert all(f"| {contestant.name} | " in outcome.output for contestant in (OURS, *PEERS))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("webhooks", ("a bare server", "the receiver", "two receivers")),
        ("webhooks_memory", ("quarter 1", "quarter 4", "all is loaded")),
        ("webhooks_to_mart", ("raw_unified.tickets", "marts.tickets")),
        (
            "webhooks_draining",
            ("ticketing sync, the first", "ticketing drain, the first", "ticketing drain, all changed"),
        ),
    ],
)
def test_every_delivery_of_the_webhooks_is_kept_and_loaded(name: str, subjects: tuple[str, ...]) -> None:
    outcome = CliRunner().invoke(main, [name, "--scale", "0.005"])
    assert outcome.exit_code == 0, outcome.output
    assert all(f"| {subject}" in outcome.output for subject in subjects)


def test_a_ticket_is_told_of_anew_each_time_and_nothing_else_is() -> None:
    told = [json.loads(body) for body in events(tickets=2, first=0, count=6)]
    tickets = [delivered["data"][0] for delivered in told]
    assert [ticket["id"] for ticket in tickets] == ["40000000", "40000001"] * 3
    assert [ticket["status"] for ticket in tickets[1::2]] == ["CLOSED", "ACTIVE", "CLOSED"]
    assert len({ticket["updated_at"] for ticket in tickets}) == len({delivered["nonce"] for delivered in told}) == 6
    assert [*events(2, 4, 2)] == [*events(2, 0, 6)][4:]


def test_a_run_without_all_records_does_not_count() -> None:
    report = Report("idle_network", "a little", ("contestant", "problem"), [("ours", None)])
    assert not report.has_failed
    report.rows.append(("theirs", "expected 2 of tickets, found 1"))
    assert report.has_failed
    assert "| theirs | expected 2 of tickets, found 1 |" in report.text()


def test_the_stand_in_pages_through_a_sorted_list(api: httpx.Client) -> None:
    pages = [_notes(api, offset=offset) for offset in (0, 100, 200, 300)]
    assert [len(page) for page in pages] == [100, 100, 50, 0]
    notes = [note for page in pages for note in page]
    assert len({note["id"] for note in notes}) == 250
    assert [note["updated_at"] for note in notes] == sorted(note["updated_at"] for note in notes)
    assert _notes(api, order="desc", limit=250, offset=1) == notes[::-1][1:101]


def test_the_stand_in_filters_by_updated_gte_inclusively(api: httpx.Client) -> None:
    notes = _notes(api)
    since = notes[40]["updated_at"]
    assert _notes(api, updated_gte=since)[0] == next(note for note in notes if note["updated_at"] == since)


def test_the_stand_in_shows_ids_and_times_only_where_only_they_are_asked_for(api: httpx.Client) -> None:
    asked = _notes(api, fields=["id", "updated_at"])
    assert asked == [{"id": note["id"], "updated_at": note["updated_at"]} for note in _notes(api)]
    assert _notes(api, fields=["id"]) == _notes(api)


def test_the_stand_in_shows_a_record_and_its_workspace(api: httpx.Client) -> None:
    [note, *_] = _notes(api)
    assert api.get(f"/ticketing/connection-001/note/{note['id']}").json() == note
    assert api.get("/ticketing/connection-001/note/none").status_code == 404
    assert [row["id"] for row in api.get("/unified/connection").json()] == ["connection-000", "connection-001"]
    [integration] = api.get("/unified/integration", params={"type": "standin"}).json()
    assert integration["support"]["ticketing_note"]["list_updated_gte"] == "supported"
    assert api.get("/unified/connection", headers={"authorization": "bearer wrong"}).status_code == 401


def test_the_stand_in_counts_and_touches(server: StandIn, api: httpx.Client) -> None:
    before = {ticket["id"]: ticket["updated_at"] for ticket in _list(api, "ticket")}
    server.touch("ticket", 7)
    server.reset()
    after = {ticket["id"]: ticket["updated_at"] for ticket in _list(api, "ticket")}
    assert before.keys() == after.keys()
    assert sum(after[id] > before[id] for id in before) == 7
    counts = server.counts()
    assert (counts.lists, counts.answered, counts.refused) == ({"ticket": 1}, 1, 0)
    assert counts.peak_in_flight == 1


def test_the_stand_in_refuses_what_is_beyond_its_rate_limit() -> None:
    with stand_in(Options(Work(10, 10, 1, 1), rate_limit=2)) as limited:
        headers = {"authorization": f"bearer {API_KEY}"}
        url = f"{limited.base_url}/ticketing/connection-000/ticket"
        answers = [httpx.get(url, headers=headers, trust_env=False) for _ in range(20)]
        counts = limited.counts()
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert (counts.answered, counts.refused) == (20 - len(refused), len(refused))
    assert all(answer.headers["retry-after"] == "1" for answer in refused)


def test_a_profile_leaves_out_threads_that_wait_for_another(tmp_path: Path) -> None:
    stacks = tmp_path / "stacks.txt"
    stacks.write_text(
        "main (pipelines/cli.py:1);shape (transforms/shaping.py:7) 30\n"
        "main (pipelines/cli.py:2);extract (dlt/extract/x.py:7) 10\n"
        "bootstrap (threading.py:1);wait (threading.py:3) 400\n"
    )
    text = Samples.read(stacks, rate=10).text()
    assert "3.00 s  75.0%  shaping into Arrow" in text
    assert "4.00 s 100.0%  main (pipelines/cli.py)" in text
    assert "wait" not in text


def test_every_scenario_is_in_the_readme() -> None:
    assert all(f"| `{name}` |" in README for name in SCENARIOS)


def _notes(api: httpx.Client, **parameters: Any) -> list[dict[str, Any]]:
    return _list(api, "note", **parameters)


def _list(api: httpx.Client, object_name: str, **parameters: Any) -> list[dict[str, Any]]:
    asked = {"limit": 100, "sort": "updated_at", "order": "asc", **parameters}
    found: list[dict[str, Any]] = api.get(f"/ticketing/connection-001/{object_name}", params=asked).json()
    return found
