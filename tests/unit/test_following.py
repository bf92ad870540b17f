"""Whoever follows goes on whatever happens, and builds the models whenever something has come, and only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines import following
from pipelines.build import BuildReport, Renewals
from pipelines.draining import DrainReport
from pipelines.errors import WarehouseBusy
from pipelines.following import Follower, Following
from pipelines.publish import PublishReport
from pipelines.repairing import Repair
from pipelines.settings import DuckdbWarehouse, UnifiedSettings
from pipelines.warehouse.outcome import Outcome
from pipelines.webhooks.inbox import Arrival, Inbox
from pipelines.webhooks.silence import Gap

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with Inbox(tmp_path / "inbox.sqlite3") as opened:
        yield opened


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What is to happen while the models are built; a build takes its turn from the end of it."""
    during: list[Callable[[], None]] = []

    def build(*_: Any) -> BuildReport:
        during.pop()()
        return BuildReport()

    monkeypatch.setattr(Renewals, "build", build)
    monkeypatch.setattr(following, "publish", lambda *_, **options: published_in(0.0))
    return during


def published_in(seconds: float) -> PublishReport:
    return PublishReport(NOON, None, {}, "here", seconds)


def arrive(inbox: Inbox) -> None:
    inbox.add([Arrival(b"{}", inbox.let_go().to_bytes(8) + inbox.last_id().to_bytes(8), NOON)])


def load_all(inbox: Inbox) -> None:
    inbox.belong(range(1, inbox.last_id() + 1), "load")
    inbox.settle("load", is_loaded=True)


def following_of(
    inbox: Inbox, take_turn: Callable[[float], None], follower: Follower, build_every: float | None = None
) -> Following:
    draining: Any = SimpleNamespace(report=DrainReport(), take_turn=take_turn)
    return Following(
        UnifiedSettings(),
        draining,
        DuckdbWarehouse(Path("unused"), Path("unused")),
        inbox,
        follower,
        build_every,
        lambda: False,
    )


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), RuntimeError("whatever it is")])
def test_it_goes_on_for_as_long_as_something_stands_in_the_way(inbox: Inbox, fault: Exception) -> None:
    pauses: list[float] = []
    arrive(inbox)
    complaints: list[str] = []
    turns = iter(range(2_000))

    def take_turn(patience: float) -> None:
        raise type(fault)(*fault.args)

    follower = Follower(complained=complaints.append, is_over=lambda: next(turns, None) is None, sleep=pauses.append)
    following_of(inbox, take_turn, follower).run()
    assert len(pauses) == 2_000
    assert max(pauses) == following.LONGEST_PAUSE
    [complaint] = complaints
    assert str(fault.args[-1]) in complaint
    assert f"({Path(__file__).name}, line " in complaint


def test_what_comes_while_the_models_are_built_and_is_loaded_by_a_sync_has_them_built_again(
    inbox: Inbox, builds: list[Callable[[], None]]
) -> None:
    between: list[Callable[[], None]] = [lambda: None, lambda: load_all(inbox), lambda: None]
    builds += [lambda: None, lambda: arrive(inbox)]
    turns: list[int] = []

    def is_over() -> bool:
        turns.append(len(builds))
        if not between:
            return True
        between.pop()()
        return False

    def take_turn(patience: float) -> None:
        if not turns[1:]:
            load_all(inbox)

    arrive(inbox)
    follower = Follower(complained=pytest.fail, is_over=is_over, sleep=lambda seconds: None)
    following_of(inbox, take_turn, follower, 0.0).run()
    assert turns == [2, 1, 0, 0]


def test_what_waits_for_a_table_that_takes_nothing_is_told_once_and_tried_ever_more_seldom(inbox: Inbox) -> None:
    pauses: list[float] = []
    arrive(inbox)
    complaints: list[str] = []
    turns = iter(range(20))
    report = DrainReport()

    def take_turn(patience: float) -> None:
        report.error = f"nothing is taken, not even load {len(pauses)}.{len(complaints)}"
        report.delivered += len(pauses) == 10

    follower = Follower(complained=complaints.append, is_over=lambda: next(turns, None) is None, sleep=pauses.append)
    followed = following_of(inbox, take_turn, follower)
    followed._draining.report = report
    followed.run()
    assert complaints == ["nothing is taken, not even load 0.0"]
    shortest = following.SECONDS_BETWEEN_LOOKS
    assert [pauses.index(shortest), max(pauses[:10]), pauses[10]] == [10, following.LONGEST_PAUSE, shortest]


def test_what_was_polled_is_built_though_the_next_repair_fails(
    inbox: Inbox, builds: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    polled = Outcome("run", "c1", "zendesk", "tickets", "by_anchor", NOON, rows_received=3, is_complete=True)
    gap = Gap("c1", "tickets", NOON, "a silence")

    def one_of_two(*_: Any) -> Iterator[Repair]:
        yield Repair(gap, polled)
        raise WarehouseBusy("Somebody writes.")

    turns: list[Callable[..., Any]] = [lambda *_: [], one_of_two, lambda *_: [], lambda *_: []]
    monkeypatch.setattr(following, "SECONDS_BETWEEN_REPAIRS", 0.0)
    monkeypatch.setattr(following, "repair_gaps", lambda *_: turns.pop(0)())
    builds += [lambda: None, lambda: None]
    complaints: list[str] = []
    follower = Follower(complained=complaints.append, is_over=lambda: not turns, sleep=lambda seconds: None)
    following_of(inbox, lambda patience: None, follower, 0.0).run()
    assert (builds, complaints) == ([], ["Somebody writes."])


@pytest.mark.parametrize(("seconds", "times"), [(0.0, 3), (1_000.0, 1)])
def test_publishing_takes_a_tenth_of_the_time_at_most(
    inbox: Inbox,
    builds: list[Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    times: int,
) -> None:
    published: list[float] = []

    def publish(*_: Any, **options: Any) -> PublishReport:
        published.append(seconds)
        return published_in(seconds)

    monkeypatch.setattr(following, "publish", publish)
    builds += [lambda: arrive(inbox)] * 3
    follower = Follower(complained=pytest.fail, is_over=lambda: not builds, sleep=lambda pause: None)
    following_of(inbox, lambda patience: load_all(inbox), follower, 0.0).run()
    assert len(published) == times
