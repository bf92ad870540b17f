"""The promise: whatever the server does, and however a run ends, the warehouse comes to be what the source is.

No lookback here but what the server's own delay asks for: it would cover up what a walk has lost.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pipelines.sandbox import Faults, Poisoned, Sandbox, World, poison_records
from pipelines.sandbox.support import Support, support_table
from pipelines.settings import WarehouseSettings
from pipelines.sync import SyncReport, reconcile, sync
from tests.flow.children import in_small_portions, sync_and_be_killed
from tests.flow.conftest import at_length, postgres_warehouse, settings_for, warehouse_in
from tests.flow.truth import ALIKE_WHEN_REJECTED, OBJECTS, query, stored_rows, true_rows

WORLDS = int(os.environ.get("TICKETING_TEST_WORLDS", "2"))
SHARE = 5
"""So many worlds a test at most, so that they can be run side by side."""

SEED = os.environ.get("TICKETING_TEST_SEED", "0")
"""The same seed gives the same worlds."""

HELPDESKS = ("zendesk", "servicenow", "gorgias", "hubspot", "front", "helpscout", "kustomer", "groove")
"""Sorting and filtering, without `updated_gte`, without sort, without both, notes per ticket (an unknown ticket has
none, or is a 404), without get."""

_NEITHER = support_table(updated_gte=False, sort_by_updated_at=False, sort_by_created_at=False, raw=False)


@dataclass(frozen=True)
class Lie:
    """What a helpdesk can do, and what its support table says; None: it has no support table."""

    truth: Support
    published: Support | None


LIES = {
    "claims to sort and filter": Lie(_NEITHER, support_table(raw=False)),
    "claims to filter": Lie(support_table(updated_gte=False, raw=False), support_table(raw=False)),
    "claims to sort": Lie(support_table(sort_by_updated_at=False, raw=False), support_table(raw=False)),
    "claims to list notes": Lie(support_table(notes_per_ticket=True, raw=False), support_table(raw=False)),
    "claims offset": Lie(support_table(offset=False, raw=False), support_table(raw=False)),
    "claims less": Lie(support_table(raw=False), _NEITHER),
    "claims nothing, lists all": Lie(support_table(raw=False), None),
    "claims nothing, lists notes per ticket": Lie(support_table(notes_per_ticket=True, raw=False), None),
}

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
    inserts=st.sampled_from([0, 1, 2]),
    inserts_until=st.integers(1, 12),
    deletes=st.sampled_from([0, 1, 2]),
    deletes_until=st.integers(1, 8),
    quiet_edits=st.sampled_from([0, 1]),
    quiet_edits_until=st.integers(1, 10),
    moves_apart_seconds=st.sampled_from([0.4, 5.0, 70.0]),
    visible_after_seconds=st.sampled_from([0.0, 0.0, 30.0, 400.0]),
    cut_updated_gte=st.sampled_from([None, "seconds", "minutes"]),
    ignore_updated_gte=st.sampled_from([False, False, False, True]),
    unstable_ties=st.sampled_from([False, False, False, True]),
    fields_strict=st.sampled_from([False, False, False, True]),
    page_cap=st.sampled_from([None, None, None, 3, 3, 9, 9, 9, 1]),
)


@dataclass(frozen=True)
class Story:
    """One helpdesk, two bad days on it, what is done to the runs, and in how small portions they read and load."""

    seed: int
    helpdesk: str
    page_size: int
    is_tied: bool
    poisons: str | None
    days: tuple[Faults, Faults]
    kill_after: float | None
    rows_a_load: int
    reconciles_on_a_bad_day: bool


stories = st.builds(
    Story,
    seed=st.integers(0, 2**16),
    helpdesk=st.sampled_from([*HELPDESKS, *LIES]),
    page_size=st.sampled_from([3, 5, 17]),
    is_tied=st.booleans(),
    poisons=st.sampled_from([None, None, *OBJECTS.values()]),
    days=st.tuples(bad_days, bad_days),
    kill_after=st.none() | st.floats(0.05, 1.5),
    rows_a_load=st.sampled_from([80, 100_000, 100_000]),
    reconciles_on_a_bad_day=st.booleans(),
)


@pytest.mark.timeout(120 * SHARE)
@pytest.mark.hypothesis
@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("share", range(ceil(WORLDS / SHARE)))
@pytest.mark.parametrize("kind", ["duckdb", at_length("postgres")])
def test_the_warehouse_comes_to_be_what_the_source_is(kind: str, share: int, request: pytest.FixtureRequest) -> None:
    @seed(f"{SEED} {kind} {share}")
    @settings(
        max_examples=min(WORLDS, SHARE),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds: too long to shrink
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(story=stories)
    def live_through_it(story: Story) -> None:
        with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
            in_small_portions(patch.setattr, story.rows_a_load)
            if kind == "postgres":
                url = request.getfixturevalue("postgres_server").new_database()
                live_through(story, postgres_warehouse(url, Path(folder) / "state"))
            else:
                live_through(story, warehouse_in(Path(folder)))

    live_through_it()


def live_through(story: Story, warehouse: WarehouseSettings) -> None:
    story = _bearable(story)
    with Sandbox(world=_world(story)) as sandbox:
        world = sandbox.world
        connection_id = world.connections()[0]["id"]
        lookback = int(max(day.visible_after_seconds for day in story.days)) + 1
        unified = settings_for(sandbox, page_size=story.page_size, lookback_seconds=lookback)
        poisoned = poison_records(world, connection_id, story.poisons) if story.poisons else Poisoned([], [])

        sandbox.faults = story.days[0]
        _all_well(sync(unified, warehouse))
        world.live(hours=20)
        if story.is_tied:
            _tie_everything(world)
        sandbox.faults = story.days[1]
        if story.kill_after is not None:
            sync_and_be_killed(unified, warehouse, story.kill_after, story.rows_a_load)
        _all_well(sync(unified, warehouse))
        if story.reconciles_on_a_bad_day:
            _all_well(reconcile(unified, warehouse, largest_deletion=1.0))

        sandbox.faults = Faults()
        world.advance(timedelta(minutes=10))
        # A slow second look finds what changed without saying so: made fast here, it comes round in two runs.
        unified.update({"reread_pages": 1000})
        _all_well(sync(unified, warehouse))
        _holds(world, warehouse, poisoned, but_notes=_are_listed_per_ticket(world))
        _all_well(sync(unified, warehouse))
        _all_well(reconcile(unified, warehouse, largest_deletion=1.0))
        _is_the_source(world, warehouse, poisoned)
        _history_is_whole(warehouse)


def _bearable(story: Story) -> Story:
    """A lie about the order of a list can be told only where a page is long enough to show it; and without offset
    nothing shows more records of one time than a page."""
    if story.helpdesk not in LIES:
        return story
    first, second = (replace(day, page_cap=None) for day in story.days)
    if story.helpdesk == "claims offset":
        first, second = (replace(day, cut_updated_gte=None, ignore_updated_gte=False) for day in (first, second))
        story = replace(story, is_tied=False, poisons=None)
    return replace(story, page_size=17, days=(first, second))


def _world(story: Story) -> World:
    lie = LIES.get(story.helpdesk)
    world = World.seeded(seed=story.seed, tickets=25, helpdesks=("front" if lie else story.helpdesk,))
    if lie is not None:
        world.register_integration("front", lie.truth, published=lie.published, is_listed=lie.published is not None)
    if story.is_tied:
        _tie_everything(world)
    world.advance(timedelta(minutes=10))
    return world


def _tie_everything(world: World) -> None:
    """Nearly all of each list gets one `updated_at`: a tie of many pages."""
    for connection in world.connections():
        for name in ("ticket", "customer", "note"):
            ids = [record["id"] for record in world.records(connection["id"], name)]
            world.bulk_edit(connection["id"], name, ids[3:], {"metadata": [{"slug": "bulk", "value": 1}]})


def _are_listed_per_ticket(world: World) -> bool:
    helpdesk = world.helpdesk_of(world.connections()[0]["id"])
    return bool(helpdesk.support["ticketing_note"]["list_ticket_id"] == "supported-required")


def _all_well(report: SyncReport) -> None:
    assert [(outcome.object, outcome.error) for outcome in report.failed] == []


def _holds(world: World, warehouse: WarehouseSettings, poisoned: Poisoned, *, but_notes: bool) -> None:
    """Nothing missing, in its newest state. Notes of tickets that did not change are found by the daily sweep, or by
    a reconcile."""
    for table in OBJECTS:
        if table == "notes" and but_notes:
            continue
        stored = stored_rows(warehouse, table)
        for key, fields in true_rows(world, table).items():
            if key[1] not in poisoned.rejected:
                assert key in stored, f"{table}: missing {key}"
            if key[1] not in {*poisoned.rejected, *poisoned.arriving}:
                assert stored[key].get("updated_at") == fields["updated_at"], f"{table}: stale {key}"


def _is_the_source(world: World, warehouse: WarehouseSettings, poisoned: Poisoned) -> None:
    """Nothing missing, double, stale or wrongly deleted, in any field of any living row."""
    for table in OBJECTS:
        expected, stored = true_rows(world, table), stored_rows(warehouse, table)
        shapeless = {key for key in expected if key[1] in poisoned.rejected}
        expected = {key: fields for key, fields in expected.items() if key not in shapeless}
        assert expected.keys() - stored.keys() == set(), f"{table}: missing"
        assert stored.keys() - expected.keys() == set(), f"{table}: not at the source"
        for key, fields in expected.items():
            if key[1] not in poisoned.arriving:
                assert stored[key] == _without_nul(fields), f"{table} {key}"
        rejected = query(warehouse, f"select * from raw_unified.rejected_records where object = '{table}'")
        assert len(rejected) >= len(shapeless) - ALIKE_WHEN_REJECTED.get(table, 0), table


def _without_nul(value: Any) -> Any:
    """What lives on in the world may quote what was poisoned, in its columns as in its `raw`."""
    match value:
        case str():
            return value.replace("\0", "␀")
        case list():
            return [_without_nul(item) for item in value]
        case dict():
            return {_without_nul(name): _without_nul(item) for name, item in value.items()}
    return value


def _history_is_whole(warehouse: WarehouseSettings) -> None:
    """Every state once, and of every living ticket the one in which it is."""
    key = "connection_id, id, state_hash"
    assert query(warehouse, f"select {key} from raw_unified.ticket_versions group by {key} having count(*) > 1") == []
    unknown = query(
        warehouse,
        "select id, updated_at, status from raw_unified.tickets where _deleted_at is null except "
        "select id, updated_at, status from raw_unified.ticket_versions",
    )
    assert unknown == []
