"""What is told of, how often, and that no word of others does anything in a chat."""

from __future__ import annotations

import html
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import TryAgainLater
from pipelines.notifying import (
    LONGEST_LINE,
    TOLD_AGAIN_AFTER,
    Ended,
    Message,
    Problem,
    Told,
    is_news,
    is_over,
    message_of,
    payload,
    read_state,
    remembered,
    within,
    write_state,
)

NOW = datetime(2026, 5, 1, tzinfo=UTC)
EVIL = "<!channel> @here <https://evil|click> *bold* `code`\nAll well again &lt;\x1b[2J"


def problem(health: str = "stale", **changed: object) -> Problem:
    known = {
        "connection_id": "c1",
        "object_name": "tickets",
        "health": health,
        "integration_type": "zendesk",
        "age_seconds": 90_000,
        "failures_since_success_count": 3,
        "unrepaired_gap_count": 1,
    }
    return Problem(**known | changed)  # type: ignore[arg-type]


def message(said: str, *problems: Problem) -> Message:
    return message_of("warehouse", problems, NOW, "sync", Ended(3, said))


def shown(body: bytes) -> list[str]:
    """Every text of a body for Slack."""
    told = json.loads(body)
    return [told["text"], *(block["text"]["text"] for block in told["blocks"])]


def test_what_is_not_well_is_told_once_then_once_a_day_and_once_when_it_is_over() -> None:
    seen = {"sync": ["3"]}
    assert is_news({}, seen, NOW)
    told = remembered({}, seen, NOW, is_told=True)
    assert not is_news(told, seen, NOW + timedelta(hours=1))
    later = remembered(told, seen, NOW + timedelta(hours=1), is_told=False)
    assert not is_news(later, seen, NOW + TOLD_AGAIN_AFTER - timedelta(seconds=1))
    assert is_news(later, seen, NOW + TOLD_AGAIN_AFTER)
    well: dict[str, list[str]] = {"sync": []}
    assert is_over(later, well)
    assert not is_news(later, well, NOW)
    assert remembered(later, well, NOW, is_told=True) == {}
    assert not is_over({}, well)


def test_what_is_new_is_told_and_what_is_gone_of_several_is_not() -> None:
    told = remembered({}, {"health": ["stale a", "gaps b"]}, NOW, is_told=True)
    fewer = {"health": ["gaps b"]}
    assert not is_news(told, fewer, NOW)
    assert not is_over(told, fewer)
    assert is_news(told, {"health": ["gaps b", "failing c"]}, NOW)
    assert is_news(remembered(told, fewer, NOW, is_told=False), {"health": ["stale a", "gaps b"]}, NOW)


def test_what_was_not_looked_at_is_neither_over_nor_forgotten() -> None:
    told = remembered({}, {"build": ["1"], "health": ["stale a"]}, NOW, is_told=True)
    assert not is_over(told, {"sync": []})
    assert remembered(told, {"sync": []}, NOW, is_told=False) == told
    assert not is_over(told, {"health": ["stale a"]})


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        ("stale", "stale: zendesk tickets of c1, read up to 25.0 h ago"),
        ("failing", "failing: zendesk tickets of c1, 3 syncs since the last that went well"),
        ("gaps", "gaps: zendesk tickets of c1, 1 record to repair"),
        ("never_read", "never read: zendesk tickets of c1, read up to 25.0 h ago"),
    ],
)
def test_each_problem_says_what_is_not_well_and_how_bad_it_is(health: str, expected: str) -> None:
    assert str(problem(health)) == expected


def test_of_an_error_the_first_line_alone_is_told_for_below_it_may_stand_a_row() -> None:
    told = message("dbt did not build the models:\n\n  | Ann Smith <ann@example.com>")
    for form in ("slack", "json"):
        assert b"Ann" not in payload(told, form)
        assert b"dbt did not build the models" in payload(told, form)


