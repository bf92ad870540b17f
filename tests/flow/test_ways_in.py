"""The same history by webhooks alone, by polling alone and by any mixture of both ends in the same warehouse."""

from __future__ import annotations

import json
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pipelines.build import build
from pipelines.sandbox import PostFaults, Sandbox, World
from pipelines.sandbox.support import support_table
from pipelines.settings import PostgresWarehouse, WarehouseSettings
from pipelines.sync import SyncReport, reconcile, sync
from tests.flow.conftest import at_length, postgres_warehouse, settings_for, warehouse_in
from tests.flow.pushed import EVENTS, Post, Pushed
from tests.flow.truth import OBJECTS, assert_same, connected, deleted_rows, query, stored_rows
from tests.warehouse.built_marts import GRAINS

pytestmark = pytest.mark.slow

WORLDS = int(os.environ.get("TICKETING_TEST_WORLDS", "2"))
SHARE = 3
"""So many worlds a test at most, so that they can be run side by side."""

SEED = os.environ.get("TICKETING_TEST_SEED", "0")

LONGEST_DELAY = 20_000.0

TABLES = [table for table in OBJECTS if table != "employees"]

shares = st.sampled_from([0.0, 0.1, 0.4])
rough_post = st.builds(
    PostFaults,
    seed=st.integers(0, 2**16),
    duplicate=shares,
    redeliver_with_new_nonce=shares,
    delay=shares,
    delay_seconds=st.sampled_from([60.0, LONGEST_DELAY]),
    reorder=shares,
    lost_answer=shares,
    deletions_by_id_only=st.sampled_from([0.0, 0.5]),
)


@dataclass(frozen=True)
class Day:
    """One of several: how long it is, what the mixture does on it, and whether it loses post, for which it polls: a
    state that passes meanwhile would be seen by polling alone. On a day of an outage it loses all, and polls what it
    takes to be missing."""

    hours: float
    deletes: int
    pushed_drains: bool
    drains: bool
    polls: bool
    drains_first: bool
    loses_post: bool
    has_outage: bool = False


@dataclass(frozen=True)
class Story:
    seed: int
    post: PostFaults
    days: tuple[Day, ...]
    begins_polling: bool


days = st.builds(
    Day,
    hours=st.sampled_from([0.5, 5.0, 30.0]),
    deletes=st.sampled_from([0, 1, 3]),
    pushed_drains=st.booleans(),
    drains=st.booleans(),
    polls=st.booleans(),
    drains_first=st.booleans(),
    loses_post=st.booleans(),
    has_outage=st.booleans(),
)
stories = st.builds(
    Story,
    seed=st.integers(0, 2**16),
    post=rough_post,
    days=st.tuples(days, days, days),
    begins_polling=st.booleans(),
)


