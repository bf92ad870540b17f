"""Why the warehouse did not do what was asked, in one line; a database says more than that, and shows the row there."""

from __future__ import annotations

import re

import psycopg2  # type: ignore[import-untyped]
from dlt.common.exceptions import DltException
from dlt.destinations.exceptions import DatabaseException
from dlt.load.exceptions import LoadClientJobException
from dlt.normalize.exceptions import NormalizeJobFailed
from dlt.pipeline.exceptions import PipelineStepFailed

from pipelines.warehouse.destinations.destination import causes

_WRAPPERS = (PipelineStepFailed, LoadClientJobException, NormalizeJobFailed, DatabaseException)
"""What dlt puts around what has happened; it copies the text of that, with the row, into its own."""

_RAISED_FIRST = re.compile(r".*Traceback \(most recent call last\):\n(?:[ \t].*\n)*(?:[\w.]+: (?=.))?(.+)")
"""A traceback that begins in the first line of a text, up to the line that says what was raised: every line after that
may be a row's."""

_VALUE = re.compile(r"""(:|\b(?:convert|key|near|string|value)) ["'].*""")
"""Where a message quotes a value, and not a name."""


def reason(error: BaseException) -> str:
    """In one line and without a word of a row: what the database said, or whatever else dlt wraps."""
    chain = [*causes(error)]
    cause = next((cause for cause in chain if not isinstance(cause, _WRAPPERS)), chain[-1])
    said = (cause.diag.message_primary if isinstance(cause, psycopg2.Error) else None) or str(cause)
    raised = _RAISED_FIRST.match(said) if isinstance(cause, DltException) else None
    line = raised[1] if raised else next(iter(said.strip().splitlines()), "")
    if not isinstance(cause, OSError):
        line = _VALUE.sub(r"\1 (not shown)", line)
    return line.strip().rstrip(".") or type(cause).__name__
