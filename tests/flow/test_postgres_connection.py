"""How each part of the project connects to Postgres: alike, whatever the server and the shell prefer."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dlt
import psycopg2  # type: ignore[import-untyped]
import pytest

from pipelines.sandbox import Sandbox
from pipelines.settings import PostgresWarehouse
from pipelines.warehouse.destinations import destination_of
from tests.flow.conftest import on_postgres
from tests.flow.test_command import ticketing
from tests.flow.truth import assert_same, change

pytestmark = on_postgres


@pytest.mark.slow
def test_text_is_utf8_whatever_encoding_the_server_and_the_shell_prefer(
    sandbox: Sandbox, warehouse: PostgresWarehouse, command_environment: dict[str, str]
) -> None:
    change(warehouse, f"alter database {warehouse.database} set client_encoding to 'LATIN1'")
    for shell in ({}, {"PGCLIENTENCODING": "SQL_ASCII"}):
        ended = ticketing("run", "--full-refresh", env=command_environment | shell)
        assert ended.returncode == 0, ended.stderr
    change(warehouse, f"alter database {warehouse.database} reset client_encoding")
    assert_same(sandbox.world, warehouse)


@pytest.mark.slow
def test_a_password_file_may_lie_in_a_folder_of_any_name(
    warehouse: PostgresWarehouse, command_environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "with a blank, 'quotes' and 1+1 = 100%" / "pgpass"
    file.parent.mkdir()
    file.write_text(f"*:*:*:*:{warehouse.password}\n")
    file.chmod(0o600)
    server = f"{warehouse.username}@{warehouse.host}:{warehouse.port}"
    url = f"postgresql://{server}/{warehouse.database}?passfile={quote(str(file))}"
    for command in ("check", "run", "status"):
        ended = ticketing(command, env=command_environment | {"DESTINATION__POSTGRES__CREDENTIALS": url})
        assert ended.returncode == 0, ended.stderr


def test_dlt_connects_with_the_very_parameters_of_our_own_connection(
    warehouse: PostgresWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"sslrootcert": "/etc/my ca+x%.pem", "connect_timeout": "3", "options": "-cwork_mem=8MB -cjit=off"}
    server = destination_of(replace(warehouse, options=given))
    connections = _connections_made(monkeypatch)
    server.prove_writable(time.monotonic())
    with dlt.pipeline("probe", destination=server.for_dlt(), dataset_name="somewhere").sql_client():
        pass
    ours, dlts = connections
    assert ours == dlts | {"options": "-cwork_mem=8MB -cjit=off -ctimezone=UTC"}
    assert dlts["options"] == ours["options"] + ' -csearch_path="somewhere",public'
    assert (
        ours.items()
        >= {
            "sslrootcert": "/etc/my ca+x%.pem",
            "connect_timeout": "3",
            "client_encoding": "UTF8",
            "keepalives_idle": "30",
            "password": warehouse.password,
        }.items()
    )


def _connections_made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The parameters of every connection that is opened from now on, as libpq sees them."""
    made: list[dict[str, Any]] = []
    connect = psycopg2.connect

    def note_and_connect(*arguments: Any, **named: Any) -> Any:
        connection = connect(*arguments, **named)
        made.append(connection.info.dsn_parameters | {"password": connection.info.password})
        return connection

    monkeypatch.setattr(psycopg2, "connect", note_and_connect)
    return made
