"""What was acknowledged is there until it is loaded, whoever reads, writes or dies."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import signal
import sqlite3
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.webhooks.delivery import Subscription
from pipelines.webhooks.inbox import (
    DAYS_REMEMBERED,
    RHYTHM_WINDOW,
    Arrival,
    Covered,
    Heard,
    Inbox,
    InboxRemoved,
    Letter,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ALL = 10**9


def arrival(number: int, *, size: int = 0) -> Arrival:
    return Arrival(f"body {number} ".encode() + b"x" * size, number.to_bytes(32), NOON + timedelta(seconds=number))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "inbox.sqlite3"


@pytest.fixture
def inbox(path: Path) -> Iterator[Inbox]:
    with Inbox(path) as opened:
        yield opened


def waiting(inbox: Inbox) -> list[Letter]:
    return inbox.first(ALL, ALL, 0, ALL)


def test_what_came_first_is_taken_first_as_it_came(inbox: Inbox) -> None:
    assert inbox.add([arrival(2), arrival(1)]) == [True, True]
    assert [(letter.body, letter.received_at) for letter in waiting(inbox)] == [
        (b"body 2 ", NOON + timedelta(seconds=2)),
        (b"body 1 ", NOON + timedelta(seconds=1)),
    ]


def test_what_was_taken_before_is_kept_once_also_after_it_was_loaded(inbox: Inbox) -> None:
    assert inbox.add([arrival(1), arrival(1)]) == [True, False]
    inbox.belong([1], "load")
    assert inbox.settle("load", is_loaded=True) == 1
    assert inbox.add([arrival(1)]) == [False]
    assert waiting(inbox) == []
    for days, is_new in ((DAYS_REMEMBERED, False), (DAYS_REMEMBERED + 1, True)):
        later = NOON + timedelta(days=days)
        inbox.add([arrival(100 + days)._replace(received_at=later)])
        inbox.forget_old(later)
        assert inbox.add([arrival(1)._replace(received_at=later)]) == [is_new]


def test_little_is_remembered_of_each_delivery(path: Path) -> None:
    number = 20_000
    with Inbox(path) as inbox:
        inbox.add(
            [Arrival(b"", hashlib.blake2b(str(n).encode(), digest_size=16).digest(), NOON) for n in range(number)]
        )
        inbox.belong(range(1, number + 1), "load")
        inbox.settle("load", is_loaded=True)
        [[pages]], [[free]] = (inbox._rows(f"pragma {name}") for name in ("page_count", "freelist_count"))
    assert (pages - free) * 4096 / number < 50


def test_a_delivery_that_is_brought_again_the_day_after_is_known(inbox: Inbox) -> None:
    assert inbox.add([arrival(1)._replace(received_at=NOON + timedelta(hours=11, minutes=59))]) == [True]
    assert inbox.add([arrival(1)._replace(received_at=NOON + timedelta(hours=12, minutes=1))]) == [False]


def test_a_portion_is_as_large_as_is_asked_for_but_never_empty(inbox: Inbox) -> None:
    inbox.add([arrival(number, size=1_000) for number in range(5)])
    assert [letter.id for letter in inbox.first(3, ALL, 0, ALL)] == [1, 2, 3]
    assert [letter.id for letter in inbox.first(ALL, 2_500, 0, ALL)] == [1, 2]
    assert [letter.id for letter in inbox.first(ALL, 1, 0, ALL)] == [1]
    assert [letter.id for letter in inbox.first(ALL, ALL, 1, 4)] == [2, 3, 4]
    assert inbox.last_id() == 5


def test_what_is_in_a_load_leaves_with_it_or_waits_again(inbox: Inbox) -> None:
    inbox.add([arrival(number) for number in range(3)])
    inbox.belong([1, 2], "first")
    assert [letter.id for letter in waiting(inbox)] == [3]
    assert inbox.loads() == ["first"]
    inbox.settle("first", is_loaded=False)
    assert [letter.id for letter in waiting(inbox)] == [1, 2, 3]
    inbox.belong([2], "second")
    inbox.settle("second", is_loaded=True)
    assert [letter.id for letter in waiting(inbox)] == [1, 3]


def test_a_dead_letter_is_told_with_its_reason_and_comes_back_to_its_place(inbox: Inbox) -> None:
    inbox.add([arrival(1), arrival(2)])
    inbox.bury({1: "it makes no sense"})
    [dead] = inbox.dead_letters()
    assert (dead.id, dead.size, dead.received_at, dead.reason) == (
        1,
        7,
        arrival(1).received_at,
        "it makes no sense",
    )
    contents = inbox.contents()
    assert (contents.waiting, contents.oldest_at, contents.dead) == (1, arrival(2).received_at, 1)
    assert inbox.replay([1, 7]) == 1
    assert [letter.id for letter in waiting(inbox)] == [1, 2]
    assert inbox.dead_letters() == []


def test_a_full_inbox_takes_nothing_and_loses_nothing(path: Path) -> None:
    with Inbox(path, most_bytes=400_000) as inbox:
        kept = 0
        while not inbox.contents().is_full:
            inbox.add([arrival(kept, size=10_000)])
            kept += 1
        with pytest.raises(sqlite3.OperationalError, match="full"):
            inbox.add([arrival(kept, size=40_000)])
        assert kept > 5
        assert len(waiting(inbox)) == kept
        inbox.belong([1, 2], "load")
        inbox.settle("load", is_loaded=True)
        assert not inbox.contents().is_full
        assert inbox.add([arrival(kept, size=10_000)]) == [True]


def test_a_commit_of_many_is_all_or_nothing(path: Path) -> None:
    with Inbox(path, most_bytes=200_000) as inbox:
        with pytest.raises(sqlite3.OperationalError, match="full"):
            inbox.add([arrival(number, size=30_000) for number in range(12)])
        assert waiting(inbox) == []
        assert inbox.add([arrival(0)]) == [True]


def test_only_its_owner_can_read_it(inbox: Inbox, path: Path) -> None:
    inbox.add([arrival(1)])
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_nothing_of_what_was_let_go_stays_in_the_file(inbox: Inbox, path: Path) -> None:
    inbox.add([arrival(1, size=5_000)])
    inbox.belong([1], "load")
    inbox.settle("load", is_loaded=True)
    inbox.close()
    assert b"xxxx" not in path.read_bytes()


def test_what_is_cleared_is_not_in_the_log_of_the_file_either(inbox: Inbox, path: Path) -> None:
    inbox.add([arrival(1, size=5_000)])
    inbox.bury({1: "no"})
    inbox.clear_dead_letters()
    assert not any(b"xxxx" in file.read_bytes() for file in path.parent.iterdir())


def test_every_commit_waits_for_the_disk(path: Path) -> None:
    with Inbox(path) as inbox:
        [[mode]], [[synchronous]] = (inbox._rows(f"pragma {name}") for name in ("journal_mode", "synchronous"))
    assert (mode, synchronous) == ("wal", 2)


def _fill(path: Path, first: int, acknowledged: str) -> None:
    log = os.open(acknowledged, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with Inbox(path) as inbox:
        for number in range(first, first + 100_000):
            inbox.add([arrival(number)])
            os.write(log, f"{number}\n".encode())


def test_processes_that_are_killed_lose_nothing_that_they_have_acknowledged(path: Path, tmp_path: Path) -> None:
    log = tmp_path / "acknowledged"
    forks = multiprocessing.get_context("fork")
    for round_number in range(6):
        writers = [
            forks.Process(target=_fill, args=(path, (2 * round_number + place) * 100_000, str(log)))
            for place in range(2)
        ]
        for writer in writers:
            writer.start()
        writers[0].join(0.1 + 0.05 * round_number)
        for writer in writers:
            os.kill(writer.pid or 0, signal.SIGKILL)
            writer.join()
    acknowledged = [int(line) for line in log.read_text().splitlines()]
    with Inbox(path) as inbox:
        kept = [letter.body for letter in waiting(inbox)]
    assert len(acknowledged) > 100
    assert len(kept) == len({*kept})
    assert {arrival(number).body for number in acknowledged} <= {*kept}


def test_who_was_heard_of_when_is_known_without_the_address(inbox: Inbox, path: Path) -> None:
    webhook = Subscription("w1", "c1", "zendesk", "ticketing_ticket", "updated", "native", "https://x.example/t0ken")
    for minute in (0, 3, 3, 1):
        inbox.hear([Heard(webhook, "tickets", NOON + timedelta(minutes=minute, seconds=7))])
    [channel] = inbox.channels()
    assert channel[:4] == ("w1", "c1", "tickets", "native")
    assert channel.heard_at == NOON + timedelta(minutes=3, seconds=7)
    place = "c1", "tickets", "updated"
    assert inbox.pulses() == {place: [NOON + timedelta(minutes=minute) for minute in (0, 1, 3)]}
    later = NOON + RHYTHM_WINDOW + timedelta(minutes=1)
    inbox.hear([Heard(webhook, "tickets", later)])
    inbox.forget_old(later)
    assert len(inbox.pulses()[place]) == 3
    inbox.unhear(["w1"])
    assert inbox.channels() == []
    inbox.close()
    assert b"t0ken" not in path.read_bytes()


def test_one_that_is_expected_is_known_before_it_is_heard(inbox: Inbox) -> None:
    webhook = Subscription("w1", "c1", "zendesk", "ticketing_ticket", "updated", "native", "https://x.example/hook")
    inbox.hear([Heard(webhook, "tickets")])
    assert [channel.heard_at for channel in inbox.channels()] == [None]
    assert inbox.pulses() == {}
    for at in (NOON, None):
        inbox.hear([Heard(webhook, "tickets", at)])
    assert [channel.heard_at for channel in inbox.channels()] == [NOON]


def test_when_an_event_was_last_heard_of_is_never_forgotten(inbox: Inbox) -> None:
    tickets, notes = (
        Subscription("w", "c1", "zendesk", f"ticketing_{name}", "updated", "native", "") for name in ("ticket", "note")
    )
    later = NOON + 2 * RHYTHM_WINDOW
    inbox.hear([Heard(tickets, "tickets", NOON), Heard(tickets, "tickets", NOON + timedelta(hours=1))])
    inbox.hear([Heard(notes, "notes", later)])
    inbox.forget_old(later)
    assert [*inbox.pulses().values()] == [[later], [NOON + timedelta(hours=1)]]


def test_what_a_wrong_clock_wrote_into_the_future_has_nothing_forgotten(inbox: Inbox) -> None:
    webhook = Subscription("w1", "c1", "zendesk", "ticketing_ticket", "updated", "native", "")
    future = NOON + timedelta(days=365)
    inbox.add([arrival(1), arrival(2)._replace(received_at=future)])
    for at in (NOON, NOON + timedelta(hours=1), future):
        inbox.hear([Heard(webhook, "tickets", at)])
    inbox.forget_old(NOON + timedelta(hours=2))
    assert inbox.add([arrival(1)]) == [False]
    assert len(inbox.pulses()["c1", "tickets", "updated"]) == 3


def _add_one(path: Path, number: int) -> None:
    with Inbox(path) as inbox:
        inbox.add([arrival(number)])
        assert waiting(inbox)


def test_to_look_into_it_twice_leaves_others_what_they_have_kept(inbox: Inbox, path: Path) -> None:
    """A file's locks are those of a process, and gone from all of it once any part of it has closed the file."""
    others = multiprocessing.get_context("forkserver")
    inbox.add([arrival(0)])
    for number in range(1, 5):
        with Inbox(path) as look:
            assert len(waiting(look)) == number
        other = others.Process(target=_add_one, args=(path, number))
        other.start()
        other.join()
        assert other.exitcode == 0
        assert len(waiting(inbox)) == number + 1


