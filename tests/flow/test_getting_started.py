"""docs/getting_started.md as a newcomer pastes it, but for the clone and the set-up, which are the machine's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.flow.conftest import project_in
from tests.flow.test_command import FOREIGN
from tests.warehouse.raw_warehouse import ROOT

PAGE = (ROOT / "docs" / "getting_started.md").read_text()
_CODES = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
BLOCKS, SHOWN = ([code for language, code in _CODES if language == wanted] for wanted in ("sh", ""))
UV = '#!/bin/sh\nshift\nexec "$@"\n'
"""Of `uv run COMMAND`, the command in the environment in which the tests run."""


def pasted() -> str:
    """All commands of the page in their order."""
    text = "\n".join(BLOCKS)
    for of_the_machine in ("sudo", "git clone", "cd ", 'export PATH="'):
        text = re.sub(rf"^{of_the_machine}.*\n", "", text, flags=re.MULTILINE)
    return text.replace("make demo", "uv run ticketing demo")


def seen(text: str) -> str:
    """As a person reads it: without regard to how columns are filled up, and to how long something took."""
    return re.sub(r"\bin [\d.]+ (s|min)\b", "in a while", " ".join(text.split()))


@pytest.mark.slow
def test_every_command_works_in_its_order_and_shows_what_the_page_shows(tmp_path: Path) -> None:
    folder, programs = tmp_path / "project", tmp_path / "programs"
    folder.mkdir()
    programs.mkdir()
    project_in(folder)
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    environment |= {"PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "160"}
    done = subprocess.run(
        ["bash", "-e", "-c", pasted()], cwd=folder, env=environment, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = seen(done.stdout + done.stderr)
    lines = [line for block in SHOWN for line in block.splitlines() if line.strip() != "..."]
    assert len(lines) == 9
    assert [line for line in lines if seen(line) not in said] == []
    for published in ("latest/support.duckdb", "report.html"):
        assert (folder / "data/demo.duckdb.published" / published).exists()


def test_the_page_pastes_what_a_newcomer_needs() -> None:
    assert "ticketing demo" in pasted()
    assert "ticketing explain" in pasted()
    assert "make demo" in PAGE
