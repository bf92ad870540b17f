"""The promise: whatever the server does, after a sync the warehouse is what the source was, field by field.

No lookback here: it would cover up what a walk has lost.
"""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.sandbox import Faults, Sandbox
from pipelines.sync import sync
from tests.flow.conftest import settings_for, warehouse_in
from tests.flow.truth import assert_same

HELPDESKS = ("zendesk", "servicenow", "gorgias", "hubspot")
"""Two that sort and filter, one without `updated_gte`, one without sort."""

EXAMPLES = int(os.environ.get("TICKETING_TEST_WORLDS", "6"))

shares = st.sampled_from([0.0, 0.0, 0.05, 0.2])
bad_days = st.builds(
    Faults,
    seed=st.integers(0, 2**16),
    too_many=shares,
    status_500=shares,
    status_502=shares,
    html_error=shares,
    reset=shares,
    lost_answer=shares,
    truncation=shares,
    garbage=shares,
    moves=st.sampled_from([0, 1, 3, 5]),
    moves_until=st.integers(5, 40),
    moves_apart_seconds=st.sampled_from([0.4, 5.0, 70.0]),
    cut_updated_gte=st.sampled_from([None, "seconds", "minutes"]),
    page_cap=st.sampled_from([None, 3, 9]),
)


@pytest.mark.timeout(3600)
@pytest.mark.usefixtures("no_waiting")
@settings(
    max_examples=EXAMPLES,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds: too long to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**16),
    helpdesk=st.sampled_from(HELPDESKS),
    page_size=st.sampled_from([3, 5, 17]),
    tied=st.booleans(),
    faults=bad_days,
    later=bad_days,
)
def test_the_warehouse_is_what_the_source_is(
    seed: int, helpdesk: str, page_size: int, tied: bool, faults: Faults, later: Faults
) -> None:
    with tempfile.TemporaryDirectory() as folder, Sandbox(seed, 50, helpdesks=(helpdesk,)) as sandbox:
        world, warehouse = sandbox.world, warehouse_in(Path(folder))
        unified = settings_for(sandbox, page_size=page_size, lookback_seconds=0)
        if tied:
            _tie_everything(sandbox)
        sandbox.faults = faults
        assert sync(unified, warehouse).failed == []
        world.live(hours=20)
        if tied:
            _tie_everything(sandbox)
        sandbox.faults = later
        assert sync(unified, warehouse).failed == []
        sandbox.faults = Faults()
        world.advance(timedelta(minutes=1))
        assert sync(unified, warehouse).failed == []
        assert_same(world, warehouse.duckdb_path)


def _tie_everything(sandbox: Sandbox) -> None:
    """Nearly all of each list gets one `updated_at`: a tie of many pages."""
    for connection in sandbox.world.connections():
        for name in ("ticket", "customer", "note"):
            ids = [record["id"] for record in sandbox.world.records(connection["id"], name)]
            sandbox.world.bulk_edit(connection["id"], name, ids[3:], {"metadata": [{"slug": "bulk", "value": 1}]})
