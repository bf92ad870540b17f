"""How an object of a connection is read: chosen from the support table at run time, never by brand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pipelines.errors import CallNotOffered
from pipelines.ticketing.lookahead import Lookahead
from pipelines.ticketing.stretches import Stretches, Wanted
from pipelines.ticketing.walk import (
    IGNORES_OFFSET,
    NEEDS_OFFSET,
    ListPage,
    Walk,
    walk_newest_first,
    walk_whole_list,
)
from pipelines.unified_api.capabilities import ObjectSupport


class Strategy(Enum):
    """The word for each way of reading, as `check` and `sync_runs` show it."""

    BY_ANCHOR = "by_anchor"
    NEWEST_FIRST = "newest_first"
    CHANGED_LIST = "changed_list"
    WHOLE_LIST = "whole_list"
    PER_TICKET = "per_ticket"
    NOT_OFFERED = "not_offered"


@dataclass(frozen=True)
class Plan:
    """A strategy and, in a few words, why it was chosen."""

    strategy: Strategy
    reason: str
    pages_by_offset: bool = True

    @property
    def is_incremental(self) -> bool:
        """Whether a run reads only what changed since the cursor."""
        return self.strategy in {Strategy.BY_ANCHOR, Strategy.NEWEST_FIRST, Strategy.CHANGED_LIST}

    @property
    def sorts(self) -> bool:
        return self.strategy in {Strategy.BY_ANCHOR, Strategy.NEWEST_FIRST}

    @property
    def filters(self) -> bool:
        return self.strategy in {Strategy.BY_ANCHOR, Strategy.CHANGED_LIST}

    def walk(self, list_page: ListPage, wanted: Wanted) -> Walk:
        """Read the list by this plan; see `walk` for what each way promises. Raises `CallNotOffered`."""
        start, page_size = wanted.start, wanted.page_size
        ahead = Lookahead(list_page, wanted.crew) if wanted.looks_ahead and self.pages_by_offset else list_page
        match self.strategy:
            case Strategy.BY_ANCHOR:
                return Stretches(list_page, wanted, pages_by_offset=self.pages_by_offset).walk()
            case Strategy.NEWEST_FIRST:
                return walk_newest_first(ahead, start, page_size)
            case Strategy.CHANGED_LIST:
                return walk_whole_list(ahead, page_size, pages_by_offset=self.pages_by_offset, start=start)
            case Strategy.WHOLE_LIST:
                return walk_whole_list(ahead, page_size, pages_by_offset=self.pages_by_offset)
        raise CallNotOffered(f"This object cannot be read as a list: {self.reason}.")


def choose_plan(support: ObjectSupport | None) -> Plan:
    """The plan for one object of one connection; None where the integration has no support table for it."""
    if support is None:
        return Plan(Strategy.NOT_OFFERED, "the integration does not have this object")
    if not support.offers_list:
        return Plan(Strategy.NOT_OFFERED, "the integration does not list this object")
    if support.lists_only_per_ticket:
        return Plan(Strategy.PER_TICKET, "the integration lists it one ticket at a time", support.pages_by_offset)
    match support.filters_by_update, support.sorts_by_update, support.pages_by_offset:
        case True, True, True:
            return Plan(Strategy.BY_ANCHOR, "sorts and filters by updated_at")
        case True, True, False:
            return Plan(Strategy.BY_ANCHOR, _without(support), pages_by_offset=False)
        case False, True, True:
            return Plan(Strategy.NEWEST_FIRST, "without updated_gte")
        case True, False, _:
            return Plan(Strategy.CHANGED_LIST, _without(support), support.pages_by_offset)
    return Plan(Strategy.WHOLE_LIST, f"{_without(support)} and updated_gte", support.pages_by_offset)


def _without(support: ObjectSupport) -> str:
    missing = [] if support.sorts_by_update else ["sort by updated_at"]
    missing += [] if support.pages_by_offset else ["offset"]
    return f"without {' and '.join(missing)}"


def safer_plan(plan: Plan, contradiction: str, *, is_of_tickets: bool) -> Plan | None:
    """What to read by when the server contradicts its support table; None if nothing safer is left.

    `is_of_tickets`: the object's records belong to a ticket each, so that they can be listed by it.
    """
    reason = f"the server contradicts its support table: {contradiction}"
    if plan.strategy is Strategy.BY_ANCHOR and contradiction == IGNORES_OFFSET:
        return Plan(Strategy.BY_ANCHOR, reason, pages_by_offset=False)
    if plan.is_incremental and contradiction != NEEDS_OFFSET:
        return Plan(Strategy.WHOLE_LIST, reason, plan.pages_by_offset)
    if plan.strategy is not Strategy.PER_TICKET and is_of_tickets:
        return Plan(Strategy.PER_TICKET, reason, plan.pages_by_offset)
    return None
