"""A store that has a past and a life."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pipelines.sandbox.life import Life
from pipelines.sandbox.seed import populate
from pipelines.sandbox.store import DEFAULT_START, Store


class World(Store):
    """All that a sandbox knows. Make one with `World.seeded` or `World.empty`."""

    def __init__(self, start: datetime = DEFAULT_START, *, seed: int = 0, refuse_unsupported: bool = False) -> None:
        super().__init__(start, refuse_unsupported=refuse_unsupported)
        self._life = Life(self, seed)

    @classmethod
    def empty(cls, start: datetime = DEFAULT_START, *, refuse_unsupported: bool = False) -> Self:
        """A world without connections: add them with `add_connection`, records with `create`."""
        return cls(start, refuse_unsupported=refuse_unsupported)

    @classmethod
    def seeded(
        cls,
        seed: int = 7,
        tickets: int = 60,
        helpdesks: tuple[str, ...] = ("zendesk", "intercom", "freshdesk", "servicenow"),
        start: datetime = DEFAULT_START,
        *,
        refuse_unsupported: bool = False,
    ) -> Self:
        """A world with a connection for each helpdesk named, and so many tickets in all."""
        world = cls(start, seed=seed, refuse_unsupported=refuse_unsupported)
        populate(world, world._life, seed, tickets, helpdesks)
        return world

    def live(self, hours: float) -> dict[str, int]:
        """Let life happen for so many hours; returns counts of what did."""
        with self.lock:
            return self._life.pass_time(hours)
