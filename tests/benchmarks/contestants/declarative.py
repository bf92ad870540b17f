"""What a user of dlt's declarative `rest_api` source writes for this API: offset paging, as the vendor shows it, with
merge keys and an incremental `updated_at`.

    python declarative.py [parquet]
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source
from dlt.sources.rest_api.typing import RESTAPIConfig

OBJECTS = {"tickets": "ticket", "notes": "note", "customers": "customer", "categories": "category"}


def configuration() -> RESTAPIConfig:
    """One connection's four lists."""
    [connection] = json.loads(os.environ["SOURCES__UNIFIED__CONNECTION_IDS"])
    return {
        "client": {
            "base_url": f"{os.environ['SOURCES__UNIFIED__BASE_URL']}/ticketing/{connection}/",
            "auth": {"type": "bearer", "token": os.environ["SOURCES__UNIFIED__API_KEY"]},
            "paginator": {"type": "offset", "limit": 100, "total_path": None},
        },
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [_resource(table, object_name) for table, object_name in OBJECTS.items()],
    }


def _resource(table: str, object_name: str) -> Any:
    return {
        "name": table,
        "endpoint": {
            "path": object_name,
            "params": {"sort": "updated_at", "order": "asc", "updated_gte": "{incremental.start_value}"},
            "incremental": {"cursor_path": "updated_at", "initial_value": "2000-01-01T00:00:00.000Z"},
        },
    }


def main(file_format: Any = None) -> None:
    """Read and load."""
    pipeline = dlt.pipeline("helpdesk", destination="duckdb", dataset_name="helpdesk")
    pipeline.run(rest_api_source(configuration()), loader_file_format=file_format)


if __name__ == "__main__":
    main(*sys.argv[1:])
