"""What a user of the vendor's own client writes: a loop over each list, a pandas frame, a DuckDB table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import duckdb
import pandas as pd
import unified_python_sdk
from unified_python_sdk.models import shared

PAGE = 100


def records(call: Callable[..., Any], attribute: str, connection: str) -> list[dict[str, Any]]:
    """All records of a list; what is nested as JSON text."""
    found: list[dict[str, Any]] = []
    while True:
        request = {
            "connection_id": connection,
            "limit": PAGE,
            "offset": len(found),
            "sort": "updated_at",
            "order": "asc",
        }
        page = getattr(call(request=request), attribute)
        found += [_flat(record.model_dump(mode="json")) for record in page]
        if len(page) < PAGE:
            return found


def main() -> None:
    """Read and load."""
    [connection] = json.loads(os.environ["SOURCES__UNIFIED__CONNECTION_IDS"])
    security = shared.Security(jwt=f"bearer {os.environ['SOURCES__UNIFIED__API_KEY']}")
    server_url = os.environ["SOURCES__UNIFIED__BASE_URL"]
    with (
        unified_python_sdk.UnifiedTo(security=security, server_url=server_url) as client,
        duckdb.connect(os.environ["DESTINATION__DUCKDB__CREDENTIALS"]) as warehouse,
    ):
        lists = {
            "tickets": (client.ticketing.list_ticketing_tickets, "ticketing_tickets"),
            "notes": (client.ticketing.list_ticketing_notes, "ticketing_notes"),
            "customers": (client.ticketing.list_ticketing_customers, "ticketing_customers"),
            "categories": (client.ticketing.list_ticketing_categories, "ticketing_categories"),
        }
        for table, (call, attribute) in lists.items():
            frame = pd.DataFrame(records(call, attribute, connection))
            warehouse.register("frame", frame)
            warehouse.execute(f"create or replace table {table} as select * from frame")


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in record.items()}


if __name__ == "__main__":
    main()