@pytest.mark.timeout(300 * SHARE)
@pytest.mark.hypothesis
@pytest.mark.parametrize("share", range(ceil(WORLDS / SHARE)))
@pytest.mark.parametrize("kind", ["duckdb", at_length("postgres")])
def test_whichever_way_a_history_comes_it_ends_in_the_same_rows(
    kind: str, share: int, request: pytest.FixtureRequest
) -> None:
    @seed(f"{SEED} {kind} {share}")
    @settings(
        max_examples=min(WORLDS, SHARE),
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes seconds: too long to shrink
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(story=stories)
    def live_through_it(story: Story) -> None:
        with tempfile.TemporaryDirectory() as folder:
            live_through(story, three_warehouses(kind, Path(folder), request))

    live_through_it()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_whichever_way_a_history_comes_its_marts_are_the_same(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """But for what tells of the past of tickets, of which polling has seen less, and of its runs: all are given those
    of polling before they are built."""
    rough = PostFaults(seed=3, duplicate=0.2, redeliver_with_new_nonce=0.2, delay=0.3, reorder=0.3, lost_answer=0.2)
    usual = Day(30.0, deletes=2, pushed_drains=True, drains=True, polls=True, drains_first=True, loses_post=False)
    lossy = replace(usual, polls=False, loses_post=True)
    warehouses = three_warehouses(kind, tmp_path, request)
    now = live_through(Story(11, rough, (usual, lossy, usual), begins_polling=True), warehouses)
    of_polling = warehouses[1]
    for warehouse in warehouses:
        for table in ("ticket_versions", "sync_runs", "_dlt_loads") if warehouse is not of_polling else ():
            _give(of_polling, warehouse, table)
        build(warehouse, as_of=now)
    for mart, key in GRAINS.items():
        if mart == "sync_health":
            continue  # which tells of the runs alone
        expected = _mart(of_polling, mart, key)
        assert expected or mart == "sla_outcomes", mart  # the examples of policies are for other helpdesks
        for warehouse in warehouses:
            assert _differences(_mart(warehouse, mart, key), expected) == {}, mart


def three_warehouses(kind: str, folder: Path, request: pytest.FixtureRequest) -> list[WarehouseSettings]:
    places = [folder / name for name in ("pushed", "polled", "mixed")]
    for place in places:
        place.mkdir()
    if kind == "duckdb":
        return [warehouse_in(place) for place in places]
    server = request.getfixturevalue("postgres_server")
    return [postgres_warehouse(server.new_database(), place / "state") for place in places]


def live_through(story: Story, warehouses: list[WarehouseSettings]) -> datetime:
    """Live through a story, and show that all warehouses are alike; returns when it ends."""
    in_pushed, in_polled, in_mixed = warehouses
    with three_ways(story, warehouses) as (post, by_post, mixture):
        world, unified, chance = post.world, by_post.settings, random.Random(story.seed)
        (connection_id,) = [connection["id"] for connection in world.connections()]
        by_post.subscribe(connection_id, include_all=True)
        mixture.subscribe(connection_id, include_all=not story.begins_polling)
        if story.begins_polling:
            _all_well(sync(unified, in_mixed))
        _all_well(sync(unified, in_polled))
        for day in story.days:
            if day.has_outage:
                _bring_what_is_late(post, mixture)
            world.live(hours=day.hours)
            _delete_some(world, connection_id, chance, day.deletes)
            mixture.is_lost = partial(_is_lost, chance, day)
            post.deliver()
            _spend(day, by_post, mixture)
            _all_well(sync(unified, in_polled))
        world.advance(timedelta(days=1))
        post.deliver()
        by_post.drain()
        mixture.drain()
        for warehouse in (in_polled, in_mixed):
            _all_well(reconcile(unified, warehouse, largest_deletion=1.0))
        for warehouse in warehouses:
            assert_same(world, warehouse)
        _are_alike(in_pushed, in_polled)
        _are_alike(in_mixed, in_polled)
        _holds_every_state_of(in_mixed, in_polled)
        assert _doubled(in_pushed) == _doubled(in_mixed) == []
        for warehouse in warehouses:
            _all_well(sync(unified, warehouse))
        return world.now


@contextmanager
def three_ways(story: Story, warehouses: list[WarehouseSettings]) -> Iterator[tuple[Post, Pushed, Pushed]]:
    world = World.seeded(seed=story.seed, tickets=20, helpdesks=("front",))
    world.register_integration("front", support_table(native=EVENTS))
    world.advance(timedelta(minutes=10))
    with Sandbox(world=world) as sandbox:
        unified = settings_for(sandbox, page_size=17, lookback_seconds=1)
        post = Post(world, story.post)
        with post.to(warehouses[0], unified) as by_post, post.to(warehouses[2], unified) as mixture:
            yield post, by_post, mixture


def _bring_what_is_late(post: Post, mixture: Pushed) -> None:
    """Of what happened before webhooks were last heard of, none can tell that it is missing."""
    mixture.is_lost = lambda: False
    post.world.advance(timedelta(seconds=LONGEST_DELAY))
    post.deliver()
    mixture.drain()


def _is_lost(chance: random.Random, day: Day) -> bool:
    return day.has_outage or (day.loses_post and chance.random() < 0.6)


def _spend(day: Day, by_post: Pushed, mixture: Pushed) -> None:
    if day.pushed_drains:
        by_post.drain()
    if day.drains and day.drains_first:
        mixture.drain()
    if day.has_outage:
        _repair(mixture)
    elif day.polls or day.loses_post:
        _all_well(sync(mixture.settings, mixture.warehouse))
    if day.drains and not day.drains_first:
        mixture.drain()


def _repair(mixture: Pushed) -> None:
    for hook in mixture.webhooks():
        hook["is_healthy"] = False
    repairs = mixture.repair()
    assert {repair.gap.table for repair in repairs} == set(TABLES)
    assert [repair.outcome.error for repair in repairs if not repair.outcome.is_complete] == []
    for hook in mixture.webhooks():
        hook["is_healthy"] = True


def _delete_some(world: World, connection_id: str, chance: random.Random, number: int) -> None:
    for _ in range(number):
        name = chance.choice(["ticket", "note", "customer"])
        ids = [record["id"] for record in world.records(connection_id, name)]
        world.delete(connection_id, name, chance.choice(ids))


def _all_well(report: SyncReport) -> None:
    assert [(outcome.object, outcome.error) for outcome in report.failed] == []
    assert report.drained.error is None


def _are_alike(one: WarehouseSettings, other: WarehouseSettings) -> None:
    """In every column of the API of every living row; and what is gone of what both have seen is gone in both."""
    for table in TABLES:
        assert stored_rows(one, table) == stored_rows(other, table), table
        gone, gone_there = deleted_rows(one, table).keys(), deleted_rows(other, table).keys()
        assert not gone & stored_rows(other, table).keys(), table
        assert not gone_there - gone, table


def _holds_every_state_of(one: WarehouseSettings, other: WarehouseSettings) -> None:
    states = "select connection_id, id, state_hash from raw_unified.ticket_versions"
    assert _keys(query(other, states)) <= _keys(query(one, states))


def _doubled(warehouse: WarehouseSettings) -> list[dict[str, Any]]:
    key = "connection_id, id, state_hash"
    return query(warehouse, f"select {key} from raw_unified.ticket_versions group by {key} having count(*) > 1")


def _keys(rows: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {tuple(row.values()) for row in rows}


def _give(of: WarehouseSettings, to: WarehouseSettings, table: str) -> None:
    """Have one warehouse say in a table exactly what another does."""
    rows = query(of, f"select * from raw_unified.{table}")
    columns = ", ".join(rows[0])
    marks = ", ".join("%s" for _ in rows[0])
    insert = f"insert into raw_unified.{table} ({columns}) values ({marks})"
    with connected(to) as connection:
        cursor = connection.cursor()
        cursor.execute(f"delete from raw_unified.{table}")
        for row in rows:
            values = [json.dumps(value) if isinstance(value, list | dict) else value for value in row.values()]
            cursor.execute(insert if isinstance(to, PostgresWarehouse) else insert.replace("%s", "?"), values)


Mart = dict[tuple[Any, ...], dict[str, Any]]


_OF_THE_WAY = {"last_listed_at", "deleted_ticket_count", "deleted_note_count", "deleted_customer_count"}
"""When connections were asked for, and how much is gone of which polling has never known."""


def _mart(warehouse: WarehouseSettings, mart: str, key: str) -> Mart:
    rows = query(warehouse, f"select * from marts.{mart}")
    return {
        tuple(row[name] for name in key.split()): {name: row[name] for name in row.keys() - _OF_THE_WAY} for row in rows
    }


def _differences(found: Mart, expected: Mart) -> Mart:
    """By key the columns that are not alike."""
    return {
        key: {name: (row.get(name), there.get(name)) for name in row | there if row.get(name) != there.get(name)}
        for key in found | expected
        if (row := found.get(key, {})) != (there := expected.get(key, {}))
    }
