"""How each part of the project connects to Postgres: alike, whatever the server and the shell prefer."""

from __future__ import annotations

import pytest

from pipelines.sandbox import Sandbox
from pipelines.settings import PostgresWarehouse
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
