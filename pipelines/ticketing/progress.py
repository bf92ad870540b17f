"""What a run tells whoever watches it."""

from __future__ import annotations

from pipelines.warehouse.outcome import Outcome


class Watcher:
    """Hears of each page and each end, from many threads. This one says nothing; a command line says it to a person."""

    def page_read(self, outcome: Outcome) -> None:
        """A page of `outcome.object` has come; its counts are up to date."""

    def object_done(self, outcome: Outcome) -> None:
        """Nothing more comes of this object of this connection, well or not."""
