"""The workflow of scheduled syncs calls what there is, names secrets that are read, and asks for no rights."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.settings import load_notification_settings, load_unified_settings, load_warehouse_settings
from tests.rules.commands import assert_exists, commands_in
from tests.warehouse.raw_warehouse import ROOT

WORKFLOW: dict[Any, Any] = yaml.safe_load((ROOT / ".github/workflows/sync.yml").read_text())
JOB: dict[str, Any] = WORKFLOW["jobs"]["sync"]
STEPS: list[dict[str, Any]] = JOB["steps"]
SECRETS = {
    "SOURCES__UNIFIED__API_KEY": "the key",
    "DESTINATION__POSTGRES__CREDENTIALS": "postgresql://loader:word@db.example:5432/support",
    "NOTIFICATIONS__URL": "https://chat.example/hook",
}


def test_every_command_that_it_runs_exists_with_its_options() -> None:
    commands = [command for step in STEPS for command in commands_in(step.get("run", ""))]
    assert {command[0] for command in commands} == {"run", "verify"}
    for command in commands:
        assert_exists(command)


def test_every_secret_that_it_names_is_a_setting_that_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = {name: value for name, value in JOB["env"].items() if "secrets." in value}
    assert named == {name: f"${{{{ secrets.{name} }}}}" for name in SECRETS}
    monkeypatch.chdir(tmp_path)
    for name, value in JOB["env"].items():
        monkeypatch.setenv(name, SECRETS.get(name, value))
    assert load_unified_settings().api_key == "the key"
    assert load_warehouse_settings().name == "support on db.example:5432"
    assert load_notification_settings().url == "https://chat.example/hook"


def test_a_secret_that_is_not_set_counts_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NOTIFICATIONS__URL", "")
    assert load_notification_settings().url == ""


@pytest.mark.parametrize("lacking", [None, "SOURCES__UNIFIED__API_KEY", "DESTINATION__POSTGRES__CREDENTIALS"])
def test_without_its_secrets_it_says_so_and_does_nothing(tmp_path: Path, lacking: str | None) -> None:
    first, *others = STEPS
    output = tmp_path / "output"
    output.touch()
    given = {name: "" if name == lacking else value for name, value in SECRETS.items()}
    looked = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", first["run"]],
        env={"PATH": os.environ["PATH"], "GITHUB_OUTPUT": str(output)} | given,
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.read_text() == ("" if lacking else "are_set=true\n")
    assert ("::notice::Nothing is synced" in looked.stdout) == bool(lacking)
    assert all("steps.secrets.outputs.are_set == 'true'" in step["if"] for step in others)


def test_it_may_read_the_repository_and_nothing_else_and_two_never_overlap() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert "permissions" not in JOB
    assert WORKFLOW["concurrency"] == {"group": "sync", "cancel-in-progress": False}
    assert JOB["timeout-minutes"]
    assert {*WORKFLOW[True]} == {"schedule", "workflow_dispatch"}  # YAML takes `on` for true


def test_it_keeps_nothing_on_the_runner_but_packages() -> None:
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert [action.split("@")[0] for action in used] == ["actions/checkout", "astral-sh/setup-uv"]
    assert JOB["env"]["TICKETING_DESTINATION"] == "postgres"


def test_no_secret_is_put_into_a_command() -> None:
    assert not any("${{" in step.get("run", "") for step in STEPS)
