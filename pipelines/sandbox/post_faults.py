"""Bad days of the post: what becomes of deliveries between the sandbox and the receiver, from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

from pipelines.sandbox.instants import SECOND

REACH = 100
"""A reordered delivery goes behind as many others as this, at most."""


@dataclass(frozen=True)
class PostFaults:
    """What goes wrong with deliveries, how often. Shares are from 0 to 1 of all; everything is off by default."""

    seed: int = 0
    duplicate: float = 0
    """Share that is delivered a second time, with the same bytes: half of these at once, half of them later."""
    redeliver_with_new_nonce: float = 0
    """Share that is delivered a second time with another nonce and signature: half at once, half later."""
    delay: float = 0
    """Share that is held back for a random while; others pass it."""
    delay_seconds: float = 60
    """No longer than this, on the sandbox's clock, is anything held back."""
    reorder: float = 0
    """Share that loses its place among what waits and gets another one behind it."""
    drop: float = 0
    """Share that is never delivered, and nobody is told."""
    lost_answer: float = 0
    """Share of tries that arrive, while the vendor believes that they did not."""
    deletions_by_id_only: float = 0
    """Share of deletions that tell nothing of the record but its id."""

    def __post_init__(self) -> None:
        for share in _SHARES:
            if not 0 <= getattr(self, share) <= 1:
                raise ValueError(f"{share} is a share from 0 to 1, not {getattr(self, share)}")
        if self.delay_seconds < 0:
            raise ValueError(f"delay_seconds is a time, not {self.delay_seconds}")


_SHARES = (
    "duplicate", "redeliver_with_new_nonce", "delay", "reorder", "drop", "lost_answer", "deletions_by_id_only",
)  # fmt: skip


@dataclass(frozen=True)
class Copy:
    """One copy of a delivery: held back for so many milliseconds, put behind so many others."""

    held_back: int = 0
    behind: float = 0
    has_new_nonce: bool = False


class PostFate:
    """Decides what `faults` ask for. Each decision depends on the seed and its delivery's number alone."""

    def __init__(self, faults: PostFaults) -> None:
        self.faults = faults

    def copies(self, number: int) -> list[Copy]:
        """The copies in which a delivery goes out: one, if nothing is wrong."""
        faults, rng = self.faults, self._dice(f"copies of {number}")
        if rng.random() < faults.drop:
            return []
        copies = [self._copy(rng, held_back=rng.random() < faults.delay)]
        if rng.random() < faults.duplicate:
            copies.append(self._copy(rng, held_back=rng.random() < 0.5))
        if rng.random() < faults.redeliver_with_new_nonce:
            copies.append(self._copy(rng, held_back=rng.random() < 0.5, has_new_nonce=True))
        return copies

    def loses_answer(self, number: int, tries: int) -> bool:
        """Whether the vendor takes this try for a failure although it arrived."""
        return self._dice(f"answer {tries} of {number}").random() < self.faults.lost_answer

    def leaves_only_id(self, number: int) -> bool:
        """Whether this delivery of a deletion tells nothing but the id."""
        return self._dice(f"deletion {number}").random() < self.faults.deletions_by_id_only

    def _copy(self, rng: random.Random, *, held_back: bool, has_new_nonce: bool = False) -> Copy:
        is_reordered = rng.random() < self.faults.reorder
        return Copy(
            held_back=int(rng.random() * self.faults.delay_seconds * SECOND) if held_back else 0,
            behind=rng.random() * REACH if is_reordered else 0,
            has_new_nonce=has_new_nonce,
        )

    def _dice(self, what: str) -> random.Random:
        return random.Random(f"{self.faults.seed}: {what}")
