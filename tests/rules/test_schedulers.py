"""What people copy for cron and systemd calls what there is, is understood by those who read it, and runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.rules.commands import assert_exists, commands_in
from tests.warehouse.raw_warehouse import ROOT

FOLDER = ROOT / "docs" / "schedulers"
CRONTAB = (FOLDER / "crontab").read_text()
UNITS = sorted([*FOLDER.glob("*.service"), *FOLDER.glob("*.timer")])
SERVICES = sorted(FOLDER.glob("*.service"))
LINES = [line for line in CRONTAB.splitlines() if re.match(r"[\d*]", line)]
HOME = "/opt/unified-ticketing"

HARDENED = {
    "nonewprivileges": "yes",
    "protectsystem": "strict",
    "protecthome": "yes",
    "privatetmp": "yes",
    "capabilityboundingset": "",
    "user": "ticketing",
    "readwritepaths": f"{HOME}/data {HOME}/dbt_project",
}


def unit(path: Path) -> ConfigParser:
    parsed = ConfigParser(interpolation=None, strict=True)
    parsed.read(path)
    return parsed


@pytest.mark.parametrize(
    "path", [*UNITS, FOLDER / "crontab", ROOT / "docs" / "schedulers.md"], ids=lambda path: path.name
)
def test_every_command_exists_with_its_options(path: Path) -> None:
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("#"))
    quoted = [found.split() for found in re.findall(r"`ticketing ([^`]+)`", text)]
    commands = quoted if path.suffix == ".md" else commands_in(text)
    assert commands or path.suffix == ".timer"
    for command in commands:
        assert_exists(command)


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_every_service_may_write_where_it_must_and_do_nothing_else(path: Path) -> None:
    service = unit(path)["Service"]
    assert HARDENED.items() <= dict(service).items()
    assert service["environmentfile"] == "/etc/unified-ticketing.env"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.timer")), ids=lambda path: path.name)
def test_every_timer_starts_a_service_that_is_there_and_makes_up_for_what_it_missed(path: Path) -> None:
    assert path.with_suffix(".service").is_file()
    assert unit(path)["Timer"]["persistent"] == "true"


def test_what_fails_in_part_fails_and_what_is_stopped_does_not() -> None:
    assert unit(FOLDER / "ticketing.service")["Service"]["successexitstatus"] == "130"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemd_understands_every_unit(tmp_path: Path) -> None:
    for path in UNITS:
        text = re.sub(rf"{HOME}/\.venv/bin/ticketing", str(Path(sys.executable).parent / "ticketing"), path.read_text())
        (tmp_path / path.name).write_text(text)
    units = [str(tmp_path / path.name) for path in UNITS]
    looked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (looked.returncode, looked.stderr) == (0, "")


@pytest.mark.parametrize("line", LINES)
def test_every_line_of_the_crontab_names_times_that_there_are(line: str) -> None:
    fields = line.split(maxsplit=5)[:5]
    for text, (least, most) in zip(fields, [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)], strict=True):
        assert re.fullmatch(r"\*(/\d+)?|\d+", text)
        assert all(least <= int(number) <= most for number in re.findall(r"\d+", text))
    assert "%" not in line  # which cron takes for the end of a line


def test_the_lines_of_the_crontab_do_what_they_say_and_leave_a_second_run_out(tmp_path: Path) -> None:
    """With a command in the place of ours that says how it was called, and goes on while a file is there."""
    programs, log, hold = tmp_path / ".venv" / "bin", tmp_path / "data" / "cron.log", tmp_path / "hold"
    programs.mkdir(parents=True)
    log.parent.mkdir()
    stand_in = programs / "ticketing"
    stand_in.write_text(f'#!/bin/sh\necho "called: $*"\nwhile [ -e {hold} ]; do sleep 0.1; done\nexit 3\n')
    stand_in.chmod(0o755)
    (path,) = re.findall(r"^PATH=(.*)$", CRONTAB, flags=re.MULTILINE)

    def start(line: str) -> subprocess.Popen[bytes]:
        command = line.split(maxsplit=5)[5].replace(HOME, str(tmp_path))
        return subprocess.Popen(["/bin/sh", "-c", command], env={"PATH": path.replace(HOME, str(tmp_path))})

    assert [start(line).wait() for line in LINES] == [3] * len(LINES)
    called = log.read_text().splitlines()
    assert called == [f"called: {' '.join(arguments)}" for arguments in commands_in("\n".join(LINES))]

    hold.touch()
    with start(LINES[0]) as first:
        while log.read_text().splitlines() == called:
            assert first.poll() is None
        assert start(LINES[0]).wait() == 1
        hold.unlink()
    assert first.returncode == 3
    assert log.read_text().splitlines() == [*called, called[0]]
