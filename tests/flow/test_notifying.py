"""Somebody is told of what fails, is stale or has gaps, by a webhook on a real socket, whatever that does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from pipelines import notifying
from pipelines.build import build
from pipelines.errors import TryAgainLater
from pipelines.notifying import post
from pipelines.sandbox import Sandbox
from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from pipelines.sync import SyncReport
from tests.flow.conftest import on_both
from tests.flow.test_command import last_line, ticketing
from tests.flow.truth import change

PATH = "/services/token-5d1f7e"
"""Whoever has it can post there."""


@dataclass
class Webhook:
    """A chat's: answers as it is told to, the last answer for good, and keeps what came."""

    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(200, {})])
    seconds_a_byte: float = 0
    bodies: list[Any] = field(default_factory=list)
    url: str = ""

    @property
    def texts(self) -> list[str]:
        return [body["text"].replace("\u200b", "") for body in self.bodies]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            status, headers = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
            if hook.seconds_a_byte:
                self._drip()
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"no_service " + PATH.encode())

        def _drip(self) -> None:
            for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100:
                self.wfile.write(bytes([byte]))
                time.sleep(hook.seconds_a_byte)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    hook.url = f"http://127.0.0.1:{server.server_address[1]}{PATH}"
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def told_environment(command_environment: dict[str, str], webhook: Webhook) -> dict[str, str]:
    return command_environment | {"NOTIFICATIONS__URL": webhook.url}


DEAD = {"SOURCES__UNIFIED__CONNECTION_IDS": '["dead"]'}


def test_a_sync_that_fails_is_told_once_and_so_is_the_first_that_goes_well(
    webhook: Webhook, told_environment: dict[str, str], warehouse: DuckdbWarehouse
) -> None:
    only_tickets = ("sync", "--select", "tickets")
    for _ in range(2):
        assert ticketing(*only_tickets, env=told_environment | DEAD).returncode == 1
    (failed,) = webhook.texts
    assert failed.startswith("ticketing sync ended with exit code 1\nNothing worked: 1 of 1 object failed.")
    assert str(warehouse.path) in failed
    for _ in range(2):
        assert ticketing(*only_tickets, env=told_environment).returncode == 0
    _, well = webhook.texts
    assert well.startswith("ticketing sync went well again\n")


def test_a_command_that_is_misconfigured_tells_so_in_one_line_and_as_json(
    webhook: Webhook, told_environment: dict[str, str]
) -> None:
    changed = {"SOURCES__UNIFIED__API_KEY": "", "NOTIFICATIONS__FORMAT": "json"}
    ended = ticketing("drain", "--json", env=told_environment | changed)
    assert ended.returncode == json.loads(ended.stdout)["exit_code"] == 2
    (told,) = webhook.bodies
    assert (told["command"], told["exit_code"]) == ("drain", 2)
    assert told["said"].startswith("The setting sources.unified.api_key is missing.")


@pytest.mark.slow
@on_both
def test_what_is_stale_failing_or_has_gaps_is_told_until_it_is_over(
    webhook: Webhook,
    told_environment: dict[str, str],
    run_sync: Callable[..., SyncReport],
    sandbox: Sandbox,
    warehouse: WarehouseSettings,
) -> None:
    run_sync()
    build(warehouse, as_of=sandbox.world.now)
    assert ticketing("notify", env=told_environment).returncode == 0
    assert webhook.bodies == []

    aged = "update raw_unified.sync_runs set read_through = read_through {} interval '90 days'"
    change(warehouse, aged.format("-"))
    rehearsed = ticketing("notify", "--dry-run", "--json", env=told_environment | {"NOTIFICATIONS__URL": ""})
    problems = json.loads(rehearsed.stdout)["message"]["problems"]
    assert {problem["health"] for problem in problems} == {"stale"}
    assert webhook.bodies == []

    for _ in range(2):
        assert ticketing("notify", env=told_environment).returncode == 0
    (stale,) = webhook.texts
    assert stale.startswith(f"{len(problems)} objects not well\nstale: ")

    change(warehouse, aged.format("+"))
    assert last_line(ticketing("notify", env=told_environment).stdout) == "0 objects not well. Told."
    assert webhook.texts[-1].startswith("All well again")


