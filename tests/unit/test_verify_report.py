"""What the looks of a verify come to: an exit code, and a last line that claims no more than was compared."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines import cli
from pipelines.cli import main
from pipelines.ticketing.verdict import Gap, Kind, Verdict
from pipelines.verify import Finding, VerifyReport
from pipelines.warehouse.outcome import Outcome

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def finding(table: str = "tickets", *, gaps: int = 0, repaired: int = 0, **outcome: Any) -> Finding:
    verdict = Verdict(repaired=repaired)
    verdict.add([Gap(Kind.MISSING, str(number), "lost") for number in range(gaps)])
    plan = outcome.pop("plan", "by_anchor")
    return Finding(Outcome("run", "helpdesk", "zendesk", table, plan, NOW, **outcome), verdict)


COMPARED = finding("customers", is_complete=True)
PAUSED = finding(plan="skipped, paused")
NOT_OFFERED = finding(plan="not_offered")
FAILED = finding(error="no answer")
PUT_OFF = finding(is_put_off=True)


@pytest.mark.parametrize(
    ("look", "exit_code"),
    [
        ([COMPARED], 0),
        ([COMPARED, PAUSED], 0),
        ([COMPARED, NOT_OFFERED], 0),
        ([NOT_OFFERED], 0),
        ([NOT_OFFERED, PAUSED], 1),
        ([PAUSED], 1),
        ([], 1),
        ([FAILED], 1),
        ([PUT_OFF], 1),
        ([COMPARED, FAILED], 3),
        ([COMPARED, PUT_OFF], 3),
        ([COMPARED, finding(gaps=1, is_complete=True)], 1),
        ([COMPARED, finding(gaps=1, error="no answer")], 1),
    ],
)
def test_all_is_well_only_where_something_was_compared(look: list[Finding], exit_code: int) -> None:
    assert VerifyReport(1, looks=[look]).exit_code == exit_code


def test_a_rehearsal_is_well() -> None:
    assert VerifyReport(1).exit_code == 0


def test_what_failed_is_not_counted_as_repaired() -> None:
    refused = finding(gaps=5, repaired=5, is_complete=False, error="The warehouse did not take it.")
    report = VerifyReport(1, looks=[[refused, finding("notes", gaps=2, repaired=2, is_complete=True)]])
    assert report.repaired == 2


@pytest.mark.parametrize(("repaired", "left", "exit_code"), [(5, 0, 3), (3, 2, 1)])
def test_gaps_that_were_not_repaired_are_left_where_the_next_look_came_to_no_end(
    repaired: int, left: int, exit_code: int
) -> None:
    first = finding(gaps=5, repaired=repaired, is_complete=True)
    report = VerifyReport(1, looks=[[first], [PUT_OFF]])
    assert (report.gaps_left, report.exit_code) == (left, exit_code)
    assert VerifyReport(1, looks=[[first], [finding(is_complete=True)]]).exit_code == 0


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            VerifyReport(1, looks=[[COMPARED, PAUSED]]),
            "Verified: no gap; 0 records of 1 object compared. 1 object skip",
        ),
        (VerifyReport(1, looks=[[PAUSED]]), "Not verified: nothing was compared; "),
        (VerifyReport(1, ["gone"], [[COMPARED]]), "gone has rows here that were not compared"),
    ],
)
def test_the_command_says_what_was_not_compared(
    report: VerifyReport, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def compare(*_: object, told: Any, **__: object) -> VerifyReport:
        told(7)
        return report

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCES__UNIFIED__API_KEY", "key")
    monkeypatch.delenv("TICKETING_DESTINATION", raising=False)
    monkeypatch.setattr(cli, "verify", compare)
    ended = CliRunner().invoke(main, ["verify"])
    assert ended.exit_code == report.exit_code
    assert said in ended.output
    assert "This takes about 7 calls, and one for each record that is not shown any more." in ended.output
