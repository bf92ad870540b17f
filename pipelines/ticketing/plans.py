"""How an object of a connection is read: chosen from the support table at run time, never by brand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from pipelines.errors import CallNotOffered
from pipelines.ticketing.walk import ListPage, walk_by_anchor, walk_whole_list
from pipelines.unified_api.capabilities import ObjectSupport
from pipelines.unified_api.records import Page


class Strategy(Enum):
    """The word for each way of reading, as `check` and `sync_runs` show it."""

    BY_ANCHOR = "by_anchor"
    WHOLE_LIST = "whole_list"
    NOT_OFFERED = "not_offered"
    PER_TICKET = "per_ticket"


@dataclass(frozen=True)
class Plan:
    """A strategy and, in a few words, why it was chosen."""

    strategy: Strategy
    reason: str
    pages_by_offset: bool = True

    @property
    def is_incremental(self) -> bool:
        """Whether a run reads only what changed since the cursor."""
        return self.strategy is Strategy.BY_ANCHOR

    def walk(self, list_page: ListPage, start: datetime | None, page_size: int) -> Iterator[Page]:
        """Read the list by this plan; see `walk` for what each way promises. Raises `CallNotOffered`."""
        match self.strategy:
            case Strategy.BY_ANCHOR:
                return walk_by_anchor(list_page, start, page_size)
            case Strategy.WHOLE_LIST:
                return walk_whole_list(list_page, page_size, pages_by_offset=self.pages_by_offset)
        raise CallNotOffered(f"This object cannot be read here: {self.reason}.")


def choose_plan(support: ObjectSupport | None) -> Plan:
    """The plan for one object of one connection; None where the integration has no support table for it."""
    if support is None:
        return Plan(Strategy.NOT_OFFERED, "the integration does not have this object")
    if not support.offers_list:
        return Plan(Strategy.NOT_OFFERED, "the integration does not list this object")
    if support.lists_only_per_ticket:
        return Plan(Strategy.PER_TICKET, "the integration lists it one ticket at a time")
    if support.filters_by_update and support.sorts_by_update and support.pages_by_offset:
        return Plan(Strategy.BY_ANCHOR, "sorts and filters by updated_at")
    missing = [
        word
        for word, offered in (
            ("updated_gte", support.filters_by_update),
            ("sort by updated_at", support.sorts_by_update),
            ("offset", support.pages_by_offset),
        )
        if not offered
    ]
    return Plan(Strategy.WHOLE_LIST, f"without {' and '.join(missing)}", support.pages_by_offset)


def safer_plan(plan: Plan, contradiction: str) -> Plan | None:
    """What to read by when the server contradicts its support table; None if nothing safer is left."""
    if plan.strategy is Strategy.BY_ANCHOR:
        return Plan(Strategy.WHOLE_LIST, f"the server contradicts its support table: {contradiction}")
    return None