def test_before_there_are_marts_the_watchdog_says_what_to_do(told_environment: dict[str, str]) -> None:
    ended = ticketing("notify", env=told_environment)
    assert ended.returncode == 2
    assert "ticketing sync" in ended.stderr


def test_without_a_webhook_the_watchdog_names_the_setting(command_environment: dict[str, str]) -> None:
    ended = ticketing("notify", env=command_environment)
    assert ended.returncode == 2
    for word in ("notifications.url", "NOTIFICATIONS__URL", ".dlt/secrets.toml"):
        assert word in ended.stderr


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_takes_nothing_changes_no_exit_code_and_is_not_shown(
    webhook: Webhook, told_environment: dict[str, str], warehouse: DuckdbWarehouse, status: int
) -> None:
    webhook.answers = [(status, {"location": webhook.url, "retry-after": "0"})]
    wordy = {"RUNTIME__LOG_LEVEL": "DEBUG"}
    ended = ticketing("sync", "--connection", "dead", env=told_environment | wordy)
    assert ended.returncode == 1
    assert "Notifying broke off. Expected the webhook of notifications.url" in ended.stderr
    assert f"but it answers {status}." in ended.stderr
    assert "token-5d1f7e" not in ended.stdout + ended.stderr
    assert len(webhook.bodies) == (3 if status == 500 else 1)
    assert not (warehouse.state_dir / "told.json").exists()


@pytest.mark.parametrize(
    "url", ["ftp://token-5d1f7e", "http://chat.example/token-5d1f7e", "https:// /token-5d1f7e", "token-5d1f7e"]
)
def test_an_address_that_others_could_read_on_the_way_is_refused_and_not_shown(
    command_environment: dict[str, str], url: str
) -> None:
    environment = command_environment | {"NOTIFICATIONS__URL": url}
    ended = ticketing("sync", "--connection", "dead", env=environment)
    assert ended.returncode == 1
    assert "notifications.url must be the URL of a webhook" in ended.stderr
    refused = ticketing("notify", env=environment)
    assert refused.returncode == 2
    assert "token-5d1f7e" not in ended.stderr + refused.stderr


@pytest.mark.parametrize(
    ("setting", "expected"),
    [('format = "teams"', "slack or json, got 'teams'"), ('link = "https://token-5d1f7e"', "got link. Known are: ")],
)
def test_a_misspelt_setting_of_notifications_is_said(
    command_environment: dict[str, str], tmp_path: Path, setting: str, expected: str
) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "config.toml").write_text(f"[notifications]\n{setting}\n")
    ended = ticketing("notify", "--dry-run", env=command_environment, cwd=tmp_path)
    assert ended.returncode == 2
    assert expected in ended.stderr
    assert "token-5d1f7e" not in ended.stderr


def test_what_passes_is_tried_again_after_the_time_that_was_asked_for_but_not_longer(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    webhook.answers = [(429, {"retry-after": "3"}), (503, {"retry-after": "9000"}), (200, {})]
    post(webhook.url, b"{}")
    assert waited == [3, 10]
    assert len(webhook.bodies) == 3


def test_one_who_answers_byte_by_byte_is_not_waited_for(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifying, "SECONDS_A_TRY", 0.3)
    monkeypatch.setattr(notifying, "TRIES", 1)
    webhook.seconds_a_byte = 0.05
    started = time.monotonic()
    with pytest.raises(TryAgainLater, match="did not answer within"):
        post(webhook.url, b"{}")
    assert time.monotonic() - started < 2


def test_a_broken_note_of_what_was_told_is_as_none(
    webhook: Webhook, told_environment: dict[str, str], warehouse: DuckdbWarehouse
) -> None:
    warehouse.state_dir.mkdir()
    (warehouse.state_dir / "told.json").write_text('{"sync": ')
    assert ticketing("sync", "--connection", "dead", env=told_environment).returncode == 1
    assert len(webhook.bodies) == 1
    assert json.loads((warehouse.state_dir / "told.json").read_bytes())["sync"]["problems"] == ["1"]
