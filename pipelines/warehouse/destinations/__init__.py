"""What differs between the kinds of warehouse: how each is opened, locked, loaded and shown to dbt."""

from __future__ import annotations

from functools import cache

from pipelines.settings import DuckdbWarehouse, WarehouseSettings
from pipelines.warehouse.destinations.destination import Destination
from pipelines.warehouse.destinations.duckdb_file import DuckdbFile
from pipelines.warehouse.destinations.postgres_server import PostgresServer

__all__ = ["Destination", "destination_of"]


@cache
def destination_of(warehouse: WarehouseSettings) -> Destination:
    """The destination that these settings choose; the same one each time, for it knows the lock that it holds."""
    return DuckdbFile(warehouse) if isinstance(warehouse, DuckdbWarehouse) else PostgresServer(warehouse)
