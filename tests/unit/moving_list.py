"""A list that moves while it is read, with ties, cuts and caps, held in memory."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pipelines.unified_api.client import Parameters
from pipelines.unified_api.records import Page, Record
from transforms.values import parse_time

Rows = dict[str, datetime | None]
NOON = datetime(2026, 5, 29, 12, 0, tzinfo=UTC)


@dataclass
class MovingList:
    """Records by id with their `updated_at`; before each answer some may be touched, which moves them to the end."""

    rows: Rows
    moves: int = 0
    moves_a_page: int = 0
    deletes: int = 0
    inserts: int = 0
    inserts_a_page: int = 1
    cut: timedelta = timedelta(0)
    page_cap: int = 1000
    seed: int = 0
    ignores_updated_gte: bool = False
    leaves_out_updated_gte: bool = False
    shuffles_ties: bool = False
    sorts: bool = True
    lists_newest_first: bool = False
    honours_offset: bool = True
    requests: int = 0
    began_at: datetime | None = None
    clock: datetime = NOON + timedelta(days=1)
    chance: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        self.chance.seed(self.seed)

    def __call__(self, parameters: Parameters) -> Page:
        self.requests += 1
        assert self.requests < 5_000, "the walk does not end"
        self._move()
        self.began_at = self.began_at or self.clock
        rows = list(self.rows.items())
        since = parse_time(parameters.get("updated_gte"))
        if since is not None and not self.ignores_updated_gte:
            floor = _cut(since, self.cut)
            rows = [(identity, moment) for identity, moment in rows if moment is not None and moment >= floor]
            if self.leaves_out_updated_gte:
                rows = [(identity, moment) for identity, moment in rows if moment != floor]
        if self.lists_newest_first:
            rows.reverse()
        if self.shuffles_ties:
            self.chance.shuffle(rows)
        if self.sorts and "sort" in parameters:
            descending = parameters.get("order") == "desc"
            rows.sort(key=lambda row: row[1] or datetime.min.replace(tzinfo=UTC), reverse=descending)
        offset = int(str(parameters.get("offset", 0))) if self.honours_offset else 0
        limit = min(int(str(parameters["limit"])), self.page_cap)
        return Page([Record(identity, moment, {}) for identity, moment in rows[offset : offset + limit]], self.clock)

    def _move(self) -> None:
        for _ in range(min(self.moves_a_page, self.moves) if self.rows else 0):
            self.moves -= 1
            self.clock += timedelta(milliseconds=700)
            identity = self.chance.choice(list(self.rows))
            del self.rows[identity]
            self.rows[identity] = self.clock
        if self.deletes and self.rows:
            self.deletes -= 1
            del self.rows[self.chance.choice(list(self.rows))]
        for _ in range(min(self.inserts_a_page, self.inserts)):
            self.inserts -= 1
            self.clock += timedelta(milliseconds=700)
            self.rows[f"new{self.inserts}"] = self.clock


def _cut(moment: datetime, to: timedelta) -> datetime:
    if not to:
        return moment
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return moment - since_epoch % to


def final_states(pages: list[Page]) -> Rows:
    states: Rows = {}
    for page in pages:
        for record in page.records:
            states[record.id] = record.updated_at
    return states


def assert_nothing_lost(server: MovingList, pages: list[Page], since: datetime | None) -> None:
    """What is there in the end was yielded so, or is later than the walk's begin and so the next walk's."""
    yielded = final_states(pages)
    for identity, moment in server.rows.items():
        assert moment is not None
        is_the_next_runs = server.began_at is not None and moment > server.began_at
        is_too_old = since is not None and moment < since
        assert is_the_next_runs or is_too_old or yielded.get(identity) == moment, identity


def rows_from(offsets: list[int]) -> Rows:
    """Offsets in units of 250 ms, so that ties and records of one second are many."""
    return {f"r{index}": NOON + timedelta(milliseconds=250 * offset) for index, offset in enumerate(sorted(offsets))}
