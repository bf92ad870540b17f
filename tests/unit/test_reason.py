"""Of what dlt hands over, one line is said: what went wrong, and no word of a row."""

from __future__ import annotations

import traceback

import pytest
from dlt.common.destination.exceptions import DestinationTerminalException
from dlt.destinations.exceptions import DatabaseTerminalException

from pipelines.warehouse.reason import reason

ROW = "DETAIL:  Failing row contains (Hi\nportal.example: hunter2\nTraceback (most recent call last):\nEvil: hunter2)."


class Violation(Exception):
    """An error of a database."""


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (Violation(f"new row violates check constraint polite\n{ROW}"), "new row violates check constraint polite"),
        (Violation('invalid input syntax for integer: "hunter2"'), "invalid input syntax for integer: (not shown)"),
        (Violation("unterminated string at or near \"'hunter2"), "unterminated string at or near (not shown)"),
        (Violation(f"Could not convert string 'hunter2 {ROW}'"), "Could not convert string (not shown)"),
        (Violation('relation "tickets" does not exist.'), 'relation "tickets" does not exist'),
        (
            UnicodeEncodeError("latin-1", "żż", 0, 2, "no"),
            "'latin-1' codec can't encode characters in position 0-1: no",
        ),
    ],
)
def test_the_same_is_said_of_an_error_and_of_its_traceback(raised: Exception, said: str) -> None:
    with pytest.raises(DatabaseTerminalException) as caught:
        _wrap(raised)
    text = "".join(traceback.format_exception(caught.value))
    handed_over = DestinationTerminalException(f"Job failed with message: {text}. It cannot be retried.")
    assert reason(caught.value) == said
    assert reason(handed_over) == said


def _wrap(raised: Exception) -> None:
    try:
        raise raised
    except Exception as error:
        raise DatabaseTerminalException(error) from error


def test_no_traceback_is_looked_for_in_what_a_database_says() -> None:
    assert reason(Violation("Refused: Traceback (most recent call last):\nEvil: hunter2")).startswith("Refused: ")
    assert "hunter2" not in reason(Violation("Refused: Traceback (most recent call last):\nEvil: hunter2"))


def test_an_error_without_a_word_is_named_by_its_kind() -> None:
    assert reason(Violation()) == "Violation"


def test_a_file_is_named() -> None:
    assert reason(FileNotFoundError(2, "No such file", "data/x")) == "[Errno 2] No such file: 'data/x'"