@given(st.text() | st.just(EVIL), st.text() | st.just(EVIL))
def test_no_word_of_others_calls_anybody_or_makes_a_link_or_a_line_in_a_chat(said: str, name: str) -> None:
    told = message(said, problem(connection_id=name, integration_type=name))
    for text in shown(payload(told, "slack")):
        assert not {"<", ">"} & {*text}
        assert "&" not in text.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "")
        assert not any(f"{c}{after}" in text for c in "@" for after in ("here", "channel", "everyone", "all"))
        assert "://" not in text
        assert len(text) <= 3_000
        assert len(text.split("\n")) <= 4
        assert all(c.isprintable() or c in "\n\u200b" for c in text)


@given(st.text(max_size=40).map(lambda text: " ".join("".join(c for c in text if c.isprintable()).split())))
def test_a_person_reads_what_was_said(said: str) -> None:
    first, *_ = shown(payload(message(said), "slack"))
    assert said in html.unescape(first).replace("\u200b", "")


@given(st.integers(0, 400), st.text(max_size=2_000))
def test_however_much_there_is_to_tell_it_is_bounded_and_says_how_much_is_left_out(count: int, name: str) -> None:
    told = message(name, *(problem(connection_id=f"{name}{number}") for number in range(count)))
    first, *_ = shown(payload(told, "slack"))
    assert len(first) <= 3_000
    assert "on " in first.split("\n")[-1]
    if first.count("\n") < count:
        assert " more: see marts.sync_health" in first


def test_for_a_program_each_thing_has_a_name_and_stands_on_one_line() -> None:
    told = json.loads(payload(message(EVIL * 20, problem(connection_id=EVIL)), "json"))
    assert (told["command"], told["exit_code"], told["warehouse"]) == ("sync", 3, "warehouse")
    assert told["problems"][0]["health"] == "stale"
    for text in (told["said"], told["problems"][0]["connection_id"]):
        assert text.isprintable()
        assert len(text) <= LONGEST_LINE


def test_lines_that_fit_are_all_there() -> None:
    assert within(["one", "two", "end"], 200) == "one\ntwo\nend"


@pytest.mark.parametrize(
    ("exit_code", "problems", "before", "title"),
    [
        (3, 0, ["sync"], "ticketing sync ended with exit code 3"),
        (0, 0, ["sync"], "ticketing sync went well again"),
        (0, 1, ["sync", "health"], "ticketing sync went well again"),
        (0, 1, [], "1 object not well"),
        (0, 0, ["health"], "All well again"),
        (0, 0, ["health", "build"], "The data are well again"),
    ],
)
def test_the_title_says_no_more_than_is_known(exit_code: int, problems: int, before: list[str], title: str) -> None:
    told = {scope: Told(["x"], NOW) for scope in before}
    ended = Ended(exit_code, "closing")
    assert message_of("warehouse", [problem()] * problems, NOW, "sync", ended, before=told).title == title


def test_a_command_that_recovers_is_told_though_the_data_are_not_well() -> None:
    told = {"run": Told(["3"], NOW), "health": Told(["stale a"], NOW)}
    assert is_over(told, {"run": [], "health": ["stale a"]})


@pytest.mark.parametrize(
    "kept", [b"", b"{", b"\xff", b'{"sync": {"problems": ["3"], "told_at": "2026-05-01T00:00:00"}}', b"[]"]
)
def test_what_was_kept_of_what_was_told_and_cannot_be_read_counts_as_nothing(tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "told.json").write_bytes(kept)
    assert read_state(tmp_path) == {}


def test_a_folder_that_keeps_nothing_is_told_in_words_and_leaves_no_draft(tmp_path: Path) -> None:
    (tmp_path / "told.json").mkdir()
    (tmp_path / "told.json" / "x").touch()
    with pytest.raises(TryAgainLater, match="told again"):
        write_state(tmp_path, {"sync": Told(["3"], NOW)})
    assert [path.name for path in tmp_path.iterdir()] == ["told.json"]
