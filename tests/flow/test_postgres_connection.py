"""How each part of the project connects to Postgres: alike, whatever the server and the shell prefer."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dlt
import psycopg2  # type: ignore[import-untyped]
import pytest

from pipelines.errors import FixConfiguration, TryAgainLater
from pipelines.sandbox import Sandbox
from pipelines.settings import PostgresWarehouse
from pipelines.warehouse.destinations import destination_of
from pipelines.warehouse.destinations.postgres_server import PostgresServer
from tests.flow.conftest import on_postgres
from tests.flow.test_command import ticketing
from tests.flow.truth import assert_same, change

NOT_YET = (
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is in recovery mode",
    "the database system is not yet accepting connections\nDETAIL:  Consistent recovery state has not been reached.",
    "the database system is not accepting connections",
    'database "support" is not currently accepting connections',
    "sorry, too many clients already",
    "remaining connection slots are reserved for roles with the SUPERUSER attribute",
)
"""What a server answers that will take connections in a while."""

NO_WAY = (
    'connection to server at "db" (10.0.0.1), port 5432 failed: No route to host',
    'connection to server at "db" (::1), port 5432 failed: Network is unreachable',
    'connection to server at "db" (10.0.0.1), port 5432 failed: Connection timed out',
    'could not translate host name "db" to address: Temporary failure in name resolution',
)
"""What libpq says where it cannot get to a server."""

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104


@pytest.mark.slow
@pytest.mark.long
@on_postgres
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
@pytest.mark.long
@on_postgres
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


@on_postgres
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


def test_a_server_that_is_not_ready_yet_is_waited_for(tmp_path: Path) -> None:
    with _refusing([*NOT_YET, "no such user"]) as port, pytest.raises(FixConfiguration, match="no such user"):
        _server_on(port, tmp_path).prove_writable(time.monotonic() + 60)


@pytest.mark.parametrize("words", NOT_YET)
def test_a_server_that_is_not_ready_in_time_is_said_to_be_away(tmp_path: Path, words: str) -> None:
    with _refusing([words]) as port, pytest.raises(TryAgainLater, match="run this again once it is up"):
        _server_on(port, tmp_path).prove_writable(time.monotonic())


@pytest.mark.parametrize("words", NO_WAY)
def test_a_server_that_cannot_be_got_at_is_said_to_be_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    _fail_to_connect(monkeypatch, psycopg2.OperationalError(f"{words}\n\tIs the server running on that host?\n"))
    with pytest.raises(TryAgainLater, match="run this again once it is up"):
        _server_on(5432, tmp_path).prove_writable(time.monotonic())


def test_what_the_last_address_of_a_host_answered_is_what_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = 'connection to server at "db" (10.0.0.1), port 5432 failed: FATAL:  password authentication failed'
    _fail_to_connect(monkeypatch, psycopg2.OperationalError(f"{NO_WAY[1]}\n{refused}\nHINT:  None.\n"))
    with pytest.raises(FixConfiguration, match="password authentication failed"):
        _server_on(5432, tmp_path).prove_writable(time.monotonic() + 60)


@pytest.mark.parametrize("code", ["57P03", "08006", "53300"])
def test_a_code_of_the_server_counts_more_than_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    _fail_to_connect(monkeypatch, _coded(code, "das Datenbanksystem startet"))
    with pytest.raises(TryAgainLater, match="das Datenbanksystem startet"):
        _server_on(5432, tmp_path).prove_writable(time.monotonic())
    _fail_to_connect(monkeypatch, _coded("28P01", 'role "starting up" may not log in'))
    with pytest.raises(FixConfiguration, match="may not log in"):
        _server_on(5432, tmp_path).prove_writable(time.monotonic() + 60)


def _server_on(port: int, folder: Path) -> PostgresServer:
    return PostgresServer(PostgresWarehouse("127.0.0.1", port, "support", "me", "secret", {}, folder / "state"))


def _fail_to_connect(monkeypatch: pytest.MonkeyPatch, error: psycopg2.Error) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(psycopg2, "connect", fail)


def _coded(code: str, words: str) -> psycopg2.Error:
    error = psycopg2.OperationalError(words)
    error.__setstate__({"pgcode": code})
    return error


@contextmanager
def _refusing(words: Sequence[str]) -> Iterator[int]:
    """The port of a server that refuses each connection with the next of these words, and then with the last."""
    left = list(words)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    _refuse(connection, left.pop(0) if len(left) > 1 else left[0])

        threading.Thread(target=refuse, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _refuse(connection: socket.socket, words: str) -> None:
    """What Postgres does: no encryption, and a fatal error for an answer to the first message."""
    while struct.unpack("!ii", connection.recv(8, socket.MSG_WAITALL))[1] in (SSL_REQUEST, GSS_REQUEST):
        connection.sendall(b"N")
    message, _, detail = words.partition("\nDETAIL:  ")
    fields = {"S": "FATAL", "V": "FATAL", "C": "57P03", "M": message} | ({"D": detail} if detail else {})
    body = b"".join(f"{kind}{value}\0".encode() for kind, value in fields.items()) + b"\0"
    connection.sendall(b"E" + struct.pack("!i", len(body) + 4) + body)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(10_000)
