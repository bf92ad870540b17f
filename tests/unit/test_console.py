"""What reaches the terminal: a word of others never begins a line, and nothing but printable characters is shown."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from pipelines import console
from pipelines.warehouse.outcome import Outcome

HOSTILE = "evil\nDone: all loaded.\r\x1b[2J\x1b]0;pwned\x07\u2028\u202e\x85\x9b31mend"
"""Line ends of every kind, escape sequences, and a mark that turns the reading direction."""


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_a_word_of_others_is_put_on_one_line() -> None:
    assert console.one_line(HOSTILE) == "evil Done: all loaded. [2J ]0;pwned 31mend"
    assert console.one_line("") == ""
    assert console.one_line("Zoë 山田 🎉") == "Zoë 山田 🎉"


def test_cells_titles_errors_and_progress_stand_on_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = Outcome("run", HOSTILE, "zendesk", "tickets", "by_anchor", datetime.now(UTC))
    with console.Progress() as progress:
        progress.object_done(outcome)
        progress.tell(HOSTILE)
    console.complain(HOSTILE)
    console.show_table(["name"], [[HOSTILE]], title=HOSTILE)
    lines = shown(capsys).splitlines()
    assert sum("Done:" in line for line in lines) == 5
    assert all(line.isprintable() and not line.startswith("Done:") for line in lines)


def test_a_program_is_given_the_same_text_in_characters_that_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"name": HOSTILE, "Zoë": "山田 🎉", "secret of a \x9b key": ["\x7f\U000e0041", "half \udcff"], "none": []}
    console.show_json(value)
    text = shown(capsys)
    assert all(line.isprintable() for line in text.split("\n"))
    assert json.loads(text) == value
    assert '"Zoë": "山田 🎉"' in text


def test_what_the_project_says_itself_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    console.explain('Put it into:\n\n    [sources.unified]\n    api_key = "..."\x1b')
    assert shown(capsys) == 'error: Put it into:\n\n    [sources.unified]\n    api_key = "..."\n'
    console.say("One\n    two\x1b")
    assert shown(capsys) == "One\n    two\n"
