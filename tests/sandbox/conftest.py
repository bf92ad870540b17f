"""A running sandbox for each test, and a client that speaks to it without any of the project's code."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from pipelines.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed=7, tickets=60) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    headers = {"authorization": f"bearer {sandbox.api_key}"}
    with httpx.Client(base_url=sandbox.base_url, headers=headers, timeout=5) as speaking:
        yield speaking


@pytest.fixture
def zendesk(sandbox: Sandbox) -> str:
    """The id of the connection to Zendesk."""
    return connection_id(sandbox, "zendesk")


def connection_id(sandbox: Sandbox, integration_type: str) -> str:
    return next(str(row["id"]) for row in sandbox.world.connections() if row["integration_type"] == integration_type)
