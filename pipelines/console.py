"""How the command speaks: results on standard output, progress and errors on standard error.

Ticket text, ids and server messages are hostile wherever they are shown: nothing reaches the terminal but printable
characters, rich's markup is off, and whatever holds a word of others stands on one line, for what begins a line of its
own would pass for ours. Only `say` and `explain` keep line ends: what they are given is the project's own.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import click
import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.ticketing.progress import Watcher
from pipelines.warehouse.outcome import Outcome

UV_RUN = "uv run" if shutil.which("uv") else ".uv/bin/uv run"
"""How this machine calls the project: `make` puts uv into the folder .uv/ where there is none."""


class _Patient(Console):
    """A console whose reader may go away: that ends no run and changes no exit code, where rich would do both."""

    def on_broken_pipe(self) -> None:
        _let_go(sys.stderr if self.stderr else sys.stdout)


OUT = _Patient(markup=False, emoji=False, highlight=False, soft_wrap=True)
ERR = _Patient(markup=False, emoji=False, highlight=False, soft_wrap=True, stderr=True)

_SECONDS_BETWEEN_LINES = 5.0
"""Without a terminal a long read says so this often."""

_SECONDS_BETWEEN_GLIMPSES = 0.1
"""On a terminal no eye reads faster."""


def one_line(text: object) -> str:
    """The text on a single line, a blank for whatever cannot be printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def say(text: str = "") -> None:
    """A result in the project's own words, on as many lines as it has."""
    OUT.print(_own_lines(text))


def stamped(text: str) -> None:
    """A line of what goes on, with its time."""
    say(f"{datetime.now(UTC):%H:%M:%S}Z  {text}")


def complain(text: str) -> None:
    """An error on one line of standard error."""
    _err(one_line(text))


def explain(text: str) -> None:
    """An error in the project's own words, on as many lines of standard error as it has."""
    _err(_own_lines(text))


def _err(text: str) -> None:
    ERR.print(Text("error: ", style="bold red") + Text(text))


def _own_lines(text: str) -> str:
    return "\n".join("".join(c for c in line if c.isprintable()) for line in text.split("\n"))


def show_json(value: Any) -> None:
    """The result for a program, who may show it to a person: what cannot be printed is escaped."""
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=2)
    try:
        click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))
    except BrokenPipeError:
        _let_go(sys.stdout)


def _let_go(stream: TextIO) -> None:
    """What is still to be said is said to nobody."""
    nobody = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nobody, stream.fileno())
    os.close(nobody)


def show_table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """The result for a person; numbers stand to the right. Never wraps into a column of its own."""
    if title:
        say(f"\n{one_line(title)}")
    shown = [list(row) for row in rows]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for index, heading in enumerate(headings):
        numeric = bool(shown) and all(isinstance(row[index], int | float) for row in shown)
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=not _is_prose(shown, index))
    for row in shown:
        table.add_row(*(Text(_cell(value)) for value in row))
    _Patient(markup=False, emoji=False, highlight=False, width=OUT.width if OUT.is_terminal else 160).print(table)


def duration(seconds: float) -> str:
    """A time span as a person would say it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def count(number: int, noun: str) -> str:
    """A number with its noun, which is made plural unless there is one."""
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else many}"


class Progress(Watcher):
    """Tells how a sync goes: a living line on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._status = ERR.status("") if ERR.is_terminal else None
        self._started = time.monotonic()
        self._spoke = self._started if self._status is None else 0.0
        self._rows: dict[tuple[str, str], int] = {}

    def __enter__(self) -> Progress:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def page_read(self, outcome: Outcome) -> None:
        self._rows[outcome.connection_id, outcome.object] = outcome.rows_received
        if not self._is_time_to_speak():
            return
        rows = sum(list(self._rows.values()))
        rate = rows / max(time.monotonic() - self._started, 0.001)
        self.tick(
            f"{rows:,} rows, {rate:,.0f} rows/s; {outcome.connection_id} {outcome.object}: "
            f"{outcome.rows_received:,} rows, {count(outcome.pages, 'page')}"
        )

    def object_done(self, outcome: Outcome) -> None:
        ending = "failed" if outcome.has_failed else "done" if outcome.is_complete else outcome.plan
        ERR.print(
            one_line(
                f"{outcome.connection_id} {outcome.object}: {outcome.rows_received:,} rows, "
                f"{count(outcome.calls.requests, 'request')}, {ending}"
            )
        )

    def tell(self, line: str) -> None:
        """Something has begun."""
        ERR.print(one_line(line))
        if self._status:
            self._status.update("")

    def tick(self, line: str) -> None:
        """Something has come a bit further: shown at once on a terminal, now and then elsewhere."""
        if not self._is_time_to_speak():
            return
        self._spoke = time.monotonic()
        if self._status:
            self._status.update(Text(one_line(line)))
        else:
            ERR.print(one_line(line))

    def _is_time_to_speak(self) -> bool:
        pause = _SECONDS_BETWEEN_GLIMPSES if self._status else _SECONDS_BETWEEN_LINES
        return time.monotonic() - self._spoke >= pause


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    return one_line(value)


def _is_prose(rows: list[list[object]], index: int) -> bool:
    return any(len(str(row[index])) > 40 for row in rows)