def test_what_was_kept_and_is_held_no_more_is_counted_also_if_it_was_dead_for_a_while(inbox: Inbox) -> None:
    inbox.add([arrival(1), arrival(2)])
    inbox.bury({1: "no"})
    assert inbox.let_go() == 0
    inbox.replay([1])
    inbox.belong([1, 2], "load")
    inbox.settle("load", is_loaded=True)
    assert inbox.let_go() == 2


def test_an_inbox_of_an_older_version_keeps_its_deliveries_and_begins_its_notes_anew(path: Path) -> None:
    with Inbox(path) as inbox:
        inbox.add([arrival(1)])
        inbox._database.executescript(
            "drop table pulses; create table pulses (connection_id text, object text, minute integer);"
            "drop table covered; create table covered (until integer, polls integer); pragma user_version = 0"
        )
    with Inbox(path) as inbox:
        assert len(waiting(inbox)) == 1
        assert (inbox.pulses(), inbox.covered()) == ({}, {})


def test_what_nobody_would_find_is_not_acknowledged(inbox: Inbox, path: Path) -> None:
    inbox.add([arrival(1)])
    path.unlink()
    with pytest.raises(InboxRemoved, match="stop all that use it"):
        inbox.add([arrival(2)])
    with Inbox(path), pytest.raises(InboxRemoved):
        inbox.add([arrival(2)])
    with pytest.raises(InboxRemoved):
        inbox.last_id()


def test_what_was_polled_instead_is_known_by_object(inbox: Inbox) -> None:
    assert inbox.covered() == {}
    for looks in (1, 2):
        inbox.cover("c1", "notes", Covered(NOON, looks, "silent", is_unwell=True))
    assert inbox.covered() == {("c1", "notes"): Covered(NOON, 2, "silent", True)}
