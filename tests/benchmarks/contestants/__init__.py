"""Who takes part: how each is started, and where its warehouse keeps which object."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.benchmarks.server import API_KEY, connection_ids
from tests.benchmarks.stand_in import StandIn

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Contestant:
    """A program that brings the records into a DuckDB file. `tables` are named by the API's names of their objects;
    `key` tells their records apart."""

    name: str
    program: tuple[str, ...]
    tables: Mapping[str, str]
    key: str = "id"

    def environment(self, stand_in: StandIn, folder: Path) -> dict[str, str]:
        """What it is told: where to read, and into which file of this folder."""
        return {
            "SOURCES__UNIFIED__BASE_URL": stand_in.base_url,
            "SOURCES__UNIFIED__API_KEY": API_KEY,
            "SOURCES__UNIFIED__CONNECTION_IDS": msgspec.json.encode(
                connection_ids(stand_in.options.connections)
            ).decode(),
            "DESTINATION__DUCKDB__CREDENTIALS": str(warehouse_in(folder)),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "DLT_DATA_DIR": str(folder / "dlt"),
        }


def warehouse_in(folder: Path) -> Path:
    """The file that a contestant writes."""
    return folder / "warehouse.duckdb"


def _tables(schema: str) -> dict[str, str]:
    return {
        "ticket": f"{schema}.tickets",
        "note": f"{schema}.notes",
        "customer": f"{schema}.customers",
        "category": f"{schema}.categories",
    }


OURS = Contestant(
    "ticketing sync",
    (sys.executable, str(Path(sys.executable).with_name("ticketing")), "sync", "--json"),
    _tables("raw_unified"),
    "(connection_id, id)",
)
REST_API = Contestant("dlt rest_api, default", (sys.executable, str(_HERE / "declarative.py")), _tables("helpdesk"))
REST_API_PARQUET = Contestant(
    "dlt rest_api, parquet", (sys.executable, str(_HERE / "declarative.py"), "parquet"), _tables("helpdesk")
)
SDK_LOOP = Contestant("SDK loop, pandas", (sys.executable, str(_HERE / "sdk_loop.py")), _tables("main"))

PEERS = (REST_API, REST_API_PARQUET, SDK_LOOP)
