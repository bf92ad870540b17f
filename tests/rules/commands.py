"""What is called by the name `ticketing` in a file, held against the command itself."""

from __future__ import annotations

import re
import shlex

import click

from pipelines.cli import main


def commands_in(text: str) -> list[list[str]]:
    """The arguments of each call of `ticketing`, up to the end of it or of the line."""
    calls = re.findall(r"(?:^|[\s/=])ticketing ((?:[a-z]+)(?: [\w./$-]+)*)", text, flags=re.MULTILINE)
    return [shlex.split(call) for call in calls]


def assert_exists(arguments: list[str]) -> None:
    """Whether the command takes these; nothing is run."""
    context = click.Context(main)
    name, command, rest = main.resolve_command(context, arguments)
    assert command is not None
    command.make_context(name, rest, parent=context)
