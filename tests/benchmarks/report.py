"""What a scenario found: a table to read and paste, and the same as JSON."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec


@dataclass
class Report:
    """A table; `headings` name its columns, of which the last tells why a run does not count. `notes` stand below it,
    and an `appendix` as plain text."""

    scenario: str
    what: str
    headings: tuple[str, ...]
    rows: list[tuple[object, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    appendix: str = ""

    @property
    def has_failed(self) -> bool:
        """Whether any run does not count."""
        return any(row[-1] is not None for row in self.rows)

    def text(self) -> str:
        """In Markdown, with when and where it was measured."""
        lines = [self.headings, tuple("---" for _ in self.headings), *self.rows]
        table = ["| " + " | ".join(_cell(value) for value in line) + " |" for line in lines]
        appendix = ["```text", self.appendix, "```", ""] if self.appendix else []
        return "\n".join(
            [f"### {self.scenario}: {self.what}", "", *table, "", *self.notes, "", _where(), "", *appendix]
        )

    def write(self, folder: Path) -> None:
        """Into `SCENARIO.md` and `SCENARIO.json`."""
        folder.mkdir(exist_ok=True)
        (folder / f"{self.scenario}.md").write_text(self.text())
        facts = {
            "scenario": self.scenario,
            "what": self.what,
            "rows": [dict(zip(self.headings, row, strict=True)) for row in self.rows],
            "notes": self.notes,
            "measured": _where(),
        }
        (folder / f"{self.scenario}.json").write_bytes(msgspec.json.format(msgspec.json.encode(facts)) + b"\n")


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"
        case int():
            return f"{value:,}"
    return str(value).replace("\n", " ").replace("|", "/")


def _where() -> str:
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {_commit()}; load average at the end {load:.1f}"
    )


def _commit() -> str:
    """What was measured; `changed` where that is not all that the commit holds."""
    command = ["git", "describe", "--always", "--exclude=*", "--dirty= changed"]
    folder = Path(__file__).parent
    try:
        described = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
    return f"commit {described.stdout.strip()}"
