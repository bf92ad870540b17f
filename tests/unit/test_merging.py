"""The merge is chosen by what dlt says that a destination can do."""

from __future__ import annotations

import dlt
import pytest
from dlt.common.destination.capabilities import DestinationCapabilitiesContext

from pipelines.errors import FixConfiguration
from pipelines.warehouse.merging import require_delete_insert


@pytest.mark.parametrize("destination", [dlt.destinations.duckdb(), dlt.destinations.postgres()])
def test_both_warehouses_merge_by_delete_insert(destination: dlt.destinations.duckdb) -> None:
    require_delete_insert(destination.destination_name, destination.capabilities())


@pytest.mark.parametrize("offered", [[], ["upsert"], None])
def test_a_destination_that_cannot_is_refused_by_name(offered: list[str] | None) -> None:
    capabilities = DestinationCapabilitiesContext()
    capabilities.supported_merge_strategies = offered  # type: ignore[assignment]
    with pytest.raises(FixConfiguration, match="somewhere offers"):
        require_delete_insert("somewhere", capabilities)
