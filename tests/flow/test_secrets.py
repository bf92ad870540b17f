"""No key and no password is in anything that the project prints or keeps, whatever is run and whatever goes wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from pipelines.sandbox import Sandbox
from pipelines.settings import PostgresWarehouse, WarehouseSettings
from tests.flow.conftest import at_length, on_both, on_both_at_length
from tests.flow.truth import every_row, query

COMMAND = Path(sys.executable).parent / "ticketing"

API_KEY = "api-key-4f9c1d7e"
PRIVACY_KEY = "privacy-key-8b2a6e"
PASSWORD = "password-77e1c3"
WEBHOOK = "services/token-5d1f7e"
"""The path of a webhook of notifications: whoever has it can post there."""

EVERY_COMMAND = (
    ["check"],
    ["check", "--json"],
    ["sync"],
    ["sync", "--json"],
    ["run", "--select", "tickets"],
    ["reconcile"],
    ["verify", "--deep"],
    ["verify", "--sample", "5", "--repair", "--json"],
    ["forget", "nobody@example.com", "--yes"],
    ["status"],
    ["status", "--json"],
    ["build"],
)


@dataclass
class Keeper:
    """Runs the command with every secret in its environment, and keeps what it has said."""

    environment: dict[str, str]
    said: str = ""

    def run(self, *arguments: str, **changed: str) -> int:
        done = subprocess.run(
            [str(COMMAND), *arguments],
            env=os.environ | self.environment | changed,
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.said += f"$ {' '.join(arguments)}\n{done.stdout}{done.stderr}\n"
        return done.returncode


@pytest.fixture
def keeper(command_environment: dict[str, str]) -> Keeper:
    return Keeper(
        command_environment
        | {
            "SOURCES__UNIFIED__API_KEY": API_KEY,
            "SOURCES__UNIFIED__PRIVACY": '{"emails": "hash"}',
            "SOURCES__UNIFIED__PRIVACY_KEY": PRIVACY_KEY,
            "NOTIFICATIONS__URL": f"http://127.0.0.1:9/{WEBHOOK}",
            "RUNTIME__LOG_LEVEL": "DEBUG",
        }
    )


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=12, helpdesks=("zendesk", "kustomer"), api_key=API_KEY) as running:
        yield running


def assert_kept(keeper: Keeper, warehouse: WarehouseSettings, *secrets: str) -> None:
    """None of these, nor the warehouse's password, is in what was said, in a file of the project's state or of dbt's,
    or in a table."""
    secrets += (WEBHOOK,)
    if isinstance(warehouse, PostgresWarehouse):
        secrets += (warehouse.password,)
    folders = [warehouse.state_dir, Path("dbt_project/target"), Path("dbt_project/logs")]
    texts = {"what was said": keeper.said}
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        texts[str(path)] = path.read_bytes().decode(errors="replace")
    texts["the tables"] = "\n".join(row for _, row in every_row(warehouse))
    for place, text in texts.items():
        for secret in secrets:
            assert secret not in text, place


@pytest.mark.slow
@pytest.mark.long
@on_both
def test_no_command_tells_a_secret(
    sandbox: Sandbox, keeper: Keeper, warehouse: WarehouseSettings, tmp_path: Path
) -> None:
    for arguments in EVERY_COMMAND:
        code = keeper.run(*arguments)
        assert code == (2 if arguments[0] == "forget" else 0), keeper.said[-2000:]
    connection = sandbox.world.connections()[0]["id"]
    ticket = sandbox.world.records(connection, "ticket")[0]["id"]
    (tmp_path / "rows.csv").write_text(f"connection_id,ticket_id,tags_add,note\n{connection},{ticket},a,Hello")
    plan = str(tmp_path / "plan.json")
    for arguments in (["plan", str(tmp_path / "rows.csv"), "--out", plan], ["apply", plan, "--yes"], ["status"]):
        assert keeper.run("triage", *arguments, TRIAGE__MAX_SHARE="1") == 0, keeper.said[-2000:]
    customer = sandbox.world.records(connection, "customer")[0]["id"]
    assert keeper.run("forget", customer, "--connection", connection, "--yes") == 0
    assert_kept(keeper, warehouse, API_KEY, PRIVACY_KEY)


@contextmanager
def an_api_that_repeats_the_key(status: int, workspace: Sandbox | None = None) -> Iterator[str]:
    """Every answer says what it was asked with, as a careless gateway does; or every one but those on the workspace's
    connections, which another server gives."""

    class Echo(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if workspace is not None and self.path.startswith("/unified/"):
                headers = {"authorization": self.headers["authorization"]}
                self._answer(200, httpx.get(workspace.base_url + self.path, headers=headers, trust_env=False).content)
            else:
                self._answer(status, f'{{"message": "not for {self.headers["authorization"]}"}}'.encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, *map(at_length, (400, 401, 403, 404, 501))])
def test_no_failure_of_the_api_tells_a_secret(keeper: Keeper, warehouse: WarehouseSettings, status: int) -> None:
    keeper.run("sync", "--select", "categories")
    with an_api_that_repeats_the_key(status) as base_url:
        commands = [["check"], ["check", "--json"]]
        commands += [["sync"], ["reconcile"], ["verify"], ["sync", "--json"]] if status != 200 else []
        for arguments in commands:
            assert keeper.run(*arguments, SOURCES__UNIFIED__BASE_URL=base_url) != 0
    assert_kept(keeper, warehouse, API_KEY, PRIVACY_KEY)


@pytest.mark.long
@pytest.mark.slow
@on_both_at_length
@pytest.mark.parametrize("status", [400, *map(at_length, (403, 501))])
def test_no_failure_of_an_object_tells_a_secret(
    sandbox: Sandbox, keeper: Keeper, warehouse: WarehouseSettings, status: int
) -> None:
    keeper.run("sync", "--select", "categories")
    with an_api_that_repeats_the_key(status, sandbox) as base_url:
        for arguments in (["sync"], ["reconcile"], ["verify"], ["check"]):
            assert keeper.run(*arguments, SOURCES__UNIFIED__BASE_URL=base_url) != 0
    assert len(query(warehouse, "select error from raw_unified.sync_runs where error is not null")) > 8
    assert_kept(keeper, warehouse, API_KEY, PRIVACY_KEY)


@pytest.mark.slow
@pytest.mark.long
def test_no_configuration_error_tells_a_secret(keeper: Keeper, warehouse: WarehouseSettings) -> None:
    keeper.run("sync", "--select", "categories")
    wrong = [
        {"SOURCES__UNIFIED__API_KEY": f"{API_KEY}\n{API_KEY}"},
        {"SOURCES__UNIFIED__API_KEY": f"{API_KEY}é"},
        {"SOURCES__UNIFIED__PRIVACY_KEY": PRIVACY_KEY[:8]},
        {"SOURCES__UNIFIED__PRIVACY": '{"emails": "shred"}'},
        {"SOURCES__UNIFIED__PRIVACY": f'{{"privacy_key": "{PRIVACY_KEY}"}}'},
        {"SOURCES__UNIFIED__PRIVACY": f'{{"emails": "{PRIVACY_KEY}"}}'},
        {"SOURCES__UNIFIED__PRIVACY": f"emails={PRIVACY_KEY}"},
        {"TICKETING_DESTINATION": f"postgresql://u:{PASSWORD}@h/db"},
        {"DESTINATION__DUCKDB__CREDENTIALS": f"md:db?motherduck_token={PASSWORD}"},
        {"SOURCES__UNIFIED__BASE_URL": "https://192.0.2.1", "HTTPS_PROXY": f"http://u:{PASSWORD}/@h"},
        {"SOURCES__UNIFIED__BASE_URL": f"http://{PASSWORD}@example.com"},
        {"SOURCES__UNIFIED__BASE_URL": "https://127.0.0.1:9"},
        {
            "TICKETING_DESTINATION": "postgres",
            "DESTINATION__POSTGRES__CREDENTIALS": f"postgresql://u:{PASSWORD}@127.0.0.1:9/db",
        },
        {
            "TICKETING_DESTINATION": "postgres",
            "DESTINATION__POSTGRES__CREDENTIALS": f"postgresql://u:{PASSWORD}/@x@h/db",
        },
    ]
    for changed in wrong:
        assert keeper.run("status" if "TICKETING_DESTINATION" in changed else "check", **changed) != 0, changed
    assert_kept(keeper, warehouse, API_KEY, PRIVACY_KEY, PRIVACY_KEY[:8], PASSWORD)
