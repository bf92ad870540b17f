"""Long lists, read in stretches, of servers that do not do all that the API promises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from pipelines.sandbox import Sandbox, World, answers
from pipelines.sandbox.answers import Refusal
from pipelines.sandbox.shelf import Listing, Stored
from pipelines.settings import WarehouseSettings
from pipelines.sync import sync
from tests.flow.conftest import settings_for
from tests.flow.truth import assert_same

pytestmark = pytest.mark.slow


def test_an_empty_answer_in_the_middle_of_a_list_hides_nothing(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one answer to a walker that begins where there is no record; the others know that the list goes on."""
    honest, lies = World.page, list[Listing]()

    def page(self: World, connection_id: str, name: str, listing: Listing) -> list[Stored]:
        rows = honest(self, connection_id, name, listing)
        begins = listing.updated_gte
        if name == "ticket" and begins is not None and rows and not lies and listing.offset == 0:
            times = {row.updated for row in self.shelf(connection_id, name)}
            if not {begins, begins + 1} & times:
                lies.append(listing)
                return []
        return rows

    monkeypatch.setattr(World, "page", page)
    with Sandbox(seed=7, tickets=200, helpdesks=("zendesk",)) as sandbox:
        assert sync(settings_for(sandbox, page_size=5), warehouse).exit_code == 0
        assert lies
        assert_same(sandbox.world, warehouse)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("status", [400, 403, 500, 501])
def test_a_list_whose_newest_cannot_be_asked_for_is_read_by_one_walker(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    honest = World.page

    def page(self: World, connection_id: str, name: str, listing: Listing) -> list[Stored]:
        if listing.descending:
            raise Refusal(status, "no descending order here")
        return honest(self, connection_id, name, listing)

    monkeypatch.setattr(World, "page", page)
    with Sandbox(seed=7, tickets=60, helpdesks=("zendesk",)) as sandbox:
        assert sync(settings_for(sandbox, page_size=5), warehouse).exit_code == 0
        assert_same(sandbox.world, warehouse)


def test_a_server_that_takes_milliseconds_only_is_not_asked_with_more(
    warehouse: WarehouseSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = answers._updated_gte

    def strict(parameters: Mapping[str, list[str]], fate: Any) -> Any:
        if re.search(r"\.\d{4,}Z", (parameters.get("updated_gte") or [""])[-1]):
            raise Refusal(400, "updated_gte is not of the form 2026-01-31T00:00:00.000Z")
        return honest(parameters, fate)

    monkeypatch.setattr(answers, "_updated_gte", strict)
    with Sandbox(seed=7, tickets=200, helpdesks=("zendesk",)) as sandbox:
        report = sync(settings_for(sandbox, page_size=5), warehouse)
    assert [outcome.plan for outcome in report.outcomes if "contradicts" in outcome.plan] == []
